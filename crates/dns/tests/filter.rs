//! The filter with lists that people really use, where they are: in `../shared/data/blocklists` beside the
//! project, or where `POLIS_SHARED` says. In a release build, `-- --nocapture` shows what they cost.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test stops where it fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use dns::filter::{
    Client, Compiler, Counts, Kind, ListId, ListSet, Purpose, Question, Rules, Verdict, decide,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder of lists. A test that goes without it, or without the program that unpacks them, is counted.
fn lists(test: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("POLIS_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let lists = shared.join("data/blocklists");
    let why = match Command::new("zstd").arg("--version").output() {
        _ if !lists.is_dir() => "needs the lists of ../shared",
        Err(_) => "needs zstd",
        Ok(_) => return Some(lists),
    };
    let folder = root().join("target/skipped");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(test), why).unwrap();
    None
}

fn unpacked(path: &Path) -> Vec<u8> {
    Command::new("zstd").arg("-dcq").arg(path).output().unwrap().stdout
}

fn compile(text: &[u8]) -> (Rules, Counts) {
    let mut compiler = Compiler::new();
    let mut list = compiler.list(ListId(0), Purpose::Block);
    for part in text.chunks(64 << 10) {
        list.feed(part).unwrap();
    }
    let counts = list.finish().unwrap();
    (compiler.finish(), counts)
}

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    wire
}

fn is_blocked(sets: &[&Rules], name: &[u8]) -> bool {
    let question = Question { name, kind: 1, client: &Client::default(), lists: &ListSet::all() };
    matches!(decide(sets, &question), Verdict::Blocked(_))
}

/// How long a decision takes, in nanoseconds, and how many of the names are blocked.
fn cost(sets: &[&Rules], names: &[Vec<u8>]) -> (f64, usize) {
    let lookups = if cfg!(debug_assertions) { 1_000 } else { 2_000_000 };
    let (start, rounds) = (cpu_seconds(), lookups / names.len() + 1);
    let mut blocked = 0;
    for _ in 0..rounds {
        blocked += names.iter().filter(|name| is_blocked(sets, name)).count();
    }
    ((cpu_seconds() - start) * 1e9 / (rounds * names.len()) as f64, blocked / rounds)
}

/// The time that this thread has run for, in seconds: other work on the machine does not count.
fn cpu_seconds() -> f64 {
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    ran.split(' ').next().unwrap().parse::<u64>().unwrap() as f64 / 1e9
}

/// A number that the kernel tells of this process, in kB.
fn kilobytes(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn lines_of_all_kinds_are_known() {
    let Some(lists) = lists("lines_of_all_kinds_are_known") else { return };
    for (file, rules, cosmetic, others) in [
        ("domains-1.2m.txt.zst", 1_209_811, 0, &[][..]),
        ("hagezi-light.adblock.txt.zst", 122_680, 0, &[]),
        ("adguarddns.hosts.txt.zst", 123_962, 0, &[]),
        ("adguard-sdn-2019.txt.zst", 27_497, 2, &[(Kind::Browser, 1), (Kind::Page, 65)]),
    ] {
        let (compiled, counts) = compile(&unpacked(&lists.join(file)));
        println!("{file}: {counts}; {} in {} bytes", compiled.len(), compiled.bytes());
        let found: Vec<(Kind, usize)> = counts.others.iter().map(|(kind, count)| (*kind, *count)).collect();
        assert_eq!((counts.rules, counts.cosmetic, found.as_slice()), (rules, cosmetic, others), "{file}");
    }
}

/// The largest list, as lines of names and as rules with what is under them, and what both cost.
#[test]
fn a_list_of_a_million_names_is_small_and_says_what_it_says() {
    let Some(lists) = lists("a_list_of_a_million_names_is_small_and_says_what_it_says") else { return };
    let requested = std::fs::read_to_string(lists.join("requested-hosts.txt")).unwrap();
    let hosts: Vec<&str> = requested.lines().collect();
    let requested: Vec<Vec<u8>> = hosts.iter().copied().map(wire).collect();
    let text = unpacked(&lists.join("domains-1.2m.txt.zst"));
    let text = String::from_utf8(text).unwrap();
    let names: Vec<&str> = text.lines().collect();
    let rules: String = names.iter().flat_map(|name| ["||", name, "^\n"]).collect();
    // A set of a few rules of one's own beside it, of all kinds.
    let own = compile(b"||own.test^\n@@||fine.test^\n/^ads[0-9]/\n||x.test^$dnstype=A\ntrack*.test\n").0;
    // Two of five names are listed; the others are those that were asked for, in other words.
    let mixed: Vec<Vec<u8>> = (0..100_000)
        .map(|at| match at % 5 {
            0 => wire(names[at * 11 % names.len()]),
            1 => wire(names[at * 7 % names.len()]),
            2 => wire(&format!("n{at}-not-listed.example")),
            _ => wire(&format!("{}.w{at}.example", hosts[at % hosts.len()])),
        })
        .collect();
    for (what, text) in [("names", &text), ("rules", &rules)] {
        let before = kilobytes("VmRSS");
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let start = cpu_seconds();
        let (compiled, counts) = compile(text.as_bytes());
        let took = cpu_seconds() - start;
        let peak = kilobytes("VmHWM") - before;
        let (asked_ns, _) = cost(&[&compiled], &requested);
        let (mixed_ns, blocked) = cost(&[&compiled], &mixed);
        let (both_asked_ns, _) = cost(&[&own, &compiled], &requested);
        let (both_mixed_ns, _) = cost(&[&own, &compiled], &mixed);
        println!(
            "1.21 M {what}: {counts}, compiled in {took:.2} s; {:.1} MiB, {:.1} bytes each, at most {:.1} MiB above \
             what was there before; {asked_ns:.0} ns for a name that was asked for, {mixed_ns:.0} ns for a mixed one, \
             {} % blocked; with own rules {both_asked_ns:.0} and {both_mixed_ns:.0} ns",
            compiled.bytes() as f64 / f64::from(1 << 20),
            compiled.bytes() as f64 / compiled.len() as f64,
            peak as f64 / 1024.0,
            blocked / 1000,
        );
        assert!(compiled.bytes() <= 16_000_000, "{}", compiled.bytes());
        assert!((39_000..50_000).contains(&blocked), "{blocked}");
        for name in names.iter().step_by(29) {
            assert!(is_blocked(&[&compiled], &wire(name)), "{name}");
            let below = wire(&format!("x.{name}"));
            assert!(what == "names" || below.len() > 255 || is_blocked(&[&compiled], &below), "x.{name}");
        }
    }
}

/// A list with some hundred patterns, and many expressions.
#[test]
fn patterns_and_expressions_are_found_by_what_they_have_in_them() {
    let Some(lists) = lists("patterns_and_expressions_are_found_by_what_they_have_in_them") else { return };
    let requested = std::fs::read_to_string(lists.join("requested-hosts.txt")).unwrap();
    let requested: Vec<Vec<u8>> = requested.lines().map(wire).collect();
    let (patterns, _) = compile(&unpacked(&lists.join("adguard-sdn-2019.txt.zst")));
    let (ns, blocked) = cost(&[&patterns], &requested);
    println!("adguard-sdn-2019: {} bytes, {ns:.0} ns, {blocked} of {}", patterns.bytes(), requested.len());
    for (what, text) in [
        ("a name", "||own.test^\n"),
        ("a pattern", "||ownpattern*.test^\n"),
        ("a short pattern", "ads*.test^\n"),
        ("an expression", "/^ads[0-9]/\n"),
        ("an expression without words", "/^[a-f]{8}[0-9]/\n"),
    ] {
        println!("{what} only: {:.0} ns", cost(&[&compile(text.as_bytes()).0], &requested).0);
    }
    let worded: String =
        (0..500).map(|at| format!("/^(.+[_.-])?ad{at}s?rv(er|ice)?[0-9]*[_.-]/\n")).collect();
    let wordless: String =
        (0..500).map(|at| format!("/^[a-f]{{{},}}[0-9]{{{}}}[.-]/\n", at % 20 + 1, at / 20 + 1)).collect();
    for (what, text) in [("with words", worded), ("without words", wordless)] {
        let start = cpu_seconds();
        let (rules, counts) = compile(text.as_bytes());
        let took = cpu_seconds() - start;
        let before = kilobytes("VmRSS");
        let (ns, blocked) = cost(&[&rules], &requested);
        let grown = kilobytes("VmRSS").saturating_sub(before);
        println!(
            "500 expressions {what}: compiled in {took:.2} s, {} bytes, {ns:.0} ns, {blocked} blocked, {grown} kB more when used",
            rules.bytes()
        );
        assert_eq!(counts.rules, 500, "{counts}");
        assert!(rules.bytes() < 20 << 20);
    }
}

#[test]
fn a_small_set_is_made_anew_at_once() {
    let text: String = (0..200)
        .map(|at| format!("||own{at}.test^\n@@||fine{at}.test^$client=10.0.0.{at}\n/^ads{at}/\n"))
        .collect();
    let (rules, counts) = compile(text.as_bytes());
    let start = cpu_seconds();
    compile(text.as_bytes());
    println!("{} own rules are compiled in {:.1} ms", counts.rules, (cpu_seconds() - start) * 1e3);
    assert_eq!(rules.len(), 800);
}
