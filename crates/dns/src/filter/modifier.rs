//! What stands behind the `$` of a rule and says for whom and for what it holds.

use std::net::IpAddr;

use ipnet::IpNet;

use super::parse::Why;
use super::pattern::{Text, is_name};
use super::{Client, Tags};

/// For whom and for what a rule holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Conditions {
    pub(super) clients: Chosen<Who>,
    pub(super) tags: Option<ChosenTags>,
    pub(super) types: Chosen<u16>,
    /// Names under which the rule does not hold, in lower case.
    pub(super) but_under: Box<[Box<str>]>,
}

/// What is meant and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chosen<T> {
    pub(super) these: Box<[T]>,
    pub(super) but: Box<[T]>,
}

impl<T> Default for Chosen<T> {
    fn default() -> Self {
        Self { these: Box::default(), but: Box::default() }
    }
}

impl<T> Chosen<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.these.is_empty() && self.but.is_empty()
    }

    /// Whether something is meant that is equal to any for which `is` holds: what is not meant goes first, and
    /// where nothing is said to be meant all else is.
    fn holds(&self, is: impl Fn(&T) -> bool) -> bool {
        !self.but.iter().any(&is) && (self.these.is_empty() || self.these.iter().any(is))
    }
}

/// Tags that are meant and such that are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ChosenTags {
    these: Tags,
    but: Tags,
}

/// Whom `$client` means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Address(IpAddr),
    Network(IpNet),
    Name(Box<str>),
}

impl Who {
    fn is(&self, client: &Client) -> bool {
        match self {
            Self::Name(name) => client.names.iter().any(|own| **own == **name),
            Self::Address(address) => client.address.is_some_and(|own| own.to_canonical() == *address),
            Self::Network(network) => client.address.is_some_and(|own| network.contains(&own.to_canonical())),
        }
    }
}

impl Conditions {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.tags.is_none() && self.types.is_empty() && self.but_under.is_empty()
    }

    /// How many modifiers it was said in.
    pub(super) fn count(&self) -> u8 {
        u8::from(!self.clients.is_empty())
            + u8::from(self.tags.is_some())
            + u8::from(!self.types.is_empty())
            + u8::from(!self.but_under.is_empty())
    }

    /// Whether the rule holds for a question, or for a record of an answer, whose name is an address then.
    pub(super) fn hold(&self, client: &Client, kind: u16, text: &Text, is_address: bool) -> bool {
        self.types.holds(|own| *own == kind)
            && self.clients.holds(|who| who.is(client))
            && self.tags.is_none_or(|tags| {
                !tags.but.meets(client.tags)
                    && (tags.these == Tags::default() || tags.these.meets(client.tags))
            })
            && (self.but_under.is_empty() || !is_address && !self.is_excepted(text.name()))
    }

    fn is_excepted(&self, name: &[u8]) -> bool {
        self.but_under.iter().any(|above| {
            name.strip_suffix(above.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
        })
    }
}

/// Parts of a text between a mark, except where that stands behind a `\`; the `\` stays.
pub(super) fn split(text: &str, mark: char) -> Vec<&str> {
    let mut is_escaped = false;
    let parts = text.split(|letter| {
        let is_mark = letter == mark && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_mark
    });
    parts.collect()
}

/// A text without the `\` before `,`, `|`, quotes and `\`.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match next.filter(|next| letter == '\\' && matches!(next, ',' | '|' | '\'' | '"' | '\\')) {
            Some(next) => {
                plain.push(next);
                letters.next();
            }
            None => plain.push(letter),
        }
    }
    plain
}

/// `a|~b`, each read by `read`.
fn chosen<T>(value: &str, read: impl Fn(&str) -> Result<T, Why>) -> Result<Chosen<T>, Why> {
    let (mut these, mut but) = (Vec::new(), Vec::new());
    for part in split(value, '|') {
        match part.strip_prefix('~') {
            Some(part) => but.push(read(part)?),
            None => these.push(read(part)?),
        }
    }
    Ok(Chosen { these: these.into_boxed_slice(), but: but.into_boxed_slice() })
}

/// The value of `$client`.
pub(super) fn clients(value: &str) -> Result<Chosen<Who>, Why> {
    chosen(value, |part| {
        let quoted = ['"', '\''].iter().find_map(|quote| part.strip_prefix(*quote)?.strip_suffix(*quote));
        let who = unescape(quoted.unwrap_or(part));
        if who.is_empty() {
            return Err(Why::value("client", "it names nobody"));
        }
        if let Ok(address) = who.parse::<IpAddr>() {
            return Ok(Who::Address(address.to_canonical()));
        }
        Ok(match who.parse::<IpNet>() {
            Ok(network) => Who::Network(network.trunc()),
            Err(_) => Who::Name(who.into()),
        })
    })
}

/// The value of `$ctag`.
pub(super) fn tags(value: &str) -> Result<ChosenTags, Why> {
    let read =
        |tag: &str| Tags::of(&[tag]).ok_or_else(|| Why::value("ctag", &format!("there is no tag `{tag}`")));
    let all = chosen(value, read)?;
    let join = |tags: &[Tags]| tags.iter().fold(Tags::default(), |all, one| all.and(*one));
    Ok(ChosenTags { these: join(&all.these), but: join(&all.but) })
}

/// The value of `$denyallow`.
pub(super) fn but_under(value: &str) -> Result<Box<[Box<str>]>, Why> {
    let read = |name: &str| match name.starts_with('~') {
        true => Err(Why::value("denyallow", "it can have no `~`")),
        false if is_name(name) => Ok(name.to_ascii_lowercase().into_boxed_str()),
        false => Err(Why::value("denyallow", &format!("`{name}` is no name"))),
    };
    value.split('|').map(read).collect()
}

/// The value of `$dnstype`.
pub(super) fn types(value: &str) -> Result<Chosen<u16>, Why> {
    chosen(value, |name| {
        type_number(name).ok_or_else(|| Why::value("dnstype", &format!("there is no record type `{name}`")))
    })
}

/// The number of a type of records, by its name in letters of either case (IANA's registry of DNS parameters,
/// resource record types), or by `TYPE` and its number (RFC 3597 section 5).
pub(super) fn type_number(name: &str) -> Option<u16> {
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let numbered = || {
        let digits = name.get(..4).filter(|start| start.eq_ignore_ascii_case("TYPE")).and(name.get(4..))?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    known.map(|(_, number)| *number).or_else(numbered)
}

/// The types of records that have names.
const TYPES: [(&str, u16); 94] = [
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("SINK", 40),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("DSYNC", 66),
    ("HHIT", 67),
    ("BRID", 68),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("NXNAME", 128),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("TA", 32768),
    ("DLV", 32769),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, names: &[&'static str], tags: &[&str]) -> Client<'static> {
        let names: &'static [&'static str] = names.to_vec().leak();
        Client { address: address.parse().ok(), names, tags: Tags::of(tags).unwrap() }
    }

    #[track_caller]
    fn check(conditions: &Conditions, client: &Client, expected: bool) {
        let text = Text::of(b"\x07example\x03org\0");
        assert_eq!(conditions.hold(client, 1, &text, false), expected, "{conditions:?} {client:?}");
    }

    fn for_clients(value: &str) -> Conditions {
        Conditions { clients: clients(value).unwrap(), ..Conditions::default() }
    }

    #[test]
    fn clients_are_addresses_networks_and_names() {
        let of = |address| client(address, &[], &[]);
        check(&for_clients("127.0.0.1"), &of("127.0.0.1"), true);
        check(&for_clients("127.0.0.1"), &of("::ffff:127.0.0.1"), true);
        check(&for_clients("127.0.0.1"), &of("127.0.0.2"), false);
        check(&for_clients("192.168.0.5/24"), &of("192.168.0.255"), true);
        check(&for_clients("192.168.0.5/24"), &of("192.168.1.0"), false);
        check(&for_clients("2001:db8::/32"), &of("2001:db8:1::1"), true);
        check(&for_clients("~10.0.0.0/8"), &of("10.1.1.1"), false);
        check(&for_clients("~10.0.0.0/8"), &of("11.1.1.1"), true);
        check(&for_clients("10.0.0.0/8|~10.0.0.1"), &of("10.0.0.1"), false);
        check(&for_clients("10.0.0.0/8"), &client("", &[], &[]), false);
    }

    #[test]
    fn names_of_clients_may_be_quoted_and_escaped() {
        let of = |name| client("", &[name, "other"], &[]);
        check(&for_clients(r"'Frank\'s laptop'"), &of("Frank's laptop"), true);
        check(&for_clients(r#""Frank's laptop""#), &of("Frank's laptop"), true);
        check(&for_clients(r"Frank"), &of("frank"), false);
        check(
            &for_clients(r"~'Mary\'s\, John\'s\, and Boris\'s laptops'"),
            &of("Mary's, John's, and Boris's laptops"),
            false,
        );
        check(&for_clients(r"'a\|b'|c"), &of("a|b"), true);
        check(&for_clients("~Mom|~Dad|Kids"), &of("Kids"), true);
        check(&for_clients("~Mom|~Dad|Kids"), &of("Mom"), false);
        check(&for_clients("~Mom|~Dad|Kids"), &of("Aunt"), false);
        check(&for_clients("'~Mom'"), &of("~Mom"), true);
        assert!(clients("a||b").is_err() && clients("").is_err() && clients("''").is_err());
    }

    #[test]
    fn tags_are_those_of_a_fixed_list() {
        let for_tags = |value: &str| Conditions { tags: Some(tags(value).unwrap()), ..Conditions::default() };
        let of = |tags: &[&str]| client("", &[], tags);
        check(&for_tags("device_pc|device_phone"), &of(&["os_ios", "device_phone"]), true);
        check(&for_tags("device_pc|device_phone"), &of(&["os_ios"]), false);
        check(&for_tags("~device_phone"), &of(&["device_phone"]), false);
        check(&for_tags("~device_phone"), &of(&[]), true);
        check(&for_tags("~device_phone|user_child"), &of(&["user_child"]), true);
        assert!(tags("device_car").is_err() && tags("Device_pc").is_err() && tags("").is_err());
    }

    #[test]
    fn types_are_those_that_exist() {
        let conditions = |value: &str| Conditions { types: types(value).unwrap(), ..Conditions::default() };
        let holds = |value: &str, kind| {
            conditions(value).hold(&Client::default(), kind, &Text::of(b"\x01a\0"), false)
        };
        assert!(holds("A|TXT", 1) && holds("a", 1) && !holds("A|TXT", 28) && holds("TYPE65", 65));
        assert!(holds("~A|~CNAME", 28) && !holds("~A|~CNAME", 5));
        assert!(!holds("A|~AAAA", 28) && holds("A|~AAAA", 1) && !holds("A|~AAAA", 16) && !holds("A|~A", 1));
        assert!(
            types("AAAAA").is_err()
                && types("").is_err()
                && types("TYPE70000").is_err()
                && types("TYPE").is_err()
        );
    }

    #[test]
    fn names_may_be_excepted() {
        let conditions =
            Conditions { but_under: but_under("Com|sub.example.org").unwrap(), ..Conditions::default() };
        let holds =
            |name: &[u8], is_address| conditions.hold(&Client::default(), 1, &Text::of(name), is_address);
        assert!(holds(b"\x07example\x03org\0", false) && holds(b"\x01x\x03org\0", false));
        assert!(
            !holds(b"\x03com\0", false) && !holds(b"\x01x\x03com\0", false) && holds(b"\x04xcom\0", false)
        );
        assert!(!holds(b"\x01x\x03sub\x07example\x03org\0", false));
        assert!(!holds(b"\x011\x012\x013\x014\0", true), "never an address");
        assert!(but_under("~com").is_err() && but_under("").is_err() && but_under("*.com").is_err());
    }
}
