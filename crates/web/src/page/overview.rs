//! What needs somebody now; and what the apps and machines have of everything that can follow.

use maud::{Markup, html};
use runtime::Seen;

use super::machine::machine_table;
use super::{Head, Made, made};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{Attention, Cell, CellIs, Coverage, CoverageCount, Health, Overview, Power, ServiceRow};

pub(crate) fn overview(seen: &Seen, view: &Overview) -> Made {
    let head =
        Head { title: "Overview", here: Nav::Overview, topics: Page::Overview.topics(), mixes_looks: true };
    let main = html! {
        h1 { "Overview" }
        (attention_list(seen, &view.attention))
        section.card #services aria-labelledby="services-head" {
            h2 id="services-head" { "Services" }
            (service_table(&view.services))
        }
        section.card #machines aria-labelledby="machines-head" {
            h2 id="machines-head" { a href="/machines" { "Machines" } }
            (machine_table(&view.machines, seen.now, "Machines of the lab"))
        }
        div.columns {
            section.card #coverage aria-labelledby="coverage-head" {
                h2 id="coverage-head" { a href="/coverage" { "Coverage" } }
                (coverage_counts(&view.coverage))
            }
            @if let Some(power) = &view.power {
                section.card #power aria-labelledby="power-head" {
                    h2 id="power-head" { "Power" }
                    (power_card(power))
                }
            }
        }
    };
    made(seen, &head, main)
}

/// What needs somebody, or that nothing does.
pub(super) fn attention_list(seen: &Seen, all: &[Attention]) -> Markup {
    html! {
        section.attention #attention aria-label="What needs you now" aria-live="polite" {
            @if all.is_empty() {
                p.calm { (ui::state(Health::Up)) " · Nothing needs you now." }
            } @else {
                ul { @for one in all { (ui::attention(one, seen.now)) } }
            }
        }
    }
}

fn service_table(services: &[ServiceRow]) -> Markup {
    let columns = ["Service", "State", "Machines", "-Address", "-"];
    let rows = services.iter().map(|row| {
        let holders = html! {
            @for (at, holder) in row.on.iter().enumerate() {
                @if at > 0 { span.then { " then " } }
                span.holder.serves[holder.serves] {
                    a href={ "/machines/" (holder.machine) } { (holder.machine) }
                    @if holder.phase != "planned" { span.muted { " " (holder.phase) } }
                }
            }
        };
        let name = if row.name == "dns" {
            html! { a href="/dns" { "dns" } }
        } else {
            html! { (row.name) }
        };
        vec![
            name,
            html! { (ui::state(row.health)) @if !row.words.is_empty() { div.why { (row.words) } } },
            holders,
            html! { (row.address.as_deref().unwrap_or_default()) },
            ui::lines(&row.lines),
        ]
    });
    let planned = services.iter().any(|row| row.health == Health::Pending && row.words.is_empty());
    html! {
        (ui::table("Services of the lab", &columns, rows.collect(), "The lab places no services."))
        @if planned { p.muted { "Pending services follow from the lab file; this version does not run them yet." } }
    }
}

fn coverage_counts(counts: &[CoverageCount]) -> Markup {
    let columns = ["", "-#Follows", "-#Chosen not to", "#Missing", ""];
    let rows = counts.iter().map(|count| {
        let all = count.follows + count.chosen + count.missing;
        let part = ui::part(count.follows + count.chosen, all);
        vec![
            html! { a href="/coverage" { (count.column) } },
            html! { (count.follows) },
            html! { (count.chosen) },
            html! { @if count.missing > 0 { a href="/coverage#missing" { (count.missing) } } @else { "0" } },
            ui::meter(
                &format!("{} decided", count.column),
                part,
                &format!("{} of {all}", count.follows + count.chosen),
            ),
        ]
    });
    ui::table("What apps and machines have of everything that can follow", &columns, rows.collect(), "")
}

fn power_card(power: &Power) -> Markup {
    let used = watts(power.used_milliwatts);
    html! {
        @match power.budget_milliwatts {
            Some(budget) => {
                (ui::meter("power used of the budget", ui::part_of(power.used_milliwatts, budget), &format!("{used} of {}", watts(budget))))
                p { (ui::follows(html! { (used) " of " (watts(budget)) })) " by " (power.machines) " machines, as the lab file states it. " (ui::lines(&power.lines)) }
            }
            None => { p { (ui::follows(html! { (used) })) " by " (power.machines) " machines, as the lab file states it; there is no budget." } }
        }
        p.muted { "This version does not measure it." }
    }
}

pub(super) fn watts(milliwatts: u64) -> String {
    lab::value::Power(milliwatts).watts().replace(' ', "\u{202F}")
}

/// What every app and machine has of everything that can follow.
pub(crate) fn coverage(seen: &Seen, view: &Coverage) -> Made {
    let head =
        Head { title: "Coverage", here: Nav::None, topics: Page::Coverage.topics(), mixes_looks: false };
    let main = html! {
        h1 { "Coverage" }
        p.lead {
            "What follows from the lab file for each app and machine, what somebody chose that it does not, and what is missing. "
            "Nothing of it is needed; what is left out on purpose is no longer missing once the file says so."
        }
        (legend())
        @for (kind, title) in [("app", "Apps"), ("machine", "Machines")] {
            section.card {
                h2 { (title) }
                (coverage_table(view, kind, title))
            }
        }
        section.card #missing {
            h2 { "What to write" }
            (missing(view))
        }
    };
    made(seen, &head, main)
}

fn legend() -> Markup {
    html! {
        p.legend {
            @for is in [CellIs::Follows, CellIs::Chosen, CellIs::Missing, CellIs::None] {
                span { (ui::cell_mark(is)) " " (ui::cell_word(is)) }
            }
        }
    }
}

fn coverage_table(view: &Coverage, kind: &str, title: &str) -> Markup {
    let mut columns = vec![title];
    columns.extend(view.columns.iter().map(String::as_str));
    let rows = view.rows.iter().filter(|row| row.kind == kind).map(|row| {
        let name = html! { a href={ "/" (kind) "s/" (row.name) } { (row.name) } };
        std::iter::once(name).chain(row.cells.iter().map(coverage_cell)).collect()
    });
    ui::grid(&format!("Coverage of {}", title.to_lowercase()), &columns, rows.collect())
}

fn coverage_cell(cell: &Cell) -> Markup {
    let title = format!("{}: {}", ui::cell_word(cell.is), cell.what);
    html! {
        @match cell.lines.first() {
            Some(line) => { a.mark href=(ui::line_url(line)) title=(title) { (ui::cell_mark(cell.is)) } }
            None => { span.mark title=(title) { (ui::cell_mark(cell.is)) } }
        }
    }
}

/// What is missing, once for all that miss it.
fn missing(view: &Coverage) -> Markup {
    let mut all: Vec<(&str, Vec<&str>, Vec<&str>)> = Vec::new();
    for row in &view.rows {
        for cell in row.cells.iter().filter(|cell| cell.is == CellIs::Missing) {
            match all.iter_mut().find(|(what, ..)| *what == cell.what) {
                Some((_, names, columns)) => {
                    if !names.contains(&row.name.as_str()) {
                        names.push(&row.name);
                    }
                    if !columns.contains(&cell.column.as_str()) {
                        columns.push(&cell.column);
                    }
                }
                None => all.push((&cell.what, vec![&row.name], vec![&cell.column])),
            }
        }
    }
    let rows = all.iter().map(|(what, names, columns)| {
        vec![html! { (ui::code_words(what)) }, html! { (columns.join(", ")) }, html! { (names.join(", ")) }]
    });
    ui::table("What is missing", &["Write", "For", "Of"], rows.collect(), "Nothing is missing.")
}
