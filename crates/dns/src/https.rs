//! DNS over HTTPS (RFC 8484), as far as it can be told from the head of a request: which message it carries, who says to
//! ask, or why it is refused. Nothing else is at that port: no page, no redirect.
//!
//! ```
//! use dns::https::{Head, Method, Wanted, read};
//! let head = Head { method: Method::Get, path: "/dns-query/Phone", query: Some("dns=AAABAAAB"), ..Head::default() };
//! let Ok(Wanted::Message { message, id }) = read(&head) else { panic!() };
//! assert_eq!((&message[..], id.as_deref()), (&[0, 0, 1, 0, 0, 1][..], Some("phone")));
//! ```

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::connections::{MAX_MESSAGE, client_id};

/// Where questions go; a client's name may follow.
pub const PATH: &str = "/dns-query";
/// What is asked and answered (RFC 8484 section 6).
pub const MESSAGE: &str = "application/dns-message";
/// The methods, for those who use another.
pub const METHODS: &str = "GET, HEAD, POST";

/// What is asked to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The question is in the address.
    #[default]
    Get,
    /// The same, without the answer's body.
    Head,
    /// The question is in the body.
    Post,
    /// Anything else.
    Other,
}

/// The head of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'r> {
    /// What is asked to be done.
    pub method: Method,
    /// The path of the address.
    pub path: &'r str,
    /// What is behind the question mark.
    pub query: Option<&'r str>,
    /// The kind of the body.
    pub content_type: Option<&'r [u8]>,
    /// How long the body is, if that is said, in bytes.
    pub content_length: Option<u64>,
}

/// What a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The answer to this message.
    Message {
        /// The message, not looked into.
        message: Vec<u8>,
        /// Who says to ask.
        id: Option<Arc<str>>,
    },
    /// The answer to the message that is in the body.
    Body {
        /// The most that the body may be, in bytes.
        most: usize,
        /// Who says to ask.
        id: Option<Arc<str>>,
    },
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of HTTP.
    pub status: u16,
    /// One line for whoever reads it.
    pub why: &'static str,
}

const fn refused(status: u16, why: &'static str) -> Refused {
    Refused { status, why }
}

/// Nothing is there.
pub const NOT_FOUND: Refused = refused(404, "there is nothing here but /dns-query\n");
/// The message is too long.
pub const TOO_LONG: Refused = refused(413, "a message has at most 65535 bytes\n");
/// The message did not come in time.
pub const TOO_SLOW: Refused = refused(408, "the message did not come to its end in time\n");
/// The message makes no sense.
pub const NO_QUESTION: Refused = refused(400, "this is no question of DNS\n");
/// This connection has too much in work, or the question could not be worked on in time.
pub const BUSY: Refused = refused(503, "too much at once\n");

/// What a request wants, by its head.
///
/// # Errors
/// With the status of RFC 8484 section 4.1 and RFC 9110 section 15.5.
pub fn read(head: &Head<'_>) -> Result<Wanted, Refused> {
    let rest = head.path.strip_prefix(PATH).ok_or(NOT_FOUND)?;
    let id = match rest.strip_prefix('/') {
        None if rest.is_empty() => None,
        None => return Err(NOT_FOUND),
        Some("") => None,
        Some(id) if id.contains('/') => return Err(NOT_FOUND),
        Some(id) => {
            let why =
                refused(400, "the name behind /dns-query/ is letters, digits and hyphens, 63 at most\n");
            Some(client_id(id).ok_or(why)?)
        }
    };
    match head.method {
        Method::Get | Method::Head => Ok(Wanted::Message { message: in_query(head.query)?, id }),
        Method::Post => {
            if !head.content_type.is_some_and(is_message) {
                return Err(refused(415, "the body has to be application/dns-message\n"));
            }
            let most = usize::try_from(head.content_length.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
            match most {
                0 => Err(NO_QUESTION),
                1..=MAX_MESSAGE => Ok(Wanted::Body { most, id }),
                _ if head.content_length.is_some() => Err(TOO_LONG),
                _ => Ok(Wanted::Body { most: MAX_MESSAGE, id }),
            }
        }
        Method::Other => Err(refused(405, "GET, HEAD and POST are understood\n")),
    }
}

/// Whether it is the kind of DNS, parameters or not: RFC 9110 section 8.3.1 has letters in either case and spaces.
fn is_message(content_type: &[u8]) -> bool {
    let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(MESSAGE.as_bytes())
}

/// The message in the parameter `dns`: base64 for URLs, without padding (RFC 8484 section 6).
fn in_query(query: Option<&str>) -> Result<Vec<u8>, Refused> {
    let mut values = query.unwrap_or_default().split('&').filter_map(|part| part.strip_prefix("dns="));
    let value = values.next().ok_or(refused(400, "the parameter dns is missing\n"))?;
    if values.next().is_some() {
        return Err(refused(400, "the parameter dns is there twice\n"));
    }
    if value.len() > MAX_MESSAGE.div_ceil(3) * 4 {
        return Err(TOO_LONG);
    }
    let no_base64 = refused(400, "the parameter dns is not base64 for URLs without padding\n");
    let message = URL_SAFE_NO_PAD.decode(value).map_err(|_| no_base64)?;
    match message.len() {
        0 => Err(NO_QUESTION),
        1..=MAX_MESSAGE => Ok(message),
        _ => Err(TOO_LONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get<'r>(path: &'r str, query: &'r str) -> Head<'r> {
        Head { path, query: Some(query), ..Head::default() }
    }

    fn status(head: &Head<'_>) -> u16 {
        read(head).map_or_else(|refused| refused.status, |_| 200)
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let head = get("/dns-query", "dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB");
        let Ok(Wanted::Message { message, id: None }) = read(&head) else { panic!() };
        assert_eq!(crate::wire::asked(&message).unwrap().0.text(), "www.example.com");
        let among = get("/dns-query", "ct=x&dns=AAAB&dnsx=1");
        assert_eq!(read(&among), Ok(Wanted::Message { message: vec![0, 0, 1], id: None }));
    }

    #[test]
    fn a_client_names_itself_in_the_path() {
        let id = |path| match read(&get(path, "dns=AAAB")) {
            Ok(Wanted::Message { id, .. }) => Ok(id.map(|id| id.to_string())),
            Ok(Wanted::Body { .. }) => panic!(),
            Err(refused) => Err(refused.status),
        };
        assert_eq!(id("/dns-query"), Ok(None));
        assert_eq!(id("/dns-query/"), Ok(None));
        assert_eq!(id("/dns-query/My-Phone"), Ok(Some("my-phone".to_owned())));
        for (path, status) in [
            ("/dns-query/my.phone", 400),
            ("/dns-query/my%20phone", 400),
            ("/dns-query/-phone", 400),
            ("/dns-query/a/b", 404),
            ("/dns-query/a/", 404),
            ("/dns-queryx", 404),
            ("/", 404),
            ("", 404),
            ("*", 404),
        ] {
            assert_eq!(id(path), Err(status), "{path}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (query, expected) in [
            ("", 400),
            ("dn=AAAB", 400),
            ("dns=", 400),
            ("dns=AA=", 400),
            ("dns=AAAB====", 400),
            ("dns=A/AB", 400),
            ("dns=A+AB", 400),
            ("dns=A", 400),
            ("dns=AAAB&dns=AAAB", 400),
            ("dns=A-_B", 200),
        ] {
            assert_eq!(status(&get(PATH, query)), expected, "{query}");
        }
        assert_eq!(status(&Head { path: PATH, ..Head::default() }), 400);
        let long = |letters: usize| status(&get(PATH, &format!("dns={}", "A".repeat(letters))));
        assert_eq!((long(87_380), long(87_384), long(200_000)), (200, 413, 413));
        let other = Head { method: Method::Other, ..get(PATH, "dns=AAAB") };
        assert_eq!(status(&other), 405);
        assert_eq!(status(&Head { method: Method::Head, ..other }), 200);
    }

    #[test]
    fn a_body_has_a_kind_and_an_end() {
        let post = |kind: Option<&'static str>, length| {
            let content_type = kind.map(str::as_bytes);
            status(&Head {
                method: Method::Post,
                path: PATH,
                content_type,
                content_length: length,
                query: None,
            })
        };
        assert_eq!(post(Some(MESSAGE), Some(12)), 200);
        assert_eq!(post(Some("Application/DNS-Message ; charset=x"), None), 200);
        assert_eq!(post(Some(MESSAGE), Some(65_535)), 200);
        assert_eq!(post(Some(MESSAGE), Some(65_536)), 413);
        assert_eq!(post(Some(MESSAGE), Some(u64::MAX)), 413);
        assert_eq!(post(Some(MESSAGE), Some(0)), 400);
        assert_eq!(post(Some("text/plain"), Some(12)), 415);
        assert_eq!(post(None, Some(12)), 415);
    }

    proptest! {
        #[test]
        fn every_message_is_read_as_it_was(message in proptest::collection::vec(any::<u8>(), 1..300)) {
            let query = format!("dns={}", URL_SAFE_NO_PAD.encode(&message));
            prop_assert_eq!(read(&get(PATH, &query)), Ok(Wanted::Message { message, id: None }));
        }
    }
}
