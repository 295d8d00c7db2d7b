//! Terms that change while something is lent: who is let go, who is let in, what stays.
//! What terms can say is shown where they are decided, in `registry`.
#![allow(clippy::unwrap_used)]

use node::LendState;
use node::io::{Code, Event, Input, RequestId};
use protocol::Ground;
use registry::policy::{MAX_LISTED, Privacy, SwarmPolicy, Who};
use tests::world::{QUICK, Speed, World, anybody, ask, undisturbed};

const SPEED: Speed = Speed {
    load_ms: 3_000,
    ..QUICK
};
const LAYERS: u32 = 4;
const PROMPT: [u32; 3] = [1, 5, 9];

/// One who asks, one who lends all layers and is ready.
fn world() -> (World, usize, usize) {
    let (mut world, asker, worker) = World::of_two(SPEED, LAYERS);
    world.run_until(10_000);
    (world, asker, worker)
}

fn mine_only() -> SwarmPolicy {
    SwarmPolicy {
        privacy: Privacy::Mine,
        ..anybody()
    }
}

#[test]
fn new_terms_hold_at_once_and_without_loading_anew() {
    let (mut world, asker, worker) = world();
    assert_eq!(world.snapshot(worker).terms, Some(anybody()));
    world.input(asker, Input::Ask(ask(1, &PROMPT, 4_000, LAYERS)));
    world.run_until(world.now + 500);
    assert!(matches!(world.last_of(asker, RequestId(1)), Event::Token { .. }));

    world.input(worker, Input::Terms(Box::new(mine_only())));
    assert_eq!(
        world.hosts[worker].device.caches(),
        0,
        "a stranger's session ends"
    );
    assert_eq!(world.snapshot(worker).terms, Some(mine_only()));
    assert!(matches!(world.snapshot(worker).lending, LendState::Ready { .. }));
    world
        .run_until_over(asker, RequestId(1), world.now + 10_000)
        .unwrap();
    match world.last_of(asker, RequestId(1)) {
        Event::Failed {
            code: Code::NotAllowed,
            ground: Some(Ground::TooPrivate),
            message,
            ..
        } => assert!(message.contains("so far away"), "{message}"),
        other => panic!("{other:?}"),
    }

    world.input(worker, Input::Terms(Box::new(anybody())));
    let start = world.now;
    world.input(asker, Input::Ask(ask(2, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(2), world.now + 10_000)
        .unwrap();
    let expected = undisturbed(&PROMPT, LAYERS, &protocol::Sampling::GREEDY, 8);
    assert_eq!(world.tokens(asker, RequestId(2), PROMPT.len()), expected);
    assert!(
        world.now - start < SPEED.load_ms,
        "the layers were there all the time: {} ms",
        world.now - start
    );
}

#[test]
fn terms_that_still_allow_it_end_nothing() {
    let (mut world, asker, worker) = world();
    world.input(asker, Input::Ask(ask(1, &PROMPT, 200, LAYERS)));
    world.run_until(world.now + 50);
    let terms = SwarmPolicy {
        // It came once in this hour already: that is no reason to end what was let in.
        sessions_per_hour: 1,
        reserved_percent: 50,
        ..anybody()
    };
    world.input(worker, Input::Terms(Box::new(terms)));
    world
        .run_until_over(asker, RequestId(1), world.now + 10_000)
        .unwrap();
    let Event::Finished { route, .. } = world.last_of(asker, RequestId(1)) else {
        panic!("{:?}", world.last_of(asker, RequestId(1)))
    };
    assert_eq!(route.replays, 0);
    world.input(asker, Input::Ask(ask(2, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(2), world.now + 10_000)
        .unwrap();
    let ended = world.last_of(asker, RequestId(2));
    let ground = Some(Ground::SessionsPerHour);
    assert!(
        matches!(ended, Event::Failed { ground: said, .. } if *said == ground),
        "nobody new comes in, and hears why: {ended:?}"
    );
}

#[test]
fn terms_that_let_nobody_new_in_end_nothing_that_was_let_in() {
    let (mut world, asker, worker) = world();
    world.input(asker, Input::Ask(ask(1, &PROMPT, 200, LAYERS)));
    world.run_until(world.now + 50);
    let closed = SwarmPolicy {
        sessions_per_hour: 0,
        ..anybody()
    };
    world.input(worker, Input::Terms(Box::new(closed)));
    assert_eq!(world.hosts[worker].device.caches(), 1, "it goes on");
    world
        .run_until_over(asker, RequestId(1), world.now + 10_000)
        .unwrap();
    let Event::Finished { route, .. } = world.last_of(asker, RequestId(1)) else {
        panic!("{:?}", world.last_of(asker, RequestId(1)))
    };
    assert_eq!(route.replays, 0);
    world.input(asker, Input::Ask(ask(2, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(2), world.now + 10_000)
        .unwrap();
    let ended = world.last_of(asker, RequestId(2));
    let ground = Some(Ground::SessionsPerHour);
    assert!(
        matches!(ended, Event::Failed { ground: said, .. } if *said == ground),
        "nobody new comes in, and hears why: {ended:?}"
    );
}

#[test]
fn terms_beyond_their_limits_or_for_nothing_change_nothing() {
    let (mut world, asker, worker) = world();
    let listed = (0..=MAX_LISTED as u64).map(|n| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        identity::NodeId::from_bytes(id)
    });
    let over = SwarmPolicy {
        who: Who::Listed(listed.collect()),
        ..anybody()
    };
    world.input(worker, Input::Terms(Box::new(over)));
    assert_eq!(world.snapshot(worker).terms, Some(anybody()));
    world.input(asker, Input::Terms(Box::new(mine_only())));
    assert_eq!(world.snapshot(asker).terms, None);
    assert_eq!(world.snapshot(asker).lending, LendState::Off);
    world.input(worker, Input::StopLending);
    assert_eq!(world.snapshot(worker).terms, None);
}
