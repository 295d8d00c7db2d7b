//! Tells systemd that the service is ready or stopping (`sd_notify`, `Type=notify`).
//! It does nothing where nobody asked to be told, and never fails the service.

use std::{env, ffi::OsStr};

/// The variable by which the service manager says where it listens.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// Everything that was asked for is being served.
pub fn ready() {
    tell("READY=1");
}

/// Connections are being drained.
pub fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(socket) = env::var_os(SOCKET_VARIABLE).filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "cannot tell the service manager");
    }
}

#[cfg(unix)]
fn send(socket: &OsStr, state: &str) -> std::io::Result<()> {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixDatagram};
    let from = UnixDatagram::unbound()?;
    match socket.as_bytes() {
        // A name without a file, in the abstract namespace of Linux.
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
            from.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?)?;
        }
        _ => {
            from.send_to(state.as_bytes(), socket)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn send(_: &OsStr, _: &str) -> std::io::Result<()> {
    Ok(())
}
