//! The libp2p half of a tab: the relay, direct connections, gossip.
//! It decides nothing about work: it reports to the driver and does what it is told.

mod behaviour;
mod link;
mod reach;
mod task;

pub(crate) use behaviour::Ice;
pub(crate) use link::BackOff;
pub(crate) use task::{Event, Net};
