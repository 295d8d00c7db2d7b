//! The route sheet: who computed an answer, and what each stage cost.
//! It is a record for the user; nothing is decided by it.

use protocol::{LayerRange, PeerId};

/// What the user is shown of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSheet {
    /// One for each stage that took part, in order of layers; a replaced stage keeps its line.
    pub hops: Vec<Hop>,
    /// How often the route changed while answering.
    pub replays: u32,
    /// Tokens of the answer.
    pub tokens: u32,
    /// Trips around the ring.
    pub trips: u32,
    /// Tokens guessed ahead, and how many of them were right.
    pub drafted: u32,
    /// See `drafted`.
    pub agreed: u32,
    /// The longest time without progress that a change of route caused.
    pub longest_stall_ms: u64,
}

/// One stage's share.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// Who.
    pub peer: PeerId,
    /// It is this node.
    pub here: bool,
    /// Which layers.
    pub layers: LayerRange,
    /// Steps computed.
    pub steps: u32,
    /// Waiting for the device, all steps together.
    pub queue_ms: u64,
    /// Computing, all steps together.
    pub compute_ms: u64,
    /// Bytes sent on.
    pub bytes: u64,
    /// It was lost and replaced.
    pub lost: bool,
}

impl RouteSheet {
    /// Stages on other peers: what the user is told first.
    pub fn remote_hops(&self) -> usize {
        self.hops.iter().filter(|hop| !hop.here && !hop.lost).count()
    }
}
