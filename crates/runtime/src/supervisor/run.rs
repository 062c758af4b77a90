//! The tasks of services: one each, that owns what runs.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lab::model::ServiceName;
use lab::names::MachineName;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::{Failures, Phase, Row, Tries};
use crate::event::Event;
use crate::fault::Fault;
use crate::link::{Running, ServiceRuns};
use crate::service::{Context, Given, Service};

/// How long a service that was told to go on with a new plan may take to be ready.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a service may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A service of a machine: what is wanted of it, and what became of that.
pub struct Slot(Box<dyn AnySlot>);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({})", self.0.runs().name)
    }
}

impl Slot {
    pub(crate) fn of<S: Service>() -> Self {
        Self(Box::new(Own::<S> {
            wanted: watch::channel(Wanted { number: 0, plan: None }).0,
            shared: Arc::default(),
            task: None,
        }))
    }
}

/// The services of a machine.
#[derive(Debug)]
pub struct Supervisor {
    slots: Vec<Slot>,
}

/// What was told to go on with a new plan, and is not ready yet.
#[derive(Debug)]
#[must_use]
pub struct Settling(Vec<oneshot::Receiver<()>>);

impl Settling {
    /// Waits until each service is ready, or has said why it is not.
    pub async fn settled(self) {
        let all = async {
            for done in self.0 {
                let _ = done.await;
            }
        };
        let _ = tokio::time::timeout(SETTLE, all).await;
    }
}

impl Supervisor {
    /// Of these services; nothing runs yet.
    pub fn of(rows: &[Row]) -> Self {
        Self { slots: rows.iter().map(|row| (row.slot)()).collect() }
    }

    /// Makes what follows run: what is planned anew is started, what has changed is swapped, what is no longer
    /// planned ends, what is the same is left alone. `ahead` says of a service which other machine goes first, if one does.
    /// This does not wait; call it inside a tokio runtime.
    pub fn adopt(
        &mut self,
        given: &Given<'_>,
        context: &Context,
        ahead: impl Fn(ServiceName) -> Option<MachineName>,
    ) -> Settling {
        let slots = self.slots.iter_mut();
        Settling(slots.filter_map(|slot| slot.0.want(given, context, ahead(slot.0.name()))).collect())
    }

    /// What runs.
    pub fn runs(&self) -> Vec<ServiceRuns> {
        self.slots.iter().map(|slot| slot.0.runs()).filter(|runs| runs.phase != Phase::Off).collect()
    }

    /// What a service shows of itself.
    pub fn view(&self, service: &str) -> Option<Value> {
        self.slots.iter().find(|slot| slot.0.name().word() == service).and_then(|slot| slot.0.view())
    }

    /// Asks a service what only it understands; none if it does not run.
    pub fn ask(&self, service: &str, question: Value) -> Option<Asked> {
        self.slots.iter().find(|slot| slot.0.name().word() == service).and_then(|slot| slot.0.ask(question))
    }
}

/// An answer of a service that is still to come.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send>>;

trait AnySlot: Send + Sync {
    fn name(&self) -> ServiceName;
    fn want(
        &mut self,
        given: &Given<'_>,
        context: &Context,
        ahead: Option<MachineName>,
    ) -> Option<oneshot::Receiver<()>>;
    fn runs(&self) -> ServiceRuns;
    fn view(&self) -> Option<Value>;
    fn ask(&self, question: Value) -> Option<Asked>;
}

/// The plan that a service is to have, with a number that grows: a plan may change while one is being carried out.
#[derive(Clone)]
struct Wanted<P> {
    number: u64,
    plan: Option<P>,
}

struct Own<S: Service> {
    wanted: watch::Sender<Wanted<S::Plan>>,
    shared: Arc<Mutex<Shared<S>>>,
    task: Option<JoinHandle<()>>,
}

/// What the task of a service tells.
struct Shared<S: Service> {
    phase: Phase,
    trouble: Option<Fault>,
    running: Option<(Arc<S>, S::Plan)>,
    /// What would run if that machine did not go first.
    stands_by: Option<(S::Plan, MachineName)>,
    /// Told once the plan of this number, or a later one, runs or can not.
    settled: Vec<(u64, oneshot::Sender<()>)>,
}

impl<S: Service> Default for Shared<S> {
    fn default() -> Self {
        Self { phase: Phase::Off, trouble: None, running: None, stands_by: None, settled: Vec::new() }
    }
}

impl<S: Service> AnySlot for Own<S> {
    fn name(&self) -> ServiceName {
        S::NAME
    }

    fn want(
        &mut self,
        given: &Given<'_>,
        context: &Context,
        ahead: Option<MachineName>,
    ) -> Option<oneshot::Receiver<()>> {
        let about = format!("{} plan", S::NAME.word());
        let plan = match calm(|| S::plan(given)) {
            Ok(plan) => plan,
            Err(fault) => {
                context.conditions.raise(&about, fault.what, fault.help);
                return None;
            }
        };
        context.conditions.clear(&about);
        let (plan, stands_by) = match (plan, ahead) {
            (Some(plan), Some(ahead)) => (None, Some((plan, ahead))),
            (plan, _) => (plan, None),
        };
        lock(&self.shared).stands_by = stands_by;
        let number = {
            let wanted = self.wanted.borrow();
            if wanted.plan == plan {
                return None;
            }
            wanted.number + 1
        };
        let (sender, done) = oneshot::channel();
        lock(&self.shared).settled.push((number, sender));
        self.wanted.send_replace(Wanted { number, plan });
        if self.task.is_none() {
            let keeper = Keeper::<S> {
                wanted: self.wanted.subscribe(),
                number: 0,
                shared: Arc::clone(&self.shared),
                context: context.clone(),
                failures: Failures::default(),
            };
            self.task = Some(tokio::spawn(keeper.keep()));
        }
        Some(done)
    }

    fn runs(&self) -> ServiceRuns {
        let shared = lock(&self.shared);
        let running = shared.running.as_ref().and_then(|(service, plan)| {
            calm(|| Running { does: service.does(), lines: S::lines(plan) }).ok()
        });
        let stands_by = shared.stands_by.as_ref().filter(|_| shared.phase == Phase::Off);
        let waiting = stands_by.and_then(|(plan, ahead)| {
            calm(|| Running { does: format!("{ahead} goes first"), lines: S::lines(plan) }).ok()
        });
        ServiceRuns {
            name: S::NAME.word().to_owned(),
            phase: if waiting.is_some() { Phase::StandsBy } else { shared.phase },
            trouble: shared.trouble.as_ref().map(|fault| (fault.what.clone(), fault.help.clone())),
            running: running.or(waiting),
        }
    }

    fn view(&self) -> Option<Value> {
        let service = lock(&self.shared).running.as_ref().map(|(service, _)| Arc::clone(service))?;
        calm(|| serde_json::to_value(service.view()).ok()).ok()?
    }

    fn ask(&self, question: Value) -> Option<Asked> {
        let service = lock(&self.shared).running.as_ref().map(|(service, _)| Arc::clone(service))?;
        Some(Box::pin(async move { service.ask(question).await }))
    }
}

fn lock<S: Service>(shared: &Mutex<Shared<S>>) -> std::sync::MutexGuard<'_, Shared<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps one service running.
struct Keeper<S: Service> {
    wanted: watch::Receiver<Wanted<S::Plan>>,
    /// The number of the plan that is being carried out.
    number: u64,
    shared: Arc<Mutex<Shared<S>>>,
    context: Context,
    failures: Failures,
}

/// Ends a task with what holds it.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a service no longer runs.
enum End {
    Failed(Fault),
    Unwanted,
}

impl<S: Service> Keeper<S> {
    async fn keep(mut self) {
        let mut tries = Tries::default();
        loop {
            let Some(plan) = self.take() else {
                self.become_(Phase::Off, None);
                if self.wanted.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if lock(&self.shared).phase == Phase::Off {
                self.become_(Phase::Starting, None);
            }
            let provision = contained(S::provision(plan.clone(), &self.context));
            let provisioned =
                tokio::time::timeout(READY_WITHIN, provision).await.unwrap_or_else(|_| Err(too_slow()));
            let wait = match provisioned {
                Ok(service) => {
                    tries = Tries::default();
                    match self.attend(Arc::new(service), plan).await {
                        End::Unwanted => continue,
                        End::Failed(fault) => self.failed(fault),
                    }
                }
                Err(fault) => {
                    self.become_(Phase::Blocked, Some(fault));
                    tries.next()
                }
            };
            self.settle();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = self.wanted.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The plan that is wanted now.
    fn take(&mut self) -> Option<S::Plan> {
        let Wanted { number, plan } = self.wanted.borrow_and_update().clone();
        self.number = number;
        plan
    }

    fn failed(&mut self, fault: Fault) -> Duration {
        let (phase, wait) = self.failures.add(self.context.clock.steady());
        self.context
            .record
            .add(Event::Failed { service: S::NAME.word().to_owned(), why: fault.what.clone() });
        lock(&self.shared).running = None;
        self.become_(phase, Some(fault));
        wait
    }

    /// Runs a service and gives it changed plans, until it fails or is no longer wanted.
    async fn attend(&mut self, service: Arc<S>, plan: S::Plan) -> End {
        let name = || S::NAME.word().to_owned();
        let mut task = tokio::spawn(S::run(Arc::clone(&service)));
        let _ends = Ends(task.abort_handle());
        let mut current = plan.clone();
        lock(&self.shared).running = Some((Arc::clone(&service), plan));
        self.become_(Phase::Running, None);
        self.context.record.add(Event::Running { service: name(), does: service.does() });
        let mut tries = Tries::default();
        let mut again: Option<Duration> = None;
        loop {
            self.settle();
            tokio::select! {
                ended = &mut task => return End::Failed(why(ended)),
                changed = self.wanted.changed() => if changed.is_err() { return End::Unwanted },
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
            }
            let Some(plan) = self.take() else {
                lock(&self.shared).running = None;
                self.become_(Phase::Off, None);
                self.context.record.add(Event::Stopped { service: name() });
                return End::Unwanted;
            };
            again = None;
            match contained(service.swap(plan.clone(), &self.context)).await {
                Ok(()) => {
                    tries = Tries::default();
                    if plan != current {
                        self.context.record.add(Event::Swapped { service: name(), does: service.does() });
                    }
                    current = plan.clone();
                    lock(&self.shared).running = Some((Arc::clone(&service), plan));
                    self.become_(Phase::Running, None);
                }
                Err(fault) => {
                    self.become_(Phase::HeldBack, Some(fault));
                    again = Some(tries.next());
                }
            }
        }
    }

    fn become_(&self, phase: Phase, trouble: Option<Fault>) {
        let about = S::NAME.word();
        let mut shared = lock(&self.shared);
        shared.phase = phase;
        shared.trouble.clone_from(&trouble);
        drop(shared);
        match trouble {
            Some(fault) => {
                let what = format!("{}: {}", phase.word(), fault.what);
                self.context.conditions.raise(about, what, fault.help);
            }
            None => self.context.conditions.clear(about),
        }
        if phase == Phase::Off {
            self.context.conditions.clear_of(about);
            self.settle();
        }
    }

    fn settle(&self) {
        let number = self.number;
        for (_, sender) in lock(&self.shared).settled.extract_if(.., |(wanted, _)| *wanted <= number) {
            let _ = sender.send(());
        }
    }
}

/// A service that is not ready in time.
fn too_slow() -> Fault {
    Fault {
        what: "it was not ready in time".to_owned(),
        help: "a disk or a folder that it reads may hang; it is tried again by itself".to_owned(),
    }
}

/// How a running service ended.
fn why(ended: Result<Result<(), Fault>, tokio::task::JoinError>) -> Fault {
    let help = "it starts again by itself; if it goes on, `polis events` says since when".to_owned();
    match ended {
        Ok(Err(fault)) => fault,
        Ok(Ok(())) => Fault { what: "it ended by itself".to_owned(), help },
        Err(error) if error.is_panic() => Fault { what: panic_text(error.into_panic().as_ref()), help },
        Err(_) => Fault { what: "it was ended".to_owned(), help },
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("it panicked: {}", text.unwrap_or_else(|| "without a word".to_owned()))
}

/// Waits for something of a service, and takes a panic for a fault.
async fn contained<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        calm(|| Pin::as_mut(&mut work).poll(context))
            .unwrap_or_else(|fault| std::task::Poll::Ready(Err(fault)))
    })
    .await
}

/// Does something of a service at once, and takes a panic for a fault: it is not to end the others.
fn calm<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Fault {
        what: panic_text(panic.as_ref()),
        help: "this is a mistake in Polis; it is tried again by itself".to_owned(),
    })
}
