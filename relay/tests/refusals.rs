//! Bad input: each is one line that names the thing, the right exit code, and nothing half
//! written.
#![allow(clippy::unwrap_used)]

mod common;

use std::{fs, net::TcpListener, path::Path};

use common::{Said, model, program, said};

/// A refusal is one line on standard error that names `what`, with exit code `code`.
fn check(refused: &Said, code: i32, what: &str) {
    assert_eq!(refused.code, Some(code), "{}", refused.err);
    assert_eq!(refused.err.trim().lines().count(), 1, "{}", refused.err);
    assert!(
        refused.err.contains(what),
        "{what} is not named in: {}",
        refused.err
    );
    assert_eq!(refused.out, "");
}

fn serve(data: &Path, arguments: &[&str]) -> Said {
    said(
        program(data)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "off"])
            .args(arguments),
    )
}

#[test]
fn a_port_that_is_taken_is_named_and_leaves_no_key_behind() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let refused = said(program(data.path()).args(["serve", "--metrics", "off", "--listen", &addr]));
    check(&refused, 1, &addr);
    assert!(!data.path().join("peer.key").exists());

    let port = taken.local_addr().unwrap().port().to_string();
    check(&serve(data.path(), &["--p2p-port", &port]), 1, &port);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // A file in its way refuses even root, whom permissions do not stop.
    let file = dir.path().join("occupied");
    fs::write(&file, "x").unwrap();
    let below = file.join("data");
    check(&serve(&below, &[]), 1, "occupied");
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[test]
fn a_data_folder_in_use_is_not_shared() {
    let data = tempfile::tempdir().unwrap();
    let _relay = common::Relay::start(data.path(), &[]);
    check(&serve(data.path(), &[]), 1, "in use");
}

#[test]
fn tls_files_that_are_missing_or_no_certificate_are_named() {
    let data = tempfile::tempdir().unwrap();
    let file = |name: &str| data.path().join(name).to_string_lossy().into_owned();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let files = ["--tls", "files", "--tls-cert", &cert, "--tls-key", &key];
    check(&serve(data.path(), &files), 1, "cert.pem");
    fs::write(&cert, "this is no certificate").unwrap();
    fs::write(&key, "nor a key").unwrap();
    check(&serve(data.path(), &files), 1, "cert.pem");
    check(&serve(data.path(), &["--tls", "files"]), 2, "--tls-cert");
    check(&serve(data.path(), &["--tls", "acme"]), 2, "--public-url");
}

#[test]
fn an_unknown_key_in_a_config_is_named_with_its_line() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("relay.toml");
    let with = |text: &str| {
        fs::write(&config, text).unwrap();
        said(
            program(data.path())
                .arg("--config")
                .arg(&config)
                .args(["serve", "--print-config"]),
        )
    };
    check(
        &with("swarm_name = \"x\"\nlistne = \"127.0.0.1:0\"\n"),
        2,
        "listne",
    );
    check(&with("[limit]\nmax_circus = 1\n"), 2, "max_circus");
    check(&with("listen = "), 2, "relay.toml");
    fs::remove_file(&config).unwrap();
    let missing = said(program(data.path()).arg("--config").arg(&config).arg("serve"));
    check(&missing, 2, "relay.toml");
}

#[test]
fn flags_win_over_environment_and_environment_over_the_file() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("relay.toml");
    fs::write(
        &config,
        "p2p_port = 1\nstun_port = 1\nwebrtc_port = 1\nwebtransport_port = 1\n",
    )
    .unwrap();
    let printed = said(
        program(data.path())
            .env("MANYHANDS_RELAY_P2P_PORT", "2")
            .env("MANYHANDS_RELAY_STUN_PORT", "2")
            .arg("--config")
            .arg(&config)
            .args(["serve", "--print-config", "--stun-port", "off"]),
    );
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    for line in [
        "webrtc_port = \"1\"",
        "webtransport_port = \"1\"",
        "p2p_port = \"2\"",
        "stun_port = \"off\"",
        "circuit_bytes = 65536",
    ] {
        assert!(printed.out.contains(line), "{line} is not in\n{}", printed.out);
    }
}

#[test]
fn a_model_that_is_no_gguf_is_named_and_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let text = data.path().join("novel.gguf");
    fs::write(&text, "call me Ishmael".repeat(100)).unwrap();
    let path = text.to_string_lossy().into_owned();
    let missing = data.path().join("missing.gguf").to_string_lossy().into_owned();
    check(&serve(data.path(), &["--model", &path]), 1, "novel.gguf");
    check(&serve(data.path(), &["--model", &missing]), 1, "missing.gguf");
    check(
        &said(program(data.path()).args(["model", "add", &path])),
        1,
        "novel.gguf",
    );
    let mut torn = model::gguf(2, 1);
    torn.truncate(torn.len() / 2);
    fs::write(&text, torn).unwrap();
    check(
        &said(program(data.path()).args(["model", "add", &path])),
        1,
        "novel.gguf",
    );
    let listed = said(program(data.path()).args(["model", "list"]));
    assert_eq!((listed.code, listed.out.as_str()), (Some(0), ""));
    let kept = fs::read_dir(data.path().join("models")).map_or(0, |entries| {
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name() != ".lock")
            .count()
    });
    assert_eq!(kept, 0);
}

#[test]
fn commands_that_make_no_sense_end_with_code_2() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve", "--p2p-port", "70000"][..],
        &["serve", "--tls", "maybe"],
        &["serve", "--limit", "max_circuits=many"],
        &["serve", "--limit", "max_circus=1"],
        &["serve", "--public-url", "relay.example"],
        &["serve", "--ice-server", "http://x"],
        &["serve", "--log-filter", "relay=loudest"],
        &["dance"],
    ] {
        let refused = said(program(data.path()).args(arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}: {}", refused.err);
    }
    let unknown = said(program(data.path()).args(["model", "remove", "0123"]));
    check(&unknown, 1, "0123");
}
