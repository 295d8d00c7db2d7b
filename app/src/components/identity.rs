//! Who this browser is, shown as words and a picture; made, backed up, brought in, forgotten.
//! The key itself never comes here; the node's half of the browser keeps it.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::code::CopyButton;
use super::{Dialog, FaultNotice, Icon, icon};
use crate::browser::files;
use crate::context::{App, app, words};
use crate::i18n::fill;
use crate::state::{MAX_BACKUP_BYTES, MIN_PASSPHRASE_CHARS, Unlock, opens_with_passkey, passkeys};
use crate::view::{Backup, Fault};
use crate::{pattern, proquint};

/// What is asked in a dialog.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Export,
    Import,
    Reset,
}

#[component]
pub fn Identity() -> impl IntoView {
    let t = words();
    let app = app();
    let card = Memo::new(move |_| {
        app.node
            .snapshot
            .with(|s| (s.node_id.clone(), s.public_key.clone(), s.backup))
    });
    let has = move || card.with(|(id, ..)| id.is_some());
    let fault = RwSignal::new(None::<Fault>);
    let asked = RwSignal::new(None::<Asked>);
    // Looks for a key that was made earlier; makes none.
    spawn_local(async move { drop(fault.try_set(app.node.identity().await.err())) });
    // What cannot be read can still be forgotten, to make room for the backup.
    let damaged = move || {
        fault.with(|fault| {
            fault
                .as_ref()
                .is_some_and(|f| f.reason.as_deref() == Some("key_damaged"))
        })
    };
    let create = move |_| {
        spawn_local(async move {
            drop(fault.try_set(app.node.create_identity().await.err()));
        });
    };
    let shown = move || {
        let (Some(id), public, backup) = card.get() else {
            return view! { <p>{t.key_none}</p> }.into_any();
        };
        let backup = match backup {
            Backup::Possible => Some(("notice", t.key_backup_possible)),
            Backup::Impossible => Some(("notice", t.key_backup_impossible)),
            Backup::Made => Some(("quiet", t.key_backup_made)),
            Backup::MadeWithPasskey => Some(("quiet", t.key_backup_passkey)),
            Backup::None => None,
        };
        view! {
            <div class="row">
                <Pattern id=id.clone() />
                <div class="key-words">
                    <p class="quiet">{t.key_yours}</p>
                    <p class="key-sounds" dir="ltr" translate="no" title=t.key_sounds>{proquint::words(&id).join(" ")}</p>
                    <code class="key-id" dir="ltr">{id}</code>
                </div>
            </div>
            {public.map(|public| view! {
                <p class="quiet">{t.key_public}</p>
                <p class="row"><code class="key-id" dir="ltr" data-testid="identity-public">{public.clone()}</code> <CopyButton text=Signal::stored(public) /></p>
            })}
            {backup.map(|(class, text)| view! { <p class=class data-testid="identity-backup">{text}</p> })}
        }
        .into_any()
    };
    let ask = move |what| move |_| asked.set(Some(what));
    let exportable = move || {
        card.with(|(.., backup)| matches!(backup, Backup::Possible | Backup::Made | Backup::MadeWithPasskey))
    };
    view! {
        <section class="card identity" data-testid="identity-id" data-state=move || if has() { "ready" } else { "none" }>
            {shown}
            <div class="row wrap">
                <button type="button" class="button primary" data-testid="identity-create" disabled=has on:click=create>{icon(Icon::Key)} {t.key_create}</button>
                <button type="button" class="button" data-testid="identity-export" disabled=move || !exportable() on:click=ask(Asked::Export)>{t.key_export}</button>
                <button type="button" class="button" data-testid="identity-import" disabled=has on:click=ask(Asked::Import)>{t.key_import}</button>
                <button type="button" class="button danger" data-testid="identity-reset" disabled=move || !has() && !damaged() on:click=ask(Asked::Reset)>{t.key_reset}</button>
            </div>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
        </section>
        {move || asked.get().map(|what| match what {
            Asked::Export if card.with_untracked(|(.., backup)| *backup == Backup::MadeWithPasskey) => {
                view! { <ExportAgain asked=asked /> }.into_any()
            }
            Asked::Export => view! { <Export asked=asked again=card.with_untracked(|(.., backup)| *backup == Backup::Made) /> }.into_any(),
            Asked::Import => view! { <Import asked=asked /> }.into_any(),
            Asked::Reset => view! { <Reset asked=asked fault=fault /> }.into_any(),
        })}
    }
}

/// Seals the key and offers it as a file. `again`: the backup exists and keeps its passphrase.
#[component]
fn Export(asked: RwSignal<Option<Asked>>, again: bool) -> impl IntoView {
    let t = words();
    let app = app();
    let (first, second) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let fault = RwSignal::new(None::<Fault>);
    let busy = RwSignal::new(false);
    let differs = Memo::new(move |_| !again && second.with(|s| !s.is_empty() && first.with(|f| f != s)));
    let ready = Memo::new(move |_| {
        let long = first.with(|f| f.chars().count() >= MIN_PASSPHRASE_CHARS);
        long && (again || first.with(|f| second.with(|s| f == s))) && !busy.get()
    });
    let least = MIN_PASSPHRASE_CHARS.to_string();
    let text = if again {
        t.key_export_again.to_owned()
    } else {
        fill(t.key_export_text, &[("n", &least)])
    };
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if ready.get_untracked() {
            export(app, Unlock::Passphrase(first.get_untracked()), asked, fault, busy);
        }
    };
    let able = RwSignal::new(false);
    if !again {
        spawn_local(async move { _ = able.try_set(passkeys().await) });
    }
    view! {
        <Dialog labelled_by="export-title" on_cancel=Callback::new(move |()| asked.set(None))>
            <h2 id="export-title">{t.key_export_title}</h2>
            <p>{text}</p>
            <form class="stack" on:submit=save>
                <label class="stack">{t.passphrase}
                    <input class="field" type="password" data-testid="passphrase" autocomplete=if again { "current-password" } else { "new-password" }
                        on:input:target=move |event| first.set(event.target().value()) />
                </label>
                {(!again).then(|| view! {
                    <label class="stack">{t.passphrase_again}
                        <input class="field" type="password" data-testid="passphrase-again" autocomplete="new-password"
                            on:input:target=move |event| second.set(event.target().value()) />
                    </label>
                })}
                <p class="quiet" role="status">{move || differs.get().then_some(t.passphrase_differs)}</p>
                {move || able.get().then(|| view! {
                    <p class="quiet">{t.passkey_text}</p>
                    <button type="button" class="button" data-testid="identity-export-passkey" disabled=move || busy.get()
                        on:click=move |_| export(app, Unlock::Passkey, asked, fault, busy)>{icon(Icon::Key)} {t.passkey_make}</button>
                })}
                {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| asked.set(None)>{t.cancel}</button>
                    <button type="submit" class="button primary" data-testid="identity-export-save" disabled=move || !ready.get()>{t.save}</button>
                </div>
            </form>
        </Dialog>
    }
}

/// Saves the backup that a passkey opens once more, when it was shown.
#[component]
fn ExportAgain(asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let t = words();
    let app = app();
    let fault = RwSignal::new(None::<Fault>);
    let busy = RwSignal::new(false);
    view! {
        <Dialog labelled_by="export-title" on_cancel=Callback::new(move |()| asked.set(None))>
            <h2 id="export-title">{t.key_export_title}</h2>
            <p>{t.passkey_show}</p>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| asked.set(None)>{t.cancel}</button>
                <button type="button" class="button primary" data-testid="identity-export-passkey" disabled=move || busy.get()
                    on:click=move |_| export(app, Unlock::Passkey, asked, fault, busy)>{t.save}</button>
            </div>
        </Dialog>
    }
}

/// Offers the sealed key as a file, and closes the dialog.
fn export(
    app: App,
    unlock: Unlock,
    asked: RwSignal<Option<Asked>>,
    fault: RwSignal<Option<Fault>>,
    busy: RwSignal<bool>,
) {
    busy.set(true);
    spawn_local(async move {
        match app.node.export_identity(unlock).await {
            Ok(file) => {
                // Fails only in browsers without downloads, which then show nothing to save.
                let _ = files::save("manyhands-key.json", &file);
                asked.try_set(None);
            }
            Err(failed) => drop(fault.try_set(Some(failed))),
        }
        busy.try_set(false);
    });
}

/// Brings a key in from a backup. A broken one changes nothing.
#[component]
fn Import(asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let t = words();
    let app = app();
    let input = NodeRef::<html::Input>::new();
    let passphrase = RwSignal::new(String::new());
    let text = RwSignal::new(None::<(String, String)>);
    let fault = RwSignal::new(None::<Fault>);
    let busy = RwSignal::new(false);
    let choose = move |_| {
        let Some(file) = input.get_untracked().and_then(|input| files::chosen(&input)) else {
            return;
        };
        spawn_local(async move {
            // Too large a file is none of ours: the node says so of an empty one as well.
            let read = files::text(&file, MAX_BACKUP_BYTES).await.unwrap_or_default();
            text.try_set(Some((file.name(), read)));
        });
    };
    let by_passkey =
        Memo::new(move |_| text.with(|text| text.as_ref().is_some_and(|(_, file)| opens_with_passkey(file))));
    let bring = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some((_, file)) = text.get_untracked() else {
            return;
        };
        let unlock = if by_passkey.get_untracked() {
            Unlock::Passkey
        } else {
            Unlock::Passphrase(passphrase.get_untracked())
        };
        busy.set(true);
        spawn_local(async move {
            match app.node.import_identity(file, unlock).await {
                Ok(()) => {
                    app.read_receipts().await;
                    asked.try_set(None);
                }
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
            busy.try_set(false);
        });
    };
    view! {
        <Dialog labelled_by="import-title" on_cancel=Callback::new(move |()| asked.set(None))>
            <h2 id="import-title">{t.key_import_title}</h2>
            <p>{t.key_import_text}</p>
            <form class="stack" on:submit=bring>
                <label class="button file-button">
                    {move || text.with(|text| text.as_ref().map_or_else(|| t.key_file.to_owned(), |(name, _)| name.clone()))}
                    <input class="sr-only" type="file" accept="application/json,.json" data-testid="identity-file" node_ref=input on:change=choose />
                </label>
                {move || if by_passkey.get() {
                    view! { <p class="quiet">{t.passkey_show}</p> }.into_any()
                } else {
                    view! {
                        <label class="stack">{t.passphrase}
                            <input class="field" type="password" data-testid="passphrase" autocomplete="current-password"
                                on:input:target=move |event| passphrase.set(event.target().value()) />
                        </label>
                    }
                    .into_any()
                }}
                {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| asked.set(None)>{t.cancel}</button>
                    <button type="submit" class="button primary" data-testid="identity-import-open"
                        disabled=move || busy.get() || text.with(Option::is_none)>{t.key_import}</button>
                </div>
            </form>
        </Dialog>
    }
}

/// Asks for a typed word: this cannot be undone.
#[component]
fn Reset(asked: RwSignal<Option<Asked>>, fault: RwSignal<Option<Fault>>) -> impl IntoView {
    let t = words();
    let app = app();
    let typed = RwSignal::new(String::new());
    let sure = Memo::new(move |_| {
        typed.with(|typed| typed.trim().to_lowercase() == t.key_reset_word.to_lowercase())
    });
    let forget = move |_| {
        if sure.get_untracked() {
            asked.set(None);
            spawn_local(async move { drop(fault.try_set(app.node.reset_identity().await.err())) });
        }
    };
    view! {
        <Dialog labelled_by="reset-title" on_cancel=Callback::new(move |()| asked.set(None))>
            <h2 id="reset-title">{t.key_reset}</h2>
            <p>{fill(t.key_reset_text, &[("word", t.key_reset_word)])}</p>
            <input class="field" data-testid="identity-reset-word" aria-labelledby="reset-title" autocomplete="off" prop:value=move || typed.get()
                on:input:target=move |event| typed.set(event.target().value()) />
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| asked.set(None)>{t.cancel}</button>
                <button type="button" class="button danger" data-testid="identity-reset-confirm" disabled=move || !sure.get()
                    on:click=forget>{t.key_reset}</button>
            </div>
        </Dialog>
    }
}

#[component]
fn Pattern(id: String) -> impl IntoView {
    let t = words();
    let cells = pattern::cells(&id)
        .into_iter()
        .enumerate()
        .flat_map(|(y, row)| {
            row.into_iter()
                .enumerate()
                .filter(|(_, filled)| *filled)
                .map(move |(x, _)| (x, y))
        })
        .map(|(x, y)| view! { <rect x=x.to_string() y=y.to_string() width="1" height="1"></rect> })
        .collect::<Vec<_>>();
    let color = format!("hsl({} 55% 45%)", pattern::hue(&id));
    let view_box = format!("-0.5 -0.5 {0} {0}", pattern::SIDE + 1);
    view! {
        <svg class="pattern" viewBox=view_box role="img" aria-label=t.key_pattern fill=color shape-rendering="crispEdges">{cells}</svg>
    }
}
