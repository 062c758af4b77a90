//! What is beside names: pages, people, certificates, the log, DHCP. Little of it carries over, and all of it is said.

use lab::counted;
use lab::print::Toml;

use super::print::{Table, texts};
use super::report::Report;
use super::section::{Dropped, Section};
use super::{duration, go_duration};

/// The pages, people and the program itself.
pub(super) fn program(root: &mut Section, report: &mut Report) {
    people(root, report);
    let mut http = root.section("http", report);
    const PAGES: &str = "Polis has its own pages, and the proxy decides where they are";
    http.drop(
        &[
            ("address", &["0.0.0.0:3000"], PAGES),
            ("session_ttl", &["720h"], "how long a login lasts is not carried over"),
            ("pprof", &["6060", "false"], "there is no such port"),
        ],
        report,
    );
    let place = http.name("doh");
    let mut doh = http.section("doh", report);
    if doh.flag("insecure_enabled", report) == Some(true) {
        report.left(&place, "names are not answered over HTTP without encryption");
    }
    doh.forget();
    http.close(report);
    const LIMIT: &str = "how often a password may be wrong is not carried over";
    root.drop(
        &[
            ("auth_attempts", &["5"], LIMIT),
            ("block_auth_min", &["15"], LIMIT),
            ("http_proxy", &[], "lists are fetched without a proxy"),
            ("language", &["en"], "pages are in English"),
            ("theme", &["auto"], "pages follow the browser"),
            ("bind_host", &["0.0.0.0"], PAGES),
            ("bind_port", &["3000"], PAGES),
            ("beta_bind_port", &["0"], PAGES),
            ("web_session_ttl", &["720"], "how long a login lasts is not carried over"),
            ("debug_pprof", &["false"], "there is no such port"),
            ("rlimit_nofile", &["0"], "the unit of systemd has the limits"),
        ],
        report,
    );
    const LOG: &str = "what the program says is in the journal";
    let mut log = root.section("log", report);
    log.drop(
        &[
            ("enabled", &["true"], LOG),
            ("file", &[], LOG),
            ("verbose", &["false"], LOG),
            ("max_backups", &["0"], LOG),
            ("max_size", &["100"], LOG),
            ("max_age", &["3"], LOG),
            ("compress", &["false"], LOG),
            ("local_time", &["false"], LOG),
        ],
        report,
    );
    log.close(report);
    root.drop(
        &[
            ("log_file", &[], LOG),
            ("verbose", &["false"], LOG),
            ("log_max_backups", &["0"], LOG),
            ("log_max_size", &["100"], LOG),
            ("log_max_age", &["3"], LOG),
            ("log_compress", &["false"], LOG),
            ("log_localtime", &["false"], LOG),
        ],
        report,
    );
    const SYSTEM: &str = "the unit of systemd has the user and the limits";
    let mut system = root.section("os", report);
    system.drop(&[("group", &[], SYSTEM), ("user", &[], SYSTEM), ("rlimit_nofile", &["0"], SYSTEM)], report);
    system.close(report);
}

/// People who could log in. What their passwords were hashed to is a secret, and is not looked at.
fn people(root: &mut Section, report: &mut Report) {
    let users = root.sections("users", report);
    let why = match users.len() {
        0 => None,
        1 => Some(
            "one person could log in: the password does not carry over, so name the person in `[people]`"
                .to_owned(),
        ),
        count => Some(format!(
            "{count} people could log in: passwords do not carry over, so name them in `[people]`"
        )),
    };
    why.into_iter().for_each(|why| report.left("users", why));
    users.into_iter().for_each(Section::forget);
}

/// Encrypted ways to ask.
pub(super) fn encrypted(root: &mut Section, table: &mut Table, report: &mut Report) {
    let mut tls = root.section("tls", report);
    const CERTIFICATE: &str =
        "certificates and their keys do not carry over: the lab's own authority makes one";
    tls.drop(
        &[
            ("certificate_chain", &[], CERTIFICATE),
            ("private_key", &[], CERTIFICATE),
            ("certificate_path", &[], CERTIFICATE),
            ("private_key_path", &[], CERTIFICATE),
        ],
        report,
    );
    if tls.flag("enabled", report) != Some(true) {
        tls.forget();
        return;
    }
    let ports = ["port_dns_over_tls", "port_https", "port_dns_over_quic", "port_dnscrypt"];
    let [over_tls, over_https, over_quic, dnscrypt] = ports.map(|key| tls.number(key, report).unwrap_or(0));
    if over_tls > 0 {
        report.carried("settings", 1);
        table.put("encrypted", texts(["tls"]));
        if over_tls != 853 {
            report.left(&tls.name("port_dns_over_tls"), "names are answered over TLS at port 853 here");
        }
    }
    if over_https > 0 {
        table.comment("\"https\" can stand in `encrypted` too, once `address` says an address of its own");
        report.left(
            &tls.name("port_https"),
            "names are answered over HTTPS once `[dns]` has an `address`: then add \"https\" to `encrypted`",
        );
    }
    if over_quic > 0 {
        report.left(&tls.name("port_dns_over_quic"), "DNS over QUIC is not in this version");
    }
    if dnscrypt > 0 {
        report.left(&tls.name("port_dnscrypt"), "DNSCrypt is not in this version");
    }
    tls.drop(
        &[
            (
                "server_name",
                &[],
                "clients ask `dns` under the lab's domain: change the name in their settings",
            ),
            ("force_https", &["false"], "pages are under encryption where the proxy is"),
            ("strict_sni_check", &["false"], "it is not checked which name clients ask for"),
            ("dnscrypt_config_file", &[], "DNSCrypt is not in this version"),
            ("allow_unencrypted_doh", &["false"], "names are not answered over HTTP without encryption"),
            ("override_tls_ciphers", &[], "the ciphers are those of TLS 1.2 and 1.3 that are held for safe"),
        ],
        report,
    );
    tls.close(report);
}

/// The log of questions, and figures.
pub(super) fn query_log(root: &mut Section, dns: &mut Section, table: &mut Table, report: &mut Report) {
    let anonymous = dns.flag("anonymize_client_ip", report) == Some(true);
    let mut log = root.section("querylog", report);
    let enabled = log.flag("enabled", report).unwrap_or(true);
    let mut entries = Vec::new();
    let place = log.name("interval");
    let interval = log.text("interval", report);
    if !enabled {
        entries.push(("off".to_owned(), Toml::Raw("true".to_owned())));
    } else if let Some(text) = &interval {
        match go_duration(text).and_then(duration) {
            Some(text) => entries.push(("keep".to_owned(), Toml::Text(text))),
            None => report.left(&place, "it is no length of time, so questions are kept for 30 days"),
        }
    }
    if anonymous {
        entries.push(("clients".to_owned(), Toml::Text("anonymous".to_owned())));
    }
    ignored(&mut log, report);
    log.drop(
        &[
            ("file_enabled", &["true"], "the log is kept on disk, unless it is off"),
            ("size_memory", &["1000"], "how much of the log is in memory is not to be set"),
            ("dir_path", &[], "the log is in the state folder"),
        ],
        report,
    );
    log.close(report);
    if !entries.is_empty() {
        report.carried("settings", entries.len());
        table.put("log", Toml::Table(entries));
    }
    let mut statistics = root.section("statistics", report);
    ignored(&mut statistics, report);
    const FIGURES: &str = "figures are made from the log, and go back as far as it does";
    let keys: [Dropped<'_>; 3] =
        [("enabled", &["true"], FIGURES), ("interval", &["24h"], FIGURES), ("dir_path", &[], FIGURES)];
    statistics.drop(&keys, report);
    statistics.close(report);
}

fn ignored(section: &mut Section, report: &mut Report) {
    let place = section.name("ignored");
    let names = section.texts("ignored", report);
    let holds = section.flag("ignored_enabled", report).unwrap_or(true);
    // The root, which AdGuard Home leaves out by itself.
    let count = names.iter().filter(|name| !matches!(name.trim(), "." | "|.^")).count();
    if holds && count > 0 {
        report.left(
            &place,
            format!(
                "{} left out of it: the log here leaves out clients, and no names",
                counted(count, "name was", "names were")
            ),
        );
    }
}

/// Addresses for devices; those that were promised stand in another file.
pub(super) fn dhcp(root: &mut Section, has_leases: Leases, report: &mut Report) {
    let mut dhcp = root.section("dhcp", report);
    let enabled = dhcp.flag("enabled", report) == Some(true);
    let domain = dhcp.text("local_domain_name", report).unwrap_or_default();
    if !domain.is_empty() && domain != "lan" {
        let why = "names of devices are under `domain` in `[lab]`, not under a domain of their own";
        report.left(&dhcp.name("local_domain_name"), why);
    }
    if enabled {
        report.left("dhcp", "giving addresses (DHCP) is not in this version: let the router do it");
        if has_leases == Leases::NotGiven {
            report.left(
                "dhcp",
                "addresses promised to devices are in `data/leases.json`, which was not beside the file",
            );
        }
    }
    for key in ["dhcpv4", "dhcpv6", "interface_name"] {
        drop(dhcp.take(key));
    }
    dhcp.close(report);
}

/// Whether the file of promised addresses was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leases {
    /// It was.
    Given,
    /// It was not.
    NotGiven,
}
