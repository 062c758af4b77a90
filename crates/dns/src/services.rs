//! Services that can be blocked by their name: `services = ["tiktok"]`.
//!
//! A short table of what families block, with the domains that each service can not do without. It is no list of
//! everything that belongs to a company, and what several services share is not in it: blocking one must not break
//! another. The ids are those that AdGuard Home has for the same service, so that a household that moves in keeps
//! its words. The table is `data/services.txt`, and a test reads every line of it.
//!
//! ```
//! let tiktok = dns::services::find("tiktok").unwrap();
//! assert!(tiktok.rules().any(|rule| rule == "||tiktok.com^"));
//! assert_eq!(dns::services::near("tikktok"), Some("tiktok"));
//! ```

use std::sync::LazyLock;

const TABLE: &str = include_str!("../data/services.txt");

/// A service that can be blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its word in the lab file: lower-case letters, digits and `_`.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it is for: `social`, `video`, `streaming`, `gaming`, `chat`, `shopping`, `ai`, `dating`, `adult`,
    /// `gambling`, `private` or `files`.
    pub group: &'static str,
    /// Its domains in lower case, each blocked with all that is under it, in the order of their names.
    pub domains: Vec<&'static str>,
}

impl Service {
    /// What blocks it, in AdGuard's language for DNS rules: `||tiktok.com^`.
    pub fn rules(&self) -> impl Iterator<Item = String> {
        self.domains.iter().map(|domain| format!("||{domain}^"))
    }
}

/// Every service, in the order of the ids.
pub fn all() -> &'static [Service] {
    &SERVICES
}

/// The service of an id; none if it is not known.
pub fn find(id: &str) -> Option<&'static Service> {
    let at = SERVICES.binary_search_by(|service| service.id.cmp(id)).ok()?;
    SERVICES.get(at)
}

/// The id that was probably meant by one that is not known; none if nothing is near.
pub fn near(id: &str) -> Option<&'static str> {
    let bare = |text: &str| -> String {
        text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
    };
    let wanted = bare(id);
    let same = |text: &str| bare(text) == wanted;
    let by_name = SERVICES.iter().find(|service| same(service.id) || same(service.name));
    by_name
        .map(|service| service.id)
        .or_else(|| lab::nearest(id.trim(), SERVICES.iter().map(|service| service.id)))
}

/// Whether there is such a service.
///
/// # Errors
/// If there is none, with what to do.
pub fn judge(id: &str) -> Result<(), String> {
    match (find(id), near(id)) {
        (Some(_), _) => Ok(()),
        (None, Some(near)) => Err(format!("did you mean `{near}`?")),
        (None, None) => {
            let some: Vec<&str> = all().iter().map(|service| service.id).take(12).collect();
            Err(format!("write one of {} …, or block its domains by `rules`", some.join(", ")))
        }
    }
}

static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| {
    let mut services = read(TABLE);
    services.sort_by_key(|service| service.id);
    services
});

/// The services of a table. A line that is none is left out: a test sees to it that there is none such.
fn read(table: &'static str) -> Vec<Service> {
    let mut group = "";
    let mut services = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            group = name;
        } else if let Some((head, domains)) = line.split_once(": ")
            && let Some((id, name)) = head.split_once(' ')
        {
            let mut domains: Vec<&str> = domains.split_whitespace().collect();
            domains.sort_unstable();
            services.push(Service { id, name, group, domains });
        }
    }
    services
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it fails")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::Name;

    #[test]
    fn every_line_of_the_table_is_a_service() {
        let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
        assert_eq!(lines.count(), all().len());
        assert!(all().len() >= 100, "{}", all().len());
        let groups = [
            "social",
            "video",
            "streaming",
            "gaming",
            "chat",
            "shopping",
            "ai",
            "dating",
            "adult",
            "gambling",
            "private",
            "files",
        ];
        for service in all() {
            let id = service.id;
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{id}");
            assert!(groups.contains(&service.group), "{id}: {}", service.group);
            assert!(!service.name.is_empty() && !service.domains.is_empty(), "{id}");
            assert_eq!(find(id), Some(service));
        }
        assert!(all().is_sorted_by(|one, other| one.id < other.id), "an id is there twice");
    }

    #[test]
    fn domains_are_names_and_said_once() {
        for service in all() {
            for (at, domain) in service.domains.iter().enumerate() {
                let what = format!("{}: {domain}", service.id);
                let name = Name::parse(domain).unwrap();
                assert_eq!(name.text(), *domain, "{what}");
                assert!(domain.contains('.') && *domain == domain.to_lowercase(), "{what}");
                for (other_at, other) in service.domains.iter().enumerate() {
                    let other = Name::parse(other).unwrap();
                    assert!(at == other_at || !name.is_in(&other), "{what} is in {}", other.text());
                }
            }
        }
    }

    #[test]
    fn no_service_blocks_another() {
        // Faces of the same house, or a part of another service that has an id of its own.
        let known = [
            ("amazon_streaming", "amazon"),
            ("blizzard_entertainment", "battle_net"),
            ("origin", "electronic_arts"),
            ("wechat", "qq"),
        ];
        let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for service in all() {
            for domain in &service.domains {
                of.entry(domain).or_default().push(service.id);
            }
        }
        for service in all() {
            for domain in &service.domains {
                let mut rest = Some(*domain);
                while let Some(name) = rest {
                    for id in of.get(name).into_iter().flatten().filter(|id| **id != service.id) {
                        let pair = (service.id, *id);
                        let fine = known.contains(&pair) || known.contains(&(pair.1, pair.0));
                        assert!(fine, "{id} blocks {domain} of {}", service.id);
                    }
                    rest = name.split_once('.').map(|(_, rest)| rest);
                }
            }
        }
    }

    #[test]
    fn what_was_meant() {
        assert_eq!(near("tik-tok"), Some("tiktok"));
        assert_eq!(near("Disney Plus"), Some("disneyplus"));
        assert_eq!(near("youtub"), Some("youtube"));
        assert_eq!(near("epicgames"), Some("epic_games"));
        assert_eq!(near("X (Twitter)"), Some("twitter"));
        assert_eq!(near("zzzzzzzzzzzz"), None);
        assert_eq!(find("no_such_service"), None);
    }
}
