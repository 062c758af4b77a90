//! The questions of `polis init`: what is proposed, what an answer means, and asking for one at a terminal.
//!
//! Every answer is a text, whether it comes from the command line, from a person or from what was found, and all of them
//! go the same way: read by the lab's own parsers, then checked together with what was answered before.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::net::IpAddr;

use lab::Options;
use lab::begin::{self, Answers, Names, Network, Wrong};
use lab::names::ZoneName;
use lab::value::{Address, Cidr};

use super::host::Host;

/// The name servers that are proposed, for a machine that reaches them over IPv4, and for one that only has IPv6.
pub(crate) const UPSTREAMS: [&str; 2] = ["9.9.9.9", "1.1.1.1"];
const UPSTREAMS_OF_IPV6: [&str; 2] = ["2620:fe::fe", "2606:4700:4700::1111"];
/// The longest answer, in bytes.
const LONGEST: u64 = 4096;
/// What a person writes for no zone.
const NONE: &str = "none";

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Name,
    Domain,
    Machine,
    Address,
    Zone,
    Gateway,
    Network,
    Upstreams,
    Timezone,
}

impl Question {
    pub(crate) const ALL: [Self; 9] = [
        Self::Name,
        Self::Domain,
        Self::Machine,
        Self::Address,
        Self::Zone,
        Self::Gateway,
        Self::Network,
        Self::Upstreams,
        Self::Timezone,
    ];

    /// The flag that answers it on the command line.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Name => "--name",
            Self::Domain => "--domain",
            Self::Machine => "--machine",
            Self::Address => "--address",
            Self::Zone => "--zone",
            Self::Gateway => "--gateway",
            Self::Network => "--cidr",
            Self::Upstreams => "--upstream",
            Self::Timezone => "--timezone",
        }
    }

    /// The question; none is asked whose answer follows from the others.
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::Name => "What is the lab called?",
            Self::Domain => "Under which domain are its names?",
            Self::Machine => "What is this machine called?",
            Self::Address => "At which address is it?",
            Self::Zone | Self::Gateway => return None,
            Self::Network => "In which network is that? (`none` for no zone)",
            Self::Upstreams => "Who is asked for names that are not the lab's?",
            Self::Timezone => "In which time zone is it?",
        })
    }

    /// What is said when there is no answer.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            Self::Machine => "this machine has no host name that could be its name in the lab",
            Self::Address => "this machine has no address in a network of the house",
            _ => "there is nothing to propose here",
        }
    }
}

/// What was said on the command line: what a flag was given, several times where it may be.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What the lab is called.
    pub name: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// What this machine is called.
    pub machine: Option<String>,
    /// Its addresses.
    pub address: Vec<String>,
    /// The name of the zone that it is in.
    pub zone: Option<String>,
    /// The networks of the zone.
    pub cidr: Vec<String>,
    /// The addresses of its router.
    pub gateway: Vec<String>,
    /// The name servers that the rest is asked of.
    pub upstream: Vec<String>,
    /// The time zone.
    pub timezone: Option<String>,
}

impl Said {
    /// What was said to a question; none if nothing was.
    pub(crate) fn to(&self, question: Question) -> Option<String> {
        let many = |all: &[String]| (!all.is_empty()).then(|| all.join(" "));
        match question {
            Question::Name => self.name.clone(),
            Question::Domain => self.domain.clone(),
            Question::Machine => self.machine.clone(),
            Question::Address => many(&self.address),
            Question::Zone => self.zone.clone(),
            Question::Gateway => many(&self.gateway),
            Question::Network => many(&self.cidr),
            Question::Upstreams => many(&self.upstream),
            Question::Timezone => self.timezone.clone(),
        }
    }
}

/// Whether a person sees what is proposed before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Asked,
    Assumed,
}

/// The answers so far.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) answers: Answers,
    /// What the zone will be called.
    zone: ZoneName,
    /// Its routers, where somebody said which; otherwise they follow from the networks.
    gateways: Vec<Address>,
}

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong { what: what.into(), help: None }
}

/// The words of an answer that may be several: with commas or spaces between them.
fn each<T>(text: &str, read: impl Fn(&str) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let all = words.map(read).collect::<Result<Vec<T>, Wrong>>()?;
    if all.is_empty() { Err(wrong("this is no answer")) } else { Ok(all) }
}

impl Draft {
    pub(crate) fn new() -> Result<Self, Wrong> {
        let (name, domain) = (begin::label("home")?, begin::domain("lab.home.arpa")?);
        let answers = Answers::of(name, domain, begin::machine("machine")?);
        Ok(Self { answers, zone: begin::zone("lan")?, gateways: Vec::new() })
    }

    /// What is proposed, given what was answered before; empty for nothing.
    pub(crate) fn proposal(&self, question: Question, host: &Host, consent: Consent) -> String {
        let answers = &self.answers;
        match question {
            Question::Name => answers.name.to_string(),
            Question::Domain => host.domain(consent).unwrap_or_else(|| match answers.name.as_str() {
                "home" => "lab.home.arpa".to_owned(),
                name => format!("{name}.home.arpa"),
            }),
            Question::Machine => host.machine().unwrap_or_default(),
            Question::Address => joined(&host.addresses()),
            Question::Zone if answers.machine.as_str() == "lan" => "home-lan".to_owned(),
            Question::Zone => "lan".to_owned(),
            Question::Gateway => NONE.to_owned(),
            Question::Network => {
                let nets = answers.addresses.iter().map(|own| host.network(own.0));
                match nets.collect::<Result<BTreeSet<_>, _>>() {
                    Ok(nets) if !nets.is_empty() => joined(&nets.into_iter().collect::<Vec<_>>()),
                    _ => NONE.to_owned(),
                }
            }
            Question::Upstreams => {
                let has_ipv4 =
                    answers.addresses.is_empty() || answers.addresses.iter().any(|own| own.0.is_ipv4());
                if has_ipv4 { joined(&UPSTREAMS) } else { joined(&UPSTREAMS_OF_IPV6) }
            }
            Question::Timezone => host.timezone().unwrap_or_else(|| "UTC".to_owned()),
        }
    }

    /// The draft with an answer.
    ///
    /// # Errors
    /// If the answer is wrong, by itself or with those before it.
    pub(crate) fn with(
        &self,
        question: Question,
        text: &str,
        host: &Host,
        options: &Options,
    ) -> Result<Self, Wrong> {
        let mut draft = self.clone();
        let answers = &mut draft.answers;
        match question {
            Question::Name => answers.name = begin::label(text)?,
            Question::Domain => answers.domain = begin::domain(text)?,
            Question::Machine => answers.machine = begin::machine(text)?,
            Question::Address => answers.addresses = each(text, address)?,
            Question::Zone => draft.zone = begin::zone(text)?,
            Question::Gateway if text == NONE => draft.gateways.clear(),
            Question::Gateway => draft.gateways = each(text, address)?,
            Question::Network if text == NONE => {
                answers.network = Network::LeftOut(no_zone(answers, host));
            }
            Question::Network => {
                let cidrs = each(text, begin::network)?;
                let gateways = match draft.gateways.as_slice() {
                    [] => gateways(&cidrs, host),
                    said => said.to_vec(),
                };
                // Addresses outside the networks are outside the zone: the check says so.
                answers.network = Network::Zone { name: draft.zone.clone(), cidrs, gateways };
            }
            Question::Upstreams => answers.names = Names::Here(each(text, begin::upstream)?),
            Question::Timezone => answers.timezone = begin::timezone(text)?,
        }
        match draft.answers.trouble(options) {
            Some(wrong) => Err(wrong),
            None => Ok(draft),
        }
    }
}

fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn address(text: &str) -> Result<Address, Wrong> {
    let address = begin::address(text)?;
    match address.0 {
        own if own.is_unspecified() || own.is_multicast() => {
            Err(wrong(format!("{own} is no machine's address")))
        }
        _ => Ok(address),
    }
}

/// Why there is no zone: because none could be proposed, or because it was chosen so.
fn no_zone(answers: &Answers, host: &Host) -> String {
    let nets: Result<Vec<_>, String> = answers.addresses.iter().map(|own| host.network(own.0)).collect();
    match nets {
        Err(why) => why,
        Ok(nets) if nets.is_empty() => "nothing is known of it yet".to_owned(),
        Ok(_) => "it was chosen so".to_owned(),
    }
}

/// The routers of the networks; none if each is at the first address, as everyone takes it to be.
fn gateways(cidrs: &[Cidr], host: &Host) -> Vec<Address> {
    let found: Vec<IpAddr> = cidrs.iter().map(|cidr| host.gateway(cidr.0)).collect();
    let is_first = found.iter().zip(cidrs).all(|(found, cidr)| *found == cidr.first_host());
    if is_first { Vec::new() } else { found.into_iter().map(Address).collect() }
}

/// Where a person is asked.
pub struct Talk<'t> {
    /// What the person writes.
    pub listen: &'t mut dyn BufRead,
    /// What the person reads.
    pub say: &'t mut dyn Write,
}

impl std::fmt::Debug for Talk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Talk")
    }
}

/// The person went away, or their terminal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl Talk<'_> {
    pub(crate) fn tell(&mut self, text: &str) -> Result<(), Gone> {
        self.say.write_all(text.as_bytes()).and_then(|()| self.say.flush()).map_err(|_| Gone)
    }

    /// A line; `Gone` at the end of what there is to read.
    fn hear(&mut self) -> Result<String, Gone> {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut *self.listen, LONGEST);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Err(Gone),
            Ok(_) => Ok(String::from_utf8_lossy(&line).trim().to_owned()),
        }
    }

    /// Asks until an answer is right. Enter takes what is proposed. None if the question is not asked.
    pub(crate) fn ask(
        &mut self,
        question: Question,
        proposal: &str,
        mut take: impl FnMut(&str) -> Result<Draft, Wrong>,
    ) -> Result<Option<Draft>, Gone> {
        let Some(words) = question.words() else { return Ok(None) };
        loop {
            match proposal {
                "" => self.tell(&format!("{words} "))?,
                _ => self.tell(&format!("{words} [{proposal}] "))?,
            }
            let answer = self.hear()?;
            let text = if answer.is_empty() { proposal } else { &answer };
            let taken = match text {
                "" => Err(wrong("there is nothing to propose: write an answer")),
                text => take(text),
            };
            match taken {
                Ok(draft) => return Ok(Some(draft)),
                Err(wrong) => self.tell(&format!("  {wrong}\n"))?,
            }
        }
    }
}
