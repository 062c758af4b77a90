//! The two servers that the bench brings along, one thread each and blocking: the floor, which says what the
//! kernel costs, and an upstream that knows every name.
//!
//! Both run in a process of their own (`cargo xtask responder`), from the release build.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use clap::ValueEnum;

/// What a server says.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// The question, as an answer.
    Echo,
    /// One address for every name, for 300 seconds; to [`COUNT`], how much it was asked.
    Upstream,
}

/// What every name is answered with by the upstream.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The first label of the name whose address is the number of questions so far.
pub(super) const COUNT: &str = "how-many-were-asked";
/// What is added to a question: one A record for the name at byte 12, 300 seconds, and then its address.
const RECORD: [u8; 12] = [0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4];
/// The bytes of a message before its question (RFC 1035 section 4.1.1).
const HEAD: usize = 12;

/// Answers until the process is ended.
pub(crate) fn respond(kind: Kind, at: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(at)?;
    let mut buffer = [0; 2048];
    let mut asked: u32 = 0;
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let said = match kind {
            Kind::Echo => echo(&mut buffer, length),
            Kind::Upstream => answer(&mut buffer, length, &mut asked),
        };
        if let Some(said) = said.and_then(|said| buffer.get(..said)) {
            let _ = socket.send_to(said, client);
        }
    }
}

fn echo(message: &mut [u8], length: usize) -> Option<usize> {
    *message.get_mut(2)? ^= 0x80;
    Some(length)
}

/// Writes the answer over the question: its length, or none if this is no question that it knows.
fn answer(message: &mut [u8], length: usize, asked: &mut u32) -> Option<usize> {
    let end = question_end(message.get(..length)?)?;
    let counts = message.get(HEAD + 1..)?.starts_with(COUNT.as_bytes());
    let is_address = message.get(end - 4..end)? == [0, 1, 0, 1];
    // An answer, recursion available, no error; one question, one record or none, nothing else: EDNS goes unsaid,
    // which asks nothing of who reads it.
    let head = message.get_mut(2..HEAD)?;
    head.copy_from_slice(&[0x80 | (head.first()? & 0x01), 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    if !is_address {
        return Some(end);
    }
    let address = if counts { asked.to_be_bytes() } else { ADDRESS.octets() };
    if !counts {
        *asked = asked.wrapping_add(1);
    }
    let record = message.get_mut(end..end + RECORD.len() + 4)?;
    let (fixed, last) = record.split_at_mut(RECORD.len());
    fixed.copy_from_slice(&RECORD);
    last.copy_from_slice(&address);
    Some(end + RECORD.len() + 4)
}

/// Where the first question ends (RFC 1035 section 4.1.2).
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEAD;
    loop {
        match message.get(at)? {
            0 => break,
            length if *length < 64 => at += 1 + usize::from(*length),
            _ => return None,
        }
    }
    (at + 5 <= message.len()).then_some(at + 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::dns::prober;

    #[test]
    fn every_name_has_an_address_and_one_has_the_count() {
        let mut asked = 0;
        let mut ask = |name: &str| {
            let mut buffer = [0; 2048];
            let question = prober::question(7, name).unwrap_or_default();
            buffer.iter_mut().zip(&question).for_each(|(to, from)| *to = *from);
            let length = answer(&mut buffer, question.len(), &mut asked).unwrap_or(0);
            buffer.get(..length).unwrap_or_default().to_vec()
        };
        let said = ask("Www.Example");
        assert!(said.ends_with(&[1, 44, 0, 4, 192, 0, 2, 1]), "{said:?}");
        assert_eq!(said.get(13..16), Some(b"Www".as_slice()), "the case of the question stays");
        assert!(ask(&format!("{COUNT}.example")).ends_with(&[0, 0, 0, 1]));
    }
}
