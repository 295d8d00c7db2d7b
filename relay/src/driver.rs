//! Drives the swarm: one event in, one reaction out, until told to stop.
//! It does not choose routes, read sessions or touch what flows through circuits.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, connection_limits,
    core::transport::ListenerId,
    gossipsub::{self, IdentTopic, MessageAcceptance, TopicHash},
    identify, memory_connection_limits,
    multiaddr::Protocol,
    ping, relay,
    swarm::{ConnectionDenied, ListenError, SwarmEvent},
};
use tokio::time;

use crate::{
    limits::Limits,
    net::{
        addrs::{MAX_ADVERTISED, PublicUrl, advertised},
        behaviour::{Behaviour, BehaviourEvent, offers_topic},
        gate::TooFast,
        open::Open,
        topics::{Joined, Topics},
    },
    offers::{self, OfferError},
    rate::Buckets,
    shared::Shared,
    stop::Stop,
};

/// A transport reports its address at once; a system that needs longer has a problem.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often other relays are looked for and stale offers are dropped.
const CARE_INTERVAL: Duration = Duration::from_secs(10);

/// The relay could not start listening.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("cannot listen on {addr}: {why}")]
    Listen { addr: Multiaddr, why: String },
    #[error("cannot subscribe to the offers: {0}")]
    Subscribe(String),
}

/// Owns the swarm.
pub struct Driver {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    topic: TopicHash,
    public: Option<PublicUrl>,
    relays: HashMap<PeerId, Multiaddr>,
    /// People's own swarms, whose members hear each other through this relay.
    topics: Topics,
    reservations: Open<PeerId>,
    /// By source and destination.
    circuits: Open<(PeerId, PeerId)>,
    gossip_rate: Buckets<PeerId>,
}

impl Driver {
    /// A driver of `swarm` for the swarm with id `swarm_id`; `relays` are others of the network.
    ///
    /// # Errors
    /// When gossip refuses the subscription.
    pub fn new(
        mut swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        swarm_id: &str,
        public: Option<PublicUrl>,
        relays: &[Multiaddr],
        limits: &Limits,
    ) -> Result<Self, DriverError> {
        let topic = offers_topic(swarm_id);
        swarm
            .behaviour_mut()
            .gossip
            .subscribe(&topic)
            .map_err(|error| DriverError::Subscribe(error.to_string()))?;
        let relays: HashMap<PeerId, Multiaddr> = relays.iter().filter_map(split_peer).collect();
        for peer in relays.keys() {
            swarm.behaviour_mut().ties.add(*peer);
            swarm.behaviour_mut().gossip.add_explicit_peer(peer);
        }
        Ok(Driver {
            swarm,
            shared,
            topic: topic.hash(),
            public,
            relays,
            topics: Topics::new(limits.max_swarms, limits.max_swarms_per_peer),
            reservations: Open::default(),
            circuits: Open::default(),
            gossip_rate: Buckets::new(
                limits.gossip_per_peer_per_s as f64,
                limits.gossip_per_peer_per_s.saturating_mul(2),
            ),
        })
    }

    /// Listens on `addrs` and waits until each has its real address (port, certificate hash).
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub async fn listen(&mut self, addrs: &[Multiaddr]) -> Result<(), DriverError> {
        let mut waiting: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for addr in addrs {
            let refuse = |why: String| DriverError::Listen {
                addr: addr.clone(),
                why,
            };
            let id = self
                .swarm
                .listen_on(addr.clone())
                .map_err(|error| refuse(innermost(&error)))?;
            waiting.insert(id, addr.clone());
        }
        if let Some(public) = &self.public {
            let addr = public.ws_addr();
            self.swarm.add_external_address(addr.clone());
            self.tell(addr);
        }
        let deadline = Instant::now() + LISTEN_TIMEOUT;
        while let Some(addr) = waiting.values().next().cloned() {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = match time::timeout(left, self.swarm.select_next_some()).await {
                Ok(event) => event,
                Err(_) => {
                    return Err(DriverError::Listen {
                        addr,
                        why: "no address within 10 s".to_owned(),
                    });
                }
            };
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    waiting.remove(listener_id);
                }
                SwarmEvent::ListenerClosed {
                    listener_id, reason, ..
                } => {
                    if let Some(addr) = waiting.remove(listener_id) {
                        let why = match reason {
                            Ok(()) => "closed".to_owned(),
                            Err(error) => error.to_string(),
                        };
                        return Err(DriverError::Listen { addr, why });
                    }
                }
                _ => {}
            }
            self.react(event);
        }
        Ok(())
    }

    /// Runs until told to stop, then says goodbye to everybody within `drain`.
    pub async fn run(mut self, mut stop: Stop, drain: Duration) {
        let mut care = time::interval(CARE_INTERVAL);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.react(event),
                _ = care.tick() => self.care().await,
                () = stop.wait() => break,
            }
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let everybody_gone = async {
            while self.swarm.connected_peers().next().is_some() {
                let event = self.swarm.select_next_some().await;
                self.react(event);
            }
        };
        let _ = time::timeout(drain, everybody_gone).await;
    }

    /// What is done every few seconds.
    async fn care(&mut self) {
        {
            let mut board = self.shared.board();
            board.expire(Instant::now());
            self.shared.metrics.offers.set(count(board.len()));
        }
        for topic in self.topics.sweep() {
            let topic = IdentTopic::new(topic.as_str());
            self.swarm.behaviour_mut().gossip.unsubscribe(&topic);
        }
        let absent: Vec<(PeerId, Multiaddr)> = self
            .relays
            .iter()
            .filter(|(peer, _)| !self.swarm.is_connected(peer))
            .map(|(peer, addr)| (*peer, addr.clone()))
            .collect();
        for (peer, addr) in absent {
            for addr in resolved(&addr).await {
                self.swarm.behaviour_mut().kad.add_address(&peer, addr.clone());
                let dial = libp2p::swarm::dial_opts::DialOpts::peer_id(peer)
                    .addresses(vec![addr])
                    .build();
                if let Err(error) = self.swarm.dial(dial) {
                    tracing::debug!(%error, relay = %peer, "cannot dial another relay");
                }
            }
        }
    }

    fn react(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let metrics = &self.shared.metrics;
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(addr) = advertised(&address, self.public.as_ref()) {
                    self.swarm.add_external_address(addr.clone());
                    self.tell(addr);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if let Some(addr) = advertised(&address, self.public.as_ref()) {
                    self.swarm.remove_external_address(&addr);
                    let mut addrs = self.shared.addrs();
                    addrs.retain(|known| *known != addr);
                    self.shared.set_addrs(addrs);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                metrics.connections.inc();
                metrics.connections_open.inc();
                tracing::debug!(peer = %short(&peer_id), "connected");
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                cause,
                ..
            } => {
                metrics.connections_open.dec();
                if num_established == 0 {
                    self.topics.gone(&peer_id);
                    self.reservations.ended_where(|peer| *peer == peer_id);
                    self.circuits
                        .ended_where(|(source, destination)| *source == peer_id || *destination == peer_id);
                    self.show_open();
                    self.shared.forget_relay(&peer_id);
                    // Its circuit address died with the connection.
                    let mut board = self.shared.board();
                    board.forget(&peer_id.to_string());
                    metrics.offers.set(count(board.len()));
                }
                tracing::debug!(peer = %short(&peer_id), ?cause, "disconnected");
            }
            SwarmEvent::IncomingConnectionError { error, .. } => match error {
                ListenError::Denied { cause } => metrics.deny(denied_by(&cause)),
                error => tracing::debug!(%error, "handshake failed"),
            },
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => {
                let verdict = self.judge(&message);
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(&message_id, &propagation_source, verdict);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed {
                peer_id,
                topic,
            })) => {
                self.follow(peer_id, &topic);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Unsubscribed {
                peer_id,
                topic,
            })) => self.topics.leave(&peer_id, &topic),
            SwarmEvent::Behaviour(BehaviourEvent::Relay(event)) => self.count_relay(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) if self.relays.contains_key(&peer_id) => self.meet(peer_id, info.listen_addrs),
            // A peer that vanished without a word would hold its places for hours.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                ..
            })) if !matches!(error, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            _ => {}
        }
    }

    /// Whether an offer is forwarded, and takes it if it is sound.
    fn judge(&mut self, message: &gossipsub::Message) -> MessageAcceptance {
        let metrics = &self.shared.metrics;
        let own = message.topic == self.topic;
        let swarm = self.topics.swarm(&message.topic);
        let Some(sender) = message.source.filter(|_| own || swarm.is_some()) else {
            metrics.gossip("foreign");
            return MessageAcceptance::Reject;
        };
        let now = Instant::now();
        if !self.gossip_rate.allow(sender, now) {
            metrics.gossip("too_fast");
            return MessageAcceptance::Ignore;
        }
        if let Some(swarm) = swarm.filter(|_| !own) {
            // Carried for its members, and on no board: who works in people's own swarms is nobody else's business.
            return match offers::sound(&sender.to_string(), &message.data, &swarm) {
                Ok(_) => {
                    metrics.gossip("carried");
                    MessageAcceptance::Accept
                }
                Err(error) => {
                    tracing::debug!(peer = %short(&sender), %error, "offer refused");
                    metrics.gossip("refused");
                    MessageAcceptance::Reject
                }
            };
        }
        let mut board = self.shared.board();
        let (verdict, name) = match board.take(&sender.to_string(), &message.data, now) {
            Ok(()) => (MessageAcceptance::Accept, "accepted"),
            Err(OfferError::Old) => (MessageAcceptance::Ignore, "old"),
            // Our own lack of room is no reason to keep it from others.
            Err(OfferError::Full(_)) => (MessageAcceptance::Accept, "no_room"),
            Err(error) => {
                tracing::debug!(peer = %short(&sender), %error, "offer refused");
                (MessageAcceptance::Reject, "refused")
            }
        };
        metrics.offers.set(count(board.len()));
        metrics.gossip(name);
        verdict
    }

    /// A member of somebody's own swarm is here: the relay passes on what its members announce.
    fn follow(&mut self, peer: PeerId, topic: &TopicHash) {
        // Other relays follow for the sake of their own visitors: two would keep each other at it for ever.
        if *topic == self.topic || self.relays.contains_key(&peer) {
            return;
        }
        match self.topics.join(peer, topic) {
            Joined::First => {
                let topic = IdentTopic::new(topic.as_str());
                if let Err(error) = self.swarm.behaviour_mut().gossip.subscribe(&topic) {
                    tracing::warn!(%error, "a swarm's offers cannot be carried");
                }
            }
            Joined::Full => self.shared.metrics.gossip("no_room_for_topic"),
            Joined::Known | Joined::Foreign => {}
        }
    }

    /// Another relay of the network says where it is: for browsers that ask us, and for the DHT.
    fn meet(&mut self, relay: PeerId, addrs: Vec<Multiaddr>) {
        let addrs: Vec<Multiaddr> = addrs.into_iter().take(MAX_ADVERTISED).collect();
        for addr in &addrs {
            self.swarm.behaviour_mut().kad.add_address(&relay, addr.clone());
        }
        tracing::info!(relay = %short(&relay), "another relay of the network is here");
        self.shared.meet_relay(relay, addrs);
    }

    fn count_relay(&mut self, event: relay::Event) {
        let metrics = &self.shared.metrics;
        match event {
            relay::Event::ReservationReqAccepted {
                src_peer_id: peer,
                renewed: false,
            } => {
                metrics.reservations.inc();
                if self.swarm.is_connected(&peer) {
                    self.reservations.began(peer);
                }
            }
            relay::Event::ReservationClosed { src_peer_id: peer }
            | relay::Event::ReservationTimedOut { src_peer_id: peer } => self.reservations.ended(&peer),
            relay::Event::ReservationReqDenied { .. } => metrics.deny("reservation"),
            relay::Event::CircuitReqAccepted {
                src_peer_id: source,
                dst_peer_id: destination,
            } => {
                metrics.circuits.inc();
                // Either end may have left before the relay says so.
                if self.swarm.is_connected(&source) && self.swarm.is_connected(&destination) {
                    self.circuits.began((source, destination));
                }
            }
            relay::Event::CircuitClosed {
                src_peer_id: source,
                dst_peer_id: destination,
                ..
            } => self.circuits.ended(&(source, destination)),
            relay::Event::CircuitReqDenied { .. } => metrics.deny("circuit"),
            _ => {}
        }
        self.show_open();
    }

    fn show_open(&self) {
        let metrics = &self.shared.metrics;
        metrics.reservations_open.set(self.reservations.count());
        metrics.circuits_open.set(self.circuits.count());
    }

    fn tell(&self, addr: Multiaddr) {
        let mut addrs = self.shared.addrs();
        if !addrs.contains(&addr) && addrs.len() < MAX_ADVERTISED {
            addrs.push(addr);
            self.shared.set_addrs(addrs);
        }
    }
}

/// The address without its last `/p2p/…`, and that peer.
fn split_peer(addr: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut addr = addr.clone();
    match addr.pop() {
        Some(Protocol::P2p(peer)) => Some((peer, addr)),
        _ => None,
    }
}

/// `addr` with its name replaced by what the system resolves it to.
async fn resolved(addr: &Multiaddr) -> Vec<Multiaddr> {
    let name = match addr.iter().next() {
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => name.into_owned(),
        _ => return vec![addr.clone()],
    };
    match tokio::net::lookup_host((name.as_str(), 0)).await {
        Ok(found) => found
            .filter_map(|socket| addr.replace(0, |_| Some(socket.ip().into())))
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "cannot resolve another relay's name");
            Vec::new()
        }
    }
}

fn denied_by(cause: &ConnectionDenied) -> &'static str {
    if cause.downcast_ref::<TooFast>().is_some() {
        "connections_per_subnet"
    } else if cause.downcast_ref::<connection_limits::Exceeded>().is_some() {
        "max_connections"
    } else if cause
        .downcast_ref::<memory_connection_limits::MemoryUsageLimitExceeded>()
        .is_some()
    {
        "max_memory_bytes"
    } else {
        "other"
    }
}

/// The last characters of a peer id: enough for a log line.
fn short(peer: &PeerId) -> String {
    let text = peer.to_base58();
    text.get(text.len().saturating_sub(8)..)
        .unwrap_or_default()
        .to_owned()
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// The message at the bottom of an error's chain: what the system said.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
