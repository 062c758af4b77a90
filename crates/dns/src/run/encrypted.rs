//! The encrypted ways to ask: their sockets, and the certificate that is shown there.
//!
//! What goes wrong here is shown and tried again, and never in the way of the plain ways.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::authority::{Authority, Names, Shown, Within, leaf_is_due};
use runtime::{Clock, Conditions, Context, Fault, Helper, State};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::answerer::Answerer;
use super::connections::Connections;
use super::https::serve_https;
use super::tls::{Secured, serve_tls};
use crate::plan::Plan;
use crate::view::AuthorityShown;

/// How often sockets that could not be had are tried for again, and it is looked whether a certificate runs out.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How a place is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Tls,
    Https,
}

/// The encrypted ways of a name server.
#[derive(Debug)]
pub(crate) struct Encrypted {
    connections: Connections,
    answerer: Answerer,
    shown: Shown,
    state: State,
    clock: Clock,
    conditions: Conditions,
    helper: Helper,
    plan: Mutex<Arc<Plan>>,
    changed: Notify,
    authority: Mutex<Option<AuthorityShown>>,
}

impl Encrypted {
    pub(crate) fn new(context: &Context, connections: Connections, answerer: Answerer) -> Self {
        Self {
            connections,
            answerer,
            shown: Shown::default(),
            state: context.state.clone(),
            clock: context.clock.clone(),
            conditions: context.conditions.clone(),
            helper: context.helper.clone(),
            plan: Mutex::default(),
            changed: Notify::new(),
            authority: Mutex::default(),
        }
    }

    /// Serves as a plan says from now on.
    pub(crate) fn follow(&self, plan: Arc<Plan>) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        self.changed.notify_one();
    }

    /// The authority that devices have to trust, once there is one.
    pub(crate) fn authority(&self) -> Option<AuthorityShown> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps sockets and certificate as they are wanted, without an end.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut serving = JoinSet::new();
        let mut places: BTreeMap<(Way, SocketAddr), AbortHandle> = BTreeMap::new();
        loop {
            let plan = Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner));
            let tls = plan.tls.iter().map(|at| (Way::Tls, *at));
            let wanted: BTreeSet<_> = tls.chain(plan.https.iter().map(|at| (Way::Https, *at))).collect();
            places.retain(|place, task| {
                let stays = wanted.contains(place) && !task.is_finished();
                if !stays {
                    task.abort();
                }
                stays
            });
            let mut trouble = None;
            if !wanted.is_empty() {
                trouble = self.certify(&plan).await.err();
            }
            let missing: Vec<_> = wanted.into_iter().filter(|place| !places.contains_key(place)).collect();
            for (way, at) in missing {
                match self.open(way, at).await {
                    Ok(work) => drop(places.insert((way, at), serving.spawn(work))),
                    Err(fault) => trouble = trouble.or(Some(fault)),
                }
            }
            self.conditions.set("dns encrypted", trouble.map(|fault| (fault.what, fault.help)));
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            while serving.try_join_next().is_some() {}
        }
    }

    /// A place with its socket bound, ready to serve.
    async fn open(&self, way: Way, at: SocketAddr) -> Result<impl Future<Output = ()> + Send + use<>, Fault> {
        let listener = self.helper.tcp(at).await?;
        let secured = match way {
            Way::Tls => Secured::tls(&self.shown),
            Way::Https => Secured::https(&self.shown),
        };
        let secured = secured.map_err(|error| crate::fault::no_tls(&error))?;
        let (connections, answerer) = (self.connections.clone(), self.answerer.clone());
        Ok(async move {
            match way {
                Way::Tls => serve_tls(listener, connections, secured, answerer).await,
                Way::Https => serve_https(listener, connections, secured, answerer).await,
            }
        })
    }

    /// Has a certificate for what the plan says.
    async fn certify(&self, plan: &Plan) -> Result<(), Fault> {
        let names = names(plan);
        let leaf = self.shown.leaf();
        if !leaf_is_due(leaf.as_deref().map(|leaf| (leaf.names(), leaf.term())), &names, self.clock.now()) {
            return Ok(());
        }
        let (state, clock, within, shown) =
            (self.state.clone(), self.clock.clone(), within(plan), self.shown.clone());
        let machine = plan.machine.clone();
        let made = tokio::task::spawn_blocking(move || -> Result<AuthorityShown, Fault> {
            let authority = Authority::in_state(&state, &machine, &within, &clock)?;
            authority.keep(&shown, &names, &clock)?;
            Ok(AuthorityShown {
                fingerprint: authority.fingerprint(),
                certificate: authority.certificate_pem().to_owned(),
            })
        });
        let authority = made.await.unwrap_or_else(|_| Err(crate::fault::ended()))?;
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = Some(authority);
        Ok(())
    }
}

/// What the certificate is for: the server's name, names in front of it, by which clients say who they are, and addresses.
fn names(plan: &Plan) -> Names {
    let own = &plan.server_name;
    let places = plan.tls.iter().chain(&plan.https);
    Names {
        names: [own.clone(), format!("*.{own}")].into(),
        addresses: places.map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect(),
    }
}

/// What the authority may speak for.
fn within(plan: &Plan) -> Within {
    Within {
        domains: [plan.domain.text()].into(),
        networks: plan.networks.iter().map(|(network, _)| *network).collect(),
    }
}
