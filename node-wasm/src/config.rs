//! How a node in a tab is started.
//! Nothing here starts anything; consent is asked for elsewhere.

pub use crate::net::Impairment;

/// Settings of a tab's node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Scheme, host and port of the relay, as in `location.origin`.
    pub relay_origin: String,
    pub storage: Storage,
    pub backend: Backend,
    /// Milliseconds that each step of a stage lasts at least: for measurements that must compare.
    pub pace_ms: Option<u32>,
    /// How hidden states travel; the node chooses where nothing is said.
    pub wire: Option<Wire>,
    /// Guess tokens ahead.
    pub speculate: bool,
    /// Keep a second peer for every stage up to date.
    pub shadow: bool,
    /// A worse line to other browsers than there is: for tests and measurements.
    pub net: Option<Impairment>,
}

impl Config {
    /// The defaults for a relay.
    pub fn new(relay_origin: impl Into<String>) -> Self {
        Config {
            relay_origin: relay_origin.into(),
            storage: Storage::default(),
            backend: Backend::default(),
            pace_ms: None,
            wire: None,
            speculate: true,
            shadow: false,
            net: None,
        }
    }
}

/// Whether anything outlives the tab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Keys and weights live as long as the tab.
    Memory,
    #[default]
    Persistent,
}

pub use jobs::{Backend, Wire};
