//! Any bytes as a signed reply, and as every reply to what is asked for it: judging ends, and never says that it is
//! secure; what is left without signatures is a message that has none, and stays as it is from then on.
#![no_main]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use dns::dnssec::{Anchor, Clock, Config, Validator, has_signatures, strip};

/// The name and the type that are asked for, in a header's place: `a.b`, and any type.
const NAME: &[u8] = b"\x01a\x01b\0";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Some((header, records)) = rest.split_at_checked(10) else { return };
    let kind = u16::from_be_bytes(*kind);
    let reply = [b"\x12\x34", header, NAME, &kind.to_be_bytes(), &[0, 1], records].concat();

    // Keys that nobody has: the digest of nothing.
    let anchor = Anchor { zone: [0].into(), tag: 0, algorithm: 13, digest_kind: 2, digest: [0; 32].into() };
    for clock in [Clock::Trusted, Clock::Unknown] {
        let validator = Validator::new(Config { anchors: vec![anchor.clone()], ..Config::default() });
        let ask = |_: Box<[u8]>, _: u16| std::future::ready(Some(reply.as_slice()));
        let judged = validator.validate(ask, (NAME, kind), &reply, 1_800_000_000, clock);
        let Poll::Ready(judgement) = pin!(judged).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("nothing waits")
        };
        assert!(!judgement.is_authentic(), "{judgement:?}");
        let _ = judgement.why().map(|why| (why.words(), why.code()));
    }

    let _ = has_signatures(&reply);
    if let Ok(plain) = strip(&reply, 1) {
        assert!(!has_signatures(&plain));
        assert_eq!(strip(&plain, 1).as_deref(), Ok(&*plain));
    }
});
