//! What stands in a header, read with every limit but without judging whether we can run it.
//! Does not check types, sizes, places or the model: `header` does.

use std::io::Read;

use crate::error::{GgufError, excerpt};
use crate::limits::{
    MAX_ALIGNMENT, MAX_ARRAY_ELEMENTS, MAX_ARRAY_STRINGS, MAX_DIM, MAX_DIMS, MAX_FILE_BYTES, MAX_KEY_BYTES,
    MAX_KEYS, MAX_STRING_BYTES, MAX_TENSOR_NAME_BYTES, MAX_TENSORS, VERSIONS,
};
use crate::metadata::Metadata;
use crate::source::Source;
use crate::strings::Strings;
use crate::tensor_type::TypeCode;
use crate::value::{ARRAY, Array, Value};

/// The header of any GGUF file, also of one that we cannot run.
#[derive(Clone, Debug)]
pub struct Listing {
    /// 2 or 3.
    pub version: u32,
    /// Keys and values.
    pub metadata: Metadata,
    /// Tensors in the file's order.
    pub tensors: Vec<ListedTensor>,
    /// What tensors are aligned to.
    pub alignment: u32,
    /// Bytes from the start of the file to the end of the last tensor's entry.
    pub header_bytes: u64,
}

/// A tensor as the file describes it: nothing about it is checked but its name and each dimension alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTensor {
    /// Its name.
    pub name: String,
    /// Its type, which prints its name.
    pub ty: TypeCode,
    /// Dimensions, row length first.
    pub dims: Vec<u64>,
    /// Where the file says that it begins, from the start of the data.
    pub offset_bytes: u64,
}

/// A key: length, one character. A value: type, one byte.
const MIN_KEY_BYTES: u64 = 8 + 1 + 4 + 1;
/// A name: length, one character. One dimension with its count, type, offset.
const MIN_TENSOR_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

impl Listing {
    /// Reads the header at the front of `reader`, and not a byte more.
    ///
    /// # Errors
    /// [`GgufError`]; [`GgufError::NeedMore`] where the reader ends before the header does.
    pub fn read<R: Read>(reader: R, file_bytes: u64) -> Result<Listing, GgufError> {
        // Also what keeps sums of places, each within the file, far from 64 bits.
        if file_bytes > MAX_FILE_BYTES {
            let (what, limit) = ("bytes of the file", MAX_FILE_BYTES);
            return Err(GgufError::Limit {
                what,
                found: file_bytes,
                limit,
            });
        }
        let mut source = Source::new(reader, file_bytes);
        let version = version(&mut source)?;
        let tensor_count = count(&mut source, "tensors", MAX_TENSORS)?;
        let key_count = count(&mut source, "keys", MAX_KEYS)?;
        source.expect(key_count, MIN_KEY_BYTES)?;
        source.expect(tensor_count, MIN_TENSOR_BYTES)?;
        let mut buffer = Vec::new();
        let mut entries = Vec::new();
        for _ in 0..key_count {
            entries.push(entry(&mut source, &mut buffer)?);
        }
        let metadata = Metadata::new(entries)?;
        let alignment = alignment(&metadata)?;
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(tensor(&mut source, &mut buffer)?);
        }
        Ok(Listing {
            version,
            metadata,
            tensors,
            alignment,
            header_bytes: source.position(),
        })
    }
}

fn version<R: Read>(source: &mut Source<R>) -> Result<u32, GgufError> {
    let magic = source.array::<4>()?;
    match &magic {
        b"GGUF" => {}
        b"FUGG" => return Err(GgufError::BigEndian),
        _ => return Err(GgufError::NotGguf(magic)),
    }
    let version = source.u32()?;
    if VERSIONS.contains(&version) {
        Ok(version)
    } else if VERSIONS.contains(&version.swap_bytes()) {
        Err(GgufError::BigEndian)
    } else {
        Err(GgufError::Version(version))
    }
}

fn count<R: Read>(source: &mut Source<R>, what: &'static str, limit: u64) -> Result<u64, GgufError> {
    let found = source.u64()?;
    if found > limit {
        Err(GgufError::Limit { what, found, limit })
    } else {
        Ok(found)
    }
}

fn entry<R: Read>(source: &mut Source<R>, buffer: &mut Vec<u8>) -> Result<(String, Value), GgufError> {
    let len = count(source, "bytes of a key", MAX_KEY_BYTES)?;
    source.bytes(len, buffer)?;
    let key = match std::str::from_utf8(buffer) {
        Ok(key) if is_key(buffer) => key.to_owned(),
        _ => return Err(GgufError::Key(excerpt(buffer))),
    };
    let code = source.u32()?;
    let value = value(source, buffer, &key, code)?;
    Ok((key, value))
}

/// Letters of both cases, digits, and `. _ -`: what converters and quantisers in use write.
pub(crate) fn is_key(key: &[u8]) -> bool {
    !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

fn value<R: Read>(
    source: &mut Source<R>,
    buffer: &mut Vec<u8>,
    key: &str,
    code: u32,
) -> Result<Value, GgufError> {
    Ok(match code {
        0 => Value::U8(u8::from_le_bytes(source.array()?)),
        1 => Value::I8(i8::from_le_bytes(source.array()?)),
        2 => Value::U16(u16::from_le_bytes(source.array()?)),
        3 => Value::I16(i16::from_le_bytes(source.array()?)),
        4 => Value::U32(source.u32()?),
        5 => Value::I32(i32::from_le_bytes(source.array()?)),
        6 => Value::F32(f32::from_le_bytes(source.array()?)),
        7 => Value::Bool(flag(key, source.array()?)?),
        8 => Value::String(string(source, buffer, key)?.to_owned()),
        ARRAY => Value::Array(array(source, buffer, key)?),
        10 => Value::U64(source.u64()?),
        11 => Value::I64(i64::from_le_bytes(source.array()?)),
        12 => Value::F64(f64::from_le_bytes(source.array()?)),
        _ => {
            return Err(GgufError::ValueType {
                key: excerpt(key.as_bytes()),
                code,
            });
        }
    })
}

fn array<R: Read>(source: &mut Source<R>, buffer: &mut Vec<u8>, key: &str) -> Result<Array, GgufError> {
    let code = source.u32()?;
    let n = count(source, "elements of an array", MAX_ARRAY_ELEMENTS)?;
    Ok(match code {
        0 => Array::U8(source.numbers(n, |b| Ok(u8::from_le_bytes(b)))?),
        1 => Array::I8(source.numbers(n, |b| Ok(i8::from_le_bytes(b)))?),
        2 => Array::U16(source.numbers(n, |b| Ok(u16::from_le_bytes(b)))?),
        3 => Array::I16(source.numbers(n, |b| Ok(i16::from_le_bytes(b)))?),
        4 => Array::U32(source.numbers(n, |b| Ok(u32::from_le_bytes(b)))?),
        5 => Array::I32(source.numbers(n, |b| Ok(i32::from_le_bytes(b)))?),
        6 => Array::F32(source.numbers(n, |b| Ok(f32::from_le_bytes(b)))?),
        7 => Array::Bool(source.numbers(n, |b| flag(key, b))?),
        8 => Array::String(strings(source, buffer, key, n)?),
        // Refused before the inner array is looked at: depth cannot cost anything.
        ARRAY => return Err(GgufError::NestedArray(excerpt(key.as_bytes()))),
        10 => Array::U64(source.numbers(n, |b| Ok(u64::from_le_bytes(b)))?),
        11 => Array::I64(source.numbers(n, |b| Ok(i64::from_le_bytes(b)))?),
        12 => Array::F64(source.numbers(n, |b| Ok(f64::from_le_bytes(b)))?),
        _ => {
            return Err(GgufError::ValueType {
                key: excerpt(key.as_bytes()),
                code,
            });
        }
    })
}

fn strings<R: Read>(
    source: &mut Source<R>,
    buffer: &mut Vec<u8>,
    key: &str,
    n: u64,
) -> Result<Strings, GgufError> {
    if n > MAX_ARRAY_STRINGS {
        return Err(GgufError::Limit {
            what: "strings of an array",
            found: n,
            limit: MAX_ARRAY_STRINGS,
        });
    }
    source.expect(n, 8)?;
    let mut strings = Strings::default();
    for _ in 0..n {
        if !strings.push(string(source, buffer, key)?) {
            let limit = u64::from(u32::MAX);
            return Err(GgufError::Limit {
                what: "bytes of strings",
                found: limit + 1,
                limit,
            });
        }
    }
    Ok(strings)
}

fn string<'a, R: Read>(
    source: &mut Source<R>,
    buffer: &'a mut Vec<u8>,
    key: &str,
) -> Result<&'a str, GgufError> {
    let len = count(source, "bytes of a string", MAX_STRING_BYTES)?;
    source.bytes(len, buffer)?;
    std::str::from_utf8(buffer).map_err(|_| GgufError::Utf8(excerpt(key.as_bytes())))
}

fn flag(key: &str, [byte]: [u8; 1]) -> Result<bool, GgufError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(GgufError::Bool {
            key: excerpt(key.as_bytes()),
            byte,
        }),
    }
}

fn alignment(metadata: &Metadata) -> Result<u32, GgufError> {
    const DEFAULT: u32 = 32;
    let alignment = metadata.u32("general.alignment")?.unwrap_or(DEFAULT);
    if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
        Ok(alignment)
    } else {
        Err(GgufError::Alignment(alignment.into()))
    }
}

fn tensor<R: Read>(source: &mut Source<R>, buffer: &mut Vec<u8>) -> Result<ListedTensor, GgufError> {
    let len = count(source, "bytes of a tensor name", MAX_TENSOR_NAME_BYTES)?;
    source.bytes(len, buffer)?;
    let name = match std::str::from_utf8(buffer) {
        Ok(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => name.to_owned(),
        _ => return Err(GgufError::TensorName(excerpt(buffer))),
    };
    let dim_count = source.u32()?;
    if !(1..=MAX_DIMS).contains(&dim_count) {
        return Err(GgufError::DimCount {
            name,
            found: dim_count,
        });
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        let found = source.u64()?;
        if !(1..=MAX_DIM).contains(&found) {
            return Err(GgufError::Dim { name, found });
        }
        dims.push(found);
    }
    let ty = TypeCode(source.u32()?);
    let offset_bytes = source.u64()?;
    Ok(ListedTensor {
        name,
        ty,
        dims,
        offset_bytes,
    })
}
