//! Polis's own measurements, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;

use crate::link::{Answering, Status};
use crate::supervisor::Phase;

/// What is measured of a machine.
pub(crate) struct Measured<'m> {
    pub(crate) status: &'m Status,
    /// Events that were lost for want of room.
    pub(crate) lost: u64,
    /// Connections to the link that were refused.
    pub(crate) refused: u64,
    /// Whether the system's clock can be right.
    pub(crate) is_clock_set: bool,
    /// For each service, what it shows of itself: its numbers are measurements.
    pub(crate) views: Vec<(String, serde_json::Value)>,
}

/// A text of families, one after the other.
#[derive(Default)]
struct Families(String);

impl Families {
    fn add(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (String, String)>) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, help: &str, value: &impl ToString) {
        self.add(name, help, [(String::new(), value.to_string())]);
    }
}

fn label(key: &str, value: &str) -> String {
    format!("{{{key}=\"{}\"}}", escaped(value))
}

/// The text.
pub(crate) fn text(measured: &Measured<'_>) -> String {
    let status = measured.status;
    let mut all = Families::default();
    let version = label("version", &status.polis);
    all.add("polis_build_info", "The version that runs.", [(version, "1".to_owned())]);
    all.one("polis_start_time_seconds", "When Polis started, in seconds since 1970.", &(status.since / 1000));
    let services = status.services.iter().map(|service| {
        (label("service", &service.name), u8::from(service.phase == Phase::Running).to_string())
    });
    all.add("polis_service_running", "Whether a service does what is planned.", services);
    let peers = status
        .peers
        .iter()
        .map(|peer| (label("machine", &peer.machine), u8::from(peer.answering == Answering::Up).to_string()));
    all.add("polis_machine_up", "Whether another machine answers this one.", peers);
    all.one("polis_conditions", "How many things are wrong.", &status.conditions.len());
    all.one("polis_events_lost_total", "Events that could not be recorded for want of room.", &measured.lost);
    all.one("polis_link_refused_total", "Connections of machines that were refused.", &measured.refused);
    all.one("polis_clock_set", "Whether the clock can be right.", &u8::from(measured.is_clock_set));
    for (service, view) in &measured.views {
        let numbers = view.get("metrics").and_then(serde_json::Value::as_object).into_iter().flatten();
        for (name, value) in numbers.filter(|(_, value)| value.is_number()) {
            let help = format!("{} of {service}.", name.trim_end_matches("_total").replace('_', " "));
            all.one(&format!("polis_{service}_{name}"), &help, value);
        }
    }
    all.0
}

/// The value of a label, as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_bring_their_own_numbers() {
        let status = Status { polis: "0.1.0".into(), ..Status::default() };
        let views =
            vec![("dns".to_owned(), serde_json::json!({ "metrics": { "queries_total": 3, "note": "x" } }))];
        let text = text(&Measured { status: &status, lost: 0, refused: 2, is_clock_set: true, views });
        assert!(
            text.contains("# TYPE polis_dns_queries_total counter\npolis_dns_queries_total 3\n"),
            "{text}"
        );
        assert!(text.contains("polis_build_info{version=\"0.1.0\"} 1\n"));
        assert!(text.contains("polis_link_refused_total 2\n") && !text.contains("note"));
    }
}
