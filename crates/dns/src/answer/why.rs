//! What would be said to a client, step by step, and why: for the person who wants to know, and nobody is asked.

use super::{Ask, Decision, From, Outcome, Reason, Transport, decide};
use crate::cache::{Cache, Filtered, Key};
use crate::client::{Client, May};
use crate::filters::Filters;
use crate::question::{Whose, Why};
use crate::wire::expand::{Record, expand};
use crate::wire::{self, Name, Security, kind};

/// What would be said to this client about a name.
pub(crate) fn why(
    from: From<'_>,
    (cache, epoch, now): (&Cache, u8, u32),
    name: &Name,
    of: u16,
    client: &Client,
) -> Why {
    let message = wire::question(name, of);
    let decision = decide(from, &message, client, Transport::Tcp);
    let mut why = Why {
        name: name.text(),
        kind: kind::text(of),
        client: Whose { address: Some(client.address), names: client.names.clone() },
        steps: whose(from, client),
        ..Why::default()
    };
    let (step, reason) = match &decision {
        Decision::Silent(_) => (("The answer".to_owned(), "none at all".to_owned()), Reason::None),
        Decision::Say(reply, account) => {
            why.outcome = account.outcome.word().to_owned();
            why.answer = lines(&expand(reply).unwrap_or_default(), wire::code_of(reply));
            (said(account.outcome, &account.reason, from, name), account.reason.clone())
        }
        Decision::Ask(ask) => {
            why.outcome = "asked".to_owned();
            let key = Key::of(&ask.query, ask.name(), ask.group, epoch);
            let kept = cache.get(&key, Filtered::default(), now);
            if let Some(kept) = &kept {
                let records = kept.answered.whole(ask.name(), of).unwrap_or_default();
                why.answer = lines(&records, kept.answered.code() as u8);
            }
            if let Some(alias) = &ask.alias {
                why.steps.push(("Instead of it".to_owned(), alias.text()));
            }
            let step = ("Rules".to_owned(), rule_words(&ask.reason, from, name));
            why.steps.push(step);
            let kept = kept.map_or("nobody has asked for it lately".to_owned(), |kept| {
                let security = match kept.answered.security() {
                    Security::Secure => ", signed and right",
                    Security::Insecure => ", of a zone that is not signed",
                    Security::Bogus => ", forged",
                    Security::Unchecked => "",
                };
                format!("kept for {} s{security}", kept.answered.life().saturating_sub(kept.seconds))
            });
            why.steps.push(("The answer of before".to_owned(), kept));
            (("Who is asked".to_owned(), asked(from, ask)), ask.reason.clone())
        }
    };
    why.steps.push(step);
    why.changes = changes(&decision, name, &reason, client);
    why
}

/// Who asks, and which policy is followed.
fn whose(from: From<'_>, client: &Client) -> Vec<(String, String)> {
    let names = match client.names.as_slice() {
        [] => "nothing in the lab is called by it".to_owned(),
        names => names.join(", "),
    };
    let may = match client.may {
        May::Ask => "may ask".to_owned(),
        May::Stranger => "is no part of the lab, and is refused".to_owned(),
        May::Denied => "is denied by `dns.clients.deny`".to_owned(),
    };
    let policy = from.plan.policies.get(client.policy);
    let policy = match policy.map(|policy| policy.name.as_str()) {
        None | Some("") => "that of everybody".to_owned(),
        Some(name) => name.to_owned(),
    };
    let mut steps = vec![
        ("The client".to_owned(), format!("{}: {names}; {may}", client.address)),
        ("The policy".to_owned(), policy),
    ];
    if from.is_paused {
        steps.push(("The filters".to_owned(), "are paused".to_owned()));
    }
    steps
}

fn said(outcome: Outcome, reason: &Reason, from: From<'_>, name: &Name) -> (String, String) {
    let (what, says) = match outcome {
        Outcome::Local => (
            "The lab",
            match reason {
                Reason::None => "answers this itself".to_owned(),
                other => rule_words(other, from, name),
            },
        ),
        Outcome::Refused => ("The answer", "is a refusal".to_owned()),
        _ => ("Rules", rule_words(reason, from, name)),
    };
    (what.to_owned(), says)
}

fn rule_words(reason: &Reason, from: From<'_>, name: &Name) -> String {
    match reason {
        Reason::None => "none says anything of it".to_owned(),
        Reason::Text(words) => words.to_string(),
        Reason::Rule(matched) => {
            let (rule, list) = Filters::words_of(matched, name.wire(), from.plan);
            format!("{rule} ({list})")
        }
    }
}

/// The servers that are asked for a name, as they are written.
fn asked(from: From<'_>, ask: &Ask) -> String {
    let Some(group) = from.plan.groups.get(ask.group) else { return "nobody".to_owned() };
    let (name, kind) = (ask.name(), ask.query.kind);
    let is_checked = from.plan.validates && !group.is_inner_for(name, kind);
    let checked = if is_checked { "; signatures are checked" } else { "" };
    format!("{}{checked}", group.words_for(name, kind).join(", "))
}

fn lines(records: &[Record], code: u8) -> Vec<String> {
    let answers = records.iter().filter(|record| record.section == 0 && record.kind != kind::OPT);
    let mut lines: Vec<String> = answers.map(Record::text).collect();
    if lines.is_empty() {
        lines.push(match code {
            0 => "no record of this type".to_owned(),
            code => wire::code_word(code),
        });
    }
    lines
}

/// Rules that would make the answer another one.
fn changes(decision: &Decision, name: &Name, reason: &Reason, client: &Client) -> Vec<(String, String)> {
    let text = name.text();
    let for_client = client.names.first().map(|name| format!("$client='{name}'"));
    let mut changes = Vec::new();
    let mut add = |word: &str, rule: &str| {
        changes.push((format!("{word} for everybody"), rule.to_owned()));
        if let Some(only) = &for_client {
            changes.push((
                format!("{word} for {}", client.names.first().map_or("it", String::as_str)),
                format!("{rule}{only}"),
            ));
        }
    };
    match decision {
        Decision::Say(_, account) if matches!(account.outcome, Outcome::Blocked | Outcome::Service) => {
            add("Allow", &format!("@@||{text}^"));
        }
        Decision::Ask(ask) if ask.alias.is_none() && matches!(reason, Reason::None | Reason::Rule(_)) => {
            add("Block", &format!("||{text}^"));
        }
        _ => {}
    }
    changes
}
