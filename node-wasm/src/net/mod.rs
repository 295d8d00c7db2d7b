//! The libp2p half of a tab: the relay, direct connections, gossip, the DHT.
//! It decides nothing about work: it reports to the driver and does what it is told.

mod anchors;
mod behaviour;
mod dht;
mod link;
mod port;
mod reach;
mod shape;
mod task;
mod watchful;

pub(crate) use behaviour::Setup;
pub(crate) use link::BackOff;
pub(crate) use port::{Event, Net, NetLine};
pub use shape::Impairment;
