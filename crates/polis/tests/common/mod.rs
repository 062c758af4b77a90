//! What the tests of the binary share: the binary, scratch folders, programs from outside, patience.
#![allow(dead_code, reason = "not every test file needs everything")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

#[allow(unused_imports, reason = "not every test file needs everything")]
pub(crate) use testlab::{find, has, root, wait_for};

/// The binary, in the root of the project, with nothing of the surroundings that would change what it does.
pub(crate) fn polis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polis"));
    command.args(arguments).current_dir(root());
    for name in
        ["POLIS_LAB", "POLIS_STATE", "POLIS_SOCKET", "POLIS_IDENTITY", "XDG_CONFIG_HOME", "NOTIFY_SOCKET"]
    {
        command.env_remove(name);
    }
    command
}

pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

pub(crate) fn run(command: &mut Command) -> Said {
    command.output().unwrap().into()
}

/// Asks a running Polis at its control socket, in the frames that ADR 007 describes.
pub(crate) fn ask(socket: &Path, question: &str) -> std::io::Result<serde_json::Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = u32::try_from(question.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), question.as_bytes()].concat())?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut reply = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut reply)?;
    Ok(serde_json::from_slice(&reply)?)
}

/// A program from outside.
pub(crate) fn program(name: &str) -> Command {
    Command::new(find(name).unwrap())
}

/// A folder that is gone when the test is.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")), "")
    }

    /// With a short path: that of a socket in it has at most 107 bytes.
    pub(crate) fn short() -> Self {
        Self::within(&std::env::temp_dir(), "polis-")
    }

    fn within(folder: &Path, prefix: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{prefix}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A copy of the example.
    pub(crate) fn example() -> Self {
        let scratch = Self::new();
        copy(&root().join("examples/aegean"), &scratch.0);
        scratch
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let scratch = Self::new();
        for (name, text) in files {
            scratch.write(name, text);
        }
        scratch
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => assert!(std::fs::copy(entry.path(), target).is_ok()),
        }
    }
}

/// A program that runs until it is dropped, and the lines that it says.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let listen = |stream: Box<dyn std::io::Read + Send>| {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            });
        };
        listen(Box::new(child.stdout.take().unwrap()));
        listen(Box::new(child.stderr.take().unwrap()));
        Self { child, lines }
    }

    pub(crate) fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    #[track_caller]
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let find = || self.lines.lock().unwrap().iter().find(|line| line.contains(part)).cloned();
        let start = Instant::now();
        loop {
            if let Some(line) = find() {
                return line;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "`{part}` was never said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Running {
    /// It is told to end, because it may have processes of its own, which are not to outlive the test.
    pub(crate) fn end(&mut self) {
        let has_ended = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
        if !has_ended(&mut self.child) {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            let told = Instant::now();
            while !has_ended(&mut self.child) && told.elapsed() < Duration::from_secs(8) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to a process; whether it was there.
pub(crate) fn signal(process: u32, signal: Signal) -> bool {
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(process, signal).is_ok()
}

/// Whether a process is there, and has not ended.
pub(crate) fn lives(process: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    text.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

fn command_of(process: u32) -> String {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).into_owned()
}

/// The number of the worker that has a state, if it lives.
pub(crate) fn worker_of(state: &Path) -> Option<u32> {
    let process = std::fs::read_to_string(state.join("lock")).ok()?.trim().parse().ok()?;
    let command = command_of(process);
    (lives(process) && command.contains("--worker") && command.contains(state.to_str()?)).then_some(process)
}

/// `polis run` on a lab, at a port of its own, with a state of its own.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) port: u16,
    pub(crate) state: Scratch,
}

impl Drop for Server {
    fn drop(&mut self) {
        end_both(&mut self.running, &self.state.0);
    }
}

/// Ends a helper, and the worker that it may have left behind.
fn end_both(helper: &mut Running, state: &Path) {
    helper.end();
    let Some(worker) = worker_of(state) else { return };
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    // One that has a helper is that of another run on the same state.
    if !parent.is_some_and(|parent| command_of(parent).contains(&*state.to_string_lossy())) {
        signal(worker, Signal::KILL);
    }
}

impl Server {
    pub(crate) fn start(lab: &str, machine: &str) -> Self {
        Self::at(lab, machine, "127.0.0.1:0")
    }

    pub(crate) fn at(lab: &str, machine: &str, listen: &str) -> Self {
        let state = Scratch::short();
        let running = Running::start(&mut polis(&[
            "run",
            "--lab",
            lab,
            "--machine",
            machine,
            "--listen",
            listen,
            "--state",
            state.path(),
        ]));
        let line = running.wait_for_line("dns listens at");
        let port = line.split(':').nth(2).unwrap().split(' ').next().unwrap().parse().unwrap();
        Self { running, port, state }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.state.0.join("polis.sock")
    }

    /// What `polis status` says.
    pub(crate) fn status(&self) -> String {
        let said = run(&mut polis(&["status", "--state", self.state.path()]));
        format!("{}{}", said.out, said.err)
    }

    /// What dig says, with these words behind the server.
    pub(crate) fn dig(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let said = run(program("dig").args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=8"]).args(words));
        assert_eq!(said.code, 0, "dig {words:?}: {}{}", said.out, said.err);
        said.out.trim_end().to_owned()
    }
}

/// A home of a few machines that all are this one, each at addresses of this test alone: what they listen at is
/// nobody else's. The first one answers names.
pub(crate) struct Home {
    pub(crate) lab: Scratch,
    pub(crate) states: Scratch,
    machines: Vec<String>,
    net: String,
}

impl Home {
    pub(crate) fn of(machines: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let net = format!(
            "127.{}.{}",
            20 + process / 16 % 200,
            process % 16 * 16 + u32::try_from(count % 16).unwrap()
        );
        let home = Self {
            lab: Scratch::new(),
            states: Scratch::short(),
            machines: machines.iter().map(ToString::to_string).collect(),
            net,
        };
        let rows: String = machines
            .iter()
            .map(|name| format!("{name} = {{ address = \"{}\" }}\n", home.address(name)))
            .collect();
        home.lab.write(
            "lab.toml",
            &format!(
                "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[sites]\nhere = {{}}\n[zones]\nlan = {{ site = \
                 \"here\", cidr = \"{}.0/24\" }}\n[machines]\n{rows}[dns]\non = \"{}\"\nupstreams = [\"127.0.0.1:9\"]\n",
                home.net, machines.first().unwrap()
            ),
        );
        home.lab.write("keys", "");
        home
    }

    /// Gives each of these machines a key pair, and the lab their public keys.
    pub(crate) fn enrol(self, machines: &[&str]) -> Self {
        let keys: String = machines.iter().map(|name| format!("{name} {}\n", self.make_key(name))).collect();
        self.lab.write("keys", &keys);
        self
    }

    /// Makes the key pair of a machine, if there is none, and says its public half.
    pub(crate) fn make_key(&self, machine: &str) -> String {
        let said = run(&mut polis(&["machine", "key", "--state", self.state(machine).to_str().unwrap()]));
        assert_eq!(said.code, 0, "{}", said.err);
        said.out.trim().trim_start_matches("key = \"").trim_end_matches('"').to_owned()
    }

    pub(crate) fn address(&self, machine: &str) -> String {
        let place = self.machines.iter().position(|name| name == machine).unwrap();
        format!("{}.{}", self.net, 10 + place)
    }

    pub(crate) fn state(&self, machine: &str) -> PathBuf {
        self.states.0.join(machine)
    }

    /// The command that runs a machine.
    pub(crate) fn command(&self, machine: &str) -> Command {
        let (lab, keys) = (self.lab.0.join("lab.toml"), self.lab.0.join("keys"));
        let mut command = polis(&["run", "--machine", machine]);
        command.arg("--lab").arg(lab).arg("--demo").arg(keys).arg("--state").arg(self.state(machine));
        command
    }

    pub(crate) fn start(&self, machine: &str) -> Member {
        self.start_as(machine, &mut self.command(machine))
    }

    pub(crate) fn start_as(&self, machine: &str, command: &mut Command) -> Member {
        let running = Running::start(command);
        let member = Member {
            running,
            state: self.state(machine),
            socket: self.state(machine).join("polis.sock"),
            address: self.address(machine),
        };
        member.running.wait_for_line("took up the lab");
        member
    }
}

/// A machine of such a home that runs.
pub(crate) struct Member {
    pub(crate) running: Running,
    pub(crate) state: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) address: String,
}

impl Member {
    pub(crate) fn helper(&self) -> u32 {
        self.running.child.id()
    }

    /// Waits until a worker runs that is another than this one, and answers.
    #[track_caller]
    pub(crate) fn worker_after(&self, old: Option<u32>) -> u32 {
        let mut new = None;
        wait_for("another worker answers", || {
            new = worker_of(&self.state).filter(|worker| Some(*worker) != old);
            new.is_some() && self.ask(r#"{"verb":"ping"}"#).get("reply").is_some_and(|reply| reply == "pong")
        });
        new.unwrap()
    }

    #[track_caller]
    pub(crate) fn worker(&self) -> u32 {
        self.worker_after(None)
    }

    /// Asks it; null if it does not answer.
    pub(crate) fn ask(&self, question: &str) -> serde_json::Value {
        ask(&self.socket, question).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> String {
        let said = run(&mut polis(&["status", "--socket", self.socket.to_str().unwrap()]));
        format!("{}{}", said.out, said.err)
    }

    /// Waits until its status says something.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, part: &str) -> String {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if status.contains(part) {
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "the status never said `{part}`:\n{status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it answers the name of the first machine.
    pub(crate) fn answers(&self, name: &str) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').chain(["lab", "example", "net"]) {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend_from_slice(label.as_bytes());
        }
        question.extend_from_slice(&[0, 0, 1, 0, 1]);
        let mut reply = [0; 512];
        let sent = socket.send_to(&question, (self.address.as_str(), 10_053));
        sent.and_then(|_| socket.recv(&mut reply))
            .is_ok_and(|length| length > question.len() && reply[3] & 0x0F == 0)
    }

    /// Adds to the overlay; what was said.
    pub(crate) fn add(&self, value: &str) -> serde_json::Value {
        self.ask(&format!(r#"{{"verb":"overlay-add","key":"dns.rules","value":"{value}","who":"test"}}"#))
    }

    pub(crate) fn overlay(&self) -> Vec<String> {
        let reply = self.ask(r#"{"verb":"overlay"}"#);
        let entries =
            reply.get("entries").and_then(|entries| entries.as_array()).cloned().unwrap_or_default();
        let value = |entry: &serde_json::Value| Some(entry.get("value")?.as_str()?.to_owned());
        entries.iter().filter_map(value).collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        end_both(&mut self.running, &self.state);
    }
}
