//! The shell of asking: [`Upstreams`] is what all threads share, an [`Asker`] has the sockets and connections of one.
//!
//! ```no_run
//! # async fn example(config: dns::upstream::run::Config) -> Result<(), Box<dyn std::error::Error>> {
//! use dns::upstream::{Want, run::Upstreams};
//! let upstreams = Upstreams::new(config)?;
//! // In each thread that asks, within its runtime:
//! let asker = upstreams.on_this_thread();
//! let said = asker.ask(0, b"\x07example\x03org\0", 1, 1, Want::default()).await?;
//! # Ok(()) }
//! ```
//!
//! Files: of the 1,024 that a process may have open where nobody says otherwise, asking takes at most
//! [`MAX_FILES`], sockets and connections of all threads together. Over UDP a thread has at most
//! 8 sockets for each upstream, fewer where there are many threads or upstreams.

mod dice;
mod flight;
mod https;
mod link;
mod names;
mod pipe;
mod server;
pub(crate) mod tls;
mod udp;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use runtime::Clock;
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::failure::{Nobody, Why};
use super::group::Group;
use super::line::{Transport, Upstream};
use super::view::UpstreamsView;
use super::wire::Want;
use dice::Dice;
use flight::{Flight, Key, Question};
use link::Keeper;
use server::{Server, lock};
use tls::Tls;
pub use tls::system_roots;
use udp::Pool;

/// The most files that asking has open: sockets and connections of all threads. A third of what a process may have,
/// so that as many clients can be connected and the rest of Polis has some too.
pub const MAX_FILES: usize = 320;
/// The most questions that are asked at once. With 20 ms for an answer that is 100,000 a second.
const MAX_FLIGHTS: usize = 2048;
/// The most sockets that a thread has to one upstream.
const MAX_SOCKETS: usize = 8;
/// How often it is looked for what may be closed.
const CLEAN_EVERY: Duration = Duration::from_secs(10);

/// Who is asked, and how they are trusted.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first is for everybody without a policy that says otherwise.
    pub groups: Vec<Group>,
    /// The authorities whose certificates count: see [`system_roots`].
    pub roots: Arc<RootCertStore>,
    /// What certificates are compared with.
    pub clock: Clock,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The whole reply: NOERROR or NXDOMAIN, its question the one that was asked but for the case of letters,
    /// its number and its records as they came, each within the message. It was not cut.
    pub message: Vec<u8>,
    /// The upstream, as it is written.
    pub by: Arc<str>,
    /// How long that took from when this upstream was asked.
    pub took: Duration,
    /// How many seconds the answer lay elsewhere, to be taken from the times of its records (RFC 8484 section
    /// 5.1); 0 but for DNS over HTTPS.
    pub age: u32,
}

/// What comes of a question; shared by all that ask the same at the same time.
pub type Outcome = Result<Arc<Said>, Nobody>;

/// A group with its upstreams, which are in the order of the group's.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) group: Group,
    pub(crate) servers: Vec<Arc<Server>>,
}

/// What follows from a config.
#[derive(Debug)]
pub(crate) struct Setup {
    revision: u64,
    pub(crate) groups: Vec<Prepared>,
    /// Each upstream once.
    servers: Vec<Arc<Server>>,
    /// How many of them are asked over UDP.
    over_udp: usize,
    roots: Arc<RootCertStore>,
    pub(crate) tls: Arc<Tls>,
}

impl Setup {
    /// How many sockets a thread may have to an upstream, so that all of them leave half of the files for
    /// connections.
    pub(crate) fn sockets_for(&self, threads: usize) -> usize {
        (MAX_FILES / 2 / threads.max(1) / self.over_udp.max(1)).clamp(1, MAX_SOCKETS)
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    setup: RwLock<Arc<Setup>>,
    pub(crate) flights: Mutex<HashMap<Key, Arc<Flight>>>,
    pub(crate) files: Arc<Semaphore>,
    pub(crate) threads: AtomicUsize,
    /// How many questions found the same one on its way.
    joined: AtomicU64,
}

/// The upstreams of a machine: cheap to clone, the same for all threads.
#[derive(Clone, Debug)]
pub struct Upstreams(Arc<Shared>);

/// Counts upstreams, so that no two have the same number.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Upstreams {
    /// Ready to ask. An error is one of TLS itself, which does not happen.
    pub fn new(config: Config) -> Result<Self, rustls::Error> {
        let setup = prepare(config, None)?;
        Ok(Self(Arc::new(Shared {
            setup: RwLock::new(Arc::new(setup)),
            flights: Mutex::default(),
            files: Arc::new(Semaphore::new(MAX_FILES)),
            threads: AtomicUsize::new(0),
            joined: AtomicU64::new(0),
        })))
    }

    /// Asks as the config says from now on. Upstreams that stay keep their connections, their counts and what
    /// is known of their health; what is being asked goes on to its end. Sessions of TLS can be resumed if the
    /// roots are the same `Arc`.
    pub fn change(&self, config: Config) -> Result<(), rustls::Error> {
        let setup = prepare(config, Some(&self.0.setup()))?;
        *self.0.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
        Ok(())
    }

    /// An asker for this thread, whose runtime its sockets belong to. They are closed when its last clone goes.
    pub fn on_this_thread(&self) -> Asker {
        self.0.threads.fetch_add(1, Ordering::Relaxed);
        let own = Arc::new_cyclic(|own: &Weak<Own>| Own {
            paths: Mutex::default(),
            dice: Dice::default(),
            shared: Arc::clone(&self.0),
            cleaner: tokio::spawn(clean(Weak::clone(own), Arc::downgrade(&self.0))).abort_handle(),
        });
        Asker { shared: Arc::clone(&self.0), own }
    }

    /// How all upstreams are doing.
    pub fn view(&self) -> UpstreamsView {
        let now = Instant::now();
        let setup = self.0.setup();
        UpstreamsView {
            upstreams: setup.servers.iter().map(|server| server.view(now)).collect(),
            asking: lock(&self.0.flights).len(),
            shared: self.0.joined.load(Ordering::Relaxed),
            open: MAX_FILES.saturating_sub(self.0.files.available_permits()),
        }
    }
}

fn prepare(config: Config, before: Option<&Setup>) -> Result<Setup, rustls::Error> {
    let tls = match before.filter(|before| Arc::ptr_eq(&before.roots, &config.roots)) {
        // With the sessions that it can resume.
        Some(before) => Arc::clone(&before.tls),
        None => Arc::new(Tls::new(&config.roots, &config.clock)?),
    };
    let mut servers: Vec<Arc<Server>> = Vec::new();
    let mut find = |upstream: &Upstream| -> Arc<Server> {
        let is_it = |server: &&Arc<Server>| server.upstream == *upstream;
        if let Some(server) = servers.iter().find(is_it) {
            return Arc::clone(server);
        }
        let kept = before.and_then(|before| before.servers.iter().find(is_it));
        let server = kept.map_or_else(
            || Arc::new(Server::new(NUMBERS.fetch_add(1, Ordering::Relaxed), upstream.clone())),
            Arc::clone,
        );
        servers.push(Arc::clone(&server));
        server
    };
    let groups: Vec<Prepared> = config
        .groups
        .into_iter()
        .map(|group| Prepared { servers: group.upstreams.iter().map(&mut find).collect(), group })
        .collect();
    let over_udp = servers.iter().filter(|server| server.upstream.transport == Transport::Udp).count();
    let revision = before.map_or(0, |before| before.revision + 1);
    Ok(Setup { revision, groups, servers, over_udp, roots: config.roots, tls })
}

impl Shared {
    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What one thread has of its own.
#[derive(Debug)]
pub(crate) struct Own {
    paths: Mutex<HashMap<u64, Arc<Paths>>>,
    pub(crate) dice: Dice,
    shared: Arc<Shared>,
    cleaner: AbortHandle,
}

/// The ways of one thread to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    pub(crate) pool: Pool,
    pub(crate) keeper: Arc<Keeper>,
}

impl Own {
    pub(crate) fn paths(&self, server: &Server) -> Arc<Paths> {
        Arc::clone(lock(&self.paths).entry(server.number).or_default())
    }

    /// Closes what nobody uses, and what leads to upstreams that are not named any more.
    fn clean(&self, setup: &Setup, now: Instant) {
        let mut paths = lock(&self.paths);
        paths.retain(|number, _| setup.servers.iter().any(|server| server.number == *number));
        for path in paths.values() {
            path.pool.clean(now);
            path.keeper.clean(now);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.cleaner.abort();
        self.shared.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn clean(own: Weak<Own>, shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(CLEAN_EVERY).await;
        let (Some(own), Some(shared)) = (own.upgrade(), shared.upgrade()) else { return };
        own.clean(&shared.setup(), Instant::now());
    }
}

/// Asks from one thread: cheap to clone.
#[derive(Clone, Debug)]
pub struct Asker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) own: Arc<Own>,
}

impl Asker {
    /// Asks the upstreams of a group for a name in its wire form and in lower case. Whoever asks the same at the same
    /// time, in whichever thread, waits for the same answer; asking goes on if nobody waits any more.
    pub async fn ask(&self, group: usize, name: &[u8], kind: u16, class: u16, want: Want) -> Outcome {
        let setup = self.shared.setup();
        let Some(prepared) = setup.groups.get(group) else { return Err(Nobody::because(Why::Unnamed)) };
        let set = prepared.group.set_for(name, kind);
        let question = Question { set, name: name.into(), kind, class, want };
        let flight = self.flight(&setup, group, question)?;
        drop(setup);
        flight.wait().await
    }

    /// A place to wait for the answer.
    pub(crate) fn flight(
        &self,
        setup: &Arc<Setup>,
        group: usize,
        question: Question,
    ) -> Result<Arc<Flight>, Nobody> {
        let key = Key { revision: setup.revision, group, question };
        let mut flights = lock(&self.shared.flights);
        if let Some(flight) = flights.get(&key) {
            self.shared.joined.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::clone(flight));
        }
        if flights.len() >= MAX_FLIGHTS {
            return Err(Nobody::because(Why::Busy));
        }
        let flight = Arc::new(Flight::default());
        flights.insert(key.clone(), Arc::clone(&flight));
        drop(flights);
        flight::begin(self.clone(), Arc::clone(setup), key, Arc::clone(&flight));
        Ok(flight)
    }

    /// All upstreams, as of every thread.
    pub fn upstreams(&self) -> Upstreams {
        Upstreams(Arc::clone(&self.shared))
    }
}

/// An error of a socket in words, without the number that the system has for it.
pub(crate) fn words_of(error: &std::io::Error) -> Arc<str> {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase().into()
}
