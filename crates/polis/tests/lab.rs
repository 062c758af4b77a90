//! The house of the example, with real packets: what its people would notice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Scratch, polis, run};
use testlab::{House, Place, Service, Unit, has_houses, wait_for};

const POLIS: &str = env!("CARGO_BIN_EXE_polis");

/// The lab of the example, in which these machines are enrolled.
struct Enrolled {
    lab: Scratch,
    keys: Scratch,
}

impl Enrolled {
    fn with(machines: &[&str]) -> Self {
        let (lab, keys) = (Scratch::example(), Scratch::new());
        for machine in machines {
            let state = keys.0.join(machine);
            let said = run(&mut polis(&["machine", "key", "--state", state.to_str().unwrap()]));
            assert_eq!(said.code, 0, "{}", said.err);
            let table = format!("[machines.{machine}]");
            let text = lab.read("machines.toml");
            let (before, after) = text.split_once(&table).unwrap();
            let (rest, after) = after.split_once('\n').unwrap();
            lab.write("machines.toml", &format!("{before}{table}{rest}\n{}{after}", said.out));
        }
        Self { lab, keys }
    }

    /// Polis on a machine, as its unit for systemd starts it, with its key.
    fn start(&self, place: &Place) -> Unit {
        self.start_with(place, &[], &[])
    }

    /// The same, with files in its state and with variables.
    fn start_with(&self, place: &Place, state: &[&Path], surroundings: &[(&str, &str)]) -> Unit {
        let key = self.keys.0.join(place.name()).join("machine.key");
        let service = Service::polis(POLIS, Path::new(self.lab.path()), place.name()).state_file(key);
        let service = service.watchdog(Duration::from_secs(30));
        let service = state.iter().fold(service, Service::state_file);
        let service = surroundings.iter().fold(service, |service, (name, value)| service.env(name, value));
        place.start(service)
    }
}

/// What a name server says to a laptop.
fn dig(laptop: &Place, words: &[&str]) -> String {
    let output = laptop
        .command("dig")
        .args(["@10.10.50.53", "+short", "+tries=1", "+time=8"])
        .args(words)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// What a machine says of itself and the others.
fn status(unit: &Unit) -> String {
    let socket = unit.runtime().join("polis.sock");
    let said = run(&mut polis(&["status", "--socket", socket.to_str().unwrap()]));
    format!("{}{}", said.out, said.err)
}

/// The line about another machine in a status.
fn seen(unit: &Unit, machine: &str) -> String {
    let status = status(unit);
    let line = status.lines().find(|line| line.trim_start().starts_with(&format!("{machine} ")));
    line.unwrap_or_default().to_owned()
}

fn test_needs(test: &str) -> bool {
    has_houses(test, &["dig"])
}

#[test]
fn a_laptop_at_home_finds_an_app_and_the_rest_of_the_world() {
    if !has_houses("a_laptop_at_home_finds_an_app_and_the_rest_of_the_world", &["dig", "dnsmasq"]) {
        return;
    }
    let lab = Enrolled::with(&["naxos"]);
    // The world of the house signs nothing.
    lab.lab.replace("services.toml", "[dns]\n", "[dns]\ndnssec = \"off\"\n");
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let _upstreams = house.answer_the_world("192.0.2.99".parse().unwrap());
    let (naxos, laptop) = (house.machine("naxos"), house.laptop("private"));
    let polis = lab.start(&naxos);
    polis.wait_ready();
    wait_for("naxos has the address of the name servers", || {
        naxos.ip("address show").contains("10.10.50.53/32")
    });

    assert_eq!(dig(&laptop, &["cloud.lab.example.net"]), "10.10.50.10");
    assert_eq!(dig(&laptop, &["-x", "10.10.50.5"]), "anafi.lab.example.net.");
    assert_eq!(dig(&laptop, &["www.example.org"]), "192.0.2.99", "asked of an upstream through the gateway");
    assert_eq!(
        dig(&house.laptop("guests"), &["cloud.lab.example.net"]),
        "10.10.50.10",
        "guests are told names too"
    );
    assert_eq!(
        dig(&house.laptop("mother"), &["volos.lab.example.net"]),
        "10.20.0.11",
        "the other house asks here too"
    );

    polis.crash();
    wait_for("it answers again", || dig(&laptop, &["cloud.lab.example.net"]) == "10.10.50.10");
    assert_eq!(polis.starts(), 2);
    assert!(polis.stop(), "it ends when it is told to: {}", polis.said());
    assert!(!naxos.ip("address show").contains("10.10.50.53"), "and gives the address back at once");
}

#[test]
fn a_machine_that_dies_freezes_or_is_cut_off_is_unknown_then_down_then_up() {
    if !test_needs("a_machine_that_dies_freezes_or_is_cut_off_is_unknown_then_down_then_up") {
        return;
    }
    let lab = Enrolled::with(&["naxos", "thebes", "volos"]);
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let start = |name: &str| lab.start(&house.machine(name));
    let (naxos, thebes, volos) = (start("naxos"), start("thebes"), start("volos"));
    // Fifteen seconds of silence make a machine down: more patience than usual.
    let sees = |unit: &Unit, machine: &str, state: &str| {
        let begin = std::time::Instant::now();
        while !seen(unit, machine).contains(state) {
            let is_late = begin.elapsed() > Duration::from_secs(60);
            assert!(!is_late, "{machine} is never seen as{state}:\n{}", status(unit));
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    sees(&thebes, "naxos", " up ");
    sees(&volos, "naxos", " up ");

    naxos.kill();
    sees(&thebes, "naxos", " unknown ");
    sees(&thebes, "naxos", " down ");
    naxos.up();
    sees(&thebes, "naxos", " up ");

    naxos.freeze();
    sees(&thebes, "naxos", " unknown ");
    assert!(seen(&thebes, "naxos").contains("does not answer"), "{}", status(&thebes));
    naxos.thaw();
    sees(&thebes, "naxos", " up ");

    house.cut("naxos");
    sees(&volos, "naxos", " unknown ");
    sees(&volos, "naxos", " down ");
    assert!(seen(&volos, "thebes").contains(" up "), "the others are still seen: {}", status(&volos));
    house.join("naxos");
    sees(&volos, "naxos", " up ");
}

#[test]
fn a_changed_lab_is_taken_up_without_one_failed_query_and_a_faulty_one_is_not() {
    if !test_needs("a_changed_lab_is_taken_up_without_one_failed_query_and_a_faulty_one_is_not") {
        return;
    }
    let lab = Enrolled::with(&["naxos"]);
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let (naxos, laptop) = (house.machine("naxos"), house.laptop("private"));
    let polis = lab.start(&naxos);
    polis.wait_ready();
    wait_for("it answers", || dig(&laptop, &["larissa.lab.example.net"]) == "10.10.50.2");
    let load = Load::start(&laptop);

    lab.lab.replace("machines.toml", "\"10.10.50.2\"", "\"10.10.50.200\"");
    wait_for("the changed address is told", || dig(&laptop, &["larissa.lab.example.net"]) == "10.10.50.200");
    lab.lab.replace("machines.toml", "\"10.10.50.200\"", "\"10.99.0.1\"");
    polis.wait_for_line("the changed lab is not taken up");
    assert_eq!(dig(&laptop, &["larissa.lab.example.net"]), "10.10.50.200");
    assert!(status(&polis).contains("lab, for"), "{}", status(&polis));
    lab.lab.replace("machines.toml", "\"10.99.0.1\"", "\"10.10.50.201\"");
    wait_for("the mended file is taken up", || dig(&laptop, &["larissa.lab.example.net"]) == "10.10.50.201");
    assert!(!status(&polis).contains("lab, for"), "{}", status(&polis));

    let (asked, lost) = load.stop();
    assert!(asked > 200, "{asked}");
    assert_eq!(lost, 0, "of {asked} questions");
}

/// A laptop that asks one question after the other.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: std::thread::JoinHandle<usize>,
}

impl Load {
    fn start(laptop: &Place) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let socket = laptop.inside(|| std::net::UdpSocket::bind("0.0.0.0:0").unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let (until, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let task = std::thread::spawn(move || {
            let question = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x05naxos\x03lab\x07example\x03net\0\0\x01\0\x01";
            let (mut lost, mut reply) = (0, [0; 512]);
            while !until.load(Ordering::Relaxed) {
                socket.send_to(question, "10.10.50.53:53").unwrap();
                let is_answered = socket
                    .recv(&mut reply)
                    .is_ok_and(|length| length > question.len() && reply[3] & 0x0F == 0);
                lost += usize::from(!is_answered);
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
            lost
        });
        Self { stop, asked, task }
    }

    fn stop(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let lost = self.task.join().unwrap();
        (self.asked.load(Ordering::Relaxed), lost)
    }
}

#[test]
fn an_address_that_another_machine_has_is_not_taken_and_is_once_it_is_free() {
    if !test_needs("an_address_that_another_machine_has_is_not_taken_and_is_once_it_is_free") {
        return;
    }
    let lab = Enrolled::with(&["naxos"]);
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let (naxos, thief) = (house.machine("naxos"), house.machine("paros"));
    thief.add_address("10.10.50.53/24");
    let polis = lab.start(&naxos);
    polis.wait_ready();
    wait_for("it says who has it", || {
        status(&polis).contains("another machine has it, with the link address")
    });
    assert!(!naxos.ip("address show").contains("10.10.50.53"));
    thief.remove_address("10.10.50.53/24");
    wait_for("it takes it", || naxos.ip("address show").contains("10.10.50.53"));
    wait_for("and is well", || !status(&polis).contains("another machine"));
}

#[test]
fn a_frozen_machine_gives_its_address_back() {
    if !test_needs("a_frozen_machine_gives_its_address_back") {
        return;
    }
    let lab = Enrolled::with(&["naxos"]);
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let naxos = house.machine("naxos");
    let polis = lab.start(&naxos);
    polis.wait_ready();
    wait_for("it has the address", || naxos.ip("address show").contains("10.10.50.53"));
    polis.freeze();
    wait_for("the address is gone", || !naxos.ip("address show").contains("10.10.50.53"));
    polis.thaw();
    wait_for("it has it again", || naxos.ip("address show").contains("10.10.50.53"));
}

/// Machines are updated one after the other: the old and the new version understand each other, state is taken over
/// with a copy of it, and the way back is refused instead of guessed.
#[test]
fn a_house_is_updated_machine_by_machine() {
    if !test_needs("a_house_is_updated_machine_by_machine") {
        return;
    }
    let lab = Enrolled::with(&["naxos", "thebes"]);
    let house = House::open(Path::new(lab.lab.path())).unwrap();
    let (place, laptop) = (house.machine("naxos"), house.laptop("private"));
    let thebes = lab.start(&house.machine("thebes"));
    let old = lab.start(&place);
    let socket = old.runtime().join("polis.sock");
    old.wait_ready();
    let add = ["overlay", "add", "dns.rules", "||ads.example^", "--socket", socket.to_str().unwrap()];
    let said = run(&mut polis(&add));
    assert_eq!(said.code, 0, "{}", said.err);
    wait_for("they see each other", || seen(&thebes, "naxos").contains(" up "));
    let kept = lab.keys.0.join("ground.db");
    assert!(old.stop(), "{}", old.said());
    std::fs::copy(old.state().join("ground.db"), &kept).unwrap();
    drop(old);

    let next = lab.start_with(&place, &[&kept], &[("POLIS_TEST_NEXT", "1")]);
    next.wait_ready();
    wait_for("the next version and the old one understand each other", || {
        seen(&thebes, "naxos").contains(" up ") && seen(&next, "thebes").contains(" up ")
    });
    let socket = next.runtime().join("polis.sock");
    let list = run(&mut polis(&["overlay", "list", "--socket", socket.to_str().unwrap()]));
    assert!(list.out.contains("||ads.example^"), "what was kept is still there: {}{}", list.out, list.err);
    assert!(next.state().join("ground.before-2.db").exists(), "and a copy from before the migration");
    wait_for("names are answered", || dig(&laptop, &["cloud.lab.example.net"]) == "10.10.50.10");
    assert_eq!(dig(&laptop, &["ads.example"]), "0.0.0.0");
    assert!(next.stop(), "{}", next.said());
    std::fs::copy(next.state().join("ground.db"), &kept).unwrap();
    drop(next);

    let back = lab.start_with(&place, &[&kept], &[]);
    back.wait_ready();
    wait_for("the way back says what to do", || {
        status(&back).contains("is of version 2, this Polis knows 1")
    });
    wait_for("names are answered", || dig(&laptop, &["cloud.lab.example.net"]) == "10.10.50.10");
}
