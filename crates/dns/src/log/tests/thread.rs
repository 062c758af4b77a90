//! The log with its thread and its files: whatever a disk, a clock or a killed process does to it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::{Clock, Millis};

use super::super::*;
use super::{Model, ModelRule, naive};
use crate::log::wire;

/// A folder that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("polis-querylog-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The names of the segments.
    fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "rows")).collect();
        paths.sort();
        paths
    }

    /// All bytes of all files.
    fn bytes(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const NOW: Millis = 1_800_000_000_000;

struct House {
    scratch: Scratch,
    clock: Clock,
    logger: Option<Logger>,
}

impl House {
    fn new(keeping: Keeping) -> Self {
        let clock = Clock::stopped_at(NOW / 1_000);
        let scratch = Scratch::new();
        let logger = Some(Logger::start(scratch.0.clone(), keeping, clock.clone()));
        Self { scratch, clock, logger }
    }

    fn logger(&self) -> &Logger {
        self.logger.as_ref().unwrap()
    }

    /// Ends and begins again.
    fn again(&mut self, keeping: Keeping) {
        self.logger = None;
        self.logger = Some(Logger::start(self.scratch.0.clone(), keeping, self.clock.clone()));
    }

    /// What the thread does is done when it takes the second of two messages.
    fn settle(&self) {
        self.logger().flush();
        self.logger().flush();
    }

    fn advance(&self, by: Millis) {
        self.clock.advance(Duration::from_millis(by.try_into().unwrap()));
        self.settle();
    }

    fn add(&self, rows: &[Model]) {
        let mut batch = Batch::default();
        for row in rows {
            if row.push(&mut batch) == Taken::Full {
                batch = self.logger().add(batch);
                self.logger().flush();
            }
        }
        self.logger().add(batch);
        self.logger().flush();
    }

    fn names(&self) -> Vec<String> {
        let mut rows = self.logger().tail(MAX_FOUND).rows;
        rows.reverse();
        rows.into_iter().map(|row| row.name).collect()
    }
}

fn numbered(range: std::ops::Range<i64>) -> Vec<Model> {
    range.map(|number| Model::new(NOW + number, "10.0.0.1", &format!("n{number}.example"))).collect()
}

fn names(rows: &[Model]) -> Vec<String> {
    rows.iter().map(|row| row.name.clone()).collect()
}

#[test]
fn rows_are_found_before_and_after_they_are_in_a_segment_and_after_a_restart() {
    let mut house = House::new(Keeping::default());
    let rows = numbered(0..20_000);
    house.add(&rows[..5_000]);
    let revision = house.logger().revision();
    assert_eq!(house.logger().tail(1).rows[0].name, "n4999.example");
    assert!(house.scratch.segments().is_empty());
    house.add(&rows[5_000..]);
    assert_ne!(house.logger().revision(), revision);
    assert_eq!(house.scratch.segments().len(), 1);
    for _ in 0..2 {
        assert_eq!(house.logger().size().0, 20_000);
        let wanted = Search { limit: 3, before: Some(16_385), ..Search::default() };
        let found = house.logger().search(wanted.clone());
        assert_eq!(found.rows, naive(&rows, 0, &wanted), "across the end of a block");
        assert_eq!((found.next, found.unreadable), (Some(16_382), 0));
        let of_one =
            Search { name: Some(NameIs::Exactly("N77.example.".to_owned())), limit: 10, ..Search::default() };
        let found = house.logger().search(of_one);
        assert_eq!((found.rows.len(), found.rows[0].number, found.next), (1, 77, None));
        house.again(Keeping::default());
    }
    assert_eq!((house.logger().trouble(), house.logger().lost()), (None, 0));
    // All of them, a page at a time.
    let mut wanted = Search { limit: MAX_FOUND, ..Search::default() };
    let mut count = 0;
    loop {
        let found = house.logger().search(wanted.clone());
        for row in &found.rows {
            count += 1;
            assert_eq!(row.number, 20_000 - count);
        }
        wanted.before = found.next;
        if found.next.is_none() {
            break;
        }
    }
    assert_eq!(count, 20_000);
}

#[test]
fn a_killed_process_loses_nothing_that_was_flushed() {
    let house = House::new(Keeping::default());
    let rows = numbered(0..9_000);
    house.add(&rows);
    let killed = Scratch::new();
    // The state as it is on disk now, with a last write that is torn.
    for file in std::fs::read_dir(&house.scratch.0).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        if file.ends_with("tail-1") {
            bytes.extend(b"BLK1 torn");
        }
        std::fs::write(killed.0.join(file.file_name().unwrap()), bytes).unwrap();
    }
    for more in [0, 1] {
        let logger = Logger::start(killed.0.clone(), Keeping::default(), house.clock.clone());
        let found = logger.search(Search { limit: 900, ..Search::default() });
        assert_eq!(found.rows[more..], naive(&rows, 0, &Search { limit: 900 - more, ..Search::default() }));
        let mut batch = Batch::default();
        Model::new(NOW, "10.0.0.1", "one.more").push(&mut batch);
        logger.add(batch);
    }
}

#[test]
fn a_block_that_is_in_the_segment_and_in_the_tail_is_there_once() {
    let mut house = House::new(Keeping::default());
    let rows = numbered(0..8_200);
    house.add(&rows[..8_000]);
    let tail = std::fs::read(house.scratch.0.join("tail-1")).unwrap();
    house.add(&rows[8_000..]);
    house.logger = None;
    // Killed after the block was written, and before the tail was emptied.
    std::fs::write(house.scratch.0.join("tail-1"), tail).unwrap();
    house.again(Keeping::default());
    assert_eq!(house.logger().size().0, 8_192);
    assert_eq!(house.logger().tail(1).rows[0].number, 8_191);
}

#[test]
fn what_is_too_old_is_not_found_and_then_removed() {
    let keeping = Keeping { age: 10 * HOUR, ..Keeping::default() };
    let house = House::new(keeping);
    house.add(&numbered(0..100));
    house.advance(2 * HOUR);
    assert_eq!(house.scratch.segments().len(), 1, "it ended by age");
    let later: Vec<Model> =
        (0..5).map(|number| Model::new(NOW + 2 * HOUR, "10.0.0.1", &format!("late{number}"))).collect();
    house.add(&later);
    house.advance(8 * HOUR + 1_000);
    assert_eq!(house.names(), names(&later));
    assert_eq!(house.scratch.segments().len(), 2, "not removed at once: it could be the clock");
    house.advance(11 * 60_000);
    assert_eq!(house.scratch.segments().len(), 1);
    assert_eq!(house.logger().size().0, 5);
}

#[test]
fn the_oldest_segments_go_when_all_are_too_large() {
    let keeping = Keeping { bytes: 600_000, ..Keeping::default() };
    let house = House::new(keeping);
    for begin in 0..12 {
        house.add(&numbered(begin * 9_000..(begin + 1) * 9_000));
        house.advance(61_000);
        let (_, bytes) = house.logger().size();
        assert!(bytes <= 600_000 + 350_000, "{bytes}");
    }
    let (rows, bytes) = house.logger().size();
    assert!(rows > 9_000 && bytes <= 600_000, "{rows} rows in {bytes}");
    assert_eq!(house.logger().tail(1).rows[0].number, 107_999, "the last are there");
    let on_disk: u64 = house.scratch.segments().iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(on_disk, bytes);
}

#[test]
fn an_anonymous_client_is_in_no_byte_of_the_files() {
    let keeping = Keeping { rows: Rows::Anonymous, ..Keeping::default() };
    let house = House::new(keeping);
    let six = "2001:db8:1:2:3:4:5:6";
    let mut rows = vec![Model::new(NOW, "10.11.12.13", "a.example"), Model::new(NOW, six, "b.example")];
    rows[0].who = Some("phone of anna".into());
    rows[1].who = Some("phone of anna".into());
    let plain = House::new(Keeping::default());
    let look = |house: &House| {
        house.add(&rows);
        let tail = house.scratch.bytes();
        house.advance(25 * HOUR);
        assert_eq!(house.scratch.segments().len(), 1);
        [tail, house.scratch.bytes()]
    };
    let six: std::net::Ipv6Addr = six.parse().unwrap();
    let parts: [&[u8]; 4] = [&[10, 11, 12, 13], &six.octets()[6..], b"anna", b"10.11.12.13"];
    let has = |bytes: &[u8], part: &[u8]| memchr::memmem::find(bytes, part).is_some();
    for bytes in look(&plain) {
        assert!(parts[..3].iter().all(|part| has(&bytes, part)), "the test would see them");
    }
    for bytes in look(&house) {
        assert!(!parts.iter().any(|part| has(&bytes, part)));
    }
    let found = house.logger().tail(2).rows;
    assert_eq!(found[0].client, "2001:db8:1::".parse::<IpAddr>().unwrap());
    assert_eq!((found[1].client, found[1].who.clone()), ("10.11.12.0".parse().unwrap(), None));
    assert!(
        house
            .logger()
            .search(Search { client: Some(ClientIs::Part("anna".into())), limit: 1, ..Search::default() })
            .rows
            .is_empty()
    );
}

#[test]
fn what_came_before_rows_were_anonymous_is_written_as_it_came_and_off_is_off() {
    let mut house = House::new(Keeping::default());
    house.add(&[Model::new(NOW, "10.0.0.1", "full")]);
    house.logger().keep(Keeping { rows: Rows::Anonymous, ..Keeping::default() });
    house.add(&[Model::new(NOW, "10.0.0.2", "anonymous")]);
    let off = Keeping { rows: Rows::Off, ..Keeping::default() };
    house.logger().keep(off);
    house.settle();
    let before = house.scratch.bytes();
    house.add(&[Model::new(NOW, "10.0.0.3", "nothing")]);
    house.advance(HOUR);
    assert_eq!(house.scratch.bytes(), before, "nothing is written");
    let found = house.logger().tail(10).rows;
    let clients: Vec<String> = found.iter().map(|row| row.client.to_string()).collect();
    assert_eq!(clients, ["10.0.0.0", "10.0.0.1"]);
    assert_eq!(house.logger().hours(NOW, NOW + HOUR)[0].questions(), 3, "questions are counted still");
    house.again(off);
    assert_eq!(house.names(), ["full", "anonymous"]);
}

#[test]
fn rows_are_found_by_time_whichever_way_the_clock_jumps() {
    let house = House::new(Keeping { age: 1_000 * HOUR, ..Keeping::default() });
    let mut rows = Vec::new();
    for (begin, jump) in [(0, 50 * HOUR), (10, -80 * HOUR), (20, 60 * HOUR), (30, 0)] {
        let now = house.clock.now();
        let some: Vec<Model> = (begin..begin + 10)
            .map(|number| Model::new(now + number, "10.0.0.1", &format!("n{number}")))
            .collect();
        house.add(&some);
        rows.extend(some);
        house.clock.jump(jump);
        house.advance(61_000);
    }
    house.clock.jump(100 * HOUR);
    for from in [0, NOW - 31 * HOUR, NOW, NOW + 5, NOW + 40 * HOUR, NOW + 51 * HOUR] {
        for until in [NOW, NOW + 15, NOW + 70 * HOUR] {
            let wanted = Search { from: Some(from), until: Some(until), limit: 100, ..Search::default() };
            assert_eq!(
                house.logger().search(wanted.clone()).rows,
                naive(&rows, 0, &wanted),
                "{from} {until}"
            );
        }
    }
    assert_eq!(house.names(), names(&rows), "in the order in which they came");
    let questions: u64 = house.logger().hours(0, Millis::MAX).iter().map(Hour::questions).sum();
    assert_eq!(questions, 40);
}

#[test]
fn a_clock_that_is_wrong_for_a_moment_removes_nothing() {
    let house = House::new(Keeping { age: 10 * HOUR, ..Keeping::default() });
    house.add(&numbered(0..10));
    house.advance(2 * HOUR);
    house.clock.jump(100_000 * HOUR);
    house.advance(120_000);
    house.clock.jump(-100_000 * HOUR);
    house.advance(120_000);
    assert_eq!(house.names().len(), 10);
}

#[test]
fn a_second_writer_is_refused_and_takes_over_when_the_first_is_gone() {
    let mut house = House::new(Keeping::default());
    house.add(&numbered(0..10));
    let second = Logger::start(house.scratch.0.clone(), Keeping::default(), house.clock.clone());
    assert!(second.trouble().unwrap().what.starts_with("another process writes the query log in"));
    assert!(second.clear().is_err());
    let mut batch = Batch::default();
    Model::new(NOW, "10.0.0.9", "second").push(&mut batch);
    second.add(batch);
    second.flush();
    house.add(&numbered(10..20));
    house.logger = Some(second);
    house.advance(6_000);
    assert_eq!(house.logger().trouble(), None);
    let mut expected = names(&numbered(0..20));
    expected.push("second".to_owned());
    assert_eq!(house.names(), expected);
    house.again(Keeping::default());
    assert_eq!(house.names(), expected);
}

#[test]
fn everything_is_forgotten() {
    let mut house = House::new(Keeping::default());
    house.add(&numbered(0..10_000));
    house.advance(61_000);
    assert!(house.scratch.0.join("hours-1").exists());
    house.logger().clear().unwrap();
    assert!(memchr::memmem::find(&house.scratch.bytes(), b"example").is_none());
    assert!(house.names().is_empty() && house.logger().hours(0, Millis::MAX).is_empty());
    assert_eq!(house.logger().size(), (0, 0));
    house.add(&numbered(10_000..10_005));
    house.again(Keeping::default());
    assert_eq!(house.names().len(), 5);
    assert_eq!(house.logger().tail(1).rows[0].number, 10_004, "numbers go on");
}

#[test]
fn what_one_client_asked_for_is_forgotten_and_nothing_else() {
    let mut house = House::new(Keeping::default());
    let mut rows = numbered(0..20_000);
    for row in rows.iter_mut().step_by(7) {
        row.client = "10.77.66.55".parse().unwrap();
        row.who = Some("phone of anna".into());
        row.name = format!("secret.{}", row.name);
    }
    house.add(&rows);
    let parts: [&[u8]; 3] = [&[10, 77, 66, 55], b"secret", b"anna"];
    let has = |house: &House| parts.map(|part| memchr::memmem::find(&house.scratch.bytes(), part).is_some());
    assert_eq!(has(&house), [true; 3]);
    assert_eq!(house.logger().forget(&["10.77.66.55".parse().unwrap()]).unwrap(), 2_858);
    for _ in 0..2 {
        assert_eq!(has(&house), [false; 3]);
        assert_eq!(house.logger().size().0, 20_000);
        let others =
            Search { client: Some(ClientIs::Part("10.0.0.1".to_owned())), limit: 500, ..Search::default() };
        assert_eq!(house.logger().search(others.clone()).rows, naive(&rows, 0, &others));
        let last = house.logger().search(Search { before: Some(8), limit: 1, ..Search::default() }).rows;
        assert_eq!((last[0].number, last[0].at, last[0].outcome), (7, NOW + 7, Outcome(5)));
        assert_eq!((last[0].name.as_str(), last[0].client.to_string().as_str()), ("?", "::"));
        house.again(Keeping::default());
    }
    assert_eq!(house.logger().forget(&["10.77.66.55".parse().unwrap()]).unwrap(), 0);
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let mut house = House::new(Keeping { age: HOUR, bytes: 1, ..Keeping::default() });
    house.logger = None;
    let mut newer = wire::begin().to_vec();
    newer[8] = 9;
    newer.extend(b"what only that version knows");
    let path = house.scratch.0.join("0000000000000010.rows");
    std::fs::write(&path, &newer).unwrap();
    house.again(Keeping { age: HOUR, bytes: 1, ..Keeping::default() });
    house.add(&numbered(0..5));
    house.advance(61_000);
    house.advance(20 * HOUR);
    house.advance(20 * HOUR);
    assert_eq!(std::fs::read(&path).unwrap(), newer);
    assert_eq!(house.scratch.segments(), [path], "the others are too old");
    assert_eq!(house.logger().trouble(), None);
}

#[test]
fn a_segment_that_can_not_be_read_keeps_nothing_from_being_written() {
    let mut house = House::new(Keeping::default());
    house.add(&numbered(0..5));
    std::fs::create_dir(house.scratch.0.join("0000000000000000.rows")).unwrap();
    std::fs::write(house.scratch.0.join("0000000000000003.rows"), b"torn").unwrap();
    std::fs::write(house.scratch.0.join("0000000000000000-b.rows"), wire::begin()).unwrap();
    house.again(Keeping::default());
    assert_eq!(house.logger().trouble(), None);
    house.add(&numbered(5..10));
    house.advance(25 * HOUR);
    assert_eq!(house.logger().trouble(), None);
    assert_eq!(house.names(), names(&numbered(0..10)));
    assert!(house.scratch.0.join("0000000000000000-c.rows").exists());
}

#[test]
fn hours_are_there_after_a_restart_and_counted_ones_leave_no_row() {
    let mut house = House::new(Keeping::default());
    house.add(&numbered(0..10));
    let mut batch = Batch::default();
    batch.count(NOW, Outcome(1), 70);
    house.logger().add(batch);
    for _ in 0..2 {
        house.settle();
        let hours = house.logger().hours(NOW, NOW + HOUR);
        assert_eq!(
            (hours.len(), hours[0].questions(), hours[0].blocked(), hours[0].mean_micros()),
            (1, 11, 1, 33)
        );
        assert_eq!(house.logger().size().0, 10);
        house.again(Keeping::default());
    }
}

#[test]
fn a_dictionary_that_is_full_begins_another_segment() {
    let house = House::new(Keeping::default());
    let rows = numbered(0..74_000);
    house.add(&rows);
    assert_eq!(house.scratch.segments().len(), 2);
    let wanted = Search { limit: 10, before: Some(65_540), ..Search::default() };
    assert_eq!(house.logger().search(wanted.clone()).rows, naive(&rows, 0, &wanted));
    assert_eq!((house.logger().size().0, house.logger().lost()), (74_000, 0));
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new(Keeping::default());
    house.add(&numbered(0..10_000));
    house.advance(61_000);
    for file in std::fs::read_dir(&house.scratch.0).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

#[test]
fn what_was_most_is_counted_like_one_would_by_hand() {
    let house = House::new(Keeping::default());
    let mut rows = Vec::new();
    for number in 0..20_000_i64 {
        let name =
            if number % 3 == 0 { "often.example".to_owned() } else { format!("n{}.example", number % 100) };
        let mut row = Model::new(NOW + number, if number % 4 == 0 { "10.0.0.1" } else { "10.0.0.2" }, &name);
        (row.micros, row.upstream) = (100, Some(if number % 2 == 0 { "one".into() } else { "two".into() }));
        if number % 5 == 0 {
            (row.outcome, row.rule) = (Outcome(1), ModelRule::OfName(1, RuleForm(4)));
            (row.list, row.policy) = (Some("ads".into()), Some("kids".into()));
        }
        rows.push(row);
    }
    house.add(&rows);
    let (from, until) = (NOW + 1_000, NOW + 19_000);
    let within: Vec<&Model> = rows.iter().filter(|row| row.at >= from && row.at < until).collect();
    let count = |is: &dyn Fn(&Model) -> bool| within.iter().filter(|row| is(row)).count() as u64;
    let tops = house.logger().tops(from, until, 3);
    assert_eq!((tops.questions, tops.blocked), (18_000, count(&|row| row.outcome == Outcome(1))));
    assert_eq!((tops.names.len(), tops.names[0].what.as_str()), (3, "often.example"));
    assert_eq!(tops.names[0].count, count(&|row| row.name == "often.example"));
    assert_eq!(
        tops.blocked_names[0].count,
        count(&|row| row.name == "often.example" && row.outcome.is_blocked())
    );
    assert_eq!(tops.clients[0].what, "10.0.0.2");
    assert_eq!(tops.clients[0].count, count(&|row| row.client == "10.0.0.2".parse::<IpAddr>().unwrap()));
    assert_eq!((tops.rules[0].what.as_str(), tops.rules[0].count), ("||example^", tops.blocked));
    assert_eq!((tops.lists[0].what.as_str(), tops.lists[0].count), ("ads", tops.blocked));
    assert_eq!((tops.policies[0].what.as_str(), tops.policies[0].count), ("kids", tops.blocked));
    let upstreams: Vec<_> =
        tops.upstreams.iter().map(|top| (top.upstream.as_str(), top.count, top.mean_micros)).collect();
    assert_eq!(upstreams, [("one", 9_000, 100), ("two", 9_000, 100)]);
    assert_eq!((tops.short_by, tops.is_cut, tops.unreadable), (0, false, 0));
}

#[test]
fn counting_has_a_limit_and_says_so() {
    let house = House::new(Keeping::default());
    let mut rows = numbered(0..30_000);
    rows.extend((0..500).map(|_| Model::new(NOW, "10.0.0.1", "often.example")));
    house.add(&rows);
    let tops = house.logger().tops(0, Millis::MAX, 5);
    assert!((1..=4).contains(&tops.short_by), "{}", tops.short_by);
    assert_eq!(
        (tops.questions, tops.names[0].what.as_str(), tops.names[0].count),
        (30_500, "often.example", 500)
    );
}

/// A small disk of its own, until this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None if nothing may be mounted here, which is counted.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "polis-test"]).arg(folder);
        mount.stderr(std::process::Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder.to_owned()));
        }
        let skipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/skipped");
        std::fs::create_dir_all(&skipped).unwrap();
        std::fs::write(skipped.join("query_log_on_a_full_disk"), "may mount nothing").unwrap();
        None
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_the_oldest_of_the_rows_that_wait_and_it_goes_on_by_itself() {
    let mut house = House::new(Keeping::default());
    house.logger = None;
    let Some(disk) = Disk::mount(&house.scratch.0, "8m") else { return };
    house.again(Keeping::default());
    let rows = numbered(0..40_000);
    house.add(&rows[..10_000]);
    disk.fill();
    house.add(&rows[10_000..11_000]);
    let trouble = house.logger().trouble().unwrap();
    assert!(
        trouble.what.starts_with("the query log is not written") && trouble.what.contains("tail-1"),
        "{trouble:?}"
    );
    assert!(trouble.help.starts_with("free space"), "{trouble:?}");
    house.add(&rows[11_000..30_000]);
    let lost = house.logger().lost();
    assert!((10_000..=20_000).contains(&lost), "{lost}");
    assert_eq!(house.logger().tail(1).rows, [rows[29_999].entry(29_999)], "what is new can be seen");
    disk.free();
    house.advance(6_000);
    house.add(&rows[30_000..]);
    assert_eq!(house.logger().trouble(), None);
    assert_eq!(house.logger().lost(), lost, "nothing more");
    for _ in 0..2 {
        assert_eq!(house.logger().size().0, 40_000 - lost);
        let found = house.logger().search(Search { limit: MAX_FOUND, ..Search::default() });
        assert_eq!(found.rows, naive(&rows, 0, &Search { limit: MAX_FOUND, ..Search::default() }));
        assert_eq!(found.unreadable, 0);
        house.again(Keeping::default());
    }
    house.logger = None;
}
