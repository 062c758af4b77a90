//! Zones, who may open what, and what joins them.

use maud::{Markup, html};
use runtime::Seen;

use super::machine::facts;
use super::picture::sites;
use super::{Head, Made, made};
use crate::layout::Nav;
use crate::route::Page;
use crate::ui;
use crate::view::{AssertionView, DeviceView, Gear, Network, TunnelView, ZoneView};

pub(crate) fn network(seen: &Seen, view: &Network) -> Made {
    let head =
        Head { title: "Network", here: Nav::Network, topics: Page::Network.topics(), mixes_looks: true };
    let main = html! {
        h1 { "Network" }
        p.lead { "Everything here follows from the lab file. This version sets up no router yet, so what your routers really do is not known here." }
        @if !view.gear.is_empty() {
            section.card #sites { h2 { "Sites and tunnels" } (sites(view)) (tunnels(&view.tunnels)) }
        }
        section.card #zones { h2 { "Zones" } (zones(&view.zones)) }
        section.card #matrix {
            h2 { "Who may open what" }
            p.muted { "A row is where a connection comes from, a column what it may open. Each mark leads to the line that says so; what no line opens is closed." }
            (ui::matrix(&view.columns, &view.matrix))
        }
        div.columns {
            @if !view.assertions.is_empty() {
                section.card #assertions { h2 { "What must stay true" } (assertions(&view.assertions)) }
            }
            @if !view.exceptions.is_empty() {
                section.card #exceptions { h2 { "Single openings" } (facts(&view.exceptions)) }
            }
        }
        section.card #devices { h2 { "Devices" } (devices(&view.devices)) }
        @if !view.gear.is_empty() { section.card #gear { h2 { "Routers, switches, access points" } (gear(&view.gear)) } }
    };
    made(seen, &head, main)
}

fn zones(zones: &[ZoneView]) -> Markup {
    let columns = ["Zone", "-#VLAN", "Network", "-Gateway", "Site", "#Things", "-"];
    let rows = zones.iter().map(|zone| {
        vec![
            html! { span id={ "zone-" (zone.name) } { (zone.name) } @if zone.isolate { div.muted { "each for itself" } } },
            html! { @if let Some(vlan) = zone.vlan { (vlan) } },
            html! { (zone.cidr) },
            html! { (zone.gateway) },
            html! { (zone.site) },
            html! { (zone.things) },
            ui::lines(&zone.lines),
        ]
    });
    ui::table("Zones of the lab", &columns, rows.collect(), "The lab has no zones.")
}

fn assertions(all: &[AssertionView]) -> Markup {
    html! {
        ul.plain {
            @for own in all {
                li {
                    @match own.is.as_str() {
                        "holds" => (ui::proved(html! { (own.text) })),
                        "fails" => { (ui::state_with(crate::view::Health::Down, "not true")) " " (own.text) },
                        _ => { (ui::state_with(crate::view::Health::Unknown, "not evaluated")) " " (own.text) },
                    }
                    " " (ui::lines(&own.lines))
                }
            }
        }
        p.muted { "Proved against the policy of the file, zone by zone; not yet by packets." }
    }
}

fn devices(devices: &[DeviceView]) -> Markup {
    let rows = devices.iter().map(|device| {
        vec![
            html! { span id={ "device-" (device.name) } { (device.name) } },
            html! { a href={ "#zone-" (device.zone) } { (device.zone) } },
            html! { (device.address) },
            html! { (device.offers) },
            ui::lines(&device.lines),
        ]
    });
    let columns = ["Device", "Zone", "Address", "-Offers", "-"];
    ui::table("Devices of the lab", &columns, rows.collect(), "The lab has no devices.")
}

fn gear(all: &[Gear]) -> Markup {
    let rows = all.iter().map(|gear| {
        vec![
            html! { (gear.name) },
            html! { (gear.kind) },
            html! { (gear.site.as_deref().unwrap_or_default()) },
            html! { (gear.model) },
            ui::lines(&gear.lines),
        ]
    });
    let columns = ["Name", "Is a", "Site", "-Model", "-"];
    ui::table("Routers, switches and access points", &columns, rows.collect(), "")
}

fn tunnels(tunnels: &[TunnelView]) -> Markup {
    let rows = tunnels.iter().map(|tunnel| {
        vec![
            html! { (tunnel.name) },
            html! { (tunnel.between.join(" and ")) },
            html! { (tunnel.kind) },
            html! { (tunnel.net) },
            ui::lines(&tunnel.lines),
        ]
    });
    let columns = ["Tunnel", "Between", "Kind", "-Network", "-"];
    ui::table("Tunnels", &columns, rows.collect(), "No tunnels join the sites.")
}
