//! What the relay speaks: which protocols, with which limits.
//! It does not decide anything at run time; `driver` reacts to what comes out.

use std::{num::NonZeroU32, time::Duration};

use libp2p::{
    connection_limits::{self, ConnectionLimits},
    gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode},
    identify,
    identity::Keypair,
    kad, memory_connection_limits, ping, relay,
    swarm::{NetworkBehaviour, StreamProtocol},
};

use super::{gate::Gate, records::Records, ties::Ties};
use crate::{limits::Limits, metrics::Metrics};

/// The DHT's protocol name (contract, "Wire").
pub const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/manyhands/kad/1");

/// What identify says that we are.
const IDENTIFY_PROTOCOL: &str = "/manyhands/1";

/// Peers that the relay keeps in its gossip mesh. Browsers know few others, so the relay carries
/// most offers at once rather than by heartbeat; above this it prunes.
const GOSSIP_MESH_MAX: usize = 128;

/// All behaviours, cheapest refusal first.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub gate: Gate,
    pub limits: connection_limits::Behaviour,
    pub memory: memory_connection_limits::Behaviour,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub relay: relay::Behaviour,
    pub kad: kad::Behaviour<Records>,
    pub gossip: gossipsub::Behaviour,
    pub ties: Ties,
}

impl Behaviour {
    /// The behaviours of the relay with `key`, within `limits`.
    ///
    /// # Errors
    /// When gossipsub refuses its settings, which is a mistake in this file.
    pub fn new(key: &Keypair, limits: &Limits, metrics: &Metrics) -> Result<Self, BehaviourError> {
        let peer_id = key.public().to_peer_id();
        Ok(Behaviour {
            gate: Gate::new(limits),
            limits: connection_limits::Behaviour::new(
                ConnectionLimits::default()
                    .with_max_pending_incoming(Some(as_u32(limits.max_pending_incoming)))
                    .with_max_established_incoming(Some(as_u32(limits.max_established_incoming)))
                    .with_max_established(Some(as_u32(limits.max_established)))
                    .with_max_established_per_peer(Some(as_u32(limits.max_established_per_peer))),
            ),
            memory: memory_connection_limits::Behaviour::with_max_bytes(as_usize(limits.max_memory_bytes)),
            identify: identify::Behaviour::new(
                identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), key.public())
                    .with_agent_version(concat!("manyhands-relay/", env!("CARGO_PKG_VERSION")).to_owned())
                    // Only what we advertise on purpose: a private address helps nobody else.
                    .with_hide_listen_addrs(true),
            ),
            ping: ping::Behaviour::default(),
            relay: relay::Behaviour::new(peer_id, relay_config(limits)),
            kad: kad_behaviour(peer_id, limits, metrics),
            gossip: gossip_behaviour(key, limits)?,
            ties: Ties::default(),
        })
    }
}

/// Gossipsub's settings do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("gossip settings: {0}")]
pub struct BehaviourError(String);

/// The topic on which the workers of `swarm_id` announce themselves (contract, "Wire").
pub fn offers_topic(swarm_id: &str) -> IdentTopic {
    IdentTopic::new(format!("/manyhands/offers/1/{swarm_id}"))
}

fn relay_config(limits: &Limits) -> relay::Config {
    let per_minute = |per_min: u64| {
        let burst = NonZeroU32::new(as_u32(per_min)).unwrap_or(NonZeroU32::MIN);
        // One token every 60 s / n; the crate counts in microseconds and refuses zero.
        let interval = Duration::from_secs(60) / burst.get();
        (burst, interval.max(Duration::from_micros(1)))
    };
    let (reserve_peer, reserve_peer_every) = per_minute(limits.reservations_per_peer_per_min);
    let (reserve_ip, reserve_ip_every) = per_minute(limits.reservations_per_ip_per_min);
    let (circuit_peer, circuit_peer_every) = per_minute(limits.circuits_per_peer_per_min);
    let (circuit_ip, circuit_ip_every) = per_minute(limits.circuits_per_ip_per_min);
    relay::Config {
        max_reservations: as_usize(limits.max_reservations),
        max_reservations_per_peer: as_usize(limits.max_reservations_per_peer),
        reservation_duration: Duration::from_secs(limits.reservation_s),
        max_circuits: as_usize(limits.max_circuits),
        max_circuits_per_peer: as_usize(limits.max_circuits_per_peer),
        max_circuit_duration: Duration::from_secs(limits.circuit_s.min(u64::from(u32::MAX))),
        max_circuit_bytes: limits.circuit_bytes,
        // The crate's own limiters (60 an hour for one address) would stall one school or office.
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
    }
    .reservation_rate_per_peer(reserve_peer, reserve_peer_every)
    .reservation_rate_per_ip(reserve_ip, reserve_ip_every)
    .circuit_src_per_peer(circuit_peer, circuit_peer_every)
    .circuit_src_per_ip(circuit_ip, circuit_ip_every)
}

fn kad_behaviour(peer_id: libp2p::PeerId, limits: &Limits, metrics: &Metrics) -> kad::Behaviour<Records> {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    // The store checks for itself, so that whoever sends something unsound hears that it was refused.
    config.set_record_filtering(kad::StoreInserts::Unfiltered);
    let mut kad = kad::Behaviour::with_config(peer_id, Records::new(peer_id, limits, metrics), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip_behaviour(key: &Keypair, limits: &Limits) -> Result<gossipsub::Behaviour, BehaviourError> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        // A message is forwarded only after `driver` has found it sound.
        .validate_messages()
        .max_transmit_size(as_usize(limits.max_gossip_bytes))
        .mesh_n(GOSSIP_MESH_MAX * 3 / 4)
        .mesh_n_low(GOSSIP_MESH_MAX / 2)
        .mesh_n_high(GOSSIP_MESH_MAX)
        .mesh_outbound_min(0)
        .build()
        .map_err(|error| BehaviourError(error.to_string()))?;
    gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), config)
        .map_err(|error| BehaviourError(error.to_owned()))
}

fn as_u32(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

fn as_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
