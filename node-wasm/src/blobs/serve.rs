//! Gives chunks to peers that ask, for as long as this tab lends.
//! It sends only what its worker holds, and asks nobody else for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::StreamExt as _;
use jobs::{Answer, Ask};
use libp2p::Stream;
use protocol::{Blob, BlobMessage};

use super::line::{Line, PROTOCOL};
use crate::error::Error;
use crate::view::View;
use crate::worker::Worker;

/// Streams served at once: each may make the worker hold one chunk on its way out. Who comes
/// beyond that is turned away and asks somebody else.
const MAX_SERVED: usize = 16;
/// A peer that asks for nothing this long has its stream closed.
const IDLE_MS: u32 = 60_000;
/// A peer that takes longer to read one chunk is too slow to be worth the place.
const SEND_MS: u32 = 30_000;

/// Accepts blob streams and answers on them until the node ends.
pub(crate) fn serve(
    control: &mut libp2p_stream::Control,
    worker: Worker,
    view: Rc<RefCell<View>>,
) -> Result<(), Error> {
    let mut incoming = control
        .accept(PROTOCOL)
        .map_err(|_| Error::internal("blob streams are accepted already"))?;
    wasm_bindgen_futures::spawn_local(async move {
        let served = Rc::new(Cell::new(0_usize));
        while let Some((peer, stream)) = incoming.next().await {
            if served.get() >= MAX_SERVED {
                tracing::debug!(%peer, "too many peers ask for chunks at once");
                continue;
            }
            served.set(served.get() + 1);
            let (served, worker, view) = (Rc::clone(&served), worker.clone(), Rc::clone(&view));
            wasm_bindgen_futures::spawn_local(async move {
                let end = answer(stream, &worker, &view).await;
                tracing::debug!(%peer, ?end, "a peer asks for no more chunks");
                served.set(served.get() - 1);
            });
        }
    });
    Ok(())
}

async fn answer(stream: Stream, worker: &Worker, view: &RefCell<View>) -> Result<(), String> {
    let mut line = Line::new(stream);
    loop {
        let asked = line.hear(IDLE_MS).await?;
        let lends = worker.is_running() && view.borrow().lends();
        let answer = if lends {
            look_up(asked, worker).await?
        } else {
            nothing(&asked)?
        };
        line.say(&answer, SEND_MS).await?;
        if let BlobMessage::Piece(bytes) = &answer {
            view.borrow_mut()
                .change(|snapshot| snapshot.lend.gave.bytes += bytes.len() as u64);
        }
    }
}

async fn look_up(asked: BlobMessage, worker: &Worker) -> Result<BlobMessage, String> {
    let ask = match asked {
        BlobMessage::Seek(sought) => Ask::HoldsChunks {
            sha256: sought.iter().map(super::fetch::hex).collect(),
        },
        BlobMessage::Want(hash) => Ask::ReadChunk {
            sha256: super::fetch::hex(&hash),
        },
        BlobMessage::WantManifest(model) => Ask::ReadManifest {
            model: model.to_string(),
        },
        other => return nothing(&other),
    };
    match worker.ask(ask).await.map_err(|e| e.to_string())? {
        Answer::Holds(held) => BlobMessage::have(&held).map_err(|e| e.to_string()),
        Answer::Bytes(Some(bytes)) => match Blob::new(bytes.into_vec()) {
            Ok(bytes) => Ok(BlobMessage::Piece(bytes)),
            // A manifest of more than 30 GB of model: the relay has it.
            Err(_) => Ok(BlobMessage::Missing),
        },
        _ => Ok(BlobMessage::Missing),
    }
}

/// The answer of somebody who has nothing. An answer to what was no question is a broken peer.
fn nothing(asked: &BlobMessage) -> Result<BlobMessage, String> {
    match asked {
        BlobMessage::Seek(_) => BlobMessage::have(&[]).map_err(|e| e.to_string()),
        BlobMessage::Want(_) | BlobMessage::WantManifest(_) => Ok(BlobMessage::Missing),
        BlobMessage::Have(_) | BlobMessage::Piece(_) | BlobMessage::Missing => {
            Err("the peer answers what nobody asked".to_owned())
        }
    }
}
