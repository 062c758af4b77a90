//! Commands that only show something.

use std::io::Write as _;
use std::process::ExitCode;

use lab::policy::Outcome;
use lab::value::Size;
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
        print(&format!("{}\n", summary(&checked)));
    }
    Ok(if checked.faults.errors() > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// One line: what was read, and what was found.
pub(crate) fn summary(checked: &Checked) -> String {
    let errors = counted(checked.faults.errors(), "error", "errors");
    let warnings = counted(checked.faults.warnings(), "warning", "warnings");
    let Some(lab) = &checked.lab else { return format!("{errors}, {warnings}: nothing could be read") };
    let mut parts = vec![
        counted(lab.zones.len(), "zone", "zones"),
        counted(lab.machines.len(), "machine", "machines"),
        counted(lab.apps.len(), "app", "apps"),
        counted(checked.follows.names.len(), "name", "names"),
    ];
    if !checked.assertions.is_empty() {
        let count =
            |wanted: fn(&Outcome) -> bool| checked.assertions.values().filter(|own| wanted(own)).count();
        let hold = count(|outcome| matches!(outcome, Outcome::Holds));
        let unknown = count(|outcome| matches!(outcome, Outcome::Unknown));
        parts.push(format!("{hold} of {} assertions hold", checked.assertions.len()));
        if unknown > 0 {
            parts.push(format!("{unknown} not evaluated"));
        }
    }
    let name = if checked.usable().is_some() { lab.lab.name.as_str() } else { "refused" };
    format!("{name}: {errors}, {warnings} ({})", parts.join(", "))
}

/// The lab, which may have errors; then what is shown of it is of what could be read.
fn readable(args: &Args) -> Result<Checked, Fault> {
    let checked = laboratory::check(args)?;
    if checked.lab.is_none() {
        return Err(Fault::LabHasErrors);
    }
    if checked.usable().is_none() {
        let errors = counted(checked.faults.errors(), "error", "errors");
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
    let named: Vec<&str> =
        lab.sites.iter().filter(|(_, site)| site.naming.is_some()).map(|(name, _)| name.as_str()).collect();
    let site = match (site, named.as_slice()) {
        (Some(site), named) if named.contains(&site.as_str()) => site.as_str(),
        (Some(site), _) => {
            let what = format!("the site `{site}` takes its names from no list");
            return Err(Fault::misuse(what, format!("sites with a list: {}", named.join(", "))));
        }
        (None, [only]) => only,
        (None, []) => {
            let help = "write `naming = \"greek-places\"` or `naming = \"european-cities\"` at a site";
            return Err(Fault::misuse("no site of the lab takes its names from a list", help));
        }
        (None, named) => {
            return Err(Fault::misuse(
                "which site?",
                format!("write `--site` and one of {}", named.join(", ")),
            ));
        }
    };
    let memory = match memory {
        None => None,
        Some(text) => Some(Size::parse(text).map_err(|why| {
            Fault::misuse(format!("`{text}` is not a size: {why}"), "write it like `--memory '8 GB'`")
        })?),
    };
    for place in lab::naming::suggest(lab, site, memory, usize::from(*count)) {
        print(&format!("{:20} {:>10} people\n", place.name, place.population));
    }
    Ok(ExitCode::SUCCESS)
}
