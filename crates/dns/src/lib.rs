//! The name servers of a lab: its names, what others say of the rest, and filters in between.
//!
//! Invariants: a name under the lab's domain or in its networks is never asked of anyone that the lab file does not name
//! for it, and never blocked; what a client is told of it depends on nothing but the plan, the question and the client;
//! clients outside the lab are refused; an encrypted upstream is never replaced by a plain one; a forged answer is
//! none.
//!
//! The rooms: [`plan`] is what follows from the lab file for one machine, `client` who asks, `answer` decides what to say to
//! one message, `filter` what rules say, `cache` keeps what upstreams said, `wire` reads and writes messages, `run` has
//! the sockets, and [`View`] is what a running server shows.

mod answer;
mod cache;
mod client;
pub mod connections;
pub mod dnssec;
mod fault;
pub mod filter;
mod filters;
pub mod https;
pub mod import;
mod limits;
pub mod lists;
pub mod log;
mod neighbours;
mod own_rules;
mod plan;
mod question;
mod run;
pub mod safe_search;
mod said;
pub mod services;
pub mod upstream;
mod view;
mod wire;

pub use answer::{Alone, Outcome, Reason, Transport, pass_on};
pub use plan::{Plan, plan};
pub use question::{Hour, Question, Said, Search, Statistics, Whose, Why};
pub use run::Server;
pub use run::connections::{Answer, Connections, ConnectionsView, serve_tcp};
pub use run::https::serve_https;
pub use run::tls::{Secured, serve_tls};
pub use view::{
    AuthorityShown, CacheView, ListShown, ListState, LogShown, Looked, Metrics, Own, PolicyShown,
    RefusedRule, UpstreamShown, UpstreamState, View,
};

/// The service's name: its crate, its table in the lab file, its page.
pub const SERVICE: lab::model::ServiceName = lab::model::ServiceName::Dns;

/// What the check of a lab asks of words that only a name server understands.
pub fn words() -> lab::DnsWords {
    lab::DnsWords { rule: filter::check_rule, upstream: upstream_line, service: services::judge, tag }
}

/// Why nobody could be asked by a line of upstreams.
fn upstream_line(line: &str) -> Result<(), String> {
    upstream::Line::parse(line).map(|_| ()).map_err(|fault| fault.to_string())
}

/// Whether a tag is one that `$ctag` knows.
fn tag(word: &str) -> Result<(), String> {
    let near = || {
        lab::nearest(word, filter::Tags::NAMES).map_or_else(
            || format!("they are {}", filter::Tags::NAMES.join(", ")),
            |near| format!("did you mean `{near}`?"),
        )
    };
    filter::Tags::of(&[word]).map(|_| ()).ok_or_else(near)
}
