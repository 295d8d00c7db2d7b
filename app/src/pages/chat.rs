//! The chat: the branch on the screen, the answer as it grows, and the input.
//! Follows the newest line unless the person has scrolled away.

use leptos::html;
use leptos::prelude::*;

use crate::components::{Composer, Hello, Icon, MessageItem, icon};
use crate::context::{app, words};
use crate::{reasoning, sentences};

/// Within this many pixels of the end the view keeps following.
const NEAR_END_PX: i32 = 80;

#[component]
pub fn ChatPage() -> impl IntoView {
    let t = words();
    let chats = app().chats;
    let path = Memo::new(move |_| chats.path());
    let draft = RwSignal::new(String::new());
    let scroller = NodeRef::<html::Div>::new();
    let following = RwSignal::new(true);

    // A frame, and what was scrolled, may come after the person has left this screen.
    let to_end = move || {
        if let Some(element) = scroller.try_get_untracked().flatten() {
            element.set_scroll_top(element.scroll_height());
        }
    };
    let on_scroll = move |_| {
        if let Some(element) = scroller.try_get_untracked().flatten() {
            let left = element.scroll_height() - element.scroll_top() - element.client_height();
            _ = following.try_set(left < NEAR_END_PX);
        }
    };
    Effect::new(move || {
        path.track();
        chats.live.track();
        if following.get_untracked() && !path.with_untracked(Vec::is_empty) {
            request_animation_frame(to_end);
        }
    });
    // A new answer, or another conversation, is followed again.
    let answering = Memo::new(move |_| chats.live.with(|live| live.as_ref().map(|live| live.message.id)));
    Effect::new(move || {
        if answering.get().is_some() {
            following.set(true);
        }
    });
    Effect::new(move || {
        chats.current.track();
        following.set(true);
    });
    let empty = Memo::new(move |_| path.with(Vec::is_empty));
    let middle = move || {
        if empty.get() {
            view! { <Hello draft=draft /> }.into_any()
        } else {
            view! {
                <h1 class="sr-only">{t.nav_chat}</h1>
                <ol class="messages">
                    <For each=move || path.get() key=|id| *id let:id>
                        <MessageItem id=id />
                    </For>
                </ol>
            }
            .into_any()
        }
    };
    view! {
        <div class="chat">
            // Focusable, so that a keyboard can scroll it.
            <div class="chat-scroll" node_ref=scroller on:scroll=on_scroll tabindex="0" role="region" aria-label=t.nav_chat>
                {middle}
            </div>
            <div class="dock">
                {move || (!following.get() && !empty.get()).then(|| view! {
                    <button type="button" class="to-end" on:click=move |_| {
                        following.set(true);
                        to_end();
                    }>{icon(Icon::Down)} {t.to_newest}</button>
                })}
                <Composer draft=draft />
            </div>
            <Speaker />
        </div>
    }
}

/// Reads the answer to a screen reader, a whole sentence at a time.
#[component]
fn Speaker() -> impl IntoView {
    let chats = app().chats;
    let spoken = StoredValue::new((0_u32, 0_usize));
    let saying = RwSignal::new(String::new());
    Effect::new(move || {
        chats.live.with(|live| {
            let Some(live) = live else { return };
            let (message, mut from) = spoken.get_value();
            if message != live.message.id {
                from = 0;
            }
            // What the model thinks aloud is folded away for the eye, and not read out either.
            let (_, answer) = reasoning::split(&live.message.text);
            if let Some(end) = sentences::complete(answer, from) {
                saying.set(answer.get(from..end).unwrap_or_default().to_owned());
                from = end;
            }
            spoken.set_value((live.message.id, from));
        });
    });
    view! { <div class="sr-only" data-testid="speaker" aria-live="polite" aria-atomic="true">{move || saying.get()}</div> }
}
