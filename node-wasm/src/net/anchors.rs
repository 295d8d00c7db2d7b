//! The relays that a tab knows, and which address of which of them to try next.
//! It dials nothing and waits for nothing: the task does.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Relays of one network that a tab remembers; identify holds the addresses of four at most.
const MAX_RELAYS: usize = 8;
/// Addresses of one relay.
const MAX_ADDRESSES: usize = 8;
/// Tries at one relay before the next has its turn: a relay that restarts is back within two.
const TRIES_EACH: usize = 2;
/// Rounds that try the best address alone. The others may be dead without saying so, and whoever waits for one of them
/// does not see that the best is there again.
const ROUNDS_BEST: usize = 2;

/// The known relays, the one that is used, or tried, first.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    relays: Vec<Relay>,
    /// Where the tries began.
    home: usize,
    /// Tries that failed since a relay last answered.
    failures: usize,
}

#[derive(Debug)]
struct Relay {
    peer: PeerId,
    /// Best first; each ends in `/p2p/<peer>`.
    addresses: Vec<Multiaddr>,
}

impl Anchors {
    /// Sorts addresses, best first, by the relay that they end in.
    pub(crate) fn new(addresses: Vec<Multiaddr>) -> Anchors {
        let mut anchors = Anchors::default();
        for address in addresses {
            anchors.learn(address);
        }
        anchors
    }

    /// The relay and the address to use or try now.
    pub(crate) fn current(&self) -> Option<(PeerId, &Multiaddr)> {
        let count = self.relays.len();
        let relay = self
            .relays
            .get((self.home + self.failures / TRIES_EACH).checked_rem(count)?)?;
        // The best address has most tries; the others come in later rounds, one in each.
        let round = self.failures / (TRIES_EACH * count);
        let last_try = self.failures % TRIES_EACH == TRIES_EACH - 1;
        let at = if last_try {
            (round + 1).saturating_sub(ROUNDS_BEST)
        } else {
            0
        };
        let address = relay.addresses.get(at.checked_rem(relay.addresses.len())?)?;
        Some((relay.peer, address))
    }

    /// The relay in use, or tried.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        self.current().map(|(peer, _)| peer)
    }

    /// Whether it is the relay's best address that is tried.
    pub(crate) fn tries_best(&self) -> bool {
        self.current().is_some_and(|(peer, address)| {
            let relay = self.relays.iter().find(|relay| relay.peer == peer);
            relay.and_then(|relay| relay.addresses.first()) == Some(address)
        })
    }

    /// Whether this peer is one of the relays.
    pub(crate) fn knows(&self, peer: &PeerId) -> bool {
        self.relays.iter().any(|relay| relay.peer == *peer)
    }

    /// The try failed: the next has its turn.
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.wrapping_add(1);
    }

    /// A relay answered: it is the one from now on.
    pub(crate) fn answered(&mut self, peer: &PeerId) {
        if self.peer() == Some(*peer) {
            return;
        }
        if let Some(at) = self.relays.iter().position(|relay| relay.peer == *peer) {
            self.home = at;
            self.failures = 0;
        }
    }

    /// All is well: the next loss starts with this relay and its best address.
    pub(crate) fn settled(&mut self) {
        if let Some(peer) = self.peer() {
            self.home = self
                .relays
                .iter()
                .position(|relay| relay.peer == peer)
                .unwrap_or(0);
        }
        self.failures = 0;
    }

    fn learn(&mut self, address: Multiaddr) {
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            return;
        };
        let has_room = self.relays.len() < MAX_RELAYS;
        match self.relays.iter_mut().find(|relay| relay.peer == peer) {
            Some(relay) if relay.addresses.len() < MAX_ADDRESSES => relay.addresses.push(address),
            None if has_room => self.relays.push(Relay {
                peer,
                addresses: vec![address],
            }),
            _ => {}
        }
    }
}
