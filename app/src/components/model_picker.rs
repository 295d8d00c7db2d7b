//! Which model answers: the browser's own list, so that it works with every keyboard and reader.
//! Loads nothing; a model is loaded when it is first asked.

use leptos::prelude::*;

use super::model_card::verdict;
use crate::context::{app, words};
use crate::fit::Fit;
use crate::format;

#[component]
pub fn ModelPicker() -> impl IntoView {
    let t = words();
    let app = app();
    let models = Memo::new(move |_| app.node.snapshot.with(|snapshot| snapshot.models.clone()));
    let chosen = Memo::new(move |_| app.model().map(|model| model.id).unwrap_or_default());
    let options = move || {
        let models = models.get();
        if models.is_empty() {
            return view! { <option value="">{t.model_none}</option> }.into_any();
        }
        models
            .into_iter()
            .map(|model| {
                let mut label = format!("{} · {}", model.name, format::bytes(model.bytes));
                // That it fits is said on the page of the models; that it may not, before it is chosen.
                if let (Fit::Tight | Fit::No, words) = verdict(model.bytes) {
                    label = format!("{label} · {words}");
                }
                let id = model.id.clone();
                view! { <option value=model.id selected=move || chosen.get() == id>{label}</option> }
            })
            .collect_view()
            .into_any()
    };
    view! {
        <label class="model-picker">
            <span class="sr-only">{t.model}</span>
            <select data-testid="model-picker" prop:value=move || chosen.get()
                on:change:target=move |event| app.set_model(event.target().value())>
                {options}
            </select>
        </label>
    }
}
