//! The gate: a header in which everything fits.
//! Does not read weights, and not a byte behind the header.

use std::io::Read;

use crate::config::Config;
use crate::error::GgufError;
use crate::layout;
use crate::listing::Listing;
use crate::metadata::Metadata;
use crate::shapes;
use crate::tensor::TensorInfo;
use crate::vocabulary;

/// The checked header of a model file, or of a vocabulary.
#[derive(Clone, Debug)]
pub struct Header {
    version: u32,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    /// Places in `tensors`, in the order of their names.
    by_name: Vec<u32>,
    alignment: u32,
    header_bytes: u64,
    file_bytes: u64,
    config: Option<Config>,
}

impl Header {
    /// Reads and checks the header of a model file of `file_bytes` bytes: its limits, its places, its
    /// hyper-parameters, its vocabulary and the shapes of its tensors. `reader` needs to hold the front of the
    /// file only; wrap a file in a `BufReader`.
    ///
    /// # Errors
    /// [`GgufError`] says what is wrong, [`GgufError::refusal`] what kind of wrong it is, and
    /// [`GgufError::NeedMore`] that `reader` ended before the header did.
    pub fn read<R: Read>(reader: R, file_bytes: u64) -> Result<Header, GgufError> {
        let listing = Listing::read(reader, file_bytes)?;
        let tokens = vocabulary::check(&listing.metadata)?;
        let tensors = layout::place(&listing, file_bytes)?;
        let by_name = sort_by_name(&tensors)?;
        let has = |name: &str| find(&tensors, &by_name, name).is_some();
        let config = Config::read(&listing.metadata, tokens, has)?;
        shapes::check(&config, &tensors)?;
        Ok(Header::new(listing, file_bytes, tensors, by_name, Some(config)))
    }

    /// Reads the header of any GGUF file, of whatever architecture and tensor types, for its vocabulary alone:
    /// [`Header::tensors`] is empty.
    ///
    /// # Errors
    /// As [`Header::read`], but for tensors and hyper-parameters.
    pub fn read_vocabulary<R: Read>(reader: R, file_bytes: u64) -> Result<Header, GgufError> {
        let listing = Listing::read(reader, file_bytes)?;
        vocabulary::check(&listing.metadata)?;
        if listing.tensors.is_empty() {
            layout::place(&listing, file_bytes)?;
        }
        Ok(Header::new(listing, file_bytes, Vec::new(), Vec::new(), None))
    }

    /// Reads what stands in a header, also in one that [`Header::read`] refuses.
    ///
    /// # Errors
    /// As [`Listing::read`].
    pub fn list<R: Read>(reader: R, file_bytes: u64) -> Result<Listing, GgufError> {
        Listing::read(reader, file_bytes)
    }

    fn new(
        listing: Listing,
        file_bytes: u64,
        tensors: Vec<TensorInfo>,
        by_name: Vec<u32>,
        config: Option<Config>,
    ) -> Header {
        let Listing {
            version,
            metadata,
            alignment,
            header_bytes,
            ..
        } = listing;
        Header {
            version,
            metadata,
            tensors,
            by_name,
            alignment,
            header_bytes,
            file_bytes,
            config,
        }
    }

    /// 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Keys and values.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Tensors in the order of their places.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        find(&self.tensors, &self.by_name, name)
    }

    /// What the model's layers look like.
    ///
    /// # Errors
    /// [`GgufError::VocabularyOnly`] where only a vocabulary was read.
    pub fn config(&self) -> Result<Config, GgufError> {
        self.config.clone().ok_or(GgufError::VocabularyOnly)
    }

    /// What tensors are aligned to.
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// Bytes from the start of the file to the end of the header, without padding.
    pub fn header_bytes(&self) -> u64 {
        self.header_bytes
    }

    /// Where the data begins: the header's end, padded.
    pub fn data_offset_bytes(&self) -> u64 {
        self.header_bytes.next_multiple_of(u64::from(self.alignment))
    }

    /// The file's length.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

fn sort_by_name(tensors: &[TensorInfo]) -> Result<Vec<u32>, GgufError> {
    let mut by_name: Vec<u32> = (0..).take(tensors.len()).collect();
    let name = |place: &u32| tensors[*place as usize].name.as_str();
    by_name.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    match by_name.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
        Some(pair) => Err(GgufError::DuplicateTensor(name(&pair[0]).to_owned())),
        None => Ok(by_name),
    }
}

fn find<'a>(tensors: &'a [TensorInfo], by_name: &[u32], name: &str) -> Option<&'a TensorInfo> {
    let place = by_name
        .binary_search_by(|place| tensors[*place as usize].name.as_str().cmp(name))
        .ok()?;
    tensors.get(by_name[place] as usize)
}
