//! Regular expressions of rules: case does not matter, and they run in a time that is linear in the name.
//!
//! Most have a word in them that a name must have too; they are tried on names that have it, and each costs
//! some kilobytes. Those without such a word are run together, some dozens in one pass.

use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Input, PatternSet};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::parse::Why;

/// The most that one expression may take, in bytes, once it is compiled.
const MAX_BYTES: usize = 256 << 10;
/// How deep brackets may be in brackets.
const MAX_DEPTH: u32 = 50;
/// What all expressions of a set may take together, in bytes.
pub(super) const MAX_ALL_BYTES: usize = 16 << 20;
/// How many expressions run together, and the bytes that this may take.
const TOGETHER: usize = 32;
const MAX_TOGETHER_BYTES: usize = 2 << 20;
/// What is kept of the work on earlier names, in bytes, for each thread and all that run together.
const MEMORY: usize = 512 << 10;
/// The most words of which a name must have one.
const MAX_WORDS: usize = 32;
/// The fewest letters of a word that is worth looking for.
const SHORTEST_WORD: usize = 2;

/// A regular expression that has been read.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    text: Box<str>,
    /// Kept for those that are going to run with others.
    tree: Option<Hir>,
    regex: Regex,
    /// A name has to have one of these to be like it; empty if it may have none of them.
    words: Vec<Box<[u8]>>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

fn config(limit: usize) -> Config {
    Config::new().utf8_empty(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(limit))
}

fn parser(is_unicode: bool) -> regex_syntax::Parser {
    let mut builder = regex_syntax::ParserBuilder::new();
    builder.case_insensitive(true).unicode(is_unicode).utf8(false).nest_limit(MAX_DEPTH).build()
}

fn wrong(error: &regex_syntax::Error) -> Why {
    let said = match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    };
    Why::Regex(said.into())
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// If it is not one, or too large.
    pub(super) fn new(text: &str) -> Result<Self, Why> {
        // Names are in ASCII. Few expressions are about letters of all the world, and those are larger.
        let tree = match parser(false).parse(text) {
            Ok(tree) => tree,
            Err(_) => parser(true).parse(text).map_err(|error| wrong(&error))?,
        };
        let regex = Builder::new().configure(config(MAX_BYTES).hybrid(false)).build_from_hir(&tree);
        let regex = regex.map_err(|_| Why::Regex("it is too large".into()))?;
        let words = words(&tree).filter(|words| shortest(words) >= SHORTEST_WORD).unwrap_or_default();
        let tree = words.is_empty().then_some(tree);
        Ok(Self { text: text.into(), tree, regex, words })
    }

    /// Of these words a name like it has one; there may be none.
    pub(super) fn words(&self) -> &[Box<[u8]>] {
        &self.words
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage()
    }

    /// Lets go of what is not needed any more once it is decided with which others it runs.
    pub(super) fn settle(&mut self) {
        self.tree = None;
    }

    /// Whether a name in text is like it.
    pub(super) fn is_like(&self, name: &[u8]) -> bool {
        self.regex.is_match(name)
    }
}

/// Expressions that are run together.
#[derive(Debug)]
pub(super) struct Together {
    regex: Regex,
    rules: Box<[u32]>,
}

impl Together {
    /// Of expressions and the numbers of their rules. Those that can not run together are given back.
    pub(super) fn of(expressions: &[(u32, &Expression)]) -> (Vec<Self>, Vec<u32>) {
        let (mut all, mut alone) = (Vec::new(), Vec::new());
        for part in expressions.chunks(TOGETHER) {
            let trees: Vec<&Hir> =
                part.iter().filter_map(|(_, expression)| expression.tree.as_ref()).collect();
            let numbers = part.iter().map(|(rule, _)| *rule);
            let config = config(MAX_TOGETHER_BYTES).hybrid_cache_capacity(MEMORY);
            let config = config.match_kind(regex_automata::MatchKind::All);
            match Builder::new().configure(config).build_many_from_hir(&trees) {
                Ok(regex) if trees.len() == part.len() => all.push(Self { regex, rules: numbers.collect() }),
                _ => alone.extend(numbers),
            }
        }
        (all, alone)
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage() + size_of_val(&*self.rules)
    }

    /// The rules whose expressions a name in text is like.
    pub(super) fn like(&self, name: &[u8], mut each: impl FnMut(u32)) {
        if !self.regex.is_match(name) {
            return;
        }
        let mut found = PatternSet::new(self.regex.pattern_len());
        self.regex.which_overlapping_matches(&Input::new(name), &mut found);
        for rule in found.iter().filter_map(|at| self.rules.get(at.as_usize())) {
            each(*rule);
        }
    }
}

fn shortest(words: &[Box<[u8]>]) -> usize {
    words.iter().map(|word| word.len()).min().unwrap_or(0)
}

/// Words of which one is in everything that an expression is like, as long as can be; none if there are none.
fn words(tree: &Hir) -> Option<Vec<Box<[u8]>>> {
    let best = |one: Option<Vec<Box<[u8]>>>, other: Option<Vec<Box<[u8]>>>| match (one, other) {
        (Some(one), Some(other)) => Some(if shortest(&one) >= shortest(&other) { one } else { other }),
        (one, other) => one.or(other),
    };
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(_) | HirKind::Class(_) => letters(tree).map(|word| vec![word.into()]),
        HirKind::Repetition(repeated) => (repeated.min > 0).then(|| words(&repeated.sub))?,
        HirKind::Capture(capture) => words(&capture.sub),
        HirKind::Alternation(parts) => {
            let all: Vec<_> = parts.iter().map(words).collect::<Option<Vec<_>>>()?.concat();
            (all.len() <= MAX_WORDS).then_some(all)
        }
        HirKind::Concat(parts) => {
            let (mut found, mut run) = (None, Vec::new());
            let close = |run: &mut Vec<u8>| {
                let word = std::mem::take(run);
                (!word.is_empty()).then(|| vec![word.into_boxed_slice()])
            };
            for part in parts {
                match letters(part) {
                    Some(letters) => run.extend(letters),
                    // What takes no room does not part letters.
                    None if matches!(part.kind(), HirKind::Look(_)) => {}
                    None => {
                        found = best(found, close(&mut run));
                        found = best(found, words(part));
                    }
                }
            }
            best(found, close(&mut run))
        }
    }
}

/// What a part stands for, if that is one text only, in lower case.
fn letters(tree: &Hir) -> Option<Vec<u8>> {
    match tree.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => {
            let mut bytes: Vec<u8> = match class {
                Class::Bytes(class) => {
                    let ranges = class.iter().map(|range| (range.start(), range.end()));
                    ranges.map(|(start, end)| (start == end).then_some(start)).collect::<Option<_>>()?
                }
                Class::Unicode(class) => {
                    let ranges = class.iter().map(|range| (range.start(), range.end()));
                    let one = |(start, end)| (start == end).then(|| u8::try_from(start).ok())?;
                    ranges.map(one).collect::<Option<_>>()?
                }
            };
            bytes.make_ascii_lowercase();
            bytes.dedup();
            (bytes.len() == 1 && bytes.is_ascii()).then_some(bytes)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> Vec<String> {
        let words = Expression::new(text).unwrap().words;
        words.iter().map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
    }

    #[test]
    fn words_that_a_name_must_have_are_found() {
        for (text, expected) in [
            (r"^ads?[0-9]*\.", &["ad"][..]),
            (r"^(.+[_.-])?adse?rv(er?|ice)?s?[0-9]*[_.-]", &["ads"]),
            (r"example.*", &["example"]),
            (r"^(stat|track)s?\.", &["stat", "track"]),
            (r"(^|\.)Tele(metry|data)\.", &["tele"]),
            (r"^[a-z0-9]{16}\.com$", &[".com"]),
            (r"^[a-z]{3}[0-9]+$", &[]),
            (r".*", &[]),
            (r"x?y?", &[]),
            (r"x.(metrics|data)", &["metrics", "data"]),
            (r"(ab)+", &["ab"]),
            (r"[a-b]c", &[]),
        ] {
            assert_eq!(words_of(text), expected, "{text}");
        }
    }

    #[test]
    fn expressions_are_of_the_dialect_that_lists_use() {
        let like = |text: &str, name: &str| Expression::new(text).unwrap().is_like(name.as_bytes());
        assert!(like(r"^ADS\.", "ads.example") && !like(r"^ads\.", "x.ads.example"));
        assert!(like(r"\/?ads", "ads") && like(r"^\d+\.", "12.x") && like(r"^[[:alpha:]]+$", "abc"));
        assert!(like(r"^\pL+$", "abc") && like(r"(?:a|b)\b", "x.b") && like("(?i)X", "x"));
        for wrong in ["(", "a{2", r"(?=x)", r"(a)\1", "[z-a]", "(a{1000}){1000}", &"(".repeat(300)] {
            assert!(matches!(Expression::new(wrong), Err(Why::Regex(_))), "{wrong}");
        }
    }

    #[test]
    fn many_are_run_in_one_pass() {
        let made: Vec<Expression> =
            (0..100).map(|at| Expression::new(&format!("^[a-z]{{{at}}}$")).unwrap()).collect();
        let numbered: Vec<(u32, &Expression)> = (0_u32..).zip(&made).collect();
        let (together, alone) = Together::of(&numbered);
        assert_eq!((together.len(), alone), (4, vec![]));
        let mut found = Vec::new();
        for all in &together {
            all.like(b"abcde", |rule| found.push(rule));
        }
        assert_eq!(found, [5]);
        assert!(made.iter().map(Expression::bytes).sum::<usize>() < 1 << 20);
    }
}
