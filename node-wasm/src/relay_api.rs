//! What the relay says about itself and its swarm over HTTP.
//! It only reads; nothing here trusts the answer further than its types.

use gloo::net::http::Request;
use libp2p::Multiaddr;
use serde::Deserialize;

use crate::error::Error;
use crate::snapshot::{ModelInfo, SwarmInfo};

/// No honest answer is longer.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Models of one relay that the page lists.
const MAX_MODELS: usize = 256;

/// The relay's default swarm.
#[derive(Clone, Debug)]
pub(crate) struct SwarmAnswer {
    pub(crate) swarm: SwarmInfo,
    /// Addresses of the relay that a browser can dial, best first.
    pub(crate) relays: Vec<Multiaddr>,
    pub(crate) ice_urls: Vec<String>,
    pub(crate) models: Vec<ModelInfo>,
}

#[derive(Deserialize)]
struct Answer {
    swarm: SwarmInfo,
    relay: Relay,
    #[serde(default)]
    ice_servers: Vec<IceServer>,
    models: Vec<ModelInfo>,
}

#[derive(Deserialize)]
struct Relay {
    peer_id: String,
    multiaddrs: Vec<String>,
}

#[derive(Deserialize)]
struct IceServer {
    urls: Vec<String>,
}

/// Reads `/api/v1/swarm`: the answer, and its bytes as they came.
pub(crate) async fn swarm(origin: &str) -> Result<(SwarmAnswer, Vec<u8>), Error> {
    let url = format!("{origin}/api/v1/swarm");
    let response = Request::get(&url)
        .send()
        .await
        .map_err(|e| Error::relay(format!("the relay at {origin} does not answer: {e}")))?;
    if !response.ok() {
        return Err(Error::relay(format!(
            "the relay at {origin} answers {}",
            response.status()
        )));
    }
    let bytes = response
        .binary()
        .await
        .map_err(|e| Error::relay(format!("the relay's answer broke off: {e}")))?;
    if bytes.len() > MAX_ANSWER_BYTES {
        return Err(Error::relay(format!(
            "the relay's answer is {} bytes long",
            bytes.len()
        )));
    }
    Ok((SwarmAnswer::read(origin, &bytes)?, bytes))
}

impl SwarmAnswer {
    /// Reads the bytes of an answer.
    pub(crate) fn read(origin: &str, bytes: &[u8]) -> Result<SwarmAnswer, Error> {
        let answer: Answer = serde_json::from_slice(bytes)
            .map_err(|e| Error::relay(format!("the relay at {origin} answers something else: {e}")))?;
        let relays = dialable(&answer.relay);
        if relays.is_empty() {
            return Err(Error::relay(format!(
                "the relay at {origin} names no address that a browser can dial"
            )));
        }
        Ok(SwarmAnswer {
            swarm: answer.swarm,
            relays,
            ice_urls: answer.ice_servers.into_iter().flat_map(|s| s.urls).collect(),
            models: answer.models.into_iter().take(MAX_MODELS).collect(),
        })
    }
}

/// The addresses that a browser can dial: WebSocket first, since it shares the page's port and
/// certificate, then `/webrtc-direct` and WebTransport.
fn dialable(relay: &Relay) -> Vec<Multiaddr> {
    let mut ranked: Vec<(u8, Multiaddr)> = relay
        .multiaddrs
        .iter()
        .filter_map(|text| with_peer(text, &relay.peer_id))
        .filter_map(|address| Some((rank(&address)?, address)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

fn with_peer(text: &str, peer: &str) -> Option<Multiaddr> {
    let text = if text.contains("/p2p/") {
        text.to_owned()
    } else {
        format!("{text}/p2p/{peer}")
    };
    text.parse().ok()
}

fn rank(address: &Multiaddr) -> Option<u8> {
    use libp2p::multiaddr::Protocol;
    address.iter().find_map(|protocol| match protocol {
        Protocol::Ws(_) | Protocol::Wss(_) => Some(0),
        Protocol::WebRTCDirect => Some(1),
        Protocol::WebTransport => Some(2),
        _ => None,
    })
}
