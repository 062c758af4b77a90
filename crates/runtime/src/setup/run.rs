//! Looking at a running machine: sockets, files, limits of time. What is found is judged elsewhere.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;

use super::judge::{self, Asked, NameServer, Needed, Pinged, Reached};
use super::ports::{Listening, Seat};
use super::{Check, ask, look, question};
use crate::link::ServiceRuns;
use crate::node::Worker;
use crate::node::run::{errors_of, own_ports};
use crate::permit::{Permit, Transport};
use crate::service::{Context, Given};
use crate::supervisor::Phase;

/// The longest that one check may take.
const LONGEST: Duration = Duration::from_secs(3);
/// How long a name server may take over UDP; what is left is for TCP.
const ANSWER: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(700);
/// Where Docker listens.
const DOCKER: &str = "/run/docker.sock";
/// The most of an answer that is read.
const MAX_ANSWER: usize = 4096;
/// The most upstreams that are asked.
const MAX_UPSTREAMS: usize = 8;

/// Looks at everything at once. It takes three seconds at most, and less if what is asked answers.
///
/// `given` is the lab that this machine follows, and `services` what became of it; the folder of `worker` is read anew, because
/// it may have errors by now.
pub async fn diagnose(
    worker: &Worker,
    given: &Given<'_>,
    context: &Context,
    services: &[ServiceRuns],
) -> Vec<Check> {
    let (names, ports, clock, disk, internet, docker, folder) = tokio::join!(
        within("names", one(names(worker, given, services))),
        within("ports", ports(worker, given, context, services)),
        within("clock", one(clock(context))),
        within("disk", one(disk(context.state.folder().to_owned()))),
        within("internet", one(internet(worker.demo.is_some(), upstreams(given)))),
        within("docker", one(docker(given, Path::new(DOCKER)))),
        within("lab", one(folder(worker))),
    );
    [names, ports, clock, disk, internet, docker, folder].concat()
}

/// What a check found, or that it took too long.
async fn within(about: &'static str, found: impl Future<Output = Vec<Check>>) -> Vec<Check> {
    let late = || {
        vec![judge::unknown(about, "looking took too long", "the machine is busy: look again in a moment")]
    };
    timeout(LONGEST, found).await.unwrap_or_else(|_| late())
}

async fn one(found: impl Future<Output = Check>) -> Vec<Check> {
    vec![found.await]
}

/// Does something that may wait for a disk, or for many small files.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

async fn listening() -> Vec<Listening> {
    aside(look::listening).await.unwrap_or_default()
}

async fn names(worker: &Worker, given: &Given<'_>, services: &[ServiceRuns]) -> Check {
    let port = given.follows.ports.shifted(53);
    let addresses = given.lab.machines.get(given.machine).and_then(|machine| machine.address.as_ref());
    let own = addresses.and_then(|all| all.iter().next()).map(|own| SocketAddr::new(own.0, port));
    let place = place_of_names(worker, given).await;
    let known = listening().await;
    let seat = match place.or(own) {
        Some(at) => aside(move || look::holder(&known, Transport::Udp, at)).await,
        None => None,
    };
    let other = match &seat {
        Some(Seat::Taken(who)) => Some(who.as_str()),
        _ => None,
    };
    if let NameServer::Settled(check) = judge::name_server(given.lab, given.machine, services, other) {
        return check;
    }
    let Some(at) = place else {
        return judge::unknown(
            "names",
            "the name server runs, and where it listens is not known",
            "`polis status` says it",
        );
    };
    let domain = given.lab.lab.domain.as_str();
    let asked = ask_udp(at, &question::about(domain)).await;
    let whose = judge::whose(given.lab, given.machine, at.ip());
    let own = aside(look::addresses).await.unwrap_or_default();
    judge::names(domain, at, &whose, &own, &asked)
}

/// Where the name server of this machine can be asked. At a port of the system's choice it is found among the sockets of
/// this process.
async fn place_of_names(worker: &Worker, given: &Given<'_>) -> Option<SocketAddr> {
    let rows = worker.rows.iter().filter(|row| row.name == lab::model::ServiceName::Dns);
    let permits: Vec<Permit> = rows.flat_map(|row| (row.permits)(given)).collect();
    let at = permits.iter().find_map(|permit| match permit {
        Permit::Bind(Transport::Udp, at) => Some(*at),
        _ => None,
    })?;
    let at = match at.port() {
        0 => aside(move || look::own_port(Transport::Udp, at.ip())).await??,
        _ => at,
    };
    let ip = match at.ip() {
        IpAddr::V4(four) if four.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(six) if six.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Some(SocketAddr::new(ip, at.port()))
}

/// The ports that the services need which do something here, and those of Polis itself. The link has none without a key.
async fn ports(
    worker: &Worker,
    given: &Given<'_>,
    context: &Context,
    services: &[ServiceRuns],
) -> Vec<Check> {
    let idle = [Phase::StandsBy, Phase::Off];
    let is_idle =
        |name: &str| services.iter().any(|service| service.name == name && idle.contains(&service.phase));
    let rows = worker.rows.iter().filter(|row| !is_idle(row.name.word()));
    let mut all: Vec<(Transport, SocketAddr)> = rows
        .flat_map(|row| (row.permits)(given))
        .filter_map(|permit| match permit {
            Permit::Bind(transport, at) if at.port() != 0 => Some((transport, at)),
            _ => None,
        })
        .collect();
    let link = given.follows.ports.shifted(crate::link::PORT);
    let has_key = context.state.key().exists();
    let own = own_ports(given, worker.demo.is_some());
    all.extend(own.into_iter().filter(|at| has_key || at.port() != link).map(|at| (Transport::Tcp, at)));
    let whose = |at: SocketAddr| judge::whose(given.lab, given.machine, at.ip());
    let all: Vec<_> = all.into_iter().map(|(transport, at)| (transport, at, whose(at))).collect();
    let found = aside(move || {
        let known = look::listening();
        let needed = |(transport, at, whose)| {
            let seat = look::holder(&known, transport, at);
            Needed { transport, at, seat, whose }
        };
        let needed: Vec<Needed> = all.into_iter().map(needed).collect();
        judge::ports(&needed, &look::addresses())
    });
    found.await.unwrap_or_default()
}

async fn clock(context: &Context) -> Check {
    let is_set = context.clock.is_set();
    let signs = aside(move || look::clock_signs(is_set)).await.unwrap_or_default();
    judge::clock(signs)
}

async fn disk(folder: PathBuf) -> Check {
    let shown = folder.display().to_string();
    let late = || "it does not answer".to_owned();
    let found = aside(move || (look::room(&folder), look::written(&folder))).await;
    let (room, written) = found.unwrap_or_else(|| (Err(late()), Err(late())));
    judge::disk(&shown, room, written)
}

/// The servers that names are asked of, or those that would be proposed.
fn upstreams(given: &Given<'_>) -> Vec<SocketAddr> {
    let dns = || given.lab.dns.iter();
    let general = dns().flat_map(|dns| dns.upstreams.iter()).filter(|line| line.domains.is_empty());
    let bootstrap = dns().flat_map(|dns| &dns.bootstrap).flat_map(|servers| servers.iter());
    // Under encryption nothing is tried here, but those that look up the names are in the clear.
    let own = general.flat_map(|line| &line.servers).chain(bootstrap.map(lab::read::At::value));
    let own: Vec<SocketAddr> = own.filter_map(|upstream| upstream.kind.plain()).take(MAX_UPSTREAMS).collect();
    if !own.is_empty() {
        return own;
    }
    let proposed = ask::UPSTREAMS.iter().filter_map(|upstream| upstream.parse::<IpAddr>().ok());
    proposed.map(|upstream| SocketAddr::new(upstream, 53)).collect()
}

async fn internet(is_demo: bool, upstreams: Vec<SocketAddr>) -> Check {
    if is_demo {
        return judge::not_needed("internet", "a demonstration does without it");
    }
    let asked: Vec<_> = upstreams.into_iter().map(|upstream| tokio::spawn(reach(upstream))).collect();
    let has_way = aside(|| !look::host().ways.is_empty()).await.unwrap_or(true);
    let mut reached = Vec::new();
    for asked in asked {
        reached.extend(asked.await);
    }
    judge::internet(&reached, has_way)
}

async fn reach(upstream: SocketAddr) -> Reached {
    let question = question::about_the_root();
    let udp = ask_udp(upstream, &question).await;
    let tcp = match udp {
        Asked::Heard(..) => None,
        Asked::Silent | Asked::Failed(_) => Some(ask_tcp(upstream, &question).await),
    };
    Reached { upstream, udp, tcp }
}

/// What came of waiting for an answer.
fn came(
    began: Instant,
    waited: Result<std::io::Result<question::Heard>, tokio::time::error::Elapsed>,
) -> Asked {
    match waited {
        Ok(Ok(heard)) => Asked::Heard(heard, began.elapsed()),
        Ok(Err(error)) => Asked::Failed(crate::fault::plain(&error)),
        Err(_) => Asked::Silent,
    }
}

async fn ask_udp(at: SocketAddr, asked: &[u8]) -> Asked {
    let began = Instant::now();
    let exchange = async {
        let any: IpAddr =
            if at.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(at).await?;
        socket.send(asked).await?;
        let mut buffer = vec![0; MAX_ANSWER];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if let Some(heard) = question::heard(asked, buffer.get(..length).unwrap_or_default()) {
                return Ok(heard);
            }
        }
    };
    came(began, timeout(ANSWER, exchange).await)
}

async fn ask_tcp(at: SocketAddr, asked: &[u8]) -> Asked {
    let began = Instant::now();
    let exchange = async {
        let mut stream = TcpStream::connect(at).await?;
        let length = u16::try_from(asked.len()).unwrap_or(u16::MAX).to_be_bytes();
        stream.write_all(&[&length, asked].concat()).await?;
        let length = usize::from(stream.read_u16().await?).min(MAX_ANSWER);
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        question::heard(asked, &answer).ok_or_else(|| ErrorKind::InvalidData.into())
    };
    came(began, timeout(REST, exchange).await)
}

async fn docker(given: &Given<'_>, path: &Path) -> Check {
    let Some(what_for) = judge::docker_is_for(given.lab, given.machine) else {
        return judge::not_needed("docker", "nothing of the lab needs it on this machine");
    };
    let user = aside(look::user).await.unwrap_or_default();
    judge::docker(&path.display().to_string(), &what_for, &ping(path).await, &user)
}

/// Asks Docker how it is, as its interface has it: `GET /_ping`.
async fn ping(path: &Path) -> Pinged {
    let asked = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
        let mut answer = Vec::new();
        (&mut stream).take(u64::try_from(MAX_ANSWER).unwrap_or(0)).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match timeout(ANSWER, asked).await {
        Err(_) => Pinged::Odd("it does not answer".to_owned()),
        Ok(Err(error)) => match error.kind() {
            ErrorKind::NotFound => Pinged::NotThere,
            ErrorKind::PermissionDenied => Pinged::Forbidden,
            ErrorKind::ConnectionRefused => Pinged::Closed,
            _ => Pinged::Odd(crate::fault::plain(&error)),
        },
        Ok(Ok(answer)) => {
            let first = answer.lines().next().unwrap_or_default();
            match first.split(' ').nth(1) {
                Some("200") => Pinged::Well,
                _ if first.is_empty() => Pinged::Odd("it says nothing".to_owned()),
                _ => Pinged::Odd(format!("it says `{}`", first.chars().take(60).collect::<String>())),
            }
        }
    }
}

/// Reads the lab folder as it is now.
async fn folder(worker: &Worker) -> Check {
    let own = worker.clone();
    let help = format!("`polis check {}` shows everything", worker.lab.display());
    match aside(move || (own.check)(&own, &own.lab).map(|checked| judged(&own, &checked))).await {
        None => judge::unknown("lab", "it could not be checked", help),
        Some(Err(error)) => {
            judge::bad("lab", error.to_string(), "bring the folder back; what ran before runs on")
        }
        Some(Ok(Ok(what))) => judge::good("lab", what),
        Some(Ok(Err(what))) => judge::bad("lab", what, help),
    }
}

/// A checked folder in words, or what is wrong with it.
fn judged(worker: &Worker, checked: &lab::Checked) -> Result<String, String> {
    match (checked.faults.errors(), checked.usable_for(worker.tables)) {
        (0, _) => Ok(lab::summary(checked)),
        (_, Some(_)) => {
            Err(format!("{}; it is used all the same, as nothing here follows from that", errors_of(checked)))
        }
        (_, None) => Err(format!("{}; what ran before runs on", errors_of(checked))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;

    use lab::Follows;
    use lab::model::{Lab, ServiceName};
    use lab::names::MachineName;

    use super::super::Mark;
    use super::*;
    use crate::Fault;
    use crate::service::Service;
    use crate::state::tests::Scratch;

    /// What is answered: the question, marked as an answer.
    fn marked(question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2] |= 0x80;
        answer
    }

    /// A name server on a thread; it answers as often as it is asked. What it says is made of the question.
    fn name_server(says: fn(&[u8]) -> Vec<Vec<u8>>) -> SocketAddr {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                for answer in says(&buffer[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        at
    }

    fn answering(question: &[u8]) -> Vec<Vec<u8>> {
        vec![marked(question)]
    }

    fn silent(_: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }

    #[tokio::test]
    async fn a_server_that_answers_is_reached() {
        let reached = reach(name_server(answering)).await;
        assert!(matches!(reached.udp, Asked::Heard(question::Heard::Answer, _)) && reached.tcp.is_none());
        // What is no answer to the question is passed over.
        let noisy = name_server(|question| {
            let mut other = marked(question);
            other[0] ^= 1;
            vec![other, question.to_vec(), Vec::new(), marked(question)]
        });
        assert!(matches!(reach(noisy).await.udp, Asked::Heard(question::Heard::Answer, _)));
        let refusing = name_server(|question| vec![vec![question[0], question[1], 0x80, 5]]);
        assert!(matches!(reach(refusing).await.udp, Asked::Heard(question::Heard::Refused, _)));
    }

    #[tokio::test]
    async fn one_that_is_silent_is_asked_over_tcp_and_given_up_in_time() {
        let at = name_server(silent);
        let listener = std::net::TcpListener::bind(at).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&[length.as_slice(), &marked(&asked)].concat()).unwrap();
            // And from now on nobody is behind the port.
        });
        let began = Instant::now();
        let reached = reach(at).await;
        assert_eq!(reached.udp, Asked::Silent);
        assert!(matches!(reached.tcp, Some(Asked::Heard(question::Heard::Answer, _))), "{reached:?}");
        assert!(began.elapsed() < LONGEST);
    }

    #[tokio::test]
    async fn a_port_that_nobody_has_is_known_at_once() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        drop(socket);
        let began = Instant::now();
        let reached = reach(at).await;
        assert!(
            matches!((&reached.udp, &reached.tcp), (Asked::Failed(_), Some(Asked::Failed(_)))),
            "{reached:?}"
        );
        assert!(began.elapsed() < ANSWER);
    }

    /// A socket that says this to whoever asks, and what came of asking.
    async fn pinged(says: Option<&'static str>) -> Pinged {
        let scratch = Scratch::new();
        let path = scratch.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 256];
            let length = stream.read(&mut asked).unwrap();
            assert!(asked[..length].starts_with(b"GET /_ping HTTP/1.0\r\n"));
            match says {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => std::thread::sleep(LONGEST),
            }
        });
        ping(&path).await
    }

    #[tokio::test]
    async fn docker_is_asked_and_what_it_says_is_understood() {
        assert_eq!(pinged(Some("HTTP/1.0 200 OK\r\nServer: Docker/27\r\n\r\nOK")).await, Pinged::Well);
        let odd = |what: &str| Pinged::Odd(what.to_owned());
        assert_eq!(pinged(Some("HTTP/1.0 500 Oh\r\n\r\n")).await, odd("it says `HTTP/1.0 500 Oh`"));
        assert_eq!(pinged(Some("")).await, odd("it says nothing"));
        assert_eq!(pinged(None).await, odd("it does not answer"));
        let scratch = Scratch::new();
        let path = scratch.path().join("docker.sock");
        assert_eq!(ping(&path).await, Pinged::NotThere);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(ping(&path).await, Pinged::Closed, "its socket is there, and it is not");
    }

    #[tokio::test]
    async fn a_state_folder_is_tried_by_writing() {
        let scratch = Scratch::new();
        let check = disk(scratch.path().to_owned()).await;
        assert!(check.mark == Mark::Good || check.what.contains("free"), "{check:?}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing stays");
        // Two may look at once.
        assert_ne!(look::probe(scratch.path()), look::probe(scratch.path()));
        let check = disk(scratch.path().join("nowhere")).await;
        assert!(check.mark == Mark::Bad && check.what.contains("can not be written to"), "{check:?}");
    }

    /// A name server for the table of services: it only has a plan, which is where it listens.
    struct Fake;

    impl Service for Fake {
        type Plan = SocketAddr;
        type View = ();
        const NAME: ServiceName = ServiceName::Dns;

        fn plan(given: &Given<'_>) -> Option<SocketAddr> {
            given.listen
        }

        fn lines(_: &SocketAddr) -> Vec<String> {
            Vec::new()
        }

        fn permits(plan: &SocketAddr) -> Vec<Permit> {
            vec![Permit::Bind(Transport::Udp, *plan)]
        }

        async fn provision(_: SocketAddr, _: &Context) -> Result<Self, Fault> {
            Ok(Self)
        }

        async fn swap(&self, _: SocketAddr, _: &Context) -> Result<(), Fault> {
            Ok(())
        }

        async fn run(self: Arc<Self>) -> Result<(), Fault> {
            Ok(())
        }

        fn does(&self) -> String {
            String::new()
        }

        fn view(&self) {}
    }

    fn worker(lab: &Path, state: &Path) -> Worker {
        Worker {
            rows: vec![crate::row::<Fake>()],
            tables: &["dns"],
            lab: lab.to_owned(),
            check: |_, path| Ok(lab::check(lab::Folder::open(path)?, &lab::Options::at("2026-11-24"))),
            show: |_, _| String::new(),
            tell: |_| {},
            print: |_| {},
            machine: None,
            listen: None,
            state: state.to_owned(),
            socket: state.join("polis.sock"),
            version: "0.1.0".to_owned(),
            demo: None,
            at: None,
        }
    }

    fn read(folder: &Path) -> (Lab, Follows, MachineName) {
        let checked = lab::check(lab::Folder::open(folder).unwrap(), &lab::Options::at("2026-11-24"));
        let lab = checked.lab.unwrap();
        let machine = lab.machines.keys().next().unwrap().clone();
        (lab, checked.follows, machine)
    }

    fn is_sent<T: Send>(work: T) -> T {
        work
    }

    #[tokio::test]
    async fn everything_is_looked_at_at_once_and_in_time() {
        let scratch = Scratch::new();
        let lab = scratch.path().join("lab.toml");
        let (own, upstream) = (name_server(answering), name_server(silent));
        let text = format!(
            "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines.naxos]\naddress = \"127.0.0.2\"\n[dns]\non = \
             \"naxos\"\nupstreams = [\"{upstream}\"]\n"
        );
        std::fs::write(&lab, &text).unwrap();
        let context = Context::for_tests(scratch.path().to_owned());
        let worker = worker(scratch.path(), scratch.path());
        let (read, follows, machine) = read(scratch.path());
        let given =
            Given { lab: &read, follows: &follows, machine: &machine, overlay: &[], listen: Some(own) };
        let services = [ServiceRuns { name: "dns".into(), phase: Phase::Running, ..ServiceRuns::default() }];
        let began = Instant::now();
        let checks = is_sent(diagnose(&worker, &given, &context, &services)).await;
        assert!(began.elapsed() < LONGEST + Duration::from_millis(500), "{:?}", began.elapsed());
        let marks =
            |checks: &[Check]| checks.iter().map(|check| (check.about, check.mark)).collect::<Vec<_>>();
        let found = marks(&checks);
        for expected in
            [("names", Mark::Good), ("internet", Mark::Bad), ("docker", Mark::NotNeeded), ("lab", Mark::Good)]
        {
            assert!(found.contains(&expected), "{expected:?}: {checks:#?}");
        }
        // The port of names is this process's.
        let ports: Vec<&Check> = checks.iter().filter(|check| check.about == "ports").collect();
        assert!(
            ports.iter().all(|check| check.mark == Mark::Good && !check.what.contains(&format!("tcp {own}"))),
            "{ports:#?}"
        );
        assert!(checks.iter().all(|check| check.mark != Mark::Bad || check.help.is_some()));
        let json = serde_json::to_value(&checks).unwrap();
        assert_eq!(json[0]["mark"], "good");

        std::fs::write(&lab, text.replace("naxos", "Naxos")).unwrap();
        let check = folder(&worker).await;
        assert!(check.mark == Mark::Bad && check.what.contains("the first is"), "{check:?}");
        std::fs::remove_file(&lab).unwrap();
        assert_eq!(folder(&worker).await.mark, Mark::Bad);
    }

    #[tokio::test]
    async fn a_port_that_another_program_has_is_said_with_its_name() {
        let Ok(mut other) = std::process::Command::new("python3")
            .args(["-c", "import socket,sys; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); print(s.getsockname()[1],flush=True); sys.stdin.read()"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
        else {
            return;
        };
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line)
            .unwrap();
        let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), line.trim().parse().unwrap());
        let seat = look::holder(&listening().await, Transport::Tcp, at);
        assert_eq!(look::seat(Transport::Tcp, at), seat);
        let Seat::Taken(who) = seat else { panic!("{seat:?}") };
        assert!(who.starts_with("python3") && who.contains(&format!("(process {})", other.id())), "{who}");
        drop(other.stdin.take());
        other.wait().unwrap();
        assert_eq!(look::seat(Transport::Tcp, at), Seat::Free);
    }

    #[tokio::test]
    async fn a_socket_of_this_process_is_its_own() {
        let socket = std::net::UdpSocket::bind("127.0.0.77:0").unwrap();
        let at = socket.local_addr().unwrap();
        assert_eq!(look::holder(&listening().await, Transport::Udp, at), Seat::Own);
        assert_eq!(look::own_port(Transport::Udp, at.ip()), Some(at));
        assert_eq!(look::holder(&listening().await, Transport::Tcp, at), Seat::Free);
    }
}
