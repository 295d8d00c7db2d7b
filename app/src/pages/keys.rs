//! Keys: who this browser is, what its person agreed to, and what can be taken back.
//! The key itself never comes here; the node's half of the browser keeps it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::page;
use crate::components::{Dialog, FaultNotice, Icon, icon};
use crate::consent::{Purpose, Receipt};
use crate::context::{app, words};
use crate::i18n::fill;
use crate::lending::lending;
use crate::pattern;
use crate::view::Fault;

#[component]
pub fn KeysPage() -> impl IntoView {
    let t = words();
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{t.keys_title}</h1>
                <p class="lead">{t.keys_lead}</p>
            </header>
            <Identity />
            <Agreements />
            <section class="card" aria-labelledby="sites-title">
                <h2 id="sites-title">{t.sites}</h2>
                <p>{t.sites_text}</p>
            </section>
        </div>
    }
}

#[component]
fn Identity() -> impl IntoView {
    let t = words();
    let app = app();
    let id = Memo::new(move |_| app.node.snapshot.with(|snapshot| snapshot.node_id.clone()));
    let fault = RwSignal::new(None::<Fault>);
    let resetting = RwSignal::new(false);
    let memory_only = app.query.with_value(|query| query.memory_only);
    // Looks for a key that was made earlier; makes none.
    if !memory_only {
        spawn_local(async move { drop(app.node.identity().await) });
    }
    let create = move |_| {
        spawn_local(async move {
            drop(fault.try_set(app.node.create_identity().await.err()));
        });
    };
    let shown = move || match id.get() {
        Some(id) => view! {
            <div class="row">
                <Pattern id=id.clone() />
                <div class="key-words">
                    <p class="quiet">{t.key_yours}</p>
                    <code class="key-id" dir="ltr">{id}</code>
                </div>
            </div>
        }
        .into_any(),
        None => view! { <p>{t.key_none}</p> }.into_any(),
    };
    view! {
        <section class="card identity" data-testid="identity-id" data-state=move || if id.with(Option::is_some) { "ready" } else { "none" }>
            {shown}
            <div class="row wrap">
                <button type="button" class="button primary" data-testid="identity-create" disabled=move || id.with(Option::is_some)
                    on:click=create>{icon(Icon::Key)} {t.key_create}</button>
                <button type="button" class="button" data-testid="identity-export" disabled=true>{t.key_export}</button>
                <button type="button" class="button" data-testid="identity-import" disabled=true>{t.key_import}</button>
                <button type="button" class="button danger" data-testid="identity-reset" disabled=move || id.with(Option::is_none)
                    on:click=move |_| resetting.set(true)>{t.key_reset}</button>
            </div>
            <p class="quiet">{t.key_no_export}</p>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
        </section>
        {move || resetting.get().then(|| view! { <Reset open=resetting fault=fault /> })}
    }
}

/// Asks for a typed word: this cannot be undone.
#[component]
fn Reset(open: RwSignal<bool>, fault: RwSignal<Option<Fault>>) -> impl IntoView {
    let t = words();
    let app = app();
    let typed = RwSignal::new(String::new());
    let sure = Memo::new(move |_| {
        typed.with(|typed| typed.trim().to_lowercase() == t.key_reset_word.to_lowercase())
    });
    let forget = move |_| {
        if sure.get_untracked() {
            open.set(false);
            spawn_local(async move { drop(fault.try_set(app.node.reset_identity().await.err())) });
        }
    };
    view! {
        <Dialog labelled_by="reset-title" on_cancel=Callback::new(move |()| open.set(false))>
            <h2 id="reset-title">{t.key_reset}</h2>
            <p>{fill(t.key_reset_text, &[("word", t.key_reset_word)])}</p>
            <input class="field" data-testid="identity-reset-word" aria-labelledby="reset-title" autocomplete="off" prop:value=move || typed.get()
                on:input:target=move |event| typed.set(event.target().value()) />
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>{t.cancel}</button>
                <button type="button" class="button danger" data-testid="identity-reset-confirm" disabled=move || !sure.get()
                    on:click=forget>{t.key_reset}</button>
            </div>
        </Dialog>
    }
}

#[component]
fn Pattern(id: String) -> impl IntoView {
    let t = words();
    let cells = pattern::cells(&id)
        .into_iter()
        .enumerate()
        .flat_map(|(y, row)| {
            row.into_iter()
                .enumerate()
                .filter(|(_, filled)| *filled)
                .map(move |(x, _)| (x, y))
        })
        .map(|(x, y)| view! { <rect x=x.to_string() y=y.to_string() width="1" height="1"></rect> })
        .collect::<Vec<_>>();
    let color = format!("hsl({} 55% 45%)", pattern::hue(&id));
    let view_box = format!("-0.5 -0.5 {0} {0}", pattern::SIDE + 1);
    view! {
        <svg class="pattern" viewBox=view_box role="img" aria-label=t.key_pattern fill=color shape-rendering="crispEdges">{cells}</svg>
    }
}

#[component]
fn Agreements() -> impl IntoView {
    let t = words();
    let app = app();
    let lines = move || {
        let current = app.receipts.with(|receipts| receipts.current(page::now_ms()));
        if current.is_empty() {
            return view! { <p class="quiet">{t.receipts_none}</p> }.into_any();
        }
        view! { <ul class="plain-list receipts">{current.into_iter().map(|receipt| view! { <Agreement receipt=receipt /> }).collect::<Vec<_>>()}</ul> }
            .into_any()
    };
    view! {
        <section class="card" aria-labelledby="receipts-title">
            <h2 id="receipts-title">{t.receipts}</h2>
            {lines}
        </section>
    }
}

#[component]
fn Agreement(receipt: Receipt) -> impl IntoView {
    let t = words();
    let app = app();
    let lending = lending();
    let name = match receipt.purpose {
        Purpose::Lend => t.receipt_lend,
        Purpose::Swarm => t.receipt_swarm,
    };
    let tag = app.language.get_untracked().tag();
    let dates = fill(
        t.receipt_dates,
        &[
            ("from", &page::date(receipt.agreed_ms, tag)),
            ("to", &page::date(receipt.expires_ms, tag)),
        ],
    );
    let withdraw = move |_| {
        app.receipts.update(|receipts| receipts.withdraw(receipt.purpose));
        match receipt.purpose {
            Purpose::Lend => lending.stop(),
            Purpose::Swarm => app.chats.stop(),
        }
    };
    view! {
        <li class="receipt">
            <div>
                <p>{name}</p>
                <p class="quiet">{dates}</p>
            </div>
            <button type="button" class="button" on:click=withdraw>{t.withdraw}</button>
        </li>
    }
}
