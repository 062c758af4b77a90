//! Names that tell whose everything is, and the removal of what a run left that was killed.
//!
//! Namespaces, control groups and folders of a house begin with `testlab-PID-NUMBER`. If no process has that
//! number any more, nobody will come to remove them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::mount::{MntFlags, umount2};

use crate::group::{self, Group};

const MARK: &str = "testlab-";

/// A beginning of names that nobody else has.
pub(crate) fn fresh() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{MARK}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Whether a name is that of a run which ended without removing it.
fn is_orphan(name: &str) -> bool {
    let Some((process, _)) = name.strip_prefix(MARK).and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    process.parse::<u32>().is_ok_and(|process| !Path::new("/proc").join(process.to_string()).exists())
}

fn named(folder: &Path, which: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(&which)).map(|entry| entry.path()).collect()
}

/// Removes what dead runs left. Another run may do the same at the same time: what is gone is gone.
pub(crate) fn sweep() {
    remove(is_orphan);
}

/// Removes all of one house.
pub(crate) fn remove_house(prefix: &str) {
    remove(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
}

/// First the processes, which hold the rest, then the disks, then the namespaces with all their interfaces.
fn remove(which: impl Fn(&str) -> bool) {
    for path in group::root().map(|root| named(&root, &which)).unwrap_or_default() {
        Group::at(path).remove();
    }
    for path in named(&std::env::temp_dir(), &which) {
        for mount in mounts_below(&path) {
            let _ = umount2(&mount, MntFlags::MNT_DETACH);
        }
        let _ = std::fs::remove_dir_all(&path);
    }
    let names: Vec<String> = named(Path::new("/run/netns"), &which)
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    for name in names {
        let _ = Command::new("ip").args(["netns", "delete", &name]).output();
    }
}

/// What is mounted below a folder, the innermost first.
fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut below: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(PathBuf::from)
        .filter(|mount| mount.starts_with(folder))
        .collect();
    below.reverse();
    below
}

#[cfg(test)]
mod tests {
    use super::is_orphan;

    #[test]
    fn only_what_a_dead_run_left_is_an_orphan() {
        let own = std::process::id();
        assert!(is_orphan("testlab-4194305-0.naxos"), "no process can have this number");
        assert!(!is_orphan(&format!("testlab-{own}-0.naxos")));
        for other in ["naxos", "testlab", "testlab-", "testlab-x-0", "testlab-4194305"] {
            assert!(!is_orphan(other), "{other}");
        }
    }
}
