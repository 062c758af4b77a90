//! What is decided about connections: who may have one, when one has been quiet for too long, and where in what has
//! come a question ends (RFC 7766).
//!
//! A new connection is never refused: if there is no place left, another one is closed for it. Which, is decided so that
//! whoever opens many closes their own: one client's flood does not lock out another.
//!
//! Nothing here waits or asks for the time: `run/connections` does.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::wire::carried::{Wants, dress, life};

/// The longest message (RFC 1035 section 4.2.2: its length has two bytes).
pub const MAX_MESSAGE: usize = 65_535;
/// The most questions of one connection that are answered at once; more are not read meanwhile.
pub const MAX_ANSWERING: usize = 32;
/// What a message's length takes in front of it.
const PREFIX: usize = 2;
/// How long a message may take from its first byte to its last.
pub const MESSAGE_WHOLE: Duration = Duration::from_secs(5);
/// How long a quiet connection is kept while there are places. RFC 7766 section 6.2.3: some seconds.
const IDLE_PLAIN: Duration = Duration::from_secs(10);
/// The same where opening one costs a handshake (RFC 7858 section 3.4).
const IDLE_SECURED: Duration = Duration::from_secs(30);
/// How long it is kept when there are none.
const IDLE_FULL: Duration = Duration::from_secs(1);

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// A plain connection (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

/// Where a question came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The other end.
    pub client: SocketAddr,
    /// The address that was asked.
    pub local: SocketAddr,
    /// The name that the client gave itself, see [`client_id`].
    pub id: Option<Arc<str>>,
    /// How it came.
    pub over: Over,
}

/// The name that a client gives itself: a label before the server's name, or the end of the path of DNS over HTTPS.
/// 1 to 63 letters of ASCII, digits and hyphens, and no hyphen at an end; in lower case from here on. None if it is none.
pub fn client_id(text: &str) -> Option<Arc<str>> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_id = (1..=63).contains(&text.len())
        && text.bytes().all(is_fine)
        && !text.starts_with('-')
        && !text.ends_with('-');
    is_id.then(|| text.to_ascii_lowercase().into())
}

/// The client's name in a server name that it asked for in a handshake: `phone` in `phone.dns.lab.example.net` where the
/// server is called `dns.lab.example.net`. None if there is none, or one that is no client's name.
pub fn client_id_in<'n>(asked: &str, own: impl IntoIterator<Item = &'n str>) -> Option<Arc<str>> {
    let (label, rest) = asked.trim_end_matches('.').split_once('.')?;
    own.into_iter().any(|name| name.eq_ignore_ascii_case(rest)).then(|| client_id(label)).flatten()
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub all: usize,
    /// From one client: an address, or a network of 64 bits of IPv6.
    pub per_client: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { all: 256, per_client: 32 }
    }
}

/// Who is counted as one client: everything in an IPv6 network of 64 bits can be one device.
pub fn one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A connection's number, given once.
pub type Number = u64;

/// The connections that there are.
#[derive(Debug, Default)]
pub struct Table {
    limits: Limits,
    next: Number,
    places: BTreeMap<Number, Place>,
    clients: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Place {
    client: IpAddr,
    does: Does,
    /// When something last came or went.
    since: Instant,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// Nothing: no question of it waits for an answer.
    Idle,
    /// A question of it is being answered.
    Work,
}

/// A connection has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its number.
    pub number: Number,
    /// The one that has to be closed for it. It has no place any more.
    pub closes: Option<Number>,
}

impl Table {
    /// With so many places.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A connection comes. If its client has as many as it may, the one of them that has been quiet for the longest is
    /// closed; if there are too many in all, that of the client that has the most.
    pub fn enter(&mut self, address: IpAddr, now: Instant) -> Entered {
        let client = one_client(address);
        let own = self.clients.get(&client).copied().unwrap_or(0);
        let closes = if own >= self.limits.per_client.max(1) {
            self.quietest(|place| place.client == client)
        } else if self.places.len() >= self.limits.all.max(1) {
            let most = self.clients.values().copied().max().unwrap_or(0);
            self.quietest(|place| self.clients.get(&place.client) == Some(&most))
        } else {
            None
        };
        if let Some(number) = closes {
            self.leave(number);
        }
        let number = self.next;
        self.next += 1;
        self.places.insert(number, Place { client, does: Does::Idle, since: now });
        *self.clients.entry(client).or_default() += 1;
        Entered { number, closes }
    }

    fn quietest(&self, of: impl Fn(&Place) -> bool) -> Option<Number> {
        let some = self.places.iter().filter(|(_, place)| of(place));
        some.min_by_key(|(_, place)| (place.does, place.since)).map(|(number, _)| *number)
    }

    /// Something came or went on a connection.
    pub fn stirs(&mut self, number: Number, does: Does, now: Instant) {
        if let Some(place) = self.places.get_mut(&number) {
            (place.does, place.since) = (does, now);
        }
    }

    /// A connection has ended.
    pub fn leave(&mut self, number: Number) {
        let Some(place) = self.places.remove(&number) else { return };
        if let Some(count) = self.clients.get_mut(&place.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&place.client);
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// How long a connection may be quiet now: shorter the fewer places are left, from half of them on.
    pub fn idle_time(&self, over: Over) -> Duration {
        let long = if over == Over::Tcp { IDLE_PLAIN } else { IDLE_SECURED };
        let most = u32::try_from(self.limits.all.max(1)).unwrap_or(u32::MAX);
        let left = most.saturating_sub(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let half = (most / 2).max(1);
        (long * left.min(half) / half).max(IDLE_FULL)
    }
}

/// When a connection has to be closed, if nothing comes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    quiet: Instant,
    begun: Option<Instant>,
}

impl Pace {
    /// Of a connection that is opened.
    pub fn opened(now: Instant) -> Self {
        Self { quiet: now, begun: None }
    }

    /// Bytes have come, and been taken where they made a whole message; of the next one, there is the beginning or nothing.
    pub fn heard(&mut self, messages: usize, rest: usize, now: Instant) {
        if rest == 0 {
            self.begun = None;
        } else if messages > 0 || self.begun.is_none() {
            self.begun = Some(now);
        }
        if messages > 0 {
            self.quiet = now;
        }
    }

    /// An answer has gone.
    pub fn said(&mut self, now: Instant) {
        self.quiet = now;
    }

    /// When it is over, if so many questions are being answered and this is how long it may be quiet; a message that has
    /// begun and does not end is waited for no longer than [`MESSAGE_WHOLE`], whatever else goes on.
    pub fn end(&self, answering: usize, idle: Duration) -> Option<Instant> {
        let whole = self.begun.map(|begun| begun + MESSAGE_WHOLE);
        let quiet = (answering == 0 && self.begun.is_none()).then(|| self.quiet + idle);
        whole.or(quiet)
    }
}

/// Messages with their length in front (RFC 1035 section 4.2.2), as bytes come in.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    taken: usize,
}

/// What there is to take.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Vec<u8>),
    /// Nothing whole yet.
    More,
    /// A message of no bytes, which no client means.
    Empty,
}

impl Frames {
    /// How much is read at once, in bytes.
    const CHUNK: usize = 4096;

    /// Where to put what comes: at the end, where there is room for some more.
    pub fn space(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken.min(self.bytes.len()));
        self.taken = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > Self::CHUNK {
            self.bytes = Vec::new();
        }
        self.bytes.reserve(Self::CHUNK);
        &mut self.bytes
    }

    /// How many bytes have come and not been taken.
    pub fn rest(&self) -> usize {
        self.bytes.len().saturating_sub(self.taken)
    }

    /// Takes the next message.
    pub fn take(&mut self) -> Frame {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((&[high, low], rest)) = rest.split_first_chunk::<PREFIX>() else { return Frame::More };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 {
            return Frame::Empty;
        }
        let Some(message) = rest.get(..length) else { return Frame::More };
        let message = message.to_vec();
        self.taken += PREFIX + length;
        Frame::Message(message)
    }
}

/// Puts a message behind others that go out together. One that is too long for its length is left out: no answer is.
pub fn put(out: &mut Vec<u8>, message: &[u8]) {
    if let Ok(length) = u16::try_from(message.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_id_is_a_label_and_in_lower_case() {
        assert_eq!(client_id("Phone-2").as_deref(), Some("phone-2"));
        for wrong in ["", "a.b", "a_b", "-a", "a-", "ä", "a/b", &"a".repeat(64)] {
            assert_eq!(client_id(wrong), None, "{wrong}");
        }
        assert_eq!(client_id(&"a".repeat(63)).map(|id| id.len()), Some(63));
    }

    #[test]
    fn the_label_before_the_servers_name_is_the_clients() {
        let own = ["dns.lab.example.net", "naxos.lab.example.net"];
        let id = |asked: &str| client_id_in(asked, own);
        assert_eq!(id("Phone.DNS.lab.example.net.").as_deref(), Some("phone"));
        assert_eq!(id("tv.naxos.lab.example.net").as_deref(), Some("tv"));
        for none in [
            "dns.lab.example.net",
            "a.b.dns.lab.example.net",
            "phone.lab.example.net",
            "a_b.dns.lab.example.net",
            "dns",
        ] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(one_client(address("2001:db8::1")), one_client(address("2001:db8::ffff:1")));
        assert_ne!(one_client(address("2001:db8::1")), one_client(address("2001:db8:0:1::1")));
        assert_eq!(one_client(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn a_client_with_too_many_closes_its_own_quietest() {
        let mut table = Table::new(Limits { all: 10, per_client: 2 });
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let other = table.enter(address("10.0.0.9"), at(0));
        let first = table.enter(address("10.0.0.1"), at(1));
        let second = table.enter(address("10.0.0.1"), at(2));
        assert_eq!((first.closes, second.closes), (None, None));
        table.stirs(first.number, Does::Idle, at(3));
        assert_eq!(table.enter(address("10.0.0.1"), at(4)).closes, Some(second.number));
        table.stirs(first.number, Does::Work, at(4));
        let third = table.enter(address("10.0.0.1"), at(5));
        assert_ne!(third.closes, Some(first.number), "one that works is closed last");
        assert_eq!(table.count(), 3);
        table.leave(other.number);
        table.leave(other.number);
        assert_eq!(table.count(), 2);
    }

    #[test]
    fn a_flood_from_some_does_not_close_the_only_one_of_another() {
        let mut table = Table::new(Limits { all: 8, per_client: 4 });
        let now = Instant::now();
        let quiet = table.enter(address("10.0.0.9"), now);
        for turn in 0_u32..100 {
            let later = now + Duration::from_secs(1 + u64::from(turn));
            let client = if turn % 2 == 0 { "10.0.0.1" } else { "10.0.0.2" };
            let entered = table.enter(address(client), later);
            assert_ne!(entered.closes, Some(quiet.number));
            assert!(table.count() <= 8);
        }
    }

    #[test]
    fn the_fewer_places_are_left_the_shorter_quiet_is_borne() {
        let mut table = Table::new(Limits { all: 8, per_client: 8 });
        let now = Instant::now();
        let mut times = vec![table.idle_time(Over::Tcp).as_millis()];
        for _ in 0..8 {
            table.enter(address("10.0.0.1"), now);
            times.push(table.idle_time(Over::Tcp).as_millis());
        }
        assert_eq!(times, [10_000, 10_000, 10_000, 10_000, 10_000, 7_500, 5_000, 2_500, 1_000]);
        assert_eq!(Table::default().idle_time(Over::Tls), IDLE_SECURED);
    }

    #[test]
    fn a_message_has_to_end_and_answers_may_be_waited_for() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let idle = Duration::from_secs(10);
        let mut pace = Pace::opened(start);
        assert_eq!(pace.end(0, idle), Some(at(10)));
        pace.heard(0, 1, at(2));
        pace.heard(0, 2, at(4));
        assert_eq!(pace.end(0, idle), Some(at(7)), "drops of a message do not make it last longer");
        assert_eq!(pace.end(3, idle), Some(at(7)), "not even while others are answered");
        pace.heard(1, 0, at(5));
        assert_eq!(pace.end(1, idle), None);
        pace.said(at(9));
        assert_eq!(pace.end(0, idle), Some(at(19)));
        pace.heard(1, 5, at(11));
        assert_eq!(pace.end(0, idle), Some(at(16)), "the next has its own time");
    }

    #[test]
    fn a_message_without_bytes_is_told_apart_from_one_that_has_not_come() {
        let mut frames = Frames::default();
        frames.space().extend_from_slice(&[0, 1, 7, 0, 0, 9]);
        assert_eq!(frames.take(), Frame::Message(vec![7]));
        assert_eq!(frames.take(), Frame::Empty);
        let mut frames = Frames::default();
        frames.space().push(0);
        assert_eq!(frames.take(), Frame::More);
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..700), 0..8),
            cut in 1..600_usize,
        ) {
            let mut bytes = Vec::new();
            for message in &messages {
                put(&mut bytes, message);
            }
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                frames.space().extend_from_slice(piece);
                while let Frame::Message(message) = frames.take() {
                    out.push(message);
                }
            }
            prop_assert_eq!(frames.rest(), 0);
            prop_assert_eq!(out, messages);
        }
    }
}
