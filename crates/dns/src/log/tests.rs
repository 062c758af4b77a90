//! The log as a whole, without its thread: what is written is found, by a search that is compared with a simple one, and
//! what is torn or changed costs no more than itself.

mod thread;

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use runtime::Millis;

use super::open::{Known, Open};
use super::wire;
use super::*;

/// A row as a test has it.
#[derive(Clone, Debug)]
struct Model {
    at: Millis,
    client: IpAddr,
    who: Option<Arc<str>>,
    name: String,
    kind: u16,
    outcome: Outcome,
    micros: u32,
    rule: ModelRule,
    list: Option<Arc<str>>,
    policy: Option<Arc<str>>,
    upstream: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum ModelRule {
    None,
    Text(Arc<str>),
    /// Without so many labels.
    OfName(usize, RuleForm),
}

fn wire_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut wire: Vec<u8> = labels
        .flat_map(|label| std::iter::once(u8::try_from(label.len()).unwrap()).chain(label.bytes()))
        .collect();
    wire.push(0);
    wire
}

impl Model {
    fn new(at: Millis, client: &str, name: &str) -> Self {
        Self {
            at,
            client: client.parse().unwrap(),
            who: None,
            name: name.to_owned(),
            kind: 1,
            outcome: Outcome(5),
            micros: 30,
            rule: ModelRule::None,
            list: None,
            policy: None,
            upstream: None,
        }
    }

    fn push(&self, batch: &mut Batch) -> Taken {
        let name = wire_name(&self.name);
        let rule = match &self.rule {
            ModelRule::None => Rule::None,
            ModelRule::Text(text) => Rule::Text(text),
            ModelRule::OfName(labels, form) => {
                let place = self.name.split('.').take(*labels).map(|label| label.len() + 1).sum::<usize>();
                Rule::OfName { suffix_at: u8::try_from(place).unwrap(), form: *form }
            }
        };
        batch.push(&Row {
            at: self.at,
            client: self.client,
            who: self.who.as_ref(),
            name: &name,
            kind: self.kind,
            outcome: self.outcome,
            code: Code(3),
            security: Security::Secure,
            transport: Transport::Tls,
            micros: self.micros,
            rule,
            list: self.list.as_ref(),
            policy: self.policy.as_ref(),
            upstream: self.upstream.as_ref(),
        })
    }

    fn rule(&self) -> Option<String> {
        match &self.rule {
            ModelRule::None => None,
            ModelRule::Text(text) => Some(text.to_string()),
            ModelRule::OfName(labels, form) => {
                let rest: Vec<&str> = self.name.split('.').skip(*labels).collect();
                Some(form.text(&rest.join(".")))
            }
        }
    }

    fn entry(&self, number: u64) -> Entry {
        let owned = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        Entry {
            number,
            at: self.at,
            client: self.client,
            who: owned(&self.who),
            name: self.name.clone(),
            kind: self.kind,
            outcome: self.outcome,
            code: Code(3),
            security: Security::Secure,
            transport: Transport::Tls,
            micros: self.micros,
            rule: self.rule(),
            list: owned(&self.list),
            policy: owned(&self.policy),
            upstream: owned(&self.upstream),
        }
    }
}

/// Whether a row is meant, as simply as it can be said.
fn is_meant(wanted: &Search, number: u64, row: &Model) -> bool {
    let lower = |text: Option<String>| text.map(|text| text.to_lowercase());
    let [rule, list, policy, upstream] = [
        row.rule(),
        row.list.clone().map(|list| list.to_string()),
        row.policy.clone().map(|text| text.to_string()),
        row.upstream.clone().map(|text| text.to_string()),
    ]
    .map(lower);
    let has = |text: &Option<String>, part: &str| {
        text.as_deref().is_some_and(|text| text.contains(&part.to_lowercase()))
    };
    let is = |text: &Option<String>, whole: &Option<String>| {
        whole.is_none() || *text == whole.as_ref().map(|whole| whole.to_lowercase())
    };
    let client = match &wanted.client {
        None => true,
        Some(ClientIs::Address(address)) => row.client == *address,
        Some(ClientIs::Part(part)) => {
            row.client.to_string().contains(&part.to_lowercase())
                || row.who.as_ref().is_some_and(|who| who.to_lowercase().contains(&part.to_lowercase()))
        }
    };
    let name = match &wanted.name {
        None => true,
        Some(NameIs::Exactly(name)) => row.name == name.to_lowercase(),
        Some(NameIs::Under(name)) => format!(".{}", row.name).ends_with(&format!(".{}", name.to_lowercase())),
        Some(NameIs::Part(part)) => row.name.contains(&part.to_lowercase()),
    };
    client
        && name
        && (wanted.kinds.is_empty() || wanted.kinds.contains(&row.kind))
        && (wanted.outcomes.is_empty() || wanted.outcomes.contains(&row.outcome))
        && wanted
            .reason
            .as_ref()
            .is_none_or(|part| [&rule, &list, &policy, &upstream].iter().any(|text| has(text, part)))
        && wanted.rule.as_ref().is_none_or(|part| has(&rule, part))
        && is(&list, &wanted.list)
        && is(&policy, &wanted.policy)
        && is(&upstream, &wanted.upstream)
        && wanted.from.is_none_or(|from| row.at >= from)
        && wanted.until.is_none_or(|until| row.at < until)
        && wanted.before.is_none_or(|before| number < before)
}

fn naive(rows: &[Model], first: u64, wanted: &Search) -> Vec<Entry> {
    let numbered: Vec<(u64, &Model)> = (first..).zip(rows).collect();
    let meant = numbered.into_iter().rev().filter(|(number, row)| is_meant(wanted, *number, row));
    meant.map(|(number, row)| row.entry(number)).take(wanted.limit).collect()
}

/// A segment with these rows, in blocks that end at these places.
fn segment(rows: &[Model], ends: &[usize], first: u64) -> Vec<u8> {
    let mut open = Open::new(first);
    let mut bytes = wire::begin().to_vec();
    for (place, row) in rows.iter().enumerate() {
        take(&mut open, row);
        if ends.contains(&(place + 1)) {
            bytes.extend(open.block().unwrap().1);
            open.written();
        }
    }
    if let Some((_, block)) = open.block() {
        bytes.extend(block);
    }
    bytes
}

fn take(open: &mut Open, row: &Model) {
    let mut batch = Batch::default();
    row.push(&mut batch);
    for (row, name) in batch.rows() {
        open.take(row, name, batch.strings(), &mut Known::default(), Rows::Full).unwrap();
    }
}

fn texts(texts: &'static [&'static str]) -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of(proptest::sample::select(texts)).prop_map(|text| text.map(Arc::from))
}

fn a_name() -> impl Strategy<Value = String> {
    let label =
        || proptest::sample::select(vec!["a", "ads", "www", "important", "x-1", "example", "com", "0"]);
    proptest::collection::vec(label(), 1..5).prop_map(|labels| labels.join("."))
}

fn a_row() -> impl Strategy<Value = Model> {
    let client = proptest::sample::select(vec!["10.0.0.1", "10.0.0.19", "fd00::1", "192.168.1.9"]);
    let rule = prop_oneof![
        Just(ModelRule::None),
        proptest::sample::select(vec!["/Ads[0-9]/", "||x^$client=a"])
            .prop_map(|text| ModelRule::Text(text.into())),
        (0_usize..3, 1_u8..10).prop_map(|(labels, form)| ModelRule::OfName(labels, RuleForm(form))),
    ];
    let numbers = (0_i64..1_000, 0_u16..4, 0_u8..13, any::<u32>());
    let strings = (
        texts(&["Phone", "tv"]),
        texts(&["Ads", "other"]),
        texts(&["kids"]),
        texts(&["tls://9.9.9.9", "1.1.1.1"]),
    );
    (client, a_name(), numbers, rule, strings).prop_map(
        |(client, name, (at, kind, outcome, micros), rule, strings)| {
            let labels = name.split('.').count();
            let rule = match rule {
                ModelRule::OfName(skip, form) => ModelRule::OfName(skip.min(labels - 1), form),
                other => other,
            };
            let (who, list, policy, upstream) = strings;
            let mut row = Model::new(at, client, &name);
            (row.kind, row.outcome, row.micros, row.rule) = (kind, Outcome(outcome), micros, rule);
            (row.who, row.list, row.policy, row.upstream) = (who, list, policy, upstream);
            row
        },
    )
}

fn a_search() -> impl Strategy<Value = Search> {
    let client = prop_oneof![
        Just(ClientIs::Address("10.0.0.1".parse().unwrap())),
        Just(ClientIs::Address("10.0.0.77".parse().unwrap())),
        Just(ClientIs::Part("0.0.1".to_owned())),
        Just(ClientIs::Part("PHO".to_owned())),
    ];
    let name = prop_oneof![
        a_name().prop_map(NameIs::Exactly),
        a_name().prop_map(NameIs::Under),
        proptest::sample::select(vec!["ads.", "x", "Ample", "", "nowhere"])
            .prop_map(|part| NameIs::Part(part.to_owned())),
    ];
    let part = || {
        proptest::sample::select(vec![
            "ads",
            "||",
            "^",
            "important",
            "0.0.0.0 a",
            "$important",
            "|com^",
            "ads.example",
            "x-1",
            "kids",
            "9.9",
            "",
        ])
    };
    let option = |strategy| proptest::option::weighted(0.2, strategy);
    let words = proptest::sample::subsequence((0_u8..13).map(Outcome).collect::<Vec<_>>(), 0..4);
    let texts = (
        proptest::option::weighted(0.2, part().prop_map(str::to_owned)),
        proptest::option::weighted(0.3, part().prop_map(str::to_owned)),
        option(Just("ads".to_owned())),
        option(Just("kids".to_owned())),
        option(Just("1.1.1.1".to_owned())),
    );
    let times =
        (proptest::option::weighted(0.3, 0_i64..1_000), proptest::option::weighted(0.3, 0_i64..1_000));
    let rest = (proptest::option::weighted(0.3, 0_u64..80), prop_oneof![Just(1_000_usize), 1_usize..5]);
    let kinds = proptest::sample::subsequence(vec![0_u16, 1, 2, 3], 0..3);
    (
        proptest::option::weighted(0.3, client),
        proptest::option::weighted(0.4, name),
        kinds,
        words,
        texts,
        times,
        rest,
    )
        .prop_map(|(client, name, kinds, outcomes, texts, (from, until), (before, limit))| {
            let (reason, rule, list, policy, upstream) = texts;
            Search {
                client,
                name,
                kinds,
                outcomes,
                reason,
                rule,
                list,
                policy,
                upstream,
                from,
                until,
                before,
                limit,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_is_meant(
        rows in proptest::collection::vec(a_row(), 0..60),
        ends in proptest::collection::vec(0_usize..60, 0..4),
        wanted in a_search(),
    ) {
        let bytes = segment(&rows, &ends, 10);
        let found = read_bytes(&bytes, wanted.clone());
        prop_assert_eq!(found.unreadable, 0);
        prop_assert_eq!(&found.rows, &naive(&rows, 10, &wanted));
    }

    #[test]
    fn bytes_that_were_changed_are_read_without_harm(
        rows in proptest::collection::vec(a_row(), 1..30),
        ends in proptest::collection::vec(0_usize..30, 0..4),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        wanted in a_search(),
    ) {
        let mut bytes = segment(&rows, &ends, 0);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let everything = Search { limit: MAX_FOUND, ..Search::default() };
        prop_assert!(read_bytes(&bytes, everything).rows.len() <= rows.len());
        read_bytes(&bytes, wanted);
    }
}

#[test]
fn of_a_torn_segment_all_blocks_that_are_whole_are_read() {
    let rows: Vec<Model> =
        (0..30).map(|number| Model::new(number, "10.0.0.1", &format!("n{number}.example"))).collect();
    let ends = [7, 11, 25, 30];
    let bytes = segment(&rows, &ends, 0);
    let lengths = ends.map(|end| segment(&rows[..end], &ends, 0).len());
    let everything = Search { limit: MAX_FOUND, ..Search::default() };
    for length in 0..=bytes.len() {
        let whole =
            ends.iter().zip(lengths).filter(|(_, at)| *at <= length).map(|(end, _)| *end).max().unwrap_or(0);
        let found = read_bytes(&bytes[..length], everything.clone());
        assert_eq!(found.rows, naive(&rows[..whole], 0, &everything), "{length} bytes");
        // A disk that gave room for the rest, and lost what was in it.
        let mut zeroes = bytes[..length].to_vec();
        zeroes.resize(bytes.len(), 0);
        let found = read_bytes(&zeroes, everything.clone());
        let last = found.rows.first().map_or(0, |row| row.number + 1);
        assert!(last >= whole as u64, "{length} bytes and zeroes: {last} of {whole}");
    }
}

#[test]
fn a_broken_block_costs_no_other() {
    let rows: Vec<Model> =
        (0..30).map(|number| Model::new(number, "10.0.0.1", &format!("n{number}.example"))).collect();
    let bytes = segment(&rows, &[10, 20], 0);
    let (first, second) = (segment(&rows[..10], &[], 0).len(), segment(&rows[..20], &[10], 0).len());
    let everything = Search { limit: MAX_FOUND, ..Search::default() };
    for place in first..second {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x40;
        let found = read_bytes(&bytes, everything.clone());
        let mut numbers: Vec<u64> = found.rows.iter().map(|row| row.number).collect();
        numbers.reverse();
        let without: Vec<u64> = (0..10).chain(20..30).collect();
        if numbers == without {
            continue;
        }
        // What was changed was a dictionary: the rows are there, what it had is lost.
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "byte {place}");
        let others = found.rows.iter().filter(|row| !(10..20).contains(&row.number));
        for row in others {
            assert_eq!(row.name, format!("n{}.example", row.number), "byte {place}");
        }
    }
}

#[test]
fn a_segment_of_a_newer_version_is_not_read() {
    let mut bytes = segment(&[Model::new(1, "10.0.0.1", "a")], &[], 0);
    bytes[8] = 2;
    assert!(read_bytes(&bytes, Search { limit: 10, ..Search::default() }).rows.is_empty());
}
