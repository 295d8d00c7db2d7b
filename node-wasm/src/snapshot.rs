//! What the screen sees of the node: plain data, taken at one moment.
//! The page never reaches behind it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    pub connection: Connection,
    /// Why we are not online, in words.
    pub reason: Option<String>,
    /// Our address in the mesh, for this tab.
    pub peer_id: Option<String>,
    /// Who we are, across tabs.
    pub node_id: Option<String>,
    /// Our identity's key, for others to grant a role to.
    pub public_key: Option<String>,
    pub backup: Backup,
    pub swarm: Option<SwarmInfo>,
    /// The swarm of one's own that is asked and lent to, where it is not the relay's.
    pub own_swarm: Option<String>,
    /// Counts changes of the registers that did not come from this page: whoever shows them reads anew.
    pub registers: u64,
    /// Up to which record the relays keep a copy of each register, left there by this page.
    pub published: BTreeMap<String, u64>,
    pub models: Vec<ModelInfo>,
    pub workers: Vec<WorkerInfo>,
    /// Peers that compute an answer of ours just now.
    pub busy: Vec<String>,
    /// Addresses of the relay's pages that other devices may reach, best first.
    pub reachable: Vec<String>,
    pub lend: LendState,
}

/// Whether the identity could be lost with this browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backup {
    /// There is no identity.
    #[default]
    None,
    /// It can be made now, on this page.
    Possible,
    /// It is sealed under a passphrase.
    Made,
    MadeWithPasskey,
    /// The key was made earlier, and the browser does not give it out.
    Impossible,
}

/// Our thread to the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    #[default]
    Offline,
    Connecting,
    Online,
}

/// A swarm, by id and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmInfo {
    pub id: String,
    pub name: String,
}

/// A model that the relay publishes, or that a person brought into this browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    pub id: String,
    pub name: String,
    pub architecture: String,
    pub layers: u32,
    pub bytes: u64,
    #[serde(default)]
    pub license: Option<String>,
    /// It is known to this browser alone.
    #[serde(default, skip_deserializing)]
    pub own: bool,
    /// What the model says about itself.
    #[serde(default)]
    pub description: Option<String>,
}

/// A peer that lends layers `first..end` of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WorkerInfo {
    pub peer: String,
    pub model: String,
    pub first: u32,
    pub end: u32,
    pub backend: String,
    /// Whether it says that a row has the same bits alone and among others: else prompts take it longer.
    pub batch_invariant: Option<bool>,
    pub tokens_per_s: f32,
    /// It belongs to our own key, or to a member of a swarm of ours.
    pub mine: bool,
}

/// What we lend.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LendState {
    pub state: Lending,
    /// Why it is paused or failed.
    pub reason: Option<String>,
    /// The share of its power that heat leaves, in percent, where the device has become slower.
    pub slowed: Option<u8>,
    pub model: Option<String>,
    pub first: u32,
    pub end: u32,
    pub loaded_bytes: u64,
    pub total_bytes: u64,
    pub gave: Gave,
}

/// The state word of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lending {
    #[default]
    Off,
    Loading,
    Ready,
    Working,
    Paused,
    Error,
}

/// What this tab gave since it opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Gave {
    pub jobs: u64,
    pub tokens: u64,
    pub bytes: u64,
    /// Time spent computing, at most.
    pub compute_ms: f64,
}
