//! Tells a page the names of what changes, as it does, and not more often than twice a second.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use runtime::link::{Question, Reply};
use runtime::{Event, Millis, News};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;

/// How long what changes is gathered before it is told again.
const GATHER: Duration = Duration::from_millis(500);
/// How often something is said although nothing changes, so that each side notices when the other is gone.
const SIGN: Duration = Duration::from_secs(15);
/// How often it is looked whether the name server has something new to show.
const LOOK: Duration = Duration::from_secs(2);
/// Everything that a page can depend on.
const ALL: [&str; 7] = ["conditions", "events", "lab", "machines", "overlay", "queries", "services"];

/// The names of what an event changes.
fn topics(event: &Event) -> &'static [&'static str] {
    match event {
        Event::Adopted { .. } => &["lab", "services", "events"],
        Event::Raised { .. } | Event::Cleared { .. } => &["conditions", "lab", "events"],
        Event::Machine { .. } => &["machines", "events"],
        Event::Overlaid { .. } | Event::Uncovered { .. } => &["overlay", "events"],
        Event::Started { .. }
        | Event::Ended
        | Event::Running { .. }
        | Event::Swapped { .. }
        | Event::Stopped { .. }
        | Event::Failed { .. } => &["services", "events"],
        Event::Jumped { .. } | Event::Told { .. } | Event::Unknown => &["events"],
    }
}

/// A body that tells what changes, until nobody reads it.
pub(super) fn body(shared: &Arc<Shared>, queries: bool) -> Channel<Bytes> {
    let (sender, body) = Channel::new(2);
    if let Some(news) = shared.here.news() {
        tokio::spawn(tell(Arc::clone(shared), news, sender, queries));
    }
    body
}

/// Counts a page that is told, until it is dropped.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn tell(shared: Arc<Shared>, mut news: News, mut sender: Sender<Bytes>, queries: bool) {
    shared.live.fetch_add(1, Ordering::Relaxed);
    let counted = Counted(shared);
    // The first one comes at once, so that the page knows that it is connected.
    let mut sign = interval(SIGN);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = 0;
    loop {
        let mut changed = BTreeSet::new();
        tokio::select! {
            event = news.events.recv() => match event {
                Ok((_, event)) => changed.extend(topics(&event)),
                Err(RecvError::Lagged(_)) => changed.extend(ALL),
                Err(RecvError::Closed) => return,
            },
            told = news.told.changed() => match told {
                Ok(()) => changed.extend(["machines", "services", "conditions"]),
                Err(_) => return,
            },
            _ = look.tick(), if queries => {
                let now = shown(&counted.0).await;
                if now != std::mem::replace(&mut asked, now) {
                    changed.insert("queries");
                }
            },
            _ = sign.tick() => {}
        }
        rest(&mut news, &mut changed);
        if sender.send_data(message(&changed, counted.0.clock.now())).await.is_err() {
            return;
        }
        if !changed.is_empty() {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// What has changed already besides.
fn rest(news: &mut News, changed: &mut BTreeSet<&str>) {
    loop {
        match news.events.try_recv() {
            Ok((_, event)) => changed.extend(topics(&event)),
            Err(TryRecvError::Lagged(_)) => changed.extend(ALL),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

/// What has changed, or a sign of life with the time of this machine.
fn message(changed: &BTreeSet<&str>, now: Millis) -> Bytes {
    if changed.is_empty() {
        return Bytes::from(format!("event: sign\ndata: {now}\n\n"));
    }
    let all: Vec<&str> = changed.iter().copied().collect();
    Bytes::from(format!("data: {}\n\n", all.join(" ")))
}

/// What the name server of this machine shows, as a number that is another one once something of it changes.
async fn shown(shared: &Shared) -> u64 {
    let question = Question::View { service: dns::SERVICE.word().to_owned() };
    let Reply::View { view } = shared.here.ask(question).await else { return 0 };
    let mut hasher = std::hash::DefaultHasher::new();
    view.to_string().hash(&mut hasher);
    hasher.finish()
}
