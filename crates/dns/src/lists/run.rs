//! Keeps lists as the lab wants them: fetches what is due, compiles what has changed, and tells who answers.
//!
//! Reading, judging and compiling are done on threads of low priority, one at a time; answers never wait for them, nor
//! for this. Until a new set is complete the old one is answered from.

pub mod fetch;
#[cfg(test)]
pub(crate) mod tests;
pub mod trust;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::compile::{self, Input, Large};
use super::http::Version;
use super::meta::Meta;
use super::schedule::{Known, Outcome, Schedule, Start};
use super::settle::{Came, settle, unchanged};
use super::shelf::{Kept, Shelf};
use super::state::{State, Told};
use super::view::ListView;
use super::{Given, Key, Trouble, Wanted, Wish};
use fetch::{Fetched, Fetcher};

/// How often it is looked whether files of lists have changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// While other lists are being fetched, one that is here waits no longer than this until it is compiled with them.
const TOGETHER: Duration = Duration::from_secs(60);
/// How often copies that nobody wants are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// By how much threads that compile are behind others, as `nice` says it.
const NICE: i32 = 10;

/// The lists of a name server.
#[derive(Debug)]
pub struct Lists {
    given: Given,
    fetcher: Fetcher,
    shelf: Arc<Shelf>,
    compiled: watch::Sender<Arc<Large>>,
    state: Mutex<State>,
    /// Held while lists are compiled, so that nothing older takes the place of what is newer.
    compiling: tokio::sync::Mutex<()>,
    wake: Notify,
    /// How many bytes have been read of those that are being compiled, and of how many.
    read: Arc<AtomicU64>,
    to_read: AtomicU64,
}

/// A list that has been fetched, or not.
struct Ended {
    start: Start,
    part: PathBuf,
    fetched: Result<Fetched, Trouble>,
}

impl Lists {
    /// Of nothing yet.
    pub fn new(given: Given, fetcher: Fetcher) -> Self {
        let salt = RandomState::new().hash_one(0);
        Self {
            shelf: Arc::new(Shelf::at(given.folder.clone())),
            given,
            fetcher,
            compiled: watch::Sender::default(),
            state: Mutex::new(State::new(Schedule::new(salt))),
            compiling: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            read: Arc::default(),
            to_read: AtomicU64::new(0),
        }
    }

    /// What is filtered with, from now on: each change is seen here.
    pub fn compiled(&self) -> watch::Receiver<Arc<Large>> {
        self.compiled.subscribe()
    }

    /// Takes up what the lab wants, from disk alone: when this returns, what was blocked before the last stop is blocked.
    /// It waits for the disk and for compiling, so it is called before a port opens, and not where answers are made.
    pub fn begin(&self, wanted: Wanted) {
        let trouble = self.shelf.open().err().map(|fault| {
            let what =
                format!("copies of lists can not be kept in `{}`: {fault}", self.given.folder.display());
            (
                what,
                "see to that folder; lists that are fetched are not followed until it can be written to"
                    .to_owned(),
            )
        });
        self.given.conditions.set("dns lists", trouble);
        self.lock().want(wanted);
        self.take_up();
        let inputs = self.inputs();
        self.expect(&inputs);
        let large = compile::lists(&inputs, &self.read);
        self.set_large(large, inputs);
        self.tell();
    }

    /// The lab wants something else: when this returns, what there is of the lists is compiled.
    pub async fn change(self: &Arc<Self>, wanted: Wanted) {
        let is_same = self.lock().wanted.lists == wanted.lists;
        self.lock().want(wanted);
        if !is_same {
            let lists = Arc::clone(self);
            let inputs = tokio::task::spawn_blocking(move || {
                lists.take_up();
                lists.inputs()
            });
            if let Ok(inputs) = inputs.await {
                self.compile(inputs).await;
            }
        }
        self.wake.notify_one();
    }

    /// Fetches a list now, or all.
    pub fn refresh(&self, key: Option<&Key>) {
        let now = self.given.clock.steady();
        self.lock().schedule.refresh(key, now);
        self.wake.notify_one();
    }

    /// What is shown of each list, in the order of the lab file.
    pub fn views(&self) -> Vec<ListView> {
        let (now, steady) = (self.given.clock.now(), self.given.clock.steady());
        let large = Arc::clone(&self.compiled.borrow());
        self.lock().views(&large, now, steady)
    }

    /// How many bytes of lists have been read of how many, while they are being compiled.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.to_read.load(Ordering::Relaxed) {
            0 => None,
            all => Some((self.read.load(Ordering::Relaxed), all)),
        }
    }

    /// Keeps lists as they are wanted, without an end.
    pub async fn run(self: Arc<Self>) {
        let mut fetching: JoinSet<Ended> = JoinSet::new();
        let (mut swept, mut differs_since) = (None, None);
        loop {
            let lists = Arc::clone(&self);
            let is_taken_up = self.lock().is_changed;
            let inputs = tokio::task::spawn_blocking(move || {
                if is_taken_up {
                    lists.take_up();
                }
                lists.inputs()
            });
            let now = self.given.clock.steady();
            if let Ok(inputs) = inputs.await
                && self.is_to_be_compiled(&inputs, &mut differs_since, now)
            {
                self.compile(inputs).await;
                differs_since = None;
            }
            if swept.is_none_or(|swept| now.saturating_sub(swept) >= SWEEP_EVERY) {
                swept = Some(now);
                self.sweep().await;
            }
            self.start_due(&mut fetching);
            let wait =
                self.lock().schedule.wait(self.given.clock.steady()).unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            tokio::select! {
                () = self.wake.notified() => {}
                Some(ended) = fetching.join_next() => match ended {
                    Ok(ended) => self.ended(ended).await,
                    // Which it was is not known; all that are not being fetched any more are failures.
                    Err(_) => self.lock().forget_running(&self.given),
                },
                _ = timeout(wait, std::future::pending::<()>()) => {}
            }
        }
    }

    /// Whether what lists are made of has changed, and it is time to make them anew: at once, or with others that are
    /// being fetched.
    fn is_to_be_compiled(&self, inputs: &[Input], since: &mut Option<Duration>, now: Duration) -> bool {
        let state = self.lock();
        if state.made_of == inputs {
            return false;
        }
        let is_copies_alone = state.made_of.len() == inputs.len()
            && state.made_of.iter().zip(inputs).all(|(old, new)| old == new || old.is_copy_like(new));
        let since = *since.get_or_insert(now);
        !(is_copies_alone && state.schedule.is_busy(now) && now.saturating_sub(since) < TOGETHER)
    }

    async fn compile(&self, inputs: Vec<Input>) {
        let _one_at_a_time = self.compiling.lock().await;
        // The lab may want others by now, which are compiled when this one is done.
        if !self.lock().wanted.lists.iter().eq(inputs.iter().map(Input::wish)) {
            return;
        }
        self.expect(&inputs);
        let (read, of) = (Arc::clone(&self.read), inputs.clone());
        let large = low("polis-lists", move || compile::lists(&of, &read)).await;
        let broken = large.is_err().then(|| {
            let help = "this is a mistake in Polis; what was blocked before is blocked until they can be";
            ("lists can not be compiled".to_owned(), help.to_owned())
        });
        self.given.conditions.set("dns lists", broken);
        match large {
            Ok(large) => self.set_large(large, inputs),
            Err(_) => {
                self.to_read.store(0, Ordering::Relaxed);
                self.lock().made_of = inputs;
            }
        }
        self.tell();
    }

    fn expect(&self, inputs: &[Input]) {
        self.read.store(0, Ordering::Relaxed);
        self.to_read.store(inputs.iter().map(Input::bytes).sum(), Ordering::Relaxed);
    }

    fn set_large(&self, large: Large, made_of: Vec<Input>) {
        self.lock().made_of = made_of;
        self.compiled.send_replace(Arc::new(large));
        self.to_read.store(0, Ordering::Relaxed);
    }

    /// Looks at the copies of what is wanted now, and plans when they are fetched. It waits for the disk.
    fn take_up(&self) {
        let (wishes, refresh) = {
            let mut state = self.lock();
            state.is_changed = false;
            (state.wanted.lists.clone(), state.wanted.refresh)
        };
        let kept = |wish: &Wish| {
            let kept = self.shelf.kept(&wish.key)?;
            let is_back = kept.meta.as_ref().is_some_and(|meta| meta.unwanted_since.is_some());
            let meta = kept.meta.map(|meta| Meta { unwanted_since: None, ..meta });
            if let Some(meta) = meta.as_ref().filter(|_| is_back) {
                // If it can not be written down, the copy goes sooner than it might.
                let _ = self.shelf.note(&wish.key, meta);
            }
            Some(Kept { meta, ..kept })
        };
        let copies: BTreeMap<Key, Kept> =
            wishes.iter().filter_map(|wish| Some((wish.key.clone(), kept(wish)?))).collect();
        let (now, steady) = (self.given.clock.now(), self.given.clock.steady());
        let known = wishes.iter().filter_map(|wish| {
            let url = wish.url()?;
            let copy = copies.get(&wish.key);
            let meta = copy.and_then(|copy| copy.meta.as_ref());
            let of_url = meta.filter(|meta| meta.url == url);
            Some(Known {
                key: wish.key.clone(),
                url: url.to_owned(),
                age: of_url.and_then(|meta| meta.age(now)),
                has_copy: of_url.is_some(),
            })
        });
        let known: Vec<Known> = known.collect();
        let mut state = self.lock();
        state.schedule.want(&known, refresh, steady);
        state.take(&wishes, copies);
    }

    /// The files of lists as they are now. It waits for the disk.
    fn inputs(&self) -> Vec<Input> {
        let (lab, wanted) = (self.given.lab.path(), Arc::clone(&self.lock().wanted));
        wanted.lists.iter().map(|wish| Input::of(wish, &lab, &self.shelf)).collect()
    }

    async fn sweep(&self) {
        let (shelf, now) = (Arc::clone(&self.shelf), self.given.clock.now());
        let wanted: Vec<Key> = self.lock().wanted.lists.iter().map(|wish| wish.key.clone()).collect();
        // If the folder can not be read there is nothing to take away.
        let _ = tokio::task::spawn_blocking(move || shelf.sweep(&wanted, now)).await;
    }

    fn start_due(&self, fetching: &mut JoinSet<Ended>) {
        loop {
            let now = self.given.clock.steady();
            let mut state = self.lock();
            let Some(start) = state.schedule.next(now) else { return };
            let entry = state.entries.entry(start.key.clone()).or_default();
            let came = Arc::new(AtomicU64::new(0));
            entry.came = Some(Arc::clone(&came));
            let meta = entry.kept.as_ref().and_then(|kept| kept.meta.as_ref());
            let version = meta.filter(|meta| meta.url == start.url).map_or_else(Version::default, |meta| {
                Version { etag: meta.etag.clone(), modified: meta.modified.clone() }
            });
            let (fetcher, part) = (self.fetcher.clone(), self.shelf.part(&start.key));
            fetching.spawn(async move {
                let fetched = fetcher.fetch(&start.url, &version, &part, &came).await;
                Ended { start, part, fetched }
            });
        }
    }

    /// Judges what was fetched, and takes it up or not.
    async fn ended(&self, ended: Ended) {
        let Ended { start, part, fetched } = ended;
        let (shelf, now) = (Arc::clone(&self.shelf), self.given.clock.now());
        let (before, interval, is_wanted) = {
            let state = self.lock();
            let kept = state.entries.get(&start.key).and_then(|entry| entry.kept.as_ref());
            let is_wanted = state.schedule.url(&start.key) == Some(start.url.as_str());
            (kept.and_then(|kept| kept.meta.clone()), state.schedule.interval(), is_wanted)
        };
        let key = start.key.clone();
        let settled = low("polis-lists", move || match fetched {
            // In the meantime the lab wants another one, or none.
            _ if !is_wanted => {
                shelf.discard(&part);
                (before, None)
            }
            Ok(Fetched::Same) => (unchanged(&shelf, &start.key, before, now), None),
            Ok(Fetched::New(written, version)) => {
                let because = start.because;
                let came = Came { key: &start.key, url: &start.url, part: &part, written, version, because };
                settle(&shelf, came, before, now, interval)
            }
            Err(trouble) => (before, Some(trouble)),
        });
        let settled = settled.await;
        if is_wanted {
            let (meta, trouble) = settled.unwrap_or_else(|_| {
                (None, Some(Trouble::passing("it could not be judged: this is a mistake in Polis")))
            });
            let steady = self.given.clock.steady();
            let mut state = self.lock();
            let outcome = if trouble.is_some() { Outcome::Failed } else { Outcome::Good };
            state.schedule.ended(&key, outcome, steady);
            let entry = state.entries.entry(key).or_default();
            entry.ended(meta, trouble.map(|trouble| Told { at: now, trouble }));
        }
        self.tell();
    }

    /// Raises and clears conditions.
    fn tell(&self) {
        let (now, steady) = (self.given.clock.now(), self.given.clock.steady());
        let large = Arc::clone(&self.compiled.borrow());
        let troubles = self.lock().conditions(&large, now, steady);
        for (about, trouble) in troubles {
            self.given.conditions.set(&about, trouble);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work on a thread of low priority; what comes of it, or an error if the work has panicked.
pub(crate) fn low<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    // If there can be no thread, the sender is gone, which the receiver says.
    let _ = thread.spawn(move || {
        // On Linux this is about the thread; to be less important needs no privilege. Where it is not allowed, the work is done
        // all the same.
        let _ = rustix::process::setpriority_process(None, NICE);
        let _ = sender.send(work());
    });
    receiver
}
