//! What tests that need something of their surroundings begin with, and patience.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

use crate::group;

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The root of the project.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Whether the programs are here. A test that goes without them is counted, and fails where it must not.
#[track_caller]
pub fn has(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<String> = programs
        .iter()
        .filter(|program| find(program).is_none())
        .map(|program| (*program).to_owned())
        .collect();
    settle(test, &missing)
}

/// Whether a house can be built here, and the programs are here too.
#[track_caller]
pub fn has_houses(test: &str, programs: &[&str]) -> bool {
    let needed = ["ip", "nft", "ping", "setpriv", "cc"];
    let mut missing: Vec<String> = needed
        .iter()
        .chain(programs)
        .filter(|program| find(program).is_none())
        .map(|program| (*program).to_owned())
        .collect();
    if !nix::unistd::Uid::effective().is_root() {
        missing.push("root".to_owned());
    } else if group::root().is_err() {
        missing.push("control groups (version 2)".to_owned());
    } else if !namespaces() {
        missing.push("network namespaces".to_owned());
    }
    settle(test, &missing)
}

/// Whether namespaces may be made: root in a container is often not allowed to.
fn namespaces() -> bool {
    let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    // On a thread of its own, because that thread is in the new ones then.
    std::thread::spawn(move || unshare(flags).is_ok()).join().unwrap_or(false)
}

#[track_caller]
fn settle(test: &str, missing: &[String]) -> bool {
    if missing.is_empty() {
        return true;
    }
    let why = format!("needs {}", missing.join(", "));
    assert!(std::env::var_os("POLIS_STRICT").is_none(), "{test} {why}");
    let folder = root().join("target/skipped");
    std::fs::create_dir_all(&folder).expect("a folder for the list of what was skipped");
    std::fs::write(folder.join(test), why).expect("a line in the list of what was skipped");
    false
}

/// The path of a program; those of the administrator too, which are in nobody else's `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let more = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin"), root().join("target/tools/bin")];
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Waits until a condition holds; the test fails if it does not come to that.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
