//! The relay as a service of systemd: what it tells the service manager, and the unit file itself.
//! It does not start a service manager.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::{fs, io, os::unix::net::UnixDatagram, process::Command, time::Duration};

use common::program;

#[test]
fn the_service_manager_is_told_when_the_relay_is_ready_and_when_it_stops() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut child = program(data.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "off"])
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .unwrap();
    let heard = || -> io::Result<String> {
        let mut state = [0; 64];
        let length = manager.recv(&mut state)?;
        Ok(String::from_utf8_lossy(&state[..length]).into_owned())
    };
    let ready = heard();
    let told = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    let stopping = heard();
    if stopping.is_err() {
        let _ = child.kill();
    }
    assert!(child.wait().unwrap().success() && told.unwrap().success());
    assert_eq!(ready.unwrap(), "READY=1");
    assert_eq!(stopping.unwrap(), "STOPPING=1");
}

#[test]
fn the_unit_file_is_one_that_systemd_accepts() {
    let unit = "../deploy/manyhands-relay.service";
    // The program lies elsewhere on this machine, and systemd looks for it.
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("manyhands-relay.service");
    let text = fs::read_to_string(unit).unwrap().replace(
        "/usr/local/bin/manyhands-relay",
        env!("CARGO_BIN_EXE_manyhands-relay"),
    );
    fs::write(&here, text).unwrap();
    let Ok(output) = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&here)
        .output()
    else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of the machine may have faults of their own.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("manyhands-relay"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
