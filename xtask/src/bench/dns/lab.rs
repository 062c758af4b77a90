//! The lab that Polis is measured with: everything on that a home has on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::peers::{Setup, polis};

/// What is written under `[dns]` if the lab file knows the key. What it does not know is left out, and the page
/// of results says so.
const KEYS: [(&str, &str); 4] = [
    // What forwarding costs is measured against servers that do not validate either.
    ("dnssec", "dnssec = \"off\""),
    ("cache", "cache = { size = \"24 MiB\" }"),
    // All questions come from one address: the limit counts them, and is not met.
    ("limit", "limit = { per-second = 1000000 }"),
    ("log", "log = { keep = \"1d\", size = \"256 MiB\" }"),
];

/// Two policies: the one that holds for who asks, and another.
const POLICIES: &str = "
[dns.policies.here]
who = [\"127.0.0.0/8\"]
rules = [\"||only-here.example^\"]
[dns.policies.there]
who = [\"guests\"]
rules = [\"||only-there.example^\"]
";

/// Writes the lab, its list and its state folder, and says what Polis is started with.
pub(super) fn write(folder: &Path, at: SocketAddr, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let lab = folder.join("lab");
    std::fs::create_dir_all(lab.join("lists"))?;
    std::fs::create_dir_all(folder.join("state"))?;
    list(folder, setup.list.unwrap_or(Path::new("/dev/null")))?;
    let knows = known()?;
    let keys = KEYS.iter().filter(|(key, _)| knows.iter().any(|known| known == key));
    let keys: Vec<&str> = keys.map(|(_, line)| *line).collect();
    let policies = if knows.iter().any(|known| known == "policies") { POLICIES } else { "" };
    let text = format!(
        "[lab]\nname = \"bench\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {{}}\n[zones]\n\
         lan = {{ site = \"here\", vlan = 10, cidr = \"10.0.0.0/24\" }}\n\
         guests = {{ site = \"here\", vlan = 20, cidr = \"10.0.1.0/24\" }}\n\
         [machines]\nnaxos = {{ address = \"10.0.0.2\" }}\n\
         [dns]\non = \"naxos\"\nupstreams = [\"{}\"]\nlists = {{ long = \"file:lists/long.txt\" }}\n\
         rules = [\"@@||allowed.example^\", \"||ads.example^\"]\n{}\n{policies}",
        setup.upstream,
        keys.join("\n")
    );
    std::fs::write(lab.join("lab.toml"), text)?;
    let words = ["run", "--machine", "naxos", "--listen", &at.to_string(), "--lab"].map(str::to_owned);
    let folders =
        [lab.display().to_string(), "--state".to_owned(), folder.join("state").display().to_string()];
    Ok(words.into_iter().chain(folders).collect())
}

/// Puts a list in the place of the one that is there, at once.
pub(super) fn list(folder: &Path, list: &Path) -> std::io::Result<()> {
    let place = folder.join("lab/lists/long.txt");
    let new = folder.join("new.txt");
    std::fs::copy(list, &new)?;
    std::fs::rename(&new, &place)
}

/// The keys of `[dns]` that the binary knows, by its schema.
fn known() -> anyhow::Result<Vec<String>> {
    let output = Command::new(polis()).arg("schema").output().context("starting polis")?;
    let schema: Value = serde_json::from_slice(&output.stdout)?;
    keys(&schema).context("the schema does not have [dns]")
}

/// The properties of the object that has `upstreams` and `on`.
fn keys(value: &Value) -> Option<Vec<String>> {
    let own = value.get("properties").and_then(Value::as_object);
    let own = own.filter(|keys| keys.contains_key("upstreams") && keys.contains_key("on"));
    if let Some(own) = own {
        return Some(own.keys().cloned().collect());
    }
    match value {
        Value::Object(members) => members.values().find_map(keys),
        Value::Array(members) => members.iter().find_map(keys),
        _ => None,
    }
}

/// What was to be on, and is not known to the binary.
pub(super) fn missing() -> anyhow::Result<Vec<&'static str>> {
    let knows = known()?;
    let wanted = KEYS.iter().map(|(key, _)| *key).chain(["policies"]);
    Ok(wanted.filter(|key| knows.iter().all(|known| known != key)).collect())
}
