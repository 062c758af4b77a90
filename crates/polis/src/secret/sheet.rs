//! The recovery sheet: what to have on paper when the house is gone. It needs nothing of Polis, only programs
//! of any Linux distribution: age and restic.

use std::io::IsTerminal as _;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use lab::value::SecretRef;

use super::{Keep, identities};
use crate::fault::Fault;
use crate::keys;
use crate::show::print;

impl Keep<'_> {
    pub(super) fn sheet(&self, identity: Option<&Path>) -> Result<(), Fault> {
        let opened = identities(identity)?;
        let path = identity.map_or_else(keys::owner_key_path, |path| Ok(path.to_owned()))?;
        let key = keys::read_private(&path)?.unwrap_or_default();
        let name = &self.lab.lab.name;
        let mut page = format!("RECOVERY SHEET OF THE LAB {name} ({})\n", self.lab.lab.domain.value());
        page.push_str(
            "Whoever has this page can read every secret of the lab. Keep it as you keep a deed.\n",
        );
        page.push_str("\n1. The private key. Type it into a file `owner.key`, as it stands here:\n\n");
        for line in key.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            page.push_str(&format!("    {line}\n"));
        }
        page.push_str("\n2. The secrets of the lab are the files `secrets/NAME.age` of the lab folder. Each opens with\n\n");
        page.push_str("    age --decrypt --identity owner.key secrets/NAME.age\n");
        self.copies(&opened, &mut page)?;
        page.push_str("\nMade by `polis secret sheet`. Make it anew after `polis secret rekey`, and when a copy is added.\n");
        if std::io::stdout().is_terminal() {
            eprintln!("This page holds the key to every secret: print it, and do not keep the file.");
        }
        print(&page);
        Ok(())
    }

    /// The copies outside the house, with all that it takes to read them.
    fn copies(&self, identities: &[Box<dyn age::Identity>], page: &mut String) -> Result<(), Fault> {
        let copies = self.lab.backup.iter().flat_map(|backup| backup.offsite.iter());
        let mut number = 2;
        for (name, copy) in copies {
            number += 1;
            page.push_str(&format!("\n{number}. The copy `{name}`, a repository of restic:\n\n"));
            let endpoint = copy.endpoint.as_str().trim_end_matches('/');
            let mut export = |name: &str, value: &str| {
                page.push_str(&format!("    export {name}={}\n", quoted(value)));
            };
            export("RESTIC_REPOSITORY", &format!("s3:{endpoint}/{}", copy.bucket.as_str()));
            export("RESTIC_PASSWORD", &self.value(&copy.password, identities)?);
            let key = self.value(&copy.key, identities)?;
            let (id, secret) = key.split_once(':').unwrap_or((&key, ""));
            export("AWS_ACCESS_KEY_ID", id);
            export("AWS_SECRET_ACCESS_KEY", secret);
            page.push_str("    restic snapshots\n    restic restore latest --target /mnt/restored\n");
        }
        if number == 2 {
            page.push_str("\n3. The lab has no copy outside the house: `offsite` in `[backup]` makes one.\n");
        }
        Ok(())
    }

    fn value(&self, secret: &SecretRef, identities: &[Box<dyn age::Identity>]) -> Result<String, Fault> {
        match secret {
            SecretRef::Kept(name) if self.is_there(name) => {
                Ok(self.open(name, identities)?.expose_secret().to_owned())
            }
            SecretRef::Kept(name) => Ok(format!("(not there yet: polis secret set {name})")),
            other => Ok(format!("(kept in {other})")),
        }
    }
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_survive_the_shell() {
        let word = "it's \"$HOME\" `id`";
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf %s {}", super::quoted(word)))
            .output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
    }
}
