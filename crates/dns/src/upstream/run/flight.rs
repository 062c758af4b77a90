//! A question on its way: sent to one upstream after the other, or to several at once, until one has an answer. It
//! goes on if nobody waits for it any more: somebody asks again soon.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::SetOnce;
use tokio::task::JoinSet;

use super::super::choice::{Choice, Looked, choose};
use super::super::failure::{Failure, Nobody, Why};
use super::super::known::MAX_ADDRESSES;
use super::super::line::Transport;
use super::super::wire::{Behind, Heard, Sent, Want, is_cut};
use super::https::Aged;
use super::link::Means;
use super::server::{Server, lock};
use super::udp::{self, Came};
use super::{Asker, Outcome, Prepared, Said, Setup, names};

/// How long those are waited for that were only tried, when all others have failed.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// What is asked: of which set of its group, and what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) set: usize,
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) want: Want,
}

/// What a question on its way is kept under. After a change of the lab file others are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) revision: u64,
    pub(crate) group: usize,
    pub(crate) question: Question,
}

/// A place to wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Flight(SetOnce<Outcome>);

impl Flight {
    pub(crate) async fn wait(&self) -> Outcome {
        self.0.wait().await.clone()
    }
}

/// Takes a question off the list of those that are asked, also if asking it came to a bad end.
struct Landing {
    asker: Asker,
    key: Key,
    flight: Arc<Flight>,
}

impl Landing {
    fn land(&self, outcome: Outcome) {
        if self.flight.0.set(outcome).is_ok() {
            lock(&self.asker.shared.flights).remove(&self.key);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(Err(Nobody::because(Why::Busy)));
    }
}

/// Begins to ask, in a task of its own.
pub(crate) fn begin(asker: Asker, setup: Arc<Setup>, key: Key, flight: Arc<Flight>) {
    tokio::spawn(async move {
        let question = Arc::new(key.question.clone());
        let group = key.group;
        let landing = Landing { asker: asker.clone(), key, flight };
        let Some(prepared) = setup.groups.get(group) else {
            return landing.land(Err(Nobody::because(Why::Unnamed)));
        };
        let random = asker.own.dice.next().unwrap_or_default();
        let now = Instant::now();
        let choice = prepared.group.sets.get(question.set).map(|set| {
            let look = |index: usize| match prepared.servers.get(index) {
                Some(server) => Looked::at(&mut server.health(), now),
                None => Looked::default(),
            };
            choose(set, prepared.group.mode, random, look)
        });
        let until = now + prepared.group.timeout;
        let ask = Ask { asker, setup: Arc::clone(&setup), group, question, until };
        Round::new(&ask, prepared).run(choice.unwrap_or_default(), &landing).await;
    });
}

/// Asking one question of somebody.
#[derive(Clone)]
struct Ask {
    asker: Asker,
    setup: Arc<Setup>,
    group: usize,
    question: Arc<Question>,
    until: Instant,
}

type Result<T> = std::result::Result<T, (Arc<Server>, Failure)>;

/// Whether a question waits for the one that is asked, or only tries whether it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Wanted,
    Probe,
}

/// Asking one after the other.
struct Round<'a> {
    ask: &'a Ask,
    prepared: &'a Prepared,
    then: VecDeque<usize>,
    before_fallback: usize,
    last: Vec<usize>,
    /// How many are asked that the question waits for.
    wanted: usize,
    /// Those that are asked in tasks of their own.
    tasks: JoinSet<(Part, Result<Said>)>,
    /// What is told if nobody has an answer.
    failure: Option<(Arc<Server>, Failure)>,
}

impl<'a> Round<'a> {
    fn new(ask: &'a Ask, prepared: &'a Prepared) -> Self {
        let (then, last, tasks) = (VecDeque::new(), Vec::new(), JoinSet::new());
        Self { ask, prepared, then, before_fallback: 0, last, wanted: 0, tasks, failure: None }
    }

    /// The one that is asked first is asked here, which costs the least.
    async fn run(mut self, choice: Choice, landing: &Landing) {
        (self.then, self.before_fallback, self.last) =
            (choice.then.into(), choice.before_fallback, choice.last);
        let mut first = choice.first.into_iter().filter_map(|index| self.prepared.servers.get(index));
        let Some(own) = first.next() else { return landing.land(Err(Nobody::because(Why::Unnamed))) };
        let probes = choice.probes.into_iter().filter_map(|index| self.prepared.servers.get(index));
        for (server, part) in first.map(|own| (own, Part::Wanted)).chain(probes.map(|own| (own, Part::Probe)))
        {
            self.spawn(server, part);
        }
        self.wanted += 1;
        let mut latest = own;
        let mut here = std::pin::pin!(self.ask.one(own));
        let (mut is_here, mut began) = (true, Instant::now());
        loop {
            let pause = self.pause(latest);
            let tried = tokio::select! {
                came = &mut here, if is_here => {
                    is_here = false;
                    Some((Part::Wanted, came))
                }
                Some(came) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    Some(came.unwrap_or_else(|_| (Part::Wanted, Err((Arc::clone(latest), Failure::Ended)))))
                }
                () = tokio::time::sleep_until((began + pause.unwrap_or_default()).into()), if pause.is_some() => None,
            };
            let is_over = tried.is_none();
            let is_time = match tried {
                Some((_, Ok(said))) => {
                    landing.land(Ok(Arc::new(said)));
                    break;
                }
                Some((part, Err(failed))) => {
                    self.remember(failed);
                    self.wanted = self.wanted.saturating_sub(usize::from(part == Part::Wanted));
                    self.wanted == 0 || (part == Part::Wanted && self.before_fallback > 0)
                }
                None => true,
            };
            if is_over && self.wanted > 0 {
                latest.health().is_late(Instant::now());
            }
            if self.wanted == 0 && !is_over {
                began = Instant::now();
            }
            match is_time.then(|| self.next()).flatten() {
                Some(server) => (latest, began) = (server, Instant::now()),
                None if is_time && self.try_last() => began = Instant::now(),
                // Those that are only tried may still say something, for a little while.
                None if self.wanted == 0 && (is_over || self.tasks.is_empty()) => {
                    landing.land(Err(self.nobody()));
                    break;
                }
                None => {}
            }
        }
        // How the others do is of use although one was faster.
        self.tasks.detach_all();
        if is_here {
            drop(here.await);
        }
    }

    fn spawn(&mut self, server: &Arc<Server>, part: Part) {
        self.wanted += usize::from(part == Part::Wanted);
        let (ask, server) = (self.ask.clone(), Arc::clone(server));
        self.tasks.spawn(async move { (part, ask.one(&server).await) });
    }

    /// Asks the next one, if there is one.
    fn next(&mut self) -> Option<&'a Arc<Server>> {
        let server = self.prepared.servers.get(self.then.pop_front()?)?;
        self.before_fallback = self.before_fallback.saturating_sub(1);
        self.spawn(server, Part::Wanted);
        Some(server)
    }

    /// Tries those that fail; false if there are none, or they are being tried.
    fn try_last(&mut self) -> bool {
        let last = std::mem::take(&mut self.last);
        for server in last.iter().filter_map(|index| self.prepared.servers.get(*index)) {
            self.spawn(server, Part::Probe);
        }
        !last.is_empty()
    }

    /// After how long something is done though nothing has come.
    fn pause(&self, latest: &Server) -> Option<Duration> {
        let third = self.prepared.group.timeout / 3;
        match (self.then.is_empty(), self.before_fallback, self.wanted) {
            (false, 0, _) => Some(third),
            (false, ..) => Some(latest.health().patience().min(third)),
            (true, _, 0) => Some(PROBE_WAIT.min(third)),
            (true, ..) => (!self.last.is_empty()).then_some(third),
        }
    }

    /// A reply with a code says more than silence.
    fn remember(&mut self, failed: (Arc<Server>, Failure)) {
        let has_code = matches!(self.failure, Some((_, Failure::Code(..))));
        if !has_code || matches!(failed.1, Failure::Code(..)) {
            self.failure = Some(failed);
        }
    }

    fn nobody(&mut self) -> Nobody {
        let Some((server, failure)) = self.failure.take() else { return Nobody::because(Why::Unnamed) };
        let words = failure.words(&server.upstream).into();
        let why = failure.why();
        let reply = match failure {
            Failure::Code(_, reply) => Some(reply),
            _ => None,
        };
        Nobody { why, words, reply }
    }
}

impl Ask {
    /// Asks one upstream, and keeps how it did.
    async fn one(&self, server: &Arc<Server>) -> Result<Said> {
        let began = Instant::now();
        server.health().asked();
        let came = self.exchange(server).await;
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        match came {
            Ok((message, age)) => {
                server.answered(took, now);
                Ok(Said { message, by: Arc::clone(&server.upstream.written), took, age })
            }
            Err(failure) => {
                server.failed(&failure, now);
                Err((Arc::clone(server), failure))
            }
        }
    }

    /// Asks, and once more without what an old server may not understand.
    async fn exchange(&self, server: &Arc<Server>) -> std::result::Result<Aged, Failure> {
        let transport = server.upstream.transport;
        let behind = if transport.is_encrypted() { Behind::Padded } else { Behind::Opt };
        for behind in [behind, Behind::Nothing] {
            let Question { name, kind, class, want, .. } = &*self.question;
            let sent = Sent::new(name, *kind, *class, *want, behind);
            let (reply, age) = match transport {
                Transport::Udp => self.over_udp(server, &sent).await?,
                Transport::Tcp | Transport::Tls | Transport::Https => self.over_link(server, &sent).await?,
            };
            match sent.hear(&reply) {
                Heard::Answer => return Ok((reply, age)),
                Heard::NotUnderstood => {}
                Heard::Code(code) => return Err(Failure::Code(code, Arc::new(reply))),
                Heard::Lame => return Err(Failure::Lame),
                Heard::Unreadable | Heard::Cut => return Err(Failure::Unreadable),
            }
        }
        Err(Failure::Code(1, Arc::default()))
    }

    async fn over_link(&self, server: &Arc<Server>, sent: &Sent) -> std::result::Result<Aged, Failure> {
        let places = names::places(&self.asker, &self.setup, self.group, server, self.until).await?;
        let files = Arc::clone(&self.asker.shared.files);
        let means = Means { server: Arc::clone(server), places, tls: Arc::clone(&self.setup.tls), files };
        let own = self.asker.own.paths(server);
        own.keeper.ask(&means, sent, &self.asker.own.dice, self.until).await
    }

    /// Asks over UDP; over TCP what does not fit there, or what somebody seems to guess at.
    async fn over_udp(&self, server: &Arc<Server>, sent: &Sent) -> std::result::Result<Aged, Failure> {
        let is_suspect = server.guard().is_suspect(Instant::now());
        if is_suspect && let Ok(said) = self.over_link(server, sent).await {
            return Ok(said);
        }
        // With letters in another case it is asked where nobody can guess; if that is not to be had, once more.
        for _ in 0..2 {
            match self.datagram(server, sent).await? {
                Came::Reply(reply) if is_cut(&reply) || reply.len() >= udp::MAX_REPLY => {
                    return self.over_link(server, sent).await;
                }
                Came::Reply(reply) => return Ok((reply, 0)),
                Came::OtherCase => match self.over_link(server, sent).await {
                    Err(Failure::Refused) => server.guard().lost_case(Instant::now()),
                    said => return said,
                },
            }
        }
        Err(Failure::OtherQuestion)
    }

    /// Asks at one address after the other, as long as nothing listens there.
    async fn datagram(&self, server: &Arc<Server>, sent: &Sent) -> std::result::Result<Came, Failure> {
        if let (Some(place), true) = (server.place(), server.upstream.is_at_address()) {
            return self.datagram_to(server, place, sent).await;
        }
        let places = names::places(&self.asker, &self.setup, self.group, server, self.until).await?;
        let mut failure = Failure::NoAddress("it has none".into());
        for place in places.into_iter().take(MAX_ADDRESSES) {
            match self.datagram_to(server, place, sent).await {
                Ok(came) => {
                    server.prefer(place.ip());
                    return Ok(came);
                }
                Err(gone @ (Failure::Refused | Failure::Network(_))) => failure = gone,
                Err(silent) => {
                    server.avoid(place.ip());
                    return Err(silent);
                }
            }
        }
        Err(failure)
    }

    async fn datagram_to(
        &self,
        server: &Arc<Server>,
        place: SocketAddr,
        sent: &Sent,
    ) -> std::result::Result<Came, Failure> {
        let own = self.asker.own.paths(server);
        let shared = &self.asker.shared;
        let with = udp::With {
            server,
            pool: &own.pool,
            dice: &self.asker.own.dice,
            most: self.setup.sockets_for(shared.threads.load(Ordering::Relaxed)),
            files: &shared.files,
            until: self.until,
        };
        udp::ask(&with, place, sent.clone()).await
    }
}
