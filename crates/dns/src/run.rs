//! The sockets of the name server: no decisions, only the carrying of messages.
//!
//! Local names are answered where the datagram is received; only what is forwarded waits in a task of its
//! own, and there is a limit to how many may.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Outcome, Reply, Transport, forwarded, reply};
use crate::fault::Fault;
use crate::load::{Filter, load};
use crate::plan::Plan;
use crate::upstream::{Asker, read_message, write_message};
use crate::view::{Queries, View};
use crate::wire::Query;

/// The most queries that wait for upstreams at once.
const MAX_WAITING: usize = 1024;
/// The most connections at once, and how long one may stay quiet.
const MAX_CONNECTIONS: usize = 256;
const CONNECTION_QUIET: Duration = Duration::from_secs(10);
/// How often it is looked whether the files of lists have changed.
const LISTS_EVERY: Duration = Duration::from_secs(2);
/// How often a pair of a UDP and a TCP port with the same number is looked for.
const PORT_TRIES: usize = 16;

/// A name server with its sockets bound.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    sockets: Vec<(Arc<UdpSocket>, TcpListener)>,
}

#[derive(Debug)]
struct Shared {
    serving: RwLock<Serving>,
    /// Held while lists are loaded, so that nothing is loaded into what has been replaced meanwhile.
    loading: Mutex<()>,
    /// The lab folder, which the files of lists are in.
    folder: Option<PathBuf>,
    listen: Vec<SocketAddr>,
    asker: Arc<Asker>,
    counts: Counts,
    waiting: Arc<Semaphore>,
    connections: Arc<Semaphore>,
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
        let (of, folder, before) = (Arc::clone(&plan), self.folder.clone(), Arc::clone(&old.filter));
        let filter = tokio::task::spawn_blocking(move || load(&of, folder.as_deref(), &before)).await;
        let filter = filter.unwrap_or(old.filter);
        if old.plan.upstreams != plan.upstreams {
            self.asker.forget();
        }
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Serving { plan, filter };
    }
}

/// Gives a running server another plan, and shows what it does.
#[derive(Clone, Debug)]
pub struct Swap(Arc<Shared>);

impl Swap {
    /// Once its lists are loaded, the server answers from this plan. Where it listens does not change.
    pub async fn to(&self, plan: Plan) {
        self.0.serve(Arc::new(plan)).await;
    }

    /// The server as it runs.
    pub fn view(&self) -> View {
        let Serving { plan, filter } = self.0.serving();
        View {
            listen: self.0.listen.clone(),
            names: plan.name_count(),
            upstreams: plan.upstreams.clone(),
            lists: filter.lists.clone(),
            rules: filter.rules.clone(),
            blocked_names: filter.blocks.len(),
            blocked_bytes: filter.blocks.bytes(),
            cache: self.0.asker.view(),
            queries: self.0.counts.view(),
        }
    }
}

impl Server {
    /// Binds the sockets: at the addresses of the plan, or at `instead`. A port 0 is any that is free, the
    /// same for UDP and TCP. Lists are loaded from the lab folder; one that can not be is shown, and harms
    /// nothing else.
    ///
    /// # Errors
    /// If one of them can not be bound; then none is.
    pub async fn provision(
        plan: Plan,
        folder: Option<&Path>,
        instead: Option<SocketAddr>,
    ) -> Result<Self, Fault> {
        let addresses = instead.map_or_else(|| plan.listen.clone(), |address| vec![address]);
        if addresses.is_empty() {
            return Err(Fault::NoAddress);
        }
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            sockets.push(bind(address).await?);
        }
        let shared = Shared {
            serving: RwLock::default(),
            loading: Mutex::default(),
            folder: folder.map(Path::to_owned),
            listen: sockets.iter().filter_map(|(udp, _)| udp.local_addr().ok()).collect(),
            asker: Arc::default(),
            counts: Counts::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        shared.serve(Arc::new(plan)).await;
        Ok(Self { shared: Arc::new(shared), sockets })
    }

    /// Where it listens, with the ports that were found free.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.shared.listen.clone()
    }

    /// What gives the server another plan while it runs.
    pub fn swap(&self) -> Swap {
        Swap(Arc::clone(&self.shared))
    }

    /// Answers until it is dropped.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        for (udp, tcp) in self.sockets {
            tasks.spawn(serve_udp(udp, Arc::clone(&self.shared)));
            tasks.spawn(serve_tcp(tcp, Arc::clone(&self.shared)));
        }
        tasks.spawn(watch_lists(self.shared));
        while tasks.join_next().await.is_some() {}
    }
}

async fn bind(address: SocketAddr) -> Result<(Arc<UdpSocket>, TcpListener), Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = |transport| move |source| Fault::Bind { address, transport, source };
        let udp = UdpSocket::bind(address).await.map_err(fault("UDP"))?;
        let bound = udp.local_addr().map_err(fault("UDP"))?;
        match TcpListener::bind(bound).await {
            Ok(tcp) => return Ok((Arc::new(udp), tcp)),
            Err(_) if address.port() == 0 && tries < PORT_TRIES => {}
            Err(source) => return Err(fault("TCP")(source)),
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
                shared.counts.add(outcome);
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
async fn later_reply(shared: &Shared, plan: &Arc<Plan>, message: &[u8], over: Transport) -> Option<Vec<u8>> {
    let query = Query::parse(message).ok()?;
    let answered = shared.asker.ask(plan, query.clone()).await;
    let is_failure = answered.as_ref().is_none_or(|answered| answered.is_failure());
    shared.counts.add(if is_failure { Outcome::Failed } else { Outcome::Forwarded });
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
        if let Some(reply) = later_reply(&shared, &plan, &message, Transport::Udp).await {
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
                shared.counts.add(outcome);
                Some(reply)
            }
            Reply::Forward => {
                let Ok(_permit) = shared.waiting.try_acquire() else { return };
                later_reply(shared, &plan, &message, Transport::Tcp).await
            }
        };
        let Some(say) = say else { return };
        match timeout(CONNECTION_QUIET, write_message(&mut stream, &say)).await {
            Ok(Some(())) => {}
            _ => return,
        }
    }
}
