//! Moving in: the settings of another filter become tables of the lab file.
//!
//! [`adguard`] reads an `AdGuardHome.yaml` and gives the tables as TOML, with what carried over in numbers and what
//! did not in words. Every key of the file is either carried over, or dropped with a sentence where somebody had
//! changed it, or said to be unknown: nothing goes missing in silence. It reads no files and asks nobody, and no
//! password, hash or private key of the file is in anything that it says.
//!
//! ```
//! let yaml = "schema_version: 34\ndns:\n  upstream_dns:\n  - 9.9.9.9\nuser_rules:\n- '||ads.example^'\n";
//! let imported = dns::import::adguard(yaml, None, |_| Ok(())).unwrap();
//! assert!(imported.toml.contains("\"||ads.example^\""));
//! assert!(imported.carried.contains(&("rules".to_owned(), 1)));
//! ```

mod clients;
mod filters;
mod names;
mod print;
mod report;
mod rest;
mod schedule;
mod section;
mod server;
mod upstreams;
mod yaml;

use clients::{Everybody, People};
use filters::{Follows, Lists};
use print::Table;
use report::Report;
use rest::Leases;
use section::Section;

/// The oldest schema that is read: before it, keys stood elsewhere.
const OLDEST: u64 = 20;
/// The newest schema whose keys are all known.
const NEWEST: u64 = 34;

/// Says of a rule why it can not be followed: that of the engine that follows them.
pub type RuleCheck = fn(&str) -> Result<(), String>;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Tables of the lab file, in TOML. `[dns]` lacks `on`, which only the household can say; a comment says so.
    pub toml: String,
    /// What did not carry over, or not wholly.
    pub left: Vec<Left>,
    /// How many things of each kind carried over, such as `("rules", 12)`.
    pub carried: Vec<(String, usize)>,
}

/// A key that did not carry over, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it stands: `dns.ipset`, `clients.persistent[2].ids`.
    pub key: String,
    /// Why, and what to do instead, in words. Never a value that could be a secret.
    pub why: String,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

/// Why nothing of a file can be carried over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It can not be read.
    #[error("{0}")]
    NotYaml(String),
    /// It is something else.
    #[error("this is not an AdGuardHome.yaml: it has no `schema_version` and no `dns`")]
    SomethingElse,
    /// It is of a version that has keys elsewhere.
    #[error(
        "the file is of schema {0}, and this reads schemas from {OLDEST} on: start AdGuard Home 0.107.28 or newer once, \
         which brings its file up to date"
    )]
    TooOld(u64),
}

/// Reads an `AdGuardHome.yaml` of schema 20 to 34, or newer with a note, and the `data/leases.json` that is beside
/// it, if there is one. `rule` says which rules can be followed; the others become comments.
///
/// # Errors
/// If it is no YAML, something else than the settings of AdGuard Home, or older than schema 20.
pub fn adguard(yaml: &str, leases: Option<&str>, rule: RuleCheck) -> Result<Imported, Refused> {
    let mut report = Report::default();
    let value = yaml::parse(yaml).map_err(Refused::NotYaml)?;
    if !matches!(value, yaml::Yaml::Map(_)) {
        return Err(Refused::SomethingElse);
    }
    let mut root = Section::new("", value, &mut report);
    let schema = schema(&mut root, &mut report)?;
    let mut dns = root.section("dns", &mut report);
    let mut filtering = root.section("filtering", &mut report);
    older_places(&mut dns, &mut filtering);

    let mut table = Table::new(["dns"]);
    table.above(format!("From an AdGuardHome.yaml of schema {schema}."));
    table.comment("on = \"MACHINE\"  says where the name servers run: write the name of a machine");
    server::server(&mut dns, &mut table, &mut report);

    let place = filtering.name("filtering_enabled");
    let follows = match filtering.flag("filtering_enabled", &mut report) {
        Some(false) => Follows::Nothing,
        Some(true) | None => Follows::Filters,
    };
    if follows == Follows::Nothing {
        report.left(&place, "filtering was switched off, so its lists stand there as comments");
    }
    let lists = filters::lists(&mut root, follows, &mut report);
    table.items("rules", filters::rules(&mut root, &mut dns, follows, rule, &mut report));
    server::blocking(&mut filtering, &mut table, &lists, &mut report);
    let everybody = Everybody {
        services: filters::blocked_services(&mut filtering, &mut report),
        safe_search: filters::safe_search(&mut filtering, &mut report),
    };
    let rewrites = filters::rewrites(&mut filtering, &mut report);
    filters::rest(filtering, &mut report);
    words(&everybody, &mut table, &mut report);
    rest::encrypted(&mut root, &mut table, &mut report);
    rest::query_log(&mut root, &mut dns, &mut table, &mut report);
    dns.close(&mut report);

    let mut people = People::default();
    let mut section = root.section("clients", &mut report);
    people.everybody(&everybody);
    clients::clients(&mut section, &everybody, &mut people, &mut report);
    section.close(&mut report);
    let given = if leases.is_some() { Leases::Given } else { Leases::NotGiven };
    rest::dhcp(&mut root, given, &mut report);
    if let Some(why) = leases.and_then(|text| clients::leases(text, &mut people, &mut report).err()) {
        report.left("leases.json", why);
    }
    rest::program(&mut root, &mut report);
    root.close(&mut report);
    Ok(finish(table, lists, rewrites, people, report))
}

/// Puts the tables together.
fn finish(table: Table, lists: Lists, rewrites: Table, mut people: People, mut report: Report) -> Imported {
    let mut tables = vec![table];
    tables.extend(lists.into_tables());
    tables.extend(Some(rewrites).filter(|rewrites| !rewrites.is_empty()));
    report.carried("policies", people.policies.len());
    tables.append(&mut people.policies);
    tables.extend(people.devices(&mut report));
    let mut toml = String::new();
    for table in tables {
        if !toml.is_empty() {
            toml.push('\n');
        }
        table.print(&mut toml);
    }
    let (left, carried) = report.finish();
    Imported { toml, left, carried }
}

fn schema(root: &mut Section, report: &mut Report) -> Result<u64, Refused> {
    let is_other = !root.has("schema_version") && !root.has("dns");
    let schema = root.text("schema_version", report).and_then(|text| text.parse().ok());
    match schema {
        None if is_other => Err(Refused::SomethingElse),
        // The first versions wrote none.
        None => Err(Refused::TooOld(0)),
        Some(schema) if schema < OLDEST => Err(Refused::TooOld(schema)),
        Some(schema) => {
            if schema > NEWEST {
                let why = format!(
                    "schema {schema} is newer than what is known here ({NEWEST}): look at what follows with care"
                );
                report.left("schema_version", why);
            }
            Ok(schema)
        }
    }
}

/// Before schema 26, what is now in `filtering` stood in `dns`.
fn older_places(dns: &mut Section, filtering: &mut Section) {
    let keys = [
        "filtering_enabled",
        "filters_update_interval",
        "parental_enabled",
        "safebrowsing_enabled",
        "safebrowsing_cache_size",
        "safesearch_cache_size",
        "parental_cache_size",
        "safe_search",
        "rewrites",
        "blocked_services",
        "protection_enabled",
        "blocking_mode",
        "blocking_ipv4",
        "blocking_ipv6",
        "blocked_response_ttl",
        "protection_disabled_until",
        "parental_block_host",
        "safebrowsing_block_host",
        "cache_time",
    ];
    keys.into_iter().for_each(|key| dns.hand(key, filtering, key));
}

/// Services and searches for everybody.
fn words(everybody: &Everybody, table: &mut Table, report: &mut Report) {
    report.carried("services", everybody.services.ids.len());
    let services = clients::everybody_at_all_hours(everybody);
    if !services.is_empty() {
        filters::put_words(table, "services", services);
    }
    if !everybody.safe_search.is_empty() {
        report.carried("settings", 1);
        filters::put_words(table, "safe-search", &everybody.safe_search);
    }
}

/// A text of the file as it may be shown in a sentence: on one line, not endless, without what ends the quotes.
fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let text = text.trim();
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '`' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// A URL without the name and password in it (RFC 3986 section 3.2.1), fit to be shown; other texts as they are,
/// unless they are too long to be shown.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => text.to_owned(),
    }
}

/// A length of time as AdGuard Home writes it, in milliseconds: `24h`, `1h30m0s`, `500ms`, or a number alone, which is
/// one of nanoseconds. None if it is none.
fn go_duration(text: &str) -> Option<u64> {
    const NANOS: [(&str, u64); 6] = [
        ("h", 3_600_000_000_000),
        ("ms", 1_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = text.trim();
    if let Ok(nanos) = rest.parse::<u64>() {
        return Some(nanos / 1_000_000);
    }
    let mut all: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let (unit, factor) = NANOS.iter().find(|(unit, _)| after.starts_with(unit))?;
        all = all.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after.strip_prefix(unit)?;
    }
    (!text.trim().is_empty()).then_some(all / 1_000_000)
}

/// A length of time as the lab file writes it, in whole seconds; none if it is zero, or longer than a hundred years.
fn duration(millis: u64) -> Option<String> {
    const HUNDRED_YEARS: u64 = 100 * 365 * 86_400;
    let seconds = millis.div_ceil(1000);
    let fits = (1..=HUNDRED_YEARS).contains(&seconds);
    let seconds = u32::try_from(seconds).ok().filter(|_| fits)?;
    Some(lab::value::Duration::seconds(seconds).to_string())
}
