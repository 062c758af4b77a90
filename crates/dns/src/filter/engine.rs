//! The rules that are more than a name, and finding the few of them that may be about one.
//!
//! A rule about a name is found by the hash of that name. A rule with a pattern is found by the longest word of
//! the pattern, all of which are looked for in one pass. What has no such word is looked at each time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::ListId;
use super::names::Scope;
use super::parse::Modifiers;
use super::pattern::{Pattern, Text};
use super::regex::{Expression, Together};

/// How many bytes all words may have for the fast kind of automaton, which takes up to 1 KiB for each.
const MAX_FAST: usize = 8 << 10;

/// A rule that is more than a name.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) list: ListId,
    pub(super) subject: Subject,
    pub(super) modifiers: Modifiers,
    /// What a line of a hosts file gives the name.
    pub(super) address: Option<IpAddr>,
    pub(super) text: Arc<str>,
}

/// What a rule is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The name with this hash.
    Named(Scope, u64),
    /// Names that are like this.
    Wild(Pattern),
    /// Names that are like this.
    Expression(Box<Expression>),
}

impl Rule {
    /// Whether a rule that takes others away takes this one away: they are alike in all but that.
    pub(super) fn is_removed_by(&self, remover: &Self) -> bool {
        let modifiers = Modifiers { role: self.modifiers.role, ..remover.modifiers.clone() };
        self.address.is_none() && self.subject == remover.subject && self.modifiers == modifiers
    }

    fn may_be_address(&self) -> bool {
        match &self.subject {
            Subject::Named(..) => false,
            Subject::Wild(pattern) => pattern.may_be_address(),
            Subject::Expression(expression) => {
                let is_one = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
                expression.words().is_empty() || expression.words().iter().any(|word| word.iter().all(is_one))
            }
        }
    }
}

/// The numbers of the rules of each word.
type RulesByWord = Box<[Box<[u32]>]>;

/// The rules and the ways to find them.
#[derive(Debug, Default)]
pub(super) struct Engine {
    rules: Box<[Rule]>,
    /// Rules about names: the hash and the number of the rule, in their order.
    named: Box<[(u64, u32)]>,
    words: Option<AhoCorasick>,
    /// The rules that each word is of.
    by_word: RulesByWord,
    /// Rules that are looked at each time.
    always: Box<[u32]>,
    together: Box<[Together]>,
    may_be_address: bool,
}

impl Engine {
    /// Of all rules.
    pub(super) fn new(mut rules: Vec<Rule>) -> Self {
        let mut named = Vec::new();
        let mut always = Vec::new();
        let mut wordless = Vec::new();
        let mut words: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for (number, rule) in (0_u32..).zip(&rules) {
            match &rule.subject {
                Subject::Named(_, hash) => named.push((*hash, number)),
                Subject::Wild(pattern) => match pattern.literal() {
                    [] => always.push(number),
                    word => words.entry(word).or_default().push(number),
                },
                Subject::Expression(expression) => match expression.words() {
                    [] => wordless.push((number, &**expression)),
                    each => each.iter().for_each(|word| words.entry(word).or_default().push(number)),
                },
            }
        }
        named.sort_unstable();
        let (together, alone) = Together::of(&wordless);
        always.extend(alone);
        let may_be_address = rules.iter().any(Rule::may_be_address);
        let (automaton, by_word) = automaton(words);
        // An automaton that can not be built leaves its rules to be looked at each time.
        if automaton.is_none() {
            always.extend(by_word.iter().flatten());
            always.sort_unstable();
            always.dedup();
        }
        for rule in &mut rules {
            if let Subject::Expression(expression) = &mut rule.subject {
                expression.settle();
            }
        }
        Self {
            named: named.into_boxed_slice(),
            words: automaton,
            by_word,
            always: always.into_boxed_slice(),
            together: together.into_boxed_slice(),
            may_be_address,
            rules: rules.into_boxed_slice(),
        }
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// How many bytes they take, nearly.
    pub(super) fn bytes(&self) -> usize {
        let rule = |rule: &Rule| {
            let subject = match &rule.subject {
                Subject::Named(..) => 0,
                Subject::Wild(pattern) => pattern.literal().len() + 8,
                Subject::Expression(expression) => expression.bytes(),
            };
            size_of::<Rule>() + rule.text.len() + 16 + subject
        };
        self.rules.iter().map(rule).sum::<usize>()
            + size_of_val(&*self.named)
            + self.words.as_ref().map_or(0, AhoCorasick::memory_usage)
            + self.by_word.iter().map(|rules| size_of_val(rules) + size_of_val(&**rules)).sum::<usize>()
            + size_of_val(&*self.always)
            + self.together.iter().map(Together::bytes).sum::<usize>()
    }

    /// Whether there is a rule that may be about an address.
    pub(super) fn may_be_address(&self) -> bool {
        self.may_be_address
    }

    /// Whether there are rules that are not found by names.
    pub(super) fn has_patterns(&self) -> bool {
        self.rules.len() > self.named.len()
    }

    /// The rules about the name with this hash.
    pub(super) fn named(&self, hash: u64) -> impl Iterator<Item = &Rule> {
        let start = self.named.partition_point(|(own, _)| *own < hash);
        let from = self.named.get(start..).unwrap_or_default().iter();
        from.take_while(move |(own, _)| *own == hash).filter_map(|(_, number)| self.rule(*number))
    }

    fn rule(&self, number: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(number).ok()?)
    }

    /// The rules whose patterns or expressions a name is like; one may come more than once.
    pub(super) fn like<'e>(&'e self, text: &Text, mut each: impl FnMut(&'e Rule)) {
        let mut look = |number: u32| {
            let rule = self.rule(number);
            let found = rule.filter(|rule| match &rule.subject {
                Subject::Named(..) => false,
                Subject::Wild(pattern) => pattern.is_like(text),
                Subject::Expression(expression) => expression.is_like(text.name()),
            });
            if let Some(rule) = found {
                each(rule);
            }
        };
        self.always.iter().for_each(|number| look(*number));
        if let Some(words) = &self.words
            && let Ok(found) = words.try_find_overlapping_iter(text.name())
        {
            for found in found {
                let rules = self.by_word.get(found.pattern().as_usize());
                rules.into_iter().flatten().for_each(|number| look(*number));
            }
        }
        for together in &self.together {
            together.like(text.name(), |number| {
                if let Some(rule) = self.rule(number) {
                    each(rule);
                }
            });
        }
    }
}

/// An automaton that finds words, and the rules of each.
fn automaton(words: HashMap<&[u8], Vec<u32>>) -> (Option<AhoCorasick>, RulesByWord) {
    let (keys, rules): (Vec<&[u8]>, Vec<Box<[u32]>>) =
        words.into_iter().map(|(word, rules)| (word, rules.into_boxed_slice())).unzip();
    let bytes: usize = keys.iter().map(|word| word.len()).sum();
    let kind = if bytes <= MAX_FAST { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
    let mut builder = AhoCorasick::builder();
    // Names are short: looking ahead for first letters costs more than it saves.
    let builder = builder.match_kind(MatchKind::Standard).prefilter(false).kind(Some(kind));
    let automaton = builder.build(keys);
    (automaton.ok(), rules.into_boxed_slice())
}
