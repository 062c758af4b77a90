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
    let own = ["machine.key", "ground.db", "record.db", "lock", "clock"];
    for path in own.map(|name| folder.join(name)).iter().filter(|path| is_roots_own(path)) {
        let _ = lchown(path, Some(user), Some(group));
    }
    if socket == Path::new(SOCKET)
        && let Some(runs) = socket.parent()
    {
        let _ = std::fs::create_dir_all(runs);
        let _ = chown(runs, Some(user), Some(group));
    }
    Some((user, group))
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
