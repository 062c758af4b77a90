//! The copies of lists on disk, each with what is known of it beside it. It waits for the disk.
//!
//! A copy is replaced at once or not at all: the new one is on disk before it takes the place of the old one. What is
//! known of it is written after it, so that a crash between the two leaves a copy that is fetched anew and never one that
//! is taken for what it is not.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use runtime::clock::Millis;

use super::Key;
use super::meta::{MAX_META, Meta};

/// How long a copy of a list that the lab does not name any more is kept, in milliseconds.
const KEPT: Millis = 86_400_000;
const COPY: &str = "txt";
const META: &str = "meta";
const PART: &str = "part";
const DRAFT: &str = "new";

/// The folder of copies.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    /// How many files were begun, so that none has the name of another.
    begun: AtomicU64,
}

/// A copy that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its size in bytes.
    pub bytes: u64,
    /// What is known of it; none if that is torn, of another version, or of a copy of another size.
    pub meta: Option<Meta>,
}

impl Shelf {
    /// In a folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, begun: AtomicU64::new(0) }
    }

    /// Makes the folder, and takes away what an earlier run has left half done.
    ///
    /// # Errors
    /// If it can not be made.
    pub fn open(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        for (path, ending) in self.files()? {
            if ending == PART || ending == DRAFT {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(())
    }

    /// The file of a list's copy.
    pub fn copy(&self, key: &Key) -> PathBuf {
        self.path(key, COPY)
    }

    /// A name for a file that is about to be fetched, which no other has.
    pub fn part(&self, key: &Key) -> PathBuf {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{}.{number}.{PART}", key.file()))
    }

    /// The copy of a list, if there is one.
    pub fn kept(&self, key: &Key) -> Option<Kept> {
        let metadata = std::fs::metadata(self.copy(key)).ok().filter(std::fs::Metadata::is_file)?;
        let bytes = metadata.len();
        let meta = read_meta(&self.path(key, META)).filter(|meta| meta.bytes == bytes);
        Some(Kept { bytes, meta })
    }

    /// What was fetched takes the place of a list's copy; what is known of it is to be noted then.
    ///
    /// # Errors
    /// If it can not; then the copy is what it was.
    pub fn install(&self, key: &Key, part: &Path) -> io::Result<()> {
        std::fs::rename(part, self.copy(key))?;
        self.sync()
    }

    /// Writes down what is known of a list's copy.
    ///
    /// # Errors
    /// If it can not; then what was known before still is.
    pub fn note(&self, key: &Key, meta: &Meta) -> io::Result<()> {
        runtime::replace(&self.path(key, META), meta.to_text().as_bytes())?;
        self.sync()
    }

    /// Takes away what has been fetched and is no good.
    pub fn discard(&self, part: &Path) {
        let _ = std::fs::remove_file(part);
    }

    /// Takes away the copies of lists that have not been wanted for a day.
    ///
    /// # Errors
    /// If the folder can not be read.
    pub fn sweep(&self, wanted: &[Key], now: Millis) -> io::Result<()> {
        let wanted: Vec<String> = wanted.iter().map(Key::file).collect();
        for (path, ending) in self.files()? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if ending != COPY && ending != META || wanted.iter().any(|wanted| wanted == stem) {
                continue;
            }
            let meta = read_meta(&path.with_extension(META));
            match meta.as_ref().map(|meta| meta.unwanted_since) {
                // A moment in the future is one before the clock was set.
                Some(Some(since)) if since <= now && now - since < KEPT => {}
                Some(Some(since)) if since <= now => drop(std::fs::remove_file(&path)),
                Some(_) => {
                    let Some(meta) = meta else { continue };
                    let meta = Meta { unwanted_since: Some(now), ..meta };
                    runtime::replace(&path.with_extension(META), meta.to_text().as_bytes())?;
                }
                None => drop(std::fs::remove_file(&path)),
            }
        }
        Ok(())
    }

    fn path(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.file()))
    }

    /// The files of the folder with their endings; others than ours are not looked at.
    fn files(&self) -> io::Result<Vec<(PathBuf, String)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned();
            files.push((path, ending));
        }
        files.sort();
        Ok(files)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn read_meta(path: &Path) -> Option<Meta> {
    let mut text = String::new();
    let most = u64::try_from(MAX_META).unwrap_or(u64::MAX);
    File::open(path).ok()?.take(most).read_to_string(&mut text).ok()?;
    Meta::from_text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::Purpose;
    use crate::lists::meta::tests::meta;
    use crate::lists::run::tests::Scratch;

    fn key(name: &str) -> Key {
        Key { purpose: Purpose::Block, name: name.to_owned() }
    }

    fn shelf(scratch: &Scratch) -> Shelf {
        let shelf = Shelf::at(scratch.path().join("derived/lists"));
        shelf.open().unwrap();
        shelf
    }

    fn put(shelf: &Shelf, name: &str, text: &str) {
        let part = shelf.part(&key(name));
        std::fs::write(&part, text).unwrap();
        shelf.install(&key(name), &part).unwrap();
        shelf.note(&key(name), &Meta { bytes: text.len() as u64, ..meta() }).unwrap();
    }

    fn names(shelf: &Shelf) -> Vec<String> {
        let files = shelf.files().unwrap();
        files.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_copy_takes_the_place_of_the_one_before_and_nothing_else_stays() {
        let scratch = Scratch::new();
        let shelf = shelf(&scratch);
        put(&shelf, "ads", "a.example");
        put(&shelf, "ads", "b.example\nc.example");
        assert_eq!(std::fs::read_to_string(shelf.copy(&key("ads"))).unwrap(), "b.example\nc.example");
        assert_eq!(shelf.kept(&key("ads")).unwrap().meta.unwrap().bytes, 19);
        assert_eq!(names(&shelf), ["block.ads.meta", "block.ads.txt"]);
    }

    #[test]
    fn a_copy_without_what_is_known_of_it_is_a_copy() {
        let scratch = Scratch::new();
        let shelf = shelf(&scratch);
        put(&shelf, "ads", "a.example");
        std::fs::write(shelf.copy(&key("ads")), "b.example.org").unwrap();
        assert_eq!(shelf.kept(&key("ads")), Some(Kept { bytes: 13, meta: None }), "it is of another size");
        std::fs::write(shelf.path(&key("ads"), META), "polis list 1 torn").unwrap();
        assert_eq!(shelf.kept(&key("ads")), Some(Kept { bytes: 13, meta: None }));
        assert_eq!(shelf.kept(&key("none")), None);
    }

    #[test]
    fn what_is_half_done_goes_at_the_start() {
        let scratch = Scratch::new();
        let shelf = shelf(&scratch);
        std::fs::write(shelf.part(&key("ads")), "half").unwrap();
        std::fs::write(shelf.path(&key("ads"), DRAFT), "half").unwrap();
        shelf.open().unwrap();
        assert!(names(&shelf).is_empty());
    }

    #[test]
    fn a_list_that_nobody_wants_goes_after_a_day() {
        let scratch = Scratch::new();
        let shelf = shelf(&scratch);
        let day = 86_400_000;
        for name in ["ads", "old"] {
            put(&shelf, name, "a.example");
        }
        std::fs::write(shelf.copy(&key("unknown")), "a.example").unwrap();
        let all = ["block.ads.meta", "block.ads.txt", "block.old.meta", "block.old.txt"];
        let sweep = |now| {
            shelf.sweep(&[key("ads")], now).unwrap();
            names(&shelf)
        };
        assert_eq!(sweep(100 * day), all);
        assert_eq!(sweep(101 * day - 1), all);
        // The clock was wrong before: the day begins anew.
        assert_eq!(sweep(50 * day), all);
        assert_eq!(sweep(51 * day - 1), all);
        assert_eq!(sweep(51 * day), all[..2]);
    }
}
