//! Every limit of a registry, reached.
//! Records go in as if verified: what is counted here is room.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use identity::{Authority, CoSigned, LocalKey, NodeId, SigningKey as _};

use crate::{
    Action, Caveats, MAX_BLOCKED, MAX_CHILDREN, MAX_FORKS, MAX_KINDS, MAX_MEMBERS, MAX_RECORDS, MAX_SWARMS,
    Memberships, Outcome, Record, Refusal, Registry, Role, Terms, WorkKind,
    fork::Node,
    testing::{Stage, at, auth, genesis_record, grant, id, sign},
};

/// Key `n` says `record`.
fn put(registry: &mut Registry, n: u8, record: Record) -> Result<Outcome, Refusal> {
    let signed = CoSigned::unsigned(&record).unwrap();
    let now = record.issued_at;
    registry.insert(
        signed.hash(),
        Node {
            record,
            signers: auth(n).keys().to_vec(),
        },
        signed,
        now,
    )
}

/// Key 1 does one thing after the other until one is refused; returns how many were done.
fn fill(registry: &mut Registry, what: &'static str, max: usize, action: impl Fn(u32) -> Action) {
    for n in 0.. {
        let record = registry.next(id(1), at(1), action(n));
        if let Err(refusal) = put(registry, 1, record) {
            assert_eq!(refusal, Refusal::Full { what, max });
            assert!(n as usize + 1 >= max, "refused after {n} of {max} {what}");
            return;
        }
        assert!((n as usize) < max, "{n} of {max} {what}");
    }
}

fn numbered(n: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    NodeId::from_bytes(bytes)
}

#[test]
fn members_blocks_children_and_records_have_their_limits() {
    let member = |n: u32| {
        let mut secret = [1; 32];
        secret[..4].copy_from_slice(&n.to_be_bytes());
        // Of the kind that is quickly made: they only take up room.
        Authority::Key(LocalKey::eddsa(&secret).unwrap().public_key())
    };
    let terms = Terms::plain(Role::Worker);
    let empty = Stage::new().registry;
    fill(&mut empty.clone(), "members", MAX_MEMBERS, |n| Action::Grant {
        holder: member(n),
        terms: terms.clone(),
    });
    fill(&mut empty.clone(), "blocked ids", MAX_BLOCKED, |n| {
        Action::Block { member: numbered(n) }
    });
    let child = |n: u32| Action::Child {
        owner: auth(2),
        name: n.to_string(),
    };
    fill(&mut empty.clone(), "children", MAX_CHILDREN, child);
    fill(&mut empty.clone(), "records", MAX_RECORDS, |_| Action::Seal);
}

#[test]
fn kinds_of_work_in_a_grant_have_their_limit() {
    for (kinds, ok) in [(MAX_KINDS, true), (MAX_KINDS + 1, false)] {
        let kinds: BTreeSet<_> = (0..kinds as u16).map(WorkKind).collect();
        let caveats = Caveats {
            kinds: Some(kinds),
            ..Terms::plain(Role::Admin).caveats
        };
        let terms = Terms {
            role: Role::Admin,
            caveats,
            until: None,
        };
        let mut registry = Stage::new().registry;
        let record = registry.next(
            id(1),
            at(1),
            Action::Grant {
                holder: auth(2),
                terms,
            },
        );
        assert_eq!(put(&mut registry, 1, record).is_ok(), ok);
    }
}

#[test]
fn an_ex_member_who_fills_the_forks_does_not_keep_an_owner_out() {
    let mut stage = Stage::new();
    stage.seat(1, 2, Role::Admin);
    let fork_point = stage.registry.clone();
    stage.ok(1, Action::Revoke { member: id(2) });
    let fork = |n: u32| fork_point.next(id(2), at(10), Action::Block { member: numbered(n) });
    for n in 0..MAX_FORKS as u32 {
        assert_eq!(put(&mut stage.registry, 2, fork(n)), Ok(Outcome::Aside));
    }
    let full = |max| Err(Refusal::Full { what: "forks", max });
    assert_eq!(put(&mut stage.registry, 2, fork(9999)), full(MAX_FORKS));
    // The Owner still gets in, as often again; and whoever extends a branch makes no fork.
    for n in 0..=MAX_FORKS as u8 {
        let record = fork_point.next(id(1), at(10), grant(100 + n, Role::Worker));
        let got = put(&mut stage.registry, 1, record);
        assert_eq!(got.is_ok(), usize::from(n) < MAX_FORKS, "{n}: {got:?}");
    }
    stage.ok(1, Action::Seal);
    assert_eq!(stage.role(2), None);
}

#[test]
fn a_node_follows_so_many_swarms_and_no_more() {
    let mut swarms = Memberships::new(id(1));
    let mut follow = |n: u8| {
        let mut genesis = genesis_record(auth(1), None);
        genesis.issued_at = at(u64::from(n));
        swarms.follow(Registry::found(sign(&genesis, &[1])).unwrap())
    };
    for n in 0..MAX_SWARMS as u8 {
        follow(n).unwrap();
    }
    assert_eq!(
        follow(MAX_SWARMS as u8),
        Err(Refusal::Full {
            what: "swarms",
            max: MAX_SWARMS
        })
    );
}
