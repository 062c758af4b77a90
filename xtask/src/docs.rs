//! The pages of `docs/` that are made from the declarations in the code.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::root;

/// The generated files and what should be in them.
pub(crate) fn generated() -> anyhow::Result<Vec<(PathBuf, String)>> {
    let docs = root().join("docs");
    let example = example()?;
    let table = |name: &str| sample_table(&example, name);
    Ok(vec![
        (docs.join("lab-file.md"), lab::reference_page(&table)),
        (docs.join("faults.md"), lab::faults_page(&sample_fault)),
        (docs.join("lab.schema.json"), format!("{:#}\n", lab::json_schema())),
    ])
}

pub(crate) fn write() -> anyhow::Result<()> {
    for (path, text) in generated()? {
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The lab files of the example, one after the other.
fn example() -> anyhow::Result<String> {
    let mut text = String::new();
    for file in ["lab", "network", "machines", "services", "apps"] {
        text.push_str(&std::fs::read_to_string(root().join(format!("examples/aegean/{file}.toml")))?);
        text.push('\n');
    }
    Ok(text)
}

/// The first table of that name in the example, without the comment lines around it.
fn sample_table(example: &str, name: &str) -> Option<String> {
    let is_own =
        |line: &&str| line.starts_with(&format!("[{name}]")) || line.starts_with(&format!("[{name}."));
    let mut lines = example.lines().skip_while(|line| !is_own(line));
    let mut sample = vec![lines.next()?];
    sample.extend(lines.take_while(|line| !line.starts_with(['[', '#']) && !line.is_empty()));
    Some(sample.join("\n"))
}

/// What is said of the wrong file that is named after the fault.
fn sample_fault(code: &str) -> Option<String> {
    let folder = root().join("crates/lab/tests/faults/one");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".txt").map(str::to_owned))
        .filter(|name| *name == code || name.starts_with(&format!("{code}-")))
        .collect();
    names.sort();
    let texts =
        names.into_iter().filter_map(|name| std::fs::read_to_string(folder.join(format!("{name}.txt"))).ok());
    texts.into_iter().find(|text| text.contains(&format!("[{code}]")))
}
