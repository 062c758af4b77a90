//! Asking Unbound, over everything that it speaks.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::upstream::{Asked, Upstream, Want};

use super::peer::{Identity, identity};
use super::{Client, asked, wire};

/// An Unbound that runs, until this is dropped.
struct Unbound {
    child: Child,
    folder: PathBuf,
    plain: SocketAddr,
    tls: SocketAddr,
    https: SocketAddr,
    identity: Identity,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ports that are free for UDP and TCP.
fn free() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// It answers these names itself, and one with much text.
const NAMES: &str =
    "    local-zone: \"example.org.\" static\n    local-data: \"www.example.org. A 192.0.2.1\"\n";

impl Unbound {
    async fn start(test: &str) -> Self {
        // Somebody else may take a port before it does.
        for _ in 0..5 {
            let mut unbound = Self::try_start(test);
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(10) {
                let is_there = |place| std::net::TcpStream::connect(place).is_ok();
                if [unbound.plain, unbound.tls, unbound.https].into_iter().all(is_there) {
                    return unbound;
                }
                if unbound.child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("unbound does not start");
    }

    fn try_start(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ask-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let identity = identity(&["dns.example"], &[]);
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        std::fs::write(&key, &identity.pem.0).unwrap();
        std::fs::write(&certificate, &identity.pem.1).unwrap();
        let [plain, tls, https] = [free(), free(), free()];
        let text: String = (0..40)
            .map(|number| {
                format!("    local-data: 'long.example.org. TXT \"{number}{}\"'\n", "x".repeat(200))
            })
            .collect();
        let config = format!(
            "server:\n    username: \"\"\n    chroot: \"\"\n    directory: \"{0}\"\n    pidfile: \"\"\n    use-syslog: no\n    \
             do-daemonize: no\n    num-threads: 1\n    interface: {plain}\n    interface: {tls}\n    interface: {https}\n    \
             tls-port: {1}\n    https-port: {2}\n    tls-service-key: \"{3}\"\n    tls-service-pem: \"{4}\"\n    \
             access-control: 127.0.0.0/8 allow\n    module-config: \"iterator\"\n{NAMES}{text}\
             remote-control:\n    control-enable: no\n",
            folder.display(),
            tls.port(),
            https.port(),
            key.display(),
            certificate.display(),
        )
        .replace(&plain.to_string(), &at(plain))
        .replace(&format!("interface: {tls}"), &format!("interface: {}", at(tls)))
        .replace(&format!("interface: {https}"), &format!("interface: {}", at(https)));
        let path = folder.join("unbound.conf");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new("unbound");
        command.arg("-d").arg("-c").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), folder, plain, tls, https, identity }
    }

    /// Somebody who asks it at this line.
    fn client(&self, line: String) -> Client {
        Client::of(&asked(&[line]), Some(&self.identity.roots))
    }
}

/// An address as Unbound writes it.
fn at(address: SocketAddr) -> String {
    format!("{}@{}", address.ip(), address.port())
}

#[tokio::test]
async fn unbound_answers_over_everything() {
    if !testlab::has("unbound_answers_over_everything", &["unbound"]) {
        return;
    }
    let unbound = Unbound::start("everything").await;
    for line in [
        unbound.plain.to_string(),
        format!("tcp://{}", unbound.plain),
        format!("tls://{}#dns.example", unbound.tls),
        format!("https://{}#dns.example", unbound.https),
    ] {
        let client = Arc::new(unbound.client(line.clone()));
        let mut asks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let client = Arc::clone(&client);
            asks.spawn(async move {
                let name = if number % 2 == 0 {
                    "www.example.org".to_owned()
                } else {
                    format!("{number}.example.org")
                };
                let code = client.ask(&name).await.unwrap().message[3] & 0x0F;
                assert_eq!(code, if number % 2 == 0 { 0 } else { 3 }, "{name}");
            });
        }
        while let Some(done) = asks.join_next().await {
            done.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let name = wire("long.example.org");
        let said = client.asker.ask(0, &name, 16, 1, Want::default()).await.unwrap();
        assert!(said.message.len() > 8_000, "{line}: {} bytes", said.message.len());
        assert_eq!(*said.by, *line);
        assert_eq!(client.view(0).failures, 0, "{line}");
    }
}

#[tokio::test]
async fn unbound_that_is_gone_is_not_replaced_and_is_back_at_once() {
    if !testlab::has("unbound_that_is_gone_is_not_replaced_and_is_back_at_once", &["unbound"]) {
        return;
    }
    let mut unbound = Unbound::start("back").await;
    let line = format!("tls://{}#dns.example", unbound.tls);
    let plain = Upstream::parse(&unbound.plain.to_string()).unwrap();
    let own = Asked { fallback: vec![plain], ..asked(&[line]) };
    let client = Client::of(&own, Some(&unbound.identity.roots));
    client.ask("www.example.org").await.unwrap();
    let _ = unbound.child.kill();
    let _ = unbound.child.wait();
    client.fails("www.example.org").await;
    let mut command = Command::new("unbound");
    command.arg("-d").arg("-c").arg(unbound.folder.join("unbound.conf"));
    unbound.child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while client.ask("www.example.org").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
