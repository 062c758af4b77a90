//! Asking: one connection to every other machine, kept, and the control socket for commands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Broken, own_newest, read, write};
use crate::clock::Clock;
use crate::event::Event;
use crate::link::peers::{Hearing, Known, PATIENCE, Peer};
use crate::link::tls::words;
use crate::link::wire::{MAX_REPLY, OLDEST, Question, Reply};
use crate::record::Record;

/// How long an answer to a question of a person may take.
const ANSWER: Duration = Duration::from_secs(8);
/// A machine that can not be asked is not.
const NEVER: Duration = Duration::from_secs(365 * 86_400);
/// How many questions to one machine may wait.
const WAITING: usize = 16;

/// How to reach a machine.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// At these addresses, and it has the key of this configuration.
    Link(Vec<SocketAddr>, Arc<ClientConfig>, Vec<u8>),
    /// Not at all, and why.
    None(String),
}

impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Link(places, _, key), Self::Link(others, _, other)) => places == others && key == other,
            (Self::None(why), Self::None(other)) => why == other,
            _ => false,
        }
    }
}

type Asked = (Question, oneshot::Sender<Reply>);

/// The other machines.
#[derive(Debug)]
pub(crate) struct Peers {
    all: Mutex<BTreeMap<String, Asking>>,
    record: Record,
    clock: Clock,
    version: String,
    /// Grows whenever a machine said something new of itself.
    told: watch::Sender<u64>,
}

#[derive(Debug)]
struct Asking {
    way: Way,
    hearing: Arc<Mutex<Hearing>>,
    sender: mpsc::Sender<Asked>,
    task: JoinHandle<()>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peers {
    /// None, to begin with.
    pub(crate) fn new(record: Record, clock: Clock, version: String) -> Self {
        Self { all: Mutex::default(), record, clock, version, told: watch::channel(0).0 }
    }

    /// These are the machines now. A machine whose way has not changed keeps its connection.
    pub(crate) fn set(&self, ways: Vec<(String, Way)>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *all);
        for (machine, way) in ways {
            let known = match old.remove(&machine) {
                Some(known) if known.way == way => known,
                _ => self.begin(&machine, way),
            };
            all.insert(machine, known);
        }
    }

    fn begin(&self, machine: &str, way: Way) -> Asking {
        let hearing = Arc::new(Mutex::new(Hearing::of(machine, self.clock.steady())));
        let (sender, asked) = mpsc::channel(WAITING);
        let speaker = Speaker {
            machine: machine.to_owned(),
            hearing: Arc::clone(&hearing),
            record: self.record.clone(),
            clock: self.clock.clone(),
            version: self.version.clone(),
            told: self.told.clone(),
        };
        let task = tokio::spawn(speaker.keep(way.clone(), asked));
        Asking { way, hearing, sender, task }
    }

    /// How they are seen from here.
    pub(crate) fn seen(&self) -> Vec<Peer> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|known| lock(&known.hearing).peer().clone()).collect()
    }

    /// Everything that is known of them.
    pub(crate) fn known(&self) -> Vec<Known> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|known| lock(&known.hearing).known()).collect()
    }

    /// Changes whenever a machine said something new of itself.
    pub(crate) fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// Asks a machine; says `unknown` if it does not answer.
    pub(crate) async fn ask(&self, machine: &str, question: Question) -> Reply {
        let unknown = |why: &str| Reply::Unknown { why: why.to_owned() };
        let sender = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(machine).map(|known| known.sender.clone())
        };
        let Some(sender) = sender else { return unknown("there is no such machine with an agent") };
        let (reply, answered) = oneshot::channel();
        if sender.try_send((question, reply)).is_err() {
            return unknown("too many questions wait for it");
        }
        match timeout(ANSWER, answered).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => unknown("its place in the lab has just changed"),
            Err(_) => unknown("it does not answer"),
        }
    }
}

fn lock(hearing: &Mutex<Hearing>) -> std::sync::MutexGuard<'_, Hearing> {
    hearing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Speaks to one machine.
struct Speaker {
    machine: String,
    hearing: Arc<Mutex<Hearing>>,
    record: Record,
    clock: Clock,
    version: String,
    told: watch::Sender<u64>,
}

struct Session {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Speaker {
    async fn keep(self, way: Way, mut asked: mpsc::Receiver<Asked>) {
        let mut session: Option<Session> = None;
        // When it is asked whether it is there, however much else it is asked until then.
        let mut next = Instant::now();
        loop {
            let waiting = tokio::select! {
                biased;
                () = tokio::time::sleep_until(next) => None,
                () = ended(&mut session) => {
                    session = None;
                    None
                }
                question = asked.recv() => match question {
                    Some(question) => Some(question),
                    None => return,
                },
            };
            let question = waiting.as_ref().map_or(Question::Ping, |(question, _)| question.clone());
            let patience = if waiting.is_some() { ANSWER } else { PATIENCE };
            let said = timeout(patience, self.say(&way, &mut session, &question)).await;
            let said = said.unwrap_or_else(|_| Err("it does not answer".to_owned()));
            let reply = match said {
                Ok(reply) => {
                    self.heard(None);
                    if let Reply::Pong { revision } = reply {
                        self.catch_up(&way, &mut session, revision).await;
                    }
                    reply
                }
                Err(why) => {
                    session = None;
                    self.not_heard(&way, &why);
                    Reply::Unknown { why }
                }
            };
            match waiting {
                // One that did not answer a question is asked again soon, as one that did not answer a ping.
                Some((_, sender)) => {
                    if matches!(reply, Reply::Unknown { .. }) {
                        next = next.min(Instant::now() + lock(&self.hearing).wait());
                    }
                    let _ = sender.send(reply);
                }
                None => {
                    next = Instant::now()
                        + match way {
                            Way::Link(..) => lock(&self.hearing).wait(),
                            Way::None(_) => NEVER,
                        };
                }
            }
        }
    }

    /// Asks a machine how it stands, if that is another way than it is known to.
    async fn catch_up(&self, way: &Way, session: &mut Option<Session>, revision: u64) {
        if !lock(&self.hearing).has_news(revision) {
            return;
        }
        let said = timeout(PATIENCE, self.say(way, session, &Question::Status)).await;
        let Ok(Ok(Reply::Status(status))) = said else {
            // What it says to this later is not to be taken for what it says to the next question.
            *session = None;
            return;
        };
        if lock(&self.hearing).told(revision, *status) {
            self.told.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Asks over the connection there is, or a new one if that has ended.
    async fn say(
        &self,
        way: &Way,
        session: &mut Option<Session>,
        question: &Question,
    ) -> Result<Reply, String> {
        if let Some(open) = session {
            match exchange(open, question).await {
                Ok(reply) => return Ok(reply),
                Err(_) => *session = None,
            }
        }
        let mut open = self.open(way).await?;
        // It may be another process than before, that counts anew.
        lock(&self.hearing).forget_revision();
        let reply = exchange(&mut open, question).await;
        *session = Some(open);
        reply
    }

    async fn open(&self, way: &Way) -> Result<Session, String> {
        let (places, config) = match way {
            Way::Link(places, config, _) => (places, config),
            Way::None(why) => return Err(why.clone()),
        };
        let mut last = "it has no address".to_owned();
        // Each gets its share of the time, so that one that says nothing does not take that of the others.
        let share = PATIENCE / u32::try_from(places.len().max(1)).unwrap_or(1);
        for place in places {
            match timeout(share, self.open_at(*place, config)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(why)) => last = why,
                Err(_) => last = "it does not answer".to_owned(),
            }
        }
        Err(last)
    }

    async fn open_at(&self, place: SocketAddr, config: &Arc<ClientConfig>) -> Result<Session, String> {
        let stream = TcpStream::connect(place).await.map_err(|error| crate::fault::plain(&error))?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::IpAddress(place.ip().into());
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, stream).await.map_err(|error| words(&error))?;
        let mut session = Session { stream, buffer: Vec::new() };
        let hello = Question::Hello { oldest: OLDEST, newest: own_newest(), polis: self.version.clone() };
        match exchange(&mut session, &hello).await? {
            Reply::Hello { version: Some(_), polis } => {
                self.heard(Some(polis));
                Ok(session)
            }
            Reply::Hello { version: None, polis } => Err(format!(
                "it runs polis {polis}, with no version of the link in common: update the older one"
            )),
            _ => Err("it does not say hello".to_owned()),
        }
    }

    fn heard(&self, polis: Option<String>) {
        // What another machine says of itself is shown, and kept, only as far as it looks like a version.
        let polis = polis.map(|polis| polis.chars().filter(char::is_ascii_graphic).take(32).collect());
        let news = lock(&self.hearing).answered(polis, self.clock.now(), self.clock.steady());
        self.tell(news);
    }

    fn not_heard(&self, way: &Way, why: &str) {
        let (why, now) = (why.to_owned(), self.clock.now());
        let mut hearing = lock(&self.hearing);
        let news = match way {
            Way::Link(..) => hearing.silent(why, now, self.clock.steady()),
            Way::None(_) => hearing.unasked(why, now),
        };
        drop(hearing);
        self.tell(news);
    }

    fn tell(&self, news: bool) {
        if news {
            let state = lock(&self.hearing).peer().answering.word().to_owned();
            self.record.add(Event::Machine { machine: self.machine.clone(), state });
        }
    }
}

/// Returns when a connection is ended by the other side, which says nothing by itself otherwise.
async fn ended(session: &mut Option<Session>) {
    match session {
        Some(session) => drop(session.stream.read(&mut [0]).await),
        None => std::future::pending().await,
    }
}

async fn exchange(session: &mut Session, question: &Question) -> Result<Reply, String> {
    write(&mut session.stream, question).await.map_err(Broken::why)?;
    let reply =
        read(&mut session.stream, &mut session.buffer, MAX_REPLY, ANSWER).await.map_err(Broken::why)?;
    reply.ok_or_else(|| "it ended the connection".to_owned())
}

/// Why a running Polis could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// Nobody is there.
    #[error("no Polis answers at `{}`: {source}", .path.display())]
    Nobody {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It was there and said nothing that could be understood.
    #[error("the Polis at `{}` did not answer: {why}", .path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl AskFault {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Nobody { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "it answers root, the user that it runs as, and the group `polis`".to_owned()
            }
            Self::Nobody { .. } => {
                "start it: `polis run`, or say where its socket is: `--socket PATH`".to_owned()
            }
            Self::Silent { .. } => "try again; if it stays, `systemctl restart polis`".to_owned(),
        }
    }
}

/// Asks the Polis of this machine at its control socket.
///
/// # Errors
/// If nobody answers there.
pub async fn ask_socket(path: &Path, question: &Question) -> Result<Reply, AskFault> {
    let mut stream = UnixStream::connect(path)
        .await
        .map_err(|source| AskFault::Nobody { path: path.to_owned(), source })?;
    let silent = |why: String| AskFault::Silent { path: path.to_owned(), why };
    let broken = |broken: Broken| silent(broken.why());
    write(&mut stream, question).await.map_err(broken)?;
    let reply = read(&mut stream, &mut Vec::new(), MAX_REPLY, ANSWER * 2).await.map_err(broken)?;
    reply.ok_or_else(|| silent("it ended the connection".to_owned()))
}

/// Asks the Polis of this machine several things at once; the replies are in the order of the questions.
pub async fn ask_all(path: &Path, questions: Vec<Question>) -> Vec<Result<Reply, AskFault>> {
    let ask = |question| {
        let path = path.to_owned();
        tokio::spawn(async move { ask_socket(&path, &question).await })
    };
    let asked: Vec<_> = questions.into_iter().map(ask).collect();
    let mut replies = Vec::with_capacity(asked.len());
    for reply in asked {
        let failed =
            |why: tokio::task::JoinError| AskFault::Silent { path: path.to_owned(), why: why.to_string() };
        replies.push(reply.await.unwrap_or_else(|why| Err(failed(why))));
    }
    replies
}
