//! `/webrtc-signaling/0.0.1`: how two peers exchange descriptions and candidates over a
//! relayed stream until they are connected directly.
//! No stream and no browser in here: bytes come in, bytes and events come out.

mod error;
mod message;
mod session;

pub use error::SignalingError;
pub use message::{MAX_MESSAGE_BYTES, Message, MessageType};
pub use session::{Event, MAX_CANDIDATE_BYTES, MAX_CANDIDATES, MAX_SDP_BYTES, Role, Session};

/// The name of the protocol on the relayed connection.
pub const PROTOCOL_NAME: &str = "/webrtc-signaling/0.0.1";
