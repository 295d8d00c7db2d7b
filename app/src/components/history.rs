//! The list of conversations: search, open, rename, delete.
//! Only a list: the conversations themselves are `chat`'s.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::{Dialog, Icon, icon};
use crate::chat::Entry;
use crate::context::{app, words};

#[component]
pub fn History(
    search: RwSignal<String>,
    /// The conversation that is being renamed, and the one about to be deleted.
    renaming: RwSignal<Option<String>>,
    deleting: RwSignal<Option<String>>,
) -> impl IntoView {
    let t = words();
    let app = app();
    let chats = app.chats;
    let entries = Memo::new(move |_| chats.entries(&search.get()));
    let empty = move || {
        entries.with(Vec::is_empty).then(|| {
            let text = if search.with(|search| search.trim().is_empty()) {
                t.no_chats
            } else {
                t.no_hits
            };
            view! { <p class="quiet history-empty">{text}</p> }
        })
    };
    view! {
        <section class="history" aria-label=t.menu>
            <label class="search">
                {icon(Icon::Search)}
                <span class="sr-only">{t.search_chats}</span>
                <input id="history-search" type="search" placeholder=t.search_chats prop:value=move || search.get()
                    on:input:target=move |event| search.set(event.target().value()) />
            </label>
            {empty}
            <ul class="history-list">
                <For each=move || entries.get() key=|entry| (entry.id.clone(), entry.title.clone()) let:entry>
                    <Line entry=entry renaming=renaming deleting=deleting />
                </For>
            </ul>
            {move || chats.not_kept.get().then(|| view! { <p class="quiet">{t.not_kept}</p> })}
        </section>
    }
}

/// Asks before a conversation is deleted. Not within the list: that may be out of sight.
#[component]
pub fn DeleteChat(deleting: RwSignal<Option<String>>) -> impl IntoView {
    let t = words();
    let chats = app().chats;
    move || {
        deleting.get().map(|id| {
            view! {
                <Dialog labelled_by="delete-title" on_cancel=Callback::new(move |()| deleting.set(None))>
                    <h2 id="delete-title">{t.delete_sure}</h2>
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| deleting.set(None)>{t.cancel}</button>
                        <button type="button" class="button danger" on:click=move |_| {
                            chats.delete(&id);
                            deleting.set(None);
                        }>{t.delete}</button>
                    </div>
                </Dialog>
            }
        })
    }
}

#[component]
fn Line(
    entry: Entry,
    renaming: RwSignal<Option<String>>,
    deleting: RwSignal<Option<String>>,
) -> impl IntoView {
    let t = words();
    let app = app();
    let id = StoredValue::new(entry.id);
    let title = StoredValue::new(entry.title);
    let is_current = move || {
        app.chats
            .current
            .with(|current| current.as_deref() == Some(id.get_value().as_str()))
    };
    let is_renaming = Memo::new(move |_| renaming.with(|r| r.as_deref() == Some(id.get_value().as_str())));
    let navigate = use_navigate();
    let open = move |_| {
        app.chats.open(id.get_value());
        app.drawer.set(false);
        navigate("/", Default::default());
    };
    let rename = move |text: String| {
        let text = text.trim().to_owned();
        if is_renaming.get_untracked() {
            renaming.set(None);
            if !text.is_empty() && text != title.get_value() {
                app.chats.rename(&id.get_value(), text);
            }
        }
    };
    let name = move || {
        if is_renaming.get() {
            let field = NodeRef::<html::Input>::new();
            // The attribute `autofocus` counts only while a page loads.
            Effect::new(move || {
                if let Some(field) = field.get() {
                    let _ = field.focus();
                    field.select();
                }
            });
            view! {
                <input class="field" aria-label=t.rename node_ref=field prop:value=title.get_value()
                    on:blur:target=move |event| rename(event.target().value())
                    on:keydown:target=move |event| match event.key().as_str() {
                        "Enter" => rename(event.target().value()),
                        "Escape" => {
                            // It ends this, and nothing else.
                            event.prevent_default();
                            renaming.set(None);
                        }
                        _ => {}
                    } />
            }
            .into_any()
        } else {
            let open = open.clone();
            view! {
                <button type="button" class="history-open" dir="auto" aria-current=move || is_current().then_some("true")
                    on:click=open>{title.get_value()}</button>
            }
            .into_any()
        }
    };
    view! {
        <li class="history-line" class:current=is_current>
            {name}
            <span class="history-tools">
                <button type="button" class="icon-button small" title=t.rename aria-label=t.rename
                    on:click=move |_| renaming.set(Some(id.get_value()))>{icon(Icon::Edit)}</button>
                <button type="button" class="icon-button small" title=t.delete aria-label=t.delete
                    on:click=move |_| deleting.set(Some(id.get_value()))>{icon(Icon::Trash)}</button>
            </span>
        </li>
    }
}
