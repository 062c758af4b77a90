//! Lists as they are kept: what a name server blocks, and what it says of its lists.

use std::sync::Arc;
use std::time::Duration;

use runtime::Context;
use tokio::task::JoinHandle;

use super::server::{Answer, Server};
use super::{Disk, Scratch, fetcher, here, limits, wait_for};
use crate::filter::{self, ListSet, Question, Verdict};
use crate::lists::meta::Meta;
use crate::lists::run::fetch::{Fetcher, Resolve};
use crate::lists::run::{Lists, low, trust};
use crate::lists::shelf::Shelf;
use crate::lists::view::{ListState, ListView};
use crate::lists::{Given, Key, Purpose, Wanted, Wish};
use crate::wire::Name;

/// A machine with lists that are kept.
struct Machine {
    context: Context,
    lists: Arc<Lists>,
    task: JoinHandle<()>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Machine {
    /// Starts with what is in a folder, and begins to fetch.
    async fn start(folder: &std::path::Path, fetcher: Fetcher, wanted: Wanted) -> Self {
        let context = Context::for_tests(folder.to_owned());
        let machine = Self::new(context, fetcher);
        machine.begin(wanted).await;
        machine.run()
    }

    fn new(context: Context, fetcher: Fetcher) -> Self {
        let lists = Arc::new(Lists::new(Given::of(&context), fetcher));
        Self { context, lists, task: tokio::spawn(async {}) }
    }

    async fn begin(&self, wanted: Wanted) {
        let lists = Arc::clone(&self.lists);
        tokio::task::spawn_blocking(move || lists.begin(wanted)).await.unwrap();
    }

    fn run(mut self) -> Self {
        self.task = tokio::spawn(Arc::clone(&self.lists).run());
        self
    }

    fn blocks(&self, name: &str) -> bool {
        let large = Arc::clone(&self.lists.compiled().borrow());
        let (name, lists) = (Name::parse(name).unwrap(), ListSet::all());
        let question =
            Question { name: name.wire(), kind: 1, client: &filter::Client::default(), lists: &lists };
        matches!(filter::decide(&[&large.rules], &question), Verdict::Blocked(_))
    }

    fn view(&self) -> ListView {
        self.lists.views().remove(0)
    }

    fn trouble(&self) -> String {
        self.view().trouble.map(|trouble| trouble.what).unwrap_or_default()
    }

    fn condition(&self) -> String {
        let all = self.context.conditions.all();
        all.iter().find(|one| one.about == "dns list ads").map(|one| one.what.clone()).unwrap_or_default()
    }

    /// Fetches all lists anew, and waits until that has been done.
    async fn refresh(&self, server: &Server) {
        let before = server.asked().len();
        self.lists.refresh(None);
        wait_for("the list is fetched", || {
            server.asked().len() > before && self.lists.views().iter().all(|view| view.fetching.is_none())
        })
        .await;
    }
}

fn key() -> Key {
    Key { purpose: Purpose::Block, name: "ads".to_owned() }
}

/// The list `ads`, from a URL or a file.
fn wanted(source: &str) -> Wanted {
    let text = format!(
        "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = {{ address = \"10.0.0.2\" }}\n\
         [dns]\non = \"naxos\"\nupstreams = [\"9.9.9.9\"]\nlists = {{ ads = \"{source}\" }}\n"
    );
    let folder =
        lab::Folder::from_texts([("lab.toml".to_owned(), text), ("ads.txt".to_owned(), String::new())]);
    let checked = lab::check(folder, &lab::Options::at("2026-11-01"));
    assert_eq!(checked.faults.errors(), 0, "{:?}", checked.faults);
    let source =
        checked.usable().unwrap().dns.as_ref().unwrap().lists.iter().next().unwrap().1.value().clone();
    Wanted { lists: vec![Wish { key: key(), source }], ..Wanted::default() }
}

/// Nobody can be asked for any name.
fn no_internet() -> Fetcher {
    let resolve: Resolve = Arc::new(|_| Box::pin(async { Err("nobody answers".to_owned()) }));
    Fetcher::new(resolve, trust::client_with(rustls::RootCertStore::empty(), &runtime::Clock::system(0)))
}

fn names(count: usize) -> Answer {
    let text: String = (0..count).map(|number| format!("ads-{number}.example\n")).collect();
    Answer::list(&text)
}

#[tokio::test]
async fn what_was_fetched_once_is_blocked_after_a_start_without_the_internet() {
    let (scratch, mut server) = (Scratch::new(), Server::tls().await);
    server.at("/ads", Answer::list("ads.example\n").with("ETag: \"1\""));
    let url = server.url("/ads");
    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted(&url)).await;
    assert!(!machine.blocks("ads.example") || !server.asked().is_empty());
    wait_for("the list is followed", || machine.blocks("ads.example")).await;
    let view = machine.view();
    assert!(matches!(view.state, ListState::Followed(_)) && view.trouble.is_none(), "{view:?}");
    assert!(view.next_at.unwrap() > machine.context.clock.now() + 20 * 3_600_000, "{view:?}");
    drop(machine);

    let context = Context::for_tests(scratch.path().to_owned());
    let machine = Machine::new(context, no_internet());
    machine.begin(wanted(&url)).await;
    assert!(machine.blocks("ads.example"), "before anything has run");
    let machine = machine.run();
    machine.lists.refresh(None);
    wait_for("it is tried", || !machine.trouble().is_empty()).await;
    assert_eq!(machine.trouble(), "lists.example can not be looked up: nobody answers");
    assert_eq!(machine.condition(), "", "the copy is of today: nobody has to do anything");
    assert!(machine.blocks("ads.example"));
    drop(machine);

    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted(&url)).await;
    server.at("/ads", Answer::status("304 Not Modified"));
    machine.refresh(&server).await;
    assert!(server.asked().last().unwrap().contains("if-none-match: \"1\""));
    assert!(machine.blocks("ads.example") && machine.view().trouble.is_none());
}

#[tokio::test]
async fn what_is_no_list_stays_out_and_is_shown_and_the_copy_goes_on() {
    let (scratch, mut server) = (Scratch::new(), Server::plain().await);
    let url = server.url("/ads");
    server.at("/ads", Answer::list("<html><body>Please log in to this network</body></html>"));
    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted(&url)).await;
    wait_for("it is refused", || !machine.trouble().is_empty()).await;
    assert_eq!(machine.condition(), format!("{url} is not followed: it is a web page and not a list"));
    assert_eq!(machine.view().state, ListState::NotFetched);
    server.at("/ads", names(3));
    machine.refresh(&server).await;
    wait_for("it is followed", || machine.blocks("ads-2.example")).await;
    assert_eq!((machine.condition(), machine.trouble()), (String::new(), String::new()));
    for (answer, why) in [
        (Answer::list("\n <!DOCTYPE html>\n<p>log in"), "it is a web page and not a list"),
        (
            Answer::bytes(b"\x7fELF\x02\x01\x01\x00"),
            "it is not text: lists that are packed have to be unpacked",
        ),
        (Answer::list(""), "what the server sent is empty"),
        (Answer::list("! Title: ads\n"), "there is no rule in what the server sent, only comments"),
        (Answer::status("404 Not Found").with("Content-Length: 0"), "says 404: not found"),
        (Answer::status("200 OK").with("Content-Length: 209715200"), "it is larger than 1 MiB"),
        (
            Answer::status("200 OK").with("Content-Length: 99").repeating("b.example\n", 2),
            "breaks off after 20 of 99",
        ),
    ] {
        server.at("/ads", answer);
        machine.refresh(&server).await;
        assert!(machine.trouble().contains(why), "{}", machine.trouble());
        assert_eq!(machine.condition().contains("the copy of 20"), !why.contains("breaks off"), "{why}");
        assert!(machine.blocks("ads-2.example") && !machine.blocks("b.example"), "{why}");
    }
    let files = std::fs::read_dir(scratch.path().join("derived/lists")).unwrap().count();
    assert_eq!(files, 2, "nothing stays of what was refused");
    assert_eq!(machine.view().notes.len(), 1, "it comes over plain HTTP");
}

#[tokio::test]
async fn a_list_that_is_suddenly_short_is_asked_for_twice() {
    let (scratch, mut server) = (Scratch::new(), Server::plain().await);
    server.at("/ads", names(1_000));
    let wanted = wanted(&server.url("/ads"));
    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted.clone()).await;
    wait_for("it is followed", || machine.blocks("ads-999.example")).await;
    server.at("/ads", names(99));
    machine.refresh(&server).await;
    assert_eq!(machine.trouble(), "suspiciously short: 99 rules where there were 1000");
    assert!(machine.blocks("ads-999.example"));
    drop(machine);
    // The doubt is kept over a start.
    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted).await;
    machine.refresh(&server).await;
    wait_for("it is believed", || !machine.blocks("ads-999.example")).await;
    assert!(machine.blocks("ads-98.example"));
    assert_eq!((machine.condition(), machine.trouble()), (String::new(), String::new()));
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_a_list_that_goes_is_gone() {
    let scratch = Scratch::new();
    let file = scratch.path().join("ads.txt");
    std::fs::write(&file, "ads.example\n").unwrap();
    let machine = Machine::start(scratch.path(), no_internet(), wanted("file:ads.txt")).await;
    assert!(machine.blocks("ads.example"), "before anything has run");
    std::fs::write(&file, "other.example\n").unwrap();
    machine.lists.refresh(None);
    wait_for("it is read again", || machine.blocks("other.example")).await;
    assert!(!machine.blocks("ads.example"));
    std::fs::remove_file(&file).unwrap();
    machine.lists.refresh(None);
    wait_for("it is said", || !machine.condition().is_empty()).await;
    assert_eq!(machine.condition(), "file:ads.txt is not followed: there is no such file");
    machine.lists.change(Wanted::default()).await;
    wait_for("nothing is wrong any more", || machine.condition().is_empty()).await;
    assert!(machine.lists.views().is_empty());
}

#[tokio::test]
async fn the_copy_of_another_url_is_followed_until_there_is_one_of_this() {
    let (scratch, mut server) = (Scratch::new(), Server::tls().await);
    server.at("/old", Answer::list("old.example\n").with("ETag: \"old\""));
    let machine =
        Machine::start(scratch.path(), fetcher(&server, limits()), wanted(&server.url("/old"))).await;
    wait_for("it is followed", || machine.blocks("old.example")).await;
    machine.lists.change(wanted(&server.url("/new"))).await;
    wait_for("it is tried", || !machine.trouble().is_empty()).await;
    assert!(machine.blocks("old.example"));
    assert_eq!(machine.view().notes, [format!("what is followed was fetched from {}", server.url("/old"))]);
    assert!(!server.asked().last().unwrap().contains("if-none-match"), "a version is one of a URL");
    assert!(machine.condition().starts_with(&server.url("/new")), "{}", machine.condition());
    server.at("/new", Answer::list("new.example\n"));
    machine.refresh(&server).await;
    wait_for("it is followed", || machine.blocks("new.example")).await;
    assert!(!machine.blocks("old.example") && machine.view().notes.is_empty());
}

#[tokio::test]
async fn a_copy_from_the_future_has_no_age_and_is_asked_for_soon() {
    let (scratch, mut server) = (Scratch::new(), Server::tls().await);
    server.at("/ads", Answer::list("ads.example\n"));
    let wanted = wanted(&server.url("/ads"));
    let machine = Machine::start(scratch.path(), fetcher(&server, limits()), wanted.clone()).await;
    wait_for("it is followed", || machine.blocks("ads.example")).await;
    drop(machine);
    // The clock was wrong by a century when it was fetched.
    let shelf = Shelf::at(scratch.path().join("derived/lists"));
    let meta = shelf.kept(&key()).unwrap().meta.unwrap();
    let later = meta.fetched_at + 100 * 365 * 86_400_000;
    shelf.note(&key(), &Meta { fetched_at: later, checked_at: later, ..meta }).unwrap();
    let machine = Machine::new(Context::for_tests(scratch.path().to_owned()), fetcher(&server, limits()));
    machine.begin(wanted).await;
    assert!(machine.blocks("ads.example"));
    let (view, now) = (machine.view(), machine.context.clock.now());
    let copy = view.copy.unwrap();
    assert_eq!((copy.fetched_at, copy.checked_at), (None, None));
    assert!(view.next_at.unwrap() <= now + 300_000, "{:?}", view.next_at);
    let machine = machine.run();
    machine.refresh(&server).await;
    wait_for("its age is known", || machine.view().copy.unwrap().checked_at.is_some()).await;
    assert!(machine.view().next_at.unwrap() > now + 20 * 3_600_000);
}

#[tokio::test]
async fn a_full_disk_keeps_the_copy_and_says_so() {
    let scratch = Scratch::new();
    let Some(disk) = Disk::mount(&scratch, 256, "a_full_disk_keeps_the_copy_and_says_so") else { return };
    let mut server = Server::plain().await;
    server.at("/ads", names(100));
    let given = |context: &Context| Given { folder: disk.0.join("lists"), ..Given::of(context) };
    let context = Context::for_tests(scratch.path().to_owned());
    let lists = Arc::new(Lists::new(
        given(&context),
        Fetcher::new(here(), trust::client_with(rustls::RootCertStore::empty(), &context.clock))
            .with(limits()),
    ));
    let machine = Machine { context, lists, task: tokio::spawn(async {}) };
    machine.begin(wanted(&server.url("/ads"))).await;
    let machine = machine.run();
    wait_for("it is followed", || machine.blocks("ads-99.example")).await;
    server.at("/ads", names(20_000));
    machine.refresh(&server).await;
    assert!(machine.trouble().starts_with("there is no room for it in `"), "{}", machine.trouble());
    assert!(machine.condition().contains("the copy of 20"), "{}", machine.condition());
    assert!(machine.blocks("ads-99.example") && !machine.blocks("ads-19999.example"));
    let files = std::fs::read_dir(disk.0.join("lists")).unwrap().count();
    assert_eq!(files, 2, "nothing stays of what had no room");
    server.at("/ads", names(200));
    machine.refresh(&server).await;
    wait_for("it is followed", || machine.blocks("ads-199.example")).await;
    assert_eq!(machine.condition(), "");
}

#[tokio::test]
async fn work_in_the_background_is_of_low_priority_and_may_panic() {
    let before = rustix::process::getpriority_process(None).unwrap();
    let nice = low("polis-test", || rustix::process::getpriority_process(None).unwrap()).await.unwrap();
    assert_eq!(nice, before.max(10));
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), before, "others are as they were");
    assert!(low::<()>("polis-test", || panic!("on purpose")).await.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(1), low("polis-test", || 7)).await.unwrap().is_ok());
}
