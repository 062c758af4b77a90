//! The sockets of the link and of the control socket: carrying frames, with a bound on everything.

mod accept;
mod client;

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

pub use accept::each_connection;
pub use client::{AskFault, ask_all, ask_socket};
pub(crate) use client::{Peers, Way};

use super::tls::words;
use super::wire::{MAX_REQUEST, NEWEST, OLDEST, Question, Reply, common, frame, read_frame};

/// The most connections at once, to the link and to the control socket.
const MAX_CONNECTIONS: usize = 64;
/// How long a handshake, a frame and the silence between two questions may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
const FRAME: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A machine of the lab, by its key.
    Machine(String),
    /// Somebody at this machine who may use the control socket.
    Here,
}

/// What answers questions.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(&self, question: Question, asker: Asker) -> impl Future<Output = Reply> + Send;

    /// A connection was refused: from where, and why.
    fn refused(&self, from: IpAddr, why: String);

    /// The machine that has this public key.
    fn machine_with(&self, key: &[u8]) -> Option<String>;

    /// The version of this Polis.
    fn version(&self) -> String;
}

/// Why an exchange of messages ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection is gone, as connections go.
    Ended(String),
    /// The other side does what it must not.
    Wrong(String),
}

impl Broken {
    fn why(self) -> String {
        match self {
            Self::Ended(why) | Self::Wrong(why) => why,
        }
    }
}

/// Serves the link until it is dropped.
pub(crate) async fn serve_link<A: Answers>(listener: TcpListener, config: Arc<ServerConfig>, node: Arc<A>) {
    let acceptor = TlsAcceptor::from(config);
    let serve = |stream: TcpStream, from: SocketAddr| {
        let (acceptor, node) = (acceptor.clone(), Arc::clone(&node));
        async move {
            let _ = stream.set_nodelay(true);
            let done = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let key = stream.get_ref().1.peer_certificates().and_then(|keys| keys.first());
                    let key = key.map(|key| key.to_vec()).unwrap_or_default();
                    greet_and_answer(stream, &key, &*node).await
                }
                // What TLS finds wrong is invalid data; everything else is a connection that broke.
                Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => Err(Broken::Wrong(words(&error))),
                Ok(Err(error)) => Err(Broken::Ended(words(&error))),
                Err(_) => Err(Broken::Wrong("it took too long to say who it is".to_owned())),
            };
            if let Err(Broken::Wrong(why)) = done {
                node.refused(from.ip(), why);
            }
        }
    };
    each_connection(listener, MAX_CONNECTIONS, serve).await;
}

/// The other side says `hello` first; without a common version the connection ends.
async fn greet_and_answer<S: AsyncRead + AsyncWrite + Unpin, A: Answers>(
    mut stream: S,
    key: &[u8],
    node: &A,
) -> Result<(), Broken> {
    let who = || {
        let asker = node.machine_with(key).map(Asker::Machine);
        asker.ok_or_else(|| Broken::Wrong("its key is not in the lab file".to_owned()))
    };
    let Asker::Machine(machine) = who()? else { return Ok(()) };
    let mut buffer = Vec::new();
    let Some(first) = read::<Question>(&mut stream, &mut buffer, MAX_REQUEST, FRAME).await? else {
        return Ok(());
    };
    let Question::Hello { oldest, newest, polis } = first else {
        return Err(Broken::Wrong(format!("{machine} did not say hello")));
    };
    let version = common((OLDEST, own_newest()), (oldest, newest));
    write(&mut stream, &Reply::Hello { version, polis: node.version() }).await?;
    if version.is_none() {
        return Err(Broken::Wrong(format!(
            "{machine} runs polis {polis}, and they have no version of the link in common: update the older one"
        )));
    }
    answer_all(stream, buffer, who, node).await
}

/// The newest version that is spoken; a test may pretend to a higher one.
pub(crate) fn own_newest() -> u16 {
    let is_next = cfg!(feature = "testlab") && std::env::var_os("POLIS_TEST_NEXT").is_some();
    NEWEST + u16::from(is_next)
}

/// Answers until the other side ends. Who asks is looked at every time: a key may leave the lab while it is connected.
async fn answer_all<S: AsyncRead + AsyncWrite + Unpin, A: Answers>(
    mut stream: S,
    mut buffer: Vec<u8>,
    who: impl Fn() -> Result<Asker, Broken>,
    node: &A,
) -> Result<(), Broken> {
    while let Some(question) = read(&mut stream, &mut buffer, MAX_REQUEST, QUIET).await? {
        let reply = node.answer(question, who()?).await;
        if write(&mut stream, &reply).await.is_err() {
            // It is gone, and hears of that itself.
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a message. None if the other side has ended, or stays quiet; a message has to arrive soon once it has begun.
async fn read<T: for<'de> serde::Deserialize<'de>>(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    most: usize,
    patience: Duration,
) -> Result<Option<T>, Broken> {
    let mut end = Instant::now() + patience;
    let mut is_begun = !buffer.is_empty();
    if is_begun {
        end = Instant::now() + FRAME.min(patience);
    }
    loop {
        if let Some((message, length)) = read_frame(buffer, most).map_err(Broken::Wrong)? {
            buffer.drain(..length);
            return Ok(Some(message));
        }
        let mut chunk = [0; 4096];
        let length = match timeout_at(end, stream.read(&mut chunk)).await {
            Err(_) | Ok(Ok(0)) if buffer.is_empty() => return Ok(None),
            Err(_) => return Err(Broken::Wrong("a message took too long to arrive".to_owned())),
            // A machine that restarts does not take leave.
            Ok(Err(error)) if buffer.is_empty() && is_end(&error) => return Ok(None),
            Ok(Err(error)) => return Err(Broken::Ended(words(&error))),
            Ok(Ok(0)) => return Err(Broken::Wrong("it ended in the middle of a message".to_owned())),
            Ok(Ok(length)) => length,
        };
        // From its first byte on the whole message has to arrive soon, however many bytes come at a time.
        if !is_begun {
            is_begun = true;
            end = Instant::now() + FRAME;
        }
        buffer.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
}

fn is_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl serde::Serialize,
) -> Result<(), Broken> {
    let bytes = frame(message);
    let sent = timeout(FRAME, async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    });
    match sent.await {
        Ok(done) => done.map_err(|error| Broken::Ended(words(&error))),
        Err(_) => Err(Broken::Wrong("it took too long to take a message".to_owned())),
    }
}

/// Binds the control socket: for the user that Polis runs as, its group, and root.
pub(crate) fn bind_control(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // The lock of the state folder says that nobody else serves it any more. What is no socket is somebody's file.
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(std::io::Error::new(ErrorKind::AlreadyExists, "it is there and no socket")),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves the control socket until it is dropped.
pub(crate) async fn serve_control<A: Answers>(listener: UnixListener, node: Arc<A>) {
    let serve = |stream, _| {
        let node = Arc::clone(&node);
        async move {
            // Who can open the socket is known; what goes wrong is for them to see.
            let _ = answer_all(stream, Vec::new(), || Ok(Asker::Here), &*node).await;
        }
    };
    each_connection(listener, MAX_CONNECTIONS, serve).await;
}

#[cfg(test)]
mod tests;
