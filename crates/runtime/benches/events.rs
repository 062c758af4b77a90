//! A thousand events a second for a minute: are all of them kept, and what does it cost?
//!
//! Prints `lost N, kept N, cpu PERCENT of a core`. The seconds can be given as an argument.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use runtime::{Clock, Event, Record};

const PER_SECOND: u64 = 1_000;

fn seconds(time: TimeVal) -> anyhow::Result<f64> {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(Duration::from_micros(u64::try_from(micros)?).as_secs_f64())
}

fn cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(seconds(usage.user_time())? + seconds(usage.system_time())?)
}

fn main() -> anyhow::Result<()> {
    let lasts = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(60);
    let folder = std::env::temp_dir().join(format!("polis-events-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let record = Record::in_folder(&folder, Clock::system(0));
    let (began, spent) = (Instant::now(), cpu()?);
    // Ten at a time, a hundred times a second, as bursts come.
    for tick in 0..lasts * PER_SECOND / 10 {
        for number in 0..10 {
            record.add(Event::Failed {
                service: "dns".to_owned(),
                why: format!("event {}", tick * 10 + number),
            });
        }
        std::thread::sleep(
            (Duration::from_millis(10) * u32::try_from(tick + 1)?).saturating_sub(began.elapsed()),
        );
    }
    let took = began.elapsed().as_secs_f64();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    anyhow::ensure!(runtime.block_on(record.flush()), "the record can not be written");
    let share = (cpu()? - spent) / took * 100.0;
    let total = i64::try_from(lasts * PER_SECOND)?;
    let last = record.last(total - 1, 10)?;
    let kept = last.last().context("nothing was kept")?.number;
    println!("lost {}, kept {kept} of {total}, cpu {share:.1} % of a core, over {took:.0} s", record.lost());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
