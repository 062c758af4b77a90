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

/// Made by `build.rs`.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The asset at an address, or of a name.
pub(crate) fn find(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file == file || asset.name == file)
}

/// The address of an asset; none if it was not built.
pub(crate) fn url(name: &str) -> Option<String> {
    Some(format!("/assets/{}", ASSETS.iter().find(|asset| asset.name == name)?.file))
}

/// The style sheet as a text, for a page that stands alone.
pub(crate) fn style() -> &'static str {
    find("app.css").and_then(|asset| std::str::from_utf8(asset.body).ok()).unwrap_or_default()
}
