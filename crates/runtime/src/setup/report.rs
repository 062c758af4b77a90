//! What `polis init` says at its end: what it found, what it left out and why, and what to do next.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use lab::begin::{self, Names, Network};
use lab::value::Address;

use super::ask::Draft;
use super::host::Host;
use super::init::Seats;
use super::ports::{self, Seat};
use crate::node::PAGES_PORT;
use crate::permit::Transport;

/// Where Polis keeps its state if nobody says where.
pub(crate) const USUAL_STATE: &str = "/var/lib/polis";

/// What is said once it is written.
pub(crate) struct Report<'r> {
    pub(crate) draft: &'r Draft,
    pub(crate) host: &'r Host,
    pub(crate) folder: &'r Path,
    pub(crate) state: Option<&'r Path>,
}

impl Report<'_> {
    pub(crate) fn found(&self) -> String {
        let answers = &self.draft.answers;
        let joined = |all: Vec<String>| all.join(", ");
        let mut text = format!("wrote {}\n\n", self.folder.join(begin::FILE).display());
        let mut line = |word: &str, what: String| text.push_str(&format!("  {word:10}{what}\n"));
        line("lab", format!("{}, with names under {}", answers.name, answers.domain));
        let addresses = answers.addresses.iter().map(|own| {
            let here = self.host.own.iter().find(|here| here.address == own.0);
            match here {
                Some(here) => format!("{own} at {}", here.interface),
                None => format!("{own}, which this machine does not have yet"),
            }
        });
        line("machine", format!("{}, {}", answers.machine, joined(addresses.collect())));
        match &answers.network {
            Network::Zone { name, cidrs, gateways } => {
                let routers: Vec<String> = match gateways.as_slice() {
                    [] => cidrs.iter().map(|cidr| cidr.first_host().to_string()).collect(),
                    some => some.iter().map(ToString::to_string).collect(),
                };
                let cidrs = joined(cidrs.iter().map(ToString::to_string).collect());
                line("zone", format!("{name}, {cidrs} behind {}", joined(routers)));
            }
            Network::LeftOut(why) => line("zone", format!("left out: {why}")),
        }
        match &answers.names {
            Names::Here(upstreams) => {
                let upstreams = joined(upstreams.iter().map(ToString::to_string).collect());
                let is_here = |own: &Address| self.host.own.iter().any(|here| here.address == own.0);
                let free = if answers.addresses.iter().all(is_here) { "port 53 is free; " } else { "" };
                line("names", format!("{free}what is not the lab's is asked of {upstreams}"));
            }
            Names::LeftOut { why, help, .. } => {
                line("names", format!("left out: {why}"));
                line("", help.clone());
            }
        }
        let web = answers.web_taken.as_deref().unwrap_or("ports 80 and 443 are free");
        line("proxy", format!("left out: this version does not run it yet; {web}"));
        match self.state {
            Some(state) => {
                line("key", format!("its private half is in {}", state.join("machine.key").display()));
            }
            None => line(
                "key",
                "left out: `polis machine key` makes it, and prints the line for the lab".to_owned(),
            ),
        }
        text
    }

    /// The ports of Polis itself that it can not have.
    pub(crate) fn ports(&self, seats: Seats<'_>) -> String {
        let mut text = String::new();
        let link = self.draft.answers.addresses.iter().map(|own| SocketAddr::new(own.0, crate::link::PORT));
        for at in link.chain([SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PAGES_PORT)]) {
            if let Seat::Taken(who) = seats(Transport::Tcp, at) {
                let help = ports::help(&who, at.port());
                let _ = writeln!(text, "  {:10}{who} has {at}, which Polis needs: {help}", "port");
            }
        }
        text
    }

    /// `state` is the state folder that was named. A unit has the usual one.
    pub(crate) fn next(&self, state: Option<&Path>, is_root: bool, has_unit: bool) -> String {
        let folder = word(self.folder);
        let machine = &self.draft.answers.machine;
        let usual = Path::new(USUAL_STATE);
        let is_usual = state.is_none_or(|state| state == usual);
        let mut state = state.map(|state| format!(" --state {}", word(state))).unwrap_or_default();
        let mut start = format!("start it: polis run --lab {folder} --machine {machine}{state}");
        let mut without = String::new();
        if has_unit && is_usual {
            start = "start it: systemctl enable --now polis".to_owned();
            state.clear();
        } else if !is_root {
            let why = match self.draft.answers.names {
                Names::Here(_) => Some(("port 53 needs it", " --listen 127.0.0.1:10053")),
                Names::LeftOut { .. } if is_usual => Some(("its state is in the usual place", "")),
                Names::LeftOut { .. } => None,
            };
            let more = if is_usual { " --state FOLDER" } else { "" };
            if let Some((why, listen)) = why {
                start.push_str(&format!("\n     as root, because {why}; to try it without:{listen}{more}"));
            }
            if is_usual && why.is_some() {
                without = format!("; tried without root: polis setup{more}");
            }
        }
        format!(
            "\nwhat to do next\n\
             \x20 1. look at the file, change what you like, and check it: polis check {folder}\n\
             \x20 2. {start}\n\
             \x20 3. see how it is: polis setup{state} prints a link that opens its page once{without}\n"
        )
    }
}

/// The folder as a word of a command line.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain =
        text.chars().all(|c| c.is_alphanumeric() || "/._-+@:".contains(c)) && !text.starts_with('-');
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
