//! A swarm as it lies in storage: every record and statement, and the terms of work here.
//! What comes back is checked as if a stranger had sent it.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use registry::policy::SwarmPolicy;
use registry::{Parcel, Registry};

use crate::consents::now;
use crate::error::Error;

/// A swarm.
pub(crate) struct Kept {
    pub(crate) registry: Registry,
    pub(crate) policy: SwarmPolicy,
}

#[derive(Encode, Decode)]
struct Stored {
    #[n(0)]
    records: Vec<ByteVec>,
    #[n(1)]
    statements: Vec<ByteVec>,
    #[n(2)]
    policy: SwarmPolicy,
}

impl Kept {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let Parcel {
            records, statements, ..
        } = Parcel::of(&self.registry);
        let stored = Stored {
            records,
            statements,
            policy: self.policy.clone(),
        };
        minicbor::to_vec(stored).map_err(|e| Error::internal(format!("a swarm for storage: {e}")))
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Kept, Error> {
        let stored: Stored =
            minicbor::decode(bytes).map_err(|e| Error::internal(format!("a kept swarm is damaged: {e}")))?;
        let parcel = Parcel {
            records: stored.records,
            statements: stored.statements,
            secret: None,
        };
        let mut registry = found(&parcel)?;
        parcel.merge(&mut registry, now());
        let policy = Some(stored.policy).filter(SwarmPolicy::is_within_limits);
        Ok(Kept {
            registry,
            policy: policy.unwrap_or_default(),
        })
    }
}

/// The registry that the first record founds.
pub(crate) fn found(parcel: &Parcel) -> Result<Registry, Error> {
    parcel
        .found()
        .map_err(|e| Error::because("bad_request", "unsound", format!("this founds no swarm: {e}")))
}
