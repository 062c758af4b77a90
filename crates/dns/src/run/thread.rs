//! A thread that answers datagrams: it has a socket of its own at each address, so that threads do not wait for each
//! other, and takes many datagrams at once. Only what has to be asked for gets a task.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use super::serve::{Sender, Step, Worker};
use super::shared::Shared;
use super::udp::{Batch, Datagrams};
use crate::answer::Transport;

/// The most questions that wait for others in one thread.
const MAX_WAITING: usize = 2048;
/// And of one client, so that it can not take the places of all others.
const MAX_OF_CLIENT: usize = 512;
/// How often what there is to say of questions is handed to the log.
const JOURNAL_EVERY: Duration = Duration::from_millis(500);
/// How often a busy thread lets its tasks have a turn: after so many calls of the system.
const TURNS: usize = 4;

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Answer at this socket.
    Listen(SocketAddr, std::net::UdpSocket),
    /// Answer there no longer.
    Leave(SocketAddr),
    /// Answer this message, which came over a connection; the reply goes there, or nothing if there is none.
    Answer(Vec<u8>, Sender, tokio::sync::oneshot::Sender<Vec<u8>>),
    /// Let go of all sockets, and end.
    End,
}

/// Gives orders to a thread.
#[derive(Clone, Debug)]
pub(crate) struct Orders(mpsc::Sender<Order>);

impl Orders {
    /// Tells the thread.
    pub(crate) async fn give(&self, order: Order) {
        // A thread that is gone has panicked, and its end is noticed elsewhere.
        let _ = self.0.send(order).await;
    }

    /// Tells the thread to end. If so much waits that this finds no place, it ends when the last of these is gone.
    pub(crate) fn end(&self) {
        let _ = self.0.try_send(Order::End);
    }
}

/// Starts a thread. Should it panic, `ended` hears of it.
pub(crate) fn start(number: usize, shared: Arc<Shared>, ended: mpsc::Sender<()>) -> std::io::Result<Orders> {
    let (sender, orders) = mpsc::channel(256);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("dns-{number}")).stack_size(512 << 10).spawn(move || {
        let _says = Says(ended.clone());
        LocalSet::new().block_on(&runtime, run(shared, orders, ended));
    })?;
    Ok(Orders(sender))
}

/// Says that its task or thread has panicked, which is the only way for it to end by itself.
pub(super) struct Says(pub(super) mpsc::Sender<()>);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.try_send(());
        }
    }
}

/// Ends a task with what holds it.
#[derive(Debug)]
pub(crate) struct Ends(pub(crate) AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(shared: Arc<Shared>, mut orders: mpsc::Receiver<Order>, ended: mpsc::Sender<()>) {
    let worker = Rc::new(RefCell::new(Worker::new(shared)));
    let waiting = Rc::new(RefCell::new(Waiting::default()));
    let _journal = Ends(watched(&ended, journal(Rc::clone(&worker))));
    let mut sockets: BTreeMap<SocketAddr, Ends> = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Listen(at, socket) => {
                let Ok(socket) = Datagrams::new(socket) else { continue };
                let serving = serve(Rc::new(socket), Rc::clone(&worker), Rc::clone(&waiting));
                sockets.insert(at, Ends(watched(&ended, serving)));
            }
            Order::Leave(at) => drop(sockets.remove(&at)),
            Order::Answer(message, sender, reply) => answer(&worker, &waiting, message, &sender, reply),
            Order::End => return,
        }
    }
}

/// A task of this thread; if it panics, that is said, and the server is made anew.
fn watched(ended: &mpsc::Sender<()>, work: impl Future<Output = ()> + 'static) -> AbortHandle {
    let says = Says(ended.clone());
    let task = spawn_local(async move {
        let _says = says;
        work.await;
    });
    task.abort_handle()
}

/// Hands to the log what is to be written.
async fn journal(worker: Rc<RefCell<Worker>>) {
    let rows = worker.borrow().rows();
    loop {
        let some = rows.borrow().some();
        some.notified().await;
        tokio::time::sleep(JOURNAL_EVERY).await;
        rows.borrow_mut().hand_over();
    }
}

async fn serve(socket: Rc<Datagrams>, worker: Rc<RefCell<Worker>>, waiting: Rc<RefCell<Waiting>>) {
    let mut batch = Batch::new();
    let mut turns = 0;
    loop {
        if socket.receive(&mut batch).await.is_err() {
            // An ICMP message about a datagram sent before: the next one may be fine.
            tokio::task::yield_now().await;
            continue;
        }
        worker.borrow_mut().refresh();
        for number in 0..batch.len() {
            let Some((message, way)) = batch.get(number) else { continue };
            let sender = Sender { address: way.from, id: None, over: Transport::Udp };
            let step = worker.borrow_mut().at_once(message, &sender);
            match step {
                Step::Silent => {}
                Step::Say(reply) => batch.say(reply, way),
                Step::Later(later) => match Turn::take(&waiting, way.from.ip()) {
                    None => batch.say(later.too_many(message), way),
                    Some(turn) => {
                        let asked = worker.borrow().later(later, message.to_vec());
                        let socket = Rc::clone(&socket);
                        spawn_local(async move {
                            let _turn = turn;
                            socket.send_one(&asked.await, way);
                        });
                    }
                },
            }
        }
        socket.send(&mut batch);
        turns += 1;
        if turns % TURNS == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// The questions that wait for others.
#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// A place among those that wait, until it is dropped.
struct Turn {
    waiting: Rc<RefCell<Waiting>>,
    client: IpAddr,
}

impl Turn {
    /// A place for a question of a client; none if it, or all together, have too many.
    fn take(waiting: &Rc<RefCell<Waiting>>, client: IpAddr) -> Option<Self> {
        let mut counts = waiting.borrow_mut();
        let own = counts.by_client.get(&client).copied().unwrap_or(0);
        if counts.all >= MAX_WAITING || own >= MAX_OF_CLIENT {
            return None;
        }
        counts.all += 1;
        counts.by_client.insert(client, own + 1);
        Some(Self { waiting: Rc::clone(waiting), client })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.waiting.borrow_mut();
        counts.all = counts.all.saturating_sub(1);
        match counts.by_client.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(counts.by_client.remove(&self.client)),
        }
    }
}

/// Answers a message that came over a connection.
fn answer(
    worker: &Rc<RefCell<Worker>>,
    waiting: &Rc<RefCell<Waiting>>,
    message: Vec<u8>,
    sender: &Sender,
    reply: tokio::sync::oneshot::Sender<Vec<u8>>,
) {
    worker.borrow_mut().refresh();
    let step = worker.borrow_mut().at_once(&message, sender);
    match step {
        Step::Silent => {}
        Step::Say(said) => drop(reply.send(said)),
        Step::Later(later) => match Turn::take(waiting, sender.address.ip()) {
            None => drop(reply.send(later.too_many(&message))),
            Some(turn) => {
                let asked = worker.borrow().later(later, message);
                spawn_local(async move {
                    let _turn = turn;
                    drop(reply.send(asked.await));
                });
            }
        },
    }
}
