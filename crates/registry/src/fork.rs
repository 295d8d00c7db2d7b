//! Which branch is the truth when the chain forks.
//! It does not check records: every record it sees was valid on top of the one before it.
//!
//! Two records may follow the same one: two Admins acted at once, or somebody whose role was taken signs on top of
//! a record from before that ("backdating"). Every replica must choose the same branch, whatever came first, and
//! no one must be able to choose for the others. The branch is a function of the tree of records alone. Where it
//! forks, at a record P, the branches are compared by these rules, in this order; the first that differs decides:
//!
//! 1. **More hands of higher standing.** Count the Owners *as of P* who signed anything on the branch; then the
//!    Admins, then the Coordinators. Length counts for nothing, nor do members made on the branch.
//!    *Stops*: an Admin whose role was taken forks from before that and writes a thousand records, or appoints a
//!    thousand friends. Only somebody above an Admin can have taken the role, and that hand is on the other branch.
//! 2. **Seniority.** As many on both sides: those whose role began earlier at P, the highest role first.
//!    *Stops*: two equals who remove each other at once; and, as no one can make themselves older, grinding.
//! 3. **Taking away before giving.** The very same hands on both sides means that somebody signed two histories.
//!    They are held to the one that begins by taking away (demote, revoke, kick, block, resign, hand over, halt).
//!    *Stops*: the finder of a key that was handed over signs a history in which it was not.
//! 4. **The lower hash** of the first record: among what the same hands did, any choice will do.
//!
//! What loses stays in the tree (its hands may weigh later) but has no effect: its author signs again on the new
//! head. What these rules cannot settle: a sole Owner's stolen key can rewrite what that Owner alone has signed.
//! A second Owner who signs now and then ([`Action::Seal`](crate::Action::Seal)), or a quorum as Owner, ends that.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use identity::{NodeId, PublicKey, RecordHash};

use crate::{Record, Role, State, apply::Shown};

/// All records known of a swarm, each under the one before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<RecordHash, Node>,
    children: BTreeMap<RecordHash, BTreeSet<RecordHash>>,
    forks: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) record: Record,
    pub(crate) signers: Vec<PublicKey>,
}

impl Node {
    pub(crate) fn shown(&self, hash: RecordHash) -> Shown<'_> {
        Shown {
            hash,
            record: &self.record,
            signers: &self.signers,
        }
    }
}

impl Tree {
    pub(crate) fn insert(&mut self, hash: RecordHash, node: Node) {
        if let Some(parent) = node.record.previous {
            let siblings = self.children.entry(parent).or_default();
            siblings.insert(hash);
            if siblings.len() > 1 {
                self.forks += 1;
            }
        }
        self.nodes.insert(hash, node);
    }

    pub(crate) fn get(&self, hash: RecordHash) -> Option<&Node> {
        self.nodes.get(&hash)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many branches there are beside the first.
    pub(crate) fn forks(&self) -> usize {
        self.forks
    }

    /// Whether another record follows `hash` already.
    pub(crate) fn has_follower(&self, hash: RecordHash) -> bool {
        self.children.contains_key(&hash)
    }

    /// All hashes, lowest first.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = RecordHash> + '_ {
        self.nodes.keys().copied()
    }

    /// The records from just above the genesis up to `hash`, oldest first.
    pub(crate) fn path_to(&self, hash: RecordHash) -> Vec<RecordHash> {
        let mut path = Vec::new();
        let mut at = hash;
        while let Some(previous) = self.nodes.get(&at).and_then(|node| node.record.previous) {
            path.push(at);
            at = previous;
        }
        path.reverse();
        path
    }

    /// The branch that counts above `state`, and the state at its end.
    ///
    /// Recurses once per fork on a path, of which there are at most twice [`MAX_FORKS`](crate::MAX_FORKS).
    pub(crate) fn best(&self, mut state: State) -> (Vec<RecordHash>, State) {
        let mut path = Vec::new();
        loop {
            let followers = match self.children.get(&state.head) {
                None => return (path, state),
                Some(followers) => followers,
            };
            if followers.len() > 1 {
                let voters = state.voters();
                let branches = followers.iter().filter_map(|first| {
                    let (mut branch, mut end) = (vec![*first], state.clone());
                    self.step(&mut end, *first)?;
                    let (rest, end) = self.best(end);
                    branch.extend(rest);
                    Some((self.weight(&branch, &voters), branch, end))
                });
                let Some((_, branch, end)) = branches.max_by(|a, b| a.0.cmp(&b.0)) else {
                    return (path, state);
                };
                path.extend(branch);
                return (path, end);
            }
            // Every record here was valid when it came in, so both of these hold.
            let Some(&next) = followers.first() else {
                return (path, state);
            };
            if self.step(&mut state, next).is_none() {
                return (path, state);
            }
            path.push(next);
        }
    }

    fn step(&self, state: &mut State, next: RecordHash) -> Option<()> {
        state.apply(self.nodes.get(&next)?.shown(next)).ok()
    }

    fn weight(&self, branch: &[RecordHash], voters: &BTreeMap<NodeId, (Role, u64)>) -> Weight {
        let nodes = branch.iter().filter_map(|hash| self.nodes.get(hash));
        let hands: BTreeSet<NodeId> = nodes.map(|node| node.record.author).collect();
        let mut votes: Vec<(Role, u64)> = hands
            .iter()
            .filter_map(|hand| voters.get(hand).copied())
            .collect();
        votes.sort_by_key(|&(role, since)| (Reverse(role), since));
        let count = |role: Role| votes.iter().filter(|(r, _)| *r == role).count();
        let first = branch.first().copied();
        Weight {
            hands: [count(Role::Owner), count(Role::Admin), count(Role::Coordinator)],
            seniority: votes.iter().map(|&(_, since)| Reverse(since)).collect(),
            takes_away: first
                .and_then(|f| self.nodes.get(&f))
                .is_some_and(|n| n.record.action.takes_away()),
            hash: Reverse(first),
        }
    }
}

/// What a branch weighs: the rules above, field by field.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    hands: [usize; 3],
    seniority: Vec<Reverse<u64>>,
    takes_away: bool,
    hash: Reverse<Option<RecordHash>>,
}
