//! Polis: a homelab in one binary and one file.

mod args;
mod ask;
mod demo;
mod dns;
mod fault;
mod import;
mod init;
mod laboratory;
mod run;
mod secret;
mod show;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

/// Work that comes and goes between answers that stay leaves no holes in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::Init(init) => init::init(&args, init),
        Command::Check(check) => show::check(&args, check),
        Command::Explain(explain) => show::explain(&args, explain),
        Command::Coverage(coverage) => show::coverage(&args, coverage),
        Command::Schema => show::schema(),
        Command::Name(name) => show::name(&args, name),
        Command::Secret(secret) => secret::secret(&args, secret),
        Command::Machine(machine) => secret::machine(machine),
        Command::Run(run) => run::run(&args, run),
        Command::Permits(run) => run::permits(&args, run),
        Command::Plan(ask) => ask::plan(&args, ask),
        Command::Status(of) => ask::status(of),
        Command::Events(events) => ask::events(events),
        Command::Setup(own) => ask::setup(own),
        Command::Overlay(overlay) => ask::overlay(&args, overlay),
        Command::Dns(command) => dns::dns(command),
        Command::Import(command) => import::import(command),
        Command::Demo(demo) => demo::demo(&args, demo),
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
