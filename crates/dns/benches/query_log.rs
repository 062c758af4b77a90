//! Five million rows of the query log: what one costs to note and to write, how large it is, and how long it
//! takes to find some.
//!
//! Prints a line for each. The number of rows can be given as an argument.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dns::log::{
    Batch, ClientIs, Code, HOUR, Keeping, Logger, NameIs, Outcome, Row, Rule, RuleForm, Search, Security,
    Taken, Transport,
};
use nix::sys::resource::{UsageWho, getrusage};
use runtime::{Clock, Millis};

const NAMES: u64 = 50_000;
const CLIENTS: u8 = 30;
const BEGAN: Millis = 1_800_000_000_000;

/// Numbers that look like chance, always the same.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let of = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(Duration::from_micros(u64::try_from(of(usage.user_time()) + of(usage.system_time()))?))
}

/// Names as homes ask for them, about 25 bytes long, the frequent ones first.
fn name(number: u64) -> Vec<u8> {
    let first = one_of(&["www", "api", "cdn-edge", "telemetry", "static"], number);
    let text = format!("{first}{}.site-{}.example{}", number % 7, number / 5, number % 3);
    wire(&text)
}

/// One of some things, by a number.
fn one_of<T>(things: &[T], number: u64) -> &T {
    let place = usize::try_from(number).unwrap_or(0) % things.len();
    #[expect(clippy::unwrap_used, reason = "the place is below their number")]
    things.get(place).unwrap()
}

fn wire(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.') {
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

/// What is asked: by how many clients which names, the nth one as often as 1/n.
struct Traffic {
    names: Vec<Vec<u8>>,
    /// Adds up to one.
    shares: Vec<f64>,
    lists: Vec<Arc<str>>,
    upstreams: Vec<Arc<str>>,
    policy: Arc<str>,
    chance: Chance,
    wants_names_of_chance: bool,
}

impl Traffic {
    fn new(wants_names_of_chance: bool) -> Self {
        let mut sum = 0.0;
        let shares: Vec<f64> = (1..=NAMES)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Self {
            names: (0..NAMES).map(name).collect(),
            shares: shares.iter().map(|share| share / sum).collect(),
            lists: ["oisd", "hagezi", "own"].map(Arc::from).to_vec(),
            upstreams: ["tls://9.9.9.9#dns.quad9.net", "https://dns.example/dns-query"]
                .map(Arc::from)
                .to_vec(),
            policy: "children".into(),
            chance: Chance(0x5EED),
            wants_names_of_chance,
        }
    }

    fn push(&mut self, batch: &mut Batch, at: Millis) -> Taken {
        let chance = &mut self.chance;
        let share = chance.below(1 << 30) as f64 / f64::from(1 << 30);
        let place = u64::try_from(self.shares.partition_point(|end| *end < share)).unwrap_or(0);
        let random;
        let name = if self.wants_names_of_chance {
            random = wire(&format!("{:012x}.dga{}.example", chance.next(), chance.below(50)));
            &random
        } else {
            one_of(&self.names, place)
        };
        let kind = *one_of(&[1, 1, 1, 28, 28, 65], chance.below(6));
        // A name is blocked or it is not; of others most are in the cache.
        let (outcome, micros, rule, list, upstream) = if place % 5 == 2 {
            let suffix_at = name.first().map_or(0, |length| length + 1);
            let rule = Rule::OfName { suffix_at, form: RuleForm(4) };
            (Outcome(1), 5 + chance.below(40), rule, Some(one_of(&self.lists, place)), None)
        } else {
            match chance.below(10) {
                0..6 => (Outcome(5), 8 + chance.below(60), Rule::None, None, None),
                6..9 => {
                    let upstream = Some(one_of(&self.upstreams, place));
                    (Outcome(7), 4_000 + chance.below(60_000), Rule::None, None, upstream)
                }
                _ => (Outcome(0), 5 + chance.below(30), Rule::None, None, None),
            }
        };
        let host = u8::try_from(chance.below(u64::from(CLIENTS))).unwrap_or(0);
        batch.push(&Row {
            at,
            client: IpAddr::from([10, 0, 0, host]),
            who: None,
            name,
            kind,
            outcome,
            code: Code(0),
            security: if place % 4 == 0 { Security::Secure } else { Security::Insecure },
            transport: Transport::Udp,
            micros: u32::try_from(micros).unwrap_or(0),
            rule,
            list,
            policy: (host < 8).then_some(&self.policy),
            upstream,
        })
    }
}

fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("polis-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// All rows at once, as they come in an hour: what they cost in time of the processor.
fn noting(rows: u64) -> anyhow::Result<()> {
    let folder = folder("noting")?;
    let batches = |mut take: Box<dyn FnMut(Batch) -> Batch>| -> anyhow::Result<Duration> {
        let mut traffic = Traffic::new(false);
        let before = cpu()?;
        let mut batch = Batch::default();
        for number in 0..rows {
            if traffic.push(&mut batch, BEGAN + i64::try_from(number)? / 2) == Taken::Full {
                batch = take(batch);
            }
        }
        Ok(cpu()?.saturating_sub(before))
    };
    // Making up rows costs more than noting them: it is measured alone and taken away.
    let alone = {
        let mut traffic = Traffic::new(false);
        let before = cpu()?;
        let mut full = Batch::default();
        while traffic.push(&mut full, 0) != Taken::Full {}
        for _ in 0..rows {
            std::hint::black_box(traffic.push(&mut full, 0));
        }
        cpu()?.saturating_sub(before)
    };
    let pushed = batches(Box::new(|_| Batch::default()))?;
    let logger = Arc::new(Logger::start(folder.clone(), Keeping::default(), Clock::system(0)));
    let to = Arc::clone(&logger);
    let mut count = 0;
    let written = batches(Box::new(move |batch| {
        count += 1;
        if count % 32 == 0 {
            to.flush();
        }
        to.add(batch)
    }))?;
    let lost = logger.lost();
    drop(logger);
    let nanos = |time: Duration| time.saturating_sub(alone).as_nanos() as f64 / rows as f64;
    println!(
        "noted: {:.0} ns a row in a new batch, {:.0} ns with writing it, {lost} lost",
        nanos(pushed),
        nanos(written)
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// The rows of thirty days.
fn month(rows: u64, folder: &Path, wants_names_of_chance: bool) -> anyhow::Result<(Logger, Clock)> {
    let clock = Clock::stopped_at(BEGAN / 1_000);
    let logger =
        Logger::start(folder.to_owned(), Keeping { bytes: 1 << 30, ..Keeping::default() }, clock.clone());
    let step = 30 * 24 * HOUR / i64::try_from(rows)?;
    let mut traffic = Traffic::new(wants_names_of_chance);
    let mut batch = Batch::default();
    for number in 0..rows {
        let at = BEGAN + i64::try_from(number)? * step + i64::try_from(traffic.chance.below(400))?;
        if traffic.push(&mut batch, at) == Taken::Full {
            let passed = at - clock.now();
            clock.advance(Duration::from_millis(passed.try_into().unwrap_or(0)));
            batch = logger.add(batch);
            if number / 1_024 % 32 == 0 {
                logger.flush();
            }
        }
    }
    logger.add(batch);
    logger.flush();
    Ok((logger, clock))
}

fn timed<T>(mut what: impl FnMut() -> T) -> (T, String) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..7 {
        let began = Instant::now();
        last = Some(what());
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    #[expect(clippy::unwrap_used, reason = "it ran seven times")]
    let last = last.unwrap();
    let [least, middle, most] = [0, 3, 6].map(|place| *one_of(&times, place));
    (last, format!("{middle:.1} ms (median of 7; {least:.1} to {most:.1})"))
}

fn finding(logger: &Logger) {
    let any = || Search { limit: 100, ..Search::default() };
    let part = |text: &str| Some(NameIs::Part(text.to_owned()));
    let client = |host| Some(ClientIs::Address(IpAddr::from([10, 0, 0, host])));
    let searches = [
        ("the last rows", any()),
        ("a name that is nowhere", Search { name: part("nowhere-at-all"), ..any() }),
        ("a rare name", Search { name: part("site-9999."), ..any() }),
        ("all of a rare name", Search { name: part("site-9999."), limit: 1_000, ..any() }),
        (
            "names under a domain",
            Search { name: Some(NameIs::Under("site-4000.example1".to_owned())), ..any() },
        ),
        ("a part of every name", Search { name: part("e"), ..any() }),
        ("a client", Search { client: client(7), limit: 1_000, ..any() }),
        ("a client that never asked", Search { client: client(77), ..any() }),
        (
            "a client and a name it never asked for",
            Search { client: client(7), name: part("nowhere"), ..any() },
        ),
        ("a client and a rare name", Search { client: client(7), name: part("site-9999."), ..any() }),
        (
            "a frequent client, and a frequent name never blocked",
            Search { client: client(7), name: part("www0.site-0."), outcomes: vec![Outcome(1)], ..any() },
        ),
        ("an outcome that never was", Search { outcomes: vec![Outcome(9)], ..any() }),
        ("a rule", Search { rule: Some("||site-9998.".to_owned()), ..any() }),
        ("a rule that is nowhere", Search { rule: Some("||nowhere.example^".to_owned()), ..any() }),
        ("a reason that is nowhere", Search { reason: Some("nowhere".to_owned()), ..any() }),
        ("a list", Search { list: Some("hagezi".to_owned()), limit: 1_000, ..any() }),
        ("the oldest hour", Search { until: Some(BEGAN + HOUR), ..any() }),
    ];
    for (what, search) in searches {
        let (found, time) = timed(|| logger.search(search.clone()));
        println!("found: {what}: {} rows, {time}", found.rows.len());
    }
    for (what, days) in [("a day", 1), ("seven days", 7), ("thirty days", 30)] {
        let until = BEGAN + 30 * 24 * HOUR;
        let (tops, time) = timed(|| logger.tops(until - days * 24 * HOUR, until, 100));
        let (rows, short) = (tops.questions, tops.short_by);
        println!("counted: {what}: {rows} rows, {time}, counts up to {short} too low");
    }
}

fn main() -> anyhow::Result<()> {
    let rows: u64 = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(5_000_000);
    noting(rows.min(2_000_000))?;
    for (what, is_random) in [("names of a home", false), ("every name another one", true)] {
        let folder = folder("month")?;
        let (logger, clock) = month(rows, &folder, is_random)?;
        let (kept, bytes) = logger.size();
        let files = std::fs::read_dir(&folder)?.count();
        let each = bytes as f64 / kept as f64;
        println!("{what}: {kept} rows in {files} files, {each:.1} bytes a row, {} lost", logger.lost());
        drop(logger);
        let began = Instant::now();
        let logger = Logger::start(folder.clone(), Keeping { bytes: 1 << 30, ..Keeping::default() }, clock);
        println!("taken up: {:.1} ms", began.elapsed().as_secs_f64() * 1_000.0);
        finding(&logger);
        drop(logger);
        std::fs::remove_dir_all(folder)?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let most = status.lines().find(|line| line.starts_with("VmHWM")).context("no peak of memory")?;
    println!("memory at most: {}", most.trim_start_matches("VmHWM:").trim());
    Ok(())
}
