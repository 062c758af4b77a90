//! How much each client may ask: a bucket that fills again, for an address of IPv4 or a network of IPv6.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::connections::one_client;

/// In how many parts the buckets are, each with a lock of its own.
const SHARDS: usize = 8;
/// The most buckets of a part. If there are more, all begin anew: then every client may ask a little more.
const MOST: usize = 4096;

/// The buckets. Times are given in milliseconds since any moment that stays the same.
#[derive(Debug, Default)]
pub(crate) struct Limits([Mutex<HashMap<IpAddr, Bucket>>; SHARDS]);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In thousandths of a question.
    level: u64,
    at: u64,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is answered.
    Granted,
    /// It is one too many.
    TooMany,
}

impl Limits {
    /// A client asks something: it may ask so much a second, and as much again at once.
    pub(crate) fn ask(&self, client: IpAddr, per_second: u32, now: u64) -> Turn {
        let key = one_client(client);
        let number = match key {
            IpAddr::V4(four) => usize::from(four.octets()[3]),
            IpAddr::V6(six) => usize::from(six.octets()[7]),
        };
        let Some(shard) = self.0.get(number % SHARDS) else { return Turn::Granted };
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let most = u64::from(per_second) * 1000;
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            buckets.clear();
        }
        let bucket = buckets.entry(key).or_insert(Bucket { level: most, at: now });
        let more = now.saturating_sub(bucket.at).saturating_mul(u64::from(per_second));
        bucket.level = bucket.level.saturating_add(more).min(most);
        bucket.at = now;
        match bucket.level.checked_sub(1000) {
            Some(rest) => {
                bucket.level = rest;
                Turn::Granted
            }
            None => Turn::TooMany,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_ask_so_much_and_others_are_not_touched() {
        let limits = Limits::default();
        let ask = |client: &str, now| limits.ask(client.parse().unwrap(), 10, now);
        for _ in 0..10 {
            assert_eq!(ask("10.0.0.1", 0), Turn::Granted);
        }
        assert_eq!(ask("10.0.0.1", 0), Turn::TooMany);
        assert_eq!(ask("10.0.0.2", 0), Turn::Granted);
        assert_eq!(ask("10.0.0.1", 99), Turn::TooMany);
        assert_eq!(ask("10.0.0.1", 100), Turn::Granted);
        assert_eq!(ask("10.0.0.1", 100), Turn::TooMany);
        for _ in 0..10 {
            assert_eq!(ask("10.0.0.1", 60_000), Turn::Granted);
        }
        assert_eq!(ask("10.0.0.1", 60_000), Turn::TooMany, "no more is saved than for a second");
        for number in 0..10 {
            assert_eq!(ask(&format!("2001:db8::{number}"), 0), Turn::Granted);
        }
        assert_eq!(ask("2001:db8::ffff", 0), Turn::TooMany, "the same network");
        assert_eq!(ask("2001:db8:1::1", 0), Turn::Granted);
    }

    #[test]
    fn the_buckets_are_bounded() {
        let limits = Limits::default();
        for number in 0..100_000_u32 {
            limits.ask(std::net::Ipv4Addr::from(number).into(), 10, 0);
        }
        let counts: usize = limits.0.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(counts <= SHARDS * MOST);
    }
}
