//! The addresses of an upstream: which is tried first, and when they are looked up again. Pure: the time is given.
//!
//! What was known goes on being used when nobody knows better: a bootstrap server that is down takes no
//! encrypted upstream with it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses of a name that are kept and tried.
pub(crate) const MAX_ADDRESSES: usize = 8;
/// How long addresses are used until they are looked up again, whatever their time says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);
/// After how long they are looked up again if that failed.
const AGAIN: Duration = Duration::from_secs(10);

/// The addresses of one upstream, the one that worked last in front.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    addresses: Vec<IpAddr>,
    /// When they are looked up again; none before the first time.
    refresh: Option<Instant>,
}

/// What is to be done before an upstream can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// Its addresses are looked up again beside it.
    Refresh,
    /// Its addresses are not known.
    LookUp,
}

impl Known {
    /// One that is as it is written.
    pub(crate) fn written(address: IpAddr) -> Self {
        Self { addresses: vec![address], refresh: None }
    }

    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// What is to be done, for a name. Who is told to refresh does: nobody else is told for a while.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if self.addresses.is_empty() {
            return Due::LookUp;
        }
        if self.refresh.is_some_and(|at| now < at) {
            return Due::Nothing;
        }
        self.refresh = Some(now + AGAIN);
        Due::Refresh
    }

    /// They were looked up, and may be used for so many seconds. False if there are none.
    pub(crate) fn found(&mut self, sixes: &[IpAddr], fours: &[IpAddr], seconds: u32, now: Instant) -> bool {
        // In turns, so that a house without one of both soon comes to the other (RFC 8305 section 4).
        let longer = sixes.len().max(fours.len());
        let turns = (0..longer).flat_map(|at| [sixes.get(at), fours.get(at)]);
        let mut all: Vec<IpAddr> = turns.flatten().copied().take(MAX_ADDRESSES).collect();
        if all.is_empty() {
            self.refresh = Some(now + AGAIN);
            return false;
        }
        // The one that is used goes on being used if it is still there.
        let used = self.addresses.first().copied();
        if let Some(at) = all.iter().position(|one| Some(*one) == used) {
            to_front(&mut all, at);
        }
        self.addresses = all;
        self.refresh = Some(now + Duration::from_secs(u64::from(seconds)).clamp(SHORTEST, LONGEST));
        true
    }

    /// An address has worked: it is tried first from now on.
    pub(crate) fn prefer(&mut self, address: IpAddr) {
        if let Some(at) = self.addresses.iter().position(|one| *one == address) {
            to_front(&mut self.addresses, at);
        }
    }

    /// An address has not worked: if it is the first, the next one is from now on.
    pub(crate) fn avoid(&mut self, address: IpAddr) {
        if self.addresses.first() == Some(&address) {
            self.addresses.rotate_left(1);
        }
    }
}

fn to_front(addresses: &mut [IpAddr], at: usize) {
    if let Some(front) = addresses.get_mut(..=at) {
        front.rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn addresses() -> [IpAddr; 4] {
        ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap())
    }

    #[test]
    fn addresses_are_looked_up_again_by_one_and_kept_if_nobody_knows_them() {
        let ([a, b, ..], now) = (addresses(), Instant::now());
        let mut known = Known::default();
        assert_eq!(known.due(now), Due::LookUp);
        assert!(known.found(&[], &[a, b], 300, now));
        assert_eq!(known.due(now + 299 * SECOND), Due::Nothing);
        assert_eq!(known.due(now + 300 * SECOND), Due::Refresh);
        assert_eq!(known.due(now + 300 * SECOND), Due::Nothing, "somebody looks already");
        assert!(!known.found(&[], &[], u32::MAX, now + 305 * SECOND));
        assert_eq!(known.addresses(), [a, b]);
        assert_eq!(known.due(now + 314 * SECOND), Due::Nothing);
        assert_eq!(known.due(now + 315 * SECOND), Due::Refresh);
        assert!(known.found(&[], &[b], 0, now + 316 * SECOND));
        assert_eq!(known.due(now + 375 * SECOND), Due::Nothing, "a time of 0 is a minute");
        assert!(known.found(&[], &[b], u32::MAX, now + 400 * SECOND));
        assert_eq!(known.due(now + 4000 * SECOND), Due::Refresh, "and the longest an hour");
    }

    #[test]
    fn the_address_that_works_is_tried_first() {
        let ([a, b, c, d], now) = (addresses(), Instant::now());
        let mut known = Known::default();
        known.found(&[c, d], &[a, b], 300, now);
        assert_eq!(known.addresses(), [c, a, d, b], "both kinds in turns");
        known.prefer(d);
        assert_eq!(known.addresses(), [d, c, a, b]);
        known.avoid(a);
        known.found(&[c, d], &[a, b], 300, now);
        assert_eq!(known.addresses(), [d, c, a, b], "it goes on being used");
        known.avoid(d);
        assert_eq!(known.addresses(), [c, a, b, d]);
        known.found(&[c], &vec![a; 20], 300, now);
        assert_eq!(known.addresses().len(), MAX_ADDRESSES);
        let mut written = Known::written(a);
        written.avoid(a);
        assert_eq!(written.addresses(), [a]);
    }
}
