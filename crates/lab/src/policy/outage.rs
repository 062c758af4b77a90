//! Whether sites keep a way to each other when tunnels are down.
//!
//! Who takes a way away from two sites takes a tunnel of every way that is short enough, so of the shortest one too:
//! only its tunnels are tried, then those of the shortest way that is left. The sets of all tunnels are too many
//! to try where each site has a tunnel to each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most outages that are told of one sentence.
pub(crate) const MAX_OUTAGES: usize = 100;

/// A tunnel between two sites.
pub(super) struct Way<'l> {
    pub(super) tunnel: &'l str,
    pub(super) ends: [&'l str; 2],
}

/// Two sites that tunnels part when they are down.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outage<'l> {
    /// The fewest tunnels that do.
    pub(super) down: Vec<&'l str>,
    pub(super) from: &'l str,
    pub(super) to: &'l str,
    /// How many tunnels the shortest way crosses that is left; none if there is no way.
    pub(super) hops: Option<usize>,
}

/// The outages of up to `down` tunnels that leave two sites without a way of at most `within` tunnels: for each two
/// sites those of the fewest tunnels.
pub(super) fn outages<'l>(
    sites: &BTreeSet<&'l str>,
    tunnels: &[Way<'l>],
    down: usize,
    within: Option<usize>,
) -> Vec<Outage<'l>> {
    let net = Net::of(tunnels);
    let mut found = BTreeSet::new();
    for (at, from) in sites.iter().enumerate() {
        for to in sites.iter().skip(at + 1) {
            for size in 0..=down {
                let before = found.len();
                net.part(from, to, within, size, &mut Vec::new(), &mut found);
                if found.len() > before {
                    break;
                }
            }
            if found.len() >= MAX_OUTAGES {
                return found.into_iter().collect();
            }
        }
    }
    found.into_iter().collect()
}

/// The tunnels at each site, and where they lead.
struct Net<'l>(BTreeMap<&'l str, Vec<(&'l str, &'l str)>>);

impl<'l> Net<'l> {
    fn of(tunnels: &[Way<'l>]) -> Self {
        let mut net: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for Way { tunnel, ends: [one, other] } in tunnels {
            net.entry(one).or_default().push((tunnel, other));
            net.entry(other).or_default().push((tunnel, one));
        }
        Self(net)
    }

    /// Finds the sets of exactly `more` tunnels beside those that are `down` already after which there is no way.
    fn part(
        &self,
        from: &'l str,
        to: &'l str,
        within: Option<usize>,
        more: usize,
        down: &mut Vec<&'l str>,
        found: &mut BTreeSet<Outage<'l>>,
    ) {
        let way = self.shortest(from, to, down);
        let is_short = |way: &Vec<&str>| within.is_none_or(|within| way.len() <= within);
        let Some(way) = way.as_ref().filter(|way| is_short(way)) else {
            let mut down = down.clone();
            down.sort_unstable();
            found.insert(Outage { down, from, to, hops: way.map(|way| way.len()) });
            return;
        };
        if more == 0 {
            return;
        }
        for tunnel in way {
            if found.len() >= MAX_OUTAGES {
                return;
            }
            down.push(tunnel);
            self.part(from, to, within, more - 1, down, found);
            down.pop();
        }
    }

    /// The tunnels of the shortest way that crosses none of those that are down.
    fn shortest(&self, from: &'l str, to: &'l str, down: &[&str]) -> Option<Vec<&'l str>> {
        let mut came: BTreeMap<&str, Option<(&str, &str)>> = BTreeMap::from([(from, None)]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                break;
            }
            for (tunnel, next) in self.0.get(at).into_iter().flatten() {
                if !down.contains(tunnel) && !came.contains_key(next) {
                    came.insert(next, Some((tunnel, at)));
                    queue.push_back(next);
                }
            }
        }
        let mut way = Vec::new();
        let mut at = to;
        while let Some((tunnel, before)) = came.get(at)? {
            way.push(*tunnel);
            at = before;
        }
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        tunnels: &[(&'static str, &'static str, &'static str)],
        down: usize,
        within: Option<usize>,
    ) -> Vec<String> {
        let ways: Vec<Way<'_>> =
            tunnels.iter().map(|(tunnel, one, other)| Way { tunnel, ends: [one, other] }).collect();
        let sites = tunnels.iter().flat_map(|(_, one, other)| [*one, *other]).collect();
        let told = |outage: &Outage<'_>| {
            format!("{} {}-{} {:?}", outage.down.join("+"), outage.from, outage.to, outage.hops)
        };
        outages(&sites, &ways, down, within).iter().map(told).collect()
    }

    #[test]
    fn the_fewest_tunnels_that_part_two_sites() {
        let ring = [("t1", "a", "b"), ("t2", "b", "c"), ("t3", "c", "a")];
        assert!(check(&ring, 1, Some(2)).is_empty());
        assert_eq!(check(&ring, 1, Some(1)), ["t1 a-b Some(2)", "t2 b-c Some(2)", "t3 a-c Some(2)"]);
        assert_eq!(check(&ring, 2, None).len(), 6);
        assert!(check(&ring, 2, None).contains(&"t1+t3 a-b None".to_owned()));
        let twice = [("t1", "a", "b"), ("t2", "a", "b")];
        assert!(check(&twice, 1, None).is_empty());
        assert_eq!(check(&twice, 3, None), ["t1+t2 a-b None"]);
        let apart = [("t1", "a", "b"), ("t2", "c", "d")];
        assert_eq!(check(&apart, 1, None).iter().filter(|told| told.starts_with(' ')).count(), 4);
    }

    /// Small nets of all kinds, against all sets of tunnels.
    #[test]
    fn nothing_is_missed() {
        const NAMES: [&str; 8] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];
        const SITES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut seed: u32 = 1;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(seed >> 16).unwrap() % below
        };
        for _ in 0..300 {
            let count = 1 + random(NAMES.len());
            let way = |tunnel: &&'static str| Way { tunnel, ends: [SITES[random(5)], SITES[random(5)]] };
            let ways: Vec<Way<'_>> = NAMES.iter().take(count).map(way).collect();
            let (down, within) = (1 + random(3), Some(random(4)).filter(|within| *within > 0));
            let sites = BTreeSet::from(SITES);
            let net = Net::of(&ways);
            let found = outages(&sites, &ways, down, within);
            for (at, from) in SITES.iter().enumerate() {
                for to in SITES.iter().skip(at + 1) {
                    let sets =
                        (0..1_u32 << count).filter(|set| set.count_ones() as usize <= down).map(|set| {
                            NAMES
                                .iter()
                                .enumerate()
                                .filter(|(bit, _)| set >> bit & 1 == 1)
                                .map(|(_, name)| *name)
                                .collect()
                        });
                    let parts = |set: &Vec<&'static str>| {
                        let way = net.shortest(from, to, set);
                        way.is_none_or(|way| within.is_some_and(|within| way.len() > within))
                    };
                    let mut sets: Vec<Vec<&str>> = sets.filter(parts).collect();
                    let fewest = sets.iter().map(Vec::len).min();
                    sets.retain(|set| Some(set.len()) == fewest);
                    sets.sort();
                    let own = found.iter().filter(|outage| outage.from == *from && outage.to == *to);
                    let own: Vec<Vec<&str>> = own.map(|outage| outage.down.clone()).collect();
                    assert!(own == sets || found.len() >= MAX_OUTAGES, "{from}-{to}: {own:?}, not {sets:?}");
                }
            }
        }
    }
}
