//! Peers that lie, flood or talk nonsense: the node neither panics nor grows, and honest answers go on.
//! That bytes are read safely is shown by `protocol`; here they are well formed.
#![allow(clippy::unwrap_used)]

use node::io::{Compute, Computed, Effect, Input, Output, RequestId, StepOutput, StreamId};
use protocol::{
    Ack, Activations, Close, CloseReason, Fault, Ground, Hello, JobId, JobKind, LayerRange, Leaving, List,
    Message, Next, Open, Opened, Payload, PeerId, Refusal, Refused, Replay, Report, Sampling, SessionId,
    Stage, Step, Text, Token, Trace, WireType,
};
use tests::world::{D_MODEL, Dice, QUICK, World, ask, model, undisturbed};

const LAYERS: u32 = 8;

fn world() -> (World, usize, usize) {
    let (mut world, asker, worker) = World::of_two(QUICK, LAYERS);
    world.run_until(1_000);
    (world, asker, worker)
}

fn open(session: u64, max_positions: u32) -> Open {
    Open {
        session: SessionId(session),
        kind: JobKind::Inference,
        swarm: tests::world::SWARM,
        model: model(LAYERS).id,
        stage: Stage::of(LayerRange::new(0, LAYERS).unwrap(), LAYERS),
        epoch: 1,
        shadow: false,
        previous: None,
        next: List::default(),
        sampling: Some(Sampling::GREEDY),
        wire: WireType::F32,
        max_positions,
        delegation: None,
        authorization: None,
        job: JobId(session),
    }
}

fn step(epoch: u32, first_position: u32, count: u32) -> Message {
    let payload = Payload::Tokens(List::new(vec![1; count as usize]).unwrap());
    Message::Step(Step {
        epoch,
        first_position,
        payload,
        samples: 0,
        recent: None,
    })
}

/// Lets a stranger say something to a node without any world in between; what the node answers on that stream.
fn say(world: &mut World, host: usize, peer: &str, stream: u64, messages: Vec<Message>) -> Vec<Message> {
    let stream = StreamId::inbound(1_000_000 + stream);
    let node = world.hosts[host].node.as_mut().unwrap();
    let now = node::io::Now(world.now);
    let mut inputs = vec![Input::InboundStream {
        stream,
        peer: PeerId::new(peer).unwrap(),
    }];
    inputs.extend(
        messages
            .into_iter()
            .map(|message| Input::Received { stream, message }),
    );
    let mut said = Vec::new();
    for input in inputs {
        node.handle_input(now, input);
        while let Some(output) = node.poll_output() {
            if let Output::Send { stream: on, message } = output
                && on == stream
            {
                said.push(message);
            }
        }
    }
    said
}

fn refusal(messages: &[Message]) -> Option<Refusal> {
    refused(messages).map(|refused| refused.why)
}

fn refused(messages: &[Message]) -> Option<&Refused> {
    messages.iter().find_map(|message| match message {
        Message::Refused(refused) => Some(refused),
        _ => None,
    })
}

#[test]
fn a_stage_that_is_not_here_or_makes_no_sense_is_refused_with_the_reason() {
    let (mut world, _, worker) = world();
    type Change = fn(&mut Open);
    let cases: [(Refusal, Change); 10] = [
        (Refusal::Policy, |open| open.swarm.0[0] ^= 1),
        (Refusal::Model, |open| open.model.0[0] ^= 1),
        (Refusal::Model, |open| {
            open.stage.layers = LayerRange::new(0, 4).unwrap()
        }),
        (Refusal::Model, |open| {
            open.stage.layers = LayerRange::new(0, 4_000).unwrap()
        }),
        (Refusal::Model, |open| open.stage.head = false),
        (Refusal::Model, |open| open.stage.embed = false),
        (Refusal::Invalid, |open| open.sampling = None),
        (Refusal::Invalid, |open| {
            open.previous = PeerId::new("somebody").ok()
        }),
        (Refusal::Invalid, |open| {
            let peer = PeerId::new("somebody").unwrap();
            open.next = List::first([Next {
                peer,
                addresses: Default::default(),
                session: SessionId(1),
                from: 0,
            }]);
        }),
        (Refusal::WontFit, |open| open.max_positions = 100_001),
    ];
    for (number, (why, change)) in cases.into_iter().enumerate() {
        let mut request = open(number as u64, 100);
        change(&mut request);
        let said = say(
            &mut world,
            worker,
            "stranger",
            number as u64,
            vec![Message::Open(Box::new(request))],
        );
        let refused = refused(&said).unwrap();
        assert_eq!(refused.why, why, "case {number}");
        let ground = (why == Refusal::Policy).then_some(Ground::OtherSwarm);
        assert_eq!(refused.ground, ground, "case {number}");
    }
}

/// What a worker says to an Open: refused and why, or how many wait before it.
#[derive(Debug, PartialEq)]
enum Answer {
    Begun,
    Waits(u32),
    Refused(Refusal, Option<Ground>),
}

fn ask_for(world: &mut World, worker: usize, peer: &str, stream: u64, positions: u32) -> Answer {
    let open = Message::Open(Box::new(open(stream, positions)));
    let said = say(world, worker, peer, stream, vec![open]);
    let queued = said.iter().find_map(|message| match message {
        Message::Queued(queued) => Some(queued.ahead),
        _ => None,
    });
    match (refused(&said), queued) {
        (Some(refused), _) => Answer::Refused(refused.why, refused.ground),
        (None, Some(ahead)) => Answer::Waits(ahead),
        (None, None) => Answer::Begun,
    }
}

#[test]
fn sessions_of_one_peer_are_bounded_and_whoever_comes_when_all_places_are_taken_waits_in_turn() {
    let (mut world, _, worker) = world();
    for stream in 0..4 {
        assert_eq!(ask_for(&mut world, worker, "greedy", stream, 10), Answer::Begun);
    }
    assert_eq!(
        ask_for(&mut world, worker, "greedy", 4, 10),
        Answer::Refused(Refusal::Busy, Some(Ground::SessionsAtOnce)),
        "a fifth session of one peer"
    );
    for stream in 5..17 {
        assert_eq!(
            ask_for(&mut world, worker, &format!("peer{stream}x"), stream, 10),
            Answer::Begun
        );
    }
    for stream in 17..81 {
        let answer = ask_for(&mut world, worker, &format!("late{stream}x"), stream, 10);
        assert_eq!(answer, Answer::Waits(stream as u32 - 17));
    }
    assert_eq!(
        ask_for(&mut world, worker, "last", 81, 10),
        Answer::Refused(Refusal::Busy, Some(Ground::QueueFull)),
        "and the queue has an end"
    );
    let stream = StreamId::inbound(1_000_000 + 5);
    let node = world.hosts[worker].node.as_mut().unwrap();
    node.handle_input(node::io::Now(world.now), Input::StreamClosed { stream });
    let opened = std::iter::from_fn(|| node.poll_output()).filter(|output| {
        matches!(
            output,
            Output::Effect {
                effect: Effect::Compute(Compute::Open { .. }),
                ..
            }
        )
    });
    assert_eq!(opened.count(), 1, "whoever leaves makes room for one");
}

#[test]
fn positions_are_bounded_and_whoever_asks_for_more_than_are_free_waits_for_them() {
    let (mut world, _, worker) = world();
    assert_eq!(ask_for(&mut world, worker, "one", 1, 60_000), Answer::Begun);
    assert_eq!(ask_for(&mut world, worker, "two", 2, 60_000), Answer::Waits(0));
    assert_eq!(
        ask_for(&mut world, worker, "three", 3, 40_000),
        Answer::Waits(1),
        "nobody passes by"
    );
    assert_eq!(
        ask_for(&mut world, worker, "four", 4, 100_001),
        Answer::Refused(Refusal::WontFit, None)
    );
}

#[test]
fn a_session_name_in_use_is_not_given_twice() {
    let (mut world, _, worker) = world();
    let again = || vec![Message::Open(Box::new(open(1, 10)))];
    assert_eq!(refusal(&say(&mut world, worker, "stranger", 1, again())), None);
    assert_eq!(
        refusal(&say(&mut world, worker, "stranger", 2, again())),
        Some(Refusal::Invalid)
    );
    assert_eq!(
        refusal(&say(&mut world, worker, "another", 3, again())),
        None,
        "names belong to their peers"
    );
}

#[test]
fn whoever_sends_without_credit_is_reported_and_what_it_sends_is_not_kept() {
    let (mut world, _, worker) = world();
    let mut messages = vec![Message::Open(Box::new(open(1, 100_000)))];
    // Steps of an epoch that never comes: they would wait for ever.
    messages.extend((0..4_000).map(|_| step(9, 0, 512)));
    let said = say(&mut world, worker, "flooder", 1, messages);
    let reports = said.iter().filter(|message| {
        matches!(
            message,
            Message::Report(Report {
                fault: Fault::Broken,
                ..
            })
        )
    });
    assert!(reports.count() > 0);
}

#[test]
fn streams_that_say_nothing_or_wait_for_nobody_are_bounded() {
    let (mut world, _, worker) = world();
    let mut closed = 0;
    let node = world.hosts[worker].node.as_mut().unwrap();
    for n in 0..1_000 {
        let stream = StreamId::inbound(5_000_000 + n);
        let peer = PeerId::new("opener").unwrap();
        node.handle_input(node::io::Now(1_000), Input::InboundStream { stream, peer });
        if n % 2 == 0 {
            let hello = Hello {
                requester: PeerId::new("nobody").unwrap(),
                session: SessionId(n),
                epoch: 1,
            };
            node.handle_input(
                node::io::Now(1_000),
                Input::Received {
                    stream,
                    message: Message::Hello(hello),
                },
            );
            for _ in 0..20 {
                node.handle_input(
                    node::io::Now(1_000),
                    Input::Received {
                        stream,
                        message: step(1, 0, 512),
                    },
                );
            }
        }
        while let Some(output) = node.poll_output() {
            closed += u32::from(matches!(output, Output::CloseStream { .. }));
        }
    }
    assert!(closed > 900, "{closed} of 1,000 streams are let go at once");
}

#[test]
fn a_neighbour_that_the_requester_did_not_name_is_not_heard() {
    let mut world = World::new(2);
    let head = world.host(QUICK);
    world.lend(head, 4, LAYERS, LAYERS);
    world.run_until(1_000);
    let mut request = open(1, 100);
    request.stage = Stage::of(LayerRange::new(4, LAYERS).unwrap(), LAYERS);
    request.previous = PeerId::new("rightful").ok();
    let said = say(
        &mut world,
        head,
        "requester",
        1,
        vec![Message::Open(Box::new(request))],
    );
    assert_eq!(refusal(&said), None);
    let node = world.hosts[head].node.as_mut().unwrap();
    let now = node::io::Now(1_100);
    // The cache is there: whatever the number of the effect is, it is answered.
    for effect in (1..20).map(node::io::EffectId) {
        node.handle_input(
            now,
            Input::Computed {
                effect,
                result: Ok(node::io::Computed::Opened),
            },
        );
    }
    while node.poll_output().is_some() {}
    for (stream, peer, heard) in [(1, "impostor", 0), (2, "rightful", 1)] {
        let stream = StreamId::inbound(2_000_000 + stream);
        let row = Activations::new(WireType::F32, 1, D_MODEL, vec![1; 4 * D_MODEL as usize].into()).unwrap();
        let payload = Payload::Hidden(row);
        let step = Step {
            epoch: 1,
            first_position: 0,
            payload,
            samples: 1,
            recent: None,
        };
        let hello = Hello {
            requester: PeerId::new("requester").unwrap(),
            session: SessionId(1),
            epoch: 1,
        };
        node.handle_input(
            now,
            Input::InboundStream {
                stream,
                peer: PeerId::new(peer).unwrap(),
            },
        );
        node.handle_input(
            now,
            Input::Received {
                stream,
                message: Message::Hello(hello),
            },
        );
        node.handle_input(
            now,
            Input::Received {
                stream,
                message: Message::Step(step),
            },
        );
        let computes = |output: &Output| {
            matches!(
                output,
                Output::Effect {
                    effect: Effect::Compute(node::io::Compute::Step { .. }),
                    ..
                }
            )
        };
        let steps = std::iter::from_fn(|| node.poll_output()).filter(computes).count();
        assert_eq!(steps, heard, "{peer}");
    }
}

#[test]
fn a_step_of_an_older_epoch_is_dropped_and_one_of_a_newer_epoch_waits_until_the_stage_is_told() {
    let (mut world, _, worker) = world();
    let node = world.hosts[worker].node.as_mut().unwrap();
    let stream = StreamId::inbound(3_000_000);
    let peer = PeerId::new("requester").unwrap();
    node.handle_input(node::io::Now(1_100), Input::InboundStream { stream, peer });
    let mut hear = |message: Message| {
        let mut begun = Vec::new();
        let mut inputs = vec![Input::Received { stream, message }];
        while let Some(input) = inputs.pop() {
            node.handle_input(node::io::Now(1_100), input);
            while let Some(output) = node.poll_output() {
                let Output::Effect {
                    id: effect,
                    effect: Effect::Compute(compute),
                } = output
                else {
                    continue;
                };
                let done = match compute {
                    Compute::Open { .. } => Computed::Opened,
                    Compute::Step { first_position, .. } => {
                        begun.push(first_position);
                        Computed::Stepped {
                            output: StepOutput::Nothing,
                            compute_ms: 1,
                        }
                    }
                    _ => Computed::Done,
                };
                inputs.push(Input::Computed {
                    effect,
                    result: Ok(done),
                });
            }
        }
        begun
    };
    let replay = |epoch, keep| {
        let next = List::default();
        Message::Replay(Replay {
            epoch,
            keep,
            previous: None,
            next,
            shadow: false,
        })
    };
    assert!(hear(Message::Open(Box::new(open(1, 100)))).is_empty());
    assert_eq!(hear(step(1, 0, 4)), [0]);
    assert!(hear(replay(3, 2)).is_empty());
    assert!(hear(step(1, 4, 4)).is_empty(), "older");
    assert!(hear(step(2, 2, 4)).is_empty(), "older still");
    assert!(hear(step(4, 1, 4)).is_empty(), "newer: it waits");
    assert_eq!(hear(replay(4, 1)), [1], "and begins when the stage is told");
    assert!(
        hear(replay(2, 0)).is_empty(),
        "an old word about the route changes nothing"
    );
    assert_eq!(hear(step(4, 5, 1)), [5]);
}

#[test]
fn a_thousand_offers_of_nonsense_change_nothing_and_ten_thousand_peers_do_not_fill_the_memory() {
    let (mut world, asker, _) = world();
    let node = world.hosts[asker].node.as_mut().unwrap();
    let mut dice = Dice::new(3);
    for n in 0..10_000u64 {
        let from = PeerId::new(&format!("sybil{n}")).unwrap();
        let bytes: Vec<u8> = (0..dice.between(0, 200))
            .map(|_| dice.between(0, 256) as u8)
            .collect();
        node.handle_input(
            node::io::Now(1_000 + n),
            Input::OfferReceived {
                from: from.clone(),
                bytes,
            },
        );
        node.handle_input(
            node::io::Now(1_000 + n),
            Input::RoundTrip {
                peer: from,
                ms: u32::MAX,
            },
        );
        while node.poll_output().is_some() {}
    }
    assert_eq!(
        node.snapshot()
            .peers
            .iter()
            .filter(|row| row.work.is_some())
            .count(),
        1,
        "the honest worker is known still"
    );
    world.input(asker, Input::Ask(ask(1, &[1, 2], 4, LAYERS)));
    world
        .run_until_over(asker, RequestId(1), world.now + 30_000)
        .unwrap();
}

#[test]
fn any_message_at_any_moment_is_survived_by_worker_and_requester() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let (mut world, asker, worker) = world();
        let spare = world.host(QUICK);
        world.lend(spare, 0, LAYERS, LAYERS);
        world.run_until(2_000);
        world.input(asker, Input::Ask(ask(1, &[3, 1, 2], 30, LAYERS)));
        world.run_until(world.now + dice.between(0, 60));
        // A stranger at the worker, and the worker itself gone mad towards its requester.
        for stream in 0..10 {
            let words = (0..dice.between(1, 8)).map(|_| anything(&mut dice)).collect();
            say(&mut world, worker, "madman", seed * 100 + stream, words);
        }
        let node = world.hosts[asker].node.as_mut().unwrap();
        for n in 1..6 {
            for _ in 0..4 {
                let stream = StreamId::inbound(n);
                node.handle_input(
                    node::io::Now(world.now),
                    Input::Received {
                        stream,
                        message: anything(&mut dice),
                    },
                );
            }
        }
        // The asker's own streams cannot be forged by others; what the worker might say on them is said here.
        let madness: Vec<Message> = (0..3).map(|_| anything(&mut dice)).collect();
        world.say_to(asker, &madness);
        if world
            .run_until_over(asker, RequestId(1), world.now + 120_000)
            .is_some()
        {
            let said = world.tokens(asker, RequestId(1), 3);
            let lied = madness.iter().any(|message| matches!(message, Message::Token(_)));
            let honest = undisturbed(&[3, 1, 2], LAYERS, &Sampling::GREEDY, 30);
            assert!(lied || honest.starts_with(&said), "seed {seed}");
        }
    }
}

/// Some message with some numbers, extreme ones among them.
fn anything(dice: &mut Dice) -> Message {
    let number = |dice: &mut Dice| match dice.between(0, 5) {
        0 => 0,
        1 => 1,
        2 => dice.between(0, 50) as u32,
        3 => protocol::MAX_POSITIONS,
        _ => u32::MAX,
    };
    let session = SessionId(dice.between(0, 3));
    let peer = PeerId::new(["peer0", "peer1", "peer2", "madman"][dice.between(0, 4) as usize]).unwrap();
    let next = Next {
        peer: peer.clone(),
        addresses: Default::default(),
        session,
        from: number(dice),
    };
    match dice.between(0, 12) {
        0 => Message::Hello(Hello {
            requester: peer,
            session,
            epoch: number(dice),
        }),
        1 => {
            let mut open = open(session.0, 1 + dice.between(0, 200) as u32);
            open.epoch = number(dice);
            open.shadow = dice.one_in(2);
            if dice.one_in(3) {
                open.next = List::first([next]);
            }
            if dice.one_in(3) {
                open.previous = Some(peer);
            }
            Message::Open(Box::new(open))
        }
        2 => Message::Opened(Opened {
            epoch: number(dice),
            positions: number(dice),
            us_per_token: number(dice),
        }),
        3 => Message::Refused(Refused {
            why: Refusal::Busy,
            detail: Text::cut("no"),
            quote: None,
            ground: dice.one_in(2).then(|| Ground::from(number(dice) as u16)),
        }),
        4 => step(number(dice), number(dice), 1 + dice.between(0, 500) as u32),
        5 => {
            let row =
                Activations::new(WireType::F32, 1, D_MODEL, vec![1; 4 * D_MODEL as usize].into()).unwrap();
            let payload = Payload::Hidden(row);
            Message::Step(Step {
                epoch: number(dice),
                first_position: number(dice),
                payload,
                samples: number(dice),
                recent: None,
            })
        }
        6 => Message::Token(Token {
            epoch: number(dice),
            position: number(dice),
            ids: List::first([number(dice)]),
        }),
        7 => Message::Replay(Replay {
            epoch: number(dice),
            keep: number(dice),
            previous: dice.one_in(2).then_some(peer),
            next: List::first([next]),
            shadow: dice.one_in(2),
        }),
        8 => Message::Ack(Ack {
            credit_bytes: number(dice),
        }),
        9 => Message::Trace(Trace {
            epoch: number(dice),
            first_position: number(dice),
            positions: number(dice),
            queue_ms: number(dice),
            compute_ms: number(dice),
            bytes: number(dice),
        }),
        10 => Message::Report(Report {
            epoch: number(dice),
            fault: Fault::Closed,
            peer: Some(peer),
        }),
        _ if dice.one_in(2) => Message::Leaving(Leaving {
            grace_ms: number(dice),
        }),
        _ => Message::Close(Close {
            reason: CloseReason::Broken,
        }),
    }
}
