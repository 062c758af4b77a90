//! Whether what was fetched is a list that may take the place of the one before: pure.
//!
//! That it is a web page or is packed, the compiler says while it reads; here is what only the whole says. A list that
//! shrinks to less than a tenth is kept out: more often its server is broken than its writers have thrown nine tenths away. If
//! it still is so half an interval later, or if somebody asks for it in the meantime, it is believed.

use std::time::Duration;

use runtime::clock::Millis;

use super::Trouble;
use super::meta::Doubt;
use super::schedule::Because;

/// Lists with fewer rules than this may shrink as they like.
const FROM_RULES: u64 = 1_000;
/// To which part of what it was a list may shrink.
const TENTH: u64 = 10;

/// What was found in what was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its size in bytes.
    pub bytes: u64,
    /// Rules that are followed.
    pub rules: u64,
    /// Lines that are not.
    pub others: u64,
}

/// What was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// How many rules the copy has.
    pub rules: u64,
    /// Something suspiciously short that came in the meantime.
    pub doubt: Option<Doubt>,
}

/// What is to be done with what was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the place of the copy.
    Follow,
    /// It stays out, for this reason.
    Out(Trouble),
    /// It stays out for now, and this is remembered.
    Doubted(Doubt, Trouble),
}

/// Judges what was fetched. `before` is the copy of the same URL, if there is one.
pub fn judge(
    found: Found,
    before: Option<Before>,
    because: Because,
    now: Millis,
    interval: Duration,
) -> Verdict {
    let look = "look at the URL in a browser; if the list has moved or ended, change or remove it in `[dns]`";
    if found.rules == 0 {
        let what = match (found.bytes, found.others) {
            (0, _) => "what the server sent is empty".to_owned(),
            (_, 0) => "there is no rule in what the server sent, only comments".to_owned(),
            (_, others) => format!("none of its {others} lines is a rule that can be followed"),
        };
        return Verdict::Out(Trouble::standing(what, look));
    }
    let Some(before) = before else { return Verdict::Follow };
    if before.rules < FROM_RULES || found.rules.saturating_mul(TENTH) >= before.rules {
        return Verdict::Follow;
    }
    let half = Millis::try_from(interval.as_millis() / 2).unwrap_or(Millis::MAX);
    // One that came in the future came before the clock was set: it came now.
    let doubt = before.doubt.filter(|doubt| doubt.at <= now);
    let since = doubt.map_or(now, |doubt| doubt.at);
    let is_old = doubt.is_some_and(|doubt| now.saturating_sub(doubt.at) >= half);
    if is_old || doubt.is_some() && because == Because::Asked {
        return Verdict::Follow;
    }
    let what = format!("suspiciously short: {} rules where there were {}", found.rules, before.rules);
    let help = "the copy from before is followed; if the list really is so short now, fetch it once more by hand, or \
                wait: it is believed if it stays so";
    Verdict::Doubted(Doubt { at: since, rules: found.rules }, Trouble::standing(what, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const HOUR: Millis = 3_600_000;

    fn found(rules: u64) -> Found {
        Found { bytes: 1 + rules * 10, rules, others: 0 }
    }

    fn check(rules: u64, before: Option<(u64, Option<Millis>)>, because: Because, expected: &str) {
        let before =
            before.map(|(rules, doubt)| Before { rules, doubt: doubt.map(|at| Doubt { at, rules: 3 }) });
        let said = match judge(found(rules), before, because, 100 * HOUR, DAY) {
            Verdict::Follow => "follow".to_owned(),
            Verdict::Out(trouble) => trouble.what,
            Verdict::Doubted(doubt, trouble) => format!("{} since {}", trouble.what, doubt.at / HOUR),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_list_that_shrinks_to_less_than_a_tenth_has_to_come_again() {
        let short = "suspiciously short: 9999 rules where there were 100000 since";
        check(100_000, None, Because::Due, "follow");
        check(10_000, Some((100_000, None)), Because::Due, "follow");
        check(9_999, Some((100_000, None)), Because::Due, &format!("{short} 100"));
        check(9_999, Some((100_000, Some(95 * HOUR))), Because::Due, &format!("{short} 95"));
        check(9_999, Some((100_000, Some(88 * HOUR))), Because::Due, "follow");
        check(9_999, Some((100_000, Some(101 * HOUR))), Because::Due, &format!("{short} 100"));
        check(9_999, Some((100_000, None)), Because::Asked, &format!("{short} 100"));
        check(9_999, Some((100_000, Some(100 * HOUR))), Because::Asked, "follow");
        check(1, Some((999, None)), Because::Due, "follow");
    }

    #[test]
    fn what_has_no_rule_is_none() {
        check(0, None, Because::Asked, "there is no rule in what the server sent, only comments");
        let judged = |bytes, others| judge(Found { bytes, rules: 0, others }, None, Because::Due, 0, DAY);
        let out = |verdict| match verdict {
            Verdict::Out(trouble) => trouble.what,
            other => panic!("{other:?}"),
        };
        assert_eq!(out(judged(0, 0)), "what the server sent is empty");
        assert_eq!(out(judged(10, 7)), "none of its 7 lines is a rule that can be followed");
    }
}
