//! Fetches a list over HTTP: from the server into a file, with limits to everything. What an answer means says `http`.
//!
//! HTTP/1.1, one connection a request: lists come once a day from as many servers as there are lists, so HTTP/2 would
//! save nothing. The body goes to a thread of low priority that unpacks, counts and writes it; who waits for the
//! network never waits for the disk. The file is complete or gone.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, HOST, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::low;
use crate::lists::Trouble;
use crate::lists::http::{Head, Packing, Target, Version, head, too_large};
use crate::lists::meta::hex;

/// What waits between the network and the disk, in parts of up to 16 KiB or so.
const MAX_PARTS: usize = 8;
/// The most addresses of a server that are tried.
const MAX_ADDRESSES: usize = 4;
/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Addresses of a name, asked of whom the caller knows.
pub type Addresses = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, String>> + Send>>;
/// Looks a name up; why it has no addresses, as a sentence about it.
pub type Resolve = Arc<dyn Fn(String) -> Addresses + Send + Sync>;

/// The limits of fetching a list.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection, and then TLS, may take for each address.
    pub connect: Duration,
    /// How long nothing may come.
    pub quiet: Duration,
    /// How long all of it may take.
    pub whole: Duration,
    /// The most bytes, packed and unpacked.
    pub bytes: u64,
    /// How often it may be elsewhere.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            quiet: Duration::from_secs(20),
            whole: Duration::from_secs(300),
            bytes: crate::filter::MAX_LIST,
            redirects: 5,
        }
    }
}

/// Fetches lists.
#[derive(Clone)]
pub struct Fetcher {
    resolve: Resolve,
    tls: Arc<ClientConfig>,
    limits: Limits,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What came of asking for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The server has what there is.
    Same,
    /// It is in the file.
    New(Written, Version),
}

/// A file that was written, and is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size in bytes, unpacked.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What goes to the disk.
#[derive(Debug)]
enum Part {
    Bytes(Bytes),
    /// The server has sent all of it.
    End,
}

impl Fetcher {
    /// With a way to look names up, and whom to trust.
    pub fn new(resolve: Resolve, tls: Arc<ClientConfig>) -> Self {
        Self { resolve, tls, limits: Limits::default() }
    }

    /// With other limits.
    #[must_use]
    pub fn with(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Fetches what stands at a URL into a new file, unless the server says that it is the version that is known. `came`
    /// is raised to the number of bytes that have come.
    ///
    /// # Errors
    /// Why it could not be fetched; then there is no file.
    pub async fn fetch(
        &self,
        url: &str,
        known: &Version,
        file: &Path,
        came: &AtomicU64,
    ) -> Result<Fetched, Trouble> {
        let all = self.follow(url, known, file, came);
        match timeout(self.limits.whole, all).await {
            Ok(fetched) => fetched,
            Err(_) => {
                let (bytes, seconds) = (came.load(Ordering::Relaxed), self.limits.whole.as_secs());
                Err(Trouble::passing(format!("it was not here after {seconds} s, only {bytes} bytes of it")))
            }
        }
    }

    async fn follow(
        &self,
        url: &str,
        known: &Version,
        file: &Path,
        came: &AtomicU64,
    ) -> Result<Fetched, Trouble> {
        let no_url = |why| Trouble::standing(why, "mend the URL in `[dns]`");
        let mut at = Target::parse(url).map_err(no_url)?;
        for _ in 0..=self.limits.redirects {
            let (response, connection) = self.ask(&at, known).await?;
            match head(response.status(), response.headers(), &at, self.limits.bytes)? {
                Head::Same if *known == Version::default() => {
                    return Err(Trouble::passing(format!(
                        "{at} says that it has not changed, which nobody asked"
                    )));
                }
                Head::Same => return Ok(Fetched::Same),
                Head::Elsewhere(there) => at = there,
                Head::Comes { packing, length, version } => {
                    let written = self.take(response, packing, length, file, came).await?;
                    drop(connection);
                    return Ok(Fetched::New(written, version));
                }
            }
        }
        let what = format!("it leads from one URL to the next, more than {} times", self.limits.redirects);
        Err(Trouble::standing(what, "look the list's URL up anew, and change it in `[dns]`"))
    }

    /// Asks one server; the connection lives as long as what is handed back with the answer.
    async fn ask(&self, at: &Target, known: &Version) -> Result<(Response<Incoming>, Connection), Trouble> {
        let stream = self.connect(at).await?;
        if !at.is_https {
            return self.send(stream, at, known).await;
        }
        let name = ServerName::try_from(at.host.clone()).map_err(|_| {
            Trouble::standing(format!("`{}` is no name of a server", at.host), "mend the URL in `[dns]`")
        })?;
        let shaken =
            timeout(self.limits.connect, TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream))
                .await;
        let stream = match shaken {
            Err(_) => return Err(Trouble::passing(format!("{} does not go on with TLS", at.host))),
            Ok(Err(fault)) => return Err(no_tls(&at.host, &fault)),
            Ok(Ok(stream)) => stream,
        };
        self.send(stream, at, known).await
    }

    async fn connect(&self, at: &Target) -> Result<TcpStream, Trouble> {
        let addresses = match at.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match timeout(self.limits.quiet, (self.resolve)(at.host.clone())).await {
                Ok(Ok(addresses)) => mixed(&addresses),
                Ok(Err(why)) => {
                    return Err(Trouble::passing(format!("{} can not be looked up: {why}", at.host)));
                }
                Err(_) => {
                    return Err(Trouble::passing(format!(
                        "{} can not be looked up: no answer came",
                        at.host
                    )));
                }
            },
        };
        let mut last = Trouble::passing(format!("{} has no address", at.host));
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            let place = SocketAddr::new(address, at.port);
            let why = match timeout(self.limits.connect, TcpStream::connect(place)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(fault)) => fault.to_string(),
                Err(_) => "it does not answer".to_owned(),
            };
            last = Trouble::passing(format!("no connection to {} at {place}: {why}", at.host));
        }
        Err(last)
    }

    async fn send<S>(
        &self,
        stream: S,
        at: &Target,
        known: &Version,
    ) -> Result<(Response<Incoming>, Connection), Trouble>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken =
            |fault: hyper::Error| Trouble::passing(format!("{} breaks off: {}", at.host, with_cause(&fault)));
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let connection = Connection(tokio::spawn(async move {
            // What goes wrong here, the answer or its body says too.
            let _ = connection.await;
        }));
        let mut request = Request::get(&at.path)
            .header(HOST, at.host_field())
            .header(USER_AGENT, concat!("polis/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "text/plain, */*;q=0.5")
            .header(ACCEPT_ENCODING, "gzip");
        let fields: [(HeaderName, &Option<String>); 2] =
            [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.modified)];
        for (name, value) in fields {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(Empty::<Bytes>::new());
        let request =
            request.map_err(|fault| Trouble::standing(fault.to_string(), "mend the URL in `[dns]`"))?;
        match timeout(self.limits.quiet, sender.send_request(request)).await {
            Ok(response) => Ok((response.map_err(broken)?, connection)),
            Err(_) => Err(Trouble::passing(format!("{} does not answer the request", at.host))),
        }
    }

    /// Takes the body into the file.
    async fn take(
        &self,
        response: Response<Incoming>,
        packing: Packing,
        length: Option<u64>,
        file: &Path,
        came: &AtomicU64,
    ) -> Result<Written, Trouble> {
        let (parts, to_write) = mpsc::channel(MAX_PARTS);
        let (path, max) = (file.to_owned(), self.limits.bytes);
        let written = low("polis-list", move || write(to_write, &path, packing, max));
        let sent = self.carry(response.into_body(), length, &parts, came).await;
        drop(parts);
        match (sent, written.await) {
            // If the disk is full the network breaks off too, and the disk is the reason.
            (_, Ok(Err(Some(trouble)))) | (Err(trouble), _) => Err(trouble),
            (Ok(()), Ok(Ok(written))) => Ok(written),
            (Ok(()), Ok(Err(None)) | Err(_)) => {
                Err(Trouble::passing("it could not be written: its thread has ended"))
            }
        }
    }

    /// Carries the body to the thread that writes it, until it is all there or that thread has heard enough.
    async fn carry(
        &self,
        mut body: Incoming,
        length: Option<u64>,
        parts: &mpsc::Sender<Part>,
        came: &AtomicU64,
    ) -> Result<(), Trouble> {
        let mut sum: u64 = 0;
        loop {
            let broken = |why: String| {
                let of = length.map_or_else(String::new, |length| format!(" of {length}"));
                Trouble::passing(format!("it breaks off after {sum}{of} bytes: {why}"))
            };
            let frame = match timeout(self.limits.quiet, body.frame()).await {
                Err(_) => return Err(broken(format!("nothing came for {} s", self.limits.quiet.as_secs()))),
                Ok(Some(Err(fault))) => return Err(broken(with_cause(&fault))),
                Ok(Some(Ok(frame))) => frame,
                Ok(None) if length.is_some_and(|length| length != sum) => {
                    return Err(broken("the server closed the connection".to_owned()));
                }
                Ok(None) => {
                    let _ = parts.send(Part::End).await;
                    return Ok(());
                }
            };
            let Ok(bytes) = frame.into_data() else { continue };
            sum = sum.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if sum > self.limits.bytes {
                return Err(too_large(self.limits.bytes));
            }
            came.store(sum, Ordering::Relaxed);
            if parts.send(Part::Bytes(bytes)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The task of a connection, which ends with this.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Addresses of both families in turn: if one does not work here, the other is not far.
fn mixed(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (mut new, mut old): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv6());
    new.reverse();
    old.reverse();
    let mut mixed = Vec::new();
    while !new.is_empty() || !old.is_empty() {
        mixed.extend(old.pop().into_iter().chain(new.pop()));
    }
    mixed
}

fn no_tls(host: &str, fault: &io::Error) -> Trouble {
    let what = format!("{host} is not who it should be, or does not speak TLS: {fault}");
    match fault.kind() {
        ErrorKind::InvalidData => {
            let help = "if the certificate is of an authority of your own, add that to this machine's; if the date is wrong, \
                        set this machine's clock; if neither, somebody may be in between";
            Trouble::standing(what, help)
        }
        _ => Trouble::passing(what),
    }
}

/// A fault with what it came from.
fn with_cause(fault: &hyper::Error) -> String {
    match std::error::Error::source(fault) {
        Some(cause) => format!("{fault}: {cause}"),
        None => fault.to_string(),
    }
}

/// Where bytes go when they are unpacked.
#[derive(Debug)]
struct Sink {
    file: File,
    hasher: Sha256,
    bytes: u64,
    max: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes.saturating_add(length) > self.max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += length;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes what comes to a new file, which is gone if that comes to no good end: for the disk's or the content's fault
/// it is said, and for the network's not, which others know better.
fn write(
    parts: mpsc::Receiver<Part>,
    path: &Path,
    packing: Packing,
    max: u64,
) -> Result<Written, Option<Trouble>> {
    let written = write_to(parts, path, packing, max);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write_to(
    mut parts: mpsc::Receiver<Part>,
    path: &Path,
    packing: Packing,
    max: u64,
) -> Result<Written, Option<Trouble>> {
    let failed = |fault: io::Error| Some(unwritten(&fault, path, max));
    let file = File::create_new(path).map_err(failed)?;
    let mut sink = Sink { file, hasher: Sha256::new(), bytes: 0, max };
    match packing {
        Packing::Plain => drain(&mut parts, &mut sink, failed)?,
        Packing::Gzip => {
            let mut unpack = MultiGzDecoder::new(sink);
            drain(&mut parts, &mut unpack, failed)?;
            sink = unpack.finish().map_err(failed)?;
        }
    }
    sink.file.sync_all().map_err(failed)?;
    Ok(Written { bytes: sink.bytes, sha256: hex(&sink.hasher.finalize()) })
}

fn drain(
    parts: &mut mpsc::Receiver<Part>,
    to: &mut impl Write,
    failed: impl Fn(io::Error) -> Option<Trouble>,
) -> Result<(), Option<Trouble>> {
    loop {
        match parts.blocking_recv() {
            Some(Part::Bytes(bytes)) => to.write_all(&bytes).map_err(&failed)?,
            Some(Part::End) => return Ok(()),
            None => return Err(None),
        }
    }
}

fn unwritten(fault: &io::Error, path: &Path, max: u64) -> Trouble {
    let folder = path.parent().unwrap_or(path).display();
    match fault.kind() {
        ErrorKind::FileTooLarge => too_large(max),
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            Trouble::passing(format!("it can not be unpacked: {fault}"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Trouble::standing(format!("there is no room for it in `{folder}`"), "make room on that disk")
        }
        _ => Trouble::standing(format!("it can not be written to `{folder}`: {fault}"), "see to that disk"),
    }
}
