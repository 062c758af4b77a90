//! The secrets that a lab needs, who needs them, and whether they are there.

use std::collections::BTreeMap;

use super::Unread;
use crate::fault::{Code, Fault, Faults};
use crate::model::Lab;
use crate::names::MachineName;
use crate::read::At;
use crate::source::{Folder, Span};
use crate::value::{PublicKey, SecretRef};

/// A secret of the lab's own folder, and what needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// The machines whose plan uses it.
    pub machines: Vec<MachineName>,
    /// What uses it, in words, and where.
    pub uses: Vec<(String, Span)>,
}

/// Where a secret is, in the lab folder: an armoured age file.
pub fn secret_path(name: &str) -> String {
    format!("secrets/{name}.age")
}

/// Where the keys that it is encrypted to are, one a line, as `age -R` reads them.
pub fn recipients_path(name: &str) -> String {
    format!("secrets/{name}.recipients")
}

/// The secrets that the lab names, by name.
pub fn secret_uses(lab: &Lab) -> BTreeMap<String, SecretUse> {
    let mut uses: BTreeMap<String, SecretUse> = BTreeMap::new();
    let mut add = |secret: Option<&At<SecretRef>>, what: String, machines: &[&At<MachineName>]| {
        let Some(secret) = secret else { return };
        let SecretRef::Kept(name) = secret.value() else { return };
        let entry = uses.entry(name.clone()).or_default();
        entry.uses.push((what, secret.span()));
        for machine in machines {
            if !entry.machines.contains(machine.value()) {
                entry.machines.push(machine.value().clone());
            }
        }
    };
    for (name, tunnel) in &lab.tunnels {
        add(tunnel.secret.as_ref(), format!("tunnel {name}"), &[]);
    }
    if let Some(proxy) = &lab.proxy {
        let token = proxy.certificates.as_ref().and_then(|certificates| certificates.token.as_ref());
        add(token, "certificates of the proxy".to_owned(), &proxy.on.iter().collect::<Vec<_>>());
    }
    if let Some(watch) = &lab.watch {
        let machines: Vec<_> = watch.on.iter().chain(watch.from.iter()).collect();
        for (name, notify) in &watch.notify {
            add(notify.topic.as_ref(), format!("notification {name}"), &machines);
            add(notify.token.as_ref(), format!("notification {name}"), &machines);
        }
    }
    if let Some(backup) = &lab.backup {
        for (name, offsite) in &backup.offsite {
            add(Some(&offsite.key), format!("offsite copy {name}"), &[&backup.on]);
            add(Some(&offsite.password), format!("offsite copy {name}"), &[&backup.on]);
        }
    }
    if let Some(bastion) = &lab.bastion {
        let key = bastion.record.as_ref().map(|record| &record.key);
        add(key, "recordings of the bastion".to_owned(), &bastion.on.iter().collect::<Vec<_>>());
    }
    for (name, mirror) in &lab.git_mirrors {
        let machine = lab.machines.keys().find(|machine| machine.as_str() == mirror.into.machine()).cloned();
        let machine = machine.map(|machine| At::written(machine, mirror.into.span()));
        add(mirror.token.as_ref(), format!("git mirror {name}"), &machine.iter().collect::<Vec<_>>());
    }
    uses
}

/// The keys that a secret has to be encrypted to: of people who have one, and of the machines that need it.
///
/// Machines that are not enrolled have no key, and get it with `polis secret rekey` once they are.
pub fn recipients<'l>(lab: &'l Lab, uses: &SecretUse) -> Vec<(String, &'l At<PublicKey>)> {
    let people =
        lab.people.iter().filter_map(|(name, person)| Some((name.to_string(), person.key.as_ref()?)));
    let machines = lab.machines.iter().filter(|(name, _)| uses.machines.contains(name));
    let machines = machines.filter_map(|(name, machine)| Some((name.to_string(), machine.key.as_ref()?)));
    people.chain(machines).collect()
}

/// What the keys follow from that a secret is encrypted to.
const READERS_FOLLOW_FROM: [&str; 8] =
    ["people", "machines", "tunnels", "proxy", "watch", "backup", "bastion", "git_mirrors"];

pub(super) fn check(lab: &Lab, folder: &mut Folder, unread: &Unread, faults: &mut Faults) {
    let uses = secret_uses(lab);
    let (there, missing): (Vec<_>, Vec<_>) =
        uses.iter().partition(|(name, _)| folder.holds(&secret_path(name)));
    let places = missing.iter().filter_map(|(name, wanted)| {
        let (what, span) = wanted.uses.first()?;
        Some((*span, format!("{name}, for the {what}")))
    });
    let count = missing.len();
    let title = match missing.as_slice() {
        [(name, _)] => format!("the secret {name} is not there yet"),
        _ => format!("{count} secrets are not there yet"),
    };
    let fault = super::at_places(Code::SecretNotThere, title, places.collect());
    faults.extend(fault.map(|fault| {
        let name = missing.first().map_or("NAME", |(name, _)| name.as_str());
        fault.help(match count {
            1 => format!("give its value: `polis secret set {name}`"),
            _ => format!(
                "give each its value: `polis secret set {name}` and so on; `polis secret list` shows all"
            ),
        })
    }));
    if unread.is_in(&READERS_FOLLOW_FROM) {
        return;
    }
    for (name, wanted) in there {
        stale(lab, folder, name, wanted, faults);
    }
}

/// A secret that is encrypted to others than it should be now.
fn stale(lab: &Lab, folder: &mut Folder, name: &str, wanted: &SecretUse, faults: &mut Faults) {
    let Some(file) = folder.load(&recipients_path(name)) else { return };
    let text = folder.file(file).map(crate::source::File::text).unwrap_or_default().to_owned();
    let has: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let should = recipients(lab, wanted);
    let lacking: Vec<&str> =
        should.iter().filter(|(_, key)| !has.contains(&key.as_str())).map(|(who, _)| who.as_str()).collect();
    let extra = has.iter().filter(|key| should.iter().all(|(_, own)| own.as_str() != **key)).count();
    if lacking.is_empty() && extra == 0 {
        return;
    }
    let Some((_, span)) = wanted.uses.first() else { return };
    let title = match lacking.as_slice() {
        [] => format!("the secret {name} is encrypted to {extra} more than need it"),
        lacking => format!("the secret {name} can not be read by {}", lacking.join(", ")),
    };
    faults.push(Fault::new(Code::SecretStale, *span, title).help("encrypt it anew: `polis secret rekey`"));
}
