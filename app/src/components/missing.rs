//! What this browser lacks, one sentence each, and what that means.
//! Nothing is switched off here: each part finds its own way round.

use leptos::prelude::*;

use super::{Icon, icon};
use crate::context::{app, words};

#[component]
pub fn Missing() -> impl IntoView {
    let t = words();
    let able = app().capabilities;
    let lacks = [
        (!able.secure, t.missing_secure),
        (able.secure && !able.webgpu, t.missing_webgpu),
        (!able.webrtc, t.missing_webrtc),
        (!able.indexeddb, t.missing_indexeddb),
    ];
    let lines = lacks
        .into_iter()
        .filter(|(lacking, _)| *lacking)
        .map(|(_, line)| view! { <li>{line}</li> })
        .collect::<Vec<_>>();
    (!lines.is_empty()).then(|| {
        view! {
            <aside class="notice" data-testid="missing" aria-label=t.missing_title>
                {icon(Icon::Warning)}
                <ul class="plain-list">{lines}</ul>
            </aside>
        }
    })
}
