//! One model: how large, under which license, whether this device can hold it, what of it is kept here.
//! What a button starts goes on when the card is gone from the screen.

use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::model_facts::{FitTag, facts};
use super::{Dialog, Icon, JobLine, icon};
use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::shelf::{Job, JobState, Task};
use crate::view::Model;

#[component]
pub fn ModelCard(model: Model) -> impl IntoView {
    let t = words();
    let app = app();
    let inside = [
        (t.layers, model.layers.to_string()),
        (t.architecture, model.architecture.clone()),
    ];
    let facts = facts(model.bytes, &model.license)
        .into_iter()
        .chain(inside)
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div> });
    let navigate = use_navigate();
    let kept = model.clone();
    let (id, own) = (StoredValue::new(model.id.clone()), model.own);
    let go = move |place: &'static str| {
        let navigate = navigate.clone();
        move |_| {
            app.set_model(id.get_value());
            navigate(place, Default::default());
        }
    };
    view! {
        <article class="card model-card" data-testid="model-card" data-model=model.id.clone() data-own=own.to_string()>
            <h2><bdi>{model.name.clone()}</bdi></h2>
            <p class="tags"><FitTag bytes=model.bytes />{own.then(|| view! { <span class="tag">{t.model_own}</span> })}</p>
            {(!model.description.is_empty()).then(|| view! { <p data-testid="model-description"><bdi>{model.description.clone()}</bdi></p> })}
            <dl class="facts">{facts.collect_view()}</dl>
            <div class="row wrap">
                <button type="button" class="button primary" on:click=go("/")>{icon(Icon::Chat)} {t.model_chat}</button>
                <button type="button" class="button" on:click=go("/lend")>{icon(Icon::Hand)} {t.model_lend}</button>
            </div>
            <Keeping model=kept />
        </article>
    }
}

/// What of it is kept, and the buttons that change that.
#[component]
fn Keeping(model: Model) -> impl IntoView {
    let t = words();
    let shelf = app().shelf;
    let id = StoredValue::new(model.id.clone());
    let name = StoredValue::new(model.name.clone());
    let total = model.bytes;
    let deleting = RwSignal::new(false);
    let held = Memo::new(move |_| {
        shelf
            .kept
            .with(|kept| kept.of(&id.get_value()).map_or(0, |kept| kept.held_bytes))
    });
    let persistent = Memo::new(move |_| shelf.kept.with(|kept| kept.persistent));
    let job = Memo::new(move |_| shelf.jobs.with(|jobs| jobs.contains_key(&id.get_value())));
    let busy = Memo::new(move |_| {
        shelf
            .jobs
            .with(|jobs| jobs.get(&id.get_value()).is_some_and(Job::is_running))
    });
    // What waits has a button of its own that goes on.
    let waits = Memo::new(move |_| {
        shelf.jobs.with(|jobs| {
            jobs.get(&id.get_value()).is_some_and(|job| {
                job.task == Task::Download && matches!(job.state, JobState::Paused | JobState::Failed(_))
            })
        })
    });
    let state = move || match held.get() {
        0 => "none",
        held if held >= total => "whole",
        _ => "part",
    };
    let words = move || match held.get() {
        0 => t.kept_none.to_owned(),
        held if held >= total => t.kept_whole.to_owned(),
        held => fill(
            t.kept_part,
            &[("n", &format::bytes(held)), ("m", &format::bytes(total))],
        ),
    };
    let buttons = move || {
        if !persistent.get() || busy.get() {
            return None;
        }
        let held = held.get();
        Some(view! {
            {(held < total && !waits.get()).then(|| view! {
                <button type="button" class="button" data-testid="model-download"
                    on:click=move |_| shelf.download(&id.get_value(), &name.get_value())>{icon(Icon::Fetch)} {t.model_download}</button>
            })}
            {(held > 0).then(|| view! {
                <button type="button" class="button" data-testid="model-verify"
                    on:click=move |_| shelf.verify(&id.get_value(), &name.get_value())>{icon(Icon::Check)} {t.model_verify}</button>
                <button type="button" class="button danger" data-testid="model-delete"
                    on:click=move |_| deleting.set(true)>{icon(Icon::Trash)} {t.delete}</button>
            })}
        })
    };
    view! {
        <p class="quiet" data-testid="model-kept" data-state=state data-held=move || held.get().to_string() data-bytes=total.to_string()>{words}</p>
        {move || job.get().then(|| view! { <JobLine key=id.get_value() /> })}
        <div class="row wrap">{buttons}</div>
        {move || deleting.get().then(|| view! {
            <Dialog labelled_by="forget-title" on_cancel=Callback::new(move |()| deleting.set(false))>
                <h2 id="forget-title">{fill(t.model_delete_sure, &[("name", &name.get_value())])}</h2>
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| deleting.set(false)>{t.cancel}</button>
                    <button type="button" class="button danger" data-testid="model-delete-sure" on:click=move |_| {
                        shelf.forget(&id.get_value());
                        deleting.set(false);
                    }>{t.delete}</button>
                </div>
            </Dialog>
        })}
    }
}
