//! The lab that Polis is measured with: everything on that a home has on.

use std::net::SocketAddr;
use std::path::Path;

use super::peers::Setup;

/// How the name server is set up. All questions come from one address: the limit counts them, and is not met. What
/// forwarding costs is measured against servers that do not validate either.
const KEYS: &str = r#"
dnssec = "off"
cache = { size = "24 MiB" }
limit = { per-second = 1000000 }
log = { keep = "1d", size = "256 MiB" }
"#;

/// Two policies: the one that holds for who asks, and another.
const POLICIES: &str = r#"
[dns.policies.here]
who = ["127.0.0.0/8"]
rules = ["||only-here.example^"]
[dns.policies.there]
who = ["guests"]
rules = ["||only-there.example^"]
"#;

/// Writes the lab, its list and its state folder, and says what Polis is started with.
pub(super) fn write(folder: &Path, at: SocketAddr, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
    let lab = folder.join("lab");
    std::fs::create_dir_all(lab.join("lists"))?;
    std::fs::create_dir_all(folder.join("state"))?;
    list(folder, setup.list.unwrap_or(Path::new("/dev/null")))?;
    let text = format!(
        "[lab]\nname = \"bench\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {{}}\n[zones]\n\
         lan = {{ site = \"here\", vlan = 10, cidr = \"10.0.0.0/24\" }}\n\
         guests = {{ site = \"here\", vlan = 20, cidr = \"10.0.1.0/24\" }}\n\
         [machines]\nnaxos = {{ address = \"10.0.0.2\" }}\n\
         [dns]\non = \"naxos\"\nupstreams = [\"{}\"]\nlists = {{ long = \"file:lists/long.txt\" }}\n\
         rules = [\"@@||allowed.example^\", \"||ads.example^\"]\n{KEYS}{POLICIES}",
        setup.upstream
    );
    std::fs::write(lab.join("lab.toml"), text)?;
    let words = ["run", "--machine", "naxos", "--listen", &at.to_string(), "--lab"].map(str::to_owned);
    let folders =
        [lab.display().to_string(), "--state".to_owned(), folder.join("state").display().to_string()];
    Ok(words.into_iter().chain(folders).collect())
}

/// Puts a list in the place of the one that is there, at once.
pub(super) fn list(folder: &Path, list: &Path) -> std::io::Result<()> {
    let place = folder.join("lab/lists/long.txt");
    let new = folder.join("new.txt");
    std::fs::copy(list, &new)?;
    std::fs::rename(&new, &place)
}
