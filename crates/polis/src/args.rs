//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// A homelab in one binary and one file: one lab file says what is true of the lab, and names, routes, rules,
/// probes and copies follow from it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = "Start with `polis init`.")]
pub(crate) struct Args {
    /// The lab: a folder of `*.toml` files, or one file. Without it, this folder if it has a `lab.toml`, else
    /// `/etc/polis/lab`.
    #[arg(long, global = true, value_name = "PATH", env = "POLIS_LAB")]
    pub(crate) lab: Option<PathBuf>,

    /// The day to look at, for exceptions that expire; without it, today.
    #[arg(long, global = true, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub(crate) at: Option<lab::value::Date>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

fn parse_date(text: &str) -> Result<lab::value::Date, String> {
    lab::value::Date::parse(text).ok_or_else(|| "write year, month and day: 2026-03-01".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the first lab of this machine: small, with comments, from what is found here and what you answer.
    ///
    /// A lab that is there is never changed.
    #[command(
        after_help = "Examples:\n  polis init\n  polis init my-lab --yes --name home --domain lab.example.net"
    )]
    Init(InitArgs),

    /// Say everything that is wrong with a lab, at once.
    ///
    /// Errors are what contradicts itself or can not be carried out; warnings are what you may come to regret.
    /// The exit status is 0 if there are no errors, 1 if there are, 2 if the command was used wrongly.
    #[command(
        after_help = "Examples:\n  polis check examples/aegean\n  polis check --at 2027-01-01 --json my-lab.toml"
    )]
    Check(CheckArgs),

    /// Say what a key means, or what follows for a thing and from which lines.
    #[command(
        after_help = "Examples:\n  polis explain machines.memory\n  polis explain app nextcloud\n  polis explain \
                            machine naxos\n  polis explain name cloud.lab.example.net\n  polis explain name \
                            10.10.50.10\n  polis explain zone guests to servers\n  polis explain address-taken"
    )]
    Explain(ExplainArgs),

    /// Show what each app and machine has of everything that can follow, and what it lacks.
    Coverage(CoverageArgs),

    /// Print the JSON schema of the lab file, for editors.
    #[command(
        after_help = "Put its path in the first line of a lab file, and editors that know TOML complete and check \
                            it:\n  #:schema ./lab.schema.json"
    )]
    Schema,

    /// Names for machines.
    #[command(subcommand)]
    Name(NameCommand),

    /// Secrets of the lab: encrypted for its owner and for the machines that need them.
    #[command(subcommand)]
    Secret(SecretCommand),

    /// This machine.
    #[command(subcommand)]
    Machine(MachineCommand),

    /// Do what the lab says that a machine does, and follow the lab file as it changes.
    ///
    /// A file with errors never replaces the one that runs. SIGHUP makes it look at once.
    #[command(
        after_help = "Example, without any privilege:\n  polis run --lab examples/aegean --machine naxos --state \
                            /tmp/naxos --listen 127.0.0.1:10053\n  dig @127.0.0.1 -p 10053 cloud.lab.example.net"
    )]
    Run(RunArgs),

    /// Show what would change: what follows from the lab folder here, against what runs on each machine.
    ///
    /// A machine that does not answer is unknown, and nothing is said of it.
    Plan(AskArgs),

    /// Show how this machine is: what runs, which other machines answer, what is wrong and what to do.
    Status(StatusArgs),

    /// Show what happened on this machine.
    Events(EventsArgs),

    /// Print a link that opens the pages of this machine for changes, once: first its diagnosis.
    Setup(AskArgs),

    /// What was changed by a click or a command and is not in the lab file.
    #[command(subcommand)]
    Overlay(OverlayCommand),

    /// Ask the name server of this machine: why a name is blocked, what was asked, which lists it follows.
    #[command(subcommand)]
    Dns(DnsCommand),

    /// Bring over the settings of another program.
    #[command(subcommand)]
    Import(ImportCommand),

    /// Run all machines of a lab on this one, to try it out: addresses begin with 127, ports are 10000 higher.
    ///
    /// It takes no privileges and no internet, and leaves nothing behind. Ctrl-C ends it.
    #[command(
        after_help = "Examples:\n  polis demo examples/aegean\n  polis demo stop naxos\n  polis demo start naxos"
    )]
    Demo(DemoArgs),

    /// What a machine needs privileges for, one a line: the helper asks this.
    #[command(hide = true)]
    Permits(RunArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where the lab is to be; without it, `/etc/polis/lab` for root, else `lab` here.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Ask nothing: take what is proposed. Needed where standard input is no terminal.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where the machine keeps its state: its key pair is made there. root has it made in `/var/lib/polis`.
    #[arg(long, value_name = "FOLDER", env = "POLIS_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// What the lab is called.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The domain that names are under.
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// What this machine is called.
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,
    /// Its address; twice for one of IPv4 and one of IPv6.
    #[arg(long)]
    pub(crate) address: Vec<String>,
    /// What its network is called.
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
    /// Its network; one for each address, or `none`.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) cidr: Vec<String>,
    /// The router of its network.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Vec<String>,
    /// A name server on the internet; several times for several.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) upstream: Vec<String>,
    /// The time zone.
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The lab; the same as `--lab`.
    #[arg(value_name = "LAB")]
    pub(crate) path: Option<PathBuf>,

    /// Print the faults as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// `KEY`, `app NAME`, `machine NAME`, `name NAME`, `zone A to B`, or the name of a fault.
    #[arg(required = true, num_args = 1..=4, value_name = "WHAT")]
    pub(crate) what: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CoverageArgs {
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NameCommand {
    /// Suggest free names from the list of a site: the bigger the machine, the bigger the place.
    #[command(after_help = "Example:\n  polis name suggest --site home --memory '8 GB'")]
    Suggest {
        /// The site; it can be left out if only one has a list of names.
        #[arg(long)]
        site: Option<String>,
        /// The memory of the machine.
        #[arg(long, value_name = "SIZE")]
        memory: Option<String>,
        /// How many names.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Make your own key pair, if you have none, and print the line for the lab file.
    Key,
    /// Give a secret its value: asked for, or read from standard input.
    #[command(
        after_help = "Examples:\n  polis secret set cloudflare\n  pass show cloudflare | polis secret set cloudflare"
    )]
    Set {
        /// Its name, as in `secret:NAME`.
        name: String,
    },
    /// List the secrets that the lab needs, and for whom they are encrypted.
    List,
    /// Remove a secret.
    Rm {
        /// Its name.
        name: String,
    },
    /// Encrypt all secrets anew for those who need them now.
    Rekey {
        /// Your private key, as `polis secret key` made it.
        #[arg(long, value_name = "FILE", env = "POLIS_IDENTITY")]
        identity: Option<PathBuf>,
    },
    /// Print the page to keep in a drawer: your private key, and how to get everything back without Polis.
    Sheet {
        /// Your private key, as `polis secret key` made it.
        #[arg(long, value_name = "FILE", env = "POLIS_IDENTITY")]
        identity: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MachineCommand {
    /// Make this machine's key pair, if it has none, and print the line for the lab file.
    Key {
        /// Where the machine keeps its state.
        #[arg(long, value_name = "FOLDER", env = "POLIS_STATE", default_value = "/var/lib/polis")]
        state: PathBuf,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The machine of the lab to be; otherwise the one that has this host name, or an address of this machine.
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,

    /// Answer names here, over UDP and TCP, instead of at the addresses of the lab file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) place: Place,

    /// This is the process without privileges.
    #[arg(long, hide = true)]
    pub(crate) worker: bool,

    /// All machines run here; the file holds their keys.
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) demo: Option<PathBuf>,
}

/// Where a running Polis keeps its state, and where it is asked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Where the machine keeps its state.
    #[arg(long, value_name = "FOLDER", env = "POLIS_STATE", default_value = "/var/lib/polis")]
    pub(crate) state: PathBuf,

    /// The socket that commands ask a running Polis at; without it, `polis.sock` in a state folder that is not the usual one, else
    /// `/run/polis/polis.sock`.
    #[arg(long, value_name = "PATH", env = "POLIS_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
}

impl Place {
    pub(crate) fn socket(&self) -> PathBuf {
        match &self.socket {
            Some(socket) => socket.clone(),
            None if self.state == Path::new("/var/lib/polis") => PathBuf::from(runtime::node::SOCKET),
            None => self.state.join("polis.sock"),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Another machine, asked over the link.
    #[arg(value_name = "MACHINE")]
    pub(crate) machine: Option<String>,

    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// How many, the last ones.
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) last: u32,

    /// Go on with those that happen from now on.
    #[arg(long, short)]
    pub(crate) follow: bool,

    #[command(flatten)]
    pub(crate) of: StatusArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OverlayCommand {
    /// List what was changed, by whom and when.
    List(AskArgs),
    /// Print it as the TOML to paste into the lab file; what the file has then goes from here by itself.
    Print(AskArgs),
    /// Add to a list of the lab file until the file itself has it.
    #[command(after_help = "Example:\n  polis overlay add dns.rules '||ads.example^'")]
    Add {
        /// The key of the lab file.
        key: String,
        /// What to add to its list.
        value: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Remove what was added.
    Rm {
        /// Its number, as `polis overlay list` shows it.
        number: i64,
        #[command(flatten)]
        ask: AskArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Say what would be answered to a client, step by step, and which rule would change it. Nobody outside is asked.
    #[command(
        after_help = "Examples:\n  polis dns why ads.example.com\n  polis dns why ads.example.com --client phone --kind AAAA"
    )]
    Why {
        /// The name.
        name: String,
        /// Who asks: an address, or what the lab calls it; without it, this machine.
        #[arg(long, value_name = "ADDRESS|NAME")]
        client: Option<String>,
        /// The type of record.
        #[arg(long, value_name = "TYPE", default_value = "A")]
        kind: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Forget the answers of others about a name and every name under it, or all.
    Flush {
        /// The name.
        name: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show the lists: how old each is, how many rules it has, what is wrong with it.
    #[command(
        after_help = "Examples:\n  polis dns lists\n  polis dns lists --refresh\n  polis dns lists --refresh ads"
    )]
    Lists {
        /// Fetch one now, or all.
        #[arg(long, value_name = "LIST")]
        refresh: Option<Option<String>>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show questions that were asked, with what came of each and why; the newest at the end.
    #[command(after_help = "Example:\n  polis dns log --client phone --outcome blocked")]
    Log {
        /// Only of this client: an address or a part of one, or what the lab calls it.
        #[arg(long)]
        client: Option<String>,
        /// Only names with this in them.
        #[arg(long)]
        name: Option<String>,
        /// Only those with this outcome: `blocked`, `cached`, `failed` and others.
        #[arg(long)]
        outcome: Option<String>,
        /// Only with this in the rule, the list, the policy or the upstream.
        #[arg(long)]
        reason: Option<String>,
        /// How many, the last ones.
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        most: u32,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Let the filters rest: nothing is blocked then, for nobody. `30m`, `2h`, a day at most; `off` ends that.
    Pause {
        /// How long, or `off`.
        #[arg(value_name = "LONG", value_parser = parse_pause)]
        seconds: u32,
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// The longest that filters rest, in seconds: a day.
const LONGEST_PAUSE: u32 = 86_400;

fn parse_pause(text: &str) -> Result<u32, String> {
    if text == "off" {
        return Ok(0);
    }
    let long = lab::value::Duration::parse(text)?;
    let seconds = u32::try_from(long.approximate_millis() / 1000).unwrap_or(u32::MAX);
    if (1..=LONGEST_PAUSE).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("write a length of time up to a day, such as `30m`, or `off`".to_owned())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Print the tables of the lab file that say what an `AdGuardHome.yaml` says, and what did not carry over.
    ///
    /// The tables go to standard output, what is said of them to standard error. Nothing is changed.
    #[command(after_help = "Example:\n  polis import adguard AdGuardHome.yaml > lab/dns.toml")]
    Adguard {
        /// The file. `leases.json` beside it, or in `data` beside it, is read too.
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DemoCommand>,

    /// The lab; the same as `--lab`.
    #[arg(value_name = "LAB")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Stop a machine of the demonstration, and its guests.
    Stop {
        /// Its name.
        machine: String,
    },
    /// Start it again, and its guests.
    Start {
        /// Its name.
        machine: String,
    },
}
