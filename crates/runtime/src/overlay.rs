//! What was changed by a click or a command and not in the lab file: listed with who and when, printed as the
//! TOML to paste, and gone once the file says it.
//!
//! The file wins: an entry only ever adds to a list of the lab file.

use lab::model::Lab;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::store::{Store, StoreFault};

/// The longest value, in bytes, and the most entries.
pub const MAX_VALUE: usize = 1024;
const MAX_ENTRIES: i64 = 10_000;
/// The most bytes of all values together: a list of them has to fit into a reply.
const MAX_BYTES: i64 = 1_000_000;

/// The keys of the lab file that can be added to.
pub const KEYS: &[&str] = &["dns.rules"];

/// Something added to a list of the lab file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number on its machine.
    pub number: i64,
    /// The key of the lab file: `dns.rules`.
    pub key: String,
    /// The value that is added.
    pub value: String,
    /// Who added it.
    pub who: String,
    /// When.
    pub at: Millis,
}

/// Whether the lab file holds it by now.
pub fn is_held(lab: &Lab, entry: &Entry) -> bool {
    match entry.key.as_str() {
        "dns.rules" => {
            lab.dns.iter().flat_map(|dns| dns.rules.iter()).any(|rule| rule.as_str() == entry.value)
        }
        _ => false,
    }
}

/// Why something can not be added: in words, with what to do.
pub fn why_not(key: &str, value: &str) -> Option<(String, String)> {
    if !KEYS.contains(&key) {
        let keys = KEYS.join("`, `");
        return Some((
            format!("nothing can be added to `{key}`"),
            format!("the keys are `{keys}`; everything else is changed in the lab file"),
        ));
    }
    let is_line = !value.trim().is_empty() && !value.chars().any(char::is_control);
    if !is_line || value.len() > MAX_VALUE {
        return Some((
            "this is no single line of text".to_owned(),
            format!("write one line of at most {MAX_VALUE} bytes"),
        ));
    }
    None
}

/// All entries, oldest first. This and the others here wait for the disk.
///
/// # Errors
/// If the store can not be read.
pub fn list(store: &Store) -> Result<Vec<Entry>, StoreFault> {
    store.with("list the overlay", |connection| {
        let mut query =
            connection.prepare_cached("SELECT number, key, value, who, at FROM overlay ORDER BY number")?;
        let rows = query.query_map([], |row| {
            Ok(Entry {
                number: row.get(0)?,
                key: row.get(1)?,
                value: row.get(2)?,
                who: row.get(3)?,
                at: row.get(4)?,
            })
        })?;
        rows.collect()
    })
}

/// What became of an entry that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    New,
    /// It was there already, and stays as it was.
    Known,
    /// There is no room for it.
    Full,
}

/// Adds an entry. When it returns, the entry is on disk.
///
/// # Errors
/// If it can not be kept.
pub fn add(store: &Store, entry: &Entry) -> Result<Added, StoreFault> {
    store.with("add to the overlay", |connection| {
        let added = connection.execute(
            "INSERT INTO overlay (key, value, who, at) SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT count(*) < ?5 AND total(length(value)) < ?6 FROM overlay)
             ON CONFLICT (key, value) DO NOTHING",
            (&entry.key, &entry.value, &entry.who, entry.at, MAX_ENTRIES, MAX_BYTES),
        )?;
        if added > 0 {
            return Ok(Added::New);
        }
        let known = "SELECT EXISTS (SELECT 1 FROM overlay WHERE key = ?1 AND value = ?2)";
        let is_known = connection.query_row(known, (&entry.key, &entry.value), |row| row.get(0))?;
        Ok(if is_known { Added::Known } else { Added::Full })
    })
}

/// Removes an entry; says what it was, if it was there.
///
/// # Errors
/// If it can not be removed.
pub fn remove(store: &Store, number: i64) -> Result<Option<(String, String)>, StoreFault> {
    store.with("remove from the overlay", |connection| {
        let mut query =
            connection.prepare_cached("DELETE FROM overlay WHERE number = ?1 RETURNING key, value")?;
        let mut rows = query.query([number])?;
        rows.next()?.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
    })
}

/// The entries as TOML to paste into the lab file: one table a service, each list whole.
pub fn toml(lab: Option<&Lab>, entries: &[Entry]) -> String {
    let added: Vec<&str> =
        entries.iter().filter(|entry| entry.key == "dns.rules").map(|entry| entry.value.as_str()).collect();
    if added.is_empty() {
        return String::new();
    }
    let own = lab.and_then(|lab| lab.dns.as_ref()).into_iter().flat_map(|dns| dns.rules.iter());
    let all = own.map(|rule| rule.as_str()).chain(added);
    let lines: String = all.map(|rule| format!("  {},\n", quoted(rule))).collect();
    format!("[dns]\nrules = [\n{lines}]\n")
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    #[test]
    fn entries_are_kept_once_and_removed() {
        let scratch = Scratch::new();
        let store = Store::in_folder(scratch.path());
        for value in ["||one.example^", "||two.example^", "||one.example^"] {
            let entry =
                Entry { number: 0, key: "dns.rules".into(), value: value.into(), who: "owner".into(), at: 5 };
            add(&store, &entry).unwrap();
        }
        let all = list(&store).unwrap();
        let seen: Vec<(&str, i64)> = all.iter().map(|entry| (entry.value.as_str(), entry.at)).collect();
        assert_eq!(seen, [("||one.example^", 5), ("||two.example^", 5)]);
        assert_eq!(remove(&store, all[0].number).unwrap().unwrap().1, "||one.example^");
        assert_eq!(remove(&store, all[0].number).unwrap(), None);
        assert_eq!(list(&store).unwrap().len(), 1);
    }

    #[test]
    fn what_is_printed_reads_back_as_the_lab_with_the_entries() {
        let text =
            "[lab]\nname = \"x\"\ndomain = \"lab.example.net\"\n[machines.naxos]\naddress = \"10.0.0.2\"\n";
        let dns = "[dns]\non = \"naxos\"\nupstreams = [\"9.9.9.9\"]\nrules = [\"@@||fine.example^\"]\n";
        let entry = |value: &str| Entry {
            number: 1,
            key: "dns.rules".into(),
            value: value.into(),
            who: "owner".into(),
            at: 0,
        };
        let entries = [entry("||one.example^"), entry("/\"quoted\\.example/")];
        let check = |more: &str| {
            lab::check(
                lab::Folder::from_texts([("lab.toml", format!("{text}{more}"))]),
                &lab::Options::at("2026-11-01"),
            )
        };
        let before = check(dns);
        let lab = before.lab.unwrap();
        assert!(!is_held(&lab, &entries[0]));
        let printed = toml(Some(&lab), &entries);
        let pasted =
            dns.replace("rules = [\"@@||fine.example^\"]\n", printed.strip_prefix("[dns]\n").unwrap());
        let after = check(&pasted);
        assert_eq!(after.faults.errors(), 0, "{printed}");
        let lab = after.lab.unwrap();
        assert!(entries.iter().all(|entry| is_held(&lab, entry)), "{printed}");
        assert_eq!(lab.dns.as_ref().unwrap().rules.len(), 3);
    }

    #[test]
    fn what_can_not_be_added_says_why() {
        assert!(why_not("dns.rules", "||fine.example^").is_none());
        assert!(why_not("dns.upstreams", "9.9.9.9").unwrap().1.contains("`dns.rules`"));
        assert!(why_not("dns.rules", "two\nlines").is_some());
        assert!(why_not("dns.rules", " ").is_some());
    }
}
