//! What can be wrong with a peer's signalling.
//! Failures of the browser's own WebRTC are not signalling; they have their own error.

use super::MessageType;

/// A peer broke the signalling protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalingError {
    /// The length prefix promises more than a message may have.
    #[error("signalling message is longer than {max} bytes")]
    MessageTooLong {
        /// The longest message that is accepted.
        max: usize,
    },
    /// Not a protobuf message.
    #[error("signalling message is not a protobuf message")]
    Malformed,
    /// A message without a type, or with one that the protocol does not have.
    #[error("signalling message has no known type")]
    UnknownType,
    /// A message at a time when another one belongs.
    #[error("expected {expected:?} from the peer, got {got:?}")]
    Unexpected {
        /// What should have come.
        expected: MessageType,
        /// What came.
        got: MessageType,
    },
    /// A session description that is too long.
    #[error("session description of {bytes} bytes is longer than {max}")]
    DescriptionTooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A session description that is not for data channels alone.
    #[error("session description must have one media section, of kind application")]
    DescriptionNotData,
    /// A candidate that is too long.
    #[error("candidate of {bytes} bytes is longer than {max}")]
    CandidateTooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// More candidates than any honest peer has.
    #[error("more than {max} candidates from one peer")]
    TooManyCandidates {
        /// How many are accepted.
        max: usize,
    },
    /// The stream ended before the descriptions were exchanged.
    #[error("signalling stream ended before {missing:?}")]
    EndedEarly {
        /// What was still to come.
        missing: MessageType,
    },
}
