//! What is wrong with a lab, said so that the person who wrote it can mend it.
//!
//! A [`Fault`] names a [`Code`], the places it stands at (the first is the main one), and what to do.
//! Faults never stop the reading: all of them are collected and shown at once, errors before warnings.

mod code;
mod render;
mod suggest;

pub use code::{Code, Severity};
pub use render::{Style, mask_secrets, render_json, render_text};
pub use suggest::nearest;

use crate::source::{Folder, Span};

/// The most faults that are kept; a lab with more has one cause for most of them.
pub(crate) const MAX_FAULTS: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which fault this is.
    pub code: Code,
    /// One sentence that says what is wrong, without a full stop.
    pub title: String,
    /// Where it stands: the main place first, then those that explain it.
    pub places: Vec<Place>,
    /// What to do, one suggestion each.
    pub help: Vec<String>,
}

/// A place that a fault points at, with a few words beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub span: Span,
    /// What to see there; may be empty.
    pub label: String,
}

impl Fault {
    /// A fault at one place.
    pub fn new(code: Code, span: Span, title: impl Into<String>) -> Self {
        let places = vec![Place { span, label: String::new() }];
        Self { code, title: title.into(), places, help: Vec::new() }
    }

    /// Says what to see at the main place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(place) = self.places.first_mut() {
            place.label = label.into();
        }
        self
    }

    /// Adds a place that explains the fault.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.places.push(Place { span, label: label.into() });
        self
    }

    /// Adds something to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds "did you mean" if there is something to suggest.
    #[must_use]
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Whether it forbids to use the lab.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }
}

/// The faults of a lab, in the order in which a person reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one; what was said before, or goes past [`MAX_FAULTS`], is not said again.
    pub fn push(&mut self, fault: Fault) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(fault);
        }
    }

    /// Sorts by severity, file, place and code, and removes what is said twice.
    pub(crate) fn settle(&mut self) {
        let key =
            |fault: &Fault| (fault.code.severity(), fault.places.first().map(|place| place.span), fault.code);
        self.0.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.title.cmp(&b.title)));
        self.0.dedup();
    }

    /// All of them, errors first.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// How many forbid to use the lab.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|fault| fault.is_error()).count()
    }

    /// How many are advice.
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// Whether there are none of either kind.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the first place of a fault is, as `file:line:column`.
    pub fn place(fault: &Fault, folder: &Folder) -> String {
        fault.places.first().map(|place| folder.place(place.span)).unwrap_or_default()
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        for fault in faults {
            self.push(fault);
        }
    }
}
