//! Claiming the relay's swarm and joining it by invites, over HTTP and from the command line.
#![allow(clippy::unwrap_used)]

mod common;

use std::{fs, path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Relay, http, program, said};
use identity::{CoSigned, LocalKey, PublicKey, PublisherDelegation, Signed, SigningKey, Timestamp, Validity};
use registry::{Action, Joining, Parcel, Registry, Role};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn key(n: u8) -> LocalKey {
    LocalKey::es256(&[n; 32]).unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_seconds(since.as_secs())
}

fn post(relay: &Relay, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer = http::ask(relay.http(), "POST", path, &headers, body.to_string().as_bytes());
    let read = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    (answer.status, read)
}

/// The secret in the link that a command printed.
fn invited(data: &Path, role: &str) -> String {
    let made = said(program(data).args(["invite", "--role", role]));
    assert_eq!(made.code, Some(0), "{}", made.err);
    let (_, secret) = made.out.trim().split_once("/join#v1.").unwrap();
    secret.to_owned()
}

/// What a page sends that takes an invite up.
fn taking_up(relay: &Relay, secret: &str, by: &LocalKey) -> Value {
    let (status, invite) = post(relay, "/api/v1/invite", &json!({ "secret": secret }));
    assert_eq!(status, 200, "{invite}");
    assert_eq!(invite["grant"], Value::Null, "nothing is granted to nobody");
    let register = invite["register"].as_str().unwrap().parse().unwrap();
    let joining = Joining::new(register, &URL_SAFE_NO_PAD.decode(secret).unwrap());
    let signed = Signed::sign(&joining, by).unwrap().to_bytes();
    json!({ "secret": secret, "joining": URL_SAFE_NO_PAD.encode(signed) })
}

fn register(text: &Value) -> Registry {
    let text = text.as_str().unwrap().strip_prefix("s1.").unwrap();
    let parcel = Parcel::from_bytes(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let mut registry = parcel.found().unwrap();
    parcel.merge(&mut registry, now());
    registry
}

fn reach(registry: &Registry, key: &LocalKey) -> Option<Role> {
    let id = key.public_key().node_id();
    registry.state().member(id).and_then(registry::Member::reach)
}

fn claim(relay: &Relay, by: &LocalKey) -> (u16, Value) {
    relay.until("the claim link is printed", |relay| {
        relay.log().contains("#claim.v1.")
    });
    let log = relay.log();
    let (_, secret) = log.split_once("/keys#claim.v1.").unwrap();
    let secret = secret.lines().next().unwrap();
    if let Some(hash) = relay.json("/api/v1/claim")["claim"].as_str() {
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
        assert_eq!(hash, hex::encode(Sha256::digest(bytes)));
    }
    let publisher = relay.json("/api/v1/claim")["publisher"]
        .as_str()
        .unwrap()
        .to_owned();
    let paper = PublisherDelegation {
        publisher: PublicKey::from_bytes(&hex::decode(publisher).unwrap()).unwrap(),
        validity: Validity::starting(now(), Duration::from_secs(86_400)),
    };
    let signed = Signed::sign(&paper, by).unwrap().to_bytes();
    let body = json!({
        "secret": secret,
        "delegation": URL_SAFE_NO_PAD.encode(signed),
    });
    post(relay, "/api/v1/claim", &body)
}

#[test]
fn an_invite_with_a_role_grants_it_by_signature_to_the_first_key_and_to_no_other() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let secret = invited(data.path(), "coordinator");
    let (first, second) = (key(1), key(2));
    let body = taking_up(&relay, &secret, &first);
    let late = taking_up(&relay, &secret, &second);
    let (status, answer) = post(&relay, "/api/v1/invite", &body);
    assert_eq!(status, 200, "{answer}");
    let granted = register(&answer["grant"]);
    assert_eq!(reach(&granted, &first), Some(Role::Coordinator));
    assert_eq!(reach(&granted, &second), None);
    assert_eq!(
        post(&relay, "/api/v1/invite", &body).0,
        200,
        "an answer may get lost"
    );
    let (status, refused) = post(&relay, "/api/v1/invite", &late);
    assert_eq!((status, &refused["error"]["reason"]), (403, &json!("used")));

    // The member accepts, and the relay knows.
    let offer = granted.head().hash;
    let record = granted.next(first.public_key().node_id(), now(), Action::Accept { offer });
    let parcel = Parcel {
        records: vec![CoSigned::sign(&record, &[&first]).unwrap().to_bytes().into()],
        ..Parcel::default()
    };
    let news = json!({ "register": format!("s1.{}", URL_SAFE_NO_PAD.encode(parcel.to_bytes())) });
    let (status, answer) = post(&relay, "/api/v1/register", &news);
    assert_eq!(status, 200, "{answer}");
    let standing = register(&answer["register"]).standing(first.public_key().node_id(), now());
    assert_eq!(standing.role, Some(Role::Coordinator));
    assert_eq!(
        post(&relay, "/api/v1/register", &json!({ "register": "s1.x" })).0,
        400
    );
    drop(relay);
    let again = Relay::start(data.path(), &[]);
    let kept = register(&again.json("/api/v1/claim")["register"]);
    assert_eq!(kept.standing(first.public_key().node_id(), now()), standing);
}

#[test]
fn an_invite_is_taken_up_only_by_a_key_that_signs_for_it() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let (secret, other) = (invited(data.path(), "Worker"), invited(data.path(), "worker"));
    let sound = taking_up(&relay, &secret, &key(1));
    let mut forged = URL_SAFE_NO_PAD
        .decode(sound["joining"].as_str().unwrap())
        .unwrap();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    for joining in [
        json!(URL_SAFE_NO_PAD.encode(forged)),
        json!("AAAA"),
        json!("%"),
        taking_up(&relay, &other, &key(1))["joining"].clone(),
    ] {
        let body = json!({ "secret": secret, "joining": joining });
        assert_eq!(post(&relay, "/api/v1/invite", &body).0, 400, "{body}");
    }
    assert_eq!(
        post(&relay, "/api/v1/invite", &sound).0,
        200,
        "the tries used nothing up"
    );

    // One that ended says so, and one that nobody knows too.
    for entry in fs::read_dir(data.path().join("invites")).unwrap() {
        let path = entry.unwrap().path();
        let mut invite: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        invite["expires_unix_s"] = json!(1);
        fs::write(&path, invite.to_string()).unwrap();
    }
    for (secret, reason) in [
        (other.as_str(), "invite_expired"),
        ("AAAAAAAAAAAAAAAAAAAAAA", "invite_unknown"),
    ] {
        let (status, answer) = post(&relay, "/api/v1/invite", &json!({ "secret": secret }));
        assert_eq!((status, &answer["error"]["reason"]), (404, &json!(reason)));
    }
}

#[test]
fn the_claim_enters_the_owner_ends_the_founders_key_and_what_it_could_grant() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let (taken, open) = (invited(data.path(), "worker"), invited(data.path(), "admin"));
    let (member, owner) = (key(1), key(2));
    let first = taking_up(&relay, &taken, &member);
    let late = taking_up(&relay, &open, &key(3));
    assert_eq!(post(&relay, "/api/v1/invite", &first).0, 200);
    assert!(data.path().join("founder.key").exists());

    let (status, answer) = claim(&relay, &owner);
    assert_eq!(status, 200, "{answer}");
    let entered = register(&answer["register"]);
    assert_eq!(reach(&entered, &owner), Some(Role::Owner));
    assert_eq!(
        reach(&entered, &member),
        Some(Role::Worker),
        "whom the relay brought stays"
    );
    assert!(!data.path().join("founder.key").exists());
    assert_eq!(relay.json("/api/v1/claim")["claim"], Value::Null);
    let (status, refused) = claim(&relay, &key(4));
    assert_eq!((status, &refused["error"]["reason"]), (403, &json!("claimed")));

    let (status, refused) = post(&relay, "/api/v1/invite", &late);
    assert_eq!((status, &refused["error"]["reason"]), (403, &json!("owned")));
    assert_eq!(
        post(&relay, "/api/v1/invite", &first).0,
        200,
        "what was granted can be fetched"
    );
    let made = said(program(data.path()).args(["invite", "--role", "worker"]));
    assert_eq!(made.code, Some(1));
    assert!(made.err.contains("has an owner"), "{}", made.err);
    assert_eq!(said(program(data.path()).arg("invite")).code, Some(0));
    for bad in ["owner", "boss"] {
        let made = said(program(data.path()).args(["invite", "--role", bad]));
        assert!(
            made.err.contains("is no role that an invite gives"),
            "{}",
            made.err
        );
    }
}

#[test]
fn any_page_gets_an_invite_without_a_role_and_asking_often_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--limit", "invites_per_subnet_per_min=40"]);
    let mint = || post(&relay, "/api/v1/invite/mint", &json!({}));
    let files = || walk(data.path());
    let (status, first) = mint();
    assert_eq!(status, 200, "{first}");
    let before = files();
    let (status, invite) = post(&relay, "/api/v1/invite", &json!({ "secret": first["secret"] }));
    assert_eq!((status, &invite["role"]), (200, &Value::Null));
    assert_eq!(invite["swarm"], relay.json("/api/v1/swarm")["swarm"]);
    assert_eq!(invite["expires"], first["expires"]);
    // Whoever signs for it is granted nothing.
    let taken = taking_up(&relay, first["secret"].as_str().unwrap(), &key(1));
    assert_eq!(post(&relay, "/api/v1/invite", &taken).1["grant"], Value::Null);
    let answers: Vec<(u16, Value)> = (0..60).map(|_| mint()).collect();
    let granted = answers.iter().filter(|(status, _)| *status == 200).count();
    assert!((30..=45).contains(&granted), "{granted} of 60 in a moment");
    assert!(answers.iter().all(|(status, answer)| match status {
        200 => answer["secret"] == first["secret"],
        status => *status == 503,
    }));
    assert_eq!(files(), before);
}

fn walk(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}
