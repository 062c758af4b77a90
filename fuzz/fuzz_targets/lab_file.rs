//! Any bytes as a lab file: it is read, checked and explained without a panic, every fault points into the
//! file, and what is printed of the model reads back as the same model.
#![no_main]

use lab::{Folder, Options, Style, check, coverage, render_json, render_text};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let options = Options::at("2026-11-01");
    let checked = check(Folder::from_texts([("lab.toml", text)]), &options);
    for fault in checked.faults.iter() {
        for place in &fault.places {
            let range = place.span.range();
            assert!(range.start <= range.end && range.end <= text.len(), "{fault:?}");
        }
    }
    render_text(&checked.faults, &checked.folder, Style::Plain);
    render_json(&checked.faults, &checked.folder);
    coverage(&checked);
    let Some(lab) = &checked.lab else { return };
    for name in lab.machines.keys() {
        let _ = lab::explain_machine(&checked, name.as_str());
    }
    for name in lab.apps.keys() {
        let _ = lab::explain_app(&checked, name.as_str());
    }
    if checked.faults.errors() == 0 {
        let again = check(Folder::from_texts([("lab.toml", lab.to_toml())]), &options);
        assert!(again.lab.as_ref() == Some(lab), "{}", lab.to_toml());
    }
});
