use maud::{Markup, html};
use crate::view::*;
pub(crate) fn state(h: Health) -> Markup { html! { (h.word()) } }
pub(crate) fn state_with(h: Health, w: &str) -> Markup { html! { span title=(h.word()) { (w) } } }
pub(crate) fn mark(h: Health) -> Markup { html! { span title=(h.word()) { "!" } } }
pub(crate) fn meter(l: &str, p: f64, t: &str) -> Markup { html! { (l) (p) (t) } }
pub(crate) fn beats(_b: &[Health], l: &str) -> Markup { html! { (l) } }
pub(crate) fn since(at: i64, now: i64) -> Markup { html! { (now - at) } }
pub(crate) fn moment(at: i64) -> Markup { html! { (at) } }
pub(crate) fn line_url(line: &Line) -> String { format!("/config#{}:{}", line.file, line.line) }
pub(crate) fn lines(l: &[Line]) -> Markup { html! { @for l in l { a href=(line_url(l)) { (l.file) ":" (l.line) } " " } } }
pub(crate) fn follows(m: Markup) -> Markup { m }
pub(crate) fn running(m: Markup) -> Markup { m }
pub(crate) fn proved(m: Markup) -> Markup { m }
pub(crate) fn table(c: &str, columns: &[&str], rows: Vec<Vec<Markup>>, empty: &str) -> Markup { html! { @if rows.is_empty() { (empty) } @else { table { caption { (c) } tr { @for c in columns { th { (c) } } } @for r in rows { tr { @for c in r { td { (c) } } } } } } } }
pub(crate) fn grid(c: &str, columns: &[&str], rows: Vec<Vec<Markup>>) -> Markup { table(c, columns, rows, "") }
pub(crate) fn matrix(_c: &[MatrixColumn], _r: &[MatrixRow]) -> Markup { html! {} }
pub(crate) fn flow(s: &[Step]) -> Markup { html! { @for s in s { (s.key) (s.value) } } }
pub(crate) fn attention(a: &Attention, _now: i64) -> Markup { html! { li { (a.what) " " (a.next.as_deref().unwrap_or_default()) } } }
pub(crate) fn facts(f: &[(&str, Markup)]) -> Markup { html! { dl { @for (k, v) in f { dt { (k) } dd { (v) } } } } }
pub(crate) fn empty(t: &str) -> Markup { html! { p { (t) } } }
pub(crate) fn notice(k: &str, m: Markup) -> Markup { html! { div class=(k) { (m) } } }
pub(crate) fn code_words(t: &str) -> Markup { html! { (t) } }
pub(crate) fn cell_mark(c: CellIs) -> Markup { html! { (cell_word(c)) } }
pub(crate) fn cell_word(c: CellIs) -> &'static str { match c { CellIs::Follows => "follows", CellIs::Chosen => "chosen not to", CellIs::Missing => "missing", CellIs::None => "does not apply" } }
pub(crate) fn part(a: usize, b: usize) -> f64 { part_of(u64::try_from(a).unwrap_or(0), u64::try_from(b).unwrap_or(0)) }
pub(crate) fn part_of(a: u64, b: u64) -> f64 { let p = (u128::from(a) * 10_000).checked_div(u128::from(b)).unwrap_or(0); f64::from(u32::try_from(p).unwrap_or(u32::MAX)) / 10_000.0 }
