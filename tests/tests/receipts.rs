//! Receipts in the simulated world: what was done is signed by both sides when a session closes, and by nobody else.
//! What a receipt proves by itself is shown in `protocol`.
#![allow(clippy::unwrap_used)]

use identity::{LocalKey, SigningKey as _};
use node::io::{Ask, Input, RequestId};
use protocol::Receipt;
use tests::world::{Distance, QUICK, World, ask};

const LAYERS: u32 = 8;

/// An asker and workers with the given layers.
fn world(lent: &[(u32, u32)]) -> (World, usize) {
    let distance = Distance {
        delay_ms: 5,
        jitter_ms: 20,
        bytes_per_ms: 0,
    };
    let (mut world, asker) = World::of_lenders(QUICK, lent, LAYERS, distance);
    world.run_until(1_000);
    (world, asker)
}

fn answered(world: &mut World, asker: usize, question: Ask) {
    let id = question.request;
    world.input(asker, Input::Ask(question));
    world.run_until_over(asker, id, world.now + 60_000).unwrap();
    world.run_until(world.now + 2_000);
}

#[test]
fn both_sides_keep_the_same_receipt_of_every_stage_and_number_it() {
    let (mut world, asker) = world(&[(0, 4), (4, 8)]);
    for id in 1..=3 {
        let question = Ask {
            speculate: id == 2,
            ..ask(id, &[1, 2, 3, 1, 2], 20, LAYERS)
        };
        answered(&mut world, asker, question);
    }
    let theirs = world.receipts(asker);
    assert_eq!(theirs.len(), 6, "three answers of two stages");
    let read: Vec<Receipt> = theirs
        .iter()
        .map(|receipt| Receipt::verify(receipt).unwrap())
        .collect();
    for (at, receipt) in read.iter().enumerate() {
        assert_eq!(receipt.requester.number, at as u64 + 1);
        let before = at.checked_sub(1).map(|at| theirs[at].hash());
        assert_eq!(receipt.requester.previous, before, "each names the one before");
    }
    let jobs: Vec<_> = read.iter().map(|receipt| receipt.job).collect();
    assert_eq!(jobs[0], jobs[1], "two stages of one question");
    assert_ne!(jobs[1], jobs[2], "and another question");
    for worker in [1, 2] {
        let ours = world.receipts(worker);
        assert_eq!(ours.len(), 3);
        for (at, receipt) in ours.iter().enumerate() {
            assert!(theirs.contains(receipt), "the very same");
            let read = Receipt::verify(receipt).unwrap();
            assert_eq!(read.worker.number, at as u64 + 1);
            assert_eq!(read.worker.previous, at.checked_sub(1).map(|at| ours[at].hash()));
            assert_eq!(read.layers.first(), if worker == 1 { 0 } else { 4 });
            assert!(read.compute_ms > 0);
            // Five of the prompt (the last one is sampled) and the answer; guesses come on top.
            assert_eq!(read.tokens_in, 4);
            assert!(
                if at == 1 {
                    read.tokens_out >= 20
                } else {
                    read.tokens_out == 20
                },
                "{read:?}"
            );
        }
    }
}

#[test]
fn whoever_has_an_owner_signs_in_their_name() {
    let (mut world, asker) = world(&[(0, 8)]);
    let owners = [5, 6].map(|seed| LocalKey::es256(&[seed; 32]).unwrap());
    world.belongs_to(asker, owners[0].clone());
    world.belongs_to(1, owners[1].clone());
    world.run_until(world.now + 10_000);
    answered(&mut world, asker, ask(1, &[1, 2, 3], 8, LAYERS));
    let receipt = Receipt::verify(world.receipts(asker)[0]).unwrap();
    assert_eq!(receipt.requester.key, owners[0].public_key());
    assert_eq!(receipt.worker.key, owners[1].public_key());
    assert_eq!(world.receipts(asker), world.receipts(1));
}

#[test]
fn one_owner_gives_no_receipt_to_themselves() {
    let (mut world, asker) = world(&[(0, 8)]);
    for host in [asker, 1] {
        world.belongs_to(host, LocalKey::es256(&[5; 32]).unwrap());
    }
    world.run_until(world.now + 10_000);
    answered(&mut world, asker, ask(1, &[1, 2, 3], 8, LAYERS));
    assert!(world.receipts(asker).is_empty() && world.receipts(1).is_empty());
    assert!(world.hosts.iter().all(|host| host.device.caches() == 0));
}

#[test]
fn a_requester_that_leaves_without_a_word_gets_no_receipt_and_holds_nothing_up() {
    let (mut world, asker) = world(&[(0, 8)]);
    let other = world.host(QUICK);
    world.run_until(7_000);
    world.input(asker, Input::Ask(ask(1, &[1, 2, 3], 200, LAYERS)));
    world.run_until(world.now + 300);
    world.crash(asker, true);
    world.input(other, Input::Ask(ask(2, &[1, 2, 3], 8, LAYERS)));
    world
        .run_until_over(other, RequestId(2), world.now + 60_000)
        .unwrap();
    world.run_until(world.now + 2_000);
    assert_eq!(world.receipts(other).len(), 1);
    assert_eq!(world.receipts(1), world.receipts(other));
}
