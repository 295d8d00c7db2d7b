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
use crate::state::{ClaimOffer, InviteInfo, SwarmCard};
use crate::view::Fault;

const CLAIM: &str = "claim.v1.";
const INVITE: &str = "v1.";
/// A link that was followed inside the app is written into the address a moment after its page is there.
const WRITTEN_MS: i32 = 100;

/// The secret behind the mark in the address that was opened last, also once the address no longer shows it.
fn secret(mark: &'static str) -> Memo<Option<String>> {
    let hash = use_location().hash;
    Memo::new(move |_| {
        let hash = hash.get();
        let secret = hash.trim_start_matches('#').strip_prefix(mark)?.to_owned();
        page::fragment(mark);
        spawn_local(async move {
            page::sleep(WRITTEN_MS).await;
            page::fragment(mark);
        });
        Some(secret)
    })
}

/// "Become the owner of this relay's swarm?"
#[component]
pub fn Claim() -> impl IntoView {
    let secret = secret(CLAIM);
    move || secret.get().map(|secret| view! { <ClaimCard secret=secret /> })
}

#[component]
fn ClaimCard(secret: String) -> impl IntoView {
    let t = words();
    let app = app();
    let secret = StoredValue::new(secret);
    let (offer, fault) = (RwSignal::new(None::<ClaimOffer>), RwSignal::new(None::<Fault>));
    let (busy, done) = (RwSignal::new(false), RwSignal::new(false));
    let ask = move || {
        fault.set(None);
        spawn_local(async move {
            match app.node.claim_offer(secret.get_value()).await {
                Ok(found) => drop(offer.try_set(Some(found))),
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
        });
    };
    ask();
    let claim = move |_| {
        busy.set(true);
        spawn_local(async move {
            match app.node.claim(secret.get_value()).await {
                Ok(_) => {
                    fault.try_set(None);
                    done.try_set(true);
                    app.read_swarms().await;
                }
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
            busy.try_set(false);
        });
    };
    let named = move |text| {
        fill(
            text,
            &[(
                "name",
                &offer.get().map(|offer| offer.swarm.name).unwrap_or_default(),
            )],
        )
    };
    let state = move || match (done.get(), offer.get()) {
        (true, _) => "done",
        (_, Some(offer)) if offer.is_mine => "mine",
        (_, Some(_)) => "offered",
        _ if fault.with(Option::is_some) => "refused",
        _ => "asking",
    };
    let body = move || {
        if done.get() {
            return Some(view! { <p role="status">{named(t.claim_done)}</p> }.into_any());
        }
        offer.get().map(|_| {
            view! {
                <p>{named(t.claim_text)}</p>
                <button type="button" class="button primary" data-testid="claim-accept" disabled=move || busy.get() on:click=claim>{t.claim_yes}</button>
            }
            .into_any()
        })
    };
    view! {
        <section class="card stack" aria-labelledby="claim-title" data-testid="claim" data-state=state>
            <h2 id="claim-title">{t.claim_title}</h2>
            {body}
            <Trouble fault=fault known=Signal::derive(move || offer.with(Option::is_some)) ask=Callback::new(move |()| ask()) />
        </section>
    }
}

/// Why it did not work; where the relay was not reached, the way to try again: the address no longer has the secret.
#[component]
fn Trouble(fault: RwSignal<Option<Fault>>, known: Signal<bool>, ask: Callback<()>) -> impl IntoView {
    let t = words();
    move || {
        fault.get().map(|fault| {
            let lost = fault.code == "relay_unreachable" && !known.get();
            let again = lost.then(|| {
                view! { <button type="button" class="button" data-testid="try-again" on:click=move |_| ask.run(())>{t.try_again}</button> }
            });
            view! { <FaultNotice fault=fault /> {again} }
        })
    }
}

/// What an invite says, and its role for whoever wants it.
#[component]
pub fn Invited() -> impl IntoView {
    let secret = secret(INVITE);
    move || secret.get().map(|secret| view! { <InviteCard secret=secret /> })
}

#[component]
fn InviteCard(secret: String) -> impl IntoView {
    let t = words();
    let app = app();
    let tag = app.language.get_untracked().tag();
    let secret = StoredValue::new(secret);
    let (info, fault) = (RwSignal::new(None::<InviteInfo>), RwSignal::new(None::<Fault>));
    let (busy, joined) = (RwSignal::new(false), RwSignal::new(None::<SwarmCard>));
    let ask = move || {
        fault.set(None);
        spawn_local(async move {
            match app.node.read_invite(secret.get_value()).await {
                Ok(found) => drop(info.try_set(Some(found))),
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
        });
    };
    ask();
    let take = move |_| {
        busy.set(true);
        spawn_local(async move {
            match app.node.take_invite(secret.get_value()).await {
                Ok(card) => {
                    fault.try_set(None);
                    joined.try_set(Some(card));
                    app.read_swarms().await;
                }
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
            busy.try_set(false);
        });
    };
    let role = move |name: &str| role_word(t, Some(name));
    let body = move || {
        let InviteInfo {
            swarm,
            role: gives,
            expires,
            ..
        } = info.get()?;
        let gives = gives.map(|gives| gives.to_lowercase());
        let until = page::date(expires * 1000.0, tag);
        let head = view! {
            <p>{fill(t.invited_to, &[("name", &swarm.name), ("date", &until)])}</p>
            <p class="quiet"><code class="key-id" dir="ltr" data-testid="invited-swarm">{swarm.id.clone()}</code></p>
        };
        let rest = match (joined.get(), gives) {
            (Some(card), _) => view! {
                <p role="status">{fill(t.invited_done, &[("role", role(card.role.or(card.offered).unwrap_or_default())), ("name", &card.name)])}
                    " " <a href="/keys">{t.nav_keys}</a></p>
            }
            .into_any(),
            (_, Some(gives)) => view! {
                <p>{fill(t.invited_role, &[("role", role(&gives))])}</p>
                <button type="button" class="button primary" data-testid="invited-accept" disabled=move || busy.get() on:click=take>{t.invited_yes}</button>
            }
            .into_any(),
            _ => view! { <p class="quiet">{t.invited_open}</p> }.into_any(),
        };
        Some(view! { {head} {rest} })
    };
    view! {
        <section class="card stack" aria-label=t.join_title data-testid="invited"
            data-role=move || info.with(|info| info.as_ref().map(|info| info.role.clone().unwrap_or_default().to_lowercase()))
            data-state=move || if joined.with(Option::is_some) { "joined" } else if info.with(Option::is_some) { "read" } else if fault.with(Option::is_some) { "refused" } else { "asking" }>
            {body}
            <Trouble fault=fault known=Signal::derive(move || info.with(Option::is_some)) ask=Callback::new(move |()| ask()) />
        </section>
    }
}
