//! Polis: a homelab in one binary and one file.

mod args;
mod fault;
mod keys;
mod laboratory;
mod run;
mod secret;
mod show;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::Check(check) => show::check(&args, check),
        Command::Explain(explain) => show::explain(&args, explain),
        Command::Coverage(coverage) => show::coverage(&args, coverage),
        Command::Schema => show::schema(),
        Command::Name(name) => show::name(&args, name),
        Command::Secret(secret) => secret::secret(&args, secret),
        Command::Machine(machine) => keys::machine(machine),
        Command::Run(run) => run::run(&args, run),
    };
    match done {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("error: {fault}");
            if let Some(help) = fault.help() {
                eprintln!("  help: {help}");
            }
            fault.exit_code()
        }
    }
}
