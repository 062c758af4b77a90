//! Any line as what helper and worker say to each other: what is read prints as a line that reads as the same, and
//! nothing is allowed by a list that is empty but what changes nothing.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use runtime::{Answer, Permit, Request};

fn check<T: FromStr + Display + PartialEq + Debug>(line: &str) -> Option<T> {
    let read: T = line.parse().ok()?;
    let printed = read.to_string();
    assert!(printed.len() <= 256 && !printed.contains('\n'), "{printed:?}");
    assert_eq!(printed.parse().ok().as_ref(), Some(&read), "{line:?} is {printed:?}");
    Some(read)
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut permits: Vec<Permit> = Vec::new();
    for line in text.split('\n') {
        check::<Answer>(line);
        permits.extend(check::<Permit>(line));
        let Some(request) = check::<Request>(line) else { continue };
        let is_harmless = matches!(request, Request::Adopt | Request::Alive | Request::Ready);
        assert_eq!(request.is_allowed(&[]), is_harmless, "{line:?}");
        if let Some(permit) = request.permit(&permits) {
            let is_bind = matches!(request, Request::Bind(..));
            assert_eq!(matches!(permit, Permit::Bind(..)), is_bind, "{line:?} by {permit}");
        }
    }
});
