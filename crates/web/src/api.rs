//! The JSON API, described: generated from the views, committed, and compared by a test.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::view;

/// The description, as it is committed (OpenAPI 3.1).
pub(crate) const DOCUMENT: &str = include_str!("../openapi.json");

/// What is at an address of the API.
struct Address {
    path: &'static str,
    what: &'static str,
    /// Parts of the path and of the query: their names and what they are.
    given: &'static [(&'static str, &'static str)],
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

fn address<V: JsonSchema>(
    path: &'static str,
    what: &'static str,
    given: &'static [(&'static str, &'static str)],
) -> Address {
    Address { path, what, given, schema: SchemaGenerator::subschema_for::<V> }
}

const TEXT: (&str, &str) = ("q", "only what has this text in it");
const EVENT_FILTER: &[(&str, &str)] = &[
    ("machine", "only of this machine"),
    ("kind", "only of this kind"),
    TEXT,
    ("before", "only before this moment, in milliseconds since 1970"),
];
const LOG_FILTER: &[(&str, &str)] = &[
    ("client", "only of this client: an address or a part of one, or what the lab calls it"),
    ("name", "only names with this text in them"),
    ("outcome", "only those that had this outcome"),
    ("reason", "only those with this text in the rule, the list, the policy or the upstream"),
    ("before", "only before this one: what an answer says as `next`"),
];
const WHY: &[(&str, &str)] = &[
    ("name", "the name"),
    ("client", "who asks: an address, or what the lab calls it; without it, this machine"),
    ("kind", "the kind of record; without it, A"),
];

fn addresses() -> Vec<Address> {
    vec![
        address::<view::Portal>("portal", "The start page.", &[TEXT]),
        address::<view::Overview>("overview", "What needs somebody, and everything at a glance.", &[]),
        address::<view::Machines>("machines", "All machines.", &[]),
        address::<view::MachineView>(
            "machines/{name}",
            "Everything of one machine.",
            &[("name", "its name")],
        ),
        address::<view::Apps>("apps", "All apps.", &[]),
        address::<view::AppView>("apps/{name}", "Everything of one app.", &[("name", "its name")]),
        address::<view::Network>("network", "Zones, policy, devices, tunnels.", &[]),
        address::<view::DnsView>(
            "dns",
            "Names, what name servers follow, how they are, the last questions.",
            &[TEXT],
        ),
        address::<view::DnsLog>("dns/log", "The questions that this machine was asked.", LOG_FILTER),
        address::<view::DnsNumbers>(
            "dns/numbers",
            "What came of the questions of the last day, on this machine.",
            &[],
        ),
        address::<view::DnsWhy>("dns/why", "What this machine would say about a name, and why.", WHY),
        address::<view::Coverage>(
            "coverage",
            "What apps and machines have of everything that can follow.",
            &[],
        ),
        address::<view::Config>(
            "config",
            "The lab file, its faults, and who follows it.",
            &[("lab", "`followed`: the files that are followed, also while there are changed ones")],
        ),
        address::<view::Events>("events", "What happened, newest first.", EVENT_FILTER),
        address::<view::PublicStatus>("status", "What a stranger may know.", &[]),
        address::<view::Diagnosis>("setup", "What stands between this machine and a working lab.", &[]),
        address::<view::Index>("index", "Everything that has a page.", &[TEXT]),
    ]
}

/// The description, as it follows from the views.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = serde_json::Map::new();
    for address in addresses() {
        let schema = (address.schema)(&mut generator);
        let given: Vec<Value> = address
            .given
            .iter()
            .map(|(name, what)| {
                let is_in_path = address.path.contains(&format!("{{{name}}}"));
                let place = if is_in_path { "path" } else { "query" };
                json!({ "name": name, "in": place, "required": is_in_path, "description": what, "schema": { "type": "string" } })
            })
            .collect();
        let content = json!({ "application/json": { "schema": schema } });
        let get = json!({
            "summary": address.what,
            "parameters": given,
            "responses": {
                "200": { "description": address.what, "content": content },
                "404": { "description": "There is nothing of that name." }
            }
        });
        paths.insert(format!("/api/v1/{}", address.path), json!({ "get": get }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Polis",
            "version": "1",
            "description": "What a machine of the lab knows. Moments are milliseconds since 1970 in UTC. It is for reading, and on the loopback of each machine."
        },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_description_is_that_of_the_views() {
        let fresh = format!("{:#}\n", super::document());
        if std::env::var_os("POLIS_WRITE").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &fresh).unwrap();
        }
        assert!(
            fresh == super::DOCUMENT,
            "openapi.json is stale: `POLIS_WRITE=1 cargo test -p web description` writes it"
        );
    }
}
