//! The way to bring another device here: a code to scan and a link to copy.
//! Says so where the address reaches this computer only; a relay that makes no invites leaves the address alone.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::code::CopyButton;
use super::qr_code::QrCode;
use crate::browser::page;
use crate::context::{app, words};
use crate::invitation::{self, Trouble};

/// A relay that takes longer to make an invite is not waited for.
const PATIENCE_MS: i32 = 3_000;

#[component]
pub fn Invite() -> impl IntoView {
    let t = words();
    let node = app().node;
    let snapshot = node.snapshot;
    // None: the relay has not answered yet. Without a secret the plain address shows the way too.
    let secret = RwSignal::new(None::<String>);
    spawn_local(async move {
        let minted = node.open_invite().await;
        secret.try_set(Some(
            minted.map_or(String::new(), |minted| format!("#v1.{minted}")),
        ));
    });
    spawn_local(async move {
        page::sleep(PATIENCE_MS).await;
        if secret.try_get_untracked() == Some(None) {
            secret.set(Some(String::new()));
        }
    });
    let best = Memo::new(move |_| {
        let (origin, trouble) = snapshot.with(|s| invitation::best(&page::origin(), &s.reachable));
        (
            format!("{origin}/join{}", secret.get().unwrap_or_default()),
            trouble,
        )
    });
    let asked = Memo::new(move |_| secret.with(Option::is_some));
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
            <div class="invite-code">{move || asked.get().then(|| view! { <QrCode text=link.get() label=t.invite_qr /> })}</div>
            <div class="invite-words">
                <h2 id="invite-title">{t.invite}</h2>
                <p>{t.invite_text}</p>
                {move || asked.get().then(|| view! {
                    <p class="row" dir="ltr">
                        <a class="invite-link" data-testid="invite-link" title=t.invite_link href=move || link.get()>{move || link.get()}</a>
                        <CopyButton text=link />
                    </p>
                })}
                {note}
            </div>
        </section>
    }
}
