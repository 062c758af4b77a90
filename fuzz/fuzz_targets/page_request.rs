//! Any text as the address and the form of a request to the pages: it is somewhere or nowhere, and what is escaped for an
//! address reads as what it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (path, rest) = text.split_once('?').unwrap_or((text, ""));
    let (query, form) = rest.split_once('\n').unwrap_or((rest, ""));
    let (is_page, changes) = web::is_known(path, query, form);
    assert!(!changes || is_page || path.starts_with("/dns/rule"), "{text:?} changes what is not there");
    assert_eq!(web::decoded(&web::encoded(text)), text);
});
