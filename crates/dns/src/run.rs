//! The sockets of the name server: no decisions, only the carrying of messages.
//!
//! Local names are answered where the datagram is received; only what is forwarded waits in a task of its
//! own, and there is a limit to how many may.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lab::model::ServiceName;
use runtime::{Context, Fault, Given, Helper, Permit, Service, Transport as Carrier};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::answer::{Reply, Transport, failed, reply};
use crate::plan::{Plan, plan};
use crate::view::View;
use crate::wire;

/// How long one upstream may take to answer.
const UPSTREAM_WAIT: Duration = Duration::from_millis(1500);
/// The most queries that wait for upstreams at once.
const MAX_WAITING: usize = 1024;
/// The most connections at once, and how long one may stay quiet.
const MAX_CONNECTIONS: usize = 256;
const CONNECTION_QUIET: Duration = Duration::from_secs(10);
/// How often a pair of a UDP and a TCP port with the same number is looked for.
const PORT_TRIES: usize = 16;

/// A name server with its sockets bound.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    places: Mutex<BTreeMap<SocketAddr, Place>>,
    /// A task that serves a place has ended, which it never should.
    ended: (mpsc::Sender<String>, Mutex<mpsc::Receiver<String>>),
}

#[derive(Debug)]
struct Shared {
    plan: RwLock<Arc<Plan>>,
    waiting: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Shared {
    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An address that is listened at, until this is dropped.
#[derive(Debug)]
struct Place {
    /// With the port that was found free, if any was asked for.
    bound: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Place {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
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

    async fn provision(plan: Plan, context: &Context) -> Result<Self, Fault> {
        let shared = Shared {
            plan: RwLock::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        let (sender, ended) = mpsc::channel(1);
        let server =
            Self { shared: Arc::new(shared), places: Mutex::default(), ended: (sender, Mutex::new(ended)) };
        server.swap(plan, context).await?;
        Ok(server)
    }

    async fn swap(&self, plan: Plan, context: &Context) -> Result<(), Fault> {
        if plan.listen.is_empty() {
            return Err(crate::fault::no_address());
        }
        let mut places = self.places.lock().await;
        let mut bound = Vec::new();
        for at in plan.listen.iter().filter(|at| !places.contains_key(at)) {
            bound.push((*at, bind(*at, &context.helper).await?));
        }
        places.retain(|at, _| plan.listen.contains(at));
        *self.shared.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
        for (at, (bound, udp, tcp)) in bound {
            let tasks = [
                self.watched(serve_udp(Arc::new(udp), Arc::clone(&self.shared))),
                self.watched(serve_tcp(tcp, Arc::clone(&self.shared))),
            ];
            places.insert(at, Place { bound, tasks });
        }
        Ok(())
    }

    async fn run(self: Arc<Self>) -> Result<(), Fault> {
        let why = self.ended.1.lock().await.recv().await;
        Err(crate::fault::ended(&why.unwrap_or_default()))
    }

    fn does(&self) -> String {
        let plan = self.shared.plan();
        let listens: Vec<String> = self.view().listen.iter().map(ToString::to_string).collect();
        format!(
            "listens at {} over UDP and TCP, answers {} names of {}",
            listens.join(", "),
            plan.name_count(),
            plan.domain
        )
    }

    fn view(&self) -> View {
        let places = self.places.try_lock();
        let bound = places.map(|places| places.values().map(|place| place.bound).collect());
        View { listen: bound.unwrap_or_default(), names: self.shared.plan().name_count() }
    }
}

impl Server {
    /// A task that says so if it ends, and aborts with its handle.
    fn watched(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let sender = self.ended.0.clone();
        tokio::spawn(async move {
            let _says = Says(sender);
            work.await;
        })
    }
}

/// Says that its task has panicked, which is the only way for it to end by itself.
struct Says(mpsc::Sender<String>);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.try_send("a task panicked".to_owned());
        }
    }
}

/// A socket each for datagrams and connections, at the same port.
async fn bind(at: SocketAddr, helper: &Helper) -> Result<(SocketAddr, UdpSocket, TcpListener), Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = helper.udp(at).await?;
        let bound = udp.local_addr().unwrap_or(at);
        match helper.tcp(bound).await {
            Ok(tcp) => return Ok((bound, udp, tcp)),
            Err(_) if at.port() == 0 && tries < PORT_TRIES => {}
            Err(unhelped) => return Err(unhelped.into()),
        }
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
        let plan = shared.plan();
        match reply(&plan, message, client.ip(), Transport::Udp) {
            Reply::Silent => {}
            Reply::Say(reply) => drop(socket.send_to(&reply, client).await),
            Reply::Forward => forward_udp(&socket, &shared, plan, message.to_vec(), client),
        }
    }
}

fn forward_udp(
    socket: &Arc<UdpSocket>,
    shared: &Shared,
    plan: Arc<Plan>,
    message: Vec<u8>,
    client: SocketAddr,
) {
    let Ok(permit) = Arc::clone(&shared.waiting).try_acquire_owned() else { return };
    let socket = Arc::clone(socket);
    tokio::spawn(async move {
        let reply = match ask(&plan.upstreams, &message).await {
            Some(mut reply) => {
                let limit = wire::Query::parse(&message).map_or(wire::PLAIN_UDP, |query| query.udp_limit());
                if reply.len() > limit {
                    wire::cut(&mut reply, &message);
                }
                Some(reply)
            }
            None => failed(&message, Transport::Udp),
        };
        if let Some(reply) = reply {
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
        let plan = shared.plan();
        let say = match reply(&plan, &message, client, Transport::Tcp) {
            Reply::Silent => return,
            Reply::Say(reply) => Some(reply),
            Reply::Forward => {
                let Ok(_permit) = shared.waiting.try_acquire() else { return };
                match ask_tcp(&plan.upstreams, &message).await {
                    Some(reply) => Some(reply),
                    None => failed(&message, Transport::Tcp),
                }
            }
        };
        let Some(say) = say else { return };
        match timeout(CONNECTION_QUIET, write_message(&mut stream, &say)).await {
            Ok(Some(())) => {}
            _ => return,
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).ok()?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await.ok()
}

/// What the first upstream that answers says, under the number of the question.
async fn ask(upstreams: &[SocketAddr], message: &[u8]) -> Option<Vec<u8>> {
    for upstream in upstreams {
        match timeout(UPSTREAM_WAIT, ask_udp(*upstream, message)).await {
            Ok(Some(reply)) if wire::is_truncated(&reply) => {
                return ask_tcp(std::slice::from_ref(upstream), message).await.or(Some(reply));
            }
            Ok(Some(reply)) => return Some(reply),
            _ => {}
        }
    }
    None
}

/// Asks from a port of its own under a number that nobody can guess (RFC 5452).
async fn ask_udp(upstream: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let any: IpAddr =
        if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(upstream).await.ok()?;
    let question = renumbered(message)?;
    socket.send(&question).await.ok()?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        let reply = buffer.get_mut(..length)?;
        if wire::answers(reply, &question) {
            return original(reply, message);
        }
    }
}

async fn ask_tcp(upstreams: &[SocketAddr], message: &[u8]) -> Option<Vec<u8>> {
    for upstream in upstreams {
        let exchange = async {
            let mut stream = TcpStream::connect(upstream).await.ok()?;
            let question = renumbered(message)?;
            write_message(&mut stream, &question).await?;
            let mut reply = read_message(&mut stream).await?;
            if !wire::answers(&reply, &question) {
                return None;
            }
            original(&mut reply, message)
        };
        if let Ok(Some(reply)) = timeout(UPSTREAM_WAIT, exchange).await {
            return Some(reply);
        }
    }
    None
}

fn renumbered(message: &[u8]) -> Option<Vec<u8>> {
    let mut number = [0; 2];
    getrandom::getrandom(&mut number).ok()?;
    let mut question = message.to_vec();
    wire::set_id(&mut question, u16::from_be_bytes(number));
    Some(question)
}

/// The reply under the number that the client gave its question.
fn original(reply: &mut [u8], message: &[u8]) -> Option<Vec<u8>> {
    let id = message.get(..2).and_then(|id| id.try_into().ok()).map(u16::from_be_bytes)?;
    wire::set_id(reply, id);
    Some(reply.to_vec())
}
