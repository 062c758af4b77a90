//! Any bytes as what comes over the link, as questions and as replies: a frame is read whole or not at all, is never
//! longer than it may be, and what is read prints as something that reads as the same.
#![no_main]

use std::fmt::Debug;

use runtime::link::{MAX_REPLY, MAX_REQUEST, Question, Reply, read_frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8], most: usize) {
    let Ok(Some((message, length))) = read_frame::<T>(bytes, most) else { return };
    assert!((4..=most + 4).contains(&length) && length <= bytes.len());
    assert!(matches!(read_frame::<T>(&bytes[..length - 1], most), Ok(None)), "a part of a frame was read");
    let text = serde_json::to_string(&message).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, message, "{text}");
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::<Question>(bytes, MAX_REQUEST);
    check::<Reply>(bytes, MAX_REPLY);
    // The same without the length in front, which hides most of it from a fuzzer.
    let length = u32::try_from(bytes.len()).expect("an input is short");
    let framed = [&length.to_be_bytes(), bytes].concat();
    check::<Question>(&framed, MAX_REQUEST);
    check::<Reply>(&framed, MAX_REPLY);
});
