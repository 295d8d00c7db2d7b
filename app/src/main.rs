//! The screens of Manyhands.
//! Decides nothing about the mesh and computes nothing: that is the node's, behind `state`.

// On this machine only the pure parts are compiled, for their tests.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod archive;
mod consent;
mod conversation;
mod fit;
mod format;
mod highlight;
mod i18n;
mod markdown;
mod pattern;
mod qr;
mod query;
mod ring;
mod sentences;
mod settings;
mod view;

fn main() {}
