//! The names that are asked for and the list that blocks some of them: files of questions for `dnsperf`.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::root;

/// How many names are hot, and how many of the blocked ones are asked for.
pub(super) const HOT: usize = 10_000;
/// How many names the list has where the real one is not there.
const GENERATED: usize = 1_210_000;
/// The seed of what is generated.
const SEED: u64 = 0x5EED_0BEC_0FD5;

/// A list of plain names, one a line.
pub(super) struct List {
    pub(super) path: PathBuf,
    /// Where it comes from, in words.
    pub(super) from: &'static str,
    pub(super) count: usize,
}

impl List {
    /// The list of `../shared`, or one that is generated and always the same.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("list.txt");
        let shared = std::env::var_os("POLIS_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
        let packed = shared.join("data/blocklists/domains-1.2m.txt.zst");
        let from = if packed.is_file() {
            let file = std::fs::File::create(&path)?;
            let unpack = Command::new("zstd").arg("-dcq").arg(&packed).stdout(Stdio::from(file)).status();
            if !unpack.context("starting zstd")?.success() {
                bail!("zstd can not unpack {}", packed.display());
            }
            "domains-1.2m.txt"
        } else {
            generate(&path)?;
            "generated names"
        };
        let count = std::fs::read_to_string(&path)?.lines().count();
        Ok(Self { path, from, count })
    }

    /// Every so many-th name of it, so that there are `count`.
    pub(super) fn some(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let step = (self.count / count).max(1);
        let text = std::fs::read_to_string(&self.path)?;
        Ok(text.lines().skip(step / 2).step_by(step).take(count).map(str::to_owned).collect())
    }
}

fn generate(path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let mut random = Random(SEED);
    for number in 0..GENERATED {
        let word = random.word();
        let top = ["com", "net", "org", "info", "xyz", "top"].get(number % 6).unwrap_or(&"com");
        match number % 3 {
            0 => writeln!(file, "{word}{number}.{top}")?,
            1 => writeln!(file, "ads.{word}{number}.{top}")?,
            _ => writeln!(file, "a{number}.track.{word}.{top}")?,
        }
    }
    Ok(file.flush()?)
}

/// Numbers that are always the same (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> String {
        let length = 4 + self.next() % 8;
        (0..length)
            .map(|_| char::from(b"etaoinsrhldcum"[..].get(self.letter()).copied().unwrap_or(b'e')))
            .collect()
    }

    fn letter(&mut self) -> usize {
        usize::try_from(self.next() % 14).unwrap_or(0)
    }
}

/// The hot names.
pub(super) fn hot() -> Vec<String> {
    (0..HOT).map(|number| format!("www.hot-{number}.example")).collect()
}

/// Names that nobody has asked for before.
#[derive(Default)]
pub(super) struct Unique(usize);

impl Unique {
    pub(super) fn take(&mut self, count: usize) -> Vec<String> {
        let first = self.0;
        self.0 += count;
        (first..self.0).map(|number| format!("once-{number}.new.example")).collect()
    }
}

/// A file of questions for the addresses of names.
pub(super) fn questions(path: &Path, names: &[String]) -> anyhow::Result<()> {
    let mut text = String::new();
    for name in names {
        writeln!(text, "{name} A")?;
    }
    Ok(std::fs::write(path, text)?)
}

/// Six hot names, three blocked ones and one new one, again and again.
pub(super) fn mixed(
    path: &Path,
    count: usize,
    hot: &[String],
    blocked: &[String],
    unique: &mut Unique,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let (mut hot, mut blocked) = (hot.iter().cycle(), blocked.iter().cycle());
    let new = unique.take(count.div_ceil(10));
    for new in &new {
        let hot: Vec<&String> = hot.by_ref().take(6).collect();
        let blocked: Vec<&String> = blocked.by_ref().take(3).collect();
        for name in hot.into_iter().chain(blocked).chain([new]) {
            writeln!(file, "{name} A")?;
        }
    }
    Ok(file.flush()?)
}
