//! The home screen: whether the page was opened from there, and what the browser offers to put it there.
//! It offers nothing to the person by itself.

use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::capabilities::get;

/// Where `boot.js` keeps the browser's offer, which may come before the app runs.
const OFFER: &str = "manyhandsInstall";

/// How the page gets to the home screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The browser asks, when it is told to.
    Offer,
    /// By the share menu: Safari has no offer, on telephones and tablets.
    ShareMenu,
}

/// The way from here; none where the page is there already, or this browser has no such thing.
pub fn way() -> Option<Way> {
    let window = web_sys::window()?;
    if get(&get(&window, OFFER), "prompt").is_function() {
        return Some(Way::Offer);
    }
    let navigator: JsValue = window.navigator().into();
    // A tablet says that it is a desk, which has no fingers.
    let agent = get(&navigator, "userAgent").as_string().unwrap_or_default();
    let fingers = get(&navigator, "maxTouchPoints").as_f64().unwrap_or(0.0);
    let of_apple = ["iPhone", "iPad", "iPod"].iter().any(|name| agent.contains(name))
        || agent.contains("Macintosh") && fingers > 1.0;
    let is_there = get(&navigator, "standalone").is_truthy()
        || window
            .match_media("(display-mode: standalone)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches());
    (of_apple && !is_there).then_some(Way::ShareMenu)
}

/// Has the browser ask. Its offer is good for once; whether it was taken is between the two.
pub async fn take_offer() {
    let Some(window) = web_sys::window() else { return };
    let offer = get(&window, OFFER);
    // The property is ours, and may be set.
    let _ = js_sys::Reflect::set(&window, &OFFER.into(), &JsValue::UNDEFINED);
    let asked = get(&offer, "prompt")
        .dyn_into::<js_sys::Function>()
        .and_then(|prompt| prompt.call0(&offer))
        .and_then(|promise| promise.dyn_into::<js_sys::Promise>());
    if let Ok(asked) = asked {
        // Refused where there was no click: then nothing is asked.
        let _ = JsFuture::from(asked).await;
    }
}
