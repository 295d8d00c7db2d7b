//! How peers tell each other of a swarm's registry: a question for the records after a known one, answered in pages.
//! It does not read the records: they are signed, and `registry` decides about each.

use identity::RecordHash;

use crate::message::SwarmId;
use crate::{Blob, List, ProtocolError};

/// Records or statements of one page: what a phone verifies in a moment.
pub const MAX_PAGE: usize = 16;
/// A record with the signatures of a quorum of passkeys; nearly all have under 1 KiB.
pub const MAX_REGISTRY_ITEM_BYTES: usize = 72 * 1_024;
/// Bytes of one page, beside a first record that is larger.
pub const MAX_PAGE_BYTES: usize = 128 * 1_024;

/// The newest record that somebody knows of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct RegistryHead {
    /// Its number.
    #[n(0)]
    pub sequence: u64,
    /// Its name.
    #[n(1)]
    pub hash: RecordHash,
}

/// What comes after the records that I know?
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct RegistryAsk {
    /// Of which swarm.
    #[n(0)]
    pub swarm: SwarmId,
    /// The newest that I know; `None`: nothing.
    #[n(1)]
    pub head: Option<RegistryHead>,
    /// From there on, where this goes on with an earlier answer: its `next`.
    #[n(2)]
    pub from: Option<u32>,
}

/// Records, each after the one that it follows, and Workers' statements about them.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct RegistryPage {
    /// Of which swarm.
    #[n(0)]
    pub swarm: SwarmId,
    /// Signed records.
    #[n(1)]
    pub records: List<Blob<MAX_REGISTRY_ITEM_BYTES>, MAX_PAGE>,
    /// Signed statements.
    #[n(2)]
    pub statements: List<Blob<MAX_REGISTRY_ITEM_BYTES>, MAX_PAGE>,
    /// Where more begins; `None`: this is all.
    #[n(3)]
    pub next: Option<u32>,
}

impl RegistryPage {
    pub(crate) fn check(&self) -> Result<(), ProtocolError> {
        if self.next.is_some() && self.records.is_empty() && self.statements.is_empty() {
            return Err(ProtocolError::Value("a page that says nothing and promises more"));
        }
        Ok(())
    }
}
