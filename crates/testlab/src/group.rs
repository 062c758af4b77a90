//! A control group (cgroup v2): the processes that one unit started, none of which can get out of it.
//!
//! This is how systemd knows what belongs to a unit (`KillMode=control-group`), and so it is how it is done
//! here. No controller is needed, only the tree.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where the tree of control groups is.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mut fields = mounts.lines().map(|line| line.split(' ').skip(1));
    let root = fields
        .find_map(|mut fields| {
            let folder = fields.next()?;
            (fields.next()? == "cgroup2" && fields.next()?.starts_with("rw")).then(|| PathBuf::from(folder))
        })
        .context("no tree of control groups (version 2) can be written")?;
    // A container may show the tree and not let one write to it.
    nix::unistd::access(&root, nix::unistd::AccessFlags::W_OK).context("control groups are not ours")?;
    Ok(root)
}

#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    pub(crate) fn create(name: &str) -> anyhow::Result<Self> {
        let path = root()?.join(name);
        std::fs::create_dir(&path).with_context(|| format!("making the control group {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file that a process writes `0` to in order to enter.
    pub(crate) fn door(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.door()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        for process in self.processes() {
            send(process, signal);
        }
    }

    /// Ends everything in it at once, also what is stopped and what is just being started.
    pub(crate) fn kill(&self) {
        let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
        // A killed process is in the group until the kernel has taken it apart.
        for _ in 0..1000 {
            if self.processes().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn remove(&self) {
        self.kill();
        // The group counts as used for a moment longer than it has processes.
        for _ in 0..500 {
            match std::fs::remove_dir(&self.path) {
                Err(fault) if fault.kind() == std::io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => return,
            }
        }
    }
}

/// Sends a signal to a process; it may be gone already.
pub(crate) fn send(process: u32, signal: Signal) {
    if let Ok(process) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(process), signal);
    }
}

/// The words that a process was started with.
pub(crate) fn words(process: u32) -> String {
    let path = Path::new("/proc").join(process.to_string()).join("cmdline");
    let words = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
}
