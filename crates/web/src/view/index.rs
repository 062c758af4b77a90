//! Everything that has a page, for jumping to it by typing.

use runtime::Seen;
use schemars::JsonSchema;
use serde::Serialize;

use super::Eye;

/// Everything that has a page.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Index {
    /// In the order of interest.
    pub things: Vec<Thing>,
}

/// Something that has a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Thing {
    /// What it is called.
    pub name: String,
    /// What it is: `page`, `app`, `machine`, `zone`, `device`, `name`.
    pub kind: String,
    /// Its page.
    pub url: String,
    /// More words that it is found by.
    pub words: String,
}

const PAGES: [(&str, &str, &str); 16] = [
    ("Start page", "/", "portal tiles home"),
    ("Overview", "/overview", "attention health"),
    ("Machines", "/machines", "hosts servers"),
    ("Apps", "/apps", "stacks containers"),
    ("Network", "/network", "zones policy matrix devices tunnels"),
    ("DNS", "/dns", "names statistics upstreams cache pause"),
    ("DNS log", "/dns/log", "questions queries blocked allow block"),
    ("Why is a name blocked", "/dns/why", "explain dns allow"),
    ("DNS numbers", "/dns/numbers", "statistics top clients names hours"),
    ("DNS lists", "/dns/lists", "blocklists filters rules"),
    ("DNS policies", "/dns/policies", "who when services safe search"),
    ("Coverage", "/coverage", "missing what to write"),
    ("Config", "/config", "lab file faults overlay"),
    ("Events", "/events", "time line what happened"),
    ("Public status", "/status", ""),
    ("Diagnosis", "/setup", "set up first"),
];

/// Everything that has a page, with a text in its name or words.
pub fn index(seen: &Seen, text: Option<&str>) -> Option<Index> {
    let eye = Eye::of(seen)?;
    let mut things: Vec<Thing> = Vec::new();
    let mut add = |name: &str, kind: &str, url: String, words: String| {
        things.push(Thing { name: name.to_owned(), kind: kind.to_owned(), url, words });
    };
    for (name, url, words) in PAGES {
        add(name, "page", url.to_owned(), words.to_owned());
    }
    for (name, app) in &eye.lab.apps {
        let title = eye.follows.tiles.iter().find(|tile| tile.app == *name).map(|tile| tile.title.clone());
        add(
            name.as_str(),
            "app",
            format!("/apps/{name}"),
            format!("{} {}", title.unwrap_or_default(), *app.on),
        );
    }
    for (name, machine) in &eye.lab.machines {
        let address = machine.address.iter().flat_map(|all| all.iter()).map(|own| own.0.to_string()).next();
        add(name.as_str(), "machine", format!("/machines/{name}"), address.unwrap_or_default());
    }
    for (name, zone) in &eye.lab.zones {
        add(name.as_str(), "zone", format!("/network#zone-{name}"), super::words(zone.cidr.iter()));
    }
    for (name, device) in &eye.lab.devices {
        let addresses = device.address.iter().flat_map(|all| all.iter()).map(|own| own.0);
        add(name.as_str(), "device", format!("/network#device-{name}"), super::words(addresses));
    }
    for name in &eye.follows.names {
        add(
            &name.name,
            "name",
            format!("/dns?q={}#names", name.name.replace('*', "%2A")),
            name.answer.to_string(),
        );
    }
    if let Some(text) = text.map(str::to_lowercase) {
        things.retain(|thing| {
            thing.name.to_lowercase().contains(&text) || thing.words.to_lowercase().contains(&text)
        });
    }
    Some(Index { things })
}
