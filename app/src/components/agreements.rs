//! What the person agreed to: for what, from when to when, taken back when; and the button that takes it back.
//! The node signs and keeps it; what was started on the strength of it stops here.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::page;
use crate::consent::{Purpose, Receipt, Standing};
use crate::context::{app, words};
use crate::i18n::fill;
use crate::lending::lending;

/// Older ones stay in storage and are not shown.
const SHOWN: usize = 12;

#[component]
pub fn Agreements() -> impl IntoView {
    let t = words();
    let app = app();
    spawn_local(app.read_receipts());
    let lines = move || {
        let all: Vec<Receipt> = app.receipts.with(|receipts| receipts.all().take(SHOWN).collect());
        if all.is_empty() {
            return view! { <p class="quiet">{t.receipts_none}</p> }.into_any();
        }
        view! { <ul class="plain-list receipts">{all.into_iter().map(|receipt| view! { <Agreement receipt=receipt /> }).collect::<Vec<_>>()}</ul> }
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
        Purpose::Members => t.receipt_members,
    };
    let tag = app.language.get_untracked().tag();
    let date = |ms| page::date(ms, tag);
    let standing = receipt.standing(page::now_ms());
    let (text, end) = match (standing, receipt.withdrawn_ms) {
        (_, Some(withdrawn)) => (t.receipt_withdrawn, withdrawn),
        (Standing::Ended, None) => (t.receipt_ended, receipt.expires_ms),
        _ => (t.receipt_dates, receipt.expires_ms),
    };
    let dates = fill(text, &[("from", &date(receipt.agreed_ms)), ("to", &date(end))]);
    let signed = if receipt.signed {
        t.receipt_signed
    } else {
        t.receipt_unsigned
    };
    let withdraw = move |_| {
        app.withdraw_consent(receipt.purpose);
        match receipt.purpose {
            Purpose::Lend => lending.stop(),
            Purpose::Swarm | Purpose::Members => app.chats.stop(),
        }
    };
    let state = match standing {
        Standing::Counts => "counts",
        Standing::Withdrawn => "withdrawn",
        Standing::Ended => "ended",
    };
    view! {
        <li class="receipt" data-testid="receipt" data-for=receipt.purpose.word() data-state=state data-signed=receipt.signed.to_string()>
            <div>
                <p>{name}</p>
                <p class="quiet">{dates} " · " {signed}</p>
            </div>
            {(standing == Standing::Counts).then(|| view! {
                <button type="button" class="button" data-testid="receipt-withdraw" on:click=withdraw>{t.withdraw}</button>
            })}
        </li>
    }
}
