//! Streams over data channels: the framing and half-closing of the libp2p WebRTC specification.
//! No data channel in here: bytes come in, frames come out, time is told from outside.

mod error;
mod frame;
mod opening;
mod substream;

pub use error::{FrameError, StreamError};
pub use frame::{Decoder, Flag, Frame, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES, encode};
pub use opening::{HELD_MS, Opening};
pub use substream::{FIN_ACK_TIMEOUT_MS, MAX_RECEIVE_BYTES, RESET_LINGER_MS, Substream};
