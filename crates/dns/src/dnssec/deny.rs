//! What is proved not to be there: by the names between which there are none (NSEC, RFC 4035 section 5.4), or by
//! their hashes (NSEC3, RFC 5155 section 8).
//!
//! A record that was made from a wildcard proves nothing here (CVE-2017-15105), and one of another zone neither.

use std::cmp::Ordering;

use aws_lc_rs::digest;

use super::records::{HASH, Nsec, Nsec3, Types};
use super::verify::{self, Budget, Keys};
use super::wire::{Message, Section, kind};
use super::{Moment, Reason, name};

/// The most records that are looked at for a proof; three are enough for any.
const MAX_PROOFS: usize = 16;
/// More rounds of hashing than this are not followed, and the zone counts as not signed; with more than the
/// other one it counts as wrong (RFC 9276 section 3.2).
const MANY_ITERATIONS: u16 = 100;
const MAX_ITERATIONS: u16 = 500;

/// How something is proved not to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Whole,
    /// There may be a delegation that is not signed.
    OptOut,
    /// Not looked at: it takes too many rounds of hashing.
    Iterations,
}

/// What is at a name, seen from the zone that it would be delegated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// A delegation to a zone that is not signed.
    Unsigned,
    /// It lies in the same zone.
    SameZone,
    /// Neither it nor anything under it is there.
    Nothing,
    OptOut,
    Iterations,
}

/// The records of one zone that say what is not there, with signatures that are right.
#[derive(Debug)]
pub(super) struct Proofs<'m> {
    zone: Box<[u8]>,
    nsec: Vec<Nsec<'m>>,
    nsec3: Vec<Nsec3<'m>>,
    /// What is the matter with those that were left out, or that there are none.
    pub(super) otherwise: Reason,
    /// Until when the shortest signature is good, in seconds from now.
    pub(super) seconds: u32,
    hashes: Vec<(Vec<u8>, [u8; HASH])>,
}

impl<'m> Proofs<'m> {
    /// Those of a reply that the keys have signed.
    pub(super) fn of(message: &'m Message, keys: &Keys, moment: Moment, budget: &mut Budget) -> Self {
        let mut proofs = Self {
            zone: keys.zone.clone(),
            nsec: Vec::new(),
            nsec3: Vec::new(),
            otherwise: Reason::DenialMissing,
            seconds: u32::MAX,
            hashes: Vec::new(),
        };
        let sets = message
            .section(Section::Authority)
            .filter(|set| matches!(set.kind, kind::NSEC | kind::NSEC3) && name::is_in(&set.name, &keys.zone));
        for set in sets.take(MAX_PROOFS) {
            match verify::set(set, keys, moment, budget) {
                Ok(verified) if verified.expanded.is_none() => {
                    proofs.seconds = proofs.seconds.min(verified.seconds);
                    let data = set.data.iter();
                    if set.kind == kind::NSEC {
                        proofs.nsec.extend(data.filter_map(|data| Nsec::read(&set.name, data)));
                    } else {
                        let read = data.filter_map(|data| Nsec3::read(&set.name, data));
                        proofs.nsec3.extend(read.filter(|nsec3| *nsec3.zone == *keys.zone));
                    }
                }
                Ok(_) => {}
                Err(reason) => proofs.otherwise = reason,
            }
        }
        // One zone hashes in one way; others would only cost.
        if let Some((iterations, salt)) = proofs.nsec3.first().map(|first| (first.iterations, first.salt)) {
            proofs.nsec3.retain(|other| other.iterations == iterations && other.salt == salt);
        }
        proofs
    }

    /// That a name has no records of a type, though it may be there, or that a wildcard which it is made from
    /// has none.
    pub(super) fn no_data(&mut self, name: &[u8], kind: u16, budget: &mut Budget) -> Result<Proof, Reason> {
        if self.nsec_no_data(name, kind) {
            return Ok(Proof::Whole);
        }
        if let Some(iterations) = self.iterations()? {
            return Ok(iterations);
        }
        if let Some(own) = self.matching(name, budget)? {
            return if lacks(own.types, name, kind) { Ok(Proof::Whole) } else { Err(Reason::DenialMissing) };
        }
        let (encloser, opts_out) = self.encloser(name, budget)?;
        let wildcard = name::wildcard(encloser);
        match self.matching(&wildcard, budget)? {
            Some(wild) if lacks(wild.types, &wildcard, kind) && kind_is_of_zone(wild.types, kind) => {
                Ok(if opts_out { Proof::OptOut } else { Proof::Whole })
            }
            // Of a delegation that is not signed, or a name between it and the zone (RFC 5155 section 8.6 and
            // erratum 3441).
            None if opts_out => Ok(Proof::OptOut),
            _ => Err(self.otherwise),
        }
    }

    fn nsec_no_data(&self, name: &[u8], kind: u16) -> bool {
        let at = |owner: &[u8]| self.nsec.iter().find(|nsec| nsec.owner == owner);
        if let Some(own) = at(name) {
            return lacks(own.types, name, kind);
        }
        let Some(around) = self.nsec.iter().find(|nsec| covers(nsec, name)) else { return false };
        if name::is_under(&around.next, name) {
            return true;
        }
        let wildcard = name::wildcard(encloser_of(around, name));
        at(&wildcard)
            .is_some_and(|wild| lacks(wild.types, &wildcard, kind) && kind_is_of_zone(wild.types, kind))
    }

    /// That a name is not there, nor anything that it could be made from.
    pub(super) fn no_name(&mut self, name: &[u8], budget: &mut Budget) -> Result<Proof, Reason> {
        if self.nsec_no_name(name) {
            return Ok(Proof::Whole);
        }
        if let Some(iterations) = self.iterations()? {
            return Ok(iterations);
        }
        let (encloser, opts_out) = self.encloser(name, budget)?;
        let wildcard = name::wildcard(encloser);
        if self.covering(&wildcard, budget)?.is_none() {
            return Err(self.otherwise);
        }
        Ok(if opts_out { Proof::OptOut } else { Proof::Whole })
    }

    fn nsec_no_name(&self, name: &[u8]) -> bool {
        let says_so = |nsec: &&Nsec<'_>| nsec.owner == name && nsec.types.has(kind::NXNAME);
        if self.nsec.iter().any(|nsec| says_so(&nsec)) {
            return true;
        }
        let around = self.nsec.iter().find(|nsec| covers(nsec, name) && !name::is_under(&nsec.next, name));
        around.is_some_and(|around| {
            let wildcard = name::wildcard(encloser_of(around, name));
            self.nsec.iter().any(|nsec| covers(nsec, &wildcard) && !name::is_under(&nsec.next, &wildcard))
        })
    }

    /// That nothing is nearer to a name than the wildcard under its ancestor of so many labels, which records were
    /// made from (RFC 4035 section 5.3.4, RFC 5155 section 8.8).
    pub(super) fn no_closer(
        &mut self,
        name: &[u8],
        labels: usize,
        budget: &mut Budget,
    ) -> Result<Proof, Reason> {
        let Some(closer) = name::upper(name, labels + 1) else { return Err(Reason::DenialMissing) };
        let is_free = |nsec: &Nsec<'_>| {
            covers(nsec, name) && !name::is_in(nsec.owner, closer) && !name::is_in(&nsec.next, closer)
        };
        if self.nsec.iter().any(is_free) {
            return Ok(Proof::Whole);
        }
        if let Some(iterations) = self.iterations()? {
            return Ok(iterations);
        }
        match self.covering(closer, budget)? {
            Some(around) => Ok(if around.opts_out { Proof::OptOut } else { Proof::Whole }),
            None => Err(self.otherwise),
        }
    }

    /// What is at a name under the zone, if it has no DS records.
    pub(super) fn below(&mut self, name: &[u8], budget: &mut Budget) -> Result<Below, Reason> {
        if let Some(own) = self.nsec.iter().find(|nsec| nsec.owner == name) {
            return below(own.types);
        }
        if let Some(around) = self.nsec.iter().find(|nsec| covers(nsec, name)) {
            let is_between = name::is_under(&around.next, name);
            return Ok(if is_between { Below::SameZone } else { Below::Nothing });
        }
        if self.iterations()?.is_some() {
            return Ok(Below::Iterations);
        }
        if let Some(own) = self.matching(name, budget)? {
            return below(own.types);
        }
        let (_, opts_out) = self.encloser(name, budget)?;
        Ok(if opts_out { Below::OptOut } else { Below::Nothing })
    }

    /// Whether there is nothing to hash, or too much (RFC 9276 section 3.2).
    fn iterations(&self) -> Result<Option<Proof>, Reason> {
        match self.nsec3.first().map(|first| first.iterations) {
            None => Err(self.otherwise),
            Some(0..=MANY_ITERATIONS) => Ok(None),
            Some(..=MAX_ITERATIONS) => Ok(Some(Proof::Iterations)),
            Some(_) => Err(Reason::Iterations),
        }
    }

    /// The nearest ancestor of a name that is there, proved by the next nearer one not being there; and whether
    /// that leaves room for delegations (RFC 5155 section 8.3).
    fn encloser<'n>(&mut self, name: &'n [u8], budget: &mut Budget) -> Result<(&'n [u8], bool), Reason> {
        let zone = self.zone.clone();
        let mut closer = name;
        for above in name::ancestors(name).skip(1).take_while(|above| name::is_in(above, &zone)) {
            if let Some(own) = self.matching(above, budget)? {
                if is_delegation(own.types) || own.types.has(kind::DNAME) {
                    break;
                }
                let around = self.covering(closer, budget)?.ok_or(self.otherwise)?;
                return Ok((above, around.opts_out));
            }
            closer = above;
        }
        Err(self.otherwise)
    }

    fn matching(&mut self, name: &[u8], budget: &mut Budget) -> Result<Option<Nsec3<'m>>, Reason> {
        let hash = self.hash(name, budget)?;
        Ok(self.nsec3.iter().find(|nsec3| nsec3.hash == hash).cloned())
    }

    fn covering(&mut self, name: &[u8], budget: &mut Budget) -> Result<Option<Nsec3<'m>>, Reason> {
        let hash = self.hash(name, budget)?;
        let is_around = |nsec3: &&Nsec3<'_>| {
            let (behind, before) = (hash > nsec3.hash, hash < nsec3.next);
            if nsec3.hash < nsec3.next { behind && before } else { behind || before }
        };
        Ok(self.nsec3.iter().filter(|nsec3| nsec3.hash != hash).find(is_around).cloned())
    }

    /// The hash of a name (RFC 5155 section 5).
    fn hash(&mut self, name: &[u8], budget: &mut Budget) -> Result<[u8; HASH], Reason> {
        if let Some((_, hash)) = self.hashes.iter().find(|(hashed, _)| *hashed == *name) {
            return Ok(*hash);
        }
        let first = self.nsec3.first().ok_or(self.otherwise)?;
        let rounds = 1 + u32::from(first.iterations);
        budget.rounds = budget.rounds.checked_sub(rounds).ok_or(Reason::TooMuch)?;
        let mut hash = round(name, first.salt);
        for _ in 0..first.iterations {
            hash = round(&hash, first.salt);
        }
        self.hashes.push((name.to_vec(), hash));
        Ok(hash)
    }
}

fn round(bytes: &[u8], salt: &[u8]) -> [u8; HASH] {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(bytes);
    context.update(salt);
    context.finish().as_ref().try_into().unwrap_or([0; HASH])
}

/// The hash of a name, for tests that sign.
#[cfg(test)]
pub(super) fn hash_of(name: &[u8], salt: &[u8], iterations: u16) -> [u8; HASH] {
    (0..iterations).fold(round(name, salt), |hash, _| round(&hash, salt))
}

/// Whether the types are those of a delegation, seen from above (RFC 6840 section 4.1).
fn is_delegation(types: Types<'_>) -> bool {
    types.has(kind::NS) && !types.has(kind::SOA)
}

/// Whether a name with these types has none of the asked one, nor an alias. What the zone above says of a
/// delegation is true for DS only, and what the zone below says is not (RFC 4035 section 5.4, RFC 6840 section 4.4).
fn lacks(types: Types<'_>, name: &[u8], kind: u16) -> bool {
    let is_of_zone =
        if kind == kind::DS { !types.has(kind::SOA) || name == name::ROOT } else { !is_delegation(types) };
    is_of_zone && !types.has(kind) && !types.has(kind::CNAME)
}

/// Whether a wildcard with these types can say that there is no DS: not if it delegates.
fn kind_is_of_zone(types: Types<'_>, kind: u16) -> bool {
    kind != kind::DS || !types.has(kind::NS)
}

fn below(types: Types<'_>) -> Result<Below, Reason> {
    match (types.has(kind::NS), types.has(kind::DS) || types.has(kind::SOA)) {
        (_, true) => Err(Reason::DenialMissing),
        (true, false) => Ok(Below::Unsigned),
        (false, false) => Ok(Below::SameZone),
    }
}

/// Whether a name lies between the two of a record, and the record can say so: that of a delegation or an alias
/// of a whole tree says nothing about what lies under it (RFC 6840 section 4.1).
fn covers(nsec: &Nsec<'_>, name: &[u8]) -> bool {
    let is_cut = is_delegation(nsec.types) || nsec.types.has(kind::DNAME);
    if is_cut && name::is_under(name, nsec.owner) {
        return false;
    }
    let is_behind = name::compare(nsec.owner, name) == Ordering::Less;
    let is_before = name::compare(name, &nsec.next) == Ordering::Less;
    let is_last = name::compare(&nsec.next, nsec.owner) != Ordering::Greater;
    is_behind && (is_before || is_last)
}

/// The nearest ancestor of a name that is there, by a record around the name.
fn encloser_of<'n>(around: &Nsec<'_>, name: &'n [u8]) -> &'n [u8] {
    let (one, other) = (name::common(name, around.owner), name::common(name, &around.next));
    if one.len() > other.len() { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::name::name;

    #[test]
    fn names_are_hashed_as_the_standard_does() {
        // RFC 5155 appendix A: 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom is example, salt aabbccdd, 12 iterations.
        let hash = hash_of(&name("example"), &[0xaa, 0xbb, 0xcc, 0xdd], 12);
        assert_eq!(hash[..5], [0x06, 0x53, 0x68, 0xab, 0xee]);
    }

    #[test]
    fn a_name_lies_between_two() {
        let types = Types(&[0, 1, 0x40]);
        let nsec = |owner: &'static [u8], next: &str| Nsec { owner, next: name(next), types };
        let between = nsec(b"\x01b\x01z\0", "d.z");
        assert!(covers(&between, &name("c.z")) && covers(&between, &name("x.b.z")));
        for other in ["b.z", "d.z", "e.z", "a.z", "z"] {
            assert!(!covers(&between, &name(other)), "{other}");
        }
        let last = nsec(b"\x01b\x01z\0", "z");
        assert!(covers(&last, &name("c.z")) && !covers(&last, &name("a.z")));
        let cut = Nsec { types: Types(&[0, 1, 0x20]), ..between };
        assert!(covers(&cut, &name("c.z")) && !covers(&cut, &name("x.b.z")));
    }
}
