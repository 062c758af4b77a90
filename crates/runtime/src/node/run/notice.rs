//! Notices at once that the lab folder changes (inotify(7)). Where that can not be had, nothing is noticed here, and the
//! folder is looked at every second anyway.
//!
//! What does not belong to the lab is passed over: a lab may be one file in a folder where others write all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::Folder;
use rustix::fs::inotify::{CreateFlags, Event, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use tokio::io::unix::AsyncFd;

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// The shortest time between two changes that are told: four in a second.
const PACE: Duration = Duration::from_millis(250);
/// The most events that are read at once.
const MOST: usize = 4096;
/// Holds the longest event many times.
const BUFFER: usize = 8192;

/// What is watched for, of folders and of files.
const WHAT: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);
/// What concerns a folder or a file itself, or everything: nothing is watched any more, or events were lost.
const ITSELF: ReadFlags = ReadFlags::DELETE_SELF
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::IGNORED)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::QUEUE_OVERFLOW);

/// Watches the files of a lab and the folders that they are in.
#[derive(Default)]
pub(super) struct Notice {
    watcher: Option<AsyncFd<OwnedFd>>,
    /// What is to be watched.
    places: BTreeMap<PathBuf, Matters>,
    /// What is watched, by the number that the kernel has for it.
    watched: BTreeMap<i32, Matters>,
    /// When a change was last told.
    told: Option<Instant>,
}

/// Which names of a folder matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Matters {
    /// Names of files that were read; none for a file, which matters itself.
    names: BTreeSet<Vec<u8>>,
    /// Every lab file does, also a new one.
    any_lab_file: bool,
}

impl Matters {
    fn has(&self, name: &[u8]) -> bool {
        self.names.contains(name)
            || (self.any_lab_file && name.ends_with(b".toml") && !name.starts_with(b"."))
    }
}

/// What was read of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
}

impl Notice {
    /// Watches these files from now on, and their folders; those of before, if there are none.
    ///
    /// A path may lead elsewhere than before, when a folder was replaced or a link changed, so all are looked up each time.
    pub(super) fn watch(&mut self, read: Option<&Folder>) {
        if let Some(read) = read {
            self.places = places(read);
        }
        if self.watcher.is_none() {
            self.watcher = watcher();
        }
        let Some(watcher) = &self.watcher else { return };
        let mut watched = BTreeMap::<i32, Matters>::new();
        for (place, matters) in &self.places {
            let Ok(number) = add_watch(watcher.get_ref(), place, WHAT) else { continue };
            // Two paths may be one folder.
            let known = watched.entry(number).or_default();
            known.names.extend(matters.names.iter().cloned());
            known.any_lab_file |= matters.any_lab_file;
        }
        for gone in self.watched.keys().filter(|number| !watched.contains_key(number)) {
            let _ = remove_watch(watcher.get_ref(), *gone);
        }
        self.watched = watched;
    }

    /// Returns when something of the lab changes.
    pub(super) async fn changed(&mut self) {
        loop {
            let Some(watcher) = &self.watcher else { return std::future::pending().await };
            let Ok(mut ready) = watcher.readable().await else { return std::future::pending().await };
            // Much changes at once, or goes on changing.
            tokio::time::sleep(pause(self.told.map(|told| told.elapsed()))).await;
            let (heard, is_all) = hear(watcher.get_ref(), &self.watched);
            if is_all {
                ready.clear_ready();
            }
            if heard == Heard::Something {
                self.told = Some(Instant::now());
                return;
            }
        }
    }
}

/// How long changes are gathered when the last ones were told so long ago.
fn pause(since: Option<Duration>) -> Duration {
    since.map_or(GATHER, |since| PACE.saturating_sub(since).max(GATHER))
}

/// The files that were read, and the folders that they are in.
fn places(read: &Folder) -> BTreeMap<PathBuf, Matters> {
    let Some(root) = read.root() else { return BTreeMap::new() };
    let mut places = BTreeMap::<PathBuf, Matters>::new();
    for (_, file) in read.files() {
        let path = root.join(file.path());
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
        // The folder that polis was started in has an empty path.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let matters = places.entry(folder.to_owned()).or_default();
        matters.names.insert(name.as_encoded_bytes().to_owned());
        matters.any_lab_file |= path.parent() == Some(root);
        // A link leads to a file whose folder is not watched.
        places.entry(path).or_default();
    }
    places
}

/// Reads what there is, and whether that was all.
fn hear(watcher: &OwnedFd, watched: &BTreeMap<i32, Matters>) -> (Heard, bool) {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(watcher, &mut buffer);
    let mut heard = Heard::Nothing;
    let mut count = 0;
    // What is in the buffer would be lost.
    while count < MOST || !reader.is_buffer_empty() {
        count += 1;
        match reader.next() {
            Ok(event) if matters(&event, watched) => heard = Heard::Something,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return (heard, true),
        }
    }
    (heard, false)
}

fn matters(event: &Event<'_>, watched: &BTreeMap<i32, Matters>) -> bool {
    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
        return true;
    }
    // What is no longer watched may still have something to say.
    let Some(place) = watched.get(&event.wd()) else { return false };
    match event.file_name() {
        Some(name) => place.has(name.to_bytes()),
        None => event.events().intersects(ITSELF) || place.names.is_empty(),
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe code, and a descriptor that is owned here is not closed elsewhere"
)]
fn watcher() -> Option<AsyncFd<OwnedFd>> {
    AsyncFd::new(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::state::tests::Scratch;

    const LAB: &str = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n";

    /// A lab in a folder of its own, and who watches it.
    fn watched(scratch: &Scratch) -> (PathBuf, Notice) {
        let lab = scratch.path().join("lab");
        fs::create_dir(&lab).unwrap();
        fs::write(lab.join("lab.toml"), LAB).unwrap();
        let mut notice = Notice::default();
        notice.watch(Some(&Folder::open(&lab).unwrap()));
        assert_eq!(heard(&notice), Heard::Nothing);
        (lab, notice)
    }

    /// What there is to hear now: the kernel has it as soon as a call returns that changes something.
    fn heard(notice: &Notice) -> Heard {
        hear(notice.watcher.as_ref().unwrap().get_ref(), &notice.watched).0
    }

    /// How many places the kernel watches (proc(5), fdinfo).
    fn kept(notice: &Notice) -> usize {
        use std::os::fd::AsRawFd as _;
        let number = notice.watcher.as_ref().unwrap().get_ref().as_raw_fd();
        let told = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        told.matches("inotify wd:").count()
    }

    #[tokio::test]
    async fn a_file_that_is_written_or_replaced_is_noticed() {
        let scratch = Scratch::new();
        let (lab, mut notice) = watched(&scratch);
        fs::write(lab.join("lab.toml"), LAB).unwrap();
        assert_eq!(heard(&notice), Heard::Something);
        // As editors do.
        fs::write(lab.join(".lab.toml.swp"), LAB).unwrap();
        assert_eq!(heard(&notice), Heard::Nothing, "what is not read does not matter");
        fs::rename(lab.join(".lab.toml.swp"), lab.join("lab.toml")).unwrap();
        assert_eq!(heard(&notice), Heard::Something);
        notice.watch(None);
        assert_eq!(heard(&notice), Heard::Nothing, "the file of before is no longer watched");
        fs::write(lab.join("machines.toml"), "").unwrap();
        assert_eq!(heard(&notice), Heard::Something, "a new file belongs to the lab");
        fs::remove_file(lab.join("lab.toml")).unwrap();
        assert_eq!(heard(&notice), Heard::Something);
        // And whoever waits is told.
        fs::write(lab.join("lab.toml"), LAB).unwrap();
        tokio::time::timeout(Duration::from_secs(20), notice.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_beside_the_lab_is_passed_over() {
        let scratch = Scratch::new();
        let (lab, notice) = watched(&scratch);
        for number in 0..200 {
            let log = lab.join(format!("{}.log", number % 7));
            fs::write(&log, number.to_string()).unwrap();
            fs::rename(&log, lab.join("lab.toml.old")).unwrap();
        }
        fs::create_dir(lab.join("cache")).unwrap();
        fs::write(lab.join("cache/lab.toml"), "").unwrap();
        assert_eq!(heard(&notice), Heard::Nothing);
        fs::write(lab.join("lab.toml"), LAB).unwrap();
        assert_eq!(heard(&notice), Heard::Something);
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_watched_in_its_new_place() {
        let scratch = Scratch::new();
        let (lab, mut notice) = watched(&scratch);
        let (next, old) = (scratch.path().join("next"), scratch.path().join("old"));
        for _ in 0..2 {
            fs::create_dir(&next).unwrap();
            fs::write(next.join("lab.toml"), LAB).unwrap();
            fs::rename(&lab, &old).unwrap();
            assert_eq!(heard(&notice), Heard::Something);
            // It is looked for while it is away.
            notice.watch(None);
            fs::rename(&next, &lab).unwrap();
            notice.watch(Some(&Folder::open(&lab).unwrap()));
            while heard(&notice) == Heard::Something {}
            fs::write(old.join("lab.toml"), LAB).unwrap();
            assert_eq!(heard(&notice), Heard::Nothing, "the old one is nobody's");
            fs::write(lab.join("lab.toml"), LAB).unwrap();
            assert_eq!(heard(&notice), Heard::Something);
            assert_eq!(kept(&notice), notice.places.len(), "nor is it kept by the kernel");
            fs::remove_dir_all(&old).unwrap();
        }
        fs::remove_dir_all(&lab).unwrap();
        assert_eq!(heard(&notice), Heard::Something);
    }

    #[tokio::test]
    async fn links_are_followed() {
        let scratch = Scratch::new();
        let (lab, mut notice) = watched(&scratch);
        let other = scratch.path().join("other");
        for folder in ["one", "two"] {
            fs::create_dir_all(other.join(folder)).unwrap();
            fs::write(other.join(folder).join("more.toml"), "").unwrap();
        }
        std::os::unix::fs::symlink(other.join("one/more.toml"), lab.join("more.toml")).unwrap();
        notice.watch(Some(&Folder::open(&lab).unwrap()));
        assert_eq!(heard(&notice), Heard::Something, "the link is new");
        fs::write(other.join("one/more.toml"), "# changed").unwrap();
        assert_eq!(heard(&notice), Heard::Something);
        // A folder that is a link, and then leads elsewhere.
        let link = scratch.path().join("current");
        std::os::unix::fs::symlink(other.join("one"), &link).unwrap();
        notice.watch(Some(&Folder::open(&link).unwrap()));
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(other.join("two"), &link).unwrap();
        notice.watch(None);
        assert_eq!(heard(&notice), Heard::Nothing);
        fs::write(other.join("one/more.toml"), "").unwrap();
        assert_eq!(heard(&notice), Heard::Nothing);
        fs::write(other.join("two/more.toml"), "").unwrap();
        assert_eq!(heard(&notice), Heard::Something);
    }

    #[test]
    fn at_most_four_changes_are_told_in_a_second() {
        let milliseconds = Duration::from_millis;
        assert_eq!(pause(None), GATHER);
        assert_eq!(pause(Some(milliseconds(0))), milliseconds(250));
        assert_eq!(pause(Some(milliseconds(100))), milliseconds(150));
        assert_eq!(pause(Some(milliseconds(5_000))), GATHER);
    }
}
