//! `$dnsrewrite`: what a rule answers itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::modifier::type_number;
use super::parse::Why;
use super::service::service;
use crate::wire::{MAX_LABEL, MAX_NAME, kind};

/// The codes that a rule can answer with (RFC 1035 section 4.1.1).
const CODES: [(&str, u8); 4] = [("NOERROR", 0), ("SERVFAIL", 2), ("NXDOMAIN", 3), ("REFUSED", 5)];

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its type (RFC 1035 section 3.2.2).
    pub kind: u16,
    /// What it says, in its wire form without compression.
    pub data: Box<[u8]>,
}

/// What all the rules that rewrite a name come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// A code and no records: 0 (there is nothing of this type), 2 (SERVFAIL), 3 (NXDOMAIN) or 5 (REFUSED).
    Code(u8),
    /// The name is another one, which the answer goes on with: in its wire form, in lower case.
    Alias(Box<[u8]>),
    /// These records, all of the type that was asked for, and one at least.
    Records(Vec<Record>),
}

/// What one rule answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Code(u8),
    Alias(Box<[u8]>),
    Record(Record),
}

impl Answer {
    fn address(address: IpAddr) -> Self {
        Self::Record(match address {
            IpAddr::V4(four) => Record { kind: kind::A, data: four.octets().into() },
            IpAddr::V6(six) => Record { kind: kind::AAAA, data: six.octets().into() },
        })
    }
}

fn wrong(what: &str) -> Why {
    Why::value("dnsrewrite", what)
}

/// The value of `$dnsrewrite`, which is not empty.
pub(super) fn answer(value: &str) -> Result<Answer, Why> {
    let parts: Vec<&str> = value.splitn(3, ';').collect();
    match parts.as_slice() {
        [short] => self::short(short),
        [code, kind, value] => long(code, kind, value),
        _ => Err(wrong("it is an address, a name, a code, or `CODE;TYPE;VALUE`")),
    }
}

fn code(text: &str) -> Option<u8> {
    CODES.iter().find(|(name, _)| *name == text).map(|(_, code)| *code)
}

fn short(value: &str) -> Result<Answer, Why> {
    if let Some(code) = code(value) {
        return Ok(Answer::Code(code));
    }
    if let Ok(address) = value.parse() {
        return Ok(Answer::address(address));
    }
    let name = name(value).ok_or_else(|| wrong(&format!("`{value}` is no address, no name and no code")))?;
    Ok(Answer::Alias(name))
}

fn long(code_text: &str, kind: &str, value: &str) -> Result<Answer, Why> {
    let code = code(code_text).ok_or_else(|| wrong(&format!("there is no code `{code_text}`")))?;
    if code != 0 || kind.is_empty() && value.is_empty() {
        return Ok(Answer::Code(code));
    }
    let number = type_number(kind).ok_or_else(|| wrong(&format!("there is no record type `{kind}`")))?;
    let bad = |what: &str| wrong(&format!("`{value}` is no {what}"));
    let data: Vec<u8> = match number {
        kind::A => value.parse::<Ipv4Addr>().map_err(|_| bad("IPv4 address"))?.octets().into(),
        kind::AAAA => value.parse::<Ipv6Addr>().map_err(|_| bad("IPv6 address"))?.octets().into(),
        kind::CNAME => return name(value).map(Answer::Alias).ok_or_else(|| bad("name")),
        kind::PTR => name(value).ok_or_else(|| bad("name"))?.into(),
        15 => numbers_and_name::<1>(value).ok_or_else(|| bad("preference and name"))?,
        16 => text(value),
        33 => numbers_and_name::<3>(value).ok_or_else(|| bad("priority, weight, port and name"))?,
        64 | 65 => service(value).map_err(|what| wrong(&what))?,
        _ => return Err(wrong(&format!("records of type `{kind}` are not made"))),
    };
    Ok(Answer::Record(Record { kind: number, data: data.into() }))
}

/// A name in text, with or without a point at its end, in its wire form and in lower case.
pub(super) fn name(text: &str) -> Option<Box<[u8]>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut wire = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        let is_fit = (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        wire.push(u8::try_from(label.len()).ok().filter(|_| is_fit)?);
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    (wire.len() <= MAX_NAME).then(|| wire.into_boxed_slice())
}

/// `N` numbers of 16 bits and a name (RFC 1035 section 3.3.9, RFC 2782).
fn numbers_and_name<const N: usize>(text: &str) -> Option<Vec<u8>> {
    let mut words = text.split_ascii_whitespace();
    let mut data = Vec::new();
    for _ in 0..N {
        data.extend(words.next()?.parse::<u16>().ok()?.to_be_bytes());
    }
    let target = words.next()?;
    match target {
        "." => data.push(0),
        _ => data.extend(name(target)?),
    }
    words.next().is_none().then_some(data)
}

/// A text, cut into strings of up to 255 bytes (RFC 1035 section 3.3.14).
fn text(text: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + 1);
    if text.is_empty() {
        data.push(0);
    }
    for part in text.as_bytes().chunks(255) {
        data.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        data.extend(part);
    }
    data
}

/// What the answers of several rules come to, in the order of the rules, and which of them it came from: the
/// first other name, else the first code that is an error, else all records of the type that was asked for.
pub(super) fn together<'a>(
    asked: u16,
    answers: impl Iterator<Item = &'a Answer> + Clone,
) -> (Rewrite, usize) {
    let mut numbered = answers.enumerate();
    let find = |is: fn(&Answer) -> bool| numbered.clone().find(|(_, answer)| is(answer));
    if let Some((at, Answer::Alias(name))) = find(|answer| matches!(answer, Answer::Alias(_))) {
        return (Rewrite::Alias(name.clone()), at);
    }
    if let Some((at, Answer::Code(code))) = find(|answer| matches!(answer, Answer::Code(1..))) {
        return (Rewrite::Code(*code), at);
    }
    let mut records = Vec::new();
    let mut first = 0;
    for (at, answer) in numbered.by_ref() {
        if let Answer::Record(record) = answer
            && record.kind == asked
            && !records.contains(record)
        {
            first = if records.is_empty() { at } else { first };
            records.push(record.clone());
        }
    }
    (if records.is_empty() { Rewrite::Code(0) } else { Rewrite::Records(records) }, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Answer {
        Answer::Record(Record { kind, data: data.into() })
    }

    #[test]
    fn the_short_form_is_an_address_a_name_or_a_code() {
        for (value, expected) in [
            ("1.2.3.4", record(1, &[1, 2, 3, 4])),
            ("::1", record(28, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
            ("Example.net", Answer::Alias(b"\x07example\x03net\0"[..].into())),
            ("NOERROR", Answer::Code(0)),
            ("SERVFAIL", Answer::Code(2)),
            ("NXDOMAIN", Answer::Code(3)),
            ("REFUSED", Answer::Code(5)),
            // Codes are in capitals; in small letters it is a name.
            ("refused", Answer::Alias(b"\x07refused\0"[..].into())),
        ] {
            assert_eq!(answer(value).unwrap(), expected, "{value}");
        }
        for value in ["a b", "1.2.3.4;A", "", "a..b", "-/x"] {
            assert!(answer(value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_long_form_has_a_code_a_type_and_a_value() {
        for (value, expected) in [
            ("NOERROR;;", Answer::Code(0)),
            ("REFUSED;;", Answer::Code(5)),
            ("NXDOMAIN;;", Answer::Code(3)),
            ("NXDOMAIN;A;1.2.3.4", Answer::Code(3)),
            ("NOERROR;A;1.2.3.4", record(1, &[1, 2, 3, 4])),
            ("NOERROR;AAAA;2001:db8::1", record(28, &[32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
            ("NOERROR;CNAME;example.net", Answer::Alias(b"\x07example\x03net\0"[..].into())),
            ("NOERROR;PTR;example.net.", record(12, b"\x07example\x03net\0")),
            ("NOERROR;MX;32 example.mail", record(15, b"\0\x20\x07example\x04mail\0")),
            ("NOERROR;TXT;hello_world", record(16, b"\x0bhello_world")),
            ("NOERROR;TXT;v=1; a=b", record(16, b"\x08v=1; a=b")),
            ("NOERROR;TXT;", record(16, b"\0")),
            ("NOERROR;SRV;10 60 8080 example.com", record(33, b"\0\x0a\0\x3c\x1f\x90\x07example\x03com\0")),
            (
                "NOERROR;HTTPS;32 example.com alpn=h3",
                record(65, b"\0\x20\x07example\x03com\0\0\x01\0\x03\x02h3"),
            ),
            ("NOERROR;SVCB;0 .", record(64, b"\0\0\0")),
        ] {
            assert_eq!(answer(value).unwrap(), expected, "{value}");
        }
        let long = "x".repeat(300);
        let Answer::Record(made) = answer(&format!("NOERROR;TXT;{long}")).unwrap() else { panic!() };
        assert_eq!((made.data.len(), made.data[0], made.data[256]), (302, 255, 45));
        for value in [
            "NOERROR;A;x",
            "NOERROR;A;",
            "NOERROR;A;::1",
            "NOERROR;AAAA;1.2.3.4",
            "NOERROR;NS;example.net",
            "NOERROR;FOO;x",
            "NOERROR;;x",
            "BADNAME;A;1.2.3.4",
            "NOERROR;MX;example.mail",
            "NOERROR;MX;70000 example.mail",
            "NOERROR;SRV;1 2 3 x.y z",
            "NOERROR;CNAME;a b",
        ] {
            assert!(answer(value).is_err(), "{value}");
        }
    }

    #[test]
    fn another_name_goes_first_then_an_error_then_all_records_of_the_type() {
        let of =
            |values: &[&str]| -> Vec<Answer> { values.iter().map(|value| answer(value).unwrap()).collect() };
        let all = of(&["1.2.3.4", "REFUSED", "a.example", "b.example", "1.2.3.5", "::1"]);
        let name = Rewrite::Alias(b"\x01a\x07example\0"[..].into());
        assert_eq!(together(1, all.iter()), (name, 2));
        let all = of(&["1.2.3.4", "NOERROR", "REFUSED", "NXDOMAIN"]);
        assert_eq!(together(1, all.iter()), (Rewrite::Code(5), 2));
        let all = of(&["::1", "1.2.3.4", "NOERROR", "1.2.3.5", "1.2.3.4"]);
        let (Rewrite::Records(records), 1) = together(1, all.iter()) else { panic!() };
        assert_eq!(records.iter().map(|record| record.data[3]).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(together(16, all.iter()), (Rewrite::Code(0), 0));
    }
}
