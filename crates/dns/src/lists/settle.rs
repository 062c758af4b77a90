//! What is done with what a server has sent: it takes the place of the copy, or stays out. It waits for the disk, and for
//! the list to be read through.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use runtime::clock::Millis;

use super::http::Version;
use super::judge::{Before, Verdict, judge};
use super::meta::Meta;
use super::run::fetch::Written;
use super::schedule::Because;
use super::shelf::Shelf;
use super::{Key, Trouble, compile};

/// A list that was fetched.
#[derive(Debug)]
pub struct Came<'c> {
    /// Which.
    pub key: &'c Key,
    /// Where it was fetched from.
    pub url: &'c str,
    /// The file that it is in.
    pub part: &'c Path,
    /// What was written there.
    pub written: Written,
    /// Its version.
    pub version: Version,
    /// Who wanted it.
    pub because: Because,
}

/// What is known of the copy from now on, and what is wrong, if anything is. The file is gone or has become the copy.
pub fn settle(
    shelf: &Shelf,
    came: Came<'_>,
    before: Option<Meta>,
    now: Millis,
    interval: Duration,
) -> (Option<Meta>, Option<Trouble>) {
    let of_url = before.as_ref().filter(|meta| meta.url == came.url);
    let fresh = Meta {
        url: came.url.to_owned(),
        etag: came.version.etag,
        modified: came.version.modified,
        fetched_at: now,
        checked_at: now,
        bytes: came.written.bytes,
        sha256: came.written.sha256,
        rules: 0,
        doubt: None,
        unwanted_since: None,
    };
    // Servers that know nothing of versions send the same again.
    if let Some(same) =
        before.as_ref().filter(|meta| meta.sha256 == fresh.sha256 && meta.bytes == fresh.bytes)
    {
        shelf.discard(came.part);
        let meta = Meta { rules: same.rules, fetched_at: same.fetched_at, ..fresh };
        return (Some(noted(shelf, came.key, meta)), None);
    }
    let found = match compile::look(came.part) {
        Ok(found) => found,
        Err(why) => {
            shelf.discard(came.part);
            let help = "look at the URL in a browser: if a page stands there, the list has moved, or this network wants a login";
            return (before, Some(Trouble::standing(why, help)));
        }
    };
    let copy = of_url.map(|meta| Before { rules: meta.rules, doubt: meta.doubt });
    match judge(found, copy, came.because, now, interval) {
        Verdict::Follow => {
            let fresh = Meta { rules: found.rules, ..fresh };
            match shelf.install(came.key, came.part) {
                Ok(()) => (Some(noted(shelf, came.key, fresh)), None),
                Err(fault) => {
                    shelf.discard(came.part);
                    let what = format!("it can not take the place of the copy: {fault}");
                    let help = match fault.kind() {
                        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                            "make room on the disk of the state folder"
                        }
                        _ => "see to the disk of the state folder",
                    };
                    (before, Some(Trouble::standing(what, help)))
                }
            }
        }
        Verdict::Out(trouble) => {
            shelf.discard(came.part);
            (before, Some(trouble))
        }
        Verdict::Doubted(doubt, trouble) => {
            shelf.discard(came.part);
            let before = before.map(|meta| noted(shelf, came.key, Meta { doubt: Some(doubt), ..meta }));
            (before, Some(trouble))
        }
    }
}

/// The server has what there is.
pub fn unchanged(shelf: &Shelf, key: &Key, before: Option<Meta>, now: Millis) -> Option<Meta> {
    before.map(|meta| noted(shelf, key, Meta { checked_at: now, doubt: None, ..meta }))
}

/// What is known of a copy, written down. If that can not be, the copy is fetched anew after the next start, and no
/// harm is done.
fn noted(shelf: &Shelf, key: &Key, meta: Meta) -> Meta {
    let _ = shelf.note(key, &meta);
    meta
}
