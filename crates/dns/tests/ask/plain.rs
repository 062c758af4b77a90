//! Asking over UDP and TCP.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use dns::upstream::{State, Want, Why};

use super::peer::{Does, Peer, question_end};
use super::{Client, USUAL, wire};

#[tokio::test]
async fn a_few_ports_serve_many_questions_and_numbers_and_letters_are_drawn() {
    let peer = Peer::start(Does::Answer).await;
    let client = Client::plain(&[peer.address]);
    for number in 0..100 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.connections), (100, 0));
    let ports: HashSet<u16> = seen.udp.iter().map(|(_, port)| *port).collect();
    assert_eq!(ports.len(), 8);
    let numbers: HashSet<[u8; 2]> = seen.udp.iter().map(|(message, _)| [message[0], message[1]]).collect();
    assert!(numbers.len() > 95, "{} numbers", numbers.len());
    let spellings: HashSet<&[u8]> =
        seen.udp.iter().map(|(message, _)| &message[message.len() - 28..]).collect();
    assert!(spellings.len() > 90, "{} spellings of .example.org", spellings.len());
    let view = client.upstreams.view();
    assert_eq!((view.upstreams[0].questions, view.upstreams[0].failures), (100, 0));
    assert_eq!((view.upstreams[0].state, view.asking, view.open), (State::Up, 0, 8));
}

#[tokio::test]
async fn nothing_is_said_but_the_question() {
    let peer = Peer::start(Does::Answer).await;
    let client = Client::plain(&[peer.address]);
    let want = Want { dnssec_ok: true, checking_disabled: true };
    let said = client.asker.ask(0, &wire("www.example.org"), 28, 1, want).await.unwrap();
    assert_eq!(*said.by, *peer.address.to_string());
    let (message, _) = peer.seen().udp.remove(0);
    let end = question_end(&message);
    assert_eq!(message[2..12], [1, 0x10, 0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(message[end - 4..end], [0, 28, 0, 1]);
    assert_eq!(message[end..], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
}

#[tokio::test]
async fn what_is_lost_is_sent_again_under_the_same_number() {
    let peer = Peer::start(Does::Lose(1)).await;
    let client = Client::plain(&[peer.address]);
    let began = Instant::now();
    assert_eq!(client.address("www.example.org").await, USUAL);
    assert!(began.elapsed() >= Duration::from_millis(400));
    let seen = peer.seen();
    assert_eq!(seen.udp.len(), 2);
    assert_eq!(seen.udp[0], seen.udp[1], "the same message from the same port");
    assert_eq!(client.view(0).failures, 0);
}

#[tokio::test]
async fn guesses_are_not_taken() {
    let peer = Peer::start(Does::Forge(5)).await;
    let client = Client::plain(&[peer.address]);
    assert_eq!(client.address("www.example.org").await, USUAL);
    assert_eq!(client.view(0).wrong_replies, 5);
    assert_eq!(peer.seen().connections, 0);
}

#[tokio::test]
async fn where_somebody_guesses_a_lot_it_is_asked_over_a_connection() {
    let peer = Peer::start(Does::Forge(30)).await;
    let client = Client::plain(&[peer.address]);
    assert_eq!(client.address("a.example.org").await, USUAL);
    assert_eq!(client.address("b.example.org").await, USUAL);
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.tcp.len()), (1, 1));
    // Without a connection it has to go on as it is.
    let peer = Peer::only_udp(Does::Forge(30)).await;
    let client = Client::plain(&[peer.address]);
    for name in ["a.example.org", "b.example.org"] {
        assert_eq!(client.address(name).await, USUAL);
    }
}

#[tokio::test]
async fn a_guess_of_the_letters_is_asked_again_where_nobody_can_guess() {
    let peer = Peer::start(Does::Lower).await;
    let client = Client::plain(&[peer.address]);
    for number in 0..10 {
        assert_eq!(client.address(&format!("name-of-a-host-{number}.example.org")).await, USUAL);
    }
    let seen = peer.seen();
    assert_eq!(seen.tcp.len(), 3, "after that it is known not to keep them");
    assert_eq!(seen.udp.len(), 10);
    let last = &seen.udp[9].0;
    assert_eq!(last[12..question_end(last)], last[12..question_end(last)].to_ascii_lowercase());
}

#[tokio::test]
async fn a_server_without_connections_that_loses_the_letters_is_asked_all_the_same() {
    let peer = Peer::only_udp(Does::Lower).await;
    let client = Client::plain(&[peer.address]);
    assert_eq!(client.address("name-of-a-host.example.org").await, USUAL);
    assert_eq!(client.address("name-of-another.example.org").await, USUAL);
    assert_eq!(peer.count(), 3);
}

#[tokio::test]
async fn what_does_not_fit_is_asked_over_a_connection_that_is_kept() {
    let peer = Peer::start(Does::Cut).await;
    let client = Client::plain(&[peer.address]);
    for number in 0..5 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.tcp.len(), seen.connections), (5, 5, 1));
}

#[tokio::test]
async fn an_old_server_is_asked_once_more_without_what_it_can_not_read() {
    let peer = Peer::start(Does::Old).await;
    let client = Client::plain(&[peer.address]);
    assert_eq!(client.address("www.example.org").await, USUAL);
    let seen = peer.seen();
    assert_eq!(seen.udp.iter().map(|(message, _)| message[11]).collect::<Vec<_>>(), [1, 0]);
    peer.does(Does::Code(1));
    assert_eq!(client.fails("www.example.org").await.why, Why::Code(1));
}

#[tokio::test]
async fn who_has_no_answer_is_followed_by_the_next() {
    for does in [Does::Code(2), Does::Code(5), Does::Refer, Does::Broken] {
        let (first, second) = (Peer::start(does).await, Peer::start(Does::Answer).await);
        let client = Client::plain(&[first.address, second.address]);
        for name in ["a.example.org", "b.example.org"] {
            let said = client.ask(name).await.unwrap();
            assert_eq!(*said.by, *second.address.to_string(), "{does:?}");
        }
        assert_eq!((first.count(), second.count()), (2, 2), "{does:?}");
        assert_eq!(client.view(0).failures, 2);
        assert!(client.view(0).last_error.unwrap().0.contains(&first.address.to_string()));
    }
}

#[tokio::test]
async fn the_last_code_is_kept_for_the_end() {
    let (first, second) = (Peer::start(Does::Code(5)).await, Peer::start(Does::Refer).await);
    let client = Client::plain(&[first.address, second.address]);
    let nobody = client.fails("www.example.org").await;
    assert_eq!(nobody.why, Why::Code(5));
    assert_eq!(nobody.reply.unwrap()[3] & 0x0F, 5);
    assert!(nobody.words.contains("REFUSED"), "{}", nobody.words);
}

#[tokio::test]
async fn one_that_is_not_there_is_left_out_until_it_is_back() {
    let gone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let second = Peer::start(Does::Answer).await;
    let client = Client::plain(&[address, second.address]);
    let began = Instant::now();
    assert_eq!(client.address("a.example.org").await, USUAL);
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(matches!(client.view(0).state, State::Failing(_)));
    let words = client.view(0).last_error.unwrap().0;
    assert!(words.contains("nothing listens") && words.contains(&address.to_string()), "{words}");
    assert_eq!(client.address("b.example.org").await, USUAL);
    assert_eq!(client.view(0).questions, 1, "nobody waits for it");
    // It comes back: a question that is sent to it as well notices.
    let back = tokio::net::UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, client) = back.recv_from(&mut buffer).await.unwrap();
            let mut reply = buffer[..question_end(&buffer[..length])].to_vec();
            (reply[2], reply[3], reply[11]) = (0x81, 0x83, 0);
            back.send_to(&reply, client).await.unwrap();
        }
    });
    let mut number = 0;
    while client.view(0).state != State::Up {
        number += 1;
        assert!(client.ask(&format!("c{number}.example.org")).await.is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(5), "it is back for long");
    }
    assert_eq!(*client.ask("d.example.org").await.unwrap().by, *address.to_string());
}

#[tokio::test]
async fn one_that_hangs_is_not_waited_for_twice_as_long_and_soon_not_at_all() {
    let (first, second) = (Peer::start(Does::Hang).await, Peer::start(Does::Answer).await);
    let client = Client::plain(&[first.address, second.address]);
    let mut times = Vec::new();
    for number in 0..5 {
        let began = Instant::now();
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
        times.push(began.elapsed());
    }
    assert!(times[0] >= Duration::from_millis(900) && times[0] < Duration::from_millis(2500), "{times:?}");
    assert!(times[4] < Duration::from_millis(900), "{times:?}");
    assert!(matches!(client.view(0).state, State::Failing(_)));
}

#[tokio::test]
async fn where_nobody_answers_asking_ends_in_time() {
    let (first, second) = (Peer::start(Does::Hang).await, Peer::start(Does::Hang).await);
    let lines = [first.address.to_string(), second.address.to_string()];
    let own = dns::upstream::Asked { timeout: Some(Duration::from_secs(1)), ..super::asked(&lines) };
    let client = Client::of(&own, None);
    let began = Instant::now();
    let nobody = client.fails("www.example.org").await;
    assert_eq!(nobody.why, Why::Silent);
    assert!(nobody.words.contains("did not answer"), "{}", nobody.words);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(second.count() > 0);
    // All that wait hear of it, and nothing stays behind.
    assert_eq!(client.upstreams.view().asking, 0);
}

#[tokio::test]
async fn questions_share_a_connection_and_answers_come_in_any_order() {
    let peer = Peer::start(Does::Turned).await;
    let client = std::sync::Arc::new(Client::new(&[format!("tcp://{}", peer.address)]));
    let ask = |name: &'static str| {
        let client = std::sync::Arc::clone(&client);
        tokio::spawn(async move { (name, client.ask(name).await.unwrap()) })
    };
    for asked in [ask("one.example.org"), ask("other.example.org")] {
        let (name, said) = asked.await.unwrap();
        assert_eq!(said.message[12..12 + wire(name).len()], wire(name));
    }
    let seen = peer.seen();
    assert_eq!((seen.udp.len(), seen.tcp.len(), seen.connections), (0, 2, 1));
}

#[tokio::test]
async fn a_connection_that_ends_is_replaced() {
    let peer = Peer::start(Does::Once).await;
    let client = Client::new(&[format!("tcp://{}", peer.address)]);
    for number in 0..4 {
        assert_eq!(client.address(&format!("host-{number}.example.org")).await, USUAL);
    }
    assert_eq!(peer.seen().connections, 4);
    assert_eq!(client.view(0).failures, 0);
    peer.does(Does::End);
    let nobody = client.fails("www.example.org").await;
    assert_eq!(nobody.why, Why::Network);
    assert!(nobody.words.contains("ended the connection"), "{}", nobody.words);
}

#[tokio::test]
async fn a_connection_that_hangs_is_replaced_and_what_was_asked_is_asked_again() {
    let peer = Peer::start(Does::Answer).await;
    let client = Client::new(&[format!("tcp://{}", peer.address)]);
    assert_eq!(client.address("a.example.org").await, USUAL);
    peer.does(Does::Hang);
    let waiting = client.ask("b.example.org");
    let heals = async {
        peer.until(|seen| seen.tcp.len() == 2).await;
        peer.does(Does::Answer);
    };
    let (said, ()) = tokio::join!(waiting, heals);
    said.unwrap();
    assert_eq!(peer.seen().connections, 2);
}

#[tokio::test]
async fn a_long_answer_comes_whole() {
    let peer = Peer::start(Does::Long).await;
    let client = Client::new(&[format!("tcp://{}", peer.address)]);
    assert!(client.ask("www.example.org").await.unwrap().message.len() > 65_000);
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_not_waited_for() {
    let (slow, second) = (Peer::start(Does::Dribble).await, Peer::start(Does::Answer).await);
    let client = Client::new(&[format!("tcp://{}", slow.address), second.address.to_string()]);
    let began = Instant::now();
    let said = client.ask("www.example.org").await.unwrap();
    assert_eq!(*said.by, *second.address.to_string());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_to_another_question_is_none() {
    let (liar, second) = (Peer::start(Does::Other).await, Peer::start(Does::Answer).await);
    let client = Client::new(&[format!("tcp://{}", liar.address), second.address.to_string()]);
    assert_eq!(*client.ask("www.example.org").await.unwrap().by, *second.address.to_string());
    assert!(client.view(0).last_error.unwrap().0.contains("not asked"));
}
