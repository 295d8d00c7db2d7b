//! The upgrade: from a relayed connection to a direct one, and the end of the relayed one.
//! Whom to reach is the user's decision; how to negotiate is `upgrade`'s.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

use futures::channel::oneshot;
use futures::future::{AbortHandle, FutureExt as _, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use libp2p_core::transport::PortUse;
use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure};
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, Stream,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use super::attempt::{self, Outbound, Outcome, Phase};
use super::connection::Connection;
use super::handler::{FromHandler, Handler, OpenStream};
use super::shared::{DialRequest, Handle, Report};
use super::upgrade::farewell;
use crate::paths::{Path, Paths, keeps_own};
use crate::refusals::Refusal;
use crate::signaling::Role;
use crate::{Config, Error, address};

/// Upgrades that strangers may have under way with us at once: each costs the browser an
/// `RTCPeerConnection`, of which a tab has some hundred.
const MAX_INBOUND_UPGRADES: usize = 32;
/// Direct connections that one peer may have with us: one, and its successor while we have not
/// noticed yet that the first is dead.
const MAX_DIRECT_PER_PEER: usize = 2;
/// Our own upgrades under way at once.
const MAX_OUTBOUND_UPGRADES: usize = 64;

/// What became of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A direct connection is negotiated; `ConnectionEstablished` follows from the swarm.
    Upgraded {
        /// Who is at the other end.
        peer: PeerId,
        /// Whether we asked for it.
        initiator: bool,
    },
    /// It did not come about.
    UpgradeFailed {
        /// Who was to be at the other end.
        peer: PeerId,
        /// Whether we asked for it.
        initiator: bool,
        /// Why.
        error: Error,
    },
}

/// The behaviour of the `/webrtc` transport. Made together with its
/// [`Transport`](super::Transport) by [`new`](super::new).
pub struct Behaviour {
    config: Config,
    shared: Handle,
    /// Who we are, known as soon as we listen on a circuit: before that nobody can dial us, so
    /// no two dials can cross.
    local_peer: Option<PeerId>,
    paths: Paths,
    outbound: HashMap<PeerId, Outbound>,
    inbound: HashMap<PeerId, AbortHandle>,
    running: FuturesUnordered<LocalBoxFuture<'static, Outcome>>,
    farewells: FuturesUnordered<LocalBoxFuture<'static, PeerId>>,
    actions: VecDeque<ToSwarm<Event, THandlerInEvent<Behaviour>>>,
    waker: Option<Waker>,
}

impl Behaviour {
    pub(crate) fn new(config: Config, shared: Handle) -> Behaviour {
        Behaviour {
            config,
            shared,
            local_peer: None,
            paths: Paths::default(),
            outbound: HashMap::new(),
            inbound: HashMap::new(),
            running: FuturesUnordered::new(),
            farewells: FuturesUnordered::new(),
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// Reaches `peer` directly, through the circuit `<relay>/p2p-circuit/p2p/B` (with or without
    /// `/webrtc` in it) unless a relayed connection exists already. Does nothing when a direct
    /// connection exists or is under way. The outcome is an [`Event`].
    pub fn connect(&mut self, peer: PeerId, circuit: Multiaddr) -> Result<(), Error> {
        if self.paths.has(&peer, Path::Direct)
            || self.outbound.contains_key(&peer)
            || self.inbound.contains_key(&peer)
        {
            return Ok(());
        }
        self.start(peer, address::without_webrtc(&circuit), None)
    }

    /// Whether `peer` is reached without a relay.
    pub fn is_direct(&self, peer: &PeerId) -> bool {
        self.paths.has(peer, Path::Direct)
    }

    fn start(
        &mut self,
        peer: PeerId,
        circuit: Multiaddr,
        reply: Option<oneshot::Sender<Result<Connection, Error>>>,
    ) -> Result<(), Error> {
        if self.outbound.len() >= MAX_OUTBOUND_UPGRADES {
            return Err(Error::TooMany {
                max: MAX_OUTBOUND_UPGRADES,
            });
        }
        let phase = match self.paths.relayed(&peer).first().copied() {
            Some(relayed) => self.open_stream(peer, relayed),
            None => {
                // Always: this may run inside a dial of the same peer, by its full address.
                let opts = DialOpts::peer_id(peer)
                    .condition(PeerCondition::Always)
                    .addresses(vec![circuit])
                    .build();
                let id = opts.connection_id();
                self.act(ToSwarm::Dial { opts });
                Phase::Dialling(id)
            }
        };
        self.outbound.insert(peer, Outbound { phase, reply });
        Ok(())
    }

    fn open_stream(&mut self, peer: PeerId, relayed: ConnectionId) -> Phase {
        self.act(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(relayed),
            event: OpenStream,
        });
        Phase::Opening(relayed)
    }

    fn on_dial_request(&mut self, request: DialRequest) {
        let DialRequest { peer, circuit, reply } = request;
        if let Some(outbound) = self.outbound.get_mut(&peer) {
            if outbound.reply.is_none() && !matches!(outbound.phase, Phase::Fetching(_)) {
                outbound.reply = Some(reply);
            } else {
                let _ = reply.send(Err(Error::Busy));
            }
        } else if self.inbound.contains_key(&peer) {
            let _ = reply.send(Err(Error::Superseded));
        } else if self.outbound.len() >= MAX_OUTBOUND_UPGRADES {
            let _ = reply.send(Err(Error::TooMany {
                max: MAX_OUTBOUND_UPGRADES,
            }));
        } else {
            let _ = self.start(peer, circuit, Some(reply));
        }
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let path = Path::of(endpoint);
        let served = self.paths.opened(peer, id, path);
        self.close(peer, served);
        if path == Path::Direct {
            let fetched = |o: &Outbound| matches!(o.phase, Phase::Fetching(dialled) if dialled == id);
            if self.outbound.get(&peer).is_some_and(fetched) {
                self.outbound.remove(&peer);
            }
            return;
        }
        if !endpoint.is_dialer() {
            return; // Whoever dialled upgrades.
        }
        match self.outbound.get(&peer).map(|outbound| &outbound.phase) {
            // Whichever circuit comes first will do, also one that somebody else dialled.
            Some(Phase::Dialling(_)) => {}
            Some(_) => return,
            // A circuit that the peer's own attempt has overtaken.
            None if self.paths.has(&peer, Path::Direct) => return self.close(peer, vec![id]),
            None if !self.config.upgrade_dialled || self.inbound.contains_key(&peer) => return,
            None => {}
        }
        let phase = self.open_stream(peer, id);
        let reply = self.outbound.remove(&peer).and_then(|outbound| outbound.reply);
        self.outbound.insert(peer, Outbound { phase, reply });
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        self.paths.closed(peer, id);
        let opening = self
            .outbound
            .get(&peer)
            .is_some_and(|o| matches!(o.phase, Phase::Opening(o) if o == id));
        if opening {
            self.outbound_failed(peer, Error::Relayed("it closed".into()));
        }
    }

    fn on_dial_failure(&mut self, id: ConnectionId, error: String) {
        let found = self
            .outbound
            .iter()
            .find_map(|(peer, outbound)| match outbound.phase {
                Phase::Dialling(dialled) if dialled == id => Some(*peer),
                Phase::Fetching(dialled) if dialled == id => Some(*peer),
                _ => None,
            });
        if let Some(peer) = found {
            self.shared.lock().ready.remove(&peer);
            self.outbound_failed(peer, Error::Relayed(error));
        }
    }

    fn on_outbound_stream(&mut self, peer: PeerId, id: ConnectionId, stream: Stream) {
        let Some(outbound) = self.outbound.get_mut(&peer) else {
            return;
        };
        if !matches!(outbound.phase, Phase::Opening(opening) if opening == id) {
            return;
        }
        let abort = attempt::start(&self.running, peer, Role::Initiator, stream, &self.config);
        outbound.phase = Phase::Running(abort);
        self.wake();
    }

    fn on_inbound_stream(&mut self, peer: PeerId, stream: Stream) {
        if self.shared.lock().listener.is_none() {
            Refusal::NotListening.happened();
            tracing::debug!(%peer, "upgrade refused: not listening on /webrtc");
            return;
        }
        if self.paths.direct_count(&peer) >= MAX_DIRECT_PER_PEER {
            Refusal::HasConnections.happened();
            tracing::debug!(%peer, "upgrade refused: the peer has its connections");
            return;
        }
        if let Some(previous) = self.inbound.remove(&peer) {
            previous.abort(); // The peer tries anew; its older attempt is dead.
        } else if self.inbound.len() >= MAX_INBOUND_UPGRADES {
            Refusal::TooManyUpgrades.happened();
            tracing::debug!(%peer, "upgrade refused: too many under way");
            return;
        }
        if let Some(outbound) = self.outbound.get(&peer) {
            let ours_is_kept = match outbound.phase {
                Phase::Dialling(_) => false, // The peer is ahead, and has not heard of our attempt.
                Phase::Fetching(_) => true,
                Phase::Opening(_) | Phase::Running(_) => {
                    self.local_peer.is_some_and(|me| keeps_own(me, peer))
                }
            };
            if ours_is_kept {
                tracing::debug!(%peer, "both dialled: keeping our attempt");
                return;
            }
            tracing::debug!(%peer, "both dialled: keeping the peer's attempt");
            if let Some(Outbound { phase, reply }) = self.outbound.remove(&peer) {
                if let Phase::Running(abort) = phase {
                    abort.abort();
                }
                if let Some(reply) = reply {
                    let _ = reply.send(Err(Error::Superseded));
                }
            }
        }
        let abort = attempt::start(&self.running, peer, Role::Responder, stream, &self.config);
        self.inbound.insert(peer, abort);
        self.wake();
    }

    fn on_outcome(&mut self, outcome: Outcome) {
        let Outcome { peer, role, result } = outcome;
        let Some(result) = result else { return };
        let initiator = role == Role::Initiator;
        if let Some(refusal) = result.as_ref().err().and_then(Refusal::of_upgrade) {
            refusal.happened();
        }
        let (connection, stream) = match (result, role) {
            (Ok(negotiated), _) => negotiated,
            (Err(error), Role::Initiator) => return self.outbound_failed(peer, error),
            (Err(error), Role::Responder) => {
                self.inbound.remove(&peer);
                return self.act(ToSwarm::GenerateEvent(Event::UpgradeFailed {
                    peer,
                    initiator,
                    error,
                }));
            }
        };
        self.farewells
            .push(farewell(stream).map(move |()| peer).boxed_local());
        self.act(ToSwarm::GenerateEvent(Event::Upgraded { peer, initiator }));
        if role == Role::Responder {
            self.inbound.remove(&peer);
            self.shared.lock().report(Report::Incoming(peer, connection));
            return;
        }
        let Some(outbound) = self.outbound.remove(&peer) else {
            return;
        };
        let unclaimed = match outbound.reply {
            None => Some(connection),
            // A dial that was given up meanwhile, because a plain circuit was faster, leaves the
            // connection to us.
            Some(reply) => reply.send(Ok(connection)).err().and_then(Result::ok),
        };
        let Some(connection) = unclaimed else { return };
        let opts = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address::direct(peer)])
            .build();
        let phase = Phase::Fetching(opts.connection_id());
        self.outbound.insert(peer, Outbound { phase, reply: None });
        self.shared.lock().ready.insert(peer, connection);
        self.act(ToSwarm::Dial { opts });
    }

    fn outbound_failed(&mut self, peer: PeerId, error: Error) {
        let Some(outbound) = self.outbound.remove(&peer) else {
            return;
        };
        if let Some(reply) = outbound.reply {
            let _ = reply.send(Err(error.clone()));
        }
        self.act(ToSwarm::GenerateEvent(Event::UpgradeFailed {
            peer,
            initiator: true,
            error,
        }));
    }

    /// libp2p's behaviours would go on to use circuits that have served, until the relay cuts
    /// them off.
    fn close(&mut self, peer: PeerId, circuits: Vec<ConnectionId>) {
        for id in circuits {
            self.act(ToSwarm::CloseConnection {
                peer_id: peer,
                connection: CloseConnection::One(id),
            });
        }
    }

    fn act(&mut self, action: ToSwarm<Event, THandlerInEvent<Behaviour>>) {
        self.actions.push_back(action);
        self.wake();
    }

    fn wake(&mut self) {
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(address::is_relayed(local)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(address::is_relayed(remote)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                self.on_established(peer_id, connection_id, endpoint);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                self.on_closed(peer_id, connection_id);
            }
            FromSwarm::DialFailure(DialFailure {
                connection_id, error, ..
            }) => {
                self.on_dial_failure(connection_id, error.to_string());
            }
            FromSwarm::NewListenAddr(listening) => {
                let me = self.shared.lock().add_circuit(listening.addr);
                self.local_peer = self.local_peer.or(me);
            }
            FromSwarm::ExpiredListenAddr(expired) => self.shared.lock().remove_circuit(expired.addr),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            FromHandler::Inbound(stream) => self.on_inbound_stream(peer, stream),
            FromHandler::Outbound(stream) => self.on_outbound_stream(peer, id, stream),
            FromHandler::OutboundFailed(reason) => {
                let opening = self
                    .outbound
                    .get(&peer)
                    .is_some_and(|o| matches!(o.phase, Phase::Opening(o) if o == id));
                if opening {
                    self.outbound_failed(peer, Error::NoSignalingStream(reason));
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            let request = {
                let mut shared = self.shared.lock();
                shared.behaviour_waker = Some(cx.waker().clone());
                shared.dials.pop_front()
            };
            if let Some(request) = request {
                self.on_dial_request(request);
            } else if let Poll::Ready(Some(outcome)) = self.running.poll_next_unpin(cx) {
                self.on_outcome(outcome);
            } else if let Poll::Ready(Some(peer)) = self.farewells.poll_next_unpin(cx) {
                let served = self.paths.circuit_served(peer);
                self.close(peer, served);
            } else {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
}
