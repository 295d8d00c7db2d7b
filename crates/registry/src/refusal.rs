//! Why a record, a statement or a head was refused.
//! It does not decide: see `apply` and `registry`.

use identity::{IdentityError, NodeId, RecordHash, Timestamp};

use crate::{Role, SwarmId};

/// Why something was refused. The registry is unchanged whenever one of these comes back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("this belongs to another swarm")]
    WrongSwarm,
    #[error("not a genesis record")]
    NotAGenesis,
    #[error("already known: a replay")]
    Replayed,
    #[error("the record before it, {missing}, is not known here: ask for it")]
    Gap { missing: RecordHash },
    #[error("sequence {got} cannot follow {before}")]
    BadSequence { before: u64, got: u64 },
    #[error("the offered head {offered} is behind ours, {ours}: a rollback")]
    RolledBack { offered: u64, ours: u64 },
    #[error("the offered head lies on a branch that lost to ours at sequence {ours}: a fork")]
    Forked { ours: u64 },
    #[error("issued at {got}, before the record it follows, {before}")]
    Backdated { got: Timestamp, before: Timestamp },
    #[error("issued at {issued_at}, it is {now}: check this device's clock")]
    FromTheFuture { issued_at: Timestamp, now: Timestamp },
    #[error("expired at {until}, before it was used at {used}")]
    Expired { until: Timestamp, used: Timestamp },
    #[error("{0} is not a member")]
    NotAMember(NodeId),
    #[error("{0} is a member already: promote or demote")]
    AlreadyAMember(NodeId),
    #[error("{0} is blocked")]
    Blocked(NodeId),
    #[error("not signed by its author {0}")]
    WrongSigners(NodeId),
    #[error("nobody may do this to themselves")]
    OnOneself,
    #[error("{has:?} may not do this to {needs:?}")]
    NotAllowed { has: Role, needs: Role },
    #[error("wider than what the author holds: a grant can only narrow")]
    WiderThanOwn,
    #[error("an Owner has neither caveats nor an end")]
    OwnerWithLimits,
    #[error("{from:?} to {to:?} is not the change this record is for")]
    WrongDirection { from: Role, to: Role },
    #[error("the last Owner stays")]
    LastOwner,
    #[error("no such offer stands")]
    NoSuchOffer,
    #[error("nothing to do: it is so already")]
    NothingToDo,
    #[error("{what} has {bytes} bytes, at most {max} are accepted")]
    TooLong {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error("no room for more {what}: {max} are kept")]
    Full { what: &'static str, max: usize },
    #[error("swarm {0} does not name this one as its child")]
    NotAChild(SwarmId),
}
