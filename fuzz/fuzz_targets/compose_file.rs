//! Any bytes as the compose file of an app.
#![no_main]

use lab::{Folder, Options, Style, check, render_text};

const LAB: &str = r#"
[lab]
name = "home"
domain = "lab.example.net"
[machines]
larissa = { address = "10.0.0.2", disks = { hdd = "4 TB" }, pools = { tank = { kind = "zfs", disks = ["hdd"] } } }
[apps.wiki]
on = "larissa"
stack = "stack"
serve = { service = "wiki", login = "own" }
data = ["larissa:tank/wiki"]
database = { kind = "postgres", service = "db" }
"#;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let folder = Folder::from_texts([("lab.toml", LAB), ("stack/compose.yaml", text), ("stack/.env", "A=/tank/wiki\n")]);
    let checked = check(folder, &Options::at("2026-11-01"));
    render_text(&checked.faults, &checked.folder, Style::Plain);
});
