//! Asking over TLS and HTTPS, the names of such name servers, and that nothing is ever told in the open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::upstream::run::Upstreams;
use dns::upstream::{Asked, State, Why};

use super::peer::{Does, Identity, Peer, identity, identity_between};
use super::{Client, USUAL, asked, upstream};

const HTTP: &[&[u8]] = &[b"h2"];

async fn over_tls(does: Does) -> (Peer, Identity, Client) {
    let identity = identity(&["dns.example"], &[]);
    let peer = Peer::encrypted(does, &identity).await;
    let line = format!("tls://{}#dns.example", peer.address);
    let client = Client::of(&asked(&[line]), Some(&identity.roots));
    (peer, identity, client)
}

async fn over_https(does: Does) -> (Peer, Client) {
    let identity = identity(&["dns.example"], HTTP);
    let peer = Peer::encrypted(does, &identity).await;
    let line = format!("https://{}/dns-query#dns.example", peer.address);
    let client = Client::of(&asked(&[line]), Some(&identity.roots));
    (peer, client)
}

#[tokio::test]
async fn questions_share_a_connection_of_tls_and_are_of_one_length() {
    let (peer, _, client) = over_tls(Does::Answer).await;
    let client = Arc::new(client);
    let mut asks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let client = Arc::clone(&client);
        asks.spawn(async move { client.address(&format!("host-{number}.example.org")).await });
    }
    assert!(asks.join_all().await.into_iter().all(|address| address == USUAL));
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.tcp.len(), seen.connections), (0, 50, 1));
    assert!(seen.tcp.iter().all(|question| question.len() == 128));
}

#[tokio::test]
async fn a_connection_of_tls_that_ends_or_hangs_is_replaced() {
    let (peer, _, client) = over_tls(Does::Once).await;
    for name in ["a.example.org", "b.example.org", "c.example.org"] {
        assert_eq!(client.address(name).await, USUAL);
    }
    assert_eq!((peer.seen().connections, peer.seen().resumed), (3, 2));
    peer.does(Does::Answer);
    assert_eq!(client.address("d.example.org").await, USUAL);
    peer.does(Does::Hang);
    let heals = async {
        peer.until(|seen| seen.tcp.len() == 5).await;
        peer.does(Does::Answer);
    };
    let (said, ()) = tokio::join!(client.ask("e.example.org"), heals);
    said.unwrap();
    assert_eq!(peer.seen().connections, 5);
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_in_words_and_nothing_is_asked() {
    let right = identity(&["dns.example"], &[]);
    let ended = identity_between(&["dns.example"], &[], 2000, 2020);
    let other = identity(&["other.example"], &[]);
    for (own, roots, words) in [
        (&right, &other.roots, "update-ca-certificates"),
        (&ended, &ended.roots, "has ended"),
        (&other, &other.roots, "is not for dns.example"),
    ] {
        let peer = Peer::encrypted(Does::Answer, own).await;
        let line = format!("tls://{}#dns.example", peer.address);
        let client = Client::of(&asked(std::slice::from_ref(&line)), Some(roots));
        let nobody = client.fails("www.example.org").await;
        assert_eq!(nobody.why, Why::Tls);
        assert!(nobody.words.contains(&line) && nobody.words.contains(words), "{}", nobody.words);
        assert_eq!(peer.count(), 0);
        assert!(matches!(client.view(0).state, State::Failing(_)));
    }
}

#[tokio::test]
async fn a_certificate_may_be_for_an_address() {
    let identity = identity(&["127.0.0.1"], &[]);
    let peer = Peer::encrypted(Does::Answer, &identity).await;
    let client = Client::of(&asked(&[format!("tls://{}", peer.address)]), Some(&identity.roots));
    assert_eq!(client.address("www.example.org").await, USUAL);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_not_spoken_to_otherwise() {
    let plain = Peer::start(Does::Answer).await;
    let spare = Peer::start(Does::Answer).await;
    let line = format!("tls://{}", plain.address);
    let own = Asked {
        fallback: vec![upstream(&spare.address.to_string())],
        timeout: Some(Duration::from_secs(2)),
        ..asked(&[line, spare.address.to_string()])
    };
    let client = Client::of(&own, None);
    client.fails("www.example.org").await;
    assert!(plain.seen().udp.is_empty());
    assert_eq!(spare.count(), 0, "no plain name server is asked in its place");
}

#[tokio::test]
async fn a_certificate_from_the_future_is_right_only_while_the_clock_is_not_set() {
    let identity = identity_between(&["dns.example"], &[], 3000, 4000);
    let peer = Peer::encrypted(Does::Answer, &identity).await;
    let own = asked(&[format!("tls://{}#dns.example", peer.address)]);
    let with = |clock: runtime::Clock, own: &Asked| {
        let config = super::config(std::slice::from_ref(own), Some(&identity.roots));
        let upstreams = Upstreams::new(dns::upstream::run::Config { clock, ..config }).unwrap();
        Client { asker: upstreams.on_this_thread(), upstreams }
    };
    let set = runtime::Clock::system(0);
    let nobody = with(set.clone(), &own).fails("www.example.org").await;
    assert!(nobody.words.contains("clock"), "{}", nobody.words);
    // The system's time is a year behind what is known to have passed: it is not set.
    let behind = runtime::Clock::system(set.now() + 31_536_000_000);
    assert!(!behind.is_set());
    assert_eq!(with(behind.clone(), &own).address("www.example.org").await, USUAL);
    let other = asked(&[format!("tls://{}#other.example", peer.address)]);
    let nobody = with(behind, &other).fails("www.example.org").await;
    assert!(nobody.words.contains("is not for other.example"), "{}", nobody.words);
}

#[tokio::test]
async fn questions_are_requests_of_http_2() {
    let (peer, client) = over_https(Does::Answer).await;
    for number in 0..5 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.requests.len(), seen.connections), (0, 5, 1));
    let (path, headers) = &seen.requests[0];
    assert_eq!(path, "/dns-query");
    assert_eq!(headers[":method"], "POST");
    assert_eq!(headers["content-type"], "application/dns-message");
    assert_eq!(headers["accept"], "application/dns-message");
    assert_eq!(headers[":authority"], format!("dns.example:{}", peer.address.port()));
    assert!(seen.tcp.iter().all(|question| question.len() == 128 && question[..2] == [0, 0]));
}

#[tokio::test]
async fn what_is_no_answer_over_https_says_so() {
    let (peer, client) = over_https(Does::Status(404)).await;
    assert!(client.fails("a.example.org").await.words.contains("404"));
    peer.does(Does::Page);
    assert!(client.fails("b.example.org").await.words.contains("no DNS message"));
    peer.does(Does::Other);
    assert!(client.fails("c.example.org").await.words.contains("not asked"));
    peer.does(Does::Aged);
    assert_eq!(client.ask("d.example.org").await.unwrap().age, 77);
    peer.does(Does::Long);
    assert!(client.ask("e.example.org").await.unwrap().message.len() > 65_000);
    assert_eq!(peer.seen().connections, 1);
}

#[tokio::test]
async fn a_connection_of_https_that_hangs_is_replaced() {
    let (peer, client) = over_https(Does::Answer).await;
    assert_eq!(client.address("a.example.org").await, USUAL);
    peer.does(Does::Hang);
    let heals = async {
        peer.until(|seen| seen.requests.len() == 2).await;
        peer.does(Does::Answer);
    };
    let (said, ()) = tokio::join!(client.ask("b.example.org"), heals);
    said.unwrap();
    assert_eq!(peer.seen().connections, 2);
}

#[tokio::test]
async fn https_without_http_2_says_so() {
    let identity = identity(&["dns.example"], &[b"http/1.1"]);
    let peer = Peer::encrypted(Does::Answer, &identity).await;
    let line = format!("https://{}#dns.example", peer.address);
    let client = Client::of(&asked(&[line]), Some(&identity.roots));
    let nobody = client.fails("www.example.org").await;
    assert_eq!(nobody.why, Why::Tls);
    assert_eq!(peer.count(), 0);
}

/// A name server with a name, which another one knows.
async fn named(does: Does) -> (Peer, Peer, Asked, Identity) {
    let identity = identity(&["dns.example"], &[]);
    let peer = Peer::encrypted(does, &identity).await;
    let bootstrap = Peer::start(Does::Say([127, 0, 0, 1])).await;
    let own = Asked {
        bootstrap: vec![upstream(&bootstrap.address.to_string())],
        timeout: Some(Duration::from_secs(3)),
        ..asked(&[format!("tls://dns.example:{}", peer.address.port())])
    };
    (peer, bootstrap, own, identity)
}

#[tokio::test]
async fn names_of_name_servers_are_looked_up_once() {
    let (peer, bootstrap, own, identity) = named(Does::Answer).await;
    let client = Client::of(&own, Some(&identity.roots));
    for name in ["a.example.org", "b.example.org"] {
        assert_eq!(client.address(name).await, USUAL);
    }
    let asked = bootstrap.seen().udp;
    assert_eq!(asked.len(), 2, "for IPv4 and for IPv6");
    let is_name = |message: &[u8]| message[12..25].eq_ignore_ascii_case(b"\x03dns\x07example\0");
    assert!(asked.iter().all(|(message, _)| is_name(message)), "and for nothing else");
    assert_eq!(peer.count(), 2);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_and_asked_for_again() {
    let (_peer, bootstrap, own, identity) = named(Does::Answer).await;
    bootstrap.does(Does::Code(2));
    let client = Client::of(&own, Some(&identity.roots));
    let nobody = client.fails("a.example.org").await;
    assert_eq!(nobody.why, Why::Network);
    assert!(nobody.words.contains("SERVFAIL"), "{}", nobody.words);
    bootstrap.does(Does::Say([127, 0, 0, 1]));
    assert_eq!(client.address("b.example.org").await, USUAL);
}

#[tokio::test]
async fn the_next_address_of_a_name_is_tried_soon() {
    let identity = identity(&["dns.example"], &[]);
    let peer = Peer::encrypted(Does::Answer, &identity).await;
    // Nothing listens at the first address, and the second one is the server's.
    let bootstrap = Peer::start(Does::Two([127, 0, 0, 9], [127, 0, 0, 1])).await;
    let own = Asked {
        bootstrap: vec![upstream(&bootstrap.address.to_string())],
        ..asked(&[format!("tls://dns.example:{}", peer.address.port())])
    };
    let client = Client::of(&own, Some(&identity.roots));
    let began = Instant::now();
    assert_eq!(client.address("a.example.org").await, USUAL);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_plain_name_server_may_have_a_name() {
    let peer = Peer::start(Does::Answer).await;
    let bootstrap = Peer::start(Does::Two([127, 0, 0, 9], [127, 0, 0, 1])).await;
    let own = Asked {
        bootstrap: vec![upstream(&bootstrap.address.to_string())],
        ..asked(&[format!("router.lan:{}", peer.address.port())])
    };
    let client = Client::of(&own, None);
    for name in ["a.example.org", "b.example.org", "c.example.org"] {
        assert_eq!(client.address(name).await, USUAL);
    }
    assert_eq!((peer.count(), bootstrap.count()), (3, 2));
}
