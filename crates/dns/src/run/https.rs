//! DNS over HTTPS (RFC 8484), over HTTP/2 and HTTP/1.1: what `crate::https` says of a request is done here.
//!
//! The places of connections and the room for messages are those of all connections; besides, streams, heads, bodies and
//! times have limits, and a connection that has nothing to do is closed, as is one whose client does not read.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::{Sleep, sleep, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use super::connections::{
    ANSWER_WAIT, Answer, Connections, GOODBYE_WAIT, Held, Place, Room, Trouble, WRITE_WAIT, each, now,
};
use super::tls::Secured;
use crate::connections::{Does, MESSAGE_WHOLE, Origin, Over, Wants, dress, life};
use crate::https::{self, Head, MESSAGE, METHODS, Method, Refused, Wanted};

/// The most requests of one connection at once (RFC 9113 section 6.5.2 wants no fewer).
const MAX_STREAMS: u32 = 100;
/// The most streams that a client may take back before they are looked at (CVE-2023-44487), and that may go wrong.
const MAX_RESET: usize = 20;
const MAX_WRONG: usize = 100;
/// The longest head of a request, in bytes, and the most fields in it.
const MAX_HEAD: u32 = 16 << 10;
const MAX_FIELDS: usize = 64;
/// How much of the body of a request that is refused is read, in bytes.
const MAX_THROWN_AWAY: usize = 256 << 10;
/// How long the head of a request of HTTP/1.1 is waited for, which is how long such a connection may be quiet.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How much may come of bodies that nobody has read yet, in bytes: of one stream, and of all of a connection.
const WINDOW: u32 = 65_535;
const WINDOW_ALL: u32 = 256 << 10;

/// Answers questions over HTTPS until it is dropped.
pub async fn serve_https<A: Answer>(
    listener: TcpListener,
    connections: Connections,
    secured: Secured,
    answer: A,
) {
    each(listener, connections, move |stream, client, seat| {
        let (secured, answer) = (secured.clone(), answer.clone());
        async move {
            let Ok(local) = stream.local_addr() else { return };
            let place = seat.place().clone();
            let talking = async {
                let Some((stream, id)) = secured.greet(stream, &place).await else { return };
                let origin = Origin { client, local, id, over: Over::Https };
                let work = Work::new(place.clone());
                talk(stream, Arc::new(Serves { origin, answer, room: place.room(), work })).await;
            };
            seat.until_closed(talking).await;
        }
    })
    .await;
}

/// What the requests of one connection have in common.
struct Serves<A> {
    origin: Origin,
    answer: A,
    room: Room,
    work: Arc<Work>,
}

/// The requests of one connection, until it ends.
async fn talk<S, A>(stream: TlsStream<S>, serves: Arc<Serves<A>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let work = Arc::clone(&serves.work);
    let stream = TokioIo::new(Watched { stream, stuck: None, place: work.place.clone() });
    let service = service_fn(move |request| {
        let serves = Arc::clone(&serves);
        async move { Ok::<_, Infallible>(serves.respond(request).await) }
    });
    if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_RESET)
            .max_local_error_reset_streams(MAX_WRONG)
            .max_header_list_size(MAX_HEAD)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW_ALL)
            .max_send_buf_size(1 << 16)
            .serve_connection(stream, service);
        let mut connection = pin!(connection);
        if work.until_quiet(connection.as_mut()).await == Ended::Quiet {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE_WAIT, connection).await;
        }
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_headers(MAX_FIELDS)
            .max_buf_size(16 << 10)
            .serve_connection(stream, service);
        let mut connection = pin!(connection);
        if work.until_quiet(connection.as_mut()).await == Ended::Quiet {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE_WAIT, connection).await;
        }
    }
}

impl<A: Answer> Serves<A> {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _working = Working::begin(&self.work);
        let is_head = request.method() == hyper::Method::HEAD;
        match self.answer(request).await {
            Ok((answer, held)) => answered(answer, held, is_head),
            Err(refused) => refusal(refused, is_head),
        }
    }

    /// What the answerer says, with the room that it takes.
    async fn answer(&self, request: Request<Incoming>) -> Result<(Vec<u8>, Held), Refused> {
        let (message, id) = self.question(request).await?;
        // What comes with the answer is of the length of the question at least.
        let wants = Wants { keepalive: false, ..Wants::of(&message) };
        let id = id.or_else(|| self.origin.id.clone());
        let origin = Origin { id, ..self.origin.clone() };
        let asked = timeout(ANSWER_WAIT, self.answer.answer(message, origin)).await;
        let mut answer = asked.map_err(|_| https::BUSY)?.ok_or(https::NO_QUESTION)?;
        dress(&mut answer, wants, Duration::ZERO);
        let held = self.room.hold(answer.len()).ok_or(https::BUSY)?;
        Ok((answer, held))
    }

    /// The message of a request, and who says to ask.
    async fn question(&self, request: Request<Incoming>) -> Result<(Vec<u8>, Option<Arc<str>>), Refused> {
        let (parts, body) = request.into_parts();
        let field = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
        let length = field(CONTENT_LENGTH).and_then(|length| str::from_utf8(length).ok()?.parse().ok());
        let head = Head {
            method: match parts.method {
                hyper::Method::GET => Method::Get,
                hyper::Method::HEAD => Method::Head,
                hyper::Method::POST => Method::Post,
                _ => Method::Other,
            },
            path: parts.uri.path(),
            query: parts.uri.query(),
            content_type: field(CONTENT_TYPE),
            content_length: length,
        };
        match https::read(&head) {
            Ok(Wanted::Message { message, id }) => Ok((message, id)),
            Ok(Wanted::Body { most, id }) => {
                let _held = self.room.hold(most).ok_or(https::BUSY)?;
                let whole = timeout(MESSAGE_WHOLE, collect(body, most)).await;
                let message = whole.unwrap_or_else(|_| {
                    self.work.place.note(Trouble::TooSlow);
                    Err(https::TOO_SLOW)
                })?;
                Ok((message, id))
            }
            Err(refused) => {
                // Some clients do not hear why before they have said everything.
                let _ = timeout(MESSAGE_WHOLE, collect(body, 0)).await;
                Err(refused)
            }
        }
    }
}

/// A body of so many bytes at most. One that is longer is read on for a while and thrown away.
async fn collect(mut body: Incoming, most: usize) -> Result<Vec<u8>, Refused> {
    let (mut message, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| https::NO_QUESTION)?.into_data() else { continue };
        length += data.len();
        match length {
            _ if length <= most => message.extend_from_slice(&data),
            ..=MAX_THROWN_AWAY => {}
            _ => return Err(https::TOO_LONG),
        }
    }
    match length {
        0 => Err(https::NO_QUESTION),
        _ if length <= most => Ok(message),
        _ => Err(https::TOO_LONG),
    }
}

/// An answer whose room is free when the last of it has gone.
struct Roomy {
    answer: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Roomy {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

fn answered(answer: Vec<u8>, held: Held, is_head: bool) -> Response<Full<Bytes>> {
    let (length, life) = (answer.len(), life(&answer));
    let body = if is_head { Bytes::new() } else { Bytes::from_owner(Roomy { answer, _held: held }) };
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
    headers.insert(CONTENT_LENGTH, length.into());
    // What one client is told can depend on who it is.
    if let Ok(kept) = HeaderValue::try_from(format!("private, max-age={life}")) {
        headers.insert(CACHE_CONTROL, kept);
    }
    response
}

fn refusal(refused: Refused, is_head: bool) -> Response<Full<Bytes>> {
    let body = if is_head { Bytes::new() } else { Bytes::from_static(refused.why.as_bytes()) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, refused.why.len().into());
    if refused.status == StatusCode::METHOD_NOT_ALLOWED.as_u16() {
        headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    response
}

/// What a connection has to do.
struct Work {
    place: Place,
    /// How many requests, and when the last one began or ended.
    state: Mutex<(usize, Instant)>,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Itself,
    Quiet,
}

impl Work {
    fn new(place: Place) -> Arc<Self> {
        Arc::new(Self { place, state: Mutex::new((0, now())) })
    }

    fn change(&self, count: impl FnOnce(usize) -> usize) {
        let now = now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (count(state.0), now);
        self.place.stirs(if state.0 == 0 { Does::Idle } else { Does::Work }, now);
    }

    /// When to look again whether it has been quiet for too long, and whether it has.
    fn quiet(&self) -> (Instant, bool) {
        let idle = self.place.idle_time(Over::Https);
        let (count, last) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        if count > 0 { (now + idle, false) } else { (last + idle, last + idle <= now) }
    }

    /// Until a connection ends, or has had nothing to do for as long as it may.
    async fn until_quiet<C: Future>(&self, mut connection: Pin<&mut C>) -> Ended {
        loop {
            let (end, is_over) = self.quiet();
            if is_over {
                return Ended::Quiet;
            }
            tokio::select! {
                _ = connection.as_mut() => return Ended::Itself,
                () = sleep_until(end.into()) => {}
            }
        }
    }
}

/// A request is worked on until this is dropped, also when its client has taken it back.
struct Working(Arc<Work>);

impl Working {
    fn begin(work: &Arc<Work>) -> Self {
        work.change(|count| count + 1);
        Self(Arc::clone(work))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.change(|count| count.saturating_sub(1));
    }
}

/// A stream whose client has to read what is sent, in time.
struct Watched<S> {
    stream: S,
    stuck: Option<Pin<Box<Sleep>>>,
    place: Place,
}

impl<S> Watched<S> {
    /// What came of writing: an error if nothing has gone for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stuck = None;
            return done;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(WRITE_WAIT)));
        ready!(stuck.as_mut().poll(context));
        self.place.note(Trouble::NotRead);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connections::ConnectionsView;
    use super::super::connections::tests::{Parrot, client};
    use super::*;
    use runtime::authority::{Authority, Names, Shown, Within};
    use runtime::{Clock, State};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream as Client;

    const NAME: &str = "dns.lab.example.net";

    /// An authority in memory, what it has signed, and who trusts it.
    fn secured() -> (Secured, Arc<rustls::RootCertStore>) {
        let folder = std::env::temp_dir().join(format!("polis-https-{:?}", std::thread::current().id()));
        let clock = Clock::system(0);
        let within = Within { domains: ["lab.example.net".to_owned()].into(), ..Within::default() };
        let authority = Authority::in_state(&State::at(folder.clone()), "naxos", &within, &clock).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let shown = Shown::default();
        let names = Names { names: [NAME.to_owned()].into(), ..Names::default() };
        authority.keep(&shown, &names, &clock).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate_der().to_vec().into()).unwrap();
        (Secured::https(&shown).unwrap(), Arc::new(roots))
    }

    /// One end of a pipe that is served, and everything about it.
    fn serve(connections: &Connections, secured: &Secured, pipe: usize) -> DuplexStream {
        let (near, far) = duplex(pipe);
        let (seat, secured) = (connections.enter(client(), now()), secured.clone());
        tokio::spawn(async move {
            let place = seat.place().clone();
            let talking = async {
                let Some((stream, id)) = secured.greet(far, &place).await else { return };
                let origin = Origin { client: client(), local: client(), id, over: Over::Https };
                let work = Work::new(place.clone());
                talk(stream, Arc::new(Serves { origin, answer: Parrot, room: place.room(), work })).await;
            };
            seat.until_closed(talking).await;
        });
        near
    }

    async fn connect(connections: &Connections, protocol: &[u8], pipe: usize) -> Client<DuplexStream> {
        let (secured, roots) = secured();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = NAME.try_into().unwrap();
        let near = serve(connections, &secured, pipe);
        TlsConnector::from(Arc::new(config)).connect(name, near).await.unwrap()
    }

    async fn said_and_seconds(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, u64) {
        let start = now();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        (said, (now() - start).as_secs())
    }

    fn has(said: &[u8], text: &str) -> bool {
        said.windows(text.len()).any(|part| part == text.as_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_has_an_end() {
        let connections = Connections::default();
        let (secured, _) = secured();
        let mut silent = serve(&connections, &secured, 4096);
        assert_eq!(said_and_seconds(&mut silent).await.1, 5);
        let mut half = serve(&connections, &secured, 4096);
        // The beginning of the first message of TLS, which says that 512 bytes follow.
        half.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        assert_eq!(said_and_seconds(&mut half).await.1, 5);
        let mut nonsense = serve(&connections, &secured, 4096);
        nonsense.write_all(b"GET / HTTP/1.1\r\nHost: dns\r\n\r\n").await.unwrap();
        assert_eq!(said_and_seconds(&mut nonsense).await.1, 0);
        let expected = ConnectionsView { opened: 3, failed_handshakes: 3, ..ConnectionsView::default() };
        assert_eq!(connections.view(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_slow_over_http1_is_closed() {
        let connections = Connections::default();
        let mut silent = connect(&connections, b"http/1.1", 4096).await;
        assert_eq!(said_and_seconds(&mut silent).await.1, 10);
        let mut slow = connect(&connections, b"http/1.1", 4096).await;
        slow.write_all(b"POST /dns-query HTTP/1.1\r\nhost: dns\r\n").await.unwrap();
        assert_eq!(said_and_seconds(&mut slow).await.1, 10, "half a head");
        let mut body = connect(&connections, b"http/1.1", 4096).await;
        let head = "POST /dns-query HTTP/1.1\r\nhost: dns\r\ncontent-type: application/dns-message\r\n\
                    content-length: 40\r\n\r\nhalf";
        body.write_all(head.as_bytes()).await.unwrap();
        let (said, seconds) = said_and_seconds(&mut body).await;
        assert!(has(&said, "HTTP/1.1 408 ") && seconds < 20, "{seconds} s");
        assert_eq!(connections.view().too_slow, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_without_work_is_closed_with_a_goodbye() {
        let connections = Connections::default();
        let mut stream = connect(&connections, b"h2", 4096).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let (said, seconds) = said_and_seconds(&mut stream).await;
        assert!((30..=32).contains(&seconds), "{seconds} s");
        // A frame of 8 bytes of the type GOAWAY.
        assert!(said.windows(5).any(|part| part == [0, 0, 8, 7, 0]), "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_dropped() {
        let connections = Connections::default();
        let mut stream = connect(&connections, b"http/1.1", 4096).await;
        // A question whose answer is 60,000 bytes.
        let head = "GET /dns-query?dns=YmJi HTTP/1.1\r\nhost: dns\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let start = now();
        while connections.view().open > 0 {
            sleep(Duration::from_secs(1)).await;
        }
        let waited = (now() - start).as_secs();
        assert!((5..=7).contains(&waited), "{waited} s");
        assert_eq!(connections.view().not_read, 1);
    }
}
