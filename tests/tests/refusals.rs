//! Why the terms of others said no, as whoever asked hears it: by a number, whatever language the words are in.
//! Where each reason comes from is shown in `registry`, the bytes in `protocol`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use node::io::{Code, Event, Input, RequestId};
use protocol::{Ground, Message, Refusal, Refused, Text};
use registry::WorkKind;
use registry::policy::{Privacy, SwarmPolicy, Who};
use tests::world::{QUICK, World, anybody, ask};

const LAYERS: u32 = 4;
const PROMPT: [u32; 3] = [1, 5, 9];
/// As long as somebody who holds the layers is looked for, and a moment.
const PATIENCE_MS: u64 = 65_000;

/// One who asks, one who lends all layers on these terms.
fn world(policy: SwarmPolicy) -> (World, usize, usize) {
    let (mut world, asker, worker) = World::of_two(QUICK, LAYERS);
    world.input(worker, Input::Terms(Box::new(policy)));
    world.run_until(10_000);
    (world, asker, worker)
}

/// How a question ends that others' terms do not allow.
fn barred(world: &mut World, asker: usize) -> (Option<Ground>, String) {
    world
        .run_until_over(asker, RequestId(1), world.now + PATIENCE_MS)
        .unwrap();
    match world.last(asker) {
        Event::Failed {
            code: Code::NotAllowed,
            ground,
            message,
            ..
        } => (*ground, message.clone()),
        other => panic!("{other:?}"),
    }
}

/// Terms that shut strangers out, each with the ground that it gives.
fn terms() -> Vec<(SwarmPolicy, Ground)> {
    vec![
        (
            SwarmPolicy {
                who: Who::Members,
                ..anybody()
            },
            Ground::NotForYou,
        ),
        (
            SwarmPolicy {
                who: Who::Listed(BTreeSet::new()),
                ..anybody()
            },
            Ground::NotForYou,
        ),
        (
            SwarmPolicy {
                privacy: Privacy::Mine,
                ..anybody()
            },
            Ground::TooPrivate,
        ),
        (
            SwarmPolicy {
                kinds: Some(BTreeSet::from([WorkKind::EVALUATION])),
                ..anybody()
            },
            Ground::Kind,
        ),
        (
            SwarmPolicy {
                models: Some(BTreeSet::from([[1; 32]])),
                ..anybody()
            },
            Ground::Model,
        ),
        (
            SwarmPolicy {
                max_positions: 8,
                ..anybody()
            },
            Ground::Positions,
        ),
    ]
}

#[test]
fn whoever_is_let_go_by_new_terms_hears_on_which_ground() {
    for (policy, ground) in terms() {
        let (mut world, asker, worker) = world(anybody());
        world.input(asker, Input::Ask(ask(1, &PROMPT, 4_000, LAYERS)));
        world.run_until(world.now + 200);
        assert_eq!(world.hosts[worker].device.caches(), 1);
        world.input(worker, Input::Terms(Box::new(policy)));
        let (heard, words) = barred(&mut world, asker);
        assert_eq!(heard, Some(ground), "{words}");
        assert!(words.contains("says: "), "{words}");
    }
}

#[test]
fn whoever_asks_for_what_the_terms_do_not_allow_hears_on_which_ground() {
    let rare = SwarmPolicy {
        sessions_per_hour: 0,
        ..anybody()
    };
    // The others are seen in the offer: nobody asks.
    let asked =
        |(_, ground): &(SwarmPolicy, Ground)| ![Ground::NotForYou, Ground::TooPrivate].contains(ground);
    let cases = terms().into_iter().filter(asked);
    for (policy, ground) in cases.chain([(rare, Ground::SessionsPerHour)]) {
        let (mut world, asker, _) = world(policy);
        world.input(asker, Input::Ask(ask(1, &PROMPT, 8, LAYERS)));
        let (heard, words) = barred(&mut world, asker);
        assert_eq!(heard, Some(ground), "{words}");
    }
}

#[test]
fn an_older_workers_no_and_a_newer_ones_are_a_no() {
    for ground in [None, Some(Ground::Other(700))] {
        let (mut world, asker, _) = world(anybody());
        world.input(asker, Input::Ask(ask(1, &PROMPT, 4_000, LAYERS)));
        world.run_until(world.now + 200);
        let no = Message::Refused(Refused {
            why: Refusal::Policy,
            detail: Text::cut("not on a Sunday"),
            quote: None,
            ground,
        });
        world.say_to(asker, &[no]);
        let (heard, words) = barred(&mut world, asker);
        assert_eq!(heard, ground);
        assert!(words.ends_with("says: not on a Sunday"), "{words}");
    }
}
