//! The recovery sheet: what to have on paper when the house is gone. It needs nothing of Polis, only programs
//! of any Linux distribution: age and restic.

use std::path::Path;

use age::secrecy::{ExposeSecret as _, SecretString};
use lab::value::SecretRef;

use super::{Identity, Keep, SecretFault, decrypt, key, parse_identities};

impl Keep<'_> {
    /// The page, with the private key in a file and everything that it takes to get the copies back.
    ///
    /// # Errors
    /// If the key does not open every secret: a page that would not help is not made.
    pub fn sheet(&self, path: &Path) -> Result<String, SecretFault> {
        // Says what is wrong with the file; what is checked below is what the page shows of it.
        key::identities(path)?;
        let key = shown(&key::read(path)?.unwrap_or_default());
        let typed = parse_identities(&key).map_err(|why| {
            SecretFault::failed(
                format!("`{}` can not be typed from paper: {why}", path.display()),
                "use another key",
            )
        })?;
        let checked = self.check_opens(&typed)?;
        let name = &self.lab.lab.name;
        let mut page = format!("RECOVERY SHEET OF THE LAB {name} ({})\n", self.lab.lab.domain.value());
        page.push_str(
            "Whoever has this page can read every secret of the lab. Keep it as you keep a deed.\n",
        );
        page.push_str("\n1. The private key. Type it into a file `owner.key`, as it stands here:\n\n");
        for line in key.lines() {
            page.push_str(&format!("    {line}\n"));
        }
        page.push_str("\n2. The secrets of the lab are the files `secrets/NAME.age` of the lab folder. Each opens with\n\n");
        page.push_str("    age --decrypt --identity owner.key secrets/NAME.age\n");
        page.push_str(&format!("\n{checked}\n"));
        self.copies(&typed, &mut page)?;
        page.push_str("\nMade by `polis secret sheet`. Make it anew after `polis secret rekey`, and when a copy is added.\n");
        Ok(page)
    }

    /// That the key on the page opens every secret there is, in words for the page. A page with a key that leaves
    /// one closed would be trusted until the day it is needed.
    fn check_opens(&self, typed: &[Identity]) -> Result<String, SecretFault> {
        let stored = self.stored();
        let closed: Vec<&str> =
            stored.iter().filter(|name| self.open(name, typed).is_err()).map(String::as_str).collect();
        if !closed.is_empty() {
            return Err(SecretFault::failed(
                format!(
                    "this key does not open {} of {} secrets: {}. There is no page",
                    closed.len(),
                    stored.len(),
                    closed.join(", ")
                ),
                "write its public half at yourself in [people] and let somebody who can open them run `polis secret \
                 rekey`, or print the page of another key: `--identity FILE`; `polis secret rm NAME` removes what \
                 nobody needs",
            ));
        }
        if stored.is_empty() {
            let sealed = self.seal("", &SecretString::from("trial"))?;
            if decrypt(&sealed.armoured, typed).is_err() {
                return Err(SecretFault::failed(
                    "this key would open nothing: its public half is at nobody in [people]",
                    "write it at yourself (`polis secret key` prints that of the key it made), or print the page \
                     of another key: `--identity FILE`",
                ));
            }
            return Ok("The lab keeps no secret yet. Checked: the key above opens what is kept from now on."
                .to_owned());
        }
        let count = match stored.len() {
            1 => "the one secret".to_owned(),
            count => format!("all {count} secrets"),
        };
        Ok(format!("Checked when this page was made: the key above opens {count}: {}.", stored.join(", ")))
    }

    /// The copies outside the house, with all that it takes to read them.
    fn copies(&self, identities: &[Identity], page: &mut String) -> Result<(), SecretFault> {
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

    fn value(&self, secret: &SecretRef, identities: &[Identity]) -> Result<String, SecretFault> {
        match secret {
            SecretRef::Kept(name) if self.is_there(name) => {
                Ok(self.open(name, identities)?.expose_secret().to_owned())
            }
            SecretRef::Kept(name) => Ok(format!("(not there yet: polis secret set {name})")),
            other => Ok(format!("(kept in {other})")),
        }
    }
}

/// The lines of a private key that have to be typed.
fn shown(key: &str) -> String {
    let lines = key.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| format!("{line}\n")).collect()
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
