//! `polis init`: from what is found, said and answered to a lab folder, and what to do next.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lab::Options;
use lab::begin::{self, Names, Network};

use super::ask::{Consent, Draft, Gone, Question, Said, Talk};
use super::host::Host;
use super::look;
use super::ports::{self, Seat};
use super::report::{self, Report, USUAL_STATE};
use crate::permit::Transport;

/// Where a machine has its lab, and its state.
const INSTALLED: &str = "/etc/polis/lab";
/// Where the unit of systemd may be.
const UNITS: [&str; 3] = [
    "/etc/systemd/system/polis.service",
    "/usr/lib/systemd/system/polis.service",
    "/lib/systemd/system/polis.service",
];

/// What `polis init` is to do.
#[derive(Debug)]
pub struct Init<'i> {
    /// The folder; without one, the usual place.
    pub folder: Option<PathBuf>,
    /// The state folder, if it was named.
    pub state: Option<PathBuf>,
    /// What was said on the command line.
    pub said: Said,
    /// How the lab is checked.
    pub options: &'i Options,
}

/// Why there is no lab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unbegun {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
    /// Whether the command was used wrongly; otherwise it could not be carried out.
    pub is_misuse: bool,
}

impl Unbegun {
    fn misuse(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), is_misuse: true }
    }

    fn failed(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), is_misuse: false }
    }

    fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied if is_root => {
                "nothing was written: that file system does not let root, so name another folder: `polis init FOLDER`"
            }
            std::io::ErrorKind::PermissionDenied => {
                "nothing was written: run it as root, or name a folder that is yours: `polis init FOLDER`"
            }
            std::io::ErrorKind::AlreadyExists => "somebody else wrote it just now; it was left as it is",
            _ => "nothing was written",
        };
        Self::failed(format!("can not {doing} `{}`: {error}", path.display()), help)
    }
}

impl From<Gone> for Unbegun {
    fn from(_: Gone) -> Self {
        Self::failed(
            "nothing was written",
            "`polis init` begins anew, `--yes` takes everything that is proposed",
        )
    }
}

/// Whether a person is asked: unless they take everything that is proposed, with `yes`.
///
/// # Errors
/// If nobody is there to be asked.
pub fn asks(yes: bool, is_terminal: bool) -> Result<bool, Unbegun> {
    if !yes && !is_terminal {
        return Err(Unbegun::misuse(
            "nobody can be asked: standard input is no terminal",
            "nothing was written: `--yes` takes everything that is proposed, and `polis init --help` shows how to say more",
        ));
    }
    Ok(!yes)
}

/// Whether a port can be had.
pub(crate) type Seats<'s> = &'s dyn Fn(Transport, SocketAddr) -> Seat;

/// Finds what there is, asks a person where there is one, writes the first lab, and says what to do next.
///
/// # Errors
/// If there is a lab already, an answer is wrong or missing, or the system says no. Then nothing was written: a key that was
/// made for it is gone again.
pub fn init(init: &Init<'_>, talk: Option<Talk<'_>>) -> Result<String, Unbegun> {
    let is_root = rustix::process::geteuid().is_root();
    let folder =
        init.folder.clone().unwrap_or_else(|| PathBuf::from(if is_root { INSTALLED } else { "lab" }));
    if folder.extension().is_some_and(|extension| extension == "toml") {
        let what =
            format!("`{}` is called like a file, and the lab is written to a folder", folder.display());
        return Err(Unbegun::misuse(
            what,
            format!("name a folder: the file in it will be `{}`", begin::FILE),
        ));
    }
    refuse_to_overwrite(&folder)?;
    let host = look::host();
    let mut draft = settle(init, &folder, &host, &look::seat, talk)?;
    let is_installed = folder == Path::new(INSTALLED);
    let state = match &init.state {
        // A key is made where Polis will look for it: where somebody says, or on a machine that it is being installed on.
        None if is_root && is_installed => Some(PathBuf::from(USUAL_STATE)),
        state => state.clone(),
    };
    let readers = if is_root { Readers::Everyone } else { Readers::AsUsual };
    finish(&mut draft, &folder, state.as_deref(), readers, init.options)?;
    let report = Report { draft: &draft, host: &host, folder: &folder, state: state.as_deref() };
    let seats = report.ports(&look::seat);
    let next = report.next(
        init.state.as_deref(),
        is_root,
        is_root && is_installed && UNITS.iter().any(|unit| Path::new(unit).exists()),
    );
    Ok(format!("{}{seats}{next}", report.found()))
}

/// Makes the key and writes the lab: both or neither.
fn finish(
    draft: &mut Draft,
    folder: &Path,
    state: Option<&Path>,
    readers: Readers,
    options: &Options,
) -> Result<(), Unbegun> {
    let key = state.map(|state| state.join(crate::secret::key::MACHINE));
    let made: Vec<&Path> = key.iter().map(PathBuf::as_path).chain([folder]).flat_map(absent).collect();
    let done = enrol(draft, state).and_then(|()| match draft.answers.trouble(options) {
        Some(wrong) => Err(mistake(&wrong)),
        None => write(folder, &draft.answers.text(), readers),
    });
    // Who wrote a lab here at the same time has the key in it.
    if done.is_err() && !folder.join(begin::FILE).exists() {
        for path in made {
            // A folder that holds something by now stays.
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
        }
    }
    done
}

/// What is not there of a path, the innermost first.
fn absent(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().take_while(|path| !path.as_os_str().is_empty() && path.symlink_metadata().is_err())
}

/// The public half of the machine's key goes into the lab; the pair is made if there is none.
fn enrol(draft: &mut Draft, state: Option<&Path>) -> Result<(), Unbegun> {
    let Some(state) = state else { return Ok(()) };
    let made = crate::secret::key::machine(state).map_err(|fault| {
        let help = "nothing was written: name a folder that can be written to: `--state FOLDER`";
        Unbegun::failed(fault.to_string(), help)
    })?;
    draft.answers.key = Some(begin::key(&made).map_err(|wrong| mistake(&wrong))?);
    Ok(())
}

/// A lab that Polis made and refuses is not the fault of who asked for it.
fn mistake(wrong: &begin::Wrong) -> Unbegun {
    Unbegun::failed(
        format!("the lab that was made has a fault, which is a mistake of Polis: {wrong}"),
        "nothing was written; please report it with what you answered",
    )
}

/// All answers: those that were said, those of a person if there is one, and what is proposed.
fn settle(
    init: &Init<'_>,
    folder: &Path,
    host: &Host,
    seats: Seats<'_>,
    mut talk: Option<Talk<'_>>,
) -> Result<Draft, Unbegun> {
    let (said, options) = (&init.said, init.options);
    let mut draft = Draft::new().map_err(|wrong| mistake(&wrong))?;
    if let Some(talk) = &mut talk {
        talk.tell(&format!(
            "This writes the first lab of this machine: {}\nEnter takes what stands in brackets. Ctrl-D ends, and nothing is \
             written.\n\n",
            folder.join(begin::FILE).display()
        ))?;
    }
    for question in Question::ALL {
        let consent = if talk.is_some() { Consent::Asked } else { Consent::Assumed };
        let proposal = draft.proposal(question, host, consent);
        let take = |text: &str| draft.with(question, text, host, options);
        let is_about_port = question == Question::Upstreams;
        let obstacle = if is_about_port { obstacle(&draft, seats) } else { None };
        let asked = match (said.to(question), &mut talk) {
            (Some(text), _) => Some(take(&text).map_err(|wrong| {
                let flag = question.flag();
                let help = wrong
                    .help
                    .map_or_else(|| format!("say another with `{flag}`"), |help| format!("`{flag}`: {help}"));
                Unbegun::misuse(wrong.what, help)
            })?),
            (None, Some(talk)) if obstacle.is_none() => {
                match question {
                    Question::Address => talk.tell(&choice(host))?,
                    Question::Domain => talk.tell(&origin(host))?,
                    _ => {}
                }
                talk.ask(question, &proposal, take)?
            }
            _ => None,
        };
        draft = match asked {
            Some(draft) => draft,
            None if proposal.is_empty() => {
                return Err(Unbegun::misuse(
                    question.missing(),
                    format!("say it with `{}`", question.flag()),
                ));
            }
            None => take(&proposal).map_err(|wrong| {
                let flag = question.flag();
                Unbegun::misuse(
                    format!("what is proposed does not fit: {wrong}"),
                    format!("say it with `{flag}`"),
                )
            })?,
        };
        if let (Some((why, help)), Names::Here(upstreams)) = (obstacle, draft.answers.names.clone()) {
            draft.answers.names = Names::LeftOut { upstreams, why, help };
        }
    }
    draft.answers.web_taken = web(&draft, seats);
    if let Some(talk) = &mut talk {
        talk.tell("\n")?;
    }
    Ok(draft)
}

/// The addresses that there are, for who is asked for one.
fn choice(host: &Host) -> String {
    let all = host.candidates();
    if all.len() < 2 {
        return String::new();
    }
    let all: Vec<String> = all.iter().map(|own| format!("{} ({})", own.address, own.interface)).collect();
    format!("It has {}.\n", all.join(", "))
}

/// Where a domain comes from that the network names, for who is asked for one.
fn origin(host: &Host) -> String {
    let said = |domain: String| {
        format!(
            "`{domain}` is in the search list of this machine's network. Take it only if it is yours: the name server of the lab \
             answers for everything under it.\n"
        )
    };
    host.domain(Consent::Asked).map(said).unwrap_or_default()
}

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// Why there is no name server yet, and what to do: something has its port, or nobody could ask it.
fn obstacle(draft: &Draft, seats: Seats<'_>) -> Option<(String, String)> {
    if let Some((who, places)) = taken(draft, 53, &BOTH, seats) {
        let help = ports::help(&who, 53);
        return Some((format!("{who} has {places}"), format!("{help}. Then take the `#` away")));
    }
    let has_zone = matches!(draft.answers.network, Network::Zone { .. });
    // Clients of private networks are answered without a zone.
    let is_private = draft.answers.addresses.iter().all(|own| is_private(own.0));
    (!has_zone && !is_private).then(|| {
        let why = "it answers only networks of the lab and private ones, and this machine is in neither";
        (why.to_owned(), "write a network that is yours alone as a zone. Then take the `#` away".to_owned())
    })
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_unique_local() || six.is_loopback() || six.is_unicast_link_local(),
    }
}

/// Who has a port at one of the machine's addresses, and where.
fn taken(draft: &Draft, port: u16, transports: &[Transport], seats: Seats<'_>) -> Option<(String, String)> {
    let mut found: Option<(String, Vec<String>)> = None;
    for address in &draft.answers.addresses {
        for transport in transports {
            let at = SocketAddr::new(address.0, port);
            if let Seat::Taken(who) = seats(*transport, at) {
                let place = format!("{at} ({})", transport.word());
                found.get_or_insert_with(|| (who, Vec::new())).1.push(place);
            }
        }
    }
    found.map(|(who, places)| (who, places.join(" and ")))
}

fn web(draft: &Draft, seats: Seats<'_>) -> Option<String> {
    let all = [80, 443].iter().filter_map(|port| taken(draft, *port, &[Transport::Tcp], seats));
    let all: Vec<String> = all.map(|(who, places)| format!("{who} has {places}")).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn refuse_to_overwrite(folder: &Path) -> Result<(), Unbegun> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Unbegun::file("read", folder, &error)),
    };
    let is_lab = |path: &Path| path.extension().is_some_and(|extension| extension == "toml");
    match entries.flatten().map(|entry| entry.path()).find(|path| is_lab(path)) {
        None => Ok(()),
        Some(file) => Err(Unbegun::failed(
            format!("there is a lab already: `{}`", file.display()),
            format!(
                "nothing was changed: `polis check {}` says how it is, `polis init FOLDER` begins another",
                report::word(folder)
            ),
        )),
    }
}

/// Writes the file whole or not at all, and never over another.
fn write(folder: &Path, text: &str, readers: Readers) -> Result<(), Unbegun> {
    let file = folder.join(begin::FILE);
    let draft = folder.join(format!(".{}.{}", begin::FILE, std::process::id()));
    let written = make(folder, readers).and_then(|()| {
        fill(&draft, text, readers)?;
        // A link is never put over what is there, unlike a new name.
        place(&file, std::fs::hard_link(&draft, &file), || fill(&file, text, readers))
    });
    let _ = std::fs::remove_file(&draft);
    written.map_err(|error| Unbegun::file("write", &file, &error))?;
    // The file is there; some file systems know no such thing for a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Gives a file its name. Some file systems have no links, such as that of memory cards: there the file is filled in its place.
fn place(
    file: &Path,
    linked: std::io::Result<()>,
    fill: impl FnOnce() -> std::io::Result<()>,
) -> std::io::Result<()> {
    use rustix::io::Errno;
    let has_no_links = |error: &std::io::Error| {
        let number = Errno::from_io_error(error);
        number.is_some_and(|number| {
            matches!(number, Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK)
        })
    };
    match linked {
        Err(error) if has_no_links(&error) => {
            let filled = fill();
            if filled.as_ref().is_err_and(|error| error.kind() != std::io::ErrorKind::AlreadyExists) {
                let _ = std::fs::remove_file(file);
            }
            filled
        }
        linked => linked,
    }
}

/// Writes a file that was not there.
fn fill(path: &Path, text: &str, readers: Readers) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    if readers == Readers::Everyone {
        open_to_all(file.set_permissions(Permissions::from_mode(0o644)), &file.metadata()?, 0o444)?;
    }
    file.sync_all()
}

/// Some file systems keep no permissions, and let everyone read what is there.
fn open_to_all(set: std::io::Result<()>, now: &std::fs::Metadata, needed: u32) -> std::io::Result<()> {
    if now.permissions().mode() & needed == needed { Ok(()) } else { set }
}

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// Those whom the person lets read their files.
    AsUsual,
    /// Everyone: root writes it, and the part of Polis that reads it has no privileges. There is no secret in it.
    Everyone,
}

/// Makes a folder and those that it is in, where they are not there.
fn make(folder: &Path, readers: Readers) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if folder.exists() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    if let Some(above) = folder.parent() {
        make(above, readers)?;
    }
    std::fs::create_dir(folder)?;
    match readers {
        Readers::AsUsual => Ok(()),
        Readers::Everyone => {
            let set = std::fs::set_permissions(folder, Permissions::from_mode(0o755));
            open_to_all(set, &folder.metadata()?, 0o555)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::{four, usual, way};
    use super::*;
    use crate::state::tests::Scratch;

    fn options() -> Options {
        Options { runs: &[lab::model::ServiceName::Dns], ..Options::at("2026-11-24") }
    }

    fn free(_: Transport, _: SocketAddr) -> Seat {
        Seat::Free
    }

    fn dnsmasq(_: Transport, at: SocketAddr) -> Seat {
        if at.port() == 53 { Seat::Taken("dnsmasq (process 812)".into()) } else { Seat::Free }
    }

    /// The lab of a machine where nothing is asked, or what is wrong.
    fn quietly(host: &Host, said: Said, seats: Seats<'_>) -> Result<Draft, String> {
        let options = options();
        let init = Init { folder: None, state: None, said, options: &options };
        settle(&init, Path::new("lab"), host, seats, None)
            .map_err(|wrong| format!("{}; {}", wrong.what, wrong.help))
    }

    /// The lab of a machine where a person writes these lines, and what the person reads.
    fn talking(host: &Host, lines: &str) -> (Result<String, String>, String) {
        let options = options();
        let init = Init { folder: None, state: None, said: Said::default(), options: &options };
        let (mut listen, mut say) = (lines.as_bytes(), Vec::new());
        let talk = Talk { listen: &mut listen, say: &mut say };
        let done = settle(&init, Path::new("lab"), host, &free, Some(talk));
        let done = done.map(|draft| draft.answers.text()).map_err(|wrong| wrong.what);
        (done, String::from_utf8(say).unwrap())
    }

    #[test]
    fn what_is_found_is_enough_for_a_lab() {
        let draft = quietly(&usual(), Said::default(), &free).unwrap();
        let text = draft.answers.text();
        for part in [
            "name = \"home\"",
            "domain = \"lab.home.arpa\"",
            "timezone = \"Europe/Athens\"",
            "\nlan = { site = \"home\", cidr = \"192.168.1.0/24\" }",
            "\n[machines.naxos]\n",
            "\naddress = \"192.168.1.10\"\n",
            "\n[dns]\non = \"naxos\"\nupstreams = [\"9.9.9.9\", \"1.1.1.1\"]",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_router_that_is_not_the_first_is_written() {
        let host = Host { ways: vec![way("eth0", "192.168.1.254", 0)], ..usual() };
        let text = quietly(&host, Said::default(), &free).unwrap().answers.text();
        assert!(text.contains("gateway = \"192.168.1.254\""), "{text}");
        let said = Said { gateway: vec!["192.168.1.253".into()], ..Said::default() };
        assert!(quietly(&host, said, &free).unwrap().answers.text().contains("gateway = \"192.168.1.253\""));
    }

    #[test]
    fn a_taken_port_leaves_the_name_server_out_with_its_reason() {
        let draft = quietly(&usual(), Said::default(), &dnsmasq).unwrap();
        let text = draft.answers.text();
        assert!(!text.contains("\n[dns]") && text.contains("\n#[dns]\n#on = \"naxos\"\n"), "{text}");
        let why = "dnsmasq (process 812) has 192.168.1.10:53 (udp) and 192.168.1.10:53 (tcp)";
        assert!(text.contains(why) && text.contains("stop dnsmasq"), "{text}");
        let host = usual();
        let report = Report { draft: &draft, host: &host, folder: Path::new("/a b/it's"), state: None };
        assert!(report.found().contains(&format!("names     left out: {why}\n")), "{}", report.found());
        let next = report.next(None, false, false);
        assert!(next.contains("polis run --lab '/a b/it'\\''s' --machine naxos\n"), "{next}");
        assert!(["1. ", "2. ", "3. "].iter().all(|number| next.contains(number)), "{next}");
        let all = |_, _| Seat::Taken("nginx (process 7)".into());
        let said = report.ports(&all);
        assert!(said.contains("192.168.1.10:8420") && said.contains("127.0.0.1:8421"), "{said}");
        assert!(
            quietly(&usual(), Said::default(), &all)
                .unwrap()
                .answers
                .web_taken
                .unwrap()
                .contains("192.168.1.10:443")
        );
    }

    #[test]
    fn what_can_not_be_found_is_asked_for_by_its_flag() {
        let nowhere = Host { own: vec![four("lo", "127.0.0.1", 8)], ..usual() };
        let wrong = quietly(&nowhere, Said::default(), &free).unwrap_err();
        assert!(wrong.contains("no address") && wrong.ends_with("say it with `--address`"), "{wrong}");
        let nameless = Host { name: "localhost".into(), ..usual() };
        assert!(quietly(&nameless, Said::default(), &free).unwrap_err().ends_with("say it with `--machine`"));
        let said = Said { address: vec!["10.0.0.9".into()], ..Said::default() };
        let text = quietly(&nowhere, said, &free).unwrap().answers.text();
        assert!(text.contains("cidr = \"10.0.0.0/24\""), "{text}");
    }

    #[test]
    fn odd_hosts_have_a_lab_too() {
        let hosts = [
            ("public", vec![four("eth0", "203.0.113.7", 24)]),
            ("alone", vec![four("eth0", "10.0.0.5", 32)]),
            ("router", vec![four("eth0", "192.168.1.1", 24)]),
            ("both", vec![four("eth0", "192.168.1.10", 24), four("eth0", "fd00::10", 64)]),
            ("mixed", vec![four("eth0", "203.0.113.7", 24), four("eth0", "fd00::10", 64)]),
            ("twice", vec![four("eth0", "fd00::10", 64), four("eth0", "fd00::11", 64)]),
            ("six", vec![four("eth0", "2001:db8::10", 64)]),
            ("lan", vec![four("eth0", "192.168.1.10", 24)]),
            ("dns", vec![four("eth0", "192.168.1.10", 24)]),
        ];
        for (name, own) in hosts {
            let host = Host { name: name.into(), own, ..usual() };
            let draft =
                quietly(&host, Said::default(), &free).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let has_zone = draft.answers.text().contains("\n[zones]");
            assert_eq!(has_zone, !matches!(name, "public" | "alone" | "router" | "mixed"), "{name}");
            let has_names = draft.answers.text().contains("\n[dns]");
            assert_eq!(has_names, !matches!(name, "public" | "mixed"), "{name}");
            if name == "six" {
                assert!(draft.answers.text().contains("\"2620:fe::fe\""));
            }
        }
    }

    #[test]
    fn a_person_is_asked_and_told_why_an_answer_is_wrong() {
        let lines = "My Lab\nattic\nx.local\nlab.example.net\n42\n\n10.0.0\n10.0.0.7\n10.0.1.0/24\nnone\nquad9\n9.9.9.9\n\n";
        let (text, said) = talking(&usual(), lines);
        assert!(said.contains("What is the lab called? [home] "), "{said}");
        for wrong in [
            "`My Lab` can not",
            "`x.local` belongs",
            "`42` can not",
            "`10.0.0` is not",
            "in no zone",
            "`quad9` is not",
        ] {
            assert!(said.contains(wrong), "{wrong}: {said}");
        }
        assert!(said.contains("Under which domain are its names? [attic.home.arpa] "), "{said}");
        let text = text.unwrap_or_else(|wrong| panic!("{wrong}: {said}"));
        for part in [
            "name = \"attic\"",
            "domain = \"lab.example.net\"",
            "address = \"10.0.0.7\"",
            "it was chosen so",
            "[\"9.9.9.9\"]",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn enter_takes_everything_and_the_end_writes_nothing() {
        let (text, said) = talking(&usual(), "\n\n\n\n\n\n\n");
        assert_eq!(text.unwrap(), quietly(&usual(), Said::default(), &free).unwrap().answers.text());
        assert_eq!(said.matches('[').count(), 7, "{said}");
        for lines in ["", "\n\n", "home\nlab.home.arpa\nnaxos\n192.168.1.10\n\n\n"] {
            assert_eq!(talking(&usual(), lines).0, Err("nothing was written".to_owned()));
        }
        let nowhere = Host { own: Vec::new(), ..usual() };
        let (text, said) = talking(&nowhere, "\n\n\n\n192.168.1.10\n\n\n\n");
        assert!(text.is_ok() && said.contains("there is nothing to propose: write an answer"), "{said}");
    }

    #[test]
    fn a_lab_that_is_there_is_never_written_over() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("deep/lab");
        write(&folder, "one", Readers::Everyone).unwrap();
        let read = || std::fs::read_to_string(folder.join("lab.toml")).unwrap();
        assert!(refuse_to_overwrite(&folder).unwrap_err().what.contains("there is a lab already"));
        // Somebody else was faster.
        assert!(write(&folder, "two", Readers::AsUsual).unwrap_err().what.contains("can not write"));
        assert_eq!((read().as_str(), std::fs::read_dir(&folder).unwrap().count()), ("one", 1));
        std::fs::rename(folder.join("lab.toml"), folder.join("network.toml")).unwrap();
        assert!(refuse_to_overwrite(&folder).is_err(), "any file of a lab is one");
        assert!(refuse_to_overwrite(&folder.join("network.toml")).unwrap_err().what.contains("can not read"));
        assert!(refuse_to_overwrite(&scratch.path().join("new")).is_ok());
    }

    #[test]
    fn a_key_is_made_only_with_its_lab() {
        let (scratch, options) = (Scratch::new(), options());
        let state = scratch.path().join("deep/state");
        let mut draft = quietly(&usual(), Said::default(), &free).unwrap();
        // A file is in the way of the folder.
        std::fs::write(scratch.path().join("file"), "").unwrap();
        let folder = scratch.path().join("file/lab");
        let failed = finish(&mut draft, &folder, Some(&state), Readers::AsUsual, &options).unwrap_err();
        assert!(failed.what.contains("can not write") && failed.help.contains("nothing was written"));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "no key stays, and no folder");
        // Nor does a folder when the key can not be made.
        let (folder, blocked) = (scratch.path().join("lab"), scratch.path().join("file/state"));
        let failed = finish(&mut draft, &folder, Some(&blocked), Readers::AsUsual, &options).unwrap_err();
        assert!(failed.help.contains("--state FOLDER"), "{failed:?}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
        // A key that was there before stays.
        let known = crate::secret::key::machine(&state).unwrap();
        let folder = scratch.path().join("file/lab");
        finish(&mut draft, &folder, Some(&state), Readers::AsUsual, &options).unwrap_err();
        assert_eq!(crate::secret::key::machine(&state).unwrap(), known);
        let folder = scratch.path().join("lab");
        finish(&mut draft, &folder, Some(&state), Readers::AsUsual, &options).unwrap();
        let other = scratch.path().join("other");
        let late = finish(&mut draft, &folder, Some(&other), Readers::AsUsual, &options).unwrap_err();
        assert!(
            late.help.contains("somebody else") && other.join("machine.key").exists(),
            "it may be theirs"
        );
        assert!(std::fs::read_to_string(folder.join("lab.toml")).unwrap().contains(&known));
    }

    #[test]
    fn a_file_system_without_links_has_a_lab_too() {
        let scratch = Scratch::new();
        let file = scratch.path().join("lab.toml");
        for number in [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS] {
            let linked = || Err(std::io::Error::from_raw_os_error(number));
            place(&file, linked(), || fill(&file, "one", Readers::Everyone)).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
            let again = place(&file, linked(), || fill(&file, "two", Readers::AsUsual)).unwrap_err();
            assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "one", "it is not written over");
            std::fs::remove_file(&file).unwrap();
            // A disk that is full leaves no half of a file.
            let full = || {
                std::fs::write(&file, "on")?;
                Err(std::io::Error::from_raw_os_error(libc::ENOSPC))
            };
            assert!(place(&file, linked(), full).is_err() && !file.exists());
        }
        // What is no lack of links stays an error.
        let linked = Err(std::io::Error::from_raw_os_error(libc::EACCES));
        assert!(place(&file, linked, || fill(&file, "one", Readers::AsUsual)).is_err() && !file.exists());
    }

    #[test]
    fn a_domain_of_the_network_is_taken_only_by_a_person() {
        let host = Host { resolver: "search eu.corp.example.net\n".into(), ..usual() };
        let text = quietly(&host, Said::default(), &free).unwrap().answers.text();
        assert!(text.contains("domain = \"lab.home.arpa\"") && !text.contains("corp"), "{text}");
        let (text, said) = talking(&host, "\n\n\n\n\n\n\n");
        let asked = said.split("Under which domain").next().unwrap();
        assert!(asked.contains("`eu.corp.example.net` is in the search list"), "{said}");
        assert!(said.contains("[eu.corp.example.net] ") && text.unwrap().contains("eu.corp.example.net"));
        let (_, said) = talking(&usual(), "\n\n\n\n\n\n\n");
        assert!(!said.contains("search list"), "{said}");
    }

    #[test]
    fn the_last_step_asks_where_the_second_one_starts_it() {
        let host = usual();
        let here = quietly(&host, Said::default(), &free).unwrap();
        let left_out = quietly(&host, Said::default(), &dnsmasq).unwrap();
        let next = |draft: &Draft, state: Option<&str>, is_root, has_unit| {
            let report = Report { draft, host: &host, folder: Path::new("lab"), state: None };
            let text = report.next(state.map(Path::new), is_root, has_unit);
            let (start, see) = text.split_once("  3. ").unwrap();
            (start.split_once("  2. ").unwrap().1.to_owned(), see.to_owned())
        };
        let (start, see) = next(&here, Some("/srv/s"), false, false);
        assert!(start.contains("--state /srv/s\n") && start.ends_with("without: --listen 127.0.0.1:10053\n"));
        assert!(see.contains("polis setup --state /srv/s prints") && !see.contains("FOLDER"), "{see}");
        for draft in [&here, &left_out] {
            let (start, see) = next(draft, None, false, false);
            assert!(start.ends_with(" --state FOLDER\n"), "{start}");
            assert!(
                see.contains("polis setup prints") && see.contains("polis setup --state FOLDER"),
                "{see}"
            );
            let (start, see) = next(draft, None, true, false);
            assert!(!start.contains("--state") && !see.contains("--state"), "{start}{see}");
        }
        // A unit has its state in the usual place, and is not what was asked for otherwise.
        for state in [None, Some("/var/lib/polis")] {
            let (start, see) = next(&here, state, true, true);
            assert!(start.contains("systemctl") && see.contains("polis setup prints"), "{start}{see}");
        }
        let (start, see) = next(&here, Some("/srv/s"), true, true);
        assert!(start.contains("polis run") && start.contains("--state /srv/s"), "{start}");
        assert!(see.contains("polis setup --state /srv/s prints"), "{see}");
    }
}
