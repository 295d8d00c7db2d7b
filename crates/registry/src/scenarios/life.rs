//! The life of a swarm: handover, words beside the chain, halts, quorums, children, newcomers.
//! Who may give which role to whom is told in the stories beside it.

use core::time::Duration;

use identity::{Authority, CoSigned, SigningKey as _};

use super::{check_refused, demote, promote, revoke, staffed};
use crate::{
    Action, Memberships, Outcome, Parent, Refusal, Registry,
    Role::*,
    Said, Statement, Terms,
    testing::{Stage, at, auth, genesis_record, grant, id, key, sign},
};

#[test]
fn a_handover_needs_both_sides_and_moves_everything() {
    let mut stage = staffed();
    let record = stage
        .registry
        .next(id(2), stage.now(), Action::Handover { to: auth(9) });
    for signers in [&[2][..], &[9], &[2, 8], &[2, 8, 9]] {
        let got = stage.registry.apply(sign(&record, signers), stage.now());
        assert_eq!(got, Err(Refusal::WrongSigners(id(2))), "{signers:?}");
    }
    stage.registry.apply(sign(&record, &[2, 9]), stage.now()).unwrap();
    assert_eq!(
        [2, 9, 3, 4].map(|n| stage.role(n)),
        [None, Some(Admin), Some(Coordinator), Some(Worker)]
    );
    assert_eq!(stage.registry.state().broken_invariant(), None);
}

#[test]
fn a_worker_accepts_and_resigns_beside_the_chain_in_any_order() {
    let stage = {
        let mut stage = Stage::new();
        stage.ok(1, grant(4, Worker));
        stage
    };
    let (yes, no) = (stage.says(4, Said::Accept), stage.says(4, Said::Resign));
    for order in [[&yes, &no], [&no, &yes]] {
        let mut stage = stage.clone();
        for word in order {
            stage.registry.hear((*word).clone()).unwrap();
            assert_eq!(stage.registry.hear((*word).clone()), Err(Refusal::Replayed));
        }
        assert_eq!(stage.role(4), None);
        assert_eq!(stage.registry.statements().count(), 2);
    }
    let mut stage = stage;
    let refuse = |stage: &mut Stage, n: u8, edit: &dyn Fn(&mut Statement)| {
        let mut word = Statement {
            swarm: stage.registry.id(),
            grant: stage.registry.head().hash,
            holder: auth(n),
            said: Said::Accept,
        };
        edit(&mut word);
        stage
            .registry
            .hear(CoSigned::sign(&word, &[&key(n)]).unwrap())
            .unwrap_err()
    };
    assert_eq!(refuse(&mut stage, 5, &|_| ()), Refusal::NoSuchOffer);
    assert_eq!(
        refuse(&mut stage, 5, &|w| w.holder = auth(4)),
        Refusal::WrongSigners(id(4))
    );
    let nowhere = identity::RecordHash::from_bytes([3; 32]);
    assert_eq!(
        refuse(&mut stage, 4, &|w| w.grant = nowhere),
        Refusal::Gap { missing: nowhere }
    );
    assert_eq!(
        refuse(&mut stage, 4, &|w| w.swarm = crate::SwarmId::of_genesis(nowhere)),
        Refusal::WrongSwarm
    );
}

#[test]
fn only_an_owner_halts_the_swarm_and_lets_it_go_on() {
    let mut stage = staffed();
    let halt = Action::Halt {
        reason: "a bad model".to_owned(),
    };
    check_refused(&mut stage, 2, halt.clone(), "NotAllowed");
    check_refused(&mut stage, 1, Action::Lift, "NothingToDo");
    stage.ok(1, halt.clone());
    assert!(stage.standing(4).halted);
    assert_eq!(stage.registry.state().halted(), Some("a bad model"));
    check_refused(&mut stage, 2, Action::Lift, "NotAllowed");
    check_refused(&mut stage, 1, halt, "NothingToDo");
    stage.ok(1, Action::Lift);
    assert!(!stage.standing(4).halted);
}

#[test]
fn a_quorum_owns_a_swarm_and_no_single_key_of_it_does() {
    let owner = Authority::quorum(2, [1, 2, 3].map(|n| key(n).public_key()).to_vec()).unwrap();
    let genesis = genesis_record(owner.clone(), None);
    assert!(matches!(
        Registry::found(sign(&genesis, &[1])),
        Err(Refusal::WrongSigners(_))
    ));
    let mut registry = Registry::found(sign(&genesis, &[1, 3])).unwrap();
    let record = registry.next(owner.id(), at(1), grant(5, Admin));
    assert!(matches!(
        registry.clone().apply(sign(&record, &[2]), at(1)),
        Err(Refusal::WrongSigners(_))
    ));
    assert!(matches!(
        registry.clone().apply(sign(&record, &[2, 3, 4]), at(1)),
        Err(Refusal::WrongSigners(_))
    ));
    let named = sign(&record, &[2, 3]);
    assert_eq!(
        named.hash(),
        sign(&record, &[1, 2]).hash(),
        "whichever two sign, it is one record"
    );
    registry.apply(named, at(1)).unwrap();
    assert_eq!(
        registry.apply(sign(&record, &[1, 2]), at(1)),
        Err(Refusal::Replayed)
    );
}

/// Phase 1: a person owns the swarm. Phase 2: a program is given roles. Phase 3: it holds the keys, and has children.
#[test]
fn a_program_grows_from_worker_to_owner_and_founds_a_child_swarm_without_a_screen() {
    let (person, program, heir, child_key) = (1, 40, 41, 42);
    let mut stage = Stage::new();
    stage.seat(person, program, Worker);
    for role in [Coordinator, Admin] {
        stage.ok(person, promote(program, role));
        let offer = stage.registry.head().hash;
        stage.ok(program, Action::Accept { offer });
        assert_eq!(stage.role(program), Some(role));
    }
    stage.seat(program, 50, Worker);
    stage.ok(
        person,
        Action::Promote {
            member: id(program),
            terms: Terms::OWNER,
        },
    );
    let offer = stage.registry.head().hash;
    stage.ok(program, Action::Accept { offer });
    stage.ok(person, Action::Resign);
    assert_eq!(
        [person, program, 50].map(|n| stage.role(n)),
        [None, Some(Owner), Some(Worker)]
    );
    // It changes its own key.
    let record = stage
        .registry
        .next(id(program), stage.now(), Action::Handover { to: auth(heir) });
    stage
        .registry
        .apply(sign(&record, &[program, heir]), stage.now())
        .unwrap();
    assert_eq!(
        [program, heir, 50].map(|n| stage.role(n)),
        [None, Some(Owner), Some(Worker)]
    );
    // It names the owner of a child swarm, and that one founds it.
    stage.ok(
        heir,
        Action::Child {
            owner: auth(child_key),
            name: "the next".to_owned(),
        },
    );
    let parent = Parent {
        swarm: stage.registry.id(),
        record: stage.registry.head().hash,
    };
    let child = Registry::found(sign(&genesis_record(auth(child_key), Some(parent)), &[child_key])).unwrap();
    assert_eq!(child.check_parent(&stage.registry), Ok(()));
    assert_ne!(child.id(), stage.registry.id());
    // Nobody else can claim to be that child.
    let thief = Registry::found(sign(&genesis_record(auth(66), Some(parent)), &[66])).unwrap();
    assert_eq!(
        thief.check_parent(&stage.registry),
        Err(Refusal::NotAChild(stage.registry.id()))
    );
    let orphan = Registry::found(sign(&genesis_record(auth(child_key), None), &[child_key])).unwrap();
    assert!(orphan.check_parent(&stage.registry).is_err());

    let mut swarms = Memberships::new(id(heir));
    swarms.follow(stage.registry.clone()).unwrap();
    swarms.follow(child.clone()).unwrap();
    assert_eq!(swarms.follow(child), Err(Refusal::NothingToDo));
    assert_eq!(swarms.all(stage.now()).count(), 2);
    assert_eq!(
        swarms.mine(stage.now()).collect::<Vec<_>>(),
        [stage.registry.id()]
    );
}

#[test]
fn a_fresh_replica_reads_the_whole_chain_from_another() {
    let mut stage = staffed();
    stage.ok(1, revoke(3));
    let mut records = stage
        .registry
        .records()
        .map(|r| CoSigned::from_bytes(&r.to_bytes()).unwrap());
    let mut copy = Registry::found(records.next().unwrap()).unwrap();
    for record in records {
        assert_eq!(copy.apply(record, stage.now()), Ok(Outcome::Extended));
    }
    for word in stage.registry.statements() {
        copy.hear(CoSigned::from_bytes(&word.to_bytes()).unwrap())
            .unwrap();
    }
    assert_eq!(copy.state(), stage.registry.state());
    let later = stage.now().plus(Duration::from_secs(3600));
    for n in 1..=4 {
        assert_eq!(copy.standing(id(n), later), stage.registry.standing(id(n), later));
    }
}

#[test]
fn an_offer_withdrawn_leaves_the_role_that_was_held() {
    let mut stage = staffed();
    stage.ok(1, promote(4, Coordinator));
    let offer = stage.registry.head().hash;
    stage.ok(1, demote(4, Worker));
    assert_eq!(stage.role(4), Some(Worker), "what they had accepted stands");
    check_refused(&mut stage, 4, Action::Accept { offer }, "NoSuchOffer");
}
