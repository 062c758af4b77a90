//! Commands that only show something.

use std::io::Write as _;
use std::process::ExitCode;

use lab::{Checked, Folder, Style};

use crate::args::{Args, CheckArgs, CoverageArgs, ExplainArgs, NameCommand};
use crate::fault::Fault;
use crate::laboratory;

/// Prints to standard output; a reader that goes away (`| head`) is no fault.
pub(crate) fn print(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Colours, if somebody looks at a terminal and has not asked for none (<https://no-color.org>).
pub(crate) fn style(stream: &impl std::io::IsTerminal) -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !refused { Style::Coloured } else { Style::Plain }
}

pub(crate) fn check(args: &Args, check: &CheckArgs) -> Result<ExitCode, Fault> {
    let checked = match &check.path {
        Some(path) => lab::check(Folder::open(path)?, &laboratory::options(args)),
        None => laboratory::check(args)?,
    };
    if check.json {
        let json = lab::render_json(&checked.faults, &checked.folder);
        print(&format!("{json:#}\n"));
    } else {
        let style = style(&std::io::stdout());
        print(&lab::render_text(&checked.faults, &checked.folder, style));
        print(&format!("{}\n", lab::summary(&checked)));
    }
    Ok(if checked.faults.errors() > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The lab, which may have errors; then what is shown of it is of what could be read.
fn readable(args: &Args) -> Result<Checked, Fault> {
    let checked = laboratory::check(args)?;
    if checked.lab.is_none() {
        return Err(Fault::LabHasErrors);
    }
    if checked.usable().is_none() {
        let errors = lab::counted(checked.faults.errors(), "error", "errors");
        eprintln!("the lab has {errors}, which `polis check` shows: this is of what could be read");
    }
    Ok(checked)
}

pub(crate) fn explain(args: &Args, explain: &ExplainArgs) -> Result<ExitCode, Fault> {
    let words: Vec<&str> = explain.what.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        ["app", name] => lab::explain_app(&readable(args)?, name)?,
        ["machine", name] => lab::explain_machine(&readable(args)?, name)?,
        ["name", name] => lab::explain_name(&readable(args)?, name)?,
        ["zone", from, "to", to] => lab::explain_zones(&readable(args)?, from, to)?,
        [key] => match laboratory::check(args) {
            Ok(checked) => lab::explain_key(key, Some(&checked))?,
            Err(Fault::NoLabAnywhere) => lab::explain_key(key, None)?,
            Err(fault) => return Err(fault),
        },
        _ => {
            let help = "write KEY, `app NAME`, `machine NAME`, `name NAME` or `zone A to B`";
            return Err(Fault::misuse(
                format!("`{}` is nothing that can be explained", words.join(" ")),
                help,
            ));
        }
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn coverage(args: &Args, coverage: &CoverageArgs) -> Result<ExitCode, Fault> {
    let checked = readable(args)?;
    let rows = lab::coverage(&checked);
    if coverage.json {
        print(&format!("{:#}\n", lab::coverage_json(&rows, &checked.folder)));
    } else {
        print(&lab::coverage_text(&rows, &checked.folder));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn schema() -> Result<ExitCode, Fault> {
    print(&format!("{:#}\n", lab::json_schema()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn name(args: &Args, name: &NameCommand) -> Result<ExitCode, Fault> {
    let NameCommand::Suggest { site, memory, count } = name;
    let checked = laboratory::check(args)?;
    let Some(lab) = &checked.lab else { return Err(Fault::LabHasErrors) };
    for place in lab::naming::offer(lab, site.as_deref(), memory.as_deref(), usize::from(*count))? {
        print(&format!("{:20} {:>10} people\n", place.name, place.population));
    }
    Ok(ExitCode::SUCCESS)
}
