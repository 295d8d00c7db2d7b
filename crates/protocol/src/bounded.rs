//! Lists, texts and byte strings that cannot grow past their bound.
//! They know nothing of what they hold.

use std::fmt;
use std::ops::Deref;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

use crate::ProtocolError;

/// At most `MAX` items.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T, const MAX: usize>(Vec<T>);

/// At most `MAX` bytes of UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(String);

/// At most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes the items, or says how many are too many.
    pub fn new(items: Vec<T>) -> Result<List<T, MAX>, ProtocolError> {
        within("items", items.len(), MAX)?;
        Ok(List(items))
    }

    /// Takes the first `MAX` items and drops the rest.
    pub fn first(items: impl IntoIterator<Item = T>) -> List<T, MAX> {
        List(items.into_iter().take(MAX).collect())
    }

    /// The items.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<const MAX: usize> Text<MAX> {
    /// Takes the text, or says how long is too long.
    pub fn new(text: impl Into<String>) -> Result<Text<MAX>, ProtocolError> {
        let text = text.into();
        within("text bytes", text.len(), MAX)?;
        Ok(Text(text))
    }

    /// Takes as much of the text as fits.
    pub fn cut(text: &str) -> Text<MAX> {
        let end = (0..=text.len().min(MAX))
            .rev()
            .find(|end| text.is_char_boundary(*end));
        Text(text[..end.unwrap_or(0)].to_owned())
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Blob<MAX> {
    /// Takes the bytes, or says how many are too many.
    pub fn new(bytes: Vec<u8>) -> Result<Blob<MAX>, ProtocolError> {
        within("bytes", bytes.len(), MAX)?;
        Ok(Blob(bytes))
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<C, T: Encode<C>, const MAX: usize> Encode<C> for List<T, MAX> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C, T: Decode<'b, C>, const MAX: usize> Decode<'b, C> for List<T, MAX> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let count = d
            .array()?
            .ok_or_else(|| DecodeError::message("list of unsaid length"))?;
        if count > MAX as u64 {
            return Err(DecodeError::message(format!(
                "list of {count} items, at most {MAX}"
            )));
        }
        // No allocation on the sender's word alone: every item takes a byte at least of those that are here.
        let left = d.input().len().saturating_sub(d.position());
        let mut items = Vec::with_capacity((count as usize).min(left));
        for _ in 0..count {
            items.push(T::decode(d, ctx)?);
        }
        Ok(List(items))
    }
}

impl<C, const MAX: usize> Encode<C> for Text<MAX> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Text<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Text::new(d.str()?).map_err(DecodeError::custom)
    }
}

impl<C, const MAX: usize> Encode<C> for Blob<MAX> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Blob<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = d.bytes()?;
        within("bytes", bytes.len(), MAX).map_err(DecodeError::custom)?;
        Ok(Blob(bytes.to_vec()))
    }
}

fn within(what: &'static str, is: usize, most: usize) -> Result<(), ProtocolError> {
    if is > most {
        Err(ProtocolError::TooLong { what, is, most })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bound_holds_for_what_is_made_and_for_what_arrives() {
        assert!(List::<u8, 2>::new(vec![1, 2]).is_ok());
        assert!(List::<u8, 2>::new(vec![1, 2, 3]).is_err());
        assert!(minicbor::decode::<List<u8, 2>>(&minicbor::to_vec(vec![1u8, 2]).unwrap()).is_ok());
        assert!(minicbor::decode::<List<u8, 2>>(&minicbor::to_vec([1u8, 2, 3].as_slice()).unwrap()).is_err());
        assert!(minicbor::decode::<Text<2>>(&minicbor::to_vec("ab").unwrap()).is_ok());
        assert!(minicbor::decode::<Text<2>>(&minicbor::to_vec("abc").unwrap()).is_err());
        assert!(minicbor::decode::<Blob<2>>(&[0x42, 1, 2]).is_ok());
        assert!(minicbor::decode::<Blob<2>>(&[0x43, 1, 2, 3]).is_err());
    }

    #[test]
    fn a_list_that_claims_four_billion_items_is_refused_before_anything_is_allocated() {
        assert!(minicbor::decode::<List<u8, 1_000>>(&[0x9a, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(minicbor::decode::<List<u8, 1_000>>(&[0x9f, 1, 0xff]).is_err());
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(&*Text::<4>::cut("naïve"), "naï");
        assert_eq!(&*Text::<3>::cut("naïve"), "na");
    }
}
