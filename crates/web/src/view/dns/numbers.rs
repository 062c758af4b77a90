//! What came of the questions of the last hours, in numbers.

use ::dns::Said;
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::log::called;
use super::{Told, Trouble};
use crate::view::Eye;

/// What came of the questions of the last hours, on this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DnsNumbers {
    /// One for each hour, oldest first.
    pub hours: Vec<HourRow>,
    /// Who asked most.
    pub clients: Vec<Most>,
    /// What was asked for most.
    pub names: Vec<Most>,
    /// What was blocked most.
    pub blocked: Vec<Most>,
    /// Which lists blocked most.
    pub lists: Vec<Most>,
    /// Who answered most.
    pub upstreams: Vec<Most>,
    /// Why there is nothing to show.
    pub trouble: Option<Trouble>,
}

/// What came of the questions of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HourRow {
    /// When it began, in milliseconds since 1970.
    pub at: Millis,
    /// How many questions there were.
    pub questions: u64,
    /// How many were blocked, for whatever reason.
    pub blocked: u64,
    /// How many had no answer.
    pub failed: u64,
    /// How long one took on average, in milliseconds.
    pub mean_millis: f64,
}

/// Something that is at the top of a count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Most {
    /// What it is: a name, an address, a list.
    pub what: String,
    /// What the lab calls it.
    pub called: Option<String>,
    /// How many questions.
    pub count: u64,
}

/// How many hours are shown.
pub(crate) const HOURS: u32 = 24;
/// An hour in milliseconds.
const HOUR: Millis = 3_600_000;

/// Each hour until now, also those in which nobody asked anything, oldest first.
fn whole(said: &[::dns::Hour], now: Millis) -> Vec<HourRow> {
    let current = now - now.rem_euclid(HOUR);
    let hour = |ago: u32| {
        let at = current - HOUR * Millis::from(ago);
        let own =
            said.iter().find(|hour| hour.at - hour.at.rem_euclid(HOUR) == at).copied().unwrap_or_default();
        HourRow {
            at,
            questions: own.questions,
            blocked: own.blocked,
            failed: own.failed,
            mean_millis: own.mean_millis,
        }
    };
    (0..HOURS).rev().map(hour).collect()
}

/// What the name server said; none while no lab is followed.
pub(crate) fn numbers(seen: &Seen, told: Told) -> Option<DnsNumbers> {
    let eye = Eye::of(seen)?;
    let said = match told {
        Ok(Said::Statistics(said)) => said,
        Ok(_) => return Some(DnsNumbers { trouble: Some(Trouble::odd()), ..DnsNumbers::default() }),
        Err(trouble) => return Some(DnsNumbers { trouble: Some(trouble), ..DnsNumbers::default() }),
    };
    let plain = |all: Vec<(String, u64)>| -> Vec<Most> {
        all.into_iter()
            .map(|(what, count)| Most { what: lab::mask_secrets(&what), called: None, count })
            .collect()
    };
    let client = |(address, count): &(std::net::IpAddr, u64)| Most {
        what: address.to_string(),
        called: called(eye, *address),
        count: *count,
    };
    Some(DnsNumbers {
        hours: whole(&said.hours, seen.now),
        clients: said.clients.iter().map(client).collect(),
        names: plain(said.names),
        blocked: plain(said.blocked),
        lists: plain(said.lists),
        upstreams: plain(said.upstreams),
        trouble: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_without_a_question_are_hours_too() {
        let now = 1_000 * HOUR + 7;
        let own = |at| ::dns::Hour { at, questions: 5, ..::dns::Hour::default() };
        let all = whole(&[own(998 * HOUR), own(1_000 * HOUR), own(3 * HOUR)], now);
        assert_eq!(all.len(), 24);
        let last: Vec<(Millis, u64)> =
            all.iter().rev().take(3).map(|hour| (hour.at / HOUR, hour.questions)).collect();
        assert_eq!(last, [(1_000, 5), (999, 0), (998, 5)]);
        assert_eq!(all.iter().map(|hour| hour.questions).sum::<u64>(), 10);
    }
}
