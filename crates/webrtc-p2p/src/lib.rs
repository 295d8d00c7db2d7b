//! The libp2p `/webrtc` transport: direct connections between two browsers.
//! It is neither `/webrtc-direct` (browser to server) nor a relay: it needs a circuit to B once,
//! for some kilobytes of signalling, and leaves it.
//!
//! # How it works
//!
//! Two tabs cannot dial each other; both can dial a relay. A reserves a circuit at the relay and
//! advertises `<relay>/p2p/R/p2p-circuit/webrtc/p2p/A`. B dials the circuit, which Noise
//! authenticates from end to end, opens a `/webrtc-signaling/0.0.1` stream on it, and both
//! exchange a session description and ICE candidates as they are found. As soon as their
//! `RTCPeerConnection`s are connected, streams are data channels, and the circuit is closed. There
//! is no second Noise handshake: the authenticated circuit carried the certificate fingerprints.
//! Everything follows the [specification], so that js-libp2p is a peer like any other.
//!
//! | module | is | needs |
//! |---|---|---|
//! | [`stream`] | framing and half-closing of a stream | nothing |
//! | [`signaling`] | the exchange of descriptions and candidates | nothing |
//! | [`liveness`] | when a silent peer is a vanished one | nothing |
//! | [`address`] | reading and making `/webrtc` addresses | libp2p-core |
//! | [`paths`] | which connections a peer has | libp2p-swarm |
//! | [`refusals`] | how often which limit was reached | nothing |
//! | `browser` | the `Transport` and the `Behaviour` | a browser's main thread |
//!
//! # Use
//!
//! ```text
//! let (circuit_transport, circuit) = relay::client::new(local_peer_id);
//! let (webrtc_transport, webrtc) = webrtc_p2p::new(webrtc_p2p::Config::default());
//! let transport = webrtc_transport
//!     .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
//!     .or_transport(circuit_transport.upgrade(Version::V1).authenticate(noise).multiplex(yamux))
//!     .or_transport(websocket.upgrade(Version::V1).authenticate(noise).multiplex(yamux));
//! // Behaviour { circuit, webrtc, identify, … }
//! swarm.listen_on("<relay>/p2p/R/p2p-circuit".parse()?)?; // where peers find us
//! swarm.listen_on("/webrtc".parse()?)?;                   // let them upgrade
//! swarm.behaviour_mut().webrtc.connect(peer, "<relay>/p2p/R/p2p-circuit/p2p/B".parse()?)?;
//! ```
//!
//! * **Order of transports.** `/webrtc` must come before the circuit transport, which would take
//!   `…/p2p-circuit/webrtc/p2p/B` for a plain circuit. `SwarmBuilder::with_relay_client` puts the
//!   circuit first, so the transports are composed by hand.
//! * **Dialling.** `Behaviour::connect`, a plain dial of a circuit address (upgraded by
//!   itself, see [`Config::upgrade_dialled`]) and a dial of the full `…/p2p-circuit/webrtc/p2p/B`
//!   address all lead to the same connection. The first two are better: their connection is
//!   called `/webrtc/p2p/B`, whereas libp2p's own behaviours take every address with
//!   `/p2p-circuit` in it for relayed. [`address::is_relayed`] knows the difference.
//! * **One connection per peer.** After the upgrade the circuit is closed, because libp2p's
//!   behaviours use any connection that a peer has. Both sides tell each other by closing the
//!   signalling stream first, so neither cuts the other off. Some milliseconds long both
//!   connections exist: a stream opened on `ConnectionEstablished` may land on the circuit and
//!   die with it, so open yours when the circuit's `ConnectionClosed` has come. When both dial
//!   at the same time, the attempt of the smaller peer id is kept.
//! * **Timeouts.** The swarm's idle timeout (default 10 s) also closes direct connections:
//!   set it to a minute or more.
//!
//! # What to expect
//!
//! * Writes are back-pressured by the data channel's queue (64 KiB each). WebRTC has no
//!   back-pressure for receivers: a protocol must bound what it has in flight, and a peer that
//!   leaves [`stream::MAX_RECEIVE_BYTES`] unread behind gets its stream reset.
//! * A peer that vanishes is noticed within 4 seconds in Chromium ([`liveness`]), 5 in a hidden tab; elsewhere as
//!   soon as the browser reports it.
//! * Closing a stream waits for the peer's acknowledgement; dropping it without closing resets it.
//! * A stream that gets a channel whose id was free only a moment ago, and hears nothing on it for 1.5 s, moves to another
//!   channel and says there again what it has said, if that is no more than a proposal of protocols ([`stream::Opening`]). It
//!   is meant for `Version::V1` of multistream-select: with `V1Lazy` a first request could be heard twice.
//! * A browser allows some hundred `RTCPeerConnection`s per tab; plan for fifty peers.
//!
//! [specification]: https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md

pub mod address;
mod config;
mod error;
pub mod liveness;
pub mod paths;
pub mod refusals;
pub mod signaling;
pub mod stream;

#[cfg(target_arch = "wasm32")]
mod browser;

#[cfg(target_arch = "wasm32")]
pub use browser::{Behaviour, Connection, Event, Stream, Transport, new};
pub use config::{Config, IceServer};
pub use error::Error;
