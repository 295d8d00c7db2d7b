//! Which peers are reached, and how: the table of connections.
//! It opens nothing; the task does.

use std::collections::HashMap;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// How a peer is reached just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Not at all.
    None,
    /// Over the relay only: good for signalling, never for data.
    Relayed,
    /// Directly, and nothing else is open, so that every new stream takes the direct way.
    Direct,
    /// Directly, while a relayed connection is still closing.
    Both,
}

/// Connections by peer.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    by_peer: HashMap<PeerId, Vec<(ConnectionId, bool)>>,
}

impl Connections {
    /// Notes a new connection and answers how the peer is reached now.
    pub(crate) fn opened(&mut self, peer: PeerId, id: ConnectionId, relayed: bool) -> Reach {
        self.by_peer.entry(peer).or_default().push((id, relayed));
        self.reach(&peer)
    }

    /// Notes the end of a connection and answers how the peer is reached now.
    pub(crate) fn closed(&mut self, peer: PeerId, id: ConnectionId) -> Reach {
        if let Some(list) = self.by_peer.get_mut(&peer) {
            list.retain(|(known, _)| *known != id);
            if list.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
        self.reach(&peer)
    }

    /// How a peer is reached.
    pub(crate) fn reach(&self, peer: &PeerId) -> Reach {
        let list = self.by_peer.get(peer).map(Vec::as_slice).unwrap_or_default();
        let direct = list.iter().any(|(_, relayed)| !relayed);
        let relayed = list.iter().any(|(_, relayed)| *relayed);
        match (direct, relayed) {
            (false, false) => Reach::None,
            (false, true) => Reach::Relayed,
            (true, false) => Reach::Direct,
            (true, true) => Reach::Both,
        }
    }
}
