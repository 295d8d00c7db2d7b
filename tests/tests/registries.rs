//! Swarms in the simulated world: records spread, a halt stops the work, membership decides who may ask.
//! What a record may do is shown in `registry`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use identity::{Authority, CoSigned, LocalKey, NodeId, SigningKey as _};
use node::LendState;
use node::io::{Ask, Code, Event, Input, Keep, Lend, Mode, RequestId};
use protocol::{Ground, LayerRange, RegistryAsk, SwarmId};
use registry::policy::{Privacy, SwarmPolicy, Who};
use registry::{Action, Genesis, Record, Registry, Role, Said, Statement, Terms};
use tests::world::{Distance, MORNING, QUICK, World, anybody, ask, model, undisturbed};

const LAYERS: u32 = 8;

fn key(seed: u8) -> LocalKey {
    LocalKey::es256(&[seed; 32]).unwrap()
}

fn id(seed: u8) -> NodeId {
    key(seed).public_key().node_id()
}

fn sign<T: identity::Record>(record: &T, seed: u8) -> CoSigned<T> {
    CoSigned::sign(record, &[&key(seed)]).unwrap()
}

/// A swarm of key 1.
fn founded() -> Registry {
    let owner = Authority::Key(key(1).public_key());
    let genesis = Record {
        swarm: None,
        sequence: 0,
        previous: None,
        author: owner.id(),
        issued_at: MORNING,
        action: Action::Genesis(Genesis {
            name: "room".to_owned(),
            owner,
            parent: None,
            salt: [1; 16],
        }),
    };
    Registry::found(sign(&genesis, 1)).unwrap()
}

fn name(registry: &Registry) -> SwarmId {
    SwarmId(*registry.id().as_bytes())
}

/// Hosts that all know a swarm's first record; the first belongs to its Owner, key 1, the others to keys 2, 3, …
/// The swarm is the one that is open to everybody.
fn world(hosts: usize) -> (World, SwarmId) {
    following(hosts, true)
}

/// The same, but the swarm is one of key 1's own, beside the one that is open to everybody.
fn private(hosts: usize) -> (World, SwarmId) {
    following(hosts, false)
}

fn following(hosts: usize, open: bool) -> (World, SwarmId) {
    let registry = founded();
    let mut world = World::new(1);
    world.network.everywhere = Some(Distance {
        delay_ms: 5,
        jitter_ms: 5,
        bytes_per_ms: 0,
    });
    if open {
        world.swarm = name(&registry);
    }
    for seed in 1..=hosts as u8 {
        let host = world.host(QUICK);
        world.belongs_to(host, key(seed));
        world.input(host, Input::Follow(Box::new(registry.clone())));
    }
    (world, name(&registry))
}

/// A host asks, and it is over within this time, one way or another; when.
fn over(world: &mut World, host: usize, question: Ask, within_ms: u64) -> u64 {
    let request = question.request;
    world.input(host, Input::Ask(question));
    world
        .run_until_over(host, request, world.now + within_ms)
        .unwrap()
}

fn registry(world: &World, host: usize, swarm: &SwarmId) -> Registry {
    world.hosts[host]
        .node
        .as_ref()
        .unwrap()
        .registry(swarm)
        .unwrap()
        .clone()
}

/// The Owner's host signs a record.
fn act(world: &mut World, swarm: &SwarmId, action: Action) {
    let record = registry(world, 0, swarm).next(id(1), world.wall(), action);
    let record = Box::new(sign(&record, 1));
    world.input(
        0,
        Input::Record {
            swarm: *swarm,
            record,
        },
    );
}

fn grant(seed: u8, role: Role) -> Action {
    Action::Grant {
        holder: Authority::Key(key(seed).public_key()),
        terms: Terms::plain(role),
    }
}

/// Host `host`, which belongs to key `host + 1`, becomes a Worker of the swarm.
fn join(world: &mut World, swarm: &SwarmId, host: usize) {
    act(world, swarm, grant(host as u8 + 1, Role::Worker));
    accept(world, swarm, host);
}

/// Host `host` accepts what the newest record offers to its owner.
fn accept(world: &mut World, swarm: &SwarmId, host: usize) {
    let seed = host as u8 + 1;
    let statement = Statement {
        swarm: registry(world, 0, swarm).id(),
        grant: registry(world, 0, swarm).head().hash,
        holder: Authority::Key(key(seed).public_key()),
        said: Said::Accept,
    };
    world.run_until(world.now + 3_000);
    let statement = Box::new(sign(&statement, seed));
    world.input(
        host,
        Input::Statement {
            swarm: *swarm,
            statement,
        },
    );
    world.run_until(world.now + 3_000);
}

fn lent(policy: SwarmPolicy) -> Lend {
    Lend {
        swarm: None,
        model: model(LAYERS),
        layers: LayerRange::new(0, LAYERS).ok(),
        most_layers: LAYERS,
        policy,
        memory_bytes: 1 << 20,
        positions: 10_000,
    }
}

fn lend(world: &mut World, host: usize, policy: SwarmPolicy) {
    world.input(host, Input::Lend(Box::new(lent(policy))));
}

/// Why a host's last question was refused: as not allowed, and by no other code.
fn refusal(world: &World, host: usize) -> &str {
    match world.last(host) {
        Event::Failed {
            code: Code::NotAllowed,
            message,
            ..
        } => message,
        other => panic!("{other:?}"),
    }
}

/// The ground of the same.
fn ground(world: &World, host: usize) -> Option<Ground> {
    match world.last(host) {
        Event::Failed { ground, .. } => *ground,
        other => panic!("{other:?}"),
    }
}

/// A swarm of key 1's own with so many hosts, of which the second is a Worker and lends to its members.
fn with_a_worker(hosts: usize) -> (World, SwarmId) {
    let (mut world, swarm) = private(hosts);
    join(&mut world, &swarm, 1);
    lend_to(&mut world, 1, swarm, members());
    world.run_until(world.now + 8_000);
    (world, swarm)
}

fn lend_to(world: &mut World, host: usize, swarm: SwarmId, policy: SwarmPolicy) {
    let lend = Lend {
        swarm: Some(swarm),
        ..lent(policy)
    };
    world.input(host, Input::Lend(Box::new(lend)));
}

fn members() -> SwarmPolicy {
    SwarmPolicy {
        who: Who::Members,
        ..anybody()
    }
}

#[test]
fn a_record_reaches_everybody_and_each_keeps_it_once() {
    let (mut world, swarm) = world(12);
    for host in 1..12 {
        lend(&mut world, host, anybody());
    }
    world.run_until(8_000);
    act(&mut world, &swarm, grant(40, Role::Admin));
    world.run_until(world.now + 2_000);
    for host in 0..12 {
        assert_eq!(
            registry(&world, host, &swarm).head().sequence,
            1,
            "host {host} within two seconds"
        );
        let kept = world.hosts[host]
            .kept
            .iter()
            .filter(|keep| matches!(keep, Keep::Record { .. }));
        assert_eq!(kept.count(), 1, "host {host}");
    }
}

#[test]
fn whoever_comes_late_asks_for_what_was_missed_page_by_page() {
    let (mut world, swarm) = world(3);
    for seed in 0..100 {
        act(&mut world, &swarm, grant(100 + seed, Role::Worker));
    }
    lend(&mut world, 0, anybody());
    let whole = registry(&world, 0, &swarm);
    assert_eq!(whole.head().sequence, 100);
    world.run_until(70_000);
    for host in [1, 2] {
        let theirs = registry(&world, host, &swarm);
        assert_eq!(theirs.head(), whole.head(), "host {host}");
        assert_eq!(theirs.state(), whole.state());
    }
    // A restart begins with what was kept.
    let mut again = founded();
    for keep in &world.hosts[2].kept {
        if let Keep::Record { record, .. } = keep {
            again.apply((**record).clone(), world.wall()).unwrap();
        }
    }
    assert_eq!(again.head(), whole.head());
}

#[test]
fn a_halt_stops_the_work_everywhere_and_a_lift_lets_it_go_on() {
    let (mut world, swarm) = world(4);
    for host in [1, 2] {
        lend(&mut world, host, anybody());
    }
    world.run_until(8_000);
    world.input(3, Input::Ask(ask(1, &[1, 2, 3], 500, LAYERS)));
    world.run_until(world.now + 200);
    assert!(world.hosts.iter().any(|host| host.device.caches() > 0));
    let reason = "the electricity bill".to_owned();
    act(
        &mut world,
        &swarm,
        Action::Halt {
            reason: reason.clone(),
        },
    );
    world.run_until(world.now + 1_000);
    refusal(&world, 3);
    assert_eq!(ground(&world, 3), Some(Ground::Halted));
    assert!(
        world.hosts.iter().all(|host| host.device.caches() == 0),
        "within a second"
    );
    let row = world.snapshot(1).swarms.remove(0);
    assert_eq!(row.halted, Some(reason));
    world.run_until(world.now + 20_000);
    let rows = world.snapshot(0).peers;
    assert!(rows.iter().all(|row| row.work.is_none()), "nothing is offered");
    world.input(3, Input::Ask(ask(2, &[1, 2, 3], 8, LAYERS)));
    refusal(&world, 3);
    assert_eq!(ground(&world, 3), Some(Ground::Halted));
    act(&mut world, &swarm, Action::Lift);
    world.run_until(world.now + 3_000);
    over(&mut world, 3, ask(3, &[1, 2, 3], 8, LAYERS), 30_000);
    assert!(matches!(world.last(3), Event::Finished { .. }));
}

#[test]
fn a_worker_for_members_serves_members_and_says_no_to_strangers_and_to_the_blocked() {
    let (mut world, swarm) = world(4);
    lend(&mut world, 1, members());
    world.run_until(8_000);
    join(&mut world, &swarm, 2);
    let question = |id| ask(id, &[1, 2, 3], 8, LAYERS);
    over(&mut world, 2, question(1), 30_000);
    assert_eq!(
        world.tokens(2, RequestId(1), 3),
        undisturbed(&[1, 2, 3], LAYERS, &question(1).sampling, 8)
    );
    over(&mut world, 3, question(1), 30_000);
    assert!(refusal(&world, 3).contains("strangers"), "a stranger is told why");
    act(&mut world, &swarm, Action::Block { member: id(3) });
    world.run_until(world.now + 2_000);
    over(&mut world, 2, question(2), 30_000);
    assert!(refusal(&world, 2).contains("strangers"), "and so are the blocked");
    let row = world.snapshot(2).swarms.remove(0);
    assert_eq!((row.role, row.blocked), (None, true));
}

#[test]
fn whoever_is_blocked_in_the_middle_of_an_answer_hears_that_it_is_for_this() {
    let (mut world, swarm) = world(3);
    lend(&mut world, 1, anybody());
    world.run_until(8_000);
    join(&mut world, &swarm, 2);
    world.input(2, Input::Ask(ask(1, &[1, 2, 3], 2_000, LAYERS)));
    world.run_until(world.now + 500);
    assert!(world.hosts[1].device.caches() > 0);
    act(&mut world, &swarm, Action::Block { member: id(3) });
    world.run_until_over(2, RequestId(1), world.now + 20_000).unwrap();
    assert!(refusal(&world, 2).contains("blocked"));
    assert_eq!(ground(&world, 2), Some(Ground::Blocked));
}

#[test]
fn so_many_sessions_an_hour_are_counted_and_the_next_hour_is_another_one() {
    let (mut world, _) = world(2);
    let rare = SwarmPolicy {
        sessions_per_hour: 2,
        ..anybody()
    };
    lend(&mut world, 1, rare);
    world.run_until(8_000);
    let answers = |world: &mut World, id| {
        over(world, 0, ask(id, &[1, 2, 3], 4, LAYERS), 20_000);
        matches!(world.last(0), Event::Finished { .. })
    };
    assert!(answers(&mut world, 1) && answers(&mut world, 2));
    assert!(!answers(&mut world, 3), "a third within the hour");
    assert_eq!(ground(&world, 0), Some(Ground::SessionsPerHour));
    world.run_until(world.now + 3_600_000);
    assert!(answers(&mut world, 4));
}

#[test]
fn the_budget_of_a_grant_is_used_up_by_what_is_computed() {
    let (mut world, swarm) = world(3);
    lend(&mut world, 1, members());
    world.run_until(8_000);
    let mut terms = Terms::plain(Role::Worker);
    terms.caveats.budget_tokens = Some(45);
    let holder = Authority::Key(key(3).public_key());
    act(&mut world, &swarm, Action::Grant { holder, terms });
    accept(&mut world, &swarm, 2);
    let answers = |world: &mut World, id| {
        // Room for 3 + 8 positions and the guesses that may be made: 26.
        world.input(2, Input::Ask(ask(id, &[1, 2, 3], 8, LAYERS)));
        world
            .run_until_over(2, RequestId(id), world.now + 20_000)
            .is_some()
    };
    assert!(answers(&mut world, 1), "26 of 45");
    assert!(answers(&mut world, 2), "26 of 35");
    answers(&mut world, 3);
    assert!(refusal(&world, 2).contains("25 tokens of the budget"), "26 of 25");
    assert_eq!(ground(&world, 2), Some(Ground::Budget));
}

#[test]
fn my_devices_are_those_of_my_key_and_of_the_members_of_my_swarm() {
    let (mut world, swarm) = world(3);
    for host in [1, 2] {
        let mine = SwarmPolicy {
            privacy: Privacy::Mine,
            ..anybody()
        };
        lend(&mut world, host, mine);
    }
    world.run_until(8_000);
    let question = |id| Ask {
        mode: Mode::Mine,
        ..ask(id, &[1, 2, 3], 8, LAYERS)
    };
    let mine = |world: &World| -> BTreeSet<_> {
        let rows = world.snapshot(0).peers;
        rows.into_iter()
            .filter(|row| row.mine)
            .map(|row| row.peer)
            .collect()
    };
    assert!(mine(&world).is_empty());
    // The same key on another device.
    world.belongs_to(1, key(1));
    world.run_until(world.now + 12_000);
    assert_eq!(mine(&world), BTreeSet::from([world.hosts[1].id.clone()]));
    over(&mut world, 0, question(1), 30_000);
    // A member of a swarm that my key owns.
    join(&mut world, &swarm, 2);
    world.run_until(world.now + 12_000);
    assert_eq!(mine(&world).len(), 2);
    // Another swarm is another matter: no work is done for it here.
    world.input(1, Input::StopLending);
    world.run_until(world.now + 3_000);
    over(&mut world, 0, question(2), 20_000);
    assert!(
        refusal(&world, 0).contains("does not see the text of people so far away"),
        "its terms are for its own owner, and it says so itself"
    );
}

#[test]
fn members_who_lend_nothing_hear_of_a_record_within_seconds_and_of_a_workers_word_too() {
    let (mut world, swarm) = private(3);
    world.run_until(20_000);
    act(&mut world, &swarm, grant(2, Role::Worker));
    world.run_until(world.now + 2_000);
    for host in 0..3 {
        assert_eq!(registry(&world, host, &swarm).head().sequence, 1, "host {host}");
    }
    accept(&mut world, &swarm, 1);
    let role = |world: &World, host| registry(world, host, &swarm).standing(id(2), world.wall()).role;
    assert_eq!(role(&world, 0), Some(Role::Worker));
    // Somebody who was away.
    world.crash(2, false);
    act(&mut world, &swarm, grant(40, Role::Worker));
    world.run_until(world.now + 60_000);
    world.restart(2);
    world.input(2, Input::Follow(Box::new(founded())));
    world.run_until(world.now + 8_000);
    assert_eq!(registry(&world, 2, &swarm).head().sequence, 2);
    assert_eq!(role(&world, 2), Some(Role::Worker), "statements come along");
}

#[test]
fn in_a_crowd_only_so_many_say_that_they_are_here() {
    let (mut world, _) = private(60);
    world.run_until(200_000);
    let before: Vec<u64> = world.hosts.iter().map(|host| host.published).collect();
    world.run_until(world.now + 300_000);
    let said: Vec<u64> = world
        .hosts
        .iter()
        .zip(before)
        .map(|(host, before)| host.published - before)
        .collect();
    let total: u64 = said.iter().sum();
    // Ten rounds, and one more where the last one ends just in time.
    assert!((10 * 16..=11 * 16).contains(&total), "{total}: {said:?}");
}

#[test]
fn a_device_of_ones_own_swarm_is_used_as_mine_wherever_it_works_and_by_nobody_else() {
    let (mut world, swarm) = with_a_worker(3);
    let mine = |id| Ask {
        mode: Mode::Mine,
        ..ask(id, &[1, 2, 3], 8, LAYERS)
    };
    over(&mut world, 0, mine(1), 30_000);
    assert!(
        matches!(world.last(0), Event::Finished { route, .. } if route.hops[0].peer == world.hosts[1].id)
    );
    // Key 3 follows the register, and has no role in it.
    for question in [
        mine(1),
        Ask {
            swarm: Some(swarm),
            ..ask(2, &[1, 2, 3], 8, LAYERS)
        },
    ] {
        over(&mut world, 2, question, 20_000);
        refusal(&world, 2);
    }
    let asked_there = Ask {
        swarm: Some(SwarmId([3; 32])),
        ..ask(3, &[1, 2, 3], 8, LAYERS)
    };
    world.input(2, Input::Ask(asked_there));
    assert!(matches!(
        world.last(2),
        Event::Failed {
            code: Code::BadRequest,
            ..
        }
    ));
    // In the swarm that is open to everybody nobody lends.
    over(&mut world, 0, ask(4, &[1, 2, 3], 8, LAYERS), 30_000);
    assert!(
        matches!(world.last(0), Event::Finished { .. }),
        "mine are mine in every mode"
    );
}

#[test]
fn nobody_lends_to_a_swarm_in_which_they_have_no_role() {
    let (mut world, swarm) = private(2);
    lend_to(&mut world, 1, swarm, anybody());
    assert_eq!(
        world.snapshot(1).lending,
        LendState::Failed {
            code: Code::NotAllowed
        }
    );
    world.run_until(10_000);
    let rows = world.snapshot(0).peers;
    assert!(rows.iter().all(|row| row.work.is_none()));
}

#[test]
fn a_revoked_worker_gets_no_more_work_and_its_sessions_end() {
    let (mut world, swarm) = with_a_worker(2);
    let mine = |id| Ask {
        mode: Mode::Mine,
        ..ask(id, &[1, 2, 3], 2_000, LAYERS)
    };
    world.input(0, Input::Ask(mine(1)));
    world.run_until(world.now + 500);
    assert!(world.hosts[1].device.caches() > 0);
    act(&mut world, &swarm, Action::Revoke { member: id(2) });
    world.run_until(world.now + 1_000);
    assert_eq!(world.hosts[1].device.caches(), 0, "within a second");
    let waits = world.snapshot(0).requests[0].waiting;
    assert!(
        waits.is_some(),
        "what was said stands, and nobody else is there to go on"
    );
    assert_eq!(
        world.snapshot(1).lending,
        LendState::Failed {
            code: Code::NotAllowed
        },
        "and the worker knows why it has nothing to do"
    );
    world.run_until_over(0, RequestId(1), world.now + 70_000).unwrap();
    assert!(matches!(
        world.last(0),
        Event::Failed {
            code: Code::NoRoute,
            ..
        }
    ));
    assert_eq!(world.hosts[1].device.caches(), 0);
}

#[test]
fn whoever_loses_the_role_that_let_them_in_is_told_so_in_the_middle_of_an_answer() {
    let (mut world, swarm) = with_a_worker(3);
    join(&mut world, &swarm, 2);
    let question = Ask {
        swarm: Some(swarm),
        ..ask(1, &[1, 2, 3], 2_000, LAYERS)
    };
    world.input(2, Input::Ask(question));
    world.run_until(world.now + 500);
    assert!(world.hosts[1].device.caches() > 0);
    act(&mut world, &swarm, Action::Revoke { member: id(3) });
    world.run_until(world.now + 1_000);
    assert_eq!(world.hosts[1].device.caches(), 0, "within a second");
    world.run_until_over(2, RequestId(1), world.now + 20_000).unwrap();
    // Whichever comes first: the worker's word, or the register's.
    let why = refusal(&world, 2);
    assert!(why.contains("members") || why.contains("strangers"), "{why}");
}

#[test]
fn a_page_for_nobody_and_a_question_without_end_are_let_go() {
    let (mut world, swarm) = world(1);
    let stream = node::io::StreamId::inbound(9);
    let node = world.hosts[0].node.as_mut().unwrap();
    let now = node::io::Now(10);
    let peer = protocol::PeerId::new("stranger").unwrap();
    node.handle_input(now, Input::InboundStream { stream, peer });
    let (mut pages, mut closed) = (0, false);
    for _ in 0..100 {
        let ask = RegistryAsk {
            swarm,
            head: None,
            from: None,
        };
        let message = protocol::Message::RegistryAsk(ask);
        node.handle_input(now, Input::Received { stream, message });
        while let Some(output) = node.poll_output() {
            match output {
                node::io::Output::Send { .. } => pages += 1,
                node::io::Output::CloseStream { stream: which } if which == stream => closed = true,
                _ => {}
            }
        }
    }
    assert!(closed && pages <= 16, "{pages} pages in one moment");
}
