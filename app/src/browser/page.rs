//! The window, its address, the clock and a random number.
//! Every access may fail in some browser; then there is a harmless default.

use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::kept;

pub fn origin() -> String {
    location(|location| location.origin())
}

pub fn search() -> String {
    location(|location| location.search())
}

/// The address's fragment where it begins with `mark`; else nothing. It is taken out of the address, which others may see.
pub fn fragment(mark: &str) -> String {
    let hash = location(|location| location.hash());
    let fragment = hash.trim_start_matches('#');
    if !fragment.starts_with(mark) {
        return String::new();
    }
    let bare = location(|location| location.pathname()) + &search();
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        // Where this is refused the address stays as it is.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&bare));
    }
    fragment.to_owned()
}

fn location(read: impl Fn(&web_sys::Location) -> Result<String, JsValue>) -> String {
    web_sys::window()
        .and_then(|window| read(&window.location()).ok())
        .unwrap_or_default()
}

pub fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// Comes back after a while.
pub async fn sleep(ms: i32) {
    let timer = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            // Fails in no window that shows a page.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
        }
    });
    // A timer does not fail.
    let _ = JsFuture::from(timer).await;
}

/// A moment as the person's language writes it.
pub fn date(ms: f64, language: &str) -> String {
    String::from(js_sys::Date::new(&ms.into()).to_locale_date_string(language, &JsValue::UNDEFINED))
}

/// Day of the week (0: Monday) and minute of the day, where this device is.
pub fn local_time() -> (u8, u16) {
    let now = js_sys::Date::new_0();
    let weekday = (now.get_day() + 6) % 7;
    let minute = now.get_hours() * 60 + now.get_minutes();
    (
        u8::try_from(weekday).unwrap_or(0),
        u16::try_from(minute).unwrap_or(0),
    )
}

/// The days of the week from Monday on, short, in a language.
pub fn weekdays(language: &str) -> Vec<String> {
    let options = js_sys::Object::new();
    // A browser without the option writes a longer name.
    let _ = js_sys::Reflect::set(&options, &"weekday".into(), &"short".into());
    // 2024 began with a Monday.
    (1..=7)
        .map(|day| js_sys::Date::new_with_year_month_day(2024, 0, day))
        .map(|date| String::from(date.to_locale_date_string(language, &options)))
        .collect()
}

/// 128 random bits in hexadecimal.
pub fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    let filled = web_sys::window()
        .and_then(|window| window.crypto().ok())
        .is_some_and(|crypto| crypto.get_random_values_with_u8_array(&mut bytes).is_ok());
    if !filled {
        for byte in &mut bytes {
            *byte = (js_sys::Math::random() * 256.0) as u8;
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A seed for one answer: 53 bits, so that it survives JSON.
pub fn random_seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}

/// Whether this browser keeps models that no relay need know: a hint, so that no worker starts for nothing.
pub fn has_own_models() -> bool {
    kept::read(kept::OWN_MODELS) == "yes"
}

pub fn note_own_models(any: bool) {
    if any != has_own_models() {
        kept::write(kept::OWN_MODELS, if any { "yes" } else { "no" });
    }
}

/// Has the service worker keep the engine for a time without a network; once is enough for a page.
pub async fn keep_engine() {
    thread_local! {
        static ASKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if ASKED.replace(true) {
        return;
    }
    let get = |object: &JsValue, key: &str| js_sys::Reflect::get(object, &key.into());
    let asked = async {
        let navigator: JsValue = web_sys::window().ok_or(JsValue::UNDEFINED)?.navigator().into();
        let ready: js_sys::Promise = get(&get(&navigator, "serviceWorker")?, "ready")?.dyn_into()?;
        let active = get(&JsFuture::from(ready).await?, "active")?;
        let post: js_sys::Function = get(&active, "postMessage")?.dyn_into()?;
        post.call1(&active, &"keep-engine".into())
    };
    // Without a service worker there is no use without a network either.
    let _ = asked.await;
}

/// Asks the browser not to clear what is kept when it needs room. It may refuse.
pub fn ask_to_persist() {
    let manager = web_sys::window()
        .and_then(|window| js_sys::Reflect::get(&window.navigator(), &"storage".into()).ok())
        .and_then(|value| value.dyn_into::<web_sys::StorageManager>().ok());
    if let Some(manager) = manager {
        // The answer changes nothing that we do.
        let _ = manager.persist();
    }
}

/// Sets what the root element says of language, direction and theme.
pub fn dress(language: &str, direction: &str, theme: &str) {
    let Some(root) = web_sys::window()
        .and_then(|w| w.document())
        .and_then(|d| d.document_element())
    else {
        return;
    };
    // Attributes that the root element always takes.
    let _ = root.set_attribute("lang", language);
    let _ = root.set_attribute("dir", direction);
    let _ = if theme.is_empty() {
        root.remove_attribute("data-theme")
    } else {
        root.set_attribute("data-theme", theme)
    };
}

/// Languages that the browser asks for, best first.
pub fn languages() -> Vec<String> {
    web_sys::window()
        .map(|window| {
            window
                .navigator()
                .languages()
                .iter()
                .filter_map(|tag| tag.as_string())
                .collect()
        })
        .unwrap_or_default()
}

/// Whether the text reached the clipboard.
pub async fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    // Absent where the page is not secure.
    let clipboard = js_sys::Reflect::get(&window.navigator(), &"clipboard".into())
        .ok()
        .and_then(|value| value.dyn_into::<web_sys::Clipboard>().ok());
    match clipboard {
        Some(clipboard) => JsFuture::from(clipboard.write_text(text)).await.is_ok(),
        None => false,
    }
}

/// Names the window after the screen.
pub fn set_title(screen: Option<&str>) {
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        document.set_title(&screen.map_or_else(
            || "Manyhands".to_owned(),
            |screen| format!("{screen} · Manyhands"),
        ));
    }
}

/// Removes the sign that the page is starting.
pub fn remove_boot_sign() {
    if let Some(sign) = element("boot") {
        sign.remove();
    }
}

pub fn focus(id: &str) {
    if let Some(element) = element(id).and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // An element that cannot take the focus leaves it where it was.
        let _ = element.focus();
    }
}

/// Whether the focus is within an element.
pub fn has_focus_within(id: &str) -> bool {
    let active = web_sys::window()
        .and_then(|w| w.document())
        .and_then(|d| d.active_element());
    element(id).is_some_and(|element| element.contains(active.as_deref()))
}

/// Whether something is there, and within nothing of the sort.
pub fn is_outside(target: Option<web_sys::EventTarget>, of: &str) -> bool {
    target
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|target| target.closest(of).is_ok_and(|within| within.is_none()))
}

/// Whether a field, a dialog or a list takes this key, which then means nothing else.
pub fn is_taken(event: &web_sys::KeyboardEvent) -> bool {
    let is_of_a_list = || {
        let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
        // Where a browser knows no `:open`, an open list keeps its keys to itself.
        target.closest("select:open").ok().flatten()
    };
    let dialog = || {
        web_sys::window()?
            .document()?
            .query_selector("dialog[open]")
            .ok()?
    };
    event.default_prevented() || dialog().or_else(is_of_a_list).is_some()
}

/// Shows what scrolls from its beginning.
pub fn to_top(id: &str) {
    if let Some(element) = element(id) {
        element.set_scroll_top(0);
    }
}

fn element(id: &str) -> Option<web_sys::Element> {
    web_sys::window()?.document()?.get_element_by_id(id)
}
