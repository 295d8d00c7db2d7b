//! node-wasm
