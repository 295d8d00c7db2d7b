//! manyhands-relay: introduces browsers to each other and serves the app and its models.
//! It never sees what they compute: between peers it carries a few kilobytes of signalling.

pub mod cli;
mod clock;
pub mod config;
pub mod driver;
pub mod http;
pub mod invites;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod models;
pub mod net;
pub mod notify;
pub mod offers;
pub mod open_invites;
pub mod owner;
pub mod rate;
pub mod register;
pub mod serve;
pub mod shared;
pub mod sites;
pub mod stop;
pub mod store;
pub mod stun;
pub mod swarm_state;
pub mod tls;
pub mod turn;
pub mod webrtc_cert;
pub mod webtransport_cert;
