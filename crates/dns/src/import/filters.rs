//! Lists, rules, rewrites, blocked services and safe search.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lab::print::Toml;

use super::names::Names;
use super::print::{Item, Table, one_or_many, texts};
use super::report::Report;
use super::schedule::{self, Hours};
use super::section::{Dropped, Section};
use super::{RuleCheck, shown, upstreams, without_password};
use crate::safe_search::Engine;
use crate::services;

/// The longest rule that is carried over, in bytes: the lab file takes no longer texts.
const MAX_RULE: usize = 4096;

/// The lists of a file, as tables of the lab file.
#[derive(Debug)]
pub(super) struct Lists {
    block: Table,
    allow: Table,
    /// How many hold.
    holding: usize,
}

impl Lists {
    /// Whether any list holds.
    pub(super) fn has_any(&self) -> bool {
        self.holding > 0
    }

    /// The tables that are not empty.
    pub(super) fn into_tables(self) -> impl Iterator<Item = Table> {
        [self.block, self.allow].into_iter().filter(|table| !table.is_empty())
    }
}

/// The lists to block and those to allow.
pub(super) fn lists(root: &mut Section, follows: Follows, report: &mut Report) -> Lists {
    let mut names = Names::default();
    let mut lists =
        Lists { block: Table::new(["dns", "lists"]), allow: Table::new(["dns", "allow-lists"]), holding: 0 };
    for (key, name) in [("filters", "lists"), ("whitelist_filters", "allow-lists")] {
        for mut list in root.sections(key, report) {
            let is_allow = name == "allow-lists";
            let table = if is_allow { &mut lists.allow } else { &mut lists.block };
            let holds = one_list(&mut list, table, &mut names, follows, report);
            list.drop(&[("id", &[], "")], &mut Report::default());
            list.close(report);
            report.carried(name, usize::from(holds));
            lists.holding += usize::from(holds);
        }
    }
    lists
}

/// Whether lists and rules were followed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// They were.
    Filters,
    /// They stood there switched off.
    Nothing,
}

/// One list; whether it holds.
fn one_list(
    list: &mut Section,
    table: &mut Table,
    names: &mut Names,
    follows: Follows,
    report: &mut Report,
) -> bool {
    let place = list.name("url");
    let enabled = list.flag("enabled", report).unwrap_or(true) && follows == Follows::Filters;
    let title = list.text("name", report).unwrap_or_default();
    let Some(url) = list.text("url", report) else {
        report.left(&place, "the list has no source");
        return false;
    };
    let from_end = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').rsplit('/').next();
    let name = names.name(if title.is_empty() { from_end.unwrap_or_default() } else { &title }, "list");
    if !title.is_empty() {
        table.comment(shown(&title));
    }
    if without_password(&url) != url {
        report.left(
            &place,
            format!("the list {name} has a password in its URL, and the lab file keeps no secrets"),
        );
        table.put_off(&name, &Toml::Text(without_password(&url)));
        return false;
    }
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if !is_url || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let file = url.rsplit(['/', '\\']).next().unwrap_or_default();
        table.put_off(&name, &Toml::Text(format!("file:lists/{file}")));
        let why = format!(
            "the list {name} is a file: copy it to `lists/{}` in the lab folder, and take the `#` away",
            shown(file)
        );
        report.left(&place, why);
        return false;
    }
    if enabled {
        table.put(&name, Toml::Text(url));
    } else {
        table.comment("was switched off:");
        table.put_off(&name, &Toml::Text(url));
    }
    enabled
}

/// The rules of the household's own.
pub(super) fn rules(
    root: &mut Section,
    dns: &mut Section,
    follows: Follows,
    check: RuleCheck,
    report: &mut Report,
) -> Vec<Item> {
    let mut items = Vec::new();
    let lines = root.texts("user_rules", report);
    if follows == Follows::Nothing && !lines.is_empty() {
        report.left("user_rules", "filtering was switched off, so its rules stand there as comments");
    }
    for line in lines {
        let line = line.trim();
        let is_comment = line.starts_with('!') || line.starts_with("# ") || line == "#";
        if follows == Follows::Nothing || is_comment {
            let text = line.trim_start_matches(['!', '#']).trim();
            // An empty comment only parts the lines.
            items.extend((!text.is_empty()).then(|| Item::Comment(text.to_owned())));
        } else if !line.is_empty() {
            items.push(rule(line, "user_rules", check, report));
        }
    }
    if items.iter().any(|item| matches!(item, Item::Text(rule) if names_a_client(rule))) {
        let why = "some rules are for clients by name (`$client`): here that is a name of the lab file, so look at them";
        report.left("user_rules", why);
    }
    // What AdGuard Home refuses by itself: questions for what the server is, which are of another class.
    let usual = ["version.bind", "id.server", "hostname.bind"];
    let place = dns.name("blocked_hosts");
    let hosts = dns.texts("blocked_hosts", report);
    for host in hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty() && !usual.contains(host))
    {
        items.push(rule(host, &place, check, report));
    }
    items.extend(addresses_of_nothing(dns, check, report));
    if dns.flag("aaaa_disabled", report) == Some(true) {
        items.push(Item::Comment("no address of IPv6 for anybody".to_owned()));
        items.push(rule("*$dnstype=AAAA,dnsrewrite=NOERROR;;", &dns.name("aaaa_disabled"), check, report));
    }
    report.carried("rules", items.iter().filter(|item| matches!(item, Item::Text(_))).count());
    items
}

/// Whether a rule is for a client that it calls by a name, not by an address.
fn names_a_client(rule: &str) -> bool {
    let clients = rule.rsplit_once('$').and_then(|(_, modifiers)| modifiers.split_once("client="));
    clients.is_some_and(|(_, clients)| {
        let first = clients.trim_start_matches('~').split([',', '|']).next().unwrap_or_default();
        first.parse::<IpAddr>().is_err() && first.parse::<ipnet::IpNet>().is_err()
    })
}

/// A rule that can be followed, or what it was as a comment.
fn rule(line: &str, place: &str, check: RuleCheck, report: &mut Report) -> Item {
    let why = match line.len() > MAX_RULE || line.chars().any(char::is_control) {
        true => Err("it is too long, or has control characters in it".to_owned()),
        false => check(line),
    };
    match why {
        Ok(()) => Item::Text(line.to_owned()),
        Err(why) => {
            let line: String = line.chars().take(200).collect();
            report.left(place, format!("the rule `{}` is not followed: {why}", shown(&line)));
            Item::Comment(format!("not followed: {line}"))
        }
    }
}

/// Addresses that some providers answer instead of saying that there is no such name.
fn addresses_of_nothing(dns: &mut Section, check: RuleCheck, report: &mut Report) -> Vec<Item> {
    let place = dns.name("bogus_nxdomain");
    let mut items = Vec::new();
    for text in dns.texts("bogus_nxdomain", report) {
        match text.trim().parse::<IpAddr>() {
            Ok(address) => items.push(rule(&format!("||{address}^"), &place, check, report)),
            Err(_) => report.left(&place, format!("`{}` is left out: it is no address", shown(&text))),
        }
    }
    if !items.is_empty() {
        report.left(&place, "answers with these addresses are blocked, and say what `blocking` says");
    }
    items
}

/// Names with another answer.
pub(super) fn rewrites(filtering: &mut Section, report: &mut Report) -> Table {
    let mut table = Table::new(["dns", "rewrites"]);
    let all = filtering.flag("rewrites_enabled", report).unwrap_or(true);
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut off: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mut rewrite in filtering.sections("rewrites", report) {
        let enabled = rewrite.flag("enabled", report).unwrap_or(true) && all;
        let name = rewrite.text("domain", report).unwrap_or_default().trim_end_matches('.').to_lowercase();
        let answer = rewrite.text("answer", report).unwrap_or_default();
        let place = rewrite.name("domain");
        rewrite.close(report);
        match answer_text(&answer).filter(|_| upstreams::is_domain(name.strip_prefix("*.").unwrap_or(&name)))
        {
            Some(answer) => {
                let names = if enabled { &mut answers } else { &mut off };
                let known = names.entry(name).or_default();
                if !known.contains(&answer) {
                    known.push(answer);
                }
            }
            None => {
                let why = format!(
                    "the rewrite of `{}` is left out: it takes a name, and an address or a name",
                    shown(&name)
                );
                report.left(&place, why);
            }
        }
    }
    let place = filtering.name("rewrites");
    for (name, answers) in answers {
        report.carried("rewrites", 1);
        let alias = answers.iter().find(|answer| is_alias(answer)).cloned();
        match alias {
            Some(alias) if answers.len() > 1 => {
                let why = format!(
                    "`{name}` keeps only `{alias}`: a name that stands for another has nothing of its own"
                );
                report.left(&place, why);
                table.put(&name, Toml::Text(alias));
            }
            _ => table.put(&name, one_or_many(answers)),
        }
    }
    if !off.is_empty() {
        table.comment("were switched off:");
    }
    off.into_iter().for_each(|(name, answers)| table.put_off(&name, &one_or_many(answers)));
    table
}

fn is_alias(answer: &str) -> bool {
    !matches!(answer, "A" | "AAAA") && answer.parse::<IpAddr>().is_err()
}

fn answer_text(answer: &str) -> Option<String> {
    if answer.parse::<IpAddr>().is_ok() || matches!(answer, "A" | "AAAA") {
        return Some(answer.to_owned());
    }
    let name = answer.trim_end_matches('.').to_lowercase();
    upstreams::is_domain(&name).then_some(name)
}

/// Services that are blocked, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Services {
    pub(super) ids: Vec<String>,
    pub(super) hours: Hours,
}

/// The blocked services of a section: with a schedule, or as the mere list that schemas before 21 have.
pub(super) fn blocked_services(section: &mut Section, report: &mut Report) -> Services {
    let place = section.name("blocked_services");
    let mut hours = Hours::Always;
    let named = match section.take("blocked_services") {
        Some(super::yaml::Yaml::Map(entries)) => {
            let mut inner = Section::new(&place, super::yaml::Yaml::Map(entries), report);
            let named = inner.texts("ids", report);
            let schedule = inner.section("schedule", report);
            inner.close(report);
            // The time zone of a schedule for nothing is nobody's concern.
            hours = match named.is_empty() {
                true => schedule::hours(schedule, &mut Report::default()),
                false => schedule::hours(schedule, report),
            };
            named
        }
        Some(list) => {
            let entries = vec![("ids".to_owned(), list)];
            Section::new(&place, super::yaml::Yaml::Map(entries), report).texts("ids", report)
        }
        None => Vec::new(),
    };
    let mut ids: Vec<String> = Vec::new();
    for id in named {
        match services::find(id.trim()) {
            Some(service) if !ids.iter().any(|known| known == service.id) => ids.push(service.id.to_owned()),
            Some(_) => {}
            None => {
                let near = services::near(&id).map(|near| format!("; `{near}` is")).unwrap_or_default();
                let why = format!(
                    "the service `{}` is not known here{near}: rules can block its names",
                    shown(&id)
                );
                report.left(&place, why);
            }
        }
    }
    ids.sort();
    if hours == Hours::Never && !ids.is_empty() {
        report.left(&place, "the schedule leaves no time at which they are blocked");
        ids.clear();
    }
    Services { ids, hours }
}

/// Searches that are made safe, in the words of the lab file; `key` is where it stands.
pub(super) fn safe_search(section: &mut Section, report: &mut Report) -> Vec<String> {
    let mut search = section.section("safe_search", report);
    let enabled = search.flag("enabled", report) == Some(true);
    let engines: Vec<(Engine, bool)> = Engine::ALL
        .into_iter()
        .filter(|engine| *engine != Engine::YouTubeModerate)
        // An engine that an older file does not name is safe there as well.
        .map(|engine| (engine, search.flag(engine.id(), report).unwrap_or(true)))
        .collect();
    search.close(report);
    if !enabled {
        return Vec::new();
    }
    if engines.iter().all(|(_, safe)| *safe) {
        return vec!["all".to_owned()];
    }
    let safe = engines.into_iter().filter(|(_, safe)| *safe);
    safe.map(|(engine, _)| engine.id().to_owned()).collect()
}

/// Keys of `filtering` that have nothing to carry over to.
const DROPPED: [Dropped<'static>; 13] = [
    ("parental_enabled", &["false"], "nobody outside is asked about names: block pages for adults by a list"),
    (
        "safebrowsing_enabled",
        &["false"],
        "nobody outside is asked about names: block what is dangerous by a list",
    ),
    ("protection_enabled", &["true"], "protection was switched off: here what the file says holds at once"),
    ("protection_disabled_until", &[], "a pause is not carried over"),
    ("parental_block_host", &["family-block.dns.adguard.com"], "blocked names answer what `blocking` says"),
    (
        "safebrowsing_block_host",
        &["standard-block.dns.adguard.com"],
        "blocked names answer what `blocking` says",
    ),
    ("safebrowsing_cache_size", &["1048576"], "there is no such cache"),
    ("safesearch_cache_size", &["1048576"], "there is no such cache"),
    ("parental_cache_size", &["1048576"], "there is no such cache"),
    ("cache_time", &["30"], "there is no such cache"),
    ("max_http_size", &["67108864"], "a list may have 64 MiB"),
    ("safebrowsing_sensitivity", &["0"], "nobody outside is asked about names"),
    ("dns_rewrites", &[], "write them as `rewrites`"),
];

/// What is left of `filtering`.
pub(super) fn rest(mut filtering: Section, report: &mut Report) {
    // Where lists may be read from: files of the lab folder are all that may be here.
    drop(filtering.take("safe_fs_patterns"));
    filtering.drop(&DROPPED, report);
    filtering.close(report);
}

/// Puts services and safe search into a table.
pub(super) fn put_words(table: &mut Table, key: &str, words: &[String]) {
    table.put(key, texts(words.iter().cloned()));
}
