//! Clocks that jump and clocks that were never set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{Home, Member, wait_for};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What time a machine says it is, in milliseconds.
fn time_of(member: &Member) -> i64 {
    member.ask(r#"{"verb":"status"}"#).get("now").and_then(serde_json::Value::as_i64).unwrap()
}

fn start_with_clock(home: &Home, offset: i64) -> Member {
    home.lab.write("clock", &offset.to_string());
    home.start_as("naxos", home.command("naxos").env("POLIS_TEST_CLOCK", home.lab.0.join("clock")))
}

#[test]
fn a_clock_that_jumps_is_an_event_and_nothing_fails() {
    let home = Home::of(&["naxos"]);
    let naxos = start_with_clock(&home, 86_400);
    let worker = naxos.worker();
    home.lab.write("clock", "172800");
    naxos.running.wait_for_line("the clock jumped forward by 24 h");
    assert_eq!(naxos.add("||one.example^")["reply"], "done");
    assert!(naxos.answers("naxos"));
    home.lab.write("clock", "90000");
    naxos.running.wait_for_line("the clock jumped back by 2");
    assert!(naxos.answers("naxos"));
    let status = naxos.status();
    assert!(
        status.contains(", running for ") && !status.contains("days") && !status.contains(" h,"),
        "{status}"
    );
    // Behind what has passed for sure: that is shown.
    home.lab.write("clock", &(-now() / 1000).to_string());
    let status = naxos.wait_for_status("clock, for");
    assert!(status.contains("the clock is behind what has passed, and is taken to be later"), "{status}");
    home.lab.write("clock", "172800");
    wait_for("it is well again", || !naxos.status().contains("clock, for"));
    assert_eq!(naxos.add("||two.example^")["reply"], "done");
    assert_eq!(naxos.worker(), worker, "nothing was started anew");
}

#[test]
fn a_start_in_1970_goes_on_from_the_last_saved_time() {
    let home = Home::of(&["naxos"]);
    let mut first = start_with_clock(&home, 86_400);
    let saved = time_of(&first);
    first.running.end();

    // No battery, no network: the system begins in 1970.
    let naxos = start_with_clock(&home, -now() / 1000);
    let status = naxos.wait_for_status("clock, for");
    assert!(status.contains("set it, or let it ask a time server"), "{status}");
    assert!((saved..saved + 60_000).contains(&time_of(&naxos)), "{} after {saved}", time_of(&naxos));
    assert!(naxos.answers("naxos"));
    home.lab.write("clock", "86400");
    wait_for("a clock that is set is no trouble", || !naxos.status().contains("clock, for"));
    drop(naxos);

    // And without a saved time from that of the build.
    std::fs::remove_file(home.state("naxos").join("clock")).unwrap();
    let naxos = start_with_clock(&home, -now() / 1000);
    let year_2026 = 1_767_225_600_000;
    assert!(time_of(&naxos) > year_2026 && time_of(&naxos) < now() + 60_000, "{}", time_of(&naxos));
    naxos.wait_for_status("clock, for");
}
