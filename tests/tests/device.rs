//! A GPU that goes away under a tab that lends: what is announced is what computes, and how fast it does.
//! What the engine and a browser make of a lost device is shown with them.
#![allow(clippy::unwrap_used)]

use node::io::{Code, Event, Input, RequestId};
use node::{LendState, WorkRow};
use protocol::{Backend, Sampling};
use tests::world::{QUICK, Speed, World, ask, undisturbed};

const SPEED: Speed = Speed {
    load_ms: 2_000,
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

/// What a host has heard on offer.
fn heard(world: &World, host: usize) -> Option<WorkRow> {
    let mut rows = world.snapshot(host).peers.into_iter();
    rows.find_map(|row| row.work)
}

/// What computes, and one token through all layers.
fn announced(world: &World, host: usize) -> Option<(Backend, u32)> {
    heard(world, host).map(|work| (work.backend, work.us_per_token))
}

fn us_per_token(speed: Speed) -> u32 {
    (speed.step_us + u64::from(LAYERS) * speed.position_us) as u32
}

#[test]
fn a_device_lost_in_the_middle_of_an_answer_is_not_on_offer_until_the_processor_was_measured() {
    let (mut world, asker, worker) = world();
    let (gpu, cpu) = (us_per_token(SPEED), us_per_token(SPEED.on_processor()));
    assert_eq!(announced(&world, asker), Some((Backend::Gpu, gpu)));
    world.input(asker, Input::Ask(ask(1, &PROMPT, 400, LAYERS)));
    world.run_until(world.now + 200);
    world.hosts[worker].device.lose_gpu();

    world.run_until(world.now + 500);
    assert_eq!(heard(&world, asker), None, "nobody asks in vain meanwhile");
    assert!(matches!(
        world.snapshot(worker).lending,
        LendState::Loading { layers: Some(_) }
    ));
    world.run_until(world.now + 2_000);
    assert_eq!(announced(&world, asker), Some((Backend::Cpu, cpu)));
    let LendState::Ready { us_per_token, .. } = world.snapshot(worker).lending else {
        panic!("{:?}", world.snapshot(worker).lending)
    };
    assert_eq!(us_per_token, cpu);

    world
        .run_until_over(asker, RequestId(1), world.now + 60_000)
        .unwrap();
    let expected = undisturbed(&PROMPT, LAYERS, &Sampling::GREEDY, 400);
    assert_eq!(world.tokens(asker, RequestId(1), PROMPT.len()), expected);
}

#[test]
fn a_device_lost_while_nobody_asked_is_found_out_by_the_next_question_which_is_answered() {
    let (mut world, asker, worker) = world();
    world.hosts[worker].device.lose_gpu();
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(1), world.now + 30_000)
        .unwrap();
    let expected = undisturbed(&PROMPT, LAYERS, &Sampling::GREEDY, 8);
    assert_eq!(world.tokens(asker, RequestId(1), PROMPT.len()), expected);
    let cpu = us_per_token(SPEED.on_processor());
    assert_eq!(announced(&world, asker), Some((Backend::Cpu, cpu)));
}

#[test]
fn a_loss_is_noticed_although_whoever_asked_has_gone_meanwhile() {
    let (mut world, asker, worker) = world();
    world.input(asker, Input::Ask(ask(1, &PROMPT, 400, LAYERS)));
    world.run_until(world.now + 200);
    world.hosts[worker].device.lose_gpu();
    // A step is at the device when the word comes that it is wanted no more.
    world.run_until(world.now + 5);
    let request = RequestId(1);
    world.input(asker, Input::Cancel { request });
    world.run_until(world.now + 5_000);
    let cpu = us_per_token(SPEED.on_processor());
    assert_eq!(announced(&world, asker), Some((Backend::Cpu, cpu)));
}

#[test]
fn where_nothing_takes_over_lending_ends_and_says_why() {
    let (mut world, asker, worker) = world();
    world.input(asker, Input::Ask(ask(1, &PROMPT, 400, LAYERS)));
    world.run_until(world.now + 200);
    world.hosts[worker].device.lose_gpu();
    world.hosts[worker].device.broken = true;
    world.run_until(world.now + 5_000);
    assert_eq!(heard(&world, asker), None);
    let code = Code::DeviceLost;
    assert_eq!(world.snapshot(worker).lending, LendState::Failed { code });
    world
        .run_until_over(asker, RequestId(1), world.now + 90_000)
        .unwrap();
    let last = world.last(asker);
    assert!(matches!(last, Event::Failed { .. }), "{last:?}");
}
