//! What follows from a lab: everything that nobody has to write down.
//!
//! Pure derivation. Every fact carries the places of the lab file that it came from, so that a page or a
//! command can always say "because of `apps.toml:5`". What follows is an intention: whether it runs, and
//! whether it is proved, others know.

mod backup;
mod duties;
mod names;
mod observe;
mod routes;
mod words;

use std::collections::BTreeMap;

pub use backup::{Holding, HoldingOf, Kept};
pub use duties::Duty;
pub use names::{Answer, NAMES_FOLLOW_FROM, Name, Owner, Reverse};
pub use observe::{LogFrom, LogSource, MetricFrom, MetricSource, Probe, ProbeOf, Probing, Tile};
pub use routes::{Backend, BackendPort, Certificate, Route, RouteTo};

use crate::compose::Compose;
use crate::demo::Ports;
use crate::model::Lab;
use crate::names::{AppName, MachineName};
use crate::policy::Matrix;
use crate::value::Date;

/// The compose files of a lab's apps.
pub type Stacks = BTreeMap<AppName, Compose>;

/// Everything that follows from a lab.
#[derive(Clone, Debug, Default)]
pub struct Follows {
    /// The names that the lab's name servers answer.
    pub names: Vec<Name>,
    /// The names of addresses.
    pub reverses: Vec<Reverse>,
    /// What the proxy does with which name.
    pub routes: Vec<Route>,
    /// The certificates that the proxy needs.
    pub certificates: Vec<Certificate>,
    /// Who may open what.
    pub matrix: Matrix,
    /// What is looked at, and by whom.
    pub probes: Vec<Probe>,
    /// The tiles of the start page.
    pub tiles: Vec<Tile>,
    /// Where logs come from.
    pub logs: Vec<LogSource>,
    /// Where measurements come from.
    pub metrics: Vec<MetricSource>,
    /// What is kept, and how.
    pub holdings: Vec<Holding>,
    /// What each machine must do.
    pub duties: BTreeMap<MachineName, Vec<Duty>>,
    /// Where services listen.
    pub ports: Ports,
}

impl Follows {
    /// What follows from a lab on a day.
    pub fn from(lab: &Lab, stacks: &Stacks, at: Date) -> Self {
        let names = names::names(lab);
        let routes = routes::routes(lab, stacks);
        let holdings = backup::holdings(lab);
        Self {
            reverses: names::reverses(lab),
            certificates: routes::certificates(lab, &routes),
            matrix: Matrix::of(lab, at),
            probes: observe::probes(lab),
            tiles: observe::tiles(lab),
            logs: observe::logs(lab),
            metrics: observe::metrics(lab),
            duties: duties::duties(lab, &holdings),
            ports: Ports::default(),
            names,
            routes,
            holdings,
        }
    }
}
