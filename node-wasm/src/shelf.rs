//! The models that this browser keeps, as the page sees them: bring one in, fetch it whole, check it, delete it.
//! The worker has the bytes; nothing here starts unless a person asked for it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use jobs::{Answer, Ask, FileEnd, ImportAbout, Kept};
use js_sys::{ArrayBuffer, Uint8Array};
use serde_bytes::ByteBuf;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use crate::error::{Error, thrown};
use crate::snapshot::ModelInfo;
use crate::view::View;
use crate::worker::Worker;

/// The length of a manifest's chunks: files are handed over in such pieces.
const CHUNK_BYTES: u64 = 1 << 20;

/// Hears of `(bytes here, bytes in all)`.
pub type Progress = Box<dyn FnMut(u64, u64)>;

/// The shelf of this browser. Clones share it.
#[derive(Clone)]
pub struct Shelf {
    shared: Rc<Shared>,
}

struct Shared {
    origin: String,
    worker: Worker,
    view: Rc<RefCell<View>>,
    /// Peers may be asked for what they have.
    peers_allowed: Rc<Cell<bool>>,
    files: Cell<u64>,
    /// How often it was asked what is kept, and which of these questions the view knows the answer of.
    looks: Cell<u64>,
    seen: Cell<u64>,
    /// Names of files that are not to be read on.
    stopped: RefCell<HashSet<String>>,
}

impl Shelf {
    pub(crate) fn new(
        origin: String,
        worker: Worker,
        view: Rc<RefCell<View>>,
        peers_allowed: Rc<Cell<bool>>,
    ) -> Shelf {
        Shelf {
            shared: Rc::new(Shared {
                origin,
                worker,
                view,
                peers_allowed,
                files: Cell::new(0),
                looks: Cell::new(0),
                seen: Cell::new(0),
                stopped: RefCell::default(),
            }),
        }
    }

    /// What is kept. Models that no relay lists join those of the relay in the snapshot.
    pub async fn kept(&self) -> Result<Kept, Error> {
        let look = self.shared.looks.get() + 1;
        self.shared.looks.set(look);
        let kept = match self.shared.worker.ask(Ask::Kept).await? {
            Answer::Kept(kept) => kept,
            _ => {
                return Err(Error::internal(
                    "the compute worker answered something else than a shelf",
                ));
            }
        };
        let models = kept.models.iter().map(|model| ModelInfo {
            id: model.model.clone(),
            name: model.name.clone(),
            architecture: model.architecture.clone(),
            layers: model.layers,
            bytes: model.bytes,
            license: model.license.clone(),
            description: None,
            own: model.own,
        });
        // An answer to an earlier question that came later knows less.
        if self.shared.seen.get() < look {
            self.shared.seen.set(look);
            self.shared.view.borrow_mut().kept_models(models.collect());
        }
        Ok(kept)
    }

    /// Finds out what a model is that devices of the swarm lend though the relay does not list it. They are asked
    /// for it: the caller has asked the person first.
    pub async fn look_up(&self, model: &str) -> Result<(), Error> {
        self.shared.peers_allowed.set(true);
        let ask = Ask::OpenModel {
            model: model.to_owned(),
            origin: self.shared.origin.clone(),
        };
        self.shared.worker.ask(ask).await?;
        self.kept().await.map(|_| ())
    }

    /// Fetches all of a model that the relay has, or a person brought here from an address.
    pub async fn download(&self, model: &str, progress: Progress) -> Result<(), Error> {
        let ask = Ask::Download {
            model: model.to_owned(),
            origin: self.shared.origin.clone(),
        };
        self.shared.worker.ask_with(ask, Some(progress)).await?;
        self.kept().await.map(|_| ())
    }

    /// Fetches a model file from an address; answers the model's id.
    pub async fn import_url(
        &self,
        url: &str,
        about: ImportAbout,
        progress: Progress,
    ) -> Result<String, Error> {
        let ask = Ask::Import {
            url: url.to_owned(),
            about,
        };
        let answer = self.shared.worker.ask_with(ask, Some(progress)).await?;
        self.brought(answer).await
    }

    /// Takes a model file from the disk; answers the model's id.
    pub async fn import_file(&self, file: &File, mut progress: Progress) -> Result<String, Error> {
        let id = self.shared.files.replace(self.shared.files.get() + 1);
        let total = file.size() as u64;
        self.shared.stopped.borrow_mut().remove(&file.name());
        let about = ImportAbout {
            file_name: file.name(),
            ..ImportAbout::default()
        };
        // What an earlier try brought is not read again.
        let begun = Rc::new(Cell::new(0));
        let here = Rc::clone(&begun);
        let begin = Ask::BeginFile {
            file: id,
            bytes: total,
            about,
        };
        let first: Progress = Box::new(move |taken, _| here.set(taken));
        self.shared.worker.ask_with(begin, Some(first)).await?;
        let answer = match self.read(file, id, begun.get(), total, &mut progress).await {
            Ok(()) => self.end_file(id, FileEnd::Whole).await,
            Err(error) => {
                // A file that is no model leaves nothing behind; one that was stopped may go on later.
                let end = if error.code == "model_rejected" {
                    FileEnd::Never
                } else {
                    FileEnd::Later
                };
                let _ = self.end_file(id, end).await;
                Err(error)
            }
        };
        self.brought(answer?).await
    }

    /// Stops a download or an import where it is: `what` is a model, an address or a file's name.
    pub async fn pause(&self, what: &str) {
        self.shared.stopped.borrow_mut().insert(what.to_owned());
        let ask = Ask::Pause {
            what: what.to_owned(),
        };
        // What has ended already needs no stop.
        let _ = self.shared.worker.ask(ask).await;
    }

    /// Deletes what is kept of a model, or of an import that is not complete.
    pub async fn forget(&self, what: &str) -> Result<(), Error> {
        let ask = Ask::Forget {
            model: what.to_owned(),
        };
        self.shared.worker.ask(ask).await?;
        self.kept().await.map(|_| ())
    }

    /// Reads all of a model again and answers how many bytes of it are whole.
    pub async fn verify(&self, model: &str, progress: Progress) -> Result<u64, Error> {
        let ask = Ask::Verify {
            model: model.to_owned(),
        };
        match self.shared.worker.ask_with(ask, Some(progress)).await? {
            Answer::Kept(kept) => Ok(kept.models.first().map_or(0, |model| model.held_bytes)),
            _ => Err(Error::internal(
                "the compute worker answered something else than a shelf",
            )),
        }
    }

    async fn read(
        &self,
        file: &File,
        id: u64,
        from: u64,
        total: u64,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let failed =
            |e: wasm_bindgen::JsValue| Error::new("bad_request", format!("{}: {}", file.name(), thrown(&e)));
        let mut at = from;
        progress(at, total);
        while at < total {
            if self.shared.stopped.borrow().contains(&file.name()) {
                return Err(Error::new("aborted", format!("{} was stopped", file.name())));
            }
            let end = total.min(at + CHUNK_BYTES);
            let piece = file
                .slice_with_f64_and_f64(at as f64, end as f64)
                .map_err(failed)?;
            let buffer = JsFuture::from(piece.array_buffer()).await.map_err(failed)?;
            let bytes = Uint8Array::new(&buffer.unchecked_into::<ArrayBuffer>()).to_vec();
            let put = Ask::PutFile {
                file: id,
                bytes: ByteBuf::from(bytes),
            };
            self.shared.worker.ask(put).await?;
            at = end;
            progress(at, total);
        }
        Ok(())
    }

    async fn end_file(&self, file: u64, end: FileEnd) -> Result<Answer, Error> {
        self.shared.worker.ask(Ask::EndFile { file, end }).await
    }

    async fn brought(&self, answer: Answer) -> Result<String, Error> {
        let Answer::Model(facts) = answer else {
            return Err(Error::internal(
                "the compute worker answered something else than a model",
            ));
        };
        self.kept().await?;
        Ok(facts.model)
    }
}
