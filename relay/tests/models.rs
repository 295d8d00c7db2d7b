//! `model add`, `list` and `remove` from outside, interrupted at will.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{Relay, http, model, program, said};

fn list(data: &Path) -> String {
    let listed = said(program(data).args(["model", "list"]));
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    listed.out
}

#[test]
fn a_model_is_added_listed_served_and_removed() {
    let (data, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = from.path().join("tiny.gguf");
    fs::write(&source, model::gguf(2, 1)).unwrap();
    let add = || said(program(data.path()).args(["model", "add"]).arg(&source));
    let added = add();
    assert_eq!(added.code, Some(0), "{}", added.err);
    let id = added.out.split(' ').next().unwrap().to_owned();
    assert_eq!(list(data.path()), added.out);
    assert_eq!(add().code, Some(0), "the same again changes nothing");
    fs::write(&source, model::gguf(2, 2)).unwrap();
    let other = add();
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("tiny.gguf"), "{}", other.err);
    assert_eq!(list(data.path()), added.out);

    let relay = Relay::start(data.path(), &[]);
    assert_eq!(relay.json("/api/v1/swarm")["models"][0]["id"], id.as_str());
    assert_eq!(
        http::get(relay.http(), &format!("/models/{id}")).body,
        model::gguf(2, 1)
    );

    let removed = said(program(data.path()).args(["model", "remove", &id]));
    assert_eq!(removed.code, Some(0), "{}", removed.err);
    assert_eq!(list(data.path()), "");
}

#[test]
fn an_unsound_file_in_the_folder_is_left_out_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let models = data.path().join("models");
    fs::create_dir(&models).unwrap();
    fs::write(models.join("a-broken.gguf"), "GGUF but not really").unwrap();
    fs::write(models.join("b-sound.gguf"), model::gguf(1, 1)).unwrap();
    fs::write(models.join(".copy-half.gguf"), "GGUF half a co").unwrap();
    let relay = Relay::start(data.path(), &[]);
    let published = relay.json("/api/v1/swarm");
    assert_eq!(published["models"].as_array().unwrap().len(), 1);
    assert!(models.join("a-broken.gguf").exists());

    let source = data.path().join("c.gguf");
    fs::write(&source, model::gguf(1, 2)).unwrap();
    let added = said(program(data.path()).args(["model", "add"]).arg(&source));
    assert_eq!(added.code, Some(0), "{}", added.err);
    assert!(
        !models.join(".copy-half.gguf").exists(),
        "what a kill left is swept"
    );
}

/// A file server whose first answer stops in the middle. It reports each request's range.
fn stalling_server(file: Vec<u8>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (report, reports) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut range = String::new();
            for line in BufReader::new(&stream).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    range = value.to_owned();
                }
                if line.is_empty() {
                    break;
                }
            }
            let start: usize = range.trim_end_matches('-').parse().unwrap_or(0);
            let rest = &file[start..];
            let size = file.len();
            let status = if start == 0 {
                "200 OK".to_owned()
            } else {
                format!(
                    "206 Partial Content\r\ncontent-range: bytes {start}-{}/{size}",
                    size - 1
                )
            };
            write!(
                stream,
                "HTTP/1.1 {status}\r\netag: \"one\"\r\ncontent-length: {}\r\n\r\n",
                rest.len()
            )
            .unwrap();
            if count == 0 {
                stream.write_all(&rest[..rest.len() / 2]).unwrap();
                held.push(stream);
            } else {
                stream.write_all(rest).unwrap();
            }
            report.send(range).unwrap();
        }
    });
    (addr, reports)
}

#[test]
fn a_download_that_is_killed_leaves_the_folder_sound_and_goes_on_later() {
    let data = tempfile::tempdir().unwrap();
    let file = model::gguf(60, 1);
    let (addr, reports) = stalling_server(file.clone());
    let url = format!("http://{addr}/tiny.gguf?download=true");
    let mut child = program(data.path()).args(["model", "add", &url]).spawn().unwrap();
    reports.recv_timeout(Duration::from_secs(20)).unwrap();
    let models = data.path().join("models");
    let arrived = || {
        fs::read_dir(&models).map_or(0, |entries| {
            entries
                .map(|entry| entry.unwrap().metadata().unwrap().len())
                .max()
                .unwrap_or(0)
        })
    };
    while arrived() < file.len() as u64 / 2 {
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(list(data.path()), "");
    let relay = Relay::start(data.path(), &[]);
    let models_now = relay.json("/api/v1/swarm")["models"].clone();
    assert_eq!(models_now.as_array().unwrap().len(), 1, "the welcome model alone");
    assert_eq!(models_now[0]["name"], "Manyhands Welcome");
    drop(relay);

    let added = said(program(data.path()).args(["model", "add", &url]));
    assert_eq!(added.code, Some(0), "{}", added.err);
    let range = reports.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(range, format!("{}-", file.len() / 2), "only the rest is fetched");
    assert_eq!(fs::read(models.join("tiny.gguf")).unwrap(), file);
    let left: Vec<_> = fs::read_dir(&models)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "the model and the lock: {left:?}");
}

#[test]
fn a_server_that_sends_something_else_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let check = |file: Vec<u8>, names: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for line in BufReader::new(&stream).lines() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                file.len()
            );
            let _ = stream.write_all(&file);
        });
        let refused = said(program(data.path()).args(["model", "add", &format!("http://{addr}/x.gguf")]));
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains(names), "{}", refused.err);
        assert_eq!(refused.err.trim().lines().count(), 1, "{}", refused.err);
        let left: Vec<_> = fs::read_dir(data.path().join("models"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".lock"]);
    };
    check(b"<html>please log in</html>".repeat(50), "no GGUF");
    let mut torn = model::gguf(1, 1);
    torn.truncate(5000);
    check(torn, "not a sound GGUF");
}
