//! The demonstration as it runs: looks what is to run, until it is told to end.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use lab::Checked;
use runtime::link::{Question, Reply, ask_socket};
use tokio::signal::unix::{SignalKind, signal};

use super::{LOOK_EVERY, Machine, PATIENCE, tell};
use crate::fault::Fault;
use crate::show::print;

/// Until it is told to end: what is to run runs.
pub(super) async fn live(
    lab: &Path,
    scratch: &Path,
    checked: &Checked,
    machines: &mut [Machine],
) -> Result<ExitCode, Fault> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Fault::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Fault::Start)?;
    print(&format!(
        "starting {} machines, each with its own state in {}\n",
        machines.len(),
        scratch.display()
    ));
    let began = Instant::now();
    let mut is_told = false;
    loop {
        for machine in machines.iter_mut() {
            machine.look(lab, scratch)?;
        }
        if !is_told && (is_answered(machines).await || began.elapsed() > PATIENCE) {
            is_told = true;
            tell(checked, began.elapsed());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    for machine in machines.iter_mut() {
        machine.tell_to_end();
    }
    for machine in machines.iter_mut() {
        machine.end();
    }
    print("\nended; nothing is left\n");
    Ok(ExitCode::SUCCESS)
}

/// Whether a name server of the lab is ready.
async fn is_answered(machines: &[Machine]) -> bool {
    for machine in machines {
        let socket = machine.folder.join("polis.sock");
        if let Ok(Reply::Runs { services, .. }) = ask_socket(&socket, &Question::Runs).await
            && services.iter().any(|service| service.name == "dns" && service.running.is_some())
        {
            return true;
        }
    }
    false
}
