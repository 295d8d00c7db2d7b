//! The node as JavaScript sees it: start, listen, connect, and the checks.
//! The swarm runs in a task of its own; this only sends it requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::{SinkExt as _, StreamExt as _, future};
use libp2p::swarm::{DialError, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, ping};
use libp2p_stream::Control;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::protocols::{self, Counters};
use crate::swarm::{self, Behaviour, BehaviourEvent};

type Reply = oneshot::Sender<Result<(), String>>;

enum Request {
    Listen(Multiaddr),
    Connect(PeerId, Multiaddr, Reply),
    Dial(Multiaddr, Reply),
    Disconnect(PeerId),
}

/// What `status` tells.
#[derive(Default)]
struct Seen {
    addresses: Vec<String>,
    peers: BTreeMap<PeerId, Peer>,
    failures: Vec<String>,
}

#[derive(Default)]
struct Peer {
    agent: String,
    ping_ms: Option<f64>,
    direct: u32,
    relayed: u32,
}

impl Peer {
    /// Every new stream takes the direct way: libp2p would use either connection.
    fn is_settled(&self) -> bool {
        self.direct > 0 && self.relayed == 0
    }
}

/// One libp2p node.
#[wasm_bindgen]
pub struct Node {
    peer_id: PeerId,
    control: Control,
    requests: mpsc::Sender<Request>,
    seen: Rc<RefCell<Seen>>,
    counters: Counters,
}

#[wasm_bindgen]
impl Node {
    /// Starts a node with a fresh key.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Result<Node, JsError> {
        console_error_panic_hook::set_once();
        let (swarm, mut control) = swarm::new()?;
        let counters = Counters::default();
        protocols::serve(&mut control, &counters).map_err(|e| JsError::new(&e))?;
        let (requests, inbox) = mpsc::channel(16);
        let seen = Rc::new(RefCell::new(Seen::default()));
        let peer_id = *swarm.local_peer_id();
        spawn_local(
            Task {
                swarm,
                seen: seen.clone(),
                waiting: Vec::new(),
            }
            .run(inbox),
        );
        Ok(Node {
            peer_id,
            control,
            requests,
            seen,
            counters,
        })
    }

    /// Everything worth knowing, as JSON.
    pub fn status(&self) -> String {
        let seen = self.seen.borrow();
        let peers: serde_json::Map<String, serde_json::Value> = seen
            .peers
            .iter()
            .map(|(id, peer)| {
                let value = json!({
                    "agent": peer.agent, "ping_ms": peer.ping_ms, "direct": peer.direct, "relayed": peer.relayed,
                });
                (id.to_string(), value)
            })
            .collect();
        json!({
            "peer_id": self.peer_id.to_string(),
            "addresses": seen.addresses,
            "peers": peers,
            "failures": seen.failures,
            "served": self.counters.served.get(),
            "broken": self.counters.broken.get(),
            "heard_bytes": self.counters.heard_bytes.get(),
        })
        .to_string()
    }

    /// Listens through the relay at this address, which ends in `/p2p/<relay>`.
    pub async fn listen(&self, relay: String) -> Result<(), JsError> {
        self.request(Request::Listen(relay.parse()?)).await
    }

    /// Reaches the peer of a `…/p2p-circuit[/webrtc]/p2p/B` address directly.
    pub async fn connect(&self, address: String) -> Result<(), JsError> {
        let address: Multiaddr = address.parse()?;
        let peer = peer_of(&address)?;
        let (reply, answer) = oneshot::channel();
        self.request(Request::Connect(peer, address, reply)).await?;
        answered(answer).await
    }

    /// The same through an ordinary dial of the swarm.
    pub async fn dial(&self, address: String) -> Result<(), JsError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Dial(address.parse()?, reply)).await?;
        answered(answer).await
    }

    /// Closes all connections to a peer.
    pub async fn disconnect(&self, peer: String) -> Result<(), JsError> {
        self.request(Request::Disconnect(peer.parse()?)).await
    }

    /// `size` bytes there and back at once; answers the milliseconds that it took.
    pub async fn echo(&self, peer: String, size: usize) -> Result<f64, JsError> {
        let start = protocols::now_ms();
        checked(protocols::check_echo(self.control.clone(), peer.parse()?, size).await)?;
        Ok(protocols::now_ms() - start)
    }

    /// `size` bytes one way; answers the milliseconds that it took.
    pub async fn pour(&self, peer: String, size: usize) -> Result<f64, JsError> {
        let start = protocols::now_ms();
        checked(protocols::pour(self.control.clone(), peer.parse()?, size).await)?;
        Ok(protocols::now_ms() - start)
    }

    /// Half-close: we write and close before we read.
    #[wasm_bindgen(js_name = closeFirst)]
    pub async fn close_first(&self, peer: String, size: usize) -> Result<(), JsError> {
        checked(protocols::check_close_first(self.control.clone(), peer.parse()?, size).await)
    }

    /// Half-close: the peer writes and closes before we write.
    #[wasm_bindgen(js_name = listenFirst)]
    pub async fn listen_first(&self, peer: String, size: usize) -> Result<(), JsError> {
        checked(protocols::check_listen_first(self.control.clone(), peer.parse()?, size).await)
    }

    /// Drops a stream in the middle.
    pub async fn abandon(&self, peer: String) -> Result<(), JsError> {
        checked(protocols::abandon(self.control.clone(), peer.parse()?).await)
    }

    /// Lets the peer drop a stream in the middle.
    #[wasm_bindgen(js_name = givenUp)]
    pub async fn given_up(&self, peer: String) -> Result<(), JsError> {
        checked(protocols::check_given_up(self.control.clone(), peer.parse()?).await)
    }

    /// `count` small echoes, `at_once` of them at a time.
    pub async fn streams(&self, peer: String, count: u32, at_once: usize) -> Result<(), JsError> {
        let peer: PeerId = peer.parse()?;
        let echoes =
            (0..count).map(|i| protocols::check_echo(self.control.clone(), peer, 1_000 + i as usize));
        let outcomes: Vec<Result<(), String>> = futures::stream::iter(echoes)
            .buffer_unordered(at_once)
            .collect()
            .await;
        checked(outcomes.into_iter().collect())
    }

    /// Round trips of one byte, in milliseconds.
    #[wasm_bindgen(js_name = roundTrips)]
    pub async fn round_trips(&self, peer: String, count: u32) -> Result<Vec<f64>, JsError> {
        protocols::round_trips(self.control.clone(), peer.parse()?, count)
            .await
            .map_err(|e| JsError::new(&e))
    }

    async fn request(&self, request: Request) -> Result<(), JsError> {
        self.requests
            .clone()
            .send(request)
            .await
            .map_err(|_| JsError::new("the node has ended"))
    }
}

/// The swarm's own task.
struct Task {
    swarm: Swarm<Behaviour>,
    seen: Rc<RefCell<Seen>>,
    waiting: Vec<(PeerId, Reply)>,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        loop {
            match future::select(inbox.next(), self.swarm.next()).await {
                future::Either::Left((Some(request), _)) => self.on_request(request),
                future::Either::Right((Some(event), _)) => self.on_event(event),
                _ => return,
            }
        }
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Listen(relay) => {
                let circuit = relay.with(libp2p::multiaddr::Protocol::P2pCircuit);
                let webrtc = Multiaddr::empty().with(libp2p::multiaddr::Protocol::WebRTC);
                for address in [circuit, webrtc] {
                    if let Err(error) = self.swarm.listen_on(address) {
                        self.seen.borrow_mut().failures.push(error.to_string());
                    }
                }
            }
            Request::Connect(peer, address, reply) => {
                if self.seen.borrow().peers.get(&peer).is_some_and(Peer::is_settled) {
                    let _ = reply.send(Ok(()));
                } else if let Err(error) = self.swarm.behaviour_mut().webrtc.connect(peer, address) {
                    let _ = reply.send(Err(error.to_string()));
                } else {
                    self.waiting.push((peer, reply));
                }
            }
            Request::Dial(address, reply) => match (peer_of(&address), self.swarm.dial(address)) {
                (Ok(peer), Ok(())) => self.waiting.push((peer, reply)),
                (_, Err(error)) => {
                    let _ = reply.send(Err(describe(&error)));
                }
                (Err(_), _) => {}
            },
            Request::Disconnect(peer) => {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let mut seen = self.seen.borrow_mut();
        match event {
            SwarmEvent::NewListenAddr { address, .. } => seen.addresses.push(address.to_string()),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                seen.addresses.retain(|known| *known != address.to_string());
            }
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                let peer = seen.peers.entry(peer_id).or_default();
                if is_relayed(&endpoint) {
                    peer.relayed += 1;
                } else {
                    peer.direct += 1;
                }
                let settled = peer.is_settled();
                drop(seen);
                if settled {
                    self.answer(peer_id, Ok(()));
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id, endpoint, ..
            } => {
                let peer = seen.peers.entry(peer_id).or_default();
                if is_relayed(&endpoint) {
                    peer.relayed = peer.relayed.saturating_sub(1);
                } else {
                    peer.direct = peer.direct.saturating_sub(1);
                }
                let settled = peer.is_settled();
                drop(seen);
                if settled {
                    self.answer(peer_id, Ok(()));
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                let error = describe(&error);
                seen.failures.push(error.clone());
                drop(seen);
                self.answer(peer, Err(error));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Webrtc(webrtc_p2p::Event::UpgradeFailed {
                peer,
                error,
                ..
            })) => {
                seen.failures.push(error.to_string());
                drop(seen);
                self.answer(peer, Err(error.to_string()));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                seen.peers.entry(peer_id).or_default().agent = info.agent_version;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                peer,
                result: Ok(rtt),
                ..
            })) => {
                seen.peers.entry(peer).or_default().ping_ms = Some(rtt.as_secs_f64() * 1_000.0);
            }
            _ => {}
        }
    }

    fn answer(&mut self, peer: PeerId, result: Result<(), String>) {
        for (waiting, reply) in std::mem::take(&mut self.waiting) {
            if waiting == peer {
                let _ = reply.send(result.clone());
            } else {
                self.waiting.push((waiting, reply));
            }
        }
    }
}

fn is_relayed(endpoint: &libp2p::core::ConnectedPoint) -> bool {
    use libp2p::core::ConnectedPoint::{Dialer, Listener};
    match endpoint {
        Dialer { address, .. } => webrtc_p2p::address::is_relayed(address),
        Listener { local_addr, .. } => webrtc_p2p::address::is_relayed(local_addr),
    }
}

fn peer_of(address: &Multiaddr) -> Result<PeerId, JsError> {
    match address.iter().last() {
        Some(libp2p::multiaddr::Protocol::P2p(peer)) => Ok(peer),
        _ => Err(JsError::new("the address does not end in /p2p/<peer>")),
    }
}

fn describe(error: &DialError) -> String {
    match error {
        DialError::Transport(errors) => {
            let all: Vec<String> = errors
                .iter()
                .map(|(address, error)| format!("{address}: {}", chain(error)))
                .collect();
            all.join("; ")
        }
        other => other.to_string(),
    }
}

/// An error with everything behind it: libp2p's outer ones say little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(|error| error.to_string())
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

async fn answered(answer: oneshot::Receiver<Result<(), String>>) -> Result<(), JsError> {
    checked(answer.await.unwrap_or_else(|_| Err("the node has ended".into())))
}

fn checked(result: Result<(), String>) -> Result<(), JsError> {
    result.map_err(|e| JsError::new(&e))
}
