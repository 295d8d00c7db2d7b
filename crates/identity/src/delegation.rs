//! Short-lived keys that act for a long-lived one: sessions, devices, publishers; each its own kind of record.
//! None of them can change a registry: there only the member's own key counts.
//!
//! The attack each kind stops: a stolen tab costs a day (session), a lost phone a month (device), a broken relay
//! nothing but false *state* until it is replaced (publisher). No kind can be passed off as another, since each has
//! a context string of its own, and none can be extended by its holder, since each is signed by the key above.

use core::time::Duration;

use minicbor::{Decode, Encode};

use crate::{IdentityError, PublicKey, Record, Signed, State, Timestamp, Validity};

/// Longest life of a session delegation.
pub const MAX_SESSION: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest life of a device delegation.
pub const MAX_DEVICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Longest life of a publisher delegation: long, not endless, so that a forgotten one ends.
pub const MAX_PUBLISHER: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
/// A libp2p peer id is a multihash of at most 42 bytes; with room for longer hashes.
pub const MAX_PEER_ID_BYTES: usize = 64;

/// "This libp2p peer acts for me today." Signed by the identity or by one of its devices.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SessionDelegation {
    /// The peer id's bytes, at most [`MAX_PEER_ID_BYTES`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub peer_id: Vec<u8>,
    /// At most [`MAX_SESSION`].
    #[n(1)]
    pub validity: Validity,
}

impl Record for SessionDelegation {
    const CONTEXT: &'static str = "session-delegation/1";
    const MAX_BYTES: usize = 256;
}

/// "This key, on my other device, may open sessions for me." Signed by the identity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeviceDelegation {
    /// The device's own key.
    #[n(0)]
    pub device: PublicKey,
    /// At most [`MAX_DEVICE`].
    #[n(1)]
    pub validity: Validity,
}

impl Record for DeviceDelegation {
    const CONTEXT: &'static str = "device-delegation/1";
    const MAX_BYTES: usize = 256;
}

/// "This key may publish state in my name": a relay's, or an Ed25519 key for networks that know no P-256.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublisherDelegation {
    /// The publisher's key.
    #[n(0)]
    pub publisher: PublicKey,
    /// At most [`MAX_PUBLISHER`].
    #[n(1)]
    pub validity: Validity,
}

impl Record for PublisherDelegation {
    const CONTEXT: &'static str = "publisher-delegation/1";
    const MAX_BYTES: usize = 256;
}

/// What a peer shows to say who is behind it: a session delegation, and where a device signed that, the device's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Credential {
    #[n(0)]
    pub session: Signed<SessionDelegation>,
    #[n(1)]
    pub device: Option<Signed<DeviceDelegation>>,
}

impl Credential {
    /// The identity behind the peer `peer_id`, which the transport has authenticated, at `now`.
    pub fn verify(&self, peer_id: &[u8], now: Timestamp) -> Result<PublicKey, IdentityError> {
        let session = self.session.verify()?;
        if session.peer_id.len() > MAX_PEER_ID_BYTES {
            return Err(IdentityError::TooLarge {
                what: "peer id",
                bytes: session.peer_id.len(),
                max: MAX_PEER_ID_BYTES,
            });
        }
        // Shown by somebody else than it was made for: a delegation seen on the wire must not be reusable.
        if session.peer_id != peer_id {
            return Err(IdentityError::WrongPeer);
        }
        session.validity.check(now, MAX_SESSION)?;
        let Some(device) = &self.device else {
            return Ok(session.signer());
        };
        let device = device.verify()?;
        if device.device != session.signer() {
            return Err(IdentityError::WrongSigner {
                expected: device.device.node_id(),
                got: session.signer_id(),
            });
        }
        device.validity.check(now, MAX_DEVICE)?;
        Ok(device.signer())
    }

    /// When the first of the delegations ends; nothing is checked.
    pub fn expires(&self) -> Result<Timestamp, IdentityError> {
        let session = self.session.verify()?.validity.until;
        let device = self.device.as_ref().map(|d| d.verify()).transpose()?;
        Ok(device.map_or(session, |d| d.validity.until.min(session)))
    }
}

/// Published state, by its owner or by a publisher the owner named. Only kinds marked [`State`] fit in:
/// a publisher's key cannot say anything else, whatever it signs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(context_bound = "")]
pub struct Publication<T: State> {
    #[n(0)]
    pub state: Signed<T>,
    #[n(1)]
    pub publisher: Option<Signed<PublisherDelegation>>,
}

impl<T: State> Publication<T> {
    /// The state and whose it is, at `now`.
    pub fn verify(&self, now: Timestamp) -> Result<(T, PublicKey), IdentityError> {
        let state = self.state.verify()?;
        let Some(delegation) = &self.publisher else {
            let owner = state.signer();
            return Ok((state.into_value(), owner));
        };
        let delegation = delegation.verify()?;
        if delegation.publisher != state.signer() {
            return Err(IdentityError::WrongSigner {
                expected: delegation.publisher.node_id(),
                got: state.signer_id(),
            });
        }
        delegation.validity.check(now, MAX_PUBLISHER)?;
        Ok((state.into_value(), delegation.signer()))
    }
}
