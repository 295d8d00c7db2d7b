//! Models that we make ourselves: every type and family is accepted, no part of one is.
//! Does not compute with them.
#![allow(clippy::unwrap_used)]

use gguf::synthetic::{Model, SplitMix};
use gguf::write::Writer;
use gguf::{
    About, Architecture, GgufError, Header, LayerRange, Manifest, ManifestBuilder, ManifestError, Refusal,
    Stage, TensorType, Value, check_weights, stage_ranges,
};

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    Header::read(bytes, bytes.len() as u64)
}

#[test]
fn sound_models_of_every_type_and_family_are_accepted() {
    for ty in TensorType::ALL {
        for architecture in [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3] {
            let tied_head = architecture != Architecture::Qwen2;
            let model = Model {
                ty,
                architecture,
                tied_head,
                d_model: 256,
                d_ffn: 512,
                ..Model::tiny()
            };
            let bytes = model.to_bytes().unwrap();
            let header = read(&bytes).unwrap();
            let config = header.config().unwrap();
            assert_eq!(
                (config.architecture, config.n_layers, config.tied_head),
                (architecture, 2, tied_head)
            );
            for tensor in header.tensors() {
                let weights = &bytes[tensor.offset_bytes as usize..tensor.end_bytes() as usize];
                assert_eq!(check_weights(tensor.ty, weights), Ok(()), "{}", tensor.name);
            }
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_file_and_another_seed_another() {
    let make = |seed| {
        Model {
            seed,
            ..Model::tiny()
        }
        .to_bytes()
        .unwrap()
    };
    assert_eq!(make(7), make(7));
    assert_ne!(make(7), make(8));
}

#[test]
fn what_others_add_to_their_files_is_accepted() {
    let mut file = Model {
        architecture: Architecture::Llama,
        ..Model::tiny()
    }
    .writer()
    .unwrap();
    let sound = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
    file.set("tokenizer.chat_template", sound).unwrap();
    file.set("tokenizer.chat_template.Tool_use", sound).unwrap();
    file.set("general.base_model.0.repo_url", "https://example.org/Some-Model")
        .unwrap();
    file.set("general.tags", ["a", "b"].iter().collect::<gguf::Strings>())
        .unwrap();
    file.set("quantize.imatrix.entries_count", 128_i32).unwrap();
    file.set("llama.rope.dimension_count", 16_u32).unwrap();
    file.set("some-vendor.Key_1", Value::U64(1 << 40)).unwrap();
    let factors = (0..8).flat_map(|_| 1_f32.to_le_bytes()).collect();
    file.tensor("rope_freqs.weight", TensorType::F32, &[8], factors)
        .unwrap();
    read(&file.to_bytes()).unwrap();
}

#[test]
fn no_prefix_of_a_model_is_a_model() {
    let bytes = Model {
        n_layers: 1,
        vocab: 300,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let header_bytes = read(&bytes).unwrap().header_bytes() as usize;
    let data = (header_bytes..bytes.len()).step_by(997);
    for len in (0..header_bytes).step_by(7).chain(data).chain([bytes.len() - 1]) {
        let error = read(&bytes[..len]).unwrap_err();
        assert!(!matches!(error, GgufError::NeedMore { .. }), "{len}: {error}");
    }
    for len in (0..header_bytes).step_by(7) {
        match Header::read(&bytes[..len], bytes.len() as u64) {
            Err(GgufError::NeedMore { bytes }) => assert!(bytes > len as u64 && bytes <= header_bytes as u64),
            other => panic!("{len}: {other:?}"),
        }
    }
    Header::read(&bytes[..header_bytes], bytes.len() as u64).unwrap();
}

#[test]
fn stages_need_their_own_tensors_and_together_all() {
    let bytes = Model {
        n_layers: 4,
        tied_head: false,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let header = read(&bytes).unwrap();
    let stage = |first, end| Stage::of(LayerRange::new(first, end).unwrap(), 4);
    let size = |stage: &Stage| {
        stage_ranges(&header, stage)
            .iter()
            .map(|range| range.end - range.start)
            .sum::<u64>()
    };
    let all: u64 = header.tensors().iter().map(|tensor| tensor.bytes).sum();
    assert_eq!(size(&stage(0, 2)) + size(&stage(2, 4)), all);
    assert!(stage(0, 2).embed && !stage(0, 2).head && stage(2, 4).head);
    assert_eq!(stage_ranges(&header, &stage(0, 4)).len(), 1);
    let embedding = header.tensor("token_embd.weight").unwrap().bytes;
    let tied = read(
        &Model {
            n_layers: 4,
            ..Model::tiny()
        }
        .to_bytes()
        .unwrap(),
    )
    .unwrap();
    let last = stage_ranges(&tied, &stage(3, 4));
    assert!(
        last.iter().any(|range| range.end - range.start == embedding),
        "a tied head needs the embedding"
    );
}

#[test]
fn an_unsupported_type_is_refused_by_name_and_still_listed() {
    let mut bytes = Model::tiny().to_bytes().unwrap();
    let name = b"blk.0.attn_q.weight";
    let at = bytes
        .windows(name.len())
        .position(|window| window == name)
        .unwrap()
        + name.len()
        + 4
        + 16;
    bytes[at..at + 4].copy_from_slice(&23_u32.to_le_bytes());
    let error = read(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor blk.0.attn_q.weight is of type IQ4_XS, which is not supported"
    );
    assert_eq!(error.refusal(), Refusal::Unsupported);
    let listing = Header::list(bytes.as_slice(), bytes.len() as u64).unwrap();
    assert!(
        listing
            .tensors
            .iter()
            .any(|tensor| tensor.ty.to_string() == "IQ4_XS")
    );
}

#[test]
fn mutated_models_never_panic() {
    let sound = Model {
        n_layers: 1,
        vocab: 300,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let header_bytes = read(&sound).unwrap().header_bytes();
    let mut random = SplitMix::new(0xFEED);
    for _ in 0..20_000 {
        let mut header = sound[..header_bytes as usize].to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(header.len() as u64) as usize;
            match random.below(4) {
                0 => header[at] ^= 1 << random.below(8),
                1 => header[at] = random.bits() as u8,
                2 => header.truncate(at.max(1)),
                _ => {
                    let from = random.below(header.len() as u64) as usize;
                    let len = (random.below(64) as usize).min(header.len() - from.max(at));
                    header.copy_within(from..from + len, at);
                }
            }
        }
        let verdict = Header::read(header.as_slice(), sound.len() as u64);
        if let Ok(read) = verdict {
            assert!(
                read.tensors()
                    .iter()
                    .all(|tensor| tensor.end_bytes() <= sound.len() as u64)
            );
        }
    }
}

#[test]
fn a_manifest_is_read_only_in_its_one_form_and_catches_every_changed_byte() {
    let bytes = Model {
        n_layers: 3,
        vocab: 3_000,
        d_ffn: 1_024,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let about = About {
        file_name: "synthetic.gguf".into(),
        ..About::default()
    };
    let manifest = Manifest::build(bytes.as_slice(), bytes.len() as u64, about.clone()).unwrap();
    assert!(manifest.chunk_count() > 1);
    let encoded = manifest.encode();
    assert_eq!(
        Manifest::decode_for(&encoded, &manifest.id()),
        Ok(manifest.clone())
    );
    for at in 0..encoded.len() {
        assert!(Manifest::decode(&encoded[..at]).is_err());
        let mut changed = encoded.clone();
        changed[at] ^= 1;
        assert!(Manifest::decode(&changed) != Ok(manifest.clone()), "byte {at}");
    }
    assert!(Manifest::decode(&[encoded.as_slice(), &[0]].concat()).is_err());
    let renamed = About {
        name: "another".into(),
        ..about
    };
    let renamed = Manifest::build(bytes.as_slice(), bytes.len() as u64, renamed).unwrap();
    assert_eq!(
        renamed.id(),
        manifest.id(),
        "a publisher's words do not change the id"
    );
    let range = manifest.chunk_range(1).unwrap();
    let mut chunk = bytes[range.start as usize..range.end as usize].to_vec();
    assert_eq!(manifest.check_chunk(1, &chunk), Ok(()));
    assert_eq!(
        manifest
            .check_chunk(0, &chunk[..9])
            .map_err(|e| matches!(e, ManifestError::ChunkBytes { .. })),
        Err(true)
    );
    chunk[77] ^= 1;
    assert_eq!(
        manifest.check_chunk(1, &chunk),
        Err(ManifestError::ChunkHash { index: 1 })
    );
    let other = Model {
        seed: 9,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let other = Manifest::build(other.as_slice(), other.len() as u64, About::default()).unwrap();
    assert!(matches!(
        Manifest::decode_for(&encoded, &other.id()),
        Err(ManifestError::OtherModel { .. })
    ));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let mut file = Writer::new();
    assert_eq!(file.set("", 1_u32).map(drop), Err(GgufError::Key(String::new())));
    file.set("a", 1_u32).unwrap();
    assert_eq!(
        file.set("a", 1_u32).map(drop),
        Err(GgufError::DuplicateKey("a".into()))
    );
    let q4 = TensorType::Q4_0;
    assert!(matches!(
        file.tensor("t", q4, &[33], vec![0; 18]).map(drop),
        Err(GgufError::Row { .. })
    ));
    assert!(matches!(
        file.tensor("t", q4, &[32], vec![0; 17]).map(drop),
        Err(GgufError::WeightBytes { .. })
    ));
    assert!(matches!(
        file.tensor("t", q4, &[32, 0], vec![]).map(drop),
        Err(GgufError::Dim { .. })
    ));
    assert!(file.tensor("t", q4, &[32], vec![0; 18]).is_ok());
    assert_eq!(
        file.tensor("t", q4, &[32], vec![0; 18]).map(drop),
        Err(GgufError::DuplicateTensor("t".into()))
    );
}

#[test]
fn a_file_that_comes_by_chunk_gets_the_same_manifest_and_a_wrong_one_is_refused_early() {
    let bytes = Model {
        n_layers: 3,
        vocab: 3_000,
        d_ffn: 1_024,
        ..Model::tiny()
    }
    .to_bytes()
    .unwrap();
    let length = bytes.len() as u64;
    let whole = Manifest::build(bytes.as_slice(), length, About::default()).unwrap();
    let mut builder = ManifestBuilder::new(length, About::default()).unwrap();
    for (index, chunk) in (0..).zip(bytes.chunks(gguf::CHUNK_BYTES as usize)) {
        assert!(matches!(
            builder.push(&chunk[1..]),
            Err(ManifestError::ChunkBytes { .. })
        ));
        assert!(matches!(builder.clone().finish(), Err(ManifestError::Io(_))));
        assert_eq!(Some(builder.push(chunk).unwrap()), whole.chunk_sha256(index));
    }
    assert!(matches!(builder.push(&[0]), Err(ManifestError::NoChunk { .. })));
    assert_eq!(builder.finish().unwrap(), whole);

    let mut page = ManifestBuilder::new(10 << 20, About::default()).unwrap();
    let html = vec![b'<'; gguf::CHUNK_BYTES as usize];
    assert!(matches!(page.push(&html), Err(ManifestError::File(_))));
    for wrong in [length - 1, length + 1] {
        let error = Manifest::build(bytes.as_slice(), wrong, About::default()).unwrap_err();
        assert!(!matches!(error, ManifestError::Encoding(_)), "{error}");
    }
}
