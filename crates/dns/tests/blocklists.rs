//! Lists that people really use, where they are: in `../shared/data/blocklists` beside the project, or where
//! `POLIS_SHARED` says. In a release build, `-- --nocapture` shows what they cost.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test stops where it fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use dns::{Blocks, Compiler, Counts, Verdict};

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

fn compile(text: &[u8]) -> (Blocks, Counts) {
    let mut compiler = Compiler::default();
    let mut list = compiler.list();
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

/// How long the verdict on a name takes, in nanoseconds.
fn cost(blocks: &Blocks, names: &[Vec<u8>]) -> f64 {
    let lookups = if cfg!(debug_assertions) { 20_000 } else { 2_000_000 };
    let (start, rounds) = (Instant::now(), lookups / names.len() + 1);
    let mut blocked = 0;
    for _ in 0..rounds {
        blocked += names.iter().filter(|name| blocks.verdict(name) == Verdict::Blocked).count();
    }
    assert!(blocked > 0);
    start.elapsed().as_secs_f64() * 1e9 / (rounds * names.len()) as f64
}

#[test]
fn lists_of_every_kind_are_compiled_and_say_what_they_say() {
    let Some(lists) = lists("lists_of_every_kind_are_compiled_and_say_what_they_say") else { return };
    let asked = String::from_utf8(std::fs::read(lists.join("requested-hosts.txt")).unwrap()).unwrap();
    let asked: Vec<Vec<u8>> = asked.lines().map(wire).collect();
    for (file, rules, names) in [
        ("domains-1.2m.txt.zst", 1_209_748, 1_209_748),
        ("hagezi-light.adblock.txt.zst", 122_680, 122_680),
        ("adguarddns.hosts.txt.zst", 123_962, 123_962),
        ("adguard-sdn-2019.txt.zst", 26_000, 26_000),
    ] {
        let text = unpacked(&lists.join(file));
        let start = Instant::now();
        let (blocks, counts) = compile(&text);
        let took = start.elapsed().as_secs_f64();
        let line = String::from_utf8_lossy(&text);
        // Every 29th line that is a rule, as the name that it says.
        let is_rule = |line: &&str| {
            !line.starts_with(['!', '#', '@']) && !line.contains(['$', '*', '/']) && line.contains('.')
        };
        let name = |line: &str| match line.strip_prefix("||") {
            Some(rest) => rest.strip_suffix('^').map(wire),
            None => line.split(' ').next_back().filter(|name| !name.contains('|')).map(wire),
        };
        let listed: Vec<Vec<u8>> =
            line.lines().filter(is_rule).step_by(29).filter_map(name).take(10_000).collect();
        println!(
            "{file}: {counts}; {} names, {:.1} bytes a name, compiled in {took:.2} s; {:.0} ns for a name that was \
             asked for, {:.0} ns for one of the list",
            blocks.len(),
            blocks.bytes() as f64 / blocks.len() as f64,
            cost(&blocks, &asked),
            cost(&blocks, &listed),
        );
        assert!(counts.rules >= rules && blocks.len() >= names, "{file}: {counts}, {}", blocks.len());
        assert!(blocks.bytes() / blocks.len() <= 16, "{file}: {} bytes", blocks.bytes());
        let open = listed.iter().filter(|name| blocks.verdict(name) != Verdict::Blocked).count();
        assert!(open * 100 < listed.len(), "{file}: {open} of {} names of the list are open", listed.len());
    }
}
