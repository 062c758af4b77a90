//! How a client that knows the plain server finds the encrypted ones (DDR, RFC 9462; records as in RFC 9460 and 9461).

use std::net::SocketAddr;

use super::Plan;
use crate::filter::service;
use crate::wire::{Name, kind};

/// Where a client asks that knows no more than an address, and what stands in front of the server's name for who knows that.
const OF_RESOLVER: &str = "_dns.resolver.arpa";
const OF_NAME: &str = "_dns";

/// Adds the records that say so. Ports are the usual ones, and not said.
pub(super) fn designate(plan: &mut Plan) {
    let https = format!("alpn=h2,http/1.1 dohpath={}{{?dns}}", crate::https::PATH);
    let ways = [(https.as_str(), &plan.https), ("alpn=dot", &plan.tls)];
    let said = (1..).zip(ways.into_iter().filter(|(_, places)| !places.is_empty()));
    let records = said.filter_map(|(priority, (says, places))| {
        let text = format!("{priority} {} {says}{}", plan.server_name, hints(places));
        Some((kind::SVCB, service(&text).ok()?))
    });
    let records: Vec<(u16, Vec<u8>)> = records.collect();
    if records.is_empty() {
        return;
    }
    let of_name = format!("{OF_NAME}.{}", plan.server_name);
    for name in [OF_RESOLVER, &of_name].into_iter().filter_map(Name::parse) {
        plan.records.entry(name).or_default().extend(records.clone());
    }
}

/// The addresses as parameters of a service.
fn hints(places: &[SocketAddr]) -> String {
    let of = |key: &str, is_wanted: fn(&SocketAddr) -> bool| {
        let addresses: Vec<String> =
            places.iter().filter(|at| is_wanted(at)).map(|at| at.ip().to_string()).collect();
        if addresses.is_empty() { String::new() } else { format!(" {key}={}", addresses.join(",")) }
    };
    of("ipv4hint", SocketAddr::is_ipv4) + &of("ipv6hint", SocketAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use super::super::tests::a_plan;
    use super::*;

    const LAB: &str = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {}\n[zones]\nlan = { site = \"here\", \
                       cidr = \"10.0.0.0/24\" }\n[machines]\nnaxos = { address = \"10.0.0.2\" }\n[dns]\non = \"naxos\"\nupstreams = \
                       [\"9.9.9.9\"]\naddress = \"10.0.0.53\"\n";

    fn records(plan: &Plan, name: &str) -> Vec<(u16, Vec<u8>)> {
        plan.own_records(&Name::parse(name).unwrap()).map(<[_]>::to_vec).unwrap_or_default()
    }

    #[test]
    fn encrypted_ways_are_found_from_the_plain_one() {
        let plan = a_plan(&format!("{LAB}encrypted = [\"tls\", \"https\"]\n"));
        let target = b"\x03dns\x03lab\x07example\x03net\x00";
        let hint = [0, 4, 0, 4, 10, 0, 0, 53];
        let https = [
            &[0, 1],
            &target[..],
            b"\x00\x01\x00\x0C\x02h2\x08http/1.1",
            &hint,
            b"\x00\x07\x00\x10/dns-query{?dns}",
        ];
        let tls = [&[0, 2], &target[..], b"\x00\x01\x00\x04\x03dot", &hint];
        let expected = [(kind::SVCB, https.concat()), (kind::SVCB, tls.concat())];
        assert_eq!(records(&plan, "_dns.resolver.arpa"), expected);
        assert_eq!(records(&plan, "_dns.dns.lab.example.net"), expected);
    }

    #[test]
    fn without_one_nothing_is_said() {
        let plan = a_plan(LAB);
        assert!(records(&plan, "_dns.resolver.arpa").is_empty());
        let plan = a_plan(&format!("{LAB}encrypted = [\"tls\"]\n"));
        assert_eq!(records(&plan, "_dns.resolver.arpa").len(), 1);
    }
}
