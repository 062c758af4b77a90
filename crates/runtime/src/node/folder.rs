//! The lab folder on disk: its fingerprint, and the last good copy of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lab::Folder;
use sha2::{Digest as _, Sha256};

/// The most that is copied: bytes, and files.
const MAX_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 4096;

/// What two machines compare to know whether they follow the same lab: of the texts of its files.
pub(crate) fn fingerprint(folder: &Folder) -> String {
    let mut hash = Sha256::new();
    for (_, file) in folder.toml_files() {
        for part in [file.path(), file.text()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Copies a lab folder, or the one file of it, to where the last good one is kept, if it still has the fingerprint of
/// what was checked. What was kept before stays until the copy is whole, and on disk.
pub(crate) fn keep(lab: &Path, kept: &Path, checked: &str) -> io::Result<()> {
    let (draft, old) = (kept.with_extension("new"), kept.with_extension("old"));
    remove(&draft)?;
    remove(&old)?;
    fs::create_dir(&draft)?;
    let mut left = (MAX_BYTES, MAX_FILES);
    if lab.is_dir() {
        copy(lab, &draft, &mut left)?;
    } else {
        copy_file(lab, &draft.join(lab.file_name().unwrap_or_default()))?;
    }
    let copied = Folder::open(&draft).map_err(|error| io::Error::other(error.to_string()))?;
    if fingerprint(&copied) != checked {
        return Err(io::Error::other("the lab folder changed while it was copied"));
    }
    match fs::rename(kept, &old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&draft, kept)?;
    remove(&old)
}

/// The copy that is kept, if there is one: also when a process ended while it replaced it.
pub(crate) fn kept(kept: &Path) -> Option<PathBuf> {
    [kept.to_owned(), kept.with_extension("old")].into_iter().find(|path| path.is_dir())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Everything that is not hidden, up to the bounds; links are followed, as they are when the lab is read.
fn copy(from: &Path, to: &Path, left: &mut (u64, usize)) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(from)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let (path, target) = (entry.path(), to.join(&name));
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            fs::create_dir(&target)?;
            copy(&path, &target, left)?;
        } else if metadata.is_file() {
            left.0 = left.0.checked_sub(metadata.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            left.1 = left.1.checked_sub(1).ok_or(io::ErrorKind::FileTooLarge)?;
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

/// Copies a file for its owner alone. It is on disk afterwards, so that what is renamed then is never empty.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = fs::File::create_new(to)?;
    io::copy(&mut fs::File::open(from)?, &mut target)?;
    target.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    #[test]
    fn a_copy_is_whole_and_replaces_the_one_before() {
        let scratch = Scratch::new();
        let (lab, own) = (scratch.path().join("lab"), scratch.path().join("state-lab"));
        fs::create_dir_all(lab.join("lists")).unwrap();
        fs::create_dir_all(lab.join(".git")).unwrap();
        fs::write(lab.join("lab.toml"), "one").unwrap();
        fs::write(lab.join("lists/a.txt"), "a").unwrap();
        let of = |lab: &Path| fingerprint(&Folder::open(lab).unwrap());
        assert_eq!(kept(&own), None);
        keep(&lab, &own, &of(&lab)).unwrap();
        fs::write(lab.join("lab.toml"), "two").unwrap();
        fs::remove_file(lab.join("lists/a.txt")).unwrap();
        assert_eq!(fs::read_to_string(own.join("lists/a.txt")).unwrap(), "a");
        keep(&lab, &own, &of(&lab)).unwrap();
        assert_eq!(fs::read_to_string(own.join("lab.toml")).unwrap(), "two");
        assert!(!own.join("lists/a.txt").exists() && !own.join(".git").exists());
        assert_eq!(kept(&own), Some(own.clone()));
        assert!(keep(&lab, &own, "another").is_err());
        assert_eq!(
            fs::read_to_string(own.join("lab.toml")).unwrap(),
            "two",
            "what was not checked is not kept"
        );
        fs::rename(&own, own.with_extension("old")).unwrap();
        assert_eq!(kept(&own), Some(own.with_extension("old")));
    }

    #[test]
    fn another_text_has_another_fingerprint() {
        let of = |text: &str| fingerprint(&Folder::from_texts([("lab.toml", text)]));
        assert_eq!(of("a").len(), 12);
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }
}
