//! A modal dialog: the browser's own, which keeps the focus inside, closes on Escape and gives the focus back.
//! What it says and does is its caller's.

use leptos::html;
use leptos::prelude::*;

#[component]
pub fn Dialog(
    /// The id of the element that names it.
    labelled_by: &'static str,
    /// Escape, or the browser's way of closing.
    on_cancel: Callback<()>,
    #[prop(optional)] testid: Option<&'static str>,
    #[prop(optional)] about: Option<&'static str>,
    children: Children,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        if let Some(dialog) = element.get()
            && !dialog.open()
        {
            // Fails only where it is open already.
            let _ = dialog.show_modal();
        }
    });
    // Taken away while it is open it would leave the focus nowhere.
    on_cleanup(move || {
        if let Some(dialog) = element.try_get_untracked().flatten() {
            dialog.close();
        }
    });
    view! {
        <dialog
            class="dialog"
            node_ref=element
            aria-labelledby=labelled_by
            data-testid=testid
            data-for=about
            on:cancel=move |event: web_sys::Event| {
                event.prevent_default();
                on_cancel.run(());
            }
        >
            <div class="dialog-body">{children()}</div>
        </dialog>
    }
}
