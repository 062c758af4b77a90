//! Moments of a lab that pages are made of: all is well, much is wrong, and hardly anything is there.

use super::*;

pub(super) fn checked(folder: Folder) -> Arc<Checked> {
    let options = Options { runs: crate::RUNS, ..Options::at("2026-11-24") };
    Arc::new(lab::check(folder, &options))
}

/// The example, with keys for all machines.
pub(super) fn example() -> Arc<Checked> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/aegean");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPK1QzPk2S3Zv0uCj1U3SP5IOaB4W6OlLrMYYRrWB9rR";
    let known = checked(Folder::open(&root).unwrap());
    let names = known.lab.as_ref().unwrap().machines.keys().map(ToString::to_string);
    let demo = Demo { keys: names.map(|name| (name, key.to_owned())).collect() };
    let options = Options { runs: crate::RUNS, demo: Some(demo), ..Options::at("2026-11-24") };
    Arc::new(lab::check(Folder::open(&root).unwrap(), &options))
}

pub(super) fn status(machine: &str, services: &[(&str, Phase)]) -> Status {
    let services = services.iter().map(|(name, phase)| ServiceRuns {
        name: (*name).to_owned(),
        phase: *phase,
        trouble: None,
        running: Some(Running { does: format!("does {name}"), lines: Vec::new() }),
    });
    Status {
        machine: machine.to_owned(),
        polis: "0.1.0".to_owned(),
        now: NOW,
        since: NOW - 3_600_000,
        lab: "c0ffee".to_owned(),
        services: services.collect(),
        ..Status::default()
    }
}

/// All machines answer; this one is thebes.
pub(super) fn all_is_well() -> Seen {
    let lab = example();
    let agents = lab.lab.as_ref().unwrap().machines.iter().filter(|(_, machine)| *machine.agent);
    let others = agents.filter(|(name, _)| name.as_str() != "thebes").map(|(name, _)| {
        let services: &[(&str, Phase)] = match name.as_str() {
            "naxos" => &[("dns", Phase::Running), ("portal", Phase::Running)],
            "anafi" => &[("dns", Phase::StandsBy), ("portal", Phase::Running)],
            _ => &[("portal", Phase::Running)],
        };
        Known {
            peer: Peer {
                machine: name.to_string(),
                answering: Answering::Up,
                since: NOW - 3_000_000,
                why: None,
                polis: Some("0.1.0".to_owned()),
            },
            status: Some(Arc::new(status(name.as_str(), services))),
            history: vec![(NOW - 3_000_000, Answering::Up)],
        }
    });
    Seen {
        now: NOW,
        machine: lab
            .lab
            .as_ref()
            .unwrap()
            .machines
            .keys()
            .find(|name| name.as_str() == "thebes")
            .unwrap()
            .clone(),
        others: others.collect(),
        lab: Arc::clone(&lab),
        refused: None,
        status: status("thebes", &[("portal", Phase::Running)]),
        overlay: Vec::new(),
        is_demo: false,
    }
}

pub(super) fn other<'s>(seen: &'s mut Seen, machine: &str) -> &'s mut Known {
    seen.others.iter_mut().find(|known| known.peer.machine == machine).unwrap()
}

pub(super) fn die(seen: &mut Seen, machine: &str) {
    let known = other(seen, machine);
    known.peer.answering = Answering::Down;
    known.peer.since = NOW - 60_000;
    known.peer.why = Some("Connection refused".to_owned());
    known.history.push((NOW - 60_000, Answering::Down));
}

/// larissa and with it naxos are dead, and anafi answers names; milos was never asked; a machine is out of step, another ill.
pub(super) fn much_is_wrong() -> Seen {
    let mut seen = all_is_well();
    for machine in ["larissa", "naxos", "paros"] {
        die(&mut seen, machine);
    }
    let services = [("dns", Phase::Running), ("portal", Phase::Running)];
    other(&mut seen, "anafi").status = Some(Arc::new(status("anafi", &services)));
    let mut ill = status("arta", &[("portal", Phase::Running)]);
    ill.lab = "another".to_owned();
    ill.conditions = vec![Condition {
        about: "state".to_owned(),
        what: "the disk is <full>".to_owned(),
        help: "make room".to_owned(),
        since: NOW - 120_000,
    }];
    other(&mut seen, "arta").status = Some(Arc::new(ill));
    seen.overlay = vec![Entry {
        number: 3,
        key: "dns.rules".to_owned(),
        value: "||<script>.example^".to_owned(),
        who: "\"me\"".to_owned(),
        at: NOW - 5_000,
    }];
    let texts = seen.lab.folder.toml_files().map(|(_, file)| {
        let text = file.text().replace("zone = \"mother\"", "zone = \"mothr\"");
        (
            file.path().to_owned(),
            text.replace("secret:b2", "hunter2").replace("https://s3.", "https://me:hunter2@s3."),
        )
    });
    seen.refused = Some(checked(Folder::from_texts(texts.collect::<Vec<_>>())));
    seen.status.conditions = vec![Condition {
        about: "lab".to_owned(),
        what: "the changed lab is not taken up".to_owned(),
        help: "mend it".to_owned(),
        since: NOW - 1_000,
    }];
    seen
}

/// The smallest lab, on a machine that nobody knows.
pub(super) fn smallest() -> Seen {
    let text = "[lab]\nname = \"home\"\ndomain = \"home.arpa\"\n[machines.pi]\naddress = \"192.168.1.2\"\n";
    let lab = checked(Folder::from_texts([("lab.toml", text)]));
    let machine = lab.lab.as_ref().unwrap().machines.keys().next().unwrap().clone();
    Seen {
        machine,
        lab,
        others: Vec::new(),
        status: status("pi", &[("portal", Phase::Running)]),
        ..all_is_well()
    }
}
