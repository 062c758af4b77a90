//! The folder of secrets: what its owner does with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lab::names::MachineName;
use lab::{Checked, Lab, SecretUse, Span, recipients, recipients_path, secret_path, secret_uses};

use super::{Identity, Recipient, SecretFault, SecretString, decrypt, encrypt, recipient};
use crate::state::replace;

/// What became of a value that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The file.
    pub path: PathBuf,
    /// Who can read it.
    pub readers: Vec<String>,
    /// The machines that need it and have no key yet.
    pub unenrolled: Vec<String>,
}

/// A secret in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it has a value.
    pub is_there: bool,
    /// Whether it is encrypted for others than it should be.
    pub is_stale: bool,
    /// What uses it.
    pub uses: Vec<String>,
    /// The machines that need it.
    pub machines: Vec<String>,
}

/// A secret that is encrypted: what its two files hold.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) armoured: Vec<u8>,
    recipients: String,
}

/// The secrets of a lab folder, as their owner handles them.
#[derive(Debug)]
pub struct Keep<'c> {
    checked: &'c Checked,
    pub(super) lab: &'c Lab,
    root: &'c Path,
    uses: BTreeMap<String, SecretUse>,
}

impl<'c> Keep<'c> {
    /// Those of a lab; none if there is no lab that could be read, or no folder.
    pub fn of(checked: &'c Checked) -> Option<Self> {
        let (lab, root) = (checked.lab.as_ref()?, checked.folder.root()?);
        Some(Self { checked, lab, root, uses: secret_uses(lab) })
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    pub(super) fn is_there(&self, name: &str) -> bool {
        self.stored().iter().any(|stored| stored == name)
    }

    /// The secrets that have a file, whether or not the lab names them.
    pub(super) fn stored(&self) -> Vec<String> {
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

    fn known(&self, name: &str) -> Result<(), SecretFault> {
        if self.uses.contains_key(name) || self.is_there(name) {
            return Ok(());
        }
        let names: Vec<&str> = self.uses.keys().map(String::as_str).collect();
        let help = match (lab::nearest(name, names.iter().copied()), names.as_slice()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("write `secret:{name}` where it is needed first"),
            (None, names) => format!("it uses {}", names.join(", ")),
        };
        Err(SecretFault::misuse(format!("nothing in the lab uses a secret `{name}`"), help))
    }

    /// What has to be known before somebody is asked for a value: that it is needed, and that it can be encrypted.
    ///
    /// # Errors
    /// If nothing uses it, or nobody has a key.
    pub fn check(&self, name: &str) -> Result<(), SecretFault> {
        self.known(name)?;
        self.keys_for(name).map(drop)
    }

    /// Keeps a value; says where, for whom, and which machines need it and have no key yet.
    ///
    /// # Errors
    /// If it can not be encrypted or written; then what was kept before is still there.
    pub fn set(&self, name: &str, value: &SecretString) -> Result<Set, SecretFault> {
        self.check(name)?;
        self.store(name, &self.seal(name, value)?)?;
        let uses = self.uses_of(name);
        let has_no_key = |machine: &&MachineName| {
            self.lab.machines.get(*machine).is_some_and(|machine| machine.key.is_none())
        };
        let unenrolled = uses.machines.iter().filter(has_no_key).map(MachineName::to_string).collect();
        Ok(Set { path: self.path(&secret_path(name)), readers: self.readers(name), unenrolled })
    }

    /// Who can read a secret once it is stored: names, for people.
    fn readers(&self, name: &str) -> Vec<String> {
        recipients(self.lab, &self.uses_of(name)).into_iter().map(|(who, _)| who).collect()
    }

    /// The keys that a secret is encrypted to. That of a person is among them, or nobody could ever give it to
    /// another machine.
    fn keys_for(&self, name: &str) -> Result<Vec<(String, Recipient)>, SecretFault> {
        if self.lab.people.iter().all(|(_, person)| person.key.is_none()) {
            return Err(SecretFault::failed(
                "no person in the lab file has a `key`, and secrets are encrypted for their owner first",
                "run `polis secret key`, and write the line that it prints at yourself in [people]",
            ));
        }
        recipients(self.lab, &self.uses_of(name))
            .into_iter()
            .map(|(who, key)| {
                let recipient = recipient(key.as_str()).ok_or_else(|| {
                    let place = self.checked.folder.place(key.span());
                    SecretFault::failed(
                        format!("the key of {who} is no key of age or SSH ({place})"),
                        "copy it again, whole",
                    )
                })?;
                Ok((key.to_string(), recipient))
            })
            .collect()
    }

    pub(super) fn seal(&self, name: &str, value: &SecretString) -> Result<Sealed, SecretFault> {
        let keys = self.keys_for(name)?;
        let recipients = keys.iter().map(|(_, recipient)| recipient.as_ref() as &dyn age::Recipient);
        let armoured = encrypt(recipients, value)?;
        let lines: String = keys.iter().map(|(key, _)| format!("{key}\n")).collect();
        let recipients = format!("# Who can read {name}.age; `polis secret rekey` writes this.\n{lines}");
        Ok(Sealed { armoured, recipients })
    }

    fn store(&self, name: &str, sealed: &Sealed) -> Result<(), SecretFault> {
        self.write(&secret_path(name), &sealed.armoured)?;
        self.write(&recipients_path(name), sealed.recipients.as_bytes())
    }

    fn write(&self, inside: &str, bytes: &[u8]) -> Result<(), SecretFault> {
        let path = self.path(inside);
        let failed = |source| SecretFault::File { doing: "write", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        replace(&path, bytes).map_err(failed)
    }

    /// The list of them as text, a line each.
    pub fn list_text(&self) -> String {
        let all = self.list();
        let widest = all.iter().map(|secret| secret.name.len()).max().unwrap_or(0);
        let line = |Listed { name, is_there, is_stale, uses, machines }: &Listed| {
            let state = match (is_there, is_stale) {
                (false, _) => "not there",
                (true, true) => "stale: rekey",
                (true, false) => "there",
            };
            let what = if uses.is_empty() {
                "nothing uses it".to_owned()
            } else {
                format!("for the {}", uses.join(", "))
            };
            let on =
                if machines.is_empty() { String::new() } else { format!(", on {}", machines.join(", ")) };
            format!("{name:widest$}  {state:12}  {what}{on}\n")
        };
        if all.is_empty() { "the lab needs no secrets\n".to_owned() } else { all.iter().map(line).collect() }
    }

    /// All secrets that the lab uses or that are there, by name.
    pub fn list(&self) -> Vec<Listed> {
        let mut names: Vec<String> = self.uses.keys().cloned().chain(self.stored()).collect();
        names.sort();
        names.dedup();
        let listed = |name: String| {
            let uses = self.uses_of(&name);
            Listed {
                is_there: self.is_there(&name),
                is_stale: self.is_stale(&name),
                uses: uses.uses.iter().map(|(what, _)| what.clone()).collect(),
                machines: uses.machines.iter().map(MachineName::to_string).collect(),
                name,
            }
        };
        names.into_iter().map(listed).collect()
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

    /// Removes a secret; says where the lab still needs it and for what.
    ///
    /// # Errors
    /// If there is none, or it can not be removed.
    pub fn remove(&self, name: &str) -> Result<Vec<(String, String)>, SecretFault> {
        if !self.is_there(name) {
            return Err(SecretFault::misuse(
                format!("there is no secret `{name}`"),
                "`polis secret list` shows all",
            ));
        }
        for path in [secret_path(name), recipients_path(name)] {
            let path = self.path(&path);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SecretFault::File { doing: "remove", path, source });
                }
                _ => {}
            }
        }
        let needs = |(what, span): &(String, Span)| (self.checked.folder.place(*span), what.clone());
        Ok(self.uses_of(name).uses.iter().map(needs).collect())
    }

    /// Encrypts all secrets before it writes the first: it is done for all, or for none. What the key of who does
    /// it would not open again is not written: with it the last way to the values could be lost.
    /// Says for whom each is encrypted now.
    ///
    /// # Errors
    /// If one of them can not be opened, encrypted or written.
    pub fn rekey(&self, identities: &[Identity]) -> Result<Vec<(String, Vec<String>)>, SecretFault> {
        let names = self.stored();
        let mut sealed = Vec::with_capacity(names.len());
        for name in &names {
            let new = self.seal(name, &self.open(name, identities)?)?;
            if decrypt(&new.armoured, identities).is_err() {
                return Err(self.locks_out(name));
            }
            sealed.push(new);
        }
        for (name, sealed) in names.iter().zip(&sealed) {
            self.store(name, sealed)?;
        }
        Ok(names
            .into_iter()
            .map(|name| (self.readers(&name), name))
            .map(|(readers, name)| (name, readers))
            .collect())
    }

    fn locks_out(&self, name: &str) -> SecretFault {
        SecretFault::failed(
            format!(
                "your key opens `{name}` and would not open it any more: it would be encrypted for {} only, so that \
                 nothing has been changed",
                self.readers(name).join(", ")
            ),
            "write the public half of your key at yourself in [people] (`polis secret key` prints that of the key \
             it made), or let somebody whose key stays do this: `--identity FILE`",
        )
    }

    pub(super) fn open(&self, name: &str, identities: &[Identity]) -> Result<SecretString, SecretFault> {
        let path = self.path(&secret_path(name));
        let armoured = std::fs::read(&path).map_err(|source| SecretFault::File {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        decrypt(&armoured, identities).map_err(|why| {
            SecretFault::failed(
                format!("`{}` can not be opened with this key: {why}", path.display()),
                "use the private key of somebody it is encrypted for: `--identity FILE`",
            )
        })
    }
}
