//! What is looked at again and again, whatever else goes on: the helper, the clock, the disk, ports that are not open yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::{BEAT, Node};
use crate::clock::Jumps;
use crate::event::Event;
use crate::permit::Request;
use crate::service::Context;

/// How often the time is saved.
const SAVE_TIME: Duration = Duration::from_secs(600);

/// Says every second that this process is alive, and notices what has changed around it.
pub(super) async fn beat(node: Arc<Node>) {
    let mut watch = Watch { jumps: Jumps::of(&node.context.clock), saved: Instant::now() };
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        watch.look(&node).await;
    }
}

/// Tries again what did not work.
pub(super) async fn mend(node: Arc<Node>) {
    loop {
        tokio::time::sleep(BEAT).await;
        node.retry_store().await;
        node.retry_own_ports().await;
        node.retry_ahead().await;
    }
}

/// Saves the time, for a start without a clock.
pub(super) async fn save_time(context: &Context) {
    let (state, now) = (context.state.clone(), context.clock.now());
    // If it can not be written, other things can not either, and those are shown.
    let _ = tokio::task::spawn_blocking(move || state.save_time(now)).await;
}

struct Watch {
    jumps: Jumps,
    saved: Instant,
}

impl Watch {
    async fn look(&mut self, node: &Arc<Node>) {
        let context = &node.context;
        let alive = context.helper.ask(&Request::Alive).await;
        let helper = alive.err().map(|unhelped| (unhelped.to_string(), unhelped.help()));
        node.way.helper_is_gone(helper.is_some());
        context.conditions.set("helper", helper);
        context.conditions.set("state", node.store.trouble().or_else(|| context.record.trouble()));
        let clock = (!context.clock.is_set()).then(|| {
            let help = format!(
                "set it, or let it ask a time server. If it is right, a wrong time was saved: stop Polis, remove `{}`, and start it",
                context.state.folder().join("clock").display()
            );
            ("the clock is behind what has passed, and is taken to be later".to_owned(), help)
        });
        context.conditions.set("clock", clock);
        if let Some(by) = self.jumps.look(&context.clock) {
            node.since.fetch_add(by, Ordering::Relaxed);
            context.record.add(Event::Jumped { by });
        }
        if self.saved.elapsed() >= SAVE_TIME && context.clock.is_set() {
            self.saved = Instant::now();
            save_time(context).await;
        }
        node.forget_refusals();
    }
}
