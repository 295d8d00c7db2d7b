//! The name of a model: the hash of what its manifest states about the file.
//! Does not hash anything itself.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a manifest's core: the same at every relay. Printed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub [u8; 32]);

/// A text that is no model id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model id is 64 lower-case hex digits")]
pub struct ModelIdError;

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({self})")
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<ModelId, ModelIdError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ModelIdError);
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Ok(ModelId(id))
    }
}

fn digit(character: u8) -> Result<u8, ModelIdError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(ModelIdError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_only_as_it_is_printed() {
        let id = ModelId(std::array::from_fn(|i| i as u8 * 7));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        let bad = [
            text[1..].to_owned(),
            format!("{text}0"),
            text.to_uppercase(),
            text.replace('0', "g"),
            String::new(),
        ];
        for text in bad {
            assert_eq!(text.parse::<ModelId>(), Err(ModelIdError), "{text}");
        }
    }
}
