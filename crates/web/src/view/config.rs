//! The lab file as it is followed, with what is wrong with it, and who follows it.

use std::collections::BTreeMap;

use lab::{Checked, Severity};
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Eye, Health, Line, lines_in};

/// The lab file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Config {
    /// What machines compare their labs by.
    pub fingerprint: String,
    /// Why the lab folder is not followed as it is now; what ran before runs on.
    pub trouble: Option<String>,
    /// Whether the files below are what is followed; if not, they are as they were last read.
    pub is_followed: bool,
    /// What is wrong, errors first.
    pub faults: Vec<FaultView>,
    /// The files, with plain secrets masked.
    pub files: Vec<ConfigFile>,
    /// Which lab each machine follows.
    pub machines: Vec<MachineLab>,
    /// What was changed by a click or a command and is not in the file.
    pub overlay: Vec<OverlayEntry>,
    /// The overlay as the lines to paste.
    pub overlay_toml: String,
}

/// Something that is wrong with the lab file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FaultView {
    /// `error` or `warning`.
    pub severity: String,
    /// Which fault it is.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// Where, the main place first.
    pub lines: Vec<Line>,
    /// What to do.
    pub help: Vec<String>,
}

/// A file of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigFile {
    /// What it is called in the folder.
    pub path: String,
    /// Its lines.
    pub lines: Vec<ConfigLine>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub text: String,
    /// The faults that stand at it, by their place in the list.
    pub faults: Vec<usize>,
}

/// Which lab a machine follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MachineLab {
    /// The machine.
    pub machine: String,
    /// How it is.
    pub health: Health,
    /// The fingerprint of its lab, if it says.
    pub fingerprint: Option<String>,
    /// Whether that is the one of the machine that shows this.
    pub in_step: Option<bool>,
    /// The version of its Polis.
    pub polis: Option<String>,
}

/// A change that is not in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OverlayEntry {
    /// Its number on the machine that shows this.
    pub number: i64,
    /// The key of the lab file.
    pub key: String,
    /// What was added to it.
    pub value: String,
    /// Who did it.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub at: Millis,
}

/// The lab file, as it is followed or as it was last read; none while no lab is followed.
pub fn config(seen: &Seen, followed: bool) -> Option<Config> {
    let eye = Eye::of(seen)?;
    let changed = seen.refused.as_deref().filter(|_| !followed);
    let shown: &Checked = changed.unwrap_or(&seen.lab);
    let trouble = seen.status.conditions.iter().find(|condition| condition.about == "lab");
    Some(Config {
        fingerprint: seen.status.lab.clone(),
        trouble: trouble.map(|trouble| trouble.what.clone()),
        is_followed: changed.is_none(),
        faults: faults(shown),
        files: files(shown),
        machines: machines(eye),
        overlay: seen
            .overlay
            .iter()
            .map(|entry| OverlayEntry {
                number: entry.number,
                key: entry.key.clone(),
                value: entry.value.clone(),
                who: entry.who.clone(),
                at: entry.at,
            })
            .collect(),
        overlay_toml: runtime::overlay::toml(Some(eye.lab), &seen.overlay),
    })
}

fn faults(checked: &Checked) -> Vec<FaultView> {
    let fault = |fault: &lab::Fault| FaultView {
        severity: fault.code.severity().word().to_owned(),
        code: fault.code.slug().to_owned(),
        message: lab::mask_secrets(&fault.title),
        lines: lines_in(&checked.folder, &fault.places.iter().map(|place| place.span).collect::<Vec<_>>()),
        help: fault.help.iter().map(|help| lab::mask_secrets(help)).collect(),
    };
    checked.faults.iter().map(fault).collect()
}

fn files(checked: &Checked) -> Vec<ConfigFile> {
    let mut at: BTreeMap<(String, usize), Vec<usize>> = BTreeMap::new();
    for (number, fault) in checked.faults.iter().enumerate() {
        // A warning about many lines is read above; only its first place is marked in the text.
        let most = if fault.code.severity() == Severity::Error { usize::MAX } else { 1 };
        let places: Vec<_> = fault.places.iter().map(|place| place.span).take(most).collect();
        for line in lines_in(&checked.folder, &places) {
            at.entry((line.file, line.line)).or_default().push(number);
        }
    }
    let file = |file: &lab::File| {
        let path = file.path().to_owned();
        let text = lab::mask_secrets(file.text());
        let lines = text.lines().enumerate().map(|(before, text)| ConfigLine {
            number: before + 1,
            text: text.to_owned(),
            faults: at.get(&(path.clone(), before + 1)).cloned().unwrap_or_default(),
        });
        ConfigFile { lines: lines.collect(), path }
    };
    checked.folder.toml_files().map(|(_, own)| file(own)).collect()
}

fn machines(eye: Eye<'_>) -> Vec<MachineLab> {
    let agents = eye.lab.machines.iter().filter(|(_, machine)| *machine.agent).map(|(name, _)| name.as_str());
    let machine = |name: &str| {
        let standing = eye.standing(name);
        let fingerprint = standing.status.map(|status| status.lab.clone());
        MachineLab {
            machine: name.to_owned(),
            health: standing.health,
            in_step: fingerprint.as_ref().map(|own| *own == eye.seen.status.lab),
            fingerprint,
            polis: standing.status.map(|status| status.polis.clone()),
        }
    };
    agents.map(machine).collect()
}
