//! What protects questions over UDP against guesses of somebody who would like to be the upstream. Pure: what
//! came and when goes in, what to do comes out.
//!
//! Whoever does not see the question has to guess its number (16 bits), the port that it was sent from (Linux
//! draws one of 28,232: 14.8 bits), and a bit for each letter of the name: for `www.example.org` 2^(16+14.8+13)
//! possibilities, within the milliseconds until the true answer is here. Sockets are connected, so that what
//! does not come from the upstream's address and port is never seen here, and a port that is open looks closed
//! to everybody else. The same socket serves some questions, which would help somebody who found its port: so
//! several are open, one of them is drawn for each question, and each is closed after [`MOST_QUESTIONS`] or
//! [`LONGEST_LIFE`]. Only one question of the same kind is on its way, whoever asks (RFC 5452 section 5). And
//! guesses are seen: after some wrong ones a socket is closed, and after some more the upstream is asked over
//! TCP, where they are of no use.

use std::time::{Duration, Instant};

/// How many questions are sent from a port, and for how long.
pub(crate) const MOST_QUESTIONS: usize = 256;
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(30);
/// How many wrong replies a port gets until it is closed.
pub(crate) const MOST_WRONG: u32 = 8;
/// How many wrong replies make an upstream suspect within how long, and for how long it then is.
const SUSPICIOUS: u32 = 16;
const WITHIN: Duration = Duration::from_secs(10);
const SUSPECT_FOR: Duration = Duration::from_secs(60);
/// How many replies in another case there have to be, and none in ours between them, until a server counts as
/// one that does not keep it; and how long that is believed.
const MOST_OTHER_CASE: u32 = 3;
const BELIEVED_FOR: Duration = Duration::from_secs(3600);

/// What is known of an upstream's replies over UDP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard {
    wrong: u32,
    wrong_since: Option<Instant>,
    suspect_until: Option<Instant>,
    other_case: u32,
    loses_case_until: Option<Instant>,
}

impl Guard {
    /// A reply came that is to nothing that was asked.
    pub(crate) fn saw_wrong(&mut self, now: Instant) {
        if self.wrong_since.is_none_or(|since| since + WITHIN < now) {
            (self.wrong, self.wrong_since) = (0, Some(now));
        }
        self.wrong += 1;
        if self.wrong >= SUSPICIOUS {
            self.suspect_until = Some(now + SUSPECT_FOR);
        }
    }

    /// Whether it is asked over TCP, because somebody seems to guess.
    pub(crate) fn is_suspect(&self, now: Instant) -> bool {
        self.suspect_until.is_some_and(|until| now < until)
    }

    /// A reply came with the letters as they were sent.
    pub(crate) fn saw_case(&mut self) {
        self.other_case = 0;
    }

    /// A reply came that is right but for the case of letters.
    pub(crate) fn saw_other_case(&mut self, now: Instant) {
        self.other_case += 1;
        if self.other_case >= MOST_OTHER_CASE {
            self.lost_case(now);
        }
    }

    /// It is known not to keep the case.
    pub(crate) fn lost_case(&mut self, now: Instant) {
        (self.other_case, self.loses_case_until) = (0, Some(now + BELIEVED_FOR));
    }

    /// Whether it is known not to keep the case of letters: then number, port and name have to do.
    pub(crate) fn loses_case(&self, now: Instant) -> bool {
        self.loses_case_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wrong_replies_are_suspicious_and_some_are_not() {
        let (mut guard, began) = (Guard::default(), Instant::now());
        for second in 0..60 {
            guard.saw_wrong(began + Duration::from_secs(second));
        }
        assert!(!guard.is_suspect(began + Duration::from_secs(60)), "one a second is late replies");
        let now = began + Duration::from_secs(100);
        for _ in 0..SUSPICIOUS {
            guard.saw_wrong(now);
        }
        assert!(guard.is_suspect(now) && guard.is_suspect(now + Duration::from_secs(59)));
        assert!(!guard.is_suspect(now + SUSPECT_FOR));
    }

    #[test]
    fn a_server_that_never_keeps_the_case_is_remembered() {
        let (mut guard, now) = (Guard::default(), Instant::now());
        for _ in 0..10 {
            guard.saw_other_case(now);
            guard.saw_other_case(now);
            guard.saw_case();
        }
        assert!(!guard.loses_case(now), "a guess now and then says nothing");
        for _ in 0..MOST_OTHER_CASE {
            guard.saw_other_case(now);
        }
        assert!(guard.loses_case(now));
        assert!(!guard.loses_case(now + BELIEVED_FOR));
    }
}
