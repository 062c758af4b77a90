//! The names of a lab: what may be named, what a name may be, and whether it is there.
//!
//! Names are keys of tables; a reference is a name. Zones, machines, devices, routers, switches, access
//! points and apps share one space of names, because rules, orders and sentences name any of them.

use std::collections::BTreeMap;

use crate::fault::{Code, Fault, Faults, nearest};
use crate::model::PolicyService;
use crate::print::Toml;
use crate::read::{MapKey, Reader, Reference, Shape, TextInfo, UNKNOWN, Value, listed};
use crate::source::Span;
use crate::tree::Node;

/// A kind of thing that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noun {
    /// A house, or a provider's data centre.
    Site,
    /// A person.
    Person,
    /// A network.
    Zone,
    /// A router.
    Router,
    /// A switch.
    Switch,
    /// An access point.
    AccessPoint,
    /// A tunnel between two routers.
    Tunnel,
    /// A machine.
    Machine,
    /// A device that runs nothing of ours.
    Device,
    /// An app.
    App,
    /// Everything outside the lab, in rules.
    Internet,
    /// A service, or a kind of app, in rules.
    Service,
}

impl Noun {
    const TABLES: [(Noun, &'static str, &'static str); 10] = [
        (Noun::Site, "sites", "site"),
        (Noun::Person, "people", "person"),
        (Noun::Zone, "zones", "zone"),
        (Noun::Router, "routers", "router"),
        (Noun::Switch, "switches", "switch"),
        (Noun::AccessPoint, "access-points", "access point"),
        (Noun::Tunnel, "tunnels", "tunnel"),
        (Noun::Machine, "machines", "machine"),
        (Noun::Device, "devices", "device"),
        (Noun::App, "apps", "app"),
    ];
    /// Those that share one space of names.
    const SHARED: [Noun; 7] =
        [Noun::Zone, Noun::Router, Noun::Switch, Noun::AccessPoint, Noun::Machine, Noun::Device, Noun::App];

    /// The word for one of them.
    pub fn word(self) -> &'static str {
        match Self::TABLES.iter().find(|(noun, ..)| *noun == self) {
            Some((_, _, word)) => word,
            None if self == Self::Service => "service",
            None => "internet",
        }
    }

    /// The table of the lab file that they stand in; empty for what is always there.
    pub fn table(self) -> &'static str {
        Self::TABLES.iter().find(|(noun, ..)| *noun == self).map_or("", |(_, table, _)| table)
    }

    /// "a zone, a machine or the internet".
    pub fn any_of(nouns: &[Noun]) -> String {
        let words: Vec<String> = nouns.iter().map(|noun| noun.with_article()).collect();
        match words.split_last() {
            None => "nothing".to_owned(),
            Some((only, [])) => only.clone(),
            Some((last, first)) => format!("{} or {last}", first.join(", ")),
        }
    }

    /// "an app", "a zone", "`internet`".
    pub fn with_article(self) -> String {
        match self {
            Self::Internet => "`internet`".to_owned(),
            Self::AccessPoint | Self::App => format!("an {}", self.word()),
            _ => format!("a {}", self.word()),
        }
    }
}

/// Words that rules and sentences keep for themselves.
pub const RESERVED: [&str; 15] = [
    "internet",
    "every",
    "everything",
    "published",
    "users",
    "panels",
    "dns",
    "dhcp",
    "ntp",
    "only",
    "never",
    "reach",
    "reaches",
    "any",
    "and",
];

/// What is wrong with a text as a name, if anything: a name is a DNS label (RFC 1035 section 2.3.1, RFC 1123
/// section 2.1) in lower case.
pub fn why_no_label(name: &str) -> Option<String> {
    let odd = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'));
    match odd {
        _ if name.is_empty() => Some("it is empty".to_owned()),
        Some(c) if c.is_ascii_uppercase() => Some("names are written in lower case".to_owned()),
        Some('_') => Some("a DNS name has no underscore: use a hyphen".to_owned()),
        Some(c) => Some(format!("`{}` does not fit in a DNS name", c.escape_debug())),
        None if name.len() > 63 => Some("it is longer than 63 characters".to_owned()),
        None if name.starts_with('-') || name.ends_with('-') => {
            Some("it begins or ends with a hyphen".to_owned())
        }
        None if name.bytes().all(|b| b.is_ascii_digit()) => Some("it is a number".to_owned()),
        None => None,
    }
}

fn read_label(key: &str, span: Span, reserved: bool, reader: &mut Reader) -> bool {
    let why = match why_no_label(key) {
        None if reserved && RESERVED.contains(&key) => {
            Some("rules and sentences keep this word for themselves".to_owned())
        }
        why => why,
    };
    let Some(why) = why else { return true };
    let shown: String = key.chars().take(70).collect();
    let better = key.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
    let mut fault =
        Fault::new(Code::BadName, span, format!("`{}` can not be a name", shown.escape_debug())).label(why);
    if better != key && why_no_label(&better).is_none() {
        fault = fault.help(format!("write `{better}`"));
    } else if why_no_label(key).is_none() {
        fault = fault.help("take another name");
    } else {
        fault = fault.help("a name has lower-case letters, digits and hyphens: at least one letter, and at most 63 characters");
    }
    reader.fault(fault);
    false
}

/// Declares types of names.
macro_rules! names {
    ($( $(#[doc = $doc:literal])+ $name:ident: $what:literal, $example:literal $(, $noun:ident)?; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl MapKey for $name {
            const INFO: TextInfo = TextInfo::new($what, $example, Some(LABEL_PATTERN));

            fn read_key(key: &str, span: Span, reader: &mut Reader) -> Option<Self> {
                let reserved = names!(@reserved $($noun)?);
                read_label(key, span, reserved, reader).then(|| Self(key.to_owned()))
            }

            fn to_key(&self) -> String {
                self.0.clone()
            }
        }

        names!(@named $name $(, $noun)?);

        impl Value for $name {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let Some(name) = node.text() else {
                    reader.wrong_kind(node, $what, concat!("\"", $example, "\""));
                    return None;
                };
                names!(@refer node, name, reader $(, $noun)?);
                Some(Self(name.to_owned()))
            }

            fn print(&self) -> Toml {
                Toml::Text(self.0.clone())
            }

            fn shape() -> Shape {
                names!(@shape Self $(, $noun)?)
            }

            fn stand_in() -> Option<Self> {
                Some(Self(UNKNOWN.to_owned()))
            }
        }
    )+ };
    (@named $name:ident) => {};
    (@named $name:ident, $noun:ident) => {
        impl Named for $name {
            const NOUNS: &'static [Noun] = &[Noun::$noun];

            fn named(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
    (@reserved) => { false };
    (@reserved $noun:ident) => { true };
    (@refer $node:ident, $text:ident, $reader:ident) => {
        if !read_label($text, $node.span, false, $reader) {
            return None;
        }
    };
    (@refer $node:ident, $text:ident, $reader:ident, $noun:ident) => {
        $reader.refer(&[Noun::$noun], $text, $node.span);
    };
    (@shape $self:ty) => { Shape::Text(<$self as MapKey>::INFO) };
    (@shape $self:ty, $noun:ident) => { Shape::Name(&[Noun::$noun]) };
}

pub(crate) const LABEL_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

names! {
    /// The name of a site.
    SiteName: "the name of a site", "home", Site;
    /// The name of a person: what they log in with.
    PersonName: "the name of a person", "owner", Person;
    /// The name of a zone.
    ZoneName: "the name of a zone", "servers", Zone;
    /// The name of a router.
    RouterName: "the name of a router", "gateway", Router;
    /// The name of a switch.
    SwitchName: "the name of a switch", "rack", Switch;
    /// The name of an access point.
    AccessPointName: "the name of an access point", "wifi", AccessPoint;
    /// The name of a tunnel.
    TunnelName: "the name of a tunnel", "home-mother", Tunnel;
    /// The name of a machine.
    MachineName: "the name of a machine", "naxos", Machine;
    /// The name of a device.
    DeviceName: "the name of a device", "printer", Device;
    /// The name of an app.
    AppName: "the name of an app", "nextcloud", App;
    /// The name of something that only its own table names: a disk, a pool, an alert, a group of people.
    Label: "a name", "tank";
}

/// A type whose values are names of things of one kind.
pub(crate) trait Named: MapKey {
    const NOUNS: &'static [Noun];

    fn named(name: &str) -> Self;
}

/// A name as a key that refers to a thing instead of giving it its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known<N>(N);

impl<N> std::ops::Deref for Known<N> {
    type Target = N;

    fn deref(&self) -> &N {
        &self.0
    }
}

impl<N: std::fmt::Display> std::fmt::Display for Known<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<N: std::borrow::Borrow<str>> std::borrow::Borrow<str> for Known<N> {
    fn borrow(&self) -> &str {
        self.0.borrow()
    }
}

impl<N: Named> MapKey for Known<N> {
    const INFO: TextInfo = N::INFO;

    fn read_key(key: &str, span: Span, reader: &mut Reader) -> Option<Self> {
        reader.refer(N::NOUNS, key, span);
        Some(Self(N::named(key)))
    }

    fn to_key(&self) -> String {
        self.0.to_key()
    }
}

impl Reader {
    pub(crate) fn refer(&mut self, nouns: &'static [Noun], name: &str, span: Span) {
        self.references.push(Reference { nouns, name: name.to_owned(), span, table: self.table });
    }
}

/// Any of the things that may stand on either side of a rule: `from`, `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartyName(String);

impl PartyName {
    const NOUNS: [Noun; 8] = [
        Noun::Zone,
        Noun::Machine,
        Noun::Device,
        Noun::Router,
        Noun::Switch,
        Noun::AccessPoint,
        Noun::App,
        Noun::Internet,
    ];

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PartyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for PartyName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(name) = node.text() else {
            reader.wrong_kind(node, "the name of a zone, a machine, a device or an app", "\"guests\"");
            return None;
        };
        reader.refer(&Self::NOUNS, name, node.span);
        Some(Self(name.to_owned()))
    }

    fn print(&self) -> Toml {
        Toml::Text(self.0.clone())
    }

    fn shape() -> Shape {
        Shape::Name(&Self::NOUNS)
    }

    fn stand_in() -> Option<Self> {
        Some(Self(UNKNOWN.to_owned()))
    }
}

/// Every name that a lab gives, whether or not what has it could be read.
#[derive(Debug, Default)]
pub struct Names {
    given: BTreeMap<String, Vec<(Noun, Span)>>,
}

impl Names {
    /// The names of a whole lab.
    pub(crate) fn of(root: &Node) -> Self {
        let mut names = Self::default();
        for (noun, table, _) in Noun::TABLES {
            let Some(table) = root.table().and_then(|root| root.get(table)?.table()) else { continue };
            for (name, entry) in &table.entries {
                names.given.entry(name.clone()).or_default().push((noun, entry.key));
            }
        }
        names
    }

    /// What the name is given to.
    pub fn nouns(&self, name: &str) -> impl Iterator<Item = Noun> {
        self.given.get(name).into_iter().flatten().map(|(noun, _)| *noun)
    }

    /// The names given to things of these kinds.
    pub fn of_nouns(&self, nouns: &[Noun]) -> Vec<&str> {
        let given = self.given.iter().filter(|(_, given)| given.iter().any(|(noun, _)| nouns.contains(noun)));
        let mut names: Vec<&str> = given.map(|(name, _)| name.as_str()).collect();
        if nouns.contains(&Noun::Internet) {
            names.push("internet");
        }
        if nouns.contains(&Noun::Service) {
            for word in PolicyService::words() {
                names.push(word);
            }
        }
        names
    }

    /// Names that are given twice among those that share a space.
    pub(crate) fn taken_twice(&self, faults: &mut Faults) {
        for (name, given) in &self.given {
            let mut shared: Vec<_> = given.iter().filter(|(noun, _)| Noun::SHARED.contains(noun)).collect();
            shared.sort_by_key(|(_, span)| *span);
            let [(first, first_span), rest @ ..] = shared.as_slice() else { continue };
            for (noun, span) in rest {
                faults.push(
                    Fault::new(
                        Code::NameTaken,
                        *span,
                        format!("`{name}` is also the name of {}", first.with_article()),
                    )
                    .label(format!("{} here", noun.with_article()))
                    .also(*first_span, format!("{} here", first.with_article()))
                    .help("rename one of them: rules and sentences could not tell them apart"),
                );
            }
        }
    }

    /// References to what is not there; says which tables of the lab they are in.
    pub(crate) fn resolve(&self, references: &[Reference], faults: &mut Faults) -> Vec<&'static str> {
        let mut tables = Vec::new();
        for Reference { nouns, name, span, table } in references {
            let is_internet = nouns.contains(&Noun::Internet) && name == "internet";
            let is_service = nouns.contains(&Noun::Service) && PolicyService::known(name).is_some();
            if is_internet || is_service || self.nouns(name).any(|noun| nouns.contains(&noun)) {
                continue;
            }
            faults.push(self.unknown(nouns, name, *span));
            tables.push(*table);
        }
        tables
    }

    /// The fault of a name that refers to nothing of these kinds.
    pub(crate) fn unknown(&self, nouns: &[Noun], name: &str, span: Span) -> Fault {
        let shown: String = name.chars().take(70).collect();
        let shown = shown.escape_debug();
        let other = self.nouns(name).next();
        let all = self.of_nouns(nouns);
        let near = nearest(name, all.iter().copied());
        let fault = match other {
            Some(other) => {
                let title = format!("`{shown}` is {}, not {}", other.with_article(), Noun::any_of(nouns));
                let given = self.given.get(name).and_then(|given| given.first());
                let fault = Fault::new(Code::UnknownName, span, title);
                given.map_or(fault.clone(), |(_, place)| fault.also(*place, "it is given here"))
            }
            None => Fault::new(Code::UnknownName, span, format!("there is no {} `{shown}`", no_such(nouns))),
        };
        match near {
            Some(_) => fault.did_you_mean(near),
            None if all.is_empty() => {
                let table = nouns.first().map_or("", |noun| noun.table());
                fault.help(format!("the lab has none yet: write `[{table}.{shown}]`"))
            }
            None => all_if_few(&all).into_iter().fold(fault, Fault::help),
        }
    }

    /// Which names could stand where one of these kinds is missing, or that there are none yet; nothing if there
    /// are too many to list.
    pub(crate) fn to_choose_from(&self, nouns: &[Noun]) -> Option<String> {
        let all = self.of_nouns(nouns);
        match (all.as_slice(), nouns.first()) {
            ([], Some(noun)) => {
                let (word, table) = (noun.word(), noun.table());
                Some(format!("the lab has no {word} yet: write `[{table}.NAME]` as well"))
            }
            (all, _) => all_if_few(all),
        }
    }
}

/// "the lab has `home` and `mother`".
fn all_if_few(names: &[&str]) -> Option<String> {
    (names.len() <= 12).then(|| format!("the lab has {}", listed(names)))
}

/// "zone or machine"; "such thing" where a rule takes nearly anything.
fn no_such(nouns: &[Noun]) -> String {
    if nouns.len() > 3 {
        return "such thing as".to_owned();
    }
    let words: Vec<&str> =
        nouns.iter().filter(|noun| **noun != Noun::Internet).map(|noun| noun.word()).collect();
    words.join(" or ")
}
