//! A model's manifest: what its file is, by hash, so that whoever has a chunk can check that chunk.
//! Does not fetch, sign or decide whom to believe.

use std::io::Read;
use std::ops::Range;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::chunks::{self, CHUNK_BYTES};
use crate::header::Header;
use crate::limits::{
    MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_LAYERS, MAX_MANIFEST_BYTES, MAX_SOURCE_BYTES, MAX_SOURCES,
    MAX_TEXT_BYTES,
};
use crate::manifest_builder::ManifestBuilder;
use crate::manifest_error::ManifestError;
use crate::model_id::ModelId;

/// The one version there is.
const VERSION: u32 = 1;

/// The description of a model file. Its core (lengths and hashes) is what the id names; the rest
/// ([`About`]) is for people and lists and may differ between publishers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    id: ModelId,
    core: Core,
    about: About,
}

/// What a publisher says about a model: for people and lists, not part of the id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct About {
    /// The name shown; where empty, `general.name` or the file's name serves.
    #[n(0)]
    pub name: String,
    /// `general.architecture`; [`Manifest::build`] takes it from the header.
    #[n(1)]
    pub architecture: String,
    /// Layers, as its publisher says; [`Manifest::build`] takes them from the header.
    #[n(2)]
    pub layers: u32,
    /// An SPDX expression; where absent, `general.license` serves.
    #[n(3)]
    pub license: Option<String>,
    /// The file's name, without folders.
    #[n(4)]
    pub file_name: String,
    /// Other places where the same file can be had.
    #[n(5)]
    pub sources: Vec<String>,
}

/// CBOR array in the order of the indexes; what [`ModelId`] hashes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Core {
    #[n(0)]
    version: u32,
    #[n(1)]
    file_bytes: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    file_sha256: [u8; 32],
    #[n(3)]
    header_bytes: u64,
    #[cbor(n(4), with = "minicbor::bytes")]
    header_sha256: [u8; 32],
    #[n(5)]
    chunk_bytes: u64,
    /// The SHA-256 of every chunk, one behind the other.
    #[cbor(n(6), with = "minicbor::bytes")]
    chunk_sha256: Vec<u8>,
}

/// The core stays in its bytes, so that the id is the hash of exactly what was sent.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Envelope {
    #[cbor(n(0), with = "minicbor::bytes")]
    core: Vec<u8>,
    #[n(1)]
    about: About,
}

impl Manifest {
    /// Makes the manifest of the model file that `reader` holds from its first byte to its last.
    ///
    /// # Errors
    /// [`ManifestError::File`] where [`Header::read`] refuses the file, [`ManifestError::Field`] where a text of
    /// `about` is too long, [`ManifestError::Io`] where the file is not `file_bytes` long.
    pub fn build<R: Read>(reader: R, file_bytes: u64, about: About) -> Result<Manifest, ManifestError> {
        let mut builder = ManifestBuilder::new(file_bytes, about)?;
        let mut reader = reader;
        let mut chunk = Vec::new();
        let mut taken = 0;
        loop {
            chunk.clear();
            let failed = |e: std::io::Error| ManifestError::Io(e.to_string());
            // One byte more than is left shows a file that goes on.
            let most = CHUNK_BYTES.min(file_bytes - taken).max(1);
            reader
                .by_ref()
                .take(most)
                .read_to_end(&mut chunk)
                .map_err(failed)?;
            let found = taken + chunk.len() as u64;
            let rest = (chunk.len() as u64) < most;
            if (rest || taken == file_bytes) && found != file_bytes {
                return Err(ManifestError::Io(format!(
                    "{found} bytes came, {file_bytes} were announced"
                )));
            }
            if chunk.is_empty() {
                return builder.finish();
            }
            builder.push(&chunk)?;
            taken = found;
        }
    }

    /// The manifest of a file whose hashes are known.
    pub(crate) fn describing(
        header: &Header,
        header_sha256: [u8; 32],
        file_sha256: [u8; 32],
        chunk_sha256: Vec<u8>,
        file_bytes: u64,
        about: About,
    ) -> Result<Manifest, ManifestError> {
        let core = Core {
            version: VERSION,
            file_bytes,
            file_sha256,
            header_bytes: header.header_bytes(),
            header_sha256,
            chunk_bytes: CHUNK_BYTES,
            chunk_sha256,
        };
        Manifest::new(core, describe(header, about)?)
    }

    fn new(core: Core, about: About) -> Result<Manifest, ManifestError> {
        core.check()?;
        about.check()?;
        let id = ModelId(Sha256::digest(encode(&core)).into());
        Ok(Manifest { id, core, about })
    }

    /// Reads a manifest: at most [`MAX_MANIFEST_BYTES`], in its one encoding, with every field in its range.
    ///
    /// # Errors
    /// [`ManifestError::Encoding`] and [`ManifestError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::Encoding(format!(
                "{} bytes are too many",
                bytes.len()
            )));
        }
        let refuse = |error: minicbor::decode::Error| ManifestError::Encoding(error.to_string());
        let envelope: Envelope = minicbor::decode(bytes).map_err(refuse)?;
        let core: Core = minicbor::decode(&envelope.core).map_err(refuse)?;
        let manifest = Manifest::new(core, envelope.about)?;
        // One manifest, one encoding: otherwise one model could have many ids.
        if manifest.encode() != bytes {
            return Err(ManifestError::Encoding("it is not in the shortest form".into()));
        }
        Ok(manifest)
    }

    /// The same, of the model that was asked for.
    ///
    /// # Errors
    /// Also [`ManifestError::OtherModel`].
    pub fn decode_for(bytes: &[u8], asked: &ModelId) -> Result<Manifest, ManifestError> {
        let manifest = Manifest::decode(bytes)?;
        let found = manifest.id;
        if found == *asked {
            Ok(manifest)
        } else {
            Err(ManifestError::OtherModel { asked: *asked, found })
        }
    }

    /// Its bytes, always the same.
    pub fn encode(&self) -> Vec<u8> {
        encode(&Envelope {
            core: encode(&self.core),
            about: self.about.clone(),
        })
    }

    /// The model's name everywhere.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// The file's length.
    pub fn file_bytes(&self) -> u64 {
        self.core.file_bytes
    }

    /// The file's SHA-256.
    pub fn sha256(&self) -> [u8; 32] {
        self.core.file_sha256
    }

    /// The header's length: what must be fetched before [`Header::read`] succeeds.
    pub fn header_bytes(&self) -> u64 {
        self.core.header_bytes
    }

    /// The length of every chunk but the last.
    pub fn chunk_bytes(&self) -> u64 {
        self.core.chunk_bytes
    }

    /// How many chunks there are.
    pub fn chunk_count(&self) -> u32 {
        u32::try_from(self.core.chunk_sha256.len() / 32).unwrap_or(u32::MAX)
    }

    /// The bytes of a chunk in the file.
    pub fn chunk_range(&self, index: u32) -> Option<Range<u64>> {
        chunks::range(index, self.core.file_bytes, self.core.chunk_bytes)
    }

    /// The SHA-256 of a chunk: the name under which its bytes are kept and asked for.
    pub fn chunk_sha256(&self, index: u32) -> Option<[u8; 32]> {
        let hashes = self.core.chunk_sha256.as_chunks::<32>().0;
        hashes.get(index as usize).copied()
    }

    /// The first chunk with that SHA-256.
    pub fn chunk_of_sha256(&self, sha256: &[u8; 32]) -> Option<u32> {
        let hashes = self.core.chunk_sha256.as_chunks::<32>().0;
        u32::try_from(hashes.iter().position(|hash| hash == sha256)?).ok()
    }

    /// Checks the bytes of a chunk.
    ///
    /// # Errors
    /// [`ManifestError::NoChunk`], [`ManifestError::ChunkBytes`], [`ManifestError::ChunkHash`].
    pub fn check_chunk(&self, index: u32, bytes: &[u8]) -> Result<(), ManifestError> {
        let range = self.chunk_range(index).ok_or(ManifestError::NoChunk {
            index,
            count: self.chunk_count(),
        })?;
        let (found, needed) = (bytes.len() as u64, range.end - range.start);
        if found != needed {
            return Err(ManifestError::ChunkBytes { index, found, needed });
        }
        if self
            .chunk_sha256(index)
            .is_some_and(|hash| Sha256::digest(bytes)[..] == hash)
        {
            Ok(())
        } else {
            Err(ManifestError::ChunkHash { index })
        }
    }

    /// Checks the first [`Manifest::header_bytes`] bytes of the file.
    ///
    /// # Errors
    /// [`ManifestError::HeaderHash`].
    pub fn check_header(&self, bytes: &[u8]) -> Result<(), ManifestError> {
        let sound = bytes.len() as u64 == self.core.header_bytes
            && Sha256::digest(bytes)[..] == self.core.header_sha256;
        if sound {
            Ok(())
        } else {
            Err(ManifestError::HeaderHash)
        }
    }

    /// What its publisher says about it; of the layers, the header has the last word.
    pub fn about(&self) -> &About {
        &self.about
    }
}

impl Core {
    fn check(&self) -> Result<(), ManifestError> {
        let refuse = |what| Err(ManifestError::Field(what));
        if self.version != VERSION {
            return refuse("only version 1 is read");
        }
        if self.chunk_bytes != CHUNK_BYTES {
            return refuse("chunks have 1 MiB");
        }
        if self.file_bytes > MAX_FILE_BYTES {
            return refuse("the file is too long");
        }
        if self.header_bytes == 0 || self.header_bytes > MAX_HEADER_BYTES.min(self.file_bytes) {
            return refuse("the header does not fit the file");
        }
        if self.chunk_sha256.len() as u64 != 32 * chunks::count(self.file_bytes, self.chunk_bytes) {
            return refuse("one hash per chunk is needed");
        }
        Ok(())
    }
}

impl About {
    fn check(&self) -> Result<(), ManifestError> {
        let plain = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
        let license = self.license.as_deref().unwrap_or_default();
        let texts = [&self.file_name, &self.name, &self.architecture, license];
        if !texts.into_iter().all(|text| plain(text, MAX_TEXT_BYTES)) {
            return Err(ManifestError::Field(
                "a text is too long or has control characters",
            ));
        }
        if self.file_name.contains(['/', '\\']) {
            return Err(ManifestError::Field("the file name is a path"));
        }
        let urls = self.sources.iter().all(|url| plain(url, MAX_SOURCE_BYTES));
        if self.sources.len() > MAX_SOURCES || !urls {
            return Err(ManifestError::Field("too many sources, or one that is too long"));
        }
        if self.layers == 0 || self.layers > MAX_LAYERS {
            return Err(ManifestError::Field("the number of layers is not possible"));
        }
        Ok(())
    }
}

/// Fills what the publisher left open from the header.
fn describe(header: &Header, about: About) -> Result<About, ManifestError> {
    let config = header.config()?;
    let from_file = |key: &str| {
        let text = header.metadata().string(key).ok().flatten().unwrap_or_default();
        let sound = !text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control);
        sound.then(|| text.to_owned())
    };
    let stem = about
        .file_name
        .strip_suffix(".gguf")
        .unwrap_or(&about.file_name)
        .to_owned();
    let given = Some(about.name).filter(|name| !name.is_empty());
    Ok(About {
        name: given.or_else(|| from_file("general.name")).unwrap_or(stem),
        architecture: config.architecture.name().to_owned(),
        layers: config.n_layers,
        license: about.license.or_else(|| from_file("general.license")),
        file_name: about.file_name,
        sources: about.sources,
    })
}

fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Writing to memory does not fail, and no field's encoding does.
    minicbor::to_vec(value).unwrap_or_default()
}
