//! Checks the signatures of one set of records against the keys of one zone (RFC 4035 section 5.3), and those
//! keys against what the zone above says of them (section 5.2).

use std::borrow::Cow;

use aws_lc_rs::{digest, signature};

use super::records::{Ds, Key, Signature};
use super::wire::{IN, Set, kind};
use super::{Clock, Moment, Reason, name};

/// The most keys of a zone that are looked at. The root has three or four.
const MAX_KEYS: usize = 24;
/// The most digests of keys that a zone may have above.
const MAX_DS: usize = 16;
/// The most keys with the same number that are tried for a signature, and the most signatures of a set.
const MAX_SAME_TAG: usize = 4;
const MAX_SIGNATURES: usize = 8;
/// How far the clocks of signers and ours may be apart, in seconds.
const SKEW: i64 = 3600;

/// What judging one reply may cost, with all that has to be asked for it. A long chain of aliases through zones
/// that were never seen takes some forty signatures; one that is wrong is rare in an honest reply
/// (CVE-2023-50387, CVE-2023-50868).
#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) signatures: u16,
    pub(super) wrong: u16,
    pub(super) digests: u16,
    /// Rounds of SHA-1 for hashed names.
    pub(super) rounds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { signatures: 96, wrong: 8, digests: 64, rounds: 12_000 }
    }
}

impl Budget {
    fn signature(&mut self) -> Result<(), Reason> {
        self.signatures = self.signatures.checked_sub(1).ok_or(Reason::TooMuch)?;
        Ok(())
    }

    fn wrong(&mut self) -> Result<(), Reason> {
        self.wrong = self.wrong.checked_sub(1).ok_or(Reason::TooMuch)?;
        Ok(())
    }

    fn digest(&mut self) -> Result<(), Reason> {
        self.digests = self.digests.checked_sub(1).ok_or(Reason::TooMuch)?;
        Ok(())
    }
}

/// The keys that a zone signs with, proved to be its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) zone: Box<[u8]>,
    pub(super) keys: Vec<Key>,
}

/// A set whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    /// How many seconds it may be kept (RFC 4035 section 5.3.3).
    pub(super) seconds: u32,
    /// How many labels the name has that the wildcard stands under which the set was made from.
    pub(super) expanded: Option<usize>,
    /// When its signature's time begins, in seconds since 1970.
    pub(super) inception: i64,
}

/// Whether signatures of an algorithm can be checked (RFC 9904; those with SHA-1 are still about, RFC 9905).
pub(super) fn is_supported(algorithm: u8) -> bool {
    matches!(algorithm, 5 | 7 | 8 | 10 | 13 | 14 | 15)
}

fn digest_algorithm(digest_kind: u8) -> Option<&'static digest::Algorithm> {
    match digest_kind {
        1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        2 => Some(&digest::SHA256),
        4 => Some(&digest::SHA384),
        _ => None,
    }
}

/// Checks a set against the keys of the zone that has to have signed it.
pub(super) fn set(set: &Set, keys: &Keys, moment: Moment, budget: &mut Budget) -> Result<Verified, Reason> {
    let mut worst = Reason::SignatureMissing;
    let own = set.signatures.iter().filter(|signature| signature.signer == keys.zone);
    let mut sorted: Option<Vec<&[u8]>> = None;
    for signature in own.take(MAX_SIGNATURES) {
        if !is_supported(signature.algorithm) {
            continue;
        }
        let judged = dates(signature, moment);
        if let Err(reason) = judged {
            worst = reason;
            continue;
        }
        let Some(expanded) = expansion(set, signature) else {
            worst = Reason::WrongSignature;
            continue;
        };
        let same = |key: &&Key| key.tag == signature.tag && key.algorithm == signature.algorithm;
        let mut candidates = keys.keys.iter().filter(same).take(MAX_SAME_TAG).peekable();
        if candidates.peek().is_none() {
            worst = Reason::KeyMissing;
            continue;
        }
        let data = sorted.get_or_insert_with(|| in_order(set));
        let signed = signed_bytes(set, signature, expanded, data);
        for key in candidates {
            budget.signature()?;
            if is_right(key, &signed, &signature.value) {
                let left = judged.unwrap_or(0);
                let time = set.time.min(signature.original_time);
                let seconds = if moment.clock == Clock::Trusted { time.min(left) } else { time };
                let inception = date(signature.inception, moment.now);
                return Ok(Verified { seconds, expanded, inception });
            }
            budget.wrong()?;
            worst = Reason::WrongSignature;
        }
    }
    Err(worst)
}

/// A date of a signature, which is the nearest one to now that has these lower 32 bits (RFC 4034 section 3.1.5).
fn date(bits: u32, now: i64) -> i64 {
    let apart = bits.wrapping_sub(u32::try_from(now.rem_euclid(1 << 32)).unwrap_or(0));
    now + i64::from(apart.cast_signed())
}

/// How many seconds of a signature's time are left.
fn dates(signature: &Signature, moment: Moment) -> Result<u32, Reason> {
    let (begin, end) = (date(signature.inception, moment.now), date(signature.expiration, moment.now));
    if moment.clock == Clock::Unknown {
        return Ok(0);
    }
    if end.saturating_add(SKEW) < moment.now || end < begin {
        return Err(Reason::Expired);
    }
    if begin.saturating_sub(SKEW) > moment.now {
        return Err(Reason::NotYetValid);
    }
    Ok(u32::try_from(end - moment.now).unwrap_or(0))
}

/// How many labels the signed name has, if it is that of a wildcard and not the set's own (RFC 4035 section 5.3.2):
/// none within if it is the set's own, none at all if it can be neither.
#[expect(clippy::option_option, reason = "not a signature of this name; of the name itself; of a wildcard")]
fn expansion(set: &Set, signature: &Signature) -> Option<Option<usize>> {
    let own = name::count(&set.name) - usize::from(name::is_wildcard(&set.name));
    let zone = name::count(&signature.signer);
    match signature.labels {
        labels if labels == own => Some(None),
        labels if labels < own && labels >= zone => Some(Some(labels)),
        _ => None,
    }
}

/// The data of a set in its order, each once (RFC 4034 section 6.3).
fn in_order(set: &Set) -> Vec<&[u8]> {
    let mut data: Vec<&[u8]> = set.data.iter().map(|data| &**data).collect();
    data.sort_unstable();
    data.dedup();
    data
}

/// What was signed (RFC 4034 section 3.1.8.1).
fn signed_bytes(set: &Set, signature: &Signature, expanded: Option<usize>, data: &[&[u8]]) -> Vec<u8> {
    let owner = match expanded.and_then(|labels| name::upper(&set.name, labels)) {
        Some(above) => Cow::Owned(name::wildcard(above)),
        None => Cow::Borrowed(&*set.name),
    };
    let length: usize = data.iter().map(|data| data.len() + owner.len() + 10).sum();
    let mut signed = Vec::with_capacity(signature.signed.len() + length);
    signed.extend_from_slice(&signature.signed);
    for data in data {
        signed.extend_from_slice(&owner);
        signed.extend_from_slice(&set.kind.to_be_bytes());
        signed.extend_from_slice(&IN.to_be_bytes());
        signed.extend_from_slice(&signature.original_time.to_be_bytes());
        // The data of one record, whose length had two bytes; a name that was written out adds a few.
        signed.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        signed.extend_from_slice(data);
    }
    signed
}

/// Whether a signature is that of the key.
fn is_right(key: &Key, signed: &[u8], value: &[u8]) -> bool {
    use signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519,
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY as RSA_SHA1,
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RSA_SHA256,
        RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY as RSA_SHA512,
    };
    let rsa = |parameters: &'static signature::RsaParameters| {
        rsa_key(&key.public).is_some_and(|key| key.verify(parameters, signed, value).is_ok())
    };
    let plain = |algorithm: &'static dyn signature::VerificationAlgorithm, public: &[u8]| {
        signature::UnparsedPublicKey::new(algorithm, public).verify(signed, value).is_ok()
    };
    // RFC 6605 section 4: the point without the byte that says that it is not compressed.
    let point = || [&[4], &*key.public].concat();
    match key.algorithm {
        5 | 7 => rsa(&RSA_SHA1),
        8 => rsa(&RSA_SHA256),
        10 => rsa(&RSA_SHA512),
        13 => plain(&ECDSA_P256_SHA256_FIXED, &point()),
        14 => plain(&ECDSA_P384_SHA384_FIXED, &point()),
        15 => plain(&ED25519, &key.public),
        _ => false,
    }
}

/// The longest modulus and exponent of an RSA key, in bytes (RFC 3110 section 2: 4,096 bits; exponents are small
/// in practice, and checking takes longer the longer they are).
const MAX_MODULUS: usize = 512;
const MAX_EXPONENT: usize = 8;

/// A key for RSA (RFC 3110 section 2): the length of the exponent, the exponent, the modulus.
fn rsa_key(public: &[u8]) -> Option<signature::RsaPublicKeyComponents<&[u8]>> {
    let (length, rest) = match public {
        [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [length, rest @ ..] => (usize::from(*length), rest),
        [] => return None,
    };
    let (e, n) = rest.split_at_checked(length)?;
    let without_zeros = |number: &'_ [u8]| number.iter().take_while(|byte| **byte == 0).count();
    let (e, n) = (e.get(without_zeros(e)..)?, n.get(without_zeros(n)..)?);
    (e.len() <= MAX_EXPONENT && n.len() <= MAX_MODULUS).then_some(signature::RsaPublicKeyComponents { n, e })
}

/// What the zone above says of a zone's keys, as far as we understand it; or why we do not.
pub(super) fn usable(set: &Set) -> Result<Vec<Ds>, Reason> {
    let all: Vec<Ds> = set.data.iter().take(MAX_DS).filter_map(|data| Ds::read(data)).collect();
    let known: Vec<Ds> = all.into_iter().filter(|ds| is_supported(ds.algorithm)).collect();
    if known.is_empty() {
        return Err(Reason::UnsupportedAlgorithm);
    }
    let mut usable: Vec<Ds> =
        known.into_iter().filter(|ds| digest_algorithm(ds.digest_kind).is_some()).collect();
    // SHA-1 does not count where there is something better (RFC 4509 section 3).
    if usable.iter().any(|ds| ds.digest_kind != 1) {
        usable.retain(|ds| ds.digest_kind != 1);
    }
    if usable.is_empty() { Err(Reason::UnsupportedDigest) } else { Ok(usable) }
}

/// The keys of a zone, from its DNSKEY records and what the zone above, or an anchor, says of them (RFC 4035
/// section 5.2).
pub(super) fn keys(
    set_of_keys: &Set,
    above: &[Ds],
    moment: Moment,
    budget: &mut Budget,
) -> Result<(Keys, Verified), Reason> {
    debug_assert!(set_of_keys.kind == kind::DNSKEY, "keys are read from DNSKEY records");
    if set_of_keys.data.len() > MAX_KEYS {
        return Err(Reason::TooMuch);
    }
    let zone = &set_of_keys.name;
    let mut entries = Vec::new();
    let mut worst = Reason::KeyMissing;
    for data in &set_of_keys.data {
        let Some(key) = Key::read(data).filter(|key| !key.is_revoked()) else { continue };
        for ds in above.iter().filter(|ds| ds.tag == key.tag && ds.algorithm == key.algorithm) {
            let Some(algorithm) = digest_algorithm(ds.digest_kind) else { continue };
            budget.digest()?;
            let digest = digest::digest(algorithm, &[zone, &**data].concat());
            if digest.as_ref() != &*ds.digest {
                continue;
            }
            if !key.is_for_zones() {
                worst = Reason::NoZoneKey;
                continue;
            }
            entries.push(key.clone());
            break;
        }
    }
    if entries.is_empty() {
        return Err(worst);
    }
    let verified = set(set_of_keys, &Keys { zone: zone.clone(), keys: entries }, moment, budget)?;
    let all = set_of_keys.data.iter().filter_map(|data| Key::read(data));
    let usable = all.filter(|key| key.is_for_zones() && !key.is_revoked() && is_supported(key.algorithm));
    Ok((Keys { zone: zone.clone(), keys: usable.collect() }, verified))
}
