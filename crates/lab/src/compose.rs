//! What Polis reads of an app's compose file: its services, their ports, and where they keep state.
//!
//! The file is used as it is and never written. Only what the lab has to know is read; the rest of the
//! Compose specification passes unseen. Variables are filled in from the `.env` file beside it.

use std::collections::BTreeMap;

use crate::fault::{Code, Fault, Faults};
use crate::model::App;
use crate::read::At;
use crate::source::{Folder, Span};
use crate::tree::{Entry, Kind, Node, Table, parse_yaml};
use crate::value::{Port, Protocol, Text};

/// The names that Docker looks for, in its order.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// The names of the file that is laid over it, in the same order.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// A compose file, as far as the lab has to know it.
#[derive(Clone, Debug)]
pub struct Compose {
    /// Its services by name.
    pub services: BTreeMap<String, Service>,
    /// Whether it includes other files, which are not read: there may be more services than these.
    pub includes_others: bool,
}

/// A service of a compose file.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where its name stands.
    pub span: Span,
    /// Its image, with variables filled in; none if it is built.
    pub image: Option<(String, Span)>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// The ports of the machine that it takes: the address, if it is bound to one, and the port.
    pub published: Vec<Published>,
    /// The ports that it answers at inside.
    pub inside: Vec<u16>,
}

/// A port of the machine that a container takes.
#[derive(Clone, Debug)]
pub struct Published {
    /// The address that it is bound to; none means every address.
    pub address: Option<std::net::IpAddr>,
    /// The port of the machine.
    pub port: Port,
    /// Where it stands.
    pub span: Span,
}

/// Something that is mounted into a container.
#[derive(Clone, Debug)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where in the container.
    pub target: String,
    /// Whether the container may write to it.
    pub access: Access,
    /// Where it stands.
    pub span: Span,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A folder or file of the machine.
    Path(String),
    /// A named volume.
    Volume(String),
    /// A volume without a name, which a new container does not find again.
    Anonymous,
    /// Memory.
    Memory,
    /// A place with a variable in it that nothing in the lab folder gives a value: its name.
    Unknown(String),
}

/// Whether something may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    ReadWrite,
    /// It may not.
    ReadOnly,
}

/// Reads the compose file of an app, if it has one. What is wrong goes to `faults`.
pub(crate) fn read(folder: &mut Folder, stack: &At<Text>, faults: &mut Faults) -> Option<Compose> {
    let path = stack.as_str().trim_end_matches('/').to_owned();
    let found = FILES.iter().find_map(|name| folder.load(&format!("{path}/{name}")));
    let Some(file) = found else {
        let title = format!("there is no compose file in `{path}`");
        let fault = Fault::new(Code::NoSuchFile, stack.span(), title);
        faults.push(fault.help("put a `compose.yaml` there, in the lab folder; the path is relative to it"));
        return None;
    };
    let text = folder.file(file)?.text().to_owned();
    let node = parse_yaml(file, &text, faults)?;
    let variables = variables(folder, &path);
    let mut services = services(&node, &variables, faults)?;
    if let Some(file) = OVERRIDES.iter().find_map(|name| folder.load(&format!("{path}/{name}"))) {
        let text = folder.file(file)?.text().to_owned();
        let node = parse_yaml(file, &text, faults)?;
        for (name, over) in self::services(&node, &variables, faults)? {
            match services.get_mut(&name) {
                Some(service) => service.lay_over(over),
                None => {
                    services.insert(name, over);
                }
            }
        }
    }
    let includes_others = node.table().is_some_and(|table| table.get("include").is_some());
    Some(Compose { services, includes_others })
}

impl Service {
    /// Adds what an override says, as `docker compose` merges the two.
    fn lay_over(&mut self, over: Self) {
        self.image = over.image.or(self.image.take());
        self.mounts.retain(|mount| over.mounts.iter().all(|other| other.target != mount.target));
        self.mounts.extend(over.mounts);
        self.published.extend(over.published);
        self.inside.extend(over.inside);
    }
}

impl Compose {
    /// The service that people reach: the one that the lab names, or the only one.
    pub fn serving<'c>(&'c self, app: &App) -> Option<(&'c str, &'c Service)> {
        let named = app.serve.as_ref().and_then(|serve| serve.service.as_ref());
        let (name, service) = match named {
            Some(name) => self.services.get_key_value(name.as_str())?,
            None if self.services.len() == 1 && !self.includes_others => self.services.iter().next()?,
            None => return None,
        };
        Some((name, service))
    }
}

type Variables = BTreeMap<String, String>;

fn variables(folder: &mut Folder, path: &str) -> Variables {
    let Some(file) = folder.load(&format!("{path}/.env")) else { return Variables::new() };
    let text = folder.file(file).map(crate::source::File::text).unwrap_or("");
    let line = |line: &str| {
        let (name, value) = line.trim().trim_start_matches("export ").split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (!name.starts_with('#')).then(|| (name.trim().to_owned(), value.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn services(node: &Node, variables: &Variables, faults: &mut Faults) -> Option<BTreeMap<String, Service>> {
    let table = node.table();
    let Some(services) = table.and_then(|table| table.get("services")).and_then(Node::table) else {
        if table.is_some_and(|table| table.get("include").is_some()) {
            return Some(BTreeMap::new());
        }
        let span = Span { end: node.span.start + 1, ..node.span };
        let fault = Fault::new(Code::ComposeSyntax, span, "this compose file has no `services`");
        faults.push(fault.help("a compose file has a table `services` with one table for each container"));
        return None;
    };
    Some(services.entries.iter().map(|(name, entry)| (name.clone(), service(entry, variables))).collect())
}

fn service(entry: &Entry, variables: &Variables) -> Service {
    let mut service = Service {
        span: entry.key,
        image: None,
        mounts: Vec::new(),
        published: Vec::new(),
        inside: Vec::new(),
    };
    let Some(table) = entry.node.table() else { return service };
    service.image = table.get("image").and_then(|node| Some((fill_in(node.text()?, variables)?, node.span)));
    let list = |key: &str| table.get(key).and_then(Node::list).unwrap_or_default();
    service.mounts = list("volumes").iter().filter_map(|node| mount(node, variables)).collect();
    let memory =
        table.get("tmpfs").into_iter().flat_map(|node| node.list().unwrap_or(std::slice::from_ref(node)));
    service.mounts.extend(memory.filter_map(|node| {
        let target = node.text()?.split(':').next()?.to_owned();
        Some(Mount { source: MountSource::Memory, target, access: Access::ReadWrite, span: node.span })
    }));
    for node in list("ports") {
        published(node, variables, &mut service);
    }
    let exposed = list("expose").iter().filter_map(|node| filled(node, variables));
    service.inside.extend(exposed.filter_map(|text| text.split('/').next()?.parse::<u16>().ok()));
    service
}

fn filled(node: &Node, variables: &Variables) -> Option<String> {
    fill_in(node.text()?, variables)
}

fn mount(node: &Node, variables: &Variables) -> Option<Mount> {
    match &node.kind {
        Kind::Text(text) => short_mount(text, node.span, variables),
        Kind::Table(table) => long_mount(table, node.span, variables),
        _ => None,
    }
}

/// `SOURCE:TARGET[:MODE]`, or only a target.
fn short_mount(text: &str, span: Span, variables: &Variables) -> Option<Mount> {
    let filled = fill(text, variables);
    let mut parts = filled.text.split(':');
    let (first, second, mode) = (parts.next()?, parts.next(), parts.next().unwrap_or(""));
    let access = if mode.split(',').any(|word| word == "ro") { Access::ReadOnly } else { Access::ReadWrite };
    let (source, target) = match second {
        _ if filled.lacks_in(first).is_some() => {
            let variable = filled.lacks_in(first).unwrap_or_default().to_owned();
            (MountSource::Unknown(variable), second.unwrap_or(first))
        }
        None => (MountSource::Anonymous, first),
        Some(target) if is_path(first) => (MountSource::Path(first.to_owned()), target),
        Some(target) => (MountSource::Volume(first.to_owned()), target),
    };
    Some(Mount { source, target: target.to_owned(), access, span })
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~'])
}

fn long_mount(table: &Table, span: Span, variables: &Variables) -> Option<Mount> {
    let text = |key: &str| table.get(key).and_then(Node::text);
    let target = fill(text("target")?, variables).text;
    let source = text("source").map(|source| fill(source, variables));
    let source = match (text("type").unwrap_or("volume"), source) {
        ("tmpfs", _) => MountSource::Memory,
        (_, None) => MountSource::Anonymous,
        (_, Some(Filled { lacks: Some(variable), .. })) => MountSource::Unknown(variable),
        ("bind", Some(source)) => MountSource::Path(source.text),
        (_, Some(source)) => MountSource::Volume(source.text),
    };
    let read_only = table.get("read_only").is_some_and(|node| matches!(node.kind, Kind::Bool(true)));
    let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
    Some(Mount { source, target, access, span })
}

fn published(node: &Node, variables: &Variables, service: &mut Service) {
    match &node.kind {
        Kind::Table(table) => {
            let field = |key: &str| table.get(key).and_then(|node| filled(node, variables));
            let inside = field("target");
            let protocol = field("protocol").unwrap_or_default();
            let address = field("host_ip").and_then(|ip| ip.parse().ok());
            let outside = field("published").and_then(|outside| port_range(&outside, &protocol));
            service.inside.extend(inside.and_then(|port| port.parse::<u16>().ok()));
            service.published.extend(outside.map(|port| Published { address, port, span: node.span }));
        }
        _ => {
            let Some(text) = filled(node, variables) else { return };
            let (text, protocol) = text.split_once('/').unwrap_or((&text, ""));
            let (outside, inside) = match text.rsplit_once(':') {
                Some((outside, inside)) => (Some(outside), inside),
                None => (None, text),
            };
            service.inside.extend(inside.split('-').next().and_then(|port| port.parse::<u16>().ok()));
            let Some(outside) = outside else { return };
            let (address, port) = match outside.rsplit_once(':') {
                Some((address, port)) => (address.trim_matches(['[', ']']).parse().ok(), port),
                None => (None, outside),
            };
            let port = port_range(port, protocol);
            service.published.extend(port.map(|port| Published { address, port, span: node.span }));
        }
    }
}

fn port_range(text: &str, protocol: &str) -> Option<Port> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let protocol = if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
    Some(Port { protocol, first: first.parse().ok()?, last: last.parse().ok()? })
}

/// A text with its variables filled in.
struct Filled {
    /// What has no value stands in it as `${NAME}`.
    text: String,
    /// The first variable that has no value.
    lacks: Option<String>,
}

impl Filled {
    /// The variable without a value, if it is in this part of the text.
    fn lacks_in(&self, part: &str) -> Option<&str> {
        self.lacks.as_deref().filter(|name| part.contains(&format!("${{{name}}}")))
    }
}

/// Fills in all variables; `None` if one has no value.
fn fill_in(text: &str, variables: &Variables) -> Option<String> {
    let filled = fill(text, variables);
    filled.lacks.is_none().then_some(filled.text)
}

/// Fills in `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME-default}`. A brace that is not closed has no value.
fn fill(text: &str, variables: &Variables) -> Filled {
    let mut filled = Filled { text: String::new(), lacks: None };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        filled.text.push_str(before);
        let after = after.strip_prefix('$').unwrap_or(after);
        if let Some(after) = after.strip_prefix('$') {
            filled.text.push('$');
            rest = after;
            continue;
        }
        let is_closed = !after.starts_with('{') || after.contains('}');
        let (expression, after) = match after.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or((inner, "")),
            None => {
                let end =
                    after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                after.split_at(end)
            }
        };
        let end = expression.find([':', '-', '?', '+']).unwrap_or(expression.len());
        let (name, otherwise) = expression.split_at(end);
        let otherwise = otherwise.strip_prefix(":-").or(otherwise.strip_prefix('-'));
        let value = variables.get(name).filter(|value| !value.is_empty()).map(String::as_str).or(otherwise);
        let value = value.filter(|_| is_closed);
        match value {
            Some(value) => filled.text.push_str(value),
            None => {
                filled.text.push_str(&format!("${{{name}}}"));
                filled.lacks.get_or_insert_with(|| name.to_owned());
            }
        }
        rest = after;
    }
    filled.text.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = Variables::from([("A".into(), "x".into()), ("EMPTY".into(), String::new())]);
        let cases = [
            ("plain", Some("plain")),
            ("$A/b", Some("x/b")),
            ("${A}b", Some("xb")),
            ("${B:-y}", Some("y")),
            ("${EMPTY:-y}", Some("y")),
            ("${B}", None),
            ("$$A", Some("$A")),
            ("${B:?must be set}", None),
            ("${A", None),
        ];
        for (text, expected) in cases {
            assert_eq!(fill_in(text, &variables).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_value_leaves_the_rest_of_a_mount_known() {
        let variables = Variables::from([("A".into(), "/x".into())]);
        let mount = |text: &str| {
            let mount = short_mount(text, Span::new(crate::source::FileId::FIRST, 0..0), &variables).unwrap();
            (mount.source, mount.target, mount.access)
        };
        let unknown = |name: &str| MountSource::Unknown(name.to_owned());
        let path = |path: &str| MountSource::Path(path.to_owned());
        let (write, read) = (Access::ReadWrite, Access::ReadOnly);
        assert_eq!(mount("${B}:/data:ro"), (unknown("B"), "/data".into(), read));
        assert_eq!(mount("$A/${B:?say where}:/data"), (unknown("B"), "/data".into(), write));
        assert_eq!(mount("$A:/data/${B}"), (path("/x"), "/data/${B}".into(), write));
        assert_eq!(mount("$B"), (unknown("B"), "${B}".into(), write));
        assert_eq!(mount("${B:/data"), (unknown("B"), "${B}".into(), write));
        assert_eq!(mount("${A}:/data"), (path("/x"), "/data".into(), write));
    }

    fn read_one(yaml: &str) -> Service {
        let mut folder = Folder::from_texts([("stacks/x/compose.yaml", yaml), ("lab.toml", "stack = 1")]);
        let (file, _) = folder.files().next().unwrap();
        let stack = At::written(crate::read::FromText::from_text("stacks/x").unwrap(), Span::new(file, 0..1));
        let mut faults = Faults::default();
        let compose = read(&mut folder, &stack, &mut faults).unwrap();
        assert!(faults.is_empty());
        compose.services.into_values().next().unwrap()
    }

    #[test]
    fn both_spellings_of_mounts_and_ports() {
        let service = read_one(concat!(
            "x-base: &base\n  image: postgres:16\nservices:\n  db:\n    <<: *base\n    volumes:\n",
            "      - db:/var/lib/postgresql/data\n      - ./conf:/etc/conf:ro\n      - /cache\n",
            "      - {type: bind, source: /tank/db, target: /data, read_only: true}\n    tmpfs: /run\n    ports:\n",
            "      - 127.0.0.1:5432:5432\n      - \"9000-9001:80/udp\"\n      - 81\n",
            "      - {target: 82, published: 8082, host_ip: 10.0.0.1}\n",
        ));
        assert_eq!(service.image.unwrap().0, "postgres:16");
        let mounts: Vec<_> =
            service.mounts.iter().map(|m| (m.source.clone(), m.target.as_str(), m.access)).collect();
        assert_eq!(
            mounts,
            [
                (MountSource::Volume("db".into()), "/var/lib/postgresql/data", Access::ReadWrite),
                (MountSource::Path("./conf".into()), "/etc/conf", Access::ReadOnly),
                (MountSource::Anonymous, "/cache", Access::ReadWrite),
                (MountSource::Path("/tank/db".into()), "/data", Access::ReadOnly),
                (MountSource::Memory, "/run", Access::ReadWrite),
            ]
        );
        let ports: Vec<_> =
            service.published.iter().map(|p| (p.address.is_some(), p.port.to_string())).collect();
        assert_eq!(
            ports,
            [(true, "tcp/5432".into()), (false, "udp/9000-9001".into()), (true, "tcp/8082".into())]
        );
        assert_eq!(service.inside, [5432, 80, 81, 82]);
    }
}
