//! Clocks that jump: a file with an offset, and a small library that adds it to the civil clock of a program.
//!
//! The program needs no hook of its own for it. The library is compiled when a test first asks for it: a C
//! compiler is there, since Rust links with it.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

const SOURCE: &str = include_str!("clock.c");

/// The clock of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    pub(crate) fn at(file: PathBuf) -> Self {
        Self { file }
    }

    /// Makes a program run by this clock.
    pub(crate) fn give(&self, command: &mut Command) -> anyhow::Result<()> {
        let library = self.file.with_file_name("clock.so");
        if !library.exists() {
            compile(&library)?;
        }
        if !self.file.exists() {
            std::fs::write(&self.file, 0_i64.to_ne_bytes())?;
        }
        command.env("TESTLAB_CLOCK", &self.file).env("LD_PRELOAD", &library);
        Ok(())
    }

    /// Moves it. The file is changed in its place, because programs have it mapped.
    pub(crate) fn jump(&self, seconds: i64) -> anyhow::Result<()> {
        let file = std::fs::File::options().read(true).write(true).open(&self.file);
        let file = file.context("no unit was started with `Service::clock`")?;
        let mut offset = [0; 8];
        file.read_exact_at(&mut offset, 0)?;
        let offset = i64::from_ne_bytes(offset).saturating_add(seconds);
        Ok(file.write_all_at(&offset.to_ne_bytes(), 0)?)
    }
}

fn compile(library: &Path) -> anyhow::Result<()> {
    let mut compiler = Command::new(crate::find("cc").context("a C compiler")?);
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-x", "c", "-", "-ldl", "-o"]).arg(library);
    let mut child = compiler.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("a pipe")?.write_all(SOURCE.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "clock.c: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
