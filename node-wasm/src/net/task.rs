//! The loop around the swarm: keeps the relay, reaches peers, passes gossip on.
//! It holds no session state: streams belong to whoever opened them.

use std::collections::HashMap;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use gloo::timers::future::TimeoutFuture;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm, gossipsub, ping};

use super::behaviour::{Behaviour, BehaviourEvent, Ice, Parts};
use super::link::BackOff;
use super::reach::{Connections, Reach};
use crate::error::Error;

/// How long a peer may take to become directly reachable before we call it unreachable.
const REACH_TIMEOUT_MS: u64 = 15_000;
/// How often pending attempts are looked at.
const LOOK_EVERY_MS: u32 = 500;
/// Commands and events in flight between the driver and the loop.
const MAX_IN_FLIGHT: usize = 256;

/// What the driver tells the loop.
#[derive(Debug)]
enum Command {
    /// Make a direct connection to a peer, through the relay's introduction.
    Connect { peer: PeerId, addresses: Vec<Multiaddr> },
    /// Send a signed offer to everybody in the swarm.
    Publish(Vec<u8>),
}

/// What the loop tells the driver.
#[derive(Debug)]
pub(crate) enum Event {
    /// The relay holds a reservation for us: others can find us at this address.
    RelayUp { address: Multiaddr },
    /// The relay is gone; it is being dialled again.
    RelayDown { reason: String },
    /// A peer is directly reachable: streams may be opened.
    Reached(PeerId),
    /// The last direct connection to a peer is gone.
    Lost(PeerId),
    /// A peer could not be reached directly.
    Unreachable { peer: PeerId, reason: String },
    /// A measured round trip to a peer.
    RoundTrip { peer: PeerId, ms: u32 },
    /// A message on the swarm's topic, and its author, whose signature the gossip layer checked.
    Gossip { from: PeerId, bytes: Vec<u8> },
}

/// The driver's end.
pub(crate) struct Net {
    commands: mpsc::Sender<Command>,
    pub(crate) streams: libp2p_stream::Control,
}

impl Net {
    /// Starts the loop. `relays` are the relay's addresses that a browser can dial, best first,
    /// each ending in `/p2p/<relay>`.
    pub(crate) fn spawn(
        keypair: &Keypair,
        ice: &Ice,
        relays: Vec<Multiaddr>,
        topic: String,
    ) -> Result<(Net, mpsc::Receiver<Event>), Error> {
        let Parts { swarm, streams } = Parts::new(keypair, ice)?;
        let (commands, command_queue) = mpsc::channel(MAX_IN_FLIGHT);
        let (events, event_queue) = mpsc::channel(MAX_IN_FLIGHT);
        let topic = gossipsub::IdentTopic::new(topic);
        let task = Task {
            swarm,
            events,
            relays,
            relay_index: 0,
            topic,
            connections: Connections::default(),
            pending: HashMap::new(),
            back_off: BackOff::default(),
            redial_at_ms: Some(0),
            circuit: None,
            online: false,
        };
        wasm_bindgen_futures::spawn_local(task.run(command_queue));
        Ok((Net { commands, streams }, event_queue))
    }

    /// Asks for a direct connection to a peer.
    pub(crate) fn connect(&mut self, peer: &protocol::PeerId, addresses: &protocol::Addresses) {
        let Ok(peer) = peer.as_str().parse() else { return };
        let addresses = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        self.command(Command::Connect { peer, addresses });
    }

    /// Sends a signed offer to everybody in the swarm.
    pub(crate) fn publish(&mut self, record: Vec<u8>) {
        self.command(Command::Publish(record));
    }

    fn command(&mut self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            tracing::warn!(%error, "the net is not listening");
        }
    }
}

struct Task {
    swarm: Swarm<Behaviour>,
    events: mpsc::Sender<Event>,
    relays: Vec<Multiaddr>,
    relay_index: usize,
    topic: gossipsub::IdentTopic,
    connections: Connections,
    /// Peers that we were asked to reach, and until when we try (ms).
    pending: HashMap<PeerId, u64>,
    back_off: BackOff,
    redial_at_ms: Option<u64>,
    circuit: Option<ListenerId>,
    online: bool,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        if let Err(error) = self.swarm.behaviour_mut().gossip.subscribe(&self.topic) {
            tracing::warn!(%error, "the swarm's topic cannot be followed");
        }
        if let Err(error) = self.swarm.listen_on(Multiaddr::empty().with(Protocol::WebRTC)) {
            tracing::warn!(%error, "this tab cannot be reached by other browsers");
        }
        loop {
            self.look_around().await;
            let mut timer = TimeoutFuture::new(LOOK_EVERY_MS).fuse();
            futures::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event).await,
                command = commands.next() => match command {
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
                () = timer => {}
            }
        }
    }

    /// What time alone brings about: redialling the relay, giving up on a peer.
    async fn look_around(&mut self) {
        let now = now_ms();
        if self.redial_at_ms.is_some_and(|at| at <= now) {
            self.redial_at_ms = None;
            self.dial_relay();
        }
        let late: Vec<PeerId> = self
            .pending
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.give_up(peer, "no direct connection in time".into()).await;
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { peer, addresses } => self.connect(peer, addresses).await,
            Command::Publish(bytes) => {
                if let Err(error) = self
                    .swarm
                    .behaviour_mut()
                    .gossip
                    .publish(self.topic.clone(), bytes)
                {
                    tracing::debug!(%error, "an offer found nobody to hear it");
                }
            }
        }
    }

    async fn connect(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        match self.connections.reach(&peer) {
            Reach::Direct => return self.tell(Event::Reached(peer)).await,
            Reach::Both | Reach::Relayed => {
                self.pending.insert(peer, now_ms() + REACH_TIMEOUT_MS);
                return;
            }
            Reach::None => {}
        }
        if self.pending.insert(peer, now_ms() + REACH_TIMEOUT_MS).is_some() {
            return;
        }
        let mut circuits: Vec<Multiaddr> = addresses
            .into_iter()
            .filter_map(|a| circuit_address(a, peer))
            .collect();
        if let Some(relay) = self.relay() {
            circuits.push(relay.clone().with(Protocol::P2pCircuit).with(Protocol::P2p(peer)));
        }
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(circuits)
            .build();
        if let Err(error) = self.swarm.dial(dial) {
            self.give_up(peer, error.to_string()).await;
        }
    }

    async fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let before = self.connections.reach(&peer_id);
                let now = self
                    .connections
                    .opened(peer_id, connection_id, endpoint.is_relayed());
                if Some(peer_id) == self.relay_peer() {
                    self.reserve();
                } else {
                    self.on_reach(peer_id, before, now).await;
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                let before = self.connections.reach(&peer_id);
                let now = self.connections.closed(peer_id, connection_id);
                if Some(peer_id) == self.relay_peer() {
                    if now == Reach::None {
                        let reason = cause.map_or_else(|| "closed".to_owned(), |c| c.to_string());
                        self.relay_lost(reason).await;
                    }
                } else {
                    self.on_reach(peer_id, before, now).await;
                }
            }
            SwarmEvent::NewListenAddr { listener_id, .. } if Some(listener_id) == self.circuit => {
                self.back_off.reset();
                self.online = true;
                if let Some(relay) = self.relay().cloned() {
                    let me = *self.swarm.local_peer_id();
                    let address = relay
                        .with(Protocol::P2pCircuit)
                        .with(Protocol::WebRTC)
                        .with(Protocol::P2p(me));
                    self.tell(Event::RelayUp { address }).await;
                }
            }
            SwarmEvent::ListenerClosed {
                listener_id, reason, ..
            } if Some(listener_id) == self.circuit => {
                let reason = reason
                    .err()
                    .map_or_else(|| "reservation ended".to_owned(), |e| e.to_string());
                self.circuit = None;
                // The connection may still stand (a reservation can be refused alone): a fresh
                // one is the simplest way back to a known state.
                if let Some(relay) = self.relay_peer() {
                    let _ = self.swarm.disconnect_peer_id(relay);
                }
                self.relay_lost(reason).await;
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                tracing::debug!(?peer_id, %error, "dial failed");
                match peer_id {
                    // Another connection to it stands: this one is not missed.
                    Some(peer) if self.connections.reach(&peer) != Reach::None => {}
                    Some(peer) if Some(peer) == self.relay_peer() => {
                        self.relay_index = self.relay_index.wrapping_add(1);
                        self.relay_lost(error.to_string()).await;
                    }
                    Some(peer) => self.give_up(peer, error.to_string()).await,
                    None => {}
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. }))
                if message.topic == self.topic.hash() =>
            {
                if let Some(from) = message.source {
                    self.tell(Event::Gossip {
                        from,
                        bytes: message.data,
                    })
                    .await;
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                peer,
                result: Ok(time),
                ..
            })) if self.connections.reach(&peer) == Reach::Direct => {
                let ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
                self.tell(Event::RoundTrip { peer, ms }).await;
            }
            SwarmEvent::Behaviour(event) => tracing::trace!(?event, "behaviour"),
            _ => {}
        }
    }

    async fn on_reach(&mut self, peer: PeerId, before: Reach, now: Reach) {
        let had = before == Reach::Direct || before == Reach::Both;
        match now {
            Reach::Direct => {
                if self.pending.remove(&peer).is_some() || before != Reach::Direct {
                    self.tell(Event::Reached(peer)).await;
                }
            }
            Reach::Both => {}
            Reach::Relayed | Reach::None if had => self.tell(Event::Lost(peer)).await,
            Reach::None => {
                self.give_up(peer, "the introduction ended without a connection".into())
                    .await
            }
            Reach::Relayed => {}
        }
    }

    async fn give_up(&mut self, peer: PeerId, reason: String) {
        if self.pending.remove(&peer).is_some() {
            self.tell(Event::Unreachable { peer, reason }).await;
        }
    }

    async fn relay_lost(&mut self, reason: String) {
        self.circuit = None;
        if self.redial_at_ms.is_none() {
            let wait = self.back_off.next(js_sys::Math::random());
            self.redial_at_ms = Some(now_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            tracing::info!(%reason, wait_ms = wait.as_millis(), "the relay is gone");
        }
        if std::mem::take(&mut self.online) || self.back_off.is_first_failure() {
            self.tell(Event::RelayDown { reason }).await;
        }
    }

    fn dial_relay(&mut self) {
        let Some((address, peer)) = self.relay().cloned().zip(self.relay_peer()) else {
            return;
        };
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address])
            .build();
        if let Err(error) = self.swarm.dial(dial) {
            tracing::debug!(%error, "the relay cannot be dialled");
            self.redial_at_ms = Some(now_ms() + Duration::from_secs(1).as_millis() as u64);
        }
    }

    /// Asks the relay to introduce others to us.
    fn reserve(&mut self) {
        if self.circuit.is_some() {
            return;
        }
        let Some(relay) = self.relay().cloned() else {
            return;
        };
        match self.swarm.listen_on(relay.with(Protocol::P2pCircuit)) {
            Ok(listener) => self.circuit = Some(listener),
            Err(error) => tracing::warn!(%error, "no reservation at the relay"),
        }
    }

    fn relay(&self) -> Option<&Multiaddr> {
        self.relays.get(self.relay_index.checked_rem(self.relays.len())?)
    }

    fn relay_peer(&self) -> Option<PeerId> {
        peer_of(self.relay()?)
    }

    async fn tell(&mut self, event: Event) {
        // The driver is gone only when the node stops; then nobody is left to tell.
        let _ = self.events.send(event).await;
    }
}

/// The peer that an address ends in.
fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// `…/p2p-circuit[/webrtc]/p2p/B` as a plain circuit address of `peer`; anything else is not ours to dial.
fn circuit_address(address: Multiaddr, peer: PeerId) -> Option<Multiaddr> {
    let relay: Multiaddr = address
        .iter()
        .take_while(|p| !matches!(p, Protocol::P2pCircuit))
        .collect();
    let is_circuit = address.iter().any(|p| matches!(p, Protocol::P2pCircuit));
    (is_circuit && peer_of(&relay).is_some())
        .then(|| relay.with(Protocol::P2pCircuit).with(Protocol::P2p(peer)))
}

fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}
