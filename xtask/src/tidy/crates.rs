//! Rules on crates and what they depend on.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::text::SERVICES;
use crate::root;

/// The most packages in `Cargo.lock`.
const PACKAGES: usize = 450;
/// Of these there is one already, or there shall be none.
const UNWANTED: [(&str, &str); 11] = [
    ("async-std", "tokio is the runtime"),
    ("smol", "tokio is the runtime"),
    ("openssl", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
    ("chrono", "time is jiff"),
    ("reqwest", "HTTP is hyper"),
    ("async-trait", "plain functions do"),
    ("sqlx", "the database is rusqlite"),
    ("diesel", "the database is rusqlite"),
    ("serde_yaml", "YAML is saphyr-parser"),
];
/// Others may bring these along, but what is ours does not use them.
const NOT_OURS: [(&str, &str); 1] = [("time", "time is jiff")];

fn metadata() -> anyhow::Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()?;
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

/// The workspace's own crates, each with the names of what it depends on, without what only tests use.
fn dependencies() -> anyhow::Result<Vec<(String, BTreeSet<String>)>> {
    let metadata = metadata()?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("packages")?;
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(packages
        .iter()
        .map(|package| {
            let own = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
            (name(package), own.filter(|own| own.get("kind").is_none_or(Value::is_null)).map(name).collect())
        })
        .collect())
}

/// Who may know whom: the lab file knows nobody, services know it and not each other. Only tests know the
/// test lab.
pub(super) fn directions(broken: &mut Vec<String>) -> anyhow::Result<()> {
    let crates = dependencies()?;
    let own: BTreeSet<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
    for (name, dependencies) in &crates {
        let may: BTreeSet<&str> = match name.as_str() {
            "lab" => BTreeSet::new(),
            "runtime" | "testlab" => BTreeSet::from(["lab"]),
            service if SERVICES.contains(&service) => BTreeSet::from(["lab", "runtime"]),
            // The pages show every service.
            "web" => SERVICES.iter().copied().chain(["lab", "runtime"]).collect(),
            "xtask" => BTreeSet::from(["lab"]),
            "polis" => own.iter().copied().filter(|name| !matches!(*name, "xtask" | "testlab")).collect(),
            _ => {
                broken.push(format!("the crate {name} has no place in the house: see xtask/src/tidy"));
                continue;
            }
        };
        for known in
            dependencies.iter().filter(|known| own.contains(known.as_str()) && !may.contains(known.as_str()))
        {
            broken.push(format!("{name} must not know {known}"));
        }
        if name == "lab" && dependencies.contains("tokio") {
            broken.push("lab is pure: it must not know tokio".to_owned());
        }
    }
    Ok(())
}

/// Every dependency is in `deps.toml`, with why and what we would do without it; nothing else is.
pub(super) fn reasons(broken: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let section = manifest.split("[workspace.dependencies]").nth(1).context("[workspace.dependencies]")?;
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
    let used: BTreeSet<&str> =
        names.filter(|name| !matches!(*name, "lab" | "dns" | "runtime" | "testlab" | "web")).collect();
    let reasons = std::fs::read_to_string(root().join("deps.toml")).context("deps.toml")?;
    let mut given = BTreeSet::new();
    for block in reasons.split("\n[").skip(1) {
        let name = block.split(']').next().unwrap_or_default();
        given.insert(name);
        for key in ["why = ", "without = ", "license = "] {
            if block.lines().filter(|line| line.starts_with(key)).count() != 1 {
                let key = key.trim_end_matches(" = ");
                broken.push(format!("deps.toml has to say `{key}` of {name} once"));
            }
        }
    }
    for (name, why) in NOT_OURS.iter().filter(|(name, _)| used.contains(name)) {
        broken.push(format!("{name} is not wanted: {why}"));
    }
    broken.extend(used.difference(&given).map(|name| format!("deps.toml does not know {name}")));
    broken.extend(given.difference(&used).map(|name| format!("deps.toml knows {name}, which nothing uses")));
    Ok(())
}

pub(super) fn locked(broken: &mut Vec<String>) -> anyhow::Result<()> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let names: Vec<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    if names.len() > PACKAGES {
        broken.push(format!("Cargo.lock has {} packages, {PACKAGES} is the most", names.len()));
    }
    for (name, why) in UNWANTED.iter().filter(|(name, _)| names.contains(name)) {
        broken.push(format!("{name} is not wanted: {why}"));
    }
    for entry in std::fs::read_dir(root().join("crates"))? {
        let manifest = entry?.path().join("Cargo.toml");
        if !std::fs::read_to_string(&manifest)?.contains("[lints]\nworkspace = true") {
            broken.push(format!("{} does not take the lints of the workspace", manifest.display()));
        }
    }
    Ok(())
}
