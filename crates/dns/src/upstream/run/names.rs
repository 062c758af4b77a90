//! The addresses of upstreams that are named: looked up through bootstrap servers, kept, and looked up again in the
//! background. When nobody knows them any more, those that were known last go on being used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::super::failure::{Failure, Nobody};
use super::super::group::FOR_NAMES;
use super::super::known::Due;
use super::super::line::Host;
use super::super::wire::{Want, addresses, name_of};
use super::flight::Question;
use super::server::{Server, lock};
use super::{Asker, Outcome, Setup};

const A: u16 = 1;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;

/// Where an upstream is: looked up if that is not known yet.
pub(crate) async fn places(
    asker: &Asker,
    setup: &Arc<Setup>,
    group: usize,
    server: &Arc<Server>,
    until: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    let Host::Name(name) = &server.upstream.host else { return Ok(server.places()) };
    let look = || look_up(asker.clone(), Arc::clone(setup), group, Arc::clone(server), Arc::clone(name));
    let due = lock(&server.known).due(Instant::now());
    match due {
        Due::Nothing => return Ok(server.places()),
        Due::Refresh => {
            tokio::spawn(look());
            return Ok(server.places());
        }
        Due::LookUp => {}
    }
    // In a task of its own, so that what is found is kept though nobody waits any more.
    match timeout_at(until.into(), tokio::spawn(look())).await {
        Ok(Ok(found)) => found.map(|()| server.places()),
        _ => Err(Failure::NoAddress("its bootstrap servers do not answer".into())),
    }
}

async fn look_up(
    asker: Asker,
    setup: Arc<Setup>,
    group: usize,
    server: Arc<Server>,
    name: Arc<str>,
) -> Result<(), Failure> {
    let wire = name_of(&name).ok_or_else(|| Failure::NoAddress(format!("{name} is no name").into()))?;
    let flight = |kind| {
        let question =
            Question { set: FOR_NAMES, name: wire.clone(), kind, class: INTERNET, want: Want::default() };
        asker.flight(&setup, group, question)
    };
    let (four, six) = (flight(A), flight(AAAA));
    let (four, six) = (wait(four).await, wait(six).await);
    let (mut sixes, mut fours, mut seconds) = (Vec::new(), Vec::new(), u32::MAX);
    for said in [&six, &four].into_iter().flatten() {
        if let Some((addresses, time)) = addresses(&said.message) {
            sixes.extend(addresses.iter().filter(|address| address.is_ipv6()));
            fours.extend(addresses.iter().filter(|address| address.is_ipv4()));
            seconds = seconds.min(time);
        }
    }
    if lock(&server.known).found(&sixes, &fours, seconds, Instant::now()) {
        return Ok(());
    }
    let why = match (four, six) {
        (Err(nobody), _) | (_, Err(nobody)) => nobody.words,
        _ => "its bootstrap servers know none: is the name right?".into(),
    };
    Err(Failure::NoAddress(why))
}

async fn wait(flight: Result<Arc<super::flight::Flight>, Nobody>) -> Outcome {
    flight?.wait().await
}
