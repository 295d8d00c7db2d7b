//! The relay as a libp2p peer: transports and behaviours put together into a swarm.
//! It does not drive the swarm (`driver`) nor know HTTP beyond the door through which
//! upgraded sockets enter.

pub mod addrs;
pub mod behaviour;
pub mod gate;
pub mod http_ws;
pub mod meter;
pub mod open;
pub mod records;
pub mod ties;
pub mod topics;
pub mod webtransport;
pub mod ws_stream;

use std::time::Duration;

use libp2p::{
    Swarm, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{OptionalTransport, timeout::TransportTimeout},
        upgrade::Version,
    },
    identity::Keypair,
    noise, swarm, tcp, yamux,
};

use self::{
    behaviour::{Behaviour, BehaviourError},
    http_ws::{HttpWs, WsDoor},
    meter::Metered,
    webtransport::WebTransport,
};
use crate::{limits::Limits, metrics::Metrics};

/// The swarm could not be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("noise: {0}")]
    Noise(#[from] noise::Error),
    #[error(transparent)]
    Behaviour(#[from] BehaviourError),
}

/// The relay's swarm and the door through which the web server hands it sockets. It listens on
/// nothing yet.
///
/// `webrtc` is the certificate of `/webrtc-direct` and `webtransport` that transport, where they
/// are enabled. What circuits carry and what the DHT keeps and refuses is counted in `metrics`.
///
/// # Errors
/// When the key cannot sign or the settings contradict each other.
pub fn build(
    key: &Keypair,
    limits: &Limits,
    webrtc: Option<libp2p_webrtc::tokio::Certificate>,
    webtransport: Option<WebTransport>,
    metrics: &Metrics,
) -> Result<(Swarm<Behaviour>, WsDoor), NetError> {
    let (http_ws, door) = HttpWs::new();
    let mut mux = yamux::Config::default();
    mux.set_max_num_streams(usize::try_from(limits.max_streams_per_connection).unwrap_or(usize::MAX));

    let counter = metrics.circuit_bytes.clone();
    let ws = http_ws
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(key)?)
        .multiplex(mux.clone())
        .map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(Metered::new(muxer, counter))));

    let counter = metrics.circuit_bytes.clone();
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(key)?)
        .multiplex(mux)
        .map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(Metered::new(muxer, counter))));

    let counter = metrics.circuit_bytes.clone();
    let webrtc = match webrtc {
        None => OptionalTransport::none(),
        Some(certificate) => OptionalTransport::some(
            libp2p_webrtc::tokio::Transport::new(key.clone(), certificate)
                .map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(Metered::new(muxer, counter)))),
        ),
    };

    let counter = metrics.circuit_bytes.clone();
    let webtransport = match webtransport {
        None => OptionalTransport::none(),
        Some(transport) => OptionalTransport::some(
            transport.map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(Metered::new(muxer, counter)))),
        ),
    };

    let transport = ws
        .or_transport(tcp)
        .map(|either, _| either.into_inner())
        .or_transport(webrtc)
        .map(|either, _| either.into_inner())
        .or_transport(webtransport)
        .map(|either, _| either.into_inner());
    let transport = TransportTimeout::new(transport, Duration::from_secs(limits.handshake_timeout_s)).boxed();

    let swarm = Swarm::new(
        transport,
        Behaviour::new(key, limits, metrics)?,
        key.public().to_peer_id(),
        swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(Duration::from_secs(limits.idle_connection_s))
            .with_max_negotiating_inbound_streams(
                usize::try_from(limits.max_streams_per_connection).unwrap_or(usize::MAX),
            ),
    );
    Ok((swarm, door))
}
