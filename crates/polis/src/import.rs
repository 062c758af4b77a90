//! `polis import`: reads the settings of another program and prints the tables that say the same.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::ImportCommand;
use crate::fault::Fault;
use crate::show::print;

/// The longest file that is read, in bytes.
const MAX: u64 = 4 << 20;

pub(crate) fn import(command: &ImportCommand) -> Result<ExitCode, Fault> {
    let ImportCommand::Adguard { file } = command;
    let yaml = read(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let leases = ["data/leases.json", "leases.json"].map(|name| folder.join(name));
    let leases = leases.iter().find(|path| path.is_file()).map(|path| read(path)).transpose()?;
    let imported = dns::import::adguard(&yaml, leases.as_deref(), dns::filter::check_rule)
        .map_err(|refused| Fault::Said { what: format!("{}: {refused}", file.display()), help: None })?;
    print(&imported.toml);
    let carried = imported.carried.iter().map(|(what, count)| format!("{what}: {count}"));
    eprintln!("carried over: {}", carried.collect::<Vec<_>>().join(", "));
    for left in &imported.left {
        eprintln!("left: {left}");
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, Fault> {
    let failed = |source| Fault::File { doing: "read", path: PathBuf::from(path), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX) {
        return Err(Fault::said(
            format!("{} is longer than {MAX} bytes", path.display()),
            "is it the right file?",
        ));
    }
    Ok(text)
}
