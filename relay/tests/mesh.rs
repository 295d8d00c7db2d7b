//! The relay as a libp2p peer, met by peers that were built from released crates.
#![allow(clippy::unwrap_used)]

mod common;

use std::{fs, time::Duration};

use common::{
    Relay, model,
    peer::{BehaviourEvent, Peer},
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol,
    gossipsub::{self, IdentTopic},
    identify, kad, relay,
    swarm::SwarmEvent,
};
use protocol::{Backend, Offer, Power, Terms, Work};

const ECHO: StreamProtocol = StreamProtocol::new("/test/echo/1");
const CIRCUIT_BYTES: &str = "manyhands_circuit_bytes_total";

/// Sends back whatever comes.
fn echo(peer: &Peer) {
    let mut incoming = peer.streams.clone().accept(ECHO).unwrap();
    tokio::spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..n]).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                let _ = stream.close().await;
            });
        }
    });
}

/// Sends `bytes` bytes and reads them back.
async fn round_trip(from: &Peer, to: &Peer, bytes: usize) -> std::io::Result<()> {
    let mut stream = from
        .streams
        .clone()
        .open_stream(to.id, ECHO)
        .await
        .map_err(std::io::Error::other)?;
    let sent = vec![7; 1024];
    let mut back = vec![0; 1024];
    for _ in 0..bytes / 1024 {
        stream.write_all(&sent).await?;
        stream.flush().await?;
        stream.read_exact(&mut back).await?;
    }
    stream.close().await
}

fn ws(relay: &Relay) -> Multiaddr {
    relay.ws().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_reserves_a_circuit_over_the_web_servers_port_and_another_dials_through_it() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let (mut host, mut guest) = (Peer::new(), Peer::new());
    echo(&host);
    let addr = host.reserve(&ws(&relay)).await;
    relay.until("the reservation counts", |relay| {
        relay.metric("manyhands_reservations_open") == 1
    });
    assert_eq!(relay.metric(CIRCUIT_BYTES), 0, "a reservation is no circuit");

    guest.tell(move |swarm| swarm.dial(addr).unwrap());
    let limit = guest
        .first("a circuit", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Relay(
                relay::client::Event::OutboundCircuitEstablished { limit, .. },
            )) => Some(limit.unwrap()),
            _ => None,
        })
        .await;
    assert_eq!(limit.duration(), Some(Duration::from_secs(60)));
    assert_eq!(limit.data_in_bytes(), Some(65_536));
    round_trip(&guest, &host, 10 * 1024).await.unwrap();
    assert_eq!(relay.metric("manyhands_circuits_open"), 1);
    assert_eq!(relay.metric("manyhands_circuits_total"), 1);
    // 10 KiB there and 10 KiB back, with Noise, Yamux, handshakes and identify around them.
    let carried = relay.metric(CIRCUIT_BYTES);
    assert!((20 * 1024..34 * 1024).contains(&carried), "{carried}");

    // Nobody speaks any more: the counter stands still, whatever others say to the relay itself.
    relay.until("the last handshakes are over", |relay| {
        let before = relay.metric(CIRCUIT_BYTES);
        std::thread::sleep(Duration::from_secs(1));
        relay.metric(CIRCUIT_BYTES) == before
    });
    let still = relay.metric(CIRCUIT_BYTES);
    for _ in 0..3 {
        Peer::new().reserve(&ws(&relay)).await;
    }
    assert_eq!(relay.metric(CIRCUIT_BYTES), still);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_ends_at_its_byte_limit_and_the_relay_lives_on() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let (mut host, mut guest) = (Peer::new(), Peer::new());
    echo(&host);
    let addr = host.reserve(&ws(&relay)).await;
    guest.connect(&addr).await;
    assert!(round_trip(&guest, &host, 200 * 1024).await.is_err());
    let carried = relay.metric(CIRCUIT_BYTES);
    assert!((65_536..80_000).contains(&carried), "{carried}");
    relay.until("the circuit is closed", |relay| {
        relay.metric("manyhands_circuits_open") == 0
    });
    let mut next = Peer::new();
    next.reserve(&ws(&relay)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_is_counted_down_once_whichever_end_vanishes() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    for host_goes_first in [true, false].repeat(8) {
        let (mut host, mut guest) = (Peer::new(), Peer::new());
        let addr = host.reserve(&ws(&relay)).await;
        through(&mut guest, addr).await;
        relay.until("the circuit counts", |relay| {
            relay.metric("manyhands_circuits_open") == 1
        });
        let (first, second) = if host_goes_first {
            (host, guest)
        } else {
            (guest, host)
        };
        for (peer, left) in [(first, 1), (second, 0)] {
            drop(peer);
            relay.until("it is gone", |relay| {
                relay.metric("manyhands_connections_open") == left
            });
            // Counted below zero it has no value that can be read, here or when the next one counts.
            relay.until("so is the circuit", |relay| {
                relay.metric("manyhands_circuits_open") == 0
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identify_tells_what_the_relay_speaks_and_where_it_is() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--p2p-port", "0"]);
    for addr in [ws(&relay), relay.tcp().parse().unwrap()] {
        let mut peer = Peer::new();
        peer.connect(&addr).await;
        let info = peer
            .first("identify", |event| match event {
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                    info, ..
                })) => Some(info),
                _ => None,
            })
            .await;
        assert!(info.agent_version.starts_with("manyhands-relay/"));
        let speaks = |name: &str| info.protocols.iter().any(|known| known.as_ref() == name);
        for name in [
            "/libp2p/circuit/relay/0.2.0/hop",
            "/manyhands/kad/1",
            "/meshsub/1.1.0",
            "/ipfs/ping/1.0.0",
        ] {
            assert!(speaks(name), "{name} is not in {:?}", info.protocols);
        }
        assert_eq!(info.listen_addrs.len(), 2, "{:?}", info.listen_addrs);
    }
}

#[test]
fn the_peer_id_survives_a_stop_and_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let start = || Relay::start(data.path(), &["--webrtc-port", "0"]);
    let id = |relay: &Relay| relay.ws().rsplit('/').next().unwrap().to_owned();
    let certhash = |relay: &Relay| {
        let addr = relay.p2p("/certhash/");
        addr.split("/certhash/").nth(1).unwrap().to_owned()
    };
    let first = start();
    let (peer, cert) = (id(&first), certhash(&first));
    first.terminate();
    assert!(first.wait().success());
    let second = start();
    assert_eq!((id(&second), certhash(&second)), (peer.clone(), cert.clone()));
    // Dropping it kills it.
    drop(second);
    let third = start();
    assert_eq!((id(&third), certhash(&third)), (peer, cert));
}

/// A check of ICE (RFC 8489, RFC 8445) by somebody who does not prove to know the password.
fn unauthenticated_check() -> Vec<u8> {
    const HEADER: [u8; 8] = [0, 1, 0, 52, 0x21, 0x12, 0xa4, 0x42];
    const USERNAME: [u8; 4] = [0, 6, 0, 47];
    let name = b"libp2p+webrtc+v1/nobody:libp2p+webrtc+v1/nobody\0";
    [&HEADER[..], &[7; 12], &USERNAME, name].concat()
}

#[test]
fn the_log_has_no_address_of_a_visitor_whose_webrtc_is_wrong() {
    let port = |relay: &Relay| -> u16 {
        let addr = relay.p2p("/udp/");
        addr.split('/').nth(4).unwrap().parse().unwrap()
    };
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relay = Relay::start(data.path(), &["--webrtc-port", "0"]);
    // What the libraries write down by themselves.
    let outspoken = Relay::start(other.path(), &["--webrtc-port", "0", "--log-filter", "info"]);
    let visitor = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = visitor.local_addr().unwrap().to_string();
    outspoken.until("it names the visitor", |outspoken| {
        for to in [&relay, outspoken] {
            visitor
                .send_to(&unauthenticated_check(), ("127.0.0.1", port(to)))
                .unwrap();
        }
        // More than once: the other has had its time too.
        outspoken.log().matches(&address).count() > 3
    });
    let log = relay.log();
    assert!(!log.contains(&address), "{log}");
}

/// An offer of `peer` to compute all layers of the model, signed by `by`.
fn offer(by: &Peer, peer: &str, swarm: [u8; 32], model: [u8; 32], sequence: u64) -> Vec<u8> {
    let secret = by.key.clone().try_into_ed25519().unwrap().secret();
    let key = identity::LocalKey::eddsa(secret.as_ref().try_into().unwrap()).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let offer = Offer {
        swarm: protocol::SwarmId(swarm),
        peer: protocol::PeerId::new(peer).unwrap(),
        addresses: Default::default(),
        kinds: Default::default(),
        work: Some(Work {
            model: gguf::ModelId(model),
            layers: gguf::LayerRange::new(0, 2).unwrap(),
            model_layers: 3,
            us_per_token: 20_000,
            sessions: 1,
            positions: 128,
            whole: true,
            batch_invariant: Some(false),
        }),
        memory_bytes: 1,
        keep_bytes: 0,
        backend: Backend::Cpu,
        power: Power::Mains,
        background: false,
        terms: Terms::Anybody,
        sequence,
        lifetime_s: 60,
        links: Default::default(),
        issued_at: identity::Timestamp::from_seconds(now.as_secs()),
        credential: None,
        registry: None,
    };
    identity::Signed::sign(&offer, &key).unwrap().to_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_reaches_the_board_and_the_others_and_a_forged_one_reaches_nobody() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tiny.gguf");
    fs::write(&file, model::gguf(3, 1)).unwrap();
    let relay = Relay::start(data.path(), &["--model", &file.to_string_lossy()]);
    let about = relay.json("/api/v1/swarm");
    let bytes = |name: &serde_json::Value| -> [u8; 32] {
        hex::decode(name.as_str().unwrap()).unwrap().try_into().unwrap()
    };
    let (swarm, id) = (bytes(&about["swarm"]["id"]), bytes(&about["models"][0]["id"]));
    let topic = IdentTopic::new(format!(
        "/manyhands/offers/1/{}",
        about["swarm"]["id"].as_str().unwrap()
    ));
    let (mut worker, mut hearer) = (Peer::new(), Peer::new());
    for peer in [&mut worker, &mut hearer] {
        let subscribed = topic.clone();
        peer.tell(move |swarm| {
            swarm.behaviour_mut().gossip.subscribe(&subscribed).unwrap();
        });
        peer.connect(&ws(&relay)).await;
        peer.first("the relay's subscription", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => Some(()),
            _ => None,
        })
        .await;
    }
    // Two heartbeats: every mesh knows everybody.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let say = |what: Vec<u8>| {
        let topic = topic.clone();
        worker.tell(move |swarm| {
            swarm.behaviour_mut().gossip.publish(topic, what).unwrap();
        });
    };
    // Another's offer; an offer in another's name; one for another swarm; none at all.
    say(offer(&hearer, &hearer.id.to_string(), swarm, id, 1));
    say(offer(&worker, &hearer.id.to_string(), swarm, id, 1));
    say(offer(&hearer, &worker.id.to_string(), swarm, id, 1));
    say(offer(&worker, &worker.id.to_string(), [9; 32], id, 1));
    say(b"not an offer".to_vec());
    let sound = offer(&worker, &worker.id.to_string(), swarm, id, 1);
    say(sound.clone());
    let heard = hearer
        .first("an offer", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                Some(message.data)
            }
            _ => None,
        })
        .await;
    assert_eq!(heard, sound, "the forged ones were not passed on");
    relay.until("the refusals count", |relay| {
        relay.metric("manyhands_gossip_messages_total{reason=\"refused\"}") == 5
    });
    let board = relay.json("/api/v1/peers");
    let workers = board["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 1, "{board}");
    assert_eq!(workers[0]["peer_id"], worker.id.to_string());
    assert_eq!(workers[0]["layers"], serde_json::json!([0, 2]));
    assert_eq!(workers[0]["tokens_per_s"], 50.0);
    assert_eq!(workers[0]["backend"], "cpu");
    assert_eq!(workers[0]["batch_invariant"], false);
    let coverage = &board["coverage"][hex::encode(id)];
    assert_eq!(coverage, &serde_json::json!({ "covered": 2, "layers": 3 }));

    let told = relay.json("/api/v1/offers");
    assert_eq!(told["offers"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["offers"][0]["peer_id"], worker.id.to_string());

    drop(worker);
    relay.until("the worker that left is off the board", |relay| {
        relay.json("/api/v1/peers")["workers"] == serde_json::json!([])
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_persons_own_swarm_hear_each_other_and_nobody_else_hears_them() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--limit", "max_swarms_per_peer=1"]);
    let swarm = [7; 32];
    let topic = |swarm: [u8; 32]| IdentTopic::new(format!("/manyhands/offers/1/{}", hex::encode(swarm)));
    let (mut worker, mut hearer) = (Peer::new(), Peer::new());
    for peer in [&mut worker, &mut hearer] {
        peer.connect(&ws(&relay)).await;
        let subscribed = topic(swarm);
        let awaited = subscribed.hash();
        peer.tell(move |swarm| {
            swarm.behaviour_mut().gossip.subscribe(&subscribed).unwrap();
        });
        peer.first("the relay follows", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. })) => {
                (topic == awaited).then_some(())
            }
            _ => None,
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let say = |what: Vec<u8>| {
        let topic = topic(swarm);
        worker.tell(move |swarm| {
            swarm.behaviour_mut().gossip.publish(topic, what).unwrap();
        });
    };
    say(offer(&worker, &worker.id.to_string(), [8; 32], [5; 32], 1));
    say(offer(&hearer, &hearer.id.to_string(), swarm, [5; 32], 1));
    let sound = offer(&worker, &worker.id.to_string(), swarm, [5; 32], 2);
    say(sound.clone());
    let heard = hearer
        .first("an offer", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                Some(message.data)
            }
            _ => None,
        })
        .await;
    assert_eq!(
        heard, sound,
        "one for another swarm and one in another's name were not passed on"
    );
    assert_eq!(
        relay.json("/api/v1/peers")["workers"],
        serde_json::json!([]),
        "who works in people's own swarms is nobody else's business"
    );
    let second = topic([8; 32]);
    worker.tell(move |swarm| {
        swarm.behaviour_mut().gossip.subscribe(&second).unwrap();
    });
    relay.until("a second swarm of one peer is one too many here", |relay| {
        relay.metric("manyhands_gossip_messages_total{reason=\"no_room_for_topic\"}") == 1
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_refused_and_counted() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--limit", "max_established_incoming=2"]);
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::new();
        peer.reserve(&ws(&relay)).await;
        inside.push(peer);
    }
    let addr = ws(&relay);
    let mut outside = Peer::new();
    outside.tell(move |swarm| swarm.dial(addr).unwrap());
    outside
        .first("a refusal", |event| match event {
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => Some(()),
            _ => None,
        })
        .await;
    relay.until("the refusal counts", |relay| {
        relay.metric("manyhands_denials_total{reason=\"max_connections\"}") >= 1
    });
    assert_eq!(relay.metric("manyhands_connections_open"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_that_connects_too_fast_is_slowed_down() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(
        data.path(),
        &[
            "--limit",
            "connections_per_subnet_burst=3,connections_per_subnet_per_s=1",
        ],
    );
    let mut dialling = Vec::new();
    for _ in 0..12 {
        let addr = ws(&relay);
        let peer = Peer::new();
        peer.tell(move |swarm| swarm.dial(addr).unwrap());
        dialling.push(peer);
    }
    relay.until("the refusals count", |relay| {
        relay.metric("manyhands_denials_total{reason=\"connections_per_subnet\"}") >= 3
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_nobody_vouches_for_is_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let mut peer = Peer::new();
    peer.connect(&ws(&relay)).await;
    peer.first("the DHT's routing table", |event| match event {
        SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. })) => Some(()),
        _ => None,
    })
    .await;
    let key = kad::RecordKey::new(&"anything");
    let record = kad::Record::new(key.clone(), b"unsigned".to_vec());
    peer.tell(move |swarm| {
        let kad = &mut swarm.behaviour_mut().kad;
        kad.put_record(record, kad::Quorum::One).unwrap();
    });
    relay.until("the refusal counts", |relay| {
        relay.metric("manyhands_records_refused_total{reason=\"other_key\"}") == 1
    });
    let mut other = Peer::new();
    other.connect(&ws(&relay)).await;
    other
        .first("the DHT's routing table", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. })) => Some(()),
            _ => None,
        })
        .await;
    other.tell(move |swarm| {
        swarm.behaviour_mut().kad.get_record(key);
    });
    let found = other
        .first("the query's end", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::GetRecord(found),
                ..
            })) => Some(found.is_ok()),
            _ => None,
        })
        .await;
    assert!(!found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_at_one_relay_is_on_the_board_of_the_other() {
    let (data, other_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relay = Relay::start(data.path(), &["--p2p-port", "0"]);
    // The same swarm at both.
    fs::copy(
        data.path().join("swarm.seed"),
        other_data.path().join("swarm.seed"),
    )
    .unwrap();
    let tcp = relay.tcp();
    let other = Relay::start(other_data.path(), &["--relay", &tcp]);
    relay.until("the relays are connected", |relay| {
        relay.metric("manyhands_connections_open") == 1
    });
    let about = other.json("/api/v1/swarm");
    let name = about["swarm"]["id"].as_str().unwrap();
    let swarm: [u8; 32] = hex::decode(name).unwrap().try_into().unwrap();
    let topic = IdentTopic::new(format!("/manyhands/offers/1/{name}"));
    let mut worker = Peer::new();
    let subscribed = topic.clone();
    worker.tell(move |swarm| {
        swarm.behaviour_mut().gossip.subscribe(&subscribed).unwrap();
    });
    worker.connect(&ws(&relay)).await;
    worker
        .first("the relay's subscription", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => Some(()),
            _ => None,
        })
        .await;
    let sound = offer(&worker, &worker.id.to_string(), swarm, [5; 32], 1);
    worker.tell(move |swarm| {
        swarm.behaviour_mut().gossip.publish(topic, sound).unwrap();
    });
    for relay in [&relay, &other] {
        relay.until("the worker is on the board", |relay| {
            relay.json("/api/v1/peers")["workers"][0]["peer_id"] == worker.id.to_string()
        });
    }
}

/// A free port, and the peer id that a relay on `data` will have there.
fn address_to_be(data: &std::path::Path) -> (u16, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let shown = common::said(common::program(data).args(["key", "show"]));
    let peer = shown.out.trim().to_owned();
    (port, format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}"))
}

/// Dials through a circuit and waits until it stands.
async fn through(peer: &mut Peer, circuit: Multiaddr) {
    peer.tell(move |swarm| swarm.dial(circuit).unwrap());
    peer.first("a circuit", |event| match event {
        SwarmEvent::ConnectionEstablished { endpoint, .. } if endpoint.is_relayed() => Some(()),
        SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_name_each_other_are_one_network_and_survive_each_other() {
    let (data, other_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (port, addr) = address_to_be(data.path());
    let (other_port, other_addr) = address_to_be(other_data.path());
    let start = |data: &std::path::Path, port: u16, other: &str| {
        Relay::start(data, &["--p2p-port", &port.to_string(), "--relay", other])
    };
    let relay = start(data.path(), port, &other_addr);
    let seed = "swarm.seed";
    fs::copy(data.path().join(seed), other_data.path().join(seed)).unwrap();
    let other = start(other_data.path(), other_port, &addr);
    for (one, two) in [(&relay, &other), (&other, &relay)] {
        one.until("each tells of the other", |one| {
            one.json("/api/v1/swarm")["relays"][0]["multiaddrs"]
                .as_array()
                .is_some_and(|addrs| addrs.iter().any(|addr| addr == &two.ws()))
        });
        // A page of the one may connect to the other.
        let page = common::http::get(one.http(), "/");
        let origin = format!("ws://127.0.0.1:{}", two.http().port());
        assert!(page.header("content-security-policy").contains(&origin));
    }

    // Somebody who knows the one alone reaches a worker that has its place at the other.
    let (mut worker, mut guest) = (Peer::new(), Peer::new());
    echo(&worker);
    let circuit = worker.reserve(&ws(&other)).await;
    guest.connect(&ws(&relay)).await;
    through(&mut guest, circuit).await;
    round_trip(&guest, &worker, 10 * 1024).await.unwrap();

    // One is lost; the other goes on, and no longer tells of it.
    drop(other);
    relay.until("it is forgotten", |relay| {
        relay.json("/api/v1/swarm")["relays"] == serde_json::json!([])
    });
    let circuit = worker.reserve(&ws(&relay)).await;
    let mut late = Peer::new();
    through(&mut late, circuit).await;
    round_trip(&late, &worker, 10 * 1024).await.unwrap();
}

#[test]
fn garbage_on_the_websocket_and_the_p2p_port_harms_nobody_else() {
    use std::io::{Read, Write};
    let data = tempfile::tempdir().unwrap();
    // A handshake that never comes is given up after a second.
    let impatient = ["--limit", "handshake_timeout_s=1"];
    let ports = ["--p2p-port", "0", "--stun-port", "0"];
    let relay = Relay::start(data.path(), &[&ports[..], &impatient].concat());
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    // A masked text frame, a huge frame, a frame that breaks the protocol.
    for frame in [
        &b"\x81\x81\0\0\0\0x"[..],
        &b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"[..],
        &b"\xff\xff\xff\xff"[..],
    ] {
        let mut head = "GET / HTTP/1.1\r\nhost: x\r\n".to_owned();
        for (name, value) in upgrade {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = std::net::TcpStream::connect(relay.http()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(frame).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    let incomplete = [("connection", "upgrade"), ("upgrade", "websocket")];
    let refused = common::http::get_with(relay.http(), "/", &incomplete);
    assert_eq!(refused.status, 400);

    let port: u16 = relay.tcp().split('/').nth(4).unwrap().parse().unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&[255; 10_000]).unwrap();
    assert_eq!(common::http::get(relay.http(), "/livez").status, 200);
}

#[test]
fn the_stun_server_answers_with_the_address_it_sees() {
    use stun::message::{BINDING_REQUEST, Getter, Message};
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--stun-port", "0"]);
    let url = relay.ready["stun"].as_str().unwrap();
    let ice = &relay.json("/api/v1/swarm")["ice_servers"];
    assert_eq!(ice, &serde_json::json!([{ "urls": [url] }]));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(url.trim_start_matches("stun:")).unwrap();
    let mut request = Message::new();
    request
        .build(&[
            Box::new(stun::agent::TransactionId::new()),
            Box::new(BINDING_REQUEST),
        ])
        .unwrap();
    socket.send(b"garbage").unwrap();
    socket.send(&request.raw).unwrap();
    let mut buffer = [0; 256];
    let n = socket.recv(&mut buffer).unwrap();
    let mut answer = Message {
        raw: buffer[..n].to_vec(),
        ..Message::default()
    };
    answer.decode().unwrap();
    let mut seen = stun::xoraddr::XorMappedAddress::default();
    seen.get_from(&answer).unwrap();
    assert_eq!(seen.port, socket.local_addr().unwrap().port());
    assert_eq!(relay.metric("manyhands_stun_answers_total"), 1);
}
