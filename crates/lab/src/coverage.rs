//! What each app and machine has of everything that can follow for it, and what it lacks.
//!
//! A cell follows, was chosen not to, is missing with what to write, or does not apply. Whether what follows
//! also runs, and whether it is proved, is not known here.

mod grid;

pub use grid::{coverage_json, coverage_text};

use crate::check::Checked;
use crate::follow::{Follows, HoldingOf, Kept, LogFrom, MetricFrom, Owner, ProbeOf, RouteTo};
use crate::model::{App, BackupClass, Lab, Login, Machine, Serve};
use crate::names::{AppName, Label, MachineName};
use crate::policy::{From, Target};
use crate::read::At;
use crate::source::Span;

/// What a thing can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// A DNS name.
    Name,
    /// A route of the proxy.
    Route,
    /// A certificate.
    Certificate,
    /// A login in front of it.
    Login,
    /// A rule that opens it.
    Rule,
    /// A probe.
    Probe,
    /// Its logs.
    Logs,
    /// Its measurements.
    Metrics,
    /// Snapshots where its data is.
    Snapshot,
    /// A copy on another machine.
    Copy,
    /// A copy outside the house.
    Offsite,
    /// Restore drills.
    Drill,
    /// A tile on the start page.
    Tile,
}

impl Column {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::Route,
        Self::Certificate,
        Self::Login,
        Self::Rule,
        Self::Probe,
        Self::Logs,
        Self::Metrics,
        Self::Snapshot,
        Self::Copy,
        Self::Offsite,
        Self::Drill,
        Self::Tile,
    ];

    /// The word that is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Route => "route",
            Self::Certificate => "certificate",
            Self::Login => "login",
            Self::Rule => "rule",
            Self::Probe => "probe",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Snapshot => "snapshot",
            Self::Copy => "copy",
            Self::Offsite => "offsite",
            Self::Drill => "drill",
            Self::Tile => "tile",
        }
    }
}

/// What a thing has of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covered {
    /// It follows.
    Follows {
        /// What, in words.
        what: String,
        /// Because of these places.
        from: Vec<Span>,
    },
    /// Somebody chose that it does not.
    ChosenNot {
        /// What was chosen instead, in words.
        what: String,
        /// Where.
        at: Span,
    },
    /// It is missing; this would have to be written.
    Missing(String),
    /// It makes no sense for such a thing.
    NotApplicable,
}

/// The row of one app or machine.
#[derive(Clone, Debug)]
pub struct Row {
    /// "app" or "machine".
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its cells, in the order of [`Column::ALL`].
    pub cells: Vec<(Column, Covered)>,
}

/// The rows of all apps, then of all machines; none without a lab.
pub fn coverage(checked: &Checked) -> Vec<Row> {
    let Some(lab) = &checked.lab else { return Vec::new() };
    let view = View { lab, follows: &checked.follows };
    let apps = lab.apps.iter().map(|(name, app)| view.app(name, app));
    let machines = lab.machines.iter().map(|(name, machine)| view.machine(name, machine));
    apps.chain(machines).collect()
}

struct View<'c> {
    lab: &'c Lab,
    follows: &'c Follows,
}

fn follows(what: impl Into<String>, from: &[Span]) -> Covered {
    Covered::Follows { what: what.into(), from: from.to_vec() }
}

fn missing(what: impl Into<String>) -> Covered {
    Covered::Missing(what.into())
}

fn chosen(what: impl Into<String>, at: Span) -> Covered {
    Covered::ChosenNot { what: what.into(), at }
}

fn joined<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

impl View<'_> {
    fn app(&self, name: &AppName, app: &At<App>) -> Row {
        let serve = app.serve.as_ref();
        let served = |cell: &dyn Fn(&At<Serve>) -> Covered| serve.map_or(Covered::NotApplicable, cell);
        let cell = |column: Column| match column {
            Column::Name => served(&|serve| self.app_name(name, app, serve)),
            Column::Route => served(&|serve| self.app_route(name, serve)),
            Column::Certificate => served(&|serve| self.app_certificate(name, serve)),
            Column::Login => served(&|serve| self.app_login(serve)),
            Column::Rule => served(&|_| self.rule(&Target::App(name.clone()), "app")),
            Column::Probe => served(&|_| self.probe(&ProbeOf::App(name.clone()))),
            Column::Logs => self.app_logs(name, app),
            Column::Metrics => self.app_metrics(name, app),
            Column::Snapshot | Column::Copy | Column::Offsite | Column::Drill => self.app_kept(app, column),
            Column::Tile => served(&|_| self.tile(name)),
        };
        Row {
            kind: "app",
            name: name.to_string(),
            cells: Column::ALL.map(|column| (column, cell(column))).to_vec(),
        }
    }

    fn app_name(&self, name: &AppName, app: &App, serve: &Serve) -> Covered {
        if let Some(url) = &serve.url {
            return chosen(format!("it is reached at {}", url.value()), url.span());
        }
        let owner = Owner::App(name.clone());
        match self.follows.names.iter().find(|name| name.owner == owner) {
            Some(name) => follows(format!("{} is {}", name.name, name.answer), &name.from),
            None => missing(format!("give {} an `address`", app.on)),
        }
    }

    fn app_route(&self, name: &AppName, serve: &Serve) -> Covered {
        if let Some(url) = &serve.url {
            return chosen("it is reached without the lab's proxy", url.span());
        }
        let to = RouteTo::App(name.clone());
        match self.follows.routes.iter().find(|route| route.to == to) {
            Some(route) => follows(format!("https://{} leads to {}", route.host, route.backend), &route.from),
            None => missing("write `[proxy]`"),
        }
    }

    fn app_certificate(&self, name: &AppName, serve: &Serve) -> Covered {
        if let Some(url) = &serve.url {
            return chosen("it has its own", url.span());
        }
        let to = RouteTo::App(name.clone());
        let Some(route) = self.follows.routes.iter().find(|route| route.to == to) else {
            return missing("write `[proxy]`");
        };
        let host = route.host.to_string();
        let covers = |own: &String| {
            *own == host
                || own.strip_prefix('*').is_some_and(|rest| {
                    host.split_once('.').is_some_and(|(_, domain)| rest == format!(".{domain}"))
                })
        };
        match self.follows.certificates.iter().find(|certificate| certificate.names.iter().any(covers)) {
            Some(certificate) => {
                let source = certificate.source.word();
                follows(format!("{} from {source}", joined(&certificate.names)), &certificate.from)
            }
            None => missing("write `certificates` in `[proxy]`"),
        }
    }

    fn app_login(&self, serve: &Serve) -> Covered {
        let at = serve.login.span();
        let who = match &serve.r#for {
            Some(groups) => joined(groups.iter()),
            None => "everyone who may log in".to_owned(),
        };
        match *serve.login {
            Login::Own => chosen("the app asks for itself", at),
            Login::None => chosen("everyone may use it", at),
            _ if self.lab.auth.is_none() => missing("write `[auth]`"),
            Login::Lab => follows(format!("login page, for {who}"), &[at]),
            Login::Headers => follows(format!("login page, the app is told by headers, for {who}"), &[at]),
            Login::Oidc => {
                follows(format!("login page, asked by the app (OpenID Connect), for {who}"), &[at])
            }
        }
    }

    /// Who may open something.
    fn rule(&self, target: &Target, what: &str) -> Covered {
        if self.lab.zones.is_empty() {
            return missing("write `[zones]` and `[policy]`");
        }
        let open: Vec<(&From, Span)> = self
            .follows
            .matrix
            .rows()
            .filter_map(|from| Some((from, self.follows.matrix.cell(from, target).reasons().first()?.span)))
            .collect();
        if open.is_empty() {
            return missing(format!("name the {what} in a row of `[policy]`: no zone may open it"));
        }
        let spans: Vec<Span> = open.iter().map(|(_, span)| *span).collect();
        follows(format!("open to {}", joined(open.iter().map(|(from, _)| from))), &spans)
    }

    fn probe(&self, of: &ProbeOf) -> Covered {
        match self.follows.probes.iter().find(|probe| probe.of == *of) {
            Some(probe) => follows(
                format!("{}, every {}, by {}", probe.how, probe.every, joined(&probe.by)),
                &probe.from,
            ),
            None if self.lab.watch.is_some() => missing("give it an address"),
            None => missing("write `[watch]`"),
        }
    }

    fn app_logs(&self, name: &AppName, app: &App) -> Covered {
        let own = [LogFrom::App(name.clone()), LogFrom::Journal(app.on.value().clone())];
        match self
            .follows
            .logs
            .iter()
            .filter(|source| own.contains(&source.of))
            .max_by_key(|source| &source.of)
        {
            Some(source) => follows(format!("{} to {}", source.of, joined(&source.to)), &source.from),
            None if self.lab.logs.is_none() => missing("write `[logs]`"),
            None => self.without_agent(&app.on),
        }
    }

    fn app_metrics(&self, name: &AppName, app: &App) -> Covered {
        let own = [MetricFrom::App(name.clone()), MetricFrom::Machine(app.on.value().clone())];
        match self
            .follows
            .metrics
            .iter()
            .filter(|source| own.contains(&source.of))
            .max_by_key(|source| &source.of)
        {
            Some(source) => follows(format!("{} to {}", source.of, joined(&source.to)), &source.from),
            None if self.lab.metrics.is_none() => missing("write `[metrics]`"),
            None => self.without_agent(&app.on),
        }
    }

    fn without_agent(&self, machine: &MachineName) -> Covered {
        match self.lab.machines.get(machine) {
            Some(table) if !*table.agent => chosen(format!("{machine} has no agent"), table.agent.span()),
            _ => missing(format!("let Polis run on {machine}")),
        }
    }

    /// What is kept of an app: its datasets, or else the disks of its machine.
    fn app_kept(&self, app: &At<App>, column: Column) -> Covered {
        if *app.backup == BackupClass::None {
            return chosen("it may be lost", app.backup.span());
        }
        if app.data.is_empty() {
            return self.machine_kept(&app.on, column);
        }
        let own = |of: &HoldingOf| matches!(of, HoldingOf::Dataset(dataset) if app.data.iter().any(|data| data.value() == dataset));
        let mut cell = self.kept(own, column);
        if let (Covered::Follows { what, from }, Column::Snapshot, Some(database)) =
            (&mut cell, column, &app.database)
        {
            what.push_str(&format!(", with the database `{}` in the same instant", database.service));
            from.push(database.span());
        }
        cell
    }

    fn machine_kept(&self, name: &MachineName, column: Column) -> Covered {
        if let Some(backup) = self.lab.backup.as_ref().filter(|backup| backup.on.value() == name) {
            return chosen("it holds the copies of others", backup.on.span());
        }
        let own = |of: &HoldingOf| match of {
            HoldingOf::Guest(guest) => guest == name,
            HoldingOf::Dataset(dataset) => {
                dataset.machine() == name.as_str() && !dataset.path().contains('/')
            }
        };
        if self.follows.holdings.iter().any(|holding| own(&holding.of)) {
            return self.kept(own, column);
        }
        let metal = self.lab.metal_of(name.as_str()).unwrap_or(name.as_str());
        match &self.lab.backup {
            None => missing("write `[backup]`"),
            Some(backup) if backup.take.iter().any(|taken| taken.as_str() == metal) => {
                missing(format!("write the `pools` of {metal}: nothing of it can be copied without"))
            }
            Some(_) if self.lab.machines.get(metal).is_some_and(|metal| metal.pools.is_empty()) => {
                missing(format!("add \"{metal}\" to `take` of `[backup]`, and write its `pools`"))
            }
            Some(_) => missing(format!("add \"{metal}\" to `take` of `[backup]`")),
        }
    }

    /// What is done for all holdings that are meant: what is missing for one is missing, what was given up
    /// for all is given up.
    fn kept(&self, wanted: impl Fn(&HoldingOf) -> bool, column: Column) -> Covered {
        let (mut words, mut spans, mut given_up) = (Vec::new(), Vec::new(), None);
        for holding in self.follows.holdings.iter().filter(|holding| wanted(&holding.of)) {
            let one = match column {
                Column::Snapshot => in_words(&holding.snapshot, |(every, keep)| {
                    format!("{} every {every}, kept for {keep}", holding.of)
                }),
                Column::Copy => in_words(&holding.copy, |to| format!("{} to {to}", holding.of)),
                Column::Offsite => {
                    in_words(&holding.offsite, |to| format!("{} to {}", holding.of, joined(to)))
                }
                _ => in_words(&holding.drill, |every| format!("{} every {every}", holding.of)),
            };
            match one {
                Kept::Follows(what, from) => {
                    words.push(what);
                    spans.extend(from);
                }
                Kept::ChosenNot(at) => given_up = Some(at),
                Kept::Missing(what) => return missing(what),
            }
        }
        spans.sort_unstable();
        spans.dedup();
        match (words.is_empty(), given_up) {
            (false, _) => follows(words.join("; "), &spans),
            (true, Some(at)) if column == Column::Offsite => chosen("it is not copied outside the house", at),
            (true, Some(at)) => chosen("it may be lost", at),
            (true, None) => Covered::NotApplicable,
        }
    }

    fn tile(&self, name: &AppName) -> Covered {
        match self.follows.tiles.iter().find(|tile| tile.app == *name) {
            Some(tile) => {
                let who = if tile.groups.is_empty() {
                    "everyone".to_owned()
                } else {
                    joined::<&Label>(&tile.groups)
                };
                follows(format!("{} in {}, for {who}", tile.title, tile.group), &tile.from)
            }
            None => missing("write `[proxy]`, or `port` in `serve`"),
        }
    }

    fn machine(&self, name: &MachineName, machine: &At<Machine>) -> Row {
        let cell = |column: Column| match column {
            Column::Name => {
                let owner = Owner::Machine(name.clone());
                match self.follows.names.iter().find(|name| name.owner == owner) {
                    Some(name) => follows(format!("{} is {}", name.name, name.answer), &name.from),
                    None => missing("give it an `address`"),
                }
            }
            Column::Rule => match self.lab.zone_of(machine) {
                Some(zone) => self.rule(&Target::Zone(zone.clone()), "zone"),
                None => missing("write `[zones]` and `[policy]`"),
            },
            Column::Probe => self.probe(&ProbeOf::Machine(name.clone())),
            Column::Logs => {
                let of = LogFrom::Journal(name.clone());
                match self.follows.logs.iter().find(|source| source.of == of) {
                    Some(source) => follows(format!("journal to {}", joined(&source.to)), &source.from),
                    None if self.lab.logs.is_none() => missing("write `[logs]`"),
                    None => self.without_agent(name),
                }
            }
            Column::Metrics => {
                let of = MetricFrom::Machine(name.clone());
                match self.follows.metrics.iter().find(|source| source.of == of) {
                    Some(source) => follows(format!("to {}", joined(&source.to)), &source.from),
                    None if self.lab.metrics.is_none() => missing("write `[metrics]`"),
                    None => self.without_agent(name),
                }
            }
            Column::Snapshot | Column::Copy | Column::Offsite | Column::Drill => {
                self.machine_kept(name, column)
            }
            Column::Route | Column::Certificate | Column::Login | Column::Tile => Covered::NotApplicable,
        };
        Row {
            kind: "machine",
            name: name.to_string(),
            cells: Column::ALL.map(|column| (column, cell(column))).to_vec(),
        }
    }
}

fn in_words<T>(kept: &Kept<T>, words: impl Fn(&T) -> String) -> Kept<String> {
    match kept {
        Kept::Follows(value, from) => Kept::Follows(words(value), from.clone()),
        Kept::ChosenNot(at) => Kept::ChosenNot(*at),
        Kept::Missing(what) => Kept::Missing(what.clone()),
    }
}
