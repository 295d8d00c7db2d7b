//! What there is to know of a model before it is chosen: how long it is, the memory and the license it needs, whether it fits.
//! The one place that puts these into words: cards, the list beside the input and the catalogue show them.

use leptos::prelude::*;

use crate::context::{app, words};
use crate::fit::{Fit, fit, memory_bytes};
use crate::format;

/// Size, memory and license, each with its name.
pub(super) fn facts(bytes: u64, license: &str) -> [(&'static str, String); 3] {
    let t = words();
    let license = if license.is_empty() {
        t.license_unknown
    } else {
        license
    };
    [
        (t.size, format::bytes(bytes)),
        (t.memory_need, format::bytes(memory_bytes(bytes))),
        (t.license, license.to_owned()),
    ]
}

/// A fact as plain text: what is not of the page's language keeps its own direction, and a number its unit.
pub(super) fn said((name, value): (&'static str, String)) -> String {
    format!("{name}: {}", words().isolate(&value.replace(' ', "\u{a0}")))
}

/// Whether a file of this length fits the device, as a word.
#[component]
pub fn FitTag(bytes: u64) -> impl IntoView {
    let t = words();
    let able = app().capabilities;
    let (class, words) = match fit(bytes, able.memory_gib, able.phone) {
        Fit::Yes => ("tag good", t.fits_yes),
        Fit::Tight => ("tag warn", t.fits_tight),
        Fit::No => ("tag bad", t.fits_no),
        Fit::Unknown => ("tag", t.fits_unknown),
    };
    view! { <span class=class>{words}</span> }
}
