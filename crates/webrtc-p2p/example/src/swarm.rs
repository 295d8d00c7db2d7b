//! The swarm of the example: the transports in their order, and the behaviours.
//! This is the part to copy into a page of one's own.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Transport as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, NetworkBehaviour, Swarm};
use libp2p::{identify, noise, ping, relay, websocket_websys, yamux};

/// What the page speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    circuit: relay::client::Behaviour,
    pub(crate) webrtc: webrtc_p2p::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// The swarm, and the handle that opens and accepts streams.
pub(crate) fn new() -> Result<(Swarm<Behaviour>, libp2p_stream::Control), noise::Error> {
    let keypair = Keypair::generate_ed25519();
    let me = keypair.public().to_peer_id();
    let (circuit_transport, circuit) = relay::client::new(me);
    let (webrtc_transport, webrtc) = webrtc_p2p::new(webrtc_p2p::Config::default());
    let authentication = noise::Config::new(&keypair)?;
    let transport = webrtc_transport
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .or_transport(
            circuit_transport
                .upgrade(Version::V1)
                .authenticate(authentication.clone())
                .multiplex(yamux::Config::default())
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))),
        )
        .map(|either, _| either.into_inner())
        .or_transport(
            websocket_websys::Transport::default()
                .upgrade(Version::V1)
                .authenticate(authentication)
                .multiplex(yamux::Config::default())
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))),
        )
        .map(|either, _| either.into_inner())
        .boxed();
    let streams = libp2p_stream::Behaviour::new();
    let control = streams.new_control();
    let behaviour = Behaviour {
        circuit,
        webrtc,
        identify: identify::Behaviour::new(
            identify::Config::new("/ipfs/0.1.0".into(), keypair.public())
                .with_agent_version("webrtc-p2p-example".into()),
        ),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(1))),
        streams,
    };
    let config = Config::with_wasm_executor().with_idle_connection_timeout(Duration::from_secs(300));
    Ok((Swarm::new(transport, behaviour, me, config), control))
}
