//! What a service is to the supervisor: a plan that can be compared and printed, and something that runs it.
//!
//! A service implements [`Service`] once; the binary lists [`crate::row`]s. What is behind a row does not know its
//! siblings, and the supervisor knows no service.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lab::Follows;
use lab::model::{Lab, ServiceName};
use lab::names::MachineName;
use serde::Serialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::condition::Conditions;
use crate::fault::Fault;
use crate::helper::Helper;
use crate::node::run::Here;
use crate::overlay::Entry;
use crate::permit::Permit;
use crate::record::Record;
use crate::secret::Secrets;
use crate::state::State;

/// What a plan follows from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'g> {
    /// The lab.
    pub lab: &'g Lab,
    /// What follows from it for everyone.
    pub follows: &'g Follows,
    /// The machine that the plan is for.
    pub machine: &'g MachineName,
    /// What was changed by a click and not in the file.
    pub overlay: &'g [Entry],
    /// Where sockets are bound instead of at the addresses of the lab, if that was asked for.
    pub listen: Option<SocketAddr>,
}

/// What a running service may use.
#[derive(Clone, Debug)]
pub struct Context {
    /// Time.
    pub clock: Clock,
    /// What happened.
    pub record: Record,
    /// What is wrong.
    pub conditions: Conditions,
    /// Privileged work.
    pub helper: Helper,
    /// Where things are kept.
    pub state: State,
    /// The lab folder, for files that a plan names.
    pub folder: LabFolder,
    /// This machine, for what shows it.
    pub here: Here,
}

impl Context {
    /// For tests of a service: state and lab in one folder, and a helper in this process that refuses nothing.
    #[cfg(any(test, feature = "testlab"))]
    pub fn for_tests(folder: PathBuf) -> Self {
        let clock = Clock::system(0);
        let record = Record::in_folder(&folder, clock.clone());
        let conditions = Conditions::new(record.clone(), clock.clone());
        let lab = LabFolder::default();
        lab.set(folder.clone());
        Self {
            clock,
            record,
            conditions,
            helper: Helper::in_process(),
            state: State::at(folder),
            folder: lab,
            here: Here::default(),
        }
    }

    /// The secrets that this machine may open.
    pub fn secrets(&self) -> Secrets {
        Secrets::of(self.folder.path(), self.state.key())
    }
}

/// Where the lab folder is: at the start that may be the last good copy.
#[derive(Clone, Debug, Default)]
pub struct LabFolder(Arc<Mutex<PathBuf>>);

impl LabFolder {
    /// The folder now.
    pub fn path(&self) -> PathBuf {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, path: PathBuf) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }
}

/// A service.
pub trait Service: Sized + Send + Sync + 'static {
    /// What it has to do on one machine. Two that are equal are the same work.
    type Plan: Clone + PartialEq + Send + Sync + 'static;
    /// What it shows of itself while it runs. Its field `metrics` has its measurements; what is in its field `private`, other
    /// machines are not told.
    type View: Serialize + Send;

    /// Its name.
    const NAME: ServiceName;

    /// What follows for a machine; none if it has nothing to do there. Pure.
    fn plan(given: &Given<'_>) -> Option<Self::Plan>;

    /// The plan as sorted lines, one fact each: what `polis plan` compares.
    fn lines(plan: &Self::Plan) -> Vec<String>;

    /// What the plan needs privileges for.
    fn permits(plan: &Self::Plan) -> Vec<Permit>;

    /// Makes a plan ready to run: sockets bound, data loaded.
    ///
    /// # Errors
    /// If it can not; then nothing of it is left.
    fn provision(plan: Self::Plan, context: &Context) -> impl Future<Output = Result<Self, Fault>> + Send;

    /// Goes over to another plan while it runs.
    ///
    /// # Errors
    /// If it can not; then it goes on with the plan that it has.
    fn swap(&self, plan: Self::Plan, context: &Context) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Runs until it is dropped.
    ///
    /// # Errors
    /// If it can not go on; it is provisioned anew then.
    fn run(self: Arc<Self>) -> impl Future<Output = Result<(), Fault>> + Send;

    /// What it does, in words: `listens at 10.10.50.53:53, answers 38 names`.
    fn does(&self) -> String;

    /// What there is to see.
    fn view(&self) -> Self::View;

    /// Answers a question that only this service understands, asked by a page or a command of this machine.
    ///
    /// # Errors
    /// If it can not, with what to do.
    fn ask(&self, question: Value) -> impl Future<Output = Result<Value, Fault>> + Send {
        let _ = question;
        std::future::ready(Err(Fault {
            what: format!("{} answers no questions", Self::NAME),
            help: "the other side may be of another version: ask again once both are of the same".to_owned(),
        }))
    }
}
