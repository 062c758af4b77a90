//! A rule, and a name that is asked: what is followed is compiled, and says the same alone and among others;
//! what `check_rule` refuses is not followed, and the other way round.
#![no_main]

use dns::filter::{
    Client, Compiler, ListId, ListSet, Purpose, Question, Rules, Tags, Verdict, check_rule, decide,
    decide_address, decide_record,
};

/// Rules of every kind, which a line stands among.
const OTHERS: [&str; 3] = ["||other.test^", "/^never$/", "||never*.test^"];

fn compile(lines: &[&str]) -> Option<(Rules, usize, usize)> {
    let mut compiler = Compiler::new();
    let mut list = compiler.list(ListId(9), Purpose::Block);
    for line in lines {
        list.feed(line.as_bytes()).ok()?;
        list.feed(b"\n").ok()?;
    }
    let counts = list.finish().ok()?;
    Some((compiler.finish(), counts.rules, counts.others.values().sum()))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (line, name) = text.split_once('\n').unwrap_or((text, "a.example.org"));
    if line.trim_start_matches('\u{feff}').trim_ascii_start().starts_with('<') {
        return;
    }
    let checked = check_rule(line);
    let Some((rules, followed, refused)) = compile(&[line]) else { return };
    // The mark of the order of bytes is a matter of files; a line may have names that are and such that are not.
    if !line.contains('\u{feff}') && !line.contains('\r') && followed + refused == 1 {
        assert_eq!(checked.is_ok(), followed == 1, "{checked:?}");
    }
    let mut wire = Vec::new();
    for label in name.split('.') {
        let Some(length) = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length)) else {
            return;
        };
        wire.push(length);
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    if wire.len() > 255 {
        return;
    }
    let client = Client {
        address: "192.168.1.7".parse().ok(),
        names: &["phone"],
        tags: Tags::of(&["device_phone"]).unwrap_or_default(),
    };
    for kind in [1, 28, 65] {
        let question = Question { name: &wire, kind, client: &client, lists: &ListSet::all() };
        let verdict = decide(&[&rules], &question);
        if let Verdict::Blocked(matched) | Verdict::Allowed(matched) | Verdict::Rewritten(_, matched) =
            &verdict
        {
            // The text of the rule is a rule, and says the same.
            let again = matched.text(&wire);
            let (again, ..) = compile(&[&again]).unwrap_or_else(|| panic!("{again}"));
            assert_eq!(
                std::mem::discriminant(&verdict),
                std::mem::discriminant(&decide(&[&again], &question)),
                "{}",
                matched.text(&wire)
            );
        }
        // Others that say nothing of the name change nothing.
        let (others, ..) = compile(&OTHERS).unwrap_or_default();
        if decide(&[&others], &question) == Verdict::Unlisted {
            let [first, rest @ ..] = OTHERS;
            let (among, ..) = compile(&[&[first, line], &rest[..]].concat()).unwrap_or_default();
            assert_eq!(verdict, decide(&[&among], &question));
        }
        decide_record(&[&rules], &question);
        for address in ["192.0.2.1", "2001:db8::1"] {
            if let Ok(address) = address.parse() {
                decide_address(&[&rules], address, &question);
            }
        }
    }
});
