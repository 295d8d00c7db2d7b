//! Asks the peers that lend a model for its chunks, one after the other, and compares what they send with its hash.
//! Which chunk is needed when is the worker's business; whoever fails here is left alone for a while.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::{SinkExt as _, StreamExt as _};
use gloo::timers::future::TimeoutFuture;
use jobs::{Ask, Sought};
use libp2p::{Multiaddr, PeerId};
use protocol::{BlobMessage, ChunkHash, List, MAX_SOUGHT, ModelId};
use sha2::{Digest as _, Sha256};

use super::line::{Line, PROTOCOL};
use crate::driver::Happening;
use crate::net::NetLine;
use crate::worker::Worker;

/// Peers that are asked for one chunk: if these do not have it, the relay is quicker.
const MAX_ASKED: usize = 8;
/// An answer that takes longer is none: the relay is asked instead.
const ANSWER_MS: u32 = 10_000;
/// How long a peer that failed, or sent something else than was asked for, is not asked again.
const BLAME_MS: u64 = 60_000;
/// How long peers are waited for where nobody else has a chunk: offers are repeated more often.
const PATIENCE_MS: u64 = 12_000;
/// How often they are looked for meanwhile.
const LOOK_AGAIN_MS: u32 = 250;
/// Chunks of which we remember who has them: a model of 16 GiB, a few KB a peer.
const MAX_KNOWN: usize = 16_384;

/// A question of the worker.
pub(crate) struct Wanted {
    pub(crate) question: u64,
    pub(crate) model: String,
    pub(crate) sought: Sought,
    pub(crate) patient: bool,
}

/// Fetches for the worker.
pub(crate) struct Fetcher {
    pub(crate) worker: Worker,
    pub(crate) streams: libp2p_stream::Control,
    pub(crate) net: NetLine,
    /// Where the node is asked who lends what.
    pub(crate) happenings: mpsc::Sender<Happening>,
    /// Whether the person has agreed that strangers' devices take part.
    pub(crate) allowed: Rc<Cell<bool>>,
}

/// What is known of a peer that was asked before.
#[derive(Default)]
struct Known {
    line: Option<Line>,
    has: HashMap<ChunkHash, bool>,
    blamed_until_ms: u64,
}

impl Fetcher {
    /// Answers the worker's questions, one at a time, until the node ends.
    pub(crate) async fn run(mut self, mut questions: mpsc::Receiver<Wanted>) {
        let mut peers: HashMap<PeerId, Known> = HashMap::new();
        while let Some(Wanted {
            question,
            model,
            sought,
            patient,
        }) = questions.next().await
        {
            let until = now_ms() + if patient { PATIENCE_MS } else { 0 };
            let bytes = match (self.allowed.get(), model.parse()) {
                (true, Ok(model)) => loop {
                    let found = self.find(&mut peers, &model, &sought).await;
                    if found.is_some() || now_ms() >= until {
                        break found;
                    }
                    // Who lends what is said every few seconds: a tab that has just come has not heard it yet.
                    TimeoutFuture::new(LOOK_AGAIN_MS).await;
                },
                _ => None,
            };
            let bytes = bytes.map(Into::into);
            // An error means that the worker is gone, and with it the question.
            let _ = self.worker.ask(Ask::FromPeers { question, bytes }).await;
        }
    }

    async fn find(
        &mut self,
        peers: &mut HashMap<PeerId, Known>,
        model: &ModelId,
        sought: &Sought,
    ) -> Option<Vec<u8>> {
        let now = now_ms();
        let mut holders = self.lenders(model).await;
        peers.retain(|peer, known| {
            known.blamed_until_ms > now || holders.iter().any(|(holder, _)| holder == peer)
        });
        holders.retain(|(peer, _)| peers.get(peer).is_none_or(|known| known.blamed_until_ms <= now));
        // A connection that stands is quicker than any other.
        holders.sort_by_key(|(peer, _)| peers.get(peer).is_none_or(|known| known.line.is_none()));
        for (peer, addresses) in holders.into_iter().take(MAX_ASKED) {
            let known = peers.entry(peer).or_default();
            match self.ask(peer, addresses, known, model, sought).await {
                Ok(Some(bytes)) => return Some(bytes),
                Ok(None) => {}
                Err(reason) => {
                    tracing::info!(%peer, %reason, "a peer that should have a chunk fails");
                    *known = Known {
                        blamed_until_ms: now_ms() + BLAME_MS,
                        ..Known::default()
                    };
                }
            }
        }
        None
    }

    /// Who lends layers of a model, as their offers say: whether somebody has a chunk is known once they were asked.
    async fn lenders(&mut self, model: &ModelId) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let (asked, answer) = oneshot::channel();
        // An error means that the node was stopped.
        let _ = self.happenings.send(Happening::Lenders(*model, asked)).await;
        let lenders = answer.await.unwrap_or_default();
        let reach = |(peer, addresses): (protocol::PeerId, protocol::Addresses)| {
            let addresses = addresses.iter().filter_map(|a| a.parse().ok()).collect();
            Some((peer.as_str().parse().ok()?, addresses))
        };
        lenders.into_iter().filter_map(reach).collect()
    }

    async fn ask(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        known: &mut Known,
        model: &ModelId,
        sought: &Sought,
    ) -> Result<Option<Vec<u8>>, String> {
        let line = match known.line.take() {
            Some(line) => known.line.insert(line),
            None => {
                self.net.reach(peer, addresses).await?;
                let stream = self.streams.open_stream(peer, PROTOCOL).await;
                known.line.insert(Line::new(stream.map_err(|e| e.to_string())?))
            }
        };
        let (question, hash) = match sought {
            Sought::Manifest => (BlobMessage::WantManifest(*model), None),
            Sought::Chunk { sha256, ahead } => {
                let hash = read(sha256).ok_or("the worker names no hash")?;
                if !known.has.contains_key(&hash) {
                    seek(line, &mut known.has, hash, ahead).await?;
                }
                if known.has.get(&hash) != Some(&true) {
                    // It may load this very chunk in a moment: the next search asks again.
                    known.has.remove(&hash);
                    return Ok(None);
                }
                (BlobMessage::Want(hash), Some(hash))
            }
        };
        line.say(&question, ANSWER_MS).await?;
        match line.hear(ANSWER_MS).await? {
            BlobMessage::Piece(bytes) => match hash {
                Some(hash) if Sha256::digest(&*bytes)[..] != hash.0 => {
                    Err("the chunk is not the one that was asked for".to_owned())
                }
                // A manifest is compared with the model's id by the worker.
                _ => Ok(Some(bytes.to_vec())),
            },
            BlobMessage::Missing => {
                known.has.clear();
                Ok(None)
            }
            _ => Err("an answer to another question".to_owned()),
        }
    }
}

/// Learns which of these chunks the peer has.
async fn seek(
    line: &mut Line,
    has: &mut HashMap<ChunkHash, bool>,
    hash: ChunkHash,
    ahead: &[String],
) -> Result<(), String> {
    let sought: Vec<ChunkHash> = std::iter::once(hash)
        .chain(ahead.iter().filter_map(|text| read(text)))
        .take(MAX_SOUGHT)
        .collect();
    let list = List::new(sought.clone()).map_err(|e| e.to_string())?;
    line.say(&BlobMessage::Seek(list), ANSWER_MS).await?;
    let BlobMessage::Have(bits) = line.hear(ANSWER_MS).await? else {
        return Err("an answer to another question".to_owned());
    };
    if has.len() + sought.len() > MAX_KNOWN {
        has.clear();
    }
    let held = BlobMessage::held(&bits, sought.len());
    has.extend(sought.into_iter().zip(held));
    Ok(())
}

fn read(text: &str) -> Option<ChunkHash> {
    Some(ChunkHash(text.parse::<ModelId>().ok()?.0))
}

/// A hash as the worker writes it.
pub(super) fn hex(hash: &ChunkHash) -> String {
    ModelId(hash.0).to_string()
}

fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}
