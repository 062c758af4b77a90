//! The sentences of `[assert]`: six forms, parsed with the place of every word.

use std::ops::Range;

use crate::fault::{Code, Fault};
use crate::model::PolicyService;
use crate::names::Noun;
use crate::print::Toml;
use crate::read::{Reader, Shape, TextInfo, Value, Wrong};
use crate::tree::Node;

/// The grammar of sentences, for the documentation.
pub const GRAMMAR: &str = r#"sentence = reaches-all | reaches | never | only-to | only-from | outage ;

reaches-all = subjects, reach, "everything" ;
reaches     = subjects, reach, objects ;
never       = subjects, "never", reach, objects ;
only-to     = subjects, reach, "only", objects ;
only-from   = "only", subjects, reach, objects ;
outage      = "any", number, tunnels, "down:", "sites keep reach", [ "within", number, hops ] ;

subjects = subject, { separator, subject } ;
objects  = object, { separator, object } ;
subject  = zone | machine | device | "internet" ;
object   = zone | machine | device | app | "internet" | "users" | "published" | "panels" | service ;
service  = "dns" | "dhcp" | "ntp" | "vpn" | "bastion" | "metrics" | "logs" ;

separator = "," | "and" | ", and" ;
reach     = "reach" | "reaches" ;
tunnels   = "tunnel" | "tunnels" ;
hops      = "hop" | "hops" ;"#;

/// An assertion about the lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// As written.
    pub text: String,
    /// What it says.
    pub form: Form,
}

/// The six forms.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// `X reaches everything`.
    ReachesAll(Vec<Word>),
    /// `X reaches Y`.
    Reaches(Vec<Word>, Vec<Word>),
    /// `X never reaches Y`.
    Never(Vec<Word>, Vec<Word>),
    /// `X reach only Y`.
    OnlyTo(Vec<Word>, Vec<Word>),
    /// `only X reach Y`.
    OnlyFrom(Vec<Word>, Vec<Word>),
    /// `any N tunnels down: sites keep reach within M hops`.
    Outage {
        /// How many tunnels are down at once.
        down: usize,
        /// How many tunnels a way may cross.
        within: Option<usize>,
    },
}

/// A word of a sentence and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Its bytes in the sentence.
    pub at: Range<usize>,
}

const INFO: TextInfo = TextInfo::new("a sentence", "guests reach only internet, published, dns, dhcp", None);
const SUBJECTS: [Noun; 4] = [Noun::Zone, Noun::Machine, Noun::Device, Noun::Internet];
const OBJECTS: [Noun; 6] =
    [Noun::Zone, Noun::Machine, Noun::Device, Noun::App, Noun::Internet, Noun::Service];
/// The most tunnels that may be down at once: all subsets of that many are tried.
const MAX_DOWN: usize = 3;

impl Sentence {
    /// Parses a sentence, or says what is wrong and where in it.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut parser = Parser { words: words(text), at: 0, end: text.len() };
        let form = parser.form()?;
        match parser.next() {
            None => Ok(Self { text: text.to_owned(), form }),
            Some(word) => Err(wrong_at(&word, "nothing more belongs here")),
        }
    }

    /// Its subjects and its objects.
    pub(crate) fn names(&self) -> (&[Word], &[Word]) {
        match &self.form {
            Form::ReachesAll(subjects) => (subjects, &[]),
            Form::Reaches(subjects, objects)
            | Form::Never(subjects, objects)
            | Form::OnlyTo(subjects, objects)
            | Form::OnlyFrom(subjects, objects) => (subjects, objects),
            Form::Outage { .. } => (&[], &[]),
        }
    }
}

/// Words, and commas and colons as words of their own.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let breaks = c.is_whitespace() || c == ',' || c == ':';
        if let (Some(from), true) = (start, breaks) {
            words.push(Word { text: text.get(from..at).unwrap_or("").to_owned(), at: from..at });
            start = None;
        }
        if c == ',' || c == ':' {
            words.push(Word { text: c.to_string(), at: at..at + 1 });
        } else if !breaks && start.is_none() {
            start = Some(at);
        }
    }
    words
}

fn wrong_at(word: &Word, why: impl Into<String>) -> Wrong {
    Wrong { part: Some(word.at.clone()), ..Wrong::new(why) }
}

struct Parser {
    words: Vec<Word>,
    at: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|word| word.text.as_str())
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, choices: &[&str]) -> Result<(), Wrong> {
        let quoted: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        let expected = format!("expected {}", quoted.join(" or "));
        match self.next() {
            Some(word) if choices.contains(&word.text.as_str()) => Ok(()),
            Some(word) => Err(wrong_at(&word, expected)),
            None => Err(self.ends(&expected)),
        }
    }

    fn ends(&self, expected: &str) -> Wrong {
        Wrong { part: Some(self.end..self.end), ..Wrong::new(format!("{expected}, and the sentence ends")) }
    }

    fn number(&mut self, most: usize) -> Result<usize, Wrong> {
        let Some(word) = self.next() else { return Err(self.ends("expected a number")) };
        match word.text.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(wrong_at(&word, format!("expected a number from 1 to {most}"))),
        }
    }

    fn form(&mut self) -> Result<Form, Wrong> {
        if self.take("any") {
            return self.outage();
        }
        if self.take("only") {
            let subjects = self.list("a zone, a machine or a device")?;
            self.expect(&["reach", "reaches"])?;
            return Ok(Form::OnlyFrom(subjects, self.objects()?));
        }
        let subjects = self.list("a zone, a machine or a device")?;
        if self.take("never") {
            self.expect(&["reach", "reaches"])?;
            return Ok(Form::Never(subjects, self.objects()?));
        }
        match self.peek() {
            Some("reach" | "reaches") => self.at += 1,
            _ => return Err(self.expect(&["reach", "reaches", "never"]).err().unwrap_or_default()),
        }
        if self.take("only") {
            return Ok(Form::OnlyTo(subjects, self.objects()?));
        }
        if self.take("everything") {
            return Ok(Form::ReachesAll(subjects));
        }
        Ok(Form::Reaches(subjects, self.objects()?))
    }

    fn objects(&mut self) -> Result<Vec<Word>, Wrong> {
        self.list("a zone, a service, an app or `internet`")
    }

    fn list(&mut self, what: &str) -> Result<Vec<Word>, Wrong> {
        const NO_NAMES: [&str; 9] =
            [",", ":", "and", "only", "never", "reach", "reaches", "everything", "any"];
        let mut names = Vec::new();
        loop {
            match self.next() {
                Some(word) if !NO_NAMES.contains(&word.text.as_str()) => names.push(word),
                Some(word) => return Err(wrong_at(&word, format!("expected {what}"))),
                None => return Err(self.ends(&format!("expected {what}"))),
            }
            let comma = self.take(",");
            let and = self.take("and");
            if !(comma || and) {
                return Ok(names);
            }
        }
    }

    fn outage(&mut self) -> Result<Form, Wrong> {
        let down = self.number(MAX_DOWN)?;
        self.expect(&["tunnel", "tunnels"])?;
        for word in ["down", ":", "sites", "keep", "reach"] {
            self.expect(&[word])?;
        }
        let within = match self.take("within") {
            false => None,
            true => {
                let hops = self.number(64)?;
                self.expect(&["hop", "hops"])?;
                Some(hops)
            }
        };
        Ok(Form::Outage { down, within })
    }
}

impl Value for Sentence {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(text) = node.text() else {
            reader.wrong_kind(node, "a sentence", "\"guests never reach servers\"");
            return None;
        };
        let sentence = match Self::parse(text) {
            Ok(sentence) => sentence,
            Err(wrong) => {
                let span = wrong.part.map_or(node.span, |part| node.part(part));
                let title = "this sentence is none of the six forms of an assertion";
                let fault = Fault::new(Code::AssertionSyntax, span, title).label(wrong.why);
                reader.fault(fault.help(
                    "the forms are `X reaches everything`, `X reaches Y`, `X never reaches Y`, `X reach only Y`, \
                     `only X reach Y`, `any 1 tunnel down: sites keep reach within 2 hops`",
                ));
                return None;
            }
        };
        let (subjects, objects) = sentence.names();
        for word in subjects {
            reader.refer(&SUBJECTS, &word.text, node.part(word.at.clone()));
        }
        for word in objects.iter().filter(|word| PolicyService::known(&word.text).is_none()) {
            reader.refer(&OBJECTS, &word.text, node.part(word.at.clone()));
        }
        Some(sentence)
    }

    fn print(&self) -> Toml {
        Toml::Text(self.text.clone())
    }

    fn shape() -> Shape {
        Shape::Text(INFO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        let names =
            |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("+");
        match Sentence::parse(text).map(|sentence| sentence.form) {
            Ok(Form::ReachesAll(x)) => format!("all {}", names(&x)),
            Ok(Form::Reaches(x, y)) => format!("{} -> {}", names(&x), names(&y)),
            Ok(Form::Never(x, y)) => format!("{} -/> {}", names(&x), names(&y)),
            Ok(Form::OnlyTo(x, y)) => format!("{} -> only {}", names(&x), names(&y)),
            Ok(Form::OnlyFrom(x, y)) => format!("only {} -> {}", names(&x), names(&y)),
            Ok(Form::Outage { down, within }) => format!("{down} down, {within:?}"),
            Err(wrong) => format!("{:?} {}", wrong.part.unwrap_or_default(), wrong.why),
        }
    }

    #[test]
    fn six_forms() {
        assert_eq!(form("admin reaches everything"), "all admin");
        assert_eq!(form("admin and private reach users, dns, and dhcp"), "admin+private -> users+dns+dhcp");
        assert_eq!(form("cameras never reach internet"), "cameras -/> internet");
        assert_eq!(form("guests  reach only internet,dns"), "guests -> only internet+dns");
        assert_eq!(form("only admin, servers reach iot"), "only admin+servers -> iot");
        assert_eq!(form("any 1 tunnel down: sites keep reach within 2 hops"), "1 down, Some(2)");
        assert_eq!(form("any 2 tunnels down : sites keep reach"), "2 down, None");
    }

    #[test]
    fn faults_point_at_the_word() {
        let reach = "expected `reach` or `reaches` or `never`";
        assert_eq!(form("guests may internet"), format!("7..10 {reach}"));
        assert_eq!(form("guests"), format!("6..6 {reach}, and the sentence ends"));
        assert_eq!(form("only reach iot"), "5..10 expected a zone, a machine or a device");
        assert_eq!(
            form("guests reach internet, "),
            "23..23 expected a zone, a service, an app or `internet`, and the sentence ends"
        );
        assert_eq!(form("guests reach dns dhcp"), "17..21 nothing more belongs here");
        assert_eq!(form("any 9 tunnels down: sites keep reach"), "4..5 expected a number from 1 to 3");
        assert_eq!(form(""), "0..0 expected a zone, a machine or a device, and the sentence ends");
    }
}
