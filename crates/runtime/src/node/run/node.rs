//! A machine that runs: its services, its link to the others, its own ports, and the lab that it follows.

use std::net::SocketAddr;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use lab::Checked;
use lab::model::{Lab, ServiceName};
use lab::names::MachineName;
use lab::read::At;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::answers::{Refusals, Way};
use super::here::Here;
use super::own_ports;
use crate::address::{moving, run::Addresses};
use crate::clock::Clock;
use crate::condition::Conditions;
use crate::event::Event;
use crate::helper::Helper;
use crate::link::run::{Peers, Way as WayTo, bind_control, serve_control, serve_link};
use crate::link::tls::{Tls, Trust, shown};
use crate::link::{Answering, Peer};
use crate::node::{Worker, folder};
use crate::overlay::{self, Entry};
use crate::record::Record;
use crate::service::{Context, Given, LabFolder};
use crate::setup::{Check, diagnose};
use crate::state::State;
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::ticket::Tickets;

/// How long after a start a machine that has not been heard yet may still be about to answer.
const FIRST_HEARING: Duration = Duration::from_secs(2);

/// How long an invitation to the pages holds, and how many may be open at once.
const INVITED: Duration = Duration::from_secs(3_600);
const INVITATIONS: usize = 8;

/// A machine that runs.
pub(crate) struct Node {
    pub(crate) worker: Worker,
    pub(crate) machine: MachineName,
    pub(crate) context: Context,
    pub(crate) store: Store,
    pub(super) supervisor: Mutex<Supervisor>,
    pub(super) peers: Peers,
    pub(super) trust: Trust,
    /// When it began: civil time, moved when the clock is set.
    pub(super) since: AtomicI64,
    pub(super) refusals: Refusals,
    pub(crate) way: Way,
    tls: Option<Tls>,
    addresses: AsyncMutex<Addresses>,
    followed: RwLock<Option<Arc<Followed>>>,
    /// The lab folder as it was last read, if it can not be followed.
    refused: Mutex<Option<Arc<Checked>>>,
    /// The codes that open the pages for changes, each once.
    invitations: Mutex<Tickets>,
    /// The overlay as it was last read: it holds on while it can not be read.
    overlay: Mutex<Vec<Entry>>,
    /// For each service, the machine that was last known to go first with it.
    last_ahead: Mutex<Vec<Option<MachineName>>>,
    /// Held while a plan is made and given to the services, so that an older one never follows a newer one.
    applying: AsyncMutex<()>,
    /// Its own ports that are open. Held while they are opened, so that none is asked for twice.
    served: AsyncMutex<Vec<(SocketAddr, JoinHandle<()>)>>,
    printer: Mutex<Option<JoinHandle<()>>>,
}

/// The lab that this machine follows now.
pub(super) struct Followed {
    pub(super) checked: Arc<Checked>,
    pub(super) fingerprint: String,
}

impl Followed {
    /// The lab: it is there, because one that can not be used is not followed.
    fn lab(&self) -> Option<&Lab> {
        self.checked.lab.as_ref()
    }
}

impl Node {
    pub(crate) fn new(
        worker: Worker,
        machine: MachineName,
        state: State,
        clock: Clock,
        helper: Helper,
    ) -> Arc<Self> {
        let record = Record::in_folder(state.folder(), clock.clone());
        let conditions = Conditions::new(record.clone(), clock.clone());
        let printer = print_events(&record, &machine, worker.print);
        record.add(Event::Started { version: worker.version.clone() });
        let tls = own_key(&state, &conditions);
        let store = Store::in_folder(state.folder());
        let here = Here::default();
        let node = Arc::new(Self {
            supervisor: Mutex::new(Supervisor::of(&worker.rows)),
            peers: Peers::new(record.clone(), clock.clone(), worker.version.clone()),
            since: AtomicI64::new(clock.now()),
            context: Context { clock, record, conditions, helper, state, folder: LabFolder::default(), here },
            worker,
            machine,
            store,
            trust: Trust::default(),
            refusals: Refusals::default(),
            way: Way::default(),
            tls,
            addresses: AsyncMutex::default(),
            followed: RwLock::default(),
            refused: Mutex::default(),
            invitations: Mutex::new(Tickets::new(INVITED, INVITATIONS)),
            overlay: Mutex::default(),
            last_ahead: Mutex::default(),
            applying: AsyncMutex::default(),
            served: AsyncMutex::default(),
            printer: Mutex::new(Some(printer)),
        });
        node.context.here.is(&node);
        match bind_control(&node.worker.socket) {
            Ok(listener) => drop(tokio::spawn(serve_control(listener, Arc::new(Arc::clone(&node))))),
            Err(error) => node.context.conditions.raise(
                "control socket",
                format!("can not listen at `{}`: {error}", node.worker.socket.display()),
                "its folder has to be writable for who runs Polis; commands like `polis status` do not work until then",
            ),
        }
        node
    }

    /// Waits until the last event is said on standard output, if somebody takes it.
    pub(crate) async fn printed(&self) {
        let printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(printer) = printer {
            let _ = tokio::time::timeout(Duration::from_secs(1), printer).await;
        }
    }

    /// Makes what follows from a checked lab run here.
    pub(crate) async fn adopt(self: &Arc<Self>, checked: &Arc<Checked>) {
        if checked.usable_for(self.worker.tables).is_none() {
            return;
        }
        let fingerprint = folder::fingerprint(&checked.folder);
        let followed = Followed { checked: Arc::clone(checked), fingerprint };
        *self.followed.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(followed));
        self.uncover().await;
        self.apply().await;
    }

    pub(super) fn followed(&self) -> Option<Arc<Followed>> {
        self.followed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What other machines compare the lab of this one by.
    pub(super) fn fingerprint(&self) -> String {
        self.followed().map(|followed| followed.fingerprint.clone()).unwrap_or_default()
    }

    /// Whether the lab file has what an entry of the overlay adds.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.followed().is_some_and(|followed| followed.lab().is_some_and(|lab| overlay::is_held(lab, entry)))
    }

    /// The lab folder can not be followed as it is now, or can be.
    pub(super) fn refuse(&self, checked: Option<Arc<Checked>>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = checked;
    }

    pub(super) fn invitations(&self) -> std::sync::MutexGuard<'_, Tickets> {
        self.invitations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refused(&self) -> Option<Arc<Checked>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Plans and adopts, with the overlay as it is now.
    pub(super) async fn apply(self: &Arc<Self>) {
        let applying = self.applying.lock().await;
        let Some(followed) = self.followed() else { return };
        let Some(lab) = followed.lab() else { return };
        let overlay = self.read_overlay().await;
        let given = Given {
            lab,
            follows: &followed.checked.follows,
            machine: &self.machine,
            overlay: &overlay,
            listen: self.worker.listen,
        };
        self.meet(&given);
        let seen = self.peers.seen();
        let settling =
            self.supervisor().adopt(&given, &self.context, |service| self.ahead(lab, &seen, service));
        settling.settled().await;
        self.open_own_ports(&given).await;
        if self.worker.demo.is_none() && self.worker.listen.is_none() {
            let all = moving(lab, &self.machine);
            let held = all.into_iter().filter(|moving| moving.place == 0).collect();
            self.addresses.lock().await.set(held, &self.context.helper, &self.context.conditions).await;
        }
        drop(applying);
    }

    /// How everything around this machine is, for the page that a person opens when nothing works; none before it follows
    /// a lab.
    pub(super) async fn diagnose(&self) -> Option<Vec<Check>> {
        let followed = self.followed()?;
        let overlay = self.read_overlay().await;
        let given = Given {
            lab: followed.lab()?,
            follows: &followed.checked.follows,
            machine: &self.machine,
            overlay: &overlay,
            listen: self.worker.listen,
        };
        let services = self.supervisor().runs();
        Some(diagnose(&self.worker, &given, &self.context, &services).await)
    }

    /// The machine that goes before this one with a service. In a demonstration all addresses are here at once, so the first
    /// machine of an order that lives has the one of the service.
    fn ahead(&self, lab: &Lab, seen: &[Peer], service: ServiceName) -> Option<MachineName> {
        self.worker.demo.as_ref()?;
        let placed = lab.placed().into_iter().find(|placed| placed.service == service)?;
        placed.address?;
        let is_new = self.context.clock.steady() < FIRST_HEARING;
        let lives = |machine: &MachineName| {
            let peer = seen.iter().find(|peer| peer.machine == machine.as_str());
            peer.is_some_and(|peer| {
                peer.answering == Answering::Up || (is_new && peer.answering == Answering::Unknown)
            })
        };
        let before = placed.on.iter().map(At::value).take_while(|machine| **machine != self.machine);
        before.into_iter().find(|machine| lives(machine)).cloned()
    }

    /// Goes on where the machine ahead has died, and makes way where it is back.
    pub(crate) async fn retry_ahead(self: &Arc<Self>) {
        let Some(followed) = self.followed().filter(|_| self.worker.demo.is_some()) else { return };
        let Some(lab) = followed.lab() else { return };
        let seen = self.peers.seen();
        let ahead = ServiceName::ALL.iter().map(|service| self.ahead(lab, &seen, *service)).collect();
        let is_news = {
            let mut last = self.last_ahead.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, ahead) != *last
        };
        if is_news {
            self.apply().await;
        }
    }

    pub(super) fn supervisor(&self) -> std::sync::MutexGuard<'_, Supervisor> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The overlay: as it is kept, or as it was last read if that can not be read now.
    pub(super) async fn read_overlay(&self) -> Vec<Entry> {
        let read = self.with_store(overlay::list).await;
        let mut last = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(entries) = read {
            *last = entries;
        }
        last.clone()
    }

    /// The overlay as it was last read.
    pub(super) fn last_overlay(&self) -> Vec<Entry> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands in the way of keeping things is tried again; once it is gone, what is kept is in force.
    pub(crate) async fn retry_store(self: &Arc<Self>) {
        if self.store.trouble().is_some() && self.with_store(Store::probe).await.is_ok() {
            self.uncover().await;
            self.apply().await;
        }
    }

    /// Entries of the overlay that the lab file holds by now go.
    async fn uncover(&self) {
        for entry in self.read_overlay().await.into_iter().filter(|entry| self.holds(entry)) {
            let number = entry.number;
            if self.with_store(move |store| overlay::remove(store, number)).await.is_ok() {
                let why = "the lab file has it now".to_owned();
                self.context.record.add(Event::Uncovered { key: entry.key, value: entry.value, why });
            }
        }
    }

    /// Who may speak to this machine, and to whom it speaks.
    fn meet(&self, given: &Given<'_>) {
        let agents = given.lab.machines.iter().filter(|(_, machine)| *machine.agent);
        let others: Vec<_> = agents.filter(|(name, _)| *name != &self.machine).collect();
        let keys = others
            .iter()
            .filter_map(|(name, machine)| Some((shown(machine.key.as_ref()?.as_str())?, name.to_string())));
        self.trust.set(keys.collect());
        let port = given.follows.ports.shifted(crate::link::PORT);
        let ways = others.iter().map(|(name, machine)| {
            let addresses = machine.address.iter().flat_map(|all| all.iter()).map(|own| own.0);
            let places = addresses.filter(|own| self.worker.demo.is_none() || own.is_loopback());
            let places = places.map(|own| SocketAddr::new(own, port)).collect();
            let key = machine.key.as_ref().and_then(|key| shown(key.as_str()));
            (name.to_string(), self.way_to(key, places))
        });
        self.peers.set(ways.collect());
    }

    fn way_to(&self, key: Option<Vec<u8>>, places: Vec<SocketAddr>) -> WayTo {
        let Some(tls) = &self.tls else {
            return WayTo::None("this machine has no key: `polis machine key` makes one".to_owned());
        };
        let Some(key) = key else {
            return WayTo::None(
                "it has no key in the lab file: `polis machine key` there prints the line".to_owned(),
            );
        };
        match tls.client(key.clone()) {
            Ok(config) => WayTo::Link(places, config, key),
            Err(fault) => WayTo::None(fault.to_string()),
        }
    }

    /// The ports of the link, where they are not open yet; those that are no longer wanted are closed.
    pub(super) async fn open_own_ports(self: &Arc<Self>, given: &Given<'_>) {
        let mut wanted = own_ports(given, self.worker.demo.is_some());
        wanted.retain(|_| self.tls.is_some());
        let mut served = self.served.lock().await;
        for (_, task) in served.extract_if(.., |(at, _)| !wanted.contains(at)) {
            task.abort();
            // Its socket is closed with it, and the port can be had again.
            let _ = task.await;
        }
        for condition in self.context.conditions.all() {
            let at = condition.about.strip_prefix("port ").and_then(|at| at.parse().ok());
            if at.is_some_and(|at| !wanted.contains(&at)) {
                self.context.conditions.clear(&condition.about);
            }
        }
        let open: Vec<SocketAddr> = served.iter().map(|(at, _)| *at).collect();
        for at in wanted.into_iter().filter(|at| !open.contains(at)) {
            let about = format!("port {at}");
            let task = match self.context.helper.tcp(at).await {
                Ok(listener) => match self.tls.as_ref().map(|tls| tls.server(self.trust.clone())) {
                    Some(Ok(config)) => {
                        tokio::spawn(serve_link(listener, config, Arc::new(Arc::clone(self))))
                    }
                    _ => continue,
                },
                Err(unhelped) => {
                    self.context.conditions.raise(&about, unhelped.to_string(), unhelped.help());
                    continue;
                }
            };
            self.context.conditions.clear(&about);
            served.push((at, task));
        }
    }

    /// Tries those of its own ports again that could not be had.
    pub(crate) async fn retry_own_ports(self: &Arc<Self>) {
        // While a plan is made anew, that one opens them.
        let Ok(_applying) = self.applying.try_lock() else { return };
        let Some(followed) = self.followed() else { return };
        let Some(lab) = followed.lab() else { return };
        let (follows, listen) = (&followed.checked.follows, self.worker.listen);
        self.open_own_ports(&Given { lab, follows, machine: &self.machine, overlay: &[], listen }).await;
    }

    /// Gives back the addresses that move.
    pub(crate) async fn give_back(&self) {
        self.addresses.lock().await.give_back(&self.context.helper, &self.context.conditions).await;
    }
}

/// What happens is also said on standard output, for the journal, until the end. Whoever does not take what is said
/// holds up nothing but that.
fn print_events(record: &Record, machine: &MachineName, print: fn(&str)) -> JoinHandle<()> {
    let (mut events, machine) = (record.listen(), machine.clone());
    tokio::spawn(async move {
        loop {
            let event = match events.recv().await {
                Ok((_, event)) => event,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let line = format!("{machine}: {}\n", event.words());
            let _ = tokio::task::spawn_blocking(move || print(&line)).await;
            if event == Event::Ended {
                return;
            }
        }
    })
}

/// The machine's own key pair.
fn own_key(state: &State, conditions: &Conditions) -> Option<Tls> {
    let path = state.key();
    let help = "make one: `polis machine key` prints the line for the lab file; then start Polis again";
    let read = match std::fs::read_to_string(&path) {
        Ok(text) => Tls::with_key(&text).map_err(|fault| fault.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("this machine has no key yet, so no other machine can be asked".to_owned())
        }
        Err(error) => Err(format!("can not read `{}`: {error}", path.display())),
    };
    match read {
        Ok(tls) => Some(tls),
        Err(what) => {
            conditions.raise("machine key", what, help);
            None
        }
    }
}
