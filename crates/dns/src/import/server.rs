//! The `dns` section: whom to ask, what is kept, who may ask; and what blocked names answer.

use std::net::IpAddr;

use ipnet::IpNet;
use lab::print::Toml;

use super::print::{Item, Table, one_or_many, texts};
use super::report::Report;
use super::section::{Dropped, Section};
use super::{Lists, duration, go_duration, shown, upstreams};

/// Keys of `dns` that have nothing to carry over to.
const DROPPED: [Dropped<'static>; 21] = [
    ("port", &["53"], "names are asked at port 53 here"),
    ("refuse_any", &["true"], "a question for every record is answered with one of them (RFC 8482)"),
    (
        "trusted_proxies",
        &["127.0.0.0/8", "::1/128"],
        "no proxy is believed when it says in whose name it asks",
    ),
    ("ratelimit_subnet_len_ipv4", &["24"], "the limit is for each address"),
    ("ratelimit_subnet_len_ipv6", &["56"], "the limit is for each address"),
    ("fastest_timeout", &["1s"], "which server is the fastest is known from its answers"),
    ("bootstrap_prefer_ipv6", &["false"], "both kinds of addresses are tried"),
    ("cache_optimistic_answer_ttl", &["30s"], "an answer after its time holds for 30 seconds (RFC 8767)"),
    ("handle_ddr", &["true"], "clients are not told of encrypted ways by themselves in this version"),
    ("ipset", &[], "addresses are not put into sets of the firewall"),
    ("ipset_file", &[], "addresses are not put into sets of the firewall"),
    ("max_goroutines", &["300"], "there is no such limit: each way has its own"),
    ("use_dns64", &["false"], "addresses for networks without IPv4 (DNS64) are not made in this version"),
    ("dns64_prefixes", &[], "addresses for networks without IPv4 (DNS64) are not made in this version"),
    ("serve_http3", &["false"], "names are not answered over HTTP/3 in this version"),
    ("use_http3_upstreams", &["false"], "nobody is asked over HTTP/3 in this version"),
    (
        "serve_plain_dns",
        &["true"],
        "names are always answered in the clear as well: the lab's machines ask that way",
    ),
    (
        "hostsfile_enabled",
        &["true"],
        "the machine's hosts file is never read: other names stand in `rewrites`",
    ),
    ("pending_requests", &["true"], "the same question is never asked twice at once"),
    ("local_domain_name", &["lan"], "names of the house are under `domain` in `[lab]`"),
    ("parental_sensitivity", &["0"], "pages for adults are blocked by a list, such as one of `[dns.lists]`"),
];

/// Whom to ask, how long answers are kept, and who may ask.
pub(super) fn server(dns: &mut Section, table: &mut Table, report: &mut Report) {
    let asked = asked(dns, report);
    listening(dns, report);
    table.items("upstreams", asked);
    mode(dns, table, report);
    for (key, name) in [("bootstrap_dns", "bootstrap"), ("fallback_dns", "fallback")] {
        let servers = dns.texts(key, report);
        let place = dns.name(key);
        let servers = match name {
            "bootstrap" => upstreams::plain_servers(&servers, &place, report),
            _ => fallback(upstreams::lines(servers, &place, report), &place, report),
        };
        if !servers.is_empty() {
            report.carried("settings", 1);
            table.put(name, texts(servers));
        }
    }
    if let Some(timeout) = dns.text("upstream_timeout", report).filter(|timeout| timeout != "10s") {
        put_duration(table, "timeout", &timeout, &dns.name("upstream_timeout"), report);
    }
    if dns.flag("enable_dnssec", report) == Some(true) {
        report.carried("settings", 1);
        table.put("dnssec", Toml::Text("validate".to_owned()));
    }
    cache(dns, table, report);
    limits(dns, table, report);
    let place = dns.name("edns_client_subnet");
    let mut subnet = dns.section("edns_client_subnet", report);
    if subnet.flag("enabled", report) == Some(true) {
        report.left(&place, "upstreams are not told where clients are");
    }
    subnet.forget();
    dns.drop(&DROPPED, report);
}

/// The servers of `fallback`, which has no lines for domains.
fn fallback(items: Vec<Item>, place: &str, report: &mut Report) -> Vec<String> {
    let lines = items.into_iter().filter_map(|item| match item {
        Item::Text(line) => Some(line),
        Item::Comment(_) => None,
    });
    let (of_domains, servers): (Vec<String>, Vec<String>) = lines.partition(|line| line.starts_with("[/"));
    for line in of_domains {
        report.left(place, format!("`{}` is left out: a fallback is for every name", shown(&line)));
    }
    servers
}

fn asked(dns: &mut Section, report: &mut Report) -> Vec<Item> {
    let place = dns.name("upstream_dns_file");
    let mut items = match dns.text("upstream_dns_file", report) {
        Some(_) => {
            // What stands in `upstream_dns` is not used then, and may be years old.
            drop(dns.texts("upstream_dns", report));
            report.left(&place, "the servers stand in a file of their own: write its lines into `upstreams`");
            Vec::new()
        }
        None => {
            let lines = dns.texts("upstream_dns", report);
            upstreams::lines(lines, &dns.name("upstream_dns"), report)
        }
    };
    upstreams::private_names(dns, &mut items, report);
    let has_default = items.iter().any(|item| matches!(item, Item::Text(line) if !line.starts_with("[/")));
    if !has_default {
        items.push(Item::Comment("name a server for everything else here, such as \"9.9.9.9\"".to_owned()));
        report.left(
            &dns.name("upstream_dns"),
            "no server is left for what no line names: add one to `upstreams`",
        );
    }
    items
}

/// Where it listened.
fn listening(dns: &mut Section, report: &mut Report) {
    let place = dns.name("bind_hosts");
    let mut hosts = dns.texts("bind_hosts", report);
    hosts.extend(dns.text("bind_host", report));
    let everywhere = ["0.0.0.0", "::", "127.0.0.1", "::1"];
    hosts.retain(|host| !everywhere.contains(&host.trim()));
    if !hosts.is_empty() {
        let hosts: Vec<String> = hosts.iter().map(|host| shown(host)).collect();
        let why = format!(
            "it listened at {}: that is the machine's `address`, or `address` of `[dns]`",
            hosts.join(", ")
        );
        report.left(&place, why);
    }
}

fn mode(dns: &mut Section, table: &mut Table, report: &mut Report) {
    let all = dns.flag("all_servers", report) == Some(true);
    let fastest = dns.flag("fastest_addr", report) == Some(true);
    let place = dns.name("upstream_mode");
    let mode = match dns.text("upstream_mode", report).as_deref() {
        Some("parallel") => "parallel",
        Some("fastest_addr") => "fastest",
        Some("load_balance") => "load-balance",
        Some(_) => {
            report.left(&place, "there is no such mode, so the servers are asked in turn");
            "load-balance"
        }
        None if all => "parallel",
        None if fastest => "fastest",
        None => "load-balance",
    };
    if mode == "fastest" {
        let why = "the server that answers fastest is asked; addresses in answers are not tried out";
        report.left(&place, why);
    }
    report.carried("settings", 1);
    table.put("mode", Toml::Text(mode.to_owned()));
}

/// AdGuard Home's own size of the cache, 4 MiB.
const USUAL_CACHE: u64 = 4 << 20;

fn cache(dns: &mut Section, table: &mut Table, report: &mut Report) {
    let enabled = dns.flag("cache_enabled", report).unwrap_or(true);
    let size = dns.number("cache_size", report);
    let shortest = dns.number("cache_ttl_min", report).filter(|seconds| *seconds > 0);
    let longest = dns.number("cache_ttl_max", report).filter(|seconds| *seconds > 0);
    let stale = dns.flag("cache_optimistic", report) == Some(true);
    let age = dns.text("cache_optimistic_max_age", report);
    if !enabled || size == Some(0) {
        report.left(&dns.name("cache_enabled"), "answers are always kept for as long as they say");
    }
    let mut entries = Vec::new();
    if let Some(size) = size.filter(|size| *size > 0 && *size != USUAL_CACHE) {
        entries.push(("size".to_owned(), Toml::Text(lab::value::Size(size).to_string())));
    }
    for (key, seconds) in [("shortest", shortest), ("longest", longest)] {
        if let Some(text) = seconds.and_then(|seconds| duration(seconds.saturating_mul(1000))) {
            entries.push((key.to_owned(), Toml::Text(text)));
        }
    }
    // It is 12 hours in AdGuard Home unless it says otherwise; without `cache_optimistic` it is of no use.
    let age = age.as_deref().unwrap_or("12h");
    if stale && let Some(text) = go_duration(age).and_then(duration) {
        entries.push(("stale".to_owned(), Toml::Text(text)));
    }
    if !entries.is_empty() {
        report.carried("settings", entries.len());
        table.put("cache", Toml::Table(entries));
    }
}

fn limits(dns: &mut Section, table: &mut Table, report: &mut Report) {
    let place = dns.name("ratelimit");
    let mut entries = Vec::new();
    match dns.number("ratelimit", report) {
        // What AdGuard Home sets by itself is met by every busy house.
        None | Some(20) => {}
        Some(0) => report
            .left(&place, "there was no limit; here it is 1,000 questions a second, which no house meets"),
        Some(rate @ 1..=1_000_000) => {
            entries.push(("per-second".to_owned(), Toml::Raw(rate.to_string())));
            report.left(
                &place,
                "the limit carried over, but is for each address here and not for each network",
            );
        }
        Some(_) => report.left(&place, "the limit is higher than 1,000,000 questions a second"),
    }
    let exempt = networks(dns, "ratelimit_whitelist", report);
    if !exempt.is_empty() {
        entries.push(("exempt".to_owned(), texts(exempt)));
    }
    if !entries.is_empty() {
        report.carried("settings", entries.len());
        table.put("limit", Toml::Table(entries));
    }
    let allowed_place = dns.name("allowed_clients");
    let allowed = networks(dns, "allowed_clients", report);
    let denied = networks(dns, "disallowed_clients", report);
    let mut entries = Vec::new();
    if !allowed.is_empty() {
        let why = "they carried over, but the lab's zones and private networks may ask here as well";
        report.left(&allowed_place, why);
        entries.push(("allow".to_owned(), texts(allowed)));
    }
    if !denied.is_empty() {
        entries.push(("deny".to_owned(), texts(denied)));
    }
    if !entries.is_empty() {
        report.carried("settings", entries.len());
        table.put("clients", Toml::Table(entries));
    }
}

/// The networks of a list of addresses, networks and names of clients.
fn networks(dns: &mut Section, key: &str, report: &mut Report) -> Vec<String> {
    let place = dns.name(key);
    let mut networks = Vec::new();
    for text in dns.texts(key, report) {
        let text = text.trim();
        let address = text.parse::<IpAddr>().ok().map(IpNet::from);
        match address.or_else(|| text.parse::<IpNet>().ok()) {
            Some(network) => networks.push(network.trunc().to_string()),
            None => {
                let why =
                    format!("`{}` is left out: only addresses and networks can stand here", shown(text));
                report.left(&place, why);
            }
        }
    }
    networks
}

fn put_duration(table: &mut Table, key: &str, text: &str, place: &str, report: &mut Report) {
    match go_duration(text).and_then(duration) {
        Some(text) => {
            report.carried("settings", 1);
            table.put(key, Toml::Text(text));
        }
        None => report.left(place, "it is no length of time"),
    }
}

/// What blocked names answer, and how often lists are fetched.
pub(super) fn blocking(filtering: &mut Section, table: &mut Table, lists: &Lists, report: &mut Report) {
    let place = filtering.name("blocking_mode");
    let addresses: Vec<String> = ["blocking_ipv4", "blocking_ipv6"]
        .iter()
        .filter_map(|key| filtering.text(key, report))
        .filter(|text| text.parse::<IpAddr>().is_ok())
        .collect();
    let mode = match filtering.text("blocking_mode", report).as_deref() {
        None | Some("default") => None,
        Some("null_ip") => Some("null"),
        Some("nxdomain") => Some("nxdomain"),
        Some("refused") => Some("refused"),
        Some("custom_ip") if !addresses.is_empty() => Some("address"),
        Some(_) => {
            report.left(&place, "there is no such mode, so blocked names answer the address of nothing");
            None
        }
    };
    let mut entries = Vec::new();
    if let Some(mode) = mode {
        entries.push(("mode".to_owned(), Toml::Text(mode.to_owned())));
    }
    if mode == Some("address") {
        entries.push(("addresses".to_owned(), one_or_many(addresses)));
    }
    let ttl_place = filtering.name("blocked_response_ttl");
    match filtering.number("blocked_response_ttl", report).filter(|ttl| *ttl != 10) {
        None => {}
        Some(0) => report.left(&ttl_place, "a blocked name holds for a second at least"),
        Some(seconds) => {
            let text = duration(seconds.saturating_mul(1000));
            entries.extend(text.map(|text| ("ttl".to_owned(), Toml::Text(text))));
        }
    }
    if !entries.is_empty() {
        report.carried("settings", entries.len());
        table.put("blocking", Toml::Table(entries));
    }
    let place = filtering.name("filters_update_interval");
    match filtering.number("filters_update_interval", report).filter(|hours| *hours != 24) {
        Some(0) if lists.has_any() => {
            report.left(&place, "lists were never fetched again; here they are once a day");
        }
        None | Some(0) => {}
        Some(hours) => {
            if let Some(text) = duration(hours.saturating_mul(3_600_000)) {
                report.carried("settings", 1);
                table.put("refresh", Toml::Text(text));
            }
        }
    }
}
