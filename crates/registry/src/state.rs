//! What a branch of the chain adds up to: members, blocks, halt, children.
//! It does not change itself: see `apply`.

use std::collections::{BTreeMap, BTreeSet};

use identity::{Authority, NodeId, RecordHash, Timestamp};

use crate::{Action, Genesis, Record, Refusal, Role, SwarmId, Terms, record::MAX_NAME_BYTES};

/// Most members of a swarm: a roster of 2 MB, which a phone can hold. Strangers may lend and ask without being members.
pub const MAX_MEMBERS: usize = 4096;
/// Most blocked ids.
pub const MAX_BLOCKED: usize = 4096;
/// Most child swarms named by one swarm.
pub const MAX_CHILDREN: usize = 256;

/// A role somebody holds or is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The role and its limits.
    pub terms: Terms,
    /// The record that gave it.
    pub record: RecordHash,
    /// Who gave it, and so what it rests on. `None` for Owners, who rest on nobody.
    pub granter: Option<NodeId>,
    /// The sequence at which it began: seniority.
    pub since: u64,
    /// Whether the chain itself knows that it was accepted. A Worker's acceptance may stand beside it.
    pub accepted: bool,
}

impl Tenure {
    /// Whether it has not ended by itself at `now`.
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.terms.until.is_none_or(|until| now < until)
    }
}

/// Somebody with a role, or with the offer of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Key or quorum.
    pub authority: Authority,
    /// The role held. A Worker who has not accepted yet stands here too: it gives no power over the chain.
    pub held: Option<Tenure>,
    /// A higher role offered and not yet accepted.
    pub offered: Option<Tenure>,
}

impl Member {
    /// The highest role held or offered: what it takes to act on this member.
    pub fn reach(&self) -> Option<Role> {
        self.held.iter().chain(&self.offered).map(|t| t.terms.role).max()
    }
}

/// What a branch adds up to at one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(crate) swarm: SwarmId,
    pub(crate) name: String,
    pub(crate) head: RecordHash,
    pub(crate) sequence: u64,
    pub(crate) issued_at: Timestamp,
    pub(crate) members: BTreeMap<NodeId, Member>,
    /// Who is kept out, and the role of whoever blocked them.
    pub(crate) blocked: BTreeMap<NodeId, Role>,
    pub(crate) halted: Option<String>,
    pub(crate) children: BTreeMap<RecordHash, Authority>,
}

impl State {
    /// The state after a genesis record that `hash` names and `signers` signed.
    pub(crate) fn found(
        record: &Record,
        hash: RecordHash,
        signers: &[identity::PublicKey],
    ) -> Result<Self, Refusal> {
        let Action::Genesis(Genesis { name, owner, .. }) = &record.action else {
            return Err(Refusal::NotAGenesis);
        };
        if record.swarm.is_some() || record.previous.is_some() || record.sequence != 0 {
            return Err(Refusal::NotAGenesis);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(Refusal::TooLong {
                what: "name",
                bytes: name.len(),
                max: MAX_NAME_BYTES,
            });
        }
        if record.author != owner.id() || !owner.is_met_by(signers) {
            return Err(Refusal::WrongSigners(record.author));
        }
        let first = Tenure {
            terms: Terms::OWNER,
            record: hash,
            granter: None,
            since: 0,
            accepted: true,
        };
        let member = Member {
            authority: owner.clone(),
            held: Some(first),
            offered: None,
        };
        Ok(Self {
            swarm: SwarmId::of_genesis(hash),
            name: name.clone(),
            head: hash,
            sequence: 0,
            issued_at: record.issued_at,
            members: BTreeMap::from([(record.author, member)]),
            blocked: BTreeMap::new(),
            halted: None,
            children: BTreeMap::new(),
        })
    }

    /// The swarm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everybody with a role or an offer.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// One member.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Everybody who is kept out.
    pub fn blocked(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.blocked.keys().copied()
    }

    /// Whether somebody is kept out.
    pub fn is_blocked(&self, id: NodeId) -> bool {
        self.blocked.contains_key(&id)
    }

    /// Why all work stands still, if it does.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// The first Owner that this swarm named for a child, by the record that did.
    pub fn child_owner(&self, record: RecordHash) -> Option<&Authority> {
        self.children.get(&record)
    }

    /// Those who hold the Owner's role.
    pub fn owners(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members()
            .filter(|(_, m)| holds(m, Role::Owner))
            .map(|(id, _)| id)
    }

    /// Those with a role that counts over forks at this point, with their seniority.
    pub(crate) fn voters(&self) -> BTreeMap<NodeId, (Role, u64)> {
        let vote = |(id, member): (NodeId, &Member)| {
            let held = member.held.as_ref().filter(|t| t.lasts(self.issued_at))?;
            (held.terms.role > Role::Worker).then_some((id, (held.terms.role, held.since)))
        };
        self.members().filter_map(vote).collect()
    }

    /// What must hold after every record, whatever was tried. For tests and for doubt: it costs a pass over all.
    pub fn broken_invariant(&self) -> Option<&'static str> {
        if self.owners().next().is_none() {
            return Some("no owner is left");
        }
        let both: BTreeSet<_> = self
            .members
            .keys()
            .filter(|id| self.blocked.contains_key(id))
            .collect();
        if !both.is_empty() {
            return Some("a blocked id is a member");
        }
        for (id, member) in &self.members {
            if *id != member.authority.id() || member.reach().is_none() {
                return Some("a member under a wrong id or without a role");
            }
            for tenure in member.held.iter().chain(&member.offered) {
                if !self.rests_on_its_granter(tenure) {
                    return Some("a role that rests on nothing");
                }
            }
        }
        None
    }

    /// Whether a role is still covered by what its granter holds.
    pub(crate) fn rests_on_its_granter(&self, tenure: &Tenure) -> bool {
        if tenure.terms.role == Role::Owner && tenure.accepted {
            return true;
        }
        let granter = tenure
            .granter
            .and_then(|id| self.members.get(&id))
            .and_then(|m| m.held.as_ref());
        granter.is_some_and(|g| g.terms.covers(&tenure.terms))
    }
}

/// Whether a member holds exactly this role.
pub(crate) fn holds(member: &Member, role: Role) -> bool {
    member.held.as_ref().is_some_and(|t| t.terms.role == role)
}
