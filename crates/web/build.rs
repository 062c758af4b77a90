//! Embeds what npm built of `web/`. It never runs npm: what is not there is not embedded, and is said once; to a release
//! build it is an error, unless `POLIS_PLAIN_PAGES` says that it is meant.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

const PLAIN: &str = "POLIS_PLAIN_PAGES";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let built = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", built.display());
    println!("cargo::rerun-if-env-changed={PLAIN}");
    let mut table = String::from("&[\n");
    match fs::read_to_string(built.join("manifest.json")) {
        Ok(text) => {
            let manifest: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)?;
            for (name, file) in &manifest {
                let file = file.as_str().ok_or("the manifest maps names to files")?;
                asset(&mut table, &built, &out, name, file)?;
            }
        }
        Err(_) => {
            println!("{}", without(&std::env::var("PROFILE")?, std::env::var_os(PLAIN).is_some()));
        }
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// What is said when npm has built nothing. `cargo::error` ends the build.
pub(crate) fn without(profile: &str, is_meant: bool) -> String {
    let plain = "pages have no style and no scripts";
    let make = "`make web` builds them first, or `cargo xtask web` does; both take npm";
    match (profile, is_meant) {
        ("release", false) => {
            format!("cargo::error={plain}: {make}; {PLAIN}=1 builds a release without them")
        }
        (_, true) => String::new(),
        (_, false) => format!("cargo::warning={plain}: {make}"),
    }
}

fn asset(
    table: &mut String,
    built: &Path,
    out: &Path,
    name: &str,
    file: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let path = built.join(file).canonicalize()?;
    let body = fs::read(&path)?;
    let compressed = out.join(format!("{file}.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&body)?;
    fs::write(&compressed, encoder.finish()?)?;
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    writeln!(
        table,
        "Asset {{ name: {name:?}, file: {file:?}, kind: {kind:?}, body: include_bytes!({path:?}), gzip: include_bytes!({compressed:?}), etag: {:?} }},",
        format!("\"{file}\"")
    )?;
    Ok(())
}
