//! The input: what to ask, which model, where, and the one button that sends or stops.
//! Keeps the draft until it was really asked: declining consent loses nothing.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::mode_switch::{ModeHint, ModeSwitch};
use super::model_picker::ModelPicker;
use super::{Icon, icon};
use crate::context::{app, words};

#[component]
pub fn Composer(draft: RwSignal<String>) -> impl IntoView {
    let t = words();
    let app = app();
    let chats = app.chats;
    let running = Memo::new(move |_| chats.is_running());
    let empty = Memo::new(move |_| draft.with(|draft| draft.trim().is_empty()));
    let send = move || {
        let text = draft.get_untracked();
        if text.trim().is_empty() || running.get_untracked() {
            return;
        }
        spawn_local(async move {
            if chats.send(app, text).await {
                drop(draft.try_set(String::new()));
            }
        });
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        // While an input method composes a word, Enter belongs to it.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    let button = move || {
        if running.get() {
            view! {
                <button type="button" class="send stop" data-testid="chat-stop" title=t.stop aria-label=t.stop
                    on:click=move |_| chats.stop()>{icon(Icon::Stop)}</button>
            }
            .into_any()
        } else {
            view! {
                <button type="submit" class="send" data-testid="chat-send" title=t.send aria-label=t.send
                    disabled=move || empty.get()>{icon(Icon::Send)}</button>
            }
            .into_any()
        }
    };
    view! {
        <form class="composer" on:submit=move |event| {
            event.prevent_default();
            send();
        }>
            <div class="composer-box">
                <textarea id="chat-input" data-testid="chat-input" rows="1" dir="auto" enterkeyhint="send"
                    aria-label=t.chat_placeholder placeholder=t.chat_placeholder
                    prop:value=move || draft.get()
                    on:input:target=move |event| draft.set(event.target().value())
                    on:keydown=on_key></textarea>
                <div class="composer-row">
                    <ModelPicker />
                    {button}
                </div>
            </div>
            <div class="composer-foot">
                <ModeSwitch />
                <ModeHint />
            </div>
        </form>
    }
}
