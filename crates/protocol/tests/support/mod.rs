//! What tests of the wire need: records with a payload of the liar's choice, and where the numbers are in some CBOR.
//! It softens no check: what is made here is read as everything else is.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod samples;

use std::marker::PhantomData;

use identity::Record;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Bytes that are signed as if they were a `T`.
pub(crate) struct Raw<T>(Vec<u8>, PhantomData<fn() -> T>);

impl<T> Raw<T> {
    pub(crate) fn new(payload: Vec<u8>) -> Raw<T> {
        Raw(payload, PhantomData)
    }
}

impl<T: Record> Record for Raw<T> {
    const CONTEXT: &'static str = T::CONTEXT;
    const MAX_BYTES: usize = T::MAX_BYTES;
}

impl<C, T> Encode<C> for Raw<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut()
            .write_all(&self.0)
            .map_err(minicbor::encode::Error::write)
    }
}

impl<'b, C, T> Decode<'b, C> for Raw<T> {
    fn decode(_: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Err(minicbor::decode::Error::message("only written here"))
    }
}

/// What is signed of a record.
pub(crate) fn payload<T: Record>(record: &T) -> Vec<u8> {
    minicbor::to_vec(record).unwrap()
}

/// What may stand where a number stands: 0, 1, the largest of each width and the one before, −1, the least of all, and
/// what is no number.
pub(crate) const EXTREMES: [&[u8]; 18] = [
    &[0x00],
    &[0x01],
    &[0x18, 0xfe],
    &[0x18, 0xff],
    &[0x19, 0xff, 0xfe],
    &[0x19, 0xff, 0xff],
    &[0x1a, 0xff, 0xff, 0xff, 0xfe],
    &[0x1a, 0xff, 0xff, 0xff, 0xff],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x20],
    &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xf9, 0x7e, 0x00],
    &[0xfa, 0x7f, 0xc0, 0x00, 0x00],
    &[0xfa, 0x7f, 0x80, 0x00, 0x00],
    &[0xfa, 0xff, 0x80, 0x00, 0x00],
    &[0xfa, 0x7f, 0x7f, 0xff, 0xff],
    &[0xfb, 0x7f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// The same bytes with each number in turn replaced by each extreme.
pub(crate) fn with_extremes(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    numbers(bytes).into_iter().flat_map(move |(start, end)| {
        EXTREMES
            .iter()
            .map(move |extreme| (start, [&bytes[..start], extreme, &bytes[end..]].concat()))
    })
}

/// Where the numbers (integers and floats) of some CBOR are.
pub(crate) fn numbers(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at) {
        let extra = match head & 0x1f {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => 0,
        };
        let end = at + 1 + extra;
        let argument = bytes[at + 1..end]
            .iter()
            .fold(0usize, |value, byte| value << 8 | usize::from(*byte));
        let argument = if extra == 0 {
            usize::from(head & 0x1f)
        } else {
            argument
        };
        match head >> 5 {
            0 | 1 => found.push((at, end)),
            7 if extra > 1 => found.push((at, end)),
            _ => {}
        }
        at = if matches!(head >> 5, 2 | 3) {
            end + argument
        } else {
            end
        };
    }
    found
}
