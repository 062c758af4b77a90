//! Datagrams, many at once: one call of the system takes what has come, another sends what is said.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg,
    sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The most datagrams of one call, and the largest question.
const MANY: usize = 32;
const LARGEST: usize = 4096;

/// A socket for datagrams that says at which of its addresses each was sent.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    /// It listens at every address of the machine: replies have to leave from the one that was asked.
    is_everywhere: bool,
}

/// Where a datagram came from, and at which address it was received if the socket has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: SocketAddr,
    pub(crate) at: Option<IpAddr>,
}

/// Room for the datagrams of one call, and for what is said to them.
pub(crate) struct Batch {
    room: [Box<[u8; LARGEST]>; MANY],
    came: Vec<(usize, Way)>,
    headers: MultiHeaders<SockaddrStorage>,
    says: Vec<(Vec<u8>, Way)>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch of {} datagrams", self.came.len())
    }
}

impl Datagrams {
    /// Takes a bound socket.
    pub(crate) fn new(socket: std::net::UdpSocket) -> std::io::Result<Self> {
        let at = socket.local_addr()?;
        let is_everywhere = at.ip().is_unspecified();
        if is_everywhere && at.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        if is_everywhere && at.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        Ok(Self { socket: UdpSocket::from_std(socket)?, is_everywhere })
    }

    /// Waits until a datagram is there, and takes all that are, as far as there is room.
    pub(crate) async fn receive(&self, batch: &mut Batch) -> std::io::Result<()> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_io(Interest::READABLE, || batch.receive(&self.socket)) {
                Err(nothing) if nothing.kind() == std::io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Sends what is said. What the network has no room for now is lost, as datagrams are.
    pub(crate) fn send(&self, batch: &mut Batch) {
        // One reply is sent without the lists that many take.
        if self.is_everywhere || batch.says.len() == 1 {
            for (reply, way) in batch.says.drain(..) {
                self.send_one(&reply, way);
            }
        } else {
            batch.send(&self.socket);
        }
    }

    /// Sends one reply.
    pub(crate) fn send_one(&self, reply: &[u8], way: Way) {
        let (slices, to) = ([IoSlice::new(reply)], SockaddrStorage::from(way.from));
        let fd = self.socket.as_raw_fd();
        // A client that is gone, or a full queue: it asks again.
        let _ = match way.at {
            None => sendmsg(fd, &slices, &[], MsgFlags::MSG_DONTWAIT, Some(&to)),
            Some(IpAddr::V4(at)) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(at.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                let says = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(fd, &slices, &says, MsgFlags::MSG_DONTWAIT, Some(&to))
            }
            Some(IpAddr::V6(at)) => {
                let info =
                    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: at.octets() }, ipi6_ifindex: 0 };
                let says = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(fd, &slices, &says, MsgFlags::MSG_DONTWAIT, Some(&to))
            }
        };
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        let info = nix::cmsg_space!(libc::in6_pktinfo);
        Self {
            room: std::array::from_fn(|_| Box::new([0; LARGEST])),
            came: Vec::with_capacity(MANY),
            headers: MultiHeaders::preallocate(MANY, Some(info)),
            says: Vec::with_capacity(MANY),
        }
    }

    /// How many datagrams have come.
    pub(crate) fn len(&self) -> usize {
        self.came.len()
    }

    /// A datagram, and the way it came.
    pub(crate) fn get(&self, number: usize) -> Option<(&[u8], Way)> {
        let (length, way) = *self.came.get(number)?;
        Some((self.room.get(number)?.get(..length)?, way))
    }

    /// What is said to one.
    pub(crate) fn say(&mut self, reply: Vec<u8>, way: Way) {
        self.says.push((reply, way));
    }

    fn receive(&mut self, socket: &UdpSocket) -> std::io::Result<()> {
        self.came.clear();
        let mut slices = self.room.each_mut().map(|room| [IoSliceMut::new(&mut room[..])]);
        let fd = socket.as_raw_fd();
        let received = recvmmsg(fd, &mut self.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
        for one in received {
            let from = one.address.as_ref().and_then(address).unwrap_or_else(nobody);
            let is_cut = one.flags.contains(MsgFlags::MSG_TRUNC);
            let at = one.cmsgs().ok().and_then(|mut all| all.find_map(|says| asked_at(&says)));
            // No question is as long as that: as an empty datagram it is none.
            self.came.push((if is_cut { 0 } else { one.bytes }, Way { from, at }));
        }
        Ok(())
    }

    fn send(&mut self, socket: &UdpSocket) {
        let fd = socket.as_raw_fd();
        let mut rest = self.says.as_slice();
        while !rest.is_empty() {
            let slices: Vec<[IoSlice<'_>; 1]> = rest.iter().map(|(reply, _)| [IoSlice::new(reply)]).collect();
            let to: Vec<Option<SockaddrStorage>> =
                rest.iter().map(|(_, way)| Some(way.from.into())).collect();
            let mut headers = MultiHeaders::preallocate(rest.len(), None);
            let sent =
                sendmmsg(fd, &mut headers, &slices, &to, [], MsgFlags::MSG_DONTWAIT).map(Iterator::count);
            // The first one that can not be sent is lost; the others have their turn.
            rest = rest.get(sent.unwrap_or(0).max(1)..).unwrap_or_default();
        }
        self.says.clear();
    }
}

fn nobody() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let four = storage.as_sockaddr_in().map(|four| SocketAddr::from((four.ip(), four.port())));
    four.or_else(|| storage.as_sockaddr_in6().map(|six| SocketAddr::V6((*six).into())))
}

/// The address that a datagram was sent to.
fn asked_at(says: &ControlMessageOwned) -> Option<IpAddr> {
    match says {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked_at_every(listen: &str, asked: &[&str]) {
        let Ok(socket) = std::net::UdpSocket::bind((listen, 0)) else { return };
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (socket, mut batch) = (Datagrams::new(socket).unwrap(), Batch::new());
        for address in asked {
            let client = std::net::UdpSocket::bind(("::", 0))
                .or_else(|_| std::net::UdpSocket::bind(("0.0.0.0", 0)))
                .unwrap();
            let client = match address.contains(':') {
                true => client,
                false => std::net::UdpSocket::bind(("0.0.0.0", 0)).unwrap(),
            };
            // A connected socket hears only what comes from the address that it asked.
            client.connect((*address, port)).unwrap();
            client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            client.send(b"question").unwrap();
            socket.receive(&mut batch).await.unwrap();
            assert_eq!(batch.len(), 1);
            let (message, way) = batch.get(0).unwrap();
            assert_eq!(message, b"question");
            batch.say(b"answer".to_vec(), way);
            socket.send(&mut batch);
            let mut room = [0; 16];
            assert_eq!(client.recv(&mut room).unwrap(), 6, "{address}");
        }
    }

    #[tokio::test]
    async fn replies_leave_from_the_address_that_was_asked() {
        asked_at_every("0.0.0.0", &["127.0.0.1", "127.0.0.7", "127.9.9.9"]).await;
        asked_at_every("127.0.0.1", &["127.0.0.1"]).await;
        asked_at_every("::", &["::1", "127.0.0.7"]).await;
    }

    #[tokio::test]
    async fn many_come_at_once_and_long_ones_are_none() {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        let client = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        for number in 0..5_u8 {
            client.send_to(&vec![number; if number == 3 { LARGEST + 1 } else { 10 }], at).unwrap();
        }
        let (socket, mut batch) = (Datagrams::new(socket).unwrap(), Batch::new());
        socket.receive(&mut batch).await.unwrap();
        let lengths: Vec<usize> = (0..batch.len()).map(|number| batch.get(number).unwrap().0.len()).collect();
        assert_eq!(lengths, [10, 10, 10, 0, 10]);
        for number in 0..5 {
            let (message, way) = batch.get(number).map(|(message, way)| (message.to_vec(), way)).unwrap();
            batch.say(message, way);
        }
        socket.send(&mut batch);
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let mut room = [0; 16];
        for number in [0, 1, 2, 0, 4] {
            let length = client.recv(&mut room).unwrap();
            assert!(length == 0 || room[0] == number);
        }
    }
}
