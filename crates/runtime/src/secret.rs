//! Secrets: values that are encrypted with age beside the lab, for the people who have a key and for the machines
//! whose plan uses them.
//!
//! `keep` is the folder of secrets as its owner handles it, `sheet` the page for the drawer, `key` makes key pairs; [`Secrets`]
//! opens on a machine what that machine's plan uses. A value is shown nowhere but on the page for the drawer.

mod keep;
pub mod key;
mod sheet;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
pub use age::secrecy::SecretString;
use lab::secret_path;
use lab::value::SecretRef;

use crate::fault::Fault;

pub use keep::{Keep, Listed, Set};

/// The largest value, in bytes.
pub const MAX_VALUE: u64 = 64 << 10;

/// A key that is encrypted to.
pub(crate) type Recipient = Box<dyn age::Recipient + Send>;
/// A key that opens.
pub type Identity = Box<dyn age::Identity>;

/// Why something could not be done with a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// What was asked for makes no sense with this lab.
    #[error("{what}")]
    Misuse {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// It failed.
    #[error("{what}")]
    Failed {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// A file could not be read or written.
    #[error("can not {doing} `{}`: {source}", .path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SecretFault {
    pub(crate) fn misuse(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Misuse { what: what.into(), help: help.into() }
    }

    pub(crate) fn failed(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), help: help.into() }
    }
}

/// The secrets that a machine may open.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
    key: PathBuf,
}

impl Secrets {
    /// Those of a lab folder, with the private key in a file.
    pub fn of(folder: PathBuf, key: PathBuf) -> Self {
        Self { folder, key }
    }

    /// The value that a reference stands for, read anew each time.
    ///
    /// # Errors
    /// If it is not there, or not for this machine. The fault does not show the value.
    pub fn open(&self, reference: &SecretRef) -> Result<SecretString, Fault> {
        let fault = |what: String, help: &str| Fault { what, help: help.to_owned() };
        let absent = |error: std::io::Error| format!("{reference} can not be read: {error}");
        match reference {
            SecretRef::Kept(name) => {
                let give = format!("give it its value: `polis secret set {name}`");
                let armoured = limited(&self.folder.join(secret_path(name)))
                    .map_err(|error| fault(absent(error), &give))?;
                let own = "`polis machine key` makes the key of this machine";
                let text = limited(&self.key)
                    .map_err(|error| fault(format!("the machine's key can not be read: {error}"), own))?;
                let identities =
                    parse_identities(&String::from_utf8_lossy(&text)).map_err(|why| fault(why, own))?;
                let rekey =
                    "it is not encrypted for this machine: `polis secret rekey` where the owner's key is";
                decrypt(&armoured, &identities)
                    .map_err(|why| fault(format!("{reference} can not be opened: {why}"), rekey))
            }
            SecretRef::Environment(name) => std::env::var(name).map(SecretString::from).map_err(|_| {
                fault(
                    format!("{reference} is not set"),
                    "set it where Polis is started: in its unit, `systemctl edit polis`",
                )
            }),
            SecretRef::File(path) => {
                let bytes = limited(Path::new(path))
                    .map_err(|error| fault(absent(error), "the file has to be there for who runs Polis"))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| fault(format!("{reference} is no text"), "write the value as text"))?;
                Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }
}

/// A file, if it is not larger than a secret may be.
fn limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // An encrypted value is longer than the value, by less than half.
    let most = MAX_VALUE * 2;
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= most => Ok(bytes),
        _ => Err(std::io::ErrorKind::FileTooLarge.into()),
    }
}

pub(crate) fn recipient(key: &str) -> Option<Recipient> {
    if let Ok(recipient) = key.parse::<age::x25519::Recipient>() {
        return Some(Box::new(recipient));
    }
    let recipient: age::ssh::Recipient = key.parse().ok()?;
    Some(Box::new(recipient))
}

pub(crate) fn encrypt<'r>(
    recipients: impl Iterator<Item = &'r dyn age::Recipient>,
    value: &SecretString,
) -> Result<Vec<u8>, SecretFault> {
    let failed =
        |why: String| SecretFault::failed(format!("can not encrypt: {why}"), "nothing has been changed");
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
    let mut armoured = Vec::new();
    let armour = age::armor::ArmoredWriter::wrap_output(&mut armoured, age::armor::Format::AsciiArmor)
        .map_err(|error| failed(error.to_string()))?;
    let mut writer = encryptor.wrap_output(armour).map_err(|error| failed(error.to_string()))?;
    writer
        .write_all(value.expose_secret().as_bytes())
        .and_then(|()| writer.finish())
        .and_then(age::armor::ArmoredWriter::finish)
        .map_err(|error| failed(error.to_string()))?;
    Ok(armoured)
}

pub(crate) fn decrypt(armoured: &[u8], identities: &[Identity]) -> Result<SecretString, String> {
    let decryptor =
        age::Decryptor::new(age::armor::ArmoredReader::new(armoured)).map_err(|error| error.to_string())?;
    let reader =
        decryptor.decrypt(identities.iter().map(AsRef::as_ref)).map_err(|error| error.to_string())?;
    let mut value = String::new();
    reader.take(MAX_VALUE + 1).read_to_string(&mut value).map_err(|error| error.to_string())?;
    let value = SecretString::from(value);
    if u64::try_from(value.expose_secret().len()).is_ok_and(|length| length <= MAX_VALUE) {
        Ok(value)
    } else {
        Err(format!("its value is longer than {MAX_VALUE} bytes"))
    }
}

/// The private keys in a text, or why there are none.
pub(crate) fn parse_identities(text: &str) -> Result<Vec<Identity>, String> {
    if text.starts_with("-----BEGIN") {
        let identity =
            age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|error| error.to_string())?;
        return match identity {
            age::ssh::Identity::Unencrypted(_) => Ok(vec![Box::new(identity)]),
            _ => Err("it is protected by a passphrase, or of a kind that is not supported".to_owned()),
        };
    }
    let file = age::IdentityFile::from_buffer(text.as_bytes()).map_err(|error| error.to_string())?;
    let identities = file.into_identities().map_err(|error| error.to_string())?;
    Ok(identities.into_iter().map(|identity| identity as Identity).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    #[test]
    fn a_machine_opens_what_is_encrypted_for_it_and_nothing_else() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("lab");
        std::fs::create_dir_all(folder.join("secrets")).unwrap();
        let (own, other) = (scratch.path().join("own"), scratch.path().join("other"));
        let keys: Vec<String> = [&own, &other].map(|state| key::machine(state).unwrap()).into();
        for (name, to) in [("mine", &keys[0]), ("theirs", &keys[1])] {
            let to = recipient(to).unwrap();
            let sealed =
                encrypt([to.as_ref() as &dyn age::Recipient].into_iter(), &SecretString::from("hunter2"))
                    .unwrap();
            std::fs::write(folder.join(secret_path(name)), sealed).unwrap();
        }
        let secrets = Secrets::of(folder, own.join("machine.key"));
        let open = |reference: SecretRef| secrets.open(&reference);
        assert_eq!(open(SecretRef::Kept("mine".into())).unwrap().expose_secret(), "hunter2");
        assert!(open(SecretRef::Kept("theirs".into())).unwrap_err().help.contains("rekey"));
        assert!(open(SecretRef::Kept("none".into())).unwrap_err().help.contains("polis secret set none"));
        std::fs::write(scratch.path().join("token"), "abc\n").unwrap();
        let path = scratch.path().join("token").to_string_lossy().into_owned();
        assert_eq!(open(SecretRef::File(path)).unwrap().expose_secret(), "abc");
        assert!(
            open(SecretRef::Environment("POLIS_NOT_SET".into()))
                .unwrap_err()
                .what
                .contains("env:POLIS_NOT_SET")
        );
    }
}
