//! What systemd is told: ready, alive, ending (sd_notify(3)). Without systemd nobody is told anything.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says lines like `READY=1`. Whether they are heard makes no difference here.
pub(crate) fn say(lines: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let said = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(lines.as_bytes(), &address));
    drop(said);
}
