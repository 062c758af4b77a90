//! Lists against servers that do what servers do, over real sockets.

mod keeping;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use runtime::Clock;

use super::fetch::{Fetched, Fetcher, Limits, Resolve};
use super::trust;
use crate::lists::http::Version;
use crate::lists::{Trouble, TroubleKind};
use server::{Answer, Server, packed};

/// A folder that is gone when the test is.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("polis-lists-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every name is at this machine, but for one.
fn here() -> Resolve {
    Arc::new(|name| {
        Box::pin(async move {
            match name.as_str() {
                "gone.example" => Err("there is no such name".to_owned()),
                // Nobody is at the first.
                _ => Ok(vec!["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()]),
            }
        })
    })
}

fn limits() -> Limits {
    Limits { bytes: 1 << 20, quiet: Duration::from_secs(5), ..Limits::default() }
}

fn fetcher(server: &Server, limits: Limits) -> Fetcher {
    Fetcher::new(here(), trust::client_with(server.roots(), &Clock::system(0))).with(limits)
}

/// What fetching a path of a server brings: the text of the file, or what is wrong. Where nothing new comes, no file is
/// left.
async fn fetched(
    server: &Server,
    path: &str,
    known: &Version,
    limits: Limits,
) -> Result<Option<(String, Version)>, Trouble> {
    let scratch = Scratch::new();
    let file = scratch.path().join("part");
    let came = Arc::new(AtomicU64::new(0));
    let said = fetcher(server, limits).fetch(&server.url(path), known, &file, &came).await;
    match said {
        Ok(Fetched::New(written, version)) => {
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(written.bytes, text.len() as u64);
            Ok(Some((text, version)))
        }
        other => {
            wait_for("the file is gone", || !file.exists()).await;
            other.map(|_| None)
        }
    }
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let all = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), all).await.is_ok(), "it never came: {what}");
}

#[track_caller]
fn check<T: std::fmt::Debug>(said: Result<T, Trouble>, kind: TroubleKind, part: &str) {
    let trouble = said.unwrap_err();
    assert!(trouble.what.contains(part), "{}", trouble.what);
    assert_eq!(trouble.kind, kind, "{}", trouble.what);
    assert!(!trouble.help.is_empty());
}

fn none() -> Version {
    Version::default()
}

#[tokio::test]
async fn a_list_comes_once_and_then_only_when_it_has_changed() {
    for mut server in [Server::plain().await, Server::tls().await] {
        server.at(
            "/ads.txt",
            Answer::list("a.example\n")
                .with("ETag: \"v1\"")
                .with("Last-Modified: Tue, 24 Nov 2026 22:00:00 GMT"),
        );
        let (text, version) = fetched(&server, "/ads.txt", &none(), limits()).await.unwrap().unwrap();
        assert_eq!((text.as_str(), version.etag.as_deref()), ("a.example\n", Some("\"v1\"")));
        server.at("/ads.txt", Answer::status("304 Not Modified"));
        assert_eq!(fetched(&server, "/ads.txt", &version, limits()).await.unwrap(), None);
        let asked = server.asked();
        assert!(
            asked[0].contains("accept-encoding: gzip") && asked[0].contains("user-agent: polis/"),
            "{}",
            asked[0]
        );
        assert!(!asked[0].contains("if-none-match"), "{}", asked[0]);
        assert!(asked[1].contains("if-none-match: \"v1\""), "{}", asked[1]);
        assert!(asked[1].contains("if-modified-since: tue, 24 nov 2026 22:00:00 gmt"), "{}", asked[1]);
        let said = fetched(&server, "/ads.txt", &none(), limits()).await;
        check(said, TroubleKind::Passing, "has not changed, which nobody asked");
    }
}

#[tokio::test]
async fn a_list_that_has_moved_is_followed_a_little_way() {
    let mut server = Server::tls().await;
    for at in 0..5 {
        server.at(&format!("/{at}"), Answer::status("302 Found").with(&format!("Location: {}", at + 1)));
    }
    server.at("/5", Answer::list("a.example\n"));
    server.at("/round", Answer::status("301 Moved Permanently").with("Location: /round"));
    server.at("/http", Answer::status("302 Found").with("Location: http://portal.example/login"));
    assert_eq!(fetched(&server, "/0", &none(), limits()).await.unwrap().unwrap().0, "a.example\n");
    server.at("/before", Answer::status("302 Found").with("Location: /0"));
    check(fetched(&server, "/before", &none(), limits()).await, TroubleKind::Standing, "more than 5 times");
    check(fetched(&server, "/round", &none(), limits()).await, TroubleKind::Standing, "more than 5 times");
    check(fetched(&server, "/http", &none(), limits()).await, TroubleKind::Standing, "from https to http");
}

#[tokio::test]
async fn what_is_packed_is_unpacked_as_far_as_it_may_be_large() {
    let mut server = Server::plain().await;
    let gzip = |bytes: &[u8]| Answer::bytes(bytes).with("Content-Encoding: gzip");
    let list = packed(b"a.example\nb.example\n", 1);
    server.at("/good", gzip(&list));
    server.at("/twice", gzip(&[list.clone(), list.clone()].concat()));
    server.at("/torn", gzip(&list[..list.len() - 5]));
    server.at("/none", gzip(b"a.example\n"));
    let bomb = packed(&[b'\n'; 1 << 20], 24);
    assert!(bomb.len() < 1 << 19);
    server.at("/bomb", gzip(&bomb));
    assert_eq!(
        fetched(&server, "/good", &none(), limits()).await.unwrap().unwrap().0,
        "a.example\nb.example\n"
    );
    assert_eq!(fetched(&server, "/twice", &none(), limits()).await.unwrap().unwrap().0.len(), 40);
    check(fetched(&server, "/torn", &none(), limits()).await, TroubleKind::Passing, "it can not be unpacked");
    check(fetched(&server, "/none", &none(), limits()).await, TroubleKind::Passing, "it can not be unpacked");
    check(
        fetched(&server, "/bomb", &none(), limits()).await,
        TroubleKind::Standing,
        "it is larger than 1 MiB",
    );
}

#[tokio::test]
async fn a_list_of_200_mb_is_refused_as_soon_as_it_is_known_to_be() {
    let mut server = Server::plain().await;
    let says = Answer::status("200 OK").with("Content-Length: 209715200").hanging();
    server.at("/says", says);
    server.at(
        "/endless",
        Answer::status("200 OK").with("Connection: close").repeating("a.example\n", 20_971_520),
    );
    let said = fetched(&server, "/says", &none(), Limits::default()).await;
    check(said, TroubleKind::Standing, "it is larger than 64 MiB");
    check(
        fetched(&server, "/endless", &none(), limits()).await,
        TroubleKind::Standing,
        "it is larger than 1 MiB",
    );
    let sent = server.sent();
    assert!(sent < 32 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn what_breaks_off_is_no_list() {
    let mut server = Server::tls().await;
    server.at("/short", Answer::status("200 OK").with("Content-Length: 100").repeating("a.example\n", 9));
    server.at(
        "/chunks",
        Answer::status("200 OK").with("Transfer-Encoding: chunked").repeating("a\r\na.example\n\r\n", 3),
    );
    server.at("/nothing", Answer::raw(b""));
    server.at("/noise", Answer::raw(b"\x00\x01\x02 no http\r\n\r\n"));
    check(
        fetched(&server, "/short", &none(), limits()).await,
        TroubleKind::Passing,
        "it breaks off after 90 of 100 bytes",
    );
    check(
        fetched(&server, "/chunks", &none(), limits()).await,
        TroubleKind::Passing,
        "it breaks off after 30 bytes",
    );
    check(
        fetched(&server, "/nothing", &none(), limits()).await,
        TroubleKind::Passing,
        "lists.example breaks off",
    );
    check(
        fetched(&server, "/noise", &none(), limits()).await,
        TroubleKind::Passing,
        "lists.example breaks off",
    );
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for() {
    let mut server = Server::plain().await;
    server.at("/silent", Answer::raw(b"").hanging());
    server.at(
        "/half",
        Answer::status("200 OK").with("Content-Length: 100").repeating("a.example\n", 5).hanging(),
    );
    server.at("/drip", Answer::status("200 OK").with("Connection: close").repeating("a", 1 << 20).dripping());
    let quick = Limits { quiet: Duration::from_millis(200), ..limits() };
    check(
        fetched(&server, "/silent", &none(), quick).await,
        TroubleKind::Passing,
        "does not answer the request",
    );
    check(
        fetched(&server, "/half", &none(), quick).await,
        TroubleKind::Passing,
        "after 50 of 100 bytes: nothing came",
    );
    let quick = Limits { whole: Duration::from_millis(300), ..limits() };
    check(fetched(&server, "/drip", &none(), quick).await, TroubleKind::Passing, "it was not here after");
    let mute = Server::mute().await;
    let quick = Limits { connect: Duration::from_millis(200), ..limits() };
    check(fetched(&mute, "/", &none(), quick).await, TroubleKind::Passing, "does not go on with TLS");
}

#[tokio::test]
async fn servers_are_who_they_should_be() {
    let mut server = Server::tls().await;
    server.at("/ads.txt", Answer::list("a.example\n"));
    let scratch = Scratch::new();
    let (file, came) = (scratch.path().join("part"), Arc::new(AtomicU64::new(0)));
    let stranger =
        Fetcher::new(here(), trust::client_with(crate::upstream::run::system_roots(), &Clock::system(0)));
    let url = server.url("/ads.txt");
    check(
        stranger.fetch(&url, &none(), &file, &came).await,
        TroubleKind::Standing,
        "is not who it should be",
    );
    let other = url.replace("lists.example", "other.example");
    let said = fetcher(&server, limits()).fetch(&other, &none(), &file, &came).await;
    check(said, TroubleKind::Standing, "is not who it should be");
    // A clock of long ago says that the certificate is not valid yet.
    let early = Fetcher::new(here(), trust::client_with(server.roots(), &Clock::stopped_at(0)));
    check(early.fetch(&url, &none(), &file, &came).await, TroubleKind::Standing, "is not who it should be");
    let gone = url.replace("lists.example", "gone.example");
    let said = fetcher(&server, limits()).fetch(&gone, &none(), &file, &came).await;
    check(said, TroubleKind::Passing, "gone.example can not be looked up: there is no such name");
    drop(server);
    let said = stranger.fetch(&url, &none(), &file, &came).await;
    check(said, TroubleKind::Passing, "no connection to lists.example at ");
    assert!(!file.exists());
}

/// A disk of so many KiB, until this is dropped; none where it can not be mounted, which is counted.
struct Disk(PathBuf);

impl Disk {
    fn mount(scratch: &Scratch, kib: u32, test: &str) -> Option<Self> {
        let folder = scratch.path().join("disk");
        std::fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "polis-test"])
            .arg(&folder)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        let skipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/skipped");
        std::fs::create_dir_all(&skipped).unwrap();
        std::fs::write(skipped.join(test), "needs root, to mount a small disk").unwrap();
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_leaves_no_half_file() {
    let scratch = Scratch::new();
    let Some(disk) = Disk::mount(&scratch, 64, "a_full_disk_is_said_and_leaves_no_half_file") else { return };
    let mut server = Server::plain().await;
    server
        .at("/ads.txt", Answer::status("200 OK").with("Connection: close").repeating("a.example\n", 50_000));
    let (file, came) = (disk.0.join("part"), Arc::new(AtomicU64::new(0)));
    let said = fetcher(&server, limits()).fetch(&server.url("/ads.txt"), &none(), &file, &came).await;
    check(said, TroubleKind::Standing, "there is no room for it in");
    assert!(!file.exists());
}
