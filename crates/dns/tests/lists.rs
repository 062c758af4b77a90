//! What it costs to make the largest list anew while it is answered from: memory, time of the processor, and how
//! long a start takes. In a release build, `-- --nocapture` shows it.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::lists::run::fetch::{Fetcher, Resolve};
use dns::lists::run::{Lists, trust};
use dns::lists::{Given, Key, Purpose, Wanted, Wish};
use runtime::Context;

/// A list of 1.21 million names in a folder of its own; a test that goes without it is counted.
fn large(test: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let shared = std::env::var_os("POLIS_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let packed = shared.join("data/blocklists/domains-1.2m.txt.zst");
    let folder = std::env::temp_dir().join(format!("polis-lists-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let unpacked =
        Command::new("zstd").arg("-dfq").arg(&packed).arg("-o").arg(folder.join("ads.txt")).status();
    if unpacked.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    let skipped = root.join("target/skipped");
    std::fs::create_dir_all(&skipped).unwrap();
    std::fs::write(skipped.join(test), "needs zstd and the lists of ../shared").unwrap();
    None
}

fn wanted() -> Wanted {
    let text = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = { address = \"10.0.0.2\" }\n\
                [dns]\non = \"naxos\"\nupstreams = [\"9.9.9.9\"]\nlists = { ads = \"file:ads.txt\" }\n";
    let checked = lab::check(
        lab::Folder::from_texts([("lab.toml", text), ("ads.txt", "")]),
        &lab::Options::at("2026-11-01"),
    );
    let source =
        checked.usable().unwrap().dns.as_ref().unwrap().lists.iter().next().unwrap().1.value().clone();
    let key = Key { purpose: Purpose::Block, name: "ads".to_owned() };
    Wanted { lists: vec![Wish { key, source }], ..Wanted::default() }
}

/// A line of `/proc/self/status` in KiB.
fn memory(line: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// The time that processors have spent on this process.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn the_largest_list_is_made_anew_in_little_memory_and_time() {
    let Some(folder) = large("the_largest_list_is_made_anew_in_little_memory_and_time") else { return };
    let context = Context::for_tests(folder.clone());
    let resolve: Resolve = Arc::new(|_| Box::pin(async { Err("nobody answers".to_owned()) }));
    let tls = trust::client_with(rustls::RootCertStore::empty(), &context.clock);
    let lists = Arc::new(Lists::new(Given::of(&context), Fetcher::new(resolve, tls)));
    let (start, used, empty) = (Instant::now(), processor(), memory("VmRSS:"));
    let begun = Arc::clone(&lists);
    tokio::task::spawn_blocking(move || begun.begin(wanted())).await.unwrap();
    let (start, used, base) = (start.elapsed(), processor() - used, memory("VmRSS:"));
    println!("a start: {start:.2?}, {used:.2?} of the processor, {} MiB more", (base - empty) >> 10);
    let mut compiled = lists.compiled();
    let names = compiled.borrow_and_update().rules.len();
    assert!(names > 1_200_000, "{names}");

    let task = tokio::spawn(Arc::clone(&lists).run());
    for _ in 0..3 {
        let used = processor();
        std::fs::copy(folder.join("ads.txt"), folder.join("new")).unwrap();
        std::fs::rename(folder.join("new"), folder.join("ads.txt")).unwrap();
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        lists.refresh(None);
        let start = Instant::now();
        compiled.changed().await.unwrap();
        let (took, used, peak) = (start.elapsed(), processor() - used, memory("VmHWM:"));
        let more = (peak - base) >> 10;
        println!("anew: {took:.2?}, {used:.2?} of the processor, at most {more} MiB more than at the start");
        assert_eq!(compiled.borrow_and_update().rules.len(), names);
        // The figure to reach is 40 MiB, which the bench holds; a machine that is busy otherwise has some more.
        assert!(more <= 64, "{more} MiB more than at the start while it was made anew");
    }
    task.abort();
    std::fs::remove_dir_all(folder).unwrap();
}
