//! Questions over connections, plain and encrypted, asked by other programs and by clients that mean harm.
#![cfg(test)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dns::connections::{Limits, Origin, Over};
use dns::{Answer, Connections, Secured};
use runtime::authority::{Authority, Names, Shown, Within};
use runtime::{Clock, State};
use testlab::has;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says 192.0.2.1 for 300 seconds to every question for an address: to `late` after a while, to `never` never, to `big` with
/// 60 KiB behind it, and 127.0.0.1 to `here`. Remembers who asked.
#[derive(Clone, Default)]
struct Echo {
    asked: Arc<std::sync::Mutex<Vec<Origin>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Answer for Echo {
    async fn answer(&self, message: Vec<u8>, origin: Origin) -> Option<Vec<u8>> {
        let said = said(&message)?;
        self.asked.lock().unwrap().push(origin);
        let _now = Now::begin(&self.now, &self.most);
        if message[13..].starts_with(b"late") {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if message[13..].starts_with(b"never") {
            std::future::pending::<()>().await;
        }
        Some(said)
    }
}

/// A question is worked on until this is dropped.
struct Now(Arc<AtomicUsize>);

impl Now {
    fn begin(now: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(Arc::clone(now))
    }
}

impl Drop for Now {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn said(question: &[u8]) -> Option<Vec<u8>> {
    if question.len() < 17 || question[2] & 0x80 != 0 {
        return None;
    }
    let mut at = 12;
    while *question.get(at)? > 0 {
        at += 1 + usize::from(question[at]);
    }
    let mut reply = question.get(..at + 5)?.to_vec();
    reply[2] |= 0x80;
    reply[3] = 0x80;
    reply[6..12].copy_from_slice(&[0; 6]);
    if reply.ends_with(&[0, 1, 0, 1]) {
        reply[7] = 1;
        let address = if question[13..].starts_with(b"here") { [127, 0, 0, 1] } else { [192, 0, 2, 1] };
        reply.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
        reply.extend_from_slice(&address);
    }
    if question[11] == 1 {
        reply[11] = 1;
        reply.extend_from_slice(&[0, 0, 41, 4, 0xD0, 0, 0, 0, 0, 0, 0]);
    }
    if question[13..].starts_with(b"big") {
        reply[7] = 2;
        reply[11] = 0;
        reply.truncate(at + 5 + 16);
        reply.extend_from_slice(&[0xC0, 12, 0, 10, 0, 1, 0, 0, 0, 60, 0xF0, 0]);
        reply.resize(reply.len() + 0xF000, 7);
    }
    Some(reply)
}

/// A question for the address of a name.
fn question(id: u16, name: &str) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut message = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

async fn hear(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    timeout(PATIENCE, async {
        let length = stream.read_u16().await.ok()?;
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await.ok()?;
        Some(message)
    })
    .await
    .expect("an answer in time")
}

/// Whether the other end closes the connection, after whatever it says.
async fn closes(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

/// Waits until a condition holds, while the servers go on.
async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, holds).await.expect(what);
}

async fn tcp(limits: Limits) -> (SocketAddr, Connections, Echo) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, connections, echo) = (listener.local_addr().unwrap(), Connections::new(limits), Echo::default());
    tokio::spawn(dns::serve_tcp(listener, connections.clone(), echo.clone()));
    (at, connections, echo)
}

#[tokio::test]
async fn questions_of_one_connection_are_answered_at_once_and_out_of_order() {
    let (at, _, echo) = tcp(Limits::default()).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let questions = [question(1, "late.example"), question(2, "quick.example"), question(3, "late.example")];
    stream.write_all(&questions.map(|question| framed(&question)).concat()).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(hear(&mut stream).await.unwrap()[1]);
    }
    assert_eq!(ids[0], 2, "the quick one first");
    assert_eq!(echo.most.load(Ordering::SeqCst), 2, "the late ones at once");
    let asked = echo.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.over, asked.local, asked.id), (Over::Tcp, at, None));
    assert_eq!(asked.client, stream.local_addr().unwrap());
}

#[tokio::test]
async fn no_more_than_some_are_answered_at_once_and_all_are() {
    let (at, _, echo) = tcp(Limits::default()).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let many: Vec<u8> = (0..200).flat_map(|id| framed(&question(id, "late.example"))).collect();
    stream.write_all(&many).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = 0;
    while hear(&mut stream).await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, 200, "also after the client has said that it says no more");
    assert_eq!(echo.most.load(Ordering::SeqCst), dns::connections::MAX_ANSWERING);
}

#[tokio::test]
async fn a_message_of_64_kib_is_taken_and_answered_and_nonsense_closes() {
    let (at, ..) = tcp(Limits::default()).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let mut large = question(7, "big.example");
    large.resize(65_535, 0);
    stream.write_all(&framed(&large)).await.unwrap();
    assert!(hear(&mut stream).await.unwrap().len() > 0xF000);
    for nonsense in [&[0_u8, 0][..], &[0, 3, 1, 2, 3]] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        assert!(closes(&mut stream).await);
    }
}

#[tokio::test]
async fn a_flood_of_connections_from_one_client_does_not_lock_out_another() {
    let (at, connections, _) = tcp(Limits { all: 16, per_client: 8 }).await;
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(at).await.unwrap();
    other.write_all(&framed(&question(1, "quick.example"))).await.unwrap();
    assert!(hear(&mut other).await.is_some());
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(TcpStream::connect(at).await.unwrap());
    }
    let last = flood.last_mut().unwrap();
    last.write_all(&framed(&question(2, "quick.example"))).await.unwrap();
    assert!(hear(last).await.is_some(), "a new one is served");
    assert!(closes(&mut flood[0]).await, "an old one is closed for it");
    other.write_all(&framed(&question(3, "quick.example"))).await.unwrap();
    assert!(hear(&mut other).await.is_some(), "another client keeps its own");
    let view = connections.view();
    assert!(view.open <= 9 && view.closed_for_room >= 92, "{view:?}");
}

const NAME: &str = "dns.lab.example.net";

/// Servers over TLS and HTTPS, with a certificate that an authority of their own has signed.
struct Servers {
    folder: PathBuf,
    authority: Authority,
    shown: Shown,
    clock: Clock,
    connections: Connections,
    echo: Echo,
    tls: SocketAddr,
    https: SocketAddr,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Servers {
    async fn start(limits: Limits) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("polis-encrypted-{}-{count}", std::process::id()));
        let clock = Clock::stopped_at(seconds_now());
        let within = Within { domains: ["lab.example.net".to_owned()].into(), ..Within::default() };
        let authority = Authority::in_state(&State::at(folder.clone()), "naxos", &within, &clock).unwrap();
        std::fs::write(folder.join("ca.pem"), authority.certificate_pem()).unwrap();
        let shown = Shown::default();
        authority.keep(&shown, &names(), &clock).unwrap();
        let (connections, echo) = (Connections::new(limits), Echo::default());
        let bind = async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener.local_addr().unwrap(), listener)
        };
        let ((tls, tls_listener), (https, https_listener)) = (bind().await, bind().await);
        let secured = Secured::tls(&shown).unwrap();
        tokio::spawn(dns::serve_tls(tls_listener, connections.clone(), secured, echo.clone()));
        let secured = Secured::https(&shown).unwrap();
        tokio::spawn(dns::serve_https(https_listener, connections.clone(), secured, echo.clone()));
        Self { folder, authority, shown, clock, connections, echo, tls, https }
    }

    fn ca(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// A client that trusts the authority and speaks one of these protocols.
    async fn connect(
        &self,
        to: SocketAddr,
        protocol: &[u8],
        name: &str,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate_der().to_vec().into()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(to).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name.to_owned().try_into().unwrap(), stream)
            .await
            .unwrap()
    }

    /// Who asked last.
    fn last(&self) -> Origin {
        self.echo.asked.lock().unwrap().last().cloned().unwrap()
    }

    fn last_id(&self) -> Option<String> {
        self.last().id.map(|id| id.to_string())
    }
}

fn names() -> Names {
    Names {
        names: [NAME.to_owned(), format!("*.{NAME}")].into(),
        addresses: ["127.0.0.1".parse().unwrap()].into(),
    }
}

fn seconds_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// What a program says, and what it says of its errors.
async fn run(program: &str, words: &[&str]) -> (String, String) {
    let command = Command::new(program).args(words).stdin(std::process::Stdio::null()).output();
    let output = timeout(PATIENCE, command).await.expect("it ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn dig_asks_over_tcp_tls_and_https() {
    if !has("dig_asks_over_tcp_tls_and_https", &["dig"]) {
        return;
    }
    let servers = Servers::start(Limits::default()).await;
    let (plain, ..) = tcp(Limits::default()).await;
    let (ca, common) =
        (format!("+tls-ca={}", servers.ca()), ["@127.0.0.1", "+tries=1", "+noall", "+answer", "+comments"]);
    let host = format!("+tls-hostname={NAME}");
    let ways: [(SocketAddr, &[&str]); 4] = [
        (plain, &["+tcp", "+keepalive"]),
        (servers.tls, &["+tls", &ca, &host]),
        (servers.https, &["+https=/dns-query/Laptop", &ca, &host]),
        (servers.https, &["+https-get", &ca, &host]),
    ];
    for (at, way) in ways {
        let port = at.port().to_string();
        let words = [&common[..], &["-p", &port, "www.example"], way].concat();
        let (said, errors) = run("dig", &words).await;
        assert!(said.contains("www.example.\t\t300\tIN\tA\t192.0.2.1"), "{way:?}: {said}{errors}");
        match way[0] {
            "+tcp" => assert!(said.contains("TCP KEEPALIVE: 10.0 secs"), "{said}"),
            "+tls" => assert_eq!(servers.last().over, Over::Tls),
            "+https-get" => assert_eq!((servers.last().over, servers.last_id()), (Over::Https, None)),
            _ => assert_eq!(servers.last_id().as_deref(), Some("laptop")),
        }
    }
}

#[tokio::test]
async fn kdig_asks_over_tls_and_https_and_says_who_it_is() {
    if !has("kdig_asks_over_tls_and_https_and_says_who_it_is", &["kdig"]) {
        return;
    }
    let servers = Servers::start(Limits::default()).await;
    let (ca, port, https) = (
        format!("+tls-ca={}", servers.ca()),
        servers.tls.port().to_string(),
        servers.https.port().to_string(),
    );
    let (host, phone) = (format!("+tls-hostname={NAME}"), format!("+tls-hostname=phone.{NAME}"));
    let tablet = format!("+https={NAME}/dns-query/tablet");
    let ways: [(&str, &[&str], Option<&str>); 5] = [
        (&port, &["+tls", &host], None),
        (&port, &["+tls", &phone], Some("phone")),
        (&https, &["+https", &host], None),
        (&https, &["+https-get", &phone], Some("phone")),
        (&https, &[&tablet, &phone], Some("tablet")),
    ];
    for (port, way, id) in ways {
        let words = [&["@127.0.0.1", "+retry=0", "+padding", &ca, "-p", port, "www.example"], way].concat();
        let (said, errors) = run("kdig", &words).await;
        assert!(said.contains("192.0.2.1"), "{way:?}: {said}{errors}");
        assert!(said.contains("Received 468 B"), "{way:?}: {said}");
        assert_eq!(servers.last_id().as_deref(), id, "{way:?}");
    }
    // Whoever does not trust the authority hears nothing.
    let (said, errors) =
        run("kdig", &["@127.0.0.1", "+retry=0", "+tls-ca", &host, "-p", &port, "www.example"]).await;
    assert!(!said.contains("192.0.2.1") && errors.contains("certificate"), "{said}{errors}");
}

#[tokio::test]
async fn curl_resolves_over_https_and_is_told_what_is_wrong() {
    if !has("curl_resolves_over_https_and_is_told_what_is_wrong", &["curl"]) {
        return;
    }
    let servers = Servers::start(Limits::default()).await;
    let (ca, at) = (servers.ca(), format!("https://127.0.0.1:{}", servers.https.port()));
    let doh = format!("{at}/dns-query");
    let (_, errors) = run(
        "curl",
        &["-sv", "--cacert", &ca, "--doh-url", &doh, "--connect-timeout", "2", "http://here.example:1/"],
    )
    .await;
    assert!(errors.contains("Trying 127.0.0.1:1"), "{errors}");
    let question = servers.folder.join("question");
    std::fs::write(&question, self::question(7, "www.example")).unwrap();
    std::fs::write(servers.folder.join("nonsense"), b"no question").unwrap();
    std::fs::write(servers.folder.join("long"), vec![0; 70_000]).unwrap();
    let body = |name: &str| format!("@{}", servers.folder.join(name).display());
    let (good, nonsense, long) = (body("question"), body("nonsense"), body("long"));
    let kind = "content-type: application/dns-message";
    let get = "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
    let answer = "200 application/dns-message private, max-age=300 49";
    let plain = "text/plain; charset=utf-8";
    let cases: [(&str, &[&str], String); 14] = [
        (get, &[], answer.to_owned()),
        (get, &["--head"], "200 application/dns-message private, max-age=300 0".to_owned()),
        ("/dns-query", &["-H", kind, "--data-binary", &good], answer.replace("49", "45")),
        (
            "/dns-query/tv",
            &["-H", kind, "-H", "transfer-encoding: chunked", "--data-binary", &good],
            answer.replace("49", "45"),
        ),
        ("/dns-query", &["-H", kind, "--data-binary", &nonsense], format!("400 {plain}  ")),
        ("/dns-query", &["-H", kind, "--data-binary", &long], format!("413 {plain}  ")),
        (
            "/dns-query",
            &["-H", kind, "-H", "transfer-encoding: chunked", "--data-binary", &long],
            format!("413 {plain}  "),
        ),
        ("/dns-query", &["-H", "content-type: text/html", "--data-binary", &good], format!("415 {plain}  ")),
        ("/dns-query", &["-X", "PUT", "-H", kind, "--data-binary", &good], format!("405 {plain}  ")),
        ("/dns-query", &[], format!("400 {plain}  ")),
        ("/dns-query?dns=*", &[], format!("400 {plain}  ")),
        ("/dns-query/a_b?dns=AAAA", &[], format!("400 {plain}  ")),
        ("/", &[], format!("404 {plain}  ")),
        ("/", &["--head"], format!("404 {plain}  ")),
    ];
    let format = "%{http_version} %{http_code} %{content_type} %header{cache-control} %{size_download}";
    for (path, words, expected) in cases {
        for (version, number) in [("--http2", "2"), ("--http1.1", "1.1")] {
            if version == "--http2" && words.contains(&"transfer-encoding: chunked") {
                continue;
            }
            let url = format!("{at}{path}");
            let common = [version, "-sSg", "--cacert", &ca, "-o", "/dev/null", "-w", format, &url];
            let (said, errors) = run("curl", &[&common[..], words].concat()).await;
            let expected = format!("{number} {expected}");
            assert!(said.starts_with(&expected), "{path} {words:?}: {said:?}, not {expected:?} {errors}");
        }
    }
    let (said, _) = run("curl", &["-si", "--cacert", &ca, &at]).await;
    let fields: Vec<&str> =
        said.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(fields, ["content-type", "content-length", "date"], "{said}");
}

#[tokio::test]
async fn openssl_shakes_hands_in_both_versions_and_agrees_on_dot() {
    if !has("openssl_shakes_hands_in_both_versions_and_agrees_on_dot", &["openssl"]) {
        return;
    }
    let servers = Servers::start(Limits::default()).await;
    let (ca, at) = (servers.ca(), servers.tls.to_string());
    for (version, expected) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let words = ["s_client", "-connect", &at, "-alpn", "dot", "-CAfile", &ca, "-verify_return_error"];
        let (said, errors) =
            run("openssl", &[&words[..], &["-verify_hostname", NAME, version]].concat()).await;
        for part in ["ALPN protocol: dot", "Verification: OK", expected] {
            assert!(said.contains(part), "{part}: {said}{errors}");
        }
        let (said, _) = run("openssl", &["s_client", "-connect", &at, "-alpn", "h2", version]).await;
        assert!(!said.contains("ALPN protocol: h2"), "{said}");
    }
    let file = servers.folder.join("ca.pem");
    let (said, _) = run("openssl", &["x509", "-noout", "-text", "-in", &file.display().to_string()]).await;
    for part in [
        "X509v3 Name Constraints: critical",
        "DNS:lab.example.net",
        "IP:10.0.0.0/255.0.0.0",
        "IP:FC00:0:0:0:0:0:0:0/FE00:0:0:0:0:0:0:0",
        "CA:TRUE, pathlen:0",
        "ASN1 OID: prime256v1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn questions_over_tls_are_answered_out_of_order_and_a_new_certificate_is_shown_at_once() {
    let servers = Servers::start(Limits::default()).await;
    let mut stream = servers.connect(servers.tls, b"dot", NAME).await;
    let shown = |stream: &tokio_rustls::client::TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown(&stream);
    let questions = [question(1, "late.example"), question(2, "quick.example")];
    stream.write_all(&questions.map(|question| framed(&question)).concat()).await.unwrap();
    assert_eq!(hear(&mut stream).await.unwrap()[1], 2);
    assert_eq!(hear(&mut stream).await.unwrap()[1], 1);
    servers.clock.advance(Duration::from_secs(61 * 86_400));
    servers.authority.keep(&servers.shown, &names(), &servers.clock).unwrap();
    stream.write_all(&framed(&question(3, "quick.example"))).await.unwrap();
    assert_eq!(hear(&mut stream).await.unwrap()[1], 3, "what is open goes on");
    servers.clock.jump(-61 * 86_400_000);
    servers.authority.keep(&servers.shown, &names(), &servers.clock).unwrap();
    let again = servers.connect(servers.tls, b"dot", NAME).await;
    assert_ne!(shown(&again), first);
}

#[tokio::test]
async fn nonsense_at_the_encrypted_ports_is_closed_and_counted() {
    let servers = Servers::start(Limits::default()).await;
    for at in [servers.tls, servers.https] {
        for nonsense in [
            &framed(&question(1, "www.example"))[..],
            b"GET / HTTP/1.1\r\n\r\n",
            &[0x16, 3, 3, 0xFF, 0xFF, 9],
        ] {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(nonsense).await.unwrap();
            stream.shutdown().await.unwrap();
            assert!(closes(&mut stream).await);
        }
    }
    let mut stream = servers.connect(servers.https, b"h2", NAME).await;
    stream.write_all(&[0xAA; 4000]).await.unwrap();
    assert!(closes(&mut stream).await);
    let mut stream = servers.connect(servers.tls, b"dot", NAME).await;
    stream.write_all(&[0, 0]).await.unwrap();
    assert!(closes(&mut stream).await);
    wait_for("all are closed", || servers.connections.view().open == 0).await;
    assert_eq!(servers.connections.view().failed_handshakes, 6);
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// The head of a request for an answer, all of it in one frame.
fn request(stream: u32, name: &str) -> Vec<u8> {
    use base64::Engine as _;
    let question = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(question(0, name));
    let path = format!("/dns-query?dns={question}");
    let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 3]);
    block.extend_from_slice(b"dns");
    frame(1, 0x05, stream, &block)
}

async fn http2(servers: &Servers) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut stream = servers.connect(servers.https, b"h2", NAME).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    stream
}

/// Writes until everything is written or the other end wants no more; what it says is read and thrown away meanwhile.
async fn flood<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S, bytes: Vec<u8>) {
    let (mut read, mut write) = tokio::io::split(stream);
    let reads = tokio::spawn(async move {
        let mut rest = Vec::new();
        let _ = read.read_to_end(&mut rest).await;
    });
    let _ = write.write_all(&bytes).await;
    let _ = write.flush().await;
    let _ = timeout(Duration::from_secs(1), reads).await;
}

#[tokio::test]
async fn requests_that_are_taken_back_stay_bounded_and_others_are_answered() {
    let servers = Servers::start(Limits::default()).await;
    let mut other = http2(&servers).await;
    let bytes = (0..5_000_u32)
        .flat_map(|turn| {
            let stream = 2 * turn + 1;
            [request(stream, "never.example"), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    flood(http2(&servers).await, bytes).await;
    let most = servers.echo.most.load(Ordering::SeqCst);
    assert!(most <= 120, "{most} at once");
    wait_for("nothing is worked on any more", || servers.echo.now.load(Ordering::SeqCst) == 0).await;
    // Ones that are not taken back: as many as there may be, and then more than that.
    let mut within = http2(&servers).await;
    let some: Vec<u8> = (0..100_u32).flat_map(|turn| request(2 * turn + 1, "never.example")).collect();
    within.write_all(&some).await.unwrap();
    wait_for("they are worked on", || servers.echo.now.load(Ordering::SeqCst) == 100).await;
    let bytes = (0..2_000_u32).flat_map(|turn| request(2 * turn + 1, "never.example")).collect();
    flood(http2(&servers).await, bytes).await;
    let most = servers.echo.most.load(Ordering::SeqCst);
    assert!((100..=220).contains(&most), "{most} at once");
    other.write_all(&request(1, "www.example")).await.unwrap();
    let mut said = Vec::new();
    let heard = async {
        while !said.windows(4).any(|part| part == [192, 0, 2, 1]) {
            if other.read_buf(&mut said).await.unwrap() == 0 {
                break;
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
    assert!(said.windows(4).any(|part| part == [192, 0, 2, 1]), "another connection is answered");
}

#[tokio::test]
async fn heads_have_a_limit() {
    let servers = Servers::start(Limits::default()).await;
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let mut stream = servers.connect(servers.https, protocol, NAME).await;
        let head = if protocol == b"h2" {
            let many: Vec<u8> = (0..40).flat_map(|_| frame(9, 0, 1, &[0x41; 16_000])).collect();
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[]), frame(1, 1, 1, &[0x82]), many]
                .concat()
        } else {
            let field = "a".repeat(100_000);
            format!("GET /dns-query?dns=AAAA HTTP/1.1\r\nhost: dns\r\nx: {field}\r\n\r\n").into_bytes()
        };
        let _ = stream.write_all(&head).await;
        assert!(closes(&mut stream).await);
    }
    assert!(servers.echo.asked.lock().unwrap().is_empty());
}
