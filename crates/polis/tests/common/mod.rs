//! What the tests of the binary share: the binary, scratch folders, programs from outside, patience.
#![allow(dead_code, reason = "not every test file needs everything")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

impl Drop for Running {
    /// It is told to end, because it may have processes of its own, which are not to outlive the test.
    fn drop(&mut self) {
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

/// `polis run` on a lab, at a port of its own, with a state of its own.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) port: u16,
    pub(crate) state: Scratch,
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
