//! What clients say of what an authority signs, and what becomes of its file.

use super::*;
use crate::state::tests::Scratch;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// 2026-11-01.
const START: i64 = 1_793_491_200;

fn within(domain: &str) -> Within {
    Within { domains: BTreeSet::from([domain.to_owned()]), networks: BTreeSet::new() }
}

fn names(names: &[&str], addresses: &[&str]) -> Names {
    Names {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    }
}

fn lab_names() -> Names {
    names(&["dns.lab.example.net", "*.dns.lab.example.net"], &["10.0.0.53", "fd00::53"])
}

fn authority(scratch: &Scratch, clock: &Clock) -> Authority {
    let state = State::at(scratch.path().to_owned());
    Authority::in_state(&state, "naxos", &within("lab.example.net"), clock).unwrap()
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// What a client says of what is shown, that trusts the authority.
fn verify(authority: &Authority, leaf: &Leaf, name: &str, now: Millis) -> Result<(), rustls::Error> {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(authority.certificate_der().to_vec())).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now).unwrap()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(leaf.certified.end_entity_cert().unwrap(), &[], &name, &[], now).map(drop)
}

#[test]
fn what_it_signs_is_taken_for_these_names_and_no_others() {
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    let authority = authority(&scratch, &clock);
    let shown = Shown::default();
    assert_eq!(authority.keep(&shown, &lab_names(), &clock).unwrap(), Made::Leaf);
    let leaf = shown.leaf().unwrap();
    for name in ["dns.lab.example.net", "phone.dns.lab.example.net", "10.0.0.53", "fd00::53"] {
        verify(&authority, &leaf, name, clock.now()).unwrap();
    }
    for name in ["lab.example.net", "a.b.dns.lab.example.net", "10.0.0.54"] {
        assert!(verify(&authority, &leaf, name, clock.now()).is_err(), "{name}");
    }
    assert!(verify(&authority, &leaf, "10.0.0.53", clock.now() - 8 * DAY).is_err());
    verify(&authority, &leaf, "10.0.0.53", clock.now() - 6 * DAY).unwrap();
    assert!(verify(&authority, &leaf, "10.0.0.53", clock.now() + 91 * DAY).is_err());
}

#[test]
fn it_speaks_for_the_lab_only_and_clients_hold_it_to_that() {
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    let mut authority = authority(&scratch, &clock);
    for (outside, addresses) in [
        (&["www.example.org"][..], &[][..]),
        (&["evillab.example.net"], &[]),
        (&[], &["9.9.9.9"]),
        (&[], &[]),
    ] {
        let fault = authority.sign(&names(outside, addresses), &clock).unwrap_err();
        assert!(matches!(fault, AuthorityFault::Outside(_)), "{fault}");
    }
    let state = State::at(scratch.path().join("other"));
    for none in [Within::default(), within("")] {
        assert!(Authority::in_state(&state, "naxos", &none, &clock).is_err());
    }
    // Even if it did.
    authority.kept.within = within("example.org");
    let leaf = authority.sign(&names(&["www.example.org"], &[]), &clock).unwrap();
    let refused = verify(&authority, &leaf, "www.example.org", clock.now()).unwrap_err();
    assert!(format!("{refused:?}").contains("NameConstraint"), "{refused:?}");
}

#[test]
fn it_is_made_once_and_its_file_is_private() {
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    let first = authority(&scratch, &clock);
    let file = scratch.path().join("authority.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let second = authority(&scratch, &clock);
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    assert_eq!(first.fingerprint().len(), 95);
    let leaf = second.sign(&lab_names(), &clock).unwrap();
    verify(&first, &leaf, "dns.lab.example.net", clock.now()).unwrap();
    for shown in [format!("{first:?}"), format!("{leaf:?}")] {
        let key = first.key.serialize_der();
        assert!(!shown.contains("PRIVATE") && !shown.contains(&format!("{:?}", &key[30..40])), "{shown}");
    }
}

#[test]
fn one_that_is_damaged_is_not_replaced_and_not_shown() {
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    drop(authority(&scratch, &clock));
    let file = scratch.path().join("authority.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let other = Scratch::new();
    drop(authority(&other, &clock));
    let other: serde_json::Value =
        serde_json::from_slice(&std::fs::read(other.path().join("authority.json")).unwrap()).unwrap();
    let mut mixed: serde_json::Value = serde_json::from_str(&good).unwrap();
    mixed["key"] = other["key"].clone();
    for bad in
        ["", "{", "{\"key\":\"hunter2\"}", &good.replace("\"key\":\"M", "\"key\":\"N"), &mixed.to_string()]
    {
        std::fs::write(&file, bad).unwrap();
        let state = State::at(scratch.path().to_owned());
        let fault = Authority::in_state(&state, "naxos", &within("lab.example.net"), &clock).unwrap_err();
        assert!(matches!(fault, AuthorityFault::Damaged { .. }), "{fault}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), bad);
    }
}

#[test]
fn it_is_made_anew_with_the_same_key_and_old_trust_holds() {
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    let old = authority(&scratch, &clock);
    clock.advance(days(9 * 365 + 10));
    let new = authority(&scratch, &clock);
    assert_ne!(old.certificate_pem(), new.certificate_pem());
    let leaf = new.sign(&lab_names(), &clock).unwrap();
    for trusted in [&old, &new] {
        verify(trusted, &leaf, "dns.lab.example.net", clock.now()).unwrap();
    }
    let state = State::at(scratch.path().to_owned());
    let mut wider = within("lab.example.net");
    wider.networks.insert("2001:db8::/48".parse().unwrap());
    let wide = Authority::in_state(&state, "naxos", &wider, &clock).unwrap();
    let leaf = wide.sign(&names(&[], &["2001:db8::53"]), &clock).unwrap();
    verify(&wide, &leaf, "2001:db8::53", clock.now()).unwrap();
    assert!(verify(&new, &leaf, "2001:db8::53", clock.now()).is_err());
    // What it can do already needs nothing new.
    let again = authority(&scratch, &clock);
    assert_eq!(again.certificate_pem(), wide.certificate_pem());
}

#[test]
fn a_certificate_is_renewed_in_time_and_for_other_names_and_not_before() {
    let now = START * 1000;
    let term = Term::around(now, LEAF_BACK, LEAF_LIFE);
    let (has, other) = (lab_names(), names(&["dns.lab.example.net"], &[]));
    assert!(leaf_is_due(None, &has, now));
    for (at, wanted, due) in [
        (now, &has, false),
        (now, &other, true),
        (now + 59 * DAY, &has, false),
        (now + 61 * DAY, &has, true),
        (now + 900 * DAY, &has, true),
        (now - 6 * DAY, &has, false),
        (now - 8 * DAY, &has, true),
    ] {
        assert_eq!(leaf_is_due(Some((&has, term)), wanted, at), due, "{at}");
    }
    let (scratch, clock) = (Scratch::new(), Clock::stopped_at(START));
    let (authority, shown) = (authority(&scratch, &clock), Shown::default());
    let mut made = Vec::new();
    for _ in 0..70 {
        made.push(authority.keep(&shown, &lab_names(), &clock).unwrap() == Made::Leaf);
        clock.advance(days(1));
    }
    assert_eq!(made.iter().filter(|made| **made).count(), 2);
    clock.jump(-400 * DAY);
    assert_eq!(authority.keep(&shown, &lab_names(), &clock).unwrap(), Made::Leaf, "the clock was wrong");
}

#[test]
fn without_a_clock_it_is_valid_before_and_long_after() {
    let scratch = Scratch::new();
    // The last time that was saved is ahead of the system's, which is what a machine without a clock looks like.
    let saved = Clock::system(0).now() + 3600 * 1000;
    let clock = Clock::system(saved);
    assert!(!clock.is_set());
    let authority = authority(&scratch, &clock);
    let leaf = authority.sign(&lab_names(), &clock).unwrap();
    for really in [saved, saved + 200 * DAY, saved + 380 * DAY] {
        verify(&authority, &leaf, "10.0.0.53", really).unwrap();
    }
    let long = (leaf.term.until - leaf.term.from) / DAY;
    assert!((395..=398).contains(&long), "{long} days: Apple takes 825, browsers 398");
}
