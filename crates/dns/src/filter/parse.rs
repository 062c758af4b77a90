//! One line of a list, or one rule of the lab file, read.
//!
//! A line is a comment, a rule about the looks of pages, a line of a hosts file, a name, or a rule of AdGuard's
//! language: `[@@]pattern[$modifier,…]`. What is not followed says why; half a rule followed is a page that does
//! not load.

use std::borrow::Cow;
use std::net::IpAddr;

use super::modifier::{self, Conditions};
use super::names::{Effect, Scope, Short, Weight};
use super::pattern::{self, Shape, is_digits, is_name};
use super::regex::Expression;
use super::rewrite::{self, Answer};

pub use super::why::{Kind, Why};

/// What a line is.
#[derive(Debug)]
pub enum Line<'l> {
    /// Nothing, a comment, or the head of a list.
    Comment,
    /// A rule about the looks of pages, which DNS knows nothing of.
    Cosmetic,
    /// A rule that is a name and no more, in letters of either case.
    Short(Short, Cow<'l, str>),
    /// A line of a hosts file.
    Hosts(Hosts<'l>),
    /// Any other rule.
    Rule(Box<Rule<'l>>),
    /// It is not followed.
    Refused(Why),
}

/// A line of a hosts file.
#[derive(Debug)]
pub struct Hosts<'l> {
    pub(super) address: IpAddr,
    pub(super) names: &'l str,
}

impl<'l> Hosts<'l> {
    /// The address, if it is not one of nothing or of the machine itself.
    pub(super) fn answer(&self) -> Option<IpAddr> {
        let is_nothing = self.address.is_unspecified() || self.address.is_loopback();
        (!is_nothing).then_some(self.address)
    }

    /// The names, or why one of them is not followed.
    pub(super) fn names(&self) -> impl Iterator<Item = Result<&'l str, Why>> {
        let six = matches!(self.address, IpAddr::V6(six) if six.is_multicast());
        let is_special = self.answer().is_none() || six || self.address.is_unicast_broadcast();
        self.names.split_ascii_whitespace().map(move |name| {
            let is_own =
                is_special && !name.contains('.') || name.eq_ignore_ascii_case("localhost.localdomain");
            match name {
                _ if is_own => Err(Why::OwnName),
                name if is_name(name) && !is_digits(name) => Ok(name),
                _ => Err(Why::NoName),
            }
        })
    }
}

trait Broadcast {
    fn is_unicast_broadcast(&self) -> bool;
}

impl Broadcast for IpAddr {
    fn is_unicast_broadcast(&self) -> bool {
        matches!(self, Self::V4(four) if four.is_broadcast())
    }
}

/// A rule that is more than a name.
#[derive(Debug)]
pub struct Rule<'l> {
    pub(super) subject: Subject<'l>,
    pub(super) modifiers: Modifiers,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject<'l> {
    Shape(Shape<'l>),
    Expression(Box<Expression>),
}

/// What stands before and behind the pattern of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Modifiers {
    pub(super) effect: Effect,
    pub(super) weight: Weight,
    pub(super) role: Role,
    pub(super) conditions: Option<Box<Conditions>>,
    /// `$dnsrewrite`; none in it is that of an exception for all of them.
    pub(super) rewrite: Option<Option<Answer>>,
}

/// Whether a rule is one, or takes others away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Rule,
    /// `$badfilter`.
    Remover,
}

impl Modifiers {
    /// How many modifiers there are: of rules alike, the one with the most goes first.
    pub(super) fn count(&self) -> u8 {
        let conditions = self.conditions.as_deref().map_or(0, Conditions::count);
        conditions + u8::from(self.weight == Weight::Important) + u8::from(self.rewrite.is_some())
    }
}

/// Reads a line, which is in ASCII but for what stands in values of modifiers.
pub fn parse(line: &str) -> Line<'_> {
    let line = line.trim_ascii();
    if let Some(name) = line.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'))
        && is_name(name)
    {
        let (effect, weight) = (Effect::Block, Weight::Plain);
        return Line::Short(Short { scope: Scope::Below, effect, weight }, Cow::Borrowed(name));
    }
    match line.bytes().next() {
        None | Some(b'!' | b'[') => return Line::Comment,
        Some(b'#') if !is_cosmetic(line) => return Line::Comment,
        _ => {}
    }
    if is_cosmetic(line) {
        return Line::Cosmetic;
    }
    let bare = line.split_once('#').map_or(line, |(before, _)| before.trim_ascii_end());
    host(bare).unwrap_or_else(|| network(line))
}

/// Whether a rule is about the looks of pages: what it is about stands behind a mark such as `##`. Behind a
/// space, it is the comment of a line of a hosts file.
fn is_cosmetic(line: &str) -> bool {
    let bytes = line.as_bytes();
    let is_mark = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        let marks = ["##", "#@", "#?#", "#$", "#%#", "$$", "$@$"];
        marks.iter().any(|mark| rest.starts_with(mark.as_bytes()))
    };
    let is_behind_space =
        |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_whitespace);
    let marked = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'#' | b'$'));
    marked.map(|(at, _)| at).any(|at| is_mark(at) && !is_behind_space(at))
}

/// A line of a hosts file, or of a list of names.
fn host(line: &str) -> Option<Line<'_>> {
    let (effect, weight) = (Effect::Block, Weight::Plain);
    match line.split_once([' ', '\t']) {
        None => {
            let is_address = line.parse::<std::net::Ipv4Addr>().is_ok();
            let is_plain = line.contains('.') && !line.starts_with('-') && is_name(line) && !is_digits(line);
            let scope = if is_address { Scope::Alone } else { Scope::Name };
            (is_plain || is_address)
                .then_some(Line::Short(Short { scope, effect, weight }, Cow::Borrowed(line)))
        }
        Some((address, names)) => {
            let address = address.split_once('%').map_or(address, |(address, _)| address);
            let address = address.parse().ok()?;
            Some(Line::Hosts(Hosts { address, names }))
        }
    }
}

fn network(line: &str) -> Line<'_> {
    match rule(line) {
        Ok(Rule { subject: Subject::Shape(Shape::Named(scope, name)), modifiers })
            if modifiers.role == Role::Rule
                && modifiers.conditions.is_none()
                && modifiers.rewrite.is_none() =>
        {
            let Modifiers { effect, weight, .. } = modifiers;
            Line::Short(Short { scope, effect, weight }, name)
        }
        Ok(rule) => Line::Rule(Box::new(rule)),
        Err(why) => Line::Refused(why),
    }
}

/// The pattern and the modifiers of a rule: the last `$` that is not behind a `\` divides them. A regular
/// expression without modifiers may have a `$` anywhere.
fn divide(rest: &str) -> (&str, Option<&str>) {
    if rest.len() > 1 && rest.starts_with('/') && rest.ends_with('/') {
        return (rest, None);
    }
    let is_divider = |(at, _): &(usize, &str)| !rest.get(..*at).is_some_and(|before| before.ends_with('\\'));
    let Some((at, _)) = rest.rmatch_indices('$').find(is_divider) else { return (rest, None) };
    let (pattern, modifiers) = rest.split_at_checked(at).unwrap_or((rest, ""));
    (pattern, modifiers.strip_prefix('$'))
}

fn rule(line: &str) -> Result<Rule<'_>, Why> {
    let (effect, rest) = match line.strip_prefix("@@") {
        Some(rest) => (Effect::Allow, rest),
        None => (Effect::Block, line),
    };
    let (pattern, behind) = divide(rest);
    let modifiers = modifiers(effect, behind)?;
    let expression = pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    // A pattern that is nearly nothing is a slip, unless something else says what is meant.
    let is_narrowed = modifiers.conditions.is_some();
    if !is_narrowed && (pattern.len() < 3 || expression.is_some_and(str::is_empty)) {
        return Err(Why::TooWide(pattern.into()));
    }
    let subject = match expression.filter(|expression| !expression.is_empty()) {
        Some(expression) => Subject::Expression(Box::new(Expression::new(expression)?)),
        None if !pattern.is_ascii() => return Err(Why::Foreign),
        None if pattern.contains([' ', '\t']) => return Err(Why::Words),
        None => match pattern::shape(pattern) {
            Shape::Never => return Err(Why::Never),
            shape => Subject::Shape(shape),
        },
    };
    Ok(Rule { subject, modifiers })
}

fn modifiers(effect: Effect, text: Option<&str>) -> Result<Modifiers, Why> {
    let mut made =
        Modifiers { effect, weight: Weight::Plain, role: Role::Rule, conditions: None, rewrite: None };
    let mut conditions = Conditions::default();
    let Some(text) = text else { return Ok(made) };
    if text.is_empty() {
        return Err(Why::NoModifier);
    }
    // A value stands in a rule once; what comes later would silently win.
    let mut seen: Vec<&str> = Vec::new();
    for part in modifier::split(text, ',') {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        if seen.contains(&name) {
            return Err(Why::Twice(name.into()));
        }
        seen.push(name);
        let needed = value.filter(|value| !value.is_empty());
        let value_of = || needed.ok_or_else(|| Why::value(name, "it has no value"));
        match name {
            "important" if value.is_none() => made.weight = Weight::Important,
            "badfilter" if value.is_none() => made.role = Role::Remover,
            "important" | "badfilter" => return Err(Why::value(name, "it takes no value")),
            "client" => conditions.clients = modifier::clients(value_of()?)?,
            "ctag" => conditions.tags = Some(modifier::tags(value_of()?)?),
            "dnstype" => conditions.types = modifier::types(value_of()?)?,
            "denyallow" => conditions.but_under = modifier::but_under(value_of()?)?,
            "dnsrewrite" => made.rewrite = Some(rewritten(effect, needed)?),
            other => return Err(Why::modifier(other)),
        }
    }
    made.conditions = (!conditions.is_empty()).then(|| Box::new(conditions));
    Ok(made)
}

fn rewritten(effect: Effect, value: Option<&str>) -> Result<Option<Answer>, Why> {
    match value {
        Some(value) => Ok(Some(rewrite::answer(&modifier::unescape(value))?)),
        None if effect == Effect::Allow => Ok(None),
        None => Err(Why::value("dnsrewrite", "it does not say what to answer")),
    }
}

/// A line in which names with letters that are not of ASCII are written as the DNS has them (RFC 3492, and
/// RFC 5891 section 4 as far as small letters go); none if its pattern can not be.
pub(super) fn ascii(line: &str) -> Option<Cow<'_, str>> {
    if line.is_ascii() {
        return Some(Cow::Borrowed(line));
    }
    let (pattern, behind) = divide(line);
    if pattern.is_ascii() {
        return Some(Cow::Borrowed(line));
    }
    if pattern.trim_start_matches("@@").starts_with('/') {
        return None;
    }
    let is_letter =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_') || !letter.is_ascii();
    let mut made = String::with_capacity(line.len() + 8);
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let end = rest.find(|letter| is_letter(letter) != is_letter(rest.chars().next().unwrap_or(letter)));
        let (part, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        match is_letter(letter) && !part.is_ascii() {
            true => made.push_str(&super::punycode::label(part)?),
            false => made.push_str(part),
        }
        rest = after;
    }
    if let Some(behind) = behind {
        made.push('$');
        made.push_str(behind);
    }
    Some(Cow::Owned(made))
}
