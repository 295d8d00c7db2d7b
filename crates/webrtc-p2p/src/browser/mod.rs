//! The browser half: `RTCPeerConnection` and data channels behind libp2p's traits.
//! No protocol in here: framing, signalling and liveness are decided by the pure modules.

mod attempt;
mod behaviour;
mod channel;
mod connection;
mod handler;
mod js;
mod shared;
mod stream;
mod transport;
mod upgrade;
mod watch;

pub use behaviour::{Behaviour, Event};
pub use connection::Connection;
pub use stream::Stream;
pub use transport::Transport;

use crate::Config;

/// The transport and the behaviour of one swarm. They work only together: the behaviour
/// negotiates connections over the relay, the transport hands them to the swarm.
pub fn new(config: Config) -> (Transport, Behaviour) {
    let shared = shared::Handle::default();
    (Transport::new(shared.clone()), Behaviour::new(config, shared))
}
