//! Where the focus goes when what had it is gone: to what stands in its place, so that a keyboard never begins anew. What
//! was only moved, as a line of a list that is sorted anew, gets it back.
//! Moves nothing while anything has the focus, and gives none to a text field: a phone would open its keyboard.

use std::cell::RefCell;

use js_sys::Array;
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlElement, MutationObserver, MutationObserverInit, Node};

use super::page;

/// What takes the place of a button.
const TAKES_FOCUS: &str = "button:enabled, a[href], summary";
/// What is further away than this is somewhere else.
const LEVELS: usize = 2;
/// No screen is deeper where something is clicked.
const MAX_TRAIL: usize = 12;

/// What holds the screen.
const MAIN: &str = "main";

thread_local! {
    /// What had the focus last, outside of dialogs, and what it is in, each with its place among its siblings.
    static TRAIL: RefCell<Vec<(Element, u32)>> = const { RefCell::new(Vec::new()) };
}

/// Watches the page for as long as it is open.
pub fn keep() {
    let Some(document) = document() else { return };
    // Listens for as long as there is a page.
    let _ = window_event_listener(ev::focusin, |event| {
        // A dialog gives the focus back by itself.
        if page::is_outside(event.target(), "dialog") {
            TRAIL.set(trail(event_target(&event)));
        }
    });
    // Whoever points somewhere has chosen where to go on.
    let _ = window_event_listener(ev::pointerdown, |_| TRAIL.set(Vec::new()));
    let changed = Closure::<dyn Fn(Array)>::new(|changes: Array| {
        if is_lost() {
            // What takes its place may be drawn a moment later.
            request_animation_frame(restore);
        } else if let Some(moved) = moved(&changes) {
            let _ = moved.focus();
        }
    });
    if let (Ok(observer), Some(body)) = (
        MutationObserver::new(changed.into_js_value().unchecked_ref()),
        document.body(),
    ) {
        let init = MutationObserverInit::new();
        init.set_child_list(true);
        init.set_subtree(true);
        // Fails for no node of this document.
        let _ = observer.observe_with_options(&body, &init);
    }
}

fn document() -> Option<Document> {
    web_sys::window().and_then(|window| window.document())
}

fn trail(target: Element) -> Vec<(Element, u32)> {
    let parents = std::iter::successors(Some(target), |each| each.parent_element());
    let mut trail: Vec<(Element, u32)> = parents.take(MAX_TRAIL).map(|each| (each, 0)).collect();
    for (element, place) in &mut trail {
        let before = std::iter::successors(element.previous_element_sibling(), |e| {
            e.previous_element_sibling()
        });
        *place = before.count() as u32;
    }
    trail
}

fn is_nowhere() -> bool {
    document().is_some_and(|document| {
        let body = document.body().map(Element::from);
        document
            .active_element()
            .is_none_or(|active| Some(active) == body)
    })
}

/// What lost the focus because it was taken out and put in again.
fn moved(changes: &Array) -> Option<HtmlElement> {
    if !is_nowhere() {
        return None;
    }
    let last = TRAIL.with_borrow(|trail| trail.first().map(|(last, _)| last.clone()))?;
    let held_it = |node: JsValue| {
        node.dyn_ref::<Node>()
            .is_some_and(|node| node.contains(Some(&last)))
    };
    let moved = changes.iter().any(|change| {
        let removed = js_sys::Reflect::get(&change, &"removedNodes".into());
        removed.is_ok_and(|nodes| Array::from(&nodes).iter().any(held_it))
    });
    let takes = last.matches(TAKES_FOCUS).unwrap_or(false);
    (moved && takes).then(|| last.dyn_into().ok()).flatten()
}

/// Whether nothing has the focus because what had it is not there any more.
fn is_lost() -> bool {
    is_nowhere() && TRAIL.with_borrow(|trail| trail.first().is_some_and(|(last, _)| !last.is_connected()))
}

fn restore() {
    if !is_lost() {
        return;
    }
    let trail = TRAIL.with_borrow(Vec::clone);
    let Some(gone) = trail.iter().rposition(|(element, _)| !element.is_connected()) else {
        return;
    };
    let levels = trail.iter().skip(gone).zip(trail.iter().skip(gone + 1));
    for ((below, place), (parent, _)) in levels.take(LEVELS) {
        if parent.id() == MAIN {
            // Another screen: it is read from its beginning.
            return page::focus(MAIN);
        }
        let children = parent.children();
        let place = (*place).min(children.length());
        // What follows is nearer than what went before.
        let order = (place..children.length()).chain((0..place).rev());
        let near = order.filter_map(|at| children.item(at));
        for child in near.filter(|child| child != below) {
            let found = match child.matches(TAKES_FOCUS) {
                Ok(true) => Some(child),
                _ => child.query_selector(TAKES_FOCUS).ok().flatten(),
            };
            if let Some(found) = found.and_then(|found| found.dyn_into::<HtmlElement>().ok()) {
                // One that cannot take it leaves it where it was.
                let _ = found.focus();
                return;
            }
        }
    }
}
