//! Any bytes as the address of a request of DNS over HTTPS: what is taken out of it is a message that can be asked, and a
//! client's name that can be one, or it is refused with a status of HTTP.
#![no_main]

use dns::connections::{Wants, dress, life};
use dns::https::{Head, Method, Wanted, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = &*String::from_utf8_lossy(bytes);
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    for method in [Method::Get, Method::Post] {
        let head = Head { method, path, query, content_type: Some(text.as_bytes()), content_length: None };
        match read(&head) {
            Ok(Wanted::Message { message, id }) => {
                assert!((1..=65_535).contains(&message.len()));
                assert_eq!(id.as_deref().map(str::to_ascii_lowercase).as_deref(), id.as_deref());
            }
            Ok(Wanted::Body { most, .. }) => assert_eq!(most, 65_535),
            Err(refused) => {
                assert!((400..500).contains(&refused.status) && refused.why.ends_with('\n'));
            }
        }
    }
    // The same bytes as what a connection brings, cut anywhere.
    let (mut frames, mut whole) = (dns::connections::Frames::default(), dns::connections::Frames::default());
    whole.space().extend_from_slice(bytes);
    for piece in bytes.chunks(1 + usize::from(bytes.first().copied().unwrap_or(0))) {
        frames.space().extend_from_slice(piece);
    }
    assert_eq!(frames.take(), whole.take());
    // And as an answer that is dressed for a connection.
    let mut dressed = bytes.to_vec();
    let wants = Wants { keepalive: true, padding: Wants::of(bytes).keepalive };
    dress(&mut dressed, wants, std::time::Duration::from_secs(10));
    assert!((bytes.len()..=65_535.max(bytes.len())).contains(&dressed.len()));
    assert_eq!(life(&dressed), life(bytes));
});
