//! The transition: one record on top of a state, or the reason why not.
//! It does not choose between branches (see `fork`) and checks no signature bytes (identity did).
//!
//! What each rule stops stands beside it. All checks come before the first change, so a refusal changes nothing.

use identity::{Authority, NodeId, PublicKey, RecordHash};

use crate::{
    Action, Caveats, Member, Record, Refusal, Role, State, Tenure, Terms,
    caveats::{MAX_KINDS, within},
    record::{MAX_NAME_BYTES, MAX_REASON_BYTES},
    state::{MAX_BLOCKED, MAX_CHILDREN, MAX_MEMBERS, holds},
};

/// A record with what its verification showed.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) hash: RecordHash,
    pub(crate) record: &'a Record,
    pub(crate) signers: &'a [PublicKey],
}

impl Terms {
    /// An Owner's: no limits, no end.
    pub const OWNER: Self = Self {
        role: Role::Owner,
        caveats: Caveats::NONE,
        until: None,
    };

    /// A role without limits or end.
    pub fn plain(role: Role) -> Self {
        // Each step down leaves one grant fewer below it, so that unlimited roles can still follow one another.
        let subgrants = crate::MAX_SUBGRANTS - (Role::Owner as u8 - role as u8);
        Self {
            role,
            caveats: Caveats {
                subgrants,
                ..Caveats::NONE
            },
            until: None,
        }
    }

    /// Whether a holder of these terms may give `other`: a role below (or any, for an Owner), no wider, no longer.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.role.rules(other.role)
            && within(other.until, self.until)
            && (other.role == Role::Owner || other.caveats.follow(&self.caveats))
    }
}

impl State {
    /// Puts a record on top.
    pub(crate) fn apply(&mut self, shown: Shown<'_>) -> Result<(), Refusal> {
        let record = shown.record;
        if record.swarm != Some(self.swarm) {
            return Err(Refusal::WrongSwarm);
        }
        if record.previous != Some(self.head) || Some(record.sequence) != self.sequence.checked_add(1) {
            return Err(Refusal::BadSequence {
                before: self.sequence,
                got: record.sequence,
            });
        }
        if record.issued_at < self.issued_at {
            return Err(Refusal::Backdated {
                got: record.issued_at,
                before: self.issued_at,
            });
        }
        let author = self
            .members
            .get(&record.author)
            .ok_or(Refusal::NotAMember(record.author))?;
        match &record.action {
            Action::Handover { to } => check_handover_signers(author, to, shown)?,
            _ if author.authority.is_met_by(shown.signers) => {}
            _ => return Err(Refusal::WrongSigners(record.author)),
        }
        // An offer is no power yet: all that its holder can do with it is to take it up.
        match &record.action {
            Action::Accept { offer } => self.accept(*offer, shown)?,
            action => {
                let own = author.held.as_ref().ok_or(Refusal::NotAMember(record.author))?;
                if let Some(until) = own.terms.until.filter(|until| record.issued_at >= *until) {
                    return Err(Refusal::Expired {
                        until,
                        used: record.issued_at,
                    });
                }
                let own = own.clone();
                self.act(action, &own, shown)?;
            }
        }
        self.head = shown.hash;
        self.sequence = record.sequence;
        self.issued_at = record.issued_at;
        Ok(())
    }

    fn act(&mut self, action: &Action, own: &Tenure, shown: Shown<'_>) -> Result<(), Refusal> {
        let author = shown.record.author;
        let role = own.terms.role;
        match action {
            // A second genesis would be another swarm.
            Action::Genesis(_) => Err(Refusal::WrongSwarm),
            Action::Accept { .. } => Err(Refusal::NoSuchOffer),
            Action::Grant { holder, terms } => self.grant(holder, terms, own, shown),
            Action::Promote { member, terms } => self.promote(*member, terms, own, shown),
            Action::Demote { member, terms } => self.demote(*member, terms, own, shown),
            Action::Revoke { member } => {
                self.check_removal(*member, author, role)?;
                self.members.remove(member);
                self.fall();
                Ok(())
            }
            Action::Kick { member } => {
                self.check_removal(*member, author, role)?;
                self.leave(*member);
                Ok(())
            }
            Action::Block { member } => self.block(*member, author, role),
            Action::Unblock { member } => {
                let by = *self.blocked.get(member).ok_or(Refusal::NothingToDo)?;
                // A Coordinator must not undo what an Admin decided.
                if role < by {
                    return Err(Refusal::NotAllowed { has: role, needs: by });
                }
                self.blocked.remove(member);
                Ok(())
            }
            Action::Resign => {
                self.check_not_last_owner(author)?;
                self.leave(author);
                Ok(())
            }
            Action::Handover { to } => self.hand_over(author, to, shown),
            Action::Halt { reason } => {
                require(role, Role::Owner)?;
                check_length("reason", reason, MAX_REASON_BYTES)?;
                if self.halted.is_some() {
                    return Err(Refusal::NothingToDo);
                }
                self.halted = Some(reason.clone());
                Ok(())
            }
            Action::Lift => {
                require(role, Role::Owner)?;
                self.halted.take().map(|_| ()).ok_or(Refusal::NothingToDo)
            }
            Action::Child { owner, name } => {
                require(role, Role::Owner)?;
                check_length("name", name, MAX_NAME_BYTES)?;
                if self.children.len() >= MAX_CHILDREN {
                    return Err(Refusal::Full {
                        what: "children",
                        max: MAX_CHILDREN,
                    });
                }
                self.children.insert(shown.hash, owner.clone());
                Ok(())
            }
            // A Worker's word must not weigh: workers are cheap to make.
            Action::Seal => require(role, Role::Coordinator),
        }
    }

    fn grant(
        &mut self,
        holder: &Authority,
        terms: &Terms,
        own: &Tenure,
        shown: Shown<'_>,
    ) -> Result<(), Refusal> {
        let id = holder.id();
        self.check_terms(terms, own, shown)?;
        if self.blocked.contains_key(&id) {
            return Err(Refusal::Blocked(id));
        }
        if let Some(member) = self.members.get(&id) {
            // Whose time is up may be invited again; whatever they had granted ended no later.
            let now = shown.record.issued_at;
            if member.held.iter().chain(&member.offered).any(|t| t.lasts(now)) {
                return Err(Refusal::AlreadyAMember(id));
            }
        } else if self.members.len() >= MAX_MEMBERS {
            return Err(Refusal::Full {
                what: "members",
                max: MAX_MEMBERS,
            });
        }
        let tenure = Some(tenure(terms, shown, false));
        // A Worker's role is held at once as far as the chain goes, and waits for a statement; all others are offers.
        let (held, offered) = if terms.role == Role::Worker {
            (tenure, None)
        } else {
            (None, tenure)
        };
        let renewed = self
            .members
            .insert(
                id,
                Member {
                    authority: holder.clone(),
                    held,
                    offered,
                },
            )
            .is_some();
        if renewed {
            self.fall();
        }
        Ok(())
    }

    fn promote(&mut self, id: NodeId, terms: &Terms, own: &Tenure, shown: Shown<'_>) -> Result<(), Refusal> {
        let from = self.check_target(id, shown.record.author, own.terms.role)?;
        self.check_terms(terms, own, shown)?;
        if terms.role <= from {
            return Err(Refusal::WrongDirection { from, to: terms.role });
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.offered = Some(tenure(terms, shown, false));
        }
        Ok(())
    }

    fn demote(&mut self, id: NodeId, terms: &Terms, own: &Tenure, shown: Shown<'_>) -> Result<(), Refusal> {
        let from = self.check_target(id, shown.record.author, own.terms.role)?;
        self.check_terms(terms, own, shown)?;
        if terms.role >= from {
            return Err(Refusal::WrongDirection { from, to: terms.role });
        }
        self.check_not_last_owner(id)?;
        if let Some(member) = self.members.get_mut(&id) {
            // Somebody who had accepted more has accepted less; whose offer was lowered still has to say yes.
            let accepted = member.held.as_ref().is_some_and(|held| held.accepted);
            let mut lower = tenure(terms, shown, accepted);
            // An offer withdrawn from somebody who holds this role already: they need not accept it again.
            if let Some(held) = member.held.as_ref().filter(|held| held.terms.role == terms.role) {
                lower.record = held.record;
            }
            let waits = !accepted && terms.role > Role::Worker;
            (member.held, member.offered) = if waits {
                (None, Some(lower))
            } else {
                (Some(lower), None)
            };
        }
        self.fall();
        Ok(())
    }

    fn block(&mut self, id: NodeId, author: NodeId, role: Role) -> Result<(), Refusal> {
        require(role, Role::Coordinator)?;
        if id == author {
            return Err(Refusal::OnOneself);
        }
        if self.blocked.contains_key(&id) {
            return Err(Refusal::NothingToDo);
        }
        if self.blocked.len() >= MAX_BLOCKED {
            return Err(Refusal::Full {
                what: "blocked ids",
                max: MAX_BLOCKED,
            });
        }
        if self.members.contains_key(&id) {
            self.check_removal(id, author, role)?;
            self.leave(id);
        }
        self.blocked.insert(id, role);
        Ok(())
    }

    fn accept(&mut self, offer: RecordHash, shown: Shown<'_>) -> Result<(), Refusal> {
        let record = shown.record;
        let member = self
            .members
            .get_mut(&record.author)
            .ok_or(Refusal::NotAMember(record.author))?;
        let offered = member
            .offered
            .as_ref()
            .filter(|t| t.record == offer)
            .ok_or(Refusal::NoSuchOffer)?;
        if let Some(until) = offered.terms.until.filter(|until| record.issued_at >= *until) {
            return Err(Refusal::Expired {
                until,
                used: record.issued_at,
            });
        }
        let mut held = offered.clone();
        held.accepted = true;
        held.since = record.sequence;
        if held.terms.role == Role::Owner {
            // From here on it rests on nobody: else revoking whoever made the second Owner would unmake both.
            held.granter = None;
        }
        member.held = Some(held);
        member.offered = None;
        self.fall();
        Ok(())
    }

    fn hand_over(&mut self, from: NodeId, to: &Authority, shown: Shown<'_>) -> Result<(), Refusal> {
        let id = to.id();
        if self.blocked.contains_key(&id) {
            return Err(Refusal::Blocked(id));
        }
        if self.members.contains_key(&id) {
            return Err(Refusal::AlreadyAMember(id));
        }
        let Some(mut member) = self.members.remove(&from) else {
            return Err(Refusal::NotAMember(from));
        };
        member.authority = to.clone();
        for tenure in member.held.iter_mut().chain(&mut member.offered) {
            tenure.record = shown.hash;
        }
        if let Some(held) = &mut member.held {
            held.accepted = true;
        }
        self.members.insert(id, member);
        self.adopt(from, id);
        Ok(())
    }

    /// Takes somebody out and lets whom they brought stay, on the word of the longest-serving Owner, whose role
    /// covers every other.
    fn leave(&mut self, id: NodeId) {
        self.members.remove(&id);
        if let Some(owner) = self.senior_owner() {
            self.adopt(id, owner);
        }
        self.fall();
    }

    fn senior_owner(&self) -> Option<NodeId> {
        let since = |id: &NodeId| {
            self.members
                .get(id)
                .and_then(|m| m.held.as_ref())
                .map(|t| t.since)
        };
        self.owners().min_by_key(|id| (since(id), *id))
    }

    fn adopt(&mut self, from: NodeId, to: NodeId) {
        for member in self.members.values_mut() {
            for tenure in member.held.iter_mut().chain(&mut member.offered) {
                if tenure.granter == Some(from) {
                    tenure.granter = Some(to);
                }
            }
        }
    }

    /// Drops every role that no longer rests on anything, and what rested on those, until all stand.
    /// Stops: an Admin whose key was stolen leaves a garden of accomplices behind.
    fn fall(&mut self) {
        loop {
            let mut fallen = Vec::new();
            for (id, member) in &self.members {
                let held = member
                    .held
                    .as_ref()
                    .is_some_and(|t| !self.rests_on_its_granter(t));
                let offered = member
                    .offered
                    .as_ref()
                    .is_some_and(|t| !self.rests_on_its_granter(t));
                if held || offered {
                    fallen.push((*id, held, offered));
                }
            }
            if fallen.is_empty() {
                return;
            }
            for (id, held, offered) in fallen {
                let Some(member) = self.members.get_mut(&id) else {
                    continue;
                };
                if held {
                    member.held = None;
                }
                if offered {
                    member.offered = None;
                }
                if member.reach().is_none() {
                    self.members.remove(&id);
                }
            }
        }
    }

    /// What may be granted: nothing above oneself, nothing wider, nothing longer, nothing already over.
    fn check_terms(&self, terms: &Terms, own: &Tenure, shown: Shown<'_>) -> Result<(), Refusal> {
        let (has, needs) = (own.terms.role, terms.role);
        if !has.rules(needs) {
            return Err(Refusal::NotAllowed { has, needs });
        }
        if needs == Role::Owner && *terms != Terms::OWNER {
            return Err(Refusal::OwnerWithLimits);
        }
        let kinds = terms.caveats.kinds.as_ref().map_or(0, |kinds| kinds.len());
        if kinds > MAX_KINDS {
            return Err(Refusal::Full {
                what: "kinds of work",
                max: MAX_KINDS,
            });
        }
        if !own.terms.covers(terms) {
            return Err(Refusal::WiderThanOwn);
        }
        match terms.until {
            Some(until) if until <= shown.record.issued_at => Err(Refusal::Expired {
                until,
                used: shown.record.issued_at,
            }),
            _ => Ok(()),
        }
    }

    /// The role of somebody else whom the author may act on.
    fn check_target(&self, id: NodeId, author: NodeId, has: Role) -> Result<Role, Refusal> {
        if id == author {
            return Err(Refusal::OnOneself);
        }
        let needs = self
            .members
            .get(&id)
            .and_then(Member::reach)
            .ok_or(Refusal::NotAMember(id))?;
        if !has.rules(needs) {
            return Err(Refusal::NotAllowed { has, needs });
        }
        Ok(needs)
    }

    fn check_removal(&self, id: NodeId, author: NodeId, has: Role) -> Result<(), Refusal> {
        self.check_target(id, author, has)?;
        self.check_not_last_owner(id)
    }

    /// A swarm without an Owner could never be changed again.
    fn check_not_last_owner(&self, id: NodeId) -> Result<(), Refusal> {
        let owns = self.members.get(&id).is_some_and(|m| holds(m, Role::Owner));
        if owns && self.owners().nth(1).is_none() {
            Err(Refusal::LastOwner)
        } else {
            Ok(())
        }
    }
}

/// A handover is signed by both sides: the old one, so that nobody can take it; the new one, so that it goes to
/// somebody who is there. A key that belongs to both counts for both.
fn check_handover_signers(author: &Member, to: &Authority, shown: Shown<'_>) -> Result<(), Refusal> {
    let of = |authority: &Authority| -> Vec<PublicKey> {
        shown
            .signers
            .iter()
            .copied()
            .filter(|signer| authority.keys().contains(signer))
            .collect()
    };
    let (old, new) = (of(&author.authority), of(to));
    let strangers = shown
        .signers
        .iter()
        .any(|signer| !old.contains(signer) && !new.contains(signer));
    if strangers || !author.authority.is_met_by(&old) || !to.is_met_by(&new) {
        return Err(Refusal::WrongSigners(shown.record.author));
    }
    Ok(())
}

fn tenure(terms: &Terms, shown: Shown<'_>, accepted: bool) -> Tenure {
    Tenure {
        terms: terms.clone(),
        record: shown.hash,
        granter: Some(shown.record.author),
        since: shown.record.sequence,
        accepted,
    }
}

fn require(has: Role, needs: Role) -> Result<(), Refusal> {
    if has >= needs {
        Ok(())
    } else {
        Err(Refusal::NotAllowed { has, needs })
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), Refusal> {
    if text.len() > max {
        Err(Refusal::TooLong {
            what,
            bytes: text.len(),
            max,
        })
    } else {
        Ok(())
    }
}
