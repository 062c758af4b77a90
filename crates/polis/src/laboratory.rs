//! Finding and checking the lab that a command is about.

use std::path::{Path, PathBuf};

use lab::value::Date;
use lab::{Checked, Folder, Options};

use crate::args::Args;
use crate::fault::Fault;

/// Where a machine has its lab.
const INSTALLED: &str = "/etc/polis/lab";

/// Where the lab is.
pub(crate) fn path(args: &Args) -> Result<PathBuf, Fault> {
    match &args.lab {
        Some(path) => Ok(path.clone()),
        None if Path::new("lab.toml").is_file() => Ok(PathBuf::from(".")),
        None if Path::new(INSTALLED).is_dir() => Ok(PathBuf::from(INSTALLED)),
        None => Err(Fault::NoLabAnywhere),
    }
}

/// A check by this version, today.
pub(crate) fn options_now() -> Options {
    Options { at: Date::today(), runs: web::RUNS, dns: dns::words(), demo: None }
}

pub(crate) fn options(args: &Args) -> Options {
    Options { at: args.at.unwrap_or_else(Date::today), ..options_now() }
}

/// Reads and checks the lab.
pub(crate) fn check(args: &Args) -> Result<Checked, Fault> {
    Ok(lab::check(Folder::open(&path(args)?)?, &options(args)))
}
