//! What a node is told once, when it is made.
//! Everything that changes later comes as an input.

use identity::{PublicKey, Timestamp};
use protocol::{PeerId, SwarmId};

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node, as the transport names it.
    pub me: PeerId,
    /// The swarm that is open to everybody: whoever is heard in it may work in it. In every other swarm, one whose
    /// registry is followed, only its members do.
    pub swarm: SwarmId,
    /// Any number that differs from start to start: session names and offer numbers grow from it,
    /// so that a node that was restarted is not taken for its past. The clock is a good one.
    pub start: u64,
    /// The key of this session, which `me` prints: what it signs is believed to be this node's.
    pub session: PublicKey,
    /// The time of day at the beginning.
    pub clock: Timestamp,
}
