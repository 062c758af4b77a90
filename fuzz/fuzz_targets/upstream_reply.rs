//! Any bytes as what an upstream says to a question of ours: as they are, as the records behind the question that was
//! asked, and as a line that names upstreams.
#![no_main]

use dns::upstream::{Line, Target, Upstream, is_answer};

/// The header of a reply up to its counts, and the question that [`is_answer`] asks.
const HEAD: &[u8] = &[0, 0, 0x81];
const QUESTION: &[u8] = b"\x01a\x07example\0\0\x01\0\x01";

fn check(reply: &[u8]) {
    let (is_answer, has_addresses) = is_answer(reply);
    assert!(has_addresses || !is_answer, "an answer that can not be read");
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let Some((rest, records)) = bytes.split_at_checked(7) {
        let head = [HEAD, &rest[..1], &[0, 1], &rest[1..]].concat();
        check(&[&head, QUESTION, records].concat());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Some(line)) = Line::parse(text) else { return };
    assert!(!line.targets.is_empty());
    for target in line.targets {
        if let Target::Upstream(upstream) = target {
            assert_eq!(Upstream::parse(&upstream.written).as_ref(), Ok(&upstream));
            assert!(upstream.port > 0 && !upstream.certified_name().is_empty());
        }
    }
});
