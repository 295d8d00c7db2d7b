//! A model file from outside becomes one of this browser's own: chunk by chunk kept, hashed and described.
//! It may break off anywhere: what has come is written down, and the next try goes on from there.

use std::rc::Rc;

use gguf::{About, CHUNK_BYTES, Manifest, ManifestBuilder};
use jobs::{Failure, ImportAbout};
use sha2::{Digest as _, Sha256};

use crate::failure::{failure, rejected};
use crate::fetch::Stream;
use crate::port::Reply;
use crate::store::{ChunkHash, ChunkStore, MAX_MEMORY_CHUNKS, StoreError, hex};

/// A file that is coming in.
#[derive(Debug)]
pub(crate) struct Import {
    store: Rc<ChunkStore>,
    builder: ManifestBuilder,
    file_bytes: u64,
    journal: String,
    /// The file's length in a record of its own, then the hash of every chunk.
    records: Vec<ChunkHash>,
}

impl Import {
    /// Begins a file, or goes on with one of the same name and length that broke off.
    pub(crate) async fn begin(
        store: &Rc<ChunkStore>,
        name: &str,
        file_bytes: u64,
        about: About,
    ) -> Result<Import, Failure> {
        if !store.is_persistent() && file_bytes > MAX_MEMORY_CHUNKS as u64 * CHUNK_BYTES {
            return Err(StoreError::Full.into());
        }
        let refuse = |e: gguf::ManifestError| rejected(e.to_string());
        let mut import = Import {
            store: Rc::clone(store),
            builder: ManifestBuilder::new(file_bytes, about).map_err(refuse)?,
            file_bytes,
            journal: journal_name(name),
            records: vec![length_record(file_bytes)],
        };
        let earlier = store.journal(&import.journal).await;
        if earlier.first() == import.records.first() {
            for hash in earlier.into_iter().skip(1) {
                // Read again, since the file's own hash runs over all of it.
                let Some(bytes) = store.get(&hash).await else {
                    break;
                };
                import.builder.push(&bytes).map_err(refuse)?;
                import.records.push(hash);
            }
        }
        Ok(import)
    }

    /// Bytes that are here.
    pub(crate) fn taken(&self) -> u64 {
        (u64::from(self.builder.next_chunk()) * CHUNK_BYTES).min(self.file_bytes)
    }

    /// Takes the next chunk.
    pub(crate) async fn put(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let hash = self.builder.push(chunk).map_err(|e| rejected(e.to_string()))?;
        self.store.put(&hash, chunk).await?;
        self.records.push(hash);
        self.store.put_journal(&self.journal, &self.records).await?;
        Ok(())
    }

    /// Ends a file that is complete: from now on it is a model of this browser.
    pub(crate) async fn end(self) -> Result<Manifest, Failure> {
        let manifest = self.builder.finish().map_err(|e| rejected(e.to_string()))?;
        self.store.put_manifest(&manifest, true).await?;
        self.store.put_journal(&self.journal, &[]).await?;
        Ok(manifest)
    }
}

/// Fetches a file and takes it in.
pub(crate) async fn from_url(
    store: &Rc<ChunkStore>,
    url: &str,
    about: &ImportAbout,
    reply: &Reply,
) -> Result<Manifest, Failure> {
    if !url.starts_with("https://") {
        return Err(failure("bad_request", format!("{url} is no https address")));
    }
    let about = described(about, vec![url.to_owned()]);
    let known = known_chunks(store, url).await;
    let mut stream = Stream::open(url, known * CHUNK_BYTES).await?;
    let mut import = Import::begin(store, url, stream.file_bytes, about).await?;
    if import.taken() < stream.first {
        // Some of what was written down is lost, or the file is another one now.
        stream = Stream::open(url, import.taken()).await?;
    }
    let total = stream.file_bytes;
    let mut pending: Vec<u8> = Vec::new();
    // A site that sends no parts begins again at the front: what is known already is skipped.
    let mut skip = import.taken().saturating_sub(stream.first);
    reply.loading(import.taken(), total);
    while let Some(piece) = stream.next().await? {
        let piece = piece.to_vec();
        let skipped = usize::try_from(skip).map_or(piece.len(), |skip| skip.min(piece.len()));
        skip -= skipped as u64;
        pending.extend_from_slice(piece.get(skipped..).unwrap_or_default());
        while let Some(length) = next_length(&import).filter(|length| pending.len() >= *length) {
            let rest = pending.split_off(length);
            import.put(&pending).await?;
            pending = rest;
            reply.loading(import.taken(), total);
        }
        if next_length(&import).is_none() && !pending.is_empty() {
            return Err(rejected(format!(
                "{url} sends more than the {total} bytes it announced"
            )));
        }
    }
    if import.taken() < total {
        return Err(failure(
            "source_unreachable",
            format!(
                "{url} broke off after {} of {total} bytes",
                import.taken() + pending.len() as u64
            ),
        ));
    }
    import.end().await
}

/// Forgets what has come of a file that is not complete.
pub(crate) async fn abandon(store: &ChunkStore, name: &str) -> Result<(), StoreError> {
    let journal = journal_name(name);
    let records = store.journal(&journal).await;
    store
        .delete_unneeded(records.into_iter().skip(1).collect())
        .await?;
    store.put_journal(&journal, &[]).await
}

/// The words of a manifest for what a person said of a file.
pub(crate) fn described(about: &ImportAbout, sources: Vec<String>) -> About {
    About {
        name: about.name.clone(),
        license: about.license.clone(),
        file_name: about.file_name.clone(),
        sources,
        ..About::default()
    }
}

/// How many chunks an earlier try wrote down, less the last of a file that is complete but for its end.
async fn known_chunks(store: &ChunkStore, name: &str) -> u64 {
    let records = store.journal(&journal_name(name)).await;
    let chunks = records.len().saturating_sub(1) as u64;
    let complete = records.first().is_some_and(|record| {
        *record == length_record(length_of(record)) && chunks * CHUNK_BYTES >= length_of(record)
    });
    chunks.saturating_sub(u64::from(complete))
}

/// The length of the chunk that is due.
fn next_length(import: &Import) -> Option<usize> {
    let left = import.file_bytes.saturating_sub(import.taken());
    let length = usize::try_from(left.min(CHUNK_BYTES)).ok()?;
    (length > 0).then_some(length)
}

fn journal_name(name: &str) -> String {
    hex(&Sha256::digest(name))
}

fn length_record(file_bytes: u64) -> ChunkHash {
    let mut record = [0; 32];
    if let Some(front) = record.first_chunk_mut() {
        *front = file_bytes.to_le_bytes();
    }
    record
}

fn length_of(record: &ChunkHash) -> u64 {
    record.first_chunk().map_or(0, |front| u64::from_le_bytes(*front))
}
