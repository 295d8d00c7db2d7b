//! A swarm as it lies in storage: every record and statement, and the terms of work here.
//! What comes back is checked as if a stranger had sent it.

use identity::CoSigned;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use registry::policy::SwarmPolicy;
use registry::{Record, Registry, Statement};

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
        let stored = Stored {
            records: records(&self.registry),
            statements: statements(&self.registry),
            policy: self.policy.clone(),
        };
        minicbor::to_vec(stored).map_err(|e| Error::internal(format!("a swarm for storage: {e}")))
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Kept, Error> {
        let stored: Stored =
            minicbor::decode(bytes).map_err(|e| Error::internal(format!("a kept swarm is damaged: {e}")))?;
        let mut registry = found(&stored.records)?;
        merge(&mut registry, &stored.records, &stored.statements, now());
        let policy = Some(stored.policy).filter(SwarmPolicy::is_within_limits);
        Ok(Kept {
            registry,
            policy: policy.unwrap_or_default(),
        })
    }
}

/// The registry that the first record founds.
pub(crate) fn found(records: &[ByteVec]) -> Result<Registry, Error> {
    let unsound = |e: &dyn std::fmt::Display| {
        Error::because("bad_request", "unsound", format!("this founds no swarm: {e}"))
    };
    let genesis = records.first().ok_or_else(|| unsound(&"it is empty"))?;
    let genesis = CoSigned::<Record>::from_bytes(genesis).map_err(|e| unsound(&e))?;
    Registry::found(genesis).map_err(|e| unsound(&e))
}

/// Takes in whatever of this holds; the rest is somebody's mistake and is left out.
pub(crate) fn merge(
    registry: &mut Registry,
    records: &[ByteVec],
    statements: &[ByteVec],
    now: identity::Timestamp,
) {
    for record in records.iter().skip(1) {
        if let Ok(record) = CoSigned::<Record>::from_bytes(record)
            && let Err(refusal) = registry.apply(record, now)
        {
            tracing::debug!(%refusal, "a record was left out");
        }
    }
    for statement in statements {
        if let Ok(statement) = CoSigned::<Statement>::from_bytes(statement)
            && let Err(refusal) = registry.hear(statement)
        {
            tracing::debug!(%refusal, "a statement was left out");
        }
    }
}

pub(crate) fn records(registry: &Registry) -> Vec<ByteVec> {
    registry
        .records()
        .map(|record| record.to_bytes().into())
        .collect()
}

pub(crate) fn statements(registry: &Registry) -> Vec<ByteVec> {
    registry
        .statements()
        .map(|statement| statement.to_bytes().into())
        .collect()
}
