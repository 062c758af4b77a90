//! The demonstration as it runs: looks what is to run, until it is told to end.

use std::path::Path;
use std::time::{Duration, Instant};

use lab::Checked;
use tokio::signal::unix::{SignalKind, signal};

use super::{LOOK_EVERY, Machine, PATIENCE, Says, Unshown, tell};
use crate::link::{Question, Reply, ask_socket};
use crate::supervisor::Phase;

/// How long a machine may take to say what it runs.
const WORD: Duration = Duration::from_millis(500);

/// Until it is told to end: what is to run runs.
pub(super) async fn live(
    lab: &Path,
    scratch: &Path,
    checked: &Checked,
    machines: &mut [Machine],
    says: Says,
) -> Result<(), Unshown> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Unshown::Start)?;
    // Its terminal was closed.
    let mut hang_up = signal(SignalKind::hangup()).map_err(Unshown::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Unshown::Start)?;
    (says.say)(&format!(
        "starting {} machines, each with its own state in {}\n",
        machines.len(),
        scratch.display()
    ));
    let began = Instant::now();
    let mut is_told = false;
    loop {
        for machine in machines.iter_mut() {
            machine.look(lab, scratch, says.warn)?;
        }
        let took = began.elapsed();
        let is_answered = !is_told && is_answered(machines).await;
        if is_answered || (!is_told && took > PATIENCE) {
            is_told = true;
            tell(checked, is_answered.then_some(took), says.say);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => break,
        }
    }
    Ok(())
}

/// Whether a name server of the lab is ready.
async fn is_answered(machines: &[Machine]) -> bool {
    for machine in machines {
        let socket = machine.folder.join("polis.sock");
        // One that hangs does not keep the others, nor Ctrl-C.
        let asked = tokio::time::timeout(WORD, ask_socket(&socket, &Question::Runs)).await;
        if let Ok(Ok(Reply::Runs { services, .. })) = asked
            && services.iter().any(|service| service.name == "dns" && service.phase == Phase::Running)
        {
            return true;
        }
    }
    false
}
