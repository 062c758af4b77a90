//! The sentences of `[assert]` against the matrix, and exceptions that open nothing.

use std::collections::BTreeMap;

use super::{Unread, and_more};
use crate::fault::{Code, Fault, Faults};
use crate::model::{Exception, Lab, Party, PolicyRow};
use crate::names::Label;
use crate::policy::{Form, From, Known, Matrix, Outcome, Refutation, Sentence, Target, evaluate};
use crate::read::At;
use crate::source::Span;
use crate::value::Date;

/// How many refutations of one sentence are shown.
const SHOWN: usize = 4;

/// What the matrix and the ways between sites are made of.
const TABLES: [&str; 15] = [
    "zones",
    "policy",
    "exceptions",
    "assert",
    "machines",
    "devices",
    "apps",
    "routers",
    "tunnels",
    "proxy",
    "dns",
    "vpn",
    "bastion",
    "metrics",
    "logs",
];

/// A part of the lab that is unread can only close what would be open. So what shows that too much is open
/// stays true, and what shows that something is closed may not be; and nothing is said to hold.
pub(super) fn check(
    lab: &Lab,
    matrix: &Matrix,
    unread: &Unread,
    faults: &mut Faults,
) -> BTreeMap<Label, Outcome> {
    let mut outcomes = BTreeMap::new();
    let known = if unread.is_in(&TABLES) { Known::InPart } else { Known::Whole };
    for (name, sentence) in &lab.assert {
        let outcome = match sentence.form {
            Form::ReachesAll(_) | Form::Reaches(..) | Form::Outage { .. } if known == Known::InPart => {
                Outcome::Unknown
            }
            _ => match evaluate(lab, matrix, sentence, known) {
                Outcome::Holds if known == Known::InPart => Outcome::Unknown,
                outcome => outcome,
            },
        };
        if let Outcome::Fails(refutations) = &outcome {
            let mut fault =
                Fault::new(Code::AssertionFails, sentence.span(), format!("`{name}` is not true"));
            let mut without_place: Vec<&str> = Vec::new();
            for refutation in refutations.iter().take(SHOWN) {
                match refutation.because.first() {
                    Some(because) => {
                        fault = fault.also(because.span, format!("{}: {}", refutation.what, because.why));
                    }
                    None => without_place.push(&refutation.what),
                }
            }
            fault = fault.label(without_place.join("; "));
            if let Some(more) = and_more(SHOWN, refutations.len()) {
                fault = fault.help(more);
            }
            if matches!(sentence.form, Form::Never(..) | Form::OnlyFrom(..)) {
                fault =
                    services_inside(lab, matrix, sentence, refutations).into_iter().fold(fault, Fault::help);
            }
            faults.push(fault.help("change the policy, or the sentence if it is no longer what you want"));
        }
        outcomes.insert(name.clone(), outcome);
    }
    outcomes
}

/// What to do about a sentence on a zone or a machine that a service answers in which others may open: people think
/// of what else is in the zone when they write it.
fn services_inside(
    lab: &Lab,
    matrix: &Matrix,
    sentence: &Sentence,
    refutations: &[Refutation],
) -> Vec<String> {
    let (subjects, objects) = sentence.names();
    let mut services: BTreeMap<&str, String> = BTreeMap::new();
    for refutation in refutations {
        let Some(target @ Target::Service(service)) = &refutation.opens else { continue };
        let (Some(zone), false) =
            (matrix.entry_zone(target), objects.iter().any(|word| word.text == *service))
        else {
            continue;
        };
        let row = refutation.because.first().and_then(|because| row_at(lab, because.span));
        let opened = row.map_or(String::new(), |row| format!(", and the row `{row}` opens it"));
        services.entry(service).or_insert_with(|| {
            format!(
                "`{service}` answers in {zone}{opened}: who may open something in a zone reaches the zone"
            )
        });
    }
    let Some((service, _)) = services.first_key_value() else { return Vec::new() };
    let meant = match &sentence.form {
        Form::Never(..) => {
            let subjects: Vec<&str> = subjects.iter().map(|word| word.text.as_str()).collect();
            format!("say what may be opened instead: `{} reach only {service}, …`", subjects.join(", "))
        }
        _ => "name what nobody else may open instead of all that is there: an app, a device or `panels`"
            .to_owned(),
    };
    let meant = format!(
        "if that is meant, {meant}; if it is not, let `{service}` answer in another zone, or close it"
    );
    services.into_values().chain([meant]).collect()
}

/// The row of the policy that says something at this place.
fn row_at(lab: &Lab, span: Span) -> Option<&str> {
    let says = |row: &PolicyRow| {
        let zones = row.zones.iter().map(At::span);
        row.services
            .iter()
            .map(At::span)
            .chain(zones)
            .chain(row.reach.iter().map(At::span))
            .any(|own| own == span)
    };
    lab.policy.iter().find(|(_, row)| says(row)).map(|(name, _)| name.as_str())
}

pub(super) fn check_exceptions(lab: &Lab, matrix: &Matrix, at: Date, faults: &mut Faults) {
    for (name, exception) in &lab.exceptions {
        match &exception.until {
            Some(until) if **until < at => {
                let title =
                    format!("the exception {name} held until {}: it no longer opens anything", until.value());
                let fault = Fault::new(Code::ExceptionExpired, until.span(), title);
                faults.push(fault.help("take it out, or write a later day"));
            }
            _ => needless(lab, matrix, name, exception, faults),
        }
    }
}

/// An exception for what the policy opens anyway.
fn needless(lab: &Lab, matrix: &Matrix, name: &Label, exception: &At<Exception>, faults: &mut Faults) {
    let (Some(from), Some(to)) = (lab.party(&exception.from), lab.party(&exception.to)) else { return };
    let from = match (&from, lab.zone_of_party(&from)) {
        (Party::Internet, _) => From::Internet,
        (_, Some(zone)) => From::Zone(zone.clone()),
        (_, None) => return,
    };
    let target = match (&to, lab.zone_of_party(&to)) {
        (Party::Internet, _) => Target::Internet,
        (Party::App(app), _) => Target::App(app.clone()),
        (_, Some(zone)) => Target::Zone(zone.clone()),
        (_, None) => return,
    };
    if let [because, ..] = matrix.cell(&from, &target).reasons() {
        let title = format!("the exception {name} opens what is open: {from} may open {target}");
        let fault = Fault::new(Code::ExceptionNeedless, exception.span(), title)
            .also(because.span, because.why.clone());
        faults.push(fault.help("take it out"));
    }
}
