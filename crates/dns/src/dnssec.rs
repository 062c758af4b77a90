//! DNSSEC: whether what an upstream says is what the owner of the name has signed (RFC 4033 to 4035, 5155, 6840).
//!
//! The rooms: `wire` reads a reply as sets of records in the form in which they are signed, `records` the
//! records of DNSSEC, `verify` checks one set against the keys of one zone, `deny` what is proved not to be there,
//! `chain` walks from a trust anchor down to the zone of a name, `judge` puts that together for one reply, `cache`
//! remembers the zones, `strip` takes out what clients did not ask for, and `run` asks.
//!
//! Never asks for the time, never believes a signature of a zone about names outside it, and never does
//! more for one reply than [`Validator::validate`] says, whatever the reply has in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

mod cache;
mod chain;
mod deny;
mod judge;
mod name;
mod reason;
mod records;
mod run;
mod strip;
#[cfg(test)]
mod tests;
mod verify;
mod wire;

use cache::Cache;
use records::Ds;

pub use reason::{Reason, Why};
pub use strip::{Unstrippable, strip};
pub use wire::has_signatures;

/// What is believed without proof, and what is not looked at.
#[derive(Clone, Debug)]
pub struct Config {
    /// The keys that chains of trust begin with. A name is under the longest one.
    pub anchors: Vec<Anchor>,
    /// Names that are not validated, from there down (RFC 7646), in wire form and lower case. One that lies under
    /// an anchor is stronger than that, and the other way round.
    pub insecure: Vec<Box<[u8]>>,
    /// How many bytes of zones are remembered.
    pub cache_bytes: usize,
}

impl Default for Config {
    /// The keys of the root, nothing that is not validated, and 2 MiB, which are about 6,000 zones.
    fn default() -> Self {
        Self { anchors: Anchor::root().into(), insecure: Vec::new(), cache_bytes: 2 * 1024 * 1024 }
    }
}

/// A key that is believed: the digest of the DNSKEY of a zone, as a DS record has it (RFC 4034 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The zone, in wire form and lower case.
    pub zone: Box<[u8]>,
    /// The key's number.
    pub tag: u16,
    /// The algorithm of the key, by its number.
    pub algorithm: u8,
    /// The kind of the digest, by its number.
    pub digest_kind: u8,
    /// The digest.
    pub digest: Box<[u8]>,
}

/// The keys of the root that IANA publishes: that of 2017, and that of 2024 which takes over from it
/// (<https://data.iana.org/root-anchors/root-anchors.xml>).
const ROOT_KEYS: [(u16, &str); 2] = [
    (20326, "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"),
    (38696, "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"),
];

impl Anchor {
    /// The keys of the root: RSA with SHA-256, named by their SHA-256.
    pub fn root() -> [Self; 2] {
        ROOT_KEYS.map(|(tag, digest)| Self {
            zone: name::ROOT.into(),
            tag,
            algorithm: 8,
            digest_kind: 2,
            digest: from_hex(digest).unwrap_or_default(),
        })
    }

    fn ds(&self) -> Ds {
        let Self { tag, algorithm, digest_kind, ref digest, .. } = *self;
        Ds { tag, algorithm, digest_kind, digest: digest.clone() }
    }
}

fn from_hex(text: &str) -> Option<Box<[u8]>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte << 4 | digit)).ok())
        .collect()
}

/// Whether the time of the machine can be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Signatures are judged by their dates.
    Trusted,
    /// They are not: a machine that booted without a clock needs names to find out what time it is. What is
    /// right but for its dates is [`Judgement::Untimed`], never secure.
    Unknown,
}

/// What a reply comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Everything that answers the question is signed, or signed not to be there: the AD bit may be set
    /// (RFC 4035 section 3.2.3).
    Secure {
        /// How many seconds it may be kept at most: until the first signature ends (RFC 4035 section 5.3.3).
        seconds: u32,
    },
    /// A part of it lies where nobody signs, or by ways that we do not understand, which is proved: it is passed
    /// on without the AD bit. The reason is there to be shown.
    Insecure(Why),
    /// Everything is signed, but the time is not known, so the dates of signatures were not looked at: it is
    /// passed on without the AD bit, and is best kept for a short time only.
    Untimed,
    /// The answer can not be signed, as those to questions for RRSIG: it is passed on without the AD bit.
    Unsignable,
    /// It should be signed and is not, or wrongly: the client gets SERVFAIL and the reason (RFC 4035 section 5.5).
    Bogus(Why),
    /// It can not be told, as somebody did not answer, or it would take too much: SERVFAIL as well, but it may
    /// be otherwise with the next question.
    Indeterminate(Why),
}

impl Judgement {
    /// Whether the AD bit may be set in the reply.
    pub fn is_authentic(&self) -> bool {
        matches!(self, Self::Secure { .. })
    }

    /// Whether a client may be told the reply.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Bogus(_) | Self::Indeterminate(_))
    }

    /// Why it is not secure.
    pub fn why(&self) -> Option<&Why> {
        match self {
            Self::Insecure(why) | Self::Bogus(why) | Self::Indeterminate(why) => Some(why),
            Self::Secure { .. } | Self::Untimed | Self::Unsignable => None,
        }
    }
}

/// The moment of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    /// Seconds since 1970.
    now: i64,
    clock: Clock,
}

/// Judges replies, and remembers the keys of zones. One is shared by all threads of a server.
#[derive(Debug)]
pub struct Validator {
    config: Config,
    cache: Mutex<Cache>,
}

impl Validator {
    /// With nothing remembered yet.
    pub fn new(config: Config) -> Self {
        let cache = Mutex::new(Cache::of(config.cache_bytes));
        Self { config, cache }
    }

    /// Forgets all zones, as after a change of upstreams: what one of them broke, another one may have right.
    pub fn forget(&self) {
        *self.cache() = Cache::of(self.config.cache_bytes);
    }

    /// How many zones, delegations and names without are remembered, and how many bytes that takes.
    pub fn remembered(&self) -> (usize, usize) {
        self.cache().size()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is believed of the zone of the anchor that a name is under; none if the name is not validated.
    fn anchor(&self, owner: &[u8]) -> Option<(&[u8], Vec<Ds>)> {
        let anchors = self.config.anchors.iter().filter(|anchor| name::is_in(owner, &anchor.zone));
        let zone = &*anchors.max_by_key(|anchor| anchor.zone.len())?.zone;
        let insecure = self.config.insecure.iter().filter(|insecure| name::is_in(owner, insecure));
        if insecure.map(|insecure| insecure.len()).max().is_some_and(|length| length >= zone.len()) {
            return None;
        }
        let keys = self.config.anchors.iter().filter(|anchor| *anchor.zone == *zone).map(Anchor::ds);
        Some((zone, keys.collect()))
    }
}
