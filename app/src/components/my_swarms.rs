//! The person's own swarms: found one, join one, choose which one is in use, open its register.
//! What a register allows is its own word; this only asks.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{FaultNotice, Register};
use crate::context::{app, words};
use crate::i18n::fill;
use crate::state::SwarmCard;
use crate::view::Fault;

#[component]
pub fn MySwarms() -> impl IntoView {
    let t = words();
    let app = app();
    let fault = RwSignal::new(None::<Fault>);
    let opened = RwSignal::new(None::<String>);
    // An invite in the address waits in the field; nothing is taken up before the button.
    let token = RwSignal::new(crate::browser::page::fragment("s1."));
    let name = RwSignal::new(String::new());
    let done = move |result: Result<SwarmCard, Fault>| async move {
        match result {
            Ok(card) => {
                fault.try_set(None);
                app.read_swarms().await;
                opened.try_set(Some(card.id));
                true
            }
            Err(failed) => {
                fault.try_set(Some(failed));
                false
            }
        }
    };
    let create = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            if done(app.node.create_swarm(name.get_untracked()).await).await {
                name.try_set(String::new());
            }
        });
    };
    let join = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            if done(app.node.join_swarm(token.get_untracked()).await).await {
                token.try_set(String::new());
            }
        });
    };
    let ids = Memo::new(move |_| {
        app.swarms
            .with(|swarms| swarms.iter().map(|swarm| swarm.id.clone()).collect::<Vec<_>>())
    });
    view! {
        <section class="card" aria-labelledby="swarms-title">
            <h2 id="swarms-title">{t.swarms}</h2>
            <p>{t.swarms_text}</p>
            <ul class="plain-list">
                <For each=move || ids.get() key=|id| id.clone() let:id>
                    <Row id=id opened=opened />
                </For>
            </ul>
            <form class="row wrap" on:submit=create>
                <label class="grow">
                    <span class="sr-only">{t.swarm_name}</span>
                    <input class="field" data-testid="swarm-name" maxlength="64" placeholder=t.swarm_name prop:value=move || name.get()
                        on:input:target=move |event| name.set(event.target().value()) />
                </label>
                <button type="submit" class="button" data-testid="swarm-create" disabled=move || name.with(|n| n.trim().is_empty())>{t.swarm_create}</button>
            </form>
            <form class="row wrap" on:submit=join>
                <label class="grow">
                    <span class="sr-only">{t.swarm_join_text}</span>
                    <input class="field" dir="ltr" data-testid="swarm-token" placeholder=t.swarm_join_text autocomplete="off" spellcheck="false"
                        prop:value=move || token.get() on:input:target=move |event| token.set(event.target().value()) />
                </label>
                <button type="submit" class="button" data-testid="swarm-join" disabled=move || token.with(|t| t.trim().is_empty())>{t.swarm_join}</button>
            </form>
            <Lost />
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
        </section>
    }
}

/// For a key that was brought here: its swarms are in the relays' table. Looked for after an import, and by hand.
#[component]
fn Lost() -> impl IntoView {
    let t = words();
    let app = app();
    let has_key = Memo::new(move |_| app.node.snapshot.with(|snapshot| snapshot.node_id.is_some()));
    let looking = RwSignal::new(false);
    let found = RwSignal::new(None::<usize>);
    let look = move |_| {
        looking.set(true);
        found.set(None);
        spawn_local(async move {
            let result = app.node.recover_swarms().await;
            looking.try_set(false);
            found.try_set(Some(result.unwrap_or(0)));
        });
    };
    move || {
        has_key.get().then(|| view! {
            <p class="row wrap">
                <button type="button" class="button small" data-testid="swarm-look" disabled=move || looking.get() on:click=look>{t.swarm_look}</button>
                <span class="quiet" role="status">{move || found.get().map(|n| fill(t.swarm_looked, &[("n", &n.to_string())]))}</span>
            </p>
        })
    }
}

#[component]
fn Row(id: String, opened: RwSignal<Option<String>>) -> impl IntoView {
    let t = words();
    let app = app();
    let card = {
        let id = id.clone();
        Memo::new(move |_| {
            app.swarms
                .with(|swarms| swarms.iter().find(|swarm| swarm.id == id).cloned())
                .unwrap_or_default()
        })
    };
    let id = StoredValue::new(id);
    let is_open = Memo::new(move |_| opened.with(|opened| id.with_value(|id| opened.as_ref() == Some(id))));
    let is_used = Memo::new(move |_| {
        app.swarm
            .with(|used| id.with_value(|id| used.as_ref() == Some(id)))
    });
    let toggle = move |_| {
        let now = if is_open.get_untracked() {
            None
        } else {
            Some(id.get_value())
        };
        opened.set(now);
    };
    let role = move || card.with(|card| super::register::role_word(t, card.role.or(card.offered)));
    view! {
        <li class="swarm" data-testid="swarm" data-swarm=id.get_value() data-role=move || card.with(|card| card.role)>
            <div class="row wrap">
                <button type="button" class="disclosure grow" aria-expanded=move || is_open.get().to_string() on:click=toggle>
                    <bdi class="swarm-name">{move || card.with(|card| card.name.clone())}</bdi>
                    <span class="quiet">{role}</span>
                </button>
                {move || if is_used.get() {
                    view! { <span class="tag" data-testid="swarm-used">{t.swarm_used}</span> }.into_any()
                } else {
                    let id = id.get_value();
                    view! {
                        <button type="button" class="button small" data-testid="swarm-use" on:click=move |_| app.set_swarm(Some(id.clone()))>{t.swarm_use}</button>
                    }
                    .into_any()
                }}
            </div>
            {move || is_open.get().then(|| view! { <Register card=card opened=opened /> })}
        </li>
    }
}
