//! One message: its text as it grows, its versions, what can be done with it, and where it was computed.
//! Asks nothing itself; it tells the conversations what was clicked.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::code::CopyButton;
use super::markdown::Markdown;
use super::route::RouteSheet;
use super::{FaultNotice, Icon, Mark, icon};
use crate::browser::page;
use crate::context::{app, words};
use crate::conversation::{Message, Role, State};
use crate::i18n::{Words, fill};
use crate::reasoning;
use crate::view::Fault;

#[component]
pub fn MessageItem(id: u32) -> impl IntoView {
    let t = words();
    let app = app();
    let chats = app.chats;
    let is_live = Memo::new(move |_| {
        let current = chats.current.get();
        chats.live.with(|live| {
            live.as_ref()
                .is_some_and(|l| l.message.id == id && Some(&l.conversation) == current.as_ref())
        })
    });
    let kept = Memo::new(move |_| {
        chats
            .with_current(|conversation| conversation.message(id).cloned())
            .flatten()
    });
    let message = Memo::new(move |_| {
        let live = is_live
            .get()
            .then(|| {
                chats
                    .live
                    .with(|live| live.as_ref().map(|live| live.message.clone()))
            })
            .flatten();
        live.or_else(|| kept.get())
            .unwrap_or_else(|| Message::new(id, None, Role::User, "", 0.0))
    });
    let role = message.with_untracked(|message| message.role);
    let state = Memo::new(move |_| message.with(|message| message.state));
    let reason = Memo::new(move |_| message.with(|message| message.reason.clone()));
    let text = Memo::new(move |_| message.with(|message| message.text.clone()));
    let editing = RwSignal::new(false);

    let body = move || {
        if editing.get() {
            return view! { <Editor id=id role=role text=text.get_untracked() editing=editing /> }.into_any();
        }
        match role {
            Role::User => view! { <p class="bubble" dir="auto">{move || text.get()}</p> }.into_any(),
            Role::Assistant => view! { <AnswerText text=text state=state /> }.into_any(),
        }
    };
    let waiting = move || {
        (state.get() == State::Waiting).then(
            || view! { <p class="waiting" role="status">{wait_sentence(t, reason.get().as_deref())}</p> },
        )
    };
    let end = move || {
        let message = message.get();
        match message.state {
            State::Error => {
                let fault = Fault {
                    code: message.reason.clone().unwrap_or_default(),
                    message: message.detail.clone().unwrap_or_default(),
                    reason: message.why.clone(),
                };
                Some(
                    view! {
                        <FaultNotice fault=fault />
                        <button type="button" class="button" disabled=move || chats.is_running()
                            on:click=move |_| spawn_local(chats.regenerate(app, id))>{icon(Icon::Again)} {t.try_again}</button>
                    }
                    .into_any(),
                )
            }
            State::Stopped => {
                let words = if message.reason.as_deref() == Some("closed") {
                    t.cut_off
                } else {
                    t.stopped
                };
                Some(view! { <p class="quiet stopped">{words}</p> }.into_any())
            }
            _ => None,
        }
    };
    let route = move || {
        let message = message.get();
        (message.role == Role::Assistant && (message.route.is_some() || message.state == State::Done))
            .then(|| view! { <RouteSheet message=message /> })
    };
    view! {
        <li
            class="message"
            class:from-user=role == Role::User
            data-testid="message"
            data-role=role.word()
            data-state=move || state.get().word()
            data-reason=move || reason.get()
        >
            <span class="sr-only">{if role == Role::User { t.you } else { t.answer }}</span>
            <div class="message-body" data-testid="message-text">{body}</div>
            {waiting}
            {end}
            {move || (!editing.get() && !state.get().is_running()).then(|| view! { <Actions id=id role=role text=text editing=editing /> })}
            {route}
        </li>
    }
}

#[component]
fn AnswerText(text: Memo<String>, state: Memo<State>) -> impl IntoView {
    let t = words();
    let reasoning = Memo::new(move |_| text.with(|text| reasoning::split(text).0.map(str::to_owned)));
    let rest = Memo::new(move |_| text.with(|text| reasoning::split(text).1.to_owned()));
    let has_reasoning = Memo::new(move |_| reasoning.with(Option::is_some));
    let silent = Memo::new(move |_| state.get().is_running() && text.with(String::is_empty));
    view! {
        {move || silent.get().then(|| view! {
            <span class="thinking"><Mark busy=true /><span class="sr-only">{t.thinking}</span></span>
        })}
        {move || has_reasoning.get().then(|| view! {
            <details class="reasoning">
                <summary>{t.reasoning}</summary>
                <div class="prose"><Markdown text=Signal::derive(move || reasoning.get().unwrap_or_default()) /></div>
            </details>
        })}
        <div class="prose" class:growing=move || state.get() == State::Streaming>
            <Markdown text=rest />
        </div>
    }
}

#[component]
fn Actions(id: u32, role: Role, text: Memo<String>, editing: RwSignal<bool>) -> impl IntoView {
    let t = words();
    let app = app();
    let chats = app.chats;
    let versions = Memo::new(move |_| {
        chats
            .with_current(|conversation| conversation.versions(id))
            .unwrap_or_default()
    });
    let again = move |_| spawn_local(chats.regenerate(app, id));
    let go_on = move |_| spawn_local(chats.go_on(app, id));
    let empty = Memo::new(move |_| text.with(|text| text.trim().is_empty()));
    let switch = move || {
        let versions = versions.get();
        let at = versions.iter().position(|&version| version == id)?;
        let go = move |to: Option<&u32>| {
            if let Some(&to) = to {
                chats.show(to);
            }
        };
        let (before, after) = (
            at.checked_sub(1).and_then(|at| versions.get(at)).copied(),
            versions.get(at + 1).copied(),
        );
        (versions.len() > 1).then(|| {
            let label = fill(t.branch, &[("n", &(at + 1).to_string()), ("m", &versions.len().to_string())]);
            view! {
                <span class="versions" role="group" data-testid="message-versions" aria-label=label>
                    <button type="button" class="icon-button small" aria-label=t.branch_previous disabled=before.is_none()
                        on:click=move |_| go(before.as_ref())>{icon(Icon::Left)}</button>
                    <span aria-hidden="true" dir="ltr">{format!("{}/{}", at + 1, versions.len())}</span>
                    <button type="button" class="icon-button small" aria-label=t.branch_next disabled=after.is_none()
                        on:click=move |_| go(after.as_ref())>{icon(Icon::Right)}</button>
                </span>
            }
        })
    };
    view! {
        <div class="message-actions">
            {switch}
            <CopyButton text=text.into() />
            <button type="button" class="icon-button small" id=opener(id) data-testid="message-edit" title=t.edit aria-label=t.edit on:click=move |_| editing.set(true)>
                {icon(Icon::Edit)}
            </button>
            {(role == Role::Assistant).then(|| view! {
                <button type="button" class="icon-button small" data-testid="message-again" title=t.regenerate aria-label=t.regenerate
                    disabled=move || chats.is_running() on:click=again>
                    {icon(Icon::Again)}
                </button>
                <button type="button" class="icon-button small" data-testid="message-continue" title=t.continue_answer aria-label=t.continue_answer
                    disabled=move || chats.is_running() || empty.get() on:click=go_on>
                    {icon(Icon::Continue)}
                </button>
            })}
        </div>
    }
}

/// The id of the button that opens the editor of a message.
fn opener(id: u32) -> String {
    format!("edit-open-{id}")
}

/// A question is sent again as a new version; an answer is changed in place.
#[component]
fn Editor(id: u32, role: Role, text: String, editing: RwSignal<bool>) -> impl IntoView {
    let t = words();
    let app = app();
    let draft = RwSignal::new(text);
    let field = format!("edit-{id}");
    let close = move || {
        // The message may be gone from the screen with its branch.
        _ = editing.try_set(false);
        // The button is drawn again first.
        set_timeout(move || page::focus(&opener(id)), Duration::ZERO);
    };
    let save = move |_| {
        let text = draft.get_untracked();
        match role {
            Role::Assistant => {
                app.chats.rewrite(id, text);
                close();
            }
            Role::User => spawn_local(async move {
                if !text.trim().is_empty() && app.chats.send_again(app, id, text).await {
                    close();
                }
            }),
        }
    };
    Effect::new({
        let field = field.clone();
        move || page::focus(&field)
    });
    view! {
        <div class="editor">
            <textarea id=field class="field" dir="auto" aria-label=t.edit prop:value=move || draft.get()
                on:keydown=move |event| if event.key() == "Escape" && !event.is_composing() {
                    // It ends this, and not an answer.
                    event.prevent_default();
                    close();
                }
                on:input:target=move |event| draft.set(event.target().value())></textarea>
            <div class="row end">
                <button type="button" class="button" on:click=move |_| close()>{t.cancel}</button>
                <button type="button" class="button primary" on:click=save>
                    {if role == Role::User { t.save_branch } else { t.save }}
                </button>
            </div>
        </div>
    }
}

fn wait_sentence(t: &'static Words, reason: Option<&str>) -> &'static str {
    match reason {
        Some("no_route") => t.wait_no_route,
        Some("connecting") => t.wait_connecting,
        Some("queued") => t.wait_queued,
        Some("peer_lost") => t.wait_peer_lost,
        Some("loading") => t.wait_loading,
        _ => t.wait_other,
    }
}
