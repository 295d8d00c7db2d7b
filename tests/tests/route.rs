//! The choice of a route against brute force, and its cost in a large swarm.
//! Routes under way are the business of `session` and `loss`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::time::Instant;

use node::route::{Candidate, Delays, Leg, route};
use protocol::{LayerRange, PeerId};
use tests::world::Dice;

fn peer(number: usize) -> PeerId {
    PeerId::new(&format!("peer{number}")).unwrap()
}

fn range(first: u32, end: u32) -> LayerRange {
    LayerRange::new(first, end).unwrap()
}

/// The least cost of all routes that there are; every one is tried.
fn brute_force(
    candidates: &[Candidate],
    delays: &Delays,
    at: u32,
    end: u32,
    last: &PeerId,
    to: &PeerId,
) -> Option<u64> {
    if at == end {
        return delays.between(last, to);
    }
    let mut best = None;
    for candidate in candidates.iter().filter(|c| c.layers.contains(at)) {
        let Some(way) = delays.between(last, &candidate.peer) else {
            continue;
        };
        let most = candidate.layers.end().min(end);
        let ends = if candidate.whole {
            let fits = candidate.layers.first() == at && candidate.layers.end() <= end;
            if fits {
                candidate.layers.end()..most + 1
            } else {
                continue;
            }
        } else {
            at + 1..most + 1
        };
        for stop in ends {
            let here = way + candidate.us_per_layer * u64::from(stop - at);
            let rest = brute_force(candidates, delays, stop, end, &candidate.peer, to);
            best = [best, rest.map(|rest| rest + here)].into_iter().flatten().min();
        }
    }
    best
}

fn cost_of(legs: &[Leg], candidates: &[Candidate], delays: &Delays, from: &PeerId, to: &PeerId) -> u64 {
    let mut us = 0;
    let mut last = from;
    for leg in legs {
        let candidate = candidates
            .iter()
            .find(|candidate| candidate.peer == leg.peer)
            .unwrap();
        assert!(candidate.layers.first() <= leg.layers.first() && leg.layers.end() <= candidate.layers.end());
        us += delays.between(last, &leg.peer).unwrap() + candidate.us_per_layer * u64::from(leg.layers.len());
        last = &leg.peer;
    }
    us + delays.between(last, to).unwrap()
}

#[test]
fn in_ten_thousand_small_swarms_the_route_is_the_best_that_there_is() {
    let (mut found, mut none) = (0, 0);
    for seed in 0..10_000 {
        let mut dice = Dice::new(seed);
        let layers = dice.between(1, 6) as u32;
        let count = dice.between(1, 6) as usize;
        let me = peer(99);
        let mut delays = Delays {
            unknown: dice.between(0, 50),
            ..Delays::default()
        };
        let mut candidates = Vec::new();
        for number in 0..count {
            let first = dice.between(0, u64::from(layers)) as u32;
            let end = dice.between(u64::from(first) + 1, u64::from(layers) + 2) as u32;
            candidates.push(Candidate {
                peer: peer(number),
                layers: range(first, end.max(first + 1)),
                whole: dice.one_in(2),
                us_per_layer: dice.between(0, 100),
                distrust: dice.between(0, 3) as u32,
            });
            if dice.one_in(2) {
                delays.to_middle.insert(peer(number), dice.between(0, 60));
            }
            for other in 0..number {
                if dice.one_in(2) {
                    let us = (!dice.one_in(4)).then(|| dice.between(0, 80));
                    delays.set(&peer(number), &peer(other), us);
                }
            }
        }
        delays.to_middle.insert(me.clone(), 0);
        // Now and then between two stages that stay, one of which may be a candidate.
        let ends = [me.clone(), peer(7), peer(0)];
        let (from, to) = (
            &ends[dice.between(0, 3) as usize],
            &ends[dice.between(0, 3) as usize],
        );
        let start = dice.between(0, u64::from(layers)) as u32;
        let expected = brute_force(&candidates, &delays, start, layers, from, to);
        let answer = route(&candidates, &delays, range(start, layers), from, to);
        assert_eq!(
            answer.as_ref().map(|(_, cost)| cost.us),
            expected,
            "seed {seed}: {candidates:?} {delays:?}"
        );
        if let Some((legs, cost)) = answer {
            assert_eq!(
                cost_of(&legs, &candidates, &delays, from, to),
                cost.us,
                "seed {seed}"
            );
            assert_eq!(legs.first().unwrap().layers.first(), start);
            assert_eq!(legs.last().unwrap().layers.end(), layers);
            assert!(
                legs.windows(2)
                    .all(|pair| pair[0].layers.end() == pair[1].layers.first())
            );
            found += 1;
        } else {
            none += 1;
        }
    }
    assert!(
        found > 2_000 && none > 2_000,
        "both kinds of swarm were tried: {found}, {none}"
    );
}

#[test]
fn of_two_that_are_equally_fast_the_one_that_never_failed_is_taken_then_the_shorter_way() {
    let delays = Delays::default();
    let candidate = |number, first, end, distrust| Candidate {
        peer: peer(number),
        layers: range(first, end),
        whole: true,
        us_per_layer: 10,
        distrust,
    };
    let me = peer(99);
    let who = |candidates: &[Candidate]| {
        let (legs, _) = route(candidates, &delays, range(0, 4), &me, &me).unwrap();
        legs.into_iter().map(|leg| leg.peer).collect::<Vec<_>>()
    };
    assert_eq!(who(&[candidate(1, 0, 4, 3), candidate(2, 0, 4, 0)]), [peer(2)]);
    assert_eq!(
        who(&[
            candidate(1, 0, 2, 0),
            candidate(2, 2, 4, 0),
            candidate(3, 0, 4, 0)
        ]),
        [peer(3)]
    );
    assert_eq!(
        who(&[
            candidate(1, 0, 2, 0),
            candidate(2, 2, 4, 0),
            candidate(3, 0, 4, 1)
        ]),
        [peer(1), peer(2)]
    );
}

#[test]
#[ignore = "a measurement: run with --release --nocapture"]
fn a_thousand_workers_and_eighty_layers() {
    let mut dice = Dice::new(1);
    let me = peer(9_999);
    let mut delays = Delays {
        unknown: 40_000,
        ..Delays::default()
    };
    let mut candidates = Vec::new();
    for number in 0..1_000 {
        let first = dice.between(0, 80) as u32;
        let end = (first + dice.between(1, 21) as u32).min(80);
        candidates.push(Candidate {
            peer: peer(number),
            layers: range(first, end),
            whole: number % 2 == 0,
            us_per_layer: dice.between(100, 5_000),
            distrust: 0,
        });
        delays.to_middle.insert(peer(number), dice.between(1_000, 80_000));
        for _ in 0..8 {
            let other = dice.between(0, 1_000) as usize;
            delays.set(&peer(number), &peer(other), Some(dice.between(500, 100_000)));
        }
    }
    delays.to_middle.insert(me.clone(), 0);
    let mut times = BTreeMap::new();
    for _ in 0..50 {
        let start = Instant::now();
        let (legs, cost) = route(&candidates, &delays, range(0, 80), &me, &me).unwrap();
        times.insert(start.elapsed(), (legs.len(), cost.us));
    }
    let (median, (legs, us)) = times.iter().nth(25).unwrap();
    eprintln!("1,000 workers × 80 layers: {median:?} (median of 50); {legs} stages, {us} µs per token");
}
