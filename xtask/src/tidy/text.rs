//! Rules on the text of files.

use anyhow::Context as _;

use super::{Source, files};
use crate::root;

/// The most lines of production code in a file, and what no file may pass even as an exception.
const FILE: usize = 500;
const FILE_STOP: usize = 800;
/// The most lines of the binary's crate together, and of the `lib.rs` of a service.
const BINARY: usize = 1500;
const SERVICE_HEAD: usize = 80;
/// The most lines of an architecture decision record.
const RECORD: usize = 40;
/// What waits and decides nothing: the shell of a service or of a part of the runtime.
const SHELLS: [&str; 2] = ["/run.rs", "/run/"];
/// Crates that are services.
pub(super) const SERVICES: [&str; 1] = ["dns"];

/// Files that are longer than they should be: `FILE LINES` each. A line may only be taken out or its number
/// lowered.
fn exceptions() -> anyhow::Result<Vec<(String, usize)>> {
    let text =
        std::fs::read_to_string(root().join("xtask/exceptions.txt")).context("xtask/exceptions.txt")?;
    let line = |line: &str| {
        let (file, lines) = line.split_once(' ').context("FILE LINES")?;
        Ok((file.to_owned(), lines.parse()?))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(line).collect()
}

pub(super) fn sizes(sources: &[Source], broken: &mut Vec<String>) -> anyhow::Result<()> {
    let exceptions = exceptions()?;
    for source in sources.iter().filter(|source| !source.path.contains("/tests/")) {
        let lines = source.production().count();
        let allowed = exceptions.iter().find(|(file, _)| *file == source.path).map(|(_, lines)| *lines);
        match allowed {
            _ if lines > FILE_STOP => {
                broken.push(format!("{} has {lines} lines, {FILE_STOP} is the end", source.path));
            }
            None if lines > FILE => {
                broken.push(format!("{} has {lines} lines, {FILE} is the most", source.path));
            }
            Some(allowed) if lines > allowed => {
                broken.push(format!("{} has grown to {lines} lines", source.path));
            }
            Some(allowed) if lines < allowed => {
                broken.push(format!(
                    "{} has only {lines} lines: lower its exception from {allowed}",
                    source.path
                ));
            }
            _ => {}
        }
    }
    for (file, _) in exceptions.iter().filter(|(file, _)| sources.iter().all(|source| source.path != *file)) {
        broken.push(format!("{file} is gone: take out its exception"));
    }
    let binary: usize = sources
        .iter()
        .filter(|source| source.krate() == Some("polis"))
        .map(|source| source.production().count())
        .sum();
    if binary > BINARY {
        broken.push(format!("the binary has {binary} lines, {BINARY} is the most"));
    }
    Ok(())
}

/// The head of a file says what it is.
pub(super) fn heads(sources: &[Source], broken: &mut Vec<String>) {
    for source in sources.iter().filter(|source| !source.text.starts_with("//! ")) {
        broken.push(format!("{} has no `//!` that says what it is", source.path));
    }
    for source in sources {
        if source.text.contains("clippy::too_many_lines") && !source.path.starts_with("xtask/") {
            broken.push(format!("{} has a function that is too long", source.path));
        }
        if source.text.contains("clippy::indexing_slicing")
            && !is_parser(source)
            && !source.path.starts_with("xtask/")
            && !source.path.contains("/tests/")
        {
            broken.push(format!("{} indexes: only `wire.rs` with a fuzz target may", source.path));
        }
    }
}

fn is_parser(source: &Source) -> bool {
    source.path.ends_with("/wire.rs") && source.text.contains("fuzz/")
}

/// Every service has the same rooms.
pub(super) fn rooms(sources: &[Source], broken: &mut Vec<String>) {
    for service in SERVICES {
        for room in ["lib.rs", "plan.rs", "run.rs", "fault.rs"] {
            let path = format!("crates/{service}/src/{room}");
            if sources.iter().all(|source| source.path != path) {
                broken.push(format!("{path} is missing"));
            }
        }
        let head = sources.iter().find(|source| source.path == format!("crates/{service}/src/lib.rs"));
        if let Some(head) = head.filter(|head| head.production().count() > SERVICE_HEAD) {
            broken.push(format!("{} has more than {SERVICE_HEAD} lines", head.path));
        }
    }
}

/// Decisions are pure: only the shell of a service waits, and the lab file never does.
pub(super) fn decisions(sources: &[Source], broken: &mut Vec<String>) {
    for source in sources {
        let Some(krate) = source.krate() else { continue };
        let may_wait = krate != "lab" && SHELLS.iter().any(|room| source.path.contains(room));
        let waits = source.production().any(|line| line.contains("async ") || line.contains(".await"));
        if waits && !may_wait {
            broken.push(format!("{} waits: only `run` may", source.path));
        }
        let prints = source.production().any(|line| line.contains("println!") || line.contains("eprint!"));
        if prints && !matches!(krate, "polis" | "testlab") {
            broken.push(format!("{} prints: only the binary may, and the test lab", source.path));
        }
    }
}

/// The map knows every crate and every module, and names nothing that is gone.
pub(super) fn map(sources: &[Source], broken: &mut Vec<String>) -> anyhow::Result<()> {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let named: Vec<&str> = map.split('`').skip(1).step_by(2).collect();
    for source in sources {
        let Some((krate, inside)) =
            source.krate().zip(source.path.split_once("/src/").map(|(_, inside)| inside))
        else {
            continue;
        };
        let module = inside.trim_end_matches(".rs");
        if module != "lib" && !module.contains('/') && !named.contains(&module) {
            broken.push(format!("ARCHITECTURE.md does not know `{module}` of {krate}"));
        }
        if module == "lib" && !named.contains(&format!("crates/{krate}").as_str()) {
            broken.push(format!("ARCHITECTURE.md does not know crates/{krate}"));
        }
    }
    let paths = named
        .iter()
        .filter(|name| ["crates/", "xtask/", "docs/", "examples/"].iter().any(|top| name.starts_with(top)));
    for path in paths.filter(|path| !root().join(path).exists()) {
        broken.push(format!("ARCHITECTURE.md names {path}, which is not there"));
    }
    Ok(())
}

/// Decision records are short.
pub(super) fn records(broken: &mut Vec<String>) -> anyhow::Result<()> {
    for path in files(&["docs/adr/*.md"])? {
        let lines = std::fs::read_to_string(root().join(&path))?.lines().count();
        if lines > RECORD {
            broken.push(format!("{path} has {lines} lines, {RECORD} is the most"));
        }
    }
    Ok(())
}
