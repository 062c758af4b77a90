//! Fuzz targets on the stable compiler: libFuzzer with the coverage that the compiler can give without nightly
//! options. Every run begins with all inputs that are kept, so that what was once found stays found.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::root;

const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The targets, the longest input of each, and where their first inputs are, besides `fuzz/corpus/TARGET`.
const TARGETS: [(&str, u32, &[&str]); 12] = [
    ("lab_file", 20_000, &["crates/lab/tests/faults/one", "crates/lab/tests/faults/many", "examples/aegean"]),
    ("compose_file", 5_000, &["examples/aegean/stacks", "crates/lab/tests/faults/one"]),
    ("dns_message", 1_024, &[]),
    ("https_request", 1_024, &[]),
    ("dns_signed", 2_048, &[]),
    ("query_log", 4_096, &[]),
    ("link_frame", 8_192, &[]),
    ("helper_line", 1_024, &[]),
    ("page_request", 1_024, &[]),
    ("upstream_reply", 1_024, &[]),
    ("list_file", 2_048, &["examples/aegean/lists"]),
    ("rule_line", 512, &[]),
];

pub(crate) fn run(only: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    let host = host()?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--target", &host])
        .current_dir(root().join("fuzz"))
        .env("RUSTFLAGS", COVERAGE)
        .env("POLIS_PLAIN_PAGES", "1")
        .status()?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    for (target, longest, seeds) in
        TARGETS.iter().filter(|(target, ..)| only.is_none_or(|only| only == *target))
    {
        let work = root().join("fuzz/target/work").join(target);
        let first = root().join("fuzz/target/seeds").join(target);
        std::fs::create_dir_all(&work)?;
        gather(&first, target, seeds)?;
        eprintln!("{target}: {seconds} s");
        let output = Command::new(root().join(format!("fuzz/target/{host}/release/{target}")))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={longest}"))
            .args(["-timeout=10", "-print_final_stats=1", "-artifact_prefix=target/found-"])
            .args([&work, &first])
            .current_dir(root().join("fuzz"))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let last: Vec<&str> = said.lines().rev().take(60).collect();
            bail!("{target} found something:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units: "));
        eprintln!("{target}: {} runs, nothing found", runs.unwrap_or("?").trim());
    }
    Ok(())
}

fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc does not say its host")
}

/// Copies the first inputs of a target into one folder.
fn gather(into: &std::path::Path, target: &str, seeds: &[&str]) -> anyhow::Result<()> {
    std::fs::create_dir_all(into)?;
    let wanted = match target {
        "compose_file" => ["yaml", "yml"],
        "list_file" => ["txt", "txt"],
        _ => ["toml", "toml"],
    };
    let mut folders: Vec<PathBuf> = seeds.iter().map(|seed| root().join(seed)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if wanted.contains(&extension.as_str()) {
                let name = path.strip_prefix(root())?.to_string_lossy().replace('/', "_");
                std::fs::copy(&path, into.join(name))?;
            }
        }
    }
    for entry in std::fs::read_dir(root().join("fuzz/corpus").join(target)).into_iter().flatten() {
        let path = entry?.path();
        std::fs::copy(&path, into.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}
