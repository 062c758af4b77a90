//! Says when this was built: below that no clock can be right. `SOURCE_DATE_EPOCH` makes builds repeatable.

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds =
        std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).unwrap_or_else(now);
    println!("cargo::rustc-env=POLIS_BUILT={seconds}");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
}
