//! Sessions in the simulated world: one answer, computed by several nodes.
//! Losses are the business of `survival` and `loss`; a node that computes by itself is in `alone`.
#![allow(clippy::unwrap_used)]

use node::io::{Ask, Code, Event, FinishReason, Input, Lend, Mode, RequestId};
use node::{LendState, RouteSheet};
use protocol::{Backend, LayerRange, Sampling};
use registry::policy::{Privacy, SwarmPolicy};
use tests::world::{Distance, NEAR, QUICK, World, anybody, ask, model, undisturbed};

const PROMPT: [u32; 6] = [1, 5, 9, 2, 3, 7];
const LAYERS: u32 = 8;

/// A world with one asker and workers that lend the given layers; everybody has heard of everybody.
fn world(lent: &[(u32, u32)], distance: Distance) -> (World, usize) {
    let (mut world, asker) = World::of_lenders(QUICK, lent, LAYERS, distance);
    world.run_until(1_000);
    (world, asker)
}

fn far(delay_ms: u64) -> Distance {
    Distance { delay_ms, ..NEAR }
}

/// Asks, waits, checks the tokens; the route sheet.
fn answered(world: &mut World, asker: usize, question: Ask) -> RouteSheet {
    let (id, prompt, count) = (
        question.request,
        question.prompt.clone(),
        question.max_tokens as usize,
    );
    let expected = undisturbed(&prompt, question.model.layers, &question.sampling, count);
    world.input(asker, Input::Ask(question));
    world.run_until_over(asker, id, world.now + 120_000).unwrap();
    assert_eq!(world.tokens(asker, id, prompt.len()), expected);
    world.sheet(asker, id)
}

fn failed(world: &World, asker: usize, id: RequestId) -> Code {
    let last = world.last_of(asker, id);
    let Event::Failed { code, .. } = last else {
        panic!("{last:?}")
    };
    *code
}

#[test]
fn two_workers_with_half_of_the_layers_each_give_the_answer_of_one() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)], NEAR);
    let route = answered(&mut world, asker, ask(1, &PROMPT, 32, LAYERS));
    assert_eq!(route.remote_hops(), 2);
    assert_eq!((route.tokens, route.trips, route.replays), (32, 32, 0));
    assert!(route.hops.iter().all(|hop| hop.steps == 32 && hop.compute_ms > 0));
    world.run_until(world.now + 1_000);
    assert!(
        world.hosts.iter().all(|host| host.device.caches() == 0),
        "all caches are freed"
    );
}

#[test]
fn local_mode_is_a_route_of_one_stage_on_oneself() {
    let (mut world, asker) = world(&[], NEAR);
    let mut question = ask(1, &PROMPT, 16, LAYERS);
    question.mode = Mode::Local;
    let route = answered(&mut world, asker, question);
    assert_eq!((route.remote_hops(), route.hops.len()), (0, 1));
    assert_eq!(world.network.bytes, 0, "not a byte leaves the device");
}

#[test]
fn auto_mode_stays_here_when_the_model_is_here_and_goes_out_when_it_is_not() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)], NEAR);
    let mut question = ask(1, &PROMPT, 8, LAYERS);
    (question.mode, question.local_ready) = (Mode::Auto, true);
    assert_eq!(answered(&mut world, asker, question).remote_hops(), 0);
    let mut question = ask(2, &PROMPT, 8, LAYERS);
    question.mode = Mode::Auto;
    assert_eq!(answered(&mut world, asker, question).remote_hops(), 2);
}

/// A request ended as not allowed, and was told why.
fn refused(world: &World, host: usize, request: RequestId, why: &str) {
    match world.last_of(host, request) {
        Event::Failed {
            code: Code::NotAllowed,
            message,
            ..
        } if message.contains(why) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn my_own_devices_are_asked_in_their_mode_and_nobody_else() {
    let (mut world, asker) = world(&[(0, 8), (0, 8)], NEAR);
    let mut question = ask(1, &PROMPT, 8, LAYERS);
    question.mode = Mode::Mine;
    world.input(asker, Input::Ask(question.clone()));
    let told = world.run_until_over(asker, RequestId(1), world.now + 10_000);
    assert!(told.is_some(), "nobody is mine, and waiting does not change that");
    refused(&world, asker, RequestId(1), "a swarm of yours");
    question.request = RequestId(2);
    world.input(asker, Input::Ask(question));
    world.run_until(world.now + 1_000);
    let mine = world.hosts[2].id.clone();
    world.input(
        asker,
        Input::Owner {
            peer: mine.clone(),
            mine: true,
        },
    );
    world
        .run_until_over(asker, RequestId(2), world.now + 10_000)
        .unwrap();
    let route = world.sheet(asker, RequestId(2));
    assert_eq!(route.hops.len(), 1);
    assert_eq!(route.hops[0].peer, mine);
}

#[test]
fn whoever_lends_takes_part_in_its_own_answers_by_the_same_code() {
    let (mut world, asker) = world(&[(4, 8)], NEAR);
    world.lend(asker, 0, 4, LAYERS);
    world.run_until(world.now + 1_000);
    let route = answered(&mut world, asker, ask(1, &PROMPT, 8, LAYERS));
    assert_eq!((route.remote_hops(), route.hops.len()), (1, 2));
    // And the other way round: the head here, the embedding there.
    let (mut world, asker) = self::world(&[(0, 4)], NEAR);
    world.lend(asker, 4, 8, LAYERS);
    world.run_until(world.now + 1_000);
    let route = answered(&mut world, asker, ask(1, &PROMPT, 8, LAYERS));
    assert_eq!((route.remote_hops(), route.hops.len()), (1, 2));
}

#[test]
fn guesses_save_trips_and_change_nothing() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)], far(50));
    let mut question = ask(1, &(0..48).chain(0..20).collect::<Vec<_>>(), 96, LAYERS);
    question.speculate = true;
    let route = answered(&mut world, asker, question);
    assert!(route.agreed > 0 && route.agreed < route.drafted, "{route:?}");
    assert_eq!(route.trips + route.agreed, 96);
    assert!(route.trips < 72, "{} trips for 96 tokens", route.trips);
}

#[test]
fn a_seed_gives_the_same_answer_each_time_and_another_one_another() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    let mut said = Vec::new();
    for (id, seed) in [(1, 5), (2, 5), (3, 6)] {
        let mut question = ask(id, &PROMPT, 24, LAYERS);
        question.sampling = Sampling {
            temperature: 0.8,
            seed,
            ..Sampling::GREEDY
        };
        answered(&mut world, asker, question);
        said.push(world.tokens(asker, RequestId(id), PROMPT.len()));
    }
    assert_eq!(said[0], said[1]);
    assert_ne!(said[0], said[2]);
}

#[test]
fn an_answer_ends_at_its_stop_token_and_without_it() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    let whole = undisturbed(&PROMPT, LAYERS, &Sampling::GREEDY, 24);
    let stop = whole[10];
    let until = whole.iter().position(|id| *id == stop).unwrap();
    let mut question = ask(1, &PROMPT, 24, LAYERS);
    question.stop = vec![stop];
    world.input(asker, Input::Ask(question));
    world
        .run_until_over(asker, RequestId(1), world.now + 60_000)
        .unwrap();
    assert_eq!(world.tokens(asker, RequestId(1), PROMPT.len()), whole[..until]);
    let last = world.last(asker);
    assert!(matches!(
        last,
        Event::Finished {
            reason: FinishReason::Stop,
            ..
        }
    ));
}

#[test]
fn a_prefill_keeps_all_stages_busy_at_once() {
    // 64 pieces through 4 stages: one after the other it would take four times as long.
    let lent = [(0, 2), (2, 4), (4, 6), (6, 8)];
    let (mut world, asker) = world(&lent, NEAR);
    let prompt: Vec<u32> = (0..128 * 64).map(|i| i * 7 % 48).collect();
    let start = world.now;
    answered(&mut world, asker, ask(1, &prompt, 1, LAYERS));
    let one_stage_ms = (64 * QUICK.step_us + 8_192 * 2 * QUICK.position_us) / 1_000;
    let took = world.now - start;
    assert!(
        took < one_stage_ms * 3 / 2,
        "{took} ms, one stage alone {one_stage_ms} ms"
    );
}

#[test]
fn cancelling_reaches_every_stage_and_stops_the_computing() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)], far(20));
    let prompt: Vec<u32> = (0..4_096).map(|i| i % 48).collect();
    world.input(asker, Input::Ask(ask(1, &prompt, 500, LAYERS)));
    world.run_until(world.now + 400);
    assert!(world.hosts[1].device.caches() == 1 && world.hosts[2].device.caches() == 1);
    world.input(
        asker,
        Input::Cancel {
            request: RequestId(1),
        },
    );
    assert_eq!(failed(&world, asker, RequestId(1)), Code::Aborted);
    world.run_until(world.now + 250);
    for worker in [1, 2] {
        assert_eq!(world.hosts[worker].device.caches(), 0);
        let snapshot = world.snapshot(worker);
        assert_eq!(snapshot.serving, 0);
        assert!(matches!(
            snapshot.lending,
            LendState::Ready { working: false, .. }
        ));
    }
}

#[test]
fn several_answers_share_the_workers_and_none_is_starved() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)], NEAR);
    for id in 1..=4 {
        world.input(asker, Input::Ask(ask(id, &[id as u32, 3, 4], 40, LAYERS)));
    }
    let mut ends = Vec::new();
    for id in 1..=4 {
        ends.push(world.run_until_over(asker, RequestId(id), 60_000).unwrap());
        let expected = undisturbed(&[id as u32, 3, 4], LAYERS, &Sampling::GREEDY, 40);
        assert_eq!(world.tokens(asker, RequestId(id), 3), expected);
    }
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(last - first < (last - 1_000) / 4, "they end together: {ends:?}");
}

#[test]
fn a_young_node_says_that_it_connects_before_it_says_that_nobody_is_there() {
    let (mut world, asker) = world(&[(0, 4)], NEAR);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    let reasons = |world: &World| -> Vec<Event> {
        let events = world.hosts[asker]
            .events
            .iter()
            .map(|(_, _, event)| event.clone());
        events
            .filter(|event| !matches!(event, Event::Token { .. }))
            .collect()
    };
    let waiting = |reason| Event::Waiting { reason };
    assert_eq!(reasons(&world), [waiting(Code::Connecting)]);
    world.run_until(8_000);
    assert_eq!(
        reasons(&world),
        [waiting(Code::Connecting), waiting(Code::NoRoute)]
    );
    let other = world.host(QUICK);
    world.lend(other, 4, 8, LAYERS);
    world
        .run_until_over(asker, RequestId(1), world.now + 10_000)
        .unwrap();
    assert_eq!(reasons(&world)[2], Event::Resumed);
    world.sheet(asker, RequestId(1));
}

#[test]
fn guesses_change_no_token_whatever_the_repeat_penalty() {
    let mut answers = Vec::new();
    for speculate in [false, true] {
        let (mut world, asker) = world(&[(0, 4), (4, 8)], NEAR);
        let mut question = ask(1, &PROMPT, 200, LAYERS);
        question.speculate = speculate;
        question.sampling = Sampling {
            temperature: 0.8,
            repeat_penalty: 1.3,
            seed: 11,
            ..Sampling::GREEDY
        };
        // As many as the window and more, so that its far end moves too.
        let sheet = answered(&mut world, asker, question);
        answers.push(world.tokens(asker, RequestId(1), PROMPT.len()));
        assert_eq!(
            speculate,
            sheet.agreed > 0 && sheet.drafted > sheet.agreed,
            "{sheet:?}"
        );
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_full_device_keeps_a_place_in_its_queue_and_says_so_and_is_left_where_there_is_another() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    let others: Vec<usize> = (0..4).map(|_| world.host(QUICK)).collect();
    world.run_until(10_000);
    for (at, host) in others.iter().enumerate() {
        for id in 0..4 {
            let long = ask(10 * at as u64 + id, &PROMPT, 2_000, LAYERS);
            world.input(*host, Input::Ask(long));
        }
    }
    world.run_until(world.now + 2_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    world.run_until(world.now + 1_000);
    assert!(matches!(
        world.last(asker),
        Event::Waiting { reason: Code::Queued }
    ));
    let row = world.snapshot(asker).requests.remove(0);
    assert_eq!(row.waiting, Some(Code::Queued));
    world.input(
        others[0],
        Input::Cancel {
            request: RequestId(0),
        },
    );
    world
        .run_until_over(asker, RequestId(1), world.now + 60_000)
        .unwrap();
    world.sheet(asker, RequestId(1));
    world.input(others[0], Input::Ask(ask(5, &PROMPT, 2_000, LAYERS)));
    world.run_until(world.now + 2_000);
    let spare = world.host(QUICK);
    world.lend(spare, 0, 8, LAYERS);
    world.run_until(world.now + 1_000);
    let start = world.now;
    world.input(asker, Input::Ask(ask(2, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(2), world.now + 60_000)
        .unwrap();
    assert!(world.now - start < 3_000, "nobody waits where another is free");
}

#[test]
fn nobody_there_is_said_at_once_waited_for_a_minute_and_then_an_error() {
    let (mut world, asker) = world(&[(0, 4)], NEAR);
    world.run_until(10_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    world.run_until(world.now + 10);
    let (_, _, first) = &world.hosts[asker].events[0];
    assert_eq!(
        *first,
        Event::Waiting {
            reason: Code::NoRoute
        }
    );
    let start = world.now;
    let end = world
        .run_until_over(asker, RequestId(1), world.now + 90_000)
        .unwrap();
    assert!((59_000..62_000).contains(&(end - start)));
    assert_eq!(failed(&world, asker, RequestId(1)), Code::NoRoute);
}

#[test]
fn an_answer_that_waits_begins_by_itself_when_the_missing_layers_come() {
    let (mut world, asker) = world(&[(0, 4)], NEAR);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    world.run_until(world.now + 20_000);
    let late = world.host(QUICK);
    world.lend(late, 4, 8, LAYERS);
    world
        .run_until_over(asker, RequestId(1), world.now + 3_000)
        .unwrap();
    world.sheet(asker, RequestId(1));
    assert!(
        world.hosts[asker]
            .events
            .iter()
            .any(|(_, _, event)| *event == Event::Resumed)
    );
}

#[test]
fn a_busy_worker_is_not_a_dead_one_and_is_asked_again() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    let other = world.host(QUICK);
    world.run_until(world.now + 6_000);
    // Four sessions of one peer are as many as it gets; the fifth waits for one of them to end.
    for id in 1..=5 {
        world.input(asker, Input::Ask(ask(id, &PROMPT, 30, LAYERS)));
    }
    // Another peer is not held back by that.
    world.input(other, Input::Ask(ask(1, &PROMPT, 30, LAYERS)));
    world
        .run_until_over(other, RequestId(1), world.now + 5_000)
        .unwrap();
    for id in 1..=5 {
        world
            .run_until_over(asker, RequestId(id), world.now + 10_000)
            .unwrap();
        world.sheet(asker, RequestId(id));
    }
}

#[test]
fn a_worker_for_its_owner_only_refuses_strangers_and_serves_its_owner() {
    let (mut world, asker) = world(&[], NEAR);
    let worker = world.host(QUICK);
    let lend = Lend {
        swarm: None,
        model: model(LAYERS),
        layers: LayerRange::new(0, LAYERS).ok(),
        most_layers: LAYERS,
        policy: SwarmPolicy {
            privacy: Privacy::Mine,
            ..anybody()
        },
        memory_bytes: 1 << 20,
        positions: 10_000,
    };
    world.input(worker, Input::Lend(Box::new(lend)));
    world.run_until(world.now + 1_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(1), world.now + 20_000)
        .unwrap();
    refused(&world, asker, RequestId(1), "strangers");
    let (owner, owned) = (world.hosts[asker].id.clone(), world.hosts[worker].id.clone());
    world.input(
        worker,
        Input::Owner {
            peer: owner,
            mine: true,
        },
    );
    world.input(
        asker,
        Input::Owner {
            peer: owned,
            mine: true,
        },
    );
    world.input(asker, Input::Ask(ask(2, &PROMPT, 8, LAYERS)));
    world
        .run_until_over(asker, RequestId(2), world.now + 5_000)
        .unwrap();
    world.sheet(asker, RequestId(2));
}

#[test]
fn a_device_that_computes_row_by_row_says_so_and_is_left_where_there_is_another_like_it() {
    for slow in [0, 1] {
        let (mut world, asker) = world(&[], NEAR);
        let workers = [world.host(QUICK), world.host(QUICK)];
        world.hosts[workers[slow]].device.row_by_row = true;
        for worker in workers {
            world.lend(worker, 0, LAYERS, LAYERS);
        }
        world.run_until(8_000);
        for row in world.snapshot(asker).peers {
            let work = row.work.unwrap();
            let invariant = row.peer != world.hosts[workers[slow]].id;
            assert_eq!(
                (work.backend, work.batch_invariant),
                (Backend::Gpu, Some(invariant))
            );
        }
        let route = answered(&mut world, asker, ask(1, &PROMPT, 8, LAYERS));
        assert_eq!(route.hops[0].peer, world.hosts[workers[1 - slow]].id);
        // Alone it is asked all the same.
        world.crash(workers[1 - slow], false);
        let route = answered(&mut world, asker, ask(2, &PROMPT, 8, LAYERS));
        let last = route.hops.last().unwrap();
        assert_eq!(last.peer, world.hosts[workers[slow]].id);
    }
}

#[test]
fn a_newcomer_that_may_choose_takes_the_layers_that_are_missing() {
    let (mut world, asker) = world(&[(0, 4), (4, 6)], NEAR);
    let late = world.host(QUICK);
    let lend = Lend {
        swarm: None,
        model: model(LAYERS),
        layers: None,
        most_layers: 4,
        policy: anybody(),
        memory_bytes: 1 << 20,
        positions: 10_000,
    };
    world.input(late, Input::Lend(Box::new(lend)));
    world.run_until(world.now + 10_000);
    let state = world.snapshot(late).lending;
    let LendState::Ready { layers, .. } = state else {
        panic!("{state:?}")
    };
    // The missing two, and two more so that it fits after the first worker's.
    assert_eq!((layers.first(), layers.end()), (4, 8));
    assert_eq!(
        answered(&mut world, asker, ask(1, &PROMPT, 8, LAYERS)).remote_hops(),
        2
    );
}

#[test]
fn stopping_is_immediate_and_everybody_learns_of_it() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    world.run_until(10_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, 400, LAYERS)));
    world.run_until(world.now + 200);
    world.input(1, Input::StopLending);
    assert_eq!(world.hosts[1].device.caches(), 0, "at once");
    world.run_until(world.now + 50);
    let rows = world.snapshot(asker).peers;
    assert!(rows.iter().all(|row| row.work.is_none()), "{rows:?}");
    assert!(matches!(
        world.last(asker),
        Event::Waiting {
            reason: Code::NoRoute
        }
    ));
}

#[test]
fn a_senseless_question_is_refused_with_a_reason() {
    let (mut world, asker) = world(&[(0, 8)], NEAR);
    let bad = [
        Ask {
            prompt: Vec::new(),
            ..ask(1, &PROMPT, 8, LAYERS)
        },
        ask(2, &PROMPT, 0, LAYERS),
        ask(3, &PROMPT, u32::MAX, LAYERS),
        ask(4, &PROMPT, 8, 0),
        Ask {
            sampling: Sampling {
                temperature: f32::NAN,
                ..Sampling::GREEDY
            },
            ..ask(5, &PROMPT, 8, LAYERS)
        },
    ];
    for question in bad {
        let id = question.request;
        world.input(asker, Input::Ask(question));
        assert_eq!(failed(&world, asker, id), Code::BadRequest);
    }
    for id in 10..26 {
        world.input(asker, Input::Ask(ask(id, &PROMPT, 8, LAYERS)));
    }
    world.input(asker, Input::Ask(ask(99, &PROMPT, 8, LAYERS)));
    assert_eq!(
        failed(&world, asker, RequestId(99)),
        Code::BadRequest,
        "too many at once"
    );
}
