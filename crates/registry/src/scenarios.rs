//! What people and programs do with a swarm, and what each rule stops, told one story at a time.
//! It does not try random things: see `property`.
#![allow(clippy::unwrap_used)]

use core::time::Duration;
use std::collections::BTreeSet;

use identity::{Authority, CoSigned, SigningKey as _, Timestamp};

use crate::{
    Action, Caveats, Head, Memberships, Outcome, Parent, Refusal, Registry, Role, Said, Statement, Terms,
    WorkKind,
    testing::{Stage, at, auth, genesis_record, grant, id, key, sign},
};

use Role::*;

fn promote(n: u8, role: Role) -> Action {
    Action::Promote {
        member: id(n),
        terms: Terms::plain(role),
    }
}

fn demote(n: u8, role: Role) -> Action {
    Action::Demote {
        member: id(n),
        terms: Terms::plain(role),
    }
}

fn revoke(n: u8) -> Action {
    Action::Revoke { member: id(n) }
}

/// 1 Owner, 2 Admin, 3 Coordinator, 4 Worker, each seated by the one before.
fn staffed() -> Stage {
    let mut stage = Stage::new();
    stage.seat(1, 2, Admin).seat(2, 3, Coordinator).seat(3, 4, Worker);
    stage
}

fn check_refused(stage: &mut Stage, n: u8, action: Action, expect: &str) {
    let before = stage.registry.state().clone();
    let got = stage.act(n, action.clone()).unwrap_err();
    assert!(
        format!("{got:?}").starts_with(expect),
        "{n} {action:?}: {got:?}, expected {expect}"
    );
    assert_eq!(stage.registry.state(), &before, "a refusal changed something");
}

#[test]
fn roles_are_given_down_the_chain_and_count_once_accepted() {
    let mut stage = Stage::new();
    stage.ok(1, grant(2, Admin));
    assert_eq!(stage.role(2), None, "not accepted yet");
    check_refused(&mut stage, 2, grant(3, Worker), "NotAMember");
    let offer = stage.registry.head().hash;
    stage.ok(2, Action::Accept { offer });
    assert_eq!(stage.role(2), Some(Admin));
    stage.ok(2, grant(4, Worker));
    assert_eq!(stage.role(4), None);
    stage.registry.hear(stage.says(4, Said::Accept)).unwrap();
    assert_eq!(stage.role(4), Some(Worker));
}

#[test]
fn nobody_raises_themselves_or_reaches_their_equals() {
    let mut stage = staffed();
    for n in 2..=4 {
        check_refused(&mut stage, n, promote(n, Owner), "OnOneself");
        check_refused(&mut stage, n, grant(n, Owner), "NotAllowed");
        check_refused(&mut stage, n, demote(n, Worker), "OnOneself");
    }
    check_refused(&mut stage, 2, grant(9, Admin), "NotAllowed");
    check_refused(&mut stage, 2, promote(3, Admin), "NotAllowed");
    check_refused(&mut stage, 3, revoke(2), "NotAllowed");
    check_refused(&mut stage, 3, Action::Block { member: id(1) }, "NotAllowed");
    check_refused(&mut stage, 4, grant(9, Worker), "NotAllowed");
    check_refused(&mut stage, 4, Action::Seal, "NotAllowed");
    check_refused(&mut stage, 9, grant(9, Owner), "NotAMember");
    stage.seat(1, 5, Admin);
    check_refused(&mut stage, 2, revoke(5), "NotAllowed");
}

#[test]
fn the_last_owner_stays() {
    let mut stage = Stage::new();
    check_refused(&mut stage, 1, Action::Resign, "LastOwner");
    check_refused(&mut stage, 1, revoke(1), "OnOneself");
    stage.ok(1, grant(2, Owner));
    let offer = stage.registry.head().hash;
    check_refused(&mut stage, 1, Action::Resign, "LastOwner");
    stage.ok(2, Action::Accept { offer });
    stage.ok(1, Action::Resign);
    assert_eq!((stage.role(1), stage.role(2)), (None, Some(Owner)));
    check_refused(&mut stage, 2, Action::Resign, "LastOwner");
}

#[test]
fn an_owner_who_made_another_can_be_removed_without_taking_that_one_along() {
    let mut stage = Stage::new();
    stage.seat(1, 2, Owner);
    stage.ok(2, revoke(1));
    assert_eq!((stage.role(1), stage.role(2)), (None, Some(Owner)));
    check_refused(&mut stage, 1, grant(3, Worker), "NotAMember");
}

#[test]
fn a_revoked_members_grants_fall_and_a_kicked_ones_stay() {
    let mut revoked = staffed();
    revoked.ok(1, revoke(2));
    assert_eq!([2, 3, 4].map(|n| revoked.role(n)), [None, None, None]);

    let mut kicked = staffed();
    kicked.ok(1, Action::Kick { member: id(2) });
    assert_eq!(
        [2, 3, 4].map(|n| kicked.role(n)),
        [None, Some(Coordinator), Some(Worker)]
    );
    kicked.ok(1, grant(2, Worker));

    let mut resigned = staffed();
    resigned.ok(2, Action::Resign);
    assert_eq!(
        [2, 3, 4].map(|n| resigned.role(n)),
        [None, Some(Coordinator), Some(Worker)]
    );
}

#[test]
fn demotion_takes_effect_at_once_and_fells_what_rested_on_the_higher_role() {
    let mut stage = staffed();
    stage.ok(1, demote(2, Coordinator));
    assert_eq!([2, 3, 4].map(|n| stage.role(n)), [Some(Coordinator), None, None]);
    check_refused(&mut stage, 1, demote(2, Admin), "WrongDirection");
    stage.ok(1, promote(2, Admin));
    assert_eq!(
        stage.role(2),
        Some(Coordinator),
        "the old role counts until the new one is accepted"
    );
    let offer = stage.registry.head().hash;
    stage.ok(2, Action::Accept { offer });
    assert_eq!(stage.role(2), Some(Admin));
    check_refused(&mut stage, 2, Action::Accept { offer }, "NoSuchOffer");
}

#[test]
fn a_blocked_id_stays_out_until_somebody_of_that_rank_lets_it_in() {
    let mut stage = staffed();
    stage.ok(2, Action::Block { member: id(4) });
    assert!(stage.standing(4).blocked);
    check_refused(&mut stage, 1, grant(4, Worker), "Blocked");
    check_refused(&mut stage, 3, Action::Unblock { member: id(4) }, "NotAllowed");
    check_refused(&mut stage, 2, Action::Block { member: id(4) }, "NothingToDo");
    stage.ok(3, Action::Block { member: id(77) });
    check_refused(&mut stage, 3, Action::Block { member: id(3) }, "OnOneself");
    stage.ok(1, Action::Unblock { member: id(4) });
    stage.seat(3, 4, Worker);
    assert_eq!(stage.role(4), Some(Worker));
}

#[test]
fn grants_only_narrow_and_end_no_later_than_what_they_rest_on() {
    let mut stage = Stage::new();
    let caveats = Caveats {
        budget_tokens: Some(1000),
        kinds: Some(BTreeSet::from([WorkKind::INFERENCE])),
        requests_per_hour: Some(60),
        subgrants: 1,
    };
    let admin = Terms {
        role: Admin,
        caveats,
        until: Some(at(100)),
    };
    stage.ok(
        1,
        Action::Grant {
            holder: auth(2),
            terms: admin.clone(),
        },
    );
    let offer = stage.registry.head().hash;
    stage.ok(2, Action::Accept { offer });
    let below = Terms {
        role: Worker,
        caveats: Caveats {
            subgrants: 0,
            ..admin.caveats.clone()
        },
        ..admin.clone()
    };
    let give = |terms: Terms| Action::Grant {
        holder: auth(4),
        terms,
    };
    check_refused(&mut stage, 2, give(Terms::plain(Worker)), "WiderThanOwn");
    check_refused(
        &mut stage,
        2,
        give(Terms {
            until: Some(at(101)),
            ..below.clone()
        }),
        "WiderThanOwn",
    );
    check_refused(
        &mut stage,
        2,
        give(Terms {
            until: None,
            ..below.clone()
        }),
        "WiderThanOwn",
    );
    check_refused(
        &mut stage,
        2,
        give(Terms {
            until: Some(at(1)),
            ..below.clone()
        }),
        "Expired",
    );
    check_refused(&mut stage, 1, grant_owner_until(at(50)), "OwnerWithLimits");
    // A coordinator below this admin could grant nothing more.
    let coordinator = Terms {
        role: Coordinator,
        ..below.clone()
    };
    stage.ok(
        2,
        Action::Grant {
            holder: auth(3),
            terms: coordinator,
        },
    );
    let offer = stage.registry.head().hash;
    stage.ok(3, Action::Accept { offer });
    check_refused(&mut stage, 3, give(below.clone()), "WiderThanOwn");
    stage.ok(2, give(below));
    stage.registry.hear(stage.says(4, Said::Accept)).unwrap();
    assert_eq!(stage.standing(4).caveats.budget_tokens, Some(1000));

    stage.minutes = 100;
    assert_eq!(
        [2, 3, 4].map(|n| stage.role(n)),
        [None, None, None],
        "all of them have ended"
    );
    check_refused(&mut stage, 2, grant(9, Worker), "Expired");
    stage.ok(1, grant(2, Admin));
}

fn grant_owner_until(until: Timestamp) -> Action {
    Action::Grant {
        holder: auth(9),
        terms: Terms {
            until: Some(until),
            ..Terms::OWNER
        },
    }
}

#[test]
fn replayed_gapped_backdated_and_foreign_records_are_refused_with_the_reason() {
    let mut stage = staffed();
    let fork_point = stage.clone();
    let first = stage.signed(1, grant(5, Worker));
    stage.registry.apply(first.clone(), stage.now()).unwrap();
    assert_eq!(
        stage.registry.apply(first.clone(), stage.now()),
        Err(Refusal::Replayed)
    );
    // The same record with another valid signature of the same key is the same record.
    let again = CoSigned::from_bytes(&first.to_bytes()).unwrap();
    assert_eq!(stage.registry.apply(again, stage.now()), Err(Refusal::Replayed));

    let second = stage.signed(1, grant(6, Worker));
    let mut other = fork_point.clone();
    let missing = first.hash();
    assert_eq!(
        other.registry.apply(second.clone(), stage.now()),
        Err(Refusal::Gap { missing })
    );
    other.registry.apply(first, stage.now()).unwrap();
    other.registry.apply(second, stage.now()).unwrap();

    let check = |edit: &dyn Fn(&mut crate::Record), by: u8, expect: &str| {
        let mut stage = stage.clone();
        let mut record = stage.registry.next(id(1), stage.now(), Action::Seal);
        edit(&mut record);
        let got = stage
            .registry
            .apply(sign(&record, &[by]), stage.now())
            .unwrap_err();
        assert!(
            format!("{got:?}").starts_with(expect),
            "{got:?}, expected {expect}"
        );
    };
    check(&|r| r.sequence += 1, 1, "BadSequence");
    check(&|r| r.sequence = u64::MAX, 1, "BadSequence");
    check(&|r| r.issued_at = at(0), 1, "Backdated");
    check(&|r| r.issued_at = Timestamp::MAX, 1, "FromTheFuture");
    check(&|r| r.swarm = None, 1, "WrongSwarm");
    check(
        &|r| {
            r.swarm = Some(crate::SwarmId::of_genesis(identity::RecordHash::from_bytes(
                [1; 32],
            )))
        },
        1,
        "WrongSwarm",
    );
    check(&|r| r.previous = None, 1, "WrongSwarm");
    check(
        &|r| r.previous = Some(identity::RecordHash::from_bytes([1; 32])),
        1,
        "Gap",
    );
    check(&|_| (), 2, "WrongSigners");
    check(
        &|r| r.action = genesis_record(auth(1), None).action,
        1,
        "WrongSwarm",
    );
    check(
        &|r| {
            r.action = Action::Halt {
                reason: "x".repeat(257),
            }
        },
        1,
        "TooLong",
    );
}

#[test]
fn an_older_head_is_a_rollback_and_a_lost_one_a_fork() {
    let mut stage = staffed();
    let old = stage.registry.head();
    let lost = stage.signed(2, Action::Seal);
    stage.ok(1, Action::Seal);
    assert_eq!(
        stage.registry.apply(lost.clone(), stage.now()),
        Ok(Outcome::Aside)
    );
    let ours = stage.registry.head();
    assert_eq!(stage.registry.check_head(ours), Ok(true));
    let rollback = Refusal::RolledBack {
        offered: old.sequence,
        ours: ours.sequence,
    };
    assert_eq!(stage.registry.check_head(old), Err(rollback));
    let fork = Head {
        hash: lost.hash(),
        ..ours
    };
    assert_eq!(
        stage.registry.check_head(fork),
        Err(Refusal::Forked { ours: ours.sequence })
    );
    let unknown = Head {
        sequence: 99,
        hash: identity::RecordHash::from_bytes([9; 32]),
    };
    assert_eq!(stage.registry.check_head(unknown), Ok(false));
}

#[test]
fn a_revoked_admin_cannot_write_history_anew_however_much_they_write() {
    let mut stage = staffed();
    let before = stage.clone();
    stage.ok(3, Action::Seal);
    stage.ok(1, revoke(2));
    // From before the revocation: 2 brings in friends, seats a coordinator, blocks the others' people, and seals.
    let mut forged = before;
    forged.seat(2, 20, Coordinator).seat(2, 21, Coordinator);
    forged.ok(2, Action::Block { member: id(3) });
    for n in [2, 20, 21, 2, 20, 21] {
        forged.ok(n, Action::Seal);
    }
    let now = forged.now();
    for record in forged.registry.records() {
        let known = stage.registry.apply(record.clone(), now);
        assert!(
            matches!(known, Ok(Outcome::Aside) | Err(Refusal::Replayed)),
            "{known:?}"
        );
    }
    assert_eq!([2, 20, 21].map(|n| stage.role(n)), [None, None, None]);
    // And the other way round: who saw the forgery first changes sides as soon as the Owner's records come.
    for record in stage.registry.records() {
        let _ = forged.registry.apply(record.clone(), now);
    }
    assert_eq!(forged.registry.state(), stage.registry.state());
}

#[test]
fn two_owners_who_remove_each_other_leave_the_elder() {
    let mut stage = Stage::new();
    stage.seat(1, 2, Owner).seat(1, 3, Owner);
    let (one, two) = (stage.signed(1, revoke(2)), stage.signed(2, revoke(1)));
    // Other minutes, other hashes: the elder stays in all of them, so it is not the hash that decides.
    for minutes in 0..8 {
        let mut stage = Stage {
            minutes: stage.minutes + minutes,
            ..stage.clone()
        };
        let both = [stage.signed(1, revoke(2)), stage.signed(2, revoke(1))];
        for record in both {
            stage.registry.apply(record, stage.now()).unwrap();
        }
        assert_eq!([1, 2].map(|n| stage.role(n)), [Some(Owner), None]);
    }
    for order in [[&one, &two], [&two, &one]] {
        let mut stage = stage.clone();
        for record in order {
            stage.registry.apply(record.clone(), stage.now()).unwrap();
        }
        assert_eq!([1, 2].map(|n| stage.role(n)), [Some(Owner), None]);
        // Unless a third Owner takes the younger one's side.
        let mut siding = stage.clone();
        let mut record = stage.registry.next(id(3), stage.now(), Action::Seal);
        record.previous = Some(two.hash());
        siding.registry.apply(sign(&record, &[3]), stage.now()).unwrap();
        assert_eq!(
            [1, 2, 3].map(|n| siding.role(n)),
            [None, Some(Owner), Some(Owner)]
        );
    }
}

#[test]
fn a_key_that_was_handed_over_cannot_be_used_to_say_that_it_was_not() {
    let mut stage = Stage::new();
    let hand_over = |stage: &Stage| {
        sign(
            &stage
                .registry
                .next(id(1), stage.now(), Action::Handover { to: auth(9) }),
            &[1, 9],
        )
    };
    let kept = stage.signed(1, grant(66, Owner));
    let given = hand_over(&stage);
    assert_eq!(
        stage.registry.apply(kept.clone(), stage.now()),
        Ok(Outcome::Extended)
    );
    assert_eq!(
        stage.registry.apply(given, stage.now()),
        Ok(Outcome::Switched {
            dropped: vec![kept.hash()]
        })
    );
    assert_eq!([1, 9].map(|n| stage.role(n)), [None, Some(Owner)]);
}

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
