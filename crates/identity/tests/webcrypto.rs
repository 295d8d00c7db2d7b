//! WebCrypto and this crate sign for each other: ten thousand records there, checked here, and back.
//! It needs Node.js, whose WebCrypto is that of browsers; where there is none it says so and shows nothing.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)] // a test may start a thread

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use identity::{
    Alg, LocalKey, PublicKey, Scheme, SessionDelegation, Signature, Signed, SigningKey as _, Timestamp,
    Validity,
};

const ROUNDS: u64 = 10_000;
/// Of these so many go the other way: WebCrypto has to import a key for each.
const BACK: u64 = 1_000;

fn delegation(round: u64) -> SessionDelegation {
    SessionDelegation {
        peer_id: round.to_be_bytes().to_vec(),
        validity: Validity::starting(Timestamp::from_ms(round), Duration::from_secs(60)),
    }
}

#[test]
fn what_webcrypto_signs_is_believed_here_and_what_is_signed_here_there() {
    let child = Command::new("node")
        .arg("tests/webcrypto.mjs")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: there is no Node.js here, whose WebCrypto would sign");
        return;
    };
    let mut tasks = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let public = hex::decode(answers.next().unwrap().unwrap()).unwrap();
    let key = PublicKey::new(Alg::Es256, &public).unwrap();
    // All questions first: a thread asks while the answers are read.
    let asker = std::thread::spawn(move || {
        let own = LocalKey::es256(&[9; 32]).unwrap();
        for round in 0..ROUNDS {
            let draft = Signed::draft(&delegation(round), key, Scheme::Es256).unwrap();
            writeln!(tasks, r#"{{"sign":"{}"}}"#, hex::encode(draft.to_be_signed())).unwrap();
        }
        for round in 0..BACK {
            let message = round.to_be_bytes();
            let signature = hex::encode(own.sign(&message).to_bytes());
            let (key, message) = (hex::encode(own.public_key().key()), hex::encode(message));
            writeln!(
                tasks,
                r#"{{"key":"{key}","signature":"{signature}","message":"{message}"}}"#
            )
            .unwrap();
        }
    });
    let mut high = 0;
    for round in 0..ROUNDS {
        let signature = hex::decode(answers.next().unwrap().unwrap()).unwrap();
        let draft = Signed::draft(&delegation(round), key, Scheme::Es256).unwrap();
        let signature = Signature::from_bytes(Scheme::Es256, &signature).unwrap();
        high += u64::from(signature.to_bytes()[32] & 0x80 != 0);
        let signed = draft.assemble(signature).unwrap();
        let read = Signed::<SessionDelegation>::from_bytes(&signed.to_bytes()).unwrap();
        let verified = read.verify().unwrap();
        assert_eq!(
            (verified.signer(), verified.into_value()),
            (key, delegation(round))
        );
    }
    assert_eq!(high, 0, "each is brought to its low form");
    let believed = (0..BACK)
        .filter(|_| answers.next().unwrap().unwrap() == "yes")
        .count();
    assert_eq!(believed as u64, BACK);
    asker.join().unwrap();
    child.wait().unwrap();
}
