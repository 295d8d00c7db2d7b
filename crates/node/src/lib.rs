//! node: what to do next, decided from what happened, without ever touching the world.
//! It has no clock, no randomness, no sockets and no threads: those come in as inputs, and deeds
//! go out as outputs.
//!
//! The drain rule: after every [`Node::handle_input`] call [`Node::poll_output`] until it answers
//! `None`, do what it says in that order, and only then hand in the next input.

mod acquaintances;
mod admission;
mod caller;
mod config;
mod credit;
mod desk;
mod door;
mod draft;
mod feed;
pub mod io;
mod kept;
mod lending;
mod myself;
mod node;
mod outbound;
mod outcome;
mod pace;
mod peers;
mod place;
mod plan;
mod presence;
mod receipts;
mod registries;
mod request;
mod reroute;
pub mod route;
mod sheet;
mod snapshot;
mod unwanted;
mod warmth;
mod work;
mod worker;

pub use config::Config;
pub use lending::choose_layers;
pub use node::Node;
pub use sheet::{Hop, RouteSheet};
pub use snapshot::{LendState, PeerRow, RequestRow, Snapshot, SwarmRow, WorkRow};
pub use warmth::Warmth;
