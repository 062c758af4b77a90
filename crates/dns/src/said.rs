//! What a name server says, as text for a terminal. Pure: it prints nothing.

use std::fmt::Write as _;

use runtime::Millis;
use runtime::clock::{in_words, long_in_words};

use crate::question::{Said, Statistics, Why};
use crate::view::{ListShown, ListState, Looked, View};

impl Said {
    /// In lines, each with its end.
    ///
    /// ```
    /// assert_eq!(dns::Said::Flushed { answers: 1 }.text(), "1 answer is forgotten\n");
    /// ```
    pub fn text(&self) -> String {
        match self {
            Self::Log { rows, next, note } => {
                let mut text: String = rows.iter().rev().map(|row| row_text(row) + "\n").collect();
                if rows.is_empty() {
                    text.push_str("no question fits\n");
                }
                if let Some(note) = note {
                    let _ = writeln!(text, "note: {note}");
                }
                if next.is_some() {
                    text.push_str("there are older ones: `--most` says how many are shown\n");
                }
                text
            }
            Self::Statistics(all) => statistics(all),
            Self::Why(why) => why_text(why),
            Self::Flushed { answers: 1 } => "1 answer is forgotten\n".to_owned(),
            Self::Flushed { answers } => format!("{answers} answers are forgotten\n"),
            Self::Done => "done\n".to_owned(),
        }
    }
}

/// A question of the log as one line.
fn row_text(row: &Looked) -> String {
    let who =
        if row.who.is_empty() { row.client.to_string() } else { format!("{} ({})", row.who, row.client) };
    let mut text = format!(
        "{}  {who}  {} {}  {}",
        in_words(row.at),
        row.name.trim_end_matches('.'),
        row.kind,
        row.outcome.word()
    );
    if row.code != "NOERROR" && !row.code.is_empty() {
        let _ = write!(text, " {}", row.code);
    }
    if !row.reason.is_empty() {
        let _ = write!(text, ": {}", row.reason);
    }
    let more = [("list ", &row.list), ("policy ", &row.policy), ("", &row.upstream), ("", &row.security)];
    let more: Vec<String> =
        more.iter().filter(|(_, what)| !what.is_empty()).map(|(of, what)| format!("{of}{what}")).collect();
    if !more.is_empty() {
        let _ = write!(text, " ({})", more.join(", "));
    }
    let _ = write!(text, "  {:.1} ms", f64::from(row.micros) / 1000.0);
    text
}

fn statistics(all: &Statistics) -> String {
    let mut text = String::new();
    for hour in &all.hours {
        let _ = writeln!(
            text,
            "{}  {:8} questions  {:8} blocked  {:6} without an answer  {:5.0} ms",
            in_words(hour.at),
            hour.questions,
            hour.blocked,
            hour.failed,
            hour.mean_millis
        );
    }
    let clients: Vec<(String, u64)> =
        all.clients.iter().map(|(client, count)| (client.to_string(), *count)).collect();
    let most = [
        ("asked most", &clients),
        ("asked for most", &all.names),
        ("blocked most", &all.blocked),
        ("lists that blocked most", &all.lists),
        ("answered most", &all.upstreams),
    ];
    for (title, rows) in most {
        if !rows.is_empty() {
            let _ = writeln!(text, "{title}");
        }
        for (what, count) in rows {
            let _ = writeln!(text, "  {count:8}  {what}");
        }
    }
    text
}

fn why_text(why: &Why) -> String {
    let address = why.client.address.map(|address| address.to_string());
    let name = why.client.names.first().cloned();
    let who = match (name, address) {
        (Some(name), Some(address)) => format!("{name} ({address})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "nobody in particular".to_owned(),
    };
    let mut text = format!("{} {} for {who}\n", why.name.trim_end_matches('.'), why.kind);
    let wide = why.steps.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    for (what, says) in &why.steps {
        let _ = writeln!(text, "  {what:wide$}  {says}");
    }
    let outcome = match why.outcome.as_str() {
        "" => "nothing is said",
        "asked" => "others are asked",
        other => other,
    };
    let _ = writeln!(text, "{outcome}{}", if why.answer.is_empty() { "" } else { "; the answer:" });
    for record in &why.answer {
        let _ = writeln!(text, "  {record}");
    }
    if !why.changes.is_empty() {
        text.push_str("to change that:\n");
    }
    for (label, rule) in &why.changes {
        let _ = writeln!(text, "  {label}: polis overlay add dns.rules {}", quoted(rule));
    }
    text
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl View {
    /// The lists that are followed, in lines: how old each is, what is wrong and what to do.
    pub fn lists_text(&self, now: Millis) -> String {
        if self.lists.is_empty() {
            return "there are no lists: write some in `[dns.lists]`\n".to_owned();
        }
        let wide = self.lists.iter().map(|list| list.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for list in &self.lists {
            list_text(list, wide, now, &mut text);
        }
        let _ = writeln!(text, "{} rules in all, {} of them own ones", self.rules, self.own_rules);
        for own in &self.refused_rules {
            let _ = writeln!(text, "not followed: {} ({}): {}", own.rule, own.from, own.why);
        }
        text
    }
}

fn list_text(list: &ListShown, wide: usize, now: Millis, text: &mut String) {
    let state = match &list.state {
        ListState::Followed => format!("{} rules", list.rules),
        ListState::Out(why) => format!("left out: {why}"),
        ListState::Waiting => "not here yet".to_owned(),
    };
    let _ = write!(text, "{:wide$}  {}{state}", list.name, if list.allows { "allows, " } else { "" });
    let others: usize = list.not_followed.values().sum();
    if others > 0 {
        let _ = write!(text, ", {others} lines not followed");
    }
    if let Some(at) = list.fetched_at {
        let _ = write!(text, ", {} old", long_in_words(now.saturating_sub(at)));
    }
    match (list.fetching, list.next_at) {
        (Some(bytes), _) => {
            let _ = write!(text, ", being fetched: {bytes} bytes so far");
        }
        (None, Some(at)) if at > now => {
            let _ = write!(text, ", fetched next in {}", long_in_words(at - now));
        }
        _ => {}
    }
    let _ = writeln!(text, "\n{:wide$}    {}", "", lab::mask_secrets(&list.source));
    for (why, count) in &list.not_followed {
        let _ = writeln!(text, "{:wide$}    {count} not followed: {why}", "");
    }
    if let Some((what, help)) = &list.trouble {
        let _ = writeln!(
            text,
            "{:wide$}    {}\n{:wide$}      help: {}",
            "",
            lab::mask_secrets(what),
            "",
            lab::mask_secrets(help)
        );
    }
    for note in &list.notes {
        let _ = writeln!(text, "{:wide$}    {note}", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Outcome;
    use crate::question::Whose;

    const NOW: Millis = 1_800_000_000_000;

    fn looked(outcome: Outcome) -> Looked {
        Looked {
            at: NOW,
            client: "10.10.20.9".parse().unwrap(),
            who: String::new(),
            name: "ads.example.".to_owned(),
            kind: "A".to_owned(),
            outcome,
            code: "NOERROR".to_owned(),
            reason: String::new(),
            list: String::new(),
            policy: String::new(),
            upstream: String::new(),
            security: String::new(),
            over: "udp".to_owned(),
            micros: 12_345,
        }
    }

    #[test]
    fn a_log_is_read_from_above_and_says_why_of_each() {
        let blocked = Looked {
            who: "phone".to_owned(),
            reason: "||ads.example^".to_owned(),
            list: "ads".to_owned(),
            policy: "children".to_owned(),
            ..looked(Outcome::Blocked)
        };
        let failed = Looked { at: NOW - 1_000, code: "SERVFAIL".to_owned(), ..looked(Outcome::Failed) };
        let said =
            Said::Log { rows: vec![blocked, failed], next: Some(3), note: Some("it was cut".to_owned()) };
        assert_eq!(
            said.text(),
            "2027-01-15 07:59:59  10.10.20.9  ads.example A  failed SERVFAIL  12.3 ms\n\
             2027-01-15 08:00:00  phone (10.10.20.9)  ads.example A  blocked: ||ads.example^ (list ads, policy children)  12.3 ms\n\
             note: it was cut\n\
             there are older ones: `--most` says how many are shown\n"
        );
        let none = Said::Log { rows: Vec::new(), next: None, note: None };
        assert_eq!(none.text(), "no question fits\n");
    }

    #[test]
    fn why_ends_with_what_to_do() {
        let why = Why {
            name: "ads.example.".to_owned(),
            kind: "A".to_owned(),
            client: Whose { address: "10.10.20.9".parse().ok(), names: vec!["phone".to_owned()] },
            steps: vec![
                ("The policy".to_owned(), "children".to_owned()),
                ("Rules".to_owned(), "||ads.example^ (list ads)".to_owned()),
            ],
            outcome: "blocked".to_owned(),
            answer: vec!["ads.example. 10 IN A 0.0.0.0".to_owned()],
            changes: vec![("Allow for phone".to_owned(), "@@||ads.example^$client='phone'".to_owned())],
        };
        assert_eq!(
            Said::Why(why).text(),
            "ads.example A for phone (10.10.20.9)\n  The policy  children\n  Rules       ||ads.example^ (list ads)\n\
             blocked; the answer:\n  ads.example. 10 IN A 0.0.0.0\nto change that:\n  \
             Allow for phone: polis overlay add dns.rules '@@||ads.example^$client='\\''phone'\\'''\n"
        );
        let asked = Why {
            name: "a.example.".to_owned(),
            kind: "AAAA".to_owned(),
            outcome: "asked".to_owned(),
            ..Why::default()
        };
        assert_eq!(Said::Why(asked).text(), "a.example AAAA for nobody in particular\nothers are asked\n");
    }

    #[test]
    fn lists_say_how_old_they_are_and_what_is_wrong() {
        let list = |name: &str, state| ListShown {
            name: name.to_owned(),
            allows: false,
            source: "https://me:hunter2@lists.example/x.txt".to_owned(),
            state,
            rules: 1_200,
            not_followed: [("regular expressions".to_owned(), 2)].into(),
            fetched_at: Some(NOW - 7_200_000),
            checked_at: None,
            next_at: Some(NOW + 600_000),
            fetching: None,
            trouble: Some(("it says 404".to_owned(), "look at its address".to_owned())),
            notes: Vec::new(),
        };
        let view = View {
            lists: vec![
                list("ads", ListState::Followed),
                list("page", ListState::Out("it is a web page".to_owned())),
            ],
            rules: 1_203,
            own_rules: 3,
            ..View::default()
        };
        let text = view.lists_text(NOW);
        let first: Vec<&str> = text.lines().take(5).collect();
        assert_eq!(
            first,
            [
                "ads   1200 rules, 2 lines not followed, 2 h old, fetched next in 10 min",
                "        https://**********@lists.example/x.txt",
                "        2 not followed: regular expressions",
                "        it says 404",
                "          help: look at its address",
            ]
        );
        assert!(text.contains("page  left out: it is a web page"), "{text}");
        assert!(text.ends_with("1203 rules in all, 3 of them own ones\n"), "{text}");
        assert!(View::default().lists_text(NOW).contains("no lists"));
    }

    #[test]
    fn numbers_are_lines() {
        let all = Statistics { names: vec![("a.example".to_owned(), 3)], ..Statistics::default() };
        assert_eq!(Said::Statistics(all).text(), "asked for most\n         3  a.example\n");
    }
}
