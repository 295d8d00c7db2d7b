//! `model add URL`: downloads a GGUF into the data folder, and goes on where it was interrupted.
//! It trusts the server with nothing: the header is checked before the first byte counts and the
//! whole file is hashed at the end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ModelError, Published,
    add::{Adding, model_name},
    describe::Checked,
};
use crate::store::{Store, private_file};

/// A manifest describes files up to this size.
const MAX_FILE_BYTES: u64 = 32 << 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The shortest GGUF header; less than this cannot be recognised.
const MAGIC: &[u8; 4] = b"GGUF";

/// What is known of an unfinished download, so that parts of two versions are never mixed.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    url: String,
    etag: String,
}

/// Downloads the GGUF at `url`.
///
/// # Errors
/// When the server cannot be reached or answers something else, or what it sends is no sound GGUF
/// (then nothing is kept). An interrupted download is kept and resumed by the next call.
pub fn from_url(store: &Store, url: &str) -> Result<Published, ModelError> {
    let without_query = url.split(['?', '#']).next().unwrap_or_default();
    let name = model_name(without_query)?;
    let adding = Adding::begin(store)?;
    let part = Part::of(&adding.dir, url);
    part.fetch(url)?;
    match Checked::open(&part.file).and_then(|checked| {
        let reader = checked.reader()?;
        checked.manifest(reader)
    }) {
        Ok(manifest) => {
            part.forget_progress();
            adding.finish(store, &part.file, &name, manifest.sha256())
        }
        Err(error) => {
            part.discard();
            Err(error)
        }
    }
}

/// An unfinished download and its note.
struct Part {
    file: PathBuf,
    note: PathBuf,
}

impl Part {
    fn of(dir: &Path, url: &str) -> Part {
        let key = &hex::encode(Sha256::digest(url.as_bytes()))[..16];
        Part {
            file: dir.join(format!(".download-{key}")),
            note: dir.join(format!(".download-{key}.json")),
        }
    }

    fn discard(&self) {
        let _ = fs::remove_file(&self.file);
        self.forget_progress();
    }

    fn forget_progress(&self) {
        let _ = fs::remove_file(&self.note);
    }

    /// The bytes that are there, and the entity tag they belong to.
    fn progress(&self, url: &str) -> Option<(u64, String)> {
        let note: Progress = serde_json::from_slice(&fs::read(&self.note).ok()?).ok()?;
        let bytes = fs::metadata(&self.file).ok()?.len();
        (note.url == url && bytes > 0).then_some((bytes, note.etag))
    }

    fn fetch(&self, url: &str) -> Result<(), ModelError> {
        let refuse = |why: String| ModelError::Download {
            url: url.to_owned(),
            why,
        };
        let agent = ureq::Agent::config_builder()
            .https_only(url.starts_with("https:"))
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("manyhands-relay/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let mut request = agent.get(url);
        let have = self.progress(url);
        if let Some((bytes, etag)) = &have {
            request = request
                .header("range", format!("bytes={bytes}-"))
                .header("if-range", etag);
        }
        let answer = request.call().map_err(|error| refuse(error.to_string()))?;
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let start = match (answer.status().as_u16(), &have) {
            (200, _) => 0,
            (206, Some((bytes, _))) if header("content-range").starts_with(&format!("bytes {bytes}-")) => {
                *bytes
            }
            // Everything is there already; the check that follows decides.
            (416, Some((bytes, _))) if header("content-range") == format!("bytes */{bytes}") => {
                return Ok(());
            }
            (status, _) => return Err(refuse(format!("the server answered {status}"))),
        };
        let etag = header("etag");
        let expected = answer.body().content_length();
        if expected.is_some_and(|rest| start.saturating_add(rest) > MAX_FILE_BYTES) {
            return Err(refuse(format!("larger than {MAX_FILE_BYTES} bytes")));
        }
        let fail = |source: io::Error| ModelError::File {
            path: self.file.clone(),
            source,
        };
        let mut file = self.open_at(start).map_err(fail)?;
        // Only a strong tag promises the same bytes tomorrow.
        if etag.starts_with('"') {
            let note = serde_json::to_vec(&Progress {
                url: url.to_owned(),
                etag,
            });
            if let Ok(note) = note {
                fs::write(&self.note, note).map_err(fail)?;
            }
        } else {
            self.forget_progress();
        }
        let mut body = answer
            .into_body()
            .into_with_config()
            .limit(MAX_FILE_BYTES)
            .reader();
        let mut buffer = vec![0; 256 * 1024];
        let mut at = start;
        loop {
            let n = body
                .read(&mut buffer)
                .map_err(|error| refuse(format!("{error}; run the same command again to go on")))?;
            if n == 0 {
                break;
            }
            if at == 0 && !buffer[..n].starts_with(&MAGIC[..n.min(MAGIC.len())]) {
                drop(file);
                self.discard();
                return Err(refuse("what the server sends is no GGUF".to_owned()));
            }
            file.write_all(&buffer[..n]).map_err(fail)?;
            at += n as u64;
        }
        file.sync_all().map_err(fail)?;
        match expected {
            Some(rest) if at < start + rest => Err(refuse(
                "the connection ended early; run the same command again to go on".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn open_at(&self, start: u64) -> io::Result<File> {
        if start == 0 {
            return private_file(&self.file);
        }
        let mut file = OpenOptions::new().write(true).open(&self.file)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }
}
