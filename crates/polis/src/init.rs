//! `polis init`: writes the first lab of a machine.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use runtime::setup::{Init, Said, Talk};

use crate::args::{Args, InitArgs};
use crate::fault::Fault;
use crate::{laboratory, show};

pub(crate) fn init(args: &Args, init: &InitArgs) -> Result<ExitCode, Fault> {
    let InitArgs { yes, name, domain, machine, address, zone, cidr, gateway, upstream, timezone, .. } =
        init.clone();
    let said = Said { name, domain, machine, address, zone, cidr, gateway, upstream, timezone };
    let folder = init.folder.clone().or_else(|| args.lab.clone());
    let options = laboratory::options(args);
    let init = Init { folder, state: init.state.clone(), said, options: &options };
    let (mut listen, mut say) = (std::io::stdin().lock(), std::io::stdout());
    let is_asked = runtime::setup::asks(yes, listen.is_terminal())?;
    let talk = is_asked.then_some(Talk { listen: &mut listen, say: &mut say });
    show::print(&runtime::setup::init(&init, talk)?);
    Ok(ExitCode::SUCCESS)
}
