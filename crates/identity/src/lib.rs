//! Who a peer is: keys, signatures, signed and co-signed records, and delegations from one key to another.
//! It does not say who may do what (that is `registry`), and it holds no clock, no randomness and no I/O.
//!
//! Everything that is signed goes through one door: a [`Record`] is encoded as deterministic CBOR, put into a
//! COSE_Sign1 ([`Signed`]) or COSE_Sign ([`CoSigned`]) with the record's context string as external data, and
//! comes out on the other side as [`Verified`] or [`CoVerified`], which only this crate can make.
//! An outside signer (WebCrypto, a passkey) takes part through [`Draft`]: bytes out, signature in.

mod authority;
pub mod cbor;
mod cose;
mod cosigned;
mod delegation;
mod error;
mod key;
mod local_key;
mod node_id;
mod peer_id;
mod record;
mod signature;
mod signed;
mod time;
mod webauthn;

pub use authority::{Authority, MAX_QUORUM_KEYS, Quorum};
pub use cosigned::{CoSigned, CoVerified, MAX_SIGNERS};
pub use delegation::{
    Credential, DeviceDelegation, MAX_DEVICE, MAX_PEER_ID_BYTES, MAX_PUBLISHER, MAX_SESSION, Publication,
    PublisherDelegation, SessionDelegation,
};
pub use error::IdentityError;
pub use key::{Alg, PublicKey};
pub use local_key::{LocalKey, SigningKey};
pub use node_id::NodeId;
pub use record::{MAX_RECORD_BYTES, Record, RecordHash, State};
pub use signature::{Scheme, Signature};
pub use signed::{Draft, Signed, Verified};
pub use time::{MAX_CLOCK_SKEW, MAX_WIRE_DURATION, Timestamp, Validity, clamp_wire_ms};
