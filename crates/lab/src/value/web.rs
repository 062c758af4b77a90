//! Names on the network, URLs, and texts with little form of their own.

use std::net::IpAddr;

use super::address::parse_port;
use crate::names::why_no_label;
use crate::read::{FromText, TextInfo, UNKNOWN, Wrong, text_keys, text_values};

text_values!(Domain, HostName, Url, Endpoint, ListSource, StorageUrl, Version, Text, Pattern);
text_keys!(Pattern);

macro_rules! plain_text {
    ($($type:ident),+) => { $(
        impl $type {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+ };
}
plain_text!(Domain, HostName, Text, Pattern);

/// A DNS name in lower case, without a point at its end (RFC 1035: labels of at most 63 bytes, 253 in all).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// The name, if the text is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_text(text).ok()
    }

    /// `label` under this domain; an empty label is the domain itself.
    pub fn under(&self, label: &str) -> Self {
        Self(if label.is_empty() { self.0.clone() } else { format!("{label}.{}", self.0) })
    }

    /// Whether it is `parent` or ends in it.
    pub fn is_in(&self, parent: &Self) -> bool {
        match self.0.strip_suffix(&parent.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl std::borrow::Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn check_domain(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("it is empty"));
    }
    if let Some(name) = text.strip_suffix('.') {
        return Err(Wrong::new("a name does not end with a point").help(format!("write \"{name}\"")));
    }
    if text.len() > 253 {
        return Err(Wrong::new("it is longer than 253 characters"));
    }
    let mut start = 0;
    for label in text.split('.') {
        let is_last = start + label.len() == text.len();
        let why = match why_no_label(label) {
            Some(why) if why == "it is a number" && !is_last => None,
            why => why,
        };
        if let Some(why) = why {
            let why = if label.is_empty() { "there are two points in a row".to_owned() } else { why };
            let wrong = Wrong { why, part: Some(start..start + label.len()), ..Wrong::default() };
            let lower = text.to_ascii_lowercase();
            return Err(if lower != text { wrong.help(format!("write \"{lower}\"")) } else { wrong });
        }
        start += label.len() + 1;
    }
    Ok(())
}

impl FromText for Domain {
    const INFO: TextInfo =
        TextInfo::new("a DNS name", "lab.example.net", Some(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        check_domain(text).map(|()| Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

/// A name under the lab's domain: `cloud`, or several labels. Its length is that of a [`Domain`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// A host name that the program itself chooses.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl FromText for HostName {
    const INFO: TextInfo = TextInfo::new("a host name", "cloud", Some(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.len() > 100 {
            return Err(Wrong::new("it is longer than 100 characters"));
        }
        check_domain(text).map(|()| Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

/// A URL of HTTP: scheme, host, port and path (RFC 3986, without user information).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// Whether the scheme is `https`.
    pub is_https: bool,
    /// The host: a name or an address.
    pub host: String,
    /// The port, also where the scheme implies it.
    pub port: u16,
}

impl Url {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands behind host and port, without a slash at its end: `/shop`; empty for the host alone.
    pub fn path(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        rest.find(['/', '?', '#']).map_or("", |at| rest.split_at(at).1).trim_end_matches('/')
    }
}

pub(super) fn host_and_port(authority: &str, default: u16) -> Result<(String, u16), Wrong> {
    if authority.contains('@') {
        let wrong = Wrong::new("a name and a password do not belong in a URL");
        return Err(Wrong {
            is_secret: true,
            ..wrong.help("leave them out: who can read this file could read them")
        });
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.parse::<IpAddr>().is_err() {
        check_domain(host).map_err(|wrong| Wrong { part: None, ..wrong })?;
    }
    Ok((host.to_owned(), port.map_or(Ok(default), parse_port)?))
}

impl FromText for Url {
    const INFO: TextInfo = TextInfo::new("a URL", "https://blog.example.net", Some(r"^https?://[^ ]+$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Wrong::new("it does not begin with `https://` or `http://`"));
        };
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(Wrong::new(format!("`{scheme}` is neither `https` nor `http`"))),
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Wrong::new("there is a space in it"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, port) = host_and_port(rest.split_at(end).0, if is_https { 443 } else { 80 })?;
        Ok(Self { text: text.to_owned(), is_https, host, port })
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A host and a port: `vpn.lab.example.net:51820`, `10.10.50.1:9436`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromText for Endpoint {
    const INFO: TextInfo =
        TextInfo::new("a host and a port", "vpn.lab.example.net:51820", Some("^[^ /]+:[0-9]{1,5}$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match host_and_port(text, 0)? {
            (_, 0) => Err(Wrong::new("the port is missing")),
            (host, port) => Ok(Self { host, port }),
        }
    }

    fn to_text(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Where a list comes from: a URL, or a file of the lab folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSource {
    /// Fetched from here.
    Url(Url),
    /// A file of the lab folder.
    File(String),
}

impl FromText for ListSource {
    const INFO: TextInfo =
        TextInfo::new("a URL or a file", "file:lists/example.txt", Some("^(https?://|file:).+$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.strip_prefix("file:") {
            Some("") => Err(Wrong::new("the path is missing")),
            Some(path) if path.starts_with('/') || path.split('/').any(|part| part == "..") => {
                Err(Wrong::new("the file has to be in the lab folder, so that every machine has it"))
            }
            Some(path) => Ok(Self::File(path.to_owned())),
            None if text.contains("://") => Url::from_text(text).map(Self::Url),
            None => Err(Wrong::new("it is neither a URL nor a file")
                .help(format!("write \"file:{text}\" for a file"))),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Url(url) => url.to_text(),
            Self::File(path) => format!("file:{path}"),
        }
    }
}

/// A bucket of an object store: `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageUrl(String);

impl FromText for StorageUrl {
    const INFO: TextInfo = TextInfo::new("a bucket", "s3://aegean-audit", Some("^s3://[a-z0-9.-]+(/.*)?$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err(Wrong::new("it does not begin with `s3://`"));
        };
        let bucket = rest.split('/').next().unwrap_or("");
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) {
            return Err(Wrong::new("a bucket has 3 to 63 lower-case letters, digits, points and hyphens"));
        }
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

/// A version: numbers with points between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl Version {
    /// The first number.
    pub fn major(&self) -> u32 {
        self.0.first().copied().unwrap_or(0)
    }
}

impl FromText for Version {
    const INFO: TextInfo = TextInfo::new("a version", "7.16", Some(r"^[0-9]+(\.[0-9]+)*$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers {
            Some(numbers) if text.len() <= 20 => Ok(Self(numbers)),
            _ => Err(Wrong::new("a version has numbers with points between them")),
        }
    }

    fn to_text(&self) -> String {
        self.0.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A line of text that is not empty, for people or for another program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(String);

impl Text {
    /// A text that the program itself chooses.
    pub(crate) fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

/// The longest text, in bytes.
const MAX_TEXT: usize = 4096;

impl FromText for Text {
    const INFO: TextInfo = TextInfo::new("a line of text", "Home", Some("^.*[^ ].*$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() {
            return Err(Wrong::new("it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(Wrong::new("it has a line break or another control character in it"));
        }
        if text.len() > MAX_TEXT {
            return Err(Wrong::new(format!("it is longer than {MAX_TEXT} bytes")));
        }
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> Option<Self> {
        Some(Self::known(UNKNOWN))
    }
}

/// A DNS name, or `*.` and one: what a rewrite is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl FromText for Pattern {
    const INFO: TextInfo = TextInfo::new(
        "a DNS name, or `*.` and one",
        "nas.lab.example.net",
        Some(r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$"),
    );

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        check_domain(name).map_err(|wrong| Wrong { part: None, ..wrong })?;
        Ok(Self(text.to_owned()))
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl std::borrow::Borrow<str> for Pattern {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromText>(right: &[&str], wrong: &[(&str, &str)]) {
        for text in right {
            let value = T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(value.to_text(), *text);
        }
        for (text, why) in wrong {
            let wrong = T::from_text(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(wrong.why, *why, "{text}");
        }
    }

    #[test]
    fn names_on_the_network() {
        check::<Domain>(
            &["lab.example.net", "localhost", "9.lab"],
            &[
                ("lab.example.net.", "a name does not end with a point"),
                ("lab..net", "there are two points in a row"),
                ("Lab.example.net", "names are written in lower case"),
                ("a_b.net", "a DNS name has no underscore: use a hyphen"),
                ("10.10.10.10", "it is a number"),
            ],
        );
        let domain = |text| Domain::from_text(text).unwrap();
        assert!(domain("a.lab.net").is_in(&domain("lab.net")));
        assert!(!domain("alab.net").is_in(&domain("lab.net")));
    }

    #[test]
    fn urls_and_servers() {
        check::<Url>(
            &["https://blog.example.net", "http://10.0.0.1:8080/x?y#z", "https://[fd00::1]:8443/"],
            &[
                ("blog.example.net", "it does not begin with `https://` or `http://`"),
                ("ftp://x", "`ftp` is neither `https` nor `http`"),
                ("https://me:pw@x.net", "a name and a password do not belong in a URL"),
                ("https://x.net:99999", "port 99999 is above 65535"),
                ("https://a b", "there is a space in it"),
                ("https://", "it is empty"),
            ],
        );
        check::<Endpoint>(
            &["vpn.lab.example.net:51820", "[fd00::1]:53"],
            &[("vpn.lab", "the port is missing")],
        );
        check::<ListSource>(
            &["https://x.net/list.txt", "file:lists/a.txt"],
            &[
                ("lists/a.txt", "it is neither a URL nor a file"),
                ("file:../a", "the file has to be in the lab folder, so that every machine has it"),
            ],
        );
    }
}
