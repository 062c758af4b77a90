//! Taking connections: each in a task of its own, and no more than so many at once.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// How long to wait when none can be taken: out of descriptors, most likely, until some are free again.
const PAUSE: Duration = Duration::from_millis(100);

/// What connections come in at.
pub trait Listens: Send + Sync {
    /// A connection.
    type Stream: Send;
    /// Where it comes from.
    type From: Send;

    /// The next one.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::From)>> + Send;
}

impl Listens for TcpListener {
    type Stream = TcpStream;
    type From = std::net::SocketAddr;

    fn next(&self) -> impl Future<Output = io::Result<(TcpStream, std::net::SocketAddr)>> + Send {
        self.accept()
    }
}

impl<L: Listens> Listens for Arc<L> {
    type Stream = L::Stream;
    type From = L::From;

    fn next(&self) -> impl Future<Output = io::Result<(L::Stream, L::From)>> + Send {
        L::next(self)
    }
}

impl Listens for UnixListener {
    type Stream = UnixStream;
    type From = tokio::net::unix::SocketAddr;

    fn next(&self) -> impl Future<Output = io::Result<(UnixStream, tokio::net::unix::SocketAddr)>> + Send {
        self.accept()
    }
}

/// Takes connections until it is dropped.
pub async fn each_connection<L: Listens, W>(
    listener: L,
    most: usize,
    serve: impl Fn(L::Stream, L::From) -> W + Send,
) where
    W: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(most));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, from)) = listener.next().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let work = serve(stream, from);
        tokio::spawn(async move {
            work.await;
            drop(permit);
        });
    }
}
