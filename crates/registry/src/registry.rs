//! One swarm's registry: every record it was shown, and what they add up to.
//! It does not talk to peers: it is handed what they sent, and says what to ask for.

use std::collections::{BTreeMap, BTreeSet};

use identity::{CoSigned, MAX_CLOCK_SKEW, NodeId, RecordHash, Timestamp};

use crate::{
    Action, Caveats, Genesis, Record, Refusal, Role, Said, State, Statement, SwarmId,
    apply::Shown,
    fork::{Node, Tree},
};

/// Most records of a swarm, side branches included: some 12 MB in memory. A swarm that has used them up goes on in a
/// child swarm, which begins afresh.
pub const MAX_RECORDS: usize = 16_384;
/// Most branches beside the first: bounds the work of choosing, which a hostile ex-member could swell.
/// As many again are kept for Owners, so that whoever fills the first lot cannot keep an Owner's record out.
pub const MAX_FORKS: usize = 64;

/// The newest record that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: u64,
    pub hash: RecordHash,
}

/// What a new record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the new head.
    Extended,
    /// It made another branch count; these records no longer do, and their authors have to sign again.
    Switched { dropped: Vec<RecordHash> },
    /// It is on a branch that does not count: a fork, kept because other replicas may see more of it.
    Aside,
}

/// What somebody may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The role, accepted and not ended; `None` for strangers and for those who have not accepted yet.
    pub role: Option<Role>,
    /// Its limits; of no meaning without a role.
    pub caveats: Caveats,
    /// Kept out by name.
    pub blocked: bool,
    /// Whether an Owner has halted all work.
    pub halted: bool,
}

/// The registry of one swarm.
#[derive(Clone, Debug)]
pub struct Registry {
    genesis: State,
    tree: Tree,
    path: Vec<RecordHash>,
    state: State,
    signed: BTreeMap<RecordHash, CoSigned<Record>>,
    statements: BTreeMap<(RecordHash, NodeId), BTreeMap<Said, CoSigned<Statement>>>,
}

impl Registry {
    /// Opens a swarm by its genesis record.
    pub fn found(genesis: CoSigned<Record>) -> Result<Self, Refusal> {
        let verified = genesis.verify()?;
        let hash = verified.hash();
        let signers = verified.signers().to_vec();
        Self::found_by(
            hash,
            Node {
                record: verified.into_value(),
                signers,
            },
            genesis,
        )
    }

    /// The swarm's name in the network.
    pub fn id(&self) -> SwarmId {
        self.state.swarm
    }

    /// How the swarm began.
    pub fn genesis(&self) -> Option<&Genesis> {
        match &self.tree.get(self.id().genesis())?.record.action {
            Action::Genesis(genesis) => Some(genesis),
            _ => None,
        }
    }

    /// What the branch that counts adds up to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The newest record that counts.
    pub fn head(&self) -> Head {
        Head {
            sequence: self.state.sequence,
            hash: self.state.head,
        }
    }

    /// The next record, for its author to sign: on top of the head, not before it.
    pub fn next(&self, author: NodeId, now: Timestamp, action: Action) -> Record {
        Record {
            swarm: Some(self.id()),
            sequence: self.state.sequence + 1,
            previous: Some(self.state.head),
            author,
            issued_at: now.max(self.state.issued_at),
            action,
        }
    }

    /// Takes in a record that somebody sent. Cheap checks come before the signatures.
    pub fn apply(&mut self, signed: CoSigned<Record>, now: Timestamp) -> Result<Outcome, Refusal> {
        let hash = signed.hash();
        if self.tree.get(hash).is_some() {
            return Err(Refusal::Replayed);
        }
        let verified = signed.verify()?;
        let signers = verified.signers().to_vec();
        self.insert(
            hash,
            Node {
                record: verified.into_value(),
                signers,
            },
            signed,
            now,
        )
    }

    /// Takes in a Worker's word. Both orders of arrival, and both words, end in the same state.
    pub fn hear(&mut self, signed: CoSigned<Statement>) -> Result<(), Refusal> {
        let said = signed.verify()?;
        if said.swarm != self.id() {
            return Err(Refusal::WrongSwarm);
        }
        let id = said.holder.id();
        if !said.holder.is_met_by(said.signers()) {
            return Err(Refusal::WrongSigners(id));
        }
        // Only about records that are known here, and only by those they are about: else anybody could fill us up.
        let about = self
            .tree
            .get(said.grant)
            .ok_or(Refusal::Gap { missing: said.grant })?;
        let theirs = match &about.record.action {
            Action::Grant { holder, .. } | Action::Handover { to: holder } => holder.id() == id,
            Action::Demote { member, .. } => *member == id,
            _ => false,
        };
        if !theirs {
            return Err(Refusal::NoSuchOffer);
        }
        let words = self.statements.entry((said.grant, id)).or_default();
        if words.contains_key(&said.said) {
            return Err(Refusal::Replayed);
        }
        words.insert(said.said, signed);
        Ok(())
    }

    /// What somebody may do at `now`.
    pub fn standing(&self, who: NodeId, now: Timestamp) -> Standing {
        let held = self
            .state
            .members
            .get(&who)
            .and_then(|m| m.held.as_ref())
            .filter(|t| t.lasts(now));
        let held = held.filter(|tenure| {
            // On the chain only Workers may be unaccepted; their words count for the grant they name, no other.
            let words = self.statements.get(&(tenure.record, who));
            let said = |word| words.is_some_and(|words| words.contains_key(&word));
            let worker = tenure.terms.role == Role::Worker;
            (tenure.accepted || said(Said::Accept)) && !(worker && said(Said::Resign))
        });
        Standing {
            role: held.map(|t| t.terms.role),
            caveats: held.map_or(Caveats::NONE, |t| t.terms.caveats.clone()),
            blocked: self.state.is_blocked(who),
            halted: self.state.halted.is_some(),
        }
    }

    /// Compares a head that a peer offers with ours. `Ok(true)`: the same. `Ok(false)`: unknown here, ask for its
    /// records. A head that we have left behind is refused: whoever offers it is behind, or wants us to be.
    pub fn check_head(&self, offered: Head) -> Result<bool, Refusal> {
        let ours = self.state.sequence;
        if offered.hash == self.state.head {
            return if offered.sequence == ours {
                Ok(true)
            } else {
                Err(Refusal::BadSequence {
                    before: ours,
                    got: offered.sequence,
                })
            };
        }
        if offered.hash == self.id().genesis() || self.path.contains(&offered.hash) {
            return Err(Refusal::RolledBack {
                offered: offered.sequence,
                ours,
            });
        }
        if self.tree.get(offered.hash).is_some() {
            return Err(Refusal::Forked { ours });
        }
        Ok(false)
    }

    /// How many records are held. Never none: a registry begins with one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Every record held, each after the one it follows: the branch that counts first, then the rest.
    pub fn records(&self) -> impl Iterator<Item = &CoSigned<Record>> {
        let genesis = self.id().genesis();
        let counted: BTreeSet<RecordHash> = self.path.iter().copied().chain([genesis]).collect();
        let mut rest: Vec<(u64, RecordHash)> = self
            .tree
            .hashes()
            .filter(|hash| !counted.contains(hash))
            .filter_map(|hash| Some((self.tree.get(hash)?.record.sequence, hash)))
            .collect();
        rest.sort_unstable();
        let order = core::iter::once(genesis)
            .chain(self.path.clone())
            .chain(rest.into_iter().map(|(_, hash)| hash));
        order.filter_map(|hash| self.signed.get(&hash))
    }

    /// Every statement held.
    pub fn statements(&self) -> impl Iterator<Item = &CoSigned<Statement>> {
        self.statements.values().flat_map(BTreeMap::values)
    }

    /// Checks that `parent` names this swarm's first Owner, as the genesis claims.
    pub fn check_parent(&self, parent: &Self) -> Result<(), Refusal> {
        let not_a_child = Refusal::NotAChild(parent.id());
        let genesis = self.genesis().ok_or(not_a_child.clone())?;
        let link = genesis
            .parent
            .filter(|link| link.swarm == parent.id())
            .ok_or(not_a_child.clone())?;
        match parent.state.child_owner(link.record) {
            Some(owner) if *owner == genesis.owner => Ok(()),
            _ => Err(not_a_child),
        }
    }

    pub(crate) fn found_by(hash: RecordHash, node: Node, signed: CoSigned<Record>) -> Result<Self, Refusal> {
        let genesis = State::found(&node.record, hash, &node.signers)?;
        let mut tree = Tree::default();
        tree.insert(hash, node);
        Ok(Self {
            state: genesis.clone(),
            genesis,
            tree,
            path: Vec::new(),
            signed: BTreeMap::from([(hash, signed)]),
            statements: BTreeMap::new(),
        })
    }

    /// Takes in a record whose signatures were checked.
    pub(crate) fn insert(
        &mut self,
        hash: RecordHash,
        node: Node,
        signed: CoSigned<Record>,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        if self.tree.get(hash).is_some() {
            return Err(Refusal::Replayed);
        }
        if node.record.swarm != Some(self.id()) {
            return Err(Refusal::WrongSwarm);
        }
        if self.tree.len() >= MAX_RECORDS {
            return Err(Refusal::Full {
                what: "records",
                max: MAX_RECORDS,
            });
        }
        // Whoever may date records forward could block the chain: nothing may be older than what it follows.
        if node.record.issued_at > now.plus(MAX_CLOCK_SKEW) {
            return Err(Refusal::FromTheFuture {
                issued_at: node.record.issued_at,
                now,
            });
        }
        let previous = node.record.previous.ok_or(Refusal::WrongSwarm)?;
        let before = self
            .tree
            .get(previous)
            .ok_or(Refusal::Gap { missing: previous })?;
        if Some(node.record.sequence) != before.record.sequence.checked_add(1) {
            return Err(Refusal::BadSequence {
                before: before.record.sequence,
                got: node.record.sequence,
            });
        }
        let shown = node.shown(hash);
        if previous == self.state.head {
            self.state.apply(shown)?;
            self.keep(hash, node, signed);
            self.path.push(hash);
            return Ok(Outcome::Extended);
        }
        let owner = self.state.owners().any(|id| id == node.record.author);
        let max = if owner { 2 * MAX_FORKS } else { MAX_FORKS };
        if self.tree.has_follower(previous) && self.tree.forks() >= max {
            return Err(Refusal::Full { what: "forks", max });
        }
        self.state_at(previous).apply(shown)?;
        self.keep(hash, node, signed);
        let (path, state) = self.tree.best(self.genesis.clone());
        let outcome = if path == self.path {
            Outcome::Aside
        } else {
            let now_counted: BTreeSet<_> = path.iter().collect();
            Outcome::Switched {
                dropped: self
                    .path
                    .iter()
                    .filter(|h| !now_counted.contains(h))
                    .copied()
                    .collect(),
            }
        };
        (self.path, self.state) = (path, state);
        Ok(outcome)
    }

    fn keep(&mut self, hash: RecordHash, node: Node, signed: CoSigned<Record>) {
        self.tree.insert(hash, node);
        self.signed.insert(hash, signed);
    }

    /// The state right after a record that is in the tree.
    pub(crate) fn state_at(&self, hash: RecordHash) -> State {
        let mut state = self.genesis.clone();
        for step in self.tree.path_to(hash) {
            // Each was valid on its predecessor when it came in, so none fails now.
            let applied = self.tree.get(step).map(|node| {
                state.apply(Shown {
                    hash: step,
                    ..node.shown(step)
                })
            });
            debug_assert_eq!(applied, Some(Ok(())));
        }
        state
    }

    /// The branch that counts, above the genesis.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &[RecordHash] {
        &self.path
    }

    #[cfg(test)]
    pub(crate) fn record(&self, hash: RecordHash) -> Option<&Record> {
        self.tree.get(hash).map(|node| &node.record)
    }
}
