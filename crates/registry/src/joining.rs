//! "I take this invite up with this key": what whoever was invited signs, so that a role can be granted to the key.
//! It grants nothing, and says nothing about who may.

use identity::Record;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::SwarmId;

/// Signed by the key that is to have the role: nobody can have another's key made a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Joining {
    /// The register in which the role is to stand.
    #[n(0)]
    pub swarm: SwarmId,
    /// SHA-256 of the invite's secret: what is signed gives the secret to nobody.
    #[n(1)]
    pub invite: ByteArray<32>,
}

impl Record for Joining {
    const CONTEXT: &'static str = "joining/1";
    const MAX_BYTES: usize = 128;
}

impl Joining {
    /// For the invite with this secret.
    pub fn new(swarm: SwarmId, secret: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        Self {
            swarm,
            invite: digest.into(),
        }
    }
}
