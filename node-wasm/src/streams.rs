//! Session streams: bytes on one side, protocol messages on the other.
//! It knows no session: which stream belongs to what is the node's business.

use futures::channel::mpsc;
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use futures::{SinkExt as _, StreamExt as _};
use libp2p::{PeerId, Stream, StreamProtocol};
use protocol::{Assembler, Message, SESSION_PROTOCOL};

use crate::error::Error;

/// The libp2p name of a session stream.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new(SESSION_PROTOCOL);
/// Messages that wait for the transport. The sender's credit is far smaller; a peer that lets
/// this many pile up has stopped reading, and its stream is given up.
const MAX_QUEUED_MESSAGES: usize = 512;
/// What is read from the transport at once.
const READ_BYTES: usize = 64 * 1024;

/// What becomes of a stream. The first field is the driver's name for it.
pub(crate) enum StreamEvent<Id> {
    Incoming(PeerId, Stream),
    Opened(Id, StreamHandle),
    Failed(Id, String),
    Message(Id, Message),
    Closed(Id, String),
}

/// The writing end of a stream; dropping it says the last word and closes.
pub(crate) struct StreamHandle {
    queue: mpsc::Sender<Vec<Vec<u8>>>,
}

impl StreamHandle {
    /// Queues a message. An error means that the stream is of no more use.
    /// Says how many bytes it makes.
    pub(crate) fn send(&mut self, message: &Message) -> Result<u64, String> {
        let frames = protocol::frames(message).map_err(|e| e.to_string())?;
        let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
        self.queue.try_send(frames).map(|()| bytes).map_err(|e| {
            if e.is_full() {
                "the peer does not read".to_owned()
            } else {
                "the stream is closed".to_owned()
            }
        })
    }
}

/// Opens a stream to a peer and reports what comes of it.
pub(crate) fn open<Id, T>(
    mut control: libp2p_stream::Control,
    peer: PeerId,
    id: Id,
    mut events: mpsc::Sender<T>,
) where
    Id: Copy + 'static,
    T: From<StreamEvent<Id>> + 'static,
{
    wasm_bindgen_futures::spawn_local(async move {
        match control.open_stream(peer, PROTOCOL).await {
            Ok(stream) => {
                let (reader, handle) = start(stream);
                // Told before the first byte is read, so that no message overtakes it.
                if events.send(StreamEvent::Opened(id, handle).into()).await.is_ok() {
                    read(reader, id, events).await;
                }
            }
            Err(error) => {
                let _ = events
                    .send(StreamEvent::Failed(id, error.to_string()).into())
                    .await;
            }
        }
    });
}

/// Runs a stream that is open already: reads until it ends, writes until its handle is dropped.
pub(crate) fn run<Id, T>(stream: Stream, id: Id, events: mpsc::Sender<T>) -> StreamHandle
where
    Id: Copy + 'static,
    T: From<StreamEvent<Id>> + 'static,
{
    let (reader, handle) = start(stream);
    wasm_bindgen_futures::spawn_local(read(reader, id, events));
    handle
}

/// Peers' streams, as they come.
pub(crate) fn accept<Id, T>(
    control: &mut libp2p_stream::Control,
    mut events: mpsc::Sender<T>,
) -> Result<(), Error>
where
    Id: 'static,
    T: From<StreamEvent<Id>> + 'static,
{
    let mut incoming = control
        .accept(PROTOCOL)
        .map_err(|_| Error::internal("session streams are accepted already"))?;
    wasm_bindgen_futures::spawn_local(async move {
        while let Some((peer, stream)) = incoming.next().await {
            if events
                .send(StreamEvent::Incoming(peer, stream).into())
                .await
                .is_err()
            {
                return;
            }
        }
    });
    Ok(())
}

fn start(stream: Stream) -> (ReadHalf<Stream>, StreamHandle) {
    let (reader, writer) = stream.split();
    let (queue, frames) = mpsc::channel(MAX_QUEUED_MESSAGES);
    wasm_bindgen_futures::spawn_local(write(writer, frames));
    (reader, StreamHandle { queue })
}

async fn read<Id, T>(mut reader: ReadHalf<Stream>, id: Id, mut events: mpsc::Sender<T>)
where
    Id: Copy + 'static,
    T: From<StreamEvent<Id>> + 'static,
{
    let mut assembler = Assembler::new();
    let mut buffer = vec![0; READ_BYTES];
    let reason = loop {
        let mut bytes = match reader.read(&mut buffer).await {
            Ok(0) => break "the peer closed the stream".to_owned(),
            Ok(count) => &buffer[..count],
            Err(error) => break error.to_string(),
        };
        let end = loop {
            match assembler.read(&mut bytes) {
                Ok(Some(message)) => {
                    // Waiting here is the back-pressure: the transport's buffer fills and the
                    // peer's credit runs out.
                    if events
                        .send(StreamEvent::Message(id, message).into())
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(format!("the peer sent nonsense: {error}")),
            }
        };
        if let Some(reason) = end {
            break reason;
        }
    };
    let _ = events.send(StreamEvent::Closed(id, reason).into()).await;
}

async fn write(mut writer: WriteHalf<Stream>, mut frames: mpsc::Receiver<Vec<Vec<u8>>>) {
    while let Some(first) = frames.next().await {
        let mut message = Some(first);
        while let Some(frames_of_one) = message {
            for frame in frames_of_one {
                if writer.write_all(&frame).await.is_err() {
                    return;
                }
            }
            message = frames.try_recv().ok();
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.close().await;
}
