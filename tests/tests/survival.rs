//! Ten thousand ways to lose a device in the middle of an answer, and one answer.
//! Every history comes from a seed: `MANYHANDS_SEED=123 cargo test -p tests --test survival one_history -- --ignored --nocapture` replays it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use node::io::{Event, Input, RequestId};
use protocol::{Sampling, WireType};
use tests::world::{Dice, Distance, Speed, World, ask, undisturbed};

/// Nothing may take longer than this without a word.
const PATIENCE_MS: u64 = 30_000;

#[test]
fn in_five_hundred_histories_no_loss_of_a_device_changes_the_answer() {
    histories(0..500);
}

/// The last holder of a layer had been left because it was slow, and was not asked again for a minute.
#[test]
fn whoever_was_left_for_being_slow_is_asked_again_where_nobody_else_remains() {
    histories([1_000_861, 1_007_711, 1_008_969, 1_009_302]);
}

#[test]
#[ignore = "long: a few minutes in release"]
fn in_ten_thousand_histories_no_loss_of_a_device_changes_the_answer() {
    histories(1_000_000..1_010_000);
}

#[test]
#[ignore = "replays one history: set MANYHANDS_SEED"]
fn one_history() {
    let Some(seed) = std::env::var("MANYHANDS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    else {
        return;
    };
    history(seed);
}

fn histories(seeds: impl IntoIterator<Item = u64>) {
    let failed: Vec<u64> = seeds
        .into_iter()
        .filter(|seed| catch_unwind(AssertUnwindSafe(|| history(*seed))).is_err())
        .collect();
    assert!(
        failed.is_empty(),
        "replay with MANYHANDS_SEED={} ({} failed: {failed:?})",
        failed[0],
        failed.len()
    );
}

/// Some devices with two copies or more of every layer, some of them lost at random moments, always so that one copy
/// of every layer remains: the answer is that of an undisturbed run.
fn history(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed);
    world.network.everywhere = Some(Distance {
        delay_ms: dice.between(1, 80),
        jitter_ms: dice.between(0, 30),
        bytes_per_ms: if dice.one_in(4) {
            dice.between(50, 1_000)
        } else {
            0
        },
    });
    let speed = |dice: &mut Dice| Speed {
        step_us: dice.between(500, 10_000),
        position_us: dice.between(10, 200),
        load_ms: dice.between(1, 500),
    };
    let asker_speed = speed(&mut dice);
    let asker = world.host(asker_speed);

    // 3 to 8 nodes with the asker; the layers cut into one to three ranges; two holders of each at least.
    let workers = dice.between(2, 8) as usize;
    let ranges = dice.between(1, 1 + (workers as u64 / 2).min(3));
    let layers = ranges as u32 * dice.between(1, 4) as u32;
    let each = layers / ranges as u32;
    let range_of = |worker: usize| (worker as u32 % ranges as u32) * each;
    for worker in 0..workers {
        let speed = speed(&mut dice);
        let host = world.host(speed);
        world.lend(host, range_of(worker), range_of(worker) + each, layers);
    }
    world.run_until(2_000);

    let prompt: Vec<u32> = (0..dice.between(1, 300))
        .map(|_| dice.between(0, 48) as u32)
        .collect();
    let tokens = dice.between(1, 60) as u32;
    let mut question = ask(1, &prompt, tokens, layers);
    question.sampling = Sampling {
        temperature: 0.7,
        seed: dice.between(0, 9),
        repeat_penalty: if dice.one_in(3) { 1.1 } else { 1.0 },
        ..Sampling::GREEDY
    };
    question.speculate = dice.one_in(2);
    question.shadow = dice.one_in(3);
    question.wire = [None, Some(WireType::F16), Some(WireType::Q8)][dice.between(0, 3) as usize];
    let expected = undisturbed(&prompt, layers, &question.sampling, tokens as usize);
    world.network.reset_one_in = if dice.one_in(4) {
        dice.between(100, 1_000)
    } else {
        0
    };
    world.input(asker, Input::Ask(question));

    // Losses: any worker, as long as another one of its range is alive then.
    let mut lost = Vec::new();
    for _ in 0..dice.between(1, workers as u64 + 1) {
        let until = world.now + dice.between(0, 1_500);
        world.run_until(until);
        let victim = dice.between(0, workers as u64) as usize;
        let remains = (0..workers)
            .any(|other| other != victim && range_of(other) == range_of(victim) && !lost.contains(&other));
        if remains && !lost.contains(&victim) {
            let silently = dice.one_in(3);
            if dice.one_in(4) {
                world.input(1 + victim, Input::Leaving);
            }
            tell(|| {
                format!(
                    "{} ms: host {} is lost{}",
                    world.now,
                    1 + victim,
                    if silently { " silently" } else { "" }
                )
            });
            world.crash(1 + victim, silently);
            lost.push(victim);
        } else if dice.one_in(2)
            && let Some(back) = lost.pop()
        {
            tell(|| format!("{} ms: host {} is back", world.now, 1 + back));
            world.restart(1 + back);
        }
        if dice.one_in(3) {
            let (a, b) = (
                dice.between(0, workers as u64) as usize,
                dice.between(0, workers as u64) as usize,
            );
            let until = world.now + dice.between(0, 4_000);
            tell(|| {
                format!(
                    "{} ms: nothing between {} and {} until {until}",
                    world.now,
                    a.min(b),
                    1 + a.max(b)
                )
            });
            world.network.cuts.insert((a.min(b), 1 + a.max(b)), until);
        }
    }
    let over = world.run_until_over(asker, RequestId(1), world.now + 240_000);
    assert!(
        over.is_some(),
        "seed {seed}: no end after four minutes: {:?}",
        world.snapshot(asker)
    );
    tell(|| format!("{} ms: {:?}", world.now, world.snapshot(asker).peers));
    for (at, _, event) in &world.hosts[asker].events {
        tell(|| format!("{at} ms: {event:?}"));
    }
    let said = world.tokens(asker, RequestId(1), prompt.len());
    let last = world.last(asker);
    assert!(matches!(last, Event::Finished { .. }), "seed {seed}: {last:?}");
    assert_eq!(said, expected, "seed {seed}");
    let moments = world.hosts[asker].events.iter().map(|(at, _, _)| *at);
    let gaps = moments
        .clone()
        .zip(moments.skip(1))
        .map(|(before, after)| after - before);
    assert!(
        gaps.max().unwrap_or(0) <= PATIENCE_MS,
        "seed {seed}: a silence of more than half a minute"
    );
    world.hushed = true;
    world.run_until(world.now + 700_000);
    for (number, host) in world.hosts.iter().enumerate() {
        assert_eq!(
            host.device.caches(),
            0,
            "seed {seed}: host {number} keeps a cache for ever"
        );
    }
}

/// Says what happens, where one history is replayed.
fn tell(what: impl Fn() -> String) {
    if std::env::var_os("MANYHANDS_SEED").is_some() {
        eprintln!("{}", what());
    }
}
