//! Why an answer is not secure: as a number for programs (RFC 8914), and in words for the owner of the lab.

use super::name;

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The zone is not signed, which the zone above says.
    Unsigned,
    /// The lab file says that the name is not validated, or no anchor is above it.
    NotValidated,
    /// The proof leaves room for delegations that are not signed (RFC 5155 section 6).
    OptOut,
    /// The answer has records besides those that answer the question.
    Stray,
    /// All keys of the zone are of algorithms that we do not know.
    UnsupportedAlgorithm,
    /// All digests of the zone's keys are of kinds that we do not know.
    UnsupportedDigest,
    /// Names are hashed more often than is sensible (RFC 9276).
    Iterations,
    /// A signature is not that of the records.
    WrongSignature,
    /// A signature's time is over.
    Expired,
    /// A signature's time has not begun.
    NotYetValid,
    /// The key of a signature, or the key that the zone above names, is not there.
    KeyMissing,
    /// There is no signature where there has to be one.
    SignatureMissing,
    /// There is no signature in the whole reply: perhaps the upstream leaves them out.
    Stripped,
    /// The key of a signature may not sign zones.
    NoZoneKey,
    /// Nothing proves that what was asked for is not there.
    DenialMissing,
    /// The reply can not be read.
    Unreadable,
    /// Judging it takes more steps than are taken for one reply.
    TooMuch,
    /// The upstream did not answer a question for keys.
    NoAnswer,
}

impl Reason {
    /// The code that clients are told (RFC 8914 section 4, and 27 from RFC 9276); none for what is no fault.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Unsigned | Self::NotValidated | Self::OptOut | Self::Stray => None,
            Self::UnsupportedAlgorithm => Some(1),
            Self::UnsupportedDigest => Some(2),
            Self::WrongSignature | Self::Unreadable => Some(6),
            Self::TooMuch => Some(5),
            Self::Expired => Some(7),
            Self::NotYetValid => Some(8),
            Self::KeyMissing => Some(9),
            Self::SignatureMissing | Self::Stripped => Some(10),
            Self::NoZoneKey => Some(11),
            Self::DenialMissing => Some(12),
            Self::NoAnswer => Some(22),
            Self::Iterations => Some(27),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unsigned => "the zone is not signed",
            Self::NotValidated => "the lab file says that it is not validated",
            Self::OptOut => "the zone does not say which of its delegations are not signed",
            Self::Stray => "there are records beside the answer",
            Self::UnsupportedAlgorithm => "the zone is signed with algorithms that are not supported",
            Self::UnsupportedDigest => "the keys of the zone have digests that are not supported",
            Self::Iterations => "the zone hashes its names more often than is sensible",
            Self::WrongSignature => "a signature is wrong",
            Self::Expired => "the time of the signature is over",
            Self::NotYetValid => "the time of the signature has not begun; is the clock right?",
            Self::KeyMissing => "the key is missing",
            Self::SignatureMissing => "the signature is missing",
            Self::Stripped => {
                "there are no signatures in the reply; if that is so with every name, the upstream leaves them \
                 out: choose another one, or say `dnssec = \"off\"`"
            }
            Self::NoZoneKey => "the key may not sign zones",
            Self::DenialMissing => "nothing proves that it is not there",
            Self::Unreadable => "the reply can not be read",
            Self::TooMuch => "judging it takes too much",
            Self::NoAnswer => "the upstream has no answer to a question for keys",
        }
    }
}

/// What is the matter, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What is the matter.
    pub reason: Reason,
    /// The name that it is about, in wire form and lower case.
    pub name: Box<[u8]>,
    /// The type of the records that it is about, by its number.
    pub kind: u16,
}

impl Why {
    pub(super) fn new(reason: Reason, name: &[u8], kind: u16) -> Self {
        Self { reason, name: name.into(), kind }
    }

    /// The code that clients are told, if it is a fault.
    pub fn code(&self) -> Option<u16> {
        self.reason.code()
    }

    /// In words, one line: `A of www.example.org.: the time of the signature is over`.
    pub fn words(&self) -> String {
        let kind = crate::wire::kind::text(self.kind);
        format!("{kind} of {}: {}", name::text(&self.name), self.reason.words())
    }
}
