//! The DHT of real relays: what owners signed is kept, newest first, and nothing else is.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{
    Relay,
    peer::{BehaviourEvent, Peer},
};
use identity::{
    Authority, CoSigned, LocalKey, NodeId, Publication, Signed, SigningKey as _, Timestamp, Validity,
};
use libp2p::{Multiaddr, PeerId, kad, swarm::SwarmEvent};
use registry::{
    Action, Entry, Found, Genesis, MAX_ENTRY_LIFE, Record, Registry, Role, Search, SwarmId, Terms,
    entry_bytes, entry_key,
    published::{self, INDEX_NAME, Index, Page, PublishedHead, head_name, page_name},
};

fn key(n: u8) -> LocalKey {
    LocalKey::es256(&[n; 32]).unwrap()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap())
}

/// Version `sequence` of the entry `name` of key `n`.
fn entry(n: u8, name: &str, sequence: u64, payload: Vec<u8>) -> kad::Record {
    let entry = Entry {
        name: name.to_owned(),
        sequence,
        validity: Validity::starting(now(), MAX_ENTRY_LIFE),
        payload,
    };
    let state = Signed::sign(&entry, &key(n)).unwrap();
    let bytes = entry_bytes(&Publication {
        state,
        publisher: None,
    })
    .unwrap();
    kad::Record::new(entry_key(key(n).public_key().node_id(), name), bytes)
}

/// A peer that knows these relays as servers of the DHT.
async fn guest(relays: &[&Relay]) -> Peer {
    acquainted(Peer::new(), relays).await
}

/// One who puts what is refused: as long as it waits for the answer that does not come, so long does the test.
async fn refused_guest(relays: &[&Relay]) -> Peer {
    acquainted(Peer::patient_for(Duration::from_millis(200)), relays).await
}

async fn acquainted(mut peer: Peer, relays: &[&Relay]) -> Peer {
    for relay in relays {
        peer.connect(&ws(relay)).await;
        peer.first("the DHT's routing table", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. })) => Some(()),
            _ => None,
        })
        .await;
    }
    peer
}

fn ws(relay: &Relay) -> Multiaddr {
    relay.ws().parse().unwrap()
}

fn id(relay: &Relay) -> PeerId {
    relay.ws().rsplit('/').next().unwrap().parse().unwrap()
}

/// Puts `record` at these relays; whether all took it.
async fn put(peer: &mut Peer, record: kad::Record, at: &[&Relay]) -> bool {
    let peers: Vec<PeerId> = at.iter().map(|relay| id(relay)).collect();
    peer.tell(move |swarm| {
        swarm
            .behaviour_mut()
            .kad
            .put_record_to(record, peers.into_iter(), kad::Quorum::All);
    });
    peer.first("the end of a put", |event| match event {
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::PutRecord(result),
            ..
        })) => Some(result.is_ok()),
        _ => None,
    })
    .await
}

/// Looks for an entry at all relays that the peer knows.
async fn get(peer: &mut Peer, owner: NodeId, name: &str) -> Option<Found<PeerId>> {
    let mut search = Search::new(entry_key(owner, name));
    let key = kad::RecordKey::new(&search.key());
    peer.tell(move |swarm| {
        swarm.behaviour_mut().kad.get_record(key);
    });
    peer.first("the end of a search", |event| match event {
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetRecord(result),
            step,
            ..
        })) => {
            if let Ok(kad::GetRecordOk::FoundRecord(found)) = result {
                search.hear(found.peer.unwrap(), &found.record.value, now());
            }
            step.last.then_some(())
        }
        _ => None,
    })
    .await;
    search.finish()
}

/// Puts what must be refused, again where the impatient peer gave up before the relay had heard it.
async fn put_refused(peer: &mut Peer, record: kad::Record, relay: &Relay, reason: &str) {
    let name = format!("manyhands_records_refused_total{{reason=\"{reason}\"}}");
    for puts in 1..=100 {
        assert!(!put(peer, record.clone(), &[relay]).await, "{reason}");
        let refused = relay.metric(&name);
        assert!(refused <= puts, "{reason}: each is counted once");
        if refused >= 1 {
            return;
        }
    }
    panic!("never refused: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_entry_wins_and_a_holder_of_an_old_one_is_corrected() {
    let (data, other_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relays = [
        Relay::start(data.path(), &[]),
        Relay::start(other_data.path(), &[]),
    ];
    let mut peer = guest(&[&relays[0], &relays[1]]).await;
    let owner = key(1).public_key().node_id();
    let (old, new) = (
        entry(1, "profile", 1, b"old".to_vec()),
        entry(1, "profile", 2, b"new".to_vec()),
    );
    assert!(put(&mut peer, old.clone(), &[&relays[0]]).await);
    assert!(put(&mut peer, new.clone(), &[&relays[1]]).await);
    let mut late = refused_guest(&[&relays[1]]).await;
    put_refused(&mut late, old, &relays[1], "stale").await;

    let found = get(&mut peer, owner, "profile").await.unwrap();
    assert_eq!(found.vetted.entry().payload, b"new");
    assert_eq!(found.outdated, [id(&relays[0])]);
    assert!(put(&mut peer, new, &[&relays[0]]).await);
    let again = get(&mut peer, owner, "profile").await.unwrap();
    assert_eq!((again.vetted, again.outdated), (found.vetted, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_its_owner_did_not_sign_just_so_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let mut peer = refused_guest(&[&relay]).await;
    let mut bent = entry(1, "a", 1, vec![7; 64]);
    *bent.value.last_mut().unwrap() ^= 1;
    let mut moved = entry(1, "a", 1, vec![]);
    moved.key = entry(2, "a", 1, vec![]).key;
    let huge = kad::Record::new(moved.key.clone(), vec![0; registry::MAX_ENTRY_BYTES + 1]);
    let forever = {
        let entry = Entry {
            name: "a".to_owned(),
            sequence: 1,
            validity: Validity::starting(now(), MAX_ENTRY_LIFE * 2),
            payload: vec![],
        };
        let state = Signed::sign(&entry, &key(1)).unwrap();
        let bytes = entry_bytes(&Publication {
            state,
            publisher: None,
        })
        .unwrap();
        kad::Record::new(entry_key(key(1).public_key().node_id(), "a"), bytes)
    };
    for (record, reason) in [
        (bent, "signature"),
        (moved, "other_key"),
        (huge, "too_long"),
        (forever, "lifetime"),
        (
            kad::Record::new(entry(1, "a", 1, vec![]).key, b"noise".to_vec()),
            "malformed",
        ),
    ] {
        put_refused(&mut peer, record, &relay, reason).await;
    }
    assert_eq!(relay.metric("manyhands_records"), 0);
    let mut peer = guest(&[&relay]).await;
    assert!(get(&mut peer, key(1).public_key().node_id(), "a").await.is_none());
}

/// A swarm founded by key 1 with some members.
fn swarm() -> Registry {
    let owner = Authority::Key(key(1).public_key());
    let sign = |record: &Record| CoSigned::sign(record, &[&key(1)]).unwrap();
    let genesis = Record {
        swarm: None,
        sequence: 0,
        previous: None,
        author: owner.id(),
        issued_at: now(),
        action: Action::Genesis(Genesis {
            name: "lost and found".to_owned(),
            owner,
            parent: None,
            salt: [7; 16],
        }),
    };
    let mut registry = Registry::found(sign(&genesis)).unwrap();
    for n in 2..60 {
        let grant = Action::Grant {
            holder: Authority::Key(key(n).public_key()),
            terms: Terms::plain(Role::Worker),
        };
        let record = registry.next(key(1).public_key().node_id(), now(), grant);
        registry.apply(sign(&record), now()).unwrap();
    }
    registry
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_nothing_but_a_key_and_one_relays_address_finds_its_swarms_registry() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let swarm = swarm();
    let (head, pages) = published::publish(&swarm).unwrap();
    assert!(pages.len() > 1);
    {
        let mut owner = guest(&[&relay]).await;
        let index = Index {
            swarms: vec![swarm.id()],
        };
        let mut entries = vec![
            entry(1, INDEX_NAME, 1, index.encode().unwrap()),
            entry(1, &head_name(swarm.id()), 1, head.encode().unwrap()),
        ];
        for (n, page) in pages.iter().enumerate() {
            let name = page_name(swarm.id(), u16::try_from(n).unwrap());
            entries.push(entry(1, &name, 1, page.encode().unwrap()));
        }
        for entry in entries {
            assert!(put(&mut owner, entry, &[&relay]).await);
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;

    // Another device, another day: the same key, and where the relay is.
    let me = key(1).public_key().node_id();
    let mut device = guest(&[&relay]).await;
    let index = get(&mut device, me, INDEX_NAME).await.unwrap();
    let ids: Vec<SwarmId> = Index::decode(&index.vetted.entry().payload).unwrap().swarms;
    let found = get(&mut device, me, &head_name(ids[0])).await.unwrap();
    let head = PublishedHead::decode(&found.vetted.entry().payload).unwrap();
    let mut found = Vec::new();
    for n in 0..head.pages {
        let page = get(&mut device, me, &page_name(ids[0], n)).await.unwrap();
        found.push(Page::decode(&page.vetted.entry().payload).unwrap());
    }
    let recovered = published::restore(ids[0], &found, now()).unwrap();
    assert_eq!(recovered.head(), swarm.head());
    assert_eq!(recovered.state().owners().collect::<Vec<_>>(), [me]);
}
