//! Any bytes as a list of names to block: it comes to the same in parts of any size, and a plain name that stands
//! in a line of its own is blocked unless an exception keeps it open.
#![no_main]

use dns::{Blocks, Compiler, Counts, Refused, Verdict};

fn compile(bytes: &[u8], part: usize) -> (Blocks, Result<Counts, Refused>) {
    let mut compiler = Compiler::default();
    let mut list = compiler.list();
    let fed = bytes.chunks(part).try_for_each(|part| list.feed(part));
    let counts = fed.and_then(|()| list.finish());
    (compiler.finish(), counts)
}

/// A plain name in its wire form.
fn wire(line: &str) -> Option<Vec<u8>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let last = line.rsplit('.').next()?;
    if !line.contains('.')
        || line.len() > 253
        || !line.bytes().all(is_plain)
        || last.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let mut wire = Vec::new();
    for label in line.split('.') {
        wire.push(u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?);
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    Some(wire)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (whole, counts) = compile(bytes, bytes.len().max(1));
    let (parts, again) = compile(bytes, usize::from(bytes.first().copied().unwrap_or(0)) % 40 + 1);
    // Of two reasons to refuse it, the one that is seen first depends on where a part ends.
    assert_eq!(counts.as_ref().ok(), again.as_ref().ok());
    assert_eq!(whole.len(), parts.len());
    assert!(counts.is_ok() || whole.is_empty());
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some(name) = wire(line) else { continue };
        let verdict = whole.verdict(&name);
        assert_eq!(verdict, parts.verdict(&name), "{line}");
        assert!(counts.is_err() || verdict != Verdict::Unlisted, "{line}");
    }
    whole.verdict(bytes);
});
