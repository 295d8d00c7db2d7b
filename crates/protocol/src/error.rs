//! What can be wrong with the bytes of a peer.
//! It does not say what to do with the peer: that is the node's business.

/// Why bytes are not a message of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A list, text, byte string or message is longer than allowed.
    #[error("{is} {what}, at most {most}")]
    TooLong {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        is: usize,
        /// How many there may be.
        most: usize,
    },
    /// Not CBOR of the expected form.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// Well formed, but a value makes no sense.
    #[error("senseless value: {0}")]
    Value(&'static str),
    /// The activations are not what was sent.
    #[error("checksum {is:016x} of activations said to be {said:016x}")]
    Checksum {
        /// Computed here.
        is: u64,
        /// Said by the sender.
        said: u64,
    },
    /// A signature or a delegation does not hold.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// Signed by somebody who does not speak for the peer that it is about.
    #[error("signed by another than the peer that it is about")]
    NotTheSigner,
    /// A chunk that says nothing and is not the last: a way to keep a reader busy for nothing.
    #[error("empty chunk in the middle of a message")]
    EmptyChunk,
}

impl From<minicbor::decode::Error> for ProtocolError {
    fn from(error: minicbor::decode::Error) -> ProtocolError {
        ProtocolError::Malformed(error.to_string())
    }
}
