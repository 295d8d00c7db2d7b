//! What the device and the tab go through: hidden, shown, closed.
//! It only reports; what follows is the node's business.

use futures::channel::mpsc;
use protocol::Power;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;

use crate::command::Command;
use crate::driver::Happening;

/// Reports for as long as the page lives.
pub(crate) fn watch(happenings: &mpsc::Sender<Happening>) {
    let Some(window) = web_sys::window() else { return };
    let Some(document) = window.document() else { return };

    let mut events = happenings.clone();
    let watched = document.clone();
    let on_visibility = Closure::<dyn FnMut()>::new(move || {
        let command = Command::Conditions {
            background: watched.hidden(),
            power: Power::Unknown,
        };
        let _ = events.try_send(Happening::Command(command));
    });
    let callback = on_visibility.as_ref().unchecked_ref();
    let _ = document.add_event_listener_with_callback("visibilitychange", callback);
    on_visibility.forget();

    // Peers need not wait for a time-out when a tab is closed.
    let mut events = happenings.clone();
    let on_hide = Closure::<dyn FnMut()>::new(move || {
        let _ = events.try_send(Happening::Command(Command::Leaving));
    });
    let _ = window.add_event_listener_with_callback("pagehide", on_hide.as_ref().unchecked_ref());
    on_hide.forget();
}
