//! The models that the relay offers: how large, under which license, and whether this device can hold one alone.
//! Downloads nothing: that begins when a model is asked or lent.

use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::components::{Icon, icon};
use crate::context::{app, words};
use crate::fit::{Fit, fit, memory_bytes};
use crate::format;
use crate::view::Model;

#[component]
pub fn ModelsPage() -> impl IntoView {
    let t = words();
    let app = app();
    let models = Memo::new(move |_| app.node.snapshot.with(|snapshot| snapshot.models.clone()));
    let cards = move || {
        let models = models.get();
        if models.is_empty() {
            return view! { <p class="card empty">{t.models_empty}</p> }.into_any();
        }
        view! { <div class="model-grid">{models.into_iter().map(|model| view! { <ModelCard model=model /> }).collect::<Vec<_>>()}</div> }
            .into_any()
    };
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{t.models_title}</h1>
                <p class="lead">{t.models_lead}</p>
            </header>
            {cards}
        </div>
    }
}

#[component]
fn ModelCard(model: Model) -> impl IntoView {
    let t = words();
    let app = app();
    let verdict = fit(model.bytes, app.capabilities.memory_gib, app.capabilities.phone);
    let (class, words) = match verdict {
        Fit::Yes => ("tag good", t.fits_yes),
        Fit::Tight => ("tag warn", t.fits_tight),
        Fit::No => ("tag bad", t.fits_no),
        Fit::Unknown => ("tag", t.fits_unknown),
    };
    let license = if model.license.is_empty() {
        t.license_unknown.to_owned()
    } else {
        model.license.clone()
    };
    let facts = [
        (t.size, format::bytes(model.bytes)),
        (t.memory_need, format::bytes(memory_bytes(model.bytes))),
        (t.layers, model.layers.to_string()),
        (t.architecture, model.architecture.clone()),
        (t.license, license),
    ]
    .map(|(name, value)| view! { <div><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div> });
    let navigate = use_navigate();
    let id = StoredValue::new(model.id.clone());
    let go = move |place: &'static str| {
        let navigate = navigate.clone();
        move |_| {
            app.set_model(id.get_value());
            navigate(place, Default::default());
        }
    };
    view! {
        <article class="card model-card" data-model=model.id.clone()>
            <h2><bdi>{model.name.clone()}</bdi></h2>
            <p><span class=class>{words}</span></p>
            <dl class="facts">{facts.into_iter().collect_view()}</dl>
            <div class="row">
                <button type="button" class="button primary" on:click=go("/")>{icon(Icon::Chat)} {t.model_chat}</button>
                <button type="button" class="button" on:click=go("/lend")>{icon(Icon::Hand)} {t.model_lend}</button>
            </div>
        </article>
    }
}
