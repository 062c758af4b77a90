//! Makes sets of lists and rules. It waits for disks and takes the better part of a second for the largest lists, so it
//! is called on a thread of its own. This is the only place of `lists` that knows the compiler.
//!
//! Own rules are a set of their own, which is not made here, so that a rule that somebody adds does not wait for a million
//! others.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use lab::value::ListSource;

use super::judge::Found as Sizes;
use super::shelf::Shelf;
use super::{Key, Purpose, Wish};
use crate::filter::{self, Compiler, Counts, ListId, Reader, Rules};
use crate::plan::list_id;

/// How much of a list is read at once.
const PART: usize = 64 << 10;
/// About how many bytes of a list there are for each name, rather too few.
const BYTES_A_NAME: u64 = 16;

/// What came of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiled {
    /// It is followed.
    Followed(Counts),
    /// It is not, for this reason.
    Out(String),
    /// It has not been fetched yet.
    Absent,
}

/// All lists, compiled.
#[derive(Debug, Default)]
pub struct Large {
    /// The rules of all of them.
    pub rules: Arc<Rules>,
    /// What came of each, in the order of their numbers.
    pub lists: Vec<(Wish, Compiled)>,
}

impl Large {
    /// What came of a list, if it was there when this was compiled.
    pub fn list(&self, key: &Key) -> Option<&Compiled> {
        self.lists.iter().find(|(of, _)| of.key == *key).map(|(_, compiled)| compiled)
    }

    /// Whether it is made of just these lists, under these numbers.
    pub fn is_of(&self, wishes: &[Wish]) -> bool {
        self.lists.iter().map(|(wish, _)| wish).eq(wishes)
    }
}

/// A list, and the file that it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    wish: Wish,
    path: PathBuf,
    stamp: Option<Stamp>,
}

/// What tells a file from the one that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    at: SystemTime,
    bytes: u64,
    number: u64,
}

impl Input {
    /// The file of a list as it is now. It waits for the disk.
    pub fn of(wish: &Wish, lab: &Path, shelf: &Shelf) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let path = match &wish.source {
            ListSource::File(path) => lab.join(path),
            ListSource::Url(_) => shelf.copy(&wish.key),
        };
        let metadata = std::fs::metadata(&path).ok();
        let stamp = metadata.and_then(|metadata| {
            Some(Stamp { at: metadata.modified().ok()?, bytes: metadata.len(), number: metadata.ino() })
        });
        Self { wish: wish.clone(), path, stamp }
    }

    /// The list that it is of.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.stamp.map_or(0, |stamp| stamp.bytes)
    }

    /// Whether this is the copy of the same URL as another, if perhaps a newer one.
    pub fn is_copy_like(&self, other: &Self) -> bool {
        self.wish == other.wish && self.wish.url().is_some()
    }
}

/// Compiles lists: the number of each is its place. `read` is raised by the bytes that have been read.
pub fn lists(inputs: &[Input], read: &AtomicU64) -> Large {
    let mut compiler = with_room(inputs.iter().map(Input::bytes).sum());
    let mut lists = Vec::with_capacity(inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        let purpose = match input.wish.key.purpose {
            Purpose::Block => filter::Purpose::Block,
            Purpose::Allow => filter::Purpose::Allow,
        };
        let fed = list_id(number).map(|list| feed(&input.path, compiler.list(list, purpose), read));
        let compiled = match fed {
            None => Compiled::Out("there are more lists than can be told apart".to_owned()),
            Some(Ok(counts)) => Compiled::Followed(counts),
            Some(Err(Unread::NotThere)) if input.wish.url().is_some() => Compiled::Absent,
            Some(Err(why)) => Compiled::Out(why.to_string()),
        };
        lists.push((input.wish.clone(), compiled));
    }
    Large { rules: Arc::new(compiler.finish()), lists }
}

/// What is in a file, as if it was the only list.
///
/// # Errors
/// Why it is no list, or can not be read, as a sentence about it.
pub fn look(path: &Path) -> Result<Sizes, String> {
    let mut compiler = with_room(std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
    let read = AtomicU64::new(0);
    let counts =
        feed(path, compiler.list(ListId(0), filter::Purpose::Block), &read).map_err(|why| why.to_string())?;
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Sizes {
        bytes: read.load(Ordering::Relaxed),
        rules: wide(counts.rules),
        others: wide(counts.others.values().sum()),
    })
}

/// A compiler for lists of so many bytes in all.
fn with_room(bytes: u64) -> Compiler {
    Compiler::with_room(usize::try_from(bytes / BYTES_A_NAME).unwrap_or(0))
}

/// Why a file is not followed.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("there is no such file")]
    NotThere,
    #[error("it is no file")]
    NoFile,
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Refused(filter::Refused),
}

impl From<io::Error> for Unread {
    fn from(fault: io::Error) -> Self {
        match fault.kind() {
            ErrorKind::NotFound => Self::NotThere,
            _ => Self::Io(fault),
        }
    }
}

fn feed(path: &Path, mut list: Reader<'_>, read: &AtomicU64) -> Result<Counts, Unread> {
    // What is no plain file, such as a pipe, could be waited for without an end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Unread::NoFile);
    }
    let mut file = File::open(path)?;
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part) {
            Ok(0) => return list.finish().map_err(Unread::Refused),
            Ok(length) => {
                read.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
                list.feed(part.get(..length).unwrap_or_default()).map_err(Unread::Refused)?;
            }
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) => {
                list.give_up();
                return Err(fault.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{ListSet, Question, Verdict};
    use crate::lists::run::tests::Scratch;
    use crate::wire::Name;

    fn input(purpose: Purpose, name: &str, file: &str, scratch: &Scratch) -> Input {
        let key = Key { purpose, name: name.to_owned() };
        let source = ListSource::File(file.to_owned());
        Input::of(&Wish { key, source }, scratch.path(), &Shelf::at(scratch.path().to_owned()))
    }

    fn verdict(large: &Large, name: &str) -> &'static str {
        let (name, lists) = (Name::parse(name).unwrap(), ListSet::all());
        let question =
            Question { name: name.wire(), kind: 1, client: &filter::Client::default(), lists: &lists };
        match filter::decide(&[&large.rules], &question) {
            Verdict::Blocked(_) => "blocked",
            Verdict::Allowed(_) => "allowed",
            Verdict::Unlisted => "unlisted",
            _ => "something else",
        }
    }

    #[test]
    fn lists_to_allow_win_and_one_that_is_none_harms_no_other() {
        let scratch = Scratch::new();
        let put = |file: &str, text: &str| std::fs::write(scratch.path().join(file), text).unwrap();
        put("ads", "a.example\nb.example\n");
        put("page", "<!DOCTYPE html>\nc.example\n");
        put("good", "b.example\n");
        let inputs = [
            input(Purpose::Block, "ads", "ads", &scratch),
            input(Purpose::Block, "page", "page", &scratch),
            input(Purpose::Block, "gone", "gone", &scratch),
            input(Purpose::Block, "folder", ".", &scratch),
            input(Purpose::Allow, "ads", "good", &scratch),
        ];
        let read = AtomicU64::new(0);
        let large = lists(&inputs, &read);
        let said = ["a.example", "b.example", "c.example"].map(|name| verdict(&large, name));
        assert_eq!(said, ["blocked", "allowed", "unlisted"]);
        assert!(large.is_of(&inputs.each_ref().map(|input| input.wish.clone())));
        assert!(!large.is_of(&[]));
        let out = |why: &str| Compiled::Out(why.to_owned());
        let rules = |rules| Compiled::Followed(Counts { rules, ..Counts::default() });
        let compiled: Vec<Compiled> = large.lists.iter().map(|(_, compiled)| compiled.clone()).collect();
        let expected = [
            rules(2),
            out("it is a web page and not a list"),
            out("there is no such file"),
            out("it is no file"),
            rules(1),
        ];
        assert_eq!(compiled, expected);
        assert_eq!(large.list(&inputs[4].wish.key), Some(&rules(1)));
        assert!(read.load(Ordering::Relaxed) > 40);
    }

    #[test]
    fn a_file_that_has_changed_is_another_input() {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join("ads"), "a.example").unwrap();
        let before = input(Purpose::Block, "ads", "ads", &scratch);
        assert_eq!(before, input(Purpose::Block, "ads", "ads", &scratch));
        std::fs::write(scratch.path().join("ads"), "a.example\n").unwrap();
        assert_ne!(before, input(Purpose::Block, "ads", "ads", &scratch));
        assert_eq!((before.bytes(), before.is_copy_like(&before)), (9, false));
    }
}
