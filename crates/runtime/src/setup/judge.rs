//! What is made of what was found on a running machine: marks, words, and what to do. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::model::{Lab, Runs};
use lab::names::MachineName;

use super::ports::{self, Seat};
use super::question::Heard;
use super::{Check, Mark};
use crate::link::ServiceRuns;
use crate::permit::Transport;
use crate::supervisor::Phase;

/// Below this a disk is nearly full: in bytes, and as one part of so many.
const FEW: u64 = 500_000_000;
const PART: u64 = 20;

pub(crate) fn good(about: &'static str, what: impl Into<String>) -> Check {
    Check { about, mark: Mark::Good, what: what.into(), help: None }
}

pub(crate) fn bad(about: &'static str, what: impl Into<String>, help: impl Into<String>) -> Check {
    Check { about, mark: Mark::Bad, what: what.into(), help: Some(help.into()) }
}

pub(crate) fn unknown(about: &'static str, what: impl Into<String>, help: impl Into<String>) -> Check {
    Check { about, mark: Mark::Unknown, what: what.into(), help: Some(help.into()) }
}

pub(crate) fn not_needed(about: &'static str, what: impl Into<String>) -> Check {
    Check { about, mark: Mark::NotNeeded, what: what.into(), help: None }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// This was said, after so long.
    Heard(Heard, Duration),
    /// Nothing came back in time.
    Silent,
    /// It could not be sent.
    Failed(String),
}

/// What the name server of this machine is, before it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameServer {
    /// Whatever there is to say is known without asking.
    Settled(Check),
    /// It runs, and can be asked.
    Runs,
}

/// What to say of the names of a lab; `other` is who else has port 53 here.
pub(crate) fn name_server(
    lab: &Lab,
    machine: &MachineName,
    services: &[ServiceRuns],
    other: Option<&str>,
) -> NameServer {
    let beside = other.map(|who| format!("; {who} has port 53 here")).unwrap_or_default();
    let settled = |check| NameServer::Settled(check);
    let on = lab.dns.as_ref().map(|dns| dns.on.iter().any(|on| on.value() == machine));
    match on {
        None => {
            return settled(not_needed(
                "names",
                format!("the lab has no name server: it has no [dns]{beside}"),
            ));
        }
        Some(false) => {
            return settled(not_needed(
                "names",
                format!("other machines answer the names of the lab{beside}"),
            ));
        }
        Some(true) => {}
    }
    let dns = services.iter().find(|service| service.name == "dns");
    let trouble = dns.and_then(|dns| dns.trouble.clone());
    match (dns.map(|dns| dns.phase), trouble) {
        (Some(Phase::Running), _) => NameServer::Runs,
        (Some(Phase::StandsBy), _) => {
            settled(not_needed("names", "it stands by: another machine goes first"))
        }
        (Some(phase), Some((what, help))) => {
            settled(bad("names", format!("the name server is {}: {what}{beside}", phase.word()), help))
        }
        (phase, None) => {
            let word = phase.map_or("not there", Phase::word);
            settled(bad(
                "names",
                format!("the name server is {word}{beside}"),
                "`polis status` says more; look again in a moment",
            ))
        }
        (None, Some((what, help))) => settled(bad("names", what, help)),
    }
}

/// Whose an address is, by the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The machine's own, or nobody's that is known.
    Own,
    /// A service's, and this machine is the first of its order.
    ToTake,
    /// A service's, and this other machine is the first of its order.
    Another(MachineName),
}

/// In this version the first machine of an order takes the address of its service, and no other.
pub(crate) fn whose(lab: &Lab, machine: &MachineName, address: IpAddr) -> Whose {
    let own = lab.machines.get(machine).and_then(|machine| machine.address.as_ref());
    if own.is_some_and(|own| own.iter().any(|own| own.0 == address)) {
        return Whose::Own;
    }
    let placed = lab.placed().into_iter().filter(|placed| placed.on.iter().any(|on| on.value() == machine));
    let mut firsts = placed
        .filter(|placed| placed.address.is_some_and(|at| at.0 == address))
        .filter_map(|placed| placed.on.first());
    match firsts.next().map(lab::read::At::value) {
        None => Whose::Own,
        Some(first) if first == machine => Whose::ToTake,
        Some(first) => Whose::Another(first.clone()),
    }
}

fn is_here(address: IpAddr, own: &[IpAddr]) -> bool {
    address.is_loopback() || address.is_unspecified() || own.contains(&address)
}

/// What to say of the names without asking for one, or else of `asked`: where the address is on another machine, it is
/// that one that was asked.
pub(crate) fn names(domain: &str, at: SocketAddr, whose: &Whose, own: &[IpAddr], asked: &Asked) -> Check {
    match whose {
        _ if is_here(at.ip(), own) => own_answer(domain, at, asked),
        Whose::Own => {
            bad("names", absent(at), "give it that address, or write in the lab the one that it has")
        }
        Whose::ToTake => {
            bad("names", absent(at), "`polis status` says why it was not taken: it may be another machine's")
        }
        Whose::Another(first) => other_answer(domain, at, first, asked),
    }
}

fn absent(at: SocketAddr) -> String {
    format!("the name server is to answer at {}, and this machine does not have that address", at.ip())
}

fn other_answer(domain: &str, at: SocketAddr, first: &MachineName, asked: &Asked) -> Check {
    let look =
        format!("`polis status {first}` says how it is; in this version no other machine takes its place");
    match asked {
        Asked::Heard(Heard::Answer, _) => {
            not_needed("names", format!("it stands by: {first} answers at {at}"))
        }
        Asked::Heard(Heard::Refused, _) => bad(
            "names",
            format!("it stands by; {first} should answer at {at}, and refuses this machine"),
            "it is in no network of the lab: write its network as a zone, `[zones]` with its `cidr`",
        ),
        Asked::Heard(Heard::Failure(code), _) => bad(
            "names",
            format!(
                "it stands by; {first} should answer at {at}, and fails with code {code} when it is asked for {domain}"
            ),
            look,
        ),
        Asked::Silent => {
            bad("names", format!("it stands by; {first} should answer at {at}, and does not"), look)
        }
        Asked::Failed(why) => bad(
            "names",
            format!("it stands by; {first} should answer at {at}, and can not be asked: {why}"),
            look,
        ),
    }
}

/// What to say once it was asked for a name of the lab.
fn own_answer(domain: &str, at: SocketAddr, asked: &Asked) -> Check {
    match asked {
        Asked::Heard(Heard::Answer, _) => good("names", format!("it answers names under {domain} at {at}")),
        Asked::Heard(Heard::Refused, _) => bad(
            "names",
            format!("the name server at {at} refuses this machine, and everyone near it"),
            "they are in no network of the lab: write theirs as a zone, `[zones]` with its `cidr`",
        ),
        Asked::Heard(Heard::Failure(code), _) => bad(
            "names",
            format!("the name server at {at} fails with code {code} when it is asked for {domain}"),
            "`polis status` says what is wrong",
        ),
        Asked::Silent => bad(
            "names",
            format!("the name server at {at} does not answer, not even this machine itself"),
            "`polis status` says how it is; a firewall that keeps the machine from itself shows in `nft list ruleset`",
        ),
        Asked::Failed(why) => bad(
            "names",
            format!("the name server at {at} can not be asked: {why}"),
            "look whether this machine has that address: `ip -brief address`",
        ),
    }
}

/// A port that the lab needs on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) transport: Transport,
    pub(crate) at: SocketAddr,
    pub(crate) seat: Seat,
    /// Whose its address is.
    pub(crate) whose: Whose,
}

/// One check for each port that is not this machine's, or one for all of them; `own` are its addresses. A port can be had
/// before its address is here (ip(7), IP_FREEBIND), so having it says nothing of the address.
pub(crate) fn ports(needed: &[Needed], own: &[IpAddr]) -> Vec<Check> {
    let words = |port: &Needed| format!("{} {}", port.transport.word(), port.at);
    let trouble = |port: &Needed| match (&port.seat, &port.whose) {
        (Seat::Taken(who), _) => {
            let what = format!("{who} has {}", words(port));
            Some(bad("ports", what, ports::help(who, port.at.port())))
        }
        (_, Whose::Own) if !is_here(port.at.ip(), own) => Some(bad(
            "ports",
            format!("this machine does not have the address of {}", words(port)),
            format!(
                "give it {}, or write in the lab the address that it has: `ip -brief address`",
                port.at.ip()
            ),
        )),
        (_, Whose::ToTake) if !is_here(port.at.ip(), own) => Some(bad(
            "ports",
            format!("this machine should have the address of {}, and does not", words(port)),
            "`polis status` says why it was not taken: it may be another machine's",
        )),
        (Seat::Own, Whose::Another(first)) if !is_here(port.at.ip(), own) => {
            Some(not_needed("ports", format!("{} stands by: {first} should have its address", words(port))))
        }
        (Seat::Own, _) => None,
        (Seat::Free, _) => Some(bad(
            "ports",
            format!("nothing listens at {}", words(port)),
            "`polis status` says why; what mends itself does so within seconds",
        )),
    };
    let (mut all, mut had) = (Vec::new(), Vec::new());
    for port in needed {
        match trouble(port) {
            Some(check) => all.push(check),
            None => had.push(words(port)),
        }
    }
    match had.is_empty() {
        _ if needed.is_empty() => all.push(not_needed("ports", "the lab asks for no port on this machine")),
        false if all.iter().all(|check| check.mark != Mark::Bad) => {
            all.insert(0, good("ports", format!("all that are needed are had: {}", had.join(", "))));
        }
        _ => {}
    }
    all
}

/// What there is to see of who sets the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockSigns {
    /// It is not before what is known to have passed.
    pub(crate) is_set: bool,
    /// systemd-timesyncd says that it has set it.
    pub(crate) is_synchronised: bool,
    /// This is a container: the clock is its host's.
    pub(crate) is_contained: bool,
    /// A program that keeps clocks runs, and how it is asked.
    pub(crate) keeper: Option<(&'static str, &'static str)>,
}

pub(crate) fn clock(signs: ClockSigns) -> Check {
    match signs {
        ClockSigns { is_set: false, .. } => bad(
            "clock",
            "it is before what is known to have passed, and taken to be later",
            "let it ask a time server: `timedatectl set-ntp true`, or install chrony; certificates and dates depend on it",
        ),
        ClockSigns { is_synchronised: true, .. } => good("clock", "it is set, and a time server keeps it so"),
        ClockSigns { is_contained: true, .. } => {
            good("clock", "it is set: it is the clock of the machine that this container is on")
        }
        ClockSigns { keeper: Some((name, how)), .. } => unknown(
            "clock",
            format!(
                "it could be right, and {name} runs; whether a time server has answered can not be seen from here"
            ),
            format!("`{how}` says it"),
        ),
        ClockSigns { keeper: None, .. } => unknown(
            "clock",
            "it could be right; whether a time server keeps it so can not be seen from here",
            "`timedatectl` says it, and `timedatectl set-ntp true` lets one",
        ),
    }
}

/// The room in the file system of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// In bytes: what may still be used, and how much there is.
    pub(crate) free: u64,
    pub(crate) whole: u64,
    /// There is no room for more files.
    pub(crate) is_out_of_files: bool,
}

/// `written` is what the system said to a few bytes in a file there.
pub(crate) fn disk(folder: &str, room: Result<Room, String>, written: Result<(), String>) -> Check {
    let free = |room: Room| format!("{} of {} free", size(room.free), size(room.whole));
    let more = format!(
        "make room: what is in `{folder}/derived` may be deleted, `du -xh --max-depth=2 /var | sort -h` shows what is large"
    );
    match (room, written) {
        (Ok(room), Err(why)) if room.free == 0 => bad("disk", format!("it is full: {why}"), more),
        (_, Err(why)) => bad(
            "disk",
            format!("`{folder}` can not be written to: {why}"),
            format!("it has to be there, and be the user's that Polis runs as; `ls -ld {folder}` shows it"),
        ),
        (Err(why), Ok(())) => unknown(
            "disk",
            format!("`{folder}` can be written to; how much is free is not known: {why}"),
            format!("`df -h {folder}` says it"),
        ),
        (Ok(room), Ok(())) if room.is_out_of_files => bad(
            "disk",
            format!("no more files fit on the disk of `{folder}`"),
            "remove small files that nobody needs: `df -i` shows how many there are",
        ),
        (Ok(room), Ok(())) if room.free < FEW || room.free < room.whole / PART => {
            bad("disk", free(room), more)
        }
        (Ok(room), Ok(())) => good("disk", free(room)),
    }
}

/// In whole units, rounded down.
fn size(bytes: u64) -> String {
    match bytes {
        10_000_000_000.. => format!("{} GB", bytes / 1_000_000_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A name server on the internet, and what came of asking it over UDP, and over TCP where that brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) upstream: SocketAddr,
    pub(crate) udp: Asked,
    pub(crate) tcp: Option<Asked>,
}

impl Reached {
    fn answers(&self) -> bool {
        matches!(self.udp, Asked::Heard(Heard::Answer, _))
    }

    fn words(&self) -> String {
        let ip = self.upstream.ip();
        let said = |asked: &Asked| match asked {
            Asked::Heard(Heard::Answer, after) => format!("answers in {} ms", after.as_millis()),
            Asked::Heard(Heard::Refused, _) => "refuses to answer".to_owned(),
            Asked::Heard(Heard::Failure(code), _) => format!("answers with the failure {code}"),
            Asked::Silent => "does not answer".to_owned(),
            Asked::Failed(why) => format!("can not be asked: {why}"),
        };
        match &self.tcp {
            Some(tcp @ Asked::Heard(..)) => {
                format!("{ip} {} over UDP, and {} over TCP", said(&self.udp), said(tcp))
            }
            _ => format!("{ip} {}", said(&self.udp)),
        }
    }
}

/// `has_way` says whether there is a default route.
pub(crate) fn internet(reached: &[Reached], has_way: bool) -> Check {
    let words: Vec<String> = reached.iter().map(Reached::words).collect();
    let words = words.join(", ");
    let count = reached.iter().filter(|upstream| upstream.answers()).count();
    let over_tcp =
        reached.iter().any(|upstream| matches!(upstream.tcp, Some(Asked::Heard(Heard::Answer, _))));
    let is_refused = reached.iter().any(|upstream| matches!(upstream.udp, Asked::Heard(..)));
    match count {
        _ if reached.is_empty() => unknown("internet", "no name server is known that could be asked in the clear", "`ping 9.9.9.9` shows whether there is a way"),
        0 if !has_way => bad("internet", format!("this machine has no way out: {words}"), "it has no default route: look at `ip route`, and at the gateway that its network settings name"),
        0 if over_tcp => bad("internet", words, "something on the way lets no UDP to port 53 through: allow it on the router, or name another server in `dns.upstreams`"),
        0 if is_refused => bad(
            "internet",
            words,
            "something on the way may answer in their place: name another server in `dns.upstreams`, such as that of your router",
        ),
        0 => bad("internet", words, "look whether the router is online; if it is, it may keep others' name servers away: name one in `dns.upstreams` that it lets through, such as its own address"),
        count if count == reached.len() => good("internet", words),
        _ => Check { help: Some("names are answered all the same, later; name another server in `dns.upstreams` if this stays so".to_owned()), ..good("internet", words) },
    }
}

/// What of the lab needs Docker on this machine.
pub(crate) fn docker_is_for(lab: &Lab, machine: &MachineName) -> Option<String> {
    let app = lab.apps.iter().find(|(_, app)| app.stack.is_some() && app.on.value() == machine);
    let runs = lab.machines.get(machine).and_then(|machine| machine.runs.as_ref());
    let proxy = lab.proxy.as_ref().filter(|proxy| proxy.on.iter().any(|on| on.value() == machine));
    let follows = proxy.is_some_and(|proxy| *proxy.docker.value() == lab::model::DockerDiscovery::Labels);
    match (app, runs.map(|runs| **runs), follows) {
        (Some((name, _)), ..) => Some(format!("the app {name}")),
        (None, Some(Runs::Docker), _) => Some("`runs = \"docker\"`".to_owned()),
        (None, None, true) => Some("the proxy with `docker = \"labels\"`".to_owned()),
        (None, None, false) => None,
    }
}

/// What came of asking Docker how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pinged {
    /// It answered well.
    Well,
    /// Its socket is not there.
    NotThere,
    /// This user may not open it.
    Forbidden,
    /// Nobody is behind it.
    Closed,
    /// It answered something else, or nothing.
    Odd(String),
}

/// `user` is who this process is.
pub(crate) fn docker(path: &str, what_for: &str, pinged: &Pinged, user: &str) -> Check {
    match pinged {
        Pinged::Well => good("docker", format!("it answers at {path}, for {what_for}")),
        Pinged::NotThere => bad(
            "docker",
            format!("it is not here: there is no {path}, and {what_for} needs it"),
            "install it, or start it: `systemctl enable --now docker`",
        ),
        Pinged::Forbidden => bad(
            "docker",
            format!("the user {user} may not open {path}, and {what_for} needs it"),
            format!(
                "`setfacl --modify user:{user}:rw {path}` lets it, until Docker starts again; who may open it is as good as root here"
            ),
        ),
        Pinged::Closed => bad(
            "docker",
            format!("nobody answers at {path}, and {what_for} needs it"),
            "start it: `systemctl restart docker`",
        ),
        Pinged::Odd(what) => bad(
            "docker",
            format!("what answers at {path} is not well: {what}"),
            "`systemctl status docker` and `journalctl -u docker` say more",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Running;

    fn line(check: &Check) -> String {
        let help = check.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{:?} {}{help}", check.mark, check.what)
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const SMALL: &str = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = { address = \"10.0.0.2\" }\n\
                         anafi = { address = \"10.0.0.3\" }\n";
    const DNS: &str =
        "[dns]\non = [\"naxos\", \"anafi\"]\naddress = \"10.0.0.53\"\nupstreams = [\"9.9.9.9\"]\n";

    fn lab(more: &str) -> Lab {
        let folder = lab::Folder::from_texts([
            ("lab.toml", format!("{SMALL}{more}")),
            ("stacks/wiki/compose.yaml", "services:\n  wiki:\n    image: wiki\n".to_owned()),
        ]);
        lab::check(folder, &lab::Options::at("2026-11-24")).lab.unwrap()
    }

    fn machine(lab: &Lab, name: &str) -> MachineName {
        lab.machines.keys().find(|machine| machine.as_str() == name).unwrap().clone()
    }

    #[test]
    fn names_are_answered_by_who_the_lab_says() {
        let said = |more: &str, name: &str, services: &[ServiceRuns], other: Option<&str>| {
            let lab = lab(more);
            match name_server(&lab, &machine(&lab, name), services, other) {
                NameServer::Runs => "runs".to_owned(),
                NameServer::Settled(check) => line(&check),
            }
        };
        let dns = |phase, trouble: Option<(&str, &str)>| {
            let trouble = trouble.map(|(what, help)| (what.to_owned(), help.to_owned()));
            [ServiceRuns { name: "dns".into(), phase, trouble, running: Some(Running::default()) }]
        };
        assert_eq!(
            said("", "naxos", &[], Some("dnsmasq (process 7)")),
            "NotNeeded the lab has no name server: it has no [dns]; dnsmasq (process 7) has port 53 here"
        );
        let alone = DNS.replace("[\"naxos\", \"anafi\"]", "\"naxos\"");
        assert_eq!(said(&alone, "anafi", &[], None), "NotNeeded other machines answer the names of the lab");
        assert_eq!(said(DNS, "naxos", &dns(Phase::Running, None), None), "runs");
        assert!(said(DNS, "anafi", &dns(Phase::StandsBy, None), None).starts_with("NotNeeded it stands by"));
        assert_eq!(
            said(DNS, "naxos", &dns(Phase::Blocked, Some(("the port is taken", "free it"))), Some("dnsmasq")),
            "Bad the name server is blocked: the port is taken; dnsmasq has port 53 here; free it"
        );
        assert!(
            said(DNS, "naxos", &[], None).starts_with("Bad the name server is not there; `polis status`")
        );
        let lab = lab(DNS);
        let own = ["10.0.0.2".parse().unwrap()];
        let at_place = |name: &str, place: &str, asked: &Asked| {
            let whose = whose(&lab, &machine(&lab, name), at(place).ip());
            line(&names("lab.example.net", at(place), &whose, &own, asked))
        };
        let answer = |asked| at_place("naxos", "10.0.0.2:53", &asked);
        let after = Duration::from_millis(3);
        assert_eq!(
            answer(Asked::Heard(Heard::Answer, after)),
            "Good it answers names under lab.example.net at 10.0.0.2:53"
        );
        assert!(answer(Asked::Heard(Heard::Refused, after)).contains("write theirs as a zone"));
        assert!(answer(Asked::Heard(Heard::Failure(2), after)).starts_with("Bad "));
        assert!(answer(Asked::Silent).contains("not even this machine itself"));
        assert!(answer(Asked::Failed("no".into())).contains("can not be asked: no"));

        // The address of the service is on another machine, so it is that one that was asked.
        let (service, heard) = ("10.0.0.53:53", Asked::Heard(Heard::Answer, after));
        let other = |asked: &Asked| at_place("anafi", service, asked);
        assert_eq!(other(&heard), "NotNeeded it stands by: naxos answers at 10.0.0.53:53");
        let dead = other(&Asked::Silent);
        assert!(
            dead.starts_with(
                "Bad it stands by; naxos should answer at 10.0.0.53:53, and does not; `polis status naxos`"
            ),
            "{dead}"
        );
        assert!(
            other(&Asked::Failed("no way".into()))
                .contains("naxos should answer at 10.0.0.53:53, and can not")
        );
        assert!(other(&Asked::Heard(Heard::Refused, after)).contains("refuses this machine"));
        let lost = at_place("naxos", service, &heard);
        assert!(
            lost.starts_with("Bad ") && lost.contains("this machine does not have that address"),
            "{lost}"
        );
        // It has it by hand, or in a later version.
        let taken = names(
            "lab.example.net",
            at(service),
            &Whose::Another(machine(&lab, "naxos")),
            &[at(service).ip()],
            &heard,
        );
        assert_eq!(taken.mark, Mark::Good);
    }

    #[test]
    fn an_address_is_the_first_ones_of_an_order() {
        let lab = lab(DNS);
        let of = |name: &str, address: &str| whose(&lab, &machine(&lab, name), address.parse().unwrap());
        assert_eq!(of("naxos", "10.0.0.53"), Whose::ToTake);
        assert_eq!(of("anafi", "10.0.0.53"), Whose::Another(machine(&lab, "naxos")));
        assert_eq!((of("naxos", "10.0.0.2"), of("anafi", "10.0.0.9")), (Whose::Own, Whose::Own));
    }

    #[test]
    fn each_port_that_is_not_had_is_said_with_who_has_it() {
        let needed =
            |place: &str, seat| Needed { transport: Transport::Tcp, at: at(place), seat, whose: Whose::Own };
        let own: [IpAddr; 1] = ["10.0.0.2".parse().unwrap()];
        let said = |needed: &[Needed]| ports(needed, &own).iter().map(line).collect::<Vec<_>>();
        assert_eq!(said(&[]), ["NotNeeded the lab asks for no port on this machine"]);
        let had = [needed("10.0.0.2:53", Seat::Own), needed("127.0.0.1:8421", Seat::Own)];
        assert_eq!(said(&had), ["Good all that are needed are had: tcp 10.0.0.2:53, tcp 127.0.0.1:8421"]);
        let mixed = [
            needed("10.0.0.2:53", Seat::Taken("dnsmasq (process 7)".into())),
            needed("127.0.0.1:8421", Seat::Own),
            needed("10.0.0.9:53", Seat::Free),
            needed("10.0.0.2:8420", Seat::Free),
        ];
        let said = said(&mixed);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("Bad dnsmasq (process 7) has tcp 10.0.0.2:53; "), "{said:?}");
        assert!(
            said[1].starts_with("Bad this machine does not have the address of tcp 10.0.0.9:53; "),
            "{said:?}"
        );
        assert!(said[2].starts_with("Bad nothing listens at tcp 10.0.0.2:8420; "), "{said:?}");
    }

    #[test]
    fn a_port_at_an_address_that_is_not_here_is_not_had() {
        let of = |place: &str, seat, whose| Needed { transport: Transport::Tcp, at: at(place), seat, whose };
        let own: [IpAddr; 1] = ["10.0.0.2".parse().unwrap()];
        let said = |needed: &[Needed]| ports(needed, &own).iter().map(line).collect::<Vec<_>>();
        let lab = lab(DNS);
        let another = Whose::Another(machine(&lab, "naxos"));
        let link = of("10.0.0.2:8420", Seat::Own, Whose::Own);
        let standby = said(&[of("10.0.0.53:53", Seat::Own, another.clone()), link.clone()]);
        let expected = [
            "Good all that are needed are had: tcp 10.0.0.2:8420",
            "NotNeeded tcp 10.0.0.53:53 stands by: naxos should have its address",
        ];
        assert_eq!(standby, expected);
        let lost = said(&[of("10.0.0.53:53", Seat::Own, Whose::ToTake), link]);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(
            lost[0]
                .starts_with("Bad this machine should have the address of tcp 10.0.0.53:53, and does not; ")
        );
        let none = said(&[of("10.0.0.9:8420", Seat::Own, Whose::Own)]);
        assert!(
            none[0].starts_with("Bad this machine does not have the address of tcp 10.0.0.9:8420; give it")
        );
        // Another program is in the way all the same.
        let taken = said(&[of("10.0.0.53:53", Seat::Taken("dnsmasq".into()), another.clone())]);
        assert!(taken[0].starts_with("Bad dnsmasq has tcp 10.0.0.53:53; "), "{taken:?}");
        let free = said(&[of("10.0.0.53:53", Seat::Free, another.clone())]);
        assert!(free[0].starts_with("Bad nothing listens at tcp 10.0.0.53:53; "), "{free:?}");
        // Once it has the address, it has the port.
        assert!(said(&[of("10.0.0.2:53", Seat::Own, another)])[0].starts_with("Good "));
    }

    #[test]
    fn a_clock_is_good_where_somebody_says_so() {
        let signs = ClockSigns { is_set: true, ..ClockSigns::default() };
        let mark = |signs| clock(signs).mark;
        assert_eq!(mark(signs), Mark::Unknown);
        assert_eq!(mark(ClockSigns { is_synchronised: true, ..signs }), Mark::Good);
        assert_eq!(mark(ClockSigns { is_contained: true, ..signs }), Mark::Good);
        assert_eq!(mark(ClockSigns { is_synchronised: true, is_set: false, ..signs }), Mark::Bad);
        let chrony = clock(ClockSigns { keeper: Some(("chrony", "chronyc tracking")), ..signs });
        assert_eq!(
            (chrony.mark, chrony.help.as_deref()),
            (Mark::Unknown, Some("`chronyc tracking` says it"))
        );
    }

    #[test]
    fn a_disk_is_good_with_room_and_leave_to_write() {
        let room = |free, whole| Room { free, whole, is_out_of_files: false };
        let said = |room, written| line(&disk("/var/lib/polis", room, written));
        let (wide, megabyte) = (room(20_000_000_000, 100_000_000_000), 1_000_000);
        assert_eq!(said(Ok(wide), Ok(())), "Good 20 GB of 100 GB free");
        assert!(
            said(Ok(room(499 * megabyte, 1_000 * megabyte)), Ok(()))
                .starts_with("Bad 499 MB of 1000 MB free; make room")
        );
        assert!(
            said(Ok(room(4_900 * megabyte, 100_000 * megabyte)), Ok(())).starts_with("Bad 4900 MB of 100 GB")
        );
        assert!(said(Ok(Room { is_out_of_files: true, ..wide }), Ok(())).contains("no more files fit"));
        assert!(said(Ok(wide), Err("read-only".into())).contains("can not be written to: read-only"));
        assert!(said(Ok(room(0, megabyte)), Err("no space".into())).starts_with("Bad it is full"));
        assert!(said(Err("gone".into()), Ok(())).starts_with("Unknown "));
    }

    #[test]
    fn the_internet_is_there_if_an_upstream_answers() {
        let heard = |heard| Asked::Heard(heard, Duration::from_millis(12));
        let (answer, refused) = (heard(Heard::Answer), heard(Heard::Refused));
        let said = |all: &[(&Asked, Option<&Asked>)], has_way| {
            let reached = |(at, (udp, tcp)): (usize, &(&Asked, Option<&Asked>))| Reached {
                upstream: SocketAddr::new(IpAddr::from([9, 9, 9, u8::try_from(at).unwrap()]), 53),
                udp: (*udp).clone(),
                tcp: tcp.cloned(),
            };
            line(&internet(&all.iter().enumerate().map(reached).collect::<Vec<_>>(), has_way))
        };
        let silent = Asked::Silent;
        assert_eq!(
            said(&[(&answer, None), (&answer, None)], true),
            "Good 9.9.9.0 answers in 12 ms, 9.9.9.1 answers in 12 ms"
        );
        let one = said(&[(&silent, Some(&silent)), (&answer, None)], true);
        assert!(one.starts_with("Good 9.9.9.0 does not answer, 9.9.9.1 answers in 12 ms; "), "{one}");
        assert!(said(&[(&silent, Some(&silent))], true).contains("look whether the router is online"));
        assert!(said(&[(&silent, Some(&silent))], false).contains("it has no default route"));
        let tcp = said(&[(&silent, Some(&answer))], true);
        assert!(tcp.starts_with("Bad ") && tcp.contains("lets no UDP to port 53 through"), "{tcp}");
        assert!(said(&[(&refused, None)], true).contains("refuses to answer; something on the way"));
        assert!(said(&[], true).starts_with("Unknown "));
    }

    #[test]
    fn docker_is_looked_for_where_the_lab_needs_it() {
        let needs = |more: &str, name: &str| {
            let lab = lab(more);
            docker_is_for(&lab, &machine(&lab, name))
        };
        let app = "[apps.wiki]\non = \"naxos\"\nstack = \"stacks/wiki\"\n";
        assert_eq!((needs("", "naxos"), needs(app, "anafi")), (None, None));
        assert_eq!(needs(app, "naxos").as_deref(), Some("the app wiki"));
        let proxy = "[proxy]\non = \"naxos\"\ndocker = \"labels\"\n";
        assert!(needs(proxy, "naxos").unwrap().contains("the proxy with"));
        assert_eq!(needs(&proxy.replace("labels", "off"), "naxos"), None);
        assert_eq!(
            needs("[machines.paros]\nruns = \"docker\"\n", "paros").as_deref(),
            Some("`runs = \"docker\"`")
        );
        let said = |pinged: Pinged| line(&docker("/run/docker.sock", "the app wiki", &pinged, "polis"));
        assert_eq!(said(Pinged::Well), "Good it answers at /run/docker.sock, for the app wiki");
        assert!(said(Pinged::Forbidden).contains("the user polis may not open /run/docker.sock"));
        for pinged in
            [Pinged::NotThere, Pinged::Forbidden, Pinged::Closed, Pinged::Odd("it says `no`".into())]
        {
            assert!(said(pinged.clone()).starts_with("Bad ") && said(pinged).contains("; "));
        }
    }
}
