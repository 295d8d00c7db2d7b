//! Why a key, a signature, a record or a delegation was refused.
//! It carries what was seen, never key material.

use crate::{Alg, NodeId, Scheme, Timestamp};

/// Why something was refused. Every way in which bytes from outside can be wrong ends here, never in a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("{what} has {bytes} bytes, at most {max} are accepted")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error("not deterministic CBOR at byte {offset}: {reason}")]
    NotDeterministic { offset: usize, reason: &'static str },
    #[error("malformed {what}: {detail}")]
    Malformed { what: &'static str, detail: String },
    #[error("unknown algorithm {0}")]
    UnknownAlgorithm(i64),
    #[error("not a valid {0:?} public key")]
    BadKey(Alg),
    #[error("not a well-formed {0:?} signature")]
    BadSignatureEncoding(Scheme),
    #[error("a {scheme:?} signature cannot come from a {key:?} key")]
    SchemeMismatch { scheme: Scheme, key: Alg },
    #[error("the signature does not match the record and its key")]
    BadSignature,
    #[error("signer {0} appears twice")]
    DuplicateSigner(NodeId),
    #[error("{got} signers, between 1 and {max} are accepted")]
    SignerCount { got: usize, max: usize },
    #[error("a quorum of {k} of {keys} keys cannot be met or is no quorum")]
    BadQuorum { k: u8, keys: usize },
    #[error("expired at {until}, it is {now}")]
    Expired { until: Timestamp, now: Timestamp },
    #[error("not valid before {from}, it is {now}: check this device's clock")]
    NotYetValid { from: Timestamp, now: Timestamp },
    #[error("valid for {got_ms} ms, between 1 and {max_ms} are accepted")]
    BadLifetime { got_ms: u64, max_ms: u64 },
    #[error("signed by {got}, expected {expected}")]
    WrongSigner { expected: NodeId, got: NodeId },
    #[error("the delegation is for another peer id")]
    WrongPeer,
}

impl IdentityError {
    pub(crate) fn malformed(what: &'static str, detail: impl core::fmt::Display) -> Self {
        Self::Malformed {
            what,
            detail: detail.to_string(),
        }
    }
}
