//! Why an upstream has no answer, in words that say what to do. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::health::Weight;
use super::line::{Transport, Upstream};

/// Why one upstream has no answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing came for so long.
    Silent(Duration),
    /// Nothing listens there.
    Refused,
    /// The network has no way there, or another trouble with sockets.
    Network(Arc<str>),
    /// TLS: what is wrong with its certificate, or with how it speaks.
    Tls(Arc<str>),
    /// It ended the connection without an answer.
    Ended,
    /// It does not speak HTTP/2.
    NoHttp2,
    /// It says this status of HTTP instead of an answer.
    Status(u16),
    /// It says something over HTTP that is no DNS message.
    NotDns,
    /// It says a code with which somebody else is asked; and the whole reply.
    Code(u16, Arc<Vec<u8>>),
    /// It sends elsewhere instead of asking there.
    Lame,
    /// Its reply can not be read.
    Unreadable,
    /// It answers a question that was not asked.
    OtherQuestion,
    /// Its own name is not known: why.
    NoAddress(Arc<str>),
    /// So much is being asked that there is no file, or no place, left for more.
    Busy,
}

impl Failure {
    /// What it says of the upstream's health.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Refused | Self::Network(_) | Self::Tls(_) | Self::NoHttp2 | Self::NoAddress(_) => {
                Weight::Gone
            }
            Self::Silent(_)
            | Self::Ended
            | Self::Status(_)
            | Self::NotDns
            | Self::Unreadable
            | Self::OtherQuestion => Weight::Silent,
            Self::Code(..) | Self::Lame => Weight::Useless,
            Self::Busy => Weight::Nothing,
        }
    }

    /// What is told of it when nobody has an answer.
    pub(crate) fn why(&self) -> Why {
        match self {
            Self::Silent(_) => Why::Silent,
            Self::Code(code, _) => Why::Code(*code),
            Self::Refused | Self::Network(_) | Self::Ended | Self::NoAddress(_) => Why::Network,
            Self::Tls(_) | Self::NoHttp2 => Why::Tls,
            Self::Status(_) | Self::NotDns | Self::Lame | Self::Unreadable | Self::OtherQuestion => {
                Why::Useless
            }
            Self::Busy => Why::Busy,
        }
    }

    /// In words, with the upstream as it is written and what to do.
    pub(crate) fn words(&self, upstream: &Upstream) -> String {
        let written = &upstream.written;
        let port = upstream.port;
        match self {
            Self::Silent(after) => {
                format!("{written} did not answer within {:.1} s", after.as_secs_f32())
            }
            Self::Refused => {
                let carrier = if upstream.transport == Transport::Udp { "UDP" } else { "TCP" };
                format!(
                    "{written} refuses {carrier} port {port}: nothing listens there, or a firewall says so"
                )
            }
            Self::Network(what) => format!("{written} can not be reached: {what}"),
            Self::Tls(what) => format!("{written}: {what}"),
            Self::Ended => format!("{written} ended the connection without an answer"),
            Self::NoHttp2 => {
                format!("{written} does not speak HTTP/2, which DNS over HTTPS needs: try its tls:// address")
            }
            Self::Status(status) => {
                format!("{written} says HTTP status {status}: is the path {} right?", upstream.path)
            }
            Self::NotDns => {
                format!(
                    "{written} answers with something that is no DNS message: is the path {} right?",
                    upstream.path
                )
            }
            Self::Code(code, _) => format!("{written} says {}", code_words(*code)),
            Self::Lame => {
                format!("{written} sends to other servers instead of asking them: it is no resolver for this")
            }
            Self::Unreadable => format!("{written} says what can not be read"),
            Self::OtherQuestion => format!("{written} answers a question that was not asked"),
            Self::NoAddress(why) => format!("the address of {written} is not known: {why}"),
            Self::Busy => format!("{written} was not asked: too much is being asked at once"),
        }
    }
}

/// A code as people know it.
fn code_words(code: u16) -> String {
    match code {
        1 => "FORMERR: it can not read the question".to_owned(),
        2 => "SERVFAIL: it has no answer itself".to_owned(),
        4 => "NOTIMP: it does not know how".to_owned(),
        5 => "REFUSED: it does not answer this machine".to_owned(),
        other => format!("code {other}"),
    }
}

/// Why nobody has an answer: what the last upstream that was waited for came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody answered in time (EDE 22, No Reachable Authority).
    Silent,
    /// Somebody answered with this code, SERVFAIL (2) or REFUSED (5) most often.
    Code(u16),
    /// Nobody could be reached (EDE 23, Network Error).
    Network,
    /// Nobody could prove who it is (EDE 23).
    Tls,
    /// What was said is of no use (EDE 22).
    Useless,
    /// Too much is being asked already.
    Busy,
    /// Nobody is named for this.
    Unnamed,
}

/// That nobody has an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Nobody {
    /// Why.
    pub why: Why,
    /// The same in words, with the upstream.
    pub words: Arc<str>,
    /// The last reply with a code other than NOERROR and NXDOMAIN, if there was one: it may explain itself
    /// (RFC 8914).
    pub reply: Option<Arc<Vec<u8>>>,
}

impl Nobody {
    /// Without an upstream that was asked.
    pub(crate) fn because(why: Why) -> Self {
        let words = match why {
            Why::Busy => "too much is being asked at once",
            Why::Unnamed => "no name server is named for this",
            _ => "nobody was asked",
        };
        Self { why, words: words.into(), reply: None }
    }
}

impl fmt::Display for Nobody {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.words)
    }
}

impl std::error::Error for Nobody {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_upstream() {
        let upstream = Upstream::parse("https://dns.example/query").unwrap();
        let all = [
            Failure::Silent(Duration::from_millis(2800)),
            Failure::Refused,
            Failure::Network("no route to host".into()),
            Failure::Tls("its certificate has ended".into()),
            Failure::Ended,
            Failure::NoHttp2,
            Failure::Status(404),
            Failure::NotDns,
            Failure::Code(5, Arc::default()),
            Failure::Lame,
            Failure::Unreadable,
            Failure::OtherQuestion,
            Failure::NoAddress("nobody answered".into()),
            Failure::Busy,
        ];
        for failure in all {
            assert!(failure.words(&upstream).contains("https://dns.example/query"), "{failure:?}");
        }
        let silent = Failure::Silent(Duration::from_millis(2800)).words(&upstream);
        assert_eq!(silent, "https://dns.example/query did not answer within 2.8 s");
        assert!(Failure::Status(404).words(&upstream).contains("/query right?"));
    }
}
