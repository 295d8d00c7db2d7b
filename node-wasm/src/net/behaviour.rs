//! Transports and behaviours of a tab, put together by hand.
//! No policy here: which peer to reach and when is the task's business.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, Transport as _};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{
    PeerId, StreamProtocol, Swarm, gossipsub, identify, kad, noise, ping, relay, webrtc_websys,
    websocket_websys, webtransport_websys, yamux,
};

use super::shape::{Impairment, Shaped};
use super::watchful::Watchful;
use crate::error::Error;

/// Our Kademlia: private, so that records under our own rules do not mix with others'.
const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/manyhands/kad/1");
/// What `identify` says that we are.
const AGENT: &str = concat!("manyhands-tab/", env!("CARGO_PKG_VERSION"));
/// A connection without streams is kept this long: sessions come and go on one connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// What a tab speaks beside its sessions.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) circuit: relay::client::Behaviour,
    pub(crate) webrtc: webrtc_p2p::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) gossip: gossipsub::Behaviour,
    pub(crate) kad: kad::Behaviour<MemoryStore>,
    pub(crate) streams: libp2p_stream::Behaviour,
}

/// What a tab's net is made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// Servers that tell a browser its public address; none is needed on one machine or one LAN.
    pub(crate) ice_servers: Vec<webrtc_p2p::IceServer>,
    /// A worse line to other browsers than there is, for tests.
    pub(crate) impairment: Option<Impairment>,
}

/// A swarm and the handle through which session streams are opened and accepted.
pub(crate) struct Parts {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) streams: libp2p_stream::Control,
}

impl Parts {
    /// Puts the transports in the one order that works: `/webrtc` first, since the circuit
    /// transport would take `…/p2p-circuit/webrtc/…` for a plain circuit.
    pub(crate) fn new(keypair: &Keypair, setup: &Setup) -> Result<Parts, Error> {
        let me = keypair.public().to_peer_id();
        let (circuit_transport, circuit) = relay::client::new(me);
        let (webrtc_transport, webrtc) = webrtc_p2p::new(webrtc_p2p::Config {
            ice_servers: setup.ice_servers.clone(),
            ..Default::default()
        });
        let transport = transport(keypair, webrtc_transport, circuit_transport, setup.impairment)?;

        let mut kad = kad::Behaviour::with_config(me, MemoryStore::new(me), kad::Config::new(KAD_PROTOCOL));
        // Without this the confirmed circuit address would turn a tab into a server of the DHT.
        kad.set_mode(Some(kad::Mode::Client));
        let streams = libp2p_stream::Behaviour::new();
        let control = streams.new_control();
        let behaviour = Behaviour {
            circuit,
            webrtc,
            identify: identify::Behaviour::new(
                identify::Config::new("/manyhands/1".into(), keypair.public())
                    .with_agent_version(AGENT.into()),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10))),
            gossip: gossip(keypair)?,
            kad,
            streams,
        };
        let config = libp2p::swarm::Config::with_wasm_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
        Ok(Parts {
            swarm: Swarm::new(transport, behaviour, me, config),
            streams: control,
        })
    }
}

fn transport(
    keypair: &Keypair,
    webrtc: webrtc_p2p::Transport,
    circuit: relay::client::Transport,
    impairment: Option<Impairment>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Error> {
    let noise = noise::Config::new(keypair).map_err(|e| Error::internal(format!("noise: {e}")))?;
    let circuit = circuit
        .upgrade(Version::V1)
        .authenticate(noise.clone())
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let websocket = websocket_websys::Transport::default()
        .map(|socket, _| Watchful::new(socket))
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let webrtc = webrtc.map(move |(peer, muxer), _| match impairment {
        Some(impairment) => (peer, StreamMuxerBox::new(Shaped::new(muxer, impairment))),
        None => (peer, StreamMuxerBox::new(muxer)),
    });
    let direct = webrtc_websys::Transport::new(webrtc_websys::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let webtransport = webtransport_websys::Transport::new(webtransport_websys::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok(webrtc
        .or_transport(circuit)
        .map(|either, _| either.into_inner())
        .or_transport(websocket)
        .map(|either, _| either.into_inner())
        .or_transport(direct)
        .map(|either, _| either.into_inner())
        .or_transport(webtransport)
        .map(|either, _| either.into_inner())
        .boxed())
}

fn gossip(keypair: &Keypair) -> Result<gossipsub::Behaviour, Error> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Strict)
        .max_transmit_size(64 * 1024)
        .heartbeat_interval(Duration::from_secs(1))
        .build()
        .map_err(|e| Error::internal(format!("gossip settings: {e}")))?;
    gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Signed(keypair.clone()), config)
        .map_err(|e| Error::internal(format!("gossip: {e}")))
}
