//! `polis secret`: values that are encrypted with age beside the lab, for the people who have a key and for
//! the machines whose plan uses them. A value is never printed, except on the recovery sheet.

mod sheet;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use age::secrecy::{ExposeSecret as _, SecretString};
use lab::{Checked, Lab, SecretUse, recipients, recipients_path, secret_path, secret_uses};

use crate::args::{Args, SecretCommand};
use crate::fault::Fault;
use crate::keys;
use crate::laboratory;
use crate::show::print;

/// The largest value, in bytes.
const MAX_VALUE: u64 = 64 << 10;

pub(crate) fn secret(args: &Args, secret: &SecretCommand) -> Result<ExitCode, Fault> {
    if let SecretCommand::Key = secret {
        return keys::owner();
    }
    let checked = laboratory::check(args)?;
    let keep = Keep::of(&checked)?;
    match secret {
        SecretCommand::Key => {}
        SecretCommand::List => keep.list(),
        SecretCommand::Rm { name } => keep.remove(name)?,
        // A lab with errors may lack the key of somebody who needs the secret.
        SecretCommand::Set { .. } | SecretCommand::Rekey { .. } if checked.usable().is_none() => {
            return Err(Fault::LabHasErrors);
        }
        SecretCommand::Set { name } => keep.set(name)?,
        SecretCommand::Rekey { identity } => keep.rekey(identity.as_deref())?,
        SecretCommand::Sheet { identity } => keep.sheet(identity.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A key that is encrypted to.
type Recipient = Box<dyn age::Recipient + Send>;

/// A secret that is encrypted: what its two files hold.
struct Sealed {
    armoured: Vec<u8>,
    recipients: String,
}

/// The secrets of a lab folder.
struct Keep<'c> {
    checked: &'c Checked,
    lab: &'c Lab,
    root: &'c Path,
    uses: BTreeMap<String, SecretUse>,
}

impl<'c> Keep<'c> {
    fn of(checked: &'c Checked) -> Result<Self, Fault> {
        let (Some(lab), Some(root)) = (&checked.lab, checked.folder.root()) else {
            return Err(Fault::LabHasErrors);
        };
        Ok(Self { checked, lab, root, uses: secret_uses(lab) })
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    fn is_there(&self, name: &str) -> bool {
        self.stored().iter().any(|stored| stored == name)
    }

    /// The secrets that have a file, whether or not the lab names them.
    fn stored(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path("secrets")).into_iter().flatten().flatten();
        let name =
            |file: std::fs::DirEntry| Some(file.file_name().to_str()?.strip_suffix(".age")?.to_owned());
        let mut names: Vec<String> = files.filter_map(name).collect();
        names.sort();
        names
    }

    fn uses_of(&self, name: &str) -> SecretUse {
        self.uses.get(name).cloned().unwrap_or_default()
    }

    fn known(&self, name: &str) -> Result<(), Fault> {
        if self.uses.contains_key(name) || self.is_there(name) {
            return Ok(());
        }
        let names: Vec<&str> = self.uses.keys().map(String::as_str).collect();
        let help = match (lab::nearest(name, names.iter().copied()), names.as_slice()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("write `secret:{name}` where it is needed first"),
            (None, names) => format!("it uses {}", names.join(", ")),
        };
        Err(Fault::misuse(format!("nothing in the lab uses a secret `{name}`"), help))
    }

    fn set(&self, name: &str) -> Result<(), Fault> {
        self.known(name)?;
        self.keys_for(name)?;
        let value = ask_value(name)?;
        self.store(name, &self.seal(name, &value)?)?;
        eprintln!(
            "{name} is kept in {}, encrypted for {}.",
            self.path(&secret_path(name)).display(),
            self.readers(name).join(", ")
        );
        let uses = self.uses_of(name);
        let unenrolled: Vec<&str> = uses
            .machines
            .iter()
            .filter(|machine| self.lab.machines.get(*machine).is_some_and(|machine| machine.key.is_none()))
            .map(lab::names::MachineName::as_str)
            .collect();
        if !unenrolled.is_empty() {
            eprintln!(
                "{} needs it and has no `key` in the lab file yet: run `polis machine key` there, write the line it \
                 prints, then `polis secret rekey`.",
                unenrolled.join(", ")
            );
        }
        Ok(())
    }

    /// Who can read a secret once it is stored: names, for people.
    fn readers(&self, name: &str) -> Vec<String> {
        recipients(self.lab, &self.uses_of(name)).into_iter().map(|(who, _)| who).collect()
    }

    /// The keys that a secret is encrypted to. That of a person is among them, or nobody could ever give it to
    /// another machine.
    fn keys_for(&self, name: &str) -> Result<Vec<(String, Recipient)>, Fault> {
        if self.lab.people.iter().all(|(_, person)| person.key.is_none()) {
            return Err(Fault::secret(
                "no person in the lab file has a `key`, and secrets are encrypted for their owner first",
                "run `polis secret key`, and write the line that it prints at yourself in [people]",
            ));
        }
        recipients(self.lab, &self.uses_of(name))
            .into_iter()
            .map(|(who, key)| {
                let recipient = recipient(key.as_str()).ok_or_else(|| {
                    let place = self.checked.folder.place(key.span());
                    Fault::secret(
                        format!("the key of {who} is no key of age or SSH ({place})"),
                        "copy it again, whole",
                    )
                })?;
                Ok((key.to_string(), recipient))
            })
            .collect()
    }

    fn seal(&self, name: &str, value: &SecretString) -> Result<Sealed, Fault> {
        let keys = self.keys_for(name)?;
        let recipients = keys.iter().map(|(_, recipient)| recipient.as_ref() as &dyn age::Recipient);
        let armoured = encrypt(recipients, value)?;
        let lines: String = keys.iter().map(|(key, _)| format!("{key}\n")).collect();
        let recipients = format!("# Who can read {name}.age; `polis secret rekey` writes this.\n{lines}");
        Ok(Sealed { armoured, recipients })
    }

    fn store(&self, name: &str, sealed: &Sealed) -> Result<(), Fault> {
        self.write(&secret_path(name), &sealed.armoured)?;
        self.write(&recipients_path(name), sealed.recipients.as_bytes())
    }

    /// Replaces a file at once: it is never half written.
    fn write(&self, inside: &str, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path(inside);
        let failed = |source| Fault::File { doing: "write", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let draft = path.with_extension("new");
        let mut file = std::fs::File::create(&draft).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&draft, &path).map_err(failed)
    }

    fn list(&self) {
        let mut names: Vec<String> = self.uses.keys().cloned().chain(self.stored()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            print("the lab needs no secrets\n");
        }
        let widest = names.iter().map(String::len).max().unwrap_or(0);
        for name in names {
            let uses = self.uses_of(&name);
            let state = match (self.is_there(&name), self.is_stale(&name)) {
                (false, _) => "not there",
                (true, true) => "stale: rekey",
                (true, false) => "there",
            };
            let what: Vec<&str> = uses.uses.iter().map(|(what, _)| what.as_str()).collect();
            let what = if what.is_empty() {
                "nothing uses it".to_owned()
            } else {
                format!("for the {}", what.join(", "))
            };
            let machines: Vec<&str> = uses.machines.iter().map(lab::names::MachineName::as_str).collect();
            let on =
                if machines.is_empty() { String::new() } else { format!(", on {}", machines.join(", ")) };
            print(&format!("{name:widest$}  {state:12}  {what}{on}\n"));
        }
    }

    fn is_stale(&self, name: &str) -> bool {
        let written = std::fs::read_to_string(self.path(&recipients_path(name))).unwrap_or_default();
        let mut has: Vec<&str> = written.lines().filter(|line| !line.starts_with('#')).collect();
        let uses = self.uses_of(name);
        let mut should: Vec<&str> = recipients(self.lab, &uses).iter().map(|(_, key)| key.as_str()).collect();
        has.sort_unstable();
        should.sort_unstable();
        has != should
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        if !self.is_there(name) {
            return Err(Fault::misuse(
                format!("there is no secret `{name}`"),
                "`polis secret list` shows all",
            ));
        }
        for path in [secret_path(name), recipients_path(name)] {
            let path = self.path(&path);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Fault::File { doing: "remove", path, source });
                }
                _ => {}
            }
        }
        for (what, span) in self.uses_of(name).uses {
            eprintln!("{} still needs it, for the {what}.", self.checked.folder.place(span));
        }
        Ok(())
    }

    /// Encrypts all secrets before it writes the first: it is done for all, or for none. What the key of who does
    /// it would not open again is not written: with it the last way to the values could be lost.
    fn rekey(&self, identity: Option<&Path>) -> Result<(), Fault> {
        let names = self.stored();
        let identities = identities(identity)?;
        let mut sealed = Vec::with_capacity(names.len());
        for name in &names {
            let new = self.seal(name, &self.open(name, &identities)?)?;
            if decrypt(&new.armoured, &identities).is_err() {
                return Err(self.locks_out(name));
            }
            sealed.push(new);
        }
        for (name, sealed) in names.iter().zip(&sealed) {
            self.store(name, sealed)?;
            eprintln!("{name}: encrypted for {}", self.readers(name).join(", "));
        }
        if names.is_empty() {
            eprintln!("there are no secrets yet");
        }
        Ok(())
    }

    fn locks_out(&self, name: &str) -> Fault {
        Fault::secret(
            format!(
                "your key opens `{name}` and would not open it any more: it would be encrypted for {} only, so that \
                 nothing has been changed",
                self.readers(name).join(", ")
            ),
            "write the public half of your key at yourself in [people] (`polis secret key` prints that of the key \
             it made), or let somebody whose key stays do this: `--identity FILE`",
        )
    }

    fn open(&self, name: &str, identities: &[Box<dyn age::Identity>]) -> Result<SecretString, Fault> {
        let path = self.path(&secret_path(name));
        let armoured = std::fs::read(&path).map_err(|source| Fault::File {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        decrypt(&armoured, identities).map_err(|why| {
            Fault::secret(
                format!("`{}` can not be opened with this key: {why}", path.display()),
                "use the private key of somebody it is encrypted for: `--identity FILE`",
            )
        })
    }
}

fn recipient(key: &str) -> Option<Recipient> {
    if let Ok(recipient) = key.parse::<age::x25519::Recipient>() {
        return Some(Box::new(recipient));
    }
    let recipient: age::ssh::Recipient = key.parse().ok()?;
    Some(Box::new(recipient))
}

fn encrypt<'r>(
    recipients: impl Iterator<Item = &'r dyn age::Recipient>,
    value: &SecretString,
) -> Result<Vec<u8>, Fault> {
    let failed = |why: String| Fault::Secret { what: format!("can not encrypt: {why}"), help: None };
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

fn decrypt(armoured: &[u8], identities: &[Box<dyn age::Identity>]) -> Result<SecretString, String> {
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

/// The private key of who runs the command: a file of age or of SSH.
fn identities(path: Option<&Path>) -> Result<Vec<Box<dyn age::Identity>>, Fault> {
    let path = path.map_or_else(keys::owner_key_path, |path| Ok(path.to_owned()))?;
    let Some(text) = keys::read_private(&path)? else {
        let what = format!("your private key is not in `{}`", path.display());
        return Err(Fault::secret(what, "write `--identity FILE`, or make a key pair: `polis secret key`"));
    };
    parse_identities(&text).map_err(|why| {
        Fault::secret(
            format!("`{}` is no private key: {why}", path.display()),
            "use the file that `polis secret key` made",
        )
    })
}

/// The private keys in a text, or why there are none.
fn parse_identities(text: &str) -> Result<Vec<Box<dyn age::Identity>>, String> {
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
    Ok(identities.into_iter().map(|identity| identity as Box<dyn age::Identity>).collect())
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
        return Err(Fault::secret("the value is empty", "nothing has been changed"));
    }
    if u64::try_from(value.len()).is_ok_and(|length| length > MAX_VALUE) {
        return Err(Fault::secret(
            format!("the value is longer than {MAX_VALUE} bytes"),
            "nothing has been changed",
        ));
    }
    Ok(SecretString::from(value))
}
