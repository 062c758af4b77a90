//! What pages cost, over HTTP as a browser asks for them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{Ends, Row, generate, processes, ticks};
use crate::root;

/// How often a page is asked for, to be measured.
const TIMES: u32 = 1_000;
/// How many pages are open at once, and for how long.
const OPEN: usize = 100;
const LASTS: u32 = 60;
/// The pages of a machine that runs by itself, and of the first name server of the demonstration.
const OWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8421);
const DEMO: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 10, 50, 10)), 18_421);

/// What a server said: its head, and its body as it came.
struct Said {
    head: String,
    body: Vec<u8>,
}

/// A connection that is kept.
struct Browser {
    stream: TcpStream,
    waiting: Vec<u8>,
    host: SocketAddr,
}

impl Browser {
    fn at(host: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, waiting: Vec::new(), host })
    }

    fn ask(&mut self, path: &str) -> anyhow::Result<()> {
        let host = self.host;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n");
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    fn more(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer)? {
            0 => bail!("{} ended the connection", self.host),
            length => self.waiting.extend(buffer.iter().take(length)),
        }
        Ok(())
    }

    /// Fetches what has a length.
    fn get(&mut self, path: &str) -> anyhow::Result<Said> {
        self.ask(path)?;
        let end = loop {
            match self.waiting.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more()?,
            }
        };
        let head = String::from_utf8_lossy(self.waiting.get(..end).unwrap_or_default()).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let whole = end + length.context("a body without a length")?.trim().parse::<usize>()?;
        while self.waiting.len() < whole {
            self.more()?;
        }
        let rest = self.waiting.split_off(whole);
        let body = std::mem::replace(&mut self.waiting, rest).split_off(end);
        Ok(Said { head, body })
    }
}

pub(super) fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = example()?;
    rows.push(large()?);
    rows.push(change()?);
    Ok(rows)
}

fn wait_for_pages(at: SocketAddr) -> anyhow::Result<Browser> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if let Ok(mut browser) = Browser::at(at)
            && browser.get("/overview").is_ok_and(|said| said.head.starts_with("http/1.1 200"))
        {
            return Ok(browser);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("no pages at {at}")
}

/// The processor time of a page in milliseconds, over many times.
fn cpu_of_a_page(browser: &mut Browser, processes: &[u32]) -> anyhow::Result<f64> {
    for _ in 0..50 {
        browser.get("/overview")?;
    }
    let before = ticks(processes)?;
    for _ in 0..TIMES {
        browser.get("/overview")?;
    }
    Ok(f64::from(ticks(processes)? - before) * 10.0 / f64::from(TIMES))
}

/// The example, in the demonstration: all of its machines answer.
fn example() -> anyhow::Result<Vec<Row>> {
    let demo = Command::new("target/release/polis")
        .args(["demo", "examples/aegean"])
        .current_dir(root())
        .stdout(Stdio::null())
        .spawn()?;
    let demo = Ends(demo);
    let mut browser = wait_for_pages(DEMO)?;
    // All of them have told each other how they stand by then, and are quiet.
    std::thread::sleep(Duration::from_secs(8));
    let worker = worker_of("naxos")?;
    let millis = cpu_of_a_page(&mut browser, &[worker])?;
    let page = browser.get("/overview")?;
    let html = String::from_utf8_lossy(&gunzipped(&page.body)?).into_owned();
    let mut all = page.body.len();
    for asset in html.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
        all += browser.get(&format!("/assets/{asset}"))?.body.len();
    }
    let quiet = open_pages(worker)?;
    drop(demo);
    Ok(vec![
        Row {
            what: "the overview of the example, all machines up: CPU of the server for a page, compressed",
            bar: "1 ms",
            measured: format!("{millis:.2} ms"),
        },
        Row {
            what: "first load of the overview with all assets, gzip (no page has a chart yet)",
            bar: "60 kB; 15 kB without a chart",
            measured: format!("{} bytes, of them {} of the page", all, page.body.len()),
        },
        Row {
            what: "100 open live pages on a quiet lab (the example in the demonstration, for a minute)",
            bar: "1 % of a core",
            measured: format!("{quiet:.2} %"),
        },
    ])
}

/// The worker of a machine of the demonstration: the process that has its state.
fn worker_of(machine: &str) -> anyhow::Result<u32> {
    let folder =
        std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    let lock = folder.join(format!("polis-demo-{}", nix::unistd::geteuid())).join(machine).join("lock");
    Ok(std::fs::read_to_string(&lock)
        .with_context(|| format!("reading {}", lock.display()))?
        .trim()
        .parse()?)
}

fn gunzipped(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("stdin")?;
    let body = body.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    Ok(output.stdout)
}

/// The processor time that pages cost which are open and have nothing to show, in hundredths of a core.
fn open_pages(worker: u32) -> anyhow::Result<f64> {
    let mut open = Vec::new();
    for _ in 0..OPEN {
        let mut browser = Browser::at(DEMO)?;
        browser.ask("/live?topics=lab+machines+services+conditions+overlay")?;
        browser.more()?;
        open.push(browser);
    }
    std::thread::sleep(Duration::from_secs(2));
    let before = ticks(&[worker])?;
    std::thread::sleep(Duration::from_secs(u64::from(LASTS)));
    Ok(f64::from(ticks(&[worker])? - before) / f64::from(LASTS))
}

fn a_machine(lab: &Path, machine: &str) -> anyhow::Result<Ends> {
    let state = root().join("target/bench/pages");
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir_all(&state)?;
    let mut command = Command::new("target/release/polis");
    command.arg("run").arg("--lab").arg(lab).args(["--machine", machine, "--listen", "127.0.0.1:0"]);
    command.arg("--state").arg(&state).current_dir(root()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Ends(command.spawn()?))
}

fn large() -> anyhow::Result<Row> {
    let folder = root().join("target/bench/two-hundred");
    generate::lab(&folder, &generate::TWO_HUNDRED)?;
    let machine = a_machine(&folder, "m0")?;
    let mut browser = wait_for_pages(OWN)?;
    std::thread::sleep(Duration::from_secs(3));
    let millis = cpu_of_a_page(&mut browser, &processes(&machine)?)?;
    Ok(Row {
        what: "the overview of a lab of 200 machines and 60 apps: CPU of the server for a page, compressed",
        bar: "10 ms",
        measured: format!("{millis:.2} ms"),
    })
}

/// From the writing of a line of the lab file until the page that was told of it shows it.
fn change() -> anyhow::Result<Row> {
    let folder = root().join("target/bench/changed");
    let _ = std::fs::remove_dir_all(&folder);
    let status = Command::new("cp").arg("-r").arg(root().join("examples/aegean")).arg(&folder).status()?;
    if !status.success() {
        bail!("copying the example failed");
    }
    let _machine = a_machine(&folder, "naxos")?;
    let mut browser = wait_for_pages(OWN)?;
    let mut live = Browser::at(OWN)?;
    live.ask("/live?topics=lab")?;
    live.more()?;
    let path = folder.join("lab.toml");
    let mut times = Vec::new();
    for number in 0..7 {
        std::thread::sleep(Duration::from_secs(2));
        live.waiting.clear();
        let text = std::fs::read_to_string(&path)?;
        let before = text.lines().find(|line| line.starts_with("title = ")).context("the title")?.to_owned();
        let began = Instant::now();
        std::fs::write(&path, text.replace(&before, &format!("title = \"Home {number}\"")))?;
        loop {
            while !String::from_utf8_lossy(&live.waiting).contains("lab") {
                live.more()?;
            }
            live.waiting.clear();
            let page = browser.get("/api/v1/portal")?;
            let said =
                if page.head.contains("content-encoding: gzip") { gunzipped(&page.body)? } else { page.body };
            if String::from_utf8_lossy(&said).contains(&format!("Home {number}")) {
                break;
            }
        }
        times.push(began.elapsed().as_secs_f64());
    }
    Ok(Row {
        what: "from a changed line of the lab file to the changed page of a live browser",
        bar: "1 s",
        measured: format!(
            "{:.2} s (the slowest of 7: {:.2} s)",
            super::median(times.clone()),
            times.iter().copied().fold(0.0, f64::max)
        ),
    })
}
