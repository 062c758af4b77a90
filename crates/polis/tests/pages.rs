//! The JSON API is what its description says, and who listens is told what changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Home, Member, Scratch, find, has, polis, program, root, run};
use testlab::wait_for;

/// Compares what was said with the schema of the address that it was said at.
const VALIDATE: &str = r#"
import json, pathlib, sys
import jsonschema
document = json.loads(pathlib.Path(sys.argv[1]).read_text())
said = json.loads(pathlib.Path(sys.argv[2]).read_text())
for path, get in document["paths"].items():
    schema = get["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {"components": document["components"], **schema}
    instance = said.pop(path)
    jsonschema.Draft202012Validator(whole).validate(instance)
    assert isinstance(instance, dict) and instance, path
assert not said, said.keys()
"#;

fn connect(member: &Member) -> TcpStream {
    let stream = TcpStream::connect((member.address.as_str(), 18_421)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn get(member: &Member, path: &str) -> String {
    let mut stream = connect(member);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {}:18421\r\nConnection: close\r\n\r\n", member.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    body.to_owned()
}

#[test]
fn the_api_is_what_its_description_says() {
    if !has("the_api_is_what_its_description_says", &["openapi-spec-validator"]) {
        return;
    }
    let description = root().join("crates/web/openapi.json");
    let said = run(program("openapi-spec-validator").arg(&description));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);

    let home = Home::of(&["naxos", "anafi"]).enrol(&["naxos", "anafi"]);
    let text = home.lab.read("lab.toml");
    let apps = "[apps.wiki]\non = \"naxos\"\nserve = { port = 3000, login = \"none\" }\nbackup = \"none\"\n";
    home.lab.write("lab.toml", &format!("{text}{apps}"));
    let (naxos, _anafi) = (home.start("naxos"), home.start("anafi"));
    assert!(naxos.answers("naxos"));
    wait_for("the question stands in the log", || {
        get(&naxos, "/api/v1/dns").contains("\"outcome\":\"local\"")
    });
    let document: serde_json::Value = serde_json::from_str(&get(&naxos, "/api/v1/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut all = serde_json::Map::new();
    for path in paths.keys() {
        let name = if path.contains("apps") { "wiki" } else { "naxos" };
        let asked = if path.ends_with("/dns/why") { "?name=wiki.lab.example.net" } else { "" };
        let body = get(&naxos, &format!("{}{asked}", path.replace("{name}", name)));
        all.insert(path.clone(), serde_json::from_str(&body).unwrap());
    }
    assert!(all.len() > 10);
    let lookups = all["/api/v1/dns"]["lookups"].as_array().unwrap();
    assert!(lookups.iter().any(|one| one["outcome"] == "local"), "{lookups:?}");
    let scratch = Scratch::new();
    scratch.write("said.json", &serde_json::Value::Object(all).to_string());
    let python = find("openapi-spec-validator").unwrap().with_file_name("python");
    let mut validate = std::process::Command::new(python);
    let said = run(validate.args(["-c", VALIDATE]).arg(&description).arg(scratch.0.join("said.json")));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn a_link_opens_the_pages_once_and_looking_ahead_does_not() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let said = run(&mut polis(&["setup", "--json", "--socket", naxos.socket.to_str().unwrap()]));
    let link: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let (host, path) =
        link["link"].as_str().unwrap().strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert_eq!(host, format!("{}:18421", naxos.address));
    let asked = |method: &str, path: &str, more: &str| {
        let mut stream = connect(&naxos);
        let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    let head = asked("HEAD", "overview", "");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("text/html") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(asked("HEAD", path, "").starts_with("HTTP/1.1 200"));
    assert!(
        asked("GET", path, "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n")
            .starts_with("HTTP/1.1 403")
    );
    let opened = asked("GET", path, "");
    assert!(opened.starts_with("HTTP/1.1 303") && opened.contains("location: /setup"), "{opened}");
    let cookie = opened.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.starts_with("polis-session-18421="), "{cookie}");
    assert!(asked("GET", path, "").starts_with("HTTP/1.1 403"), "a second time");
    let (cookie, origin) = (cookie.split(';').next().unwrap(), format!("origin: http://{host}\r\n"));
    let form = format!("cookie: {cookie}\r\ncontent-length: 0\r\n");
    let path = "config/overlay/1/delete";
    naxos.add("||ads.example^");
    for refused in [format!("{origin}content-length: 0\r\n"), form.clone(), format!("origin: null\r\n{form}")]
    {
        assert!(asked("POST", path, &refused).starts_with("HTTP/1.1 403"), "{refused}");
    }
    assert_eq!(naxos.ask(r#"{"verb":"overlay"}"#)["entries"].as_array().unwrap().len(), 1);
    assert!(asked("POST", path, &format!("{origin}{form}")).starts_with("HTTP/1.1 303"));
    assert!(naxos.ask(r#"{"verb":"overlay"}"#)["entries"].as_array().unwrap().is_empty());
}

#[test]
fn who_listens_is_told_what_changes_and_not_more_often_than_twice_a_second() {
    let home = Home::of(&["naxos"]);
    let naxos = home.start("naxos");
    let mut live = connect(&naxos);
    live.write_all(b"GET /live?topics=overlay HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let mut read_until = |part: &str, least: usize| {
        let mut buffer = [0; 4096];
        while String::from_utf8_lossy(&said).matches(part).count() < least {
            let length = live.read(&mut buffer).unwrap();
            assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    read_until("event: sign", 1);
    let began = Instant::now();
    for number in 0..20 {
        naxos.add(&format!("||{number}.example^"));
    }
    let last = naxos.ask(r#"{"verb":"overlay"}"#)["entries"].as_array().unwrap().len();
    assert_eq!(last, 20);
    let text = read_until("overlay", 1);
    assert!(text.contains("data: events overlay"), "{text}");
    // What came after the first is told too, together.
    let text = read_until("overlay", 2);
    let told = text.matches("data: overlay").count() + text.matches("data: events overlay").count();
    assert!(told <= 2 + usize::try_from(began.elapsed().as_millis() / 500).unwrap(), "{told} times: {text}");

    // Told of a changed lab, a page has it.
    home.lab.replace("lab.toml", "[lab]\n", "[portal]\ntitle = \"Our home\"\n[lab]\n");
    read_until("lab", 1);
    assert!(get(&naxos, "/").contains("Our home"));
}
