//! Who may do what in a swarm: an owner-signed chain of records, and the terms of those who work in it.
//! It does not fetch or send records, and knows no clock: `now` is always a parameter.
//!
//! A swarm begins with a genesis record; its hash is the [`SwarmId`]. Every further [`Record`] names the one before
//! it. A [`Registry`] holds all records it was shown, as a tree, and reads one branch of it as the truth: which
//! one depends on the records alone, never on the order in which they came (see [`mod@fork`]), so that replicas
//! which hold the same records agree. Workers, of whom there may be thousands, accept and resign by [`Statement`]s
//! beside the chain, which never compete with each other.
//!
//! A key is a key: nothing here knows whether a person or a program holds it.

mod apply;
mod caveats;
mod consent;
mod entry;
pub mod fork;
mod joining;
mod membership;
mod parcel;
pub mod policy;
pub mod published;
mod queue;
mod record;
mod refusal;
mod registry;
mod role;
mod search;
mod site;
mod state;

#[cfg(test)]
mod limits;
#[cfg(test)]
mod property;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;

pub use caveats::{Caveats, MAX_KINDS, MAX_SUBGRANTS, WorkKind};
pub use consent::{Consent, MAX_CONSENT, Purpose};
pub use entry::{
    Entry, EntryRefusal, MAX_ENTRY_BYTES, MAX_ENTRY_LIFE, MAX_ENTRY_NAME_BYTES, MAX_ENTRY_PAYLOAD_BYTES,
    Vetted, entry_bytes, entry_key, vet,
};
pub use joining::Joining;
pub use membership::{MAX_SWARMS, Memberships};
pub use parcel::{PARCEL_PREFIX, Parcel};
pub use queue::{FairQueue, MAX_QUEUED, Queued};
pub use record::{
    Action, Genesis, MAX_NAME_BYTES, MAX_REASON_BYTES, Parent, Record, Said, Statement, SwarmId, Terms,
};
pub use refusal::Refusal;
pub use registry::{Head, MAX_FORKS, MAX_RECORDS, Outcome, Registry, Standing};
pub use role::Role;
pub use search::{Found, Search};
pub use site::{BadOrigins, MAX_ORIGIN_BYTES, MAX_ORIGINS, SiteCounts, SiteOrigins};
pub use state::{MAX_BLOCKED, MAX_CHILDREN, MAX_MEMBERS, Member, State, Tenure};
