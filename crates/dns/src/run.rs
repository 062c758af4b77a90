//! The shell of the name server: sockets, threads, and what changes while they run. No decisions.
//!
//! Datagrams are answered by threads of their own (`thread`), one for each core; connections (`connections`, `https`) and
//! everything slow are tasks of the worker.

mod answerer;
pub(crate) mod connections;
mod encrypted;
pub(crate) mod https;
mod journal;
mod outside;
mod questions;
mod serve;
mod shared;
mod shown;
mod thread;
pub(crate) mod tls;
mod udp;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use lab::model::ServiceName;
use runtime::{
    Conditions, Context, Event, Fault, Given, Helper, Permit, Record, Service, Transport as Carrier, Unhelped,
};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::cache::Cache;
use crate::fault;
use crate::lists::run::Lists;
use crate::lists::run::fetch::{Fetcher, Resolve};
use crate::lists::{self, Key, Purpose, Wanted, Wish};
use crate::log::{self, Keeping, Logger};
use crate::neighbours::{self, More, Neighbours};
use crate::plan::{LogRules, Plan, SourceKind, plan};
use crate::view::{RefusedRule, View};
use answerer::Answerer;
use connections::Connections;
use encrypted::Encrypted;
use outside::Outside;
use shared::Shared;
use thread::{Ends, Order, Orders, Says};

/// The most threads that answer datagrams.
const MAX_THREADS: usize = 4;
/// How often a pair of a UDP and a TCP port with the same number is looked for.
const PORT_TRIES: usize = 16;
/// How often the neighbour table is read where policies depend on it, and who asked too much is told.
const NEIGHBOURS_EVERY: Duration = Duration::from_secs(5);
const LIMITED_EVERY: Duration = Duration::from_secs(60);
/// How often addresses that could not be bound are tried again.
const PLACES_EVERY: Duration = Duration::from_secs(5);

/// A name server with its sockets bound.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<Orders>,
    connections: Connections,
    encrypted: Arc<Encrypted>,
    lists: Arc<Lists>,
    /// Own rules that are not followed.
    refused: std::sync::Mutex<Vec<RefusedRule>>,
    places: Mutex<BTreeMap<SocketAddr, Place>>,
    helper: Helper,
    conditions: Conditions,
    record: Record,
    /// Says that a task has ended, which none does by itself.
    ended: (mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>),
}

/// An address that is listened at, until this is dropped.
#[derive(Debug)]
struct Place {
    /// With the port that was found free, if any was asked for.
    bound: SocketAddr,
    _task: Ends,
}

impl Service for Server {
    type Plan = Plan;
    type View = View;

    const NAME: ServiceName = crate::SERVICE;

    fn plan(given: &Given<'_>) -> Option<Plan> {
        plan(given)
    }

    fn lines(plan: &Plan) -> Vec<String> {
        plan.lines()
    }

    fn permits(plan: &Plan) -> Vec<Permit> {
        let both = |at: &SocketAddr| [Permit::Bind(Carrier::Udp, *at), Permit::Bind(Carrier::Tcp, *at)];
        let encrypted = plan.tls.iter().chain(&plan.https).map(|at| Permit::Bind(Carrier::Tcp, *at));
        plan.listen.iter().flat_map(both).chain(encrypted).collect()
    }

    /// Rules are compiled before a port opens; a list that can not be followed is shown, and harms nothing else. A port 0
    /// is any that is free, the same for UDP and TCP.
    async fn provision(plan: Plan, context: &Context) -> Result<Self, Fault> {
        let cache = Arc::new(Cache::new(plan.cache));
        let outside = Outside::new(context.clock.clone()).map_err(|error| fault::no_tls(&error))?;
        let (folder, clock, keeping) =
            (context.state.folder().join("querylog"), context.clock.clone(), keeping(&plan));
        let logger = tokio::task::spawn_blocking(move || Logger::start(folder, keeping, clock)).await;
        let logger = Arc::new(logger.map_err(|_| fault::ended())?);
        let shared =
            Arc::new(Shared::new(cache, outside, logger, context.clock.clone(), context.conditions.clone()));
        let (sender, ended) = mpsc::channel(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let threads = (0..cores).map(|number| thread::start(number, Arc::clone(&shared), sender.clone()));
        let threads =
            threads.collect::<std::io::Result<Vec<Orders>>>().map_err(|error| fault::no_thread(&error))?;
        let ended = (sender, Mutex::new(ended));
        let lists = Arc::new(Lists::new(lists::Given::of(context), fetcher(&shared)));
        let (begun, wanted) = (Arc::clone(&lists), wanted(&plan));
        // Before a port opens: what was blocked before is blocked from the first question on.
        tokio::task::spawn_blocking(move || begun.begin(wanted)).await.map_err(|_| fault::no_lists())?;
        let (connections, refused) = (Connections::default(), std::sync::Mutex::default());
        let answerer = Answerer::new(threads.clone());
        let encrypted = Arc::new(Encrypted::new(context, connections.clone(), answerer));
        let server = Self {
            shared,
            threads,
            connections,
            encrypted,
            lists,
            refused,
            places: Mutex::default(),
            helper: context.helper.clone(),
            conditions: context.conditions.clone(),
            record: context.record.clone(),
            ended,
        };
        server.swap(plan, context).await?;
        Ok(server)
    }

    async fn swap(&self, plan: Plan, _context: &Context) -> Result<(), Fault> {
        if plan.listen.is_empty() {
            return Err(fault::no_address());
        }
        let mut places = self.places.lock().await;
        let (bound, missing) = self.bind_missing(&plan.listen, &places).await;
        let is_heard = plan.listen.iter().any(|at| places.contains_key(at)) || !bound.is_empty();
        if let (false, Some(fault)) = (is_heard, missing.clone()) {
            return Err(fault);
        }
        let gone: Vec<SocketAddr> = places.keys().filter(|at| !plan.listen.contains(at)).copied().collect();
        self.follow(plan).await?;
        for at in gone {
            places.remove(&at);
            for thread in &self.threads {
                thread.give(Order::Leave(at)).await;
            }
        }
        self.open(bound, &mut places).await;
        self.tell_missing(missing);
        Ok(())
    }

    async fn run(self: Arc<Self>) -> Result<(), Fault> {
        let _limited = self.task(tell_limited(Arc::clone(&self.shared)));
        let _neighbours = self.task(watch_neighbours(Arc::clone(&self.shared)));
        let _places = self.task(look_for_places(Arc::downgrade(&self)));
        let _encrypted = self.task(Arc::clone(&self.encrypted).run());
        let _lists = self.task(Arc::clone(&self.lists).run());
        let _compiled = self.task(take_up_lists(Arc::clone(&self.shared), Arc::clone(&self.lists)));
        self.ended.1.lock().await.recv().await;
        Err(fault::ended())
    }

    fn does(&self) -> String {
        let serving = self.shared.serving();
        let listens: Vec<String> = self.listens().iter().map(ToString::to_string).collect();
        let (at, names, domain) = (listens.join(", "), serving.plan.name_count(), serving.plan.domain.text());
        format!("listens at {at} over UDP and TCP, answers {names} names of {domain}")
    }

    fn view(&self) -> View {
        shown::view(self)
    }

    async fn ask(&self, question: serde_json::Value) -> Result<serde_json::Value, Fault> {
        let question = serde_json::from_value(question).map_err(|error| fault::no_question(&error))?;
        let said = questions::answer(self, question).await?;
        serde_json::to_value(said).map_err(|error| fault::no_question(&error))
    }
}

/// Sockets at one address and port: one for the datagrams of each thread, and one for connections.
struct Bound {
    bound: SocketAddr,
    udp: Vec<std::net::UdpSocket>,
    tcp: TcpListener,
}

impl Server {
    /// Sockets for those addresses that have none, and why another one has none.
    async fn bind_missing(
        &self,
        listen: &[SocketAddr],
        places: &BTreeMap<SocketAddr, Place>,
    ) -> (Vec<(SocketAddr, Bound)>, Option<Fault>) {
        let (mut bound, mut missing) = (Vec::new(), None);
        for at in listen.iter().filter(|at| !places.contains_key(at)) {
            match bind(*at, self.threads.len(), &self.helper).await {
                Ok(sockets) => bound.push((*at, sockets)),
                Err(unhelped) => missing = missing.or(Some(Fault::from(unhelped))),
            }
        }
        (bound, missing)
    }

    /// Answers at new addresses.
    async fn open(&self, bound: Vec<(SocketAddr, Bound)>, places: &mut BTreeMap<SocketAddr, Place>) {
        for (at, Bound { bound, udp, tcp }) in bound {
            for (thread, socket) in self.threads.iter().zip(udp) {
                thread.give(Order::Listen(at, socket)).await;
            }
            let connections = self.connections.clone();
            let answerer = Answerer::new(self.threads.clone());
            let serving = connections::serve_tcp(tcp, connections, answerer);
            places.insert(at, Place { bound, _task: self.task(serving) });
        }
    }

    /// Notes that somebody told the server to do something.
    fn told(&self, what: String, who: String) {
        self.record.add(Event::Told { service: crate::SERVICE.word().to_owned(), what, who });
    }

    /// An address without sockets is shown, and those that have some answer.
    fn tell_missing(&self, missing: Option<Fault>) {
        self.conditions.set("dns listen", missing.map(|fault| (fault.what, fault.help)));
    }

    /// Tries again for addresses that could not be bound.
    async fn look_for_place(&self) {
        let mut places = self.places.lock().await;
        let plan = Arc::clone(&self.shared.serving().plan);
        if plan.listen.iter().any(|at| !places.contains_key(at)) {
            let (bound, missing) = self.bind_missing(&plan.listen, &places).await;
            self.open(bound, &mut places).await;
            self.tell_missing(missing);
        }
    }

    /// Answers from a plan, once its lists are compiled.
    async fn follow(&self, plan: Plan) -> Result<(), Fault> {
        let plan = Arc::new(plan);
        let wanted = wanted(&plan);
        self.lists.change(wanted.clone()).await;
        let (own, refused) = crate::own_rules::compile(&plan);
        let before = self.shared.serving();
        {
            let _one_at_a_time = self.shared.serving_changes();
            let large = Arc::clone(&self.lists.compiled().borrow());
            // Rules under the numbers of another plan would be followed for the wrong clients.
            if !large.is_of(&wanted.lists) {
                return Err(fault::no_lists());
            }
            self.shared.outside.follow(&plan).map_err(|what| fault::upstreams(&what))?;
            // Before the first question of the new plan: a log that shall not know who asks does not.
            if before.plan.log != plan.log {
                self.shared.logger.keep(keeping(&plan));
            }
            self.shared.cache.follow(plan.cache);
            self.encrypted.follow(Arc::clone(&plan));
            self.shared.serve(plan, Arc::new(own), Arc::clone(&large.rules));
        }
        if before.epoch != self.shared.serving().epoch {
            self.shared.cache.forget(None);
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        Ok(())
    }

    /// Where it listens, with the ports that were found free.
    fn listens(&self) -> Vec<SocketAddr> {
        let places = self.places.try_lock();
        places.map(|places| places.values().map(|place| place.bound).collect()).unwrap_or_default()
    }

    /// A task that says so if it ends, and ends with its handle.
    fn task(&self, work: impl Future<Output = ()> + Send + 'static) -> Ends {
        let says = Says(self.ended.0.clone());
        let task = tokio::spawn(async move {
            let _says = says;
            work.await;
        });
        Ends(task.abort_handle())
    }
}

impl Drop for Server {
    /// Threads let go of their sockets at once: whoever else still knows them, such as a connection that is open, does not
    /// keep them answering from what was replaced.
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.end();
        }
    }
}

/// Looks again and again for addresses that could not be bound.
async fn look_for_places(server: Weak<Server>) {
    loop {
        tokio::time::sleep(PLACES_EVERY).await;
        let Some(server) = server.upgrade() else { return };
        server.look_for_place().await;
    }
}

/// Sockets for datagrams, one for each thread, and one for connections, all at the same port.
async fn bind(at: SocketAddr, threads: usize, helper: &Helper) -> Result<Bound, Unhelped> {
    let mut tries = 0;
    loop {
        tries += 1;
        let first = helper.udp(at).await?;
        let bound = first.local_addr().unwrap_or(at);
        let tcp = match helper.tcp(bound).await {
            Ok(tcp) => tcp,
            Err(_) if at.port() == 0 && tries < PORT_TRIES => continue,
            Err(unhelped) => return Err(unhelped),
        };
        let mut udp: Vec<std::net::UdpSocket> = first.into_std().into_iter().collect();
        for _ in 1..threads {
            udp.extend(helper.udp(bound).await?.into_std());
        }
        return Ok(Bound { bound, udp, tcp });
    }
}

/// What a plan wants to be kept of questions.
fn keeping(plan: &Plan) -> Keeping {
    let rows = match plan.log {
        LogRules { is_off: true, .. } => log::Rows::Off,
        LogRules { is_anonymous: true, .. } => log::Rows::Anonymous,
        LogRules { .. } => log::Rows::Full,
    };
    Keeping { rows, age: i64::try_from(plan.log.keep.as_millis()).unwrap_or(i64::MAX), bytes: plan.log.bytes }
}

/// The lists that a plan wants.
fn wanted(plan: &Plan) -> Wanted {
    let wishes = plan.sources.iter().filter_map(|from| {
        let (purpose, source) = match &from.of {
            SourceKind::Block(source) => (Purpose::Block, source),
            SourceKind::Allow(source) => (Purpose::Allow, source),
            SourceKind::Rules(_) | SourceKind::Service(_) => return None,
        };
        Some(Wish { key: Key { purpose, name: from.name.clone() }, source: source.clone() })
    });
    Wanted { lists: wishes.collect(), refresh: plan.refresh }
}

/// Answers with lists that were compiled anew.
async fn take_up_lists(shared: Arc<Shared>, lists: Arc<Lists>) {
    let mut compiled = lists.compiled();
    while compiled.changed().await.is_ok() {
        let large = Arc::clone(&compiled.borrow_and_update());
        let _one_at_a_time = shared.serving_changes();
        let serving = shared.serving();
        // Those of another plan come with that plan.
        if large.is_of(&wanted(&serving.plan).lists) && !Arc::ptr_eq(&large.rules, &serving.filters.lists) {
            shared.serve(
                Arc::clone(&serving.plan),
                Arc::clone(&serving.filters.own),
                Arc::clone(&large.rules),
            );
        }
    }
}

/// Fetches lists, with their servers looked up at our own upstreams: this machine may be the one that the system asks.
fn fetcher(shared: &Arc<Shared>) -> Fetcher {
    let upstreams = shared.outside.upstreams();
    let resolve: Resolve = Arc::new(move |name| {
        let upstreams = upstreams.clone();
        Box::pin(async move { outside::addresses(&upstreams, &name).await })
    });
    Fetcher::new(resolve, shared.outside.tls())
}

/// Reads the neighbour table again and again, where somebody's policy depends on it.
async fn watch_neighbours(shared: Arc<Shared>) {
    loop {
        if shared.serving().plan.asks_neighbours()
            && let Ok(Ok(now)) = tokio::task::spawn_blocking(read_neighbours).await
        {
            let mut known = shared.neighbours.write().unwrap_or_else(PoisonError::into_inner);
            if **known != now {
                *known = Arc::new(now);
                drop(known);
                shared.changed();
            }
        }
        tokio::time::sleep(NEIGHBOURS_EVERY).await;
    }
}

fn read_neighbours() -> std::io::Result<Neighbours> {
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
    };
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &neighbours::question(), SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    let (mut found, mut part) = (Neighbours::new(), vec![0; 32 << 10]);
    loop {
        let (length, _) = recv(&socket, part.as_mut_slice(), RecvFlags::empty())?;
        let read = neighbours::read(part.get(..length).unwrap_or_default(), &mut found);
        if read == More::No || length == 0 {
            return Ok(found);
        }
    }
}

/// Tells who asked more than may be asked.
async fn tell_limited(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LIMITED_EVERY).await;
        let limited = std::mem::take(&mut *shared.limited.lock().unwrap_or_else(PoisonError::into_inner));
        let most = limited.into_iter().max_by_key(|(_, count)| *count);
        let told = most.map(|(client, count)| {
            let who = match shared.serving().plan.log.is_anonymous {
                true => "a client".to_owned(),
                false => client.to_string(),
            };
            let what = format!("{who} asked too much: {count} of its questions were not answered in a minute");
            (what, "look what runs there; if it may ask so much, raise `dns.limit` or add its network to `exempt`".to_owned())
        });
        shared.conditions.set("dns limit", told);
        let trouble = shared.logger.trouble().map(|trouble| (trouble.what, trouble.help));
        shared.conditions.set("dns log", trouble);
    }
}
