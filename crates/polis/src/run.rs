//! `polis run`: the helper, the worker, and the list of what the helper may do, all in one binary.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use lab::value::Date;
use lab::{Checked, Demo, Folder, OpenError, Options};
use runtime::helper::Errand;
use runtime::node::Worker;
use runtime::{Row, State, row};

use crate::args::{Args, RunArgs};
use crate::fault::Fault;
use crate::laboratory;
use crate::show;

/// The services of Polis.
pub(crate) fn services() -> Vec<Row> {
    vec![row::<dns::Server>(), row::<web::Pages>()]
}

pub(crate) fn run(args: &Args, run: &RunArgs) -> Result<ExitCode, Fault> {
    if run.worker {
        return Ok(runtime::run(worker(args, run)?)?);
    }
    let state = State::at(run.place.state.clone());
    // A demonstration is of who started it.
    let user = match run.demo {
        Some(_) => None,
        None => runtime::helper::prepare(&state, &run.place.socket()),
    };
    let mut worker = arguments("run", args, run)?;
    worker.push("--worker".into());
    let errand = Errand { worker, permits: arguments("permits", args, run)?, state, user, say: show::print };
    runtime::helper::run(errand).map_err(Fault::Start)
}

/// Prints what a machine needs privileges for; without any itself.
pub(crate) fn permits(args: &Args, run: &RunArgs) -> Result<ExitCode, Fault> {
    runtime::helper::cage_worker();
    let worker = worker(args, run)?;
    let checked = check(&worker, &worker.lab)?;
    if checked.usable_for(worker.tables).is_none() {
        return Err(Fault::LabHasErrors);
    }
    for permit in worker.permits(&checked).map_err(runtime::Refusal::from)? {
        show::print(&format!("{permit}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments of this binary that make it the same machine in another role.
fn arguments(command: &str, args: &Args, run: &RunArgs) -> Result<Vec<OsString>, Fault> {
    let mut words: Vec<OsString> = vec![command.into(), "--lab".into(), laboratory::path(args)?.into()];
    let mut add = |word: &str, value: Option<OsString>| {
        words.extend(value.into_iter().flat_map(|value| [word.into(), value]));
    };
    add("--at", args.at.map(|at| at.to_string().into()));
    add("--machine", run.machine.as_ref().map(OsString::from));
    add("--listen", run.listen.map(|listen| listen.to_string().into()));
    add("--demo", run.demo.as_ref().map(OsString::from));
    add("--state", Some(run.place.state.clone().into()));
    add("--socket", Some(run.place.socket().into()));
    Ok(words)
}

fn worker(args: &Args, run: &RunArgs) -> Result<Worker, Fault> {
    Ok(Worker {
        rows: services(),
        tables: lab::NAMES_FOLLOW_FROM,
        lab: laboratory::path(args)?,
        check,
        show: show_errors,
        tell: |text| drop(std::io::stderr().write_all(text.as_bytes())),
        print: show::print,
        machine: run.machine.clone(),
        listen: run.listen,
        state: run.place.state.clone(),
        socket: run.place.socket(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        demo: run.demo.as_deref().map(demo).transpose()?,
        at: args.at,
    })
}

/// The keys of a demonstration's machines: a name and a key a line.
fn demo(path: &Path) -> Result<Demo, Fault> {
    let failed = |source| Fault::File { doing: "read", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let keys = text.lines().filter_map(|line| line.split_once(' '));
    Ok(Demo { keys: keys.map(|(name, key)| (name.to_owned(), key.to_owned())).collect() })
}

fn check(worker: &Worker, path: &Path) -> Result<Checked, OpenError> {
    let options = Options {
        at: worker.at.or_else(|| Date::of(worker.now())).unwrap_or_else(Date::today),
        demo: worker.demo.clone(),
        ..laboratory::options_now()
    };
    Ok(lab::check(Folder::open(path)?, &options))
}

/// What is wrong with the lab, for standard error; standard output says what happens.
fn show_errors(worker: &Worker, checked: &Checked) -> String {
    if checked.faults.errors() == 0 {
        return String::new();
    }
    let faults = lab::render_text(&checked.faults, &checked.folder, show::style(&std::io::stderr()));
    let mut text = format!("{faults}{}\n", lab::summary(checked));
    if checked.usable_for(worker.tables).is_some() {
        text.push_str(
            "the lab is used all the same: nothing that runs here follows from what is not known here\n",
        );
    }
    text
}
