//! What is said to a request: status, headers, body. Pure.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::asset::Found;
use crate::request::Head;

pub(crate) type Body = Either<Full<Bytes>, Channel<Bytes>>;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Nothing but what comes from here, and nothing inside the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// How hard it is tried: more takes twice the time for a hundredth less.
const LEVEL: u32 = 4;
/// What is shorter is sent as it is.
const SHORT: usize = 1024;

/// A text of some kind. It is sent compressed where that is taken, and not at all to who has it.
pub(crate) fn text(status: StatusCode, kind: &'static str, body: String, head: &Head) -> Response<Body> {
    let tag = tag(body.as_bytes());
    let is_known = status == StatusCode::OK && head.has.as_deref() == Some(tag.as_str());
    let mut response = match is_known {
        true => with(StatusCode::NOT_MODIFIED, kind, Bytes::new()),
        false if head.takes_gzip && body.len() > SHORT => {
            let mut response = with(status, kind, compressed(&body));
            set(&mut response, CONTENT_ENCODING, "gzip");
            response
        }
        false => with(status, kind, Bytes::from(body)),
    };
    set(&mut response, CACHE_CONTROL, "no-cache, private");
    set(&mut response, VARY, "accept-encoding, cookie");
    if status == StatusCode::OK {
        set(&mut response, ETAG, &tag);
    }
    response
}

/// A page.
pub(crate) fn html(status: StatusCode, body: String, head: &Head) -> Response<Body> {
    text(status, HTML, body, head)
}

/// A view as JSON.
pub(crate) fn json(status: StatusCode, body: String, head: &Head) -> Response<Body> {
    text(status, JSON, body, head)
}

/// A page that is saved as a file.
pub(crate) fn file(name: &str, body: String, head: &Head) -> Response<Body> {
    let mut response = html(StatusCode::OK, body, head);
    set(&mut response, CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    response
}

/// An asset. An address with the hash of what is in it may be kept for ever; any other is asked for again.
pub(crate) fn asset(found: Found, head: &Head) -> Response<Body> {
    let Found { asset, by_hash } = found;
    let keep = if by_hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = match head.has.as_deref() == Some(asset.etag) {
        true => with(StatusCode::NOT_MODIFIED, asset.kind, Bytes::new()),
        false if head.takes_gzip => {
            let mut response = with(StatusCode::OK, asset.kind, Bytes::from_static(asset.gzip));
            set(&mut response, CONTENT_ENCODING, "gzip");
            response
        }
        false => with(StatusCode::OK, asset.kind, Bytes::from_static(asset.body)),
    };
    set(&mut response, CACHE_CONTROL, keep);
    set(&mut response, VARY, "accept-encoding");
    set(&mut response, ETAG, asset.etag);
    response
}

/// What changes, as it does (server-sent events).
pub(crate) fn live(body: Channel<Bytes>) -> Response<Body> {
    let mut response = Response::new(Either::Right(body));
    guard(&mut response, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// Go there; with a session, if one has begun: the name of its cookie, and its secret.
pub(crate) fn see_other(to: &str, session: Option<(&str, &str)>) -> Response<Body> {
    let mut response = with(StatusCode::SEE_OTHER, TEXT, Bytes::new());
    set(&mut response, LOCATION, to);
    set(&mut response, CACHE_CONTROL, "no-store");
    if let Some((name, secret)) = session {
        set(&mut response, SET_COOKIE, &format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax"));
    }
    response
}

fn with(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    guard(&mut response, kind);
    response
}

/// The headers that everything has.
fn guard(response: &mut Response<Body>, kind: &'static str) {
    set(response, CONTENT_TYPE, kind);
    set(response, CONTENT_SECURITY_POLICY, POLICY);
    set(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(response, REFERRER_POLICY, "same-origin");
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn compressed(body: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(LEVEL));
    // Writing to memory does not fail.
    let _ = encoder.write_all(body.as_bytes());
    Bytes::from(encoder.finish().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_told_so_and_long_texts_are_compressed() {
        let head = Head::default();
        let first = text(StatusCode::OK, TEXT, "x".repeat(5000), &head);
        assert!(first.headers().get(CONTENT_ENCODING).is_none());
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let again =
            text(StatusCode::OK, TEXT, "x".repeat(5000), &Head { has: Some(tag.clone()), ..Head::default() });
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = text(
            StatusCode::OK,
            TEXT,
            "y".repeat(5000),
            &Head { has: Some(tag), takes_gzip: true, ..Head::default() },
        );
        assert_eq!(
            (other.status(), &other.headers()[CONTENT_ENCODING]),
            (StatusCode::OK, &HeaderValue::from_static("gzip"))
        );
        assert!(
            other.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors 'none'")
        );
    }
}
