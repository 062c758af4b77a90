//! The hours of blocked services.
//!
//! AdGuard Home's schedule says for each day of the week when services are *not* blocked; a policy says when it
//! holds. So the one is turned into what is left over by it.

use super::report::Report;
use super::section::Section;

/// The days, Monday first, as both files call them.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u64 = 1440;
/// What AdGuard Home writes for the clock of the machine that it runs on.
const LOCAL: [&str; 2] = ["Local", ""];

/// When services are blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hours {
    /// Always.
    Always,
    /// In these windows, each as `when` has it: `mon-fri 00:00-16:00`.
    Within(Vec<String>),
    /// At no time of the week.
    Never,
}

/// When services are blocked by a schedule of AdGuard Home.
pub(super) fn hours(mut schedule: Section, report: &mut Report) -> Hours {
    let zone = schedule.text("time_zone", report).unwrap_or_default();
    let name = schedule.name("time_zone");
    let open = DAYS.map(|day| {
        let mut range = schedule.section(day, report);
        let place = range.name("start");
        let start = range.text("start", report);
        let end = range.text("end", report);
        range.close(report);
        let minutes = |text: Option<String>| text.map_or(Some(0), |text| minutes(&text));
        match (minutes(start), minutes(end)) {
            (Some(start), Some(end)) if end <= DAY_MINUTES => (start < end).then_some((start, end)),
            _ => {
                report.left(&place, "it is no time of day, so nothing is open on that day");
                None
            }
        }
    });
    schedule.close(report);
    let hours = left_over(&open);
    match (&hours, LOCAL.contains(&zone.as_str())) {
        (Hours::Always | Hours::Never, _) => {}
        (Hours::Within(_), true) => {
            let why = "`when` is in the lab's time zone, which is UTC unless `[lab]` has a `timezone`";
            report.left_once(&name, why.to_owned());
        }
        (Hours::Within(_), false) => {
            let zone = super::shown(&zone);
            let why = format!("`when` is in the lab's time zone: write `timezone = \"{zone}\"` into `[lab]`");
            report.left_once(&name, why);
        }
    }
    hours
}

/// What is left of the week without the open hours of each day, in minutes after midnight.
fn left_over(open: &[Option<(u64, u64)>; 7]) -> Hours {
    if open.iter().all(Option::is_none) {
        return Hours::Always;
    }
    // Windows by when they are, in the order of the day, and the days that have each.
    let mut windows: Vec<((u64, u64), Vec<usize>)> = Vec::new();
    for (day, range) in open.iter().enumerate() {
        let (start, end) = range.unwrap_or((DAY_MINUTES, DAY_MINUTES));
        for window in [(0, start), (end, DAY_MINUTES)] {
            if window.0 < window.1 {
                match windows.iter_mut().find(|(known, _)| *known == window) {
                    Some((_, days)) => days.push(day),
                    None => windows.push((window, vec![day])),
                }
            }
        }
    }
    windows.sort();
    if windows.is_empty() {
        return Hours::Never;
    }
    let text = |((from, to), days): &((u64, u64), Vec<usize>)| {
        format!("{} {}-{}", days_text(days), clock(*from), clock(*to))
    };
    Hours::Within(windows.iter().map(text).collect())
}

/// `mon-fri,sun`, or `daily`.
fn days_text(days: &[usize]) -> String {
    if days.len() == DAYS.len() {
        return "daily".to_owned();
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    let word = |day: usize| DAYS.get(day).copied().unwrap_or_default();
    let run = |(first, last): &(usize, usize)| match last - first {
        0 => word(*first).to_owned(),
        1 => format!("{},{}", word(*first), word(*last)),
        _ => format!("{}-{}", word(*first), word(*last)),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

fn clock(minutes: u64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The minutes of a length of time; AdGuard Home rounds times of day to them.
fn minutes(text: &str) -> Option<u64> {
    super::go_duration(text).map(|millis| millis / 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(open: [Option<(u64, u64)>; 7]) -> Vec<String> {
        match left_over(&open) {
            Hours::Within(windows) => windows,
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn what_is_open_is_taken_out_of_the_week() {
        let none = None;
        let noon = Some((12 * 60, 13 * 60));
        assert_eq!(within([none; 7]), ["Always"]);
        assert_eq!(within([Some((0, 1440)); 7]), ["Never"]);
        assert_eq!(within([noon; 7]), ["daily 00:00-12:00", "daily 13:00-24:00"]);
        let week = [none, none, none, none, none, noon, noon];
        assert_eq!(within(week), ["sat,sun 00:00-12:00", "mon-fri 00:00-24:00", "sat,sun 13:00-24:00"]);
        let all_day = Some((0, 1440));
        let odd = [all_day, Some((0, 600)), none, Some((900, 1440)), all_day, all_day, none];
        assert_eq!(within(odd), ["thu 00:00-15:00", "wed,sun 00:00-24:00", "tue 10:00-24:00"]);
    }

    /// Every minute of a week is either open or in a window, and none is in two.
    #[test]
    fn nothing_is_lost_and_nothing_said_twice() {
        let open =
            [Some((0, 60)), None, Some((30, 1440)), Some((600, 601)), None, Some((0, 1440)), Some((1, 2))];
        let windows = within(open);
        for (day, range) in open.iter().enumerate() {
            for minute in 0..1440_u64 {
                let is_open = range.is_some_and(|(from, to)| (from..to).contains(&minute));
                let holding = windows.iter().filter(|window| holds(window, day, minute)).count();
                assert_eq!(holding, usize::from(!is_open), "{} {minute}: {windows:?}", DAYS[day]);
            }
        }
    }

    /// Whether a window as the lab file has it holds.
    fn holds(window: &str, day: usize, minute: u64) -> bool {
        let (days, times) = window.split_once(' ').unwrap_or_default();
        let number = |word: &str| DAYS.iter().position(|day| *day == word);
        let on = days == "daily"
            || days.split(',').any(|run| {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                (number(first)..=number(last)).contains(&Some(day))
            });
        let clock = |text: &str| -> Option<u64> {
            let (hour, minute) = text.split_once(':')?;
            Some(hour.parse::<u64>().ok()? * 60 + minute.parse::<u64>().ok()?)
        };
        let (from, to) = times.split_once('-').unwrap_or_default();
        on && (clock(from)..clock(to)).contains(&Some(minute))
    }
}
