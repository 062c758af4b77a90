//! What the rows of a segment refer to by number, besides names: clients, strings and shapes.

use super::row::{Entry, Outcome, RuleForm, Security, Transport, address};
use super::text::without_labels;
use super::{Code, wire};

/// The most bytes of a string: a longer rule is cut.
const MAX_STRING: usize = 512;
/// What stands for a string, or a name, that can not be read any more.
pub(crate) const LOST: &str = "?";

/// Who asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) octets: [u8; 16],
    /// What the client is called: the number of a string from 1 on.
    pub(crate) who: u16,
}

/// All that a row has besides time, client, name and latency. Strings are numbers from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: u16,
    pub(crate) outcome: u8,
    pub(crate) code: u8,
    pub(crate) security: u8,
    pub(crate) transport: u8,
    pub(crate) form: u8,
    pub(crate) labels: u8,
    pub(crate) rule: u16,
    pub(crate) list: u16,
    pub(crate) policy: u16,
    pub(crate) upstream: u16,
}

impl Shape {
    /// In 16 bytes.
    pub(crate) fn packed(self) -> u128 {
        let Self { kind, outcome, code, security, transport, form, labels, rule, list, policy, upstream } =
            self;
        let [[k0, k1], [r0, r1], [l0, l1], [p0, p1], [u0, u1]] =
            [kind, rule, list, policy, upstream].map(u16::to_le_bytes);
        u128::from_le_bytes([
            k0, k1, outcome, code, security, transport, form, labels, r0, r1, l0, l1, p0, p1, u0, u1,
        ])
    }

    fn of(bytes: [u8; 16]) -> Self {
        let [k0, k1, outcome, code, security, transport, form, labels, r0, r1, l0, l1, p0, p1, u0, u1] =
            bytes;
        let [kind, rule, list, policy, upstream] =
            [[k0, k1], [r0, r1], [l0, l1], [p0, p1], [u0, u1]].map(u16::from_le_bytes);
        Self { kind, outcome, code, security, transport, form, labels, rule, list, policy, upstream }
    }
}

/// The dictionaries.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) clients: Vec<Client>,
    pub(crate) strings: Vec<Box<str>>,
    pub(crate) shapes: Vec<Shape>,
}

impl Dictionary {
    /// A string by its number, which counts from 1; 0 is none.
    pub(crate) fn string(&self, number: u16) -> Option<&str> {
        let place = usize::from(number).checked_sub(1)?;
        Some(self.strings.get(place).map_or(LOST, AsRef::as_ref))
    }

    /// The rule of a row with this shape and name, as it is written.
    pub(crate) fn rule(&self, shape: Shape, name: &str) -> Option<String> {
        if shape.form == 0 {
            return self.string(shape.rule).map(str::to_owned);
        }
        Some(RuleForm(shape.form).text(without_labels(name, shape.labels)))
    }

    /// A row, without its number, time, and latency.
    pub(crate) fn entry(&self, client: u16, shape: u16, name: &str) -> Entry {
        let client = self.clients.get(usize::from(client)).copied().unwrap_or_default();
        let shape = self.shapes.get(usize::from(shape)).copied().unwrap_or_default();
        let string = |number| self.string(number).map(str::to_owned);
        Entry {
            number: 0,
            at: 0,
            client: address(client.octets),
            who: string(client.who),
            name: name.to_owned(),
            kind: shape.kind,
            outcome: Outcome(shape.outcome),
            code: Code(shape.code),
            security: Security::of(shape.security),
            transport: Transport::of(shape.transport),
            micros: 0,
            rule: self.rule(shape, name),
            list: string(shape.list),
            policy: string(shape.policy),
            upstream: string(shape.upstream),
        }
    }

    /// The bytes of what is new since the dictionaries had these sizes: clients, strings, shapes.
    pub(crate) fn write(&self, since: wire::Sizes) -> [Vec<u8>; 3] {
        let from = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
        let mut clients = Vec::new();
        for client in self.clients.iter().skip(from(since.clients)) {
            clients.extend(client.octets);
            clients.extend(client.who.to_le_bytes());
        }
        let mut strings = Vec::new();
        for string in self.strings.iter().skip(from(since.strings)) {
            strings.extend(u16::try_from(string.len()).unwrap_or(0).to_le_bytes());
            strings.extend(string.as_bytes());
        }
        let shapes = self.shapes.iter().skip(from(since.shapes));
        [clients, strings, shapes.flat_map(|shape| shape.packed().to_le_bytes()).collect()]
    }

    /// Takes up what a block adds. What blocks before it should have added and did not is lost, as is what can not
    /// be read now.
    pub(crate) fn read(&mut self, head: &wire::Head, clients: &[u8], strings: &[u8], shapes: &[u8]) {
        let size = |size: u32| usize::try_from(size).unwrap_or(0);
        let (before, new) = (head.before, head.new);
        self.clients.resize(size(before.clients), Client::default());
        self.strings.resize(size(before.strings), LOST.into());
        self.shapes.resize(size(before.shapes), Shape::default());
        let (entries, _) = clients.as_chunks::<18>();
        self.clients.extend(entries.iter().map(|entry| {
            let (octets, who) = entry.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
            let who = who.first_chunk().map_or(0, |who| u16::from_le_bytes(*who));
            Client { octets: *octets, who }
        }));
        let mut rest = strings;
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*length));
            let Some((string, behind)) = behind.split_at_checked(length) else { break };
            self.strings.push(String::from_utf8_lossy(string).into());
            rest = behind;
        }
        let (entries, _) = shapes.as_chunks::<16>();
        self.shapes.extend(entries.iter().map(|entry| Shape::of(*entry)));
        self.clients.resize(size(before.clients + new.clients), Client::default());
        self.strings.resize(size(before.strings + new.strings), LOST.into());
        self.shapes.resize(size(before.shapes + new.shapes), Shape::default());
    }
}

/// A string as it is kept: not too long.
pub(crate) fn kept(string: &str) -> &str {
    string.get(..string.floor_char_boundary(MAX_STRING)).unwrap_or(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_read_as_they_were_written() {
        let dictionary = Dictionary {
            clients: vec![Client { octets: [7; 16], who: 2 }, Client { octets: [8; 16], who: 0 }],
            strings: vec!["".into(), "two".into()],
            shapes: vec![Shape { kind: 65, rule: 0x102, upstream: 0x304, labels: 9, ..Shape::default() }],
        };
        let head = wire::Head {
            new: wire::Sizes { names: 0, clients: 2, strings: 2, shapes: 1 },
            ..wire::Head::default()
        };
        let [clients, strings, shapes] = dictionary.write(wire::Sizes::default());
        let mut read = Dictionary::default();
        read.read(&head, &clients, &strings, &shapes);
        assert_eq!((&read.clients, &read.strings), (&dictionary.clients, &dictionary.strings));
        assert_eq!(read.shapes, dictionary.shapes);
        assert_eq!((read.string(0), read.string(2), read.string(3)), (None, Some("two"), Some(LOST)));
        let mut torn = Dictionary::default();
        torn.read(&head, &clients[..30], &strings[..4], &shapes[..3]);
        assert_eq!((torn.clients.len(), torn.strings.len(), torn.shapes.len()), (2, 2, 1));
        assert_eq!(torn.string(2), Some(LOST));
    }

    #[test]
    fn a_long_string_is_cut_between_characters() {
        assert_eq!(kept("rule"), "rule");
        assert_eq!(kept(&"ä".repeat(400)).len(), 512);
        assert_eq!(kept(&format!("x{}", "ä".repeat(400))).len(), 511);
    }
}
