//! The records of DNSSEC (RFC 4034, RFC 5155), read from data in which names are written out.

use super::name;
use super::wire::Reader;

/// A signature (RFC 4034 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) covered: u16,
    pub(super) algorithm: u8,
    /// How many labels the name has that was signed, without that of a wildcard.
    pub(super) labels: usize,
    pub(super) original_time: u32,
    pub(super) expiration: u32,
    pub(super) inception: u32,
    pub(super) tag: u16,
    pub(super) signer: Box<[u8]>,
    /// What of it is signed: everything before the signature itself.
    pub(super) signed: Box<[u8]>,
    pub(super) value: Box<[u8]>,
}

impl Signature {
    /// From the data of a record.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes: data, at: 0 };
        let (covered, algorithm, labels) = (reader.short()?, reader.byte()?, usize::from(reader.byte()?));
        let (original_time, expiration, inception) = (reader.long()?, reader.long()?, reader.long()?);
        let tag = reader.short()?;
        let signer = reader.name()?.into_boxed_slice();
        let (signed, value) = data.split_at_checked(reader.at)?;
        let (signed, value) = (signed.into(), value.into());
        Some(Self {
            covered,
            algorithm,
            labels,
            original_time,
            expiration,
            inception,
            tag,
            signer,
            signed,
            value,
        })
    }
}

/// A key of a zone (RFC 4034 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) flags: u16,
    pub(super) algorithm: u8,
    pub(super) tag: u16,
    pub(super) public: Box<[u8]>,
}

impl Key {
    /// From the data of a record; none for other protocols than DNSSEC (RFC 4034 section 2.1.2).
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes: data, at: 0 };
        let (flags, protocol, algorithm) = (reader.short()?, reader.byte()?, reader.byte()?);
        let public = data.get(4..)?.into();
        (protocol == 3).then_some(Self { flags, algorithm, tag: tag(data), public })
    }

    /// Whether it may sign the records of a zone (RFC 4034 section 2.1.1).
    pub(super) fn is_for_zones(&self) -> bool {
        self.flags & 0x0100 != 0
    }

    /// Whether its owner says that it must not be used any more (RFC 5011 section 2.1).
    pub(super) fn is_revoked(&self) -> bool {
        self.flags & 0x0080 != 0
    }
}

/// The number by which signatures name a key; two keys may share it (RFC 4034 appendix B).
pub(super) fn tag(data: &[u8]) -> u16 {
    let sum: u32 = data
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .fold(0, u32::wrapping_add);
    let folded = sum.wrapping_add(sum >> 16) & 0xFFFF;
    u16::try_from(folded).unwrap_or(0)
}

/// What a zone says of a key of the zone below (RFC 4034 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ds {
    pub(super) tag: u16,
    pub(super) algorithm: u8,
    pub(super) digest_kind: u8,
    pub(super) digest: Box<[u8]>,
}

impl Ds {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes: data, at: 0 };
        let (tag, algorithm, digest_kind) = (reader.short()?, reader.byte()?, reader.byte()?);
        Some(Self { tag, algorithm, digest_kind, digest: data.get(4..)?.into() })
    }
}

/// Which name follows another one, and which types that has (RFC 4034 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nsec<'m> {
    pub(super) owner: &'m [u8],
    pub(super) next: Vec<u8>,
    pub(super) types: Types<'m>,
}

impl<'m> Nsec<'m> {
    pub(super) fn read(owner: &'m [u8], data: &'m [u8]) -> Option<Self> {
        let mut reader = Reader { bytes: data, at: 0 };
        let next = reader.name()?;
        Some(Self { owner, next, types: Types(data.get(reader.at..)?) })
    }
}

/// The bytes of a hash of a name.
pub(super) const HASH: usize = 20;

/// The same with hashes of names (RFC 5155 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nsec3<'m> {
    pub(super) zone: &'m [u8],
    /// Whether delegations without signed keys may lie between (RFC 5155 section 6).
    pub(super) opts_out: bool,
    pub(super) iterations: u16,
    pub(super) salt: &'m [u8],
    pub(super) hash: [u8; HASH],
    pub(super) next: [u8; HASH],
    pub(super) types: Types<'m>,
}

impl<'m> Nsec3<'m> {
    /// From the owner and the data of a record; none if its algorithm or a flag is not known (RFC 5155
    /// sections 8.1 and 8.2).
    pub(super) fn read(owner: &'m [u8], data: &'m [u8]) -> Option<Self> {
        let mut reader = Reader { bytes: data, at: 0 };
        let (algorithm, flags, iterations) = (reader.byte()?, reader.byte()?, reader.short()?);
        let length = reader.byte()?;
        let salt = reader.take(usize::from(length))?;
        let length = reader.byte()?;
        let next = reader.take(usize::from(length))?.try_into().ok()?;
        let types = Types(data.get(reader.at..)?);
        let hash = from_base32(name::labels(owner).next()?)?;
        let zone = name::parent(owner)?;
        (algorithm == 1 && flags & 0xFE == 0).then_some(Self {
            zone,
            opts_out: flags & 1 != 0,
            iterations,
            salt,
            hash,
            next,
            types,
        })
    }
}

/// A hash from a label, which is in base 32 with the digits in order (RFC 4648 section 7).
fn from_base32(label: &[u8]) -> Option<[u8; HASH]> {
    if label.len() != HASH * 8 / 5 {
        return None;
    }
    let mut hash = [0; HASH];
    for (digits, bytes) in label.chunks(8).zip(hash.chunks_mut(5)) {
        let mut bits = 0_u64;
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'v' => digit - b'a' + 10,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        bytes.copy_from_slice(bits.to_be_bytes().get(3..)?);
    }
    Some(hash)
}

/// Which types a name has (RFC 4034 section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types<'m>(pub(super) &'m [u8]);

impl Types<'_> {
    pub(super) fn has(self, kind: u16) -> bool {
        let [window, low] = kind.to_be_bytes();
        let mut rest = self.0;
        while let Some(([number, length], after)) = rest.split_first_chunk() {
            let Some((bits, next)) = after.split_at_checked(usize::from(*length)) else { return false };
            if *number == window {
                let byte = bits.get(usize::from(low >> 3)).copied().unwrap_or(0);
                return byte & (0x80 >> (low & 7)) != 0;
            }
            rest = next;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_their_bits() {
        // RFC 4034 section 4.3: A MX RRSIG NSEC TYPE1234.
        let mut bits = vec![0, 6, 0x40, 0x01, 0, 0, 0, 0x03, 4, 0x1b];
        bits.extend_from_slice(&[0; 26]);
        bits.push(0x20);
        let types = Types(&bits);
        let had: Vec<u16> = (0..=u16::MAX).filter(|kind| types.has(*kind)).collect();
        assert_eq!(had, [1, 15, 46, 47, 1234]);
        assert!(!Types(&bits[..30]).has(1234) && !Types(&[0]).has(1));
    }

    #[test]
    fn hashes_are_read_from_labels() {
        let hash = from_base32(b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom").unwrap();
        assert_eq!(hash[..5], [0x06, 0x53, 0x68, 0xab, 0xee]);
        assert_eq!(from_base32(b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tow"), None);
        assert_eq!(from_base32(b"0p9mhave"), None);
    }
}
