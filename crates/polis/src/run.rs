//! `polis run`: does what the lab says that a machine does, and takes up the lab file as it changes.
//!
//! One process and one service so far. A folder is taken up when two readings half a second apart are the
//! same and it has no errors; until then, and if it has, what runs goes on. A key that this version does not
//! know is no error here where nothing that runs follows from its table.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lab::model::Lab;
use lab::names::MachineName;
use lab::{Checked, Folder, Options, Stamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::args::{Args, RunArgs};
use crate::fault::Fault;
use crate::laboratory;
use crate::show;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a changed folder has to stay as it is.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Args, run: &RunArgs) -> Result<ExitCode, Fault> {
    let path = laboratory::path(args)?;
    let options = laboratory::options(args);
    let checked = lab::check(Folder::open(&path)?, &options);
    show_errors(&checked);
    let Some(lab) = usable(&checked) else { return Err(Fault::LabHasErrors) };
    let Some(machine) = lab.machines.keys().find(|name| name.as_str() == run.machine).cloned() else {
        let names: Vec<&str> = lab.machines.keys().map(MachineName::as_str).collect();
        return Err(Fault::misuse(
            format!("there is no machine `{}`", run.machine),
            format!("the lab has {}", names.join(", ")),
        ));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::Start)?;
    runtime.block_on(async {
        let mut running = Running { machine, listen: run.listen, folder: path, options, dns: None };
        running.take_up(&checked).await?;
        running.follow(checked.folder).await
    })
}

/// The lab, if nothing that runs here is touched by what is wrong with it.
fn usable(checked: &Checked) -> Option<&Lab> {
    checked.usable_for(lab::NAMES_FOLLOW_FROM)
}

/// Standard output says what runs; what is wrong with the lab goes to standard error.
fn show_errors(checked: &Checked) {
    if checked.faults.errors() == 0 {
        return;
    }
    eprint!("{}", lab::render_text(&checked.faults, &checked.folder, show::style(&std::io::stderr())));
    eprintln!("{}", show::summary(checked));
    if usable(checked).is_some() {
        eprintln!("the lab is used all the same: nothing that runs here follows from what is not known here");
    }
}

struct Running {
    machine: MachineName,
    listen: Option<SocketAddr>,
    folder: PathBuf,
    options: Options,
    dns: Option<Dns>,
}

struct Dns {
    listen: Vec<SocketAddr>,
    swap: dns::Swap,
    task: JoinHandle<()>,
}

impl Running {
    /// Makes what follows from a checked lab run here. If that fails, what ran before still runs.
    async fn take_up(&mut self, checked: &Checked) -> Result<(), Fault> {
        let Some(lab) = usable(checked) else { return Err(Fault::LabHasErrors) };
        let Some(plan) = dns::plan(lab, &checked.follows, &self.machine) else {
            if let Some(old) = self.dns.take() {
                old.task.abort();
            }
            show::print(&format!("{}: the lab gives it nothing to do that this version can\n", self.machine));
            return Ok(());
        };
        let count = plan.name_count();
        match &self.dns {
            Some(running) if self.listen.is_some() || running.listen == plan.listen => {
                running.swap.to(plan).await;
            }
            _ => {
                let listen = plan.listen.clone();
                let server = dns::Server::provision(plan, checked.folder.root(), self.listen).await?;
                let places: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
                let swap = server.swap();
                if let Some(old) = self.dns.take() {
                    old.task.abort();
                }
                self.dns = Some(Dns { listen, swap, task: tokio::spawn(server.run()) });
                show::print(&format!(
                    "{}: listens at {} over UDP and TCP\n",
                    self.machine,
                    places.join(", ")
                ));
            }
        }
        show::print(&format!("{}: answers {count} names of {}\n", self.machine, lab.lab.domain.value()));
        self.show_filters();
        Ok(())
    }

    /// Says what came of the lists and rules of names to block.
    fn show_filters(&self) {
        let Some(view) = self.dns.as_ref().map(|dns| dns.swap.view()) else { return };
        for list in &view.lists {
            show::print(&format!("{}: {list}\n", self.machine));
        }
        if view.rules != dns::Counts::default() {
            show::print(&format!("{}: rules of its own: {}\n", self.machine, view.rules));
        }
    }

    /// Until it is told to end.
    async fn follow(&mut self, mut current: Folder) -> Result<ExitCode, Fault> {
        let listen_to = |kind: SignalKind| signal(kind).map_err(Fault::Start);
        let (mut hang_up, mut terminate, mut interrupt): (Signal, Signal, Signal) = (
            listen_to(SignalKind::hangup())?,
            listen_to(SignalKind::terminate())?,
            listen_to(SignalKind::interrupt())?,
        );
        let mut seen: Stamp = current.stamp();
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                _ = hang_up.recv() => true,
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            };
            if !asked && current.stamp() == seen {
                continue;
            }
            let Some(checked) = self.settled().await else { continue };
            seen = checked.folder.stamp();
            if !asked && checked.folder.same_text(&current) {
                continue;
            }
            self.change(&checked).await;
            current = checked.folder;
        }
    }

    /// The folder, once two readings are the same; none if it is gone or still being written.
    async fn settled(&self) -> Option<Checked> {
        let read = || Some(lab::check(Folder::open(&self.folder).ok()?, &self.options));
        let first = read()?;
        tokio::time::sleep(SETTLE).await;
        read().filter(|second| second.folder.same_text(&first.folder))
    }

    async fn change(&mut self, checked: &Checked) {
        show_errors(checked);
        if usable(checked).is_none() {
            eprintln!(
                "{}: the changed lab is not taken up: it has errors. What ran before runs on.",
                self.machine
            );
            return;
        }
        match self.take_up(checked).await {
            Ok(()) => show::print(&format!("{}: took up the changed lab\n", self.machine)),
            Err(fault) => eprintln!(
                "{}: the changed lab is not taken up: {fault}. What ran before runs on.",
                self.machine
            ),
        }
    }
}
