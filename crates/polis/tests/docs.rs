//! The documentation is true: every block of every page is read or run.
//!
//! `toml` and `yaml` blocks whose first line names a file are written to a folder of the page; other `toml`
//! blocks are parts of a lab and are read. `console` blocks are run there, in the order of the page: `$` begins
//! a command, `&` at its end leaves it running, and what follows is what it says, with `…` for what may be
//! anything, in a line or instead of lines. `sh` blocks are the two commands of the README and have tests of
//! their own; `text` and `ebnf` blocks are made from the code, or are for reading only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Running, Said, Scratch, has, root, run};
use lab::{Code, Folder, Options};

struct Block {
    kind: String,
    line: usize,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root().join("README.md"));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(kind) => {
                inside = true;
                blocks.push(Block { kind: kind.to_owned(), line: at + 1, text: String::new() });
            }
            None if inside => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "{} has a block without an end", page.display());
    blocks
}

/// The file that a block is, if its first line names one.
fn file_name(text: &str) -> Option<&str> {
    let name = text.lines().next()?.strip_prefix("# ")?;
    (name.ends_with(".toml") || name.ends_with(".yaml")).then_some(name)
}

/// Whether a text says what is expected, in which `…` stands for anything.
fn fits(expected: &str, said: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| said.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The same for lines: a line that is only `…` stands for any number of lines.
fn lines_fit(expected: &[&str], said: &[&str]) -> bool {
    match (expected, said) {
        ([], []) => true,
        (["…", rest @ ..], []) => lines_fit(rest, &[]),
        (["…", rest @ ..], [_, more @ ..]) => lines_fit(rest, said) || lines_fit(expected, more),
        ([first, rest @ ..], [line, more @ ..]) => fits(first, line) && lines_fit(rest, more),
        _ => false,
    }
}

/// A page being followed, in a folder of its own.
struct Reader {
    folder: Scratch,
    home: Scratch,
    state: Scratch,
    running: Vec<Running>,
    wrong: Vec<String>,
    page: String,
}

impl Reader {
    fn new(page: &Path) -> Self {
        let folder = Scratch::new();
        std::os::unix::fs::symlink(root().join("examples"), folder.0.join("examples")).unwrap();
        let page = page.strip_prefix(root()).unwrap().display().to_string();
        Self {
            folder,
            home: Scratch::new(),
            state: Scratch::short(),
            running: Vec::new(),
            wrong: Vec::new(),
            page,
        }
    }

    fn shell(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_polis")).parent().unwrap().to_owned();
        let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line} 2>&1")]).current_dir(&self.folder.0);
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").env_remove("POLIS_LAB");
        command.env("POLIS_STATE", self.state.path()).env_remove("POLIS_SOCKET");
        command.env("PATH", std::env::join_paths([binary].into_iter().chain(paths)).unwrap());
        command
    }

    fn says(&mut self, line: usize, command: &str, expected: &[&str], said: &str) {
        let lines: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
        if !lines_fit(expected, &lines) {
            let expected = expected.join("\n");
            self.wrong
                .push(format!("{}:{line}: `{command}` should say\n{expected}\nand says\n{said}", self.page));
        }
    }

    fn console(&mut self, block: &Block) {
        let mut steps: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in block.text.lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push((command, Vec::new())),
                (None, Some((_, expected))) => expected.push(line.trim_end()),
                (None, None) => {
                    panic!("{}:{}: this block does not begin with a command", self.page, block.line)
                }
            }
        }
        for (command, mut expected) in steps {
            while expected.last().is_some_and(|line| line.is_empty()) {
                expected.pop();
            }
            match command.strip_suffix(" &") {
                Some(command) => {
                    let running = Running::start(&mut self.shell(&format!("exec {command}")));
                    for line in expected {
                        running.wait_for_line(line);
                    }
                    self.running.push(running);
                }
                None => {
                    let said: Said = run(&mut self.shell(command));
                    self.says(block.line, command, &expected, &said.out);
                }
            }
        }
    }

    fn toml(&mut self, block: &Block) {
        let text = block.text.replace("\"KEY\"", &format!("\"{}\"", self.key()));
        if let Some(name) = file_name(&text) {
            self.folder.write(name, &text);
            return;
        }
        let whole = if text.contains("[lab]\n") {
            text
        } else {
            format!("[lab]\nname = \"x\"\ndomain = \"x.net\"\n{text}")
        };
        let checked = lab::check(Folder::from_texts([("lab.toml", whole)]), &Options::at("2026-11-01"));
        let of_the_text = [
            Code::Syntax,
            Code::KeyTwice,
            Code::UnknownKey,
            Code::MissingKey,
            Code::WrongKind,
            Code::BadValue,
            Code::BadName,
            Code::AssertionSyntax,
            Code::SecretInTheOpen,
        ];
        for fault in checked.faults.iter().filter(|fault| of_the_text.contains(&fault.code)) {
            self.wrong.push(format!("{}:{}: {}", self.page, block.line, fault.title));
        }
    }

    /// The public key of the reader, once the page has told to make one.
    fn key(&self) -> String {
        let text = std::fs::read_to_string(self.home.0.join(".config/polis/owner.key")).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap_or("KEY").to_owned()
    }
}

#[test]
fn every_block_is_true() {
    if !has("every_block_is_true", &["dig", "age"]) {
        return;
    }
    let (mut wrong, mut commands, mut parts) = (Vec::new(), 0, 0);
    for page in pages() {
        let mut reader = Reader::new(&page);
        for block in blocks(&page) {
            match block.kind.as_str() {
                "console" => {
                    commands += 1;
                    reader.console(&block);
                }
                "toml" => {
                    parts += 1;
                    reader.toml(&block);
                }
                "yaml" => reader.folder.write(file_name(&block.text).unwrap(), &block.text),
                "sh" => assert!(
                    block
                        .text
                        .lines()
                        .all(|line| line.starts_with("make demo ") || line.starts_with("make test "))
                ),
                "text" | "ebnf" => {}
                other => {
                    wrong.push(format!("{}:{}: nobody reads `{other}` blocks", page.display(), block.line));
                }
            }
        }
        wrong.append(&mut reader.wrong);
    }
    assert!(commands > 20 && parts > 25, "{commands} commands, {parts} parts");
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = pages();
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        pages.push(root().join(name));
    }
    let mut wrong = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let has_anchor = || {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                text.lines().any(|line| line.starts_with('#') && line.trim_matches(['#', ' ', '`']) == anchor)
            };
            if !target.exists() || !(anchor.is_empty() || has_anchor()) {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demo_builds_checks_explains_and_answers() {
    if !has("the_demo_builds_checks_explains_and_answers", &["dig", "make"]) {
        return;
    }
    // A folder of its own: the other tests use the binary that would be built anew.
    let target = root().join("target/demo");
    let build = ["build", "--quiet", "--package", "polis"];
    let built =
        run(Command::new(env!("CARGO")).args(build).env("CARGO_TARGET_DIR", &target).current_dir(root()));
    assert_eq!(built.code, 0, "{}", built.err);
    let binary = std::fs::read(target.join("debug/polis")).unwrap();
    let knob = b"POLIS_TEST_";
    assert!(
        !binary.windows(knob.len()).any(|part| part == knob),
        "only what tests build has knobs for tests"
    );
    let scratch = Scratch::short();
    let mut make = Command::new("make");
    make.arg("demo")
        .env("CARGO_TARGET_DIR", &target)
        .env("XDG_RUNTIME_DIR", scratch.path())
        .current_dir(root());
    let demo = Running::start(&mut make);
    demo.wait_for_line("aegean: no errors, 2 warnings");
    demo.wait_for_line("app nextcloud");
    let line = demo.wait_for_line("cloud.lab.example.net +short");
    let said = run(Command::new("sh").args(["-c", line.trim()]));
    assert_eq!(said.out, "127.10.50.10\n", "{}", line.trim());
    let folder = std::fs::read_dir(&scratch.0).unwrap().next().unwrap().unwrap().path();
    let process = std::fs::read_to_string(folder.join("process")).unwrap();
    assert!(run(Command::new("kill").args(["-INT", process.trim()])).code == 0);
    demo.wait_for_line("ended; nothing is left");
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
}
