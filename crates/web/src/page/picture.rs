//! Pictures that are drawn here, as SVG: they need no script, and their texts are texts.

use maud::{Markup, html};

use crate::ui;
use crate::view::{HourRow, Network, TunnelView};

/// The size of the picture, and of a site in it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const BOX: (f64, f64) = (168.0, 64.0);

/// A site, in its place.
struct Site<'v> {
    name: &'v str,
    routers: Vec<&'v str>,
    zones: usize,
    x: f64,
    y: f64,
}

/// The sites with their routers, and the tunnels between them.
pub(super) fn sites(view: &Network) -> Markup {
    let mut names: Vec<&str> = view.gear.iter().filter_map(|gear| gear.site.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let count = u32::try_from(names.len()).unwrap_or(1).max(1);
    let sites: Vec<Site<'_>> = names
        .iter()
        .zip(0_u32..)
        .map(|(name, at)| {
            let (x, y) = place(at, count);
            let routers = view.gear.iter().filter(|gear| gear.site.as_deref() == Some(name));
            Site {
                name,
                routers: routers.map(|gear| gear.name.as_str()).collect(),
                zones: view.zones.iter().filter(|zone| zone.site == *name).count(),
                x,
                y,
            }
        })
        .collect();
    let edge =
        |start: f64, more: fn(f64, f64) -> f64| sites.iter().fold(start, |edge, site| more(edge, site.y));
    let (top, bottom) = (edge(HEIGHT, f64::min) - BOX.1 / 2.0 - 2.0, edge(0.0, f64::max) + BOX.1 / 2.0 + 2.0);
    let words: Vec<String> = view.tunnels.iter().map(|tunnel| tunnel.between.join(" to ")).collect();
    let label = format!("{} sites; tunnels: {}", sites.len(), words.join(", "));
    html! {
        svg.picture viewBox={ "0 " (top) " " (WIDTH) " " (bottom - top) } role="img" aria-label=(label) {
            @for tunnel in &view.tunnels { (line(&sites, tunnel)) }
            @for site in &sites { (drawn(site)) }
        }
    }
}

/// On an ellipse, the first at its top; two beside each other.
fn place(at: u32, count: u32) -> (f64, f64) {
    let turn =
        std::f64::consts::TAU * (f64::from(at) / f64::from(count) - if count == 2 { 0.5 } else { 0.25 });
    let (wide, high) = ((WIDTH - BOX.0) / 2.0 - 4.0, (HEIGHT - BOX.1) / 2.0 - 4.0);
    if count == 1 {
        return (WIDTH / 2.0, HEIGHT / 2.0);
    }
    ((WIDTH / 2.0 + wide * turn.cos()).round(), (HEIGHT / 2.0 + high * turn.sin()).round())
}

fn line(sites: &[Site<'_>], tunnel: &TunnelView) -> Markup {
    let end = |router: Option<&String>| {
        let router = router?.as_str();
        sites.iter().find(|site| site.routers.contains(&router)).map(|site| (site.x, site.y))
    };
    let ends = end(tunnel.between.first()).zip(end(tunnel.between.get(1)));
    html! {
        @if let Some(((x1, y1), (x2, y2))) = ends {
            g.tunnel {
                line x1=(x1) y1=(y1) x2=(x2) y2=(y2) {}
                text x=(f64::midpoint(x1, x2).round()) y=((f64::midpoint(y1, y2) - 6.0).round()) text-anchor="middle" { (tunnel.kind) }
            }
        }
    }
}

fn drawn(site: &Site<'_>) -> Markup {
    let zones = if site.zones == 1 { "1 zone".to_owned() } else { format!("{} zones", site.zones) };
    html! {
        g.site {
            rect x=(site.x - BOX.0 / 2.0) y=(site.y - BOX.1 / 2.0) width=(BOX.0) height=(BOX.1) rx="6" {}
            text.name x=(site.x) y=(site.y - 12.0) text-anchor="middle" { (site.name) }
            text x=(site.x) y=(site.y + 6.0) text-anchor="middle" { (site.routers.join(", ")) }
            text x=(site.x) y=(site.y + 22.0) text-anchor="middle" { (zones) }
        }
    }
}

/// The height of a bar that is as long as can be, and how far apart the left edges of two are.
const TALL: f64 = 120.0;
const APART: f64 = 10.0;

/// How many questions each hour had: bars whose lower parts are what was blocked and what had no answer. It is stretched
/// to its place, and its words stand beside it, so that they keep their size.
pub(super) fn hours(all: &[HourRow]) -> Markup {
    let most = all.iter().map(|hour| hour.questions).max().unwrap_or(0);
    let sum = |of: fn(&HourRow) -> u64| ui::thousands(all.iter().map(of).sum());
    let label = format!(
        "{} hours: {} questions, {} blocked, {} without an answer; {} in the hour with most",
        all.len(),
        sum(|hour| hour.questions),
        sum(|hour| hour.blocked),
        sum(|hour| hour.failed),
        ui::thousands(most)
    );
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let wide = APART * f64::from(count);
    html! {
        figure.hours {
            p.axis { span { (ui::thousands(most)) } }
            svg viewBox={ "0 0 " (wide) " " (TALL) } preserveAspectRatio="none" role="img" aria-label=(label) {
                @for (hour, at) in all.iter().zip(0_u32..) { (bar(hour, most, APART * f64::from(at))) }
            }
            p.axis { span { (count) "\u{202F}h ago" } span { (count / 2) "\u{202F}h ago" } span { "now" } }
            p.legend {
                @for (class, words) in [("rest", "answered"), ("blocked", "blocked"), ("failed", "no answer")] {
                    span { svg.swatch viewBox="0 0 12 12" aria-hidden="true" { rect class=(class) width="12" height="12" rx="2" {} } " " (words) }
                }
            }
        }
    }
}

fn bar(hour: &HourRow, most: u64, x: f64) -> Markup {
    let high = |count: u64| TALL * ui::part_of(count, most);
    let (failed, blocked) = (high(hour.failed), high(hour.blocked));
    let rest = high(hour.questions.saturating_sub(hour.failed).saturating_sub(hour.blocked));
    let parts = [("failed", failed, TALL - failed), ("blocked", blocked, TALL - failed - blocked)];
    let parts = parts.into_iter().chain([("rest", rest, TALL - failed - blocked - rest)]);
    html! {
        @for (class, high, y) in parts {
            @if high > 0.0 { rect class=(class) x=(x + 1.0) y=(tenths(y)) width=(APART - 2.0) height=(tenths(high)) {} }
        }
    }
}

fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}
