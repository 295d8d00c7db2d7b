//! What a new conversation shows: what this is, and three ways to begin.
//! Sends nothing: a suggestion is put into the input.

use leptos::prelude::*;

use super::{Mark, Missing};
use crate::browser::page;
use crate::context::words;

#[component]
pub fn Hello(draft: RwSignal<String>) -> impl IntoView {
    let t = words();
    let suggestions = [t.try_1, t.try_2, t.try_3].map(|text| {
        view! {
            <li>
                <button type="button" class="suggestion" on:click=move |_| {
                    draft.set(text.to_owned());
                    page::focus("chat-input");
                }>{text}</button>
            </li>
        }
    });
    view! {
        <div class="hello">
            <Mark />
            <h1>{t.chat_title}</h1>
            <p class="lead">{t.chat_lead}</p>
            <ul class="suggestions">{suggestions.into_iter().collect_view()}</ul>
            <Missing />
        </div>
    }
}
