//! Five tiny protocols over streams, both sides of each.
//! They check every byte, so that a lost or swapped frame cannot pass.

use std::cell::Cell;
use std::rc::Rc;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _, future};
use libp2p::swarm::Stream;
use libp2p::{PeerId, StreamProtocol};
use libp2p_stream::Control;
use wasm_bindgen_futures::spawn_local;

/// Sends back what it gets, and closes after the other side did.
pub(crate) const ECHO: StreamProtocol = StreamProtocol::new("/example/echo/1");
/// Says its piece and closes, then reads until the other side closes.
pub(crate) const SPEAK_FIRST: StreamProtocol = StreamProtocol::new("/example/speak-first/1");
/// Reads one byte, then gives the stream up.
pub(crate) const GIVE_UP: StreamProtocol = StreamProtocol::new("/example/give-up/1");

/// Reads to the end, then closes.
pub(crate) const SINK: StreamProtocol = StreamProtocol::new("/example/sink/1");
/// Takes the stream and never reads it.
pub(crate) const DEAF: StreamProtocol = StreamProtocol::new("/example/deaf/1");

/// After so many bytes an echo repeats itself: a prime, so that no frame length divides it.
const PERIOD_BYTES: usize = 65_521;
/// How much `SPEAK_FIRST` says.
const PIECE_BYTES: usize = 100_000;

/// What the serving side has seen.
#[derive(Clone, Default)]
pub(crate) struct Counters {
    pub(crate) served: Rc<Cell<u32>>,
    pub(crate) broken: Rc<Cell<u32>>,
    pub(crate) heard_bytes: Rc<Cell<u32>>,
}

/// Serves all the protocols until the node ends.
pub(crate) fn serve(control: &mut Control, counters: &Counters) -> Result<(), String> {
    let text = |e: libp2p_stream::AlreadyRegistered| e.to_string();
    let mut echoes = control.accept(ECHO).map_err(text)?;
    let seen = counters.clone();
    spawn_local(async move {
        while let Some((_, stream)) = echoes.next().await {
            let seen = seen.clone();
            spawn_local(async move { seen.note(echo(stream).await) });
        }
    });
    let mut speeches = control.accept(SPEAK_FIRST).map_err(text)?;
    let seen = counters.clone();
    spawn_local(async move {
        while let Some((_, stream)) = speeches.next().await {
            let seen = seen.clone();
            spawn_local(async move {
                let heard = speak_first(stream).await;
                if let Ok(count) = &heard {
                    seen.heard_bytes.set(*count as u32);
                }
                seen.note(heard.map(|_| ()));
            });
        }
    });
    let mut sinks = control.accept(SINK).map_err(text)?;
    spawn_local(async move {
        while let Some((_, mut stream)) = sinks.next().await {
            spawn_local(async move {
                if read_to_end(&mut stream).await.is_ok() {
                    let _ = stream.close().await;
                }
            });
        }
    });
    let mut deaf = control.accept(DEAF).map_err(text)?;
    spawn_local(async move {
        let mut held = None;
        while let Some((_, stream)) = deaf.next().await {
            drop(held.replace(stream));
        }
    });
    let mut failures = control.accept(GIVE_UP).map_err(text)?;
    spawn_local(async move {
        while let Some((_, mut stream)) = failures.next().await {
            spawn_local(async move {
                let _ = stream.read(&mut [0; 1]).await;
            });
        }
    });
    Ok(())
}

impl Counters {
    fn note(&self, outcome: std::io::Result<()>) {
        let counter = if outcome.is_ok() {
            &self.served
        } else {
            &self.broken
        };
        counter.set(counter.get() + 1);
    }
}

async fn echo(mut stream: Stream) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.close().await;
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn speak_first(mut stream: Stream) -> std::io::Result<usize> {
    stream.write_all(&vec![7; PIECE_BYTES]).await?;
    stream.close().await?;
    read_to_end(&mut stream).await
}

/// Sends `size` bytes while reading them back, closes, and expects the end.
pub(crate) async fn check_echo(mut control: Control, peer: PeerId, size: usize) -> Result<(), String> {
    let stream = control.open_stream(peer, ECHO).await.map_err(|e| e.to_string())?;
    let (mut reader, mut writer) = stream.split();
    let pattern: Vec<u8> = (0..PERIOD_BYTES).map(|at| (at % 251) as u8).collect();
    let write = async {
        let mut at = 0;
        while at < size {
            let start = at % PERIOD_BYTES;
            let end = size.min(at + PERIOD_BYTES - start);
            writer
                .write_all(&pattern[start..start + end - at])
                .await
                .map_err(|e| format!("write at {at}: {e}"))?;
            at = end;
        }
        writer.close().await.map_err(|e| format!("close: {e}"))
    };
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut at = 0;
        loop {
            let count = reader
                .read(&mut buffer)
                .await
                .map_err(|e| format!("read at {at}: {e}"))?;
            if count == 0 {
                break;
            }
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                let start = at % PERIOD_BYTES;
                let (piece, later) = rest.split_at(rest.len().min(PERIOD_BYTES - start));
                if piece != &pattern[start..start + piece.len()] {
                    return Err(format!("wrong byte after {at}"));
                }
                at += piece.len();
                rest = later;
            }
        }
        if at == size {
            Ok(())
        } else {
            Err(format!("{at} bytes came back of {size}"))
        }
    };
    future::try_join(write, read).await.map(|_| ())
}

/// Writes all, closes, and only then reads.
pub(crate) async fn check_close_first(mut control: Control, peer: PeerId, size: usize) -> Result<(), String> {
    let mut stream = control.open_stream(peer, ECHO).await.map_err(|e| e.to_string())?;
    stream
        .write_all(&vec![3; size])
        .await
        .map_err(|e| e.to_string())?;
    stream.close().await.map_err(|e| format!("close: {e}"))?;
    match read_to_end(&mut stream).await.map_err(|e| format!("read: {e}"))? {
        count if count == size => Ok(()),
        count => Err(format!("{count} bytes came back of {size}")),
    }
}

/// Sends `size` bytes one way, until the peer has read the last.
pub(crate) async fn pour(mut control: Control, peer: PeerId, size: usize) -> Result<(), String> {
    let mut stream = control.open_stream(peer, SINK).await.map_err(|e| e.to_string())?;
    let chunk = vec![9; 60_000];
    let mut left = size;
    while left > 0 {
        let count = left.min(chunk.len());
        stream
            .write_all(&chunk[..count])
            .await
            .map_err(|e| e.to_string())?;
        left -= count;
    }
    stream.close().await.map_err(|e| format!("close: {e}"))?;
    read_to_end(&mut stream)
        .await
        .map(|_| ())
        .map_err(|e| e.to_string())
}

/// Reads to the peer's end, and only then writes and closes.
pub(crate) async fn check_listen_first(
    mut control: Control,
    peer: PeerId,
    size: usize,
) -> Result<(), String> {
    let mut stream = control
        .open_stream(peer, SPEAK_FIRST)
        .await
        .map_err(|e| e.to_string())?;
    let heard = read_to_end(&mut stream).await.map_err(|e| format!("read: {e}"))?;
    if heard != PIECE_BYTES {
        return Err(format!("heard {heard} bytes of {PIECE_BYTES}"));
    }
    stream
        .write_all(&vec![5; size])
        .await
        .map_err(|e| format!("write: {e}"))?;
    stream.close().await.map_err(|e| format!("close: {e}"))
}

/// Sends something and lets the stream go without closing it.
pub(crate) async fn abandon(mut control: Control, peer: PeerId) -> Result<(), String> {
    let mut stream = control.open_stream(peer, ECHO).await.map_err(|e| e.to_string())?;
    stream.write_all(&[1; 100_000]).await.map_err(|e| e.to_string())?;
    stream.read_exact(&mut [0; 100]).await.map_err(|e| e.to_string())
}

/// Expects the peer to give the stream up.
pub(crate) async fn check_given_up(mut control: Control, peer: PeerId) -> Result<(), String> {
    let mut stream = control
        .open_stream(peer, GIVE_UP)
        .await
        .map_err(|e| e.to_string())?;
    stream.write_all(&[1]).await.map_err(|e| e.to_string())?;
    match read_to_end(&mut stream).await {
        Ok(_) => Err("the stream ended in order".into()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(format!("not a reset: {error}")),
    }
}

/// Round trips of one byte on one stream, in milliseconds.
pub(crate) async fn round_trips(mut control: Control, peer: PeerId, count: u32) -> Result<Vec<f64>, String> {
    let mut stream = control.open_stream(peer, ECHO).await.map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    for i in 0..count {
        let start = now_ms();
        stream.write_all(&[i as u8]).await.map_err(|e| e.to_string())?;
        stream.flush().await.map_err(|e| e.to_string())?;
        stream.read_exact(&mut [0; 1]).await.map_err(|e| e.to_string())?;
        out.push(now_ms() - start);
    }
    stream.close().await.map_err(|e| e.to_string())?;
    Ok(out)
}

async fn read_to_end(stream: &mut Stream) -> std::io::Result<usize> {
    let mut buffer = vec![0; 16 * 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(total),
            count => total += count,
        }
    }
}

/// Milliseconds, with the browser's precision.
pub(crate) fn now_ms() -> f64 {
    let performance = js_sys::Reflect::get(&js_sys::global(), &"performance".into());
    performance
        .and_then(|p| {
            let now: js_sys::Function = js_sys::Reflect::get(&p, &"now".into())?.into();
            now.call0(&p)
        })
        .ok()
        .and_then(|now| now.as_f64())
        .unwrap_or_else(js_sys::Date::now)
}
