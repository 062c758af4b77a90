//! A name server over real sockets, with upstreams that count what they are asked and say what the test wants.
#![cfg(test)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns::{ListState, Plan, Server};
use runtime::{Context, Given, Service as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What an upstream does.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// Says 192.0.2.1 for 300 seconds.
    Answer,
    /// The same, after a while.
    Late,
    /// Only over TCP.
    Cut,
    /// Says a code and nothing else.
    Code(u8),
    /// Says that it can not read a question with an OPT record.
    Old,
    /// Says 192.0.2.1 under a number that was not asked under, then the truth.
    Forge,
}

/// A question that came over UDP, and the port that it came from.
type Asked = (Vec<u8>, u16);

/// What an upstream was asked, and how much at once.
struct Upstream {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    at_once: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start(does: Does) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let at_once = Arc::new(AtomicUsize::new(0));
        let (list, most) = (Arc::clone(&asked), Arc::clone(&at_once));
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            let now = Arc::new(AtomicUsize::new(0));
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
                let question = buffer[..length].to_vec();
                list.lock().unwrap().push((question.clone(), client.port()));
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (udp, now) = (Arc::clone(&udp), Arc::clone(&now));
                tokio::spawn(async move {
                    if does == Does::Late {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    now.fetch_sub(1, Ordering::SeqCst);
                    if does == Does::Forge {
                        let mut forged = said(&question, Does::Answer);
                        forged[0] ^= 0xFF;
                        udp.send_to(&forged, client).await.unwrap();
                    }
                    udp.send_to(&said(&question, does), client).await.unwrap();
                });
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let said = said(&question, Does::Answer);
                stream.write_u16(u16::try_from(said.len()).unwrap()).await.unwrap();
                stream.write_all(&said).await.unwrap();
            }
        });
        Self { address, asked, at_once }
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] > 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

fn said(question: &[u8], does: Does) -> Vec<u8> {
    let has_opt = question[11] == 1;
    let mut reply = question[..question_end(question)].to_vec();
    reply[2] |= 0x80;
    reply[3] = 0x80;
    reply[11] = 0;
    match does {
        Does::Code(code) => reply[3] |= code,
        Does::Cut => reply[2] |= 0x02,
        Does::Old if has_opt => {
            reply.truncate(12);
            (reply[3], reply[5]) = (0x81, 0);
        }
        _ => {
            reply[7] = 1;
            reply.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1]);
        }
    }
    reply
}

fn plan(rest: &str, upstreams: &[&Upstream]) -> Plan {
    let upstreams: Vec<String> =
        upstreams.iter().map(|upstream| format!("\"{}\"", upstream.address)).collect();
    let text = format!(
        "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = {{ address = \"10.0.0.2\" }}\n\
         [dns]\non = \"naxos\"\nupstreams = [{}]\n{rest}\n",
        upstreams.join(", ")
    );
    let folder = lab::Folder::from_texts([("lab.toml", text.as_str()), ("list.txt", "")]);
    let checked = lab::check(folder, &lab::Options::at("2026-11-01"));
    assert_eq!(checked.faults.errors(), 0, "{:?}", checked.faults);
    let lab = checked.usable().unwrap();
    let machine = lab.machines.keys().next().unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    dns::plan(&Given { lab, follows: &checked.follows, machine, overlay: &[], listen }).unwrap()
}

/// A server that runs, and a client of it.
struct Running {
    service: Arc<Server>,
    context: Context,
    server: SocketAddr,
}

impl Running {
    async fn start(plan: Plan, folder: Option<PathBuf>) -> Self {
        let context = Context::for_tests(folder.unwrap_or_else(|| "/nowhere/at/all".into()));
        let service = Arc::new(Server::provision(plan, &context).await.unwrap());
        let server = service.view().listen[0];
        tokio::spawn(Arc::clone(&service).run());
        Self { service, context, server }
    }

    async fn swap(&self, plan: Plan) {
        self.service.swap(plan, &self.context).await.unwrap();
    }

    /// Asks as a client does: again after a second, because datagrams get lost where many come at once.
    async fn ask(&self, name: &str) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut reply = vec![0; 2048];
        for _ in 0..9 {
            socket.send_to(&question(name, &[]), self.server).await.unwrap();
            if let Ok(length) = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut reply)).await {
                reply.truncate(length.unwrap());
                return reply;
            }
        }
        panic!("{name} is not answered")
    }

    /// The code of the reply and its number of answers.
    async fn check(&self, name: &str, expected: (u8, u8)) {
        let reply = self.ask(name).await;
        assert_eq!((reply[3] & 0x0F, reply[7]), expected, "{name}");
    }
}

fn question(name: &str, behind: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(!behind.is_empty())];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message.extend_from_slice(behind);
    message
}

#[tokio::test]
async fn what_was_asked_once_is_not_asked_again() {
    let upstream = Upstream::start(Does::Answer).await;
    let running = Running::start(plan("", &[&upstream]), None).await;
    let first = running.ask("www.example.org").await;
    let second = running.ask("WWW.example.ORG").await;
    assert!(first.ends_with(&[0, 0, 1, 44, 0, 4, 192, 0, 2, 1]));
    assert_eq!(second[12..29], question("WWW.example.ORG", &[])[12..29], "in the letters of who asks");
    assert_eq!((upstream.count(), second.len()), (1, first.len()));
    running.check("other.example.org", (0, 1)).await;
    let view = running.service.view();
    assert_eq!((upstream.count(), view.cache.entries, view.cache.hits), (2, 2, 1));
    assert_eq!((view.metrics.forwarded, view.metrics.cached), (2, 1));
}

#[tokio::test]
async fn what_is_being_asked_is_asked_once() {
    let upstream = Upstream::start(Does::Late).await;
    let running = Arc::new(Running::start(plan("", &[&upstream]), None).await);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let running = Arc::clone(&running);
            tokio::spawn(async move { running.check("www.example.org", (0, 1)).await })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn there_is_a_limit_to_what_is_asked_at_once_and_the_ports_are_random() {
    let upstream = Upstream::start(Does::Late).await;
    let running = Arc::new(Running::start(plan("", &[&upstream]), None).await);
    let asking: Vec<_> = (0..600)
        .map(|number| {
            let running = Arc::clone(&running);
            tokio::spawn(async move { running.check(&format!("n{number}.example.org"), (0, 1)).await })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    let asked = upstream.asked.lock().unwrap();
    assert_eq!(asked.len(), 600);
    assert!(upstream.at_once.load(Ordering::SeqCst) <= 256);
    let ports: Vec<u16> = asked.iter().map(|(_, port)| *port).collect();
    let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 16).count();
    assert!(near < 100, "{near} ports are near the one before: {ports:?}");
}

#[tokio::test]
async fn who_has_no_answer_is_passed_over() {
    let good = Upstream::start(Does::Answer).await;
    for code in [1, 2, 4, 5] {
        let bad = Upstream::start(Does::Code(code)).await;
        let running = Running::start(plan("", &[&bad, &good]), None).await;
        running.check("www.example.org", (0, 1)).await;
        assert!(bad.count() > 0, "{code}");
        let running = Running::start(plan("", &[&bad]), None).await;
        running.check("www.example.org", (2, 0)).await;
        assert_eq!(running.service.view().metrics.failed, 1);
    }
    let nobody = Upstream::start(Does::Code(3)).await;
    let running = Running::start(plan("", &[&nobody, &good]), None).await;
    running.check("www.example.org", (3, 0)).await;
}

#[tokio::test]
async fn old_servers_long_answers_and_forged_ones() {
    for does in [Does::Old, Does::Cut, Does::Forge] {
        let upstream = Upstream::start(does).await;
        let running = Running::start(plan("", &[&upstream]), None).await;
        running.check("www.example.org", (0, 1)).await;
    }
}

#[tokio::test]
async fn a_client_over_tcp_gets_what_the_cache_has() {
    let upstream = Upstream::start(Does::Answer).await;
    let running = Running::start(plan("", &[&upstream]), None).await;
    let mut stream = TcpStream::connect(running.server).await.unwrap();
    for _ in 0..2 {
        let question = question("www.example.org", &[]);
        stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
        stream.write_all(&question).await.unwrap();
        let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut reply).await.unwrap();
        assert!(reply.ends_with(&[192, 0, 2, 1]));
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn another_plan_is_answered_from_and_asks_others() {
    let (first, second) = (Upstream::start(Does::Answer).await, Upstream::start(Does::Code(3)).await);
    let running = Running::start(plan("", &[&first]), None).await;
    running.check("www.example.org", (0, 1)).await;
    running.swap(plan("", &[&second])).await;
    running.check("www.example.org", (3, 0)).await;
    running.swap(plan("rules = [\"||example.org^\"]", &[&second])).await;
    let reply = running.ask("www.example.org").await;
    assert!(reply.ends_with(&[0, 0, 0, 10, 0, 4, 0, 0, 0, 0]));
    running.swap(plan("rewrites = { \"www.example.org\" = \"10.0.0.2\" }", &[&second])).await;
    assert!(running.ask("www.example.org").await.ends_with(&[10, 0, 0, 2]), "the lab's own word comes first");
}

#[tokio::test]
async fn a_list_is_followed_and_loaded_again_when_it_changes() {
    let folder = std::env::temp_dir().join(format!("polis-dns-list-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let list = folder.join("list.txt");
    std::fs::write(&list, "||ads.example.org^\nb.example.org$important\n").unwrap();
    let upstream = Upstream::start(Does::Answer).await;
    let rest = "lists = { own = \"file:list.txt\", far = \"https://lists.example.org/all.txt\" }";
    let running = Running::start(plan(rest, &[&upstream]), Some(folder.clone())).await;
    assert!(running.ask("x.ads.example.org").await.ends_with(&[0; 4]));
    let words = |running: &Running| -> Vec<String> {
        running.service.view().lists.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        words(&running),
        [
            "list far is not followed: https://lists.example.org/all.txt: not fetched by this version",
            "list own: 1 rules; not followed: 1 with modifiers",
        ]
    );
    for (text, expected) in [
        ("<html>", "list own is not followed: file:list.txt: it is a web page and not a list"),
        ("ads.example.org\nc.example.org\n", "list own: 2 rules"),
    ] {
        std::fs::write(&list, text).unwrap();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if words(&running)[1] == expected {
                break;
            }
        }
        assert_eq!(words(&running)[1], expected);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(running.ask("c.example.org").await.ends_with(&[0; 4]));
    let gone = Running::start(plan(rest, &[&upstream]), Some(folder)).await;
    assert!(
        matches!(&gone.service.view().lists[1].state, ListState::Out(why) if why.contains("No such file"))
    );
    gone.check("x.ads.example.org", (0, 1)).await;
}
