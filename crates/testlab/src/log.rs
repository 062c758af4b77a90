//! What units say, line by line: in memory for tests, and in a file for whoever looks after a failure.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context as _;

/// The log of one unit.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    start: Instant,
    lines: Mutex<Vec<String>>,
    file: Mutex<File>,
}

impl Log {
    /// A line of the unit; in the file with the seconds since its start.
    pub(crate) fn push(&self, line: &str) {
        if let Ok(mut file) = self.file.lock() {
            let _ = writeln!(file, "{:9.3} {line}", self.start.elapsed().as_secs_f64());
        }
        if let Ok(mut lines) = self.lines.lock() {
            lines.push(line.to_owned());
        }
    }

    /// A line of the one that looks after the unit.
    pub(crate) fn note(&self, line: &str) {
        self.push(&format!("-- {line}"));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    /// Collects what a program says, until nobody can say anything there any more.
    pub(crate) fn collect(self: &Arc<Self>, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                log.push(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        })
    }
}

/// The logs of a house, and the folder that they are in.
#[derive(Debug)]
pub(crate) struct Logs {
    folder: PathBuf,
    start: Instant,
    logs: Mutex<Vec<Arc<Log>>>,
}

impl Logs {
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, start: Instant::now(), logs: Mutex::new(Vec::new()) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A log for a unit of a place; the second there is called `naxos-2`.
    pub(crate) fn open(&self, place: &str) -> anyhow::Result<Arc<Log>> {
        let mut logs = self.logs.lock().ok().context("a thread with the list of logs panicked")?;
        let mut names =
            std::iter::once(place.to_owned()).chain((2..).map(|number| format!("{place}-{number}")));
        let name = names.find(|name| logs.iter().all(|log| log.name != *name)).context("a name for a log")?;
        std::fs::create_dir_all(&self.folder)?;
        let file = File::create(self.folder.join(format!("{name}.log")))?;
        let log = Log { name, start: self.start, lines: Mutex::new(Vec::new()), file: Mutex::new(file) };
        let log = Arc::new(log);
        logs.push(Arc::clone(&log));
        Ok(log)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Log>> {
        self.logs.lock().map(|logs| logs.clone()).unwrap_or_default()
    }

    /// Removes the files: nothing failed, so nobody will look.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
