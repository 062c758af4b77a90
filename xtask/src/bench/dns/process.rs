//! Processes that are measured, from outside: processor time, memory, and their end.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a server has to end by itself.
const ENDS_IN: Duration = Duration::from_secs(10);

/// A process with all that it started, ended when this is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Starts a command; what it complains of goes into a file.
    pub(super) fn start(command: &mut Command, log: &std::path::Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self(child))
    }

    /// Fails if it has ended.
    pub(super) fn is_there(&mut self) -> anyhow::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended: {status}"),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.0.id())?), signal)?)
    }

    /// The process and its children, theirs too.
    pub(super) fn all(&self) -> Vec<u32> {
        let mut all = vec![self.0.id()];
        let mut at = 0;
        while let Some(process) = all.get(at).copied() {
            let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
            all.extend(
                text.unwrap_or_default().split_whitespace().filter_map(|child| child.parse::<u32>().ok()),
            );
            at += 1;
        }
        all
    }

    /// Processor seconds so far of all threads of all its processes.
    pub(super) fn seconds(&self) -> anyhow::Result<f64> {
        Ok(f64::from(crate::bench::ticks(&self.all())?) / 100.0)
    }

    /// Megabytes of memory (PSS: what is shared is divided among those who share it).
    pub(super) fn megabytes(&self) -> anyhow::Result<f64> {
        self.sum("smaps_rollup", "Pss:")
    }

    /// Megabytes that are resident now; what its processes share counts for each.
    pub(super) fn resident(&self) -> anyhow::Result<f64> {
        self.sum("status", "VmRSS:")
    }

    /// The most megabytes that were resident since [`Self::forget_peak`].
    pub(super) fn peak(&self) -> anyhow::Result<f64> {
        self.sum("status", "VmHWM:")
    }

    /// Takes what is resident now as the peak (proc(5), `clear_refs`).
    pub(super) fn forget_peak(&self) -> anyhow::Result<()> {
        for process in self.all() {
            std::fs::write(format!("/proc/{process}/clear_refs"), "5")?;
        }
        Ok(())
    }

    fn sum(&self, file: &str, key: &str) -> anyhow::Result<f64> {
        let mut sum = 0;
        for process in self.all() {
            let text = std::fs::read_to_string(format!("/proc/{process}/{file}"))?;
            let line = text.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u32>()?;
        }
        Ok(f64::from(sum) * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let all = self.all();
        let _ = self.signal(Signal::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < ENDS_IN {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for process in all {
            let process = i32::try_from(process).map(Pid::from_raw);
            let _ = process.map(|process| kill(process, Signal::SIGKILL));
        }
        let _ = self.0.wait();
    }
}
