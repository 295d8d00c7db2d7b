//! A reader that knows how long the file is and how much of it may be header.
//! Does not seek, buffer or know what it reads.

use std::io::{ErrorKind, Read};

use crate::error::GgufError;
use crate::limits::MAX_HEADER_BYTES;

/// Bytes that are taken at a time, so that a length that lies costs no memory.
const PIECE_BYTES: usize = 64 << 10;

pub(crate) struct Source<R> {
    reader: R,
    position: u64,
    file_bytes: u64,
}

impl<R: Read> Source<R> {
    pub(crate) fn new(reader: R, file_bytes: u64) -> Source<R> {
        Source {
            reader,
            position: 0,
            file_bytes,
        }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Checks that `count` things of at least `each` bytes can still come.
    pub(crate) fn expect(&self, count: u64, each: u64) -> Result<(), GgufError> {
        let end = count
            .checked_mul(each)
            .and_then(|bytes| bytes.checked_add(self.position))
            .unwrap_or(u64::MAX);
        if end > self.file_bytes {
            return Err(GgufError::Truncated {
                needed: end,
                file_bytes: self.file_bytes,
            });
        }
        if end > MAX_HEADER_BYTES {
            return Err(GgufError::Limit {
                what: "bytes of header",
                found: end,
                limit: MAX_HEADER_BYTES,
            });
        }
        Ok(())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Replaces the content of `buffer` by the next `len` bytes.
    pub(crate) fn bytes(&mut self, len: u64, buffer: &mut Vec<u8>) -> Result<(), GgufError> {
        self.expect(len, 1)?;
        buffer.clear();
        let mut left = len;
        while left > 0 {
            let start = buffer.len();
            let piece = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            make_room(buffer, piece);
            buffer.resize(start + piece, 0);
            self.fill(&mut buffer[start..])?;
            left -= piece as u64;
        }
        Ok(())
    }

    /// Reads `count` numbers of `N` bytes each.
    pub(crate) fn numbers<const N: usize, T>(
        &mut self,
        count: u64,
        mut decode: impl FnMut([u8; N]) -> Result<T, GgufError>,
    ) -> Result<Vec<T>, GgufError> {
        self.expect(count, N as u64)?;
        let mut numbers = Vec::new();
        let mut piece = [0; 4096];
        let mut left = count;
        while left > 0 {
            let most = piece.len() / N;
            let now = usize::try_from(left).unwrap_or(most).min(most);
            let bytes = &mut piece[..now * N];
            self.fill(bytes)?;
            make_room(&mut numbers, now);
            for number in bytes.as_chunks::<N>().0 {
                numbers.push(decode(*number)?);
            }
            left -= now as u64;
        }
        Ok(numbers)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), GgufError> {
        self.expect(buffer.len() as u64, 1)?;
        let end = self.position + buffer.len() as u64;
        self.reader
            .read_exact(buffer)
            .map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => GgufError::NeedMore { bytes: end },
                _ => GgufError::Io(error.to_string()),
            })?;
        self.position = end;
        Ok(())
    }
}

/// Makes room for `more` elements, growing by a quarter: while a vector moves, both copies exist, and the
/// whole reader may use twice the header's bytes and 16 MiB, not three times.
pub(crate) fn make_room<T>(vector: &mut Vec<T>, more: usize) {
    if vector.capacity() - vector.len() < more {
        vector.reserve_exact(more.max(vector.len() / 4));
    }
}
