//! By which connections each peer is reached, and whose attempt is kept when two cross.
//! It opens and closes nothing.

use std::collections::{HashMap, HashSet};

use libp2p_core::ConnectedPoint;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::address;

/// How a connection runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Without a relay, whatever the transport.
    Direct,
    /// Over a relay's circuit.
    Relayed,
}

impl Path {
    /// The path of a connection with this endpoint.
    pub fn of(endpoint: &ConnectedPoint) -> Path {
        let address = match endpoint {
            ConnectedPoint::Dialer { address, .. } => address,
            ConnectedPoint::Listener { local_addr, .. } => local_addr,
        };
        match address::is_relayed(address) {
            true => Path::Relayed,
            false => Path::Direct,
        }
    }
}

/// All connections, by peer.
#[derive(Debug, Default)]
pub struct Paths {
    peers: HashMap<PeerId, HashMap<ConnectionId, Path>>,
    /// Peers whose circuits have served, while the swarm has not taken up the direct connection.
    served: HashSet<PeerId>,
}

impl Paths {
    /// Notes a new connection. Answers the circuits that are to be closed because of it.
    pub fn opened(&mut self, peer: PeerId, id: ConnectionId, path: Path) -> Vec<ConnectionId> {
        self.peers.entry(peer).or_default().insert(id, path);
        if path == Path::Direct && self.served.remove(&peer) {
            return self.relayed(&peer);
        }
        Vec::new()
    }

    /// Notes the end of a connection.
    pub fn closed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(connections) = self.peers.get_mut(&peer) else {
            return;
        };
        connections.remove(&id);
        if connections.is_empty() {
            self.peers.remove(&peer);
            self.served.remove(&peer);
        }
    }

    /// Both sides have said goodbye on the circuit. Answers the circuits to close: all, or none
    /// as long as there is no other path; then they are closed when there is one.
    pub fn circuit_served(&mut self, peer: PeerId) -> Vec<ConnectionId> {
        if self.has(&peer, Path::Direct) {
            return self.relayed(&peer);
        }
        if self.peers.contains_key(&peer) {
            self.served.insert(peer);
        }
        Vec::new()
    }

    /// Whether there is such a path to the peer.
    pub fn has(&self, peer: &PeerId, path: Path) -> bool {
        self.of(peer).any(|(_, known)| *known == path)
    }

    /// How many direct connections the peer has.
    pub fn direct_count(&self, peer: &PeerId) -> usize {
        self.of(peer).filter(|(_, path)| **path == Path::Direct).count()
    }

    /// The circuits to the peer.
    pub fn relayed(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let all = self.of(peer);
        all.filter(|(_, path)| **path == Path::Relayed)
            .map(|(id, _)| *id)
            .collect()
    }

    fn of<'a>(&'a self, peer: &PeerId) -> impl Iterator<Item = (&'a ConnectionId, &'a Path)> + use<'a> {
        self.peers.get(peer).into_iter().flatten()
    }
}

/// When both dial at once, the attempt of the smaller peer id is kept: both sides come to the
/// same answer without asking each other.
pub fn keeps_own(me: PeerId, other: PeerId) -> bool {
    me.to_bytes() < other.to_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ids() -> (ConnectionId, ConnectionId) {
        (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2))
    }

    /// Some peer; the bytes are an identity multihash.
    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes(&[0, 4, 8, 1, 18, number]).unwrap()
    }

    #[test]
    fn circuits_are_closed_after_the_goodbye_and_never_before_the_direct_path() {
        let (circuit, direct) = ids();
        for goodbye_first in [true, false] {
            let (mut paths, peer) = (Paths::default(), peer(1));
            assert!(paths.opened(peer, circuit, Path::Relayed).is_empty());
            let close = if goodbye_first {
                assert!(paths.circuit_served(peer).is_empty(), "it is the only path");
                paths.opened(peer, direct, Path::Direct)
            } else {
                assert!(
                    paths.opened(peer, direct, Path::Direct).is_empty(),
                    "it may still be needed"
                );
                paths.circuit_served(peer)
            };
            assert_eq!(close, [circuit]);
        }
    }

    #[test]
    fn a_goodbye_is_forgotten_with_the_last_connection() {
        let (circuit, direct) = ids();
        let (mut paths, peer) = (Paths::default(), peer(1));
        paths.opened(peer, circuit, Path::Relayed);
        paths.circuit_served(peer);
        paths.closed(peer, circuit);
        paths.circuit_served(peer);
        assert!(paths.served.is_empty() && paths.peers.is_empty());
        paths.opened(peer, circuit, Path::Relayed);
        assert!(paths.opened(peer, direct, Path::Direct).is_empty());
    }

    #[test]
    fn a_peer_is_reached_by_what_is_open() {
        let (circuit, direct) = ids();
        let (mut paths, peer) = (Paths::default(), peer(1));
        assert!(!paths.has(&peer, Path::Direct) && !paths.has(&peer, Path::Relayed));
        paths.opened(peer, circuit, Path::Relayed);
        paths.opened(peer, direct, Path::Direct);
        assert!(paths.has(&peer, Path::Direct) && paths.has(&peer, Path::Relayed));
        paths.closed(peer, circuit);
        assert!(paths.has(&peer, Path::Direct) && !paths.has(&peer, Path::Relayed));
        paths.closed(peer, direct);
        paths.closed(peer, direct);
        assert!(!paths.has(&peer, Path::Direct));
    }

    #[test]
    fn of_two_attempts_that_cross_exactly_one_is_kept() {
        for other in 1..100 {
            assert_ne!(keeps_own(peer(0), peer(other)), keeps_own(peer(other), peer(0)));
        }
    }
}
