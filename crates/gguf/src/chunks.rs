//! How a file is cut into chunks, and which of them a set of byte ranges touches.
//! Does not hash or fetch.

use std::ops::Range;

/// Bytes of a chunk: the smallest piece that can be fetched and checked. It is part of a model's name,
/// so it never changes within manifest version 1. The last chunk of a file is shorter.
pub const CHUNK_BYTES: u64 = 1 << 20;

/// How many chunks a file has.
pub(crate) fn count(file_bytes: u64, chunk_bytes: u64) -> u64 {
    file_bytes.div_ceil(chunk_bytes)
}

/// The bytes of chunk `index`, if the file has it.
pub(crate) fn range(index: u32, file_bytes: u64, chunk_bytes: u64) -> Option<Range<u64>> {
    let start = u64::from(index).checked_mul(chunk_bytes)?;
    (start < file_bytes).then(|| start..file_bytes.min(start + chunk_bytes))
}

/// The chunks that `ranges` touch, ascending, each once. What lies beyond the file is left out.
pub(crate) fn touched(ranges: &[Range<u64>], file_bytes: u64, chunk_bytes: u64) -> Vec<u32> {
    let mut chunks = Vec::new();
    for range in ranges
        .iter()
        .filter(|range| !range.is_empty() && range.start < file_bytes)
    {
        let last = (range.end.min(file_bytes) - 1) / chunk_bytes;
        chunks.extend((range.start / chunk_bytes..=last).filter_map(|chunk| u32::try_from(chunk).ok()));
    }
    chunks.sort_unstable();
    chunks.dedup();
    chunks
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // lists of ranges are what is tested
mod tests {
    use super::*;

    #[test]
    fn a_range_touches_the_chunks_at_both_its_ends() {
        let check = |ranges: &[Range<u64>], expect: &[u32]| assert_eq!(touched(ranges, 35, 10), expect);
        check(&[0..10], &[0]);
        check(&[0..11], &[0, 1]);
        check(&[9..10, 12..13], &[0, 1]);
        check(&[29..30, 0..1, 5..25], &[0, 1, 2]);
        check(&[34..100, 40..50, 7..7], &[3]);
    }

    #[test]
    fn the_last_chunk_is_shorter() {
        assert_eq!(count(35, 10), 4);
        assert_eq!(range(3, 35, 10), Some(30..35));
        assert_eq!(range(4, 35, 10), None);
        assert_eq!(range(3, 30, 10), None);
        assert_eq!(range(u32::MAX, 30, u64::MAX), None);
    }
}
