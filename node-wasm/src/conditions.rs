//! What the device and the tab go through: hidden, shown, put to sleep, moved to another network, closed.
//! It only reports; what follows is the node's business.

use futures::channel::mpsc;
use protocol::Power;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::command::Command;
use crate::driver::Happening;
use crate::net::NetLine;

/// Whether the browser says that it runs on a phone or tablet.
pub fn is_phone() -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    let navigator = window.navigator();
    let hints = js_sys::Reflect::get(&navigator, &"userAgentData".into()).unwrap_or(JsValue::UNDEFINED);
    js_sys::Reflect::get(&hints, &"mobile".into())
        .ok()
        .and_then(|mobile| mobile.as_bool())
        .unwrap_or_else(|| {
            let agent = navigator.user_agent().unwrap_or_default();
            ["Android", "iPhone", "iPad", "Mobile"]
                .iter()
                .any(|mark| agent.contains(mark))
        })
}

/// Reports for as long as the page lives.
pub(crate) fn watch(happenings: &mpsc::Sender<Happening>, net: NetLine) {
    let Some(window) = web_sys::window() else { return };
    let Some(document) = window.document() else { return };

    let mut events = happenings.clone();
    let watched = document.clone();
    let mut line = net.clone();
    let on_visibility = Closure::<dyn FnMut()>::new(move || {
        if !watched.hidden() {
            line.wake(false);
        }
        let command = Command::Conditions {
            background: watched.hidden(),
            power: Power::Unknown,
        };
        let _ = events.try_send(Happening::Command(command));
    });
    let callback = on_visibility.as_ref().unchecked_ref();
    let _ = document.add_event_listener_with_callback("visibilitychange", callback);
    on_visibility.forget();

    // A tab that was frozen, and a device that is on a network again, need not wait for time-outs.
    for (target, name, network_changed) in [
        (document.as_ref() as &web_sys::EventTarget, "resume", false),
        (window.as_ref(), "online", true),
    ] {
        let mut line = net.clone();
        let on_wake = Closure::<dyn FnMut()>::new(move || line.wake(network_changed));
        let _ = target.add_event_listener_with_callback(name, on_wake.as_ref().unchecked_ref());
        on_wake.forget();
    }

    // Peers need not wait for a time-out when a tab is closed.
    let mut events = happenings.clone();
    let on_hide = Closure::<dyn FnMut()>::new(move || {
        let _ = events.try_send(Happening::Command(Command::Leaving));
    });
    let _ = window.add_event_listener_with_callback("pagehide", on_hide.as_ref().unchecked_ref());
    on_hide.forget();
}
