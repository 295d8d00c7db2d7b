//! What the screens know of the node: plain values, in the words of the contract.
//! Does not talk to the node (see `state`) and holds no text for people (see `i18n`).

use std::collections::BTreeMap;

/// Whether the node reaches its relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    #[default]
    Offline,
    Connecting,
    Online,
}

impl Connection {
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Connecting => "connecting",
            Self::Online => "online",
        }
    }
}

/// Where an answer may be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Auto,
    Local,
    Mine,
    Swarm,
}

impl Mode {
    pub const ALL: [Self; 4] = [Self::Auto, Self::Local, Self::Mine, Self::Swarm];

    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Local => "local",
            Self::Mine => "mine",
            Self::Swarm => "swarm",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }

    /// Whether an answer in this mode would in truth go to everybody who lends in the swarm in use. An automatic choice
    /// stays here where the model fits, and where nobody lends it there is nobody to ask about.
    pub fn reaches_others(self, fits_here: bool, lent: bool) -> bool {
        match self {
            Self::Swarm => true,
            Self::Auto => !fits_here && lent,
            Self::Local | Self::Mine => false,
        }
    }
}

/// What computes: the graphics processor, the processor, or whichever works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    #[default]
    Auto,
    Gpu,
    Cpu,
}

impl Backend {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Gpu, Self::Cpu];

    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.word() == word)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub id: String,
    pub name: String,
    pub architecture: String,
    pub layers: u32,
    pub bytes: u64,
    pub license: String,
    /// What it says about itself.
    pub description: String,
    /// A person brought it into this browser.
    pub own: bool,
}

/// What this browser keeps of models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub models: Vec<KeptModel>,
    /// Of the whole origin; 0 where the browser does not tell.
    pub used_bytes: u64,
    pub quota_bytes: u64,
    /// False where nothing outlives the page.
    pub persistent: bool,
    /// Whether anybody has looked yet: before, nothing of this says anything.
    pub known: bool,
}

/// A model of which something is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptModel {
    pub model: Model,
    pub held_bytes: u64,
    /// Addresses where it can be had again.
    pub sources: Vec<String>,
}

impl Kept {
    /// What is kept of one model.
    pub fn of(&self, id: &str) -> Option<&KeptModel> {
        self.models.iter().find(|kept| kept.model.id == id)
    }
}

/// A device that lends: layers `first..end` of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    pub peer: String,
    pub model: String,
    pub first: u32,
    pub end: u32,
    pub backend: String,
    pub tokens_per_s: f64,
    /// One of the person's own devices, or of a member of a swarm of theirs.
    pub mine: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swarm {
    pub id: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LendState {
    #[default]
    Off,
    Loading,
    Ready,
    Working,
    Paused,
    Error,
}

impl LendState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Working => "working",
            Self::Paused => "paused",
            Self::Error => "error",
        }
    }

    pub fn is_on(self) -> bool {
        !matches!(self, Self::Off | Self::Error)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lend {
    pub state: LendState,
    pub reason: Option<String>,
    /// The share of its power that heat leaves, in percent, where the device has become slower.
    pub slowed: Option<u8>,
    pub model: Option<String>,
    /// Layers `first..end`.
    pub range: Option<(u32, u32)>,
    pub loaded_bytes: u64,
    pub total_bytes: u64,
    pub gave: Gave,
}

/// What this device has given since the page was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gave {
    pub jobs: u64,
    pub tokens: u64,
    pub bytes: u64,
    /// Time spent computing, at most.
    pub compute_ms: f64,
}

/// Whether the identity could be lost with this browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backup {
    #[default]
    None,
    Possible,
    Made,
    MadeWithPasskey,
    Impossible,
}

/// Everything the node shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub connection: Connection,
    pub reason: Option<String>,
    pub peer_id: Option<String>,
    pub node_id: Option<String>,
    /// For others to give a role to.
    pub public_key: Option<String>,
    pub backup: Backup,
    pub swarm: Option<Swarm>,
    /// Grows with every change of the registers that another device or tab made.
    pub registers: u64,
    /// Up to which record the relays keep a copy of each register, by swarm.
    pub published: BTreeMap<String, u64>,
    pub models: Vec<Model>,
    pub workers: Vec<Worker>,
    /// Peers that compute an answer of ours just now.
    pub busy: Vec<String>,
    /// Addresses under which other devices may reach this page.
    pub reachable: Vec<String>,
    pub lend: Lend,
}

impl Snapshot {
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    /// Whether the relay has said which models it lists, or cannot be asked.
    pub fn is_listed(&self) -> bool {
        self.swarm.is_some() || (self.connection == Connection::Offline && self.reason.is_some())
    }

    /// Whether another device lends some of a model.
    pub fn is_lent(&self, model: &str) -> bool {
        self.workers
            .iter()
            .any(|worker| worker.model == model && Some(&worker.peer) != self.peer_id.as_ref())
    }

    /// The name of a model, or a short form of its id while its description has not arrived.
    pub fn model_name(&self, id: &str) -> String {
        match self.model(id) {
            Some(model) => model.name.clone(),
            None => crate::format::short_id(id),
        }
    }
}

/// One stage of an answer.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Hop {
    /// Empty for this device itself.
    pub peer: String,
    pub first: u32,
    pub end: u32,
    pub backend: String,
    /// The GPU's name, where this device computed on one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub adapter: String,
    /// Mean computing time of one step.
    pub ms: f64,
    /// It left, and another took its place.
    #[serde(default)]
    pub lost: bool,
}

/// Where an answer was computed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Route {
    pub hops: Vec<Hop>,
    pub replays: u32,
    pub bytes: u64,
    /// Tokens of the answer, and trips around all stages: fewer where guesses were right.
    #[serde(default)]
    pub tokens: u32,
    #[serde(default)]
    pub trips: u32,
    /// The longest wait for a replacement.
    #[serde(default)]
    pub longest_stall_ms: u64,
    /// From the first token to the last.
    #[serde(default)]
    pub decode_ms: u64,
}

impl Route {
    /// Stages on other peers: what the contract counts in `data-hops`.
    pub fn remote_hops(&self) -> usize {
        self.hops
            .iter()
            .filter(|hop| !hop.peer.is_empty() && !hop.lost)
            .count()
    }
}

/// What went wrong, with a code from the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    pub code: String,
    pub message: String,
    /// Why exactly, as a word that has a sentence of its own.
    pub reason: Option<String>,
}

impl Fault {
    /// Whether it says that this device cannot, and not that nobody could.
    pub fn is_of_this_device(&self) -> bool {
        matches!(
            self.code.as_str(),
            "wont_fit" | "device_lost" | "model_rejected" | "relay_unreachable"
        )
    }

    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            reason: None,
        }
    }
}

/// What a running answer reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    Text(String),
    Waiting { reason: String },
    Resumed,
    Route(Route),
    Done { tokens: u32, ms: f64 },
    Failed(Fault),
}

/// What is asked of the node for one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    pub model: Option<String>,
    /// `(role, content)`, oldest first.
    pub messages: Vec<(String, String)>,
    pub mode: Mode,
    /// The person agreed that strangers may compute it and read it.
    pub strangers_agreed: bool,
    pub temperature: f32,
    pub top_p: f32,
    pub seed: u64,
    pub max_tokens: u32,
}

/// Which layers of a model somebody lends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub covered: u32,
    pub layers: u32,
    /// Ranges `first..end` that nobody lends.
    pub gaps: Vec<(u32, u32)>,
}

/// Coverage of `model`, counted over the layers it really has: a worker's claim beyond the end is cut.
pub fn coverage(model: &Model, workers: &[Worker]) -> Coverage {
    let mut ranges: Vec<(u32, u32)> = workers
        .iter()
        .filter(|worker| worker.model == model.id)
        .map(|worker| (worker.first.min(model.layers), worker.end.min(model.layers)))
        .filter(|(first, end)| first < end)
        .collect();
    ranges.sort_unstable();
    let mut gaps = Vec::new();
    let mut reached = 0;
    for (first, end) in ranges {
        if first > reached {
            gaps.push((reached, first));
        }
        reached = reached.max(end);
    }
    if reached < model.layers {
        gaps.push((reached, model.layers));
    }
    let missing: u32 = gaps.iter().map(|(first, end)| end - first).sum();
    Coverage {
        covered: model.layers - missing,
        layers: model.layers,
        gaps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(layers: u32, ranges: &[(u32, u32)]) -> Coverage {
        let model = Model {
            id: "m".into(),
            layers,
            ..Model::default()
        };
        let workers: Vec<Worker> = ranges
            .iter()
            .map(|&(first, end)| Worker {
                model: "m".into(),
                first,
                end,
                ..Worker::default()
            })
            .collect();
        coverage(&model, &workers)
    }

    #[test]
    fn what_is_listed_is_known_once_the_relay_answered_or_could_not_be_asked() {
        let mut snapshot = Snapshot::default();
        assert!(!snapshot.is_listed(), "it has only just begun");
        snapshot.connection = Connection::Connecting;
        assert!(!snapshot.is_listed());
        snapshot.swarm = Some(Swarm::default());
        assert!(snapshot.is_listed());
        let unreachable = Snapshot {
            reason: Some("no answer".into()),
            ..Snapshot::default()
        };
        assert!(unreachable.is_listed());
    }

    #[test]
    fn coverage_counts_every_layer_once_and_names_the_gaps() {
        let check = |layers, ranges: &[(u32, u32)], covered_layers, gaps: &[(u32, u32)]| {
            let found = covered(layers, ranges);
            assert_eq!(found.covered, covered_layers, "{ranges:?}");
            assert_eq!(found.gaps, gaps, "{ranges:?}");
        };
        check(5, &[], 0, &[(0, 5)]);
        check(5, &[(0, 3), (3, 5)], 5, &[]);
        check(5, &[(2, 4), (0, 3)], 4, &[(4, 5)]);
        check(8, &[(6, 7), (1, 2)], 2, &[(0, 1), (2, 6), (7, 8)]);
        check(0, &[], 0, &[]);
    }

    #[test]
    fn a_claim_beyond_the_last_layer_or_turned_round_covers_nothing_more() {
        assert_eq!(covered(4, &[(2, 400)]).covered, 2);
        assert_eq!(covered(4, &[(9, 12)]).covered, 0);
        assert_eq!(covered(4, &[(3, 1)]).covered, 0);
    }

    #[test]
    fn workers_of_other_models_do_not_count() {
        let model = Model {
            id: "a".into(),
            layers: 2,
            ..Model::default()
        };
        let worker = Worker {
            model: "b".into(),
            first: 0,
            end: 2,
            ..Worker::default()
        };
        assert_eq!(coverage(&model, &[worker]).covered, 0);
    }

    #[test]
    fn hops_count_only_other_peers_that_stayed() {
        let hop = |peer: &str| Hop {
            peer: peer.into(),
            ..Hop::default()
        };
        let route = Route {
            hops: vec![hop(""), hop("12D3"), hop("12D4")],
            ..Route::default()
        };
        assert_eq!(route.remote_hops(), 2);
    }

    #[test]
    fn only_what_would_go_to_others_is_asked_about() {
        let check = |mode: Mode, fits_here, lent, expect| {
            assert_eq!(
                mode.reaches_others(fits_here, lent),
                expect,
                "{mode:?} {fits_here} {lent}"
            );
        };
        for (fits_here, lent) in [(false, false), (false, true), (true, false), (true, true)] {
            check(Mode::Swarm, fits_here, lent, true);
            check(Mode::Local, fits_here, lent, false);
            check(Mode::Mine, fits_here, lent, false);
        }
        check(Mode::Auto, true, true, false);
        check(Mode::Auto, true, false, false);
        check(Mode::Auto, false, false, false);
        check(Mode::Auto, false, true, true);
    }

    #[test]
    fn a_model_is_lent_by_others_alone() {
        let lends = |peer: &str, model: &str| Worker {
            peer: peer.into(),
            model: model.into(),
            ..Worker::default()
        };
        let snapshot = Snapshot {
            peer_id: Some("me".into()),
            workers: vec![lends("me", "a"), lends("other", "b")],
            ..Snapshot::default()
        };
        assert!(!snapshot.is_lent("a"));
        assert!(snapshot.is_lent("b"));
        assert!(!snapshot.is_lent("c"));
    }

    #[test]
    fn a_fault_of_this_device_is_told_from_one_of_the_question() {
        let check = |code, expect| assert_eq!(Fault::new(code, "").is_of_this_device(), expect, "{code}");
        check("wont_fit", true);
        check("model_rejected", true);
        check("relay_unreachable", true);
        check("bad_request", false);
        check("no_route", false);
        check("aborted", false);
    }

    #[test]
    fn words_of_modes_and_back_ends_read_back() {
        for mode in Mode::ALL {
            assert_eq!(Mode::from_word(mode.word()), Some(mode));
        }
        for backend in Backend::ALL {
            assert_eq!(Backend::from_word(backend.word()), Some(backend));
        }
        assert_eq!(Mode::from_word("Swarm"), None);
    }
}
