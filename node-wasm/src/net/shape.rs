//! A worse line than there is, for tests and measurements: what this tab sends to others comes late, now and then
//! much later, and no faster than a given rate.
//! Nothing is lost for good and nothing overtakes: below a libp2p stream a lost packet is a late one.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use gloo::timers::future::TimeoutFuture;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

/// What may be on its way: as much as a data channel holds back before its writer waits.
const MAX_IN_FLIGHT_BYTES: usize = 1024 * 1024;
/// What one packet of the real line holds: losses strike packets.
const PACKET_BYTES: usize = 1_200;
/// The shortest time in which a sender notices that a packet was lost.
const LEAST_REPAIR_MS: f64 = 20.0;
/// The longest delay that can be asked for.
const MAX_DELAY_MS: u32 = 10_000;

/// What is wrong with the line; applied to what this node sends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// One way.
    pub delay_ms: u32,
    /// Share of packets that must be sent again, in `[0, 1)`.
    pub loss: f64,
    /// Of one connection; 0: as fast as it goes.
    pub rate_bytes_per_s: u32,
}

impl FromStr for Impairment {
    type Err = String;

    /// `delay:20,loss:0.01,rate:1000000`, any of them.
    fn from_str(text: &str) -> Result<Impairment, String> {
        let mut impairment = Impairment::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once(':')
                .ok_or_else(|| format!("`{part}` names no value"))?;
            let bad = || format!("`{value}` is no {name}");
            match name {
                "delay" => impairment.delay_ms = value.parse().map_err(|_| bad())?,
                "loss" => impairment.loss = value.parse().map_err(|_| bad())?,
                "rate" => impairment.rate_bytes_per_s = value.parse().map_err(|_| bad())?,
                _ => return Err(format!("a line has no `{name}`")),
            }
        }
        let sound = impairment.delay_ms <= MAX_DELAY_MS && (0.0..1.0).contains(&impairment.loss);
        sound
            .then_some(impairment)
            .ok_or_else(|| format!("`{text}` is no line: delay up to {MAX_DELAY_MS}, loss from 0 to below 1"))
    }
}

/// A muxer all of whose streams share one bad line.
pub(super) struct Shaped<M> {
    inner: M,
    line: Arc<Mutex<Line>>,
}

impl<M> Shaped<M> {
    pub(super) fn new(inner: M, impairment: Impairment) -> Shaped<M> {
        let line = Line {
            impairment,
            free_at_ms: 0.0,
        };
        Shaped {
            inner,
            line: Arc::new(Mutex::new(line)),
        }
    }
}

/// The line of one connection: when it has sent what it was given.
struct Line {
    impairment: Impairment,
    free_at_ms: f64,
}

impl Line {
    /// When `bytes` that are sent now arrive.
    fn arrival_ms(&mut self, bytes: usize) -> f64 {
        let now = now_ms();
        let Impairment {
            delay_ms,
            loss,
            rate_bytes_per_s,
        } = self.impairment;
        let sending_ms = if rate_bytes_per_s == 0 {
            0.0
        } else {
            bytes as f64 * 1000.0 / f64::from(rate_bytes_per_s)
        };
        self.free_at_ms = self.free_at_ms.max(now) + sending_ms;
        let delay = f64::from(delay_ms);
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let lost = (0..packets).filter(|_| js_sys::Math::random() < loss).count();
        // Packets that are lost together are repaired together.
        let repairs = if lost == 0 { 0.0 } else { 1.0 };
        self.free_at_ms + delay + repairs * (2.0 * delay).max(LEAST_REPAIR_MS)
    }
}

impl<M> StreamMuxer for Shaped<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Send + Unpin + 'static,
{
    type Substream = ShapedStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, M::Error>> {
        let line = Arc::clone(&self.line);
        Pin::new(&mut self.inner)
            .poll_inbound(cx)
            .map_ok(|inner| ShapedStream::new(inner, line))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, M::Error>> {
        let line = Arc::clone(&self.line);
        Pin::new(&mut self.inner)
            .poll_outbound(cx)
            .map_ok(|inner| ShapedStream::new(inner, line))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A stream whose written bytes wait their time.
pub(super) struct ShapedStream<S> {
    reader: ReadHalf<S>,
    flight: Arc<Mutex<Flight>>,
    line: Arc<Mutex<Line>>,
}

/// Bytes on their way, shared with the task that delivers them.
#[derive(Default)]
struct Flight {
    parts: VecDeque<(f64, Vec<u8>)>,
    bytes: usize,
    last_arrival_ms: f64,
    /// The writer closed its half; its holder dropped the stream; the other side is done.
    closing: bool,
    dropped: bool,
    end: Option<Result<(), io::ErrorKind>>,
    writer: Option<Waker>,
    courier: Option<Waker>,
}

impl<S> ShapedStream<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn new(inner: S, line: Arc<Mutex<Line>>) -> ShapedStream<S> {
        let (reader, writer) = inner.split();
        let flight = Arc::<Mutex<Flight>>::default();
        wasm_bindgen_futures::spawn_local(deliver(writer, Arc::clone(&flight)));
        ShapedStream { reader, flight, line }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ShapedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, into)
    }
}

impl<S: Unpin> AsyncWrite for ShapedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut flight = hold(&self.flight);
        if let Some(end) = flight.end {
            return Poll::Ready(end.map(|()| 0).map_err(Into::into));
        }
        if flight.bytes >= MAX_IN_FLIGHT_BYTES {
            flight.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(MAX_IN_FLIGHT_BYTES - flight.bytes);
        let arrival_ms = hold(&self.line).arrival_ms(count).max(flight.last_arrival_ms);
        flight.last_arrival_ms = arrival_ms;
        flight.bytes += count;
        flight.parts.push_back((arrival_ms, bytes[..count].to_vec()));
        wake(&mut flight.courier);
        Poll::Ready(Ok(count))
    }

    /// What is on its way has been sent.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match hold(&self.flight).end {
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut flight = hold(&self.flight);
        if let Some(end) = flight.end {
            return Poll::Ready(end.map_err(Into::into));
        }
        flight.closing = true;
        flight.writer = Some(cx.waker().clone());
        wake(&mut flight.courier);
        Poll::Pending
    }
}

impl<S> Drop for ShapedStream<S> {
    fn drop(&mut self) {
        let mut flight = hold(&self.flight);
        flight.dropped = true;
        wake(&mut flight.courier);
    }
}

/// Writes each part when its time has come.
async fn deliver<S: AsyncWrite + Unpin>(mut writer: WriteHalf<S>, flight: Arc<Mutex<Flight>>) {
    let end = loop {
        let next = std::future::poll_fn(|cx| {
            let mut flight = hold(&flight);
            match flight.parts.front() {
                Some((at, _)) => Poll::Ready(Some(*at)),
                None if flight.closing || flight.dropped => Poll::Ready(None),
                None => {
                    flight.courier = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let Some(at_ms) = next.await else {
            let dropped = hold(&flight).dropped;
            break if dropped { Ok(()) } else { writer.close().await };
        };
        let wait = at_ms - now_ms();
        if wait >= 1.0 {
            TimeoutFuture::new(wait as u32).await;
        }
        let Some((_, part)) = hold(&flight).parts.pop_front() else {
            continue;
        };
        let written = async {
            writer.write_all(&part).await?;
            writer.flush().await
        };
        // A connection that hangs must not keep the task for ever.
        let written = match select(std::pin::pin!(written), TimeoutFuture::new(MAX_STALL_MS)).await {
            Either::Left((written, _)) => written,
            Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if written.is_err() {
            break written;
        }
        let mut flight = hold(&flight);
        flight.bytes -= part.len();
        wake(&mut flight.writer);
    };
    let mut flight = hold(&flight);
    flight.end = Some(end.map_err(|error| error.kind()));
    wake(&mut flight.writer);
}

/// A part that the transport does not take in this time is not taken at all.
const MAX_STALL_MS: u32 = 60_000;

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn hold<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> f64 {
    js_sys::Date::now()
}
