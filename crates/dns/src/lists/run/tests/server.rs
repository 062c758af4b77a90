//! A server that sends what it is told, byte for byte: so it can also do what no server should.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is sent as an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    head: Vec<u8>,
    part: Vec<u8>,
    times: usize,
    is_hanging: bool,
    is_dripping: bool,
}

impl Answer {
    pub(super) fn raw(bytes: &[u8]) -> Self {
        Self { head: bytes.to_owned(), ..Self::default() }
    }

    pub(super) fn status(status: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status}\r\n").as_bytes())
    }

    pub(super) fn bytes(bytes: &[u8]) -> Self {
        let answer = Self::status("200 OK").with(&format!("Content-Length: {}", bytes.len()));
        Self { part: bytes.to_owned(), times: 1, ..answer }
    }

    pub(super) fn list(text: &str) -> Self {
        Self::bytes(text.as_bytes())
    }

    pub(super) fn with(mut self, field: &str) -> Self {
        self.head.extend_from_slice(field.as_bytes());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    pub(super) fn repeating(self, part: &str, times: usize) -> Self {
        Self { part: part.as_bytes().to_owned(), times, ..self }
    }

    pub(super) fn hanging(self) -> Self {
        Self { is_hanging: true, ..self }
    }

    pub(super) fn dripping(self) -> Self {
        Self { is_dripping: true, ..self }
    }
}

/// A server on this machine.
#[derive(Debug)]
pub(super) struct Server {
    at: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<BTreeMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
    sent: AtomicU64,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn plain() -> Self {
        Self::start(None, |stream, shared| async move { speak(stream, &shared).await }).await
    }

    pub(super) async fn tls() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["lists.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(Some(cert.der().clone()), move |stream, shared| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    speak(stream, &shared).await;
                }
            }
        })
        .await
    }

    /// One that takes connections for TLS and says nothing.
    pub(super) async fn mute() -> Self {
        let certificate =
            generate_simple_self_signed(["lists.example".to_owned()]).unwrap().cert.der().clone();
        Self::start(Some(certificate), |stream, _| async move {
            let _open = stream;
            std::future::pending::<()>().await;
        })
        .await
    }

    async fn start<F>(
        certificate: Option<CertificateDer<'static>>,
        serve: impl Fn(tokio::net::TcpStream, Arc<Shared>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shared: Arc<Shared> = Arc::default();
        let of = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(serve(stream, Arc::clone(&of)));
            }
        });
        Self { at, certificate, shared, task }
    }

    /// What is sent at a path from now on.
    pub(super) fn at(&mut self, path: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://lists.example:{}{path}", self.at.port())
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        if let Some(certificate) = &self.certificate {
            roots.add(certificate.clone()).unwrap();
        }
        roots
    }

    /// The heads of all requests, in lower case.
    pub(super) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many bytes of bodies were taken from it.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: &Shared) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    shared.asked.lock().unwrap().push(head.to_lowercase());
    let missing = || Answer::status("404 Not Found").with("Content-Length: 0");
    let answer = shared.answers.lock().unwrap().get(&path).cloned().unwrap_or_else(missing);
    // It is for the client to hang up when it has heard enough.
    let _ = send(&mut stream, &answer, shared).await;
    if answer.is_hanging {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    answer: &Answer,
    shared: &Shared,
) -> std::io::Result<()> {
    stream.write_all(&answer.head).await?;
    if answer.head.starts_with(b"HTTP") {
        stream.write_all(b"\r\n").await?;
    }
    if answer.is_dripping {
        loop {
            stream.write_all(&answer.part).await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // Many parts at once: byte by byte takes long.
    let mut left = answer.times;
    while left > 0 {
        let now = left.min(1 + 65_536 / answer.part.len().max(1));
        let part = answer.part.repeat(now);
        stream.write_all(&part).await?;
        shared.sent.fetch_add(part.len() as u64, Ordering::Relaxed);
        left -= now;
    }
    stream.flush().await
}

/// The same bytes so many times, packed with gzip.
pub(super) fn packed(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut pack = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..times {
        pack.write_all(bytes).unwrap();
    }
    pack.finish().unwrap()
}
