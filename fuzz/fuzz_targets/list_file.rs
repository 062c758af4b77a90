//! Any bytes as a list: it comes to the same in parts of any size; and where no exception and no other modifier
//! is about, a plain name that stands in a line of its own is blocked, and `||name^` with all under it.
#![no_main]

use dns::filter::{
    Client, Compiler, Counts, ListId, ListSet, Purpose, Question, Refused, Rules, Verdict, decide,
};

fn compile(bytes: &[u8], part: usize) -> (Rules, Result<Counts, Refused>) {
    let mut compiler = Compiler::new();
    let mut list = compiler.list(ListId(3), Purpose::Block);
    let fed = bytes.chunks(part).try_for_each(|part| list.feed(part));
    let counts = fed.and_then(|()| list.finish());
    (compiler.finish(), counts)
}

/// A plain name in its wire form.
fn wire(line: &str) -> Option<Vec<u8>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let last = line.rsplit('.').next()?;
    if !line.contains('.')
        || line.starts_with('-')
        || line.len() > 250
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

fn ask(rules: &Rules, name: &[u8]) -> Verdict {
    let client = Client { address: "10.0.0.1".parse().ok(), names: &["a"], ..Client::default() };
    decide(&[rules], &Question { name, kind: 1, client: &client, lists: &ListSet::all() })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (whole, counts) = compile(bytes, bytes.len().max(1));
    let (parts, again) = compile(bytes, usize::from(bytes.first().copied().unwrap_or(0)) % 40 + 1);
    // Of two reasons to refuse it, the one that is seen first depends on where a part ends.
    assert_eq!(counts.as_ref().ok(), again.as_ref().ok());
    assert_eq!(whole.len(), parts.len());
    assert!(counts.is_ok() || whole.is_empty());
    for line in String::from_utf8_lossy(bytes).lines() {
        let (name, is_below) = match line.strip_prefix("||").and_then(|rest| rest.strip_suffix('^')) {
            Some(name) => (name, true),
            None => (line, false),
        };
        let Some(name) = wire(name) else { continue };
        let is_known =
            |verdict: &Verdict| counts.is_err() || bytes.contains(&b'$') || *verdict != Verdict::Unlisted;
        let verdict = ask(&whole, &name);
        assert_eq!(verdict, ask(&parts, &name), "{line}");
        assert!(is_known(&verdict), "{line}");
        if is_below {
            let verdict = ask(&whole, &[b"\x01x", name.as_slice()].concat());
            assert!(is_known(&verdict), "under {line}");
        }
    }
    let _ = ask(&whole, bytes);
});
