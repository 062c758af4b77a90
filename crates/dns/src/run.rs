//! The sockets of the name server: no decisions, only the carrying of messages.
//!
//! Local names are answered where the datagram is received; only what is forwarded waits in a task of its
//! own, and there is a limit to how many may.

mod upstream;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lab::model::ServiceName;
use runtime::{
    Clock, Conditions, Context, Fault, Given, Helper, LabFolder, Permit, Service, Transport as Carrier,
    Unhelped,
};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::answer::{Outcome, Reply, Transport, forwarded, reply};
use crate::fault;
use crate::last::Lasts;
use crate::load::{Filter, load};
use crate::plan::{Plan, plan};
use crate::view::{Queries, View};
use crate::wire::Query;
use upstream::{Asker, read_message, write_message};

/// The most queries that wait for upstreams at once.
const MAX_WAITING: usize = 1024;
/// The most connections at once, and how long one may stay quiet.
const MAX_CONNECTIONS: usize = 256;
const CONNECTION_QUIET: Duration = Duration::from_secs(10);
/// How often it is looked whether the files of lists have changed.
const LISTS_EVERY: Duration = Duration::from_secs(5);
/// How often a pair of a UDP and a TCP port with the same number is looked for.
const PORT_TRIES: usize = 16;

/// A name server with its sockets bound.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    places: Mutex<BTreeMap<SocketAddr, Place>>,
    /// Says that a task has ended, which none does by itself.
    ended: (mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>),
}

#[derive(Debug)]
struct Shared {
    serving: RwLock<Serving>,
    /// Held while lists are loaded, so that nothing is loaded into what has been replaced meanwhile.
    loading: Mutex<()>,
    /// The lab folder, which the files of lists are in.
    folder: LabFolder,
    conditions: Conditions,
    asker: Arc<Asker>,
    counts: Counts,
    lasts: std::sync::Mutex<Lasts>,
    clock: Clock,
    waiting: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// An address that is listened at, until this is dropped.
#[derive(Debug)]
struct Place {
    /// With the port that was found free, if any was asked for.
    bound: SocketAddr,
    _tasks: [Ends; 2],
}

/// Ends a task with what holds it.
#[derive(Debug)]
struct Ends(JoinHandle<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is answered from.
#[derive(Clone, Debug, Default)]
struct Serving {
    plan: Arc<Plan>,
    filter: Arc<Filter>,
}

/// How many questions had which outcome, in the order of [`Outcome`].
#[derive(Debug, Default)]
struct Counts([AtomicU64; 6]);

impl Counts {
    fn add(&self, outcome: Outcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn view(&self) -> Queries {
        let [local, blocked, cached, forwarded, refused, failed] =
            self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        Queries { local, blocked, cached, forwarded, refused, failed }
    }
}

impl Shared {
    /// A question had an outcome.
    fn note(&self, outcome: Outcome, client: IpAddr, message: &[u8]) {
        self.counts.add(outcome);
        let mut lasts = self.lasts.lock().unwrap_or_else(PoisonError::into_inner);
        lasts.add(self.clock.now(), client, outcome, message);
    }

    fn serving(&self) -> Serving {
        self.serving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the lists of a plan, and answers from both from then on.
    async fn serve(&self, plan: Arc<Plan>) {
        let _one_at_a_time = self.loading.lock().await;
        self.load(plan).await;
    }

    /// Loads the lists whose files have changed.
    async fn look_again(&self) {
        let _one_at_a_time = self.loading.lock().await;
        self.load(self.serving().plan).await;
    }

    async fn load(&self, plan: Arc<Plan>) {
        let old = self.serving();
        let (of, folder, before) = (Arc::clone(&plan), self.folder.path(), Arc::clone(&old.filter));
        let filter = tokio::task::spawn_blocking(move || load(&of, &folder, &before)).await;
        let broken = filter.as_ref().err().map(|error| {
            let help =
                "this is a mistake in Polis; what was blocked before is blocked until they can be".to_owned();
            (format!("they can not be loaded: {error}"), help)
        });
        self.conditions.set("dns lists", broken);
        let filter = filter.unwrap_or_else(|_| Arc::clone(&old.filter));
        if old.plan.upstreams != plan.upstreams {
            self.asker.forget();
        }
        for (name, trouble) in filter.troubles(&old.filter) {
            self.conditions.set(&format!("dns list {name}"), trouble);
        }
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Serving { plan, filter };
    }
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
        plan.listen.iter().flat_map(both).collect()
    }

    /// Lists are loaded from the lab folder; one that can not be is shown, and harms nothing else. A port 0 is any that
    /// is free, the same for UDP and TCP.
    async fn provision(plan: Plan, context: &Context) -> Result<Self, Fault> {
        let shared = Shared {
            serving: RwLock::default(),
            loading: Mutex::default(),
            folder: context.folder.clone(),
            conditions: context.conditions.clone(),
            asker: Arc::default(),
            counts: Counts::default(),
            lasts: std::sync::Mutex::default(),
            clock: context.clock.clone(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        let (sender, ended) = mpsc::channel(1);
        let ended = (sender, Mutex::new(ended));
        let server = Self { shared: Arc::new(shared), places: Mutex::default(), ended };
        server.swap(plan, context).await?;
        Ok(server)
    }

    async fn swap(&self, plan: Plan, context: &Context) -> Result<(), Fault> {
        if plan.listen.is_empty() {
            return Err(fault::no_address());
        }
        let mut places = self.places.lock().await;
        let mut bound = Vec::new();
        for at in plan.listen.iter().filter(|at| !places.contains_key(at)) {
            let sockets = bind(*at, &context.helper).await?;
            bound.push((*at, sockets));
        }
        places.retain(|at, _| plan.listen.contains(at));
        self.shared.serve(Arc::new(plan)).await;
        for (at, (bound, udp, tcp)) in bound {
            let udp = self.task(serve_udp(Arc::new(udp), Arc::clone(&self.shared)));
            let tcp = self.task(serve_tcp(tcp, Arc::clone(&self.shared)));
            places.insert(at, Place { bound, _tasks: [udp, tcp] });
        }
        Ok(())
    }

    async fn run(self: Arc<Self>) -> Result<(), Fault> {
        let _lists = self.task(watch_lists(Arc::clone(&self.shared)));
        self.ended.1.lock().await.recv().await;
        Err(fault::ended())
    }

    fn does(&self) -> String {
        let Serving { plan, filter } = self.shared.serving();
        let listens: Vec<String> = self.listens().iter().map(ToString::to_string).collect();
        let (at, names, domain) = (listens.join(", "), plan.name_count(), plan.domain.text());
        let blocks = filter.words();
        format!("listens at {at} over UDP and TCP, answers {names} names of {domain}{blocks}")
    }

    fn view(&self) -> View {
        let Serving { plan, filter } = self.shared.serving();
        View {
            listen: self.listens(),
            names: plan.name_count(),
            upstreams: plan.upstreams.clone(),
            lists: filter.lists.clone(),
            rules: filter.rules.clone(),
            blocked_names: filter.blocks.len(),
            blocked_bytes: filter.blocks.bytes(),
            cache: self.shared.asker.view(),
            metrics: self.shared.counts.view(),
            last: self.shared.lasts.lock().unwrap_or_else(PoisonError::into_inner).view(),
        }
    }
}

impl Server {
    /// Where it listens, with the ports that were found free.
    fn listens(&self) -> Vec<SocketAddr> {
        let places = self.places.try_lock();
        places.map(|places| places.values().map(|place| place.bound).collect()).unwrap_or_default()
    }

    /// A task that says so if it ends, and ends with its handle.
    fn task(&self, work: impl Future<Output = ()> + Send + 'static) -> Ends {
        let says = Says(self.ended.0.clone());
        Ends(tokio::spawn(async move {
            let _says = says;
            work.await;
        }))
    }
}

/// Says that its task has panicked, which is the only way for it to end by itself.
struct Says(mpsc::Sender<()>);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.try_send(());
        }
    }
}

/// A socket each for datagrams and connections, at the same port.
async fn bind(at: SocketAddr, helper: &Helper) -> Result<(SocketAddr, UdpSocket, TcpListener), Unhelped> {
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = helper.udp(at).await?;
        let bound = udp.local_addr().unwrap_or(at);
        match helper.tcp(bound).await {
            Ok(tcp) => return Ok((bound, udp, tcp)),
            Err(_) if at.port() == 0 && tries < PORT_TRIES => {}
            Err(unhelped) => return Err(unhelped),
        }
    }
}

/// Loads lists again when their files change.
async fn watch_lists(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LISTS_EVERY).await;
        shared.look_again().await;
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        // An error here is an ICMP message about a datagram sent before: the next one may be fine.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Some(message) = buffer.get(..length) else { continue };
        let Serving { plan, filter } = shared.serving();
        match first_reply(&shared, &plan, &filter, message, client.ip(), Transport::Udp) {
            Reply::Silent => {}
            Reply::Say(outcome, reply) => {
                shared.note(outcome, client.ip(), message);
                drop(socket.send_to(&reply, client).await);
            }
            Reply::Forward => forward_udp(&socket, &shared, plan, message.to_vec(), client),
        }
    }
}

/// What can be said at once: also what upstreams said before.
fn first_reply(
    shared: &Shared,
    plan: &Plan,
    filter: &Filter,
    message: &[u8],
    client: IpAddr,
    over: Transport,
) -> Reply {
    let first = reply(plan, &filter.blocks, message, client, over);
    let (Reply::Forward, Ok(query)) = (&first, Query::parse(message)) else { return first };
    let Some((answered, seconds)) = shared.asker.cached(&query) else { return first };
    let outcome = if answered.is_failure() { Outcome::Failed } else { Outcome::Cached };
    Reply::Say(outcome, forwarded(&query, message, Some(&answered), seconds, over))
}

/// What upstreams say now.
async fn later_reply(
    shared: &Shared,
    plan: &Arc<Plan>,
    message: &[u8],
    client: IpAddr,
    over: Transport,
) -> Option<Vec<u8>> {
    let query = Query::parse(message).ok()?;
    let answered = shared.asker.ask(plan, query.clone()).await;
    let is_failure = answered.as_ref().is_none_or(|answered| answered.is_failure());
    shared.note(if is_failure { Outcome::Failed } else { Outcome::Forwarded }, client, message);
    Some(forwarded(&query, message, answered.as_deref(), 0, over))
}

fn forward_udp(
    socket: &Arc<UdpSocket>,
    shared: &Arc<Shared>,
    plan: Arc<Plan>,
    message: Vec<u8>,
    client: SocketAddr,
) {
    let Ok(permit) = Arc::clone(&shared.waiting).try_acquire_owned() else { return };
    let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
    tokio::spawn(async move {
        if let Some(reply) = later_reply(&shared, &plan, &message, client.ip(), Transport::Udp).await {
            drop(socket.send_to(&reply, client).await);
        }
        drop(permit);
    });
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok(permit) = Arc::clone(&shared.connections).acquire_owned().await else { return };
        let Ok((stream, client)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait until some are free again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve_connection(stream, client.ip(), &shared).await;
            drop(permit);
        });
    }
}

/// Messages with their length in front (RFC 1035 section 4.2.2), one after the other.
async fn serve_connection(mut stream: TcpStream, client: IpAddr, shared: &Shared) {
    while let Ok(Some(message)) = timeout(CONNECTION_QUIET, read_message(&mut stream)).await {
        let Serving { plan, filter } = shared.serving();
        let say = match first_reply(shared, &plan, &filter, &message, client, Transport::Tcp) {
            Reply::Silent => return,
            Reply::Say(outcome, reply) => {
                shared.note(outcome, client, &message);
                Some(reply)
            }
            Reply::Forward => {
                let Ok(_permit) = shared.waiting.try_acquire() else { return };
                later_reply(shared, &plan, &message, client, Transport::Tcp).await
            }
        };
        let Some(say) = say else { return };
        match timeout(CONNECTION_QUIET, write_message(&mut stream, &say)).await {
            Ok(Some(())) => {}
            _ => return,
        }
    }
}
