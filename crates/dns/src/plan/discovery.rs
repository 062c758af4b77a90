//! How a client that knows the plain server finds the encrypted ones (DDR, RFC 9462; records as in RFC 9460 and 9461).

use std::net::{IpAddr, SocketAddr};

use super::Plan;
use crate::wire::{Name, kind};

/// Where a client asks that knows no more than an address, and what stands in front of the server's name for who knows that.
const OF_RESOLVER: &str = "_dns.resolver.arpa";
const OF_NAME: &str = "_dns";
/// Keys of parameters, in the order in which they have to stand.
const ALPN: u16 = 1;
const HINTS_V4: u16 = 4;
const HINTS_V6: u16 = 6;
const PATH: u16 = 7;

/// Adds the records that say so. Ports are the usual ones, and not said.
pub(super) fn designate(plan: &mut Plan) {
    let Some(target) = Name::parse(&plan.server_name) else { return };
    let ways =
        [(&plan.https, &b"\x02h2\x08http/1.1"[..], &b"/dns-query{?dns}"[..]), (&plan.tls, b"\x03dot", b"")];
    let said = ways.into_iter().filter(|(places, ..)| !places.is_empty());
    let records: Vec<(u16, Vec<u8>)> = (1_u16..)
        .zip(said)
        .map(|(priority, (places, alpn, path))| (kind::SVCB, service(priority, &target, places, alpn, path)))
        .collect();
    if records.is_empty() {
        return;
    }
    let of_name = format!("{OF_NAME}.{}", plan.server_name);
    for name in [OF_RESOLVER, &of_name].into_iter().filter_map(Name::parse) {
        plan.records.entry(name).or_default().extend(records.clone());
    }
}

/// What stands in a record of a service (RFC 9460 section 2.2).
fn service(priority: u16, target: &Name, places: &[SocketAddr], alpn: &[u8], path: &[u8]) -> Vec<u8> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in places.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()) {
        match address {
            IpAddr::V4(address) => v4.extend(address.octets()),
            IpAddr::V6(address) => v6.extend(address.octets()),
        }
    }
    let mut data = priority.to_be_bytes().to_vec();
    data.extend(target.wire());
    for (key, value) in [(ALPN, alpn), (HINTS_V4, &v4), (HINTS_V6, &v6), (PATH, path)] {
        // No value is as long as 64 KiB.
        let length = u16::try_from(value.len()).unwrap_or(0);
        if length > 0 {
            data.extend(key.to_be_bytes());
            data.extend(length.to_be_bytes());
            data.extend(value);
        }
    }
    data
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
