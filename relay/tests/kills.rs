//! The relay killed without warning, many times and at many moments: what it had promised is there at the next start.
//! It does not cut the power: what the kernel has, the disk will have.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::{thread, time::Duration};

use common::{Relay, http, model, program, said};

/// From before the first file is written to long after the ready line; a debug build is ready after a few hundred.
const MOMENTS_MS: [u64; 16] = [
    0, 5, 10, 20, 30, 45, 60, 80, 100, 130, 170, 220, 280, 350, 450, 600,
];

#[test]
fn a_kill_at_any_moment_loses_nothing_and_the_next_start_works() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let killed_after = |ms: u64| {
        let mut child = program(data.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "off"])
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(ms));
        child.kill().unwrap();
        child.wait().unwrap();
    };
    // The very first start is the one that makes everything: each of these begins with what the one before left.
    for ms in MOMENTS_MS {
        killed_after(ms);
    }

    let file = files.path().join("tiny.gguf");
    std::fs::write(&file, model::gguf(2, 1)).unwrap();
    let added = said(program(data.path()).args(["model", "add"]).arg(&file));
    assert_eq!(added.code, Some(0), "{}", added.err);
    let known = || {
        let said = Relay::start(data.path(), &[]).json("/api/v1/swarm");
        [&said["relay"]["peer_id"], &said["swarm"], &said["models"]].map(Clone::clone)
    };
    let before = known();
    assert!(before.iter().all(|part| !part.is_null()), "{before:?}");
    let invite = said(program(data.path()).arg("invite"));
    assert_eq!(invite.code, Some(0), "{}", invite.err);
    for ms in MOMENTS_MS {
        killed_after(ms);
    }

    assert_eq!(known(), before);
    let relay = Relay::start(data.path(), &[]);
    let secret = invite.out.trim().rsplit("#v1.").next().unwrap();
    let body = format!(r#"{{"secret":"{secret}"}}"#);
    let answer = http::ask(
        relay.http(),
        "POST",
        "/api/v1/invite",
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
}
