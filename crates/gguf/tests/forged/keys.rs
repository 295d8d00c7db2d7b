//! Keys and values: lengths, types, arrays, alignment.
//! Does not care what a key means, but for `general.alignment`.

use gguf::synthetic::SplitMix;

use super::draft::{Draft, Value, refused, string};
use super::header::BEYOND;
use super::{File, Given};

pub(super) fn key_length_minus_1(draft: Draft, random: &mut SplitMix) -> Given {
    key_length(draft, random, u64::MAX, "bytes of a key")
}

pub(super) fn key_length_beyond_the_file(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.tensors.clear();
    key_length(draft, random, 60_000, BEYOND)
}

pub(super) fn key_length_0(draft: Draft, random: &mut SplitMix) -> Given {
    key_length(draft, random, 0, "key \"\"")
}

pub(super) fn key_length_65536(draft: Draft, random: &mut SplitMix) -> Given {
    key_length(draft, random, 65_536, "bytes of a key")
}

pub(super) fn key_length_2_32_and_3(draft: Draft, random: &mut SplitMix) -> Given {
    key_length(draft, random, (1 << 32) + 3, "bytes of a key")
}

pub(super) fn key_with_nul(mut draft: Draft, random: &mut SplitMix) -> Given {
    let key = &mut draft.any_entry(random).key;
    let at = random.below(key.len() as u64) as usize;
    key[at] = 0;
    draft.refused("only ASCII letters")
}

pub(super) fn key_not_utf8(mut draft: Draft, random: &mut SplitMix) -> Given {
    let key = &mut draft.any_entry(random).key;
    let at = random.below(key.len() as u64) as usize;
    key[at] = 0x80 | random.bits() as u8;
    draft.refused("only ASCII letters")
}

/// Two keys that a careless decoder makes one of.
pub(super) fn keys_alike_once_decoded(mut draft: Draft, random: &mut SplitMix) -> Given {
    for byte in [0xFF, 0xFE] {
        draft.add(&[b'k', byte], 4, (random.bits() as u32).to_le_bytes().to_vec());
    }
    draft.refused("only ASCII letters")
}

pub(super) fn key_twice(mut draft: Draft, random: &mut SplitMix) -> Given {
    let entry = draft.any_entry(random).clone();
    draft.entries.push(entry);
    draft.refused("is there twice")
}

pub(super) fn value_type_13(draft: Draft, random: &mut SplitMix) -> Given {
    value_type(draft, random, 13)
}

pub(super) fn value_type_255(draft: Draft, random: &mut SplitMix) -> Given {
    value_type(draft, random, 255)
}

pub(super) fn value_type_minus_1(draft: Draft, random: &mut SplitMix) -> Given {
    value_type(draft, random, u32::MAX)
}

pub(super) fn bool_2(mut draft: Draft, random: &mut SplitMix) -> Given {
    let neither = 2 + random.below(254) as u8;
    draft.add(b"tokenizer.ggml.add_bos_token", 7, vec![neither]);
    draft.refused("has the bool")
}

pub(super) fn string_length_minus_1(draft: Draft, _: &mut SplitMix) -> Given {
    string_length(draft, u64::MAX, "bytes of a string")
}

pub(super) fn string_length_beyond_the_rest(draft: Draft, random: &mut SplitMix) -> Given {
    let much = draft.file().file_bytes + random.below(1 << 20);
    string_length(draft, much, BEYOND)
}

pub(super) fn string_length_2_31(draft: Draft, _: &mut SplitMix) -> Given {
    string_length(draft, 1 << 31, "bytes of a string")
}

pub(super) fn string_length_2_32_and_1(draft: Draft, _: &mut SplitMix) -> Given {
    string_length(draft, (1 << 32) + 1, "bytes of a string")
}

pub(super) fn array_type_unknown(draft: Draft, random: &mut SplitMix) -> Given {
    array(draft, 13 + random.below(1 << 20) as u32, 1, "unknown value type")
}

pub(super) fn array_length_minus_1(draft: Draft, random: &mut SplitMix) -> Given {
    array(draft, random.below(9) as u32, u64::MAX, "elements of an array")
}

/// 2⁶¹ elements of 8 bytes are 0 bytes in 64 bits.
pub(super) fn array_length_times_size_overflows(draft: Draft, random: &mut SplitMix) -> Given {
    array(
        draft,
        10 + random.below(3) as u32,
        1 << 61,
        "elements of an array",
    )
}

pub(super) fn array_length_beyond_the_rest(draft: Draft, random: &mut SplitMix) -> Given {
    let much = draft.file().file_bytes + random.below(1 << 20);
    array(draft, 4 + random.below(3) as u32, much, BEYOND)
}

pub(super) fn arrays_nested_once(draft: Draft, _: &mut SplitMix) -> Given {
    nested(draft, 1)
}

pub(super) fn arrays_nested_64(draft: Draft, _: &mut SplitMix) -> Given {
    nested(draft, 64)
}

pub(super) fn arrays_nested_200(draft: Draft, _: &mut SplitMix) -> Given {
    nested(draft, 200)
}

pub(super) fn arrays_nested_100000(draft: Draft, _: &mut SplitMix) -> Given {
    nested(draft, 100_000)
}

/// 32 MiB of lengths that are all 0, and would be a hundred MiB of empty strings.
pub(super) fn four_million_empty_strings(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.file_bytes = Some(64 << 20);
    array(draft, 8, 4 << 20, "strings of an array")
}

pub(super) fn a_quarter_gigabyte_of_bytes(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.file_bytes = Some(300 << 20);
    array(draft, 0, 256 << 20, "elements of an array")
}

pub(super) fn alignment_0(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::U32(0), "alignment 0")
}

pub(super) fn alignment_3(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::U32(3), "alignment 3")
}

pub(super) fn alignment_13(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::U32(13), "alignment 13")
}

pub(super) fn alignment_2_31(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::U32(1 << 31), "alignment 2147483648")
}

pub(super) fn alignment_as_i32(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::I32(32), "is of type i32")
}

pub(super) fn alignment_as_u64(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::U64(32), "is of type u64")
}

pub(super) fn alignment_as_string(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::Text("32"), "is of type string")
}

pub(super) fn alignment_negative(draft: Draft, _: &mut SplitMix) -> Given {
    alignment(draft, Value::I32(-32), "is of type i32")
}

pub(super) fn alignment_twice(mut draft: Draft, _: &mut SplitMix) -> Given {
    for alignment in [32_u32, 64] {
        draft.add(b"general.alignment", 4, alignment.to_le_bytes().to_vec());
    }
    draft.refused("is there twice")
}

/// Every file that ends inside a key or a value.
pub(super) fn cut_at_every_byte_of_the_keys(draft: Draft, _: &mut SplitMix) -> Given {
    let keys = draft.keys();
    refused(
        BEYOND,
        (24..=keys.len()).map(|len| File {
            front: keys[..len].to_vec(),
            file_bytes: len as u64,
        }),
    )
}

fn key_length(mut draft: Draft, random: &mut SplitMix, len: u64, error: &'static str) -> Given {
    draft.any_entry(random).key_len = Some(len);
    draft.refused(error)
}

fn value_type(mut draft: Draft, random: &mut SplitMix, code: u32) -> Given {
    draft.any_entry(random).code = code;
    draft.refused("unknown value type")
}

fn string_length(mut draft: Draft, len: u64, error: &'static str) -> Given {
    let payload = [&len.to_le_bytes()[..], b"short"].concat();
    draft.add(b"general.description", 8, payload);
    draft.refused(error)
}

fn array(mut draft: Draft, code: u32, len: u64, error: &'static str) -> Given {
    draft.set("general.tags", Value::Array(code, len, string(b"one")));
    draft.refused(error)
}

fn nested(mut draft: Draft, depth: usize) -> Given {
    let one: Vec<u8> = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
    let innermost = [
        &4_u32.to_le_bytes()[..],
        &1_u64.to_le_bytes(),
        &7_u32.to_le_bytes(),
    ]
    .concat();
    draft.add(b"general.tags", 9, [one.repeat(depth), innermost].concat());
    draft.refused("array of arrays")
}

fn alignment(mut draft: Draft, value: Value<'_>, error: &'static str) -> Given {
    draft.set("general.alignment", value);
    draft.refused(error)
}
