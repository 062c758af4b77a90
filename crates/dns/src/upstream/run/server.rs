//! What all threads know of one upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::failure::Failure;
use super::super::guard::Guard;
use super::super::health::Health;
use super::super::known::Known;
use super::super::line::{Host, Upstream};
use super::super::view::{State, UpstreamView};

/// One upstream. It outlives changes of the lab file as long as it is named there.
#[derive(Debug)]
pub(crate) struct Server {
    /// What its connections are kept under in each thread.
    pub(crate) number: u64,
    pub(crate) upstream: Upstream,
    health: Mutex<Health>,
    guard: Mutex<Guard>,
    wrong: AtomicU64,
    /// Where it is.
    pub(crate) known: Mutex<Known>,
}

impl Server {
    pub(crate) fn new(number: u64, upstream: Upstream) -> Self {
        let known = match &upstream.host {
            Host::Address(address) => Known::written(*address),
            Host::Name(_) => Known::default(),
        };
        Self {
            number,
            upstream,
            health: Mutex::default(),
            guard: Mutex::default(),
            wrong: AtomicU64::new(0),
            known: Mutex::new(known),
        }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }

    pub(crate) fn guard(&self) -> MutexGuard<'_, Guard> {
        lock(&self.guard)
    }

    /// Where it is, as far as that is known: the address to try first in front.
    pub(crate) fn places(&self) -> Vec<SocketAddr> {
        let port = self.upstream.port;
        lock(&self.known).addresses().iter().map(|address| SocketAddr::new(*address, port)).collect()
    }

    /// Where it is tried first.
    pub(crate) fn place(&self) -> Option<SocketAddr> {
        lock(&self.known).addresses().first().map(|address| SocketAddr::new(*address, self.upstream.port))
    }

    /// An address has worked: it is tried first from now on.
    pub(crate) fn prefer(&self, address: IpAddr) {
        lock(&self.known).prefer(address);
    }

    /// An address has not worked: another one is tried first from now on.
    pub(crate) fn avoid(&self, address: IpAddr) {
        lock(&self.known).avoid(address);
    }

    /// It has answered.
    pub(crate) fn answered(&self, took: Duration, now: Instant) {
        self.health().answered(took, now);
    }

    /// It has no answer.
    pub(crate) fn failed(&self, failure: &Failure, now: Instant) {
        let words = failure.words(&self.upstream);
        self.health().failed(failure.weight(), &words, now);
    }

    /// A reply came that is to nothing it was asked.
    pub(crate) fn saw_wrong(&self, now: Instant) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        self.guard().saw_wrong(now);
    }

    pub(crate) fn view(&self, now: Instant) -> UpstreamView {
        let health = self.health();
        let state = match (health.failing_since(), health.questions) {
            (Some(since), _) => State::Failing(now.saturating_duration_since(since)),
            (None, 0) => State::Unknown,
            (None, _) => State::Up,
        };
        UpstreamView {
            written: self.upstream.written.clone(),
            is_encrypted: self.upstream.transport.is_encrypted(),
            questions: health.questions,
            failures: health.failures,
            wrong_replies: self.wrong.load(Ordering::Relaxed),
            mean: health.mean(),
            state,
            last_error: health
                .last
                .as_ref()
                .map(|(words, at)| (words.clone(), now.saturating_duration_since(*at))),
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
