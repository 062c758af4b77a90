//! What a server's answer over HTTP means for a list: pure. URLs and where they lead, the head of an answer, words for
//! what is wrong.

use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION};
use hyper::{StatusCode, Uri};

use super::Trouble;

/// The longest URL, in bytes.
const MAX_URL: usize = 2048;
/// The longest `ETag` or `Last-Modified` that is kept; a longer one is as none.
const MAX_VERSION: usize = 512;

/// A URL in the parts that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it is spoken to over TLS.
    pub is_https: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, also where the scheme implies it.
    pub port: u16,
    /// Path and query, beginning with a slash.
    pub path: String,
}

impl Target {
    /// From an absolute URL (RFC 9110 section 4.2); a fragment is left out.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URL {
            return Err(format!("it is longer than {MAX_URL} bytes"));
        }
        let uri: Uri = text.parse().map_err(|fault| format!("it is no URL: {fault}"))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it is neither `https` nor `http`".to_owned()),
        };
        let authority = uri.authority().ok_or("there is no host in it")?;
        if authority.as_str().contains('@') {
            return Err("there is a name or a password in it".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("there is no host in it".to_owned());
        }
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_https, host: host.to_owned(), port, path })
    }

    /// The field `Host` (RFC 9110 section 7.2): without the port that the scheme implies.
    pub fn host_field(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Where a reference from here leads (RFC 3986 section 5.2), never from `https` to `http`.
    ///
    /// # Errors
    /// Why it is not followed, as a sentence about it.
    pub fn join(&self, reference: &str) -> Result<Self, String> {
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = if self.is_https { "https" } else { "http" };
        let is_absolute = reference.split_once(':').is_some_and(|(before, _)| {
            !before.is_empty()
                && before.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        });
        let here = self.path.split('?').next().unwrap_or_default();
        let target = if is_absolute {
            Self::parse(reference)?
        } else if reference.starts_with("//") {
            Self::parse(&format!("{scheme}:{reference}"))?
        } else {
            let path = match reference.as_bytes().first() {
                None => self.path.clone(),
                Some(b'/') => reference.to_owned(),
                Some(b'?') => format!("{here}{reference}"),
                Some(_) => format!("{}/{reference}", here.rsplit_once('/').map_or("", |(folder, _)| folder)),
            };
            Self::parse(&format!("{scheme}://{}{}", self.host_field(), without_dots(&path)))?
        };
        if self.is_https && !target.is_https {
            return Err("it leads from https to http, where anybody between could change the list".to_owned());
        }
        Ok(target)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host_field(), self.path)
    }
}

/// A path without the segments `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut kept: Vec<&str> = Vec::new();
    let is_folder = path.ends_with(['/']) || path.ends_with("/.") || path.ends_with("/..");
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if is_folder && !kept.is_empty() { "/" } else { "" };
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("/{}{slash}{query}", kept.join("/"))
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// It is not.
    Plain,
    /// With gzip (RFC 9110 section 8.4.1.3).
    Gzip,
}

/// What the server says of a version, to ask whether it has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// `ETag`, to be sent back as `If-None-Match`.
    pub etag: Option<String>,
    /// `Last-Modified`, to be sent back as `If-Modified-Since`.
    pub modified: Option<String>,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The list comes now.
    Comes {
        /// How it is packed.
        packing: Packing,
        /// Its size in bytes as it is sent, if the server says so.
        length: Option<u64>,
        /// Its version.
        version: Version,
    },
    /// The copy that there is is what the server has.
    Same,
    /// It is somewhere else.
    Elsewhere(Target),
}

/// What the head of an answer means. `max` is the most bytes that a list may have.
///
/// # Errors
/// Why there is no list here, in words.
pub fn head(status: StatusCode, headers: &HeaderMap, at: &Target, max: u64) -> Result<Head, Trouble> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match status.as_u16() {
        200 => {}
        304 => return Ok(Head::Same),
        301 | 302 | 303 | 307 | 308 => {
            let there = text(LOCATION)
                .ok_or_else(|| Trouble::passing(format!("{at} says that it is elsewhere, and not where")))?;
            let leads = |why: String| {
                let what = format!("{at} leads to `{}`: {why}", there.get(..200).unwrap_or(there));
                Trouble::standing(what, "look the list's URL up anew, and change it in `[dns]`")
            };
            return at.join(there).map(Head::Elsewhere).map_err(leads);
        }
        _ => return Err(refused(status, at)),
    }
    let length = text(CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
    if length.is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let packing = match text(CONTENT_ENCODING).map(str::trim) {
        None | Some("" | "identity") => Packing::Plain,
        Some("gzip" | "x-gzip") => Packing::Gzip,
        Some(other) => {
            let what = format!(
                "the server sends it packed as `{}`, which it was not asked for",
                other.get(..40).unwrap_or(other)
            );
            return Err(Trouble::passing(what));
        }
    };
    let version = |name| text(name).filter(|text| text.len() <= MAX_VERSION).map(str::to_owned);
    let version = Version { etag: version(ETAG), modified: version(LAST_MODIFIED) };
    Ok(Head::Comes { packing, length, version })
}

fn refused(status: StatusCode, at: &Target) -> Trouble {
    let said = match status.canonical_reason() {
        Some(reason) => format!("{at} says {}: {}", status.as_u16(), reason.to_lowercase()),
        None => format!("{at} says {}", status.as_u16()),
    };
    match status.as_u16() {
        404 | 410 => Trouble::standing(
            said,
            "the list is not there any more: look its URL up anew, or take it out of `[dns]`",
        ),
        401 | 402 | 403 | 451 => {
            Trouble::standing(said, "the server does not give it to everybody: look the URL up anew")
        }
        429 | 500..=599 => Trouble::passing(said),
        _ => Trouble::standing(said, "look at the URL in a browser"),
    }
}

/// A list that is larger than lists may be.
pub fn too_large(max: u64) -> Trouble {
    let what = format!("it is larger than {} MiB", max >> 20);
    Trouble::standing(what, "take a shorter list: no list that people use is so large")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn urls_have_parts() {
        let check = |text: &str, is_https, host: &str, port, path: &str, field: &str| {
            let expected = Target { is_https, host: host.to_owned(), port, path: path.to_owned() };
            assert_eq!((target(text), target(text).host_field().as_str()), (expected, field));
        };
        check(
            "https://lists.example/a/b.txt?x=1#y",
            true,
            "lists.example",
            443,
            "/a/b.txt?x=1",
            "lists.example",
        );
        check("http://lists.example:8080", false, "lists.example", 8080, "/", "lists.example:8080");
        check("https://[2001:db8::1]/x", true, "2001:db8::1", 443, "/x", "[2001:db8::1]");
        check("https://lists.example?x", true, "lists.example", 443, "/?x", "lists.example");
        for (text, why) in [
            ("ftp://lists.example/", "it is neither `https` nor `http`"),
            ("https://me:secret@lists.example/", "there is a name or a password in it"),
            ("/a", "it is neither `https` nor `http`"),
        ] {
            assert_eq!(Target::parse(text), Err(why.to_owned()), "{text}");
        }
        assert!(
            Target::parse("https://a b/").is_err()
                && Target::parse(&format!("https://a/{}", "x".repeat(2048))).is_err()
        );
    }

    #[test]
    fn references_lead_where_browsers_go() {
        let base = target("https://lists.example:8443/a/b/c.txt?old");
        for (reference, expected) in [
            ("d.txt", "https://lists.example:8443/a/b/d.txt"),
            ("/d.txt?x#y", "https://lists.example:8443/d.txt?x"),
            ("?new", "https://lists.example:8443/a/b/c.txt?new"),
            ("", "https://lists.example:8443/a/b/c.txt?old"),
            ("../d.txt", "https://lists.example:8443/a/d.txt"),
            ("../../../../d.txt", "https://lists.example:8443/d.txt"),
            ("./x/.", "https://lists.example:8443/a/b/x/"),
            ("//other.example/d", "https://other.example/d"),
            ("https://other.example/d", "https://other.example/d"),
        ] {
            assert_eq!(
                base.join(reference).map(|target| target.to_string()),
                Ok(expected.to_owned()),
                "{reference}"
            );
        }
        for reference in ["http://lists.example/a", "ftp://lists.example/a", "javascript:alert(1)"] {
            assert!(base.join(reference).is_err(), "{reference}");
        }
        assert!(target("http://lists.example/").join("https://lists.example/").unwrap().is_https);
        assert!(!target("http://lists.example/").join("//lists.example/").unwrap().is_https);
    }

    fn said(status: u16, fields: &[(&str, &str)]) -> Result<Head, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        head(status, &headers, &target("https://lists.example/ads.txt"), 1 << 20)
            .map_err(|trouble| trouble.what)
    }

    #[test]
    fn heads_say_what_comes() {
        let comes = |packing, length, etag: Option<&str>, modified: Option<&str>| {
            let version = Version { etag: etag.map(str::to_owned), modified: modified.map(str::to_owned) };
            Ok(Head::Comes { packing, length, version })
        };
        assert_eq!(said(200, &[]), comes(Packing::Plain, None, None, None));
        assert_eq!(
            said(
                200,
                &[
                    ("etag", "W/\"x\""),
                    ("last-modified", "Tue, 24 Nov"),
                    ("content-length", "7"),
                    ("content-encoding", "gzip")
                ]
            ),
            comes(Packing::Gzip, Some(7), Some("W/\"x\""), Some("Tue, 24 Nov"))
        );
        assert_eq!(said(200, &[("etag", &"x".repeat(513))]), comes(Packing::Plain, None, None, None));
        assert_eq!(said(304, &[]), Ok(Head::Same));
        assert_eq!(
            said(302, &[("location", "b.txt")]),
            Ok(Head::Elsewhere(target("https://lists.example/b.txt")))
        );
    }

    #[test]
    fn heads_say_what_is_wrong() {
        for (status, fields, why) in [
            (404, &[][..], "https://lists.example/ads.txt says 404: not found"),
            (503, &[], "https://lists.example/ads.txt says 503: service unavailable"),
            (206, &[], "https://lists.example/ads.txt says 206: partial content"),
            (302, &[], "https://lists.example/ads.txt says that it is elsewhere, and not where"),
            (
                302,
                &[("location", "http://portal.example/login")],
                "https://lists.example/ads.txt leads to `http://portal.example/login`: it leads from https to http, where \
                 anybody between could change the list",
            ),
            (200, &[("content-length", "1048577")], "it is larger than 1 MiB"),
            (
                200,
                &[("content-encoding", "br")],
                "the server sends it packed as `br`, which it was not asked for",
            ),
        ] {
            assert_eq!(said(status, fields), Err(why.to_owned()));
        }
    }
}
