//! Counts the bytes that circuits carry: a stream muxer that looks at which protocol each
//! substream opens and counts what flows on `/libp2p/circuit/relay/0.2.0/stop` streams.
//! It does not limit, delay or change a byte, and counts nothing else.
//!
//! libp2p's relay behaviour copies between two substreams inside its handler and tells nobody how
//! much. But each circuit is exactly one outbound STOP stream, both directions pass through it,
//! and the first thing we write on an outbound substream is the multistream-select proposal that
//! names the protocol. So the muxer, which hands out every substream, can know a circuit from
//! anything else without touching the behaviour. Reservations use HOP streams and do not count.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    core::muxing::{StreamMuxer, StreamMuxerEvent},
    relay::STOP_PROTOCOL_NAME,
};
use prometheus_client::metrics::counter::Counter;

/// The two lines of a multistream-select proposal fit many times over; a stream whose first
/// bytes are longer than this is none that we opened for a circuit.
const MAX_PROPOSAL_BYTES: usize = 128;

/// A muxer that counts circuit bytes of the substreams it opens.
pub struct Metered<M> {
    inner: M,
    circuit_bytes: Counter,
}

impl<M> Metered<M> {
    /// Wraps `inner`; every byte of its circuits is added to `circuit_bytes`.
    pub fn new(inner: M, circuit_bytes: Counter) -> Self {
        Metered { inner, circuit_bytes }
    }
}

impl<M> StreamMuxer for Metered<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
{
    type Substream = MeteredStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let inner = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(MeteredStream {
            inner,
            circuit_bytes: self.circuit_bytes.clone(),
            state: State::Other,
        }))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let inner = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(MeteredStream {
            inner,
            circuit_bytes: self.circuit_bytes.clone(),
            state: State::Proposing(Vec::new()),
        }))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A substream of [`Metered`].
pub struct MeteredStream<S> {
    inner: S,
    circuit_bytes: Counter,
    state: State,
}

impl<S: AsyncRead + Unpin> AsyncRead for MeteredStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if matches!(self.state, State::Circuit) {
            self.circuit_bytes.inc_by(read as u64);
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MeteredStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        let this = &mut *self;
        let counted = this.state.wrote(&buf[..written.min(buf.len())]);
        this.circuit_bytes.inc_by(counted as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// What is known about a substream from the bytes we wrote on it.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Not every byte of the proposal has been written yet.
    Proposing(Vec<u8>),
    /// A circuit: every byte counts.
    Circuit,
    /// Anything else.
    Other,
}

impl State {
    /// Takes note of `bytes` that were written and returns how many of them a circuit carried.
    fn wrote(&mut self, bytes: &[u8]) -> usize {
        match self {
            State::Other => 0,
            State::Circuit => bytes.len(),
            State::Proposing(seen) => {
                let before = seen.len();
                seen.extend(bytes.iter().take(MAX_PROPOSAL_BYTES.saturating_sub(before)));
                match proposed(seen) {
                    Proposal::Incomplete if seen.len() < MAX_PROPOSAL_BYTES => 0,
                    Proposal::Stop { end } => {
                        *self = State::Circuit;
                        bytes.len().saturating_sub(end.saturating_sub(before))
                    }
                    Proposal::Incomplete | Proposal::Other => {
                        *self = State::Other;
                        0
                    }
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Proposal {
    Incomplete,
    /// The STOP protocol; `end` is where the proposal ends and the circuit's own bytes begin.
    Stop {
        end: usize,
    },
    Other,
}

/// Reads `<length>/multistream/1.0.0\n<length><protocol>\n` (lengths are one-byte varints: both
/// lines are far below 128 bytes).
fn proposed(bytes: &[u8]) -> Proposal {
    let Some((header, after)) = line(bytes, 0) else {
        return Proposal::Incomplete;
    };
    if header != b"/multistream/1.0.0" {
        return Proposal::Other;
    }
    match line(bytes, after) {
        None => Proposal::Incomplete,
        Some((name, end)) if name == STOP_PROTOCOL_NAME.as_ref().as_bytes() => Proposal::Stop { end },
        Some(_) => Proposal::Other,
    }
}

/// The line that starts at `at`, without its newline, and the offset after it.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = usize::from(*bytes.get(at)?);
    let end = at + 1 + length;
    let text = bytes.get(at + 1..end)?;
    Some((text.strip_suffix(b"\n").unwrap_or(text), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(protocol: &str) -> Vec<u8> {
        let mut bytes = b"\x13/multistream/1.0.0\n".to_vec();
        bytes.push(u8::try_from(protocol.len() + 1).unwrap_or(0));
        bytes.extend_from_slice(protocol.as_bytes());
        bytes.push(b'\n');
        bytes
    }

    /// Feeds `bytes` in pieces of `step` and returns what was counted.
    fn counted(bytes: &[u8], step: usize) -> usize {
        let mut state = State::Proposing(Vec::new());
        bytes.chunks(step).map(|piece| state.wrote(piece)).sum()
    }

    #[test]
    fn a_circuit_is_counted_from_the_byte_after_its_proposal() {
        let mut bytes = proposal(STOP_PROTOCOL_NAME.as_ref());
        bytes.extend([7; 1000]);
        for step in [1, 2, 19, 20, 21, 53, 54, 55, 200, 2000] {
            assert_eq!(counted(&bytes, step), 1000, "in pieces of {step}");
        }
    }

    #[test]
    fn other_protocols_and_garbage_are_not_counted() {
        let hop = proposal("/libp2p/circuit/relay/0.2.0/hop");
        let longer = proposal("/libp2p/circuit/relay/0.2.0/stop/2");
        for mut bytes in [hop, longer, vec![0; 40], vec![255; 40], b"GET /".to_vec()] {
            bytes.extend([7; 1000]);
            assert_eq!(counted(&bytes, 1), 0);
            assert_eq!(counted(&bytes, 4096), 0);
        }
    }

    #[test]
    fn a_proposal_that_never_ends_is_given_up_at_the_limit() {
        let mut state = State::Proposing(Vec::new());
        assert_eq!(state.wrote(&[127; MAX_PROPOSAL_BYTES + 1]), 0);
        assert_eq!(state, State::Other);
    }
}
