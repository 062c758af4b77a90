//! Lines that say which name servers are asked for what, in AdGuard's grammar. Pure: text in, a value or a fault
//! that says what to do out. Nothing is looked up here.
//!
//! ```
//! use dns::upstream::Line;
//! let line = Line::parse("[/corp.example/lan/]10.0.0.1 tls://10.0.0.2#dns.corp.example").unwrap().unwrap();
//! assert_eq!((line.domains.len(), line.targets.len()), (2, 2));
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::wire::Name;

/// The longest line, in bytes: there are lists with some thousand domains in one.
const MAX_LINE: usize = 64 << 10;
/// The longest path of an address of DoH, in bytes.
const MAX_PATH: usize = 256;

/// How questions are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams, and connections for what does not fit (RFC 1035 section 4.2).
    Udp,
    /// Connections only (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS, in HTTP/2 (RFC 8484).
    Https,
}

impl Transport {
    /// Whether nobody on the way can read what is asked, or change what is said.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }

    /// The port when none is written: 53, 853 (RFC 7858 section 3.1) or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

/// Where a name server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// At this address.
    Address(IpAddr),
    /// At the addresses of this name, in lower case without a point at the end: bootstrap servers know them.
    Name(Arc<str>),
}

/// A name server that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// As it is written; what it is called on pages and in faults.
    pub written: Arc<str>,
    /// How it is asked.
    pub transport: Transport,
    /// Where it is.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The name that its certificate has to be for, where that is not its host: `tls://9.9.9.9#dns.quad9.net`.
    pub certificate: Option<Arc<str>>,
    /// The path of DoH with the query, from its `/` on; empty for the others.
    pub path: Arc<str>,
}

/// What a line sends questions to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This name server.
    Upstream(Upstream),
    /// `#`: those that are asked for everything else.
    Default,
}

/// Which names a line is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `/a/`: this name and all under it; in its wire form, lower case.
    From(Box<[u8]>),
    /// `/*.a/`: all under this name, but not itself.
    Under(Box<[u8]>),
    /// `//`: names of a single label.
    Unqualified,
}

/// A line: what is asked of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The names that it is for; empty if for all that no other line is for.
    pub domains: Vec<Domain>,
    /// Who is asked, in the order in which it is written.
    pub targets: Vec<Target>,
}

/// What is wrong with a line, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The line is longer than 64 KiB.
    #[error("the line has {0} bytes: the most are {MAX_LINE}, write several lines")]
    TooLong(usize),
    /// `[/` without `/]`.
    #[error("`[/` has no `/]`: write [/corp.example/]10.0.0.1")]
    OpenDomains,
    /// A domain that is none.
    #[error("`{0}` is no domain: write [/corp.example/] or [/*.corp.example/]")]
    Domain(String),
    /// Nobody is named.
    #[error("no name server is named: write its address behind `/]`, or `#` for those of everything else")]
    NoTarget,
    /// `#` in a line without domains.
    #[error("`#` means the name servers of everything else, so it needs domains: [/public.corp.example/]#")]
    DefaultOfAll,
    /// A scheme that is known, and that Polis does not speak.
    #[error("`{scheme}://` is not spoken: write {instead}")]
    NotSpoken {
        /// What stands before `://`.
        scheme: String,
        /// What to write.
        instead: &'static str,
    },
    /// A host that is neither an address nor a name.
    #[error("`{0}` is neither an address nor a name: write 9.9.9.9, [2620:fe::fe]:53 or tls://dns.quad9.net")]
    Host(String),
    /// A port that is none.
    #[error("`{0}` is no port: one from 1 to 65535")]
    Port(String),
    /// A name behind `#` that is none, or that has no use.
    #[error(
        "`#{0}` is not the name of a certificate: only tls:// and https:// have one, tls://9.9.9.9#dns.quad9.net"
    )]
    Certificate(String),
    /// A path where there is none, or one that can not be sent.
    #[error("`{0}` is no path of https://: write https://dns.quad9.net/dns-query")]
    Path(String),
}

impl Line {
    /// Reads a line; none if it is empty or a comment.
    pub fn parse(text: &str) -> Result<Option<Self>, LineFault> {
        if text.len() > MAX_LINE {
            return Err(LineFault::TooLong(text.len()));
        }
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', '!']) {
            return Ok(None);
        }
        let (domains, rest) = match text.strip_prefix("[/") {
            Some(rest) => {
                let (inside, rest) = rest.split_once("/]").ok_or(LineFault::OpenDomains)?;
                (inside.split('/').map(domain).collect::<Result<Vec<_>, _>>()?, rest)
            }
            None => (Vec::new(), text),
        };
        let mut targets = Vec::new();
        for word in rest.split_whitespace() {
            match word {
                "#" if domains.is_empty() => return Err(LineFault::DefaultOfAll),
                "#" => targets.push(Target::Default),
                word => targets.push(Target::Upstream(Upstream::parse(word)?)),
            }
        }
        if targets.is_empty() { Err(LineFault::NoTarget) } else { Ok(Some(Self { domains, targets })) }
    }
}

fn domain(text: &str) -> Result<Domain, LineFault> {
    if text.is_empty() {
        return Ok(Domain::Unqualified);
    }
    let wire = |name: &str| is_name(name).then(|| Name::parse(name)).flatten().map(|name| name.wire().into());
    let read = match text.strip_prefix("*.") {
        Some(name) => wire(name).map(Domain::Under),
        None => wire(text).map(Domain::From),
    };
    read.ok_or_else(|| LineFault::Domain(text.to_owned()))
}

/// Whether a text is a name on the network: letters, digits, `-`, and the `_` of services.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && Name::parse(text).is_some()
}

impl Upstream {
    /// Reads a name server as it is written in a line.
    pub fn parse(text: &str) -> Result<Self, LineFault> {
        let (transport, rest) = match text.split_once("://") {
            None => (Transport::Udp, text),
            Some(("udp", rest)) => (Transport::Udp, rest),
            Some(("tcp", rest)) => (Transport::Tcp, rest),
            Some(("tls", rest)) => (Transport::Tls, rest),
            Some(("https", rest)) => (Transport::Https, rest),
            Some((scheme, _)) => return Err(not_spoken(scheme)),
        };
        let (rest, certificate) = match rest.split_once('#') {
            Some((rest, name)) => (rest, Some(certificate(name, transport)?)),
            None => (rest, None),
        };
        let (place, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = match (transport, path) {
            (Transport::Https, "" | "/") => "/dns-query",
            (Transport::Https, path) if is_path(path) => path,
            (Transport::Udp | Transport::Tcp | Transport::Tls, "" | "/") => "",
            (_, path) => return Err(LineFault::Path(path.to_owned())),
        };
        let (host, port) = place_of(place)?;
        let port = port.unwrap_or(transport.default_port());
        Ok(Self { written: text.into(), transport, host, port, certificate, path: path.into() })
    }

    /// Whether it is given by its address, so that nobody has to be asked for that.
    pub fn is_at_address(&self) -> bool {
        matches!(self.host, Host::Address(_))
    }

    /// The name that its certificate has to be for, as text: an address if it is only known by that.
    pub fn certified_name(&self) -> String {
        match (&self.certificate, &self.host) {
            (Some(name), _) | (None, Host::Name(name)) => name.to_string(),
            (None, Host::Address(address)) => address.to_string(),
        }
    }
}

fn not_spoken(scheme: &str) -> LineFault {
    let instead = match scheme {
        "quic" => "the server's tls:// address, DNS over TLS",
        "h3" => "https:// with the same address, which is asked over HTTP/2",
        "sdns" => "what the stamp stands for, as https:// or tls:// with an address",
        "http" => "https:// with the same address",
        _ => "an address, or one with udp://, tcp://, tls:// or https:// before it",
    };
    LineFault::NotSpoken { scheme: scheme.to_owned(), instead }
}

fn certificate(name: &str, transport: Transport) -> Result<Arc<str>, LineFault> {
    let is_right = transport.is_encrypted() && (is_name(name) || name.parse::<IpAddr>().is_ok());
    if is_right { Ok(plain(name)) } else { Err(LineFault::Certificate(name.to_owned())) }
}

fn plain(name: &str) -> Arc<str> {
    name.trim_end_matches('.').to_ascii_lowercase().into()
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= MAX_PATH && path.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
}

/// An address or a name, and the port if there is one.
fn place_of(text: &str) -> Result<(Host, Option<u16>), LineFault> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((Host::Address(address), None));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        let port = Some(socket.port()).filter(|port| *port > 0);
        return match port {
            Some(_) => Ok((Host::Address(socket.ip()), port)),
            None => Err(LineFault::Port("0".to_owned())),
        };
    }
    let wrong = || LineFault::Host(text.to_owned());
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Ok((Host::Address(IpAddr::V6(inside.parse().map_err(|_| wrong())?)), None));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => {
            let read = port.parse::<u16>().ok().filter(|port| *port > 0 && !text.contains('+'));
            (name, Some(read.ok_or_else(|| LineFault::Port(port.to_owned()))?))
        }
        None => (text, None),
    };
    // `9.9.9` and `9.9.9.999` are addresses with a mistake, and `quad9` is the beginning of one.
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    let is_right = is_name(name) && !is_address && (name.contains('.') || name == "localhost");
    if is_right { Ok((Host::Name(plain(name)), port)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Upstream {
        Upstream::parse(text).unwrap()
    }

    fn check(text: &str, transport: Transport, host: &str, port: u16, certificate: &str, path: &str) {
        let read = upstream(text);
        let own = match &read.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => format!("name {name}"),
        };
        assert_eq!((read.transport, own.as_str(), read.port), (transport, host, read.port), "{text}");
        assert_eq!((read.port, read.certified_name().as_str()), (port, certificate), "{text}");
        assert_eq!((&*read.path, &*read.written), (path, text));
    }

    #[test]
    fn name_servers_are_read() {
        use Transport::{Https, Tcp, Tls, Udp};
        check("9.9.9.9", Udp, "9.9.9.9", 53, "9.9.9.9", "");
        check("9.9.9.9:5353", Udp, "9.9.9.9", 5353, "9.9.9.9", "");
        check("2620:fe::fe", Udp, "2620:fe::fe", 53, "2620:fe::fe", "");
        check("[2620:fe::fe]", Udp, "2620:fe::fe", 53, "2620:fe::fe", "");
        check("udp://[2620:fe::fe]:54", Udp, "2620:fe::fe", 54, "2620:fe::fe", "");
        check("tcp://9.9.9.9", Tcp, "9.9.9.9", 53, "9.9.9.9", "");
        check("tls://dns.Quad9.net.", Tls, "name dns.quad9.net", 853, "dns.quad9.net", "");
        check("tls://9.9.9.9:8853#dns.quad9.net", Tls, "9.9.9.9", 8853, "dns.quad9.net", "");
        check("tls://9.9.9.9", Tls, "9.9.9.9", 853, "9.9.9.9", "");
        check("https://dns.quad9.net", Https, "name dns.quad9.net", 443, "dns.quad9.net", "/dns-query");
        check("https://1.1.1.1:444/q?x=1", Https, "1.1.1.1", 444, "1.1.1.1", "/q?x=1");
        check(
            "https://9.9.9.9/dns-query#dns.quad9.net",
            Https,
            "9.9.9.9",
            443,
            "dns.quad9.net",
            "/dns-query",
        );
        check("router.lan:53", Udp, "name router.lan", 53, "router.lan", "");
    }

    #[test]
    fn what_is_no_name_server_says_what_to_write() {
        for (text, words) in [
            ("quic://dns.example", "tls:// address"),
            ("h3://dns.example", "HTTP/2"),
            ("sdns://AQIDBA", "stamp"),
            ("http://dns.example", "https://"),
            ("gopher://dns.example", "udp://"),
            ("9.9.9", "neither an address nor a name"),
            ("9.9.9.999", "neither an address nor a name"),
            ("quad9", "neither an address nor a name"),
            ("fe80::1%eth0", "port"),
            ("9.9.9.9:0", "port"),
            ("dns.example:70000", "port"),
            ("dns.example:+53", "port"),
            ("udp://9.9.9.9#dns.quad9.net", "certificate"),
            ("tls://9.9.9.9#a b", "certificate"),
            ("tls://9.9.9.9/dns-query", "path"),
            ("https://dns.example/\u{e4}", "path"),
            ("d\u{fc}ns.example", "neither"),
            ("", "neither"),
        ] {
            let fault = Upstream::parse(text).unwrap_err().to_string();
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }

    #[test]
    fn lines_are_read() {
        let line = |text: &str| Line::parse(text).unwrap().unwrap();
        let named = |text: &str| Name::parse(text).unwrap().wire().into();
        let read = line(" [/Corp.example/*.lan//]10.0.0.1  # tls://10.0.0.2 ");
        let domains = [Domain::From(named("corp.example")), Domain::Under(named("lan")), Domain::Unqualified];
        assert_eq!(read.domains, domains);
        assert_eq!(
            read.targets,
            [
                Target::Upstream(upstream("10.0.0.1")),
                Target::Default,
                Target::Upstream(upstream("tls://10.0.0.2"))
            ]
        );
        assert_eq!(line("[//]10.0.0.1").domains, [Domain::Unqualified]);
        assert_eq!(line("[/a.example/]#").targets, [Target::Default]);
        assert_eq!(line("9.9.9.9").domains, []);
        for nothing in ["", "  ", "# 9.9.9.9", "! none"] {
            assert_eq!(Line::parse(nothing), Ok(None));
        }
    }

    #[test]
    fn lines_that_are_none_are_faults() {
        assert_eq!(Line::parse("[/a.example]9.9.9.9"), Err(LineFault::OpenDomains));
        assert_eq!(Line::parse("[/a.example/]"), Err(LineFault::NoTarget));
        assert_eq!(Line::parse("9.9.9.9 #"), Err(LineFault::DefaultOfAll));
        assert_eq!(Line::parse("[/a b/]9.9.9.9"), Err(LineFault::Domain("a b".to_owned())));
        assert_eq!(Line::parse("[/*.*.a/]9.9.9.9"), Err(LineFault::Domain("*.*.a".to_owned())));
        assert!(matches!(Line::parse(&"a".repeat(MAX_LINE + 1)), Err(LineFault::TooLong(_))));
    }
}
