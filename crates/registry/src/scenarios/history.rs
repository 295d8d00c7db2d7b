//! What nobody can do to a swarm's past: records sent twice, late, from elsewhere or on another branch.
//! Who may write which record is told in the stories beside it.

use identity::{CoSigned, Timestamp};

use super::{revoke, staffed};
use crate::{
    Action, Head, Outcome, Refusal,
    Role::*,
    testing::{Stage, at, auth, genesis_record, grant, id, sign},
};

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
