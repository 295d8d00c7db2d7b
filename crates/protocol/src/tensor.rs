//! Hidden states on the wire: their type, shape, checksum and bytes.
//! It converts nothing: the engine writes and reads the numbers.

use bytes::Bytes;
use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

use crate::message::MAX_STEP_POSITIONS;
use crate::{MAX_MESSAGE_BYTES, ProtocolError};

/// Twice the widest open model of today (16,384).
pub const MAX_D_MODEL: u32 = 32_768;
/// What one message leaves for activations beside its head.
const MAX_ACTIVATION_BYTES: usize = MAX_MESSAGE_BYTES - 4_096;

/// How a hidden state is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum WireType {
    /// IEEE 754 single, little endian: loses nothing.
    #[n(0)]
    F32,
    /// IEEE 754 half, little endian.
    #[n(1)]
    F16,
    /// Blocks of 32: an f16 scale, then 32 signed bytes (GGUF's `Q8_0`); a last short block is
    /// as long as it has values.
    #[n(2)]
    Q8,
}

impl WireType {
    /// Bytes of one position.
    pub fn row_bytes(self, d_model: u32) -> usize {
        let d = d_model as usize;
        match self {
            WireType::F32 => 4 * d,
            WireType::F16 => 2 * d,
            WireType::Q8 => d + 2 * d.div_ceil(32),
        }
    }
}

/// Hidden states of consecutive positions, shape `[positions, d_model]`, row by row.
#[derive(Clone, PartialEq)]
pub struct Activations {
    wire: WireType,
    positions: u32,
    d_model: u32,
    checksum: u64,
    bytes: Bytes,
}

impl Activations {
    /// Takes the bytes where they are as many as the shape says.
    pub fn new(
        wire: WireType,
        positions: u32,
        d_model: u32,
        bytes: Bytes,
    ) -> Result<Activations, ProtocolError> {
        if !(1..=MAX_STEP_POSITIONS).contains(&positions) {
            return Err(ProtocolError::Value("number of positions"));
        }
        if !(1..=MAX_D_MODEL).contains(&d_model) {
            return Err(ProtocolError::Value("d_model"));
        }
        if bytes.len() > MAX_ACTIVATION_BYTES {
            return Err(ProtocolError::TooLong {
                what: "bytes of activations",
                is: bytes.len(),
                most: MAX_ACTIVATION_BYTES,
            });
        }
        // At most 512 × 131,072: fits 32 bits.
        if bytes.len() != wire.row_bytes(d_model) * positions as usize {
            return Err(ProtocolError::Value("activations are not as long as their shape"));
        }
        let checksum = checksum(&bytes);
        Ok(Activations {
            wire,
            positions,
            d_model,
            checksum,
            bytes,
        })
    }

    /// How many positions fit one message.
    pub fn most_positions(wire: WireType, d_model: u32) -> u32 {
        let rows = MAX_ACTIVATION_BYTES / wire.row_bytes(d_model.clamp(1, MAX_D_MODEL));
        (rows as u32).min(MAX_STEP_POSITIONS)
    }

    /// How the numbers are written.
    pub fn wire(&self) -> WireType {
        self.wire
    }

    /// Rows.
    pub fn positions(&self) -> u32 {
        self.positions
    }

    /// Columns.
    pub fn d_model(&self) -> u32 {
        self.d_model
    }

    /// Row after row, as written by the sender.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Debug for Activations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Activations([{}, {}] {:?} {:016x})",
            self.positions, self.d_model, self.wire, self.checksum
        )
    }
}

impl<C> Encode<C> for Activations {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(5)?;
        self.wire.encode(e, ctx)?;
        e.u32(self.positions)?
            .u32(self.d_model)?
            .u64(self.checksum)?
            .bytes(&self.bytes)?
            .ok()
    }
}

impl<'b, C> Decode<'b, C> for Activations {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(5) {
            return Err(DecodeError::message("activations have five fields"));
        }
        let wire = WireType::decode(d, ctx)?;
        let (positions, d_model, said) = (d.u32()?, d.u32()?, d.u64()?);
        let bytes = Bytes::copy_from_slice(d.bytes()?);
        let read = Activations::new(wire, positions, d_model, bytes).map_err(DecodeError::custom)?;
        if read.checksum == said {
            Ok(read)
        } else {
            Err(DecodeError::custom(ProtocolError::Checksum {
                is: read.checksum,
                said,
            }))
        }
    }
}

/// FNV-1a over little-endian 64-bit words instead of bytes, the last one padded with zeros; the
/// length is the first word. It finds a broken implementation or memory, not an attacker: whoever
/// computes a layer can lie anyway.
fn checksum(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut words = bytes.chunks_exact(8);
    let mut hash = mix(BASIS, bytes.len() as u64);
    for word in &mut words {
        let mut le = [0; 8];
        le.copy_from_slice(word);
        hash = mix(hash, u64::from_le_bytes(le));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_row_is_as_long_as_its_type_says() {
        assert_eq!(WireType::F32.row_bytes(64), 256);
        assert_eq!(WireType::F16.row_bytes(64), 128);
        assert_eq!(WireType::Q8.row_bytes(64), 68);
        assert_eq!(WireType::Q8.row_bytes(33), 37);
    }

    #[test]
    fn a_shape_that_does_not_match_its_bytes_is_refused() {
        let make = |n, d, len| Activations::new(WireType::F32, n, d, vec![0; len].into());
        assert!(make(2, 4, 32).is_ok());
        for (n, d, len) in [
            (2, 4, 31),
            (0, 4, 0),
            (2, 0, 0),
            (u32::MAX, 4, 16),
            (2, u32::MAX, 32),
            (513, 1, 2_052),
        ] {
            assert!(make(n, d, len).is_err(), "{n} {d} {len}");
        }
    }

    #[test]
    fn as_many_positions_as_promised_fit_a_message() {
        for d in [1, 64, 2_048, MAX_D_MODEL] {
            let n = Activations::most_positions(WireType::F32, d);
            assert!(n >= 1);
            assert!(
                Activations::new(
                    WireType::F32,
                    n,
                    d,
                    vec![0; WireType::F32.row_bytes(d) * n as usize].into()
                )
                .is_ok()
            );
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_seen() {
        let sound = Activations::new(WireType::F16, 2, 3, vec![7; 12].into()).unwrap();
        let wire = minicbor::to_vec(&sound).unwrap();
        let start = wire.len() - 12;
        for bit in 0..96 {
            let mut broken = wire.clone();
            broken[start + bit / 8] ^= 1 << (bit % 8);
            assert!(minicbor::decode::<Activations>(&broken).is_err(), "bit {bit}");
        }
        assert_eq!(minicbor::decode::<Activations>(&wire).unwrap(), sound);
    }
}
