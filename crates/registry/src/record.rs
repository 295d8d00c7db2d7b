//! The records of a swarm's chain, and the statements beside it, as they are signed and stored.
//! It does not say which of them are allowed: see `apply`.

use core::{fmt, str::FromStr};

use identity::{Authority, IdentityError, NodeId, RecordHash, Timestamp};
use minicbor::{Decode, Encode};

use crate::{Caveats, Role};

/// Longest name of a swarm: one line on a phone.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest reason given for a halt.
pub const MAX_REASON_BYTES: usize = 256;

/// A swarm: the hash of its genesis record, so that nobody can found the same one twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SwarmId(#[n(0)] RecordHash);

impl SwarmId {
    /// The swarm that a genesis record founds.
    pub const fn of_genesis(genesis: RecordHash) -> Self {
        Self(genesis)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The hash of the genesis record.
    pub const fn genesis(&self) -> RecordHash {
        self.0
    }
}

impl fmt::Display for SwarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SwarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwarmId({})", hex::encode(&self.as_bytes()[..4]))
    }
}

impl FromStr for SwarmId {
    type Err = IdentityError;

    /// 64 lower-case hex digits, like a node id.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Ok(Self(RecordHash::from_bytes(*text.parse::<NodeId>()?.as_bytes())))
    }
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The swarm; `None` in the genesis, whose hash is the swarm's id. Stops replay from one swarm to another.
    #[n(0)]
    pub swarm: Option<SwarmId>,
    /// 0 for the genesis, else one more than the record before.
    #[n(1)]
    pub sequence: u64,
    /// The record before; `None` in the genesis.
    #[n(2)]
    pub previous: Option<RecordHash>,
    /// Who says it: the id of a key or of a quorum. The signatures must be exactly theirs.
    #[n(3)]
    pub author: NodeId,
    /// When, by the author's clock; never before the record before.
    #[n(4)]
    pub issued_at: Timestamp,
    /// What is to be done.
    #[n(5)]
    pub action: Action,
}

impl identity::Record for Record {
    const CONTEXT: &'static str = "registry-record/1";
    const MAX_BYTES: usize = 4096;
}

/// A role with what it is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    #[n(0)]
    pub role: Role,
    /// Owners have none.
    #[n(1)]
    pub caveats: Caveats,
    /// When it ends by itself; an Owner's never does, else the last one could lapse.
    #[n(2)]
    pub until: Option<Timestamp>,
}

/// What a record does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// Founds the swarm.
    #[n(0)]
    Genesis(#[n(0)] Genesis),
    /// Offers a role to somebody new. It counts once accepted.
    #[n(1)]
    Grant {
        #[n(0)]
        holder: Authority,
        #[n(1)]
        terms: Terms,
    },
    /// Offers a member a higher role. It counts once accepted; until then the old one does.
    #[n(2)]
    Promote {
        #[n(0)]
        member: NodeId,
        #[n(1)]
        terms: Terms,
    },
    /// Lowers a member's role, at once. What rested on the higher role falls.
    #[n(3)]
    Demote {
        #[n(0)]
        member: NodeId,
        #[n(1)]
        terms: Terms,
    },
    /// Takes a member's role and everything they granted: for a key that is no longer trusted.
    #[n(4)]
    Revoke {
        #[n(0)]
        member: NodeId,
    },
    /// Sends a member away; whom they brought stays. They may be invited again.
    #[n(5)]
    Kick {
        #[n(0)]
        member: NodeId,
    },
    /// Sends somebody away, or keeps them out, until unblocked.
    #[n(6)]
    Block {
        #[n(0)]
        member: NodeId,
    },
    /// Lets somebody be invited again.
    #[n(7)]
    Unblock {
        #[n(0)]
        member: NodeId,
    },
    /// Takes up the role that the named record offered. (Workers say so in a [`Statement`].)
    #[n(8)]
    Accept {
        #[n(0)]
        offer: RecordHash,
    },
    /// Lays one's role down.
    #[n(9)]
    Resign,
    /// Passes one's whole standing to another key or quorum, which signs too: so it cannot go to nobody.
    #[n(10)]
    Handover {
        #[n(0)]
        to: Authority,
    },
    /// Stops all work of the swarm.
    #[n(11)]
    Halt {
        #[n(0)]
        reason: String,
    },
    /// Lets the work go on.
    #[n(12)]
    Lift,
    /// Names the first Owner of a child swarm, whose genesis points here.
    #[n(13)]
    Child {
        #[n(0)]
        owner: Authority,
        #[n(1)]
        name: String,
    },
    /// "I have seen the chain up to here": does nothing but weigh in against forks from before.
    #[n(14)]
    Seal,
}

impl Action {
    /// Whether it only takes away. Of two histories by the same hands, the one that begins so is believed.
    pub(crate) fn takes_away(&self) -> bool {
        use Action::*;
        matches!(
            self,
            Demote { .. }
                | Revoke { .. }
                | Kick { .. }
                | Block { .. }
                | Resign
                | Handover { .. }
                | Halt { .. }
        )
    }
}

/// How a swarm begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// At most [`MAX_NAME_BYTES`].
    #[n(0)]
    pub name: String,
    /// The first Owner; signs the genesis.
    #[n(1)]
    pub owner: Authority,
    /// The swarm it descends from, if any.
    #[n(2)]
    pub parent: Option<Parent>,
    /// Random, so that one owner can found two swarms of one name in one millisecond.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub salt: [u8; 16],
}

/// The record of the parent swarm that names a child's first Owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parent {
    #[n(0)]
    pub swarm: SwarmId,
    #[n(1)]
    pub record: RecordHash,
}

/// A Worker's word about their own grant, beside the chain: thousands can speak at once and none gets in another's
/// way. Both words are final; resigning outweighs accepting.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    #[n(0)]
    pub swarm: SwarmId,
    /// The record that gave the role.
    #[n(1)]
    pub grant: RecordHash,
    /// Whose word it is; the signatures must be theirs.
    #[n(2)]
    pub holder: Authority,
    #[n(3)]
    pub said: Said,
}

impl identity::Record for Statement {
    const CONTEXT: &'static str = "registry-statement/1";
    const MAX_BYTES: usize = 2048;
}

/// Yes or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Said {
    #[n(0)]
    Accept,
    #[n(1)]
    Resign,
}
