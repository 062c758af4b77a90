//! What of a request decides what is answered. Pure: the parts of its head go in.

use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, COOKIE, HOST, HeaderName, IF_NONE_MATCH, ORIGIN};

/// The cookie of who may change something, without what makes it that of one machine.
const SESSION: &str = "polis-session";

/// The name of that cookie at a host. Browsers keep one jar for all ports of it, so that the port is in the name.
pub(crate) fn cookie(host: &str) -> String {
    let port = host.rsplit(':').next().filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    format!("{SESSION}-{}", port.unwrap_or("80"))
}

/// The parts of a request's head that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) host: String,
    pub(crate) origin: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) takes_gzip: bool,
    pub(crate) has: Option<String>,
    /// Asked for by a page of somebody else's, which is not to become a page of the browser by it.
    pub(crate) is_foreign: bool,
}

impl Head {
    /// Of these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text =
            |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = cookie(text(HOST));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let session = cookies
            .flat_map(|all| all.split(';'))
            .filter_map(|one| one.trim().split_once('='))
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.to_owned());
        Self {
            host: text(HOST).to_owned(),
            origin: headers.get(ORIGIN).map(|value| value.to_str().unwrap_or_default().to_owned()),
            session,
            takes_gzip: takes_gzip(text(ACCEPT_ENCODING)),
            is_foreign: text(HeaderName::from_static("sec-fetch-site")) == "cross-site"
                && text(HeaderName::from_static("sec-fetch-mode")) != "navigate",
            has: headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned),
        }
    }

    /// Asked for as an address, or as this machine: a page of somebody else's that gives its own name this address
    /// (DNS rebinding) is not answered.
    pub(crate) fn is_for_us(&self) -> bool {
        let host = self.host.as_str();
        host.parse::<std::net::SocketAddr>().is_ok()
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
            || host.split(':').next() == Some("localhost")
    }

    /// Whether what is to be changed is asked for by a page of ours: browsers send the origin with every POST.
    pub(crate) fn is_from_us(&self) -> bool {
        self.origin
            .as_ref()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|own| own == self.host)
    }
}

/// Whether gzip is among what is accepted (RFC 9110 section 12.5.3), and not with a weight of zero.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The fields of a query or of a form (application/x-www-form-urlencoded), in their order; at most 32 of them.
pub(crate) fn fields(text: &str) -> Vec<(String, String)> {
    let field = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    text.split('&').filter(|pair| !pair.is_empty()).take(32).map(field).collect()
}

/// A field that is there and not empty.
pub(crate) fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// A text without percent signs and pluses; what is no UTF-8 is replaced.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = escaped.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (first, escaped.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as a part of an address: all but letters, digits and `-._~` (RFC 3986 section 2.3) is escaped.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&'static str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), hyper::header::HeaderValue::from_str(value).unwrap())
        });
        Head::of(&headers.collect())
    }

    #[test]
    fn only_addresses_and_localhost_are_names_of_ours() {
        let is = |host: &str| head(&[("host", host)]).is_for_us();
        for host in ["127.0.0.1", "127.0.0.1:8421", "[::1]:8421", "::1", "localhost", "localhost:18421"] {
            assert!(is(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8421"]
        {
            assert!(!is(host), "{host}");
        }
    }

    #[test]
    fn a_change_is_asked_for_by_a_page_of_ours() {
        let is = |headers: &[(&'static str, &str)]| head(headers).is_from_us();
        assert!(is(&[("host", "127.0.0.1:8421"), ("origin", "http://127.0.0.1:8421")]));
        assert!(!is(&[("host", "127.0.0.1:8421")]));
        for origin in [
            "null",
            "",
            "http://127.0.0.1",
            "http://127.0.0.1:8422",
            "https://127.0.0.1:8421",
            "http://evil.example",
        ] {
            assert!(!is(&[("host", "127.0.0.1:8421"), ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn heads_are_read() {
        let read = head(&[
            ("host", "127.0.0.1:8421"),
            ("cookie", "a=b; polis-session-8422=other; polis-session-8421=c0de"),
            ("accept-encoding", "br, gzip;q=0.5"),
            ("if-none-match", "\"x\""),
        ]);
        assert_eq!(read.session.as_deref(), Some("c0de"));
        assert!(read.takes_gzip && read.has.as_deref() == Some("\"x\""));
        assert!(
            !read.is_foreign
                && head(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]).is_foreign
        );
        assert!(!head(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]).is_foreign);
        assert!(!head(&[("accept-encoding", "br, gzip;q=0")]).takes_gzip && !head(&[]).takes_gzip);
    }

    #[test]
    fn fields_are_decoded_and_encoded() {
        let read = fields("q=a+b%26c&empty=&flag&bad=%zz%F0");
        let expected = [("q", "a b&c"), ("empty", ""), ("flag", ""), ("bad", "%zz\u{FFFD}")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            (field(&read, "q"), field(&read, "empty"), field(&read, "no")),
            (Some("a b&c"), None, None)
        );
        assert_eq!(decoded(&encoded("||ads.example^ ä&")), "||ads.example^ ä&");
    }
}
