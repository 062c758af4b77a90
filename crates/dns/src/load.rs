//! Reads the lists of a plan from the lab folder. It waits for disks, so it is called where that harms nobody.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use lab::value::ListSource;

use crate::block::{Blocks, Compiler, Counts, Reader};
use crate::plan::{List, Plan, source};
use crate::view::{ListState, ListView};

/// How much of a list is read at once.
const PART: usize = 64 << 10;

/// What is blocked, and what came of each list.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) blocks: Blocks,
    pub(crate) lists: Vec<ListView>,
    pub(crate) rules: Counts,
    /// What it was made of, to see whether it has to be made again.
    from: (Vec<List>, Vec<String>, Vec<String>),
    stamps: Vec<Stamp>,
}

impl Filter {
    /// What is blocked, in words behind what else a name server does; empty if nothing is to be.
    pub(crate) fn words(&self) -> String {
        let lists = self.lists.iter().map(ToString::to_string);
        let has_rules = self.rules != Counts::default();
        let all: Vec<String> = lists.chain(has_rules.then(|| format!("own rules: {}", self.rules))).collect();
        if all.is_empty() {
            return String::new();
        }
        format!(", blocks {} names ({})", self.blocks.len(), all.join("; "))
    }

    /// For every list of this filter and of the one before, what is wrong with it and what to do, if anything is.
    pub(crate) fn troubles(&self, before: &Self) -> Vec<(String, Option<(String, String)>)> {
        let gone = before.lists.iter().filter(|old| self.lists.iter().all(|list| list.name != old.name));
        let gone = gone.map(|list| (list.name.clone(), None));
        let trouble = |list: &ListView| match &list.state {
            ListState::Out(why) => {
                let help = "mend the file, or take it out of `lists`; it is loaded again by itself";
                Some((format!("{} is not followed: {why}", list.source), help.to_owned()))
            }
            ListState::Followed(_) | ListState::NotFetched => None,
        };
        self.lists.iter().map(|list| (list.name.clone(), trouble(list))).chain(gone).collect()
    }
}

/// The time and size of a list's file; none if there is none.
type Stamp = Option<(SystemTime, u64)>;

/// What the plan blocks: the old filter, if nothing that it was made of has changed.
pub(crate) fn load(plan: &Plan, folder: &Path, old: &Arc<Filter>) -> Arc<Filter> {
    // Before the lists are read: one that changes meanwhile is then read again.
    let stamps: Vec<Stamp> = plan.lists.iter().map(|list| stamp(list, folder)).collect();
    if old.stamps == stamps
        && old.from.0 == plan.lists
        && old.from.1 == plan.rules
        && old.from.2 == plan.overlay
    {
        return Arc::clone(old);
    }
    let mut compiler = Compiler::default();
    let mut rules = compiler.list();
    let text = plan.rules.iter().chain(&plan.overlay).try_for_each(|rule| {
        rules.feed(rule.as_bytes())?;
        rules.feed(b"\n")
    });
    let rules = text.and_then(|()| rules.finish()).unwrap_or_default();
    let lists = plan.lists.iter().map(|list| ListView {
        name: list.name.clone(),
        source: source(&list.source),
        state: state(list, folder, &mut compiler),
    });
    let lists = lists.collect();
    let from = (plan.lists.clone(), plan.rules.clone(), plan.overlay.clone());
    Arc::new(Filter { blocks: compiler.finish(), lists, rules, from, stamps })
}

fn stamp(list: &List, folder: &Path) -> Stamp {
    let ListSource::File(path) = &list.source else { return None };
    let metadata = std::fs::metadata(folder.join(path)).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn state(list: &List, folder: &Path, compiler: &mut Compiler) -> ListState {
    let ListSource::File(path) = &list.source else { return ListState::NotFetched };
    match read(&folder.join(path), compiler.list()) {
        Ok(counts) => ListState::Followed(counts),
        Err(why) => ListState::Out(why),
    }
}

fn read(path: &Path, mut list: Reader<'_>) -> Result<Counts, String> {
    let text = |fault: std::io::Error| fault.to_string();
    // What is no plain file, such as a pipe, could be waited for without an end.
    if !std::fs::metadata(path).map_err(text)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut file = File::open(path).map_err(text)?;
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part) {
            Ok(0) => return list.finish().map_err(|why| why.to_string()),
            Ok(length) => {
                let part = part.get(..length).unwrap_or_default();
                list.feed(part).map_err(|why| why.to_string())?;
            }
            Err(fault) if fault.kind() == std::io::ErrorKind::Interrupted => {}
            Err(fault) => {
                list.give_up();
                return Err(text(fault));
            }
        }
    }
}
