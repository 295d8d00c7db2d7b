//! The node in a browser tab: the mesh, the compute worker, keys, behind one handle.
//! It exports nothing to JavaScript and paints nothing: the app and the SDK do.

#![cfg(target_arch = "wasm32")]

mod answer;
mod blobs;
mod bring_up;
mod catalogue;
mod chat;
mod command;
mod conditions;
mod config;
mod driver;
mod effects;
mod error;
mod handle;
mod keys;
mod locks;
mod models;
mod net;
mod receipts;
mod registries;
mod relay_api;
mod remembered;
mod shelf;
mod snapshot;
mod streams;
mod view;
mod worker;

pub use catalogue::catalogue;
pub use chat::{ChatEvent, ChatRequest, ChatStream, FinishReason, HopInfo, Message, Mode, RouteInfo};
pub use config::{Backend, Config, Impairment, Storage, Wire};
pub use error::Error;
pub use handle::{Handle, LendOptions};
pub use jobs::{ImportAbout, Kept, KeptModel, Sampling};
pub use shelf::{Progress, Shelf};
pub use snapshot::{Connection, Gave, LendState, Lending, ModelInfo, Snapshot, SwarmInfo, WorkerInfo};
pub use view::Listening;
