//! One attempt to upgrade: how far ours has come, and what becomes of either side's.
//! Which attempt is made and which is dropped is decided in `behaviour`.

use futures::channel::oneshot;
use futures::future::{AbortHandle, Abortable, FutureExt as _, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, Stream};

use super::connection::Connection;
use super::upgrade::upgrade;
use crate::signaling::Role;
use crate::{Config, Error};

/// Our own attempt to reach a peer directly.
pub(crate) struct Outbound {
    pub(crate) phase: Phase,
    /// Where the connection goes: to a dial of the full address, or else to a dial of our own.
    pub(crate) reply: Option<oneshot::Sender<Result<Connection, Error>>>,
}

pub(crate) enum Phase {
    /// The circuit is being dialled.
    Dialling(ConnectionId),
    /// The signalling stream is being opened.
    Opening(ConnectionId),
    /// Signalling.
    Running(AbortHandle),
    /// The swarm is about to fetch the connection.
    Fetching(ConnectionId),
}

/// The end of one negotiation.
pub(crate) struct Outcome {
    pub(crate) peer: PeerId,
    pub(crate) role: Role,
    /// `None`: aborted, because another one took its place.
    pub(crate) result: Option<Result<(Connection, Stream), Error>>,
}

/// Starts to negotiate on a signalling stream; it ends in an [`Outcome`].
pub(crate) fn start(
    running: &FuturesUnordered<LocalBoxFuture<'static, Outcome>>,
    peer: PeerId,
    role: Role,
    stream: Stream,
    config: &Config,
) -> AbortHandle {
    let (abort, registration) = AbortHandle::new_pair();
    let negotiation = Abortable::new(upgrade(role, stream, config.clone()), registration);
    let outcome = negotiation.map(move |result| Outcome {
        peer,
        role,
        result: result.ok(),
    });
    running.push(outcome.boxed_local());
    abort
}
