//! Where the parts of the node put their deeds, and the table of streams.
//! It decides nothing: it names streams and effects, keeps messages until a stream is open, and
//! hands what this node says to itself straight back to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use identity::{Draft, Signature, Timestamp};
use protocol::{Addresses, Message, Offer, PeerId, SessionId, SwarmId};

use crate::io::{Effect, EffectId, Event, Now, Output, RequestId, StreamId};
use crate::receipts::Over;

/// The work of one stage: whose and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobKey {
    pub(crate) requester: PeerId,
    pub(crate) session: SessionId,
}

/// What a stream is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// From this node, as requester, to a stage.
    Request { request: RequestId, session: SessionId },
    /// From a requester to this node, as a stage.
    Control(JobKey),
    /// From the previous stage to this node.
    Previous(JobKey),
    /// From this node to a next stage.
    Next { job: JobKey, session: SessionId },
    /// From this node to a stage that it has closed, or from a requester that has: the receipt is due.
    Settling,
    /// About the registry of a swarm, either way.
    Registry,
    /// Opened by another that has not yet said what for.
    Stranger,
}

/// What this node says to itself.
#[derive(Debug)]
pub(crate) enum Inner {
    Received(StreamId, Message),
    Closed(StreamId),
}

/// How near a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Connected, and a stream was opened to it: what it takes part in has been tried.
    Used,
    /// Connected in case it is needed, and not needed so far.
    Ready,
    /// To be dialled.
    Away,
}

struct Line {
    peer: PeerId,
    owner: Owner,
    open: bool,
    since: Now,
    /// Said before the stream is open; bounded by the credit that every new stream starts with.
    outbox: Vec<Message>,
    /// The other end, where this node talks to itself.
    twin: Option<StreamId>,
}

/// See the file's head.
pub(crate) struct Desk {
    pub(crate) now: Now,
    pub(crate) me: PeerId,
    pub(crate) addresses: Addresses,
    /// Since when the relay is reached; `None`: it is not.
    pub(crate) online_since: Option<Now>,
    outputs: VecDeque<Output>,
    inner: VecDeque<Inner>,
    lines: BTreeMap<StreamId, Line>,
    connected: BTreeSet<PeerId>,
    dialling: BTreeSet<PeerId>,
    /// Those for whom nothing has waited since they were approached.
    ready: BTreeSet<PeerId>,
    streams: u64,
    effects: u64,
    sessions: u64,
    /// Counts this node's offers.
    offers: u64,
    /// Sessions that ended since the last look.
    over: Vec<Over>,
    /// The time of day at a moment.
    clock: (Now, Timestamp),
}

/// Names of the far ends of streams to oneself: neither the shell's nor those of opened streams.
const TWIN: u64 = 1 << 62;

impl Desk {
    pub(crate) fn new(me: PeerId, start: u64, clock: Timestamp) -> Desk {
        Desk {
            now: Now::default(),
            me,
            addresses: Addresses::default(),
            online_since: None,
            outputs: VecDeque::new(),
            inner: VecDeque::new(),
            lines: BTreeMap::new(),
            connected: BTreeSet::new(),
            dialling: BTreeSet::new(),
            ready: BTreeSet::new(),
            streams: 0,
            effects: 0,
            // A thousand sessions for each unit of the start: no name comes twice.
            sessions: start.wrapping_mul(1_000),
            offers: start,
            over: Vec::new(),
            clock: (Now::default(), clock),
        }
    }

    /// The time of day.
    pub(crate) fn wall(&self) -> Timestamp {
        let (at, clock) = self.clock;
        clock.plus(core::time::Duration::from_millis(self.now.since(at)))
    }

    /// The shell knows the time of day better.
    pub(crate) fn set_clock(&mut self, clock: Timestamp) {
        self.clock = (self.now, clock);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_inner(&mut self) -> Option<Inner> {
        self.inner.pop_front()
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, request: RequestId, event: Event) {
        self.output(Output::Event { request, event });
    }

    pub(crate) fn effect(&mut self, effect: Effect) -> EffectId {
        self.effects += 1;
        let id = EffectId(self.effects);
        self.output(Output::Effect { id, effect });
        id
    }

    /// A session is over: its stream is kept for the receipt.
    pub(crate) fn settle(&mut self, over: Over) {
        self.give(over.stream, Owner::Settling);
        self.over.push(over);
    }

    /// What ended since the last time.
    pub(crate) fn take_over(&mut self) -> Vec<Over> {
        std::mem::take(&mut self.over)
    }

    /// A session name that this node has not used before.
    pub(crate) fn new_session(&mut self) -> SessionId {
        self.sessions = self.sessions.wrapping_add(1);
        SessionId(self.sessions)
    }

    /// The number of the next offer: counted over all swarms, since a peer is heard in several.
    pub(crate) fn next_offer(&mut self) -> u64 {
        self.offers = self.offers.wrapping_add(1);
        self.offers
    }

    /// An offer is signed, or cannot be: out with it to its swarm.
    pub(crate) fn publish(&mut self, swarm: SwarmId, draft: Draft<Offer>, signature: Option<&Signature>) {
        match signature.cloned().map(|signature| draft.assemble(signature)) {
            Some(Ok(offer)) => {
                let record = offer.to_bytes();
                self.effect(Effect::Publish { swarm, record });
            }
            _ => tracing::warn!("an offer could not be signed"),
        }
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        *peer == self.me || self.connected.contains(peer)
    }

    pub(crate) fn reach(&self, peer: &PeerId) -> Reach {
        match self.is_connected(peer) {
            true if self.ready.contains(peer) => Reach::Ready,
            true => Reach::Used,
            false => Reach::Away,
        }
    }

    /// Opens a stream, dialling first where that is needed. What is sent on it meanwhile waits.
    pub(crate) fn open(&mut self, peer: &PeerId, addresses: &Addresses, owner: Owner) -> StreamId {
        self.streams += 1;
        self.ready.remove(peer);
        let stream = StreamId(self.streams);
        let mut line = Line {
            owner,
            open: false,
            ..blank(peer, self.now)
        };
        if *peer == self.me {
            let twin = StreamId(self.streams | TWIN);
            line.open = true;
            line.twin = Some(twin);
            let far = Line {
                owner: Owner::Stranger,
                twin: Some(stream),
                ..blank(peer, self.now)
            };
            self.lines.insert(twin, far);
        } else if self.connected.contains(peer) {
            self.output(Output::OpenStream {
                stream,
                peer: peer.clone(),
            });
        } else if self.dialling.insert(peer.clone()) {
            self.output(Output::Connect {
                peer: peer.clone(),
                addresses: addresses.clone(),
            });
        }
        self.lines.insert(stream, line);
        stream
    }

    /// Connects to a peer for which nothing waits yet.
    pub(crate) fn approach(&mut self, peer: &PeerId, addresses: &Addresses) {
        if !self.is_connected(peer) && self.dialling.insert(peer.clone()) {
            self.ready.insert(peer.clone());
            self.output(Output::Connect {
                peer: peer.clone(),
                addresses: addresses.clone(),
            });
        }
    }

    /// A stream that another opened.
    pub(crate) fn accept(&mut self, stream: StreamId, peer: PeerId) {
        self.lines.insert(stream, blank(&peer, self.now));
    }

    pub(crate) fn send(&mut self, stream: StreamId, message: Message) {
        let Some(line) = self.lines.get_mut(&stream) else {
            return;
        };
        if let Some(twin) = line.twin {
            self.inner.push_back(Inner::Received(twin, message));
        } else if line.open {
            self.output(Output::Send { stream, message });
        } else {
            line.outbox.push(message);
        }
    }

    /// Ends a stream from this side: its owner hears no more of it.
    pub(crate) fn close(&mut self, stream: StreamId) {
        let Some(line) = self.lines.remove(&stream) else {
            return;
        };
        match line.twin {
            Some(twin) => self.inner.push_back(Inner::Closed(twin)),
            None if line.open || self.connected.contains(&line.peer) => {
                self.output(Output::CloseStream { stream });
            }
            None => {}
        }
    }

    /// A stream ended from the other side: forgets it and says whose it was.
    pub(crate) fn closed(&mut self, stream: StreamId) -> Option<(PeerId, Owner)> {
        self.lines.remove(&stream).map(|line| (line.peer, line.owner))
    }

    pub(crate) fn opened(&mut self, stream: StreamId) {
        let Some(line) = self.lines.get_mut(&stream) else {
            return;
        };
        line.open = true;
        for message in std::mem::take(&mut line.outbox) {
            self.output(Output::Send { stream, message });
        }
    }

    pub(crate) fn line(&self, stream: StreamId) -> Option<(&PeerId, &Owner)> {
        self.lines.get(&stream).map(|line| (&line.peer, &line.owner))
    }

    pub(crate) fn give(&mut self, stream: StreamId, owner: Owner) {
        if let Some(line) = self.lines.get_mut(&stream) {
            line.owner = owner;
        }
    }

    /// Streams of others that have not said what they are for, or whose session is not open yet:
    /// how many, and which is the oldest.
    pub(crate) fn strangers(&self) -> (usize, Option<(Now, StreamId)>) {
        let strange = |line: &Line| line.owner == Owner::Stranger && line.twin.is_none();
        let strangers = self
            .lines
            .iter()
            .filter(|(_, line)| strange(line))
            .map(|(stream, line)| (line.since, *stream));
        (strangers.clone().count(), strangers.min())
    }

    pub(crate) fn peer_connected(&mut self, peer: &PeerId) {
        self.dialling.remove(peer);
        if !self.connected.insert(peer.clone()) {
            return;
        }
        let waits = |line: &Line| line.peer == *peer && !line.open;
        let waiting: Vec<StreamId> = self
            .lines
            .iter()
            .filter(|(_, line)| waits(line))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in waiting {
            self.output(Output::OpenStream {
                stream,
                peer: peer.clone(),
            });
        }
    }

    /// A peer is out of reach: its streams end. Says which.
    pub(crate) fn peer_gone(&mut self, peer: &PeerId) -> Vec<StreamId> {
        self.connected.remove(peer);
        self.dialling.remove(peer);
        self.ready.remove(peer);
        self.lines
            .iter()
            .filter(|(_, line)| line.peer == *peer)
            .map(|(stream, _)| *stream)
            .collect()
    }
}

fn blank(peer: &PeerId, since: Now) -> Line {
    Line {
        peer: peer.clone(),
        owner: Owner::Stranger,
        open: true,
        since,
        outbox: Vec::new(),
        twin: None,
    }
}
