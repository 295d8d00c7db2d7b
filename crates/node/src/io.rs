//! Everything that goes into the node and everything that comes out of it.
//! Nothing here acts: shells turn outputs into deeds and deeds into inputs.

use identity::{CoSigned, DeviceDelegation, PublicKey, Signature, Signed, Timestamp};
use protocol::{Addresses, Ground, Message, ModelId, PeerId, Power, Sampling, SwarmId, WireType};
use registry::{Registry, policy::SwarmPolicy};

use crate::sheet::RouteSheet;

mod compute;

pub use compute::{Compute, ComputeError, Computed, Loaded, StepInput, StepOutput, Want};

/// A moment: milliseconds since the node was made. The only clock there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(pub u64);

impl Now {
    /// This much later; the end of time rather than an overflow.
    pub fn plus_ms(self, ms: u64) -> Now {
        Now(self.0.saturating_add(ms))
    }

    /// Milliseconds since an earlier moment; 0 where it is none.
    pub fn since(self, earlier: Now) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A stream of the session protocol, as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

impl StreamId {
    const INBOUND: u64 = 1 << 63;

    /// The name of the n-th stream that others opened; the shell counts. The node names the
    /// streams that it opens itself.
    pub fn inbound(n: u64) -> StreamId {
        StreamId(n | StreamId::INBOUND)
    }
}

impl std::fmt::Debug for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.0 & StreamId::INBOUND == 0 {
            "out"
        } else {
            "in"
        };
        write!(f, "{side}{}", self.0 & !StreamId::INBOUND)
    }
}

/// One deed asked of the shell; the answer carries the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u64);

/// One inference that the user asked for; the shell counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A KV cache in the compute worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvId(pub u64);

/// What happened in the world.
#[derive(Clone, Debug)]
pub enum Input {
    /// The relay is reached, or lost.
    Relay {
        /// Which of the two.
        up: bool,
    },
    /// Where others can dial this node now.
    Addresses(Addresses),
    /// There is a connection to a peer that carries data.
    PeerConnected {
        /// Which peer.
        peer: PeerId,
    },
    /// The last such connection is gone.
    PeerDisconnected {
        /// Which peer.
        peer: PeerId,
    },
    /// A connection that was asked for did not come about.
    ConnectFailed {
        /// Which peer.
        peer: PeerId,
    },
    /// A measured round trip.
    RoundTrip {
        /// To which peer.
        peer: PeerId,
        /// There and back.
        ms: u32,
    },
    /// A delegation proved whose peer this is. (What offers and Opens show, the node reads itself.)
    Owner {
        /// Which peer.
        peer: PeerId,
        /// It belongs to the owner of this node.
        mine: bool,
    },
    /// A worker announced itself.
    OfferReceived {
        /// Who published it.
        from: PeerId,
        /// The record as published.
        bytes: Vec<u8>,
    },
    /// A stream that was asked for is open.
    StreamOpened {
        /// Which.
        stream: StreamId,
    },
    /// A stream that was asked for could not be opened.
    StreamFailed {
        /// Which.
        stream: StreamId,
    },
    /// Another peer opened a stream.
    InboundStream {
        /// Its new name, [`StreamId::inbound`].
        stream: StreamId,
        /// From whom.
        peer: PeerId,
    },
    /// A message came.
    Received {
        /// On which stream.
        stream: StreamId,
        /// What it says.
        message: Message,
    },
    /// A stream ended, by the other side, by the network, or because it carried nonsense.
    StreamClosed {
        /// Which.
        stream: StreamId,
    },
    /// The answer to an [`Effect::Compute`].
    Computed {
        /// Which.
        effect: EffectId,
        /// What came of it.
        result: Result<Computed, ComputeError>,
    },
    /// The answer to an [`Effect::Sign`].
    Signed {
        /// Which.
        effect: EffectId,
        /// The signature; `None` where it could not be had.
        signature: Option<Signature>,
    },
    /// The time of day, where the shell knows it better than by counting from the start.
    Clock(Timestamp),
    /// Who owns this node from now on; `None`: nobody but the session itself.
    Identity(Option<Identity>),
    /// A swarm's registry is to be followed, as far as it is known here. One that is followed already takes in what
    /// is new in this one.
    Follow(Box<Registry>),
    /// No longer.
    Unfollow {
        /// Which.
        swarm: SwarmId,
    },
    /// The owner of this node signed a record of a swarm that is followed; or it came some other way.
    Record {
        /// Of which swarm.
        swarm: SwarmId,
        /// The record.
        record: Box<CoSigned<registry::Record>>,
    },
    /// The same of a Worker's word beside the chain.
    Statement {
        /// Of which swarm.
        swarm: SwarmId,
        /// The word.
        statement: Box<CoSigned<registry::Statement>>,
    },
    /// The user lends layers.
    Lend(Box<Lend>),
    /// Other terms for what is lent, from now on: whoever they shut out is let go, and nothing is loaded anew.
    /// [`Snapshot::terms`](crate::Snapshot::terms) shows those that hold; terms beyond their limits change nothing,
    /// nor do any where nothing is lent.
    Terms(Box<SwarmPolicy>),
    /// The user stops lending: at once.
    StopLending,
    /// The state of the device changed.
    Conditions {
        /// The tab is out of sight.
        background: bool,
        /// What feeds the device.
        power: Power,
    },
    /// The user asks.
    Ask(Ask),
    /// The user has read enough.
    Cancel {
        /// Which request.
        request: RequestId,
    },
    /// The tab is being closed.
    Leaving,
    /// Time passed: the moment of the last [`Output::WakeAt`] has come.
    Tick,
}

/// What is to be done in the world.
#[derive(Clone, Debug)]
pub enum Output {
    /// Reach a peer; answered by `PeerConnected` or `ConnectFailed`.
    Connect {
        /// Whom.
        peer: PeerId,
        /// Where.
        addresses: Addresses,
    },
    /// Open a session stream to a connected peer; answered by `StreamOpened` or `StreamFailed`.
    OpenStream {
        /// Its name.
        stream: StreamId,
        /// To whom.
        peer: PeerId,
    },
    /// Say something on an open stream.
    Send {
        /// On which.
        stream: StreamId,
        /// What.
        message: Message,
    },
    /// End a stream, after what was sent before.
    CloseStream {
        /// Which.
        stream: StreamId,
    },
    /// Do something and answer.
    Effect {
        /// The id to answer with.
        id: EffectId,
        /// What.
        effect: Effect,
    },
    /// Something that the user waits for.
    Event {
        /// Of which request.
        request: RequestId,
        /// What.
        event: Event,
    },
    /// Something that must be known again after a restart.
    Keep(Keep),
    /// Nothing happens before this moment unless an input comes: then say `Tick`. Replaces the
    /// moment said before.
    WakeAt(Now),
}

/// What is to be kept. Each comes once.
#[derive(Clone, Debug)]
pub enum Keep {
    /// A record of a swarm's registry that is new here. They come in an order in which they can be put together
    /// again.
    Record {
        /// Of which swarm.
        swarm: SwarmId,
        /// The record.
        record: Box<CoSigned<registry::Record>>,
    },
    /// A Worker's word that is new here.
    Statement {
        /// Of which swarm.
        swarm: SwarmId,
        /// The word.
        statement: Box<CoSigned<registry::Statement>>,
    },
    /// The receipt of a session that is over, made for others or by others.
    Receipt(Box<CoSigned<protocol::Receipt>>),
}

/// Who owns a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The owner's key.
    pub key: PublicKey,
    /// Where this device has a key of its own: the owner's word for it. Then that one signs.
    pub device: Option<Signed<DeviceDelegation>>,
}

/// Which of the shell's keys signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// That of [`Config::session`](crate::Config).
    Session,
    /// That of the [`Identity`], or of its device.
    Identity,
}

/// A deed with an answer.
#[derive(Clone, Debug)]
pub enum Effect {
    /// For the compute worker, which does them in the order in which they come.
    Compute(Compute),
    /// Sign these bytes; answered by `Signed`.
    Sign {
        /// With which key.
        key: Signer,
        /// What: ready to be signed, not a hash of it.
        message: Vec<u8>,
    },
    /// Publish a signed record on the swarm's offer topic; not answered.
    Publish {
        /// The swarm.
        swarm: SwarmId,
        /// The record.
        record: Vec<u8>,
    },
}

/// What the user lends.
#[derive(Clone, Debug, PartialEq)]
pub struct Lend {
    /// To which swarm; `None`: to that of [`Config::swarm`](crate::Config).
    pub swarm: Option<SwarmId>,
    /// Of which model.
    pub model: ModelSpec,
    /// Exactly these layers; `None`: those that the swarm lacks most.
    pub layers: Option<protocol::LayerRange>,
    /// The most layers that fit, where they are to be chosen.
    pub most_layers: u32,
    /// On which terms.
    pub policy: SwarmPolicy,
    /// Free memory for sessions.
    pub memory_bytes: u64,
    /// Positions that there is room for, all sessions together.
    pub positions: u32,
}

/// What the node must know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    /// Its id.
    pub id: ModelId,
    /// All its layers.
    pub layers: u32,
    /// Width of a hidden state.
    pub d_model: u32,
}

/// Where an answer may be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On this device.
    Local,
    /// On devices of this node's owner, and of the members of swarms that the owner owns.
    Mine,
    /// On strangers' devices.
    Swarm,
    /// On this device where it can, else wherever it is fast.
    Auto,
}

/// What the user asks. To go on after this node itself died, ask again with the tokens that were
/// kept appended to the prompt: positions and seed being the same, so is the rest of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The shell's name for it.
    pub request: RequestId,
    /// In which swarm; `None`: in that of [`Config::swarm`](crate::Config). On devices of this node's owner wherever
    /// they work.
    pub swarm: Option<SwarmId>,
    /// By what model.
    pub model: ModelSpec,
    /// Token ids; at least one.
    pub prompt: Vec<u32>,
    /// How to sample.
    pub sampling: Sampling,
    /// How many tokens at most.
    pub max_tokens: u32,
    /// Tokens that end the answer; the one that does is not part of it.
    pub stop: Vec<u32>,
    /// Where.
    pub mode: Mode,
    /// How hidden states travel; `None`: exactly, up to d_model 2,048, else in halves.
    pub wire: Option<WireType>,
    /// The weights of the whole model are here and fit.
    pub local_ready: bool,
    /// Guess tokens ahead from what was said before.
    pub speculate: bool,
    /// Keep a second peer for every stage up to date.
    pub shadow: bool,
}

/// What a request has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next token of the answer: each position once, in order.
    Token {
        /// Its position in prompt and answer.
        position: u32,
        /// The token.
        id: u32,
        /// When.
        at: Now,
    },
    /// No progress for now.
    Waiting {
        /// Why.
        reason: Code,
    },
    /// Progress again after `Waiting`.
    Resumed,
    /// The answer is complete.
    Finished {
        /// Why it ends here.
        reason: FinishReason,
        /// Who computed it.
        route: RouteSheet,
    },
    /// The answer ends early; what was said stands.
    Failed {
        /// What kind of failure.
        code: Code,
        /// Which terms of others stand in the way, where they do and somebody has said so: a number that this version
        /// does not know is no more than a no.
        ground: Option<Ground>,
        /// In words.
        message: String,
        /// Who computed what there is.
        route: RouteSheet,
    },
}

/// Why an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model said so.
    Stop,
    /// So many tokens were asked for.
    Length,
}

/// The codes of failures, as users of the API see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Nobody holds some layer, or nobody who may be asked.
    NoRoute,
    /// Not everybody was heard yet, or a way to somebody is being found; seen as a reason to wait only.
    Connecting,
    /// Busy devices keep a place in their queue; seen as a reason to wait only.
    Queued,
    /// A peer was lost; seen as a reason to wait, hardly ever as an end.
    PeerLost,
    /// This device has no room.
    WontFit,
    /// This device's GPU is gone.
    DeviceLost,
    /// The model could not be loaded.
    ModelRejected,
    /// All who could are not willing.
    NotAllowed,
    /// The request makes no sense.
    BadRequest,
    /// Cancelled.
    Aborted,
}

impl Code {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NoRoute => "no_route",
            Code::Connecting => "connecting",
            Code::Queued => "queued",
            Code::PeerLost => "peer_lost",
            Code::WontFit => "wont_fit",
            Code::DeviceLost => "device_lost",
            Code::ModelRejected => "model_rejected",
            Code::NotAllowed => "not_allowed",
            Code::BadRequest => "bad_request",
            Code::Aborted => "aborted",
        }
    }
}
