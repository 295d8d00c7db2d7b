//! A WebSocket as a stream of bytes, the way every libp2p `/ws` peer means it: binary messages,
//! whose borders carry no meaning.
//! It does not frame, authenticate or encrypt; that is Noise's and Yamux's work above it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket},
};
use futures::{AsyncRead, AsyncWrite, Sink, Stream};

/// Largest message we send. Noise frames are at most 64 KiB, so one frame is one message.
const MAX_MESSAGE_OUT_BYTES: usize = 64 * 1024 + 2;

/// The byte stream over one accepted WebSocket.
pub struct WsStream {
    socket: WebSocket,
    unread: Bytes,
}

impl WsStream {
    /// Takes over `socket`.
    pub fn new(socket: WebSocket) -> Self {
        WsStream {
            socket,
            unread: Bytes::new(),
        }
    }
}

impl AsyncRead for WsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // Answered by the WebSocket layer itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a text message on a libp2p websocket",
                    )));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(0)),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let n = buf.len().min(self.unread.len());
        let taken = self.unread.split_to(n);
        buf[..n].copy_from_slice(&taken);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for WsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(io::Error::other)?;
        let n = buf.len().min(MAX_MESSAGE_OUT_BYTES);
        let message = Message::Binary(Bytes::copy_from_slice(&buf[..n]));
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_flush(cx)
            .map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_close(cx)
            .map_err(io::Error::other)
    }
}
