//! The models of this browser: brought in, fetched whole, checked, handed on by chunk, deleted.
//! Computes nothing; opening a model is the library's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;

use futures::StreamExt as _;
use gguf::{Manifest, ModelId};
use jobs::{Answer, Ask, Failure, FileEnd, Kept, KeptModel};

use crate::failure::failure;
use crate::import::{self, Import};
use crate::library::Book;
use crate::port::Reply;
use crate::running::Running;
use crate::source::Source;
use crate::store::{self, ChunkStore};

/// Files that come in by pieces at once: each holds its header in memory.
const MAX_FILES: usize = 4;

/// What is kept, and what is on its way here.
pub(crate) struct Stock {
    store: RefCell<Rc<ChunkStore>>,
    running: Running,
    /// A file is taken out while a piece of it is written.
    files: RefCell<HashMap<u64, (String, Import)>>,
}

impl Default for Stock {
    fn default() -> Stock {
        Stock {
            store: RefCell::new(Rc::new(ChunkStore::in_memory())),
            running: Running::default(),
            files: RefCell::default(),
        }
    }
}

impl Stock {
    /// Whether a question is for the stock.
    pub(crate) fn answers(ask: &Ask) -> bool {
        matches!(
            ask,
            Ask::Download { .. }
                | Ask::Import { .. }
                | Ask::Pause { .. }
                | Ask::BeginFile { .. }
                | Ask::PutFile { .. }
                | Ask::EndFile { .. }
                | Ask::Verify { .. }
                | Ask::Forget { .. }
                | Ask::Kept
        )
    }

    /// Where chunks are kept.
    pub(crate) fn store(&self) -> Rc<ChunkStore> {
        Rc::clone(&self.store.borrow())
    }

    /// Says whether models may outlive the tab.
    pub(crate) async fn keep(&self, persistent: bool) {
        if persistent {
            let store = Rc::new(ChunkStore::persistent().await);
            *self.store.borrow_mut() = store;
        }
    }

    /// Answers one question.
    pub(crate) async fn answer(&self, ask: Ask, reply: &Reply) -> Result<Answer, Failure> {
        let store = self.store();
        match ask {
            Ask::Download { model, origin } => {
                let work = download(&store, &origin, &model, reply);
                self.running.run(&model, work).await?;
                Ok(Answer::Nothing)
            }
            Ask::Import { url, about } => {
                let work = import::from_url(&store, &url, &about, reply);
                let manifest = self.running.run(&url, work).await?;
                facts(&store, &manifest).await
            }
            Ask::Pause { what } => {
                self.running.stop(&what);
                Ok(Answer::Nothing)
            }
            Ask::BeginFile { file, bytes, about } => {
                if self.files.borrow().len() >= MAX_FILES {
                    let message = format!("{MAX_FILES} files are being read already");
                    return Err(failure("bad_request", message));
                }
                let name = format!("{} {bytes}", about.file_name);
                let about = import::described(&about, Vec::new());
                let import = Import::begin(&store, &name, bytes, about).await?;
                reply.loading(import.taken(), bytes);
                self.files.borrow_mut().insert(file, (name, import));
                Ok(Answer::Nothing)
            }
            Ask::PutFile { file, bytes } => {
                let (name, mut import) = self.take_file(file)?;
                let put = import.put(&bytes).await;
                self.files.borrow_mut().insert(file, (name, import));
                put.map(|()| Answer::Nothing)
            }
            Ask::EndFile { file, end } => {
                let (name, import) = self.take_file(file)?;
                match end {
                    FileEnd::Whole => {
                        let manifest = import.end().await?;
                        return facts(&store, &manifest).await;
                    }
                    FileEnd::Later => {}
                    FileEnd::Never => import::abandon(&store, &name).await?,
                }
                Ok(Answer::Nothing)
            }
            Ask::Verify { model } => verify(&store, &model, reply).await,
            Ask::Forget { model } => {
                self.running.stop(&model);
                match model.parse::<ModelId>() {
                    Ok(id) => store.delete(&id).await?,
                    // A download that never got as far as a model's name is known by its address.
                    Err(_) => import::abandon(&store, &model).await?,
                }
                Ok(Answer::Nothing)
            }
            Ask::Kept => {
                let mut models = Vec::new();
                for (manifest, own) in store.manifests().await? {
                    models.push(kept(&store, &manifest, own).await);
                }
                models.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.model.cmp(&b.model)));
                Ok(Answer::Kept(counted(&store, models).await))
            }
            other => Err(failure("bad_request", format!("{other:?} is not for the stock"))),
        }
    }

    fn take_file(&self, file: u64) -> Result<(String, Import), Failure> {
        let taken = self.files.borrow_mut().remove(&file);
        taken.ok_or_else(|| failure("bad_request", format!("file {file} was not begun")))
    }
}

async fn download(store: &Rc<ChunkStore>, origin: &str, model: &str, reply: &Reply) -> Result<(), Failure> {
    let source = Source::open(origin, &id_of(model)?, store, None).await?;
    let total = source.manifest().file_bytes();
    let missing = source.missing(source.all()).await;
    let lacking: u64 = missing.iter().map(|index| source.chunk_bytes(*index)).sum();
    let mut here = total.saturating_sub(lacking);
    reply.loading(here, total);
    let mut arriving = pin!(source.keep(missing));
    while let Some(bytes) = arriving.next().await {
        here += bytes?;
        reply.loading(here, total);
    }
    // The manifest may have found no room when the model was opened.
    let own = store.is_own(&source.manifest().id()).await;
    store.put_manifest(source.manifest(), own).await?;
    Ok(())
}

/// Reading a chunk checks it, and throws it away where it is damaged.
async fn verify(store: &Rc<ChunkStore>, model: &str, reply: &Reply) -> Result<Answer, Failure> {
    let manifest = known(store, model).await?;
    let total = manifest.file_bytes();
    let mut read = 0;
    for (index, hash) in (0..).zip(store::hashes(&manifest)) {
        drop(store.get(&hash).await);
        read += manifest
            .chunk_range(index)
            .map_or(0, |range| range.end - range.start);
        reply.loading(read, total);
    }
    let own = store.is_own(&manifest.id()).await;
    let model = kept(store, &manifest, own).await;
    Ok(Answer::Kept(counted(store, vec![model]).await))
}

async fn facts(store: &Rc<ChunkStore>, manifest: &Manifest) -> Result<Answer, Failure> {
    let source = Source::offline(manifest.clone(), store);
    let id = manifest.id().to_string();
    Ok(Answer::Model(Book::read(source).await?.facts(&id)?))
}

async fn known(store: &ChunkStore, model: &str) -> Result<Manifest, Failure> {
    let id = id_of(model)?;
    let manifest = store.manifest(&id).await;
    manifest.ok_or_else(|| failure("bad_request", format!("nothing is known of model {id} here")))
}

async fn kept(store: &ChunkStore, manifest: &Manifest, own: bool) -> KeptModel {
    let about = manifest.about();
    KeptModel {
        model: manifest.id().to_string(),
        name: about.name.clone(),
        architecture: about.architecture.clone(),
        layers: about.layers,
        license: about.license.clone(),
        sources: about.sources.clone(),
        bytes: manifest.file_bytes(),
        held_bytes: Source::held_bytes(manifest, store).await,
        own,
    }
}

async fn counted(store: &ChunkStore, models: Vec<KeptModel>) -> Kept {
    let (used_bytes, quota_bytes) = store::usage().await;
    Kept {
        models,
        used_bytes,
        quota_bytes,
        persistent: store.is_persistent(),
    }
}

fn id_of(model: &str) -> Result<ModelId, Failure> {
    model
        .parse()
        .map_err(|e| failure("bad_request", format!("{model} is no model id: {e}")))
}
