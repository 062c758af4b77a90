//! `polis dns`: asks the name server of this machine.

use std::process::ExitCode;

use dns::{Question, Said, Search, View};
use runtime::link::{self, Reply};

use crate::args::{AskArgs, DnsCommand};
use crate::ask::{ask, odd, print, print_json, who};
use crate::fault::Fault;

pub(crate) fn dns(command: &DnsCommand) -> Result<ExitCode, Fault> {
    match command {
        DnsCommand::Why { name, client, kind, ask } => {
            let (name, kind) = (name.clone(), Some(kind.clone()));
            say(ask, &Question::Why { name, kind, client: client.clone() })
        }
        DnsCommand::Flush { name, ask } => say(ask, &Question::Flush { name: name.clone() }),
        DnsCommand::Lists { refresh: Some(list), ask } => say(ask, &Question::Refresh { list: list.clone() }),
        DnsCommand::Lists { refresh: None, ask } => lists(ask),
        DnsCommand::Log { client, name, outcome, reason, most, ask } => {
            let search = Search {
                client: client.clone(),
                name: name.clone(),
                outcome: outcome.clone(),
                reason: reason.clone(),
                before: None,
                most: *most,
            };
            say(ask, &Question::Log(search))
        }
        DnsCommand::Pause { seconds, ask } => say(ask, &Question::Pause { seconds: *seconds, who: who() }),
    }
}

/// Asks, and prints what is said.
fn say(own: &AskArgs, question: &Question) -> Result<ExitCode, Fault> {
    let question = serde_json::to_value(question).unwrap_or_default();
    let question = link::Question::Service { service: dns::SERVICE.word().to_owned(), question };
    let Reply::Service { answer } = ask(own, &question)? else { return Err(odd()) };
    if own.json {
        print_json(&answer);
    } else {
        let said: Said = serde_json::from_value(answer).map_err(|_| odd())?;
        print(&said.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn lists(own: &AskArgs) -> Result<ExitCode, Fault> {
    let question = link::Question::View { service: dns::SERVICE.word().to_owned() };
    let Reply::View { view } = ask(own, &question)? else { return Err(odd()) };
    if view.is_null() {
        return Err(Fault::said(
            "dns does not run on this machine",
            "`polis status` says what runs where; ask there",
        ));
    }
    let view: View = serde_json::from_value(view).map_err(|_| odd())?;
    if own.json {
        print_json(&view.lists);
    } else {
        print(&view.lists_text(runtime::Clock::system(0).now()));
    }
    Ok(ExitCode::SUCCESS)
}
