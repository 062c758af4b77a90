//! Disks, pools and datasets.

use std::collections::BTreeMap;

use super::Unread;
use crate::fault::{Code, Fault, Faults, nearest};
use crate::model::{DatasetName, Lab, Layout, Machine, Pool};
use crate::names::{Label, MachineName};
use crate::read::{At, listed};
use crate::source::Span;

pub(super) fn check(lab: &Lab, unread: &Unread, faults: &mut Faults) {
    for (name, machine) in &lab.machines {
        let mut taken = BTreeMap::new();
        for (pool_name, pool) in &machine.pools {
            disks_there(name, machine, pool, unread, faults);
            disks_taken(name, pool_name, pool, &mut taken, faults);
            layout(machine, pool_name, pool, unread, faults);
        }
    }
    for (dataset, span) in datasets(lab) {
        on_a_pool(lab, dataset, span, unread, faults);
    }
}

fn disks_there(name: &MachineName, machine: &Machine, pool: &Pool, unread: &Unread, faults: &mut Faults) {
    if unread.is_part_of(machine.disks.span()) {
        return;
    }
    let disks: Vec<&str> = machine.disks.keys().map(Label::as_str).collect();
    for disk in pool.disks.iter().filter(|disk| !disks.contains(&disk.as_str())) {
        let fault = Fault::new(Code::UnknownName, disk.span(), format!("{name} has no disk `{disk}`"));
        let near = nearest(disk.as_str(), disks.iter().copied());
        faults.push(match near {
            Some(_) => fault.did_you_mean(near),
            None => fault.help(format!("its disks are {}", listed(&disks))),
        });
    }
}

fn disks_taken<'l>(
    name: &MachineName,
    pool_name: &'l Label,
    pool: &'l At<Pool>,
    taken: &mut BTreeMap<&'l str, (&'l Label, Span)>,
    faults: &mut Faults,
) {
    for disk in pool.disks.iter() {
        if let Some((other, there)) = taken.insert(disk.as_str(), (pool_name, disk.span())) {
            let here = disk.span();
            let title = match other == pool_name {
                true => format!("the disk `{disk}` of {name} is twice in the pool {other}"),
                false => format!("the disk `{disk}` of {name} is in the pools {other} and {pool_name}"),
            };
            let fault =
                Fault::new(Code::DiskTaken, here.max(there), title).also(here.min(there), "taken first here");
            faults.push(fault.help("a disk is part of one pool, once"));
        }
    }
}

fn layout(machine: &Machine, pool_name: &Label, pool: &At<Pool>, unread: &Unread, faults: &mut Faults) {
    if !pool.disks.is_known() || unread.is_part_of(pool.disks.span()) {
        return;
    }
    let fewest = pool.layout.fewest_disks();
    if pool.disks.len() < fewest {
        let title = match (*pool.layout, pool.disks.len()) {
            (Layout::Mirror, 1) => format!("the mirror {pool_name} has one disk: it mirrors nothing"),
            (layout, count) => format!("{} wants {fewest} disks, {pool_name} has {count}", layout.word()),
        };
        let fault = Fault::new(Code::TooFewDisks, pool.disks.span(), title);
        faults.push(
            fault.also(pool.layout.span(), "the layout").help("add a disk, or write `layout = \"stripe\"`"),
        );
        return;
    }
    if *pool.layout != Layout::Mirror {
        return;
    }
    let bought: Vec<_> = pool
        .disks
        .iter()
        .filter_map(|disk| Some((disk, machine.disks.get(disk.as_str())?.bought.as_ref()?)))
        .collect();
    let Some(((first, date), rest)) = bought.split_first() else { return };
    if rest.is_empty() || rest.iter().any(|(_, other)| other.month() != date.month()) {
        return;
    }
    let names: Vec<&str> = bought.iter().map(|(disk, _)| disk.as_str()).collect();
    let title =
        format!("the disks {} of the mirror {pool_name} were bought in the same month", listed(&names));
    let fault = Fault::new(Code::DisksSameMonth, date.span(), title).label(format!("{first}: {date}"));
    let fault =
        rest.iter().fold(fault, |fault, (disk, date)| fault.also(date.span(), format!("{disk}: {date}")));
    faults.push(fault.help(
        "disks of one batch tend to fail together: replace one with a disk from another shop or month",
    ));
}

/// Every dataset that the lab names, and where.
fn datasets(lab: &Lab) -> Vec<(&DatasetName, Span)> {
    let mut datasets: Vec<(&DatasetName, Span)> =
        lab.datasets.iter().map(|(name, entry)| (name, entry.span())).collect();
    for (_, app) in &lab.apps {
        datasets.extend(app.data.iter().map(|dataset| (dataset.value(), dataset.span())));
    }
    datasets.extend(lab.git_mirrors.iter().map(|(_, mirror)| (mirror.into.value(), mirror.into.span())));
    let show =
        lab.backup.as_ref().and_then(|backup| backup.drill.as_ref()).and_then(|drill| drill.show.as_ref());
    datasets.extend(show.map(|show| (show.value(), show.span())));
    datasets
}

fn on_a_pool(lab: &Lab, dataset: &DatasetName, span: Span, unread: &Unread, faults: &mut Faults) {
    let Some(machine) = lab.machines.get(dataset.machine()) else { return };
    if machine.pools.contains(dataset.pool()) || unread.is_part_of(machine.pools.span()) {
        return;
    }
    let pools: Vec<&str> = machine.pools.keys().map(Label::as_str).collect();
    let title = format!("{} has no pool `{}`", dataset.machine(), dataset.pool());
    let fault = Fault::new(Code::NoSuchPool, span, title).label(format!("`{dataset}` would be on it"));
    let near = nearest(dataset.pool(), pools.iter().copied());
    faults.push(match (near, pools.as_slice()) {
        (Some(_), _) => fault.did_you_mean(near),
        (None, []) => fault
            .also(machine.span(), "it has no `pools`")
            .help("write the pools of the machine, or name another machine"),
        (None, pools) => fault.help(format!("its pools are {}", listed(pools))),
    });
}
