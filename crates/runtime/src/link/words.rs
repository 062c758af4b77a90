//! The status of a machine as text, for `polis status`.

use super::peers::Answering;
use super::wire::Status;
use crate::clock::long_in_words;

/// The status in lines: the machine, what runs, the other machines, and what is wrong with what to do.
pub fn status_text(status: &Status) -> String {
    let ago = |moment: i64| long_in_words(status.now - moment);
    let mut text = format!(
        "{}  polis {}, running for {}, lab {}\n",
        status.machine,
        status.polis,
        ago(status.since),
        status.lab
    );
    if status.services.is_empty() {
        text.push_str("  the lab gives it nothing to do that this version can\n");
    }
    for service in &status.services {
        let does = service.running.as_ref().map(|running| running.does.as_str()).unwrap_or_default();
        text.push_str(format!("  {:8}  {:10}  {does}", service.name, service.phase.word()).trim_end());
        text.push('\n');
    }
    if !status.peers.is_empty() {
        let widest = status.peers.iter().map(|peer| peer.machine.len()).max().unwrap_or(0);
        text.push_str("\nmachines, as seen from here\n");
        for peer in &status.peers {
            let since = if peer.since == 0 { String::new() } else { format!("for {}", ago(peer.since)) };
            let more = match (&peer.why, peer.answering) {
                (Some(why), Answering::Down | Answering::Unknown) => why.clone(),
                _ => peer
                    .polis
                    .iter()
                    .filter(|polis| **polis != status.polis)
                    .map(|polis| format!("polis {polis}"))
                    .collect(),
            };
            let line = format!("  {:widest$}  {:7}  {since:10}  {more}", peer.machine, peer.answering.word());
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    if status.conditions.is_empty() {
        text.push_str("\nnothing is wrong here\n");
    } else {
        text.push_str("\nwhat is wrong here, and what to do\n");
        for condition in &status.conditions {
            text.push_str(&format!(
                "  {}, for {}: {}\n",
                condition.about,
                ago(condition.since),
                condition.what
            ));
            text.push_str(&format!("    {}\n", condition.help));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;
    use crate::link::{Peer, Running, ServiceRuns};
    use crate::supervisor::Phase;

    #[test]
    fn a_status_reads_well() {
        let peer = |machine: &str, answering, since, why: Option<&str>| Peer {
            machine: machine.into(),
            answering,
            since,
            why: why.map(str::to_owned),
            polis: Some("0.1.0".into()),
        };
        let status = Status {
            machine: "naxos".into(),
            polis: "0.2.0".into(),
            now: 10_000_000,
            since: 1_000_000,
            lab: "5f3a".into(),
            services: vec![ServiceRuns {
                name: "dns".into(),
                phase: Phase::Running,
                trouble: None,
                running: Some(Running { does: "listens at 10.10.50.53:53".into(), lines: Vec::new() }),
            }],
            conditions: vec![Condition {
                about: "state".into(),
                what: "the disk is full".into(),
                help: "make room".into(),
                since: 9_000_000,
            }],
            peers: vec![
                peer("anafi", Answering::Up, 2_000_000, None),
                peer("larissa", Answering::Down, 9_950_000, Some("it does not answer")),
            ],
        };
        let expected = "naxos  polis 0.2.0, running for 2 h, lab 5f3a
  dns       running     listens at 10.10.50.53:53

machines, as seen from here
  anafi    up       for 2 h     polis 0.1.0
  larissa  down     for 50 s    it does not answer

what is wrong here, and what to do
  state, for 16 min: the disk is full
    make room
";
        assert_eq!(status_text(&status), expected);
    }
}
