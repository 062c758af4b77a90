//! What is made ready, with privileges, before the worker starts without them: the user that it is, and its folders.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown};
use std::path::Path;

use crate::node::SOCKET;
use crate::state::State;

/// The user that the worker is.
const USER: &str = "polis";
/// The state folder belongs to root and lets the worker make files; what root made in it the worker can not replace.
const SHARED: u32 = 0o1770;

/// What in the state folder is the worker's, also if root made it before there was such a user.
const ITS: &[&str] = &[
    "machine.key",
    "ground.db",
    "ground.db-wal",
    "ground.db-shm",
    "record.db",
    "record.db-wal",
    "record.db-shm",
    "lock",
    "clock",
    "lab",
    "lab.new",
    "lab.old",
    "derived",
];
/// How deep the folders of these may be.
const DEPTH: usize = 16;

/// Makes ready what the worker needs; says which user and group it is to be. None without root, and if there is no
/// such user: then it is who started it, without privileges.
pub fn prepare(state: &State, socket: &Path) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let (user, group) = find(&std::fs::read_to_string("/etc/passwd").ok()?, USER)?;
    // What does not work here is found by the worker, which says so.
    let folder = state.folder();
    let _ = chown(folder, Some(0), Some(group));
    let _ = std::fs::set_permissions(folder, Permissions::from_mode(SHARED));
    for name in ITS {
        hand_over(&folder.join(name), user, group, DEPTH);
    }
    if socket == Path::new(SOCKET)
        && let Some(runs) = socket.parent()
    {
        let _ = std::fs::create_dir_all(runs);
        let _ = chown(runs, Some(user), Some(group));
    }
    Some((user, group))
}

/// Gives a file of root's to the worker, or a folder of root's with everything in it. In what is root's the worker can
/// not have put anything, so nothing else is found there.
fn hand_over(path: &Path, user: u32, group: u32, depth: usize) {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    if metadata.is_dir() && metadata.uid() == 0 && depth > 0 {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            hand_over(&entry.path(), user, group, depth - 1);
        }
        let _ = lchown(path, Some(user), Some(group));
    } else if is_roots_own(path) {
        let _ = lchown(path, Some(user), Some(group));
    }
}

/// A plain file of root's with no other name: the worker could make another name for a file that is not its own.
fn is_roots_own(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.uid() == 0 && metadata.nlink() == 1)
}

/// The numbers of a user and its group (passwd(5)).
fn find(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npolisher:x:5:6::/:/bin/sh\npolis:x:998:997::/:/usr/sbin/nologin\n";
        assert_eq!(super::find(passwd, "polis"), Some((998, 997)));
        assert_eq!(super::find(passwd, "pol"), None);
    }
}
