//! Files made to do harm, by class and seed: what a reader must refuse, and as what.
//! Does not measure time or memory: each user does, in its own way.
#![allow(dead_code)] // each user takes a part

mod data;
pub(crate) mod draft;
mod header;
mod hyperparameters;
mod keys;
mod tensors;
mod vocabulary;

use std::io::{self, Read};

use gguf::synthetic::SplitMix;
use gguf::{GgufError, Header, Manifest, ManifestError, ModelId, check_weights};

use draft::Draft;

/// One class of files.
pub(crate) struct Class {
    /// Its name, which is also its test's.
    pub(crate) name: &'static str,
    make: fn(Draft, &mut SplitMix) -> Given,
}

/// The files of a class for one seed, and what must become of them.
pub(crate) struct Given {
    pub(crate) cases: Vec<Case>,
    pub(crate) expect: Expect,
}

/// What must become of a file.
#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// Its error says this.
    Refused(&'static str),
    /// It looks like harm but is none.
    Accepted,
}

/// What comes from outside.
pub(crate) enum Case {
    /// A model file.
    File(File),
    /// A model file, beside the manifest of the one that it claims to be.
    Copy { file: File, manifest: Box<Manifest> },
    /// A manifest, in place of that of the model that was asked for.
    Manifest { bytes: Vec<u8>, asked: ModelId },
}

/// A file: what is written of it, then zeros to its end.
pub(crate) struct File {
    pub(crate) front: Vec<u8>,
    pub(crate) file_bytes: u64,
}

/// Why a case was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    File(GgufError),
    Manifest(ManifestError),
}

/// Every class inside a file, and the functions that make it. Given to a macro, so that the tests have the same
/// names and none is left out.
#[macro_export]
macro_rules! for_each_class {
    ($then:ident) => {
        $then! {
            header {
                bad_magic byte_swapped_magic version_0 version_1 version_4 version_byte_swapped
                tensor_count_minus_1 tensor_count_2_63 tensor_count_2_32_and_1
                key_count_minus_1 key_count_2_63 key_count_one_more key_count_one_less
                cut_in_the_fixed_part junk_after_an_empty_file nothing_at_all
            }
            keys {
                key_length_minus_1 key_length_beyond_the_file key_length_0 key_length_65536 key_length_2_32_and_3
                key_with_nul key_not_utf8 keys_alike_once_decoded key_twice
                value_type_13 value_type_255 value_type_minus_1 bool_2
                string_length_minus_1 string_length_beyond_the_rest string_length_2_31 string_length_2_32_and_1
                array_type_unknown array_length_minus_1 array_length_times_size_overflows
                array_length_beyond_the_rest
                arrays_nested_once arrays_nested_64 arrays_nested_200 arrays_nested_100000
                four_million_empty_strings a_quarter_gigabyte_of_bytes
                alignment_0 alignment_3 alignment_13 alignment_2_31
                alignment_as_i32 alignment_as_u64 alignment_as_string alignment_negative alignment_twice
                cut_at_every_byte_of_the_keys
            }
            hyperparameters {
                no_heads no_kv_heads more_kv_heads_than_heads kv_heads_that_do_not_divide
                width_that_heads_do_not_divide odd_rope_dimensions
                no_layers layers_2_31 layers_that_are_not_there
                no_context context_2_63
                rope_base_0 rope_base_minus_1 rope_base_nan rope_base_infinite
                epsilon_nan epsilon_negative
                vocab_size_unlike_the_tokens tokens_unlike_the_embedding
                experts unknown_architecture every_key_of_another_type
            }
            vocabulary {
                tables_of_different_lengths a_token_of_a_mebibyte tokens_twice
                special_token_outside special_token_negative
                merge_without_space merge_to_unknown_tokens ten_million_merges
                token_not_utf8 template_of_ten_mebibytes
            }
            tensors {
                name_length_0 name_length_65 name_length_minus_1 name_length_beyond_the_file name_twice
                dimensions_0 dimensions_5 dimensions_2_32_minus_1
                dimension_0 dimension_minus_1 dimension_2_32_and_1
                product_wraps_to_0 product_wraps_to_little product_times_type_wraps sum_of_tensors_wraps
                row_that_blocks_do_not_divide
                type_removed_4 type_removed_5 type_255 type_minus_1
                offset_unaligned offset_at_the_end_of_the_file offset_wraps offset_into_the_header
                larger_than_the_rest two_overlap a_gap_of_a_tebibyte
                one_missing one_unknown shape_transposed norm_in_blocks
            }
            data {
                cut_at_every_4_kib no_data_at_all junk_after_the_last_tensor
                scale_nan scale_infinite scale_subnormal block_of_ones
                chunk_with_another_hash manifest_of_another_model
            }
        }
    };
}

macro_rules! table {
    ($($module:ident { $($name:ident)+ })+) => {
        /// All classes, in the order of the table.
        pub(crate) const CLASSES: &[Class] = &[$($(Class {
            name: concat!(stringify!($module), "::", stringify!($name)),
            make: $module::$name,
        }),+),+];
    };
}
for_each_class!(table);

impl Class {
    /// The class of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.name == name)
    }

    /// Its files for a seed: a sound file of that seed, changed.
    pub(crate) fn given(&self, seed: u64) -> Given {
        let mut random = SplitMix::new(seed);
        (self.make)(Draft::sound(&mut random), &mut random)
    }

    /// FNV-1a over what becomes of every file of the first `seeds` seeds.
    pub(crate) fn digest(&self, seeds: u64) -> u64 {
        let mut digest = 0xCBF2_9CE4_8422_2325_u64;
        for seed in 0..seeds {
            for case in self.given(seed).cases {
                for byte in verdict(&case.judge()).bytes() {
                    digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
                }
            }
        }
        digest
    }
}

fn verdict(result: &Result<(), Refusal>) -> String {
    match result {
        Ok(()) => "accepted".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::File(error) => write!(f, "{error}"),
            Refusal::Manifest(error) => write!(f, "{error}"),
        }
    }
}

impl Case {
    /// What a device does with it, step by step, until it is refused.
    pub(crate) fn judge(&self) -> Result<(), Refusal> {
        match self {
            Case::File(file) => file.judge(),
            Case::Copy { file, manifest } => file.compare(manifest),
            Case::Manifest { bytes, asked } => Manifest::decode_for(bytes, asked)
                .map(drop)
                .map_err(Refusal::Manifest),
        }
    }

    /// Bytes of metadata that the reader may be charged for: what it can have read, and no more.
    pub(crate) fn metadata_bytes(&self) -> u64 {
        match self {
            Case::File(file) => file.metadata_bytes(),
            Case::Copy { file, .. } => file.metadata_bytes(),
            Case::Manifest { bytes, .. } => bytes.len() as u64,
        }
    }
}

impl File {
    /// Its bytes.
    pub(crate) fn reader(&self) -> impl Read + '_ {
        self.front.as_slice().chain(io::repeat(0)).take(self.file_bytes)
    }

    fn judge(&self) -> Result<(), Refusal> {
        let header = Header::read(self.reader(), self.file_bytes).map_err(Refusal::File)?;
        for tensor in header.tensors() {
            // What was never written is zeros, which every type takes.
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.front.len());
            let written = &self.front[place(tensor.offset_bytes)..place(tensor.end_bytes())];
            if written.len() as u64 == tensor.bytes {
                check_weights(tensor.ty, written).map_err(Refusal::File)?;
            }
        }
        Ok(())
    }

    fn compare(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let header = &self.front[..self.front.len().min(manifest.header_bytes() as usize)];
        manifest.check_header(header).map_err(Refusal::Manifest)?;
        for index in 0..manifest.chunk_count() {
            let range = manifest.chunk_range(index).unwrap_or_default();
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.front.len());
            let chunk = &self.front[place(range.start)..place(range.end)];
            manifest.check_chunk(index, chunk).map_err(Refusal::Manifest)?;
        }
        Ok(())
    }

    /// What a reader takes before it knows better.
    fn metadata_bytes(&self) -> u64 {
        struct Counting<'a, R>(R, &'a mut u64);
        impl<R: Read> Read for Counting<'_, R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let read = self.0.read(buffer)?;
                *self.1 += read as u64;
                Ok(read)
            }
        }
        let mut bytes = 0;
        let _ = Header::read(Counting(self.reader(), &mut bytes), self.file_bytes);
        bytes
    }
}
