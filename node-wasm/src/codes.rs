//! The reader of QR codes for pages whose browser has none, in a compute worker of its own.
//! It opens no camera and judges nothing that it reads.
//!
//! A picture from outside may be made to stall or crash a reader. Here it costs this worker, which holds no model: it
//! is ended, and the next picture starts another.

use std::cell::Cell;
use std::pin::pin;

use futures::future::{Either, select};
use gloo::timers::future::TimeoutFuture;
use jobs::{Answer, Ask};

use crate::error::Error;
use crate::worker::Worker;

/// How long one picture may take; a phone needs a tenth of a second.
const PATIENCE_MS: u32 = 5_000;
/// The first one waits for the worker to be fetched as well, over whatever line there is.
const FIRST_PATIENCE_MS: u32 = 60_000;

/// Reads codes; dropping it ends its worker.
pub struct CodeReader {
    worker: Worker,
    started: Cell<bool>,
}

impl CodeReader {
    /// The reader that the relay at `origin` serves; nothing is fetched before the first picture.
    pub fn of(origin: &str) -> CodeReader {
        CodeReader {
            worker: Worker::of(origin, false),
            started: Cell::new(false),
        }
    }

    /// The text of a code in a picture, one byte of grey for each point.
    ///
    /// # Errors
    /// When the picture has no size that is read, or the reader could not cope with it or be fetched.
    pub async fn read(&self, width: u32, height: u32, grey: Vec<u8>) -> Result<Option<String>, Error> {
        let patience = if self.started.get() {
            PATIENCE_MS
        } else {
            FIRST_PATIENCE_MS
        };
        let grey = grey.into();
        let answered = self.worker.ask(Ask::ReadCode { width, height, grey });
        match select(pin!(answered), TimeoutFuture::new(patience)).await {
            Either::Left((answer, _)) => {
                self.started.set(self.worker.is_running());
                match answer? {
                    // A code may hold anything: what is no text is none of ours.
                    Answer::Bytes(bytes) => {
                        Ok(bytes.and_then(|bytes| String::from_utf8(bytes.into_vec()).ok()))
                    }
                    other => Err(Error::internal(format!("no reader of codes says {other:?}"))),
                }
            }
            Either::Right(_) => {
                self.worker.stop();
                self.started.set(false);
                Err(Error::new("aborted", "a picture took too long"))
            }
        }
    }
}

impl Drop for CodeReader {
    fn drop(&mut self) {
        self.worker.stop();
    }
}
