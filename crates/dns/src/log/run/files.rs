//! The files of the log: what is in the folder, and writing at the end of one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use runtime::Millis;

use crate::log::segment::{Block, Index, index};
use crate::log::wire::{self, Kind};

/// How the name of a segment ends; it begins with the number of its first row.
const ENDING: &str = ".rows";
const DIGITS: usize = 16;
/// What may stand between: a segment that was begun when the process was killed has no row, but its name.
const FURTHER: [&str; 5] = ["", "-b", "-c", "-d", "-e"];
/// The rows that are in no segment yet, and the hours: a newer version has other names.
pub(super) const TAIL: &str = "tail-1";
pub(super) const HOURS: &str = "hours-1";
const LOCK: &str = "lock";

/// A segment that can be searched. It never changes: when a block is added there is a new one.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) blocks: Vec<Block>,
    pub(super) bytes: u64,
    /// The time of its latest row, or of the file if it has none.
    pub(super) latest: Millis,
}

impl Segment {
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    pub(super) fn rows(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.head.rows)).sum()
    }

    /// The number behind its last row, as far as that can be known.
    pub(super) fn end(&self) -> u64 {
        match self.kind {
            Kind::Newer(_) => number(&self.path).map_or(0, |number| number.saturating_add(1)),
            Kind::Segment | Kind::Unknown => self.blocks.last().map_or(0, |block| block.head.end()),
        }
    }

    /// Whether a row of it may be of a time and below a number.
    pub(super) fn is_between(
        &self,
        from: Option<Millis>,
        until: Option<Millis>,
        before: Option<u64>,
    ) -> bool {
        self.blocks.iter().any(|block| {
            from.is_none_or(|from| block.head.latest >= from)
                && until.is_none_or(|until| block.head.earliest < until)
                && before.is_none_or(|before| block.head.first < before)
        })
    }

    pub(super) fn read(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        let Index { kind, blocks, .. } = index(&file)?;
        let written = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let written = written.and_then(|since| Millis::try_from(since.as_millis()).ok()).unwrap_or(0);
        let latest = blocks.iter().map(|block| block.head.latest).max().unwrap_or(written);
        Ok(Self { path, kind, blocks, bytes: metadata.len(), latest })
    }
}

/// The number of the first row of a segment, by its name.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
    u64::from_str_radix(name.get(..DIGITS)?, 16).ok()
}

/// Makes the folder and takes it for this process; none if another one has it.
pub(super) fn take(folder: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = private().create(true).truncate(false).open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The segments of a folder, the oldest first.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(number) = number(&path) {
            paths.push((number, path));
        }
    }
    paths.sort();
    // One that can not be read keeps none of the others from it, and is left alone.
    let unreadable =
        |path| Segment { path, kind: Kind::Unknown, blocks: Vec::new(), bytes: 0, latest: Millis::MAX };
    Ok(paths
        .into_iter()
        .map(|(_, path)| Segment::read(path.clone()).unwrap_or_else(|_| unreadable(path)))
        .collect())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file anew: whoever opens it sees the old bytes or the new ones.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    remove(&draft)?;
    let file = private().create_new(true).open(&draft)?;
    file.write_all_at(bytes, 0)?;
    std::fs::rename(&draft, path)
}

/// A file that is written at its end only. What was written there in part, when the disk was full, is written over.
#[derive(Debug)]
pub(super) struct Ending {
    file: File,
    pub(super) path: PathBuf,
    pub(super) end: u64,
}

impl Ending {
    /// A new segment, whose first row has this number.
    pub(super) fn segment(folder: &Path, first: u64) -> io::Result<Self> {
        let paths = FURTHER.map(|further| folder.join(format!("{first:016x}{further}{ENDING}")));
        let path = paths.into_iter().find(|path| !path.exists()).ok_or(io::ErrorKind::AlreadyExists)?;
        let mut ending = Self { file: private().create_new(true).open(&path)?, path, end: 0 };
        if let Err(error) = ending.write(&wire::begin()) {
            // Without a begin it is nothing: the next try makes it anew.
            let _ = remove(&ending.path);
            return Err(error);
        }
        Ok(ending)
    }

    /// A file of this name, which goes on at `end`.
    pub(super) fn at(path: PathBuf, end: u64) -> io::Result<Self> {
        let file = private().create(true).truncate(false).open(&path)?;
        Ok(Self { file, path, end })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.end) {
            // A part may be there; if it stays it is not whole, and the next try writes over it.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end = self.end.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        Ok(())
    }

    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.end = 0;
        Ok(())
    }

    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The segment that is being filled.
pub(super) struct Filling {
    pub(super) file: Ending,
    pub(super) blocks: Vec<Block>,
    pub(super) rows: u64,
    pub(super) latest: Millis,
    /// When it was begun.
    pub(super) since: Millis,
}

impl Filling {
    pub(super) fn segment(&self) -> Segment {
        Segment {
            path: self.file.path.clone(),
            kind: Kind::Segment,
            blocks: self.blocks.clone(),
            bytes: self.file.end,
            latest: self.latest,
        }
    }
}

/// Files that only their owner can read: who asked for what is nobody else's business.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
