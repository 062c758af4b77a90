//! The assets of the pages, and the tests of the pages in a browser. Both take npm; where it is missing they are
//! skipped by name, as tests are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::root;

/// The oldest version of Node.js that the assets are built with.
const NODE: u32 = 20;
/// Where `.ci/run` puts tools that the machine does not have.
const TOOLS: &str = "target/tools/bin";

/// Builds the assets into `web/dist`, for the next build of Polis to embed.
pub(crate) fn build() -> anyhow::Result<()> {
    let missing = missing(&[]);
    if missing.is_empty() {
        return assets();
    }
    eprintln!(
        "the pages will have no style sheet and no scripts: to build them takes {}",
        missing.join(" and ")
    );
    skip("web", &missing)
}

/// Looks at every page in a browser, and does with them what people do.
pub(crate) fn browser() -> anyhow::Result<()> {
    let missing = missing(&["chromium"]);
    if !missing.is_empty() {
        eprintln!("no page is looked at in a browser: that takes {}", missing.join(" and "));
        return skip("browser", &missing);
    }
    assets()?;
    run(Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "polis"]).current_dir(root()))?;
    npm(&["run", "--silent", "check"])?;
    npm(&["run", "--silent", "test"])
}

fn assets() -> anyhow::Result<()> {
    let web = root().join("web");
    let lock = std::fs::read(web.join("package-lock.json")).context("web/package-lock.json")?;
    // What was installed last: npm itself keeps another form of it.
    let installed = web.join("node_modules/.installed-lock.json");
    if std::fs::read(&installed).ok().as_ref() != Some(&lock) {
        npm(&["ci", "--no-audit", "--no-fund"])?;
        std::fs::write(&installed, lock).context("web/node_modules")?;
    }
    npm(&["run", "--silent", "build"])
}

fn npm(words: &[&str]) -> anyhow::Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = Command::new(find("npm").context("npm is not here")?);
    command.args(words).current_dir(root().join("web")).env("PATH", path());
    command.env("POLIS", std::path::absolute(target)?.join("debug/polis"));
    if let Some(chromium) = chromium() {
        command.env("CHROMIUM", chromium);
    }
    run(&mut command)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    if command.status()?.success() {
        return Ok(());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    bail!("`{} {}` failed", program.to_string_lossy(), words.join(" "))
}

/// What is not here of what it takes.
fn missing(more: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    if node().is_none_or(|version| version < NODE) {
        missing.push(format!("Node.js {NODE} or newer"));
    }
    if find("npm").is_none() {
        missing.push("npm".to_owned());
    }
    let is_there = |program: &str| if program == "chromium" { chromium() } else { find(program) }.is_some();
    missing.extend(more.iter().filter(|program| !is_there(program)).map(|program| (*program).to_owned()));
    missing
}

/// The first number of the version of Node.js that is here.
fn node() -> Option<u32> {
    let output = Command::new(find("node")?).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn chromium() -> Option<PathBuf> {
    let said = std::env::var_os("CHROMIUM").map(PathBuf::from).filter(|path| path.is_file());
    said.or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find))
}

/// The path of a program; what `.ci/run` put there goes before the machine's own, which is missing or too old then.
fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let tools = root().join(TOOLS);
    std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&own))).unwrap_or(own)
}

/// What can not be done here is counted, and fails where it must not.
fn skip(name: &str, missing: &[String]) -> anyhow::Result<()> {
    let why = format!("needs {}", missing.join(", "));
    if std::env::var_os("POLIS_STRICT").is_some() {
        bail!("{name} {why}");
    }
    let folder = root().join("target/skipped");
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(folder.join(name), why)?)
}
