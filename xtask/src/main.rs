//! Developer commands: `cargo xtask ci` is what a change has to pass, the others are its parts.

mod arm64;
mod bench;
mod ci;
mod docs;
mod fuzz;
mod tidy;
mod web;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Developer commands of Polis", arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that a change has to pass.
    Ci {
        /// How long each fuzz target runs.
        #[arg(long, default_value_t = 20)]
        fuzz_seconds: u32,
    },
    /// The rules of the house that a program can check.
    Tidy,
    /// Write the generated pages of `docs/` anew.
    Docs,
    /// Run the fuzz targets with what is known to be interesting, and go on from there.
    Fuzz {
        /// Only this target.
        target: Option<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 20)]
        seconds: u32,
    },
    /// Build the assets of the pages; `cargo build` embeds what is there.
    Web,
    /// Look at every page in a browser, and do with them what people do.
    Browser,
    /// Build the binary for arm64 and let it check the example under emulation.
    Arm64,
    /// Measure, and write `bench/figures.md`.
    Bench {
        /// Also how long a bare clone takes to its first answered name.
        #[arg(long)]
        clone: bool,
        /// Only what pages cost, which is printed and not kept.
        #[arg(long)]
        pages: bool,
        #[command(flatten)]
        dns: bench::dns::Options,
    },
    /// Answer names as one of the servers that `bench --dns` brings along.
    #[command(hide = true)]
    Responder { kind: bench::dns::respond::Kind, at: std::net::SocketAddr },
    /// Run a command and print its CPU time and its peak of memory; a part of `bench`.
    #[command(hide = true)]
    Measure { command: Vec<String> },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Ci { fuzz_seconds } => ci::run(fuzz_seconds),
        Command::Tidy => tidy::run(),
        Command::Docs => docs::write(),
        Command::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Command::Web => web::build(),
        Command::Browser => web::browser(),
        Command::Arm64 => arm64::run(),
        Command::Bench { pages: true, .. } => bench::pages(),
        Command::Bench { dns, .. } if dns.dns => bench::dns::run(&dns),
        Command::Responder { kind, at } => bench::dns::respond::respond(kind, at),
        Command::Bench { clone, .. } => bench::run(clone),
        Command::Measure { command } => bench::measure(&command),
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
