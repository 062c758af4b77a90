//! Key pairs: of machines and of people. Private halves are files that only their owner can read.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use ssh_key::rand_core::OsRng;

use super::{Identity, SecretFault, parse_identities};

/// The file of a machine's private key, in its state folder.
pub(crate) const MACHINE: &str = "machine.key";

/// The public half of the key pair in a state folder, as it stands in the lab file. The pair is made if there is none.
///
/// # Errors
/// If it can not be read or made.
pub fn machine(state: &Path) -> Result<String, SecretFault> {
    let path = state.join(MACHINE);
    let key = match read(&path)? {
        Some(text) => ssh_key::PrivateKey::from_openssh(&text).map_err(|error| {
            SecretFault::failed(
                format!("`{}` is no key: {error}", path.display()),
                "move it away, and run this again",
            )
        })?,
        None => make(&path)?,
    };
    key.public_key()
        .to_openssh()
        .map_err(|error| SecretFault::failed(error.to_string(), "nothing has been changed"))
}

fn make(path: &Path) -> Result<ssh_key::PrivateKey, SecretFault> {
    let failed = |error: ssh_key::Error| {
        SecretFault::failed(format!("can not make a key: {error}"), "nothing has been changed")
    };
    let key = ssh_key::PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).map_err(failed)?;
    let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(failed)?;
    write(path, &text)?;
    Ok(key)
}

/// The public half of a person's key pair, which is made if there is none.
///
/// # Errors
/// If it can not be read or made.
pub fn person(path: &Path) -> Result<String, SecretFault> {
    let Some(text) = read(path)? else {
        let identity = age::x25519::Identity::generate();
        let public = identity.to_public().to_string();
        let secret = identity.to_string();
        write(path, &format!("# public key: {public}\n{}\n", secret.expose_secret()))?;
        return Ok(public);
    };
    let key = text
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .map(str::parse::<age::x25519::Identity>);
    match key {
        Some(Ok(identity)) => Ok(identity.to_public().to_string()),
        _ => {
            let what = format!("`{}` holds no key of age", path.display());
            Err(SecretFault::failed(what, "move it away, and run this again"))
        }
    }
}

/// The private keys in a file of age or of SSH.
///
/// # Errors
/// If it is not there, or holds none.
pub fn identities(path: &Path) -> Result<Vec<Identity>, SecretFault> {
    let Some(text) = read(path)? else {
        let what = format!("your private key is not in `{}`", path.display());
        return Err(SecretFault::failed(
            what,
            "write `--identity FILE`, or make a key pair: `polis secret key`",
        ));
    };
    parse_identities(&text).map_err(|why| {
        SecretFault::failed(
            format!("`{}` is no private key: {why}", path.display()),
            "use the file that `polis secret key` made",
        )
    })
}

/// A private key, if its file is there.
pub(super) fn read(path: &Path) -> Result<Option<String>, SecretFault> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretFault::File { doing: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner can read, and that was not there before.
fn write(path: &Path, text: &str) -> Result<(), SecretFault> {
    let failed = |doing| move |source| SecretFault::File { doing, path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed("make the folder of"))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed("write"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write"))
}
