//! The worker's end: asks the helper, one request after the other.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};

use super::next;
use crate::helper::wire::{Came, End};
use crate::permit::{Answer, Request, Transport};

/// How many requests may wait for the one before them.
const WAITING: usize = 64;
/// How often the list is made anew because something was refused.
const LIST_EVERY: Duration = Duration::from_secs(10);

type Reply = Result<Option<OwnedFd>, Unhelped>;

/// What the worker asks the helper for.
#[derive(Clone, Debug)]
pub struct Helper {
    sender: mpsc::Sender<(Request, oneshot::Sender<Reply>)>,
    /// When the list was last made anew because something was refused.
    listed: Arc<Mutex<Option<Instant>>>,
}

/// Why the helper did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Unhelped {
    /// The helper is gone.
    #[error("the helper is gone")]
    Gone,
    /// It is not on the list of what the lab permits.
    #[error("the lab permits no `{0}`")]
    Refused(String),
    /// The system said no.
    #[error("can not {request}: {source}")]
    Failed {
        /// What was asked for.
        request: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Helper {
    /// At the descriptor that the helper gave this process as its standard input.
    ///
    /// # Errors
    /// If standard input is no socket: the worker was not started by a helper.
    pub fn at_standard_input() -> std::io::Result<Self> {
        let descriptor = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?;
        rustix::net::sockopt::socket_type(&descriptor)?;
        let end = End::new(descriptor)?;
        let (sender, asked) = mpsc::channel(WAITING);
        tokio::spawn(carry(end, asked));
        Ok(Self { sender, listed: Arc::default() })
    }

    /// One in this process, for tests, which refuses nothing and has no privileges.
    #[cfg(any(test, feature = "testlab"))]
    pub(crate) fn in_process() -> Self {
        let (sender, mut asked) = mpsc::channel::<(Request, oneshot::Sender<Reply>)>(WAITING);
        tokio::spawn(async move {
            while let Some((request, sender)) = asked.recv().await {
                let done = match request {
                    Request::Bind(transport, at) => super::listen(transport, at, false).map(Some),
                    _ => Ok(None),
                };
                let failed = |source| Unhelped::Failed { request: request.to_string(), source };
                let _ = sender.send(done.map_err(failed));
            }
        });
        Self { sender, listed: Arc::default() }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the helper refuses, fails, or is gone.
    pub async fn ask(&self, request: &Request) -> Reply {
        let (sender, reply) = oneshot::channel();
        self.sender.send((request.clone(), sender)).await.map_err(|_| Unhelped::Gone)?;
        reply.await.unwrap_or(Err(Unhelped::Gone))
    }

    /// A socket at a port. If the list does not have it, the lab may have changed: the list is made anew, once.
    async fn bind(&self, transport: Transport, at: SocketAddr) -> Result<OwnedFd, Unhelped> {
        let request = Request::Bind(transport, at);
        let first = self.ask(&request).await;
        let done = match first {
            Err(Unhelped::Refused(_)) if self.may_ask_anew() => {
                // If the lab can not be read the list stays as it was, and so does the answer.
                let _ = self.ask(&Request::Adopt).await;
                self.ask(&request).await?
            }
            done => done?,
        };
        done.ok_or_else(|| Unhelped::Refused(request.to_string()))
    }

    /// What is refused is tried again every few seconds, and listing takes a process each time.
    fn may_ask_anew(&self) -> bool {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let may = listed.is_none_or(|last| last.elapsed() >= LIST_EVERY);
        if may {
            *listed = Some(Instant::now());
        }
        may
    }

    /// A socket for datagrams.
    ///
    /// # Errors
    /// If it can not be had.
    pub async fn udp(&self, at: SocketAddr) -> Result<UdpSocket, Unhelped> {
        let socket = self.bind(Transport::Udp, at).await?;
        UdpSocket::from_std(socket.into()).map_err(|source| failed(Transport::Udp, at, source))
    }

    /// A socket for connections.
    ///
    /// # Errors
    /// If it can not be had.
    pub async fn tcp(&self, at: SocketAddr) -> Result<TcpListener, Unhelped> {
        let socket = self.bind(Transport::Tcp, at).await?;
        TcpListener::from_std(socket.into()).map_err(|source| failed(Transport::Tcp, at, source))
    }

    /// Has an address for two seconds, or for two more.
    ///
    /// # Errors
    /// If it can not be had.
    pub async fn hold(&self, address: IpAddr) -> Result<(), Unhelped> {
        self.ask(&Request::Hold(address)).await.map(drop)
    }

    /// Makes the kernel ask anew who nearby has an address.
    ///
    /// # Errors
    /// If it can not; then it may know somebody who no longer has it.
    pub async fn forget(&self, address: IpAddr) -> Result<(), Unhelped> {
        self.ask(&Request::Forget(address)).await.map(drop)
    }

    /// Gives an address back.
    ///
    /// # Errors
    /// If it could not be given back; then it goes by itself.
    pub async fn release(&self, address: IpAddr) -> Result<(), Unhelped> {
        self.ask(&Request::Release(address)).await.map(drop)
    }
}

/// Carries requests and answers until the helper is gone. Who asked may have gone away meanwhile; the answer is
/// still his.
async fn carry(end: End, mut asked: mpsc::Receiver<(Request, oneshot::Sender<Reply>)>) {
    while let Some((request, sender)) = asked.recv().await {
        let line = request.to_string();
        let came = match end.send(&line, None) {
            Ok(()) => next(&end).await,
            Err(error) => Err(error),
        };
        let reply = match came {
            Ok(Came::Line(answer, descriptor)) => understood(&line, &answer, descriptor),
            Ok(Came::Garbage) => Err(Unhelped::Refused(line)),
            Ok(Came::End) | Err(_) => return,
        };
        let _ = sender.send(reply);
    }
}

fn understood(line: &str, answer: &str, descriptor: Option<OwnedFd>) -> Reply {
    match answer.parse() {
        Ok(Answer::Done) => Ok(descriptor),
        Ok(Answer::Failed(number)) => Err(Unhelped::Failed {
            request: line.to_owned(),
            source: std::io::Error::from_raw_os_error(number),
        }),
        Ok(Answer::Refused) | Err(_) => Err(Unhelped::Refused(line.to_owned())),
    }
}

fn failed(transport: Transport, at: SocketAddr, source: std::io::Error) -> Unhelped {
    Unhelped::Failed { request: Request::Bind(transport, at).to_string(), source }
}

impl Unhelped {
    /// What to do about it.
    pub fn help(&self) -> String {
        use std::io::ErrorKind;
        match self {
            Self::Gone => {
                "start Polis again: `systemctl restart polis`; what runs goes on until then".to_owned()
            }
            Self::Refused(_) => {
                "the lab folder on disk has to say it: the helper reads it again by itself".to_owned()
            }
            Self::Failed { request, source } => match source.kind() {
                ErrorKind::AddrInUse => {
                    let port = request.rsplit(':').next().unwrap_or_default();
                    format!("something else listens there: `ss -lnp 'sport = :{port}'` says what")
                }
                ErrorKind::PermissionDenied => {
                    "it takes privileges: run Polis as its unit for systemd does, or as root".to_owned()
                }
                ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
                _ => "it is tried again by itself".to_owned(),
            },
        }
    }
}
