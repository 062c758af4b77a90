//! The signed hierarchy and what comes of it, in every way that it can be broken.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tests that write messages")]

mod unbound;
mod world;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::name::name;
use super::wire::{Message, kind};
use super::*;
use world::{A, Denial, NOW, Rr, Said, SigningKey, TXT, World, Zone, ds, message};

const NSEC3: Denial = Denial::Nsec3 { opts_out: false, iterations: 0 };
const OPT_OUT: Denial = Denial::Nsec3 { opts_out: true, iterations: 3 };

/// A root, a zone under it, and under that one that is signed and one that is not.
fn world(denial: Denial) -> World {
    let mut good = Zone::new("good.tld", &[13], denial);
    good.add("www.good.tld", A, vec![192, 0, 2, 1]);
    good.add("www.good.tld", A, vec![192, 0, 2, 2]);
    good.add("*.wild.good.tld", A, vec![192, 0, 2, 3]);
    good.add("a.between.good.tld", A, vec![192, 0, 2, 4]);
    good.add("near.good.tld", kind::CNAME, name("www.good.tld"));
    good.add("far.good.tld", kind::CNAME, name("host.plain.tld"));
    good.add("nowhere.good.tld", kind::CNAME, name("none.good.tld"));
    good.add("tree.good.tld", kind::DNAME, name("good.tld"));
    let mut plain = Zone::new("plain.tld", &[], denial);
    plain.add("host.plain.tld", A, vec![192, 0, 2, 5]);
    plain.add("back.plain.tld", kind::CNAME, name("www.good.tld"));
    let mut tld = Zone::new("tld", &[15], denial);
    tld.delegate(&good);
    tld.delegate(&plain);
    let mut root = Zone::new("", &[13], Denial::Nsec);
    root.delegate(&tld);
    World { zones: vec![root, tld, good, plain], ..World::default() }
}

type Change<'c> = &'c dyn Fn(&[u8], u16, &mut Said);

fn untouched(_: &[u8], _: u16, _: &mut Said) {}

/// What a validator says to an answer of the world, in which everything that is said is changed first.
struct Judge<'w> {
    world: &'w World,
    validator: Validator,
    now: i64,
    clock: Clock,
    change: Change<'w>,
}

impl<'w> Judge<'w> {
    fn of(world: &'w World) -> Self {
        let validator = Validator::new(Config { anchors: world.anchors(), ..Config::default() });
        Self { world, validator, now: NOW, clock: Clock::Trusted, change: &untouched }
    }

    fn changing(world: &'w World, change: Change<'w>) -> Self {
        Self { change, ..Self::of(world) }
    }

    fn say(&self, wanted: &[u8], kind: u16) -> Vec<u8> {
        let mut said = self.world.say(wanted, kind);
        (self.change)(wanted, kind, &mut said);
        message(wanted, kind, &said)
    }

    fn judge(&self, wanted: &str, kind: u16) -> Judgement {
        let reply = self.say(&name(wanted), kind);
        self.judge_reply(wanted, kind, &reply)
    }

    fn judge_reply(&self, wanted: &str, kind: u16, reply: &[u8]) -> Judgement {
        let ask = |wanted: Box<[u8]>, kind: u16| {
            self.world.asked.borrow_mut().push((wanted.to_vec(), kind));
            std::future::ready(Some(self.say(&wanted, kind)))
        };
        let wanted = name(wanted);
        let judged = self.validator.validate(ask, (&wanted, kind), reply, self.now, self.clock);
        match pin!(judged).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(judgement) => judgement,
            Poll::Pending => panic!("nothing waits here"),
        }
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.world.asked.borrow_mut()).len()
    }

    #[track_caller]
    fn is_secure(&self, wanted: &str, kind: u16) {
        let judgement = self.judge(wanted, kind);
        assert!(judgement.is_authentic(), "{wanted} {kind}: {judgement:?}");
    }

    #[track_caller]
    fn is_insecure(&self, wanted: &str, kind: u16, reason: Reason) {
        match self.judge(wanted, kind) {
            Judgement::Insecure(why) => assert_eq!(why.reason, reason, "{wanted} {kind}: {}", why.words()),
            other => panic!("{wanted} {kind}: {other:?}"),
        }
    }

    #[track_caller]
    fn is_bogus(&self, wanted: &str, kind: u16, reason: Reason) {
        match self.judge(wanted, kind) {
            Judgement::Bogus(why) => assert_eq!(why.reason, reason, "{wanted} {kind}: {}", why.words()),
            other => panic!("{wanted} {kind}: {other:?}"),
        }
    }
}

#[test]
fn what_is_signed_is_secure() {
    for denial in [Denial::Nsec, NSEC3, Denial::Nsec3 { opts_out: false, iterations: 100 }] {
        let world = world(denial);
        let judge = Judge::of(&world);
        for (wanted, kind) in [
            ("www.good.tld", A),
            ("near.good.tld", A),
            ("near.good.tld", kind::CNAME),
            ("www.good.tld", kind::ANY),
            ("x.wild.good.tld", A),
            ("x.y.wild.good.tld", A),
            ("*.wild.good.tld", A),
            ("www.tree.good.tld", A),
            ("near.tree.good.tld", A),
            ("good.tld", kind::DNSKEY),
            ("good.tld", kind::DS),
            ("good.tld", kind::SOA),
            ("", kind::DNSKEY),
            ("", kind::NS),
        ] {
            judge.is_secure(wanted, kind);
        }
        assert_eq!(judge.judge("www.good.tld", A), Judgement::Secure { seconds: 3600 });
    }
}

#[test]
fn what_is_not_there_is_proved() {
    for denial in [Denial::Nsec, NSEC3] {
        let world = world(denial);
        let judge = Judge::of(&world);
        for (wanted, kind) in [
            ("www.good.tld", TXT),
            ("good.tld", TXT),
            ("between.good.tld", A),
            ("x.wild.good.tld", TXT),
            ("none.good.tld", A),
            ("zzz.none.good.tld", A),
            ("nowhere.good.tld", A),
            ("none.tld", A),
            ("none", A),
            ("plain.tld", kind::DS),
            ("www.good.tld", kind::DS),
            ("none.good.tld", kind::DS),
            ("", TXT),
        ] {
            judge.is_secure(wanted, kind);
        }
        // Without the proofs, and with those of other names.
        for (wanted, kind) in [("www.good.tld", TXT), ("none.good.tld", A), ("x.wild.good.tld", TXT)] {
            let without = |_: &[u8], _: u16, said: &mut Said| {
                said.authority
                    .retain(|Rr(.., data)| !data.starts_with(&[0, 47]) && !data.starts_with(&[0, 50]));
                said.authority.retain(|Rr(_, kind, _)| !matches!(*kind, kind::NSEC | kind::NSEC3));
            };
            let judge = Judge::of(&world);
            judge.is_secure("www.good.tld", A);
            let changed = Judge { change: &without, ..judge };
            changed.is_bogus(wanted, kind, Reason::DenialMissing);
            let other = |wanted: &[u8], kind: u16, said: &mut Said| {
                if kind == A && *wanted == *name("www.good.tld") {
                    *said = world.say(&name("none.good.tld"), A);
                } else if kind == TXT {
                    *said = world.say(&name("a.between.good.tld"), TXT);
                }
            };
            let changed = Judge { change: &other, ..changed };
            changed.is_bogus("www.good.tld", A, Reason::DenialMissing);
            changed.is_bogus("www.good.tld", TXT, Reason::DenialMissing);
        }
    }
}

#[test]
fn a_wildcard_is_no_answer_where_something_is_nearer() {
    for denial in [Denial::Nsec, NSEC3] {
        let mut world = world(denial);
        world.zone("good.tld").add("*.good.tld", A, vec![192, 0, 2, 9]);
        // The wildcard's records as those of a name that is there, with all proofs that there are.
        let forge = |wanted: &[u8], kind: u16, said: &mut Said| {
            if kind == A && *wanted == *name("www.good.tld") {
                let wild = world.say(&name("x.good.tld"), A);
                said.authority = [wild.authority, world.say(&name("www.good.tld"), TXT).authority].concat();
                said.answers = wild.answers;
                said.answers.iter_mut().for_each(|record| record.0 = wanted.to_vec());
            }
        };
        let judge = Judge::changing(&world, &forge);
        judge.is_secure("x.good.tld", A);
        judge.is_bogus("www.good.tld", A, Reason::DenialMissing);
    }
}

#[test]
fn every_algorithm_is_checked() {
    for algorithm in [8, 10, 13, 14, 15] {
        let mut world = world(Denial::Nsec);
        let mut zone = Zone::new("own.tld", &[algorithm], Denial::Nsec);
        zone.add("www.own.tld", A, vec![192, 0, 2, 1]);
        world.zone("tld").delegate(&zone);
        world.zones.push(zone);
        Judge::of(&world).is_secure("www.own.tld", A);
        let change = |_: &[u8], _: u16, said: &mut Said| {
            said.answers.iter_mut().filter(|record| record.1 == A).for_each(|record| record.2[3] ^= 1);
        };
        Judge::changing(&world, &change).is_bogus("www.own.tld", A, Reason::WrongSignature);
    }
}

#[test]
fn signatures_of_the_standards_are_right() {
    // RFC 6605 section 6.1, RFC 8080 section 6.1.
    let check =
        |kind: u16, owner: &str, data: Vec<u8>, algorithm: u8, key: &str, times: [u32; 2], value: &str| {
            let zone = name::parent(&name(owner)).filter(|_| kind == A).map_or(name(owner), <[u8]>::to_vec);
            let key_data = [&[1, 1, 3, algorithm][..], &base64(key)].concat();
            let mut rdata = [&kind.to_be_bytes()[..], &[algorithm, name::count(&name(owner)) as u8]].concat();
            rdata.extend([3600, times[1], times[0]].iter().flat_map(|number: &u32| number.to_be_bytes()));
            rdata.extend(records::tag(&key_data).to_be_bytes());
            rdata.extend([&zone, &base64(value)[..]].concat());
            let answers = vec![Rr(name(owner), kind, data), Rr(name(owner), kind::RRSIG, rdata)];
            let reply = message(&name(owner), kind, &Said { answers, ..Said::default() });
            let message = Message::read(&reply).unwrap();
            let keys = vec![records::Key::read(&key_data).unwrap()];
            let keys = verify::Keys { zone: zone.into(), keys };
            let moment = Moment { now: i64::from(times[0]) + 1000, clock: Clock::Trusted };
            verify::set(&message.sets[0], &keys, moment, &mut verify::Budget::default()).unwrap();
            (keys.keys[0].tag, algorithm)
        };
    let key = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
    let value = "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==";
    let times = [1_281_607_479, 1_284_026_679];
    assert_eq!(check(A, "www.example.net", vec![192, 0, 2, 1], 13, key, times, value), (55648, 13));
    let key = "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=";
    let value = "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==";
    let data = [&[0, 10][..], &name("mail.example.com")].concat();
    let times = [1_438_207_200, 1_440_021_600];
    assert_eq!(check(15, "example.com", data, 15, key, times, value), (3613, 15));
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').chars().map(|digit| DIGITS.find(digit).unwrap());
    let bits: Vec<bool> = digits.flat_map(|digit| (0..6).rev().map(move |at| digit >> at & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks_exact(8).map(byte).collect()
}

#[test]
fn dates_are_judged_if_the_time_is_known() {
    let mut world = world(Denial::Nsec);
    world.zone("good.tld").times = (NOW - 10 * 86_400, NOW - 86_400);
    let judge = Judge::of(&world);
    judge.is_bogus("www.good.tld", A, Reason::Expired);
    let unknown = Judge { clock: Clock::Unknown, ..judge };
    unknown.validator.forget();
    assert_eq!(unknown.judge("www.good.tld", A), Judgement::Untimed);
    unknown.is_insecure("host.plain.tld", A, Reason::Unsigned);
    // What was learnt without the time is not believed when it is known.
    let known = Judge { clock: Clock::Trusted, ..unknown };
    known.is_bogus("www.good.tld", A, Reason::Expired);

    world.zone("good.tld").times = (NOW + 86_400, NOW + 10 * 86_400);
    let judge = Judge::of(&world);
    judge.is_bogus("www.good.tld", A, Reason::NotYetValid);
    // Half an hour off is nothing, and a signature is not kept for longer than it is good.
    world.zone("good.tld").times = (NOW + 1800, NOW + 3700);
    Judge::of(&world).is_secure("www.good.tld", A);
    world.zone("good.tld").times = (NOW - 1800, NOW + 60);
    assert_eq!(Judge::of(&world).judge("www.good.tld", A), Judgement::Secure { seconds: 60 });
}

#[test]
fn a_clock_that_is_behind_the_root_is_not_believed() {
    let world = world(Denial::Nsec);
    let mut judge = Judge::of(&world);
    judge.now = NOW - 30 * 86_400;
    assert_eq!(judge.judge("www.good.tld", A), Judgement::Untimed);
    judge.asked();
    assert_eq!(judge.judge("www.good.tld", A), Judgement::Untimed);
    assert_eq!(judge.asked(), 0);
    judge.now = NOW;
    judge.is_secure("www.good.tld", A);
    // One that is ahead is believed, or old signatures would be good for ever.
    judge.now = NOW + 30 * 86_400;
    judge.is_bogus("www.good.tld", A, Reason::Expired);
}

#[test]
fn what_is_wrong_is_bogus() {
    let world = world(Denial::Nsec);
    let mut other = Zone::new("good.tld", &[13], Denial::Nsec);
    other.add("www.good.tld", A, vec![192, 0, 2, 66]);
    let wrong_key = |wanted: &[u8], kind: u16, said: &mut Said| {
        if *wanted == *name("www.good.tld") && kind == A {
            let data = vec![vec![192, 0, 2, 66]];
            said.answers = vec![Rr(wanted.to_vec(), A, data[0].clone())];
            said.answers.extend(other.sign(wanted, A, &data));
        }
    };
    Judge::changing(&world, &wrong_key).is_bogus("www.good.tld", A, Reason::KeyMissing);
    // Its keys as well: the zone above knows others.
    let wrong_keys = |wanted: &[u8], kind: u16, said: &mut Said| {
        wrong_key(wanted, kind, said);
        if *wanted == *name("good.tld") && kind == kind::DNSKEY {
            let data = vec![other.keys[0].data()];
            said.answers = vec![Rr(wanted.to_vec(), kind, data[0].clone())];
            said.answers.extend(other.sign(wanted, kind, &data));
        }
    };
    Judge::changing(&world, &wrong_keys).is_bogus("www.good.tld", A, Reason::KeyMissing);
    // And what that knows: the zone above has not signed it.
    let wrong_ds = |wanted: &[u8], kind: u16, said: &mut Said| {
        wrong_keys(wanted, kind, said);
        if *wanted == *name("good.tld") && kind == kind::DS {
            let data = ds(wanted, &other.keys[0]);
            said.answers
                .iter_mut()
                .filter(|record| record.1 == kind)
                .for_each(|record| record.2 = data.clone());
        }
    };
    Judge::changing(&world, &wrong_ds).is_bogus("www.good.tld", A, Reason::WrongSignature);
    // A name under which nothing is signed, said of one where everything is.
    let pretend = |wanted: &[u8], kind: u16, said: &mut Said| {
        if *wanted == *name("good.tld") && kind == kind::DS {
            *said = world.say(&name("plain.tld"), kind::DS);
        }
        if *wanted == *name("www.good.tld") {
            said.answers.retain(|record| record.1 != kind::RRSIG);
        }
    };
    Judge::changing(&world, &pretend).is_bogus("www.good.tld", A, Reason::DenialMissing);
}

#[test]
fn a_key_that_may_not_sign_does_not() {
    let mut world = world(Denial::Nsec);
    let mut zone = Zone::new("own.tld", &[], Denial::Nsec);
    let mut key = SigningKey::new(13);
    key.flags = 1;
    zone.add("own.tld", kind::DNSKEY, key.data());
    zone.keys.push(key);
    world.zone("tld").delegate(&zone);
    world.zones.push(zone);
    Judge::of(&world).is_bogus("own.tld", kind::SOA, Reason::NoZoneKey);
}

#[test]
fn signatures_that_are_left_out_are_missed() {
    let world = world(Denial::Nsec);
    let strip_all = |_: &[u8], _: u16, said: &mut Said| {
        said.answers.retain(|record| record.1 != kind::RRSIG);
        said.authority.retain(|record| record.1 == kind::SOA);
    };
    for (wanted, kind) in [("www.good.tld", A), ("none.good.tld", A), ("host.plain.tld", A)] {
        Judge::changing(&world, &strip_all).is_bogus(wanted, kind, Reason::Stripped);
    }
    let strip_one = |_: &[u8], kind: u16, said: &mut Said| {
        said.answers.retain(|record| kind != A || record.1 != kind::RRSIG);
    };
    let judge = Judge::changing(&world, &strip_one);
    judge.is_bogus("www.good.tld", A, Reason::Stripped);
    let Judgement::Bogus(why) = judge.judge("www.good.tld", A) else { panic!("it is bogus") };
    assert!(why.words().starts_with("A of www.good.tld.: there are no signatures"), "{}", why.words());
    assert_eq!(why.code(), Some(10));
    let no_keys = |_: &[u8], kind: u16, said: &mut Said| {
        said.answers.retain(|_| kind != kind::DNSKEY);
    };
    Judge::changing(&world, &no_keys).is_bogus("www.good.tld", A, Reason::KeyMissing);
}

#[test]
fn zones_that_are_not_signed_are_insecure() {
    for denial in [Denial::Nsec, NSEC3] {
        let world = world(denial);
        let judge = Judge::of(&world);
        judge.is_insecure("host.plain.tld", A, Reason::Unsigned);
        judge.is_insecure("none.plain.tld", A, Reason::Unsigned);
        judge.is_insecure("far.good.tld", A, Reason::Unsigned);
        judge.is_insecure("back.plain.tld", A, Reason::Unsigned);
        // An alias from there to what is signed does not make that unsigned.
        let change = |_: &[u8], _: u16, said: &mut Said| {
            said.answers.iter_mut().filter(|record| record.1 == A).for_each(|record| record.2[3] ^= 64);
        };
        let judge = Judge { change: &change, ..judge };
        judge.is_bogus("back.plain.tld", A, Reason::WrongSignature);
        judge.is_insecure("host.plain.tld", A, Reason::Unsigned);
    }
}

#[test]
fn opting_out_leaves_room_for_zones_that_are_not_signed() {
    let world = world(OPT_OUT);
    let judge = Judge::of(&world);
    judge.is_secure("www.good.tld", A);
    judge.is_insecure("host.plain.tld", A, Reason::OptOut);
    judge.is_insecure("none.tld", A, Reason::OptOut);
    judge.is_insecure("plain.tld", kind::DS, Reason::OptOut);
    judge.is_secure("www.good.tld", TXT);
}

#[test]
fn too_many_rounds_of_hashing_are_not_made() {
    let many = |iterations| Denial::Nsec3 { opts_out: false, iterations };
    let world_of = |iterations| world(many(iterations));
    let world = world_of(101);
    let judge = Judge::of(&world);
    judge.is_insecure("none.good.tld", A, Reason::Iterations);
    judge.is_insecure("host.plain.tld", A, Reason::Iterations);
    judge.is_secure("www.good.tld", A);
    let world = world_of(501);
    let judge = Judge::of(&world);
    judge.is_bogus("none.good.tld", A, Reason::Iterations);
    assert_eq!(judge.judge("none.good.tld", A).why().unwrap().code(), Some(27));
}

#[test]
fn what_nobody_understands_is_insecure() {
    let mut world = world(Denial::Nsec);
    let zone = Zone::new("new.tld", &[200], Denial::Nsec);
    world.zone("tld").delegate(&zone);
    world.zones.push(zone);
    let zone = Zone::new("digest.tld", &[13], Denial::Nsec);
    world.zone("tld").delegate(&zone);
    let records = world.zone("tld").records.get_mut(&name("digest.tld")).unwrap();
    records.get_mut(&kind::DS).unwrap()[0][3] = 250;
    world.zones.push(zone);
    // One key that is understood is enough.
    let zone = Zone::new("both.tld", &[200, 13], Denial::Nsec);
    world.zone("tld").delegate(&zone);
    world.zones.push(zone);
    let judge = Judge::of(&world);
    judge.is_insecure("new.tld", kind::SOA, Reason::UnsupportedAlgorithm);
    judge.is_insecure("none.new.tld", A, Reason::UnsupportedAlgorithm);
    judge.is_insecure("digest.tld", kind::SOA, Reason::UnsupportedDigest);
    judge.is_secure("both.tld", kind::SOA);
}

#[test]
fn names_that_are_not_validated_are_not_looked_at() {
    let world = world(Denial::Nsec);
    let strip = |_: &[u8], kind: u16, said: &mut Said| {
        said.answers.retain(|record| kind != A || record.1 != kind::RRSIG);
    };
    let insecure = vec![name("good.tld").into()];
    let anchors = world.anchors();
    let validator = Validator::new(Config { anchors, insecure, ..Config::default() });
    let judge = Judge { validator, change: &strip, ..Judge::of(&world) };
    judge.is_insecure("www.good.tld", A, Reason::NotValidated);
    assert_eq!(judge.asked(), 0);
    judge.is_secure("tld", kind::SOA);
    // An anchor below is stronger, and without any nothing is validated.
    let zone = &world.zones[2];
    let ds = ds(&zone.apex, &zone.keys[0]);
    let anchor = Anchor {
        zone: zone.apex.clone().into(),
        tag: zone.keys[0].tag(),
        algorithm: 13,
        digest_kind: 2,
        digest: ds[4..].into(),
    };
    let insecure = vec![name("tld").into()];
    let validator = Validator::new(Config { anchors: vec![anchor], insecure, ..Config::default() });
    let judge = Judge { validator, change: &untouched, ..judge };
    judge.is_secure("www.good.tld", A);
    judge.is_insecure("tld", kind::SOA, Reason::NotValidated);
    judge.is_insecure("", kind::SOA, Reason::NotValidated);
}

#[test]
fn zones_are_asked_for_once() {
    let world = world(Denial::Nsec);
    let judge = Judge::of(&world);
    judge.is_secure("www.good.tld", A);
    // The keys of the root; what it says of tld, and tld's keys; the same for good.tld.
    assert_eq!(judge.asked(), 5);
    judge.is_secure("none.good.tld", A);
    judge.is_secure("near.good.tld", A);
    assert_eq!(judge.asked(), 0);
    judge.is_insecure("host.plain.tld", A, Reason::Unsigned);
    assert_eq!(judge.asked(), 1);
    judge.is_insecure("none.plain.tld", A, Reason::Unsigned);
    assert_eq!(judge.asked(), 0);
    let (names, bytes) = judge.validator.remembered();
    assert!(names == 4 && (500..2000).contains(&bytes), "{names} {bytes}");
}

#[test]
fn nobody_answering_is_neither_good_nor_bad() {
    let world = world(Denial::Nsec);
    for code in [2, 5] {
        let change = move |_: &[u8], kind: u16, said: &mut Said| {
            if kind == kind::DNSKEY {
                *said = Said { code, ..Said::default() };
            }
        };
        let judgement = Judge::changing(&world, &change).judge("www.good.tld", A);
        let Judgement::Indeterminate(why) = &judgement else { panic!("{judgement:?}") };
        assert_eq!((why.reason, judgement.may_pass()), (Reason::NoAnswer, false));
    }
    let judge = Judge::of(&world);
    assert_eq!(judge.judge("www.good.tld", kind::RRSIG), Judgement::Unsignable);
    assert!(matches!(judge.judge_reply("www.good.tld", A, &[0; 11]), Judgement::Indeterminate(_)));
}

#[test]
fn records_beside_the_answer_take_its_security_away() {
    let world = world(Denial::Nsec);
    let change = |_: &[u8], kind: u16, said: &mut Said| {
        if kind == A {
            said.answers.push(Rr(name("other.tld"), A, vec![192, 0, 2, 66]));
        }
    };
    Judge::changing(&world, &change).is_insecure("www.good.tld", A, Reason::Stray);
}

#[test]
fn an_endless_chain_of_aliases_ends() {
    let mut world = world(Denial::Nsec);
    world.zone("good.tld").add("one.good.tld", kind::CNAME, name("two.good.tld"));
    world.zone("good.tld").add("two.good.tld", kind::CNAME, name("one.good.tld"));
    Judge::of(&world).is_bogus("one.good.tld", A, Reason::TooMuch);
}

/// CVE-2023-50387: keys with one number, and signatures that each of them could have made.
#[test]
fn many_keys_and_signatures_cost_little() {
    let mut world = world(Denial::Nsec);
    let zone = world.zone("good.tld");
    let (key, tag) = (zone.keys[0].data(), zone.keys[0].tag());
    // Two numbers of two bytes each swapped: the sum, which the number of a key is, stays.
    let twins: Vec<Vec<u8>> = (0..20)
        .map(|at| {
            let mut twin = key.clone();
            for byte in 0..2 {
                twin.swap(4 + at * 2 + byte, 44 + byte + 2 * (at % 8));
            }
            assert_eq!(records::tag(&twin), tag);
            twin
        })
        .collect();
    twins.into_iter().for_each(|twin| zone.add("good.tld", kind::DNSKEY, twin));
    let change = |wanted: &[u8], kind: u16, said: &mut Said| {
        if *wanted == *name("www.good.tld") && kind == A {
            let signature = said.answers.iter().find(|record| record.1 == kind::RRSIG).unwrap().clone();
            said.answers.retain(|record| record.1 != kind::RRSIG);
            for number in 0..200_u8 {
                let mut wrong = signature.clone();
                *wrong.2.last_mut().unwrap() ^= number | 1;
                said.answers.push(wrong);
            }
        }
    };
    let judge = Judge::changing(&world, &change);
    let begun = std::time::Instant::now();
    let judgement = judge.judge("www.good.tld", A);
    assert!(
        matches!(&judgement, Judgement::Indeterminate(why) if why.reason == Reason::TooMuch),
        "{judgement:?}"
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    // So many keys that no zone has them.
    (0..30_u8)
        .for_each(|number| world.zone("good.tld").add("good.tld", kind::DNSKEY, vec![1, 1, 3, 13, number]));
    let judgement = Judge::of(&world).judge("www.good.tld", A);
    assert!(
        matches!(&judgement, Judgement::Indeterminate(why) if why.reason == Reason::TooMuch),
        "{judgement:?}"
    );
}

/// CVE-2023-50868: a name of many labels, each of which would have to be hashed many times.
#[test]
fn many_labels_cost_little() {
    let world = world(Denial::Nsec3 { opts_out: false, iterations: 100 });
    let long = format!("{}good.tld", "a.".repeat(110));
    let judgement = Judge::of(&world).judge(&long, A);
    assert!(
        matches!(&judgement, Judgement::Indeterminate(why) if why.reason == Reason::TooMuch)
            || judgement.is_authentic(),
        "{judgement:?}"
    );
}

#[test]
fn clients_without_interest_get_no_signatures() {
    let world = world(Denial::Nsec);
    let signed = message(&name("near.good.tld"), A, &world.say(&name("near.good.tld"), A));
    let plain = strip(&signed, A).unwrap();
    assert!(has_signatures(&signed) && !has_signatures(&plain));
    let (before, after) = (Message::read(&signed).unwrap(), Message::read(&plain).unwrap());
    let bare = |message: &Message| {
        let sets = message.sets.iter().filter(|set| !matches!(set.kind, kind::NSEC | kind::NSEC3));
        sets.map(|set| (set.section, set.name.clone(), set.kind, set.data.clone())).collect::<Vec<_>>()
    };
    assert_eq!(bare(&before), bare(&after));
    assert_eq!(strip(&plain, A), Ok(std::borrow::Cow::Borrowed(&*plain)));
    // What was asked for stays.
    let proof = message(&name("good.tld"), kind::NSEC, &world.say(&name("www.good.tld"), TXT));
    let stripped = strip(&proof, kind::NSEC).unwrap();
    assert!(Message::read(&stripped).unwrap().sets.iter().any(|set| set.kind == kind::NSEC));
    assert!(
        !Message::read(&strip(&proof, A).unwrap()).unwrap().sets.iter().any(|set| set.kind == kind::NSEC)
    );
}

#[test]
fn names_that_point_into_what_is_taken_out_are_written_anew() {
    // www.a.org CNAME (at 27) with a signature between, whose owner is written out, and an address of a name that
    // points to the signature's owner and to the target of the alias.
    let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, 4, 0, 0, 0, 0];
    message.extend([&name("www.a.org")[..], &[0, 1, 0, 1]].concat());
    let record = |message: &mut Vec<u8>, owner: &[u8], kind: u8, data: &[u8]| {
        message.extend([owner, &[0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8], data].concat());
    };
    let alias_data = message.len() + 12;
    record(&mut message, &[0xC0, 12], 5, &[1, b'b', 0xC0, 16]);
    let signature_at = message.len();
    let signature =
        [&[0, 5, 13, 3, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7][..], &[1, b'a', 0xC0, 18], &[9; 64]];
    record(&mut message, &[1, b'c', 0xC0, 16], 46, &signature.concat());
    record(&mut message, &[1, b'd', 0xC0, signature_at as u8], 15, &[0, 1, 0xC0, signature_at as u8]);
    record(&mut message, &[0xC0, alias_data as u8], 1, &[192, 0, 2, 1]);
    let stripped = strip(&message, A).unwrap();
    type Plain = (Vec<u8>, u16, Vec<Box<[u8]>>);
    let sets = |message: &[u8]| -> Vec<Plain> {
        let read = Message::read(message).unwrap();
        read.sets.into_iter().map(|set| (set.name.into_vec(), set.kind, set.data)).collect()
    };
    assert_eq!(
        sets(&stripped),
        [
            (name("www.a.org"), 5, vec![name("b.a.org").into()]),
            (name("d.c.a.org"), 15, vec![[&[0, 1][..], &name("c.a.org")].concat().into()]),
            (name("b.a.org"), 1, vec![[192, 0, 2, 1].into()]),
        ]
    );
    assert_eq!(sets(&message), sets(&stripped));
    assert!(stripped.len() < message.len() - 80);
    for length in 0..message.len() {
        let _ = (strip(&message[..length], A), Message::read(&message[..length]));
    }
    // A name that points to itself.
    let mut round = message.clone();
    let at = alias_data + 2;
    round[at..at + 2].copy_from_slice(&[0xC0, alias_data as u8]);
    assert_eq!((strip(&round, A), Message::read(&round)), (Err(Unstrippable), None));
}

#[test]
fn the_keys_of_the_root_are_those_that_are_published() {
    let anchors = Anchor::root();
    assert_eq!(
        anchors.each_ref().map(|anchor| (anchor.tag, anchor.digest.len())),
        [(20326, 32), (38696, 32)]
    );
    assert_eq!(anchors[0].digest[..3], [0xE0, 0x6D, 0x44]);
    // The key itself (RFC 9718 and the zone): its digest is the anchor.
    let key = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5x\
               QlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/\
               b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8An\
               XGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
    let data = [&[1, 1, 3, 8][..], &base64(key)].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[name::ROOT, &data].concat());
    assert_eq!((records::tag(&data), digest.as_ref()), (20326, &*anchors[0].digest));
}

#[test]
fn proofs_of_something_else_prove_nothing() {
    for denial in [Denial::Nsec, NSEC3] {
        let world = world(denial);
        let [tld, good] = [&world.zones[1], &world.zones[2]];
        let soa = |zone: &Zone| {
            let said = world.say(&zone.apex, TXT);
            said.authority.into_iter().filter(|record| record.1 == kind::SOA || record.2.starts_with(&[0, 6]))
        };
        // What is said to be missing, and the proof: the name's own, which has the type or an alias; that of the
        // zone above, which knows the cut only; that of the zone above for what lies under the cut.
        let own = good.around(&name("www.good.tld"));
        let alias = good.around(&name("near.good.tld"));
        let cut = tld.around(&name("good.tld"));
        let beside = [cut.clone(), tld.around(&name("zzz.tld")), tld.around(&name("tld"))].concat();
        for (wanted, kind, code, zone, proof) in [
            ("www.good.tld", A, 0, good, &own),
            ("near.good.tld", A, 0, good, &alias),
            ("good.tld", TXT, 0, tld, &cut),
            ("www.good.tld", A, 0, tld, &beside),
            ("www.good.tld", A, 3, tld, &beside),
            ("www.good.tld", A, 3, good, &own),
            ("good.tld", kind::DS, 0, good, &good.around(&name("good.tld"))),
            ("good.tld", kind::DS, 0, tld, &cut),
        ] {
            let change = |asked: &[u8], asked_kind: u16, said: &mut Said| {
                if *asked == *name(wanted) && asked_kind == kind {
                    let authority = soa(zone).chain(proof.iter().cloned()).collect();
                    *said = Said { code, answers: Vec::new(), authority };
                }
            };
            let judgement = Judge::changing(&world, &change).judge(wanted, kind);
            assert!(matches!(judgement, Judgement::Bogus(_)), "{wanted} {kind} {code}: {judgement:?}");
        }
    }
}

/// CVE-2017-15105: the record of a wildcard, with another name that it could have been made for.
#[test]
fn a_proof_is_not_made_from_a_wildcard() {
    let world = world(Denial::Nsec);
    let change = |wanted: &[u8], kind: u16, said: &mut Said| {
        if *wanted == *name("x.wild.good.tld") && kind == A {
            *said = world.say(&name("none.good.tld"), A);
            said.authority.retain(|record| record.1 == kind::SOA || record.2.starts_with(&[0, 6]));
            let mut made = world.zones[2].around(&name("*.wild.good.tld"));
            made.iter_mut().for_each(|record| record.0 = name("!.wild.good.tld"));
            said.authority.extend(made);
        }
    };
    Judge::changing(&world, &change).is_bogus("x.wild.good.tld", A, Reason::DenialMissing);
}

/// Whatever is changed in a reply: if it is still secure, it still says the same.
#[test]
fn a_byte_that_changes_does_not_go_unnoticed() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut secure, mut bogus) = (0, 0);
    for denial in [Denial::Nsec, NSEC3] {
        let world = world(denial);
        let judge = Judge::of(&world);
        for (wanted, kind) in [
            ("www.good.tld", A),
            ("x.wild.good.tld", A),
            ("www.tree.good.tld", A),
            ("none.good.tld", A),
            ("x.wild.good.tld", TXT),
        ] {
            let reply = judge.say(&name(wanted), kind);
            let says = |reply: &[u8]| {
                let message = Message::read(reply).unwrap();
                let sets = message.sets.into_iter().filter(|set| set.section == wire::Section::Answer);
                // Which of them stand first is not signed, nor how long they live.
                let mut sets: Vec<_> = sets
                    .map(|mut set| {
                        set.data.sort();
                        (set.name, set.kind, set.data)
                    })
                    .collect();
                sets.sort();
                (message.code, sets)
            };
            let truth = says(&reply);
            for _ in 0..400 {
                let mut changed = reply.clone();
                for _ in 0..=next(2) {
                    let at = 2 + next(reply.len() - 2);
                    changed[at] ^= 1 << next(8);
                }
                changed.truncate(reply.len() - if next(8) == 0 { next(reply.len()) } else { 0 });
                match judge.judge_reply(wanted, kind, &changed) {
                    Judgement::Secure { .. } => {
                        assert_eq!(says(&changed), truth, "{wanted} {kind}");
                        secure += 1;
                    }
                    Judgement::Bogus(_) => bogus += 1,
                    _ => {}
                }
                if let Ok(plain) = strip(&changed, A) {
                    assert!(!has_signatures(&plain));
                    assert_eq!(strip(&plain, A).unwrap(), plain);
                }
            }
        }
    }
    assert!(secure > 100 && bogus > 1000, "{secure} {bogus}");
}

#[test]
fn a_name_that_a_wildcard_makes_can_not_be_denied() {
    for denial in [Denial::Nsec, NSEC3] {
        let world = world(denial);
        let change = |wanted: &[u8], kind: u16, said: &mut Said| {
            if *wanted == *name("x.wild.good.tld") && kind == A {
                *said = world.say(&name("none.good.tld"), A);
                said.authority.retain(|record| record.1 == kind::SOA || record.2.starts_with(&[0, 6]));
                said.authority.extend(world.zones[2].proof(wanted, false));
            }
        };
        Judge::changing(&world, &change).is_bogus("x.wild.good.tld", A, Reason::DenialMissing);
    }
}

#[test]
fn a_name_is_not_there_and_has_records_in_no_zone() {
    let world = world(Denial::Nsec);
    let change = |_: &[u8], kind: u16, said: &mut Said| {
        if kind == A {
            said.code = 3;
        }
    };
    Judge::changing(&world, &change).is_bogus("www.good.tld", A, Reason::DenialMissing);
}

#[test]
fn who_signs_is_the_zone_that_the_records_lie_in() {
    let mut world = world(Denial::Nsec);
    let mut sub = Zone::new("sub.between.good.tld", &[], Denial::Nsec);
    sub.add("host.sub.between.good.tld", A, vec![192, 0, 2, 7]);
    world.zone("good.tld").delegate(&sub);
    world.zones.push(sub);
    let [tld, good] = [&world.zones[1], &world.zones[2]];
    let data = [vec![192, 0, 2, 1], vec![192, 0, 2, 2]];
    let change = |wanted: &[u8], kind: u16, said: &mut Said| {
        if *wanted == *name("www.good.tld") && kind == A {
            // One that is right but for the name of who signed, and one that is wrong.
            let right = tld.sign_with(&good.keys[0], wanted, A, &data);
            let wrong = good.sign_with(&good.keys[0], wanted, A, &data[..1]);
            said.answers.retain(|record| record.1 == A);
            said.answers.extend([right, wrong]);
        }
        if *wanted == *name("host.sub.between.good.tld") && kind == A {
            let mut stranger = Zone::new("between.good.tld", &[13], Denial::Nsec);
            stranger.times = good.times;
            said.answers.extend(stranger.sign(wanted, A, &data[..1]));
        }
        if *wanted == *name("good.tld") && kind == kind::DS && world.asked.borrow().is_empty() {
            let data = vec![ds(wanted, &good.keys[0])];
            said.answers = vec![Rr(wanted.to_vec(), kind, data[0].clone())];
            said.answers.extend(good.sign(wanted, kind, &data));
        }
    };
    let judge = Judge::changing(&world, &change);
    judge.is_bogus("www.good.tld", A, Reason::WrongSignature);
    // Whoever claims to have signed what lies in a zone that is not signed changes nothing.
    judge.is_insecure("host.sub.between.good.tld", A, Reason::Unsigned);
    judge.asked();
    judge.is_bogus("good.tld", kind::DS, Reason::SignatureMissing);
}

#[test]
fn digests_with_sha_1_do_not_count_beside_better_ones() {
    let message = |kinds: &[u8]| {
        let answers = kinds.iter().map(|kind| Rr(name("z"), kind::DS, vec![0, 7, 13, *kind, 1, 2])).collect();
        Message::read(&message(&name("z"), kind::DS, &Said { answers, ..Said::default() })).unwrap()
    };
    let usable = |kinds: &[u8]| {
        let usable = verify::usable(&message(kinds).sets[0])?;
        Ok(usable.iter().map(|ds| ds.digest_kind).collect::<Vec<u8>>())
    };
    assert_eq!(usable(&[1, 2, 9]), Ok(vec![2]));
    assert_eq!(usable(&[1]), Ok(vec![1]));
    assert_eq!(usable(&[9]), Err(Reason::UnsupportedDigest));
}
