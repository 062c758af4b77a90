//! Durations, sizes, rates and power: a number and its unit.

use crate::fault::nearest;
use crate::read::{FromText, TextInfo, Wrong, text_values};

text_values!(Duration, Size, Rate, Power);

/// Digits after the point that a number may have.
const MAX_FRACTION: usize = 3;

/// A number with at most three digits after the point, in thousandths.
fn thousandths(number: &str) -> Result<u64, Wrong> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return Err(Wrong::new(format!("`{number}` is not a number")));
    }
    if fraction.len() > MAX_FRACTION {
        return Err(Wrong::new(format!("more than {MAX_FRACTION} digits after the point")));
    }
    format!("{whole}{fraction:0<MAX_FRACTION$}").parse().map_err(|_| Wrong::new("the number is too large"))
}

/// Splits "1.5 TB" into number and unit.
fn number_and_unit(text: &str) -> Result<(&str, &str), Wrong> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    match (number, unit.trim_start_matches(' ')) {
        ("", _) if text.starts_with('-') => Err(Wrong::new("it can not be negative")),
        ("", _) => Err(Wrong::new("it does not begin with a number")),
        (_, "") => Err(Wrong::new("the unit is missing")),
        (number, unit) => Ok((number, unit)),
    }
}

/// What people write for a unit, and what it is here.
const HABITS: [(&str, &str); 14] = [
    ("bps", "bit/s"),
    ("kbps", "kbit/s"),
    ("Mbps", "Mbit/s"),
    ("Mb/s", "Mbit/s"),
    ("Gbps", "Gbit/s"),
    ("Gb/s", "Gbit/s"),
    ("K", "KiB"),
    ("M", "MiB"),
    ("G", "GiB"),
    ("T", "TiB"),
    ("watt", "W"),
    ("watts", "W"),
    ("mo", "month"),
    ("mon", "month"),
];

fn unknown_unit(unit: &str, units: &[&'static str]) -> Wrong {
    let wrong = Wrong::new(format!("there is no unit `{unit}`"));
    let habit = HABITS
        .iter()
        .find(|(written, meant)| *written == unit && units.contains(meant))
        .map(|(_, meant)| *meant);
    let same = units.iter().find(|known| known.eq_ignore_ascii_case(unit)).copied();
    match habit.or(same).or_else(|| nearest(unit, units.iter().copied())) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong.help(format!("the units are {}", units.join(", "))),
    }
}

/// Reads "NUMBER UNIT" with units of fixed size, in the smallest of them.
fn measure(text: &str, units: &[(&'static str, u64)]) -> Result<u64, Wrong> {
    let (number, unit) = number_and_unit(text)?;
    let known: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
    let Some((_, factor)) = units.iter().find(|(known, _)| *known == unit) else {
        return Err(unknown_unit(unit, &known));
    };
    let total = u128::from(thousandths(number)?) * u128::from(*factor);
    if total % 1000 != 0 {
        return Err(Wrong::new("it is not a whole number of the smallest unit"));
    }
    match u64::try_from(total / 1000) {
        Ok(0) => Err(Wrong::new("it is zero")),
        Ok(value) if value <= i64::MAX.cast_unsigned() => Ok(value),
        _ => Err(Wrong::new("it is too large")),
    }
}

/// Prints in the largest unit of which it is a whole number.
fn measured(value: u64, units: &[(&'static str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value.is_multiple_of(*factor);
    match units.iter().filter(fits).max_by_key(|(_, factor)| *factor) {
        Some((unit, factor)) => format!("{} {unit}", value / factor),
        None => value.to_string(),
    }
}

/// A length of time: months, which differ in length, and the rest in milliseconds. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    months: u32,
    millis: u64,
}

const DAY: u64 = 86_400_000;
/// Units of fixed length in milliseconds; the first word of each is the one that is printed.
const TIME_UNITS: [(&[&str], u64); 6] = [
    (&["w", "week", "weeks"], 7 * DAY),
    (&["d", "day", "days"], DAY),
    (&["h", "hour", "hours"], 3_600_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["s", "sec", "secs", "second", "seconds"], 1000),
    (&["ms"], 1),
];
/// Units of whole months; the first word is for one, the second for several.
const MONTH_UNITS: [(&[&str], u32); 2] = [(&["year", "years", "y"], 12), (&["month", "months"], 1)];
/// A hundred years.
const MAX_MONTHS: u32 = 1200;

impl Duration {
    /// So many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self { months: 0, millis: seconds as u64 * 1000 }
    }

    /// So many months.
    pub const fn months(months: u32) -> Self {
        Self { months, millis: 0 }
    }

    /// Parses `30m`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::from_text(text).map_err(|wrong| wrong.why)
    }

    /// Its length in milliseconds, a month being taken for 30.4375 days: for comparing, not for calendars.
    pub fn approximate_millis(self) -> u64 {
        u64::from(self.months) * (DAY / 16 * 487) + self.millis
    }
}

impl PartialOrd for Duration {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.approximate_millis().cmp(&other.approximate_millis()))
    }
}

impl FromText for Duration {
    const INFO: TextInfo = TextInfo::new(
        "a duration",
        "1h",
        Some(
            "^([0-9]+([.][0-9]{1,3})? ?(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?|months?|y|years?) ?)+$",
        ),
    );

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let mut duration = Self { months: 0, millis: 0 };
        let mut rest = text;
        while !rest.is_empty() {
            let (number, unit) = number_and_unit(rest)?;
            let end = unit.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(unit.len());
            let (unit, after) = unit.split_at(end);
            rest = after.trim_start_matches(' ');
            duration.add(number, unit)?;
        }
        if duration.months > MAX_MONTHS || duration.millis > u64::from(MAX_MONTHS / 12) * 366 * DAY {
            return Err(Wrong::new("it is longer than a hundred years"));
        }
        match duration {
            Self { months: 0, millis: 0 } if text.is_empty() => Err(Wrong::new("it is empty")),
            Self { months: 0, millis: 0 } => Err(Wrong::new("it is zero")),
            duration => Ok(duration),
        }
    }

    fn to_text(&self) -> String {
        let mut parts = Vec::new();
        match (self.months / 12, self.months % 12) {
            (0, 0) => {}
            (0, 1) => parts.push("1 month".to_owned()),
            (1, 0) => parts.push("1 year".to_owned()),
            (years, 0) => parts.push(format!("{years} years")),
            (_, _) => parts.push(format!("{} months", self.months)),
        }
        let mut rest = self.millis;
        let mut fixed = String::new();
        for (words, factor) in TIME_UNITS {
            let is_whole_week = factor == 7 * DAY && !rest.is_multiple_of(factor);
            if rest >= factor && !is_whole_week {
                fixed.push_str(&format!("{}{}", rest / factor, words.first().unwrap_or(&"")));
                rest %= factor;
            }
        }
        if !fixed.is_empty() {
            parts.push(fixed);
        }
        parts.join(" ")
    }
}

impl Duration {
    fn add(&mut self, number: &str, unit: &str) -> Result<(), Wrong> {
        let too_long = || Wrong::new("it is longer than a hundred years");
        let thousandths = thousandths(number)?;
        if let Some((_, months)) = MONTH_UNITS.iter().find(|(words, _)| words.contains(&unit)) {
            if thousandths % 1000 != 0 {
                return Err(Wrong::new("months and years are whole numbers"));
            }
            let count = u32::try_from(thousandths / 1000).map_err(|_| too_long())?;
            let months = count.checked_mul(*months).ok_or_else(too_long)?;
            self.months = self.months.checked_add(months).ok_or_else(too_long)?;
            return Ok(());
        }
        let Some((_, factor)) = TIME_UNITS.iter().find(|(words, _)| words.contains(&unit)) else {
            let words =
                TIME_UNITS.iter().map(|(words, _)| *words).chain(MONTH_UNITS.iter().map(|(words, _)| *words));
            let words: Vec<&'static str> = words.flatten().copied().collect();
            let wrong = unknown_unit(unit, &words);
            return Err(match wrong.help.as_ref().is_some_and(|help| help.starts_with("did you mean")) {
                true => wrong,
                false => wrong.help("the units are ms, s, m, h, d, w, month, year"),
            });
        };
        let product = u128::from(thousandths) * u128::from(*factor);
        if product % 1000 != 0 {
            return Err(Wrong::new("it is not a whole number of milliseconds"));
        }
        let millis = u64::try_from(product / 1000).map_err(|_| too_long())?;
        self.millis = self.millis.checked_add(millis).ok_or_else(too_long)?;
        Ok(())
    }
}

/// An amount of data, in bytes. `GB` is 10⁹ bytes and `GiB` is 2³⁰.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Size {
    /// So many MiB.
    pub const fn mebibytes(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// Parses `8 GB`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::from_text(text).map_err(|wrong| wrong.why)
    }
}

impl FromText for Size {
    const INFO: TextInfo = TextInfo::new("a size", "4 TB", Some("^[0-9.]+ ?([kMGT]B|[KMGT]iB|B)$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        measure(text, &SIZE_UNITS).map(Self)
    }

    fn to_text(&self) -> String {
        measured(self.0, &SIZE_UNITS)
    }
}

/// An amount of data in a time, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

const RATE_UNITS: [(&str, u64); 8] = [
    ("bit/s", 1),
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("B/s", 8),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
];

impl FromText for Rate {
    const INFO: TextInfo = TextInfo::new("a rate", "100 Mbit/s", Some("^[0-9.]+ ?[kMG]?(bit|B)/s$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        measure(text, &RATE_UNITS).map(Self)
    }

    fn to_text(&self) -> String {
        measured(self.0, &RATE_UNITS)
    }
}

/// Electric power, in milliwatts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Power(pub u64);

const POWER_UNITS: [(&str, u64); 3] = [("mW", 1), ("W", 1_000), ("kW", 1_000_000)];

impl FromText for Power {
    const INFO: TextInfo = TextInfo::new("a power", "35 W", Some("^[0-9.]+ ?[mk]?W$"));

    fn from_text(text: &str) -> Result<Self, Wrong> {
        measure(text, &POWER_UNITS).map(Self)
    }

    fn to_text(&self) -> String {
        measured(self.0, &POWER_UNITS)
    }
}

impl Power {
    /// In watts, with a fraction only where there is one.
    pub fn watts(self) -> String {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        match rest {
            0 => format!("{whole} W"),
            _ => format!("{whole}.{} W", format!("{rest:03}").trim_end_matches('0')),
        }
    }
}

macro_rules! display_as_text {
    ($($type:ty),+) => { $(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.to_text())
            }
        }
    )+ };
}
display_as_text!(Duration, Size, Rate, Power);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromText>(right: &[(&str, &str)], wrong: &[(&str, &str)]) {
        for (text, printed) in right {
            let value = T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(value.to_text(), *printed, "{text}");
        }
        for (text, why) in wrong {
            let wrong = T::from_text(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(wrong.why, *why, "{text}");
        }
    }

    #[test]
    fn durations() {
        check::<Duration>(
            &[
                ("1h", "1h"),
                ("90 s", "1m30s"),
                ("1h30m", "1h30m"),
                ("1h 30m", "1h30m"),
                ("2w", "2w"),
                ("90d", "90d"),
                ("3 months", "3 months"),
                ("18 months", "18 months"),
                ("1 year", "1 year"),
                ("2y", "2 years"),
                ("100ms", "100ms"),
                ("1.5s", "1s500ms"),
                ("1 minute", "1m"),
            ],
            &[
                ("", "it is empty"),
                ("90", "the unit is missing"),
                ("h", "it does not begin with a number"),
                ("-1h", "it can not be negative"),
                ("0s", "it is zero"),
                ("1.5 months", "months and years are whole numbers"),
                ("1 fortnight", "there is no unit `fortnight`"),
                ("200 years", "it is longer than a hundred years"),
                ("99999999999999999999h", "the number is too large"),
                ("1..5h", "`1..5` is not a number"),
                ("0.1ms", "it is not a whole number of milliseconds"),
            ],
        );
    }

    #[test]
    fn sizes_rates_and_power() {
        check::<Size>(
            &[("4 TB", "4 TB"), ("512MiB", "512 MiB"), ("1.5 GB", "1500 MB"), ("1024 B", "1 KiB")],
            &[
                ("4", "the unit is missing"),
                ("4 tb", "there is no unit `tb`"),
                ("0.5 B", "it is not a whole number of the smallest unit"),
                ("0 GB", "it is zero"),
                ("99999999 TB", "it is too large"),
            ],
        );
        check::<Rate>(
            &[("100 Mbit/s", "100 Mbit/s"), ("1 MB/s", "1 MB/s")],
            &[("1 Mbps", "there is no unit `Mbps`")],
        );
        check::<Power>(
            &[("35 W", "35 W"), ("2.5W", "2500 mW"), ("1.2 kW", "1200 W")],
            &[("35 w", "there is no unit `w`")],
        );
        assert_eq!(Power(2500).watts(), "2.5 W");
    }

    #[test]
    fn durations_compare_by_length() {
        let duration = |text| Duration::from_text(text).unwrap();
        assert!(duration("2w") > duration("1h"));
        assert!(duration("3 months") > duration("90d"));
        assert!(duration("1 year") > duration("365d"));
    }
}
