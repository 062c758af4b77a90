//! Questions that are asked one by one, where it matters when each was answered and what with.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::respond;

/// After this long an answer is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question for the address of a name, as bytes (RFC 1035 section 4.1).
pub(super) fn question(number: u16, name: &str) -> anyhow::Result<Vec<u8>> {
    let [high, low] = number.to_be_bytes();
    let mut question = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(question)
}

/// Whether an answer says something else than the upstream would.
pub(super) fn is_blocked(reply: &[u8]) -> bool {
    !reply.windows(4).any(|part| part == respond::ADDRESS.octets())
}

/// Asks once; none if there is no answer in time.
pub(super) fn ask(at: SocketAddr, name: &str, patience: Duration) -> anyhow::Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(patience))?;
    let mut reply = [0; 2048];
    let number = 0x4242;
    // An error is a port that nobody listens at yet.
    if socket.send(&question(number, name)?).is_err() {
        return Ok(None);
    }
    let Ok(length) = socket.recv(&mut reply) else { return Ok(None) };
    Ok(reply.get(..length).filter(|reply| reply.starts_with(&number.to_be_bytes())).map(<[u8]>::to_vec))
}

/// Asks until there is an answer that is no failure.
pub(super) fn wait_for(at: SocketAddr, name: &str, patience: Duration) -> anyhow::Result<Vec<u8>> {
    let start = Instant::now();
    while start.elapsed() < patience {
        let began = Instant::now();
        if let Some(reply) = ask(at, name, Duration::from_millis(200))?
            && reply.get(3).is_some_and(|flags| flags & 0x0F == 0)
        {
            return Ok(reply);
        }
        std::thread::sleep(Duration::from_millis(20).saturating_sub(began.elapsed()));
    }
    bail!("nobody answered at {at} for {} s", patience.as_secs())
}

/// Asks each millisecond until a name is blocked, and says when that was.
pub(super) fn until_blocked(at: SocketAddr, name: &str, patience: Duration) -> anyhow::Result<Instant> {
    let start = Instant::now();
    while start.elapsed() < patience {
        let began = Instant::now();
        if ask(at, name, Duration::from_millis(50))?.is_some_and(|reply| is_blocked(&reply)) {
            return Ok(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(1).saturating_sub(began.elapsed()));
    }
    bail!("{name} was not blocked within {} s", patience.as_secs())
}

/// What came of questions at a steady pace.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) asked: u32,
    pub(super) lost: u32,
    pub(super) slowest: Duration,
}

/// Asks for names in turn at a steady pace until it is told to stop. The next question does not wait for the
/// answer of the last one, so that a pause is seen by all that fall into it.
pub(super) fn watch(
    at: SocketAddr,
    names: &[String],
    pause: Duration,
    stop: &AtomicBool,
) -> anyhow::Result<Watched> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(at)?;
    let mut open: VecDeque<(u16, Instant)> = VecDeque::new();
    let mut watched = Watched::default();
    let (mut next, mut number) = (Instant::now(), 0_u16);
    let mut names = names.iter().cycle();
    let mut reply = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let name = names.next().map_or("example", String::as_str);
        number = number.wrapping_add(1);
        open.push_back((number, Instant::now()));
        watched.asked += 1;
        let _ = socket.send(&question(number, name)?);
        next += pause;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let Ok(length) = socket.recv(&mut reply) else { continue };
            let said = reply.get(..length).unwrap_or_default();
            let Some(at) = open.iter().position(|(number, _)| said.starts_with(&number.to_be_bytes())) else {
                continue;
            };
            if let Some((_, sent)) = open.remove(at) {
                watched.slowest = watched.slowest.max(sent.elapsed());
            }
        }
        while open.front().is_some_and(|(_, sent)| sent.elapsed() > PATIENCE) {
            open.pop_front();
            watched.lost += 1;
        }
    }
    // What is still open at the end has waited at least that long.
    let waited = open.iter().map(|(_, sent)| sent.elapsed()).filter(|waited| *waited > pause * 2);
    watched.slowest = waited.fold(watched.slowest, Duration::max);
    Ok(watched)
}
