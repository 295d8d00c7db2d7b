//! The keys and values of a model file.
//! Does not know what a key means: `config` and `vocabulary` do.

use crate::error::{GgufError, excerpt};
use crate::strings::Strings;
use crate::value::{Array, Value};

/// Keys and values in the file's order, found by key. A wrong type is an error, never a missing value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    /// Places in `entries`, in the order of their keys.
    by_key: Vec<u16>,
}

impl Metadata {
    /// Takes the entries of a file. Keys must be unique, and no more than 65,536.
    pub(crate) fn new(entries: Vec<(String, Value)>) -> Result<Metadata, GgufError> {
        let mut by_key: Vec<u16> = (0..=u16::MAX).take(entries.len()).collect();
        let key = |place: &u16| entries[usize::from(*place)].0.as_str();
        by_key.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        if let Some(pair) = by_key.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
            return Err(GgufError::DuplicateKey(excerpt(key(&pair[0]).as_bytes())));
        }
        Ok(Metadata { entries, by_key })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All in the file's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key, whatever its type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let place = self
            .by_key
            .binary_search_by(|place| self.entries[usize::from(*place)].0.as_str().cmp(key));
        place.ok().map(|at| &self.entries[usize::from(self.by_key[at])].1)
    }

    /// A `u32`, the type of every count and token id.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] where the key is there with another type; the same below.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, GgufError> {
        self.typed(key, "u32", |value| {
            if let Value::U32(number) = value {
                Some(*number)
            } else {
                None
            }
        })
    }

    /// An `f32`.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.typed(key, "f32", |value| {
            if let Value::F32(number) = value {
                Some(*number)
            } else {
                None
            }
        })
    }

    /// A `bool`.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "bool", |value| {
            if let Value::Bool(flag) = value {
                Some(*flag)
            } else {
                None
            }
        })
    }

    /// A string.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn string(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "string", |value| {
            if let Value::String(text) = value {
                Some(text.as_str())
            } else {
                None
            }
        })
    }

    /// An array of strings.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn strings(&self, key: &str) -> Result<Option<&Strings>, GgufError> {
        self.typed(key, "array of string", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings),
            _ => None,
        })
    }

    /// An array of `f32`.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn f32s(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        self.typed(key, "array of f32", |value| match value {
            Value::Array(Array::F32(numbers)) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// An array of `i32`.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn i32s(&self, key: &str) -> Result<Option<&[i32]>, GgufError> {
        self.typed(key, "array of i32", |value| match value {
            Value::Array(Array::I32(numbers)) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// An array of `u32`.
    ///
    /// # Errors
    /// As [`Metadata::u32`].
    pub fn u32s(&self, key: &str) -> Result<Option<&[u32]>, GgufError> {
        self.typed(key, "array of u32", |value| match value {
            Value::Array(Array::U32(numbers)) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        needed: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || GgufError::WrongType {
            key: key.to_owned(),
            found: value.type_name(),
            needed,
        };
        read(value).map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_found_by_its_type_and_refused_by_another() {
        let entries = [
            ("b", Value::U32(7)),
            ("a", Value::from(vec![1.5f32])),
            ("c", Value::from("x")),
        ];
        let metadata = Metadata::new(entries.map(|(key, value)| (key.to_owned(), value)).into()).unwrap();
        assert_eq!(metadata.u32("b"), Ok(Some(7)));
        assert_eq!(metadata.f32s("a"), Ok(Some([1.5].as_slice())));
        assert_eq!(metadata.string("d"), Ok(None));
        assert_eq!(
            metadata.u32("c"),
            Err(GgufError::WrongType {
                key: "c".into(),
                found: "string",
                needed: "u32"
            })
        );
        assert_eq!(
            metadata.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["b", "a", "c"]
        );
    }
}
