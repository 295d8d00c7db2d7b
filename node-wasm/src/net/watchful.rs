//! A WebSocket that notices when it is closed: the transport below it says so to whoever asks, but wakes nobody.
//! It changes nothing of what is read or written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use futures::task::AtomicWaker;
use gloo::timers::future::TimeoutFuture;

/// How often who waits looks whether there is still something to wait for.
const LOOK_EVERY_MS: u32 = 250;

/// See the file's head.
pub(super) struct Watchful<S> {
    inner: S,
    waiting: Arc<Waiting>,
}

/// Who waits: to read, or to write, which also waits for a connection that was refused meanwhile.
#[derive(Default)]
struct Waiting {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl<S> Watchful<S> {
    pub(super) fn new(inner: S) -> Watchful<S> {
        let waiting = Arc::new(Waiting::default());
        let who = Arc::downgrade(&waiting);
        wasm_bindgen_futures::spawn_local(async move {
            loop {
                TimeoutFuture::new(LOOK_EVERY_MS).await;
                let Some(who) = who.upgrade() else { return };
                who.reader.wake();
                who.writer.wake();
            }
        });
        Watchful { inner, waiting }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watchful<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.waiting.reader.register(cx.waker());
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watchful<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.waiting.writer.register(cx.waker());
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting.writer.register(cx.waker());
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting.writer.register(cx.waker());
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
