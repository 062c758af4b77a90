//! A name server over real sockets, with upstreams that count what they are asked and say what the test wants.
#![cfg(test)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns::{ListState, Outcome, Plan, Question, Said, Search, Server};
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
         [dns]\non = \"naxos\"\ndnssec = \"off\"\nupstreams = [{}]\n{rest}\n",
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
    assert_eq!((view.metrics.of(Outcome::Forwarded), view.metrics.of(Outcome::Cached)), (2, 1));
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
async fn many_at_once_are_all_answered() {
    let upstream = Upstream::start(Does::Late).await;
    let running = Arc::new(Running::start(plan("", &[&upstream]), None).await);
    let asking: Vec<_> = (0..400)
        .map(|number| {
            let running = Arc::clone(&running);
            tokio::spawn(async move { running.check(&format!("n{number}.example.org"), (0, 1)).await })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert!(upstream.count() >= 400 && upstream.at_once.load(Ordering::SeqCst) <= 2048);
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
        assert_eq!(running.service.view().metrics.of(Outcome::Failed), 1);
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

/// A record of an answer: type, time and what stands in it, under the name of the question.
fn record(kind: u16, time: u32, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xC0, 12];
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1]);
    record.extend_from_slice(&time.to_be_bytes());
    record.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend_from_slice(data);
    record
}

/// An upstream that says these records to everything, as long as it is told to answer.
struct Says {
    address: SocketAddr,
    answers: Arc<std::sync::atomic::AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Says {
    async fn start(records: Vec<Vec<u8>>) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        let (answers, count) =
            (Arc::new(std::sync::atomic::AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (does, counts) = (Arc::clone(&answers), Arc::clone(&count));
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
                counts.fetch_add(1, Ordering::SeqCst);
                if !does.load(Ordering::SeqCst) {
                    continue;
                }
                let question = &buffer[..length];
                let mut reply = question[..question_end(question)].to_vec();
                (reply[2], reply[3], reply[11]) = (0x81, 0x80, 0);
                reply[7] = u8::try_from(records.len()).unwrap();
                reply.extend(records.concat());
                udp.send_to(&reply, client).await.unwrap();
            }
        });
        Self { address, answers, count }
    }

    fn plan(&self, rest: &str) -> Plan {
        let upstream = Upstream { address: self.address, asked: Arc::default(), at_once: Arc::default() };
        plan(rest, &[&upstream])
    }
}

#[tokio::test]
async fn what_a_name_leads_to_goes_through_the_rules_too() {
    let mut alias = vec![7];
    alias.extend_from_slice(b"tracker\x07example\x00");
    let upstream = Says::start(vec![record(5, 60, &alias), record(1, 60, &[192, 0, 2, 1])]).await;
    let running =
        Running::start(upstream.plan("rules = [\"||tracker.example^\", \"192.0.2.7\"]"), None).await;
    for _ in 0..2 {
        assert!(running.ask("www.innocent.example").await.ends_with(&[0; 4]), "also from the cache");
    }
    running.swap(upstream.plan("rules = [\"||other.example^\"]")).await;
    running.check("www.innocent.example", (0, 2)).await;
    running.swap(upstream.plan("rules = [\"192.0.2.1\"]")).await;
    assert!(running.ask("www.innocent.example").await.ends_with(&[0; 4]), "an address is blocked too");
    running.swap(upstream.plan("rules = [\"||tracker.example^\", \"@@||innocent.example^\"]")).await;
    running.check("www.innocent.example", (0, 2)).await;
}

#[tokio::test]
async fn a_name_of_outside_does_not_lead_inside() {
    let upstream = Says::start(vec![record(1, 60, &[10, 0, 0, 2])]).await;
    let running = Running::start(upstream.plan(""), None).await;
    running.check("rebind.example", (0, 0)).await;
    running.check("rebind.example", (0, 0)).await;
    assert_eq!(running.service.view().metrics.of(Outcome::Rebinding), 2);
    running.swap(upstream.plan("rebinding = { allow = [\"rebind.example\"] }")).await;
    running.check("www.rebind.example", (0, 1)).await;
    running.check("other.example", (0, 0)).await;
    running.swap(upstream.plan("rebinding = false")).await;
    running.check("other.example", (0, 1)).await;
}

#[tokio::test]
async fn without_the_internet_what_was_said_before_is_said_again() {
    let upstream = Says::start(vec![record(1, 1, &[192, 0, 2, 1])]).await;
    let running = Running::start(upstream.plan("timeout = \"500ms\""), None).await;
    running.check("www.example.org", (0, 1)).await;
    upstream.answers.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let reply = running.ask("www.example.org").await;
    assert!(reply.ends_with(&[0, 0, 0, 30, 0, 4, 192, 0, 2, 1]), "{reply:?}");
    let before = upstream.count.load(Ordering::SeqCst);
    running.check("www.example.org", (0, 1)).await;
    assert_eq!(upstream.count.load(Ordering::SeqCst), before, "nobody is asked again at once");
    assert_eq!(running.service.view().metrics.of(Outcome::Stale), 2);
    running.check("naxos.lab.example.net", (0, 1)).await;
    running.check("never.asked.example", (2, 0)).await;
}

#[tokio::test]
async fn filters_can_be_paused_and_the_cache_forgotten() {
    let upstream = Says::start(vec![record(1, 60, &[192, 0, 2, 1])]).await;
    let running = Running::start(upstream.plan("rules = [\"||ads.example^\"]"), None).await;
    let ask = async |question: Question| -> Said {
        let question = serde_json::to_value(question).unwrap();
        serde_json::from_value(running.service.ask(question).await.unwrap()).unwrap()
    };
    assert!(running.ask("ads.example").await.ends_with(&[0; 4]));
    let mut happened = running.context.record.listen();
    assert_eq!(ask(Question::Pause { seconds: 60, who: "owner".to_owned() }).await, Said::Done);
    assert!(running.ask("ads.example").await.ends_with(&[192, 0, 2, 1]));
    assert!(running.service.view().paused_until.is_some());
    assert_eq!(happened.try_recv().unwrap().1.words(), "dns lets its filters rest for 60 s, as owner wanted");
    ask(Question::Pause { seconds: 0, who: "owner".to_owned() }).await;
    assert!(running.ask("ads.example").await.ends_with(&[0; 4]));
    assert_eq!(ask(Question::Flush { name: Some("example".to_owned()) }).await, Said::Flushed { answers: 1 });
    let Said::Why(why) =
        ask(Question::Why { name: "x.ads.example".to_owned(), kind: None, client: None }).await
    else {
        panic!("no reason")
    };
    assert_eq!(why.outcome, "blocked");
    assert!(why.steps.iter().any(|(_, says)| says.contains("||ads.example^ (own rules)")), "{:?}", why.steps);
    assert_eq!(why.changes[0], ("Allow for everybody".to_owned(), "@@||x.ads.example^".to_owned()));
}

#[tokio::test]
async fn an_alias_of_a_rule_is_asked_for_and_told_with_it() {
    let upstream = Says::start(vec![record(1, 60, &[192, 0, 2, 1])]).await;
    let rest = "rules = [\"||old.example^$dnsrewrite=new.example\", \"||gone.example^$dnsrewrite=NXDOMAIN\"]\nsafe-search = [\"google\"]";
    let running = Running::start(upstream.plan(rest), None).await;
    for name in ["old.example", "www.google.com"] {
        let reply = running.ask(name).await;
        assert_eq!((reply[3] & 0x0F, reply[7]), (0, 2), "{name}");
        assert!(reply.ends_with(&[192, 0, 2, 1]));
    }
    running.check("gone.example", (3, 0)).await;
}

#[tokio::test]
async fn a_list_is_followed_and_loaded_again_when_it_changes() {
    let folder = std::env::temp_dir().join(format!("polis-dns-list-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let list = folder.join("list.txt");
    std::fs::write(&list, "||ads.example.org^\nb.example.org$foo\n").unwrap();
    let upstream = Upstream::start(Does::Answer).await;
    let running =
        Running::start(plan("lists = { own = \"file:list.txt\" }", &[&upstream]), Some(folder.clone())).await;
    assert!(running.ask("x.ads.example.org").await.ends_with(&[0; 4]));
    let own = |running: &Running| running.service.view().lists[0].clone();
    assert_eq!((own(&running).rules, own(&running).not_followed.values().sum()), (1, 1));
    for (text, rules, state) in [
        ("<html>", 0, ListState::Out("it is a web page and not a list".to_owned())),
        ("ads.example.org\nc.example.org\n", 2, ListState::Followed),
    ] {
        std::fs::write(&list, text).unwrap();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if own(&running).state == state {
                break;
            }
        }
        assert_eq!((own(&running).state, own(&running).rules), (state, rules));
    }
    assert!(running.ask("c.example.org").await.ends_with(&[0; 4]));
    running.check("x.ads.example.org", (0, 1)).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_plan_with_another_list_is_answered_from_when_that_is_compiled() {
    let folder = std::env::temp_dir().join(format!("polis-dns-lists-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("list.txt"), "||ads.example.org^\n").unwrap();
    let upstream = Upstream::start(Does::Answer).await;
    let running =
        Running::start(plan("rules = [\"||own.example^\"]", &[&upstream]), Some(folder.clone())).await;
    running.check("ads.example.org", (0, 1)).await;
    let rest = "rules = [\"||own.example^\"]\nlists = { aaa = \"file:list.txt\" }";
    running.swap(plan(rest, &[&upstream])).await;
    for name in ["ads.example.org", "own.example"] {
        assert!(running.ask(name).await.ends_with(&[0; 4]), "{name}");
    }
    let rest = "rules = [\"||own.example^\"]\nallow-lists = { aaa = \"file:list.txt\" }";
    running.swap(plan(rest, &[&upstream])).await;
    running.check("ads.example.org", (0, 1)).await;
    assert!(running.ask("own.example").await.ends_with(&[0; 4]));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn every_question_stands_in_the_log_with_its_reason() {
    let folder = std::env::temp_dir().join(format!("polis-dns-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let upstream = Upstream::start(Does::Answer).await;
    let running =
        Running::start(plan("rules = [\"||ads.example^\"]", &[&upstream]), Some(folder.clone())).await;
    for name in ["x.ads.example", "www.example.org", "www.example.org", "naxos.lab.example.net"] {
        running.ask(name).await;
    }
    let ask = async |question: Question| -> Said {
        let question = serde_json::to_value(question).unwrap();
        serde_json::from_value(running.service.ask(question).await.unwrap()).unwrap()
    };
    let search = async |search: Search| -> Vec<(String, Outcome, String, String, bool)> {
        let Said::Log { rows, .. } = ask(Question::Log(search)).await else { panic!("no log") };
        let row = |row: dns::Looked| (row.name, row.outcome, row.reason, row.list, !row.upstream.is_empty());
        rows.into_iter().map(row).collect()
    };
    let mut all = Vec::new();
    for _ in 0..100 {
        all = search(Search::default()).await;
        if all.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Threads hand their rows over one after the other.
    all.sort_by_key(|row| row.1.number());
    let row = |name: &str, outcome, reason: &str, list: &str, asked| {
        (name.to_owned(), outcome, reason.to_owned(), list.to_owned(), asked)
    };
    let expected = [
        row("naxos.lab.example.net", Outcome::Local, "", "", false),
        row("x.ads.example", Outcome::Blocked, "||ads.example^", "own rules", false),
        row("www.example.org", Outcome::Cached, "", "", false),
        row("www.example.org", Outcome::Forwarded, "", "", true),
    ];
    assert_eq!(all, expected);
    let blocked = Search { outcome: Some("blocked".to_owned()), ..Search::default() };
    assert_eq!(search(blocked).await, [expected[1].clone()]);
    let of_list = Search { reason: Some("own RULES".to_owned()), ..Search::default() };
    assert_eq!(search(of_list).await, [expected[1].clone()]);
    let Said::Statistics(statistics) = ask(Question::Statistics { hours: 24 }).await else {
        panic!("no numbers")
    };
    assert_eq!(
        statistics
            .hours
            .iter()
            .map(|hour| (hour.questions, hour.blocked))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
        (4, 1)
    );
    assert_eq!(statistics.blocked, [("x.ads.example".to_owned(), 1)]);
    assert_eq!(ask(Question::ForgetLog { who: "owner".to_owned() }).await, Said::Done);
    assert!(search(Search::default()).await.is_empty());
    let wrong = serde_json::to_value(Question::Log(Search {
        outcome: Some("bloked".to_owned()),
        ..Search::default()
    }));
    assert!(running.service.ask(wrong.unwrap()).await.unwrap_err().help.contains("`blocked`"));
    std::fs::remove_dir_all(&folder).unwrap();
}
