//! The text of a lab: its files, and places in them.
//!
//! A [`Folder`] is the only thing in this crate that reads from disk, and it reads nothing outside the
//! lab folder. A [`Span`] is a place in it; every value, fault and derived fact carries one or more.
//!
//! ```
//! let folder = lab::Folder::from_texts([("lab.toml", "[lab]\nname = \"x\"\n")]);
//! assert_eq!(folder.files().count(), 1);
//! ```

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 1 << 20;
/// The most files that one lab may consist of.
pub(crate) const MAX_FILES: usize = 4096;

/// A file of a [`Folder`], by its place in the order of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u16);

impl FileId {
    /// The first file of a folder.
    pub(crate) const FIRST: Self = Self(0);
}

/// A place in the lab folder: a file and a range of bytes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `range` of `file`. A range past 4 GiB, which no file of a lab reaches, is clamped.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        let clamp = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Self { file, start: clamp(range.start), end: clamp(range.end) }
    }

    /// The bytes of the file that this covers.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From the start of this to the end of `other`, which stands in the same file.
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

/// One file of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    path: String,
    text: String,
    line_starts: Vec<usize>,
}

/// A position that people and editors understand: both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl File {
    fn new(path: String, text: String) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        Self { path, text, line_starts }
    }

    /// The path inside the lab folder, with `/` between its parts.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte.
    pub fn position(&self, byte: usize) -> Position {
        let (line, start) = self.line_at(byte);
        let before = self.text.get(start..byte.min(self.text.len())).unwrap_or("");
        Position { line, column: before.chars().count() + 1 }
    }

    /// The number of the line that a byte is in, and the byte that the line begins at.
    pub(crate) fn line_at(&self, byte: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        (line, self.line_starts.get(line - 1).copied().unwrap_or(0))
    }

    /// The byte behind the line that a byte is in.
    pub(crate) fn line_end(&self, byte: usize) -> usize {
        let next = self.line_starts.partition_point(|start| *start <= byte);
        self.line_starts.get(next).copied().unwrap_or(self.text.len())
    }

    /// The byte at a line and a column, both counted from 1; the end of the text if there is no such place.
    pub fn byte_at(&self, position: Position) -> usize {
        let Some(start) = self.line_starts.get(position.line.saturating_sub(1)) else {
            return self.text.len();
        };
        let line = self.text.get(*start..).unwrap_or("");
        let offset = line.char_indices().nth(position.column.saturating_sub(1)).map(|(at, _)| at);
        start + offset.unwrap_or(line.len())
    }
}

/// Why a lab folder could not be opened at all. What is wrong inside it is a [`crate::Fault`] instead.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("there is no lab at `{}`: {source}", .path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds no lab file.
    #[error("there is no `*.toml` file in `{}`", .path.display())]
    Empty {
        /// What was asked for.
        path: PathBuf,
    },
    /// A file is there and can not be read as text.
    #[error("can not read `{}`: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

#[derive(Clone, Debug)]
enum Backing {
    Disk(PathBuf),
    Memory(BTreeMap<String, String>),
}

/// What the system says of a folder's files: cheap to take, and different once one of them has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Option<(SystemTime, u64)>>);

/// The files of a lab: its `*.toml` files, in the order of their names, then what they refer to.
#[derive(Clone, Debug)]
pub struct Folder {
    backing: Backing,
    shown_in: String,
    files: Vec<File>,
    toml_files: usize,
}

impl Folder {
    /// Reads a lab: a folder of `*.toml` files, or a single file.
    ///
    /// # Errors
    /// If there is nothing to read. What stands in the files is not looked at here.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let missing = |source| OpenError::Missing { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(missing)?;
        let (root, names) = if metadata.is_dir() {
            (path.to_owned(), toml_names(path).map_err(missing)?)
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (path.parent().unwrap_or(Path::new("")).to_owned(), vec![name])
        };
        if names.is_empty() {
            return Err(OpenError::Empty { path: path.to_owned() });
        }
        if names.len() > MAX_FILES {
            let reason = format!("it holds more than {MAX_FILES} lab files");
            return Err(OpenError::Unreadable { path: path.to_owned(), reason });
        }
        let shown_in = match root.to_string_lossy() {
            root if root.is_empty() || root == "." => String::new(),
            root => format!("{}/", root.trim_end_matches('/')),
        };
        let mut folder = Self { backing: Backing::Disk(root), shown_in, files: Vec::new(), toml_files: 0 };
        for name in names {
            let text = folder
                .read(&name)
                .map_err(|reason| OpenError::Unreadable { path: folder.on_disk(&name), reason })?;
            folder.files.push(File::new(name, text));
        }
        folder.toml_files = folder.files.len();
        Ok(folder)
    }

    /// A lab of texts in memory, `(path, text)` each; what ends in `.toml` at the top is part of the lab file.
    pub fn from_texts<P: Into<String>, T: Into<String>>(texts: impl IntoIterator<Item = (P, T)>) -> Self {
        let texts: BTreeMap<String, String> =
            texts.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        let files: Vec<File> = texts
            .iter()
            .filter(|(path, _)| path.ends_with(".toml") && !path.contains('/'))
            .map(|(path, text)| File::new(path.clone(), text.clone()))
            .collect();
        let toml_files = files.len();
        Self { backing: Backing::Memory(texts), shown_in: String::new(), files, toml_files }
    }

    /// Reads one more file of the folder, such as a compose file; `None` if there is none, if it is too
    /// large or no text, or if its path leaves the lab folder.
    pub fn load(&mut self, path: &str) -> Option<FileId> {
        if let Some(known) = self.files.iter().position(|file| file.path == path) {
            return file_id(known);
        }
        if self.files.len() >= MAX_FILES {
            return None;
        }
        let text = self.read(path).ok()?;
        self.files.push(File::new(path.to_owned(), text));
        file_id(self.files.len() - 1)
    }

    /// Whether the folder holds a file at this path.
    pub fn holds(&self, path: &str) -> bool {
        match &self.backing {
            Backing::Disk(root) => stays_inside(path) && root.join(path).is_file(),
            Backing::Memory(texts) => texts.contains_key(path),
        }
    }

    /// The lab files themselves, without what they refer to.
    pub fn toml_files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files().take(self.toml_files)
    }

    /// All files read so far.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files.iter().enumerate().filter_map(|(at, file)| Some((file_id(at)?, file)))
    }

    /// The file that a span is in.
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(usize::from(id.0))
    }

    /// Where a span begins, as `file:line:column` with the folder in front of the file.
    pub fn place(&self, span: Span) -> String {
        let Some(file) = self.file(span.file) else { return String::new() };
        let Position { line, column } = file.position(span.start as usize);
        format!("{}:{line}:{column}", self.shown_path(file))
    }

    /// Where a span begins, as `file:line`: what tables and explanations show.
    pub fn line(&self, span: Span) -> String {
        let Some(file) = self.file(span.file) else { return String::new() };
        format!("{}:{}", file.path, file.position(span.start as usize).line)
    }

    /// The path of a file as the person who asked knows it.
    pub fn shown_path(&self, file: &File) -> String {
        format!("{}{}", self.shown_in, file.path)
    }

    /// The text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).and_then(|file| file.text.get(span.range())).unwrap_or("")
    }

    /// The folder on disk; `None` for a lab in memory.
    pub fn root(&self) -> Option<&Path> {
        match &self.backing {
            Backing::Disk(root) => Some(root),
            Backing::Memory(_) => None,
        }
    }

    /// Whether both hold the same files with the same text.
    pub fn same_text(&self, other: &Self) -> bool {
        self.files == other.files
    }

    /// The times and sizes of the files read so far, and of the folders they are in.
    pub fn stamp(&self) -> Stamp {
        let files = self.files.iter().map(|file| self.on_disk(&file.path));
        let mut paths: Vec<PathBuf> = files.collect();
        let folders: Vec<PathBuf> = paths.iter().filter_map(|path| Some(path.parent()?.to_owned())).collect();
        paths.extend(folders);
        paths.dedup();
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamp(paths.iter().map(stamp).collect())
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        self.root().unwrap_or(Path::new("")).join(path)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        if !stays_inside(path) {
            return Err("the path leaves the lab folder".to_owned());
        }
        let root = match &self.backing {
            Backing::Memory(texts) => return texts.get(path).cloned().ok_or("no such file".to_owned()),
            Backing::Disk(root) => root,
        };
        let file = std::fs::File::open(root.join(path)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(format!("it is larger than {MAX_FILE_BYTES} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            format!("it is not UTF-8 text: byte {valid} is the first that is not")
        })?;
        Ok(text)
    }
}

fn file_id(at: usize) -> Option<FileId> {
    u16::try_from(at).ok().map(FileId)
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn toml_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.starts_with('.') && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let file = File::new("x".into(), "a\nπρῶτα = 1\n".into());
        let byte = file.text().find('=').unwrap();
        assert_eq!(file.position(byte), Position { line: 2, column: 7 });
        assert_eq!(file.byte_at(Position { line: 2, column: 7 }), byte);
        assert_eq!(file.byte_at(Position { line: 9, column: 1 }), file.text().len());
    }

    #[test]
    fn nothing_outside_the_folder_is_read() {
        let mut folder = Folder::from_texts([("lab.toml", "")]);
        for path in ["../x", "/etc/passwd", "a/../../x", ""] {
            assert_eq!(folder.load(path), None, "{path}");
        }
    }
}
