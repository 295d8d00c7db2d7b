//! A libp2p stream over a data channel: `AsyncRead` and `AsyncWrite`.
//! It translates only; `channel` does the work.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use send_wrapper::SendWrapper;

use super::channel::Channel;

/// One stream of a [`Connection`](super::Connection). Dropped without having been closed, it
/// is reset.
pub struct Stream {
    channel: SendWrapper<Rc<Channel>>,
}

impl Stream {
    pub(crate) fn new(channel: Rc<Channel>) -> Stream {
        Stream {
            channel: SendWrapper::new(channel),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.channel.poll_read(cx, into).map_err(io::Error::from)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.channel.poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.poll_close(cx).map_err(io::Error::from)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.channel.abandon();
    }
}
