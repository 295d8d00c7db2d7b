//! One tensor of a model file: its name, type, shape and place.
//! Does not hold its weights.

use crate::tensor_type::TensorType;

/// A tensor that [`crate::Header::read`] has checked: its bytes lie inside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// 1 to 64 printable ASCII characters, unique in the file.
    pub name: String,
    /// How its weights are packed.
    pub ty: TensorType,
    /// 1 to 4 dimensions in GGUF's order: the row length first.
    pub dims: Vec<u64>,
    /// Where it begins, from the start of the file.
    pub offset_bytes: u64,
    /// Its length, without padding.
    pub bytes: u64,
}

impl TensorInfo {
    /// One past its last byte, from the start of the file.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.bytes
    }
}
