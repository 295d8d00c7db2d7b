//! Which model answers: the browser's own list, so that it works with every keyboard and reader.
//! Loads nothing; a model is loaded when it is first asked.

use leptos::prelude::*;

use super::model_facts::{FitTag, facts, said};
use crate::context::{app, words};
use crate::format;

/// Between the facts of a model, where a browser shows each as one line of plain text.
const APART: &str = " · ";

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
                let facts = facts(model.bytes, &model.license).map(said).join(APART);
                let id = model.id.clone();
                view! {
                    <option value=model.id selected=move || chosen.get() == id>
                        <bdi class="option-name">{model.name}</bdi>
                        <span class="apart">{APART}</span>
                        <FitTag bytes=model.bytes />
                        <span class="apart">{APART}</span>
                        <span class="option-facts">{facts}</span>
                    </option>
                }
            })
            .collect_view()
            .into_any()
    };
    // Shown in place of the chosen line where a browser draws the list as the page says; elsewhere nobody sees it.
    let short = move || match app.model() {
        Some(model) => format!("{}{APART}{}", model.name, format::bytes(model.bytes)),
        None => t.model_none.to_owned(),
    };
    view! {
        <div class="model-picker">
            <select data-testid="model-picker" aria-label=t.model prop:value=move || chosen.get()
                on:change:target=move |event| app.set_model(event.target().value())>
                <button type="button"><bdi>{short}</bdi></button>
                {options}
            </select>
        </div>
    }
}
