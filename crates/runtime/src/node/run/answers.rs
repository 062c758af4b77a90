//! What a running machine knows, and what it answers to other machines and to commands.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Node;
use crate::event::Event;
use crate::fault::Fault;
use crate::link::run::{Answers, Asker};
use crate::link::{Question, Reply, Status};
use crate::node::metrics;
use crate::overlay::{self, Added, Entry};
use crate::store::{Store, StoreFault};

/// The key of a view that other machines are not told.
const PRIVATE: &str = "private";
/// The longest name of who changes something, in letters.
const MAX_WHO: usize = 64;
/// How long a refused connection is shown, and how often that is told anew: a flood of connections is not to be a flood
/// of events.
const SHOWN: Duration = Duration::from_secs(600);
const TOLD: Duration = Duration::from_secs(10);

/// Connections that were refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: AtomicU64,
    /// When the last one was, and when that was told.
    last: Mutex<Option<(Instant, Instant)>>,
}

/// Whether this process is to make way for another.
#[derive(Debug, Default)]
pub(crate) struct Way {
    is_without_helper: AtomicBool,
    told: Notify,
}

impl Way {
    /// Without its helper a process answers on and makes way when it is asked to.
    pub(crate) fn helper_is_gone(&self, is_gone: bool) {
        self.is_without_helper.store(is_gone, Ordering::Relaxed);
    }

    /// Returns when another process is to go on with the state of this one.
    pub(crate) async fn made(&self) {
        self.told.notified().await;
    }
}

impl Node {
    pub(super) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, Reply> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(fault)) => Err(Reply::Fault { what: fault.to_string(), help: fault.help() }),
            Err(_) => Err(Reply::Fault { what: "the store failed".to_owned(), help: "try again".to_owned() }),
        }
    }

    /// A refusal is shown for some minutes.
    pub(crate) fn forget_refusals(&self) {
        let mut last = self.refusals.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|(at, _)| at.elapsed() > SHOWN) {
            *last = None;
            self.context.conditions.clear("link");
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            machine: self.machine.to_string(),
            polis: self.worker.version.clone(),
            now: self.context.clock.now(),
            since: self.since.load(Ordering::Relaxed),
            lab: self.fingerprint(),
            services: self.supervisor().runs(),
            conditions: self.context.conditions.all(),
            peers: self.peers.seen(),
        }
    }

    /// Its own measurements, as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        let status = self.status();
        let supervisor = self.supervisor();
        let views = status.services.iter().map(|service| &service.name);
        let views = views.filter_map(|name| Some((name.clone(), supervisor.view(name)?))).collect();
        drop(supervisor);
        metrics::text(&metrics::Measured {
            status: &status,
            lost: self.context.record.lost(),
            refused: self.refusals.count.load(Ordering::Relaxed),
            is_clock_set: self.context.clock.is_set(),
            views,
        })
    }

    /// What every machine may ask.
    async fn tell(&self, question: Question) -> Reply {
        match question {
            Question::Ping => Reply::Pong { revision: self.context.record.revision() },
            Question::Status => Reply::Status(Box::new(self.status())),
            Question::Runs => Reply::Runs {
                lab: self.fingerprint(),
                services: self.supervisor().runs(),
                is_demo: self.worker.demo.is_some(),
            },
            Question::Events { after, most } => {
                self.context.record.flush().await;
                let record = self.context.record.clone();
                let read = tokio::task::spawn_blocking(move || record.last(after, most.min(10_000))).await;
                match read {
                    Ok(Ok(events)) => Reply::Events { events },
                    Ok(Err(fault)) => Reply::Fault { what: fault.to_string(), help: fault.help() },
                    Err(_) => {
                        Reply::Fault { what: "the record failed".to_owned(), help: "try again".to_owned() }
                    }
                }
            }
            Question::View { service } => {
                Reply::View { view: self.supervisor().view(&service).unwrap_or_default() }
            }
            _ => Reply::Unsupported,
        }
    }

    /// What is asked at the control socket only.
    pub(super) async fn obey(self: &Arc<Self>, question: Question) -> Reply {
        match question {
            Question::Ask { machine, question } if machine == self.machine.as_str() => {
                self.tell(*question).await
            }
            Question::Ask { machine, question } => self.peers.ask(&machine, *question).await,
            Question::Overlay => match self.with_store(overlay::list).await {
                Ok(entries) => Reply::Overlay { entries },
                Err(reply) => reply,
            },
            Question::OverlayAdd { key, value, who } => self.overlay_add(key, value, who).await,
            Question::OverlayRemove { number, who } => self.overlay_remove(number, &who).await,
            Question::Service { service, question } => match self.ask_service(&service, question).await {
                Ok(answer) => Reply::Service { answer },
                Err(fault) => Reply::Fault { what: fault.what, help: fault.help },
            },
            Question::Metrics => Reply::Text { text: self.metrics() },
            Question::Invite => match self.invitations().make(self.context.clock.steady()) {
                Some(text) => Reply::Text { text },
                None => Reply::Fault {
                    what: "the system gives no random numbers".to_owned(),
                    help: "try again".to_owned(),
                },
            },
            Question::Yield if self.way.is_without_helper.load(Ordering::Relaxed) => {
                self.way.told.notify_one();
                Reply::Done
            }
            Question::Yield => Reply::Fault {
                what: "this Polis is well, and does not make way".to_owned(),
                help: "end it first: `systemctl stop polis`".to_owned(),
            },
            question => self.tell(question).await,
        }
    }

    /// What a service of this machine says to a question that only it understands.
    pub(super) async fn ask_service(
        &self,
        service: &str,
        question: serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        let asked = self.supervisor().ask(service, question);
        match asked {
            Some(asked) => asked.await,
            None => Err(Fault {
                what: format!("{service} does not run on this machine"),
                help: "`polis status` says what runs where; ask there".to_owned(),
            }),
        }
    }

    async fn overlay_add(self: &Arc<Self>, key: String, value: String, who: String) -> Reply {
        if let Some((what, help)) = overlay::why_not(&key, &value) {
            return Reply::Fault { what, help };
        }
        let who = who.chars().filter(|c| !c.is_control()).take(MAX_WHO).collect();
        let entry = Entry { number: 0, key, value, who, at: self.context.clock.now() };
        if self.holds(&entry) {
            return Reply::Fault {
                what: "the lab file has it already".to_owned(),
                help: "nothing to do".to_owned(),
            };
        }
        let kept = entry.clone();
        match self.with_store(move |store| overlay::add(store, &kept)).await {
            Ok(Added::New | Added::Known) => {}
            Ok(Added::Full) => {
                return Reply::Fault {
                    what: "the overlay is full".to_owned(),
                    help: "write what it has into the lab file: `polis overlay print`".to_owned(),
                };
            }
            Err(reply) => return reply,
        }
        self.context.record.add(Event::Overlaid { key: entry.key, value: entry.value, who: entry.who });
        self.apply().await;
        Reply::Done
    }

    async fn overlay_remove(self: &Arc<Self>, number: i64, who: &str) -> Reply {
        match self.with_store(move |store| overlay::remove(store, number)).await {
            Ok(Some((key, value))) => {
                self.context.record.add(Event::Uncovered { key, value, why: format!("{who} removed it") });
                self.apply().await;
                Reply::Done
            }
            Ok(None) => Reply::Fault {
                what: format!("the overlay has no entry {number}"),
                help: "`polis overlay list` shows all with their numbers".to_owned(),
            },
            Err(reply) => reply,
        }
    }
}

impl Answers for Arc<Node> {
    async fn answer(&self, question: Question, asker: Asker) -> Reply {
        match asker {
            Asker::Machine(_) => match self.tell(question).await {
                Reply::View { mut view } => {
                    // What is only for this machine stands under one key, whatever the service.
                    view.as_object_mut().and_then(|view| view.remove(PRIVATE));
                    Reply::View { view }
                }
                reply => reply,
            },
            Asker::Here => self.obey(question).await,
        }
    }

    fn refused(&self, from: IpAddr, why: String) {
        let count = self.refusals.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let mut last = self.refusals.last.lock().unwrap_or_else(PoisonError::into_inner);
        let told = last.map(|(_, told)| told).filter(|told| now.duration_since(*told) < TOLD);
        *last = Some((now, told.unwrap_or(now)));
        drop(last);
        if told.is_some() {
            return;
        }
        let what = match count {
            1 => format!("refused a connection from {from}: {why}"),
            _ => format!("refused {count} connections, the last one from {from}: {why}"),
        };
        self.context.conditions.raise(
            "link",
            what,
            "if that is a machine of the lab, its `key` in the lab file has to be what `polis machine key` prints there",
        );
    }

    fn machine_with(&self, key: &[u8]) -> Option<String> {
        self.trust.machine(key)
    }

    fn version(&self) -> String {
        self.worker.version.clone()
    }
}
