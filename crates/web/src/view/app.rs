//! Apps: the table of all, and everything that follows for one.

use lab::model::{App, Login};
use lab::read::At;
use lab::{Backend, BackendPort, HoldingOf, Kept, RouteTo};
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::coverage::{Cell, CellIs, cells};
use super::{Eye, Health, Line, words};

/// All apps.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Apps {
    /// In the order of their names.
    pub apps: Vec<AppRow>,
}

/// An app in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AppRow {
    /// Its name.
    pub name: String,
    /// How it is, as far as its machine says.
    pub health: Health,
    /// Why that is known, or is not.
    pub why: String,
    /// The machine that it runs on.
    pub on: String,
    /// Where it is opened.
    pub url: Option<String>,
    /// Who may use it.
    pub who: String,
    /// Whether the internet may.
    pub is_published: bool,
    /// How many things that can follow it lacks.
    pub missing: usize,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// Everything of one app.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AppView {
    /// Its row in the table.
    pub row: AppRow,
    /// What it is called on the start page.
    pub title: String,
    /// The way of a request to it.
    pub flow: Vec<Step>,
    /// The containers of its compose file.
    pub containers: Vec<String>,
    /// What it has of everything that can follow.
    pub coverage: Vec<Cell>,
    /// The zones that may open it, and why.
    pub opened_by: Vec<Step>,
    /// Its data, and how that is kept.
    pub data: Vec<Holding>,
    /// Since when its machine answers or does not.
    pub since: Option<Millis>,
}

/// A step of a way, or a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// What it is: `name`, `login`, a zone.
    pub key: String,
    /// What is there.
    pub value: String,
    /// How it is there.
    pub health: Health,
    /// In words, if that is not plain.
    pub words: Option<String>,
    /// The lines that it follows from.
    pub lines: Vec<Line>,
}

/// Several of them.
pub type Steps = Vec<Step>;

/// Data of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Holding {
    /// The dataset.
    pub dataset: String,
    /// Snapshots: how often and how long, or why not.
    pub snapshot: String,
    /// The copy.
    pub copy: String,
    /// The copy outside the house.
    pub offsite: String,
    /// Restore drills.
    pub drill: String,
    /// Where the lab file has it.
    pub lines: Vec<Line>,
}

/// All apps; none while no lab is followed.
pub fn apps(seen: &Seen) -> Option<Apps> {
    let eye = Eye::of(seen)?;
    let coverage = lab::coverage(&seen.lab);
    let missing = |name: &str| {
        let row = coverage.iter().find(|row| row.kind == "app" && row.name == name);
        let cells = row.map(|row| row.cells.as_slice()).unwrap_or_default();
        cells.iter().filter(|(_, cell)| matches!(cell, lab::Covered::Missing(_))).count()
    };
    let apps = eye.lab.apps.iter().map(|(name, app)| row(eye, name.as_str(), app, missing(name.as_str())));
    Some(Apps { apps: apps.collect() })
}

/// How an app is: nothing looks at apps in this version, so only that its machine is down says something.
pub(super) fn health(eye: Eye<'_>, app: &App) -> (Health, String) {
    let standing = eye.standing(app.on.as_str());
    match standing.health {
        Health::Down => (Health::Down, format!("its machine {} does not answer", *app.on)),
        _ => (Health::Unknown, "this version does not look at apps yet".to_owned()),
    }
}

fn row(eye: Eye<'_>, name: &str, app: &At<App>, missing: usize) -> AppRow {
    let (health, why) = health(eye, app);
    let tile = eye.follows.tiles.iter().find(|tile| tile.app.as_str() == name);
    let serve = app.serve.as_ref();
    AppRow {
        name: name.to_owned(),
        health,
        why,
        on: app.on.to_string(),
        url: tile.map(|tile| tile.url.clone()),
        who: who(app),
        is_published: serve.is_some_and(|serve| *serve.published),
        missing,
        lines: eye.lines(&[app.span()]),
    }
}

fn who(app: &App) -> String {
    let Some(serve) = &app.serve else { return "nobody: it is not served".to_owned() };
    match (&serve.r#for, *serve.login) {
        (Some(groups), _) => words(groups.iter()),
        (None, Login::None) => "everyone".to_owned(),
        (None, _) => "everyone who may log in".to_owned(),
    }
}

/// Everything of one app; none if the lab has no such app.
pub fn app(seen: &Seen, name: &str) -> Option<AppView> {
    let eye = Eye::of(seen)?;
    let own = eye.lab.apps.get(name)?;
    let coverage = cells(eye, "app", name);
    let missing = coverage.iter().filter(|cell| cell.is == CellIs::Missing).count();
    let tile = eye.follows.tiles.iter().find(|tile| tile.app.as_str() == name);
    let stack = seen.lab.stacks.get(name);
    Some(AppView {
        row: row(eye, name, own, missing),
        title: tile.map_or(name.to_owned(), |tile| tile.title.clone()),
        flow: flow(eye, name, own),
        containers: stack.map(|stack| stack.services.keys().cloned().collect()).unwrap_or_default(),
        coverage,
        opened_by: opened_by(eye, name),
        data: data(eye, own),
        since: eye.standing(own.on.as_str()).since,
    })
}

/// The way of a request: name, certificate, login, and what answers.
fn flow(eye: Eye<'_>, name: &str, app: &App) -> Vec<Step> {
    let mut steps = Vec::new();
    let dns = eye.lab.placed().into_iter().find(|placed| placed.service == lab::model::ServiceName::Dns);
    let dns = dns.map(|placed| super::overview::service(eye, &placed));
    let own = |owner: &lab::Owner| matches!(owner, lab::Owner::App(app) if app.as_str() == name);
    if let Some(own) = eye.follows.names.iter().find(|known| own(&known.owner)) {
        steps.push(Step {
            key: "name".to_owned(),
            value: format!("{} is {}", own.name, own.answer),
            health: dns.as_ref().map_or(Health::Unknown, |dns| dns.health),
            words: dns.as_ref().filter(|dns| dns.health != Health::Up).map(|dns| dns.words.clone()),
            lines: eye.lines(&own.from),
        });
    }
    let planned = |key: &str, value: String, lines: Vec<Line>| Step {
        key: key.to_owned(),
        value,
        health: Health::Pending,
        words: Some("this version does not run the proxy yet".to_owned()),
        lines,
    };
    let route = eye
        .follows
        .routes
        .iter()
        .find(|route| matches!(&route.to, RouteTo::App(app) if app.as_str() == name));
    if let Some(route) = route {
        let certificate = eye.follows.certificates.iter().find(|own| covers(&own.names, route.host.as_str()));
        if let Some(certificate) = certificate {
            steps.push(planned("certificate", words(&certificate.names), eye.lines(&certificate.from)));
        }
        steps.push(planned("login", login(route.login).to_owned(), eye.lines(&route.from)));
        steps.push(backend(eye, &route.backend, app));
    } else if let Some(url) = app.serve.as_ref().and_then(|serve| serve.url.as_ref()) {
        steps.push(Step {
            key: "address".to_owned(),
            value: url.to_string(),
            health: Health::Unknown,
            words: Some("it is reached elsewhere than through the lab's proxy".to_owned()),
            lines: eye.lines(&[url.span()]),
        });
    }
    steps
}

fn covers(names: &[String], host: &str) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent).unwrap_or_default();
    names.iter().any(|name| name == host || name.strip_prefix("*.") == Some(parent))
}

fn login(login: Login) -> &'static str {
    match login {
        Login::Lab => "the lab's login page, in front of it",
        Login::Headers => "the lab's login page; it is told who it is",
        Login::Oidc => "the app sends people to the lab's login page",
        Login::Own => "the app asks by itself",
        Login::None => "nobody asks",
    }
}

fn backend(eye: Eye<'_>, backend: &Backend, app: &App) -> Step {
    let (health, why) = health(eye, app);
    let port = match &backend.port {
        BackendPort::Container { service, port } => format!("container {service}, port {port}"),
        BackendPort::Machine(port) => format!("port {port}"),
        BackendPort::Polis => "Polis itself".to_owned(),
        BackendPort::Unknown => "a port that nobody knows".to_owned(),
    };
    Step {
        key: "answers".to_owned(),
        value: format!("{}: {port}", backend.machine),
        health,
        words: Some(why),
        lines: eye.lines(&[app.on.span()]),
    }
}

fn opened_by(eye: Eye<'_>, name: &str) -> Vec<Step> {
    let matrix = &eye.follows.matrix;
    let mut steps = Vec::new();
    for from in matrix.rows() {
        let own = |target: &lab::policy::Target| matches!(target, lab::policy::Target::App(app) if app.as_str() == name);
        let Some((_, cell)) = matrix.row(from).find(|(target, _)| own(target)) else { continue };
        let places: Vec<_> = cell.reasons().iter().map(|reason| reason.span).collect();
        if cell.is_open() {
            steps.push(Step {
                key: from.to_string(),
                value: words(cell.reasons().iter().map(|reason| reason.why.as_str())),
                health: Health::Pending,
                words: None,
                lines: eye.lines(&places),
            });
        }
    }
    steps
}

fn data(eye: Eye<'_>, app: &App) -> Vec<Holding> {
    let mut all = Vec::new();
    for data in app.data.iter() {
        let of = HoldingOf::Dataset(data.value().clone());
        let Some(held) = eye.follows.holdings.iter().find(|held| held.of == of) else { continue };
        all.push(Holding {
            dataset: data.value().to_string(),
            snapshot: kept(&held.snapshot, |(every, keep)| format!("every {every}, kept {keep}")),
            copy: kept(&held.copy, Clone::clone),
            offsite: kept(&held.offsite, |names| words(names)),
            drill: kept(&held.drill, |every| format!("every {every}")),
            lines: eye.lines(&[data.span()]),
        });
    }
    all
}

fn kept<T>(kept: &Kept<T>, say: impl Fn(&T) -> String) -> String {
    match kept {
        Kept::Follows(value, _) => say(value),
        Kept::ChosenNot(_) => "chosen not to".to_owned(),
        Kept::Missing(what) => format!("missing: {what}"),
    }
}
