//! What npm built of `web/`, embedded with the hashes of what is in it; nothing if it was not built.

/// A file that browsers fetch. Its name has the hash of what is in it.
#[derive(Debug)]
pub(crate) struct Asset {
    /// What pages call it: `app.css`.
    name: &'static str,
    /// The last part of its address.
    file: &'static str,
    /// Its type.
    pub(crate) kind: &'static str,
    pub(crate) body: &'static [u8],
    pub(crate) gzip: &'static [u8],
    pub(crate) etag: &'static str,
}

/// An asset that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) asset: &'static Asset,
    /// Whether by the address that has the hash in it, which never stands for something else.
    pub(crate) by_hash: bool,
}

/// Made by `build.rs`.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The asset at an address, or of a name.
pub(crate) fn find(file: &str) -> Option<Found> {
    let asset = ASSETS.iter().find(|asset| asset.file == file || asset.name == file)?;
    Some(Found { asset, by_hash: asset.file == file })
}

/// The address of an asset; none if it was not built.
pub(crate) fn url(name: &str) -> Option<String> {
    Some(format!("/assets/{}", ASSETS.iter().find(|asset| asset.name == name)?.file))
}

/// The style sheet as a text, for a page that stands alone.
pub(crate) fn style() -> &'static str {
    find("app.css").and_then(|found| std::str::from_utf8(found.asset.body).ok()).unwrap_or_default()
}

#[cfg(test)]
#[path = "../build.rs"]
#[expect(dead_code, reason = "only what it says is tested")]
mod build;

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use hyper::header::CACHE_CONTROL;

    use super::*;
    use crate::request::Head;
    use crate::response;

    #[test]
    fn only_an_address_with_a_hash_is_kept_for_ever() {
        static STYLE: Asset = Asset {
            name: "app.css",
            file: "app-0123456789.css",
            kind: "text/css",
            body: b"",
            gzip: b"",
            etag: "\"app-0123456789.css\"",
        };
        for (by_hash, kept) in [(true, "public, max-age=31536000, immutable"), (false, "no-cache")] {
            for has in [None, Some(STYLE.etag.to_owned())] {
                let is_known = has.is_some();
                let said =
                    response::asset(Found { asset: &STYLE, by_hash }, &Head { has, ..Head::default() });
                assert_eq!(said.headers()[CACHE_CONTROL], kept);
                assert_eq!(said.status() == StatusCode::NOT_MODIFIED, is_known);
            }
        }
        for asset in ASSETS {
            assert!(find(asset.file).unwrap().by_hash, "{}", asset.file);
            assert_eq!(find(asset.name).unwrap().by_hash, asset.name == asset.file, "{}", asset.name);
        }
    }

    #[test]
    fn a_release_without_assets_is_an_error_unless_it_is_meant() {
        let error = build::without("release", false);
        assert!(error.starts_with("cargo::error=") && error.contains("POLIS_PLAIN_PAGES=1"), "{error}");
        assert!(build::without("debug", false).starts_with("cargo::warning="));
        assert_eq!(build::without("release", true), "");
    }
}
