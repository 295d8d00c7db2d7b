//! The way to bring another device here: a code to scan and a link to copy.
//! Says so where the address reaches this computer only.

use leptos::prelude::*;

use super::code::CopyButton;
use super::qr_code::QrCode;
use crate::browser::page;
use crate::context::{app, words};
use crate::invitation::{self, Trouble};

#[component]
pub fn Invite() -> impl IntoView {
    let t = words();
    let snapshot = app().node.snapshot;
    let best = Memo::new(move |_| {
        let (origin, trouble) = snapshot.with(|s| invitation::best(&page::origin(), &s.reachable));
        (format!("{origin}/join"), trouble)
    });
    let link = Signal::derive(move || best.with(|(link, _)| link.clone()));
    let note = move || {
        best.with(|(_, trouble)| match trouble {
            Some(Trouble::Local) => Some(("local", t.invite_local)),
            Some(Trouble::Insecure) => Some(("insecure", t.invite_insecure)),
            None => None,
        })
        .map(|(word, text)| view! { <p class="quiet" data-testid="invite-note" data-reason=word>{text}</p> })
    };
    view! {
        <section class="card invite" aria-labelledby="invite-title">
            <div class="invite-code">{move || view! { <QrCode text=link.get() label=t.invite_qr /> }}</div>
            <div class="invite-words">
                <h2 id="invite-title">{t.invite}</h2>
                <p>{t.invite_text}</p>
                <p class="row" dir="ltr">
                    <a class="invite-link" data-testid="invite-link" title=t.invite_link href=move || link.get()>{move || link.get()}</a>
                    <CopyButton text=link />
                </p>
                {note}
            </div>
        </section>
    }
}
