//! References to secrets, and public keys. The secrets themselves never come near this crate.

use crate::names::why_no_label;
use crate::read::{FromText, TextInfo, Wrong, text_values};

text_values!(SecretRef, PublicKey);

/// Where a secret is kept. Its value never stands in the lab file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In the lab's own folder of secrets, encrypted: `secret:NAME`.
    Kept(String),
    /// In the environment of the process: `env:NAME`.
    Environment(String),
    /// In a file of the machine that needs it: `file:PATH`.
    File(String),
}

impl FromText for SecretRef {
    const INFO: TextInfo = TextInfo {
        what: "a reference to a secret",
        example: "secret:cloudflare",
        pattern: Some("^(secret|env|file):.+$"),
        secret: true,
    };

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.split_once(':') {
            Some(("secret", name)) => match why_no_label(name) {
                None => Ok(Self::Kept(name.to_owned())),
                Some(why) => Err(Wrong::new(why).help("write the name of the secret: \"secret:NAME\"")),
            },
            Some(("env", name)) if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                Ok(Self::Environment(name.to_owned()))
            }
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.to_owned())),
            Some(("file", _)) => Err(Wrong::new("the path of a file begins with `/`")),
            Some(("env", _)) => Err(Wrong::new("a variable has letters, digits and underscores")),
            _ => Err(Wrong { is_secret: true, ..Wrong::new("a secret never stands in the lab file") }
                .help("keep it out of the file: `polis secret set NAME` asks for the value, and `secret:NAME` stands here")),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Kept(name) => format!("secret:{name}"),
            Self::Environment(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{path}"),
        }
    }
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// The public half of a key pair: of age (`age1…`) or an Ed25519 key of SSH (`ssh-ed25519 …`).
///
/// Only its form is checked here; `polis secret` refuses one that is no key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(String);

impl PublicKey {
    /// The key without a comment behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for PublicKey {
    const INFO: TextInfo = TextInfo {
        what: "a public key",
        example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…",
        pattern: Some("^(age1|ssh-ed25519 )"),
        secret: true,
    };

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let alphabet =
            |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        let mut words = text.split(' ');
        let (first, second) = (words.next().unwrap_or(""), words.next());
        match (first, second) {
            ("ssh-ed25519", Some(key)) if key.len() == 68 && alphabet(key, "+/=") => {
                Ok(Self(format!("{first} {key}")))
            }
            ("ssh-ed25519", _) => Err(Wrong::new("the key behind `ssh-ed25519` has 68 characters")),
            (key, None) if key.starts_with("age1") && key.len() == 62 && alphabet(key, "") => {
                Ok(Self(key.to_owned()))
            }
            (key, _) if key.starts_with("age1") => Err(Wrong::new("a key of age has 62 characters")),
            (key, _) if key.starts_with("AGE-SECRET-KEY") || key.starts_with("-----BEGIN") => {
                let wrong = Wrong::new("this is the private half of a key: it must not leave its owner");
                Err(Wrong { is_secret: true, ..wrong }
                    .help("make a new key: who could read this file could read this one"))
            }
            _ => Err(Wrong::new("it begins with `age1` or `ssh-ed25519`").help(
                "`polis machine key` prints the key of a machine, `polis secret key` that of a person",
            )),
        }
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_and_public_keys_are_taken() {
        let secret =
            |text| SecretRef::from_text(text).map(|secret| secret.to_text()).map_err(|wrong| wrong.why);
        for text in ["secret:b2", "env:TOKEN", "file:/run/secrets/b2"] {
            assert_eq!(secret(text), Ok(text.to_owned()));
        }
        assert_eq!(secret("hunter2").unwrap_err(), "a secret never stands in the lab file");
        assert_eq!(secret("file:x").unwrap_err(), "the path of a file begins with `/`");

        let key = |text: &str| PublicKey::from_text(text).map_err(|wrong| wrong.why);
        assert!(key(&format!("ssh-ed25519 {} me@x", "A".repeat(68))).is_ok());
        assert!(key(&format!("age1{}", "q".repeat(58))).is_ok());
        assert!(key("AGE-SECRET-KEY-1").unwrap_err().contains("private half"));
    }
}
