//! What the privileged helper may be asked, as lines of text: a closed set, compared and never interpreted.
//!
//! A [`Permit`] is what a plan needs privileges for; the list of them follows from the lab. A [`Request`] is what the
//! worker asks for. The helper carries one out if a permit of its list allows it, and knows no other reason.
//!
//! ```
//! use runtime::{Permit, Request};
//! let permits: Vec<Permit> = vec!["bind udp 10.10.50.53:53".parse().unwrap()];
//! let request: Request = "bind udp 10.10.50.53:53".parse().unwrap();
//! assert!(request.is_allowed(&permits));
//! assert!(!"bind tcp 10.10.50.53:53".parse::<Request>().unwrap().is_allowed(&permits));
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The longest line, in bytes; longer ones are none.
pub(crate) const MAX_LINE: usize = 256;
/// The lowest port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;

/// What carries messages to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl Transport {
    /// Its name in lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Something that a plan needs privileges for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permit {
    /// To listen at an address and a port; port 0 stands for any that needs no privilege.
    Bind(Transport, SocketAddr),
    /// To have an address that moves between machines. It is added to the interface that has `beside`, alone and without
    /// its network, so that it is never the one that other addresses hang on.
    Hold {
        /// The address.
        address: IpAddr,
        /// The machine's own address in the same network.
        beside: IpAddr,
    },
}

/// What the worker asks of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Give me a socket that listens there.
    Bind(Transport, SocketAddr),
    /// Add this address for two seconds, or for two more.
    Hold(IpAddr),
    /// Take this address away.
    Release(IpAddr),
    /// Forget which machine nearby has this address, so that it is asked anew.
    Forget(IpAddr),
    /// Read the lab again: what is permitted may have changed.
    Adopt,
    /// The worker is well. Said every second.
    Alive,
    /// The worker does what it is there for.
    Ready,
}

impl Request {
    /// Whether one of the permits allows it.
    pub fn is_allowed(&self, permits: &[Permit]) -> bool {
        self.permit(permits).is_some() || matches!(self, Self::Adopt | Self::Alive | Self::Ready)
    }

    /// The permit that allows it.
    pub fn permit<'p>(&self, permits: &'p [Permit]) -> Option<&'p Permit> {
        permits.iter().find(|permit| match (self, permit) {
            (Self::Bind(transport, at), Permit::Bind(kind, allowed)) => {
                let any_port = allowed.port() == 0 && (at.port() == 0 || at.port() >= UNPRIVILEGED);
                transport == kind && at.ip() == allowed.ip() && (any_port || at.port() == allowed.port())
            }
            (
                Self::Hold(asked) | Self::Release(asked) | Self::Forget(asked),
                Permit::Hold { address, .. },
            ) => asked == address,
            _ => false,
        })
    }
}

/// A line that is no permit, or no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this line means nothing here")]
pub struct Meaningless;

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(transport, at) => write!(f, "bind {} {at}", transport.word()),
            Self::Hold { address, beside } => write!(f, "hold {address} beside {beside}"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(transport, at) => write!(f, "bind {} {at}", transport.word()),
            Self::Hold(address) => write!(f, "hold {address}"),
            Self::Release(address) => write!(f, "release {address}"),
            Self::Forget(address) => write!(f, "forget {address}"),
            Self::Adopt => f.write_str("adopt"),
            Self::Alive => f.write_str("alive"),
            Self::Ready => f.write_str("ready"),
        }
    }
}

fn bind(transport: &str, at: &str) -> Result<(Transport, SocketAddr), Meaningless> {
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return Err(Meaningless),
    };
    Ok((transport, at.parse().map_err(|_| Meaningless)?))
}

fn words(line: &str) -> Result<Vec<&str>, Meaningless> {
    if line.len() > MAX_LINE { Err(Meaningless) } else { Ok(line.split(' ').collect()) }
}

impl FromStr for Permit {
    type Err = Meaningless;

    fn from_str(line: &str) -> Result<Self, Meaningless> {
        match words(line)?.as_slice() {
            ["bind", transport, at] => bind(transport, at).map(|(transport, at)| Self::Bind(transport, at)),
            ["hold", address, "beside", beside] => {
                let address: IpAddr = address.parse().map_err(|_| Meaningless)?;
                let beside: IpAddr = beside.parse().map_err(|_| Meaningless)?;
                if beside.is_ipv4() != address.is_ipv4() {
                    return Err(Meaningless);
                }
                Ok(Self::Hold { address, beside })
            }
            _ => Err(Meaningless),
        }
    }
}

impl FromStr for Request {
    type Err = Meaningless;

    fn from_str(line: &str) -> Result<Self, Meaningless> {
        match words(line)?.as_slice() {
            ["bind", transport, at] => bind(transport, at).map(|(transport, at)| Self::Bind(transport, at)),
            ["hold", address] => address.parse().map(Self::Hold).map_err(|_| Meaningless),
            ["release", address] => address.parse().map(Self::Release).map_err(|_| Meaningless),
            ["forget", address] => address.parse().map(Self::Forget).map_err(|_| Meaningless),
            ["adopt"] => Ok(Self::Adopt),
            ["alive"] => Ok(Self::Alive),
            ["ready"] => Ok(Self::Ready),
            _ => Err(Meaningless),
        }
    }
}

/// What the helper says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done; a socket that was asked for comes with it.
    Done,
    /// No permit allows it.
    Refused,
    /// The system said no: the number of its error.
    Failed(i32),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused => f.write_str("refused"),
            Self::Failed(number) => write!(f, "failed {number}"),
        }
    }
}

impl FromStr for Answer {
    type Err = Meaningless;

    fn from_str(line: &str) -> Result<Self, Meaningless> {
        match words(line)?.as_slice() {
            ["done"] => Ok(Self::Done),
            ["refused"] => Ok(Self::Refused),
            ["failed", number] => number.parse().map(Self::Failed).map_err(|_| Meaningless),
            _ => Err(Meaningless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
    }

    fn transports() -> impl Strategy<Value = Transport> {
        prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)]
    }

    fn requests() -> impl Strategy<Value = Request> {
        prop_oneof![
            (transports(), addresses(), any::<u16>())
                .prop_map(|(transport, ip, port)| Request::Bind(transport, SocketAddr::new(ip, port))),
            addresses().prop_map(Request::Hold),
            addresses().prop_map(Request::Release),
            addresses().prop_map(Request::Forget),
            Just(Request::Adopt),
            Just(Request::Alive),
            Just(Request::Ready),
        ]
    }

    fn permits() -> impl Strategy<Value = Permit> {
        prop_oneof![
            (transports(), addresses(), any::<u16>())
                .prop_map(|(transport, ip, port)| Permit::Bind(transport, SocketAddr::new(ip, port))),
            (any::<[u8; 4]>(), any::<[u8; 4]>())
                .prop_map(|(a, b)| Permit::Hold { address: a.into(), beside: b.into() }),
        ]
    }

    proptest! {
        #[test]
        fn lines_are_read_as_they_were_written(request in requests(), permit in permits()) {
            prop_assert_eq!(request.to_string().parse::<Request>().unwrap(), request);
            prop_assert_eq!(permit.to_string().parse::<Permit>().unwrap(), permit);
        }

        /// Whatever is on the list, a request that changes anything is allowed only if its own line is there, or
        /// that of its address with any port.
        #[test]
        fn what_is_not_on_the_list_is_refused(request in requests(), list in proptest::collection::vec(permits(), 0..8)) {
            let stands = list.iter().any(|permit| match (&request, permit) {
                (Request::Bind(transport, at), Permit::Bind(kind, allowed)) if transport == kind => {
                    at == allowed || (at.ip() == allowed.ip() && allowed.port() == 0 && at.port() >= 1024)
                }
                (
                    Request::Hold(asked) | Request::Release(asked) | Request::Forget(asked),
                    Permit::Hold { address, .. },
                ) => asked == address,
                _ => false,
            });
            let harmless = matches!(request, Request::Adopt | Request::Alive | Request::Ready);
            prop_assert_eq!(request.is_allowed(&list), stands || harmless);
        }

        #[test]
        fn any_line_is_read_or_refused(line in ".{0,300}") {
            let _ = (line.parse::<Request>(), line.parse::<Permit>(), line.parse::<Answer>());
        }
    }

    #[test]
    fn lines_that_nearly_mean_something_mean_nothing() {
        for line in [
            "",
            "bind",
            "bind udp",
            "bind sctp 1.2.3.4:5",
            "bind udp 1.2.3.4",
            "bind  udp 1.2.3.4:5",
            "adopt ",
            "hold 1.2.3.4/24",
            "ALIVE",
            "bind udp 1.2.3.4:53\nadopt",
        ] {
            assert_eq!(line.parse::<Request>(), Err(Meaningless), "{line:?}");
        }
        for line in ["hold 1.2.3.4/24 beside 1.2.3.5", "hold 1.2.3.4 beside fd00::1", "hold 1.2.3.4"] {
            assert_eq!(line.parse::<Permit>(), Err(Meaningless), "{line:?}");
        }
    }
}
