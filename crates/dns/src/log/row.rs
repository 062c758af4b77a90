//! A row of the log: as a serving thread notes it, without an allocation, and as a reader gets it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use runtime::Millis;
use serde::{Deserialize, Serialize};

use crate::answer;
pub use crate::answer::Transport;
use crate::filter::Short;
pub use crate::wire::Security;

/// The most rows of a batch.
pub const BATCH_ROWS: usize = 1_024;
/// How many strings a batch finds again without looking at all of them.
const REMEMBERED: usize = 64;

/// What came of a question: the number of an outcome, which stays what it is, as it is written to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Outcome(pub u8);

impl From<answer::Outcome> for Outcome {
    fn from(outcome: answer::Outcome) -> Self {
        Self(outcome.number())
    }
}

impl Outcome {
    /// The most that there may be.
    pub const MOST: usize = 32;

    /// The outcome; none if a newer version wrote it.
    pub fn known(self) -> Option<answer::Outcome> {
        answer::Outcome::of_number(self.0)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        answer::Outcome::ALL.into_iter().map(Self::from)
    }

    /// In a word; a number that a newer version wrote has none.
    pub fn word(self) -> &'static str {
        self.known().map_or("unknown", answer::Outcome::word)
    }

    /// The one with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::all().find(|outcome| outcome.word() == word)
    }

    /// Whether the owner of the lab wanted that the client does not get what there is.
    pub fn is_blocked(self) -> bool {
        self.known().is_some_and(answer::Outcome::is_blocked)
    }
}

/// The code of a reply (RFC 1035 section 4.1.1, RFC 6895 section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Code(pub u8);

/// The number is written to disk.
impl Security {
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// The number is written to disk.
impl Transport {
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// How a rule is written that is no more than a name: the number of a [`Short`], and one more, which is written to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleForm(pub u8);

impl RuleForm {
    /// Of such a rule.
    pub fn of(short: Short) -> Self {
        Self(short.number() + 1)
    }

    /// The rule for a name, as a person would write it; of a newer version, the name alone.
    pub fn text(self, name: &str) -> String {
        let short = self.0.checked_sub(1).and_then(Short::of_number);
        short.map_or_else(|| name.to_owned(), |short| short.text(name))
    }
}

/// Which rule it was.
#[derive(Clone, Copy, Debug, Default)]
pub enum Rule<'a> {
    /// None.
    #[default]
    None,
    /// One that is no more than the name, or the end of it: its text is made when it is read.
    OfName {
        /// Where in the wire form of the name the rule's own name begins, at the begin of a label.
        suffix_at: u8,
        /// How it is written.
        form: RuleForm,
    },
    /// One with a text of its own.
    Text(&'a Arc<str>),
}

/// A question and its answer, as they are noted. Strings are told apart by where they are in memory, so the same
/// `Arc` has to be given for the same list, policy or upstream, or they take a place each.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When it was asked.
    pub at: Millis,
    /// Who asked.
    pub client: IpAddr,
    /// What that client is called: a device, a person, or the name that it gives of itself.
    pub who: Option<&'a Arc<str>>,
    /// What for: the wire form in lower case, with the empty label at its end.
    pub name: &'a [u8],
    /// The type of record (RFC 1035 section 3.2.2).
    pub kind: u16,
    /// What came of it.
    pub outcome: Outcome,
    /// The code of the reply.
    pub code: Code,
    /// What is known of its signatures.
    pub security: Security,
    /// How it came.
    pub transport: Transport,
    /// How long it took, in microseconds.
    pub micros: u32,
    /// The rule that decided.
    pub rule: Rule<'a>,
    /// The list that the rule is in.
    pub list: Option<&'a Arc<str>>,
    /// The policy that was followed.
    pub policy: Option<&'a Arc<str>>,
    /// Who was asked.
    pub upstream: Option<&'a Arc<str>>,
}

/// Whether a batch took a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It did, and takes another one.
    Room,
    /// It did, and is full.
    Full,
    /// It was full before: the row is lost, and counted as that.
    Lost,
}

/// A row in a batch. Strings are numbers of `Batch::strings`, from 1 on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    pub(crate) at: Millis,
    pub(crate) client: [u8; 16],
    /// Where the name ends in `Batch::names`.
    name_end: u32,
    pub(crate) micros: u32,
    pub(crate) kind: u16,
    pub(crate) who: u16,
    pub(crate) rule: u16,
    pub(crate) list: u16,
    pub(crate) policy: u16,
    pub(crate) upstream: u16,
    pub(crate) outcome: u8,
    pub(crate) code: u8,
    pub(crate) security: u8,
    pub(crate) transport: u8,
    pub(crate) form: u8,
    /// How many labels of the name stand before the one that the rule begins with.
    pub(crate) labels: u8,
}

/// A question that is only counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) at: Millis,
    pub(crate) outcome: Outcome,
    pub(crate) micros: u32,
}

/// Rows on their way to the log.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Packed>,
    names: Vec<u8>,
    strings: Vec<Arc<str>>,
    /// Strings that were found before, by where they are in memory: numbers of `strings`, from 1 on.
    remembered: Vec<u16>,
    counted: Vec<Counted>,
    lost: u64,
}

impl Batch {
    /// Takes a row.
    pub fn push(&mut self, row: &Row<'_>) -> Taken {
        if self.len() >= BATCH_ROWS {
            self.lost += 1;
            return Taken::Lost;
        }
        let (rule, form, labels) = match row.rule {
            Rule::None => (0, 0, 0),
            Rule::OfName { suffix_at, form } => (0, form.0, labels_before(row.name, suffix_at)),
            Rule::Text(text) => (self.string(Some(text)), 0, 0),
        };
        // A name is at most 255 bytes, and of rows there is a limit.
        self.names.extend(row.name.iter().take(255));
        let packed = Packed {
            at: row.at,
            client: octets(row.client),
            name_end: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
            micros: row.micros,
            kind: row.kind,
            who: self.string(row.who),
            rule,
            list: self.string(row.list),
            policy: self.string(row.policy),
            upstream: self.string(row.upstream),
            outcome: row.outcome.0,
            code: row.code.0,
            security: row.security.number(),
            transport: row.transport.number(),
            form,
            labels,
        };
        self.rows.push(packed);
        if self.len() < BATCH_ROWS { Taken::Room } else { Taken::Full }
    }

    /// Counts a question that is to leave no row, as its policy says so.
    pub fn count(&mut self, at: Millis, outcome: Outcome, micros: u32) -> Taken {
        if self.len() >= BATCH_ROWS {
            self.lost += 1;
            return Taken::Lost;
        }
        self.counted.push(Counted { at, outcome, micros });
        if self.len() < BATCH_ROWS { Taken::Room } else { Taken::Full }
    }

    /// How many rows and questions are in it.
    pub fn len(&self) -> usize {
        self.rows.len() + self.counted.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many found no room in it.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Empties it, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.names.clear();
        self.strings.clear();
        self.remembered.clear();
        self.counted.clear();
        self.lost = 0;
    }

    pub(crate) fn strings(&self) -> &[Arc<str>] {
        &self.strings
    }

    pub(crate) fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// The rows with their names.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Packed, &[u8])> {
        let mut begin = 0;
        self.rows.iter().map(move |row| {
            let end = usize::try_from(row.name_end).unwrap_or(usize::MAX);
            let name = self.names.get(begin..end).unwrap_or_default();
            begin = end;
            (row, name)
        })
    }

    /// The number of a string, from 1 on. While it is here its place in memory is nobody else's.
    fn string(&mut self, string: Option<&Arc<str>>) -> u16 {
        let Some(string) = string else { return 0 };
        if self.remembered.is_empty() {
            self.remembered.resize(REMEMBERED, 0);
        }
        let place = (Arc::as_ptr(string).cast::<u8>().addr() >> 4) % REMEMBERED;
        let known = self.remembered.get(place).copied().unwrap_or(0);
        let at = |number: u16| self.strings.get(usize::from(number).wrapping_sub(1));
        if at(known).is_some_and(|other| Arc::ptr_eq(other, string)) {
            return known;
        }
        let found = self.strings.iter().position(|other| Arc::ptr_eq(other, string));
        let position = found.unwrap_or(self.strings.len());
        // Five strings a row at most, and a limit of rows.
        let number = u16::try_from(position + 1).unwrap_or(0);
        if found.is_none() && number > 0 {
            self.strings.push(Arc::clone(string));
        }
        if let Some(slot) = self.remembered.get_mut(place) {
            *slot = number;
        }
        number
    }
}

/// An address as one of IPv6; one of IPv4 is mapped into it (RFC 4291 section 2.5.5.2).
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The address of these bytes.
pub(crate) fn address(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).to_canonical()
}

/// The address without what tells one client of a network from another: the last 8 bits of one of IPv4, the last 80
/// of one of IPv6.
pub(crate) fn anonymous(mut octets: [u8; 16]) -> [u8; 16] {
    let keep = if matches!(address(octets), IpAddr::V4(_)) { 15 } else { 6 };
    octets.iter_mut().skip(keep).for_each(|octet| *octet = 0);
    octets
}

/// How many labels begin before a place in a name.
fn labels_before(name: &[u8], place: u8) -> u8 {
    let (mut at, mut labels) = (0_usize, 0_u8);
    while at < usize::from(place) {
        let Some(&length) = name.get(at).filter(|length| **length > 0) else { break };
        at += usize::from(length) + 1;
        labels = labels.saturating_add(1);
    }
    labels
}

/// A row of the log, as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: one more than that of the row before it.
    pub number: u64,
    /// When it was asked, in milliseconds since 1970.
    pub at: Millis,
    /// Who asked: an address, or the network if rows are anonymous.
    pub client: IpAddr,
    /// What that client was called then.
    pub who: Option<String>,
    /// What for, as text; `?` if the part of the file that has it is broken.
    pub name: String,
    /// The type of record.
    pub kind: u16,
    /// What came of it.
    pub outcome: Outcome,
    /// The code of the reply.
    pub code: Code,
    /// What is known of its signatures.
    pub security: Security,
    /// How it came.
    pub transport: Transport,
    /// How long it took, in microseconds.
    pub micros: u32,
    /// The rule that decided, as it is written.
    pub rule: Option<String>,
    /// The list that the rule is in.
    pub list: Option<String>,
    /// The policy that was followed.
    pub policy: Option<String>,
    /// Who was asked.
    pub upstream: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Effect, Scope, Weight};

    #[test]
    fn addresses_lose_what_tells_clients_apart() {
        let check = |from: &str, to: &str| {
            assert_eq!(address(anonymous(octets(from.parse().unwrap()))), to.parse::<IpAddr>().unwrap());
        };
        check("10.1.2.3", "10.1.2.0");
        check("::ffff:10.1.2.3", "10.1.2.0");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1::");
        check("fe80::1", "fe80::");
    }

    #[test]
    fn a_rule_of_a_name_is_as_a_person_would_write_it() {
        let name = b"\x01a\x03ads\x07example\0";
        assert_eq!([0, 2, 6, 14].map(|place| labels_before(name, place)), [0, 1, 2, 3]);
        assert_eq!(labels_before(name, 255), 3, "not beyond the end");
        let short = |effect, weight| RuleForm::of(Short { scope: Scope::Below, effect, weight });
        assert_eq!(short(Effect::Block, Weight::Plain).text("ads.example"), "||ads.example^");
        assert_eq!(short(Effect::Allow, Weight::Important).text("a.b"), "@@||a.b^$important");
        assert_eq!(RuleForm(200).text("a.b"), "a.b", "of a newer version");
        assert_eq!(RuleForm(0).text("a.b"), "a.b");
    }

    #[test]
    fn every_outcome_has_a_word_of_its_own() {
        for outcome in Outcome::all() {
            assert_eq!(Outcome::of(outcome.word()), Some(outcome));
        }
        assert_eq!(Outcome(200).word(), "unknown");
        assert!(Outcome::all().count() <= Outcome::MOST);
    }

    #[test]
    fn a_batch_says_when_it_is_full_and_counts_what_is_lost() {
        let (one, same_text) = (Arc::<str>::from("list"), Arc::<str>::from("list"));
        let mut batch = Batch::default();
        let mut row = a_row(&one);
        for number in 1..=BATCH_ROWS {
            row.list = Some(if number % 2 == 0 { &one } else { &same_text });
            let expected = if number == BATCH_ROWS { Taken::Full } else { Taken::Room };
            assert_eq!(batch.push(&row), expected);
        }
        assert_eq!(batch.push(&row), Taken::Lost);
        assert_eq!(batch.count(1, Outcome(0), 1), Taken::Lost);
        assert_eq!((batch.lost(), batch.strings().len()), (2, 2));
        batch.clear();
        assert!(batch.is_empty() && batch.lost() == 0);
    }

    fn a_row(list: &Arc<str>) -> Row<'_> {
        Row {
            at: 1,
            client: [10, 0, 0, 9].into(),
            who: None,
            name: b"\x01a\0",
            kind: 1,
            outcome: Outcome(1),
            code: Code(0),
            security: Security::Unchecked,
            transport: Transport::Udp,
            micros: 3,
            rule: Rule::None,
            list: Some(list),
            policy: None,
            upstream: None,
        }
    }
}
