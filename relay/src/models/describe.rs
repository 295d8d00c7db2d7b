//! What is published of one model file: its manifest, made once and kept beside the data.
//! It does not decide which files are published.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufReader, Read},
    ops::Range,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use axum::body::Bytes;
use gguf::{About, GgufError, Header, Manifest};
use sha2::{Digest, Sha256};

use super::{ModelError, shared};
use crate::store::Store;

/// The subfolder of manifests that were made here.
const MANIFESTS: &str = "manifests";
/// Characters of a description that are shown: the API names all models in every answer.
const MAX_DESCRIPTION_CHARS: usize = 400;
const READ_BUFFER_BYTES: usize = 1024 * 1024;

/// A model that visitors can load.
#[derive(Debug)]
pub struct Published {
    /// Manifest id, lower-case hex.
    pub id: String,
    /// What people read.
    pub name: String,
    /// As the file says: `llama`, `qwen2`…
    pub architecture: String,
    /// Number of layers.
    pub layers: u32,
    /// Size of the file.
    pub bytes: u64,
    /// Hash of the file, lower-case hex.
    pub sha256: String,
    /// As the file says.
    pub license: Option<String>,
    /// What it says about itself.
    pub description: Option<String>,
    /// Where the file is.
    pub path: PathBuf,
    /// The manifest as it is sent.
    pub manifest: Bytes,
    /// The manifest as it is read.
    parts: Manifest,
}

impl Published {
    /// Describes the file at `path`. Its hashes are computed once: the manifest is kept in the
    /// data folder for as long as the file's path, size and time of change stay the same.
    ///
    /// # Errors
    /// When the file cannot be read or is no sound GGUF.
    pub fn read(store: &Store, path: &Path) -> Result<Published, ModelError> {
        let fail = |source: io::Error| ModelError::File {
            path: path.to_owned(),
            source,
        };
        let path = fs::canonicalize(path).map_err(fail)?;
        let metadata = fs::metadata(&path).map_err(fail)?;
        if !metadata.is_file() {
            return Err(fail(io::Error::other("not a file")));
        }
        let kept = kept_name(&path, &metadata);
        let checked = Checked::open(&path)?;
        let description = checked.description.clone();
        let manifest = match store.read(&kept)?.and_then(|bytes| Manifest::decode(&bytes).ok()) {
            Some(manifest) if manifest.file_bytes() == metadata.len() => manifest,
            _ => {
                let reader = checked.reader()?;
                let made = checked.manifest(reader)?;
                store.subfolder(MANIFESTS)?;
                store.write(&kept, &made.encode())?;
                made
            }
        };
        let about = manifest.about();
        Ok(Published {
            id: manifest.id().to_string(),
            name: about.name.clone(),
            architecture: about.architecture.clone(),
            layers: about.layers,
            bytes: manifest.file_bytes(),
            sha256: hex::encode(manifest.sha256()),
            license: about.license.clone(),
            description,
            manifest: shared(manifest.encode()),
            parts: manifest,
            path,
        })
    }

    /// The bytes in the file of the chunk with that SHA-256, in lower-case hex.
    pub fn chunk(&self, sha256: &str) -> Option<Range<u64>> {
        let mut hash = [0; 32];
        hex::decode_to_slice(sha256, &mut hash).ok()?;
        self.parts.chunk_range(self.parts.chunk_of_sha256(&hash)?)
    }
}

/// A file whose header is sound; its weights have not been read.
pub(super) struct Checked {
    about: About,
    description: Option<String>,
    path: PathBuf,
    bytes: u64,
}

impl Checked {
    /// Reads the header of the GGUF at `path`.
    pub(super) fn open(path: &Path) -> Result<Checked, ModelError> {
        let fail = |source: io::Error| ModelError::File {
            path: path.to_owned(),
            source,
        };
        let unsound = |source: GgufError| ModelError::Unsound {
            path: path.to_owned(),
            source: source.into(),
        };
        let file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let header = Header::read(BufReader::new(file), bytes).map_err(unsound)?;
        Ok(Checked {
            about: about(&header, path).map_err(unsound)?,
            description: description(&header).map_err(unsound)?,
            path: path.to_owned(),
            bytes,
        })
    }

    /// The bytes of the file from its beginning.
    pub(super) fn reader(&self) -> Result<BufReader<File>, ModelError> {
        match File::open(&self.path) {
            Ok(file) => Ok(BufReader::with_capacity(READ_BUFFER_BYTES, file)),
            Err(source) => Err(ModelError::File {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Hashes all that `reader` gives, which must be this file.
    pub(super) fn manifest(self, reader: impl Read) -> Result<Manifest, ModelError> {
        Manifest::build(reader, self.bytes, self.about).map_err(|source| ModelError::Unsound {
            path: self.path,
            source,
        })
    }
}

fn about(header: &Header, path: &Path) -> Result<About, GgufError> {
    let metadata = header.metadata();
    let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(About {
        name: metadata
            .string("general.name")?
            .filter(|name| !name.trim().is_empty())
            .map(str::to_owned)
            .or_else(stem)
            .unwrap_or_default(),
        architecture: metadata
            .string("general.architecture")?
            .unwrap_or_default()
            .to_owned(),
        layers: header.config()?.n_layers,
        license: metadata.string("general.license")?.map(str::to_owned),
        ..About::default()
    })
}

/// `general.description`, cut where it is long.
fn description(header: &Header) -> Result<Option<String>, GgufError> {
    let text = header.metadata().string("general.description")?.map(str::trim);
    Ok(text
        .filter(|text| !text.is_empty())
        .map(|text| text.chars().take(MAX_DESCRIPTION_CHARS).collect()))
}

/// The name under which the manifest of this very version of the file is kept.
fn kept_name(path: &Path, metadata: &Metadata) -> PathBuf {
    let changed_ns = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let mut hash = Sha256::new();
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(metadata.len().to_le_bytes());
    hash.update(changed_ns.to_le_bytes());
    Path::new(MANIFESTS).join(format!("{}.cbor", &hex::encode(hash.finalize())[..32]))
}
