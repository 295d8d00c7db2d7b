//! The messages of `/manyhands/session/1`.
//! What follows from them is the node's to decide.
//!
//! Streams: the requester opens one to each stage and says `Open`; each stage opens one to the next
//! and says `Hello`. Activations go from stage to stage; the head answers the requester.
//!
//! Epochs: whenever the route changes the requester counts up and tells every stage, by `Open` or
//! `Replay`, how many positions to keep and from where on the next one lacks output. What carries
//! an older epoch is dropped, what carries a newer one waits until the stage has been told.

//! A stream may also carry what goes on between sessions: the receipt of one that is over, and the
//! exchange of a swarm's registry, which begins with `RegistryAsk` or `RegistryPage`.

use identity::{CoSigned, Credential};

use crate::exchange::{RegistryAsk, RegistryPage};
use crate::receipt::{Party, Receipt};
use crate::refused::Refused;
use crate::{
    Activations, Addresses, Blob, List, ModelId, PeerId, ProtocolError, Sampling, Stage, WireType,
    model_codec, open_enum::open_enum,
};

/// Positions of one session: the longest context that an open model is trained for today.
pub const MAX_POSITIONS: u32 = 131_072;
/// Positions of one Step: bounds how long one step may hold a worker.
pub const MAX_STEP_POSITIONS: u32 = 512;
/// Samples of one step: one and the drafts that may be agreed with.
pub const MAX_SAMPLES: u32 = 64;
/// What a scheme of payment may say: see `registry::policy`.
pub const MAX_OPAQUE_BYTES: usize = 1_024;
/// What a repeat penalty looks back on, before each of the rows that are sampled in one step.
pub const MAX_RECENT: usize = PENALTY_WINDOW + MAX_SAMPLES as usize;
/// Tokens that a repeat penalty looks back on.
pub const PENALTY_WINDOW: usize = 64;
/// The next stage and two that shadow it.
pub const MAX_NEXT: usize = 3;
/// What may be on its way to a stage before it gives the first credit: a prefill keeps 10 MB/s
/// moving over a trip of 100 ms.
pub const INITIAL_CREDIT_BYTES: u32 = 1 << 20;

/// The work of one stage in one session, unique together with its requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct SessionId(#[n(0)] pub u64);

/// One question of one requester: all its stages, and those that replace them, work on the same job.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct JobId(#[n(0)] pub u64);

/// A swarm: the hash of the first record of its registry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct SwarmId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

open_enum! {
    /// What is to be done.
    pub enum JobKind {
        /// Tokens from tokens.
        Inference = 0,
        /// Vectors from tokens.
        Embedding = 1,
        /// Gradients for an adapter.
        FineTuning = 2,
        /// Scoring a model.
        Evaluation = 3,
        /// Another's work, done again.
        Audit = 4,
    }
}

open_enum! {
    /// What a stage reports of a neighbour or of itself.
    pub enum Fault {
        /// No connection to the next stage came about.
        Unreachable = 0,
        /// The stream to or from a neighbour closed.
        Closed = 1,
        /// A neighbour broke the rules of the session.
        Broken = 2,
        /// My own device failed to compute.
        Compute = 3,
    }
}

open_enum! {
    /// Why a session ends.
    pub enum CloseReason {
        /// All was said.
        Done = 0,
        /// The requester wants no more.
        Cancelled = 1,
        /// Another stage took this one's place.
        Replaced = 2,
        /// The worker stops lending.
        Stopped = 3,
        /// The other side broke the rules.
        Broken = 4,
    }
}

/// Everything that is said on a session stream.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub enum Message {
    /// The first word on a stream from one stage to the next.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// The first word of the requester to a stage.
    #[n(1)]
    Open(#[n(0)] Box<Open>),
    /// Stage to requester: ready.
    #[n(2)]
    Opened(#[n(0)] Opened),
    /// Stage to requester: no.
    #[n(3)]
    Refused(#[n(0)] Refused),
    /// Work for a stage.
    #[n(4)]
    Step(#[n(0)] Step),
    /// Head to requester: what was sampled.
    #[n(5)]
    Token(#[n(0)] Token),
    /// Requester to stage: the route changed.
    #[n(6)]
    Replay(#[n(0)] Replay),
    /// Receiver of Steps to their sender.
    #[n(7)]
    Ack(#[n(0)] Ack),
    /// Stage to requester: what a step cost.
    #[n(8)]
    Trace(#[n(0)] Trace),
    /// Stage to requester: what is wrong.
    #[n(9)]
    Report(#[n(0)] Report),
    /// Stage to requester: I shall be gone in a moment.
    #[n(10)]
    Leaving(#[n(0)] Leaving),
    /// Either: the session is over.
    #[n(11)]
    Close(#[n(0)] Close),
    /// Stage to requester: your turn will come.
    #[n(12)]
    Queued(#[n(0)] Queued),
    /// Requester to stage, after Close: sign for what was done; this is my side of the receipt.
    #[n(13)]
    Settle(#[n(0)] Box<Party>),
    /// Stage to requester, signed by one; and back, signed by both.
    #[n(14)]
    Receipt(#[n(0)] Box<CoSigned<Receipt>>),
    /// What comes after the records that I know?
    #[n(15)]
    RegistryAsk(#[n(0)] RegistryAsk),
    /// The answer; or, unasked, what is new.
    #[n(16)]
    RegistryPage(#[n(0)] RegistryPage),
}

/// Which session a stream between two stages belongs to. The receiver takes it only from the peer
/// that the requester named as previous: a session id is no secret.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Hello {
    /// Whose session.
    #[n(0)]
    pub requester: PeerId,
    /// Which one.
    #[n(1)]
    pub session: SessionId,
    /// The epoch that the sender is in.
    #[n(2)]
    pub epoch: u32,
}

/// Where a stage sends its output.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Next {
    /// To whom.
    #[n(0)]
    pub peer: PeerId,
    /// Where to dial it, best first. Empty where a connection may be open already.
    #[n(1)]
    pub addresses: Addresses,
    /// As which session it knows the work.
    #[n(2)]
    pub session: SessionId,
    /// It has the output before this position.
    #[n(3)]
    pub from: u32,
}

/// A requester asks a peer to be a stage.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Open {
    /// Chosen by the requester, once.
    #[n(0)]
    pub session: SessionId,
    /// What is to be done.
    #[n(1)]
    pub kind: JobKind,
    /// On whose terms.
    #[n(2)]
    pub swarm: SwarmId,
    /// By what model.
    #[cbor(n(3), with = "model_codec::id")]
    pub model: ModelId,
    /// With which of its layers.
    #[cbor(n(4), with = "model_codec::stage")]
    pub stage: Stage,
    /// The epoch that begins with this.
    #[n(5)]
    pub epoch: u32,
    /// Compute and keep, but send nothing on until a Replay says otherwise.
    #[n(6)]
    pub shadow: bool,
    /// Who sends the Steps; `None`: I do, on this stream.
    #[n(7)]
    pub previous: Option<PeerId>,
    /// Who gets the output: the next stage, then those that shadow it. None for the head, whose
    /// samples the requester gets, and none for a shadow.
    #[n(8)]
    pub next: List<Next, MAX_NEXT>,
    /// Only for the head.
    #[n(9)]
    pub sampling: Option<Sampling>,
    /// How hidden states are written.
    #[n(10)]
    pub wire: WireType,
    /// Room to reserve.
    #[n(11)]
    pub max_positions: u32,
    /// Who asks: a chain that ends in this connection's peer id.
    #[n(12)]
    pub delegation: Option<Box<Credential>>,
    /// Answer to a quote; opaque here.
    #[n(13)]
    pub authorization: Option<Blob<MAX_OPAQUE_BYTES>>,
    /// The question that this is a part of.
    #[n(14)]
    pub job: JobId,
}

/// A stage is ready, its memory reserved.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Opened {
    /// Of the Open that it answers.
    #[n(0)]
    pub epoch: u32,
    /// Positions reserved.
    #[n(1)]
    pub positions: u32,
    /// What it measured of itself: one token through what it holds.
    #[n(2)]
    pub us_per_token: u32,
}

/// A stage is busy, and keeps a place in its queue.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Queued {
    /// Of the Open that waits.
    #[n(0)]
    pub epoch: u32,
    /// How many wait already.
    #[n(1)]
    pub ahead: u32,
}

/// Positions to compute.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Step {
    /// Of the route that it travels.
    #[n(0)]
    pub epoch: u32,
    /// Position of the first row. Less than what the cache holds: the cache is cut back to it first.
    #[n(1)]
    pub first_position: u32,
    /// Rows.
    #[n(2)]
    pub payload: Payload,
    /// How many of the last rows want a sample.
    #[n(3)]
    pub samples: u32,
    /// The tokens up to and including the last row's, latest last, where a repeat penalty needs them: each sampled
    /// row looks back from its own token.
    #[n(4)]
    pub recent: Option<List<u32, MAX_RECENT>>,
}

/// What a step works on.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub enum Payload {
    /// For the stage that embeds.
    #[n(0)]
    Tokens(#[n(0)] List<u32, { MAX_STEP_POSITIONS as usize }>),
    /// For all others.
    #[n(1)]
    Hidden(#[n(0)] Activations),
}

/// Samples of consecutive positions.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Token {
    /// Of the Step that asked.
    #[n(0)]
    pub epoch: u32,
    /// The position that the first id stands for: one after the row it was sampled from.
    #[n(1)]
    pub position: u32,
    /// One for each row that wanted a sample.
    #[n(2)]
    pub ids: List<u32, { MAX_SAMPLES as usize }>,
}

/// A new epoch, for a stage that stays.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Replay {
    /// The epoch that begins with this.
    #[n(0)]
    pub epoch: u32,
    /// Keep this many positions, forget the rest.
    #[n(1)]
    pub keep: u32,
    /// Who sends the Steps from now on; `None`: I do, on this stream.
    #[n(2)]
    pub previous: Option<PeerId>,
    /// Who gets the output from now on, and from which position on: what was kept is sent again.
    #[n(3)]
    pub next: List<Next, MAX_NEXT>,
    /// Whether to be a shadow.
    #[n(4)]
    pub shadow: bool,
}

/// The receiver has taken Steps off its queue.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Ack {
    /// This many bytes more may be sent.
    #[n(0)]
    pub credit_bytes: u32,
}

/// What one step cost one stage, for the deadline and for the route that the user is shown.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Trace {
    /// Of the Step.
    #[n(0)]
    pub epoch: u32,
    /// Of the Step.
    #[n(1)]
    pub first_position: u32,
    /// Rows.
    #[n(2)]
    pub positions: u32,
    /// From arrival to the start of computing.
    #[n(3)]
    pub queue_ms: u32,
    /// Computing, read back included.
    #[n(4)]
    pub compute_ms: u32,
    /// Sent on.
    #[n(5)]
    pub bytes: u32,
}

/// A stage cannot go on.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Report {
    /// The epoch that the stage is in.
    #[n(0)]
    pub epoch: u32,
    /// What happened.
    #[n(1)]
    pub fault: Fault,
    /// To whom; `None`: to the stage itself.
    #[n(2)]
    pub peer: Option<PeerId>,
}

/// Sent when a tab is being closed: faster than any time-out.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Leaving {
    /// How long the stage will still answer, as far as it knows.
    #[n(0)]
    pub grace_ms: u32,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Close {
    /// Why.
    #[n(0)]
    pub reason: CloseReason,
}

impl Message {
    /// The bytes of this message. Refuses what is too long to be sent.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        let bytes = minicbor::to_vec(self).map_err(|e| ProtocolError::Malformed(e.to_string()))?;
        if bytes.len() > crate::MAX_MESSAGE_BYTES {
            let what = "bytes in a message";
            return Err(ProtocolError::TooLong {
                what,
                is: bytes.len(),
                most: crate::MAX_MESSAGE_BYTES,
            });
        }
        Ok(bytes)
    }

    /// Reads exactly one message, and only one that makes sense.
    pub fn decode(bytes: &[u8]) -> Result<Message, ProtocolError> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let message: Message = decoder.decode()?;
        if decoder.position() != bytes.len() {
            return Err(ProtocolError::Value("bytes after the message"));
        }
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), ProtocolError> {
        match self {
            Message::Open(open) => open.check(),
            Message::Opened(opened) => position(opened.positions),
            Message::Step(step) => step.check(),
            Message::Token(token) => {
                if token.ids.is_empty() {
                    return Err(ProtocolError::Value("no token"));
                }
                end_position(token.position, token.ids.len() as u32)
            }
            Message::Replay(replay) => {
                next_positions(&replay.next)?;
                position(replay.keep)
            }
            Message::Trace(trace) => end_position(trace.first_position, trace.positions),
            Message::RegistryPage(page) => page.check(),
            Message::Hello(_)
            | Message::Refused(_)
            | Message::Ack(_)
            | Message::Report(_)
            | Message::Leaving(_)
            | Message::Close(_)
            | Message::Queued(_)
            | Message::Settle(_)
            | Message::Receipt(_)
            | Message::RegistryAsk(_) => Ok(()),
        }
    }
}

impl Open {
    fn check(&self) -> Result<(), ProtocolError> {
        if let Some(sampling) = &self.sampling {
            sampling.check()?;
        }
        if self.max_positions == 0 {
            return Err(ProtocolError::Value("a session of no positions"));
        }
        position(self.max_positions)?;
        next_positions(&self.next)
    }
}

impl Step {
    /// Rows of this step.
    pub fn positions(&self) -> u32 {
        match &self.payload {
            Payload::Tokens(tokens) => tokens.len() as u32,
            Payload::Hidden(hidden) => hidden.positions(),
        }
    }

    /// What the step counts for against the receiver's credit: its payload, and something for the
    /// place in the queue that even the smallest step takes.
    pub fn credit_bytes(&self) -> u32 {
        const PLACE: u32 = 256;
        match &self.payload {
            Payload::Tokens(tokens) => PLACE + 4 * tokens.len() as u32,
            Payload::Hidden(hidden) => PLACE + hidden.bytes().len() as u32,
        }
    }

    fn check(&self) -> Result<(), ProtocolError> {
        if self.positions() == 0 {
            return Err(ProtocolError::Value("a step of no positions"));
        }
        if self.samples > self.positions().min(MAX_SAMPLES) {
            return Err(ProtocolError::Value("more samples than rows"));
        }
        end_position(self.first_position, self.positions())
    }
}

fn position(position: u32) -> Result<(), ProtocolError> {
    end_position(position, 0)
}

fn next_positions(next: &[Next]) -> Result<(), ProtocolError> {
    next.iter().try_for_each(|next| position(next.from))
}

fn end_position(first: u32, count: u32) -> Result<(), ProtocolError> {
    match first.checked_add(count) {
        Some(end) if end <= MAX_POSITIONS => Ok(()),
        _ => Err(ProtocolError::Value("position beyond the longest context")),
    }
}
