//! Every limit of the reader, reached: what lies at it is read, what lies one beyond is refused by its name.
//! Does not look for other ways to forge a file: `hostile` does.
#![allow(clippy::unwrap_used)]

mod forged;

use forged::File;
use forged::draft::{Draft, Value, string};
use gguf::limits::*;
use gguf::synthetic::{Model, SplitMix};
use gguf::write::Writer;
use gguf::{About, GgufError, Header, Listing, Manifest, ManifestError, TensorType};

fn draft() -> Draft {
    Draft::sound(&mut SplitMix::new(3))
}

/// A vocabulary without tensors.
fn vocabulary() -> Draft {
    let mut draft = draft();
    draft.tensors.clear();
    draft
}

fn list(file: &File) -> Result<Listing, GgufError> {
    Header::list(file.reader(), file.file_bytes)
}

fn read(file: &File) -> Result<Header, GgufError> {
    Header::read(file.reader(), file.file_bytes)
}

fn read_vocabulary(draft: &Draft) -> Result<Header, GgufError> {
    let file = draft.file();
    Header::read_vocabulary(file.reader(), file.file_bytes)
}

/// The error of one too many.
fn beyond<T: std::fmt::Debug>(result: Result<T, GgufError>, what: &str, limit: u64) {
    match result {
        Err(GgufError::Limit {
            what: found,
            limit: of,
            ..
        }) => assert_eq!((found, of), (what, limit)),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn versions() {
    for version in 0..6 {
        let mut draft = draft();
        draft.version = version;
        assert_eq!(
            list(&draft.file()).is_ok(),
            VERSIONS.contains(&version),
            "{version}"
        );
    }
}

#[test]
fn header_bytes() {
    let mut draft = vocabulary();
    // Keys of 4 MiB of bytes each, until the last fills the header to its end.
    let entry = |left: u64| left.saturating_sub(8 + 2 + 4 + 4 + 8);
    while draft.keys().len() as u64 + 64 < MAX_HEADER_BYTES {
        let len = entry(MAX_HEADER_BYTES - draft.keys().len() as u64).min(MAX_ARRAY_ELEMENTS);
        let key = format!("k{}", draft.entries.len() % 10);
        let (code, bytes) = (
            9,
            [
                &0_u32.to_le_bytes()[..],
                &len.to_le_bytes(),
                &vec![0; len as usize],
            ]
            .concat(),
        );
        draft.add(format!("{key}{}", draft.entries.len()).as_bytes(), code, bytes);
    }
    let last = draft.entries.last_mut().unwrap();
    last.payload.truncate(12);
    let rest = MAX_HEADER_BYTES - draft.keys().len() as u64;
    let fill = |len: u64| {
        let mut draft = draft.clone();
        let last = draft.entries.last_mut().unwrap();
        last.payload = [
            &0_u32.to_le_bytes()[..],
            &len.to_le_bytes(),
            &vec![0; len as usize],
        ]
        .concat();
        draft
    };
    assert_eq!(fill(rest).file().file_bytes, MAX_HEADER_BYTES);
    read_vocabulary(&fill(rest)).unwrap();
    beyond(
        read_vocabulary(&fill(rest + 1)),
        "bytes of header",
        MAX_HEADER_BYTES,
    );
}

#[test]
fn keys() {
    let mut draft = vocabulary();
    while (draft.entries.len() as u64) < MAX_KEYS {
        draft.add(format!("k.{}", draft.entries.len()).as_bytes(), 7, vec![1]);
    }
    read_vocabulary(&draft).unwrap();
    draft.add(b"one.more", 7, vec![1]);
    beyond(read_vocabulary(&draft), "keys", MAX_KEYS);
}

#[test]
fn key_bytes() {
    let with = |len: u64| {
        let mut draft = vocabulary();
        draft.add(&vec![b'k'; len as usize], 7, vec![1]);
        draft
    };
    read_vocabulary(&with(MAX_KEY_BYTES)).unwrap();
    beyond(
        read_vocabulary(&with(MAX_KEY_BYTES + 1)),
        "bytes of a key",
        MAX_KEY_BYTES,
    );
}

#[test]
fn string_bytes() {
    let with = |len: u64| {
        let mut draft = vocabulary();
        draft.set("general.description", Value::Text(&"x".repeat(len as usize)));
        draft
    };
    read_vocabulary(&with(MAX_STRING_BYTES)).unwrap();
    beyond(
        read_vocabulary(&with(MAX_STRING_BYTES + 1)),
        "bytes of a string",
        MAX_STRING_BYTES,
    );
}

#[test]
fn array_elements() {
    let with = |len: u64| {
        let mut draft = vocabulary();
        draft.set("general.tags", Value::Array(0, len, vec![0; len as usize]));
        draft
    };
    read_vocabulary(&with(MAX_ARRAY_ELEMENTS)).unwrap();
    beyond(
        read_vocabulary(&with(MAX_ARRAY_ELEMENTS + 1)),
        "elements of an array",
        MAX_ARRAY_ELEMENTS,
    );
}

#[test]
fn array_strings() {
    let with = |len: u64| {
        let mut draft = vocabulary();
        draft.set(
            "general.tags",
            Value::Array(8, len, string(b"").repeat(len as usize)),
        );
        draft
    };
    read_vocabulary(&with(MAX_ARRAY_STRINGS)).unwrap();
    beyond(
        read_vocabulary(&with(MAX_ARRAY_STRINGS + 1)),
        "strings of an array",
        MAX_ARRAY_STRINGS,
    );
}

#[test]
fn vocabulary_and_token_bytes() {
    let with = |vocab: u32, first: &str| {
        let mut draft = vocabulary();
        let token = |id: u32| {
            if id == 0 {
                first.to_owned()
            } else {
                format!("{id:x}")
            }
        };
        let items = (0..vocab).flat_map(|id| string(token(id).as_bytes())).collect();
        draft
            .entries
            .retain(|entry| !entry.key.ends_with(b"scores") && !entry.key.ends_with(b"token_type"));
        draft.set("tokenizer.ggml.tokens", Value::Array(8, vocab.into(), items));
        draft
    };
    read_vocabulary(&with(MAX_VOCAB, "")).unwrap();
    beyond(
        read_vocabulary(&with(MAX_VOCAB + 1, "")),
        "tokens",
        MAX_VOCAB.into(),
    );
    read_vocabulary(&with(9, &"x".repeat(MAX_TOKEN_BYTES))).unwrap();
    let bytes = MAX_TOKEN_BYTES as u64 + 1;
    let found = read_vocabulary(&with(9, &"x".repeat(MAX_TOKEN_BYTES + 1))).map(drop);
    assert_eq!(found, Err(GgufError::TokenBytes { id: 0, bytes }));
}

#[test]
fn template_bytes() {
    let with = |len: usize| {
        let mut draft = vocabulary();
        draft.set("tokenizer.chat_template", Value::Text(&"x".repeat(len)));
        draft
    };
    read_vocabulary(&with(MAX_TEMPLATE_BYTES)).unwrap();
    let limit = MAX_TEMPLATE_BYTES as u64;
    beyond(
        read_vocabulary(&with(MAX_TEMPLATE_BYTES + 1)),
        "bytes of a chat template",
        limit,
    );
}

#[test]
fn alignment() {
    let with = |alignment: u32| {
        let mut draft = draft();
        draft.set("general.alignment", Value::U32(alignment));
        list(&draft.file()).map(|listing| listing.alignment)
    };
    assert_eq!(with(1), Ok(1));
    assert_eq!(with(MAX_ALIGNMENT), Ok(MAX_ALIGNMENT));
    assert_eq!(
        with(2 * MAX_ALIGNMENT),
        Err(GgufError::Alignment(u64::from(2 * MAX_ALIGNMENT)))
    );
}

#[test]
fn tensors_and_their_names() {
    let mut many = draft();
    let sample = many.tensors[1].clone();
    while (many.tensors.len() as u64) < MAX_TENSORS {
        let mut tensor = sample.clone();
        tensor.name = format!("t{}", many.tensors.len()).into();
        many.tensors.push(tensor);
    }
    assert_eq!(list(&many.file()).unwrap().tensors.len() as u64, MAX_TENSORS);
    many.tensors.push(sample);
    beyond(list(&many.file()), "tensors", MAX_TENSORS);

    let named = |len: u64| {
        let mut draft = draft();
        draft.tensors[1].name = vec![b'n'; len as usize];
        list(&draft.file())
    };
    assert_eq!(named(MAX_TENSOR_NAME_BYTES).unwrap().tensors[1].name.len(), 64);
    beyond(
        named(MAX_TENSOR_NAME_BYTES + 1),
        "bytes of a tensor name",
        MAX_TENSOR_NAME_BYTES,
    );
}

#[test]
fn dimensions() {
    let with = |dims: Vec<u64>| {
        let mut draft = draft();
        draft.keep_length();
        draft.tensors[1].dims = dims;
        list(&draft.file()).map(drop)
    };
    let name = String::from_utf8(draft().tensors[1].name.clone()).unwrap();
    assert_eq!(with(vec![1; MAX_DIMS as usize]), Ok(()));
    let found = MAX_DIMS + 1;
    assert_eq!(
        with(vec![1; found as usize]),
        Err(GgufError::DimCount {
            name: name.clone(),
            found
        })
    );
    assert_eq!(with(vec![MAX_DIM]), Ok(()));
    let found = MAX_DIM + 1;
    assert_eq!(with(vec![found]), Err(GgufError::Dim { name, found }));
}

/// A number of the model at its limit leads on to the tensors, which do not fit it; beyond it the number is named.
#[test]
fn numbers_of_the_model() {
    let with = |key: &str, number: u32, also: &[(&str, u32)]| {
        let mut draft = draft();
        for (key, number) in also.iter().chain([&(key, number)]) {
            draft.set(&format!("llama.{key}"), Value::U32(*number));
        }
        read(&draft.file()).unwrap_err()
    };
    let check = |key: &str, limit: u32, also: &[(&str, u32)]| {
        let at = with(key, limit, also);
        assert!(!matches!(at, GgufError::Value { .. }), "{key}: {at}");
        let error = with(key, limit + 1, also);
        assert!(
            matches!(&error, GgufError::Value { key: found, .. } if found.ends_with(key)),
            "{key}: {error}"
        );
    };
    check("block_count", MAX_LAYERS, &[]);
    check(
        "embedding_length",
        MAX_WIDTH,
        &[("attention.head_count", 1), ("attention.head_count_kv", 1)],
    );
    check("feed_forward_length", MAX_WIDTH, &[]);
    let wide = [
        ("embedding_length", MAX_HEADS * 32),
        ("attention.head_count_kv", 1),
    ];
    check("attention.head_count", MAX_HEADS, &wide);
    check(
        "attention.key_length",
        MAX_HEADS,
        &[("attention.value_length", MAX_HEADS)],
    );

    let mut long = draft();
    long.set("llama.context_length", Value::U32(MAX_CONTEXT));
    assert_eq!(read(&long.file()).unwrap().config().unwrap().context, MAX_CONTEXT);
    long.set("llama.context_length", Value::U32(MAX_CONTEXT + 1));
    assert!(matches!(read(&long.file()), Err(GgufError::Value { .. })));
}

#[test]
fn file_bytes() {
    let with = |file_bytes: u64| {
        let mut draft = draft();
        draft.file_bytes = Some(file_bytes);
        draft.file()
    };
    list(&with(MAX_FILE_BYTES)).unwrap();
    beyond(
        list(&with(MAX_FILE_BYTES + 1)),
        "bytes of the file",
        MAX_FILE_BYTES,
    );
    beyond(read(&with(u64::MAX)), "bytes of the file", MAX_FILE_BYTES);
}

#[test]
fn texts_and_sources_of_a_manifest() {
    let bytes = Model::tiny().to_bytes().unwrap();
    let with = |about: About| Manifest::build(bytes.as_slice(), bytes.len() as u64, about);
    let named = |len: usize| {
        with(About {
            name: "n".repeat(len),
            ..About::default()
        })
    };
    assert!(named(MAX_TEXT_BYTES).is_ok());
    assert!(matches!(named(MAX_TEXT_BYTES + 1), Err(ManifestError::Field(_))));
    let sourced = |count: usize, len: usize| {
        let url = format!("https://example.org/{}", "x".repeat(len - 20));
        with(About {
            sources: vec![url; count],
            ..About::default()
        })
    };
    assert!(sourced(MAX_SOURCES, MAX_SOURCE_BYTES).is_ok());
    assert!(matches!(
        sourced(MAX_SOURCES + 1, MAX_SOURCE_BYTES),
        Err(ManifestError::Field(_))
    ));
    assert!(matches!(
        sourced(MAX_SOURCES, MAX_SOURCE_BYTES + 1),
        Err(ManifestError::Field(_))
    ));
    let long = Manifest::decode(&vec![0; MAX_MANIFEST_BYTES + 1]).unwrap_err();
    assert!(long.to_string().contains("too many"), "{long}");
    let short = Manifest::decode(&vec![0; MAX_MANIFEST_BYTES]).unwrap_err();
    assert!(!short.to_string().contains("too many"), "{short}");
}

/// What cannot be run is named, and what stands in its header can still be seen: for every type that the format
/// has and we have not.
#[test]
fn every_unsupported_type_is_refused_by_name_and_still_listed() {
    let supported: Vec<u32> = TensorType::ALL.iter().map(|ty| ty.code().0).collect();
    let names = [
        (9, "Q8_1"),
        (15, "Q8_K"),
        (16, "IQ2_XXS"),
        (17, "IQ2_XS"),
        (18, "IQ3_XXS"),
        (19, "IQ1_S"),
        (20, "IQ4_NL"),
        (21, "IQ3_S"),
        (22, "IQ2_S"),
        (23, "IQ4_XS"),
        (24, "I8"),
        (25, "I16"),
        (26, "I32"),
        (27, "I64"),
        (28, "F64"),
        (29, "IQ1_M"),
        (34, "TQ1_0"),
        (35, "TQ2_0"),
        (39, "MXFP4"),
        (40, "NVFP4"),
    ];
    for (code, name) in names {
        assert!(!supported.contains(&code));
        let mut draft = draft();
        draft.tensors[2].ty = code;
        let file = draft.file();
        let error = read(&file).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("is of type {name}, which is not supported")),
            "{error}"
        );
        assert_eq!(error.refusal(), gguf::Refusal::Unsupported);
        let listing = list(&file).unwrap();
        assert_eq!(listing.tensors[2].ty.to_string(), name);
        assert_eq!(listing.metadata.string("general.architecture"), Ok(Some("llama")));
    }
}

/// The writer keeps the reader's limits, too.
#[test]
fn the_writer_has_no_longer_names_and_no_more_dimensions() {
    let mut file = Writer::new();
    let mut tensor =
        |name: &str, dims: &[u64]| file.tensor(name, TensorType::F32, dims, vec![0; 4]).map(drop);
    assert!(tensor(&"n".repeat(MAX_TENSOR_NAME_BYTES as usize), &[1; 4]).is_ok());
    assert!(tensor(&"n".repeat(MAX_TENSOR_NAME_BYTES as usize + 1), &[1]).is_err());
    assert!(tensor("five", &[1; 5]).is_err());
}
