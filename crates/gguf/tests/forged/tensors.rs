//! The entries of tensors: names, dimensions, types, places, and whether the set is the model's.
//! Does not look at weights.

use gguf::synthetic::SplitMix;

use super::Given;
use super::draft::{Draft, Tensor, refused};
use super::header::BEYOND;

const DIMENSIONS: &str = "dimensions, 1 to 4 are possible";
const OVERFLOW: &str = "is larger than anything";
const PLACE: &str = "but the one before it ends at";

pub(super) fn name_length_0(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).name.clear();
    draft.refused("tensor name \"\"")
}

pub(super) fn name_length_65(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).name = vec![b'x'; 65];
    draft.refused("bytes of a tensor name")
}

pub(super) fn name_length_minus_1(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).name_len = Some(u64::MAX);
    draft.refused("bytes of a tensor name")
}

pub(super) fn name_length_beyond_the_file(mut draft: Draft, _: &mut SplitMix) -> Given {
    if let Some(last) = draft.tensors.last_mut() {
        last.name_len = Some(64);
    }
    let mut file = draft.file();
    // The rest of the last entry is shorter than the name that it promises.
    file.file_bytes = file.front.len() as u64;
    refused(BEYOND, [file])
}

pub(super) fn name_twice(mut draft: Draft, random: &mut SplitMix) -> Given {
    let twin = draft.any_tensor(random).clone();
    draft.tensors.push(twin);
    draft.refused("is there twice")
}

pub(super) fn dimensions_0(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).dims.clear();
    draft.refused(DIMENSIONS)
}

pub(super) fn dimensions_5(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).dims = vec![1; 5];
    draft.refused(DIMENSIONS)
}

pub(super) fn dimensions_2_32_minus_1(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).dim_count = Some(u32::MAX);
    draft.refused(DIMENSIONS)
}

pub(super) fn dimension_0(draft: Draft, random: &mut SplitMix) -> Given {
    dimension(draft, random, 0)
}

pub(super) fn dimension_minus_1(draft: Draft, random: &mut SplitMix) -> Given {
    dimension(draft, random, u64::MAX)
}

/// 1, where a dimension is a 32-bit number.
pub(super) fn dimension_2_32_and_1(draft: Draft, random: &mut SplitMix) -> Given {
    dimension(draft, random, (1 << 32) + 1)
}

pub(super) fn product_wraps_to_0(draft: Draft, random: &mut SplitMix) -> Given {
    dims(draft, random, &[1 << 16; 4], OVERFLOW)
}

pub(super) fn product_wraps_to_little(draft: Draft, random: &mut SplitMix) -> Given {
    dims(draft, random, &[(1 << 62) + 1, 4], "has the dimension")
}

pub(super) fn product_times_type_wraps(draft: Draft, random: &mut SplitMix) -> Given {
    dims(draft, random, &[1 << 30, 1 << 30, 4], OVERFLOW)
}

/// Each tensor fits 64 bits, two of them do not: in a file that claims to be as long as can be.
pub(super) fn sum_of_tensors_wraps(mut draft: Draft, _: &mut SplitMix) -> Given {
    for tensor in draft.tensors.iter_mut().take(2) {
        tensor.dims = vec![1 << 30, (1 << 31) - 1];
    }
    let files = [None, Some(64 << 30), Some(u64::MAX), Some(u64::MAX - 31)].map(|file_bytes| {
        let mut draft = draft.clone();
        draft.file_bytes = file_bytes;
        if let Some(second) = draft.tensors.get_mut(1) {
            second.dims.push(2);
        }
        draft.file()
    });
    refused("", files)
}

pub(super) fn row_that_blocks_do_not_divide(mut draft: Draft, random: &mut SplitMix) -> Given {
    let tensor = draft.any_tensor(random);
    tensor.ty = 2;
    tensor.dims[0] = 33 + random.below(31);
    draft.refused("cannot cut into blocks")
}

pub(super) fn type_removed_4(draft: Draft, random: &mut SplitMix) -> Given {
    code(draft, random, 4, "is of type number 4, which is not supported")
}

pub(super) fn type_removed_5(draft: Draft, random: &mut SplitMix) -> Given {
    code(draft, random, 5, "is of type number 5, which is not supported")
}

pub(super) fn type_255(draft: Draft, random: &mut SplitMix) -> Given {
    code(
        draft,
        random,
        255,
        "is of type number 255, which is not supported",
    )
}

pub(super) fn type_minus_1(draft: Draft, random: &mut SplitMix) -> Given {
    code(
        draft,
        random,
        u32::MAX,
        "is of type number 4294967295, which is not supported",
    )
}

pub(super) fn offset_unaligned(draft: Draft, random: &mut SplitMix) -> Given {
    let off = 1 + random.below(31);
    offset(draft, random, off, "which is not aligned")
}

pub(super) fn offset_at_the_end_of_the_file(draft: Draft, random: &mut SplitMix) -> Given {
    let end = draft.file().file_bytes.next_multiple_of(32);
    offset(draft, random, end, PLACE)
}

pub(super) fn offset_wraps(draft: Draft, random: &mut SplitMix) -> Given {
    offset(draft, random, u64::MAX - 31, PLACE)
}

pub(super) fn offset_into_the_header(draft: Draft, random: &mut SplitMix) -> Given {
    let back = 64 * (1 + random.below(4));
    offset(draft, random, back.wrapping_neg(), PLACE)
}

pub(super) fn larger_than_the_rest(draft: Draft, random: &mut SplitMix) -> Given {
    let mut file = draft.file();
    let data = file.file_bytes - file.front.len() as u64;
    file.file_bytes -= 64 + random.below(data - 64);
    refused("ends at byte", [file])
}

pub(super) fn two_overlap(mut draft: Draft, _: &mut SplitMix) -> Given {
    if let Some(second) = draft.tensors.get_mut(1) {
        second.offset = Some(0);
    }
    draft.refused(PLACE)
}

pub(super) fn a_gap_of_a_tebibyte(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.any_tensor(random).offset = Some(1 << 40);
    draft.refused(PLACE)
}

pub(super) fn one_missing(mut draft: Draft, random: &mut SplitMix) -> Given {
    let tied = draft.tensors.iter().all(|tensor| tensor.name != b"output.weight");
    // The head alone may be missing: then the embedding is it.
    let needed = draft.tensors.len() as u64 - u64::from(!tied);
    draft.tensors.remove(random.below(needed) as usize);
    draft.refused("is missing")
}

pub(super) fn one_unknown(mut draft: Draft, random: &mut SplitMix) -> Given {
    let names = [
        "blk.99.attn_q.weight",
        "blk.0.attn_sinks.weight",
        "payload",
        "blk.0.attn_q.weight2",
    ];
    let name = names[random.below(4) as usize];
    draft.tensors.push(Tensor {
        name: name.into(),
        name_len: None,
        dim_count: None,
        dims: vec![32],
        ty: 0,
        offset: None,
    });
    draft.refused("policy: tensor")
}

pub(super) fn shape_transposed(mut draft: Draft, random: &mut SplitMix) -> Given {
    let layer = random.below(draft.shape.layers.into());
    let parts = ["ffn_gate", "ffn_up", "ffn_down"];
    let name = format!("blk.{layer}.{}.weight", parts[random.below(3) as usize]);
    for tensor in &mut draft.tensors {
        if tensor.name == name.as_bytes() {
            tensor.dims.reverse();
        }
    }
    draft.refused("has the shape")
}

/// The right name and shape, but in a type that only matrices may have. It is the last, so that the place of none
/// other changes with it.
pub(super) fn norm_in_blocks(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.tensors.retain(|tensor| tensor.name != b"output.weight");
    if let Some(norm) = draft.tensors.last_mut() {
        norm.ty = 8;
    }
    let mut file = draft.file();
    let [in_f32, in_q8_0] =
        [4, 34].map(|unit| u64::from(draft.shape.width) * unit / if unit == 34 { 32 } else { 1 });
    file.file_bytes = file.file_bytes - in_f32 + in_q8_0;
    refused("norms, biases and factors must be", [file])
}

fn dimension(mut draft: Draft, random: &mut SplitMix, dim: u64) -> Given {
    draft.keep_length();
    let tensor = draft.any_tensor(random);
    let at = random.below(tensor.dims.len() as u64) as usize;
    tensor.dims[at] = dim;
    draft.refused("has the dimension")
}

fn dims(mut draft: Draft, random: &mut SplitMix, dims: &[u64], error: &'static str) -> Given {
    draft.keep_length();
    draft.any_tensor(random).dims = dims.to_vec();
    draft.refused(error)
}

fn code(mut draft: Draft, random: &mut SplitMix, code: u32, error: &'static str) -> Given {
    draft.any_tensor(random).ty = code;
    draft.refused(error)
}

fn offset(mut draft: Draft, random: &mut SplitMix, offset: u64, error: &'static str) -> Given {
    draft.any_tensor(random).offset = Some(offset);
    draft.refused(error)
}
