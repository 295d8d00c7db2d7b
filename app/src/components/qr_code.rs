//! A QR code as one SVG path on white, whatever the theme: cameras want dark on light.
//! The code itself is `qr`'s.

use leptos::prelude::*;

use crate::qr;

#[component]
pub fn QrCode(
    text: String,
    label: &'static str,
    /// For what is too long for a small one.
    #[prop(optional)]
    large: bool,
) -> impl IntoView {
    let code = if large {
        qr::encode_large(&text)
    } else {
        qr::encode(&text)
    };
    code.map(|code| {
        let view_box = format!("0 0 {0} {0}", code.size);
        let size = code.size.to_string();
        view! {
            <svg class="qr" class:large=large data-testid="invite-qr" viewBox=view_box role="img" aria-label=label shape-rendering="crispEdges">
                <rect width=size.clone() height=size fill="#fff"></rect>
                <path d=code.path fill="#000"></path>
            </svg>
        }
    })
}
