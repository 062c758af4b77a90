//! The pages' socket: carrying requests and answers, with a bound on everything.

mod answer;
mod live;
mod names;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lab::model::ServiceName;
use runtime::link::each_connection;
use runtime::{Clock, Context, Fault, Given, Here, Permit, Service, Tickets, Transport};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};

use crate::plan::{Plan, plan};
use crate::view::Diagnosis;

/// The most connections at once, and how long a request may take to arrive.
const MAX_CONNECTIONS: usize = 256;
const HEAD: Duration = Duration::from_secs(10);
/// How long who opened a one-time link may change something, and how many browsers at once.
const SESSION: Duration = Duration::from_secs(12 * 3_600);
const SESSIONS: usize = 32;
/// The most requests at once for which other machines or much of the system are asked.
const MAX_ASKING: usize = 4;

/// The pages of a machine, with their socket bound.
#[derive(Debug)]
pub struct Pages {
    shared: Arc<Shared>,
    listener: watch::Sender<(SocketAddr, Arc<TcpListener>)>,
}

/// What requests need.
#[derive(Debug)]
struct Shared {
    here: Here,
    clock: Clock,
    sessions: Mutex<Tickets>,
    /// Held by requests that ask other machines, or much of the system.
    asking: Semaphore,
    /// The last diagnosis, and when it was made. Held while one is made, so that all who ask for it get the same.
    diagnosis: AsyncMutex<Option<(Duration, Diagnosis)>>,
    requests: AtomicU64,
    live: AtomicUsize,
}

/// The pages of a machine as they run.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Where they are.
    pub listen: SocketAddr,
    /// What is measured of them.
    pub metrics: Metrics,
}

/// What is measured of pages.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metrics {
    /// Requests that were answered.
    pub requests_total: u64,
    /// Pages that are told what changes.
    pub live_pages: usize,
}

impl Service for Pages {
    type Plan = Plan;
    type View = View;

    const NAME: ServiceName = crate::SERVICE;

    fn plan(given: &Given<'_>) -> Option<Plan> {
        Some(plan(given))
    }

    fn lines(plan: &Plan) -> Vec<String> {
        vec![format!("listen {}", plan.listen)]
    }

    fn permits(plan: &Plan) -> Vec<Permit> {
        vec![Permit::Bind(Transport::Tcp, plan.listen)]
    }

    async fn provision(plan: Plan, context: &Context) -> Result<Self, Fault> {
        let listener = context.helper.tcp(plan.listen).await?;
        let shared = Shared {
            here: context.here.clone(),
            clock: context.clock.clone(),
            sessions: Mutex::new(Tickets::new(SESSION, SESSIONS)),
            asking: Semaphore::new(MAX_ASKING),
            diagnosis: AsyncMutex::default(),
            requests: AtomicU64::new(0),
            live: AtomicUsize::new(0),
        };
        let listener = watch::channel((plan.listen, Arc::new(listener))).0;
        Ok(Self { shared: Arc::new(shared), listener })
    }

    async fn swap(&self, plan: Plan, context: &Context) -> Result<(), Fault> {
        if self.listener.borrow().0 != plan.listen {
            let listener = context.helper.tcp(plan.listen).await?;
            self.listener.send_replace((plan.listen, Arc::new(listener)));
        }
        Ok(())
    }

    async fn run(self: Arc<Self>) -> Result<(), Fault> {
        let mut wanted = self.listener.subscribe();
        loop {
            let listener = Arc::clone(&wanted.borrow_and_update().1);
            tokio::select! {
                () = each_connection(listener, MAX_CONNECTIONS, |stream, _| serve(stream, Arc::clone(&self.shared))) => {}
                _ = wanted.changed() => {}
            }
        }
    }

    fn does(&self) -> String {
        format!("shows http://{}/", self.listener.borrow().0)
    }

    fn view(&self) -> View {
        View {
            listen: self.listener.borrow().0,
            metrics: Metrics {
                requests_total: self.shared.requests.load(Ordering::Relaxed),
                live_pages: self.shared.live.load(Ordering::Relaxed),
            },
        }
    }
}

impl Shared {
    fn sessions(&self) -> std::sync::MutexGuard<'_, Tickets> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(stream: tokio::net::TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 << 10);
    // What a client does wrong is its own affair.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}
