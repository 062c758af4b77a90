//! Asking the name servers upstream, and messages on connections: no decisions, only the carrying of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::wire;

/// How long one upstream may take to answer.
const UPSTREAM_WAIT: Duration = Duration::from_millis(1500);

pub(crate) async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

pub(crate) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).ok()?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await.ok()
}

/// What the first upstream that answers says, under the number of the question.
pub(crate) async fn ask(upstreams: &[SocketAddr], message: &[u8]) -> Option<Vec<u8>> {
    for upstream in upstreams {
        match timeout(UPSTREAM_WAIT, ask_udp(*upstream, message)).await {
            Ok(Some(reply)) if wire::is_truncated(&reply) => {
                return ask_tcp(std::slice::from_ref(upstream), message).await.or(Some(reply));
            }
            Ok(Some(reply)) => return Some(reply),
            _ => {}
        }
    }
    None
}

/// Asks from a port of its own under a number that nobody can guess (RFC 5452).
async fn ask_udp(upstream: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let any: IpAddr =
        if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(upstream).await.ok()?;
    let question = renumbered(message)?;
    socket.send(&question).await.ok()?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        let reply = buffer.get_mut(..length)?;
        if wire::answers(reply, &question) {
            return original(reply, message);
        }
    }
}

pub(crate) async fn ask_tcp(upstreams: &[SocketAddr], message: &[u8]) -> Option<Vec<u8>> {
    for upstream in upstreams {
        let exchange = async {
            let mut stream = TcpStream::connect(upstream).await.ok()?;
            let question = renumbered(message)?;
            write_message(&mut stream, &question).await?;
            let mut reply = read_message(&mut stream).await?;
            if !wire::answers(&reply, &question) {
                return None;
            }
            original(&mut reply, message)
        };
        if let Ok(Some(reply)) = timeout(UPSTREAM_WAIT, exchange).await {
            return Some(reply);
        }
    }
    None
}

fn renumbered(message: &[u8]) -> Option<Vec<u8>> {
    let mut number = [0; 2];
    getrandom::getrandom(&mut number).ok()?;
    let mut question = message.to_vec();
    wire::set_id(&mut question, u16::from_be_bytes(number));
    Some(question)
}

/// The reply under the number that the client gave its question.
fn original(reply: &mut [u8], message: &[u8]) -> Option<Vec<u8>> {
    let id = message.get(..2).and_then(|id| id.try_into().ok()).map(u16::from_be_bytes)?;
    wire::set_id(reply, id);
    Some(reply.to_vec())
}
