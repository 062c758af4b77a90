//! Connections to an upstream: opened on demand, one for each thread, used as long as they are well, and
//! replaced when they end, break or hang. What was asked on one that did is asked again on a new one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SetOnce};
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::super::failure::Failure;
use super::super::known::MAX_ADDRESSES;
use super::super::line::{Transport, Upstream};
use super::super::wire::Sent;
use super::dice::Dice;
use super::https::{Aged, Https};
use super::pipe::Pipe;
use super::server::{Server, lock};
use super::tls::{self, Tls};
use super::words_of;

/// How long a connection may take to come about: the address, and the handshake behind it.
const CONNECT: Duration = Duration::from_secs(3);
const HANDSHAKE: Duration = Duration::from_secs(3);
/// After how long the next address of a name is tried beside the first (RFC 8305 section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// How long after one that did not come about no other is tried.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a question waits on a connection that has been used before, until it counts as hanging if nothing
/// else came on it either.
const HANGS: Duration = Duration::from_millis(1500);
/// On how many connections a question is tried.
const TRIES: usize = 3;
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);

/// What went wrong on a connection.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection has ended: another one may do.
    Broken,
    /// Nothing came for so long.
    Silent(Duration),
    /// That would not be better on another one.
    Failed(Failure),
}

/// A connection of either kind.
#[derive(Clone, Debug)]
enum Link {
    Pipe(Arc<Pipe>),
    Https(Arc<Https>),
}

impl Link {
    fn is_closed(&self) -> bool {
        match self {
            Self::Pipe(pipe) => pipe.is_closed(),
            Self::Https(https) => https.is_closed(),
        }
    }

    fn heard(&self) -> u64 {
        match self {
            Self::Pipe(pipe) => pipe.heard(),
            Self::Https(https) => https.heard(),
        }
    }

    fn close(&self) {
        match self {
            Self::Pipe(pipe) => pipe.close(),
            Self::Https(https) => https.close(),
        }
    }

    /// How many hold it besides the keeper.
    fn is_idle(&self) -> bool {
        match self {
            Self::Pipe(pipe) => Arc::strong_count(pipe) <= 1,
            Self::Https(https) => Arc::strong_count(https) <= 1,
        }
    }

    async fn ask(&self, sent: Sent, dice: &Dice, until: Instant) -> Result<Aged, Trouble> {
        match self {
            Self::Pipe(pipe) => pipe.ask(sent, dice, until).await.map(|reply| (reply, 0)),
            Self::Https(https) => https.ask(sent, until).await,
        }
    }
}

type Opening = Arc<SetOnce<Result<Link, Failure>>>;

#[derive(Debug, Default)]
enum Kept {
    #[default]
    None,
    /// It is being opened: whoever needs it waits for the same.
    Opening(Opening),
    Open {
        link: Link,
        used: Instant,
    },
    /// It did not come about.
    Failed {
        failure: Failure,
        at: Instant,
    },
}

/// The connection of one thread to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Mutex<Kept>);

/// What opening a connection takes.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) server: Arc<Server>,
    pub(crate) places: Vec<SocketAddr>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) files: Arc<Semaphore>,
}

impl Keeper {
    /// Asks on the connection that there is, or on a new one.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        means: &Means,
        sent: &Sent,
        dice: &Dice,
        until: Instant,
    ) -> Result<Aged, Failure> {
        let mut last = Failure::Ended;
        for _ in 0..TRIES {
            let link = self.get(means, until).await?;
            let (heard, now) = (link.heard(), Instant::now());
            // A new one has nothing to prove: the first answer may take its time.
            let patience = if heard > 0 { until.min(now + HANGS) } else { until };
            match link.ask(sent.clone(), dice, patience).await {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Failed(failure)) => return Err(failure),
                Err(Trouble::Silent(after)) => {
                    last = Failure::Silent(after);
                    if link.heard() == heard {
                        link.close();
                    }
                }
                // One that ends without a word will do so again.
                Err(Trouble::Broken) if heard == 0 && link.heard() == 0 => return Err(Failure::Ended),
                Err(Trouble::Broken) => last = Failure::Ended,
            }
            if Instant::now() >= until {
                break;
            }
        }
        Err(last)
    }

    /// The connection, which is opened if there is none.
    async fn get(self: &Arc<Self>, means: &Means, until: Instant) -> Result<Link, Failure> {
        let began = Instant::now();
        let opening = {
            let mut kept = lock(&self.0);
            match &mut *kept {
                Kept::Open { link, used } if !link.is_closed() => {
                    *used = began;
                    return Ok(link.clone());
                }
                Kept::Failed { failure, at } if *at + PAUSE > began => return Err(failure.clone()),
                Kept::Opening(opening) => Arc::clone(opening),
                _ => {
                    let opening = Opening::default();
                    *kept = Kept::Opening(Arc::clone(&opening));
                    let opens = Opens { keeper: Arc::clone(self), opening: Arc::clone(&opening) };
                    tokio::spawn(opens.run(means.clone()));
                    opening
                }
            }
        };
        let opened = timeout_at(until.into(), opening.wait()).await;
        opened.map_or_else(|_| Err(Failure::Silent(began.elapsed())), Clone::clone)
    }

    /// Closes a connection that nobody has used for a while.
    pub(crate) fn clean(&self, now: Instant) {
        let mut kept = lock(&self.0);
        if let Kept::Open { link, used } = &*kept
            && (link.is_closed() || (*used + IDLE < now && link.is_idle()))
        {
            *kept = Kept::None;
        }
    }
}

/// Opens a connection, also if whoever wanted it has gone, and tells everybody who waits for it.
struct Opens {
    keeper: Arc<Keeper>,
    opening: Opening,
}

impl Opens {
    async fn run(self, means: Means) {
        let opened = open(&means).await;
        self.tell(opened);
    }

    fn tell(&self, opened: Result<Link, Failure>) {
        if self.opening.set(opened.clone()).is_err() {
            return;
        }
        let at = Instant::now();
        *lock(&self.keeper.0) = match opened {
            Ok(link) => Kept::Open { link, used: at },
            Err(failure) => Kept::Failed { failure, at },
        };
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        self.tell(Err(Failure::Ended));
    }
}

async fn open(means: &Means) -> Result<Link, Failure> {
    let turn = timeout(CONNECT, Arc::clone(&means.files).acquire_owned()).await;
    let file = turn.ok().and_then(Result::ok).ok_or(Failure::Busy)?;
    let stream = connect(means).await?;
    let upstream = &means.server.upstream;
    match upstream.transport {
        Transport::Udp | Transport::Tcp => Ok(Link::Pipe(Arc::new(Pipe::new(stream, file)))),
        Transport::Tls => {
            let stream = handshake(stream, upstream, &means.tls.plain).await?;
            Ok(Link::Pipe(Arc::new(Pipe::new(stream, file))))
        }
        Transport::Https => {
            let stream = handshake(stream, upstream, &means.tls.http).await?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Failure::NoHttp2);
            }
            let https = timeout(HANDSHAKE, Https::new(stream, upstream, file)).await;
            let https = https.map_err(|_| Failure::Silent(HANDSHAKE)).and_then(|opened| opened)?;
            Ok(Link::Https(Arc::new(https)))
        }
    }
}

/// Connects to the address that answers first: each is tried a little after the one before it, or as soon as
/// that has failed.
async fn connect(means: &Means) -> Result<TcpStream, Failure> {
    let mut tries = JoinSet::new();
    let mut left = means.places.iter().copied().take(MAX_ADDRESSES);
    let mut last = Failure::NoAddress("it has none".into());
    let until = Instant::now() + CONNECT;
    loop {
        if let Some(place) = left.next() {
            tries.spawn(async move { (place, TcpStream::connect(place).await) });
        } else if tries.is_empty() {
            return Err(last);
        }
        let pause = if left.len() > 0 { until.min(Instant::now() + NEXT_ADDRESS) } else { until };
        match timeout_at(pause.into(), tries.join_next()).await {
            Ok(Some(Ok((place, Ok(stream))))) => {
                // Without it the last part of a question may wait for an acknowledgement; it is no fault if not.
                let _ = stream.set_nodelay(true);
                means.server.prefer(place.ip());
                return Ok(stream);
            }
            Ok(Some(Ok((place, Err(error))))) => {
                means.server.avoid(place.ip());
                last = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => Failure::Refused,
                    _ => Failure::Network(words_of(&error)),
                };
            }
            _ if Instant::now() >= until => {
                if let Some(place) = means.places.first() {
                    means.server.avoid(place.ip());
                }
                return Err(Failure::Silent(CONNECT));
            }
            // It is time for the next one.
            _ => {}
        }
    }
}

async fn handshake(
    stream: TcpStream,
    upstream: &Upstream,
    config: &Arc<rustls::ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let name = upstream.certified_name();
    let server = ServerName::try_from(name.clone())
        .map_err(|_| Failure::Tls(format!("`{name}` is no name that a certificate can be for").into()))?;
    let connector = TlsConnector::from(Arc::clone(config));
    match timeout(HANDSHAKE, connector.connect(server, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::Tls(tls::words(&error, &name))),
        Err(_) => Err(Failure::Silent(HANDSHAKE)),
    }
}
