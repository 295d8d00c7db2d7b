//! The strict reader of a GGUF header (versions 2 and 3, little endian).
//! It reads no weights, and trusts no number before it was checked.

use std::collections::HashSet;
use std::io::Read;

use crate::{Config, GgufError, Metadata, TensorInfo, TensorType, Value};

const MAGIC: [u8; 4] = *b"GGUF";
/// Real files have some dozens.
const MAX_KEYS: u64 = 4_096;
/// A thousand layers of 64 tensors.
const MAX_TENSORS: u64 = 65_536;
const MAX_KEY_BYTES: u64 = 65_535;
const MAX_STRING_BYTES: u64 = 16 << 20;
/// The largest vocabularies have a quarter of a million tokens, and twice as many merges.
const MAX_ARRAY_ELEMENTS: u64 = 4 << 20;
/// On disk, all values together.
const MAX_METADATA_BYTES: u64 = 64 << 20;
const MAX_NAME_BYTES: u64 = 64;
const MAX_DIMS: u32 = 4;
const MAX_DIM: u64 = (1 << 31) - 1;

/// What stands before the weights.
#[derive(Clone, Debug)]
pub struct Header {
    version: u32,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    data_offset_bytes: u64,
    file_bytes: u64,
}

impl Header {
    /// Reads a header from the start of a file of `file_bytes`, and checks all of it: every shape,
    /// every place, and that the architecture finds what it needs.
    pub fn read<R: Read>(reader: R, file_bytes: u64) -> Result<Header, GgufError> {
        let header = Header::read_tables(reader, file_bytes)?;
        header.config()?.check(&header)?;
        Ok(header)
    }

    /// The same for a file that carries a vocabulary and no weights.
    pub fn read_vocabulary<R: Read>(reader: R, file_bytes: u64) -> Result<Header, GgufError> {
        Header::read_tables(reader, file_bytes)
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Where the weights begin.
    pub fn data_offset_bytes(&self) -> u64 {
        self.data_offset_bytes
    }

    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> Result<Config, GgufError> {
        Config::read(self)
    }

    fn read_tables<R: Read>(reader: R, file_bytes: u64) -> Result<Header, GgufError> {
        let mut input = Input { reader, at: 0, file_bytes };
        if input.array::<4>()? != MAGIC {
            return Err(GgufError::Magic);
        }
        let version = input.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = within("tensors", input.u64()?, MAX_TENSORS)?;
        let key_count = within("metadata keys", input.u64()?, MAX_KEYS)?;
        let mut metadata = Metadata::default();
        for _ in 0..key_count {
            let key = input.key()?;
            let ty = input.u32()?;
            let value = input.value(ty)?;
            metadata.insert(key, value)?;
            within("bytes of metadata", input.at, MAX_METADATA_BYTES)?;
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(Value::U64(n)) if n.is_power_of_two() && *n <= 4_096 => *n,
            Some(Value::U64(n)) => return Err(GgufError::Alignment(*n)),
            Some(_) => return Err(GgufError::Alignment(0)),
        };
        let mut tensors = Vec::with_capacity(tensor_count.min(4_096) as usize);
        for _ in 0..tensor_count {
            tensors.push(input.tensor()?);
        }
        let data_offset_bytes = input.at.next_multiple_of(alignment);
        place(&mut tensors, data_offset_bytes, alignment, file_bytes)?;
        Ok(Header { version, metadata, tensors, data_offset_bytes, file_bytes })
    }
}

/// Makes offsets absolute; refuses what lies unaligned, twice, out of order or outside the file.
fn place(tensors: &mut [TensorInfo], start: u64, alignment: u64, file_bytes: u64) -> Result<(), GgufError> {
    let mut names = HashSet::with_capacity(tensors.len());
    let mut end = start;
    for tensor in tensors {
        let bad = |why: &str| GgufError::Tensor { name: tensor.name.clone(), why: why.to_owned() };
        if !names.insert(tensor.name.clone()) {
            return Err(bad("stands there twice"));
        }
        if !tensor.offset_bytes.is_multiple_of(alignment) {
            return Err(bad("does not lie on the alignment"));
        }
        let offset = start.checked_add(tensor.offset_bytes).ok_or_else(|| bad("lies outside the file"))?;
        if offset < end {
            return Err(bad("overlaps the tensor before it"));
        }
        end = offset.checked_add(tensor.bytes).ok_or_else(|| bad("lies outside the file"))?;
        if end > file_bytes {
            return Err(bad("ends outside the file"));
        }
        tensor.offset_bytes = offset;
    }
    Ok(())
}

fn within(what: &'static str, is: u64, most: u64) -> Result<u64, GgufError> {
    if is > most { Err(GgufError::TooMany { what, is, most }) } else { Ok(is) }
}

struct Input<R> {
    reader: R,
    at: u64,
    file_bytes: u64,
}

impl<R: Read> Input<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        self.reader.read_exact(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => GgufError::Truncated,
            _ => GgufError::Io(e.to_string()),
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes whose length came from the file: never more than the file still has.
    fn bytes(&mut self, what: &'static str, length: u64, most: u64) -> Result<Vec<u8>, GgufError> {
        within(what, length, most)?;
        within(what, length, self.file_bytes.saturating_sub(self.at))?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| GgufError::Truncated)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&mut self, what: &'static str, most: u64) -> Result<String, GgufError> {
        let length = self.u64()?;
        String::from_utf8(self.bytes(what, length, most)?).map_err(|_| GgufError::Text(what))
    }

    fn key(&mut self) -> Result<String, GgufError> {
        let key = self.text("bytes of a key", MAX_KEY_BYTES)?;
        let sound = !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        if sound { Ok(key) } else { Err(GgufError::Key(key.chars().take(64).collect())) }
    }

    fn value(&mut self, ty: u32) -> Result<Value, GgufError> {
        Ok(match ty {
            0 => Value::U64(self.array::<1>()?[0].into()),
            1 => Value::I64(self.array().map(i8::from_le_bytes)?.into()),
            2 => Value::U64(self.array().map(u16::from_le_bytes)?.into()),
            3 => Value::I64(self.array().map(i16::from_le_bytes)?.into()),
            4 => Value::U64(self.u32()?.into()),
            5 => Value::I64(self.array().map(i32::from_le_bytes)?.into()),
            6 => Value::F64(self.array().map(f32::from_le_bytes)?.into()),
            7 => Value::Bool(self.flag()?),
            8 => Value::String(self.text("bytes of a string", MAX_STRING_BYTES)?),
            9 => {
                let ty = self.u32()?;
                let length = within("elements of an array", self.u64()?, MAX_ARRAY_ELEMENTS)?;
                self.values(ty, length)?
            }
            10 => Value::U64(self.u64()?),
            11 => Value::I64(self.array().map(i64::from_le_bytes)?),
            12 => Value::F64(self.array().map(f64::from_le_bytes)?),
            other => return Err(GgufError::ValueType(other)),
        })
    }

    fn values(&mut self, ty: u32, length: u64) -> Result<Value, GgufError> {
        let what = "bytes of an array";
        let mut raw = |size: u64| self.bytes(what, length * size, MAX_METADATA_BYTES);
        Ok(match ty {
            0 => Value::U8s(raw(1)?),
            4 => Value::U32s(raw(4)?.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect()),
            5 => Value::I32s(raw(4)?.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
            6 => Value::F32s(raw(4)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            1 => Value::I32s(raw(1)?.iter().map(|b| i32::from(b.cast_signed())).collect()),
            2 => Value::U32s(raw(2)?.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b).into()).collect()),
            3 => Value::I32s(raw(2)?.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b).into()).collect()),
            10 | 11 => Value::I64s(raw(8)?.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            12 => Value::F64s(raw(8)?.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            7 => {
                let bytes = raw(1)?;
                if bytes.iter().any(|b| *b > 1) {
                    return Err(GgufError::Text("a truth value"));
                }
                Value::Bools(bytes.into_iter().map(|b| b == 1).collect())
            }
            8 => {
                let mut texts = Vec::with_capacity(length.min(1 << 16) as usize);
                for _ in 0..length {
                    texts.push(self.text("bytes of a string", MAX_STRING_BYTES)?);
                    within("bytes of metadata", self.at, MAX_METADATA_BYTES)?;
                }
                Value::Strings(texts)
            }
            other => return Err(GgufError::ValueType(other)),
        })
    }

    fn flag(&mut self) -> Result<bool, GgufError> {
        match self.array::<1>()?[0] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(GgufError::Text("a truth value")),
        }
    }

    fn tensor(&mut self) -> Result<TensorInfo, GgufError> {
        let name = self.text("bytes of a tensor name", MAX_NAME_BYTES)?;
        let bad = |why: String| GgufError::Tensor { name: name.chars().take(64).collect(), why };
        if name.is_empty() {
            return Err(bad("has no name".into()));
        }
        let n_dims = self.u32()?;
        if !(1..=MAX_DIMS).contains(&n_dims) {
            return Err(bad(format!("has {n_dims} dimensions")));
        }
        let mut dims = Vec::with_capacity(n_dims as usize);
        let mut weights: u64 = 1;
        for _ in 0..n_dims {
            let dim = self.u64()?;
            if !(1..=MAX_DIM).contains(&dim) {
                return Err(bad(format!("has a dimension of {dim}")));
            }
            weights = weights.checked_mul(dim).ok_or_else(|| bad("has too many weights".into()))?;
            dims.push(dim);
        }
        let number = self.u32()?;
        let ty = TensorType::from_number(number).ok_or_else(|| bad(format!("has the unsupported type {number}")))?;
        if !dims[0].is_multiple_of(ty.block_weights()) {
            return Err(bad(format!("has rows of {}, which {ty:?} cannot have", dims[0])));
        }
        let bytes = (weights / ty.block_weights())
            .checked_mul(ty.block_bytes())
            .ok_or_else(|| bad("has too many bytes".into()))?;
        let offset_bytes = self.u64()?;
        Ok(TensorInfo { name, ty, dims, offset_bytes, bytes })
    }
}
