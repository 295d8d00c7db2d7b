//! What the relay says about itself and its swarm over HTTP.
//! It only reads; nothing here trusts the answer further than its types.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gloo::net::http::Request;
use libp2p::{Multiaddr, PeerId};
use serde::Deserialize;

use crate::error::Error;
use crate::snapshot::{ModelInfo, SwarmInfo};

/// No honest answer is longer.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Models of one relay that the page lists.
const MAX_MODELS: usize = 256;
/// Other relays of the network that a tab remembers.
const MAX_OTHERS: usize = 7;
/// Browsers warn of more, and each makes finding a path slower.
const MAX_ICE_SERVERS: usize = 4;

/// The relay's default swarm.
#[derive(Clone, Debug)]
pub(crate) struct SwarmAnswer {
    pub(crate) swarm: SwarmInfo,
    /// Addresses that a browser can dial, best first: the relay's own, then those of others of its network.
    pub(crate) relays: Vec<Multiaddr>,
    pub(crate) ice_servers: Vec<webrtc_p2p::IceServer>,
    pub(crate) models: Vec<ModelInfo>,
}

#[derive(Deserialize)]
struct Answer {
    swarm: SwarmInfo,
    relay: Relay,
    #[serde(default)]
    relays: Vec<Relay>,
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
    username: Option<String>,
    credential: Option<String>,
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
        let mut relays = dialable(&answer.relay, origin);
        if relays.is_empty() {
            return Err(Error::relay(format!(
                "the relay at {origin} names no address that a browser can dial"
            )));
        }
        let me = &answer.relay.peer_id;
        let others = answer.relays.iter().filter(|other| other.peer_id != *me);
        relays.extend(others.take(MAX_OTHERS).flat_map(|other| dialable(other, origin)));
        let ice_servers = answer.ice_servers.into_iter().take(MAX_ICE_SERVERS);
        Ok(SwarmAnswer {
            swarm: answer.swarm,
            relays,
            ice_servers: ice_servers
                .map(|server| webrtc_p2p::IceServer {
                    urls: server.urls,
                    username: server.username,
                    credential: server.credential,
                })
                .collect(),
            models: answer.models.into_iter().take(MAX_MODELS).collect(),
        })
    }
}

#[derive(Deserialize)]
struct Offers {
    #[serde(default)]
    offers: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    peer_id: String,
    offer: String,
}

/// What workers announced before this tab came, each with its peer: signed, so that the relay can leave out but not
/// make up. Nothing where the relay does not tell.
pub(crate) async fn offers(origin: &str) -> Vec<(PeerId, Vec<u8>)> {
    let Ok(response) = get(&format!("{origin}/api/v1/offers")).await else {
        return Vec::new();
    };
    let told: Option<Offers> = json(response).await;
    let told = told.map(|told| told.offers).unwrap_or_default();
    told.into_iter()
        .filter_map(|told| {
            Some((
                told.peer_id.parse().ok()?,
                URL_SAFE_NO_PAD.decode(told.offer).ok()?,
            ))
        })
        .collect()
}

/// How the relay is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelayHealth {
    /// It takes new visitors.
    pub ready: bool,
    /// From question to answer.
    pub ms: f64,
    /// How far this device's clock is ahead of the relay's, where it said.
    pub clock_ahead_ms: Option<f64>,
    /// Peers that it knows to work.
    pub workers: usize,
}

#[derive(Deserialize)]
struct Peers {
    #[serde(default)]
    workers: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Time {
    time: f64,
}

/// Asks the relay how it is.
pub(crate) async fn health(origin: &str) -> Result<RelayHealth, Error> {
    let start = js_sys::Date::now();
    let ready = get(&format!("{origin}/readyz")).await?.ok();
    let ms = js_sys::Date::now() - start;
    let time: Option<Time> = json(get(&format!("{origin}/api/v1/swarm")).await?).await;
    let peers: Option<Peers> = json(get(&format!("{origin}/api/v1/peers")).await?).await;
    Ok(RelayHealth {
        ready,
        ms,
        clock_ahead_ms: time.map(|said| js_sys::Date::now() - said.time),
        workers: peers.map_or(0, |peers| peers.workers.len()),
    })
}

/// An answer that can be read, if it can.
async fn json<T: serde::de::DeserializeOwned>(response: gloo::net::http::Response) -> Option<T> {
    let bytes = response.binary().await.ok()?;
    if bytes.len() > MAX_ANSWER_BYTES {
        return None;
    }
    serde_json::from_slice(&bytes).ok()
}

async fn get(url: &str) -> Result<gloo::net::http::Response, Error> {
    Request::get(url)
        .send()
        .await
        .map_err(|e| Error::relay(format!("{url} does not answer: {e}")))
}

/// The addresses that a browser can dial: WebSocket first, since it shares the page's port and
/// certificate, then `/webrtc-direct` and WebTransport. Of several WebSockets the one under the
/// page's own host comes first: it is the one that is known to lead here.
fn dialable(relay: &Relay, origin: &str) -> Vec<Multiaddr> {
    let host = Host::of(origin);
    let mut ranked: Vec<(u8, Multiaddr)> = relay
        .multiaddrs
        .iter()
        .filter_map(|text| with_peer(text, &relay.peer_id))
        .filter_map(|address| Some((rank(&address, &host)?, address)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

/// Where other devices open the relay's page: the WebSocket shares its port, so its address says it. An address of this
/// machine alone is of no use to them.
pub(crate) fn page_origins(relays: &[Multiaddr]) -> Vec<String> {
    relays.iter().filter_map(page_origin).collect()
}

fn page_origin(address: &Multiaddr) -> Option<String> {
    use libp2p::multiaddr::Protocol;
    let (mut host, mut port, mut scheme) = (None, None, None);
    for protocol in address {
        match protocol {
            Protocol::Ip4(ip) if !ip.is_loopback() => host = Some(ip.to_string()),
            Protocol::Ip6(ip) if !ip.is_loopback() => host = Some(format!("[{ip}]")),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) if name != "localhost" => {
                host = Some(name.to_string());
            }
            Protocol::Tcp(number) => port = Some(number),
            Protocol::Tls | Protocol::Wss(_) => scheme = Some("https"),
            Protocol::Ws(_) => scheme = scheme.or(Some("http")),
            _ => {}
        }
    }
    let (host, port, scheme) = (host?, port?, scheme?);
    let usual = matches!((scheme, port), ("https", 443) | ("http", 80));
    Some(if usual {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    })
}

fn with_peer(text: &str, peer: &str) -> Option<Multiaddr> {
    let text = if text.contains("/p2p/") {
        text.to_owned()
    } else {
        format!("{text}/p2p/{peer}")
    };
    text.parse().ok()
}

/// Where the page came from.
struct Host {
    name: String,
    port: Option<u16>,
    secure: bool,
}

impl Host {
    fn of(origin: &str) -> Host {
        let url = web_sys::Url::new(origin).ok();
        let text = |get: fn(&web_sys::Url) -> String| url.as_ref().map(get).unwrap_or_default();
        let secure = text(web_sys::Url::protocol) == "https:";
        Host {
            // `localhost` is where a relay on this machine says `127.0.0.1`.
            name: match text(web_sys::Url::hostname).as_str() {
                "localhost" => "127.0.0.1".to_owned(),
                name => name.trim_matches(['[', ']']).to_owned(),
            },
            port: text(web_sys::Url::port)
                .parse()
                .ok()
                .or(Some(if secure { 443 } else { 80 })),
            secure,
        }
    }
}

fn rank(address: &Multiaddr, host: &Host) -> Option<u8> {
    use libp2p::multiaddr::Protocol;
    let mut here = (false, false);
    let mut tls = false;
    for protocol in address {
        match protocol {
            Protocol::Ip4(ip) => here.0 = ip.to_string() == host.name,
            Protocol::Ip6(ip) => here.0 = ip.to_string() == host.name,
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => here.0 = *name == host.name,
            Protocol::Tcp(port) => here.1 = Some(port) == host.port,
            Protocol::Tls | Protocol::Wss(_) => tls = true,
            _ => {}
        }
    }
    address.iter().find_map(|protocol| match protocol {
        // A page over https may not open `ws:`, and one over http need not trust a certificate.
        Protocol::Ws(_) | Protocol::Wss(_) => Some(match (here == (true, true), tls == host.secure) {
            (true, true) => 0,
            (_, true) => 1,
            _ => 2,
        }),
        Protocol::WebRTCDirect => Some(3),
        Protocol::WebTransport => Some(4),
        _ => None,
    })
}
