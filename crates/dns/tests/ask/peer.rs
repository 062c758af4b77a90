//! A name server that says what a test wants, over UDP, TCP, TLS and HTTPS, and counts what it is asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What a name server does with a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    /// Says 192.0.2.1 for 300 seconds.
    Answer,
    /// The same for this address.
    Say([u8; 4]),
    /// Says these two.
    Two([u8; 4], [u8; 4]),
    /// The same, after a while.
    Late(Duration),
    /// Nothing at all.
    Hang,
    /// Nothing to the first so many, then the answer.
    Lose(usize),
    /// Says over UDP that the rest is told over TCP.
    Cut,
    /// Says a code and nothing else.
    Code(u8),
    /// Says that it can not read a question with an OPT record.
    Old,
    /// Says where else to ask.
    Refer,
    /// Says records that end early.
    Broken,
    /// Answers another question.
    Other,
    /// Answers in lower case.
    Lower,
    /// So many guesses, wrong ones, and then the answer.
    Forge(usize),
    /// As much as fits a message over TCP.
    Long,
    /// Over a connection: ends it without a word.
    End,
    /// Over a connection: the answer, and then its end.
    Once,
    /// Over a connection: the answer, a byte now and then.
    Dribble,
    /// Over a connection: the answers to two questions, the second first.
    Turned,
    /// Over HTTPS: this status.
    Status(u16),
    /// Over HTTPS: a page.
    Page,
    /// Over HTTPS: an answer that somebody kept for 77 seconds.
    Aged,
}

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The questions, and the ports that those over UDP came from.
    pub(crate) udp: Vec<(Vec<u8>, u16)>,
    pub(crate) tcp: Vec<Vec<u8>>,
    pub(crate) connections: usize,
    /// How many of them went on with what an earlier one had settled.
    pub(crate) resumed: usize,
    /// The headers of requests over HTTPS, and their paths.
    pub(crate) requests: Vec<(String, HashMap<String, String>)>,
}

/// A name server.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    does: Arc<Mutex<Does>>,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

/// Who the name server is over TLS.
#[derive(Clone)]
pub(crate) struct Identity {
    acceptor: TlsAcceptor,
    pub(crate) roots: Arc<RootCertStore>,
    /// Its key and its certificate, as files have them.
    pub(crate) pem: (String, String),
}

/// An identity with a certificate for these names, of an authority of its own.
pub(crate) fn identity(names: &[&str], protocols: &[&[u8]]) -> Identity {
    identity_between(names, protocols, 2000, 4000)
}

/// One whose certificate is valid from the beginning of the one year to that of the other.
pub(crate) fn identity_between(names: &[&str], protocols: &[&[u8]], from: i32, until: i32) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut own = rcgen::CertificateParams::new(names).unwrap();
    own.not_before = rcgen::date_time_ymd(from, 1, 1);
    own.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = own.signed_by(&own_key, &issuer).unwrap();
    let pem = (pem("PRIVATE KEY", &own_key.serialize_der()), pem("CERTIFICATE", certificate.der()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own_key.serialize_der())),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Identity { acceptor: TlsAcceptor::from(Arc::new(config)), roots: Arc::new(roots), pem }
}

/// Bytes as a file of OpenSSL has them (RFC 7468).
fn pem(what: &str, bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(LETTERS[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

impl Peer {
    /// Over UDP and TCP.
    pub(crate) async fn start(does: Does) -> Self {
        let (udp, tcp) = pair().await;
        let peer = Self::new(udp.local_addr().unwrap(), does);
        tokio::spawn(peer.clone().datagrams(udp));
        tokio::spawn(peer.clone().connections(tcp, None));
        peer
    }

    /// Over UDP alone.
    pub(crate) async fn only_udp(does: Does) -> Self {
        let (udp, _) = pair().await;
        let peer = Self::new(udp.local_addr().unwrap(), does);
        tokio::spawn(peer.clone().datagrams(udp));
        peer
    }

    /// Over TLS; over HTTPS if the identity says that it speaks HTTP/2. Its UDP port counts what it should never get.
    pub(crate) async fn encrypted(does: Does, identity: &Identity) -> Self {
        let (udp, tcp) = pair().await;
        let peer = Self::new(udp.local_addr().unwrap(), does);
        tokio::spawn(peer.clone().datagrams(udp));
        tokio::spawn(peer.clone().connections(tcp, Some(identity.acceptor.clone())));
        peer
    }

    fn new(address: SocketAddr, does: Does) -> Self {
        let (does, seen) = (Arc::new(Mutex::new(does)), Arc::default());
        Self { address, does, seen, changed: Arc::default() }
    }

    pub(crate) fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// How many questions it got, however.
    pub(crate) fn count(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.udp.len() + seen.tcp.len() + seen.requests.len()
    }

    /// Waits until it has seen what is expected.
    pub(crate) async fn until(&self, is_seen: impl Fn(&Seen) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if is_seen(&self.seen()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it is seen in time");
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) -> Does {
        note(&mut self.seen.lock().unwrap());
        self.changed.notify_waiters();
        *self.does.lock().unwrap()
    }

    async fn datagrams(self, udp: UdpSocket) {
        let udp = Arc::new(udp);
        let mut buffer = [0; 2048];
        let mut lost: HashMap<Vec<u8>, usize> = HashMap::new();
        loop {
            let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
            let question = buffer[..length].to_vec();
            let does = self.note(|seen| seen.udp.push((question.clone(), client.port())));
            match does {
                Does::Hang => continue,
                Does::Lose(count) => {
                    let lost = lost.entry(question.clone()).or_default();
                    *lost += 1;
                    if *lost <= count {
                        continue;
                    }
                }
                Does::Forge(count) => {
                    for number in 0..count {
                        let mut forged = said(&question, Does::Say([203, 0, 113, 1]));
                        // Every third has the number right, and not the name.
                        match number % 3 {
                            0 => forged[0] ^= 0xFF,
                            1 => forged[1] ^= 0xFF,
                            _ => forged[13] ^= 1,
                        }
                        udp.send_to(&forged, client).await.unwrap();
                    }
                }
                _ => {}
            }
            let udp = Arc::clone(&udp);
            tokio::spawn(async move {
                if let Does::Late(after) = does {
                    tokio::time::sleep(after).await;
                }
                let _ = udp.send_to(&said(&question, does), client).await;
            });
        }
    }

    async fn connections(self, tcp: TcpListener, acceptor: Option<TlsAcceptor>) {
        loop {
            let (stream, _) = tcp.accept().await.unwrap();
            self.note(|seen| seen.connections += 1);
            let (peer, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => peer.connection(stream).await,
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
                            peer.note(|seen| seen.resumed += 1);
                        }
                        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                            peer.requests(stream).await;
                        } else {
                            peer.connection(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn connection(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut kept: Option<Vec<u8>> = None;
        while let Ok(length) = stream.read_u16().await {
            let mut question = vec![0; usize::from(length)];
            if stream.read_exact(&mut question).await.is_err() {
                return;
            }
            let does = self.note(|seen| seen.tcp.push(question.clone()));
            let does = if does == Does::Cut { Does::Answer } else { does };
            let said = said(&question, does);
            match (does, kept.take()) {
                (Does::End, _) => return,
                (Does::Hang, _) => continue,
                (Does::Late(after), _) => tokio::time::sleep(after).await,
                (Does::Turned, None) => {
                    kept = Some(said);
                    continue;
                }
                (Does::Turned, Some(first)) => {
                    write(&mut stream, &said).await;
                    write(&mut stream, &first).await;
                    continue;
                }
                (Does::Dribble, _) => {
                    let _ = stream.write_u16(u16::try_from(said.len()).unwrap()).await;
                    for byte in said {
                        let _ = stream.write_u8(byte).await;
                        let _ = stream.flush().await;
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    continue;
                }
                _ => {}
            }
            write(&mut stream, &said).await;
            if does == Does::Once {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }

    async fn requests(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let peer = self.clone();
            async move {
                let path = request.uri().path_and_query().unwrap().to_string();
                let mut headers: HashMap<String, String> = request
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect();
                headers.insert(":authority".to_owned(), request.uri().authority().unwrap().to_string());
                headers.insert(":method".to_owned(), request.method().to_string());
                let question = request.into_body().collect().await.unwrap().to_bytes().to_vec();
                let does = peer.note(|seen| {
                    seen.requests.push((path, headers));
                    seen.tcp.push(question.clone());
                });
                match does {
                    Does::Hang => std::future::pending().await,
                    Does::Late(after) => tokio::time::sleep(after).await,
                    _ => {}
                }
                let response = Response::builder().header("content-type", "application/dns-message");
                let response = match does {
                    Does::Status(status) => response.status(status),
                    Does::Aged => response.header("age", "77"),
                    Does::Page => Response::builder().header("content-type", "text/html"),
                    _ => response,
                };
                response.body(Full::new(Bytes::from(said(&question, does))))
            }
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }
}

/// The same port for UDP and TCP.
async fn pair() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap();
    let _ = stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await;
    let _ = stream.flush().await;
}

pub(crate) fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] > 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

fn said(question: &[u8], does: Does) -> Vec<u8> {
    let has_opt = question[11] == 1;
    let end = question_end(question);
    let mut reply = question[..end].to_vec();
    reply[2] |= 0x80;
    reply[3] = 0x80;
    reply[11] = 0;
    let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
    let address = if let Does::Say(address) = does { address } else { [192, 0, 2, 1] };
    match does {
        Does::Code(code) => reply[3] |= code,
        Does::Cut => reply[2] |= 0x02,
        Does::Old if has_opt => {
            reply.truncate(12);
            (reply[3], reply[5]) = (0x81, 0);
        }
        Does::Refer => {
            reply[9] = 1;
            reply.extend_from_slice(&[0xC0, 12, 0, 2, 0, 1, 0, 0, 1, 44, 0, 2, 0xC0, 12]);
        }
        Does::Broken => reply[7] = 1,
        Does::Page => reply = b"<html>".to_vec(),
        Does::Long => {
            // TXT records of 211 bytes each.
            while reply.len() < 65_300 {
                let count = u16::from_be_bytes([reply[6], reply[7]]) + 1;
                reply[6..8].copy_from_slice(&count.to_be_bytes());
                reply.extend_from_slice(&[0xC0, 12, 0, 16, 0, 1, 0, 0, 1, 44, 0, 200, 199]);
                reply.resize(reply.len() + 199, b'x');
            }
        }
        _ if kind == 1 => {
            reply[7] = 1;
            reply.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
            reply.extend_from_slice(&address);
            if let Does::Two(first, second) = does {
                reply[7] = 2;
                let at = reply.len() - 16;
                reply[at + 12..].copy_from_slice(&first);
                reply.extend_from_within(at..at + 12);
                reply.extend_from_slice(&second);
            }
        }
        _ => {}
    }
    match does {
        Does::Other => reply[13] ^= 1,
        Does::Lower => reply[12..end].make_ascii_lowercase(),
        _ => {}
    }
    reply
}
