//! Random people doing random things on five replicas that exchange records in any order: one state, no invariant
//! broken. Signatures are left out here (identity has its own million): records go in as if verified.
//! It does not replay fixed stories: see `scenarios`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{collections::BTreeSet, sync::OnceLock};

use identity::{Authority, CoSigned, NodeId, PublicKey, RecordHash};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::{
    Action, Caveats, Outcome, Record, Refusal, Registry, Role, State, Terms,
    fork::Node,
    testing::{at, auth, genesis_record},
};

const REPLICAS: usize = 5;
const PEOPLE: usize = 7;

/// The cast: single keys, and one quorum of two of the first three.
fn people() -> &'static [Authority] {
    static PEOPLE_ONCE: OnceLock<Vec<Authority>> = OnceLock::new();
    PEOPLE_ONCE.get_or_init(|| {
        let mut people: Vec<_> = (1..PEOPLE as u8).map(auth).collect();
        let keys = people[..3].iter().map(|a| a.keys()[0]).collect();
        people.push(Authority::quorum(2, keys).unwrap());
        people
    })
}

/// A record as it travels: with those who signed it.
#[derive(Clone)]
struct Sent {
    hash: RecordHash,
    record: Record,
    signers: Vec<PublicKey>,
}

impl Sent {
    fn new(record: Record, signers: Vec<PublicKey>) -> Self {
        let hash = CoSigned::unsigned(&record).unwrap().hash();
        Self {
            hash,
            record,
            signers,
        }
    }

    fn node(&self) -> Node {
        Node {
            record: self.record.clone(),
            signers: self.signers.clone(),
        }
    }

    fn unsigned(&self) -> CoSigned<Record> {
        CoSigned::unsigned(&self.record).unwrap()
    }
}

struct World {
    rng: ChaCha8Rng,
    replicas: Vec<Registry>,
    /// What each replica holds, in the order it came.
    held: Vec<Vec<Sent>>,
    clock: u64,
    switches: usize,
    refusals: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let founder = &people()[0];
        let genesis = Sent::new(genesis_record(founder.clone(), None), founder.keys().to_vec());
        let registry = Registry::found_by(genesis.hash, genesis.node(), genesis.unsigned()).unwrap();
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            replicas: vec![registry; REPLICAS],
            held: vec![Vec::new(); REPLICAS],
            clock: 1,
            switches: 0,
            refusals: 0,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n as u64) as usize
    }

    fn person(&mut self) -> Authority {
        let n = self.below(PEOPLE);
        people()[n].clone()
    }

    fn terms(&mut self) -> Terms {
        let role = [Role::Worker, Role::Coordinator, Role::Admin, Role::Owner][self.below(4)];
        let mut terms = Terms::plain(role);
        if role != Role::Owner {
            if self.below(3) == 0 {
                terms.until = Some(at(self.clock + self.below(20) as u64));
            }
            if self.below(3) == 0 {
                terms.caveats = Caveats {
                    budget_tokens: Some(self.below(3) as u64),
                    ..terms.caveats
                };
            }
        }
        terms
    }

    fn action(&mut self, state: &State, author: NodeId) -> Action {
        let member = self.person().id();
        match self.below(16) {
            0..=3 => Action::Grant {
                holder: self.person(),
                terms: self.terms(),
            },
            4 => Action::Promote {
                member,
                terms: self.terms(),
            },
            5 => Action::Demote {
                member,
                terms: self.terms(),
            },
            6 => Action::Revoke { member },
            7 => Action::Kick { member },
            8 => Action::Block { member },
            9 => Action::Unblock { member },
            10 => Action::Resign,
            11 => Action::Handover { to: self.person() },
            12 => Action::Seal,
            13 => [
                Action::Halt {
                    reason: String::new(),
                },
                Action::Lift,
            ][self.below(2)]
            .clone(),
            // Mostly somebody's own offer, so that roles do get accepted.
            _ => {
                let own = state
                    .member(author)
                    .and_then(|m| m.offered.as_ref())
                    .map(|t| t.record);
                Action::Accept {
                    offer: own.unwrap_or(state.head),
                }
            }
        }
    }

    /// Somebody does something on one replica: mostly on its head, sometimes on an older record or another branch.
    /// Most of what comes to mind is not allowed; some four tries make one record.
    fn act(&mut self, replica: usize) {
        self.clock += 1;
        for _ in 0..4 {
            if self.attempt(replica) {
                return;
            }
            self.refusals += 1;
        }
    }

    fn attempt(&mut self, replica: usize) -> bool {
        let registry = &self.replicas[replica];
        let mut state = registry.state().clone();
        if self.below(8) == 0 && !self.held[replica].is_empty() {
            let older = self.below(self.held[replica].len());
            state = self.replicas[replica].state_at(self.held[replica][older].hash);
        }
        // Mostly somebody who can act.
        let members: Vec<_> = state.members().map(|(_, m)| m.authority.clone()).collect();
        let author = if self.below(8) == 0 {
            self.person()
        } else {
            members[self.below(members.len())].clone()
        };
        let action = self.action(&state, author.id());
        let mut signers = author.keys().to_vec();
        if let Action::Handover { to } = &action {
            signers.extend(to.keys());
        }
        if self.below(20) == 0 {
            signers = self.person().keys().to_vec();
        }
        signers.sort_unstable();
        signers.dedup();
        let record = Record {
            swarm: Some(state.swarm),
            sequence: state.sequence + 1,
            previous: Some(state.head),
            author: author.id(),
            issued_at: at(self.clock),
            action,
        };
        let sent = Sent::new(record, signers);
        self.deliver(replica, &sent).is_ok()
    }

    fn deliver(&mut self, replica: usize, sent: &Sent) -> Result<(), Refusal> {
        let registry = &mut self.replicas[replica];
        let before = registry.state().clone();
        let outcome = registry.insert(sent.hash, sent.node(), sent.unsigned(), at(self.clock + 1));
        match outcome {
            Ok(outcome) => {
                match outcome {
                    Outcome::Extended => check_step(&before, registry.state(), &sent.record),
                    Outcome::Switched { .. } => self.switches += 1,
                    Outcome::Aside => assert_eq!(*registry.state(), before),
                }
                self.held[replica].push(sent.clone());
                Ok(())
            }
            Err(refusal) => {
                assert_eq!(*registry.state(), before, "a refusal changed something");
                Err(refusal)
            }
        }
    }

    /// Everything one replica holds goes to another, in random order; what came before its time is sent again.
    fn exchange(&mut self, from: usize, to: usize) {
        let mut letters = self.held[from].clone();
        while !letters.is_empty() {
            for i in (1..letters.len()).rev() {
                let j = self.below(i + 1);
                letters.swap(i, j);
            }
            let before = letters.len();
            let mut later = Vec::new();
            for letter in letters {
                match self.deliver(to, &letter) {
                    Ok(()) | Err(Refusal::Replayed) => {}
                    Err(Refusal::Gap { .. }) => later.push(letter),
                    Err(other) => panic!("accepted by one replica, refused by another: {other:?}"),
                }
            }
            letters = later;
            assert!(letters.len() < before, "a record that follows nothing");
        }
    }
}

/// What a single record may do to its author: nobody rises by their own hand.
fn check_step(before: &State, after: &State, record: &Record) {
    let role = |state: &State, id| {
        state
            .member(id)
            .and_then(|m| m.held.as_ref())
            .map(|t| t.terms.role)
    };
    let (was, is) = (role(before, record.author), role(after, record.author));
    match &record.action {
        Action::Accept { offer } => {
            let offered = before.member(record.author).unwrap().offered.as_ref().unwrap();
            assert_eq!(offered.record, *offer);
            assert_eq!(is, Some(offered.terms.role));
            assert_ne!(offered.granter, Some(record.author), "accepted their own offer");
        }
        Action::Handover { to } => assert_eq!(
            (role(before, to.id()), role(after, to.id()), is),
            (None, was, None)
        ),
        _ => assert!(is <= was, "{record:?}"),
    }
}

fn check_world(world: &World) {
    for registry in &world.replicas {
        assert_eq!(registry.state().broken_invariant(), None);
        // The chain that counts, read again from the start by itself.
        let mut author_gone = BTreeSet::new();
        let mut state = registry.state_at(registry.id().genesis());
        for hash in registry.path() {
            let record = registry.record(*hash).unwrap();
            assert!(
                !author_gone.contains(&record.author),
                "somebody who is out has signed"
            );
            let next = registry.state_at(*hash);
            assert_eq!(next.sequence, state.sequence + 1);
            assert!(next.owners().next().is_some());
            for (id, _) in state.members() {
                if next.member(id).is_none() {
                    author_gone.insert(id);
                }
            }
            author_gone.retain(|id| next.member(*id).is_none());
            state = next;
        }
        assert_eq!(&state, registry.state());
    }
}

/// Runs `sequences` random worlds and returns what happened in them: records, branch switches, refusals.
fn run(sequences: u64, first_seed: u64) {
    let (mut records, mut switches, mut refusals, mut longest) = (0, 0, 0, 0);
    for seed in first_seed..first_seed + sequences {
        let mut world = World::new(seed);
        let steps = 10 + world.below(40);
        for _ in 0..steps {
            let replica = world.below(REPLICAS);
            world.act(replica);
            if world.below(2) == 0 {
                let (from, to) = (world.below(REPLICAS), world.below(REPLICAS));
                world.exchange(from, to);
            }
        }
        // Everybody hears from everybody: around the ring twice is enough.
        for i in 0..2 * REPLICAS {
            world.exchange(i % REPLICAS, (i + 1) % REPLICAS);
        }
        check_world(&world);
        for replica in 1..REPLICAS {
            let (a, b) = (&world.replicas[0], &world.replicas[replica]);
            assert_eq!(
                a.state(),
                b.state(),
                "seed {seed}: replicas 0 and {replica} differ"
            );
            assert_eq!(a.path(), b.path(), "seed {seed}");
        }
        records += world.held[0].len();
        longest = longest.max(world.replicas[0].path().len());
        switches += world.switches;
        refusals += world.refusals;
    }
    println!(
        "{sequences} sequences: {records} records, {switches} switches, {refusals} refused, longest chain {longest}"
    );
    // Else nothing of interest was tried.
    assert!(switches as u64 > sequences && refusals as u64 > sequences && longest >= 12);
}

#[test]
fn five_replicas_agree_whatever_was_done_in_whatever_order() {
    run(2000, 0);
}

#[test]
#[ignore = "a hundred thousand worlds: minutes in release"]
fn five_replicas_agree_in_a_hundred_thousand_worlds() {
    run(100_000, 1_000_000);
}
