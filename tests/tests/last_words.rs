//! The end of an answer in the simulated world: what a stage says of its last step comes on another way than the
//! token, and may come later. Receipts are the business of `receipts`.
#![allow(clippy::unwrap_used)]

use node::RouteSheet;
use node::io::{Input, RequestId};
use tests::world::{Distance, NEAR, QUICK, World, ask};

const LAYERS: u32 = 8;
const ID: RequestId = RequestId(1);
const TOKENS: usize = 32;
const PROMPT: [u32; 6] = [1, 5, 9, 2, 3, 7];
/// The first stage, which is so far away that its words come after those of the last.
const FAR: usize = 1;

/// A ring whose first stage is `delay_ms` from whoever asks and beside the last; the question is asked.
fn asked(delay_ms: u64) -> (World, usize) {
    let (mut world, asker) = World::of_lenders(QUICK, &[(0, 4), (4, 8)], LAYERS, NEAR);
    world
        .network
        .between
        .insert((asker, FAR), Distance { delay_ms, ..NEAR });
    world.run_until(5_000);
    world.input(asker, Input::Ask(ask(1, &PROMPT, TOKENS as u32, LAYERS)));
    (world, asker)
}

/// Goes on until the last token is there.
fn last_token(world: &mut World, asker: usize) {
    let end = world.now + 60_000;
    while world.tokens(asker, ID, PROMPT.len()).len() < TOKENS {
        assert!(world.now < end, "no answer");
        world.run_until(world.now + 1);
    }
}

/// How long after its last token an answer is over whose first stage is so far away, and the world then.
fn over_after(delay_ms: u64) -> (World, usize, u64) {
    let (mut world, asker) = asked(delay_ms);
    last_token(&mut world, asker);
    let whole = world.now;
    let over = world.run_until_over(asker, ID, whole + 10_000).unwrap();
    (world, asker, over - whole)
}

fn steps(route: &RouteSheet) -> Vec<usize> {
    route.hops.iter().map(|hop| hop.steps as usize).collect()
}

#[test]
fn the_sheet_has_what_a_stage_says_after_the_last_token() {
    let (world, asker, ms) = over_after(60);
    assert!((50..=130).contains(&ms), "{ms} ms");
    assert_eq!(steps(&world.sheet(asker, ID)), [TOKENS, TOKENS]);
}

#[test]
fn it_is_not_waited_for_longer_than_a_moment() {
    let (mut world, asker, ms) = over_after(400);
    assert!((299..=301).contains(&ms), "{ms} ms");
    assert!(steps(&world.sheet(asker, ID))[0] < TOKENS);
    world.run_until(world.now + 5_000);
    assert!(
        world.hosts.iter().all(|host| host.device.caches() == 0),
        "all caches are freed"
    );
}

/// Lets something happen after the last token and before the last word: the answer is finished all the same.
fn finished_although(happens: impl FnOnce(&mut World, usize)) {
    let (mut world, asker) = asked(60);
    last_token(&mut world, asker);
    happens(&mut world, asker);
    world.run_until(world.now + 1_000);
    let route = world.sheet(asker, ID);
    assert_eq!(route.replays, 0);
    assert!(route.hops.iter().all(|hop| !hop.lost), "{route:?}");
    let receipts = world.receipts(asker);
    assert!(!receipts.is_empty(), "who is still there settles at once");
}

#[test]
fn an_answer_that_is_whole_is_not_cancelled_any_more() {
    finished_although(|world, asker| world.input(asker, Input::Cancel { request: ID }));
}

#[test]
fn an_answer_that_is_whole_loses_no_stage_any_more() {
    finished_although(|world, _| world.crash(FAR, false));
    finished_although(|world, asker| {
        let peer = world.hosts[FAR].id.clone();
        world.input(asker, Input::PeerDisconnected { peer });
    });
}
