//! The screens of Manyhands.
//! Decides nothing about the mesh and computes nothing: that is the node's, behind `state`.

// On this machine only the pure parts are compiled, for their tests.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
// Nothing of a binary is reachable from outside; `pub` says what other files here may use.
#![allow(unreachable_pub)]

mod archive;
mod catalogue;
mod consent;
mod conversation;
mod fit;
mod format;
mod frame;
mod highlight;
mod i18n;
mod invitation;
mod looking;
mod markdown;
mod pace;
mod pattern;
mod proquint;
mod qr;
mod query;
mod reasoning;
mod ring;
mod schedule;
mod sentences;
mod settings;
mod source;
mod throughput;
mod view;

#[cfg(target_arch = "wasm32")]
mod app;
#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(target_arch = "wasm32")]
mod chat;
#[cfg(target_arch = "wasm32")]
mod components;
#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(target_arch = "wasm32")]
mod lending;
#[cfg(target_arch = "wasm32")]
mod pages;
#[cfg(target_arch = "wasm32")]
mod shelf;
#[cfg(target_arch = "wasm32")]
mod state;

#[cfg(target_arch = "wasm32")]
fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::Root);
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
