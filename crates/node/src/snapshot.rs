//! What a screen may know: plain data, taken at one moment.
//! It is a copy; nothing in it leads back into the node.

use identity::NodeId;
use protocol::{Backend, LayerRange, ModelId, PeerId, SwarmId};
use registry::Role;
use registry::policy::SwarmPolicy;

use crate::io::{Code, RequestId};

/// The node as seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// This node.
    pub me: PeerId,
    /// The swarm that is open to everybody.
    pub home: SwarmId,
    /// The relay is reached.
    pub online: bool,
    /// Who announced work, and who is connected.
    pub peers: Vec<PeerRow>,
    /// What this node lends.
    pub lending: LendState,
    /// The terms on which it does, if it does.
    pub terms: Option<SwarmPolicy>,
    /// Sessions computed for others just now.
    pub serving: u32,
    /// Positions computed for others since the start.
    pub served_positions: u64,
    /// Answers under way.
    pub requests: Vec<RequestRow>,
    /// Swarms whose registry is followed. Who their members are: [`Node::registry`](crate::Node::registry).
    pub swarms: Vec<SwarmRow>,
}

/// A swarm whose registry is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct SwarmRow {
    /// Which.
    pub swarm: SwarmId,
    /// Its name.
    pub name: String,
    /// What this node's owner is in it; `None`: a stranger, or not accepted yet.
    pub role: Option<Role>,
    /// This node's owner is kept out by name.
    pub blocked: bool,
    /// Why all work stands still, if it does.
    pub halted: Option<String>,
    /// Members of all roles, invited ones included.
    pub members: usize,
    /// The number of its newest record.
    pub sequence: u64,
}

/// One peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerRow {
    /// Who.
    pub peer: PeerId,
    /// There is a connection that carries data.
    pub connected: bool,
    /// Measured round trip.
    pub round_trip_ms: Option<u32>,
    /// What it offers.
    pub work: Option<WorkRow>,
    /// It belongs to this node's owner, or to a member of a swarm of theirs.
    pub mine: bool,
    /// Whose it is, where it says so.
    pub owner: Option<NodeId>,
}

/// What a peer offers.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkRow {
    /// In which swarm.
    pub swarm: SwarmId,
    /// Of which model.
    pub model: ModelId,
    /// Which layers.
    pub layers: LayerRange,
    /// Layers of the whole model.
    pub model_layers: u32,
    /// As the peer measured it.
    pub us_per_token: u32,
    /// What computes.
    pub backend: Backend,
    /// Whether it says that a row has the same bits alone and among others; `None`: it says nothing of it.
    pub batch_invariant: Option<bool>,
}

/// Lending, as the user sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LendState {
    /// Not lending.
    #[default]
    Off,
    /// Weights are on their way.
    Loading {
        /// Which layers; `None`: still to be chosen.
        layers: Option<LayerRange>,
    },
    /// Ready for work.
    Ready {
        /// Which layers.
        layers: LayerRange,
        /// Measured.
        us_per_token: u32,
        /// Computing right now.
        working: bool,
    },
    /// It could not be done.
    Failed {
        /// Why.
        code: Code,
    },
}

/// One answer under way.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// The shell's name for it.
    pub request: RequestId,
    /// Tokens so far.
    pub tokens: u32,
    /// What it waits for, if it does.
    pub waiting: Option<Code>,
    /// Who computes, in order of layers.
    pub stages: Vec<(PeerId, LayerRange)>,
}
