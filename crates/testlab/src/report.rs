//! What a house tells when a test fails in it.

use std::fmt::Write as _;

use crate::log::Log;
use crate::place::Place;

/// So many lines of a log are printed; the file has all.
const LINES: usize = 200;

/// The logs of all units, and the network as the places see it that are said to matter.
pub(crate) fn report(logs: &[std::sync::Arc<Log>], places: &[Place], folder: &std::path::Path) -> String {
    let mut text = String::new();
    for log in logs {
        let lines = log.lines();
        let from = lines.len().saturating_sub(LINES);
        let _ = writeln!(
            text,
            "== {} said, in its last {} of {} lines",
            log.name,
            lines.len() - from,
            lines.len()
        );
        for line in lines.iter().skip(from) {
            let _ = writeln!(text, "   {line}");
        }
    }
    for place in places {
        let _ = writeln!(text, "== the network as {} sees it", place.name());
        for words in ["-brief address", "route", "neighbour"] {
            // Asked directly: a house that is half built has no such namespace, and that is no second failure.
            let output = crate::place::ip().args(["-n", &place.namespace()]).args(words.split(' ')).output();
            for line in output.iter().flat_map(|output| output.stdout.split(|byte| *byte == b'\n')) {
                let line = String::from_utf8_lossy(line);
                if !line.trim().is_empty() {
                    let _ = writeln!(text, "   {}", line.trim_end());
                }
            }
        }
    }
    if !logs.is_empty() {
        let _ = writeln!(text, "== whole logs: {}", folder.display());
    }
    text
}
