//! What people and programs do with a swarm, and what each rule stops, told one story at a time: here who may give
//! which role to whom.
//! It does not try random things: see `property`.
#![allow(clippy::unwrap_used)]

mod history;
mod life;

use std::collections::BTreeSet;

use identity::Timestamp;

use crate::{
    Action, Caveats, Role, Said, Terms, WorkKind,
    testing::{Stage, at, auth, grant, id},
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
