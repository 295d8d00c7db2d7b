//! What the user of the transport may choose.
//! No defaults of any public server: who learns the addresses of our users is their choice.

use std::time::Duration;

/// A server that helps to find a path: `stun:` ones tell a browser its public address,
/// `turn:` ones carry the traffic where no direct path exists (and see how much, not what).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp`…
    pub urls: Vec<String>,
    /// For `turn:`.
    pub username: Option<String>,
    /// For `turn:`; best a short-lived one.
    pub credential: Option<String>,
}

impl From<String> for IceServer {
    fn from(url: String) -> IceServer {
        IceServer {
            urls: vec![url],
            ..IceServer::default()
        }
    }
}

/// Settings of the transport and its behaviour.
#[derive(Clone, Debug)]
pub struct Config {
    /// Servers for finding a path. None is needed on one machine or one local network; more
    /// than four slow a browser down.
    pub ice_servers: Vec<IceServer>,
    /// How long an upgrade may take from the first byte of signalling to the connection.
    pub upgrade_timeout: Duration,
    /// Whether every relayed connection that we dial is upgraded without being asked.
    pub upgrade_dialled: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ice_servers: Vec::new(),
            upgrade_timeout: Duration::from_secs(20),
            upgrade_dialled: true,
        }
    }
}
