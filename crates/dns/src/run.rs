//! The sockets of the name server: no decisions, only the carrying of messages.
//!
//! Local names are answered where the datagram is received; only what is forwarded waits in a task of its
//! own, and there is a limit to how many may.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Reply, Transport, failed, reply};
use crate::fault::Fault;
use crate::plan::Plan;
use crate::upstream::{ask, ask_tcp, read_message, write_message};
use crate::wire;

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
    sockets: Vec<(Arc<UdpSocket>, TcpListener)>,
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

/// Gives a running server another plan.
#[derive(Clone, Debug)]
pub struct Swap(Arc<Shared>);

impl Swap {
    /// From the next message on, the server answers from this plan. Where it listens does not change.
    pub fn to(&self, plan: Plan) {
        *self.0.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }
}

impl Server {
    /// Binds the sockets: at the addresses of the plan, or at `instead`. A port 0 is any that is free, the
    /// same for UDP and TCP.
    ///
    /// # Errors
    /// If one of them can not be bound; then none is.
    pub async fn provision(plan: Plan, instead: Option<SocketAddr>) -> Result<Self, Fault> {
        let addresses = instead.map_or_else(|| plan.listen.clone(), |address| vec![address]);
        if addresses.is_empty() {
            return Err(Fault::NoAddress);
        }
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            sockets.push(bind(address).await?);
        }
        let shared = Shared {
            plan: RwLock::new(Arc::new(plan)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        Ok(Self { shared: Arc::new(shared), sockets })
    }

    /// Where it listens, with the ports that were found free.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(udp, _)| udp.local_addr().ok()).collect()
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
