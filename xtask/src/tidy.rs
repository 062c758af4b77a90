//! The rules of the house that a program can check. Each rule is a function that returns what breaks it.

mod crates;
mod text;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{docs, root};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut broken = Vec::new();
    let sources = sources()?;
    text::sizes(&sources, &mut broken)?;
    text::heads(&sources, &mut broken);
    text::rooms(&sources, &mut broken);
    text::decisions(&sources, &mut broken);
    text::map(&sources, &mut broken)?;
    text::records(&mut broken)?;
    crates::directions(&mut broken)?;
    crates::reasons(&mut broken)?;
    crates::locked(&mut broken)?;
    generated(&mut broken)?;
    if broken.is_empty() {
        Ok(())
    } else {
        bail!("{} rules are broken:\n  {}", broken.len(), broken.join("\n  "))
    }
}

/// A Rust file of the project.
struct Source {
    /// From the root of the workspace, with `/` between its parts.
    path: String,
    text: String,
}

impl Source {
    /// The lines before the tests of the file.
    fn production(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]")
    }

    /// The crate that it is in, if it is production code of one.
    fn krate(&self) -> Option<&str> {
        let (krate, inside) = self.path.strip_prefix("crates/")?.split_once('/')?;
        inside.starts_with("src/").then_some(krate)
    }
}

/// Every Rust file that is in the repository, or would be.
fn sources() -> anyhow::Result<Vec<Source>> {
    let files = files(&["*.rs"])?;
    files
        .into_iter()
        .map(|path| {
            let text =
                std::fs::read_to_string(root().join(&path)).with_context(|| format!("reading {path}"))?;
            Ok(Source { path, text })
        })
        .collect()
}

/// Files that git knows, or would take up.
fn files(patterns: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--"])
        .args(patterns)
        .current_dir(root())
        .output()?;
    let mut files: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    files.retain(|path| root().join(path).is_file());
    files.sort();
    files.dedup();
    if files.is_empty() { bail!("git lists no files {patterns:?}") } else { Ok(files) }
}

fn generated(broken: &mut Vec<String>) -> anyhow::Result<()> {
    for (path, text) in docs::generated()? {
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            let path: PathBuf = path.strip_prefix(root()).unwrap_or(&path).to_owned();
            broken.push(format!("{} is stale: `cargo xtask docs` writes it", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        super::run().unwrap();
    }
}
