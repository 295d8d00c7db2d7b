//! The compute worker of a tab: the engine behind `postMessage`.
//! It never hears of peers, and never touches the page.

#[cfg(any(target_arch = "wasm32", test))]
mod codes;
#[cfg(target_arch = "wasm32")]
mod desk;
#[cfg(target_arch = "wasm32")]
mod device;
#[cfg(target_arch = "wasm32")]
mod failure;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod import;
#[cfg(target_arch = "wasm32")]
mod library;
#[cfg(target_arch = "wasm32")]
mod measure;
#[cfg(target_arch = "wasm32")]
mod peers;
#[cfg(target_arch = "wasm32")]
mod port;
#[cfg(target_arch = "wasm32")]
mod running;
#[cfg(target_arch = "wasm32")]
mod source;
#[cfg(target_arch = "wasm32")]
mod stock;
#[cfg(target_arch = "wasm32")]
mod store;
#[cfg(target_arch = "wasm32")]
mod weights;

#[cfg(target_arch = "wasm32")]
fn main() {
    console_error_panic_hook::set_once();
    port::listen(desk::Desk::default());
}

/// The worker exists in browsers only; natively the engine's examples do the same work.
#[cfg(not(target_arch = "wasm32"))]
fn main() {}
