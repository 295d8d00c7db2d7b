//! The models: those of the relay and those of this browser, what is kept of them, and how to bring more.
//! Downloads nothing by itself.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::components::{Bring, CatalogueList, FaultNotice, ModelCard};
use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::view::{Fault, Model};

#[component]
pub fn ModelsPage() -> impl IntoView {
    let t = words();
    let app = app();
    app.shelf.look();
    // What is kept but listed nowhere any more can still be used and deleted.
    let models = Memo::new(move |_| {
        let mut models = app.node.snapshot.with(|snapshot| snapshot.models.clone());
        app.shelf.kept.with(|kept| {
            let unlisted = kept
                .models
                .iter()
                .filter(|kept| models.iter().all(|m| m.id != kept.model.id));
            let unlisted: Vec<Model> = unlisted.map(|kept| kept.model.clone()).collect();
            models.extend(unlisted);
        });
        models
    });
    // Somebody in the swarm lends what no relay lists: a model that a person brought.
    let offered = Memo::new(move |_| {
        let models = models.get();
        let mut ids: Vec<String> = app.node.snapshot.with(|snapshot| {
            let workers = snapshot.workers.iter();
            workers.map(|worker| worker.model.clone()).collect()
        });
        ids.retain(|id| models.iter().all(|model| model.id != *id));
        ids.sort_unstable();
        ids.dedup();
        ids
    });
    let empty = Memo::new(move |_| models.with(Vec::is_empty));
    let cards = move || {
        if empty.get() {
            return view! { <p class="card empty">{t.models_empty}</p> }.into_any();
        }
        view! {
            <div class="model-grid">
                <For each=move || models.get() key=|model| (model.id.clone(), model.name.clone()) let:model>
                    <ModelCard model=model />
                </For>
            </div>
        }
        .into_any()
    };
    let used = move || {
        app.shelf.kept.with(|kept| {
            if !kept.known {
                return None;
            }
            let held: u64 = kept.models.iter().map(|kept| kept.held_bytes).sum();
            let words = if !kept.persistent {
                t.shelf_none.to_owned()
            } else if kept.quota_bytes == 0 {
                fill(t.shelf_used, &[("n", &format::bytes(held))])
            } else {
                let quota = format::bytes(kept.quota_bytes);
                fill(t.shelf_used_of, &[("n", &format::bytes(held)), ("m", &quota)])
            };
            Some(view! { <p class="quiet" data-testid="shelf-used" data-persistent=kept.persistent.to_string() data-held=held.to_string()>{words}</p> })
        })
    };
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{t.models_title}</h1>
                <p class="lead">{t.models_lead}</p>
                {used}
            </header>
            {cards}
            {move || offered.get().into_iter().map(|id| view! { <Offered id=id /> }).collect::<Vec<_>>()}
            <Bring />
            <CatalogueList />
        </div>
    }
}

/// A model of which only the id is known: it is described by those who lend it, when it is asked for.
#[component]
fn Offered(id: String) -> impl IntoView {
    let t = words();
    let app = app();
    let fault = RwSignal::new(None::<Fault>);
    let short = format::short_id(&id);
    let shown = id.clone();
    let look = move |_| {
        let id = id.clone();
        spawn_local(async move {
            if app.consent(app.others()).await
                && let Err(error) = app.shelf.look_up(&id).await
            {
                _ = fault.try_set(Some(error));
            }
        });
    };
    view! {
        <section class="card" data-testid="model-offered" data-model=shown>
            <h2>{t.offered_title} " " <bdi>{short}</bdi></h2>
            <p>{t.offered_text}</p>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
            <button type="button" class="button" data-testid="model-look" on:click=look>{t.offered_look}</button>
        </section>
    }
}
