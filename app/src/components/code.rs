//! A block of code with its language, colours and a button that copies it.
//! Colours come from `highlight`; nothing is run.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Icon, icon};
use crate::browser::page;
use crate::context::words;
use crate::highlight;

#[component]
pub fn CodeBlock(language: String, text: String) -> impl IntoView {
    let pieces = highlight::pieces(&language, &text)
        .into_iter()
        .map(|(kind, piece)| view! { <span class=kind.class()>{piece.to_owned()}</span> })
        .collect::<Vec<_>>();
    view! {
        <div class="code" dir="ltr">
            <div class="code-head">
                <span class="code-language">{language}</span>
                <CopyButton text=Signal::stored(text) />
            </div>
            // The focus lets a keyboard scroll what is wider than the screen.
            <pre tabindex="0"><code>{pieces}</code></pre>
        </div>
    }
}

/// Says for a moment that it worked.
#[component]
pub fn CopyButton(text: Signal<String>) -> impl IntoView {
    let t = words();
    let done = RwSignal::new(false);
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            if page::copy(&text).await {
                done.set(true);
                set_timeout(move || _ = done.try_set(false), Duration::from_millis(1500));
            }
        });
    };
    view! {
        <button type="button" class="icon-button small" on:click=copy title=t.copy aria-label=t.copy>
            {move || icon(if done.get() { Icon::Check } else { Icon::Copy })}
            <span class="sr-only" role="status">{move || if done.get() { t.copied } else { "" }}</span>
        </button>
    }
}
