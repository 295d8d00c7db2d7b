//! The loop around the swarm: keeps the relay, reaches peers, passes gossip on.
//! It holds no session state: streams belong to whoever opened them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use gloo::timers::future::TimeoutFuture;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, gossipsub, ping};

use super::anchors::Anchors;
use super::behaviour::{Behaviour, BehaviourEvent, Parts, Setup};
use super::dht::Dht;
use super::link::BackOff;
use super::port::{Command, Event};
use super::reach::{Connections, Reach};
use crate::error::Error;

/// How long a peer may take to become directly reachable before we call it unreachable.
const REACH_TIMEOUT_MS: u64 = 15_000;
/// Circuits that are tried to reach one peer: it has as many relays.
const MAX_CIRCUITS: usize = 4;
/// How often pending attempts are looked at.
const LOOK_EVERY_MS: u32 = 500;
/// How long the relay may take to answer a try before the next one begins.
const DIAL_PATIENCE_MS: u64 = 5_000;
/// The same where another address than its best is tried and it may be back at the best any moment.
const SIDE_PATIENCE_MS: u64 = 2_000;
/// A loop that was not run this long was suspended: what was connected may be so no more.
const SUSPENDED_MS: u64 = 90_000;

/// Starts the loop; answers the handle by which session streams are opened and accepted.
pub(super) fn spawn(
    keypair: &Keypair,
    setup: &Setup,
    relays: Vec<Multiaddr>,
    topic: String,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) -> Result<libp2p_stream::Control, Error> {
    let Parts { swarm, streams } = Parts::new(keypair, setup)?;
    let task = Task {
        swarm,
        events,
        anchors: Anchors::new(relays),
        home: gossipsub::IdentTopic::new(topic),
        topics: HashMap::new(),
        unsaid: HashMap::new(),
        connections: Connections::default(),
        pending: HashMap::new(),
        dht: Dht::default(),
        back_off: BackOff::default(),
        redial_at_ms: Some(0),
        dialled: None,
        dial_until_ms: None,
        looked_at_ms: now_ms(),
        circuit: None,
        online: false,
    };
    wasm_bindgen_futures::spawn_local(task.run(commands));
    Ok(streams)
}

/// An attempt to reach a peer.
struct Pending {
    until_ms: u64,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

struct Task {
    swarm: Swarm<Behaviour>,
    events: mpsc::Sender<Event>,
    anchors: Anchors,
    /// The topic that is always heard.
    home: gossipsub::IdentTopic,
    /// All that are heard: as many as the driver asks for.
    topics: HashMap<gossipsub::TopicHash, gossipsub::IdentTopic>,
    /// The last word on a topic that nobody was there to hear yet.
    unsaid: HashMap<gossipsub::TopicHash, Vec<u8>>,
    connections: Connections,
    /// Peers that we were asked to reach.
    pending: HashMap<PeerId, Pending>,
    dht: Dht,
    back_off: BackOff,
    redial_at_ms: Option<u64>,
    /// The try that is under way; others may dial the relay too.
    dialled: Option<ConnectionId>,
    /// Until when the relay may answer it.
    dial_until_ms: Option<u64>,
    looked_at_ms: u64,
    circuit: Option<ListenerId>,
    online: bool,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let home = self.home.clone();
        self.hear(home, true);
        if let Err(error) = self.swarm.listen_on(Multiaddr::empty().with(Protocol::WebRTC)) {
            tracing::warn!(%error, "this tab cannot be reached by other browsers");
        }
        loop {
            self.look_around().await;
            let mut timer = TimeoutFuture::new(self.until_next_look_ms()).fuse();
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

    /// The relay is dialled when its time has come, not at the next look after it.
    fn until_next_look_ms(&self) -> u32 {
        let redial = self.redial_at_ms.map(|at| at.saturating_sub(now_ms()));
        redial
            .and_then(|ms| u32::try_from(ms).ok())
            .map_or(LOOK_EVERY_MS, |ms| ms.clamp(1, LOOK_EVERY_MS))
    }

    /// What time alone brings about: redialling the relay, giving up on a peer.
    async fn look_around(&mut self) {
        let now = now_ms();
        if now.saturating_sub(std::mem::replace(&mut self.looked_at_ms, now)) > SUSPENDED_MS {
            self.wake(true).await;
        }
        if self.dial_until_ms.is_some_and(|until| until <= now) {
            self.anchors.failed();
            self.relay_lost("the relay does not answer".to_owned()).await;
        }
        if self.redial_at_ms.is_some_and(|at| at <= now) {
            self.redial_at_ms = None;
            self.dial_relay();
        }
        let late: Vec<PeerId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.until_ms <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.give_up(peer, "no direct connection in time".into()).await;
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { peer, addresses } => self.connect(peer, addresses, None).await,
            Command::Reach {
                peer,
                addresses,
                reached,
            } => self.connect(peer, addresses, Some(reached)).await,
            Command::Put { key, bytes, stored } => {
                let kad = &mut self.swarm.behaviour_mut().kad;
                self.dht.put(kad, key, bytes, stored);
            }
            Command::Get { key, found } => self.dht.get(&mut self.swarm.behaviour_mut().kad, key, found),
            Command::Wake { network_changed } => self.wake(network_changed).await,
            Command::Publish { topic, bytes } => self.publish(gossipsub::TopicHash::from_raw(topic), bytes),
            Command::Hear { topic, wanted } => self.hear(gossipsub::IdentTopic::new(topic), wanted),
        }
    }

    fn hear(&mut self, topic: gossipsub::IdentTopic, wanted: bool) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let hash = topic.hash();
        if !wanted {
            if hash != self.home.hash() && self.topics.remove(&hash).is_some() {
                gossip.unsubscribe(&topic);
                self.unsaid.remove(&hash);
            }
        } else if let Entry::Vacant(free) = self.topics.entry(hash) {
            match gossip.subscribe(&topic) {
                Ok(_) => {
                    free.insert(topic);
                }
                Err(error) => tracing::warn!(%error, "a swarm's topic cannot be followed"),
            }
        }
    }

    /// What nobody hears is said again when somebody does: the relay follows a topic a moment after the first who
    /// are here do.
    fn publish(&mut self, topic: gossipsub::TopicHash, bytes: Vec<u8>) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if let Err(error) = gossip.publish(topic.clone(), bytes.clone()) {
            tracing::debug!(%error, "an offer found nobody to hear it");
            if self.topics.contains_key(&topic) {
                self.unsaid.insert(topic, bytes);
            }
        } else {
            self.unsaid.remove(&topic);
        }
    }

    async fn connect(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        waiting: Option<oneshot::Sender<Result<(), String>>>,
    ) {
        let reach = self.connections.reach(&peer);
        if reach == Reach::Direct {
            match waiting {
                Some(waiting) => {
                    // An error means that whoever waited has given up.
                    let _ = waiting.send(Ok(()));
                }
                None => self.tell(Event::Reached(peer)).await,
            }
            return;
        }
        let tried_already = self.pending.contains_key(&peer);
        let pending = self.pending.entry(peer).or_insert_with(|| Pending {
            until_ms: 0,
            waiting: Vec::new(),
        });
        pending.until_ms = now_ms() + REACH_TIMEOUT_MS;
        pending.waiting.extend(waiting);
        if tried_already || reach != Reach::None {
            return;
        }
        let mut circuits: Vec<Multiaddr> = addresses
            .into_iter()
            .filter_map(|a| circuit_address(a, peer))
            .collect();
        circuits.truncate(MAX_CIRCUITS);
        if let Some((_, relay)) = self.anchors.current() {
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
                if !self.anchors.knows(&peer_id) {
                    self.on_reach(peer_id, before, now).await;
                } else if self.circuit.is_none() && self.dial_until_ms.is_some() {
                    self.dial_until_ms = None;
                    self.anchors.answered(&peer_id);
                    self.reserve();
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
                if self.anchors.knows(&peer_id) {
                    if now == Reach::None && Some(peer_id) == self.anchors.peer() {
                        let reason = cause.map_or_else(|| "closed".to_owned(), |c| c.to_string());
                        self.relay_lost(reason).await;
                    }
                } else {
                    self.on_reach(peer_id, before, now).await;
                }
            }
            SwarmEvent::NewListenAddr { listener_id, .. } if Some(listener_id) == self.circuit => {
                self.back_off.reset();
                self.anchors.settled();
                self.online = true;
                if let Some((_, relay)) = self.anchors.current() {
                    let me = *self.swarm.local_peer_id();
                    let address = relay
                        .clone()
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
                if let Some(relay) = self.anchors.peer() {
                    let _ = self.swarm.disconnect_peer_id(relay);
                }
                self.anchors.failed();
                self.relay_lost(reason).await;
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id,
                connection_id,
                error,
            } => {
                tracing::debug!(?peer_id, %error, "dial failed");
                match peer_id {
                    // Another connection to it stands: this one is not missed.
                    Some(peer) if self.connections.reach(&peer) != Reach::None => {}
                    Some(_) if Some(connection_id) == self.dialled && self.dial_until_ms.is_some() => {
                        self.anchors.failed();
                        self.relay_lost(error.to_string()).await;
                    }
                    // Another relay of the network: its turn has not come, or is over.
                    Some(peer) if self.anchors.knows(&peer) => {}
                    Some(peer) => self.give_up(peer, error.to_string()).await,
                    None => {}
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. }))
                if self.topics.contains_key(&message.topic) =>
            {
                if let Some(from) = message.source {
                    self.tell(Event::Gossip {
                        from,
                        bytes: message.data,
                    })
                    .await;
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. })) => {
                if let Some(bytes) = self.unsaid.remove(&topic) {
                    self.publish(topic, bytes);
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
            // A relay that vanished without a word, as after a sleep, is noticed by this alone.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                ..
            })) if !matches!(error, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kad(event)) => {
                self.dht.hear(&mut self.swarm.behaviour_mut().kad, event);
            }
            SwarmEvent::Behaviour(event) => tracing::trace!(?event, "behaviour"),
            _ => {}
        }
    }

    async fn on_reach(&mut self, peer: PeerId, before: Reach, now: Reach) {
        let had = before == Reach::Direct || before == Reach::Both;
        match now {
            Reach::Direct => {
                let pending = self.pending.remove(&peer);
                if pending.is_some() || before != Reach::Direct {
                    self.tell(Event::Reached(peer)).await;
                }
                for waiting in pending.into_iter().flat_map(|pending| pending.waiting) {
                    let _ = waiting.send(Ok(()));
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
        if let Some(pending) = self.pending.remove(&peer) {
            for waiting in pending.waiting {
                let _ = waiting.send(Err(reason.clone()));
            }
            self.tell(Event::Unreachable { peer, reason }).await;
        }
    }

    async fn relay_lost(&mut self, reason: String) {
        self.circuit = None;
        self.dial_until_ms = None;
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
        let Some((peer, address)) = self.anchors.current() else {
            return;
        };
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address.clone()])
            .build();
        let patience = if self.anchors.tries_best() || !self.back_off.is_young() {
            DIAL_PATIENCE_MS
        } else {
            SIDE_PATIENCE_MS
        };
        self.dial_until_ms = Some(now_ms() + patience);
        self.dialled = Some(dial.connection_id());
        if let Err(error) = self.swarm.dial(dial) {
            tracing::debug!(%error, "the relay cannot be dialled");
            self.anchors.failed();
            self.dial_until_ms = None;
            self.redial_at_ms = Some(now_ms() + Duration::from_secs(1).as_millis() as u64);
        }
    }

    /// Asks the relay to introduce others to us.
    fn reserve(&mut self) {
        let Some((_, relay)) = self.anchors.current() else {
            return;
        };
        match self.swarm.listen_on(relay.clone().with(Protocol::P2pCircuit)) {
            Ok(listener) => self.circuit = Some(listener),
            Err(error) => tracing::warn!(%error, "no reservation at the relay"),
        }
    }

    /// Whoever was away for a while, or is on another network now, does not wait for a time-out:
    /// the relay is dialled at once, and anew where what was connected can hardly be so still.
    async fn wake(&mut self, network_changed: bool) {
        if self.online && network_changed {
            if let Some(relay) = self.anchors.peer() {
                let _ = self.swarm.disconnect_peer_id(relay);
            }
        } else if !self.online {
            self.back_off.reset();
            self.redial_at_ms = Some(now_ms());
        }
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
