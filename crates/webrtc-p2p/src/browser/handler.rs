//! The signalling protocol on one relayed connection: it opens and accepts streams.
//! It negotiates nothing on them; the behaviour does, so that an upgrade outlives its circuit.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use libp2p_core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p_swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p_swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, SubstreamProtocol};

use crate::signaling::PROTOCOL_NAME;

const PROTOCOL: StreamProtocol = StreamProtocol::new(PROTOCOL_NAME);
/// Streams that a peer opened and the behaviour has not taken yet; it takes them at once.
const MAX_WAITING_STREAMS: usize = 4;

/// One connection. Direct ones have one too, since libp2p wants it, but it speaks nothing.
#[derive(Debug)]
pub struct Handler {
    relayed: bool,
    wants_stream: bool,
    events: VecDeque<FromHandler>,
}

impl Handler {
    pub(crate) fn new(relayed: bool) -> Handler {
        Handler {
            relayed,
            wants_stream: false,
            events: VecDeque::new(),
        }
    }
}

/// Accepts signalling streams on relayed connections and nothing on others.
#[derive(Clone, Copy, Debug)]
pub struct Accept {
    relayed: bool,
}

impl UpgradeInfo for Accept {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.relayed.then_some(PROTOCOL).into_iter()
    }
}

impl InboundUpgrade<Stream> for Accept {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Open a signalling stream.
#[derive(Debug)]
pub struct OpenStream;

/// What the behaviour hears.
#[derive(Debug)]
pub enum FromHandler {
    /// The peer opened a signalling stream.
    Inbound(Stream),
    /// The stream that we asked for.
    Outbound(Stream),
    /// It could not be opened.
    OutboundFailed(String),
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenStream;
    type ToBehaviour = FromHandler;
    type InboundProtocol = Accept;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(
            Accept {
                relayed: self.relayed,
            },
            (),
        )
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), FromHandler>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if std::mem::take(&mut self.wants_stream) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, OpenStream: OpenStream) {
        self.wants_stream = self.relayed;
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                if self.events.len() >= MAX_WAITING_STREAMS {
                    return;
                }
                FromHandler::Inbound(stream)
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream, ..
            }) => FromHandler::Outbound(stream),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                FromHandler::OutboundFailed(error.to_string())
            }
            _ => return,
        };
        self.events.push_back(event);
    }
}
