//! What holds of all upstreams together: each question once, modes, domains, fallback, changes, files.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use dns::upstream::run::{MAX_FILES, Upstreams};
use dns::upstream::{Asked, Mode, State, Want, Why};

use super::peer::{Does, Peer};
use super::{Client, USUAL, asked, config, upstream, wire, with_mode};

#[tokio::test]
async fn the_same_question_is_asked_once_in_all_threads() {
    let peer = Peer::start(Does::Late(Duration::from_millis(300))).await;
    let client = Client::plain(&[peer.address]);
    let barrier = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (upstreams, barrier) = (client.upstreams.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let asker = upstreams.on_this_thread();
                    barrier.wait();
                    let name = wire("www.example.org");
                    let (one, other) = tokio::join!(
                        asker.ask(0, &name, 1, 1, Want::default()),
                        asker.ask(0, &name, 1, 1, Want::default())
                    );
                    (one.unwrap().message.clone(), other.unwrap().message.clone())
                })
            })
        })
        .collect();
    let said = tokio::task::spawn_blocking(|| {
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (one, other) in said.await.unwrap() {
        assert!(one.ends_with(&USUAL) && one == other);
    }
    assert_eq!(peer.count(), 1);
    assert_eq!(client.upstreams.view().shared, 7);
}

#[tokio::test]
async fn what_differs_is_asked_for_each() {
    let peer = Peer::start(Does::Late(Duration::from_millis(100))).await;
    let client = Client::plain(&[peer.address]);
    let (name, other) = (wire("www.example.org"), wire("example.org"));
    let signed = Want { dnssec_ok: true, ..Want::default() };
    let unchecked = Want { checking_disabled: true, ..Want::default() };
    let _ = tokio::join!(
        client.asker.ask(0, &name, 1, 1, Want::default()),
        client.asker.ask(0, &name, 28, 1, Want::default()),
        client.asker.ask(0, &name, 1, 1, signed),
        client.asker.ask(0, &name, 1, 1, unchecked),
        client.asker.ask(0, &other, 1, 1, Want::default()),
    );
    assert_eq!(peer.count(), 5);
}

#[tokio::test]
async fn asking_goes_on_if_nobody_waits_any_more() {
    let peer = Peer::start(Does::Late(Duration::from_millis(200))).await;
    let client = Client::plain(&[peer.address]);
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, client.ask("www.example.org")).await.is_err());
    assert_eq!(client.address("www.example.org").await, USUAL);
    assert_eq!(peer.count(), 1);
}

#[tokio::test]
async fn a_thread_that_ends_leaves_nobody_waiting() {
    let peer = Peer::start(Does::Hang).await;
    let client = Client::plain(&[peer.address]);
    let upstreams = client.upstreams.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let asker = upstreams.on_this_thread();
            let name = wire("www.example.org");
            let ask = asker.ask(0, &name, 1, 1, Want::default());
            let _ = tokio::time::timeout(Duration::from_millis(50), ask).await;
        });
    });
    peer.until(|seen| seen.udp.len() == 1).await;
    let began = Instant::now();
    let waits = client.asker.ask(0, &wire("www.example.org"), 1, 1, Want::default()).await;
    assert!(waits.is_err());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_first_answer_of_all_counts() {
    let (hangs, late) =
        (Peer::start(Does::Hang).await, Peer::start(Does::Late(Duration::from_millis(20))).await);
    let fails = Peer::start(Does::Code(2)).await;
    let all = [hangs.address, fails.address, late.address];
    let client = Client::of(&with_mode(&all, Mode::Parallel), None);
    let began = Instant::now();
    let said = client.ask("www.example.org").await.unwrap();
    assert_eq!(*said.by, *late.address.to_string());
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!((hangs.count(), fails.count()), (1, 1));
}

#[tokio::test]
async fn the_fastest_is_asked() {
    let slow = Peer::start(Does::Late(Duration::from_millis(80))).await;
    let fast = Peer::start(Does::Answer).await;
    let client = Client::of(&with_mode(&[slow.address, fast.address], Mode::Fastest), None);
    for number in 0..60 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    assert!(fast.count() >= 58, "{} and {}", fast.count(), slow.count());
    assert!(slow.count() >= 1);
}

#[tokio::test]
async fn load_is_shared() {
    let (one, other) = (Peer::start(Does::Answer).await, Peer::start(Does::Answer).await);
    let client = Client::of(&with_mode(&[one.address, other.address], Mode::LoadBalance), None);
    for number in 0..200 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    assert!(one.count() > 10 && other.count() > 10, "{} and {}", one.count(), other.count());
    assert_eq!(one.count() + other.count(), 200);
}

#[tokio::test]
async fn domains_have_name_servers_of_their_own() {
    let (usual, corp) = (Peer::start(Does::Answer).await, Peer::start(Does::Say([10, 0, 0, 9])).await);
    let lines = [usual.address.to_string(), format!("[/corp.example/]{}", corp.address)];
    let client = Client::new(&lines);
    assert_eq!(client.address("www.example.org").await, USUAL);
    assert_eq!(client.address("intranet.corp.example").await, [10, 0, 0, 9]);
    assert_eq!(
        client.asker.ask(0, &wire("corp.example"), 43, 1, Want::default()).await.unwrap().by.to_string(),
        usual.address.to_string()
    );
    // Nobody else is told of such a name.
    corp.does(Does::Code(2));
    assert_eq!(client.fails("mail.corp.example").await.why, Why::Code(2));
    assert_eq!(usual.count(), 2);
}

#[tokio::test]
async fn a_fallback_is_asked_when_nobody_else_has_an_answer() {
    let (first, spare) = (Peer::start(Does::Code(2)).await, Peer::start(Does::Answer).await);
    let own =
        Asked { fallback: vec![upstream(&spare.address.to_string())], ..asked(&[first.address.to_string()]) };
    let client = Client::of(&own, None);
    assert_eq!(client.address("a.example.org").await, USUAL);
    first.does(Does::Answer);
    assert_eq!(*client.ask("b.example.org").await.unwrap().by, *first.address.to_string());
    assert_eq!(spare.count(), 1);
}

#[tokio::test]
async fn groups_have_name_servers_of_their_own() {
    let (one, other) = (Peer::start(Does::Answer).await, Peer::start(Does::Say([10, 0, 0, 2])).await);
    let groups = [asked(&[one.address.to_string()]), asked(&[other.address.to_string()])];
    let upstreams = Upstreams::new(config(&groups, None)).unwrap();
    let asker = upstreams.on_this_thread();
    let name = wire("www.example.org");
    let (first, second, none) = tokio::join!(
        asker.ask(0, &name, 1, 1, Want::default()),
        asker.ask(1, &name, 1, 1, Want::default()),
        asker.ask(2, &name, 1, 1, Want::default()),
    );
    assert!(first.unwrap().message.ends_with(&USUAL));
    assert!(second.unwrap().message.ends_with(&[10, 0, 0, 2]));
    assert_eq!(none.unwrap_err().why, Why::Unnamed);
}

#[tokio::test]
async fn those_that_stay_keep_their_connections_and_counts() {
    let (stays, goes, comes) =
        (Peer::start(Does::Answer).await, Peer::start(Does::Answer).await, Peer::start(Does::Answer).await);
    let tcp = |peer: &Peer| format!("tcp://{}", peer.address);
    let client = Client::new(&[tcp(&stays), tcp(&goes)]);
    assert_eq!(client.address("a.example.org").await, USUAL);
    client.upstreams.change(config(&[asked(&[tcp(&comes), tcp(&stays)])], None)).unwrap();
    assert_eq!(*client.ask("a.example.org").await.unwrap().by, *tcp(&comes));
    comes.does(Does::Code(5));
    assert_eq!(*client.ask("a.example.org").await.unwrap().by, *tcp(&stays));
    assert_eq!((stays.seen().connections, stays.count()), (1, 2));
    assert_eq!(client.view(1).questions, 2);
}

#[tokio::test]
async fn files_are_bounded() {
    let mut peers = Vec::new();
    for _ in 0..40 {
        peers.push(Peer::start(Does::Hang).await.address);
    }
    // Every upstream is asked, by more threads than there are files for.
    let lines: Vec<String> =
        peers.iter().enumerate().map(|(at, peer)| format!("[/d{at}.example/]{peer}")).collect();
    let own = Asked { timeout: Some(Duration::from_millis(500)), ..asked(&lines) };
    let client = Client::of(&own, None);
    let threads: Vec<_> = (0..12)
        .map(|thread| {
            let upstreams = client.upstreams.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let asker = upstreams.on_this_thread();
                    let mut asks = tokio::task::JoinSet::new();
                    for at in 0..40 {
                        let asker = asker.clone();
                        let name = wire(&format!("t{thread}.d{at}.example"));
                        asks.spawn(async move { asker.ask(0, &name, 1, 1, Want::default()).await.is_err() });
                    }
                    let most = upstreams.view().open;
                    assert!(asks.join_all().await.into_iter().all(|failed| failed));
                    most.max(upstreams.view().open)
                })
            })
        })
        .collect();
    let most = tokio::task::spawn_blocking(|| {
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    let most = most.await.unwrap();
    assert!(most <= MAX_FILES && most > 100, "{most}");
    assert_eq!(client.upstreams.view().open, 0, "what the threads had is closed with them");
}

#[tokio::test]
async fn one_that_is_only_tried_makes_nobody_ask_further() {
    let gone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let second = Peer::start(Does::Late(Duration::from_millis(50))).await;
    let spare = Peer::start(Does::Answer).await;
    let lines = [gone.to_string(), second.address.to_string()];
    let own = Asked { fallback: vec![upstream(&spare.address.to_string())], ..asked(&lines) };
    let client = Client::of(&own, None);
    let mut number = 0;
    while client.view(0).questions < 3 {
        number += 1;
        let said = client.ask(&format!("host-{number}.example.org")).await.unwrap();
        assert_eq!(*said.by, *second.address.to_string());
        assert!(number < 200, "it is tried again");
    }
    assert!(number > 2);
    assert_eq!(spare.count(), 0);
}

#[tokio::test]
async fn one_that_fails_is_not_waited_for_long_where_nobody_else_is_left() {
    let (hangs, refuses) = (Peer::start(Does::Hang).await, Peer::start(Does::Code(5)).await);
    let own = Asked {
        timeout: Some(Duration::from_millis(1800)),
        ..with_mode(&[hangs.address, refuses.address], Mode::Order)
    };
    let client = Client::of(&own, None);
    let all = tokio::join!(
        client.fails("a.example.org"),
        client.fails("b.example.org"),
        client.fails("c.example.org")
    );
    assert_eq!([all.0.why, all.1.why, all.2.why], [Why::Code(5); 3]);
    assert!(matches!(client.view(0).state, State::Failing(_)));
    let began = Instant::now();
    assert_eq!(client.fails("d.example.org").await.why, Why::Code(5));
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    // It is asked all the same: it may be back.
    hangs.does(Does::Answer);
    assert_eq!(*client.ask("e.example.org").await.unwrap().by, *hangs.address.to_string());
}
