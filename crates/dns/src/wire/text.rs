//! Records as people read them (RFC 1035 section 5.1), for pages and commands.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::expand::Record;
use super::{Name, kind, number, service_hints};
use crate::wire::name::question_name;

/// The most characters of a record's text.
const LONGEST: usize = 300;

impl Record {
    /// The record in one line: name, time in seconds, type, and what stands in it.
    pub(crate) fn text(&self) -> String {
        let mut data = self.data_text().unwrap_or_else(|| {
            let hex: String = self.data.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\# {} {hex}", self.data.len())
        });
        if data.chars().count() > LONGEST {
            data = data.chars().take(LONGEST).chain(['…']).collect();
        }
        format!("{} {} {} {data}", self.owner.text(), self.time, kind::text(self.kind))
    }

    fn data_text(&self) -> Option<String> {
        let data = self.data.as_slice();
        let name = |at: usize| Name::of_wire(data.get(at..)?).map(|name| name.text());
        Some(match self.kind {
            kind::A => Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
            kind::AAAA => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
            kind::CNAME | kind::NS | kind::PTR | kind::DNAME => name(0)?,
            kind::MX => format!("{} {}", number(data, 0)?, name(2)?),
            kind::SRV => {
                format!("{} {} {} {}", number(data, 0)?, number(data, 2)?, number(data, 4)?, name(6)?)
            }
            kind::TXT | kind::HINFO => texts(data)?,
            kind::SOA => {
                let (server, mail) = question_name(data, 0)?;
                let (mail, end) = question_name(data, mail)?;
                let serial = data.get(end..end + 4)?;
                let serial = u32::from_be_bytes(serial.try_into().ok()?);
                format!("{} {} {serial}", server.text(), mail.text())
            }
            kind::HTTPS | kind::SVCB => {
                let (target, _) = question_name(data.get(2..)?, 0)?;
                let hints: Vec<String> = service_hints(data).iter().map(ToString::to_string).collect();
                let target = if target == Name::default() { ".".to_owned() } else { target.text() };
                format!("{} {target} {}", number(data, 0)?, hints.join(",")).trim_end().to_owned()
            }
            _ => return None,
        })
    }
}

/// Character strings in quotes.
fn texts(mut data: &[u8]) -> Option<String> {
    let mut all = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let (text, after) = rest.split_at_checked(usize::from(*length))?;
        all.push(format!("\"{}\"", text.escape_ascii()));
        data = after;
    }
    Some(all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: u16, data: &[u8], expected: &str) {
        let owner = Name::parse("a.example").unwrap();
        let record = Record { section: 0, owner, kind, class: 1, time: 60, data: data.to_vec() };
        assert_eq!(record.text(), format!("a.example 60 {expected}"));
    }

    #[test]
    fn records_are_lines() {
        check(kind::A, &[192, 0, 2, 1], "A 192.0.2.1");
        check(kind::AAAA, &[0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "AAAA fd00::1");
        check(kind::CNAME, b"\x01b\x07example\x00", "CNAME b.example");
        check(kind::MX, b"\x00\x0a\x01b\x00", "MX 10 b");
        check(kind::SRV, b"\x00\x00\x00\x05\x13\xc4\x01b\x00", "SRV 0 5 5060 b");
        check(kind::TXT, b"\x05hello\x03a\"b", "TXT \"hello\" \"a\\\"b\"");
        check(
            kind::HTTPS,
            b"\x00\x01\x00\x00\x01\x00\x03\x02h2\x00\x04\x00\x04\xc0\x00\x02\x01",
            "HTTPS 1 . 192.0.2.1",
        );
        check(kind::A, &[1, 2], "A \\# 2 0102");
        check(999, &[0xAB], "TYPE999 \\# 1 ab");
    }
}
