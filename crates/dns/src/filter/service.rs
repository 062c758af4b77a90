//! The data of HTTPS and SVCB records (RFC 9460) from text.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use base64::prelude::*;

use super::rewrite::name;

/// The parameters by their numbers (RFC 9460 section 14.3.2, RFC 9461 section 5).
const KEYS: [(&str, u16); 8] = [
    ("mandatory", 0),
    ("alpn", 1),
    ("no-default-alpn", 2),
    ("port", 3),
    ("ipv4hint", 4),
    ("ech", 5),
    ("ipv6hint", 6),
    ("dohpath", 7),
];

/// `PRIORITY TARGET [KEY=VALUE]…` in the wire form (RFC 9460 section 2.2). A value may be in quotes; several are
/// divided by commas.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn service(text: &str) -> Result<Vec<u8>, String> {
    let mut words = text.split_ascii_whitespace();
    let priority = words.next().and_then(|word| word.parse::<u16>().ok());
    let mut data = priority.ok_or("it begins with a priority from 0 to 65535")?.to_be_bytes().to_vec();
    match words.next().ok_or("behind the priority is a name")? {
        "." => data.push(0),
        target => data.extend(name(target).ok_or_else(|| format!("`{target}` is no name"))?),
    }
    let mut parameters = words.map(parameter).collect::<Result<Vec<_>, _>>()?;
    // They are in the order of their numbers, and none is there twice (RFC 9460 section 2.2).
    parameters.sort_by_key(|(key, _)| *key);
    for pair in parameters.windows(2) {
        if let [(one, _), (other, _)] = pair
            && one == other
        {
            return Err(format!("the parameter `{}` is there twice", text_of(*one)));
        }
    }
    for (key, value) in &parameters {
        data.extend(key.to_be_bytes());
        data.extend(u16::try_from(value.len()).map_err(|_| "it is too long")?.to_be_bytes());
        data.extend(value);
    }
    Ok(data)
}

fn number_of(key: &str) -> Option<u16> {
    let known = KEYS.iter().find(|(name, _)| *name == key).map(|(_, number)| *number);
    known.or_else(|| key.strip_prefix("key")?.parse().ok())
}

fn text_of(key: u16) -> String {
    let known = KEYS.iter().find(|(_, number)| *number == key);
    known.map_or_else(|| format!("key{key}"), |(name, _)| (*name).to_owned())
}

fn parameter(word: &str) -> Result<(u16, Vec<u8>), String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let number = number_of(key).ok_or_else(|| format!("there is no parameter `{key}`"))?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let bad = || format!("`{value}` is not what `{key}` can be");
    let each = |read: &dyn Fn(&str) -> Option<Vec<u8>>| -> Result<Vec<u8>, String> {
        value.split(',').map(read).collect::<Option<Vec<_>>>().map(|all| all.concat()).ok_or_else(bad)
    };
    let data = match number {
        0 => {
            let keys = value.split(',').map(|key| number_of(key).filter(|number| *number > 0));
            let mut keys = keys.collect::<Option<Vec<_>>>().ok_or_else(bad)?;
            keys.sort_unstable();
            keys.iter().flat_map(|key| key.to_be_bytes()).collect()
        }
        1 => each(&|id| {
            let length = u8::try_from(id.len()).ok().filter(|length| *length > 0)?;
            Some([&[length], id.as_bytes()].concat())
        })?,
        2 if value.is_empty() => Vec::new(),
        3 => value.parse::<u16>().map_err(|_| bad())?.to_be_bytes().into(),
        4 => each(&|address| Some(address.parse::<Ipv4Addr>().ok()?.octets().into()))?,
        5 => base64(value).filter(|data| !data.is_empty()).ok_or_else(bad)?,
        6 => each(&|address| Some(address.parse::<Ipv6Addr>().ok()?.octets().into()))?,
        7 if value.contains("{?dns}") => value.as_bytes().into(),
        2 | 7 => return Err(bad()),
        _ => value.as_bytes().into(),
    };
    Ok((number, data))
}

/// RFC 4648 section 4, with or without `=` at the end.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose =
        GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
    ENGINE.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_as_rfc_9460_shows_them() {
        // The vectors of RFC 9460 appendix D, as far as they have no escapes.
        for (text, expected) in [
            ("0 foo.example.com.", &b"\0\0\x03foo\x07example\x03com\0"[..]),
            ("1 .", b"\0\x01\0"),
            ("16 foo.example.com. port=53", b"\0\x10\x03foo\x07example\x03com\0\0\x03\0\x02\0\x35"),
            ("1 foo.example.com. key667=hello", b"\0\x01\x03foo\x07example\x03com\0\x02\x9b\0\x05hello"),
            (
                "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
                b"\0\x01\x03foo\x07example\x03com\0\0\x06\0\x20\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\
                  \0\0\0\0\0\0\0\0\0\x53\0\x01",
            ),
            (
                "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
                b"\0\x10\x03foo\x07example\x03org\0\0\0\0\x04\0\x01\0\x04\0\x01\0\x09\x02h2\x05h3-19\0\x04\0\x04\xc0\0\x02\x01",
            ),
            ("1 . no-default-alpn alpn=h2", b"\0\x01\0\0\x01\0\x03\x02h2\0\x02\0\0"),
            ("1 . ech=AP8=", b"\0\x01\0\0\x05\0\x02\0\xff"),
            ("1 . dohpath=/dns-query{?dns}", b"\0\x01\0\0\x07\0\x10/dns-query{?dns}"),
        ] {
            assert_eq!(service(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_parameter_is_said() {
        for text in [
            "",
            "x .",
            "1",
            "1 a..b",
            "1 . foo=1",
            "1 . port=x",
            "1 . port=1 port=2",
            "1 . alpn=",
            "1 . ech=!",
            "1 . ech=",
            "1 . ipv4hint=::1",
            "1 . ipv6hint=1.2.3.4",
            "1 . no-default-alpn=x",
            "1 . dohpath=/q",
            "1 . mandatory=foo",
        ] {
            assert!(service(text).is_err(), "{text}");
        }
    }
}
