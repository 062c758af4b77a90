//! The first lab of a machine: a few answers as a small lab file with comments.
//!
//! [`Answers::text`] is that file, for `polis init`. Nothing is found out here and nothing is asked: the functions that
//! read one answer say what is wrong with it in the words that `polis check` has for it, and [`Answers::trouble`] says what
//! is wrong with all of them together.
//!
//! ```
//! use lab::begin::{self, Answers, Names, Network};
//! let (name, domain) = (begin::label("home").unwrap(), begin::domain("lab.home.arpa").unwrap());
//! let mut answers = Answers::of(name, domain, begin::machine("naxos").unwrap());
//! answers.addresses = vec![begin::address("192.168.1.10").unwrap()];
//! answers.network = Network::Zone {
//!     name: begin::zone("lan").unwrap(),
//!     cidrs: vec![begin::network("192.168.1.0/24").unwrap()],
//!     gateways: Vec::new(),
//! };
//! answers.names = Names::Here(vec![begin::upstream("9.9.9.9").unwrap()]);
//! assert!(answers.trouble(&lab::Options::at("2026-11-24")).is_none());
//! assert!(answers.text().contains("[machines.naxos]"));
//! ```

use std::fmt::Write as _;

use crate::check::{Options, check};
use crate::fault::Fault;
use crate::names::{Label, MachineName, ZoneName};
use crate::print::Toml;
use crate::read::{FromText, MapKey, Reader, read_text_key};
use crate::source::{FileId, Folder, Span};
use crate::value::{Address, Cidr, Domain, PublicKey, TimeZoneName, Upstream};

/// The file that they become.
pub const FILE: &str = "lab.toml";
/// The site that the machine stands in.
const SITE: &str = "home";

/// What the first lab says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// What the lab is called.
    pub name: Label,
    /// Where its names live.
    pub domain: Domain,
    /// The zone of its civil times.
    pub timezone: TimeZoneName,
    /// This machine.
    pub machine: MachineName,
    /// Its addresses: one of IPv4, one of IPv6, or both.
    pub addresses: Vec<Address>,
    /// The public half of its key pair, if it has one already.
    pub key: Option<PublicKey>,
    /// The network that it is in.
    pub network: Network,
    /// Whether it answers names.
    pub names: Names,
    /// Why ports 80 and 443 can not be had, if they can not.
    pub web_taken: Option<String>,
}

/// The network of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// It is a zone of the lab.
    Zone {
        /// Its name.
        name: ZoneName,
        /// One of IPv4, one of IPv6, or both.
        cidrs: Vec<Cidr>,
        /// The router's address in each; none if it is the first of each.
        gateways: Vec<Address>,
    },
    /// It is none for now, for this reason.
    LeftOut(String),
}

/// Whether the machine answers names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// It does, and asks these servers for what is not the lab's.
    Here(Vec<Upstream>),
    /// It does not for now.
    LeftOut {
        /// Whom it would ask.
        upstreams: Vec<Upstream>,
        /// Why not.
        why: String,
        /// What to do so that it can.
        help: String,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", .help.as_ref().map(|help| format!(": {help}")).unwrap_or_default())]
pub struct Wrong {
    /// What is wrong, and why.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Wrong {
    fn of(fault: &Fault) -> Self {
        let label = fault.places.first().map(|place| place.label.as_str()).filter(|label| !label.is_empty());
        let what = match label {
            Some(label) => format!("{}: {label}", fault.title),
            None => fault.title.clone(),
        };
        Self { what, help: fault.help.first().cloned() }
    }
}

fn read<T>(read: impl FnOnce(Span, &mut Reader) -> Option<T>) -> Result<T, Wrong> {
    let mut reader = Reader::default();
    let value = read(Span::new(FileId::FIRST, 0..0), &mut reader);
    value.ok_or_else(|| match reader.faults.iter().next() {
        Some(fault) => Wrong::of(fault),
        None => Wrong { what: "this is no answer".to_owned(), help: None },
    })
}

fn name<N: MapKey>(text: &str) -> Result<N, Wrong> {
    read(|span, reader| N::read_key(text, span, reader))
}

fn value<T: FromText>(text: &str) -> Result<T, Wrong> {
    read(|span, reader| read_text_key(text, span, reader))
}

/// Reads the name of a lab.
///
/// # Errors
/// If it can not be one.
pub fn label(text: &str) -> Result<Label, Wrong> {
    name(text)
}

/// Reads the name of a machine.
///
/// # Errors
/// If it can not be one.
pub fn machine(text: &str) -> Result<MachineName, Wrong> {
    name(text)
}

/// Reads the name of a zone.
///
/// # Errors
/// If it can not be one.
pub fn zone(text: &str) -> Result<ZoneName, Wrong> {
    name(text)
}

/// Reads a domain.
///
/// # Errors
/// If it can not be one.
pub fn domain(text: &str) -> Result<Domain, Wrong> {
    value(text)
}

/// Reads the name of a time zone.
///
/// # Errors
/// If there is none of that name.
pub fn timezone(text: &str) -> Result<TimeZoneName, Wrong> {
    value(text)
}

/// Reads an address.
///
/// # Errors
/// If it is none.
pub fn address(text: &str) -> Result<Address, Wrong> {
    value(text)
}

/// Reads a network.
///
/// # Errors
/// If it is none.
pub fn network(text: &str) -> Result<Cidr, Wrong> {
    value(text)
}

/// Reads a name server.
///
/// # Errors
/// If it is none.
pub fn upstream(text: &str) -> Result<Upstream, Wrong> {
    value(text)
}

/// Reads a public key.
///
/// # Errors
/// If it is none.
pub fn key(text: &str) -> Result<PublicKey, Wrong> {
    value(text)
}

impl Answers {
    /// Those of a lab that knows nothing yet but the names of itself and of the machine.
    pub fn of(name: Label, domain: Domain, machine: MachineName) -> Self {
        Self {
            name,
            domain,
            timezone: TimeZoneName::utc(),
            machine,
            addresses: Vec::new(),
            key: None,
            network: Network::LeftOut("nothing is known of it yet".to_owned()),
            names: Names::LeftOut {
                upstreams: Vec::new(),
                why: "nobody has asked for it yet".to_owned(),
                help: "take the `#` away".to_owned(),
            },
            web_taken: None,
        }
    }

    /// What is wrong with the lab that they make, if anything is: the first fault that `polis check` would show. A warning is
    /// trouble too, because nobody has chosen anything yet that it could be the price of.
    pub fn trouble(&self, options: &Options) -> Option<Wrong> {
        let checked = check(Folder::from_texts([(FILE, self.text())]), options);
        checked.faults.iter().next().map(Wrong::of)
    }

    /// The lab file.
    pub fn text(&self) -> String {
        let mut text = self.head();
        text.push_str(&self.zones());
        text.push_str(&self.own_machine());
        text.push_str(&self.name_servers());
        text.push_str(&self.to_come());
        text
    }

    fn head(&self) -> String {
        let (name, domain) = (quoted(&self.name), quoted(&self.domain));
        let timezone = quoted(self.timezone.as_str());
        let why = match self.domain.as_str().ends_with("home.arpa") {
            true => {
                "Names under home.arpa are for homes (RFC 8375); with a domain that you own, certificates can be had"
            }
            false => "The names of machines and apps are under it",
        };
        format!(
            "# A lab: what is true of it stands here, and everything else follows from that.\n\
             # `polis check` says what is wrong with it, `polis explain KEY` what a key means and where it is said.\n\
             \n\
             [lab]\n\
             name = {name}\n\
             # {why}.\n\
             domain = {domain}\n\
             timezone = {timezone}\n\
             \n\
             # Houses, and data centres of providers.\n\
             [sites]\n\
             {SITE} = {{}}\n"
        )
    }

    fn zones(&self) -> String {
        let intro = "\n# Networks. What a zone may open in another one, its row in [policy] says.\n";
        match &self.network {
            Network::Zone { name, cidrs, gateways } => {
                let mut zone = vec![
                    ("site".to_owned(), Toml::Text(SITE.to_owned())),
                    ("cidr".to_owned(), one_or_many(cidrs)),
                ];
                if !gateways.is_empty() {
                    zone.push(("gateway".to_owned(), one_or_many(gateways)));
                }
                format!("{intro}[zones]\n{name} = {}\n", Toml::Table(zone).inline())
            }
            Network::LeftOut(why) => {
                let example = format!("[zones]\nlan = {{ site = \"{SITE}\", cidr = \"192.168.1.0/24\" }}\n");
                format!("{intro}{}{}", remark(&format!("There is none yet: {why}.")), off(&example))
            }
        }
    }

    fn own_machine(&self) -> String {
        let mut text = format!("\n# This machine.\n[machines.{}]\n", self.machine);
        if !self.addresses.is_empty() {
            text.push_str("# It has to stay the same: set it on the machine, or reserve it on the router.\n");
            let _ = writeln!(text, "address = {}", one_or_many(&self.addresses).inline());
        }
        match &self.key {
            Some(key) => {
                let _ = writeln!(text, "# The public half of its key pair: other machines know it by this.");
                let _ = writeln!(text, "key = {}", quoted(key));
            }
            None => text.push_str(
                "# `polis machine key` makes its key pair, and prints the line that belongs here.\n",
            ),
        }
        text
    }

    fn name_servers(&self) -> String {
        let table = |upstreams: &[Upstream]| {
            let upstreams = Toml::List(upstreams.iter().map(|one| Toml::Text(one.to_string())).collect());
            format!("[dns]\non = {}\nupstreams = {}\n", quoted(self.machine.as_str()), upstreams.inline())
        };
        let intro =
            "\n# The name server: it answers the names of the lab, and asks the upstreams for all others.\n";
        match &self.names {
            Names::Here(upstreams) => format!("{intro}{}", table(upstreams)),
            Names::LeftOut { upstreams, why, help } => {
                let reason =
                    remark(&format!("Left out, because {why}.")) + &remark(&format!("What to do: {help}."));
                format!("{intro}{reason}{}", off(&table(upstreams)))
            }
        }
    }

    /// What a lab goes on with: it is part of the lab once the `#` is taken away.
    fn to_come(&self) -> String {
        let on = quoted(self.machine.as_str());
        let web = match &self.web_taken {
            None => "Ports 80 and 443 are free for it".to_owned(),
            Some(why) => format!("Its ports can not be had here yet: {why}"),
        };
        [
            "\n",
            "# What may come next. To make it part of the lab, take away the `#` in front of its lines.\n",
            "# `polis coverage` says what is missing, and docs/lab-file.md has every table.\n",
            "\n# People: the name is what they log in with.\n",
            &off("[people]\nme = { groups = [\"admins\"] }\n"),
            "\n# The proxy in front of apps. This version plans it and does not run it yet.\n",
            &remark(&format!("{web}.")),
            &off(&format!("[proxy]\non = {on}\n")),
            "\n# An app: its machine, and the port that it answers at there.\n",
            &off(&format!(
                "[apps.wiki]\non = {on}\nserve = {{ port = 3000, login = \"own\" }}\nbackup = \"none\"\n"
            )),
        ]
        .concat()
    }
}

fn quoted(text: &(impl std::fmt::Display + ?Sized)) -> String {
    Toml::Text(text.to_string()).inline()
}

fn one_or_many<T: ToString>(values: &[T]) -> Toml {
    match values {
        [one] => Toml::Text(one.to_string()),
        many => Toml::List(many.iter().map(|value| Toml::Text(value.to_string())).collect()),
    }
}

/// A line of words. A comment has no control characters (TOML 1.0), and the name of a program may have some.
fn remark(words: &str) -> String {
    let clean: String = words.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("# {clean}\n")
}

/// Lines of the lab file that are not part of it yet.
fn off(lines: &str) -> String {
    lines.lines().map(|line| format!("#{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given() -> Answers {
        let mut answers =
            Answers::of(label("home").unwrap(), domain("lab.home.arpa").unwrap(), machine("naxos").unwrap());
        answers.addresses = vec![address("192.168.1.10").unwrap()];
        answers.network = zone_of("lan", &["192.168.1.0/24"], &[]);
        answers.names = Names::Here(vec![upstream("9.9.9.9").unwrap(), upstream("1.1.1.1").unwrap()]);
        answers.timezone = timezone("Europe/Athens").unwrap();
        answers
    }

    fn zone_of(name: &str, cidrs: &[&str], gateways: &[&str]) -> Network {
        Network::Zone {
            name: zone(name).unwrap(),
            cidrs: cidrs.iter().map(|cidr| network(cidr).unwrap()).collect(),
            gateways: gateways.iter().map(|gateway| address(gateway).unwrap()).collect(),
        }
    }

    fn options() -> Options {
        Options { runs: &[crate::model::ServiceName::Dns], ..Options::at("2026-11-24") }
    }

    /// Everything that a check says of a text, as codes and titles.
    fn said(text: &str) -> Vec<String> {
        let checked = check(Folder::from_texts([(FILE, text)]), &options());
        assert_eq!(checked.usable().is_some(), checked.faults.errors() == 0);
        checked.faults.iter().map(|fault| format!("{:?} {}", fault.code, fault.title)).collect()
    }

    /// The text with everything that is not part of the lab yet.
    fn whole(text: &str) -> String {
        let on = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(on).collect()
    }

    #[test]
    fn the_text_reads_well() {
        insta::assert_snapshot!("first_lab", given().text());
        let mut answers = given();
        answers.network =
            Network::LeftOut("203.0.113.7 is a public address, and its network is others' too".to_owned());
        answers.names = Names::LeftOut {
            upstreams: vec![upstream("9.9.9.9").unwrap()],
            why: "port 53 at 203.0.113.7 is taken by dnsmasq".to_owned(),
            help: "stop it".to_owned(),
        };
        answers.key = Some(key(&format!("ssh-ed25519 {}", "A".repeat(68))).unwrap());
        answers.web_taken = Some("nginx has port 80".to_owned());
        insta::assert_snapshot!("first_lab_with_less", answers.text());
    }

    #[test]
    fn nothing_is_wrong_with_it_nor_with_what_may_come_next() {
        let mut answers = given();
        assert_eq!(said(&answers.text()), Vec::<String>::new());
        let all = said(&whole(&answers.text()));
        assert_eq!(all, ["NotRunYet this version checks and plans, and does not run yet: proxy"]);
        answers.names = Names::LeftOut {
            upstreams: vec![upstream("9.9.9.9").unwrap()],
            why: "it is\ntaken by \u{7}".to_owned(),
            help: "stop it".to_owned(),
        };
        assert_eq!(said(&answers.text()), Vec::<String>::new());
        assert_eq!(said(&whole(&answers.text())), all);
        answers.network = Network::LeftOut("nothing is known".to_owned());
        answers.addresses.clear();
        assert_eq!(said(&answers.text()), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_check() {
        let wrong = |wrong: Wrong| wrong.to_string();
        assert_eq!(
            machine("Naxos_1").map_err(wrong),
            Err("`Naxos_1` can not be a name: names are written in lower case: write `naxos-1`".to_owned())
        );
        let words =
            "`dns` can not be a name: rules and sentences keep this word for themselves: take another name";
        assert_eq!(machine("dns").map_err(wrong), Err(words.to_owned()));
        assert!(label("dns").is_ok());
        assert!(address("10.0.0.256").unwrap_err().what.ends_with("256 is above 255"));
        assert!(network("10.0.0.1/24").unwrap_err().to_string().contains("the network is \"10.0.0.0/24\""));
        assert!(timezone("Athens").unwrap_err().to_string().contains("did you mean `Europe/Athens`?"));
        assert!(upstream("dns.quad9.net").unwrap_err().what.contains("given by its address"));
    }

    #[test]
    fn answers_that_do_not_fit_together_are_trouble() {
        let trouble = |change: fn(&mut Answers)| {
            let mut answers = given();
            change(&mut answers);
            answers.trouble(&options()).map(|wrong| wrong.what).unwrap_or_default()
        };
        assert_eq!(trouble(|_| {}), "");
        assert!(trouble(|own| own.domain = domain("x.local").unwrap()).contains("belongs to multicast DNS"));
        assert!(trouble(|own| own.addresses = vec![address("10.0.0.1").unwrap()]).contains("is in no zone"));
        assert!(
            trouble(|own| own.addresses = vec![address("192.168.1.1").unwrap()]).contains("is the gateway")
        );
        assert!(
            trouble(|own| own.network = zone_of("naxos", &["192.168.1.0/24"], &[])).contains("also the name")
        );
        assert!(
            trouble(|own| own.names = Names::Here(vec![upstream("192.168.1.10").unwrap()]))
                .contains("ask itself")
        );
    }

    fn any_name() -> impl Strategy<Value = String> {
        "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?".prop_filter("a name", |text| machine(text).is_ok())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// A host in a network of any size, with any names: no faults at all.
        #[test]
        fn every_lab_that_begins_is_one(
            names in (any_name(), any_name(), any_name(), any_name()),
            host in any::<u32>(),
            length in 8..=29_u8,
            why in any::<String>(),
            shape in 0..6_u8,
        ) {
            let mut answers = Answers::of(label(&names.0).unwrap(), domain(&format!("{}.home.arpa", names.1)).unwrap(), machine(&names.2).unwrap());
            let net = ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(host), length).unwrap().trunc();
            let own = net.hosts().nth(2 + usize::try_from(host % 4).unwrap()).unwrap_or(net.hosts().last().unwrap());
            let six = shape % 2 == 0;
            answers.addresses = vec![Address(own.into())];
            let mut cidrs = vec![Cidr(net.into())];
            if six {
                answers.addresses.push(address("fd00:1::5").unwrap());
                cidrs.push(network("fd00:1::/64").unwrap());
            }
            let zone_name = if names.3 == names.2 { "lan".to_owned() } else { names.3 };
            prop_assume!(zone_name != names.2);
            if shape < 4 {
                let gateways = if shape == 0 { vec![Address(net.hosts().next().unwrap().into())] } else { Vec::new() };
                answers.network = Network::Zone { name: zone(&zone_name).unwrap(), cidrs, gateways };
            } else {
                answers.network = Network::LeftOut(why.clone());
            }
            let upstreams = vec![upstream("[2620:fe::fe]:53").unwrap(), upstream("9.9.9.9").unwrap()];
            answers.names = match shape {
                0 | 2 | 4 => Names::Here(upstreams),
                _ => Names::LeftOut { upstreams, why: why.clone(), help: why },
            };
            prop_assume!(own.to_string() != "9.9.9.9");
            prop_assert_eq!(answers.trouble(&options()), None);
            prop_assert_eq!(said(&answers.text()), Vec::<String>::new());
        }
    }
}
