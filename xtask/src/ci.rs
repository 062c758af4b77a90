//! What a change has to pass.

use std::process::Command;
use std::time::Instant;

use anyhow::bail;

use crate::{arm64, fuzz, root, tidy, web};

const STEPS: [(&str, &[&str]); 3] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]),
    ("tests", &["test", "--workspace", "--quiet"]),
];

pub(crate) fn run(fuzz_seconds: u32) -> anyhow::Result<()> {
    let skipped = root().join("target/skipped");
    let _ = std::fs::remove_dir_all(&skipped);
    // First, so that what is built and tested has them.
    step("web", web::build)?;
    for (name, arguments) in STEPS {
        step(name, || {
            let status = Command::new(env!("CARGO")).args(arguments).current_dir(root()).status()?;
            if status.success() { Ok(()) } else { bail!("`cargo {}` failed", arguments.join(" ")) }
        })?;
    }
    step("browser", web::browser)?;
    step("tidy", tidy::run)?;
    step("fuzz", || fuzz::run(None, fuzz_seconds))?;
    step("arm64", arm64::run)?;
    report_skipped(&skipped)
}

fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("== {name}");
    let start = Instant::now();
    work()?;
    eprintln!("== {name}: done in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Tests that could not run because a program was missing left a file each.
fn report_skipped(folder: &std::path::Path) -> anyhow::Result<()> {
    let mut skipped: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        let why = std::fs::read_to_string(&path)?;
        skipped.push(format!("{}: {}", path.file_name().unwrap_or_default().to_string_lossy(), why.trim()));
    }
    skipped.sort();
    match skipped.len() {
        0 => eprintln!("== all passed, nothing was skipped"),
        count => eprintln!("== all passed, {count} skipped:\n  {}", skipped.join("\n  ")),
    }
    Ok(())
}
