//! The libp2p transport: it hands negotiated connections to the swarm.
//! It negotiates none itself; the behaviour does.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt as _, Ready, ready};
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p_identity::PeerId;

use super::connection::Connection;
use super::shared::{DialRequest, Handle, MAX_DIALS, Report};
use crate::Error;
use crate::address::{self, Target};

/// The `/webrtc` transport of a browser. Made together with its
/// [`Behaviour`](super::Behaviour) by [`new`](super::new).
pub struct Transport {
    shared: Handle,
}

impl Transport {
    pub(crate) fn new(shared: Handle) -> Transport {
        Transport { shared }
    }
}

impl libp2p_core::Transport for Transport {
    type Output = (PeerId, Connection);
    type Error = Error;
    type ListenerUpgrade = Ready<Result<Self::Output, Error>>;
    type Dial = BoxFuture<'static, Result<Self::Output, Error>>;

    /// Only `/webrtc`, and once: the addresses come from the circuits that the swarm listens on.
    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Error>> {
        let mut shared = self.shared.lock();
        if !address.iter().eq([Protocol::WebRTC]) || shared.listener.is_some() {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        shared.listener = Some(id);
        for known in shared.addresses.clone() {
            shared.report(Report::NewAddress(known));
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let mut shared = self.shared.lock();
        if shared.listener != Some(id) {
            return false;
        }
        shared.listener = None;
        shared.report(Report::ListenerClosed(id));
        true
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<Error>> {
        match Target::parse(&address) {
            None => Err(TransportError::MultiaddrNotSupported(address)),
            Some(Target::Ready(peer)) => {
                let connection = self.shared.lock().ready.remove(&peer);
                let connection = connection.ok_or(TransportError::MultiaddrNotSupported(address))?;
                Ok(ready(Ok((peer, connection))).boxed())
            }
            Some(Target::Circuit { peer, circuit }) => {
                let shared = self.shared.clone();
                Ok(async move {
                    let (reply, answer) = oneshot::channel();
                    {
                        let mut shared = shared.lock();
                        if shared.dials.len() >= MAX_DIALS {
                            return Err(Error::TooMany { max: MAX_DIALS });
                        }
                        shared.dials.push_back(DialRequest { peer, circuit, reply });
                        shared
                            .behaviour_waker
                            .take()
                            .into_iter()
                            .for_each(std::task::Waker::wake);
                    }
                    let connection = answer.await.map_err(|_| Error::Closed)??;
                    Ok((peer, connection))
                }
                .boxed())
            }
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Error>> {
        let mut shared = self.shared.lock();
        while let Some(report) = shared.reports.pop_front() {
            let listener = shared.listener;
            let event = match (report, listener) {
                (Report::ListenerClosed(listener_id), _) => TransportEvent::ListenerClosed {
                    listener_id,
                    reason: Ok(()),
                },
                (Report::NewAddress(listen_addr), Some(listener_id)) => TransportEvent::NewAddress {
                    listener_id,
                    listen_addr,
                },
                (Report::AddressExpired(listen_addr), Some(listener_id)) => TransportEvent::AddressExpired {
                    listener_id,
                    listen_addr,
                },
                (Report::Incoming(peer, connection), Some(listener_id)) => TransportEvent::Incoming {
                    listener_id,
                    upgrade: ready(Ok((peer, connection))),
                    local_addr: Multiaddr::empty().with(Protocol::WebRTC),
                    send_back_addr: address::direct(peer),
                },
                // Nobody listens any more: the connection is closed by being dropped.
                (_, None) => continue,
            };
            return Poll::Ready(event);
        }
        shared.transport_waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
