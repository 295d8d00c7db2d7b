//! How weights are packed: the types we compute with, and the names of those that we do not.
//! Does not unpack anything.

use std::fmt;

/// A tensor type that every back end computes with. Sizes are those of ggml's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(non_camel_case_types)] // the names under which the field knows them
pub enum TensorType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    BF16,
    /// 32 weights of 4 bits: scale.
    Q4_0,
    /// 32 weights of 4 bits: scale, minimum.
    Q4_1,
    /// 32 weights of 5 bits: scale.
    Q5_0,
    /// 32 weights of 5 bits: scale, minimum.
    Q5_1,
    /// 32 weights of 8 bits: scale.
    Q8_0,
    /// 256 weights of 2 bits with scales and minima for each 16.
    Q2_K,
    /// 256 weights of 3 bits with scales for each 16.
    Q3_K,
    /// 256 weights of 4 bits with scales and minima for each 32.
    Q4_K,
    /// 256 weights of 5 bits with scales and minima for each 32.
    Q5_K,
    /// 256 weights of 6 bits with scales for each 16.
    Q6_K,
}

/// A tensor type as it stands in a file, supported or not. Prints its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeCode(pub u32);

impl TensorType {
    /// All of them.
    pub const ALL: [TensorType; 13] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::Q5_0,
        TensorType::Q5_1,
        TensorType::Q8_0,
        TensorType::Q2_K,
        TensorType::Q3_K,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
    ];

    /// The number that stands for it in a file.
    pub fn code(self) -> TypeCode {
        TypeCode(match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Q4_0 => 2,
            TensorType::Q4_1 => 3,
            TensorType::Q5_0 => 6,
            TensorType::Q5_1 => 7,
            TensorType::Q8_0 => 8,
            TensorType::Q2_K => 10,
            TensorType::Q3_K => 11,
            TensorType::Q4_K => 12,
            TensorType::Q5_K => 13,
            TensorType::Q6_K => 14,
            TensorType::BF16 => 30,
        })
    }

    /// Weights in a block.
    pub fn block_weights(self) -> u64 {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => 1,
            TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q5_0 | TensorType::Q5_1 | TensorType::Q8_0 => {
                32
            }
            TensorType::Q2_K | TensorType::Q3_K | TensorType::Q4_K | TensorType::Q5_K | TensorType::Q6_K => {
                256
            }
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 2,
            TensorType::Q4_0 => 18,
            TensorType::Q4_1 => 20,
            TensorType::Q5_0 => 22,
            TensorType::Q5_1 => 24,
            TensorType::Q8_0 => 34,
            TensorType::Q2_K => 84,
            TensorType::Q3_K => 110,
            TensorType::Q4_K => 144,
            TensorType::Q5_K => 176,
            TensorType::Q6_K => 210,
        }
    }

    /// Whether each weight stands alone: what norms and biases must be.
    pub fn is_plain(self) -> bool {
        self.block_weights() == 1
    }
}

impl TypeCode {
    /// The type, where we compute with it.
    pub fn supported(self) -> Option<TensorType> {
        TensorType::ALL.into_iter().find(|ty| ty.code() == self)
    }

    /// Whether the format has a type of this number.
    pub fn is_known(self) -> bool {
        self.name().is_some()
    }

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "F32",
            1 => "F16",
            2 => "Q4_0",
            3 => "Q4_1",
            6 => "Q5_0",
            7 => "Q5_1",
            8 => "Q8_0",
            9 => "Q8_1",
            10 => "Q2_K",
            11 => "Q3_K",
            12 => "Q4_K",
            13 => "Q5_K",
            14 => "Q6_K",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            20 => "IQ4_NL",
            21 => "IQ3_S",
            22 => "IQ2_S",
            23 => "IQ4_XS",
            24 => "I8",
            25 => "I16",
            26 => "I32",
            27 => "I64",
            28 => "F64",
            29 => "IQ1_M",
            30 => "BF16",
            34 => "TQ1_0",
            35 => "TQ2_0",
            39 => "MXFP4",
            40 => "NVFP4",
            _ => return None,
        })
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}

impl fmt::Display for TypeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "number {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_supported_type_has_a_number_of_its_own_and_a_name() {
        for ty in TensorType::ALL {
            assert_eq!(ty.code().supported(), Some(ty));
            assert_eq!(ty.to_string(), format!("{ty:?}"));
        }
    }

    #[test]
    fn unsupported_types_are_called_by_their_names() {
        assert_eq!(TypeCode(23).to_string(), "IQ4_XS");
        assert_eq!(TypeCode(39).to_string(), "MXFP4");
        assert_eq!(TypeCode(4).to_string(), "number 4");
        assert!(TypeCode(23).supported().is_none() && !TypeCode(4).is_known());
    }
}
