//! A signed hierarchy in memory: zones with keys of their own, and what a resolver says that has looked them up.
//!
//! It signs in its own way and shares no code with what is tested but the order of names and the hash of NSEC3, which
//! have vectors of their own; a real resolver checks it in `agrees_with_unbound`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};

use crate::dnssec::name::{self, name};
use crate::dnssec::wire::kind;
use crate::dnssec::{Anchor, deny};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const A: u16 = 1;
pub(super) const TXT: u16 = 16;

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    /// Signs with zeros.
    Fake,
}

pub(super) struct SigningKey {
    pub(super) flags: u16,
    pub(super) algorithm: u8,
    public: Vec<u8>,
    secret: Secret,
}

impl SigningKey {
    pub(super) fn new(algorithm: u8) -> Self {
        let (secret, public) = match algorithm {
            13 | 14 => {
                let kind = match algorithm {
                    13 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                let pair = EcdsaKeyPair::generate(kind).unwrap();
                let public = pair.public_key().as_ref()[1..].to_vec();
                (Secret::Ecdsa(pair), public)
            }
            15 => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let public = pair.public_key().as_ref().to_vec();
                (Secret::Ed25519(pair), public)
            }
            8 | 10 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let mut public = vec![3, 1, 0, 1];
                public.extend(modulus(pair.public_key().as_ref()));
                (Secret::Rsa(pair), public)
            }
            _ => (Secret::Fake, vec![7; 32]),
        };
        Self { flags: 257, algorithm, public, secret }
    }

    pub(super) fn data(&self) -> Vec<u8> {
        [&self.flags.to_be_bytes()[..], &[3, self.algorithm], &self.public].concat()
    }

    pub(super) fn tag(&self) -> u16 {
        crate::dnssec::records::tag(&self.data())
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Ecdsa(pair) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
            Secret::Rsa(pair) => {
                let encoding = match self.algorithm {
                    8 => &signature::RSA_PKCS1_SHA256,
                    _ => &signature::RSA_PKCS1_SHA512,
                };
                let mut value = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, bytes, &mut value).unwrap();
                value
            }
            Secret::Fake => vec![0; 64],
        }
    }
}

/// The modulus of a public key of 2,048 bits in DER: behind the sequence, the number's tag and length, and a zero.
fn modulus(der: &[u8]) -> &[u8] {
    let at = der.windows(5).position(|bytes| bytes == [2, 0x82, 1, 1, 0]).unwrap() + 5;
    &der[at..at + 256]
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Denial {
    Nsec,
    Nsec3 { opts_out: bool, iterations: u16 },
}

pub(super) struct Zone {
    pub(super) apex: Vec<u8>,
    /// None for a zone that is not signed.
    pub(super) keys: Vec<SigningKey>,
    pub(super) denial: Denial,
    pub(super) times: (i64, i64),
    /// Which records a name has.
    pub(super) records: BTreeMap<Vec<u8>, BTreeMap<u16, Vec<Vec<u8>>>>,
}

const SALT: [u8; 2] = [0xAB, 0xCD];

/// A record: its owner, its type, its data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rr(pub(super) Vec<u8>, pub(super) u16, pub(super) Vec<u8>);

#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) code: u8,
    pub(super) answers: Vec<Rr>,
    pub(super) authority: Vec<Rr>,
}

fn base32(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit = |bits: &[u8]| bits.iter().fold(0_usize, |digit, bit| digit << 1 | usize::from(*bit));
    bits.chunks(5).map(|bits| char::from(b"0123456789abcdefghijklmnopqrstuv"[digit(bits)])).collect()
}

fn bitmap(kinds: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut windows: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for kind in kinds {
        let [window, low] = kind.to_be_bytes();
        let bits = windows.entry(window).or_default();
        bits.resize(bits.len().max(usize::from(low / 8) + 1), 0);
        bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
    }
    windows.into_iter().flat_map(|(window, bits)| [vec![window, bits.len() as u8], bits].concat()).collect()
}

impl Zone {
    pub(super) fn new(apex: &str, algorithms: &[u8], denial: Denial) -> Self {
        let keys: Vec<SigningKey> = algorithms.iter().map(|algorithm| SigningKey::new(*algorithm)).collect();
        let mut zone = Self {
            apex: name(apex),
            keys,
            denial,
            times: (NOW - 86_400, NOW + 86_400),
            records: BTreeMap::new(),
        };
        let mut soa = [name("ns.invalid"), name("x.invalid")].concat();
        soa.extend([1_u32, 2, 3, 4, 300].iter().flat_map(|number| number.to_be_bytes()));
        zone.add(apex, kind::SOA, soa);
        zone.add(apex, kind::NS, name("ns.invalid"));
        for at in 0..zone.keys.len() {
            zone.add(apex, kind::DNSKEY, zone.keys[at].data());
        }
        zone
    }

    pub(super) fn add(&mut self, owner: &str, kind: u16, data: Vec<u8>) {
        self.records.entry(name(owner)).or_default().entry(kind).or_default().push(data);
    }

    /// Delegates to a zone, with what its keys are, if it has any.
    pub(super) fn delegate(&mut self, child: &Zone) {
        let kinds = self.records.entry(child.apex.clone()).or_default();
        kinds.entry(kind::NS).or_default().push(name("ns.invalid"));
        for key in &child.keys {
            kinds.entry(kind::DS).or_default().push(ds(&child.apex, key));
        }
    }

    fn is_cut(&self, owner: &[u8]) -> bool {
        *owner != *self.apex && self.records.get(owner).is_some_and(|kinds| kinds.contains_key(&kind::NS))
    }

    pub(super) fn sign(&self, owner: &[u8], kind: u16, datas: &[Vec<u8>]) -> Vec<Rr> {
        self.keys.iter().map(|key| self.sign_with(key, owner, kind, datas)).collect()
    }

    pub(super) fn sign_with(&self, key: &SigningKey, owner: &[u8], kind: u16, datas: &[Vec<u8>]) -> Rr {
        let labels = name::count(owner) - usize::from(owner.starts_with(b"\x01*"));
        let mut rdata = kind.to_be_bytes().to_vec();
        rdata.extend([key.algorithm, labels as u8]);
        rdata.extend(3600_u32.to_be_bytes());
        rdata.extend((self.times.1 as u32).to_be_bytes());
        rdata.extend((self.times.0 as u32).to_be_bytes());
        rdata.extend(key.tag().to_be_bytes());
        rdata.extend(&self.apex);
        let mut signed = rdata.clone();
        let mut sorted = datas.to_vec();
        sorted.sort();
        for data in sorted {
            signed.extend([owner, &kind.to_be_bytes(), &[0, 1], &3600_u32.to_be_bytes()].concat());
            signed.extend((data.len() as u16).to_be_bytes());
            signed.extend(data);
        }
        rdata.extend(key.sign(&signed));
        Rr(owner.to_vec(), kind::RRSIG, rdata)
    }

    /// A set with its signatures.
    fn set(&self, owner: &[u8], kind: u16) -> Vec<Rr> {
        let datas = &self.records[owner][&kind];
        let mut set: Vec<Rr> = datas.iter().map(|data| Rr(owner.to_vec(), kind, data.clone())).collect();
        let is_glue = self.is_cut(owner) && kind != kind::DS;
        if !is_glue {
            set.extend(self.sign(owner, kind, datas));
        }
        set
    }

    /// The names that are there, with what they have, also those that only have others below.
    fn names(&self) -> BTreeMap<Vec<u8>, Vec<u16>> {
        let mut names = BTreeMap::new();
        for (owner, kinds) in &self.records {
            let cut = name::ancestors(owner).skip(1).any(|above| self.is_cut(above));
            if cut {
                continue;
            }
            for above in name::ancestors(owner).take_while(|above| name::is_in(above, &self.apex)) {
                names.entry(above.to_vec()).or_insert_with(Vec::new);
            }
            names.insert(owner.clone(), kinds.keys().copied().collect());
        }
        names
    }

    fn chain(&self) -> Vec<(Vec<u8>, Vec<u8>, Vec<u16>)> {
        let mut names: Vec<(Vec<u8>, Vec<u16>)> =
            self.names().into_iter().filter(|(_, kinds)| !kinds.is_empty()).collect();
        names.sort_by(|one, other| name::compare(&one.0, &other.0));
        let next = |at: usize| names[(at + 1) % names.len()].0.clone();
        names
            .iter()
            .enumerate()
            .map(|(at, (owner, kinds))| (owner.clone(), next(at), kinds.clone()))
            .collect()
    }

    /// The types of a name in hashed proofs, in which delegations have no signature of their own.
    fn signed_kinds(&self, owner: &[u8], kinds: &[u16]) -> Vec<u8> {
        let signs = !self.is_cut(owner) || kinds.contains(&kind::DS);
        let signed = (signs && !kinds.is_empty()).then_some(kind::RRSIG);
        bitmap(kinds.iter().copied().chain(signed))
    }

    /// The record that matches a name, or else the one around it.
    pub(super) fn around(&self, wanted: &[u8]) -> Vec<Rr> {
        let (owner, kind, data) = match self.denial {
            Denial::Nsec => {
                let chain = self.chain();
                let before = |(owner, ..): &&(Vec<u8>, _, _)| name::compare(owner, wanted).is_le();
                let (owner, next, kinds) = chain.iter().rfind(before).unwrap();
                let types = bitmap(kinds.iter().copied().chain([kind::RRSIG, kind::NSEC]));
                (owner.clone(), kind::NSEC, [next.clone(), types].concat())
            }
            Denial::Nsec3 { opts_out, iterations } => {
                let hash = |name: &[u8]| deny::hash_of(name, &SALT, iterations);
                let is_kept = |owner: &[u8], kinds: &[u16]| {
                    !opts_out || !self.is_cut(owner) || kinds.contains(&kind::DS)
                };
                let names = self.names();
                let mut hashed: Vec<([u8; 20], &Vec<u8>, &Vec<u16>)> = names
                    .iter()
                    .filter(|(owner, kinds)| is_kept(owner, kinds))
                    .map(|(owner, kinds)| (hash(owner), owner, kinds))
                    .collect();
                hashed.sort();
                let own = hash(wanted);
                let at = hashed.iter().rposition(|(hash, ..)| *hash <= own).unwrap_or(hashed.len() - 1);
                let (hash, owner, kinds) = hashed[at];
                let next = hashed[(at + 1) % hashed.len()].0;
                let mut data = vec![1, u8::from(opts_out)];
                data.extend(iterations.to_be_bytes());
                data.extend([&[2][..], &SALT, &[20], &next].concat());
                data.extend(self.signed_kinds(owner, kinds));
                ([name(&base32(&hash))[..33].to_vec(), self.apex.clone()].concat(), kind::NSEC3, data)
            }
        };
        let signatures = self.sign(&owner, kind, std::slice::from_ref(&data));
        [vec![Rr(owner, kind, data)], signatures].concat()
    }

    /// What proves that a name is not there, or that a wildcard is the nearest there is.
    pub(super) fn proof(&self, wanted: &[u8], with_wildcard: bool) -> Vec<Rr> {
        let names = self.names();
        let encloser = name::ancestors(wanted).find(|above| names.contains_key(*above)).unwrap();
        let mut proof = self.around(wanted);
        if let Denial::Nsec3 { .. } = self.denial {
            proof = self.around(name::upper(wanted, name::count(encloser) + 1).unwrap());
            proof.extend(self.around(encloser));
        }
        if with_wildcard {
            proof.extend(self.around(&name::wildcard(encloser)));
        }
        proof
    }

    /// Adds to a reply what the zone says; the name to go on with, if it is an alias.
    fn answer(&self, wanted: &[u8], kind: u16, said: &mut Said) -> Option<Vec<u8>> {
        let names = self.names();
        let tree = name::ancestors(wanted)
            .skip(1)
            .find(|above| self.records.get(*above).is_some_and(|kinds| kinds.contains_key(&kind::DNAME)));
        if let Some(tree) = tree {
            let target = &self.records[tree][&kind::DNAME][0];
            let made = [&wanted[..wanted.len() - tree.len()], target].concat();
            said.answers.extend(self.set(tree, kind::DNAME));
            said.answers.push(Rr(wanted.to_vec(), kind::CNAME, made.clone()));
            return Some(made);
        }
        let encloser = name::ancestors(wanted).find(|above| names.contains_key(*above)).unwrap();
        let wildcard = name::wildcard(encloser);
        let (source, is_there) = match names.get(&wildcard) {
            _ if encloser == wanted => (wanted.to_vec(), true),
            Some(_) => (wildcard, true),
            None => (wanted.to_vec(), false),
        };
        let kinds = names.get(&source).cloned().unwrap_or_default();
        let found = [kind, kind::CNAME].into_iter().find(|kind| kinds.contains(kind));
        if let Some(found) = found {
            let set = self.set(&source, found);
            said.answers.extend(set.into_iter().map(|Rr(_, kind, data)| Rr(wanted.to_vec(), kind, data)));
            if source != wanted && !self.keys.is_empty() {
                let closer = name::upper(wanted, name::count(encloser) + 1).unwrap();
                let around = if self.denial == Denial::Nsec { wanted } else { closer };
                said.authority.extend(self.around(around));
            }
            let alias = found == kind::CNAME && kind != kind::CNAME;
            return alias.then(|| self.records[&source][&kind::CNAME][0].clone());
        }
        said.authority.extend(self.set(&self.apex, kind::SOA));
        if !is_there {
            said.code = 3;
        }
        if !self.keys.is_empty() {
            // With opt-out a delegation has no record of its own.
            let is_opted = matches!(self.denial, Denial::Nsec3 { opts_out: true, .. }) && self.is_cut(wanted);
            said.authority.extend(match is_there {
                true if source != wanted => [self.proof(wanted, false), self.around(&source)].concat(),
                true if is_opted => {
                    [self.around(wanted), self.around(name::parent(wanted).unwrap())].concat()
                }
                true => self.around(wanted),
                false => self.proof(wanted, true),
            });
        }
        None
    }
}

/// What the zone above says of a key.
pub(super) fn ds(apex: &[u8], key: &SigningKey) -> Vec<u8> {
    let data = key.data();
    let digest = digest(&SHA256, &[apex, &data].concat());
    [&key.tag().to_be_bytes()[..], &[key.algorithm, 2], digest.as_ref()].concat()
}

/// The zones, from the root down.
#[derive(Default)]
pub(super) struct World {
    pub(super) zones: Vec<Zone>,
    pub(super) asked: RefCell<Vec<(Vec<u8>, u16)>>,
}

impl World {
    pub(super) fn zone(&mut self, apex: &str) -> &mut Zone {
        let apex = name(apex);
        self.zones.iter_mut().find(|zone| zone.apex == apex).unwrap()
    }

    fn zone_of(&self, wanted: &[u8], kind: u16) -> &Zone {
        let lies_in = |zone: &&Zone| match kind {
            kind::DS => name::is_under(wanted, &zone.apex) || wanted == name::ROOT,
            _ => name::is_in(wanted, &zone.apex),
        };
        self.zones.iter().filter(lies_in).max_by_key(|zone| zone.apex.len()).unwrap()
    }

    pub(super) fn say(&self, wanted: &[u8], kind: u16) -> Said {
        let mut said = Said::default();
        let mut next = Some(wanted.to_vec());
        for _ in 0..20 {
            let Some(current) = next else { break };
            next = self.zone_of(&current, kind).answer(&current, kind, &mut said);
        }
        said
    }

    pub(super) fn anchors(&self) -> Vec<Anchor> {
        let root = &self.zones[0];
        let anchor = |key: &SigningKey| {
            let ds = ds(&root.apex, key);
            let zone = root.apex.clone().into();
            Anchor { zone, tag: key.tag(), algorithm: key.algorithm, digest_kind: 2, digest: ds[4..].into() }
        };
        root.keys.iter().map(anchor).collect()
    }
}

/// A reply as a message, without compression.
pub(super) fn message(wanted: &[u8], kind: u16, said: &Said) -> Vec<u8> {
    let mut message = vec![0, 0, 0x81, 0x80 | said.code, 0, 1];
    for count in [said.answers.len(), said.authority.len(), 0] {
        message.extend((count as u16).to_be_bytes());
    }
    message.extend([wanted, &kind.to_be_bytes(), &[0, 1]].concat());
    for Rr(owner, kind, data) in said.answers.iter().chain(&said.authority) {
        message.extend([owner, &kind.to_be_bytes()[..], &[0, 1, 0, 0, 0x0E, 0x10]].concat());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}
