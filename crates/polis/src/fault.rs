//! What can go wrong with a command.

use std::path::PathBuf;
use std::process::ExitCode;

use runtime::Refusal;
use runtime::secret::SecretFault;

/// The exit status for a lab with errors, and for work that failed.
const FAILED: u8 = 1;
/// The exit status for a command that was used wrongly.
const MISUSED: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no lab where one was looked for.
    #[error("{0}")]
    NoLab(#[from] lab::OpenError),
    #[error("there is no lab here, and none in /etc/polis/lab")]
    NoLabAnywhere,
    /// A word of the command line means nothing.
    #[error("{what}")]
    Misuse { what: String, help: Option<String> },
    /// The lab has errors, which have been shown.
    #[error("the lab has errors")]
    LabHasErrors,
    #[error("can not {doing} `{}`: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Secret(#[from] SecretFault),
    /// A running Polis could not be asked.
    #[error("{0}")]
    Ask(#[from] runtime::link::AskFault),
    /// It said no.
    #[error("{what}")]
    Said { what: String, help: Option<String> },
    /// The worker does not begin.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// No lab was written.
    #[error("{0}")]
    Unbegun(#[from] runtime::setup::Unbegun),
    #[error("can not start: {0}")]
    Start(std::io::Error),
}

impl From<runtime::demo::Unshown> for Fault {
    fn from(unshown: runtime::demo::Unshown) -> Self {
        use runtime::demo::Unshown;
        match unshown {
            Unshown::Misuse { what, help } => Self::misuse(what, help),
            Unshown::NoLab(fault) => Self::NoLab(fault),
            Unshown::LabHasErrors => Self::LabHasErrors,
            Unshown::Secret(fault) => Self::Secret(fault),
            Unshown::File { doing, path, source } => Self::File { doing, path, source },
            Unshown::Start(source) => Self::Start(source),
        }
    }
}

impl From<lab::NothingThere> for Fault {
    fn from(nothing: lab::NothingThere) -> Self {
        Self::Misuse { what: nothing.what, help: nothing.help }
    }
}

impl Fault {
    pub(crate) fn misuse(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Misuse { what: what.into(), help: Some(help.into()) }
    }

    pub(crate) fn said(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Said { what: what.into(), help: Some(help.into()) }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::NoLab(_) => Some("name a folder of `*.toml` files, or one file: `--lab PATH`".to_owned()),
            Self::NoLabAnywhere => Some("`polis init` writes one; or name one: `--lab PATH`".to_owned()),
            Self::Misuse { help, .. } | Self::Said { help, .. } => help.clone(),
            Self::Secret(SecretFault::Misuse { help, .. } | SecretFault::Failed { help, .. }) => {
                Some(help.clone())
            }
            Self::Unbegun(fault) => Some(fault.help.clone()),
            Self::LabHasErrors | Self::Refused(Refusal::LabHasErrors) => {
                Some("`polis check` shows them".to_owned())
            }
            Self::Ask(fault) => Some(fault.help()),
            Self::Refused(Refusal::NoLab(_)) => {
                Some("name a folder of `*.toml` files, or one file: `--lab PATH`".to_owned())
            }
            Self::Refused(Refusal::Unidentified(fault)) => Some(fault.help.clone()),
            Self::Refused(Refusal::Taken(_)) => {
                Some("end it, or use another state: `--state FOLDER`".to_owned())
            }
            Self::Secret(SecretFault::File { .. })
            | Self::Refused(Refusal::System { .. })
            | Self::File { .. }
            | Self::Start(_) => None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unbegun(fault) if !fault.is_misuse => FAILED.into(),
            Self::NoLab(_)
            | Self::NoLabAnywhere
            | Self::Unbegun(_)
            | Self::Misuse { .. }
            | Self::Secret(SecretFault::Misuse { .. })
            | Self::Refused(Refusal::NoLab(_) | Refusal::Unidentified(_)) => MISUSED.into(),
            _ => FAILED.into(),
        }
    }
}
