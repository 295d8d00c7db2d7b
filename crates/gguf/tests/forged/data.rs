//! What lies behind the header: data that breaks off, weights that are no numbers, files that are not the promised ones.
//! Does not change a byte of the header, but where the hash must tell.

use gguf::synthetic::{Model, SplitMix};
use gguf::{About, Header, Manifest, TensorInfo, TensorType};

use super::draft::{Draft, refused};
use super::{Case, Expect, File, Given};

/// Every file that ends at a multiple of 4 KiB before its end.
pub(super) fn cut_at_every_4_kib(draft: Draft, _: &mut SplitMix) -> Given {
    let File { front, file_bytes } = draft.file();
    let header_bytes = front.len() as u64;
    let ends = (header_bytes..file_bytes).filter(|end| end % 4096 == 0);
    let files: Vec<File> = ends
        .map(|file_bytes| File {
            front: front.clone(),
            file_bytes,
        })
        .collect();
    refused("ends at byte", files)
}

pub(super) fn no_data_at_all(draft: Draft, _: &mut SplitMix) -> Given {
    let mut file = draft.file();
    file.file_bytes = file.front.len() as u64;
    refused("ends at byte", [file])
}

/// Others read such files; whatever follows would be fetched, stored and never looked at.
pub(super) fn junk_after_the_last_tensor(draft: Draft, random: &mut SplitMix) -> Given {
    let mut file = draft.file();
    file.file_bytes += 1 + random.below(1 << 20);
    refused("policy: ", [file])
}

pub(super) fn scale_nan(_: Draft, random: &mut SplitMix) -> Given {
    scale(random, [0x7E00, 0x7FC0], Expect::Refused("is not finite"))
}

pub(super) fn scale_infinite(_: Draft, random: &mut SplitMix) -> Given {
    let sign = 0x8000 * random.below(2) as u16;
    scale(
        random,
        [0x7C00 | sign, 0x7F80 | sign],
        Expect::Refused("is not finite"),
    )
}

/// Small blocks have such scales in every honest file: they are numbers, and accepted.
pub(super) fn scale_subnormal(_: Draft, random: &mut SplitMix) -> Given {
    scale(random, [0x0001, 0x0001], Expect::Accepted)
}

pub(super) fn block_of_ones(_: Draft, random: &mut SplitMix) -> Given {
    let (mut bytes, tensor) = model(random);
    let block = any_block(&tensor, random);
    bytes[block].fill(0xFF);
    given(whole(bytes), Expect::Refused("is not finite"))
}

/// One byte of the file, header or data, is another than the manifest's.
pub(super) fn chunk_with_another_hash(_: Draft, random: &mut SplitMix) -> Given {
    let (bytes, _) = model(random);
    let Some(manifest) = manifest(&bytes) else {
        return nothing();
    };
    let mut cases = Vec::new();
    for at in [random.below(1_000), random.below(bytes.len() as u64)] {
        let mut bytes = bytes.clone();
        bytes[at as usize] ^= 1 << random.below(8);
        let (file, manifest) = (whole(bytes), Box::new(manifest.clone()));
        cases.push(Case::Copy { file, manifest });
    }
    let expect = Expect::Refused("its hash differs");
    Given { cases, expect }
}

/// A sound manifest, listed under the id of another model.
pub(super) fn manifest_of_another_model(_: Draft, random: &mut SplitMix) -> Given {
    let manifests = [model(random).0, model(random).0].map(|bytes| manifest(&bytes));
    let [Some(found), Some(asked)] = manifests else {
        return nothing();
    };
    let (bytes, asked) = (found.encode(), asked.id());
    Given {
        cases: vec![Case::Manifest { bytes, asked }],
        expect: Expect::Refused("asked for model"),
    }
}

/// A sound model of a type that is drawn, and one of its matrices.
fn model(random: &mut SplitMix) -> (Vec<u8>, TensorInfo) {
    let ty = TensorType::ALL[random.below(TensorType::ALL.len() as u64) as usize];
    let model = Model {
        ty,
        n_layers: 1,
        d_model: 256,
        d_ffn: 256,
        vocab: 300,
        seed: random.bits(),
        ..Model::tiny()
    };
    let bytes = model.to_bytes().unwrap_or_default();
    let header = Header::read(bytes.as_slice(), bytes.len() as u64);
    let tensors = header.map(|header| header.tensors().to_vec()).unwrap_or_default();
    let mut matrices: Vec<TensorInfo> = tensors
        .into_iter()
        .filter(|tensor| tensor.ty == ty && tensor.dims.len() == 2)
        .collect();
    let at = random.below(matrices.len() as u64) as usize;
    (bytes, matrices.swap_remove(at))
}

fn manifest(bytes: &[u8]) -> Option<Manifest> {
    Manifest::build(bytes, bytes.len() as u64, About::default()).ok()
}

/// A file that could not be made: no case, which the tests count as a failure.
fn nothing() -> Given {
    let (cases, expect) = (Vec::new(), Expect::Accepted);
    Given { cases, expect }
}

fn whole(front: Vec<u8>) -> File {
    let file_bytes = front.len() as u64;
    File { front, file_bytes }
}

fn given(file: File, expect: Expect) -> Given {
    let cases = vec![Case::File(file)];
    Given { cases, expect }
}

fn any_block(tensor: &TensorInfo, random: &mut SplitMix) -> std::ops::Range<usize> {
    let size = tensor.ty.block_bytes();
    let start = tensor.offset_bytes + size * random.below(tensor.bytes / size);
    start as usize..(start + size) as usize
}

/// A model in which one scale, or one weight where each stands alone, is `half` (in 16 bits) or `upper` (the upper
/// half of 32).
fn scale(random: &mut SplitMix, [half, upper]: [u16; 2], expect: Expect) -> Given {
    let (mut bytes, tensor) = model(random);
    let block = any_block(&tensor, random);
    // Where the numbers of a block lie, from the format's own description.
    let (at, bits) = match tensor.ty {
        TensorType::F32 => (2, upper),
        TensorType::BF16 => (0, upper),
        TensorType::Q2_K => (80 + 2 * random.below(2) as usize, half),
        TensorType::Q3_K => (108, half),
        TensorType::Q6_K => (208, half),
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K => {
            (2 * random.below(2) as usize, half)
        }
        _ => (0, half),
    };
    bytes[block.start + at..block.start + at + 2].copy_from_slice(&bits.to_le_bytes());
    given(whole(bytes), expect)
}
