//! `polis demo`: every machine of a lab as a process of its own on this one.

use std::process::ExitCode;

use runtime::demo::{Says, Turn, begin, turn};

use crate::args::{Args, DemoArgs, DemoCommand};
use crate::fault::Fault;
use crate::laboratory;
use crate::show::{self, print};

pub(crate) fn demo(args: &Args, demo: &DemoArgs) -> Result<ExitCode, Fault> {
    match &demo.command {
        None => {
            let lab = demo.path.clone().map_or_else(|| laboratory::path(args), Ok)?;
            let style = show::style(&std::io::stderr());
            begin(
                &lab,
                &laboratory::options_now(),
                Says { say: print, warn: |text| eprint!("{text}"), style },
            )?;
        }
        Some(DemoCommand::Stop { machine }) => turn(machine, Turn::Off, print)?,
        Some(DemoCommand::Start { machine }) => turn(machine, Turn::On, print)?,
    }
    Ok(ExitCode::SUCCESS)
}
