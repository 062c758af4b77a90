//! Dates and time zones.

use crate::fault::{Code, Fault, nearest};
use crate::print::Toml;
use crate::read::{FromText, Reader, Shape, TextInfo, Value, Wrong, text_values};
use crate::tree::{Kind, Node};

text_values!(TimeZoneName);

/// A day, without a time and a place: a TOML local date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// Parses `2026-11-23`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// Today, where the machine is.
    pub fn today() -> Self {
        Self(jiff::Zoned::now().date())
    }

    /// The day of a moment, in milliseconds since 1970, where the machine is; none outside the years 0 to 9999.
    pub fn of(millis: i64) -> Option<Self> {
        let moment = jiff::Timestamp::from_millisecond(millis).ok()?;
        Some(Self(moment.to_zoned(jiff::tz::TimeZone::system()).date()))
    }

    /// The year and the month, from 1.
    pub fn month(self) -> (i16, i8) {
        (self.0.year(), self.0.month())
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Date {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = match &node.kind {
            Kind::Date(text) => text,
            Kind::Text(text) if Self::parse(text).is_some() => {
                let fault = Fault::new(Code::WrongKind, node.span, "this is a text where a date belongs");
                reader.fault(fault.help(format!("write {text} without quotes")));
                return None;
            }
            _ => {
                reader.wrong_kind(node, "a date", "2026-03-01");
                return None;
            }
        };
        let date = Self::parse(text);
        if date.is_none() || text.contains([':', 'T', 't', ' ']) {
            let fault = Fault::new(Code::BadValue, node.span, format!("`{text}` is not a day"));
            reader.fault(fault.help("write year, month and day: 2026-03-01"));
            return None;
        }
        date
    }

    fn print(&self) -> Toml {
        Toml::Raw(self.to_string())
    }

    fn shape() -> Shape {
        Shape::Date
    }
}

/// The name of a time zone of the IANA database, such as `Europe/Athens`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZoneName(String);

impl FromText for TimeZoneName {
    const INFO: TextInfo =
        TextInfo::new("a time zone", "Europe/Athens", Some("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let database = jiff::tz::TimeZoneDatabase::bundled();
        let known = database.available().map(|name| name.as_str().to_owned());
        let mut known: Vec<String> = known.collect();
        if known.iter().any(|name| name == text) {
            return Ok(Self(text.to_owned()));
        }
        known.sort();
        let city = known
            .iter()
            .find(|name| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text)));
        let near = city.map(String::as_str).or_else(|| nearest(text, known.iter().map(String::as_str)));
        let wrong = Wrong::new("it is not in the IANA time zone database");
        Err(match near {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong,
        })
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl TimeZoneName {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
