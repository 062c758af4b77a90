//! Asking upstreams over real sockets: small name servers on the loopback that do everything wrong that there is, and
//! real ones where they are installed.
#![cfg(test)]

mod encrypted;
mod peer;
mod plain;
mod real;
mod together;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::upstream::run::{Asker, Config, Outcome, Upstreams};
use dns::upstream::{Asked, Group, Line, Mode, Nobody, Upstream, UpstreamView, Want};
use rustls::RootCertStore;

/// A name in its wire form.
fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn asked(lines: &[String]) -> Asked {
    let lines = lines.iter().filter_map(|line| Line::parse(line).unwrap()).collect();
    Asked { lines, ..Asked::default() }
}

fn config(groups: &[Asked], roots: Option<&Arc<RootCertStore>>) -> Config {
    Config {
        groups: groups.iter().map(|asked| Group::new(asked).unwrap()).collect(),
        roots: roots.map_or_else(|| Arc::new(RootCertStore::empty()), Arc::clone),
        clock: runtime::Clock::system(0),
    }
}

/// Somebody who asks the first group for addresses.
struct Client {
    upstreams: Upstreams,
    asker: Asker,
}

impl Client {
    fn of(asked: &Asked, roots: Option<&Arc<RootCertStore>>) -> Self {
        let upstreams = Upstreams::new(config(std::slice::from_ref(asked), roots)).unwrap();
        Self { asker: upstreams.on_this_thread(), upstreams }
    }

    fn new(lines: &[String]) -> Self {
        Self::of(&asked(lines), None)
    }

    fn plain(addresses: &[SocketAddr]) -> Self {
        Self::new(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    async fn ask(&self, name: &str) -> Outcome {
        let name = wire(name);
        let ask = self.asker.ask(0, &name, 1, 1, Want::default());
        tokio::time::timeout(Duration::from_secs(30), ask).await.expect("asking ends")
    }

    /// The address in the answer.
    async fn address(&self, name: &str) -> [u8; 4] {
        let said = self.ask(name).await.unwrap_or_else(|nobody| panic!("{name}: {nobody}"));
        said.message[said.message.len() - 4..].try_into().unwrap()
    }

    async fn fails(&self, name: &str) -> Nobody {
        self.ask(name).await.expect_err("nobody has an answer")
    }

    fn view(&self, at: usize) -> UpstreamView {
        self.upstreams.view().upstreams[at].clone()
    }
}

const USUAL: [u8; 4] = [192, 0, 2, 1];

fn upstream(text: &str) -> Upstream {
    Upstream::parse(text).unwrap()
}

fn with_mode(addresses: &[SocketAddr], mode: Mode) -> Asked {
    let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Asked { mode, ..asked(&lines) }
}
