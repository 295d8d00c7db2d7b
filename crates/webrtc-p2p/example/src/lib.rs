//! A page with one libp2p node: it listens through a relay, reaches other pages directly, and
//! echoes. The smallest complete use of `webrtc-p2p`, and the peer of its tests in browsers.
//! It has no user interface; `index.html` beside it is one.

#[cfg(target_arch = "wasm32")]
mod node;
#[cfg(target_arch = "wasm32")]
mod protocols;
#[cfg(target_arch = "wasm32")]
mod swarm;
