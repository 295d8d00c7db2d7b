//! protocol: what peers say to each other, byte for byte.
//! It keeps no state, opens no stream and decides nothing.
//!
//! # Version rules
//! From the first release on:
//! - Every field and every variant carries its number. A number is never reused; what goes leaves
//!   a tombstone comment behind.
//! - A new field is optional and comes last: an older reader skips it, a newer reader takes its
//!   absence for `None`.
//! - A new kind of message is a new protocol name (`/manyhands/session/2`); an unknown one is an
//!   error, so that nothing is half understood.

mod blob;
mod bounded;
mod error;
mod exchange;
mod frame;
mod message;
mod model_codec;
mod model_record;
mod offer;
mod open_enum;
mod peer;
mod receipt;
mod refused;
mod sampling;
mod tensor;

pub use blob::{
    BLOB_PROTOCOL, BlobAssembler, BlobMessage, ChunkHash, MAX_BLOB_BYTES, MAX_BLOB_MESSAGE_BYTES, MAX_SOUGHT,
};
pub use bounded::{Blob, List, Text};
pub use error::ProtocolError;
pub use exchange::{
    MAX_PAGE, MAX_PAGE_BYTES, MAX_REGISTRY_ITEM_BYTES, RegistryAsk, RegistryHead, RegistryPage,
};
pub use frame::{Assembler, MAX_CHUNK_PAYLOAD_BYTES, MAX_MESSAGE_BYTES, frames};
pub use gguf::{LayerRange, ModelId, Stage};
pub use message::{
    Ack, Close, CloseReason, Fault, Hello, INITIAL_CREDIT_BYTES, JobId, JobKind, Leaving, MAX_NEXT,
    MAX_OPAQUE_BYTES, MAX_POSITIONS, MAX_RECENT, MAX_SAMPLES, MAX_STEP_POSITIONS, Message, Next, Open,
    Opened, PENALTY_WINDOW, Payload, Queued, Replay, Report, SessionId, Step, SwarmId, Token, Trace,
};
pub use model_record::{ModelRecord, ModelRecordError, PublishedModel};
pub use offer::{Backend, Heard, Link, MAX_OFFER_BYTES, Offer, Power, Terms, Work};
pub use peer::{Address, Addresses, PeerId};
pub use receipt::{Party, Receipt, ReceiptError};
pub use refused::{Ground, Refusal, Refused};
pub use sampling::Sampling;
pub use tensor::{Activations, MAX_D_MODEL, WireType};

/// The libp2p protocol name of an inference session.
pub const SESSION_PROTOCOL: &str = "/manyhands/session/1";
/// The libp2p protocol name under which a peer says whose key stands behind it.
pub const DELEGATION_PROTOCOL: &str = "/manyhands/delegation/1";
