//! What stands in `[dns]`: lines that say whom to ask, records, and times of the week.

use std::net::{IpAddr, SocketAddr};

use super::web::{Domain, Endpoint, Url, host_and_port};
use crate::read::{FromText, TextInfo, Wrong, text_keys, text_values};

text_values!(Upstream, UpstreamLine, RecordName, RecordText, Window);
text_keys!(RecordName);

/// A name server that queries are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    text: String,
    /// How it is spoken to.
    pub kind: UpstreamKind,
}

/// How a name server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamKind {
    /// In the clear, over UDP, and over TCP for what does not fit (RFC 1035).
    Plain(SocketAddr),
    /// In the clear, over TCP only.
    Tcp(SocketAddr),
    /// Over TLS (RFC 7858), at `host:port`; the name in its certificate, if it is not the host.
    Tls(Endpoint, Option<Domain>),
    /// Over HTTPS (RFC 8484).
    Https(Url),
}

impl UpstreamKind {
    /// Where it is asked in the clear; none under encryption.
    pub fn plain(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(at) | Self::Tcp(at) => Some(*at),
            Self::Tls(..) | Self::Https(_) => None,
        }
    }

    /// Its address, if that is what it is written with.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Plain(at) | Self::Tcp(at) => Some(at.ip()),
            Self::Tls(endpoint, _) => endpoint.host.parse().ok(),
            Self::Https(url) => url.host.parse().ok(),
        }
    }
}

impl FromText for Upstream {
    const INFO: TextInfo = TextInfo::new("a name server", "9.9.9.9", None);

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let kind = match text.split_once("://") {
            Some(("udp", rest)) => UpstreamKind::Plain(plain(rest)?),
            Some(("tcp", rest)) => UpstreamKind::Tcp(plain(rest)?),
            Some(("tls", rest)) => encrypted(rest)?,
            Some(("https", _)) => UpstreamKind::Https(Url::from_text(text)?),
            Some((scheme, _)) => {
                let wrong = Wrong::new(format!("there is no way to ask a name server over `{scheme}`"));
                return Err(wrong.help("write an address, `tls://NAME` or `https://NAME/dns-query`"));
            }
            None => UpstreamKind::Plain(plain(text)?),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whom to ask: a name server, or several for some domains only, in the grammar of AdGuard's upstream lines.
///
/// `[/corp.example/lan/]10.0.0.1 10.0.0.2` is for these domains and what is under them, `[/*.corp.example/]…` for what is
/// under it alone, `[//]…` for names without a point, and `#` instead of servers means those for everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamLine {
    text: String,
    /// The domains that it is for; none for everything.
    pub domains: Vec<ForDomain>,
    /// The servers; none for those that everything else is asked of.
    pub servers: Vec<Upstream>,
}

/// Which names a line is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForDomain {
    /// The domain and everything under it.
    Within(Domain),
    /// Only what is under it.
    Under(Domain),
    /// Names without a point.
    Unqualified,
}

impl ForDomain {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let domain = |text: &str| Domain::from_text(&text.to_ascii_lowercase());
        match text.strip_prefix("*.") {
            _ if text.is_empty() => Ok(Self::Unqualified),
            Some(rest) => domain(rest).map(Self::Under),
            None => domain(text).map(Self::Within),
        }
        .map_err(|wrong| Wrong::new(format!("`{text}` is no domain: {}", wrong.why)))
    }
}

impl FromText for UpstreamLine {
    const INFO: TextInfo =
        TextInfo::new("a name server, or `[/DOMAIN/]` and servers for it", "9.9.9.9", None);

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some(rest) = text.strip_prefix("[/") else {
            let server = Upstream::from_text(text)?;
            return Ok(Self { text: text.to_owned(), domains: Vec::new(), servers: vec![server] });
        };
        let Some((domains, servers)) = rest.split_once("/]") else {
            return Err(
                Wrong::new("the domains do not end with `/]`").help("write it like \"[/lan/]10.0.0.1\"")
            );
        };
        let domains: Result<Vec<ForDomain>, Wrong> = domains.split('/').map(ForDomain::parse).collect();
        let servers: Vec<&str> = servers.split_ascii_whitespace().collect();
        let servers: Result<Vec<Upstream>, Wrong> = match servers.as_slice() {
            [] => Err(Wrong::new("there is no server behind the domains")
                .help("write `#` for the servers of everything else")),
            ["#"] => Ok(Vec::new()),
            some => some.iter().map(|server| Upstream::from_text(server)).collect(),
        };
        Ok(Self { text: text.to_owned(), domains: domains?, servers: servers? })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

impl std::fmt::Display for UpstreamLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a server under encryption is reached: its name, and its address if that need not be looked up.
fn encrypted(text: &str) -> Result<UpstreamKind, Wrong> {
    let (rest, name) = match text.rsplit_once('#') {
        Some((rest, name)) => (rest, Some(name)),
        None => (text, None),
    };
    let name = name.map(|name| Domain::parse(name).ok_or_else(|| Wrong::new(format!("`{name}` is no name"))));
    let (host, port) = host_and_port(rest, 853)?;
    Ok(UpstreamKind::Tls(Endpoint { host, port }, name.transpose()?))
}

/// `ADDRESS` or `ADDRESS:PORT` of a plain server.
fn plain(text: &str) -> Result<SocketAddr, Wrong> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => Ok(SocketAddr::new(address, 53)),
        Err(_) => text.parse().map_err(|_| {
            Wrong::new("a name server is given by its address: its name could not be looked up")
        }),
    }
}

/// A record that is answered beside the names of the lab: its type and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordText {
    text: String,
    /// What it is.
    pub record: OwnRecord,
}

/// A name that records stand under, or `*.` and one. Its labels may begin with `_`, as those of services do (RFC 8552).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName(String);

impl RecordName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for RecordName {
    const INFO: TextInfo = TextInfo::new(
        "a DNS name, or `*.` and one",
        "_sip._tcp.lab.example.net",
        Some(r"^(\*\.)?_?[a-z0-9-]+(\._?[a-z0-9-]+)*$"),
    );

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let plain: Vec<&str> =
            text.split('.').map(|label| label.strip_prefix('_').unwrap_or(label)).collect();
        let plain = plain.join(".");
        Domain::from_text(plain.strip_prefix("*.").unwrap_or(&plain))
            .map_err(|wrong| Wrong { part: None, ..wrong })?;
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnRecord {
    /// An address, for `A` and `AAAA`.
    Address(IpAddr),
    /// Another name for the same thing.
    Alias(Domain),
    /// The name of an address.
    Pointer(Domain),
    /// Texts of at most 255 bytes each (RFC 1035 section 3.3.14).
    Texts(Vec<String>),
    /// Where mail goes: preference and host (RFC 1035 section 3.3.9).
    Mail(u16, Domain),
    /// Where a service is: priority, weight, port and host (RFC 2782).
    Service(u16, u16, u16, Domain),
}

const RECORD_FORMS: &str = "write \"A 10.0.0.1\", \"AAAA fd00::1\", \"CNAME other.example\", \"PTR host.example\", \"TXT some text\", \"MX 10 mail.example\" or \"SRV 0 5 5060 host.example\"";

impl FromText for RecordText {
    const INFO: TextInfo = TextInfo::new(
        "a type and what stands in it",
        "TXT v=spf1 -all",
        Some("^(A|AAAA|CNAME|PTR|TXT|MX|SRV) .+$"),
    );

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: String| Wrong::new(why).help(RECORD_FORMS);
        let (kind, rest) =
            text.split_once(' ').ok_or_else(|| wrong("there is nothing behind the type".to_owned()))?;
        let rest = rest.trim();
        let domain = |text: &str| {
            let name = text.trim_end_matches('.').to_ascii_lowercase();
            Domain::from_text(&name).map_err(|why| wrong(format!("`{text}` is no name: {}", why.why)))
        };
        let number = |text: &str| {
            text.parse::<u16>().map_err(|_| wrong(format!("`{text}` is not a number from 0 to 65535")))
        };
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let address = || rest.parse::<IpAddr>().map_err(|_| wrong(format!("`{rest}` is no address")));
        let record = match (kind, words.as_slice()) {
            ("A" | "AAAA", _) => OwnRecord::Address(address()?),
            ("CNAME", [name]) => OwnRecord::Alias(domain(name)?),
            ("PTR", [name]) => OwnRecord::Pointer(domain(name)?),
            ("TXT", [_, ..]) => OwnRecord::Texts(texts(rest)?),
            ("MX", [preference, host]) => OwnRecord::Mail(number(preference)?, domain(host)?),
            ("SRV", [priority, weight, port, host]) => {
                OwnRecord::Service(number(priority)?, number(weight)?, number(port)?, domain(host)?)
            }
            ("CNAME" | "PTR" | "TXT" | "MX" | "SRV", _) => {
                return Err(wrong(format!("this is not what stands in a record of type {kind}")));
            }
            _ => return Err(wrong(format!("there is no type `{kind}` here"))),
        };
        let fits = match (&record, kind) {
            (OwnRecord::Address(address), kind) => address.is_ipv4() == (kind == "A"),
            _ => true,
        };
        if !fits {
            return Err(wrong(format!("`{rest}` is an address of the other kind")));
        }
        Ok(Self { text: text.to_owned(), record })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

/// The parts of a text record: what stands in quotes, or all of it, cut where a part would be too long.
fn texts(text: &str) -> Result<Vec<String>, Wrong> {
    const LONGEST: usize = 255;
    const MOST: usize = 4096;
    if text.len() > MOST || !text.is_ascii() {
        return Err(Wrong::new(format!("a text record has at most {MOST} characters of ASCII here")));
    }
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let parts: Vec<&str> = match quoted {
        Some(inner) => inner.split("\" \"").collect(),
        None => vec![text],
    };
    let cut = |part: &str| -> Vec<String> {
        part.as_bytes().chunks(LONGEST).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect()
    };
    Ok(parts.into_iter().flat_map(cut).collect())
}

/// A time that comes back every week: `mon-fri 21:00-07:00`, which goes on after midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    text: String,
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
    /// When it begins, in minutes after midnight.
    pub from: u16,
    /// When it is over: at or before `from`, on the next day. 1440 is midnight at the end of the day.
    pub to: u16,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 1440;

impl Window {
    /// Whether it holds on a day of the week (Monday is 0) at a minute of it.
    pub fn holds(&self, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
    }
}

impl FromText for Window {
    const INFO: TextInfo = TextInfo::new("days and times", "mon-fri 21:00-07:00", None);

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let form = "write it like \"mon-fri 21:00-07:00\", \"sat,sun 22:00-08:00\" or \"daily 12:00-13:00\"";
        let wrong = |why: String| Wrong::new(why).help(form);
        let (days, times) =
            text.split_once(' ').ok_or_else(|| wrong("it has no days or no times".to_owned()))?;
        let (from, to) = times
            .trim()
            .split_once('-')
            .ok_or_else(|| wrong("the times have no `-` between them".to_owned()))?;
        let from = minute(from)
            .filter(|from| *from < DAY_MINUTES)
            .ok_or_else(|| wrong(format!("`{from}` is no time of day")))?;
        let to = minute(to)
            .filter(|to| *to > 0)
            .ok_or_else(|| wrong(format!("`{to}` is no time to end at: midnight is 24:00")))?;
        Ok(Self { text: text.to_owned(), days: week(days).map_err(wrong)?, from, to })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// `07:30` in minutes after midnight, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() <= 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|all| *all <= DAY_MINUTES)
}

/// `mon-fri,sun` or `daily`.
fn week(text: &str) -> Result<[bool; 7], String> {
    if text == "daily" {
        return Ok([true; 7]);
    }
    let day = |text: &str| {
        DAYS.iter()
            .position(|day| *day == text)
            .ok_or_else(|| format!("`{text}` is no day: they are {}", DAYS.join(", ")))
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        for number in first..=first + length {
            days.iter_mut().skip(number % 7).take(1).for_each(|day| *day = true);
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_how_they_are_spoken_to() {
        for text in [
            "9.9.9.9",
            "9.9.9.9:5353",
            "[2620:fe::fe]:5353",
            "udp://9.9.9.9",
            "tcp://9.9.9.9:53",
            "tls://dns.quad9.net",
            "tls://9.9.9.9:853#dns.quad9.net",
            "https://dns.quad9.net/dns-query",
        ] {
            assert_eq!(Upstream::from_text(text).unwrap().to_text(), text);
        }
        let name = Domain::parse("dns.quad9.net");
        let tls = Upstream::from_text("tls://9.9.9.9#dns.quad9.net").unwrap().kind;
        assert_eq!(tls, UpstreamKind::Tls(Endpoint { host: "9.9.9.9".to_owned(), port: 853 }, name));
        let wrong = Upstream::from_text("dns.quad9.net").unwrap_err();
        assert_eq!(wrong.why, "a name server is given by its address: its name could not be looked up");
        assert!(Upstream::from_text("h3://dns.example/dns-query").unwrap_err().why.contains("`h3`"));
    }

    #[test]
    fn lines_for_domains() {
        let line =
            UpstreamLine::from_text("[/corp.example/*.Dev.example//]10.0.0.1 tls://dns.example").unwrap();
        let domain = |text| Domain::parse(text).unwrap();
        let expected = [
            ForDomain::Within(domain("corp.example")),
            ForDomain::Under(domain("dev.example")),
            ForDomain::Unqualified,
        ];
        assert_eq!(line.domains, expected);
        assert_eq!(line.servers.len(), 2);
        assert!(UpstreamLine::from_text("[/corp.example/]#").unwrap().servers.is_empty());
        for text in
            ["[/corp.example]10.0.0.1", "[/corp.example/]", "[/a b/]10.0.0.1", "[/a/]sdns://x", "dns.example"]
        {
            assert!(UpstreamLine::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn records_of_every_type() {
        for text in [
            "A 10.0.0.1",
            "AAAA fd00::1",
            "CNAME other.example",
            "PTR host.example",
            "TXT v=spf1 -all",
            "TXT \"one\" \"two\"",
            "MX 10 mail.example",
            "SRV 0 5 5060 pbx.example",
        ] {
            assert_eq!(RecordText::from_text(text).unwrap().to_text(), text);
        }
        for text in [
            "A fd00::1",
            "AAAA 10.0.0.1",
            "MX mail.example",
            "SRV 0 5 pbx",
            "NS a.example",
            "TXT",
            "MX 70000 a.example",
        ] {
            assert!(RecordText::from_text(text).is_err(), "{text}");
        }
        let long = format!("TXT {}", "x".repeat(300));
        let OwnRecord::Texts(parts) = RecordText::from_text(&long).unwrap().record else { panic!() };
        assert_eq!(parts.iter().map(String::len).collect::<Vec<_>>(), [255, 45]);
    }

    #[test]
    fn windows_go_over_midnight_and_over_the_week() {
        let window = |text| Window::from_text(text).unwrap();
        let evening = window("mon-fri 21:00-07:00");
        assert!(evening.holds(0, 21 * 60) && evening.holds(5, 6 * 60 + 59));
        assert!(!evening.holds(0, 6 * 60) && !evening.holds(5, 7 * 60) && !evening.holds(5, 22 * 60));
        let week_end = window("sat-mon 00:00-24:00");
        assert!(week_end.holds(6, 0) && week_end.holds(0, 1439) && !week_end.holds(1, 0));
        assert!(window("sun 23:00-01:00").holds(0, 30));
        for text in
            ["mon 7-8", "mon", "someday 07:00-08:00", "mon 24:00-01:00", "mon 07:00-00:00", "mon 07:60-08:00"]
        {
            assert!(Window::from_text(text).is_err(), "{text}");
        }
    }
}
