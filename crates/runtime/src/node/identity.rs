//! Which machine of the lab this is: as it was told, or by its host name, or by an address that it has.

use std::net::UdpSocket;

use lab::model::Lab;
use lab::names::MachineName;

/// It is not known which machine this is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unidentified {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// Finds the machine.
///
/// # Errors
/// If the lab has none that fits.
pub fn identify(lab: &Lab, told: Option<&str>) -> Result<MachineName, Unidentified> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    decide(lab, told, host.trim(), |address| UdpSocket::bind((address, 0)).is_ok())
}

fn decide(
    lab: &Lab,
    told: Option<&str>,
    host: &str,
    has: impl Fn(std::net::IpAddr) -> bool,
) -> Result<MachineName, Unidentified> {
    let named = |name: &str| lab.machines.keys().find(|machine| machine.as_str() == name).cloned();
    if let Some(name) = told {
        return named(name).ok_or_else(|| {
            let near = lab::nearest(name, lab.machines.keys().map(MachineName::as_str));
            let all: Vec<&str> = lab.machines.keys().map(MachineName::as_str).collect();
            Unidentified {
                what: format!("there is no machine `{name}`"),
                help: match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the lab has {}", all.join(", ")),
                },
            }
        });
    }
    let short = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if let Some(machine) = named(&short) {
        return Ok(machine);
    }
    let mut by_address = lab.machines.iter().filter(|(_, machine)| {
        machine.address.iter().flat_map(|addresses| addresses.iter()).any(|address| has(address.0))
    });
    match (by_address.next(), by_address.next()) {
        (Some((machine, _)), None) => Ok(machine.clone()),
        (Some((one, _)), Some((other, _))) => Err(Unidentified {
            what: format!("this machine has the addresses of {one} and of {other}"),
            help: "say which one it is: `--machine NAME`".to_owned(),
        }),
        (None, _) => Err(Unidentified {
            what: format!(
                "no machine of the lab has the host name `{short}`, nor an address that this machine has"
            ),
            help: "add it to the lab, or say which one it is: `--machine NAME`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_found_as_told_or_by_its_name_or_by_an_address() {
        let text = "[lab]\nname = \"x\"\ndomain = \"lab.example.net\"\n[machines]\nnaxos = { address = \"10.0.0.2\" }\nanafi = { address = \"10.0.0.3\" }\n";
        let lab = lab::check(lab::Folder::from_texts([("lab.toml", text)]), &lab::Options::at("2026-11-01"))
            .lab
            .unwrap();
        let find = |told: Option<&str>, host: &str, own: &[&str]| {
            decide(&lab, told, host, |address| own.contains(&address.to_string().as_str()))
                .map_or_else(|fault| format!("{}; {}", fault.what, fault.help), |machine| machine.to_string())
        };
        assert_eq!(find(Some("anafi"), "naxos", &[]), "anafi");
        assert_eq!(find(None, "Naxos.lab.example.net", &["10.0.0.3"]), "naxos");
        assert_eq!(find(None, "box", &["10.0.0.3"]), "anafi");
        assert!(find(Some("naxso"), "naxos", &[]).contains("did you mean `naxos`"));
        assert!(find(None, "box", &["10.0.0.3", "10.0.0.2"]).contains("of anafi and of naxos"));
        assert!(find(None, "box", &[]).contains("`--machine NAME`"));
    }
}
