//! One blob stream: whole messages in and out, with a limit to every wait.
//! What is said on it is the business of both its users.

use futures::future::{Either, select};
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
use gloo::timers::future::TimeoutFuture;
use libp2p::{Stream, StreamProtocol};
use protocol::{BLOB_PROTOCOL, BlobAssembler, BlobMessage};

/// The libp2p name of a blob stream.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new(BLOB_PROTOCOL);
/// What is read from the transport at once.
const READ_BYTES: usize = 64 * 1024;

/// A stream that speaks blob messages.
pub(super) struct Line {
    stream: Stream,
    assembler: BlobAssembler,
    buffer: Box<[u8]>,
    /// Read, and not yet looked at.
    unread: std::ops::Range<usize>,
}

impl Line {
    pub(super) fn new(stream: Stream) -> Line {
        Line {
            stream,
            assembler: BlobAssembler::new(),
            buffer: vec![0; READ_BYTES].into(),
            unread: 0..0,
        }
    }

    /// Sends a message. A peer that takes longer than `limit_ms` to read it is given up.
    pub(super) async fn say(&mut self, message: &BlobMessage, limit_ms: u32) -> Result<(), String> {
        let frames = message.frames().map_err(|e| e.to_string())?;
        let stream = &mut self.stream;
        let sent = async move {
            for frame in &frames {
                stream.write_all(frame).await?;
            }
            stream.flush().await
        };
        within(limit_ms, sent).await?.map_err(|e| e.to_string())
    }

    /// The next message.
    pub(super) async fn hear(&mut self, limit_ms: u32) -> Result<BlobMessage, String> {
        within(limit_ms, self.next()).await?
    }

    async fn next(&mut self) -> Result<BlobMessage, String> {
        loop {
            let mut bytes = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let heard = self.assembler.read(&mut bytes).map_err(|e| e.to_string())?;
            self.unread.start = self.unread.end - bytes.len();
            if let Some(message) = heard {
                return Ok(message);
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(0) => return Err("the peer closed the stream".to_owned()),
                Ok(count) => self.unread = 0..count,
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// The outcome of `work`, unless it takes longer than `limit_ms`.
async fn within<T>(limit_ms: u32, work: impl Future<Output = T>) -> Result<T, String> {
    match select(std::pin::pin!(work), TimeoutFuture::new(limit_ms)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(((), _)) => Err(format!("nothing for {limit_ms} ms")),
    }
}
