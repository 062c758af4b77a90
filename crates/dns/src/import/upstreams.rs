//! Whom to ask: upstream lines, which both files write in the same grammar, as far as the ways to ask are the same.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::print::Item;
use super::report::Report;
use super::section::Section;
use super::{shown, without_password};

/// The longest line that is carried over, in bytes.
const MAX_LINE: usize = 1024;

/// The lines of a list of upstreams that carry over, with its comments. `key` is where they stand.
pub(super) fn lines(lines: Vec<String>, key: &str, report: &mut Report) -> Vec<Item> {
    let mut items = Vec::new();
    for line in lines {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            items.push(Item::Comment(comment.trim().to_owned()));
            continue;
        }
        match upstream_line(line) {
            Ok((line, dropped)) => {
                dropped.into_iter().for_each(|why| report.left(key, why));
                items.push(Item::Text(line));
            }
            Err(reasons) => reasons.into_iter().for_each(|why| report.left(key, why)),
        }
    }
    let count = items.iter().filter(|item| matches!(item, Item::Text(_))).count();
    report.carried("upstreams", count);
    items
}

/// The plain servers of a list, for looking up the names of the others.
pub(super) fn plain_servers(servers: &[String], key: &str, report: &mut Report) -> Vec<String> {
    let mut plain = Vec::new();
    for text in
        servers.iter().map(|text| text.trim()).filter(|text| !text.is_empty() && !text.starts_with('#'))
    {
        let address = text.strip_prefix("udp://").unwrap_or(text);
        match (address_and_port(address), without_password(text)) {
            (true, _) => plain.push(text.to_owned()),
            (false, text) => {
                let why =
                    format!("`{text}` is left out: here only plain servers look up the names of the others");
                report.left(key, why);
            }
        }
    }
    plain
}

/// The line, and what of it was left out; or why nothing is left of it.
fn upstream_line(line: &str) -> Result<(String, Vec<String>), Vec<String>> {
    if line.len() > MAX_LINE {
        return Err(vec!["a line is left out: it is longer than 1 KiB".to_owned()]);
    }
    let Some(rest) = line.strip_prefix("[/") else {
        return server(line).map(|()| (line.to_owned(), Vec::new())).map_err(|why| vec![why]);
    };
    let Some((domains, servers)) = rest.split_once("/]") else {
        return Err(vec!["a line is left out: its domains do not end with `/]`".to_owned()]);
    };
    let mut dropped = Vec::new();
    let (good, bad): (Vec<&str>, Vec<&str>) =
        domains.split('/').partition(|domain| is_domain_or_none(domain));
    if !bad.is_empty() {
        dropped.push(format!("{} of the domains of a line are left out: they are no names", bad.len()));
    }
    if good.is_empty() {
        return Err(dropped);
    }
    let words: Vec<&str> = servers.split_ascii_whitespace().collect();
    let mut kept = Vec::new();
    for word in &words {
        match server(word) {
            Ok(()) => kept.push(*word),
            Err(_) if *word == "#" && words.len() == 1 => kept.push(*word),
            Err(why) => dropped.push(why),
        }
    }
    let domains = good.join("/").to_ascii_lowercase();
    match kept.is_empty() {
        true if dropped.is_empty() => Err(vec![format!("the line for `{}` has no server", shown(&domains))]),
        true => Err(dropped),
        false => Ok((format!("[/{domains}/]{}", kept.join(" ")), dropped)),
    }
}

/// A domain of an upstream line, `*.` and one, or nothing for names without a point.
fn is_domain_or_none(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text).to_ascii_lowercase();
    text.is_empty() || is_domain(&name)
}

/// Whether a text is a DNS name in lower case, as the lab file has them.
pub(super) fn is_domain(text: &str) -> bool {
    lab::value::Domain::parse(text).is_some()
}

/// Whether a server can be asked.
fn server(text: &str) -> Result<(), String> {
    let safe = without_password(text);
    if safe != text {
        return Err(format!(
            "`{safe}` is left out: it has a name and a password in it, and the lab file keeps no secrets"
        ));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let can = match scheme {
        "" | "udp" | "tcp" => address_and_port(rest),
        "tls" => {
            let (host, name) = rest.rsplit_once('#').map_or((rest, None), |(host, name)| (host, Some(name)));
            is_endpoint(host) && name.is_none_or(is_domain)
        }
        "https" => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            is_endpoint(host) && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
        }
        "h3" => {
            let text = format!(
                "`{safe}` is left out: HTTP/3 is not in this version; the server may answer at `https://`"
            );
            return Err(format!("{text} as well"));
        }
        "quic" => {
            let text = format!(
                "`{safe}` is left out: DNS over QUIC is not in this version; the server may answer at"
            );
            return Err(format!("{text} `tls://` as well"));
        }
        "sdns" => {
            return Err("a stamp (`sdns://`) is left out: write the server that it stands for".to_owned());
        }
        _ => return Err(format!("`{safe}` is left out: there is no such way to ask")),
    };
    match (can, scheme) {
        (true, _) => Ok(()),
        (false, "" | "udp" | "tcp") => Err(format!(
            "`{safe}` is left out: a plain server is given by its address, as its name could not be looked up"
        )),
        (false, _) => Err(format!("`{safe}` is left out: it is not a server that can be asked")),
    }
}

fn address_and_port(text: &str) -> bool {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
}

/// A host and perhaps a port.
fn is_endpoint(text: &str) -> bool {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    address_and_port(text) || is_domain(&host.to_ascii_lowercase())
}

/// The line for the servers that know the names of private addresses.
pub(super) fn private_names(dns: &mut Section, items: &mut Vec<Item>, report: &mut Report) {
    let key = dns.name("local_ptr_upstreams");
    let uses = dns.flag("use_private_ptr_resolvers", report).unwrap_or(true);
    let networks = dns.texts("private_networks", report);
    let networks_key = dns.name("private_networks");
    let servers = dns.texts("local_ptr_upstreams", report);
    if servers.is_empty() {
        if !networks.is_empty() {
            report.left(&networks_key, "private addresses are those of RFC 1918 and RFC 4193 here");
        }
        return;
    }
    if !uses {
        report.left(&key, "they were switched off by `use_private_ptr_resolvers`");
        return;
    }
    let mut domains: Vec<String> = Vec::new();
    for network in &networks {
        match network.trim().parse::<IpNet>().ok().and_then(reverse_domain) {
            Some(domain) => domains.push(domain),
            None => report.left(
                &networks_key,
                format!("`{}` is no network with a zone of its own in reverse", shown(network)),
            ),
        }
    }
    if networks.is_empty() {
        domains = private_domains();
    }
    let (own, plain): (Vec<String>, Vec<String>) =
        servers.into_iter().partition(|server| server.trim().starts_with("[/"));
    items.extend(lines(own, &key, report));
    if !plain.is_empty() && !domains.is_empty() {
        let plain = plain.iter().map(|server| server.trim()).filter(|server| !server.starts_with('#'));
        let line = format!("[/{}/]{}", domains.join("/"), plain.collect::<Vec<_>>().join(" "));
        items.push(Item::Comment("who knows the names of private addresses".to_owned()));
        items.extend(lines(vec![line], &key, report));
    }
}

/// The reverse names of private networks (RFC 1918, RFC 4193).
fn private_domains() -> Vec<String> {
    let mut domains = vec!["10.in-addr.arpa".to_owned()];
    domains.extend((16..32).map(|part| format!("{part}.172.in-addr.arpa")));
    domains.extend(["168.192.in-addr.arpa", "c.f.ip6.arpa", "d.f.ip6.arpa"].map(str::to_owned));
    domains
}

/// The domain that the reverse names of a network are under (RFC 1035 section 3.5, RFC 3596 section 2.5); none if it
/// does not end where a label does.
fn reverse_domain(network: IpNet) -> Option<String> {
    let (labels, bits, suffix) = match network.trunc().addr() {
        IpAddr::V4(address) => {
            let labels: Vec<String> = address.octets().iter().map(ToString::to_string).collect();
            (labels, 8, "in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let halves = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            (halves.map(|half| format!("{half:x}")).collect(), 4, "ip6.arpa")
        }
    };
    let length = network.prefix_len();
    if length == 0 || !length.is_multiple_of(bits) {
        return None;
    }
    let mut kept: Vec<String> = labels.into_iter().take(usize::from(length / bits)).collect();
    kept.reverse();
    Some(format!("{}.{suffix}", kept.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_both_write_them() {
        for line in [
            "9.9.9.9",
            "9.9.9.9:5353",
            "[2620:fe::fe]:5353",
            "2620:fe::fe",
            "udp://9.9.9.9",
            "tcp://9.9.9.9:53",
            "tls://dns.quad9.net",
            "tls://9.9.9.9:853#dns.quad9.net",
            "tls://[2620:fe::fe]:853",
            "https://dns.quad9.net/dns-query",
            "https://9.9.9.9:8443/dns-query",
            "[/corp.example/lan/]10.0.0.1 10.0.0.2",
            "[/*.dev.example/]tls://dns.example",
            "[//]10.0.0.1",
            "[/public.corp.example/]#",
        ] {
            assert_eq!(upstream_line(line), Ok((line.to_owned(), Vec::new())), "{line}");
        }
    }

    #[test]
    fn what_can_not_be_asked() {
        for (line, part) in [
            ("h3://dns.example/dns-query", "HTTP/3"),
            ("quic://dns.example", "QUIC"),
            ("sdns://AgcAAAAAAAAABzEuMC4wLjE", "stamp"),
            ("dns.example", "by its address"),
            ("udp://dns.example", "by its address"),
            ("gopher://dns.example", "no such way"),
            ("tls://", "not a server"),
            ("[/corp.example]10.0.0.1", "`/]`"),
            ("[/corp.example/]", "no server"),
            ("[/co rp/]10.0.0.1", "no names"),
            ("[/corp.example/]quic://dns.example", "QUIC"),
            ("https://me:hunter2@dns.example/dns-query", "password"),
        ] {
            let reasons = upstream_line(line).unwrap_err().join(" ");
            assert!(reasons.contains(part), "{line}: {reasons}");
            assert!(!reasons.contains("hunter2") && !reasons.contains("AgcA"), "{reasons}");
        }
        let (line, dropped) = upstream_line("[/Corp.example/]10.0.0.1 quic://10.0.0.2").unwrap();
        assert_eq!((line.as_str(), dropped.len()), ("[/corp.example/]10.0.0.1", 1));
    }

    #[test]
    fn networks_have_zones_in_reverse() {
        for (network, domain) in [
            ("10.0.0.0/8", Some("10.in-addr.arpa")),
            ("192.168.178.0/24", Some("178.168.192.in-addr.arpa")),
            ("fd00::/8", Some("d.f.ip6.arpa")),
            ("172.16.0.0/12", None),
            ("0.0.0.0/0", None),
        ] {
            let found = reverse_domain(network.parse().unwrap());
            assert_eq!(found.as_deref(), domain, "{network}");
        }
        assert_eq!(private_domains().len(), 20);
    }
}
