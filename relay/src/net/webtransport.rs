//! libp2p's `/webtransport` for browsers (libp2p specs, webtransport): HTTP/3 sessions whose certificate is known by its
//! hash, a Noise handshake on the first stream, then one bidirectional stream for each substream.
//! It does not dial: browsers come to us.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, SystemTime};

use futures::future::{BoxFuture, FutureExt as _};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade as _, UpgradeInfo as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::multihash::Multihash;
use libp2p::{PeerId, TransportError, noise};
use tokio::time::Interval;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use wtransport::endpoint::{IncomingSession, endpoint_side};
use wtransport::tls::{Certificate, CertificateChain, PrivateKey};
use wtransport::{Connection, Endpoint, Identity, ServerConfig, VarInt};

use super::addrs::interfaces;
use crate::store::Store;
use crate::webtransport_cert::{CertificateError, Certificates};

/// Where the specification has a session begin.
const PATH: &str = "/.well-known/libp2p-webtransport?type=noise";
/// Code of SHA-256 among the multihashes.
const SHA2_256: u64 = 0x12;
/// A browser that has gone without a word is noticed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How often it is looked whether the certificate's time is over.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(3600);

/// A browser's session failed before it was a connection.
#[derive(Debug, thiserror::Error)]
pub enum WebTransportError {
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the certificate: {0}")]
    Unusable(String),
    #[error("the session was not for libp2p")]
    Path,
    #[error("session: {0}")]
    Session(String),
    #[error("noise: {0}")]
    Noise(#[from] noise::Error),
}

/// The transport: listens only, and hands out authenticated connections.
pub struct WebTransport {
    key: Keypair,
    store: Store,
    listeners: Vec<Listener>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
    look: Interval,
}

type Output = (PeerId, StreamMuxerBox);
type Upgrade = BoxFuture<'static, Result<Output, WebTransportError>>;
type Event = TransportEvent<Upgrade, WebTransportError>;

struct Listener {
    id: ListenerId,
    endpoint: Arc<Endpoint<endpoint_side::Server>>,
    local: SocketAddr,
    certificates: Certificates,
    told: Vec<Multiaddr>,
    accept: BoxFuture<'static, IncomingSession>,
}

impl WebTransport {
    /// A transport that authenticates as `key`; its certificates lie in `store`. Listens on nothing yet, and has to be
    /// made within a tokio runtime.
    pub fn new(key: Keypair, store: Store) -> WebTransport {
        WebTransport {
            key,
            store,
            listeners: Vec::new(),
            events: VecDeque::new(),
            waker: None,
            look: tokio::time::interval(LOOK_AT_CERTIFICATE),
        }
    }

    fn listen(&mut self, id: ListenerId, addr: SocketAddr) -> Result<(), WebTransportError> {
        let certificates = Certificates::open(&self.store, SystemTime::now())?;
        let endpoint = Arc::new(Endpoint::server(server_config(addr, &certificates)?)?);
        let mut listener = Listener {
            id,
            local: endpoint.local_addr()?,
            accept: accept(endpoint.clone()),
            endpoint,
            certificates,
            told: Vec::new(),
        };
        self.events.extend(listener.tell()?);
        self.listeners.push(listener);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Exchanges certificates whose time is over, and with them the addresses.
    fn renew(&mut self) -> Result<(), WebTransportError> {
        for listener in &mut self.listeners {
            let certificates = Certificates::open(&self.store, SystemTime::now())?;
            if certificates.hashes() == listener.certificates.hashes() {
                continue;
            }
            let config = server_config(listener.local, &certificates)?;
            listener.endpoint.reload_config(config, false)?;
            listener.certificates = certificates;
            self.events.extend(listener.tell()?);
        }
        Ok(())
    }
}

impl Transport for WebTransport {
    type Output = Output;
    type Error = WebTransportError;
    type ListenerUpgrade = Upgrade;
    type Dial = BoxFuture<'static, Result<Output, WebTransportError>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        addr: Multiaddr,
    ) -> Result<(), TransportError<WebTransportError>> {
        let Some(socket) = socket_addr(&addr) else {
            return Err(TransportError::MultiaddrNotSupported(addr));
        };
        self.listen(id, socket).map_err(TransportError::Other)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| listener.id != id);
        let removed = self.listeners.len() < before;
        if removed {
            self.events.push_back(TransportEvent::ListenerClosed {
                listener_id: id,
                reason: Ok(()),
            });
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        removed
    }

    fn dial(
        &mut self,
        addr: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<WebTransportError>> {
        Err(TransportError::MultiaddrNotSupported(addr))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        while self.look.poll_tick(cx).is_ready() {
            if let Err(error) = self.renew() {
                tracing::error!(%error, "the WebTransport certificate could not be renewed");
            }
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        let this = &mut *self;
        for listener in &mut this.listeners {
            if let Poll::Ready(session) = listener.accept.poll_unpin(cx) {
                listener.accept = accept(listener.endpoint.clone());
                let from = session.remote_address();
                return Poll::Ready(TransportEvent::Incoming {
                    listener_id: listener.id,
                    upgrade: upgrade(session, this.key.clone(), listener.hashes()).boxed(),
                    send_back_addr: quic_addr(from.ip(), from.port()),
                    local_addr: quic_addr(listener.local.ip(), listener.local.port()),
                });
            }
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Listener {
    /// The hashes as a session states them under Noise, so that nobody between can exchange the certificate.
    fn hashes(&self) -> HashSet<Multihash<64>> {
        self.multihashes().into_iter().collect()
    }

    fn multihashes(&self) -> Vec<Multihash<64>> {
        let hashes = self.certificates.hashes();
        hashes
            .iter()
            .filter_map(|hash| Multihash::wrap(SHA2_256, hash).ok())
            .collect()
    }

    /// Takes back the addresses that were told and tells those of now.
    fn tell(&mut self) -> Result<Vec<Event>, WebTransportError> {
        let listener_id = self.id;
        let ips = if self.local.ip().is_unspecified() {
            let mut ips = interfaces();
            ips.retain(|ip| ip.is_ipv4() == self.local.is_ipv4());
            ips
        } else {
            vec![self.local.ip()]
        };
        let mut events: Vec<Event> = std::mem::take(&mut self.told)
            .into_iter()
            .map(|listen_addr| TransportEvent::AddressExpired {
                listener_id,
                listen_addr,
            })
            .collect();
        for ip in ips {
            let mut addr = quic_addr(ip, self.local.port()).with(Protocol::WebTransport);
            for hash in self.multihashes() {
                addr.push(Protocol::Certhash(hash));
            }
            self.told.push(addr.clone());
            events.push(TransportEvent::NewAddress {
                listener_id,
                listen_addr: addr,
            });
        }
        Ok(events)
    }
}

/// `/ip4|ip6/…/udp/PORT/quic-v1/webtransport`, and nothing behind it.
fn socket_addr(addr: &Multiaddr) -> Option<SocketAddr> {
    let parts: Vec<_> = addr.iter().collect();
    let (ip, port) = match parts.as_slice() {
        [
            Protocol::Ip4(ip),
            Protocol::Udp(port),
            Protocol::QuicV1,
            Protocol::WebTransport,
        ] => (IpAddr::from(*ip), *port),
        [
            Protocol::Ip6(ip),
            Protocol::Udp(port),
            Protocol::QuicV1,
            Protocol::WebTransport,
        ] => (IpAddr::from(*ip), *port),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn quic_addr(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip)
        .with(Protocol::Udp(port))
        .with(Protocol::QuicV1)
}

fn server_config(addr: SocketAddr, certificates: &Certificates) -> Result<ServerConfig, WebTransportError> {
    let unusable = |error: &dyn std::fmt::Display| WebTransportError::Unusable(error.to_string());
    let current = certificates.current();
    let certificate = Certificate::from_der(current.certificate_der.clone()).map_err(|e| unusable(&e))?;
    let key = PrivateKey::from_der_pkcs8(current.key_der.clone());
    ServerConfig::builder()
        .with_bind_address(addr)
        .with_identity(Identity::new(CertificateChain::single(certificate), key))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE_TIMEOUT))
        .map(|config| config.build())
        .map_err(|e| unusable(&e))
}

fn accept(endpoint: Arc<Endpoint<endpoint_side::Server>>) -> BoxFuture<'static, IncomingSession> {
    async move { endpoint.accept().await }.boxed()
}

async fn upgrade(
    session: IncomingSession,
    key: Keypair,
    hashes: HashSet<Multihash<64>>,
) -> Result<Output, WebTransportError> {
    let failed = |error: &dyn std::fmt::Display| WebTransportError::Session(error.to_string());
    let request = session.await.map_err(|e| failed(&e))?;
    if request.path() != PATH {
        request.not_found().await;
        return Err(WebTransportError::Path);
    }
    let connection = request.accept().await.map_err(|e| failed(&e))?;
    let first = connection.accept_bi().await.map_err(|e| failed(&e))?;
    let noise = noise::Config::new(&key)?.with_webtransport_certhashes(hashes);
    // Both sides know that Noise comes first: there is nothing to negotiate.
    let info = noise.protocol_info().next().unwrap_or_default();
    let (peer, _) = noise.upgrade_inbound(substream(first), info).await?;
    Ok((peer, StreamMuxerBox::new(Session::new(connection))))
}

type Substream = Compat<wtransport::stream::BiStream>;

fn substream(halves: (wtransport::SendStream, wtransport::RecvStream)) -> Substream {
    wtransport::stream::BiStream::join(halves).compat()
}

/// An authenticated session; its streams are the substreams.
struct Session {
    connection: Arc<Connection>,
    inbound: BoxFuture<'static, io::Result<Substream>>,
    outbound: Option<BoxFuture<'static, io::Result<Substream>>>,
}

impl Session {
    fn new(connection: Connection) -> Session {
        let connection = Arc::new(connection);
        Session {
            inbound: inbound(connection.clone()),
            outbound: None,
            connection,
        }
    }
}

impl StreamMuxer for Session {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let stream = ready!(self.inbound.poll_unpin(cx));
        self.inbound = inbound(self.connection.clone());
        Poll::Ready(stream)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let connection = self.connection.clone();
        let opening = self.outbound.get_or_insert_with(|| outbound(connection));
        let stream = ready!(opening.poll_unpin(cx));
        self.outbound = None;
        Poll::Ready(stream)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.close(VarInt::from_u32(0), b"");
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}

fn inbound(connection: Arc<Connection>) -> BoxFuture<'static, io::Result<Substream>> {
    async move {
        connection
            .accept_bi()
            .await
            .map(substream)
            .map_err(io::Error::other)
    }
    .boxed()
}

fn outbound(connection: Arc<Connection>) -> BoxFuture<'static, io::Result<Substream>> {
    async move {
        let opening = connection.open_bi().await.map_err(io::Error::other)?;
        opening.await.map(substream).map_err(io::Error::other)
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_listens_on_its_own_addresses_only() {
        for (addr, expect) in [
            ("/ip4/127.0.0.1/udp/0/quic-v1/webtransport", true),
            ("/ip6/::1/udp/1/quic-v1/webtransport", true),
            ("/ip4/127.0.0.1/udp/0/quic-v1", false),
            ("/ip4/127.0.0.1/tcp/0/ws", false),
            ("/ip4/127.0.0.1/udp/0/webrtc-direct", false),
        ] {
            assert_eq!(socket_addr(&addr.parse().unwrap()).is_some(), expect, "{addr}");
        }
    }

    #[tokio::test]
    async fn an_address_names_both_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut transport = WebTransport::new(Keypair::generate_ed25519(), store);
        let listen = "/ip4/127.0.0.1/udp/0/quic-v1/webtransport".parse().unwrap();
        transport.listen_on(ListenerId::next(), listen).unwrap();
        let event = std::future::poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await;
        let TransportEvent::NewAddress { listen_addr, .. } = event else {
            panic!("{event:?}");
        };
        let hashes = listen_addr.iter().filter(|p| matches!(p, Protocol::Certhash(_)));
        assert_eq!(hashes.count(), 2, "{listen_addr}");
    }
}
