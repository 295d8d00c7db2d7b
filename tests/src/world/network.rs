//! The network of the world: connections, streams that keep their order, and everything that can go wrong with them.
//! It reads no message, but every message goes through the real frames.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use node::io::{Input, StreamId};
use protocol::{Assembler, Message, PeerId, frames};

use super::{Happening, World};

/// A connection that fails silently is noticed after this long (ICE).
const SILENCE_MS: u64 = 20_000;
/// A dial that nobody answers.
const DIAL_MS: u64 = 8_000;

/// One end of a stream: host, its life, its name there.
pub(crate) type End = (usize, u32, StreamId);

/// How far two hosts are.
#[derive(Clone, Copy, Debug)]
pub struct Distance {
    /// One way.
    pub delay_ms: u64,
    /// At most so much more, for each message anew.
    pub jitter_ms: u64,
    /// Of one direction; 0: without limit.
    pub bytes_per_ms: u64,
}

/// As far as two hosts are where nothing is said.
pub const NEAR: Distance = Distance {
    delay_ms: 1,
    jitter_ms: 0,
    bytes_per_ms: 0,
};

/// See the file's head.
#[derive(Default)]
pub struct Network {
    /// Where nothing else is said.
    pub everywhere: Option<Distance>,
    /// Between two hosts, the lower number first.
    pub between: BTreeMap<(usize, usize), Distance>,
    /// Pairs that cannot connect.
    pub walls: BTreeSet<(usize, usize)>,
    /// Pairs between which nothing gets through until then; it is not lost, it comes later.
    pub cuts: BTreeMap<(usize, usize), u64>,
    /// Of so many messages one resets its stream; 0: none does.
    pub reset_one_in: u64,
    /// Payload bytes that were sent.
    pub bytes: u64,
    connections: BTreeSet<(usize, usize)>,
    pipes: BTreeMap<End, Pipe>,
    inbound: u64,
}

struct Pipe {
    far: End,
    /// Nothing sent later arrives earlier.
    last: u64,
    assembler: Assembler,
}

impl Network {
    fn distance(&self, a: usize, b: usize) -> Distance {
        self.between
            .get(&pair(a, b))
            .copied()
            .or(self.everywhere)
            .unwrap_or(NEAR)
    }
}

impl World {
    pub(super) fn connect(&mut self, from: usize, peer: &PeerId) {
        let life = self.hosts[from].life;
        let to = self.hosts.iter().position(|host| host.id == *peer);
        let reachable =
            to.filter(|to| self.hosts[*to].node.is_some() && !self.network.walls.contains(&pair(from, *to)));
        let Some(to) = reachable else {
            let input = Input::ConnectFailed { peer: peer.clone() };
            return self.at(
                self.now + DIAL_MS,
                Happening::Input {
                    host: from,
                    life,
                    input,
                },
            );
        };
        let there = self.arrival(from, to, 0);
        let at = there + 3 * (there - self.now);
        self.at(
            at,
            Happening::Connected {
                ends: [(from, life), (to, self.hosts[to].life)],
            },
        );
    }

    /// Both sides learn of their connection, if both are still there.
    pub(super) fn connected(&mut self, ends: [(usize, u32); 2]) {
        let [(from, life), (to, _)] = ends;
        if !ends.iter().all(|(host, life)| self.alive(*host, *life)) {
            let input = Input::ConnectFailed {
                peer: self.hosts[to].id.clone(),
            };
            return self.at(
                self.now + DIAL_MS,
                Happening::Input {
                    host: from,
                    life,
                    input,
                },
            );
        }
        self.network.connections.insert(pair(from, to));
        let round_trip = 2 * self.network.distance(from, to).delay_ms as u32;
        for (host, other) in [(from, to), (to, from)] {
            let (life, peer) = (self.hosts[host].life, self.hosts[other].id.clone());
            self.input(host, Input::PeerConnected { peer: peer.clone() });
            let input = Input::RoundTrip { peer, ms: round_trip };
            self.at(
                self.now + u64::from(round_trip),
                Happening::Input { host, life, input },
            );
        }
    }

    pub(super) fn open_stream(&mut self, from: usize, stream: StreamId, peer: &PeerId) {
        let life = self.hosts[from].life;
        let to = self.hosts.iter().position(|host| host.id == *peer);
        let to = to.filter(|to| {
            self.network.connections.contains(&pair(from, *to)) && self.hosts[*to].node.is_some()
        });
        let Some(to) = to else {
            return self.at(
                self.now + 1,
                Happening::Input {
                    host: from,
                    life,
                    input: Input::StreamFailed { stream },
                },
            );
        };
        self.network.inbound += 1;
        let far = (to, self.hosts[to].life, StreamId::inbound(self.network.inbound));
        let near = (from, life, stream);
        let there = self.arrival(from, to, 0);
        let back = there + (there - self.now);
        self.network.pipes.insert(
            near,
            Pipe {
                far,
                last: back,
                assembler: Assembler::new(),
            },
        );
        self.network.pipes.insert(
            far,
            Pipe {
                far: near,
                last: there,
                assembler: Assembler::new(),
            },
        );
        let input = Input::InboundStream {
            stream: far.2,
            peer: self.hosts[from].id.clone(),
        };
        self.at(
            there,
            Happening::Input {
                host: to,
                life: far.1,
                input,
            },
        );
        self.at(
            back,
            Happening::Input {
                host: from,
                life,
                input: Input::StreamOpened { stream },
            },
        );
    }

    pub(super) fn send(&mut self, from: usize, stream: StreamId, message: &Message) {
        let near = (from, self.hosts[from].life, stream);
        let Some(far) = self.network.pipes.get(&near).map(|pipe| pipe.far) else {
            return;
        };
        let resets = self.network.reset_one_in;
        if resets > 0 && self.dice.one_in(resets) {
            return self.reset(near);
        }
        let frames: VecDeque<Vec<u8>> = frames(message).expect("a message that can be sent").into();
        let bytes: usize = frames.iter().map(Vec::len).sum();
        self.network.bytes += bytes as u64;
        let at = self.in_order(near, far.0, bytes as u64);
        self.at(at, Happening::Bytes { to: far, frames });
    }

    pub(super) fn close_stream(&mut self, from: usize, stream: StreamId) {
        let near = (from, self.hosts[from].life, stream);
        let Some(far) = self.network.pipes.get(&near).map(|pipe| pipe.far) else {
            return;
        };
        let at = self.in_order(near, far.0, 0);
        self.network.pipes.remove(&near);
        let input = Input::StreamClosed { stream: far.2 };
        self.at(
            at,
            Happening::Input {
                host: far.0,
                life: far.1,
                input,
            },
        );
    }

    /// Ends a stream on both sides; what was on its way is lost.
    fn reset(&mut self, near: End) {
        let Some(pipe) = self.network.pipes.remove(&near) else {
            return;
        };
        self.network.pipes.remove(&pipe.far);
        let at = self.arrival(near.0, pipe.far.0, 0);
        for ((host, life, stream), at) in [(near, self.now + 1), (pipe.far, at)] {
            self.at(
                at,
                Happening::Input {
                    host,
                    life,
                    input: Input::StreamClosed { stream },
                },
            );
        }
    }

    pub(super) fn arrive(&mut self, to: End, frames: VecDeque<Vec<u8>>) {
        for frame in frames {
            let mut bytes = frame.as_slice();
            // The stream may end while its messages are being read.
            while let Some(pipe) = self.network.pipes.get_mut(&to) {
                let read = pipe
                    .assembler
                    .read(&mut bytes)
                    .expect("what was sent can be read");
                let Some(message) = read else { break };
                self.input(
                    to.0,
                    Input::Received {
                        stream: to.2,
                        message,
                    },
                );
            }
        }
    }

    /// Messages that a host hears on the stream that it opened last, as if the other end had said them.
    pub fn say_to(&mut self, host: usize, messages: &[Message]) {
        let own = |end: &&End| end.0 == host && end.2 < StreamId::inbound(0);
        let Some((_, _, stream)) = self.network.pipes.keys().filter(own).max().copied() else {
            return;
        };
        for message in messages {
            self.input(
                host,
                Input::Received {
                    stream,
                    message: message.clone(),
                },
            );
        }
    }

    pub(super) fn publish(&mut self, from: usize, record: &[u8]) {
        for host in (0..self.hosts.len()).filter(|host| *host != from) {
            let at = self.arrival(from, host, record.len() as u64);
            let (life, author) = (self.hosts[host].life, self.hosts[from].id.clone());
            let input = Input::OfferReceived {
                from: author,
                bytes: record.to_vec(),
            };
            self.at(at, Happening::Input { host, life, input });
        }
    }

    pub(super) fn disconnect_all(&mut self, host: usize, silently: bool) {
        let life = self.hosts[host].life;
        self.network.pipes.retain(|end, _| (end.0, end.1) != (host, life));
        let gone: Vec<(usize, usize)> = self
            .network
            .connections
            .iter()
            .filter(|(a, b)| *a == host || *b == host)
            .copied()
            .collect();
        for (a, b) in gone {
            self.network.connections.remove(&(a, b));
            let other = if a == host { b } else { a };
            let at = if silently {
                self.now + SILENCE_MS
            } else {
                self.arrival(host, other, 0)
            };
            let peer = self.hosts[host].id.clone();
            let (life, input) = (self.hosts[other].life, Input::PeerDisconnected { peer });
            self.at(
                at,
                Happening::Input {
                    host: other,
                    life,
                    input,
                },
            );
        }
    }

    fn in_order(&mut self, near: End, to: usize, bytes: u64) -> u64 {
        let at = self.arrival(near.0, to, bytes);
        let Some(pipe) = self.network.pipes.get_mut(&near) else {
            return at;
        };
        pipe.last = pipe.last.max(at);
        pipe.last
    }

    fn arrival(&mut self, from: usize, to: usize, bytes: u64) -> u64 {
        let distance = self.network.distance(from, to);
        let jitter = self.dice.between(0, distance.jitter_ms + 1);
        let transfer = bytes.checked_div(distance.bytes_per_ms).unwrap_or(0);
        let start = self
            .network
            .cuts
            .get(&pair(from, to))
            .copied()
            .unwrap_or(0)
            .max(self.now);
        start + distance.delay_ms + jitter + transfer
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
