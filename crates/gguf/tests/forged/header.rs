//! The fixed part at the front of a file: magic, version, counts, and where it breaks off.
//! Does not touch keys or tensors.

use gguf::synthetic::SplitMix;

use super::draft::{Draft, refused};
use super::{File, Given};

/// What an error about a length that the file does not have says.
pub(super) const BEYOND: &str = "is spoken of in a file of";

pub(super) fn bad_magic(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.magic[random.below(4) as usize] ^= 1 << random.below(8);
    draft.refused("not a GGUF file")
}

pub(super) fn byte_swapped_magic(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.magic.reverse();
    draft.refused("big-endian")
}

pub(super) fn version_0(draft: Draft, _: &mut SplitMix) -> Given {
    version(draft, 0, "GGUF version 0,")
}

pub(super) fn version_1(draft: Draft, _: &mut SplitMix) -> Given {
    version(draft, 1, "GGUF version 1,")
}

pub(super) fn version_4(draft: Draft, _: &mut SplitMix) -> Given {
    version(draft, 4, "GGUF version 4,")
}

pub(super) fn version_byte_swapped(draft: Draft, _: &mut SplitMix) -> Given {
    version(draft, 0x0300_0000, "big-endian")
}

pub(super) fn tensor_count_minus_1(draft: Draft, _: &mut SplitMix) -> Given {
    tensor_count(draft, u64::MAX)
}

pub(super) fn tensor_count_2_63(draft: Draft, _: &mut SplitMix) -> Given {
    tensor_count(draft, 1 << 63)
}

pub(super) fn tensor_count_2_32_and_1(draft: Draft, _: &mut SplitMix) -> Given {
    tensor_count(draft, (1 << 32) + 1)
}

pub(super) fn key_count_minus_1(draft: Draft, _: &mut SplitMix) -> Given {
    key_count(draft, u64::MAX, "keys: ")
}

pub(super) fn key_count_2_63(draft: Draft, _: &mut SplitMix) -> Given {
    key_count(draft, 1 << 63, "keys: ")
}

/// The first tensor is read as a key.
pub(super) fn key_count_one_more(draft: Draft, _: &mut SplitMix) -> Given {
    let keys = draft.entries.len() as u64;
    key_count(draft, keys + 1, "")
}

/// The last key is read as a tensor.
pub(super) fn key_count_one_less(draft: Draft, _: &mut SplitMix) -> Given {
    let keys = draft.entries.len() as u64;
    key_count(draft, keys - 1, "")
}

/// Every file of 0 to 23 bytes.
pub(super) fn cut_in_the_fixed_part(draft: Draft, _: &mut SplitMix) -> Given {
    let front = draft.file().front;
    refused(
        BEYOND,
        (0..24).map(|len| File {
            front: front[..len].to_vec(),
            file_bytes: len as u64,
        }),
    )
}

pub(super) fn junk_after_an_empty_file(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.entries.clear();
    draft.tensors.clear();
    let mut file = draft.file();
    file.front
        .extend((0..1 + random.below(64)).map(|_| random.bits() as u8));
    file.file_bytes = file.front.len() as u64;
    refused("is missing", [file])
}

pub(super) fn nothing_at_all(_: Draft, _: &mut SplitMix) -> Given {
    let (front, file_bytes) = (Vec::new(), 0);
    refused(BEYOND, [File { front, file_bytes }])
}

fn version(mut draft: Draft, version: u32, error: &'static str) -> Given {
    draft.version = version;
    draft.refused(error)
}

fn tensor_count(mut draft: Draft, count: u64) -> Given {
    draft.tensor_count = Some(count);
    draft.refused("tensors: ")
}

fn key_count(mut draft: Draft, count: u64, error: &'static str) -> Given {
    draft.key_count = Some(count);
    draft.refused(error)
}
