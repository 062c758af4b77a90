//! The pattern of a rule: what it says in the end, and whether a name is like it.
//!
//! In AdGuard's language a pattern is held against the name, or, if it begins as an address of a page would,
//! against `http://` and the name. Here nearly all of the second kind are made to be of the first. A pattern
//! that is a name and nothing else becomes a [`Shape::Named`], which costs nothing to look for.

use std::borrow::Cow;

use super::names::Scope;
use crate::wire::{MAX_LABEL, MAX_NAME};

/// What stands before a name, for patterns that are held against it too.
const SCHEME: &[u8] = b"http://";

/// What a pattern says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape<'p> {
    /// A name, in letters of either case.
    Named(Scope, Cow<'p, str>),
    /// Anything else.
    Wild(Pattern),
    /// Nothing that a name can be.
    Never,
}

/// Where a pattern begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Start {
    /// At the beginning.
    Beginning,
    /// At the beginning of any label.
    Label,
    /// At the beginning of `http://` and the name.
    Scheme,
}

/// A pattern that is more than a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    start: Start,
    /// In lower case; `*` is any run of bytes, `^` the end or a byte that no name has. It has to be like the
    /// whole of what is looked at, so that one that may end anywhere has a `*` at its end.
    parts: Box<[u8]>,
}

/// A name as patterns are held against it: in lower case, with points between the labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    /// Behind `http://`.
    bytes: [u8; SCHEME.len() + MAX_NAME],
    end: usize,
}

impl Text {
    /// Of a name in its wire form, in lower case.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut text = Self { bytes: [0; SCHEME.len() + MAX_NAME], end: 0 };
        text.push(SCHEME);
        let mut rest = name;
        while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if text.end > SCHEME.len() {
                text.push(b".");
            }
            let Some((label, next)) = after.split_at_checked(usize::from(length)) else { break };
            text.push(label);
            rest = next;
        }
        text
    }

    fn push(&mut self, part: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.end..self.end + part.len()) {
            room.copy_from_slice(part);
            self.end += part.len();
        }
    }

    /// The name.
    pub(super) fn name(&self) -> &[u8] {
        self.bytes.get(SCHEME.len()..self.end).unwrap_or_default()
    }

    fn whole(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }
}

/// Whether it is a name: labels of letters, digits, `-` and `_` with points between them, of lengths that names
/// can have (RFC 1035 section 2.3.4; `_` as in RFC 8552).
pub(super) fn is_name(text: &str) -> bool {
    if text.len() > MAX_NAME - 2 {
        return false;
    }
    let mut length = 0;
    for byte in text.bytes() {
        match byte {
            b'.' if length == 0 => return false,
            b'.' => length = 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if length < MAX_LABEL => length += 1,
            _ => return false,
        }
    }
    length > 0
}

/// Whether a name in text is an address of IPv4, or the end of one.
pub(super) fn is_digits(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What a pattern says, which is no regular expression. In ASCII.
pub(super) fn shape(pattern: &str) -> Shape<'_> {
    match pattern.strip_suffix("/*") {
        // Lists that were made for browsers end a name so; it is the end of it.
        Some(rest) if !rest.is_empty() => match of(&format!("{rest}^")) {
            Shape::Named(scope, name) => Shape::Named(scope, Cow::Owned(name.into_owned())),
            Shape::Wild(pattern) => Shape::Wild(pattern),
            Shape::Never => Shape::Never,
        },
        _ => of(pattern),
    }
}

/// Where a pattern begins, whether something may stand before that, and what is left of it.
fn start(pattern: &str) -> Option<(Start, &str, &str)> {
    if let Some(rest) = pattern.strip_prefix("||") {
        return Some((Start::Label, "", rest));
    }
    if let Some(rest) = pattern.strip_prefix('|') {
        return match rest.strip_prefix("http://") {
            Some(rest) => Some((Start::Beginning, "", rest)),
            None if rest.starts_with("https:") => None,
            None if rest.starts_with("http") => Some((Start::Scheme, "", rest)),
            None => Some((Start::Beginning, "", rest)),
        };
    }
    if let Some(rest) = pattern.strip_prefix("http://").or_else(|| pattern.strip_prefix("://")) {
        return Some((Start::Beginning, "", rest));
    }
    if pattern.starts_with("https:/") {
        return None;
    }
    // `/ads.` is what the address of a page has before a name that begins so.
    if pattern.starts_with('/') && pattern.ends_with('.') && pattern.len() > 2 {
        let rest = pattern.strip_prefix("//").or_else(|| pattern.strip_prefix('/'));
        return rest.map(|rest| (Start::Beginning, "", rest));
    }
    Some((Start::Beginning, "*", pattern))
}

fn of(pattern: &str) -> Shape<'_> {
    let Some((start, before, rest)) = start(pattern) else { return Shape::Never };
    let (body, is_end) = match rest.strip_suffix('|') {
        Some(body) => (body, true),
        None => (rest, false),
    };
    if let Some((scope, name)) = named(start, before, body, is_end) {
        return Shape::Named(scope, Cow::Borrowed(name));
    }
    let can_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:*^|".contains(&byte);
    let is_scheme = start == Start::Scheme;
    if !body.bytes().all(|byte| can_be(byte) || is_scheme && byte == b'/') {
        return Shape::Never;
    }
    let mut parts: Vec<u8> = Vec::with_capacity(body.len() + 2);
    let after = if is_end { "" } else { "*" };
    for byte in before.bytes().chain(body.bytes()).chain(after.bytes()) {
        if byte != b'*' || parts.last() != Some(&b'*') {
            parts.push(byte.to_ascii_lowercase());
        }
    }
    Shape::Wild(Pattern { start, parts: parts.into_boxed_slice() })
}

/// What a pattern covers that is a name and nothing else.
fn named<'p>(start: Start, before: &str, body: &'p str, is_end: bool) -> Option<(Scope, &'p str)> {
    let open = body.strip_suffix('*').filter(|_| !is_end).unwrap_or(body);
    let ended = open.strip_suffix('^');
    let core = match ended {
        Some(core) => core,
        None if is_end => body,
        None => "",
    };
    let under = core.strip_prefix("*.").or_else(|| core.strip_prefix('.').filter(|_| before == "*"));
    match (start, under) {
        (Start::Scheme, _) => None,
        (_, Some(name)) if is_name(name) => Some((Scope::Under, name)),
        (Start::Label, None) if is_name(core) => Some((Scope::Below, core)),
        (Start::Beginning, None) if before.is_empty() && is_name(core) => Some((Scope::Alone, core)),
        // In lists of names with a `*`, what has no mark at its end is a name.
        (Start::Beginning, _) if ended.is_none() && !is_end && before == "*" => {
            let name = body.strip_prefix("*.").filter(|name| is_name(name) && name.contains('.'));
            name.map(|name| (Scope::Under, name))
        }
        _ => None,
    }
}

impl Pattern {
    /// Whether a name is like it.
    pub(super) fn is_like(&self, text: &Text) -> bool {
        let name = text.name();
        match self.start {
            Start::Beginning => is_like(&self.parts, name),
            Start::Scheme => is_like(&self.parts, text.whole()),
            Start::Label => {
                let mut rest = Some(name);
                while let Some(here) = rest {
                    if is_like(&self.parts, here) {
                        return true;
                    }
                    let point = here.iter().position(|byte| *byte == b'.');
                    rest = point.and_then(|at| here.get(at + 1..));
                }
                false
            }
        }
    }

    /// The longest run of bytes that a name has to have in it to be like this; empty if there is none.
    pub(super) fn literal(&self) -> &[u8] {
        let mut runs: Vec<&[u8]> = self.parts.split(|byte| matches!(byte, b'*' | b'^')).collect();
        if self.start == Start::Scheme {
            // What the first run has of the part before the name is no part of the name.
            for run in &mut runs {
                let end = run.iter().rposition(|byte| matches!(byte, b'/' | b':'));
                *run = end.map_or(*run, |end| run.get(end + 1..).unwrap_or_default());
            }
            // The first run is the beginning of `http://`; what follows has to come behind that.
            if let Some(first) = runs.first_mut() {
                *first = &[];
            }
        }
        runs.into_iter().max_by_key(|run| run.len()).unwrap_or_default()
    }

    /// Whether an address in text may be like it: it has nothing in it that no address has.
    pub(super) fn may_be_address(&self) -> bool {
        let skip = if self.start == Start::Scheme { b"http:/".as_slice() } else { &[] };
        let is_one = |byte: &u8| byte.is_ascii_hexdigit() || b".:*^".contains(byte) || skip.contains(byte);
        self.parts.iter().all(is_one)
    }
}

/// Whether a text is like a pattern from its beginning to its end.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Behind the last `*`, and where in the text what follows it is tried.
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(at), text.get(seen)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                again = Some((at + 1, seen));
                Some(0)
            }
            (Some(b'^'), None) => Some(0),
            (Some(b'^'), Some(byte)) => is_separator(*byte).then_some(1),
            (Some(own), Some(byte)) => (own == byte).then_some(1),
            (Some(_), None) | (None, Some(_)) => None,
        };
        match (step, again) {
            (Some(step), _) => (at, seen) = (at + 1, seen + step),
            (None, Some((behind, tried))) if tried < text.len() => {
                again = Some((behind, tried + 1));
                (at, seen) = (behind, tried + 1);
            }
            (None, _) => return false,
        }
    }
}

/// What `^` stands for besides the end.
fn is_separator(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b" .%_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    fn text(name: &str) -> Text {
        Text::of(Name::parse(name).unwrap().wire())
    }

    #[track_caller]
    fn check(pattern: &str, like: &[&str], unlike: &[&str]) {
        let Shape::Wild(pattern) = shape(pattern) else { panic!("{pattern} is {:?}", shape(pattern)) };
        for name in like {
            assert!(pattern.is_like(&text(name)), "{pattern:?} is not like {name}");
            let literal = pattern.literal();
            let name = name.as_bytes();
            assert!(literal.is_empty() || name.windows(literal.len()).any(|part| part == literal));
        }
        for name in unlike {
            assert!(!pattern.is_like(&text(name)), "{pattern:?} is like {name}");
        }
    }

    #[test]
    fn a_pattern_without_marks_is_a_part_of_names() {
        check("-ads.", &["x-ads.example", "x.y-ads.z"], &["ads.example", "x-ads"]);
        check("d.ex", &["d.example", "bad.ex", "x.d.example.org"], &["d.test"]);
        check("ADS", &["ads.example", "x.heads.example"], &["ad.s"]);
        check("ads*net", &["ads.x.net", "adsnet.example"], &["net.ads"]);
    }

    #[test]
    fn marks_bind_a_pattern_to_places() {
        check("||d.ex", &["d.ex", "a.d.example", "d.exyz.org"], &["bad.ex", "d.e"]);
        check("||rotator.", &["rotator.x", "a.rotator.b"], &["xrotator.b", "rotator"]);
        check("|example", &["example.org"], &["test.example"]);
        check("ample.org|", &["example.org"], &["example.org.com"]);
        check("ample.org^", &["example.org"], &["example.org.com"]);
        check(
            "||ads*.example.org^",
            &["ads1.example.org", "x.ads.example.org"],
            &["b.example.org", "ads.example.orgs"],
        );
        check("||x^y", &[], &["x.y", "x", "xy"]);
        check("||x-*^*", &["x-1", "a.x-"], &["ax-1"]);
        check("||1.2.", &["1.2.3.4", "0.1.2.3"], &["11.2.3.4"]);
    }

    #[test]
    fn patterns_of_page_addresses_begin_with_the_name() {
        check("://ads", &["ads.example", "adsx.y"], &["x.ads.example"]);
        check("://d*x^", &["d.x", "dx"], &["x.d.x.y"]);
        check("/ads.", &["ads.example"], &["x.ads.example", "adsx.example"]);
        check("//ads.", &["ads.example"], &["x.ads.example", "adsx.example"]);
        check("|http://ads.", &["ads.example"], &["x.ads.example"]);
        check("http://ads.", &["ads.example"], &["x.ads.example"]);
        check("|http*ads", &["x.ads.y", "ads"], &["x.y"]);
        check("|http*://ads", &["ads.y"], &["x.ads"]);
        for never in
            ["|https://ads.x", "https://ads.x", "||x.org/a", "||x.org^*&a=", "//ads.x^", "||x?y", "///x."]
        {
            assert_eq!(shape(never), Shape::Never, "{never}");
        }
    }

    #[test]
    fn patterns_that_are_names_are_found_out() {
        for (scope, name, patterns) in [
            (Scope::Below, "d.org", &["||d.org^", "||d.org|", "||d.org^|", "||d.org^*", "||d.org/*"][..]),
            (Scope::Alone, "d.org", &["|d.org^", "|d.org|", "://d.org^", "http://d.org^", "|http://d.org^"]),
            (
                Scope::Under,
                "d.org",
                &["||*.d.org^", "*.d.org^", ".d.org^", "*.d.org|", "*.d.org", "://*.d.org^"],
            ),
            (Scope::Below, "org", &["||org^"]),
            (Scope::Under, "org", &["*.org^"]),
        ] {
            for pattern in patterns {
                assert_eq!(shape(pattern), Shape::Named(scope, name.into()), "{pattern}");
            }
        }
        for pattern in
            ["d.org^", "||d.org", "||d*.org^", ".d.org", "*.org", "|.d.org^", "||.d.org^", "||2001:db8^"]
        {
            assert!(matches!(shape(pattern), Shape::Wild(_)), "{pattern}");
        }
    }

    #[test]
    fn what_may_be_an_address_is_known() {
        let Shape::Wild(pattern) = shape("||2001:db8^") else { panic!() };
        assert!(pattern.may_be_address() && pattern.is_like(&text("2001:db8::1")));
        let Shape::Wild(pattern) = shape("||ads.") else { panic!() };
        assert!(!pattern.may_be_address());
        assert!(is_digits("1.2.3.4") && is_digits("3.4") && !is_digits("1.2.x"));
    }

    #[test]
    fn names_are_told_from_other_words() {
        for name in ["a", "a.b", "_x.Y-z.org", "1.2.3.4", &"a".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for other in ["", ".", "a.", ".a", "a..b", "a b", "a*", "é", &"a".repeat(64), &"a.".repeat(126)] {
            assert!(!is_name(other), "{other}");
        }
        assert!(is_name(&format!("{}a", "a.".repeat(126))));
    }
}
