//! Lines over a socket pair, each a packet of its own, with at most one descriptor beside it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as Socket;

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use tokio::net::UnixStream;

use crate::permit::MAX_LINE;

/// The two ends: packets keep their borders, and the end of one side is seen by the other (unix(7)).
pub(crate) fn pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

/// One end, in a tokio runtime. The type is that of a stream because it is the one that waits for a socket of the
/// kind; nothing is read or written but by [`send`] and [`receive`].
#[derive(Debug)]
pub(crate) struct End(UnixStream);

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    /// A line, and a descriptor if there was one.
    Line(String, Option<OwnedFd>),
    /// Something that is no line.
    Garbage,
    /// The other side is gone.
    End,
}

impl End {
    /// Takes an end; inside a tokio runtime.
    pub(crate) fn new(descriptor: OwnedFd) -> std::io::Result<Self> {
        UnixStream::from_std(Socket::from(descriptor)).map(Self)
    }

    /// Sends a line, if there is room for it.
    pub(crate) fn send(&self, line: &str, descriptor: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
        send(self.0.as_fd(), line, descriptor)
    }

    /// Receives a line, if one is there.
    pub(crate) fn receive(&self) -> std::io::Result<Came> {
        receive(self.0.as_fd())
    }

    /// What says when there may be one.
    pub(crate) fn readiness(&self) -> &UnixStream {
        &self.0
    }
}

fn send(end: BorrowedFd<'_>, line: &str, descriptor: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(end, &[IoSlice::new(line.as_bytes())], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(end: BorrowedFd<'_>) -> std::io::Result<Came> {
    let mut buffer = [0; MAX_LINE + 1];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(end, &mut [IoSliceMut::new(&mut buffer)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptor = None;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(mut more) = message {
            descriptor = more.next();
        }
    }
    if got.bytes == 0 {
        return Ok(Came::End);
    }
    let line = buffer.get(..got.bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(match line {
        Some(line) if got.bytes <= MAX_LINE => Came::Line(line.to_owned(), descriptor),
        _ => Came::Garbage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_descriptors_pass_and_the_end_is_seen() {
        let (one, other) = pair().unwrap();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        send(one.as_fd(), "done", Some(file.as_fd())).unwrap();
        send(one.as_fd(), "refused", None).unwrap();
        assert!(matches!(receive(other.as_fd()).unwrap(), Came::Line(line, Some(_)) if line == "done"));
        assert!(matches!(receive(other.as_fd()).unwrap(), Came::Line(line, None) if line == "refused"));
        send(one.as_fd(), &"x".repeat(MAX_LINE + 1), None).unwrap();
        assert!(matches!(receive(other.as_fd()).unwrap(), Came::Garbage));
        drop(one);
        assert!(matches!(receive(other.as_fd()).unwrap(), Came::End));
    }
}
