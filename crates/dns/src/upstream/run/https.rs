//! DNS over HTTPS: questions as POST requests on one connection of HTTP/2 (RFC 8484).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::header::{ACCEPT, AGE, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;

use super::super::failure::Failure;
use super::super::line::Upstream;
use super::super::wire::{Echo, Sent};
use super::link::Trouble;

/// The longest answer: what a DNS message may have.
const MAX_ANSWER: usize = 65_535;
/// The most bytes of headers that an answer may have.
const MAX_HEADERS: u32 = 16 << 10;
/// The media type of DNS messages (RFC 8484 section 6).
const DNS_MESSAGE: &str = "application/dns-message";

/// A connection.
#[derive(Debug)]
pub(crate) struct Https {
    requests: http2::SendRequest<Full<Bytes>>,
    address: Arc<str>,
    heard: AtomicU64,
    task: AbortHandle,
    _file: OwnedSemaphorePermit,
}

impl Drop for Https {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer, and how many seconds ago somebody on the way got it (RFC 8484 section 5.1).
pub(crate) type Aged = (Vec<u8>, u32);

impl Https {
    /// Begins to speak HTTP/2.
    pub(crate) async fn new(
        stream: TlsStream<TcpStream>,
        upstream: &Upstream,
        file: OwnedSemaphorePermit,
    ) -> Result<Self, Failure> {
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(128 << 10)
            .initial_connection_window_size(1 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::NoHttp2)?;
        let task = tokio::spawn(async move {
            // What goes wrong with it is told to those that ask.
            let _ = connection.await;
        });
        let address = address_of(upstream).into();
        Ok(Self { requests, address, heard: AtomicU64::new(0), task: task.abort_handle(), _file: file })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed() || self.task.is_finished()
    }

    /// How many answers have come on it.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Nobody else shall use it: it hangs.
    pub(crate) fn close(&self) {
        self.task.abort();
    }

    /// Asks, and waits until then. The number is 0, so that what lies between can see that two questions are
    /// the same (RFC 8484 section 4.1).
    pub(crate) async fn ask(&self, sent: Sent, until: Instant) -> Result<Aged, Trouble> {
        let began = Instant::now();
        match timeout_at(until.into(), self.post(&sent)).await {
            Ok(Ok((reply, age))) => match sent.echo(&reply) {
                Echo::Other => Err(Trouble::Failed(Failure::OtherQuestion)),
                Echo::Same | Echo::OtherCase | Echo::Unread => Ok((reply, age)),
            },
            Ok(Err(trouble)) => Err(trouble),
            Err(_) => Err(Trouble::Silent(began.elapsed())),
        }
    }

    async fn post(&self, sent: &Sent) -> Result<Aged, Trouble> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&*self.address)
            .header(CONTENT_TYPE, DNS_MESSAGE)
            .header(ACCEPT, DNS_MESSAGE)
            .body(Full::new(Bytes::copy_from_slice(&sent.message)))
            .map_err(|_| Trouble::Failed(Failure::NotDns))?;
        let mut requests = self.requests.clone();
        requests.ready().await.map_err(|_| Trouble::Broken)?;
        let response = requests.send_request(request).await.map_err(|_| Trouble::Broken)?;
        self.heard.fetch_add(1, Ordering::Relaxed);
        if response.status() != StatusCode::OK {
            return Err(Trouble::Failed(Failure::Status(response.status().as_u16())));
        }
        let is_dns = header(&response, CONTENT_TYPE).is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(DNS_MESSAGE))
        });
        if !is_dns {
            return Err(Trouble::Failed(Failure::NotDns));
        }
        let age = header(&response, AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<hyper::Error>() {
            Some(_) => Trouble::Broken,
            None => Trouble::Failed(Failure::Unreadable),
        })?;
        Ok((body.to_bytes().into(), age))
    }
}

fn header<B>(response: &Response<B>, name: hyper::header::HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// The address of requests: with the name that the certificate is for, whatever address is connected to.
fn address_of(upstream: &Upstream) -> String {
    let name = upstream.certified_name();
    let name = if name.contains(':') { format!("[{name}]") } else { name };
    let port = if upstream.port == 443 { String::new() } else { format!(":{}", upstream.port) };
    format!("https://{name}{port}{}", upstream.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_the_name_of_the_certificate() {
        for (text, address) in [
            ("https://dns.example", "https://dns.example/dns-query"),
            ("https://[2620:fe::fe]:444/q", "https://[2620:fe::fe]:444/q"),
            ("https://9.9.9.9#dns.quad9.net", "https://dns.quad9.net/dns-query"),
        ] {
            assert_eq!(address_of(&Upstream::parse(text).unwrap()), address);
        }
    }
}
