//! An invitation before the camera becomes a link on the page; where there is no camera, a sentence says how else.
//! It follows no link by itself, and shows none that is no invitation.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Icon, icon};
use crate::browser::scan::{self, Camera, Seen};
use crate::context::words;
use crate::invitation;

#[component]
pub fn Scanner() -> impl IntoView {
    let t = words();
    let video = NodeRef::<html::Video>::new();
    let on = RwSignal::new(false);
    let found = RwSignal::new(None::<String>);
    let refused = RwSignal::new(false);
    Effect::new(move || {
        let Some(element) = video.get() else { return };
        spawn_local(async move {
            match Camera::open(element.into()).await {
                Ok(camera) => match camera.read(|| on.try_get_untracked() != Some(true)).await {
                    Seen::Code(text) => drop(found.try_set(Some(text))),
                    Seen::Stopped => {}
                    Seen::Failed => drop(refused.try_set(true)),
                },
                Err(_) => drop(refused.try_set(true)),
            }
            on.try_set(false);
        });
    });
    let start = move |_| {
        refused.set(false);
        found.set(None);
        on.update(|on| *on = !*on);
    };
    let result = move || {
        found.get().map(|text| {
            match invitation::read(&text).map(str::to_owned) {
                Some(link) => view! { <p class="row"><a dir="ltr" class="invite-link" data-testid="scan-link" href=link.clone() rel="noopener noreferrer">{link.clone()}</a></p> }.into_any(),
                None => view! { <p role="alert" data-testid="scan-other">{t.scan_other}</p> }.into_any(),
            }
        })
    };
    let body = move || {
        if !scan::is_possible() {
            return view! { <p class="quiet" data-testid="scan-none">{t.scan_none}</p> }.into_any();
        }
        view! {
            <button type="button" class="button" data-testid="scan" aria-pressed=move || on.get().to_string() on:click=start>
                {icon(Icon::Device)} {move || if on.get() { t.stop } else { t.scan }}
            </button>
        }
        .into_any()
    };
    view! {
        <section class="card" aria-labelledby="scan-title">
            <h2 id="scan-title">{t.scan_title}</h2>
            {body}
            {move || on.get().then(|| view! { <video class="camera" node_ref=video muted=true playsinline=true></video> })}
            {move || refused.get().then(|| view! { <p role="alert" data-testid="scan-refused">{t.scan_refused}</p> })}
            {result}
        </section>
    }
}
