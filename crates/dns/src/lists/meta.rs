//! What is known of a copy of a list: pure text, beside the copy.
//!
//! It says its version and its checksum; one that is torn, changed, or of another version is as none: then the copy is
//! followed, and fetched anew without asking whether it has changed.

use std::fmt::Write as _;
use std::time::Duration;

use runtime::clock::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What its first line begins with.
const HEAD: &str = "polis list 1 ";
/// The longest text, in bytes: what servers say of versions is bounded by `http`.
pub const MAX_META: usize = 16 << 10;

/// What is known of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Where it was fetched from.
    pub url: String,
    /// The server's `ETag` (RFC 9110 section 8.8.3).
    pub etag: Option<String>,
    /// The server's `Last-Modified`, as it wrote it (RFC 9110 section 8.8.2).
    pub modified: Option<String>,
    /// When it was fetched.
    pub fetched_at: Millis,
    /// When the server last said that this is what it has.
    pub checked_at: Millis,
    /// Its size in bytes, unpacked.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many rules there were in it.
    pub rules: u64,
    /// Something suspiciously short that came instead, and was kept out.
    pub doubt: Option<Doubt>,
    /// Since when the lab does not name it any more.
    pub unwanted_since: Option<Millis>,
}

/// Something suspiciously short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// When it came first.
    pub at: Millis,
    /// How many rules there were in it.
    pub rules: u64,
}

impl Meta {
    /// As text, with version and checksum.
    pub fn to_text(&self) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        format!("{HEAD}{}\n{body}\n", hex(&Sha256::digest(&body)))
    }

    /// From text; none if anything about it is not as it was written.
    pub fn from_text(text: &str) -> Option<Self> {
        let (sum, body) = text.strip_prefix(HEAD)?.split_once('\n')?;
        let body = body.strip_suffix('\n')?;
        if sum != hex(&Sha256::digest(body)) {
            return None;
        }
        serde_json::from_str(body).ok()
    }

    /// How long ago the server said that this is what it has; unknown if that would be in the future.
    pub fn age(&self, now: Millis) -> Option<Duration> {
        u64::try_from(now.checked_sub(self.checked_at)?).ok().map(Duration::from_millis)
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn meta() -> Meta {
        Meta {
            url: "https://lists.example/ads.txt".to_owned(),
            etag: Some("\"a\nb\"".to_owned()),
            modified: None,
            fetched_at: 1_000,
            checked_at: 2_000,
            bytes: 5,
            sha256: hex(&Sha256::digest(b"ads.x")),
            rules: 1,
            doubt: Some(Doubt { at: 3_000, rules: 0 }),
            unwanted_since: None,
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = meta().to_text();
        assert_eq!(Meta::from_text(&text), Some(meta()));
        assert_eq!(Meta::from_text(&text.replace("list 1", "list 2")), None);
        assert_eq!(Meta::from_text(""), None);
    }

    #[test]
    fn an_age_in_the_future_is_unknown() {
        assert_eq!(meta().age(3_500), Some(Duration::from_millis(1_500)));
        assert_eq!(meta().age(1_999), None);
        assert_eq!(Meta { checked_at: Millis::MIN, ..meta() }.age(Millis::MAX), None);
    }

    proptest! {
        #[test]
        fn one_that_is_torn_or_changed_is_none(cut in 0_usize..400, at in 0_usize..400, byte in any::<u8>()) {
            let text = meta().to_text();
            let cut = cut % text.len();
            prop_assert_eq!(text.get(..cut).and_then(Meta::from_text), None);
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert_eq!(String::from_utf8(bytes).ok().and_then(|text| Meta::from_text(&text)), None);
        }
    }
}
