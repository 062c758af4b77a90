//! Hands what comes over connections to the threads that answer datagrams: they know everything that is needed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::oneshot;

use super::connections::Answer;
use super::serve::Sender;
use super::thread::{Order, Orders};
use crate::answer::Transport;
use crate::connections::{Origin, Over};

/// Answers questions of connections.
#[derive(Clone, Debug)]
pub(crate) struct Answerer {
    threads: Vec<Orders>,
}

impl Answerer {
    pub(crate) fn new(threads: Vec<Orders>) -> Self {
        Self { threads }
    }

    /// The thread for a client: always the same, as it remembers who that is.
    fn thread(&self, origin: &Origin) -> Option<&Orders> {
        let mut hasher = DefaultHasher::new();
        origin.client.ip().hash(&mut hasher);
        let number = usize::try_from(hasher.finish() >> 33).unwrap_or(0);
        self.threads.get(number % self.threads.len().max(1))
    }
}

impl Answer for Answerer {
    async fn answer(&self, message: Vec<u8>, origin: Origin) -> Option<Vec<u8>> {
        let over = match origin.over {
            Over::Tcp => Transport::Tcp,
            Over::Tls => Transport::Tls,
            Over::Https => Transport::Https,
        };
        let thread = self.thread(&origin)?;
        let sender = Sender { address: origin.client, id: origin.id, over };
        let (reply, said) = oneshot::channel();
        thread.give(Order::Answer(message, sender, reply)).await;
        said.await.ok()
    }
}
