//! Which swarm is in use: the relay's, which is open to everybody, or one of the person's own.
//! Only a choice; what follows from it is the node's business.

use leptos::prelude::*;

use crate::context::{app, words};
use crate::i18n::fill;

/// Nothing is shown to whoever has no swarm of their own.
#[component]
pub fn SwarmSwitch() -> impl IntoView {
    let t = words();
    let app = app();
    let relay = move || {
        let name = app
            .node
            .snapshot
            .with(|snapshot| snapshot.swarm.as_ref().map(|swarm| swarm.name.clone()));
        fill(t.swarm_open, &[("name", &name.unwrap_or_default())])
    };
    let own = move || {
        app.swarms.with(|swarms| {
            swarms
                .iter()
                .map(|swarm| {
                    let id = swarm.id.clone();
                    let chosen = {
                        let id = id.clone();
                        move || app.swarm.with(|chosen| chosen.as_ref() == Some(&id))
                    };
                    view! { <option value=id selected=chosen>{swarm.name.clone()}</option> }
                })
                .collect::<Vec<_>>()
        })
    };
    let choose = move |event: web_sys::Event| {
        let id = event_target_value(&event);
        app.set_swarm(Some(id).filter(|id| !id.is_empty()));
    };
    let has_own = Memo::new(move |_| app.swarms.with(|swarms| !swarms.is_empty()));
    move || {
        has_own.get().then(|| {
            view! {
                <label class="row wrap swarm-choice">
                    <span>{t.swarm_choice}</span>
                    <select class="field" data-testid="swarm-choice" data-swarm=move || app.swarm.get() on:change=choose>
                        <option value="" selected=move || app.swarm.with(Option::is_none)>{relay}</option>
                        {own}
                    </select>
                </label>
            }
        })
    }
}
