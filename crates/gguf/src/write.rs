//! Writes GGUF files: metadata and tensors of raw bytes, the same input the same file.
//! Does not quantise, nor check that a model is whole: [`crate::Header::read`] does.

use std::io::{self, Write};

use crate::error::GgufError;
use crate::layout::tensor_bytes;
use crate::limits::{MAX_DIM, MAX_DIMS, MAX_TENSOR_NAME_BYTES};
use crate::listing::is_key;
use crate::tensor_type::TensorType;
use crate::value::{ARRAY, Array, Value};

/// Bytes that tensors are aligned to in files without `general.alignment`, which is all that we write.
const ALIGNMENT: usize = 32;

/// A file in the making: keys and tensors are written in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    entries: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
}

#[derive(Clone, Debug)]
struct Tensor {
    name: String,
    ty: TensorType,
    dims: Vec<u64>,
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty file.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`GgufError::Key`], [`GgufError::DuplicateKey`]; [`GgufError::Value`] for `general.alignment`, which the
    /// writer decides.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<&mut Writer, GgufError> {
        if !is_key(key.as_bytes()) {
            return Err(GgufError::Key(key.to_owned()));
        }
        if key == "general.alignment" {
            return Err(GgufError::Value {
                key: key.to_owned(),
                found: "set".into(),
                needed: "left to the writer",
            });
        }
        if self.entries.iter().any(|(other, _)| other == key) {
            return Err(GgufError::DuplicateKey(key.to_owned()));
        }
        self.entries.push((key.to_owned(), value.into()));
        Ok(self)
    }

    /// Adds a tensor; `dims` has the row length first, `bytes` its blocks.
    ///
    /// # Errors
    /// What [`crate::Header::read`] would say of the name, the dimensions and the length.
    pub fn tensor(
        &mut self,
        name: &str,
        ty: TensorType,
        dims: &[u64],
        bytes: Vec<u8>,
    ) -> Result<&mut Writer, GgufError> {
        let owned = || name.to_owned();
        let sound = (1..=MAX_TENSOR_NAME_BYTES).contains(&(name.len() as u64));
        if !sound || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GgufError::TensorName(owned()));
        }
        if self.tensors.iter().any(|other| other.name == name) {
            return Err(GgufError::DuplicateTensor(owned()));
        }
        let count = u32::try_from(dims.len()).unwrap_or(u32::MAX);
        if !(1..=MAX_DIMS).contains(&count) {
            return Err(GgufError::DimCount {
                name: owned(),
                found: count,
            });
        }
        if let Some(found) = dims.iter().copied().find(|dim| !(1..=MAX_DIM).contains(dim)) {
            return Err(GgufError::Dim { name: owned(), found });
        }
        let needed = tensor_bytes(name, ty, dims)?;
        if bytes.len() as u64 != needed {
            return Err(GgufError::WeightBytes {
                found: bytes.len() as u64,
                block: ty.block_bytes(),
            });
        }
        self.tensors.push(Tensor {
            name: owned(),
            ty,
            dims: dims.to_vec(),
            bytes,
        });
        Ok(self)
    }

    /// Writes the file, version 3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let mut header = Vec::new();
        header.extend_from_slice(b"GGUF");
        header.extend_from_slice(&3_u32.to_le_bytes());
        put_len(&mut header, self.tensors.len());
        put_len(&mut header, self.entries.len());
        for (key, value) in &self.entries {
            put_string(&mut header, key);
            put_value(&mut header, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            put_string(&mut header, &tensor.name);
            header.extend_from_slice(&(tensor.dims.len() as u32).to_le_bytes());
            tensor
                .dims
                .iter()
                .for_each(|dim| header.extend_from_slice(&dim.to_le_bytes()));
            header.extend_from_slice(&tensor.ty.code().0.to_le_bytes());
            put_len(&mut header, offset);
            offset = (offset + tensor.bytes.len()).next_multiple_of(ALIGNMENT);
        }
        if !self.tensors.is_empty() {
            header.resize(header.len().next_multiple_of(ALIGNMENT), 0);
        }
        out.write_all(&header)?;
        for tensor in &self.tensors {
            out.write_all(&tensor.bytes)?;
            let padding = tensor.bytes.len().next_multiple_of(ALIGNMENT) - tensor.bytes.len();
            out.write_all(&[0; ALIGNMENT][..padding])?;
        }
        Ok(())
    }

    /// The file in memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.write(&mut bytes) {
            Ok(()) => bytes,
            // Memory takes everything.
            Err(_) => Vec::new(),
        }
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u64).to_le_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut put = |code: u32, bytes: &[u8]| {
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::U8(n) => put(0, &n.to_le_bytes()),
        Value::I8(n) => put(1, &n.to_le_bytes()),
        Value::U16(n) => put(2, &n.to_le_bytes()),
        Value::I16(n) => put(3, &n.to_le_bytes()),
        Value::U32(n) => put(4, &n.to_le_bytes()),
        Value::I32(n) => put(5, &n.to_le_bytes()),
        Value::F32(n) => put(6, &n.to_le_bytes()),
        Value::Bool(flag) => put(7, &[u8::from(*flag)]),
        Value::String(text) => {
            put(8, &[]);
            put_string(out, text);
        }
        Value::Array(array) => {
            put(ARRAY, &[]);
            put_array(out, array);
        }
        Value::U64(n) => put(10, &n.to_le_bytes()),
        Value::I64(n) => put(11, &n.to_le_bytes()),
        Value::F64(n) => put(12, &n.to_le_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    let mut begin = |code: u32| {
        out.extend_from_slice(&code.to_le_bytes());
        put_len(out, array.len());
    };
    match array {
        Array::U8(v) => {
            begin(0);
            out.extend_from_slice(v);
        }
        Array::I8(v) => {
            begin(1);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::U16(v) => {
            begin(2);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::I16(v) => {
            begin(3);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::U32(v) => {
            begin(4);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::I32(v) => {
            begin(5);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::F32(v) => {
            begin(6);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::Bool(v) => {
            begin(7);
            v.iter().for_each(|flag| out.push(u8::from(*flag)));
        }
        Array::String(v) => {
            begin(8);
            v.iter().for_each(|text| put_string(out, text));
        }
        Array::U64(v) => {
            begin(10);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::I64(v) => {
            begin(11);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        Array::F64(v) => {
            begin(12);
            v.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
    }
}
