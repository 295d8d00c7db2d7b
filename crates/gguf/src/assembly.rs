//! Tensors put together from the chunks of their file, part by part, so that no more than a part is in memory twice.
//! Does not fetch or check chunks, and does not choose the parts.

use std::collections::{BTreeMap, TryReserveError, VecDeque};
use std::ops::Range;

use crate::chunks;
use crate::manifest::Manifest;
use crate::tensor::TensorInfo;

/// See the file's head.
#[derive(Debug)]
pub struct Assembly {
    file_bytes: u64,
    chunk_bytes: u64,
    order: Vec<u32>,
    /// Of how many parts that have not begun each chunk holds something.
    uses: BTreeMap<u32, u32>,
    /// Those that came and are still of use.
    chunks: BTreeMap<u32, Vec<u8>>,
    /// Those from which the present part has still to be copied.
    ahead: VecDeque<u32>,
    /// The present part, by place in the file: as much of each tensor as was copied.
    tensors: BTreeMap<u64, (Range<u64>, Vec<u8>)>,
}

impl Assembly {
    /// For the tensors of `parts`, in that order.
    pub fn new(manifest: &Manifest, parts: &[Vec<&TensorInfo>]) -> Assembly {
        Assembly::cut(manifest.file_bytes(), manifest.chunk_bytes(), parts)
    }

    fn cut(file_bytes: u64, chunk_bytes: u64, parts: &[Vec<&TensorInfo>]) -> Assembly {
        let (mut order, mut uses) = (Vec::new(), BTreeMap::new());
        for part in parts {
            for index in chunks::touched(&ranges(part), file_bytes, chunk_bytes) {
                let times = uses.entry(index).or_insert(0);
                if *times == 0 {
                    order.push(index);
                }
                *times += 1;
            }
        }
        Assembly {
            file_bytes,
            chunk_bytes,
            order,
            uses,
            chunks: BTreeMap::new(),
            ahead: VecDeque::new(),
            tensors: BTreeMap::new(),
        }
    }

    /// All chunks, each once, in the order in which [`Assembly::advance`] asks for them.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Begins the next part. What nobody took of the one before is dropped.
    ///
    /// # Errors
    /// Where there is no memory for its tensors.
    pub fn begin(&mut self, part: &[&TensorInfo]) -> Result<(), TryReserveError> {
        self.tensors.clear();
        for info in part {
            let mut bytes = Vec::new();
            // What does not fit the address space is refused here, too.
            bytes.try_reserve_exact(usize::try_from(info.bytes).unwrap_or(usize::MAX))?;
            self.tensors
                .insert(info.offset_bytes, (info.offset_bytes..info.end_bytes(), bytes));
        }
        self.ahead = chunks::touched(&ranges(part), self.file_bytes, self.chunk_bytes).into();
        Ok(())
    }

    /// Copies what it can, and answers which chunk it needs to go on; none once the part is there.
    pub fn advance(&mut self) -> Option<u32> {
        while let Some(index) = self.ahead.front().copied() {
            let Some(chunk) = self.chunks.get(&index) else {
                return Some(index);
            };
            let start = u64::from(index) * self.chunk_bytes;
            for (range, bytes) in self.tensors.values_mut() {
                bytes.extend_from_slice(within(chunk, start, range));
            }
            self.ahead.pop_front();
            if let Some(left) = self.uses.get_mut(&index) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.chunks.remove(&index);
                }
            }
        }
        None
    }

    /// Takes a chunk, whole and checked.
    pub fn put(&mut self, index: u32, chunk: Vec<u8>) {
        self.chunks.insert(index, chunk);
    }

    /// Gives a tensor of the present part away; nothing where it was not asked for or is not complete.
    pub fn take(&mut self, info: &TensorInfo) -> Option<Vec<u8>> {
        let (_, bytes) = self.tensors.remove(&info.offset_bytes)?;
        (bytes.len() as u64 == info.bytes).then_some(bytes)
    }
}

fn ranges(part: &[&TensorInfo]) -> Vec<Range<u64>> {
    part.iter()
        .map(|info| info.offset_bytes..info.end_bytes())
        .collect()
}

/// The bytes of `range` that are in a chunk which begins at `start`.
fn within<'a>(chunk: &'a [u8], start: u64, range: &Range<u64>) -> &'a [u8] {
    let at = |place: u64| {
        let place = place.saturating_sub(start).min(chunk.len() as u64);
        usize::try_from(place).unwrap_or(chunk.len())
    };
    chunk.get(at(range.start)..at(range.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::TensorType;

    const CHUNK: usize = 10;

    fn tensor(range: Range<u64>) -> TensorInfo {
        TensorInfo {
            name: format!("t{}", range.start),
            ty: TensorType::F32,
            dims: vec![1],
            offset_bytes: range.start,
            bytes: range.end - range.start,
        }
    }

    #[test]
    fn every_tensor_comes_out_whole_and_every_chunk_is_asked_for_once() {
        let file: Vec<u8> = (0..75).collect();
        // Parts that share chunks, out of order, with a gap, an end inside a chunk and one over many chunks.
        let infos: [Vec<TensorInfo>; 4] = [
            vec![tensor(60..75)],
            vec![tensor(0..5), tensor(5..13)],
            vec![],
            vec![tensor(13..59), tensor(59..60)],
        ];
        let parts: Vec<Vec<&TensorInfo>> = infos.iter().map(|part| part.iter().collect()).collect();
        let mut assembly = Assembly::cut(75, CHUNK as u64, &parts);
        let mut order = assembly.order().to_vec().into_iter();
        assert_eq!(order.as_slice(), [6, 7, 0, 1, 2, 3, 4, 5]);
        for part in &parts {
            assembly.begin(part).unwrap();
            while let Some(index) = assembly.advance() {
                assert_eq!(Some(index), order.next());
                let start = index as usize * CHUNK;
                assembly.put(index, file[start..75.min(start + CHUNK)].to_vec());
                assert!(assembly.chunks.len() <= 2, "what is of no more use is dropped");
            }
            for info in part {
                let wanted = &file[info.offset_bytes as usize..info.end_bytes() as usize];
                assert_eq!(assembly.take(info).unwrap(), wanted);
                assert_eq!(assembly.take(info), None, "it was given away");
            }
        }
        assert!(order.next().is_none() && assembly.chunks.is_empty());
    }

    #[test]
    fn a_tensor_that_is_not_complete_is_not_given_away_and_one_that_fits_nowhere_is_refused() {
        let info = tensor(5..25);
        let mut assembly = Assembly::cut(30, CHUNK as u64, &[vec![&info]]);
        assembly.begin(&[&info]).unwrap();
        assembly.put(0, vec![1; CHUNK]);
        assert_eq!(assembly.advance(), Some(1));
        // Shorter than its place in the file: whoever checked it did not.
        assembly.put(1, vec![1; 3]);
        assembly.put(2, vec![1; CHUNK]);
        assert_eq!(assembly.advance(), None);
        assert_eq!(assembly.take(&info), None);
        assert!(assembly.begin(&[&tensor(0..u64::MAX)]).is_err());
    }
}
