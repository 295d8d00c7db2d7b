//! What announcing costs in swarms of a hundred to ten thousand workers, on paper and in a simulated mesh.
//! It runs no node: the size of an offer is real, its way is a model of gossipsub (see `crates/adr/0003-ten-thousand.md`).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use identity::{
    Credential, LocalKey, RecordHash, SessionDelegation, Signed, SigningKey as _, Timestamp, Validity,
};
use protocol::{
    Address, Addresses, Backend, JobKind, LayerRange, Link, List, ModelId, Offer, PeerId, Power,
    RegistryHead, SwarmId, Terms, Work,
};
use tests::world::Dice;

/// As `node`'s lending has it.
const OFFERS_PER_SECOND: u64 = 16;
const REPEAT_S: u64 = 5;
const MAX_REPEAT_S: u64 = 1_200;
/// What gossipsub adds to a message: topic, author, number, its own signature and key.
const ENVELOPE_BYTES: u64 = 240;
/// A message's name where it is only announced: author and number.
const NAME_BYTES: u64 = 60;

/// The bytes of a signed offer of a tab that has an owner, two addresses and some measured links.
fn offer_bytes() -> u64 {
    let session = LocalKey::eddsa(&[1; 32]).unwrap();
    let id = session.public_key().peer_id().unwrap();
    let now = Timestamp::from_seconds(1_800_000_000);
    let delegation = SessionDelegation {
        peer_id: id.clone(),
        validity: Validity::starting(now, std::time::Duration::from_secs(86_400)),
    };
    let owner = LocalKey::es256(&[2; 32]).unwrap();
    let peer = PeerId::from_bytes(&id).unwrap();
    let address = format!("/dns4/relay.example.org/tcp/443/tls/ws/p2p/{peer}/p2p-circuit/webrtc/p2p/{peer}");
    let link = |n: u8| {
        let key = LocalKey::eddsa(&[n; 32]).unwrap().public_key();
        Link {
            peer: PeerId::from_bytes(&key.peer_id().unwrap()).unwrap(),
            one_way_ms: u32::from(n),
        }
    };
    let offer = Offer {
        swarm: SwarmId([1; 32]),
        peer: peer.clone(),
        addresses: Addresses::new(vec![Address::new(address).unwrap(); 2]).unwrap(),
        kinds: List::first([JobKind::Inference]),
        work: Some(Work {
            model: ModelId([2; 32]),
            layers: LayerRange::new(8, 16).unwrap(),
            model_layers: 80,
            us_per_token: 41_000,
            sessions: 16,
            positions: 8_192,
            whole: true,
            batch_invariant: Some(true),
        }),
        memory_bytes: 1 << 33,
        keep_bytes: 0,
        backend: Backend::Gpu,
        power: Power::Mains,
        background: false,
        terms: Terms::Anybody,
        sequence: 1_800_000_000_000,
        lifetime_s: 900,
        links: List::first((3..11).map(link)),
        issued_at: now,
        credential: Some(Credential {
            session: Signed::sign(&delegation, &owner).unwrap(),
            device: None,
        }),
        registry: Some(RegistryHead {
            sequence: 9,
            hash: RecordHash::from_bytes([3; 32]),
        }),
    };
    let signed = Signed::sign(&offer, &session).unwrap().to_bytes();
    assert!(Offer::open(&signed, now).is_ok());
    signed.len() as u64
}

/// A connected random graph in which everybody has about `degree` neighbours.
fn mesh(nodes: usize, degree: usize, dice: &mut Dice) -> Vec<BTreeSet<usize>> {
    let mut links = vec![BTreeSet::new(); nodes];
    let mut join = |a: usize, b: usize| {
        if a != b {
            links[a].insert(b);
            links[b].insert(a);
        }
    };
    (1..nodes).for_each(|node| join(node, node - 1));
    for node in 0..nodes {
        for _ in 0..degree.saturating_sub(2) / 2 {
            join(node, dice.between(0, nodes as u64) as usize);
        }
    }
    links
}

/// One message through a mesh: how often each node gets it, and when the last one has it.
fn flood(links: &[BTreeSet<usize>], dice: &mut Dice) -> (f64, u64) {
    let mut heard = vec![None; links.len()];
    let mut queue = BinaryHeap::from([Reverse((0, 0, 0))]);
    let (mut copies, mut last) = (0u64, 0);
    while let Some(Reverse((at, node, from))) = queue.pop() {
        copies += 1;
        if heard[node].is_some() {
            continue;
        }
        heard[node] = Some(at);
        last = at;
        for next in links[node].iter().filter(|next| **next != from) {
            queue.push(Reverse((at + dice.between(10, 90), *next, node)));
        }
    }
    assert!(heard.iter().all(Option::is_some), "everybody hears it");
    (copies as f64 / links.len() as f64, last)
}

/// How often each worker announces itself.
fn interval_s(workers: u64) -> u64 {
    (workers / OFFERS_PER_SECOND).clamp(REPEAT_S, MAX_REPEAT_S)
}

#[test]
fn what_everybody_hears_in_a_minute_stays_within_bounds_however_large_the_swarm() {
    let offer = offer_bytes();
    eprintln!(
        "a signed offer: {offer} bytes, in gossip {}",
        offer + ENVELOPE_BYTES
    );
    eprintln!("workers  every  offers/s  copies  last ms  KB/min in  fixed 5 s: KB/min in");
    for workers in [100, 1_000, 10_000] {
        let mut dice = Dice::new(workers);
        let links = mesh(workers as usize, 6, &mut dice);
        let runs: Vec<(f64, u64)> = (0..5).map(|_| flood(&links, &mut dice)).collect();
        let copies = runs.iter().map(|(copies, _)| copies).sum::<f64>() / 5.0;
        let last = runs.iter().map(|(_, last)| *last).max().unwrap();
        let interval = interval_s(workers);
        let per_second = workers as f64 / interval as f64;
        // Beside the copies, its name from six neighbours in each of three heartbeats.
        let each = copies * (offer + ENVELOPE_BYTES) as f64 + 18.0 * NAME_BYTES as f64;
        let per_minute = per_second * 60.0 * each / 1_000.0;
        let fixed = workers as f64 / REPEAT_S as f64 * 60.0 * each / 1_000.0;
        eprintln!(
            "{workers:>7}  {interval:>4}s  {per_second:>8.1}  {copies:>6.1}  {last:>7}  {per_minute:>9.0}  {fixed:>9.0}"
        );
        assert!(per_second <= OFFERS_PER_SECOND as f64 + 1.0);
        assert!(last < 5_000, "everybody has heard it within five seconds");
        assert!(per_minute < 10_500.0, "{per_minute} KB per minute");
    }
}
