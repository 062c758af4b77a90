//! Commands that ask a running Polis: `plan`, `status`, `events`, `overlay`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use lab::names::MachineName;
use runtime::compare::{self, Difference, Planned};
use runtime::link::{AskFault, Question, Reply, ask_all, ask_socket, status_text};
use runtime::{Given, clock};

use crate::args::{Args, AskArgs, EventsArgs, OverlayCommand, StatusArgs};
use crate::fault::Fault;
use crate::laboratory;
use crate::run::services;
use crate::show;

/// How often events are asked for that happen from now on.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// What a machine said, without what would steer the terminal.
fn harmless(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect()
}

pub(crate) fn print(text: &str) {
    show::print(&harmless(text));
}

/// Asks the Polis of this machine, and waits.
pub(crate) fn ask(args: &AskArgs, question: &Question) -> Result<Reply, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::Start)?;
    let reply = runtime.block_on(ask_socket(&args.place.socket(), question))?;
    match reply {
        Reply::Fault { what, help } => Err(Fault::Said { what, help: Some(help) }),
        Reply::Unknown { why } => Err(Fault::Said { what: why, help: None }),
        reply => Ok(reply),
    }
}

/// Asks it, or another machine over the link.
fn ask_of(of: &StatusArgs, question: Question) -> Result<Reply, Fault> {
    match &of.machine {
        Some(machine) => {
            let question = Question::Ask { machine: machine.clone(), question: Box::new(question) };
            ask(&of.ask, &question)
        }
        None => ask(&of.ask, &question),
    }
}

pub(crate) fn odd() -> Fault {
    Fault::Said {
        what: "it answered something else".to_owned(),
        help: Some("are both of one version?".to_owned()),
    }
}

pub(crate) fn status(of: &StatusArgs) -> Result<ExitCode, Fault> {
    let Reply::Status(status) = ask_of(of, Question::Status)? else { return Err(odd()) };
    if of.ask.json {
        print_json(&status);
    } else {
        print(&status_text(&status));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn print_json(value: &impl serde::Serialize) {
    print(&format!("{:#}\n", serde_json::to_value(value).unwrap_or_default()));
}

pub(crate) fn events(events: &EventsArgs) -> Result<ExitCode, Fault> {
    let (mut after, mut most) = (0, events.last);
    loop {
        let Reply::Events { events: happened } = ask_of(&events.of, Question::Events { after, most })? else {
            return Err(odd());
        };
        for event in &happened {
            after = after.max(event.number);
            let line = match events.of.ask.json {
                true => serde_json::to_string(event).unwrap_or_default(),
                false => event.line(),
            };
            let mut out = std::io::stdout();
            let written = out.write_all(harmless(&line).as_bytes()).and_then(|()| out.write_all(b"\n"));
            // Who no longer reads needs no more of them.
            if written.and_then(|()| out.flush()).is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if !events.follow {
            return Ok(ExitCode::SUCCESS);
        }
        most = 10_000;
        std::thread::sleep(FOLLOW_EVERY);
    }
}

pub(crate) fn plan(args: &Args, own: &AskArgs) -> Result<ExitCode, Fault> {
    let is_demo = matches!(ask(own, &Question::Runs), Ok(Reply::Runs { is_demo: true, .. }));
    let demo = is_demo.then(lab::Demo::default);
    let options = lab::Options { demo, ..laboratory::options(args) };
    let checked = lab::check(lab::Folder::open(&laboratory::path(args)?)?, &options);
    let Some(lab) = checked.usable_for(lab::NAMES_FOLLOW_FROM) else { return Err(Fault::LabHasErrors) };
    let agents = lab.machines.iter().filter(|(_, machine)| *machine.agent).map(|(name, _)| name);
    let agents: Vec<&MachineName> = agents.collect();
    let machines: Vec<(String, Difference)> = runs(own, &agents)?
        .into_iter()
        .zip(agents)
        .map(|(said, machine)| {
            let follows = &checked.follows;
            let planned = planned(&Given { lab, follows, machine, overlay: &[], listen: None });
            (machine.to_string(), compare::compare(&planned, &said))
        })
        .collect();
    if own.json {
        print_json(&machines.into_iter().collect::<std::collections::BTreeMap<_, _>>());
    } else {
        print(&compare::text(&machines));
    }
    Ok(ExitCode::SUCCESS)
}

/// The port of one's own machine that leads to the pages of another.
const TUNNEL: u16 = 8422;

/// A link to the pages of the Polis of this machine.
pub(crate) fn setup(own: &AskArgs) -> Result<ExitCode, Fault> {
    let Reply::View { view } = ask(own, &Question::View { service: web::SERVICE.word().to_owned() })? else {
        return Err(odd());
    };
    let Some(listen) = view.get("listen").and_then(serde_json::Value::as_str) else {
        let what = "this Polis shows no pages now".to_owned();
        return Err(Fault::Said { what, help: Some("`polis status` says why".to_owned()) });
    };
    let Reply::Text { text: code } = ask(own, &Question::Invite)? else { return Err(odd()) };
    let link = format!("http://{listen}/setup?code={code}");
    if own.json {
        print_json(&serde_json::json!({ "link": link }));
    } else {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // Another port than that of the pages: who asks has pages there too.
        print(&format!(
            "{link}\n\nIt opens the pages of this machine once, within an hour. From another machine:\n"
        ));
        print(&format!(
            "  ssh -L {TUNNEL}:{listen} {}\n  http://localhost:{TUNNEL}/setup?code={code}\n",
            host.trim()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn planned(given: &Given<'_>) -> Planned {
    services().iter().filter_map(|row| Some((row.name.word().to_owned(), (row.lines)(given)?))).collect()
}

/// What runs on each machine, as far as this one knows.
fn runs(own: &AskArgs, machines: &[&MachineName]) -> Result<Vec<Reply>, Fault> {
    let ask = |machine: &&MachineName| Question::Ask {
        machine: machine.to_string(),
        question: Box::new(Question::Runs),
    };
    let questions = machines.iter().map(ask).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::Start)?;
    let replies = runtime.block_on(ask_all(&own.place.socket(), questions));
    let unknown = |fault: AskFault| Reply::Unknown { why: fault.to_string() };
    Ok(replies.into_iter().map(|reply| reply.unwrap_or_else(unknown)).collect())
}

/// Who changes something: the person behind `sudo`, if there is one.
pub(crate) fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

pub(crate) fn overlay(args: &Args, command: &OverlayCommand) -> Result<ExitCode, Fault> {
    let entries = |own: &AskArgs| match ask(own, &Question::Overlay)? {
        Reply::Overlay { entries } => Ok(entries),
        _ => Err(odd()),
    };
    match command {
        OverlayCommand::List(own) => {
            let entries = entries(own)?;
            if own.json {
                print_json(&entries);
            } else if entries.is_empty() {
                print("the overlay is empty: everything that is in force is in the lab file\n");
            } else {
                for entry in entries {
                    let at = clock::in_words(entry.at);
                    print(&format!(
                        "{:4}  {}  {:10}  {}  {}\n",
                        entry.number, at, entry.who, entry.key, entry.value
                    ));
                }
            }
        }
        OverlayCommand::Print(own) => {
            let checked = laboratory::check(args).ok();
            let lab = checked.as_ref().and_then(|checked| checked.lab.as_ref());
            print(&runtime::overlay::toml(lab, &entries(own)?));
        }
        OverlayCommand::Add { key, value, ask: own } => {
            let question = Question::OverlayAdd { key: key.clone(), value: value.clone(), who: who() };
            let Reply::Done = ask(own, &question)? else { return Err(odd()) };
        }
        OverlayCommand::Rm { number, ask: own } => {
            let Reply::Done = ask(own, &Question::OverlayRemove { number: *number, who: who() })? else {
                return Err(odd());
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}
