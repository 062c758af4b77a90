//! What Polis shows over HTTP to the machine that it runs on: `/metrics`. Pages come with their own service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::Node;
use crate::link::run::each_connection;

/// The most connections at once, and how long a request may take to arrive.
const MAX_CONNECTIONS: usize = 32;
const HEAD: Duration = Duration::from_secs(10);
const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, node: Arc<Node>) {
    let serve = |stream, _| {
        let node = Arc::clone(&node);
        async move {
            let answer = service_fn(|request| answer(request, Arc::clone(&node)));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 << 10);
            // What a client does wrong is its own affair.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        }
    };
    each_connection(listener, MAX_CONNECTIONS, serve).await;
}

async fn answer(request: Request<Incoming>, node: Arc<Node>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (code, kind, text) = match (request.method(), request.uri().path()) {
        _ if !is_local(&request) => {
            (StatusCode::MISDIRECTED_REQUEST, PLAIN, "this is no name of this page\n".to_owned())
        }
        (&Method::GET, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", node.metrics())
        }
        (&Method::GET, _) => (StatusCode::NOT_FOUND, PLAIN, "there is /metrics here\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "this is for reading\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// Asked for as an address, or as this machine: a page of somebody else's that names us is not answered.
fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.parse::<std::net::SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
        || host.split(':').next() == Some("localhost")
}
