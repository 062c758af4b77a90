//! A second opinion: Unbound, which asks the same hierarchy, has to come to the same.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;

/// What a client of a validating resolver sees.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Secure,
    Insecure,
    Bogus,
}

fn seen(judgement: &Judgement) -> Seen {
    match judgement {
        Judgement::Secure { .. } => Seen::Secure,
        Judgement::Bogus(_) | Judgement::Indeterminate(_) => Seen::Bogus,
        _ => Seen::Insecure,
    }
}

/// The world as an upstream, with what is forged.
fn serve(world: World, change: fn(&[u8], u16, &mut Said)) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
            let wanted = question[12..end].to_ascii_lowercase();
            let kind = u16::from_be_bytes([question[end], question[end + 1]]);
            let mut said = world.say(&wanted, kind);
            change(&wanted, kind, &mut said);
            let mut reply = message(&wanted, kind, &said);
            reply[..2].copy_from_slice(&question[..2]);
            reply[12..end].copy_from_slice(&question[12..end]);
            reply[11] = 1;
            reply.extend([0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]);
            socket.send_to(&reply, client).unwrap();
        }
    });
    address
}

/// An Unbound that ends with the test.
struct Unbound {
    child: Child,
    address: SocketAddr,
    folder: std::path::PathBuf,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Unbound {
    fn start(anchors: &[Anchor], upstream: SocketAddr) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let anchor = |anchor: &Anchor| {
            let digest: String = anchor.digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("trust-anchor: \". DS {} {} 2 {digest}\"\n", anchor.tag, anchor.algorithm)
        };
        let anchors: String = anchors.iter().map(anchor).collect();
        let (own, other) = (address.port(), upstream.port());
        let text = format!(
            "server:\ninterface: 127.0.0.1@{own}\nchroot: \"\"\nusername: \"\"\npidfile: \"\"\ndirectory: \"\"\n\
             use-syslog: no\ndo-daemonize: no\nnum-threads: 1\ndo-not-query-localhost: no\naggressive-nsec: no\n\
             access-control: 127.0.0.0/8 allow\nmodule-config: \"validator iterator\"\ntrust-anchor-signaling: no\n\
             val-override-date: \"20270115080000\"\n{anchors}forward-zone:\nname: \".\"\n\
             forward-addr: 127.0.0.1@{other}\n"
        );
        let folder = std::env::temp_dir().join(format!("polis-dnssec-{own}-{other}"));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("unbound.conf");
        std::fs::write(&path, text).unwrap();
        let child = Command::new(testlab::find("unbound").unwrap())
            .args(["-d", "-c"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address, folder }
    }

    fn ask(&self, wanted: &str, kind: u16) -> Seen {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut question = vec![0, 7, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 1];
        question.extend([&name(wanted)[..], &kind.to_be_bytes(), &[0, 1]].concat());
        question.extend([0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]);
        let mut buffer = [0; 4096];
        for _ in 0..100 {
            socket.send_to(&question, self.address).unwrap();
            if socket.recv(&mut buffer).is_err() {
                continue;
            }
            return match (buffer[3] & 0x0F, buffer[3] & 0x20) {
                (2, _) => Seen::Bogus,
                (0 | 3, 0x20) => Seen::Secure,
                (0 | 3, _) => Seen::Insecure,
                (code, _) => panic!("Unbound says {code} to {wanted} {kind}"),
            };
        }
        panic!("Unbound does not answer {wanted} {kind}");
    }
}

/// What an attacker does: changes an address, leaves out a signature, and takes away what proves something.
fn forge(wanted: &[u8], kind: u16, said: &mut Said) {
    let is = |other: &str| *wanted == *name(other);
    if is("forged.good.tld") {
        said.answers.iter_mut().filter(|record| record.1 == A).for_each(|record| record.2[3] ^= 1);
    }
    if is("bare.good.tld") {
        said.answers.retain(|record| record.1 != kind::RRSIG);
    }
    if is("unproved.good.tld") || is("x.wild.good.tld") && kind == TXT {
        let is_proof = |Rr(_, kind, data): &Rr| {
            matches!(*kind, kind::NSEC | kind::NSEC3)
                || data.starts_with(&[0, 47])
                || data.starts_with(&[0, 50])
        };
        said.authority.retain(|record| !is_proof(record));
    }
}

fn world_for_two(denial: Denial) -> World {
    let mut world = world(denial);
    for owner in ["forged.good.tld", "bare.good.tld"] {
        world.zone("good.tld").add(owner, A, vec![192, 0, 2, 8]);
    }
    for (apex, algorithms, times) in [
        ("expired.tld", &[13][..], (NOW - 864_000, NOW - 86_400)),
        ("early.tld", &[13], (NOW + 86_400, NOW + 864_000)),
        ("rsa.tld", &[8], (NOW - 86_400, NOW + 86_400)),
        ("new.tld", &[200], (NOW - 86_400, NOW + 86_400)),
        ("both.tld", &[15, 13], (NOW - 86_400, NOW + 86_400)),
    ] {
        let mut zone = Zone::new(apex, algorithms, denial);
        zone.times = times;
        zone.add(&format!("www.{apex}"), A, vec![192, 0, 2, 1]);
        world.zone("tld").delegate(&zone);
        world.zones.push(zone);
    }
    // The zone above knows another key than that which the zone has.
    let (mut broken, other) =
        (Zone::new("broken.tld", &[13], denial), Zone::new("broken.tld", &[13], denial));
    broken.add("www.broken.tld", A, vec![192, 0, 2, 1]);
    world.zone("tld").delegate(&other);
    world.zones.push(broken);
    world
}

const QUESTIONS: [(&str, u16); 38] = [
    ("www.good.tld", A),
    ("www.good.tld", TXT),
    ("www.good.tld", kind::DS),
    ("near.good.tld", A),
    ("far.good.tld", A),
    ("nowhere.good.tld", A),
    ("www.tree.good.tld", A),
    ("between.good.tld", A),
    ("x.wild.good.tld", A),
    ("x.y.wild.good.tld", A),
    ("x.wild.good.tld", TXT),
    ("*.wild.good.tld", A),
    ("none.good.tld", A),
    ("a.none.good.tld", A),
    ("forged.good.tld", A),
    ("bare.good.tld", A),
    ("unproved.good.tld", A),
    ("good.tld", kind::DNSKEY),
    ("good.tld", kind::DS),
    ("good.tld", kind::SOA),
    ("good.tld", kind::NS),
    ("host.plain.tld", A),
    ("none.plain.tld", A),
    ("back.plain.tld", A),
    ("plain.tld", kind::DS),
    ("none.tld", A),
    ("none", A),
    ("tld", kind::DS),
    ("", kind::DNSKEY),
    ("", TXT),
    ("www.expired.tld", A),
    ("www.early.tld", A),
    ("www.rsa.tld", A),
    ("www.new.tld", A),
    ("none.new.tld", A),
    ("www.both.tld", A),
    ("www.broken.tld", A),
    ("none.broken.tld", A),
];

#[test]
fn agrees_with_unbound() {
    if !testlab::has("agrees_with_unbound", &["unbound"]) {
        return;
    }
    for denial in [Denial::Nsec, NSEC3, OPT_OUT] {
        let world = world_for_two(denial);
        let judge = Judge::changing(&world, &forge);
        let ours = QUESTIONS.map(|(wanted, kind)| (wanted, kind, seen(&judge.judge(wanted, kind))));
        let anchors = world.anchors();
        let unbound = Unbound::start(&anchors, serve(world, forge));
        let theirs = QUESTIONS.map(|(wanted, kind)| (wanted, kind, unbound.ask(wanted, kind)));
        // Of a name whose proofs were taken away Unbound asks whether it could be a delegation that opted out;
        // we say that whoever signed that there is nothing has to prove it.
        let is_ours =
            |wanted: &str, kind: u16| denial == OPT_OUT && (wanted, kind) == ("x.wild.good.tld", TXT);
        let both = ours.iter().zip(&theirs).filter(|((wanted, kind, _), _)| !is_ours(wanted, *kind));
        let differ: Vec<_> = both.filter(|(ours, theirs)| ours != theirs).collect();
        assert!(differ.is_empty(), "{differ:#?}");
        let count = |what| ours.iter().filter(|(.., seen)| *seen == what).count();
        assert!(count(Seen::Secure) > 15 && count(Seen::Insecure) > 5 && count(Seen::Bogus) > 6);
    }
}
