//! The link against machines that have a key of the lab and misbehave all the same.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::Clock;
use crate::link::peers::Answering;
use crate::link::tls::{Known, Tls, Trust, shown};
use crate::link::wire::frame;
use crate::link::wire::{MAX_REPLY, Status};
use crate::record::Record;
use crate::state::tests::Scratch;

/// A machine that answers, and notes whom it refused.
struct Node {
    trust: Trust,
    refused: Mutex<Vec<String>>,
    asked: Mutex<Vec<Asker>>,
    revision: AtomicU64,
}

impl Answers for Node {
    async fn answer(&self, question: Question, asker: Asker) -> Reply {
        self.asked.lock().unwrap().push(asker);
        match question {
            Question::Ping => Reply::Pong { revision: self.revision.load(Ordering::Relaxed) },
            Question::Status => {
                let lab = self.revision.load(Ordering::Relaxed).to_string();
                Reply::Status(Box::new(Status { lab, ..Status::default() }))
            }
            _ => Reply::Unsupported,
        }
    }

    fn refused(&self, _from: IpAddr, why: String) {
        self.refused.lock().unwrap().push(why);
    }

    fn machine_with(&self, key: &[u8]) -> Option<String> {
        self.trust.machine(key)
    }

    fn version(&self) -> String {
        "0.1.0".to_owned()
    }
}

/// naxos listens, and knows the key of anafi.
struct Link {
    node: Arc<Node>,
    place: SocketAddr,
    anafi: Tls,
    naxos: Vec<u8>,
    scratch: Scratch,
}

fn pair(scratch: &Scratch, name: &str) -> (Tls, Vec<u8>) {
    let state = scratch.path().join(name);
    let public = crate::secret::key::machine(&state).unwrap();
    let private = std::fs::read_to_string(state.join("machine.key")).unwrap();
    (Tls::with_key(&private).unwrap(), shown(&public).unwrap())
}

impl Link {
    async fn new() -> Self {
        let scratch = Scratch::new();
        let ((own, naxos), (anafi, known)) = (pair(&scratch, "naxos"), pair(&scratch, "anafi"));
        let trust = Trust::default();
        trust.set(Known::from([(known, "anafi".to_owned())]));
        let node = Arc::new(Node {
            trust: trust.clone(),
            refused: Mutex::default(),
            asked: Mutex::default(),
            revision: AtomicU64::new(1),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        tokio::spawn(serve_link(listener, own.server(trust).unwrap(), Arc::clone(&node)));
        Self { node, place, anafi, naxos, scratch }
    }

    /// A connection of anafi's that has shown its key, and said nothing.
    async fn connect(&self) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(self.anafi.client(self.naxos.clone()).unwrap());
        let stream = TcpStream::connect(self.place).await.unwrap();
        connector.connect(ServerName::IpAddress(self.place.ip().into()), stream).await.unwrap()
    }

    /// And one that has said hello.
    async fn greet(&self, oldest: u16, newest: u16) -> (TlsStream<TcpStream>, Reply) {
        let mut stream = self.connect().await;
        let reply = ask(&mut stream, &Question::Hello { oldest, newest, polis: "9.9.9".into() }).await;
        (stream, reply.unwrap())
    }

    /// Waits until something was refused; says why.
    async fn refusal(&self) -> String {
        loop {
            if let Some(why) = self.node.refused.lock().unwrap().pop() {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn ask(stream: &mut TlsStream<TcpStream>, question: &Question) -> Option<Reply> {
    write(stream, question).await.ok()?;
    read(stream, &mut Vec::new(), MAX_REPLY, FRAME).await.ok()?
}

#[tokio::test]
async fn the_highest_common_version_is_spoken_and_without_one_both_are_told() {
    let link = Link::new().await;
    for (oldest, newest) in [(1, 1), (0, 1), (1, 7), (0, 65_535)] {
        let (mut stream, said) = link.greet(oldest, newest).await;
        assert_eq!(said, Reply::Hello { version: Some(1), polis: "0.1.0".into() });
        assert_eq!(ask(&mut stream, &Question::Ping).await, Some(Reply::Pong { revision: 1 }));
    }
    assert_eq!(link.node.asked.lock().unwrap().first(), Some(&Asker::Machine("anafi".into())));
    for (oldest, newest) in [(2, 3), (0, 0), (3, 1)] {
        let (mut stream, said) = link.greet(oldest, newest).await;
        assert_eq!(said, Reply::Hello { version: None, polis: "0.1.0".into() });
        assert_eq!(ask(&mut stream, &Question::Ping).await, None, "the connection ends");
        let why = link.refusal().await;
        assert!(why.contains("anafi runs polis 9.9.9") && why.contains("update the older one"), "{why}");
    }
}

#[tokio::test]
async fn who_does_not_begin_with_hello_is_refused() {
    let link = Link::new().await;
    let mut stream = link.connect().await;
    assert_eq!(ask(&mut stream, &Question::Status).await, None);
    assert_eq!(link.refusal().await, "anafi did not say hello");
    assert!(link.node.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn frames_that_are_too_long_or_no_messages_end_the_connection() {
    let link = Link::new().await;
    for (bytes, part) in [
        (vec![0xFF; 4], "longer than"),
        (u32::try_from(MAX_REQUEST + 1).unwrap().to_be_bytes().to_vec(), "longer than"),
        (b"\0\0\0\x04nope".to_vec(), "expected"),
        (b"\0\0\0\0".to_vec(), "EOF"),
        ([b"\0\0\x10\0".as_slice(), &[b'['; 4096]].concat(), "invalid type"),
        (frame(&Question::Ping)[..6].to_vec(), "ended in the middle"),
    ] {
        let (mut stream, _) = link.greet(1, 1).await;
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let why = link.refusal().await;
        assert!(why.contains(part), "{bytes:?}: {why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_byte_by_byte_has_to_be_whole_in_time() {
    let (mut own, other) = tokio::io::duplex(64);
    let reading = tokio::spawn(async move {
        let mut other = other;
        let began = Instant::now();
        let read = read::<Question>(&mut other, &mut Vec::new(), MAX_REQUEST, QUIET).await;
        (read, began.elapsed())
    });
    let bytes = frame(&Question::Ping);
    for byte in bytes {
        if own.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (read, took) = reading.await.unwrap();
    assert_eq!(read, Err(Broken::Wrong("a message took too long to arrive".to_owned())));
    assert!(took <= FRAME + Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_key_that_leaves_the_lab_is_not_answered_on_an_open_connection() {
    let link = Link::new().await;
    let (mut stream, _) = link.greet(1, 1).await;
    assert_eq!(ask(&mut stream, &Question::Ping).await, Some(Reply::Pong { revision: 1 }));
    link.node.trust.set(Known::new());
    assert_eq!(ask(&mut stream, &Question::Ping).await, None);
    assert_eq!(link.refusal().await, "its key is not in the lab file");
}

#[tokio::test]
async fn a_question_that_waits_while_the_lab_changes_is_answered_with_unknown() {
    let scratch = Scratch::new();
    let (anafi, _) = pair(&scratch, "anafi");
    let (_, naxos) = pair(&scratch, "naxos");
    // A machine that takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = |anafi: &Tls, at| Way::Link(vec![at], anafi.client(naxos.clone()).unwrap(), naxos.clone());
    let clock = Clock::system(0);
    let peers = Arc::new(Peers::new(Record::in_folder(scratch.path(), clock.clone()), clock, "0.1.0".into()));
    let place = silent.local_addr().unwrap();
    peers.set([("naxos".to_owned(), way(&anafi, place))].into());
    let asking = tokio::spawn({
        let peers = Arc::clone(&peers);
        async move { peers.ask("naxos", Question::Runs).await }
    });
    tokio::task::yield_now().await;
    // The same once more is no change, and disturbs nobody.
    peers.set([("naxos".to_owned(), way(&anafi, place))].into());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asking.is_finished());
    peers.set([("naxos".to_owned(), Way::None("it has no key".to_owned()))].into());
    let said = asking.await.unwrap();
    assert_eq!(said, Reply::Unknown { why: "its place in the lab has just changed".into() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let seen = peers.seen();
    assert_eq!((seen[0].answering, seen[0].why.as_deref()), (Answering::Unknown, Some("it has no key")));
    peers.set([].into());
    assert!(peers.seen().is_empty());
    let said = peers.ask("naxos", Question::Ping).await;
    assert!(matches!(said, Reply::Unknown { .. }), "{said:?}");
}

#[tokio::test]
async fn a_machine_that_is_asked_is_seen_and_so_is_why_not() {
    let link = Link::new().await;
    let clock = Clock::system(0);
    let record = Record::in_folder(link.scratch.path(), clock.clone());
    let peers = Peers::new(record, clock, "0.1.0".into());
    let client =
        |key: &Vec<u8>| Way::Link(vec![link.place], link.anafi.client(key.clone()).unwrap(), key.clone());
    peers.set([("naxos".to_owned(), client(&link.naxos))].into());
    assert_eq!(peers.ask("naxos", Question::Ping).await, Reply::Pong { revision: 1 });
    assert_eq!(peers.seen()[0].answering, Answering::Up);
    let (_, other) = pair(&link.scratch, "other");
    peers.set([("naxos".to_owned(), client(&other))].into());
    let Reply::Unknown { why } = peers.ask("naxos", Question::Ping).await else { panic!("it was asked") };
    assert!(why.contains("its key is not the one in the lab file"), "{why}");
    let why = link.refusal().await;
    assert!(why.contains("it does not know this machine's key"), "{why}");
}

#[tokio::test]
async fn how_a_machine_stands_is_known_also_while_it_is_asked_all_the_time() {
    let link = Link::new().await;
    let clock = Clock::system(0);
    let record = Record::in_folder(link.scratch.path(), clock.clone());
    let peers = Peers::new(record, clock, "0.1.0".into());
    let way = Way::Link(vec![link.place], link.anafi.client(link.naxos.clone()).unwrap(), link.naxos.clone());
    let mut told = peers.told();
    peers.set([("naxos".to_owned(), way)].into());
    let lab = || peers.known().first().and_then(|known| Some(known.status.as_ref()?.lab.clone()));
    for revision in ["1", "2"] {
        link.node.revision.store(revision.parse().unwrap(), Ordering::Relaxed);
        let began = Instant::now();
        while lab().as_deref() != Some(revision) {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", lab());
            let _ = peers.ask("naxos", Question::Runs).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        told.changed().await.unwrap();
    }
}
