//! What the relay's links open: the claim of its swarm on the keys page, an invite on the page that one joins by.
//! Nothing is signed, made or kept before the button; the secret leaves the address at once.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_location;

use super::FaultNotice;
use super::register::role_word;
use crate::browser::page;
use crate::context::{app, words};
use crate::i18n::fill;
use crate::state::LinkInfo;
use crate::view::Fault;

/// A link that was followed inside the app is written into the address a moment after its page is there.
const WRITTEN_MS: i32 = 100;

/// The link that was opened last, also once the address no longer shows it.
#[component]
pub fn RelayLink(is_claim: bool) -> impl IntoView {
    let mark = if is_claim { "claim.v1." } else { "v1." };
    let hash = use_location().hash;
    let secret = Memo::new(move |_| {
        let hash = hash.get();
        let secret = hash.trim_start_matches('#').strip_prefix(mark)?.to_owned();
        page::fragment(mark);
        spawn_local(async move {
            page::sleep(WRITTEN_MS).await;
            page::fragment(mark);
        });
        Some(secret)
    });
    move || {
        secret
            .get()
            .map(|secret| view! { <LinkCard secret=secret is_claim=is_claim /> })
    }
}

#[component]
fn LinkCard(secret: String, is_claim: bool) -> impl IntoView {
    let t = words();
    let app = app();
    let tag = app.language.get_untracked().tag();
    let secret = StoredValue::new(secret);
    let link = RwSignal::new(None::<LinkInfo>);
    let fault = RwSignal::new(None::<Fault>);
    let (busy, done) = (RwSignal::new(false), RwSignal::new(false));
    // First what it opens, then what it gives.
    let go = move || {
        busy.set(true);
        fault.set(None);
        let known = link.with_untracked(Option::is_some);
        spawn_local(async move {
            let secret = secret.get_value();
            let failed = if known {
                let taken = app.node.take_link(is_claim, secret).await;
                app.read_swarms().await;
                done.try_set(taken.is_ok());
                taken.err()
            } else {
                let read = app.node.read_link(is_claim, secret).await;
                read.map(|found| drop(link.try_set(Some(found)))).err()
            };
            fault.try_set(failed);
            busy.try_set(false);
        });
    };
    go();
    let lines = move || {
        let LinkInfo {
            swarm,
            role,
            until_ms,
            ..
        } = link.get().unwrap_or_default();
        let until = page::date(until_ms, tag);
        let texts = match (is_claim, done.get(), &role) {
            _ if swarm.id.is_empty() => vec![],
            (true, false, _) => vec![t.claim_text],
            (true, true, _) => vec![t.claim_done],
            (_, false, Some(_)) => vec![t.invited_to, t.invited_role],
            (_, true, _) => vec![t.invited_to, t.invited_done],
            _ => vec![t.invited_to, t.invited_open],
        };
        let values = [
            ("name", swarm.name.as_str()),
            ("role", role_word(t, role.as_deref())),
            ("date", &until),
        ];
        let lines = texts
            .into_iter()
            .map(|text| view! { <p>{fill(text, &values)}</p> });
        (
            lines.collect_view(),
            view! { <code class="key-id" dir="ltr">{swarm.id.clone()}</code> },
        )
    };
    let label = move || match link.get() {
        None => fault
            .with(|fault| {
                fault
                    .as_ref()
                    .is_some_and(|fault| fault.code == "relay_unreachable")
            })
            .then_some(t.try_again),
        Some(_) if done.get() => None,
        Some(_) if is_claim => Some(t.claim_yes),
        Some(link) => link.role.map(|_| t.invited_yes),
    };
    let state = move || match link.with(|link| link.as_ref().map(|link| link.is_mine)) {
        _ if done.get() => "done",
        Some(true) => "mine",
        Some(false) => "offered",
        None if fault.with(Option::is_some) => "refused",
        None => "asking",
    };
    let role = move || link.with(|link| link.as_ref().map(|link| link.role.clone().unwrap_or_default()));
    let (testid, title) = if is_claim {
        ("claim", t.claim_title)
    } else {
        ("invited", t.invite_link)
    };
    view! {
        <section class="card stack" aria-label=title data-testid=testid data-state=state data-role=role>
            <h2>{title}</h2>
            {lines}
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
            {move || label().map(|label| view! {
                <button type="button" class="button primary" data-testid=format!("{testid}-accept") disabled=move || busy.get() on:click=move |_| go()>{label}</button>
            })}
        </section>
    }
}
