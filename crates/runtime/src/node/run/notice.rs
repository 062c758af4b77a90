//! Notices at once that the lab folder changes (inotify(7)). Where that can not be had, nothing is noticed here, and the
//! folder is looked at every second anyway.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use lab::Folder;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(20);

/// Watches the folders that a lab's files are in.
#[derive(Default)]
pub(super) struct Notice {
    watched: Option<AsyncFd<OwnedFd>>,
    /// The folders that are watched.
    folders: Vec<PathBuf>,
}

impl Notice {
    /// Watches the folders of these files from now on.
    pub(super) fn watch(&mut self, read: Option<&Folder>) {
        let folders = read.map(Folder::folders_on_disk).unwrap_or_default();
        if folders == self.folders {
            return;
        }
        self.watched = watch(&folders);
        self.folders = folders;
    }

    /// Returns when something in them changes.
    pub(super) async fn changed(&self) {
        let Some(watched) = &self.watched else { return std::future::pending().await };
        let Ok(mut ready) = watched.readable().await else { return std::future::pending().await };
        // Much changes at once, or goes on changing.
        tokio::time::sleep(GATHER).await;
        // What changed does not matter: the folder is read anew.
        while rustix::io::read(watched.get_ref(), &mut [0; 4096]).is_ok_and(|length| length > 0) {}
        ready.clear_ready();
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe code, and a descriptor that is owned here is not closed elsewhere"
)]
fn watch(folders: &[PathBuf]) -> Option<AsyncFd<OwnedFd>> {
    let watched = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let what = WatchFlags::CLOSE_WRITE
        | WatchFlags::MODIFY
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO;
    for folder in folders {
        let _ = add_watch(&watched, folder, what);
    }
    AsyncFd::new(watched).ok()
}
