//! Every published vector, made by another implementation, gets the verdict that stands in its file.
//! It skips none: a file that is not listed, not known or not judged fails the test.
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, fs};

use identity::{
    Alg, Authority, CoSigned, Credential, DeviceDelegation, IdentityError, NodeId, PublicKey,
    PublisherDelegation, Record, SessionDelegation, Signed, Timestamp,
};
use support::{Note, Vector};

/// The verdict of a vector that was accepted: the facts that its file also states.
type Facts = Vec<(&'static str, String)>;

fn judge(vector: &Vector) -> Result<Facts, IdentityError> {
    match vector.get("form") {
        "key" => key(vector),
        "authority" => authority(vector),
        "signed" => match vector.get("context") {
            SessionDelegation::CONTEXT => signed::<SessionDelegation>(vector),
            DeviceDelegation::CONTEXT => signed::<DeviceDelegation>(vector),
            PublisherDelegation::CONTEXT => signed::<PublisherDelegation>(vector),
            other => panic!("{}: nobody reads context {other}", vector.name),
        },
        "cosigned" => cosigned(vector),
        "credential" => credential(vector),
        other => panic!("{}: nobody reads form {other}", vector.name),
    }
}

fn key(vector: &Vector) -> Result<Facts, IdentityError> {
    let alg = match vector.get("alg") {
        "1" => Alg::Es256,
        "2" => Alg::EdDsa,
        other => panic!("{}: algorithm {other}", vector.name),
    };
    let key = PublicKey::new(alg, &vector.bytes("key"))?;
    assert_eq!(PublicKey::from_bytes(&key.to_bytes()).as_ref(), Ok(&key));
    assert_eq!(key.node_id().to_string().parse::<NodeId>(), Ok(key.node_id()));
    Ok(vec![("id", key.node_id().to_string())])
}

fn authority(vector: &Vector) -> Result<Facts, IdentityError> {
    let bytes = vector.bytes("record");
    let authority: Authority = minicbor::decode(&bytes).map_err(malformed)?;
    assert_eq!(minicbor::to_vec(&authority).unwrap(), bytes);
    Ok(vec![("id", authority.id().to_string())])
}

fn signed<T: Record>(vector: &Vector) -> Result<Facts, IdentityError> {
    let bytes = vector.bytes("record");
    let signed = Signed::<T>::from_bytes(&bytes)?;
    let verified = signed.verify()?;
    let again = Signed::<T>::from_bytes(&signed.to_bytes()).unwrap();
    assert_eq!(again, signed, "{}", vector.name);
    if vector.name != "signed-high-s" {
        assert_eq!(signed.to_bytes().len(), bytes.len(), "{}", vector.name);
    }
    Ok(vec![
        ("signer", hex::encode(verified.signer().to_bytes())),
        ("hash", verified.hash().to_string()),
    ])
}

fn cosigned(vector: &Vector) -> Result<Facts, IdentityError> {
    let bytes = vector.bytes("record");
    let verified = CoSigned::<Note>::from_bytes(&bytes)?.verify()?;
    let signers: Vec<_> = verified
        .signers()
        .iter()
        .map(|key| hex::encode(key.to_bytes()))
        .collect();
    Ok(vec![
        ("signers", signers.join(" ")),
        ("hash", verified.hash().to_string()),
    ])
}

fn credential(vector: &Vector) -> Result<Facts, IdentityError> {
    let credential: Credential = minicbor::decode(&vector.bytes("record")).map_err(malformed)?;
    let now = Timestamp::from_ms(vector.get("now_ms").parse().unwrap());
    let identity = credential.verify(&vector.bytes("peer"), now)?;
    Ok(vec![("id", identity.node_id().to_string())])
}

fn malformed(error: minicbor::decode::Error) -> IdentityError {
    IdentityError::Malformed {
        what: "vector",
        detail: error.to_string(),
    }
}

#[test]
fn every_published_vector_gets_the_verdict_in_its_file() {
    let mut wrong = Vec::new();
    for vector in support::all() {
        let (name, expect) = (&vector.name, vector.get("expect"));
        match judge(&vector) {
            Ok(facts) if expect == "ok" => wrong.extend(
                facts
                    .iter()
                    .filter(|(f, v)| vector.get(f) != v)
                    .map(|f| format!("{name}: {f:?}")),
            ),
            Err(error) if expect != "ok" && format!("{error:?}").starts_with(expect) => {}
            got => wrong.push(format!("{name}: expected {expect}, got {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_vector_is_skipped() {
    let index = fs::read_to_string(support::folder().join("INDEX")).unwrap();
    let listed: Vec<_> = index
        .lines()
        .map(|line| line.trim_end_matches(".txt").to_owned())
        .collect();
    let found: Vec<_> = support::all().into_iter().map(|v| v.name).collect();
    assert_eq!(listed, found, "INDEX and folder differ");

    // Each form has vectors that must pass and vectors that must fail, so that no reader is a rubber stamp.
    let mut seen: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for vector in support::all() {
        *seen
            .entry((vector.get("form").to_owned(), vector.get("expect") == "ok"))
            .or_default() += 1;
    }
    for form in ["key", "authority", "signed", "cosigned", "credential"] {
        for ok in [true, false] {
            assert!(
                seen.contains_key(&(form.to_owned(), ok)),
                "no {form} vector with ok = {ok}"
            );
        }
    }
}
