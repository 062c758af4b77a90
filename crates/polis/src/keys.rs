//! Key pairs: of machines and of people. Private halves are files that only their owner can read.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use age::secrecy::ExposeSecret as _;
use ssh_key::rand_core::OsRng;

use crate::args::MachineCommand;
use crate::fault::Fault;
use crate::show::print;

/// The file of a machine's private key, in its state folder.
const MACHINE_KEY: &str = "machine.key";

pub(crate) fn machine(machine: &MachineCommand) -> Result<ExitCode, Fault> {
    let MachineCommand::Key { state } = machine;
    print(&format!("key = \"{}\"\n", machine_key(state)?));
    eprintln!(
        "Write this line in the lab file, at this machine. The private half stays in {}.",
        state.join(MACHINE_KEY).display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The public half of the key pair in a state folder, which is made if there is none.
pub(crate) fn machine_key(state: &Path) -> Result<String, Fault> {
    let path = state.join(MACHINE_KEY);
    let key = match read_private(&path)? {
        Some(text) => ssh_key::PrivateKey::from_openssh(&text).map_err(|error| {
            Fault::secret(
                format!("`{}` is no key: {error}", path.display()),
                "move it away, and run this again",
            )
        })?,
        None => make_machine_key(&path)?,
    };
    key.public_key().to_openssh().map_err(|error| Fault::Secret { what: error.to_string(), help: None })
}

fn make_machine_key(path: &Path) -> Result<ssh_key::PrivateKey, Fault> {
    let failed =
        |error: ssh_key::Error| Fault::Secret { what: format!("can not make a key: {error}"), help: None };
    let key = ssh_key::PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).map_err(failed)?;
    let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(failed)?;
    write_private(path, &text)?;
    Ok(key)
}

/// Where a person's private key is kept: `$XDG_CONFIG_HOME/polis/owner.key` or `~/.config/polis/owner.key`.
pub(crate) fn owner_key_path() -> Result<PathBuf, Fault> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let config = config.ok_or_else(|| {
        Fault::misuse("nobody knows where your files are", "set HOME, or write `--identity FILE`")
    })?;
    Ok(config.join("polis").join("owner.key"))
}

/// Makes the owner's key pair, if there is none, and prints its public half.
pub(crate) fn owner() -> Result<ExitCode, Fault> {
    let path = owner_key_path()?;
    let public = match read_private(&path)? {
        Some(text) => match text
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY-"))
            .map(str::parse::<age::x25519::Identity>)
        {
            Some(Ok(identity)) => identity.to_public().to_string(),
            _ => {
                let what = format!("`{}` holds no key of age", path.display());
                return Err(Fault::secret(what, "move it away, and run this again"));
            }
        },
        None => {
            let identity = age::x25519::Identity::generate();
            let public = identity.to_public().to_string();
            let secret = identity.to_string();
            write_private(&path, &format!("# public key: {public}\n{}\n", secret.expose_secret()))?;
            public
        }
    };
    print(&format!("key = \"{public}\"\n"));
    eprintln!(
        "Write this line in the lab file, at yourself in [people]. The private half is in {}:",
        path.display()
    );
    eprintln!("keep a copy of it on paper, `polis secret sheet` prints the page.");
    Ok(ExitCode::SUCCESS)
}

/// A private key, if its file is there.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, Fault> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Fault::File { doing: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner can read, and that was not there before.
fn write_private(path: &Path, text: &str) -> Result<(), Fault> {
    let failed = |doing| move |source| Fault::File { doing, path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed("write"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write"))
}
