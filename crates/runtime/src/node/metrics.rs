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

/// The text.
pub(crate) fn text(measured: &Measured<'_>) -> String {
    let mut text = String::new();
    let status = measured.status;
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, String)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let label = |key: &str, value: &str| format!("{{{key}=\"{}\"}}", escaped(value));
    let one = |value: String| vec![(String::new(), value)];
    family(
        "polis_build_info",
        "gauge",
        "The version that runs.",
        &[(label("version", &status.polis), "1".to_owned())],
    );
    family(
        "polis_start_time_seconds",
        "gauge",
        "When Polis started, in seconds since 1970.",
        &one((status.since / 1000).to_string()),
    );
    let services: Vec<_> = status
        .services
        .iter()
        .map(|service| {
            (label("service", &service.name), u8::from(service.phase == Phase::Running).to_string())
        })
        .collect();
    family("polis_service_running", "gauge", "Whether a service does what is planned.", &services);
    let peers: Vec<_> = status
        .peers
        .iter()
        .map(|peer| (label("machine", &peer.machine), u8::from(peer.answering == Answering::Up).to_string()))
        .collect();
    family("polis_machine_up", "gauge", "Whether another machine answers this one.", &peers);
    family(
        "polis_conditions",
        "gauge",
        "How many things are wrong.",
        &one(status.conditions.len().to_string()),
    );
    family(
        "polis_events_lost_total",
        "counter",
        "Events that could not be recorded for want of room.",
        &one(measured.lost.to_string()),
    );
    family(
        "polis_link_refused_total",
        "counter",
        "Connections of machines that were refused.",
        &one(measured.refused.to_string()),
    );
    family(
        "polis_clock_set",
        "gauge",
        "Whether the clock can be right.",
        &one(u8::from(measured.is_clock_set).to_string()),
    );
    for (service, view) in &measured.views {
        let Some(counters) = view.get("metrics").and_then(serde_json::Value::as_object) else { continue };
        for (name, value) in counters.iter().filter(|(_, value)| value.is_number()) {
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            family(
                &format!("polis_{service}_{name}"),
                kind,
                &format!("{} of {service}.", name.replace('_', " ")),
                &one(value.to_string()),
            );
        }
    }
    text
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
