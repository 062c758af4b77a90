//! Hashes of names and of everything above them, label by label from the right: each name above a name costs
//! only its own label.
//!
//! The key of 128 bits is drawn once for a process, so that several sets are looked at with the hashes of one
//! pass. Who writes lists can not know it, and so can not bring it about that a name of somebody else has the
//! hash of one of theirs; who asks names learns of each only whether it is blocked, and a hash has 64 bits.
//! By chance, that a name which is asked has the hash of one of a million that are listed happens once in
//! 10^13 names.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::OnceLock;

/// The most labels of a name (RFC 1035 section 2.3.4: 255 bytes, and each label has two at least).
pub(super) const MAX_LABELS: usize = 127;

/// What hashes depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    state: u64,
    factor: u64,
}

impl Key {
    /// The key of this process.
    pub(super) fn get() -> Self {
        static KEY: OnceLock<Key> = OnceLock::new();
        *KEY.get_or_init(|| {
            let drawn = RandomState::new();
            Self { state: drawn.hash_one(1_u8), factor: drawn.hash_one(2_u8) }
        })
    }

    /// The hash of the root, under which all names are.
    pub(super) fn root(self) -> u64 {
        self.state
    }

    /// The hash of a name from that of the name above it.
    pub(super) fn below(self, above: u64, label: &[u8]) -> u64 {
        // The length keeps labels apart whose words would be the same.
        let state = above ^ (label.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match label.len() {
            0..=3 => self.fold(state, few(label), 0),
            4..=8 => self.fold(state, u64::from(first4(label)), u64::from(last4(label)) << 32),
            9..=16 => self.fold(state, first8(label), last8(label)),
            _ => {
                let mut state = state;
                let mut rest = label;
                while let Some((chunk, after)) =
                    rest.split_at_checked(16).filter(|(_, after)| !after.is_empty())
                {
                    state = self.fold(state, first8(chunk), last8(chunk));
                    rest = after;
                }
                let tail = label.get(label.len().saturating_sub(16)..).unwrap_or(label);
                self.fold(state, first8(tail), last8(tail))
            }
        }
    }

    /// The hash of a name in text, in lower case, whose labels have been checked.
    pub(super) fn name(self, text: &str) -> u64 {
        text.rsplit('.').fold(self.root(), |above, label| self.below(above, label.as_bytes()))
    }

    fn fold(self, state: u64, one: u64, two: u64) -> u64 {
        let product = u128::from(state ^ one) * u128::from(self.factor ^ two);
        let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(product >> 64).unwrap_or(0);
        low ^ high
    }
}

fn few(label: &[u8]) -> u64 {
    label.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn first4(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

fn last4(bytes: &[u8]) -> u32 {
    bytes.last_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

fn first8(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

fn last8(bytes: &[u8]) -> u64 {
    bytes.last_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// Where the labels of a name in its wire form begin, the first one first.
#[derive(Debug)]
pub(super) struct Labels {
    starts: [u8; MAX_LABELS],
    count: usize,
}

impl Labels {
    /// Of a name in its wire form (RFC 1035 section 3.1); as far as that can be read.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut labels = Self { starts: [0; MAX_LABELS], count: 0 };
        let mut at = 0;
        for start in &mut labels.starts {
            let Some(&length) = name.get(at).filter(|length| (1..64).contains(*length)) else { break };
            let (Ok(here), true) = (u8::try_from(at), at + usize::from(length) < name.len()) else { break };
            *start = here;
            labels.count += 1;
            at += usize::from(length) + 1;
        }
        labels
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The hashes of the name's parts from the right on: how many labels, where it begins in the wire form, and
    /// the hash. The last is the whole name.
    pub(super) fn suffixes<'n>(&'n self, name: &'n [u8]) -> impl Iterator<Item = (usize, u8, u64)> + 'n {
        let key = Key::get();
        let starts = self.starts.get(..self.count).unwrap_or_default();
        let mut above = key.root();
        starts.iter().rev().enumerate().map(move |(depth, &start)| {
            let (&length, rest) =
                name.get(usize::from(start)..).and_then(<[u8]>::split_first).unwrap_or((&0, &[]));
            above = key.below(above, rest.get(..usize::from(length)).unwrap_or_default());
            (depth + 1, start, above)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn labels_that_are_not_the_same_have_other_hashes() {
        let key = Key::get();
        let mut seen = HashMap::new();
        for length in 1..=63 {
            for letter in [b'a', b'b', 0] {
                for at in 0..length {
                    let mut label = vec![b'a'; length];
                    label[at] = letter;
                    if let Some(other) = seen.insert(key.below(key.root(), &label), label.clone()) {
                        assert_eq!(other, label);
                    }
                }
            }
        }
    }

    #[test]
    fn a_name_in_text_and_in_its_wire_form_has_one_hash() {
        let wire = b"\x01a\x0elonger-than-it\x17and-one-that-is-longer-\x03org\0";
        let labels = Labels::of(wire);
        let suffixes: Vec<_> = labels.suffixes(wire).collect();
        let key = Key::get();
        assert_eq!(suffixes[0], (1, 41, key.name("org")));
        assert_eq!(suffixes[3], (4, 0, key.name("a.longer-than-it.and-one-that-is-longer-.org")));
        assert_eq!(labels.count(), 4);
        for broken in [&b""[..], b"\0", b"\x05ab", b"\xC0\x0C"] {
            assert_eq!(Labels::of(broken).count(), 0);
        }
    }
}
