//! The way to bring another device here: a code to scan and a link to copy.
//! Says so where the address reaches this computer only.

use leptos::prelude::*;

use super::code::CopyButton;
use super::qr_code::QrCode;
use crate::browser::page;
use crate::context::words;

#[component]
pub fn Invite() -> impl IntoView {
    let t = words();
    let link = format!("{}/join", page::origin());
    let host = page::hostname();
    let local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    view! {
        <section class="card invite" aria-labelledby="invite-title">
            <div class="invite-code"><QrCode text=link.clone() label=t.invite_qr /></div>
            <div class="invite-words">
                <h2 id="invite-title">{t.invite}</h2>
                <p>{t.invite_text}</p>
                <p class="row" dir="ltr">
                    <a class="invite-link" data-testid="invite-link" title=t.invite_link href=link.clone()>{link.clone()}</a>
                    <CopyButton text=Signal::stored(link.clone()) />
                </p>
                {local.then(|| view! { <p class="quiet">{t.invite_local}</p> })}
            </div>
        </section>
    }
}
