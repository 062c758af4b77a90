//! `polis secret` and the keys of machines and people. A value is never printed, except on the recovery sheet.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use runtime::secret::{Keep, MAX_VALUE, SecretString, Set, key};

use crate::args::{Args, MachineCommand, SecretCommand};
use crate::fault::Fault;
use crate::laboratory;
use crate::show::print;

pub(crate) fn machine(machine: &MachineCommand) -> Result<ExitCode, Fault> {
    let MachineCommand::Key { state } = machine;
    print(&format!("key = \"{}\"\n", key::machine(state)?));
    eprintln!(
        "Write this line in the lab file, at this machine. The private half stays in {}.",
        state.join("machine.key").display()
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn secret(args: &Args, secret: &SecretCommand) -> Result<ExitCode, Fault> {
    if let SecretCommand::Key = secret {
        return owner();
    }
    let checked = laboratory::check(args)?;
    let keep = Keep::of(&checked).ok_or(Fault::LabHasErrors)?;
    match secret {
        SecretCommand::Key => {}
        SecretCommand::List => print(&keep.list_text()),
        SecretCommand::Rm { name } => {
            for (place, what) in keep.remove(name)? {
                eprintln!("{place} still needs it, for the {what}.");
            }
        }
        // A lab with errors may lack the key of somebody who needs the secret.
        SecretCommand::Set { .. } | SecretCommand::Rekey { .. } if checked.usable().is_none() => {
            return Err(Fault::LabHasErrors);
        }
        SecretCommand::Set { name } => set(&keep, name)?,
        SecretCommand::Rekey { identity } => {
            let done = keep.rekey(&key::identities(&identity_path(identity.as_deref())?)?)?;
            if done.is_empty() {
                eprintln!("there are no secrets yet");
            }
            for (name, readers) in done {
                eprintln!("{name}: encrypted for {}", readers.join(", "));
            }
        }
        SecretCommand::Sheet { identity } => {
            let page = keep.sheet(&identity_path(identity.as_deref())?)?;
            if std::io::stdout().is_terminal() {
                eprintln!("This page holds the key to every secret: print it, and do not keep the file.");
            }
            print(&page);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the owner's key pair, if there is none, and prints its public half.
fn owner() -> Result<ExitCode, Fault> {
    let path = owner_key_path()?;
    print(&format!("key = \"{}\"\n", key::person(&path)?));
    eprintln!(
        "Write this line in the lab file, at yourself in [people]. The private half is in {}:",
        path.display()
    );
    eprintln!("keep a copy of it on paper, `polis secret sheet` prints the page.");
    Ok(ExitCode::SUCCESS)
}

fn identity_path(path: Option<&Path>) -> Result<PathBuf, Fault> {
    path.map_or_else(owner_key_path, |path| Ok(path.to_owned()))
}

/// Where a person's private key is kept: `$XDG_CONFIG_HOME/polis/owner.key` or `~/.config/polis/owner.key`.
fn owner_key_path() -> Result<PathBuf, Fault> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let config = config.ok_or_else(|| {
        Fault::misuse("nobody knows where your files are", "set HOME, or write `--identity FILE`")
    })?;
    Ok(config.join("polis").join("owner.key"))
}

fn set(keep: &Keep<'_>, name: &str) -> Result<(), Fault> {
    keep.check(name)?;
    let Set { path, readers, unenrolled } = keep.set(name, &ask_value(name)?)?;
    eprintln!("{name} is kept in {}, encrypted for {}.", path.display(), readers.join(", "));
    if !unenrolled.is_empty() {
        eprintln!(
            "{} needs it and has no `key` in the lab file yet: run `polis machine key` there, write the line it \
             prints, then `polis secret rekey`.",
            unenrolled.join(", ")
        );
    }
    Ok(())
}

/// Asks for the value at a terminal, or reads all of standard input without the line break at its end.
fn ask_value(name: &str) -> Result<SecretString, Fault> {
    let failed = |source| Fault::File { doing: "read", path: PathBuf::from("standard input"), source };
    let value = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Value of {name} (it is not shown): ")).map_err(failed)?
    } else {
        let mut value = String::new();
        std::io::stdin().lock().take(MAX_VALUE + 1).read_to_string(&mut value).map_err(failed)?;
        let end = value.trim_end_matches(['\n', '\r']).len();
        value.truncate(end);
        value
    };
    if value.is_empty() {
        return Err(Fault::said("the value is empty", "nothing has been changed"));
    }
    if u64::try_from(value.len()).is_ok_and(|length| length > MAX_VALUE) {
        return Err(Fault::said(
            format!("the value is longer than {MAX_VALUE} bytes"),
            "nothing has been changed",
        ));
    }
    Ok(SecretString::from(value))
}
