//! Sessions in the simulated world: one answer, computed by several nodes.
//! No real model, no real network: those are for the browser tests.
#![allow(clippy::unwrap_used)]

use node::io::{Event, FinishReason, Input, RequestId};
use protocol::Sampling;
use tests::world::{Speed, World, ask, undisturbed};

const SPEED: Speed = Speed {
    step_us: 1_000,
    position_us: 50,
    load_ms: 10,
};
const PROMPT: [u32; 6] = [1, 5, 9, 2, 3, 7];

#[test]
fn two_workers_with_half_of_the_layers_each_give_the_answer_of_one() {
    let mut world = World::new(1);
    let asker = world.host(SPEED);
    for (first, end) in [(0, 4), (4, 8)] {
        let worker = world.host(SPEED);
        world.lend(worker, first, end, 8);
    }
    world.run_until(1_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 32, 8)));
    world.run_until_over(asker, RequestId(1), 60_000).unwrap();
    assert_eq!(
        world.tokens(asker, RequestId(1), PROMPT.len()),
        undisturbed(&PROMPT, 8, &Sampling::GREEDY, 32)
    );
    let (_, _, last) = world.hosts[asker].events.last().unwrap();
    let Event::Finished {
        reason: FinishReason::Length,
        route,
    } = last
    else {
        panic!("{last:?}")
    };
    assert_eq!(route.remote_hops(), 2);
    assert_eq!((route.tokens, route.trips, route.replays), (32, 32, 0));
    world.run_until(world.now + 1_000);
    assert!(
        world.hosts.iter().all(|host| host.device.caches() == 0),
        "all caches are freed"
    );
}
