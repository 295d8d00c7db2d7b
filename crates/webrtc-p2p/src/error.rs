//! Why a direct connection did not come about, or ended.
//! Errors of single streams are `stream::StreamError`.

use crate::signaling::SignalingError;

/// An error of the transport, its behaviour or a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer broke the signalling protocol.
    #[error("signalling failed: {0}")]
    Signaling(#[from] SignalingError),
    /// The browser refused a step of WebRTC.
    #[error("the browser refused to {step}: {reason}")]
    Browser {
        /// What was tried.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// The relayed connection could not be made, or was lost too early.
    #[error("no relayed connection to the peer: {0}")]
    Relayed(String),
    /// The peer does not speak the signalling protocol, or did not answer in it.
    #[error("no signalling stream to the peer: {0}")]
    NoSignalingStream(String),
    /// It took too long.
    #[error("not connected directly after {seconds} s; a firewall may need a TURN server")]
    Timeout {
        /// The time that was given.
        seconds: u64,
    },
    /// The other direction of a simultaneous upgrade was kept, or a newer attempt replaced this.
    #[error("another attempt to connect to the same peer took over")]
    Superseded,
    /// Another attempt for the same peer is on its way.
    #[error("an attempt to connect to the same peer is already under way")]
    Busy,
    /// More attempts at once than are allowed.
    #[error("more than {max} attempts to connect at once")]
    TooMany {
        /// How many are allowed.
        max: usize,
    },
    /// The connection broke, or its peer vanished.
    #[error("the connection is lost: {0}")]
    Lost(&'static str),
    /// We closed the connection.
    #[error("the connection is closed")]
    Closed,
}
