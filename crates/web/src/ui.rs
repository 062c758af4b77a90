//! The components that pages are made of. What something is never hangs on colour alone: there is a shape and a word.
#![expect(clippy::needless_pass_by_value, reason = "a piece of a page is made to be put into one other")]

use maud::{Markup, html};
use runtime::Millis;

use crate::view::{Attention, CellIs, Health, Line, MatrixCell, MatrixColumn, MatrixRow, Step};

/// The shape of a health, on a field of 12 by 12.
fn shape(health: Health) -> &'static str {
    match health {
        Health::Up => "M2 6.5 4.8 9.2 10 3.2",
        Health::Degraded => "M6 1.8v5M6 9.4v.8",
        Health::Down => "m2.8 2.8 6.4 6.4M9.2 2.8 2.8 9.2",
        Health::Unknown => "M2.5 6h7",
        Health::Paused => "M4.2 2.5v7M7.8 2.5v7",
        Health::Pending => "M6 1.7a4.3 4.3 0 1 0 .01 0M6 3.8V6l1.6 1.2",
    }
}

fn class(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Degraded => "degraded",
        Health::Down => "down",
        Health::Unknown => "unknown",
        Health::Paused => "paused",
        Health::Pending => "pending",
    }
}

fn icon(health: Health) -> Markup {
    html! { svg.icon viewBox="0 0 12 12" aria-hidden="true" { path d=(shape(health)) {} } }
}

/// How something is: a shape and a word.
pub(crate) fn state(health: Health) -> Markup {
    state_with(health, health.word())
}

/// How something is, in a word of its own.
pub(crate) fn state_with(health: Health, word: &str) -> Markup {
    html! { span class={ "state " (class(health)) } { (icon(health)) (word) } }
}

/// How something is, where the words beside it say what.
pub(crate) fn mark(health: Health) -> Markup {
    html! { span class={ "state " (class(health)) } { (icon(health)) span.hidden { (health.word()) } } }
}

/// A part of a whole, from 0 to 1; what is more than the whole fills it.
pub(crate) fn meter(label: &str, part: f64, text: &str) -> Markup {
    let width = (part.clamp(0.0, 1.0) * 1000.0).round() / 10.0;
    html! {
        span.meter {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={ (label) ": " (text) } {
                rect.track width="100" height="6" rx="3" {}
                rect.over[part > 1.0] width=(width) height="6" rx="3" {}
            }
            span.value { (text) }
        }
    }
}

/// A part of a whole.
pub(crate) fn part_of(part: u64, whole: u64) -> f64 {
    let thousandths = (u128::from(part) * 1000).checked_div(u128::from(whole)).unwrap_or(0);
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1000.0
}

/// A number whose digits stand in threes.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202F}');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the unit that suits it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        // Tenths, without a way through numbers that lose some.
        Some((unit, word)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{}\u{202F}{word}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes}\u{202F}bytes"),
    }
}

/// A part of a whole, counted.
pub(crate) fn part(part: usize, whole: usize) -> f64 {
    part_of(u64::try_from(part).unwrap_or(0), u64::try_from(whole).unwrap_or(0))
}

/// How something was, the newest at the right, where also a narrow screen shows it. Each beat has a height as well as a colour.
pub(crate) fn beats(beats: &[Health], label: &str) -> Markup {
    let count = |wanted: Health| beats.iter().filter(|health| **health == wanted).count();
    let all = [Health::Up, Health::Degraded, Health::Down, Health::Unknown, Health::Paused, Health::Pending];
    let counts: Vec<String> = all
        .into_iter()
        .map(|health| (count(health), health.word().to_lowercase()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} times {word}"))
        .collect();
    let wide = 6 * beats.len();
    html! {
        svg.beats viewBox={ "0 0 " (wide) " 16" } preserveAspectRatio="xMaxYMid slice" role="img"
            aria-label={ (label) ": " (counts.join(", ")) } {
            @for health in all { @if count(health) > 0 { path class=(class(health)) d=(strokes(beats, health)) {} } }
        }
    }
}

/// The beats of one health as strokes from their top to their foot.
fn strokes(beats: &[Health], wanted: Health) -> String {
    let (top, long) = match wanted {
        Health::Up => (1, 14),
        Health::Degraded => (4, 11),
        Health::Down => (9, 6),
        Health::Unknown | Health::Paused | Health::Pending => (7, 2),
    };
    let own = beats.iter().enumerate().filter(|(_, health)| **health == wanted);
    own.map(|(at, _)| format!("M{} {top}v{long}", at * 6 + 3)).collect()
}

/// A moment as the time since then; whole in the title. Times are in UTC until the browser puts them in its own zone.
/// That they go on is no news to who listens.
pub(crate) fn since(at: Millis, now: Millis) -> Markup {
    let long = runtime::clock::long_in_words(now.saturating_sub(at));
    html! {
        time.since datetime=(instant(at)) aria-live="off" title={ (runtime::clock::in_words(at)) " UTC" } {
            (long.replace(' ', "\u{202F}")) " ago"
        }
    }
}

/// A moment to come as the time until then.
pub(crate) fn until(at: Millis, now: Millis) -> Markup {
    let long = runtime::clock::long_in_words(at.saturating_sub(now));
    html! {
        time.until datetime=(instant(at)) aria-live="off" title={ (runtime::clock::in_words(at)) " UTC" } {
            @if at <= now { "now" } @else { "in " (long.replace(' ', "\u{202F}")) }
        }
    }
}

/// A moment as it is.
pub(crate) fn moment(at: Millis) -> Markup {
    html! { time.moment datetime=(instant(at)) aria-live="off" { (runtime::clock::in_words(at)) " UTC" } }
}

fn instant(at: Millis) -> String {
    format!("{}Z", runtime::clock::in_words(at).replace(' ', "T"))
}

/// The address of a line of the lab file.
pub(crate) fn line_url(line: &Line) -> String {
    let lab = if line.of_followed { "?lab=followed" } else { "" };
    format!("/config{lab}#{}:{}", line.file, line.line)
}

/// The lines of the lab file that something follows from.
pub(crate) fn lines(lines: &[Line]) -> Markup {
    html! {
        @if !lines.is_empty() {
            span.lines {
                @for (at, line) in lines.iter().enumerate() {
                    @if at > 0 { " " }
                    a href=(line_url(line)) { (line.file) ":" (line.line) }
                }
            }
        }
    }
}

/// What follows from the file: an intention.
pub(crate) fn follows(what: Markup) -> Markup {
    html! { span.follows { (what) } }
}

/// What runs: a fact.
pub(crate) fn running(what: Markup) -> Markup {
    html! { span.running { (what) } }
}

/// What is proved.
pub(crate) fn proved(what: Markup) -> Markup {
    html! {
        span.proved {
            svg.icon viewBox="0 0 12 12" aria-hidden="true" {
                path d="M6 .8 10.6 2.6v3.2c0 2.7-1.9 4.6-4.6 5.5C3.3 10.4 1.4 8.5 1.4 5.8V2.6zM3.8 6l1.6 1.6 2.9-3.2" {}
            }
            span.hidden { "Proved: " }
            (what)
        }
    }
}

/// What the three looks mean.
pub(crate) fn three_looks() -> Markup {
    html! {
        dl.looks {
            div { dt { (follows(html! { "follows" })) } dd { "from the lab file: what is meant to be" } }
            div { dt { (running(html! { "runs" })) } dd { "as a machine says: what is" } }
            div { dt { (proved(html! { "is proved" })) } dd { "against the policy: what can not be otherwise" } }
        }
    }
}

/// The head of a column: `#` before its name is for numbers, `-` for what a narrow screen leaves out.
struct Column<'c> {
    name: &'c str,
    class: Option<&'static str>,
}

impl<'c> Column<'c> {
    fn of(text: &'c str) -> Self {
        let (is_wide, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (is_number, name) = rest.strip_prefix('#').map_or((false, rest), |rest| (true, rest));
        let class = match (is_wide, is_number) {
            (true, true) => Some("wide num"),
            (true, false) => Some("wide"),
            (false, true) => Some("num"),
            (false, false) => None,
        };
        Self { name, class }
    }

    /// What stands before a number that is not below its head any more.
    fn head(&self) -> Option<&'c str> {
        self.class.is_some_and(|class| class.ends_with("num")).then_some(self.name)
    }
}

/// A dense table; the first cell of a row is its head. Without rows, what is said instead.
pub(crate) fn table(caption: &str, columns: &[&str], rows: Vec<Vec<Markup>>, nothing: &str) -> Markup {
    if rows.is_empty() {
        return empty(nothing);
    }
    let columns: Vec<Column<'_>> = columns.iter().map(|column| Column::of(column)).collect();
    html! {
        table.rows {
            caption.hidden { (caption) }
            thead { tr {
                @for column in &columns {
                    @if column.name.is_empty() { td class=[column.class] {} }
                    @else { th scope="col" class=[column.class] { (column.name) } }
                }
            } }
            tbody {
                @for row in &rows {
                    tr {
                        @for (at, (cell, column)) in row.iter().zip(&columns).enumerate() {
                            @if at == 0 { th scope="row" class=[column.class] { (cell) } }
                            @else { td class=[column.class] data-head=[column.head()] { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// A table of small cells. On a narrow screen each row becomes a list of its cells with their heads.
pub(crate) fn grid(caption: &str, columns: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        table.grid {
            caption.hidden { (caption) }
            thead { tr { @for column in columns { th scope="col" { span { (column) } } } } }
            tbody {
                @for row in &rows {
                    tr {
                        @for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
                            @if at == 0 { th scope="row" { (cell) } } @else { td data-head=(column) { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// Who may open what. On a narrow screen each row lists what it may open.
pub(crate) fn matrix(columns: &[MatrixColumn], rows: &[MatrixRow]) -> Markup {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for column in columns {
        match groups.last_mut().filter(|(name, _)| *name == column.group) {
            Some((_, count)) => *count += 1,
            None => groups.push((&column.group, 1)),
        }
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Who may open what" {
            table.matrix {
                caption.hidden { "Who may open what: a row is where a connection comes from" }
                thead {
                    tr {
                        td {}
                        @for (name, count) in &groups {
                            // A narrow group has no room for its name, and its columns say what they are.
                            th.group scope="colgroup" colspan=(count) { span.hidden[*count < 3] { (name) } }
                        }
                    }
                    tr { td {} @for column in columns { th scope="col" { span { (matrix_head(column)) } } } }
                }
                tbody {
                    @for row in rows {
                        tr id={ "from-" (row.from) } {
                            th scope="row" { (row.from) }
                            @for (cell, column) in row.cells.iter().zip(columns) { (matrix_cell(&row.from, column, cell)) }
                        }
                    }
                }
            }
        }
    }
}

fn matrix_head(column: &MatrixColumn) -> String {
    match column.group.as_str() {
        "panels" => format!("panels in {}", column.name),
        _ => column.name.clone(),
    }
}

fn matrix_cell(from: &str, column: &MatrixColumn, cell: &MatrixCell) -> Markup {
    let head = matrix_head(column);
    let title = format!("{from} to {head}: {}", cell.why);
    html! {
        @match (cell.open, cell.lines.first()) {
            (true, Some(line)) => td.open data-head=(head) { a href=(line_url(line)) title=(title) { (icon(Health::Up)) span.hidden { "open" } } },
            (true, None) => td.open data-head=(head) title=(title) { (icon(Health::Up)) span.hidden { "open" } },
            (false, _) => td.closed data-head=(head) { span.hidden { "closed" } },
        }
    }
}

/// The way of a request, one step after the other; what is wrong stands at the step that has it.
pub(crate) fn flow(steps: &[Step]) -> Markup {
    html! {
        @if steps.is_empty() {
            (empty("Nobody reaches it: the lab file does not serve it."))
        } @else {
            ol.flow {
                @for step in steps {
                    li class=(class(step.health)) {
                        span.key { (step.key) }
                        span.value { (follows(html! { (step.value) })) }
                        (state(step.health))
                        @if let Some(words) = &step.words { span.why { (words) } }
                        (lines(&step.lines))
                    }
                }
            }
        }
    }
}

/// Something that needs somebody: what, why, what follows, what to do.
pub(crate) fn attention(one: &Attention, now: Millis) -> Markup {
    html! {
        li class=(class(one.health)) {
            (state(one.health))
            div {
                p.what {
                    @if !one.what.starts_with(&one.about) { span.about { (one.about) } " " }
                    a href=(one.url) { (code_words(&one.what)) }
                    @if let Some(at) = one.since { " " span.muted { (since(at, now)) } }
                    " " (lines(&one.lines))
                }
                @if let Some(why) = &one.why { p.why { (code_words(why)) } }
                @for then in &one.then { p.why { (code_words(then)) } }
                @if let Some(next) = &one.next { p.next { (code_words(next)) } }
            }
        }
    }
}

/// Names and what they are.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

/// What is said where there is nothing.
pub(crate) fn empty(text: &str) -> Markup {
    html! { p.empty { (code_words(text)) } }
}

/// Something to know: `note` or `good`.
pub(crate) fn notice(kind: &str, text: Markup) -> Markup {
    html! { p class={ "notice " (kind) } { (text) } }
}

/// A long name, which a narrow screen breaks behind its dots, slashes and colons.
pub(crate) fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['.', '/', ':']) { (part) wbr; } }
}

/// An address, of which only a long one is broken.
pub(crate) fn address(text: &str) -> Markup {
    html! { @if text.contains(':') { (breakable(text)) } @else { (text) } }
}

/// A table whose rows a narrow screen shows as blocks.
pub(crate) fn stacked(table: Markup) -> Markup {
    html! { div.stacked { (table) } }
}

/// A sentence whose parts between backticks are to be typed.
pub(crate) fn code_words(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The mark of a cell of the coverage.
pub(crate) fn cell_mark(is: CellIs) -> Markup {
    let (class, path) = match is {
        CellIs::Follows => ("has", shape(Health::Up)),
        CellIs::Chosen => ("chosen", "M6 2.5a3.5 3.5 0 1 0 .01 0"),
        CellIs::Missing => ("lacks", shape(Health::Down)),
        CellIs::None => ("none", "M5.6 6h.8"),
    };
    html! {
        svg class={ "icon " (class) } viewBox="0 0 12 12" role="img" aria-label=(cell_word(is)) { path d=(path) {} }
    }
}

/// What such a cell means.
pub(crate) fn cell_word(is: CellIs) -> &'static str {
    match is {
        CellIs::Follows => "follows",
        CellIs::Chosen => "chosen not to",
        CellIs::Missing => "missing",
        CellIs::None => "does not apply",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let bad = "<script>alert(1)</script>\"'";
        let line = Line { file: bad.to_owned(), line: 1, of_followed: false };
        let shown = [
            state_with(Health::Up, bad),
            meter(bad, 0.5, bad),
            beats(&[Health::Up], bad),
            lines(&[line]),
            table(bad, &[bad], vec![vec![code_words(bad)]], bad),
            facts(&[(bad, html! { (bad) })]),
        ];
        for markup in shown {
            assert!(!markup.0.contains("<script"), "{}", markup.0);
        }
    }

    #[test]
    fn states_have_words_and_beats_are_counted() {
        assert!(state(Health::Down).0.ends_with("Down</span>"));
        let drawn = beats(&[Health::Up, Health::Up, Health::Down], "naxos").0;
        assert!(drawn.contains("aria-label=\"naxos: 2 times up, 1 times down\""), "{drawn}");
        assert!(meter("power", part(3, 2), "3 of 2").0.contains("class=\"over\" width=\"100\""));
        assert!(meter("power", part(1, 2), "1 of 2").0.contains("width=\"50\""));
    }

    #[test]
    fn numbers_and_sizes_are_read_at_a_glance() {
        let all = [0, 999, 1_000, 1_234_567].map(thousands);
        assert_eq!(all, ["0", "999", "1\u{202F}000", "1\u{202F}234\u{202F}567"]);
        let all = [12, 1_536, 17_301_504, u64::MAX].map(size);
        assert_eq!(all, ["12\u{202F}bytes", "1.5\u{202F}KiB", "16.5\u{202F}MiB", "17179869183.9\u{202F}GiB"]);
        assert!(until(120_000, 0).0.contains(">in 2\u{202F}min<"));
    }

    #[test]
    fn columns_say_what_they_are() {
        let drawn =
            table("Hosts", &["Name", "-#Power", ""], vec![vec![html! { "a" }, html! { "1" }, html! {}]], "")
                .0;
        assert!(drawn.contains("<th scope=\"col\" class=\"wide num\">Power</th>"), "{drawn}");
        assert!(drawn.contains("<th scope=\"row\">a</th>"));
        assert!(table("Hosts", &["Name"], Vec::new(), "None.").0.contains("None."));
    }
}
