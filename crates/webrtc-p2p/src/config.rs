//! What the user of the transport may choose.
//! No defaults of any public server: who learns the addresses of our users is their choice.

use std::fmt;
use std::time::Duration;

/// A server that helps to find a path: `stun:` ones tell a browser its public address,
/// `turn:` ones carry the traffic where no direct path exists (and see how much, not what).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp`…
    pub urls: Vec<String>,
    /// For `turn:`.
    pub username: Option<String>,
    /// For `turn:`; best a short-lived one.
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    /// Without the credential: settings end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_never_printed() {
        let server = IceServer {
            credential: Some("secret".into()),
            username: Some("somebody".into()),
            ..IceServer::from("turn:turn.example:3478".to_owned())
        };
        let config = Config {
            ice_servers: vec![server],
            ..Config::default()
        };
        let text = format!("{config:?}");
        assert!(text.contains("turn.example"));
        assert!(!text.contains("secret") && !text.contains("somebody"), "{text}");
    }
}
