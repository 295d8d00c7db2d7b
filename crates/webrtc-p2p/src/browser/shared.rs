//! What the transport and the behaviour pass to each other.
//! It decides nothing: the behaviour fills it, the transport empties it, and the other way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures::channel::oneshot;
use libp2p_core::Multiaddr;
use libp2p_core::transport::ListenerId;
use libp2p_identity::PeerId;

use super::connection::Connection;
use crate::{Error, address};

/// Dials of full `…/p2p-circuit/webrtc/…` addresses that may wait for the behaviour.
pub(crate) const MAX_DIALS: usize = 64;

/// A dial that the transport was asked for and the behaviour has to bring about.
pub(crate) struct DialRequest {
    pub(crate) peer: PeerId,
    pub(crate) circuit: Multiaddr,
    pub(crate) reply: oneshot::Sender<Result<Connection, Error>>,
}

/// What the transport reports to the swarm.
pub(crate) enum Report {
    NewAddress(Multiaddr),
    AddressExpired(Multiaddr),
    Incoming(PeerId, Connection),
    ListenerClosed(ListenerId),
}

/// The common ground of the two.
#[derive(Default)]
pub(crate) struct Shared {
    /// The listener on `/webrtc`, once there is one.
    pub(crate) listener: Option<ListenerId>,
    /// Under which addresses it is reached.
    pub(crate) addresses: Vec<Multiaddr>,
    /// For the swarm, through the transport.
    pub(crate) reports: VecDeque<Report>,
    /// Negotiated connections that the swarm is about to fetch by dialling `/webrtc/p2p/B`.
    pub(crate) ready: HashMap<PeerId, Connection>,
    /// For the behaviour.
    pub(crate) dials: VecDeque<DialRequest>,
    pub(crate) transport_waker: Option<Waker>,
    pub(crate) behaviour_waker: Option<Waker>,
}

/// A handle on the common ground.
#[derive(Clone, Default)]
pub(crate) struct Handle(Arc<Mutex<Shared>>);

impl Shared {
    /// Reports something to the swarm.
    pub(crate) fn report(&mut self, report: Report) {
        self.reports.push_back(report);
        self.transport_waker.take().into_iter().for_each(Waker::wake);
    }

    /// We listen on a relayed address: advertise what lies behind it. Answers who we are.
    pub(crate) fn add_circuit(&mut self, listen: &Multiaddr) -> Option<PeerId> {
        let (advertised, me) = address::advertised(listen)?;
        if !self.addresses.contains(&advertised) {
            self.addresses.push(advertised.clone());
            if self.listener.is_some() {
                self.report(Report::NewAddress(advertised));
            }
        }
        Some(me)
    }

    /// A relayed address is gone.
    pub(crate) fn remove_circuit(&mut self, listen: &Multiaddr) {
        let Some((advertised, _)) = address::advertised(listen) else {
            return;
        };
        let before = self.addresses.len();
        self.addresses.retain(|known| *known != advertised);
        if self.addresses.len() < before && self.listener.is_some() {
            self.report(Report::AddressExpired(advertised));
        }
    }
}

impl Handle {
    /// Nothing here runs on two threads; the lock is what libp2p's `Send` bounds ask for.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
