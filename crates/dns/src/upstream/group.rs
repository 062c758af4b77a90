//! Who is asked for a name: the most specific domain that a line names wins. Pure: lines in, indices out.
//!
//! A set in which any name server is encrypted never falls back to a plain one: the plain ones of it are left
//! out, and [`Group::never_asked`] names them. What is asked in secret must not be told in the open because a
//! cable is cut, or because somebody cuts it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::line::{Domain, Host, Line, Target, Transport, Upstream};

/// The type whose records stand in the zone above (RFC 4035 section 3.1.4.1).
const DS: u16 = 43;
/// The most name servers of a group.
const MAX_UPSTREAMS: usize = 256;
/// How long a question may take in all: the default, and the bounds.
pub const TIMEOUT: Duration = Duration::from_secs(5);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Who knows the names of name servers if nobody is named, and no plain one is asked anyway: Quad9, Cloudflare.
const BOOTSTRAP: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1))];

/// In which order those of a set are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The first one; the next if it has no answer, or takes long.
    #[default]
    Order,
    /// All at once: the first answer counts.
    Parallel,
    /// The one that has been the fastest.
    Fastest,
    /// Each as often as it is fast.
    LoadBalance,
}

/// What a group is made of.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The lines of `upstreams`.
    pub lines: Vec<Line>,
    /// In which order they are asked.
    pub mode: Mode,
    /// Asked when none of those for everything else has an answer.
    pub fallback: Vec<Upstream>,
    /// Those that know the names of name servers, given by their addresses. If empty, the plain ones of
    /// `lines`, or 9.9.9.9 and 1.1.1.1.
    pub bootstrap: Vec<Upstream>,
    /// How long a question may take in all; none for 5 seconds. Between 100 milliseconds and a minute.
    pub timeout: Option<Duration>,
}

/// What is wrong with a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    /// Too many name servers.
    #[error("{0} name servers are named: the most are {MAX_UPSTREAMS}")]
    TooMany(usize),
    /// A bootstrap server with a name, which nobody could look up.
    #[error("the bootstrap server `{0}` has a name: give it by its address, as 9.9.9.9")]
    NamedBootstrap(Arc<str>),
}

/// Those of a group that are asked for the same names: indices into its name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) main: Vec<usize>,
    pub(crate) fallback: Vec<usize>,
    /// Those for everything else are among them.
    pub(crate) has_default: bool,
}

/// Those that are asked for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'g> {
    group: &'g Group,
    set: &'g Set,
    /// Lines name them, and nobody else, for a domain that the name is in.
    pub(crate) is_named: bool,
}

impl<'g> Chosen<'g> {
    /// The name servers, without those of the fallback.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &'g Upstream> + use<'g> {
        let upstreams = &self.group.upstreams;
        self.set.main.iter().filter_map(|index| upstreams.get(*index))
    }
}

/// Which set a domain has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    from: Option<usize>,
    under: Option<usize>,
}

/// The name servers that one policy asks, or everybody without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(crate) mode: Mode,
    pub(crate) timeout: Duration,
    /// Each name server once.
    pub(crate) upstreams: Vec<Upstream>,
    /// The first is for everything else, the second for the names of name servers: empty if none has a name.
    pub(crate) sets: Vec<Set>,
    places: HashMap<Box<[u8]>, Place>,
    unqualified: Option<usize>,
    never_asked: Vec<Arc<str>>,
}

/// The set for everything that no line names.
const DEFAULT: usize = 0;
/// The set of bootstrap servers.
pub(crate) const FOR_NAMES: usize = 1;

impl Group {
    /// Puts lines together.
    pub fn new(asked: &Asked) -> Result<Self, GroupFault> {
        let timeout = asked.timeout.unwrap_or(TIMEOUT).clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
        let mut group = Self {
            mode: asked.mode,
            timeout,
            upstreams: Vec::new(),
            sets: vec![Set::default(), Set::default()],
            places: HashMap::new(),
            unqualified: None,
            never_asked: Vec::new(),
        };
        let default: Vec<&Line> = asked.lines.iter().filter(|line| line.domains.is_empty()).collect();
        for target in default.iter().flat_map(|line| &line.targets) {
            if let Target::Upstream(upstream) = target {
                group.add(DEFAULT, upstream);
            }
        }
        for upstream in &asked.fallback {
            let index = group.index(upstream);
            if let Some(set) = group.sets.get_mut(DEFAULT) {
                set.fallback.push(index);
            }
        }
        for line in &asked.lines {
            group.add_line(line);
        }
        group.add_bootstrap(asked)?;
        if group.upstreams.len() > MAX_UPSTREAMS {
            return Err(GroupFault::TooMany(group.upstreams.len()));
        }
        for at in 0..group.sets.len() {
            group.keep_secrets(at);
        }
        Ok(group)
    }

    /// The name servers that are named and yet never asked, because they are plain beside encrypted ones.
    pub fn never_asked(&self) -> &[Arc<str>] {
        &self.never_asked
    }

    /// Who is asked for a name, in its wire form and in lower case. What is known of a delegation (DS) is
    /// asked of those of the name above.
    pub(crate) fn set_for(&self, name: &[u8], kind: u16) -> usize {
        let mut rest = if kind == DS { above(name).unwrap_or(name) } else { name };
        let has_one_label = above(rest).is_some_and(|above| above == [0]);
        let place = self.places.get(rest).and_then(|place| place.from);
        if let Some(set) = place.or(self.unqualified.filter(|_| has_one_label)) {
            return set;
        }
        if self.places.is_empty() {
            return DEFAULT;
        }
        while let Some(parent) = above(rest) {
            if let Some(set) = self.places.get(parent).and_then(|place| place.under.or(place.from)) {
                return set;
            }
            rest = parent;
        }
        DEFAULT
    }

    /// Those that are asked for a name, see [`Group::set_for`].
    pub(crate) fn chosen(&self, name: &[u8], kind: u16) -> Chosen<'_> {
        static NOBODY: Set = Set { main: Vec::new(), fallback: Vec::new(), has_default: false };
        let at = self.set_for(name, kind);
        let set = self.sets.get(at).unwrap_or(&NOBODY);
        Chosen { group: self, set, is_named: at != DEFAULT && !set.has_default && !set.main.is_empty() }
    }

    fn index(&mut self, upstream: &Upstream) -> usize {
        let known = self.upstreams.iter().position(|known| known == upstream);
        known.unwrap_or_else(|| {
            self.upstreams.push(upstream.clone());
            self.upstreams.len() - 1
        })
    }

    fn add(&mut self, set: usize, upstream: &Upstream) {
        let index = self.index(upstream);
        if let Some(set) = self.sets.get_mut(set).filter(|set| !set.main.contains(&index)) {
            set.main.push(index);
        }
    }

    /// Adds what a line says of its domains. Lines for the same domain add up.
    fn add_line(&mut self, line: &Line) {
        for domain in &line.domains {
            let next = self.sets.len();
            let place = match domain {
                Domain::From(name) => &mut self.places.entry(name.clone()).or_default().from,
                Domain::Under(name) => &mut self.places.entry(name.clone()).or_default().under,
                Domain::Unqualified => &mut self.unqualified,
            };
            let set = *place.get_or_insert(next);
            if set == next {
                self.sets.push(Set::default());
            }
            for target in &line.targets {
                match target {
                    Target::Upstream(upstream) => self.add(set, upstream),
                    Target::Default => self.add_default(set),
                }
            }
        }
    }

    fn add_default(&mut self, set: usize) {
        let Some(Set { mut main, fallback, .. }) = self.sets.get(DEFAULT).cloned() else { return };
        if let Some(set) = self.sets.get_mut(set) {
            main.retain(|one| !set.main.contains(one));
            set.main.append(&mut main);
            set.fallback = fallback;
            set.has_default = true;
        }
    }

    fn add_bootstrap(&mut self, asked: &Asked) -> Result<(), GroupFault> {
        if let Some(named) = asked.bootstrap.iter().find(|one| matches!(one.host, Host::Name(_))) {
            return Err(GroupFault::NamedBootstrap(Arc::clone(&named.written)));
        }
        if self.upstreams.iter().all(Upstream::is_at_address) {
            return Ok(());
        }
        let is_plain = |one: &&Upstream| !one.transport.is_encrypted() && one.is_at_address();
        let targets =
            asked.lines.iter().filter(|line| line.domains.is_empty()).flat_map(|line| &line.targets);
        let of_lines = targets.filter_map(|target| match target {
            Target::Upstream(upstream) => Some(upstream),
            Target::Default => None,
        });
        let mut servers = asked.bootstrap.clone();
        if servers.is_empty() {
            servers = of_lines.filter(is_plain).cloned().collect();
        }
        if servers.is_empty() {
            servers = BOOTSTRAP.map(plain).into();
        }
        for server in &servers {
            self.add(FOR_NAMES, server);
        }
        Ok(())
    }

    /// Takes the plain name servers out of a set that has encrypted ones.
    fn keep_secrets(&mut self, at: usize) {
        let is_encrypted: Vec<bool> =
            self.upstreams.iter().map(|upstream| upstream.transport.is_encrypted()).collect();
        let encrypted = |index: &usize| is_encrypted.get(*index).copied().unwrap_or(false);
        let Some(set) = self.sets.get_mut(at) else { return };
        if !set.main.iter().any(encrypted) {
            return;
        }
        let all: Vec<usize> = set.main.iter().chain(&set.fallback).copied().collect();
        set.main.retain(encrypted);
        set.fallback.retain(encrypted);
        for plain in all.iter().filter(|index| !encrypted(index)) {
            let Some(upstream) = self.upstreams.get(*plain) else { continue };
            if !self.never_asked.contains(&upstream.written) {
                self.never_asked.push(Arc::clone(&upstream.written));
            }
        }
    }
}

fn plain(address: IpAddr) -> Upstream {
    Upstream {
        written: address.to_string().into(),
        transport: Transport::Udp,
        host: Host::Address(address),
        port: 53,
        certificate: None,
        path: "".into(),
    }
}

/// A name without its first label; none above the root.
fn above(name: &[u8]) -> Option<&[u8]> {
    let first = usize::from(*name.first()?);
    if first == 0 { None } else { name.get(first + 1..) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    fn asked(lines: &[&str]) -> Asked {
        let lines = lines.iter().filter_map(|line| Line::parse(line).unwrap()).collect();
        Asked { lines, ..Asked::default() }
    }

    fn group(lines: &[&str]) -> Group {
        Group::new(&asked(lines)).unwrap()
    }

    fn written(group: &Group, indices: &[usize]) -> Vec<String> {
        indices.iter().map(|index| group.upstreams[*index].written.to_string()).collect()
    }

    fn check(group: &Group, name: &str, kind: u16, expected: &[&str]) {
        let set = &group.sets[group.set_for(Name::parse(name).unwrap().wire(), kind)];
        assert_eq!(written(group, &set.main), expected, "{name}");
    }

    #[test]
    fn the_most_specific_domain_wins() {
        let group = group(&[
            "9.9.9.9",
            "[/corp.example/lan/]10.0.0.1 10.0.0.2",
            "[/*.corp.example/]10.0.0.3",
            "[/public.corp.example/]#",
            "[/deep.public.corp.example/]10.0.0.4",
            "[//]10.0.0.5",
            "[/lan/]10.0.0.6",
            "[/*.only.example/]10.0.0.7",
            "[/both.example/]10.0.0.8 #",
        ]);
        check(&group, "example.org", 1, &["9.9.9.9"]);
        check(&group, "corp.example", 1, &["10.0.0.1", "10.0.0.2"]);
        check(&group, "a.b.corp.example", 1, &["10.0.0.3"]);
        check(&group, "notcorp.example", 1, &["9.9.9.9"]);
        check(&group, "a.public.corp.example", 1, &["9.9.9.9"]);
        check(&group, "a.deep.public.corp.example", 1, &["10.0.0.4"]);
        check(&group, "printer", 1, &["10.0.0.5"]);
        check(&group, "lan", 1, &["10.0.0.1", "10.0.0.2", "10.0.0.6"]);
        check(&group, "printer.lan", 1, &["10.0.0.1", "10.0.0.2", "10.0.0.6"]);
        check(&group, "only.example", 1, &["9.9.9.9"]);
        check(&group, "a.only.example", 1, &["10.0.0.7"]);
        check(&group, "both.example", 1, &["10.0.0.8", "9.9.9.9"]);
        assert_eq!(group.set_for(&[0], 2), DEFAULT, "the root");
    }

    #[test]
    fn a_delegation_is_asked_of_those_above() {
        let group = group(&["9.9.9.9", "[/corp.example/]10.0.0.1"]);
        check(&group, "corp.example", DS, &["9.9.9.9"]);
        check(&group, "a.corp.example", DS, &["10.0.0.1"]);
        assert_eq!(group.set_for(&[0], DS), DEFAULT);
    }

    #[test]
    fn encrypted_ones_are_never_replaced_by_plain_ones() {
        let mut own = asked(&["9.9.9.9", "tls://dns.example", "[/lan/]10.0.0.1"]);
        own.fallback = vec![Upstream::parse("1.1.1.1").unwrap(), Upstream::parse("https://1.1.1.2").unwrap()];
        let group = Group::new(&own).unwrap();
        check(&group, "example.org", 1, &["tls://dns.example"]);
        assert_eq!(written(&group, &group.sets[DEFAULT].fallback), ["https://1.1.1.2"]);
        check(&group, "a.lan", 1, &["10.0.0.1"]);
        assert_eq!(group.never_asked(), ["9.9.9.9".into(), "1.1.1.1".into()]);
        assert_eq!(written(&group, &group.sets[FOR_NAMES].main), ["9.9.9.9"], "names are looked up there");
    }

    #[test]
    fn what_is_under_a_domain_does_not_fall_back() {
        let mut own = asked(&["9.9.9.9", "[/lan/]10.0.0.1", "[/a.example/]#"]);
        own.fallback = vec![Upstream::parse("1.1.1.1").unwrap()];
        let group = Group::new(&own).unwrap();
        let fallback = |name: &str| {
            let set = &group.sets[group.set_for(Name::parse(name).unwrap().wire(), 1)];
            written(&group, &set.fallback)
        };
        assert_eq!(fallback("example.org"), ["1.1.1.1"]);
        assert_eq!(fallback("b.a.example"), ["1.1.1.1"]);
        assert_eq!(fallback("a.lan"), [""; 0]);
        assert_eq!(group.never_asked(), []);
    }

    #[test]
    fn names_of_name_servers_are_looked_up_somewhere() {
        let names = |own: &Asked| {
            let group = Group::new(own).unwrap();
            written(&group, &group.sets[FOR_NAMES].main)
        };
        assert_eq!(names(&asked(&["tls://dns.quad9.net"])), ["9.9.9.9", "1.1.1.1"]);
        assert_eq!(names(&asked(&["tls://dns.quad9.net", "10.0.0.1", "router.lan"])), ["10.0.0.1"]);
        assert_eq!(names(&asked(&["tls://9.9.9.9", "10.0.0.1"])), [""; 0], "there are none");
        let mut own = asked(&["tls://dns.quad9.net", "10.0.0.1"]);
        own.bootstrap = vec![Upstream::parse("10.0.0.2").unwrap()];
        assert_eq!(names(&own), ["10.0.0.2"]);
        own.bootstrap = vec![Upstream::parse("tls://dns.quad9.net").unwrap()];
        let named = GroupFault::NamedBootstrap("tls://dns.quad9.net".into());
        assert_eq!(Group::new(&own).err(), Some(named));
    }
}
