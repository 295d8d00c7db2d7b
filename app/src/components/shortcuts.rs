//! The keyboard's shortcuts: the list, and the sheet that shows it over any screen.
//! What each does is in `app`; here it is only said.

use leptos::prelude::*;

use super::Dialog;
use crate::context::words;

#[component]
pub fn ShortcutList() -> impl IntoView {
    let t = words();
    let keys = [
        (t.key_send, "Enter"),
        (t.key_newline, "Shift + Enter"),
        (t.key_new, "Ctrl/⌘ + Shift + O"),
        (t.key_search, "Ctrl/⌘ + K"),
        (t.key_rename, "Ctrl/⌘ + Shift + E"),
        (t.key_delete, "Ctrl/⌘ + Shift + D"),
        (t.key_sidebar, "Ctrl/⌘ + B"),
        (t.key_stop, "Esc"),
        (t.continue_answer, "Ctrl/⌘ + Shift + Enter"),
        (t.key_copy_last, "Ctrl/⌘ + Shift + C"),
        (t.key_help, "Ctrl/⌘ + /"),
    ]
    .map(|(what, keys)| view! { <div><dt>{what}</dt><dd><kbd dir="ltr">{keys}</kbd></dd></div> });
    view! { <dl class="facts">{keys.into_iter().collect_view()}</dl> }
}

#[component]
pub fn ShortcutSheet(open: RwSignal<bool>) -> impl IntoView {
    let t = words();
    move || {
        open.get().then(|| {
            view! {
                <Dialog labelled_by="sheet-title" on_cancel=Callback::new(move |()| open.set(false)) testid="shortcut-sheet">
                    <h2 id="sheet-title">{t.shortcuts_help}</h2>
                    <ShortcutList />
                    <div class="dialog-actions">
                        <button type="button" class="button primary" on:click=move |_| open.set(false)>{t.close}</button>
                    </div>
                </Dialog>
            }
        })
    }
}
