//! The state folder of a machine: where what is kept, who has it now, and what time it was at least.
//!
//! `machine.key`, `authority.json`, `ground.db`, `record.db`, `lab/` (the last good copy of the lab folder), `clock` and
//! `derived/` (may be deleted at any time).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::clock::Millis;

/// The folder of a machine's state.
#[derive(Clone, Debug)]
pub struct State(PathBuf);

/// The state is this process's as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held by the file being open")] File);

/// Why the state folder can not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockFault {
    /// Another process has it.
    #[error("another polis runs with the state in `{}`{}", .path.display(), .by.map(|pid| format!(": process {pid}")).unwrap_or_default())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// The process that has it, if it is known.
        by: Option<u32>,
    },
    /// It can not be written to.
    #[error("can not write to `{}`: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl State {
    /// The state in a folder, which is made if it is not there.
    pub fn at(folder: PathBuf) -> Self {
        // If it can not be made, what needs it says so when it needs it.
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        Self(folder)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of the machine's private key.
    pub fn key(&self) -> PathBuf {
        self.0.join("machine.key")
    }

    /// The last lab folder that was taken up.
    pub fn last_good(&self) -> PathBuf {
        self.0.join("lab")
    }

    /// Takes the folder for this process.
    ///
    /// # Errors
    /// If another one has it, or if it can not be written to.
    pub fn lock(&self) -> Result<Lock, LockFault> {
        let path = self.0.join("lock");
        let unwritable = |source| LockFault::Unwritable { path: path.clone(), source };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(unwritable)?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if let Err(error) = locked.map_err(std::io::Error::from)
            && error.kind() != std::io::ErrorKind::WouldBlock
        {
            return Err(unwritable(error));
        }
        if locked.is_err() {
            let mut text = String::new();
            let by = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(LockFault::Taken { path: self.0.clone(), by });
        }
        // Who holds it is for people; a full disk must not keep anybody from starting.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map(|_| write!(file, "{}", std::process::id()));
        Ok(Lock(file))
    }

    /// The last time that was saved.
    pub fn saved_time(&self) -> Millis {
        std::fs::read_to_string(self.0.join("clock"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Saves the time, for a start without a clock.
    ///
    /// # Errors
    /// If it can not be written.
    pub fn save_time(&self, now: Millis) -> std::io::Result<()> {
        replace(&self.0.join("clock"), now.to_string().as_bytes())
    }
}

/// Replaces a file at once: it is never half written. The draft is made anew, because somebody else who may write to the
/// folder could have put a link there: the name of the file with the ending `new`.
///
/// # Errors
/// If it can not be written; then the file is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_with(path, bytes, 0o666)
}

/// The same, with a file that nobody else may read.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_with(path, bytes, 0o600)
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written =
        File::options().write(true).create_new(true).mode(mode).open(&draft).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, path)
        });
    if written.is_err() {
        // On a full disk it would take the room of others.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A folder that is gone when the test is.
    #[derive(Debug)]
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let name = format!("polis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_state_has_one_owner_at_a_time() {
        let scratch = Scratch::new();
        let state = State::at(scratch.path().join("deep/state"));
        let lock = state.lock().unwrap();
        let fault = state.lock().unwrap_err();
        assert!(fault.to_string().ends_with(&format!("process {}", std::process::id())), "{fault}");
        drop(lock);
        assert!(state.lock().is_ok());
    }

    #[test]
    fn a_link_in_the_place_of_a_draft_is_not_followed() {
        let scratch = Scratch::new();
        let (file, other) = (scratch.path().join("clock"), scratch.path().join("other"));
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, file.with_extension("new")).unwrap();
        replace(&file, b"12").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "12");
    }

    #[test]
    fn the_saved_time_is_kept_and_garbage_is_no_time() {
        let scratch = Scratch::new();
        let state = State::at(scratch.path().to_owned());
        assert_eq!(state.saved_time(), 0);
        state.save_time(1_234_567).unwrap();
        assert_eq!(state.saved_time(), 1_234_567);
        std::fs::write(scratch.path().join("clock"), "noon").unwrap();
        assert_eq!(state.saved_time(), 0);
    }
}
