//! The key–value part of a header, typed and bounded.
//! It gives values; what they mean is the config's and the tokenizer's business.

use std::collections::BTreeMap;

use crate::GgufError;

/// A value. Arrays are stored by type, so that memory stays near the file's own size.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U64(u64),
    I64(i64),
    F64(f64),
    Bool(bool),
    String(String),
    U8s(Vec<u8>),
    I32s(Vec<i32>),
    U32s(Vec<u32>),
    I64s(Vec<i64>),
    F32s(Vec<f32>),
    F64s(Vec<f64>),
    Bools(Vec<bool>),
    Strings(Vec<String>),
}

/// All values by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    pub(crate) fn insert(&mut self, key: String, value: Value) -> Result<(), GgufError> {
        match self.values.insert(key.clone(), value) {
            None => Ok(()),
            Some(_) => Err(GgufError::DuplicateKey(key)),
        }
    }

    /// Any value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Text.
    pub fn string(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that fits 32 bits, however the file stored it.
    pub fn u32(&self, key: &str) -> Option<u32> {
        match self.get(key)? {
            Value::U64(n) => u32::try_from(*n).ok(),
            Value::I64(n) => u32::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn f32(&self, key: &str) -> Option<f32> {
        match self.get(key)? {
            Value::F64(x) => Some(*x as f32),
            _ => None,
        }
    }

    /// Yes or no.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// An array of texts.
    pub fn strings(&self, key: &str) -> Option<&[String]> {
        match self.get(key)? {
            Value::Strings(texts) => Some(texts),
            _ => None,
        }
    }

    /// An array of numbers.
    pub fn f32s(&self, key: &str) -> Option<&[f32]> {
        match self.get(key)? {
            Value::F32s(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// An array of whole numbers.
    pub fn i32s(&self, key: &str) -> Option<&[i32]> {
        match self.get(key)? {
            Value::I32s(numbers) => Some(numbers),
            _ => None,
        }
    }
}
