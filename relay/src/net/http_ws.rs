//! The libp2p transport whose connections arrive through the web server: a WebSocket upgrade
//! request on `/` becomes an inbound connection of a `/ws` (or `/tls/ws`) listener.
//! It does not bind a port, terminate TLS or dial; the web server does the first two.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Ready,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, TransportError,
    core::transport::{DialOpts, ListenerId, Transport, TransportEvent},
    multiaddr::Protocol,
};
use tokio::sync::mpsc;

use super::ws_stream::WsStream;

/// Sockets that were upgraded but not yet taken by the swarm. The swarm takes them at once; a
/// full queue means that it is overloaded, and then the web server answers 503.
const MAX_WAITING_SOCKETS: usize = 128;

/// The web server's end: a place in the queue is taken before a request is upgraded.
#[derive(Clone)]
pub struct WsDoor(mpsc::Sender<Arrival>);

/// A reserved place in the queue.
pub struct WsPlace(mpsc::OwnedPermit<Arrival>);

struct Arrival {
    stream: WsStream,
    from: SocketAddr,
}

impl WsDoor {
    /// Reserves a place, or `None` when the queue is full or the swarm has gone.
    pub fn place(&self) -> Option<WsPlace> {
        self.0.clone().try_reserve_owned().ok().map(WsPlace)
    }
}

impl WsPlace {
    /// Hands an upgraded socket to the swarm.
    pub fn enter(self, stream: WsStream, from: SocketAddr) {
        self.0.send(Arrival { stream, from });
    }
}

/// The swarm's end.
pub struct HttpWs {
    arrivals: mpsc::Receiver<Arrival>,
    listeners: Vec<(ListenerId, Multiaddr)>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

type Event = TransportEvent<Ready<Result<WsStream, Infallible>>, Infallible>;

impl HttpWs {
    /// A transport and the door that feeds it.
    pub fn new() -> (HttpWs, WsDoor) {
        let (door, arrivals) = mpsc::channel(MAX_WAITING_SOCKETS);
        let transport = HttpWs {
            arrivals,
            listeners: Vec::new(),
            events: VecDeque::new(),
            waker: None,
        };
        (transport, WsDoor(door))
    }

    fn push(&mut self, event: Event) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Transport for HttpWs {
    type Output = WsStream;
    type Error = Infallible;
    type ListenerUpgrade = Ready<Result<WsStream, Infallible>>;
    type Dial = Ready<Result<WsStream, Infallible>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<Infallible>> {
        if !is_ws_listen_addr(&addr) {
            return Err(TransportError::MultiaddrNotSupported(addr));
        }
        self.listeners.push((id, addr.clone()));
        self.push(TransportEvent::NewAddress {
            listener_id: id,
            listen_addr: addr,
        });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|(listener, _)| *listener != id);
        let removed = self.listeners.len() < before;
        if removed {
            self.push(TransportEvent::ListenerClosed {
                listener_id: id,
                reason: Ok(()),
            });
        }
        removed
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<Infallible>> {
        Err(TransportError::MultiaddrNotSupported(addr))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        while let Poll::Ready(Some(arrival)) = self.arrivals.poll_recv(cx) {
            // Without a listener the socket is dropped, which closes it.
            let Some((listener_id, local_addr)) = self.listeners.first().cloned() else {
                continue;
            };
            return Poll::Ready(TransportEvent::Incoming {
                listener_id,
                upgrade: std::future::ready(Ok(arrival.stream)),
                send_back_addr: send_back_addr(arrival.from, &local_addr),
                local_addr,
            });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// `/ip4|ip6/…/tcp/PORT/ws` or `…/tls/ws`.
fn is_ws_listen_addr(addr: &Multiaddr) -> bool {
    let parts: Vec<_> = addr.iter().collect();
    matches!(
        parts.as_slice(),
        [
            Protocol::Ip4(_) | Protocol::Ip6(_),
            Protocol::Tcp(_),
            Protocol::Ws(_)
        ] | [
            Protocol::Ip4(_) | Protocol::Ip6(_),
            Protocol::Tcp(_),
            Protocol::Tls,
            Protocol::Ws(_)
        ]
    )
}

/// Where the connection came from, in the form of the listener's own address.
fn send_back_addr(from: SocketAddr, local: &Multiaddr) -> Multiaddr {
    let mut addr = Multiaddr::from(from.ip());
    addr.push(Protocol::Tcp(from.port()));
    for protocol in local.iter() {
        if matches!(protocol, Protocol::Tls | Protocol::Ws(_)) {
            addr.push(protocol);
        }
    }
    addr
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_plain_and_tls_websocket_addresses_are_listened_on() {
        let check = |addr: &str, expect: bool| {
            let (mut transport, _door) = HttpWs::new();
            let answer = transport.listen_on(ListenerId::next(), addr.parse().unwrap());
            assert_eq!(answer.is_ok(), expect, "{addr}");
        };
        check("/ip4/127.0.0.1/tcp/8787/ws", true);
        check("/ip6/::1/tcp/8787/tls/ws", true);
        check("/ip4/127.0.0.1/tcp/8787", false);
        check("/dns4/relay.example/tcp/443/tls/ws", false);
        check("/ip4/127.0.0.1/udp/8787/webrtc-direct", false);
    }

    #[test]
    fn a_connection_is_reported_in_the_form_of_its_listener() {
        let from = "[::1]:4242".parse().unwrap();
        let local = "/ip6/::1/tcp/8787/tls/ws".parse().unwrap();
        assert_eq!(
            send_back_addr(from, &local).to_string(),
            "/ip6/::1/tcp/4242/tls/ws"
        );
    }

    #[test]
    fn a_full_queue_has_no_place_left() {
        let (_transport, door) = HttpWs::new();
        let places: Vec<_> = (0..MAX_WAITING_SOCKETS).map(|_| door.place()).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(door.place().is_none());
    }
}
