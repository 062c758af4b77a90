//! Which address is what. Pure.

use crate::request::{decoded, field, fields};
use crate::view::Filter;

/// A page, with what its address says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Portal {
        text: Option<String>,
    },
    Overview,
    Machines,
    Machine(String),
    Apps,
    App(String),
    Network,
    Dns {
        text: Option<String>,
    },
    Coverage,
    /// With the files that are followed, also while there are changed ones.
    Config {
        followed: bool,
    },
    Events(Filter),
    Status,
    Setup,
    Jump {
        text: String,
    },
    /// Whether an entry of the overlay is really to be removed.
    RemoveOverlay(i64),
    /// Whether a rule is really to be added.
    AddRule(String),
}

/// What is asked for with GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Page(Page),
    /// The same as JSON.
    Api(Page),
    /// Everything that has a page, as JSON.
    Index {
        text: Option<String>,
    },
    OpenApi,
    /// The public page as a file to keep elsewhere.
    StatusFile,
    /// What changes, as it does; and whether questions to the name server are of interest.
    Live {
        queries: bool,
    },
    Metrics,
    /// The one-time link.
    Invited(String),
    Asset(String),
    Nothing,
}

/// What is to be changed with POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    AddRule(String),
    RemoveOverlay(i64),
}

/// Where a path and a query lead.
pub(crate) fn route(path: &str, query: &str) -> Route {
    let fields = fields(query);
    let text = || field(&fields, "q").map(str::to_owned);
    let Some(path) = path.strip_prefix('/') else { return Route::Nothing };
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        ["live"] => {
            Route::Live { queries: field(&fields, "topics").is_some_and(|all| all.contains("queries")) }
        }
        ["metrics"] => Route::Metrics,
        ["status.html"] => Route::StatusFile,
        ["assets", name] => Route::Asset((*name).to_owned()),
        ["favicon.ico"] => Route::Asset("favicon.svg".to_owned()),
        ["api", "v1", "openapi.json"] => Route::OpenApi,
        ["api", "v1", "index"] => Route::Index { text: text() },
        ["api", "v1", "portal"] => Route::Api(Page::Portal { text: text() }),
        ["api", "v1", rest @ ..] => match page(rest, &fields) {
            Some(Page::Jump { .. } | Page::RemoveOverlay(_) | Page::AddRule(_) | Page::Portal { .. })
            | None => Route::Nothing,
            Some(page) => Route::Api(page),
        },
        ["setup"] if field(&fields, "code").is_some() => {
            Route::Invited(field(&fields, "code").unwrap_or_default().to_owned())
        }
        segments => page(segments, &fields).map_or(Route::Nothing, Route::Page),
    }
}

/// Whether there is something at an address, and whether a form that is sent there changes something.
pub fn is_known(path: &str, query: &str, form: &str) -> (bool, bool) {
    (route(path, query) != Route::Nothing, change(path, form).is_some())
}

fn page(segments: &[&str], fields: &[(String, String)]) -> Option<Page> {
    let text = || field(fields, "q").map(str::to_owned);
    Some(match segments {
        [""] => Page::Portal { text: text() },
        ["overview"] => Page::Overview,
        ["machines"] => Page::Machines,
        ["machines", name] => Page::Machine(decoded(name)),
        ["apps"] => Page::Apps,
        ["apps", name] => Page::App(decoded(name)),
        ["network"] => Page::Network,
        ["dns"] => Page::Dns { text: text() },
        ["coverage"] => Page::Coverage,
        ["config"] => Page::Config { followed: field(fields, "lab") == Some("followed") },
        ["events"] => Page::Events(filter(fields)),
        ["status"] => Page::Status,
        ["setup"] => Page::Setup,
        ["jump"] => Page::Jump { text: text().unwrap_or_default() },
        ["config", "overlay", number, "delete"] => Page::RemoveOverlay(number.parse().ok()?),
        ["dns", "rule"] => Page::AddRule(field(fields, "rule")?.to_owned()),
        _ => return None,
    })
}

fn filter(fields: &[(String, String)]) -> Filter {
    let own = |name: &str| field(fields, name).map(str::to_owned);
    Filter {
        machine: own("machine"),
        kind: own("kind"),
        text: own("q"),
        before: field(fields, "before").and_then(|before| before.parse().ok()),
    }
}

/// What a POST to a path with a form changes; none if it is nothing that can be.
pub(crate) fn change(path: &str, form: &str) -> Option<Change> {
    let fields = fields(form);
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match segments.as_slice() {
        ["dns", "rule"] => Some(Change::AddRule(field(&fields, "rule")?.to_owned())),
        ["config", "overlay", number, "delete"] => Some(Change::RemoveOverlay(number.parse().ok()?)),
        _ => None,
    }
}

impl Page {
    /// Whether other machines, or much of the system, are asked for it.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Dns { .. } | Self::Events(_) | Self::Setup)
    }

    /// The names of what it changes with.
    pub(crate) fn topics(&self) -> &'static [&'static str] {
        match self {
            Self::Portal { .. } | Self::Apps | Self::App(_) | Self::Status => &["lab", "machines"],
            Self::Overview | Self::Machines | Self::Machine(_) => {
                &["lab", "machines", "services", "conditions", "overlay"]
            }
            Self::Network | Self::Coverage => &["lab"],
            Self::Dns { .. } => &["lab", "services", "queries", "overlay"],
            Self::Config { .. } => &["lab", "machines", "overlay", "conditions"],
            Self::Events(_) => &["events", "machines"],
            Self::Setup | Self::Jump { .. } | Self::RemoveOverlay(_) | Self::AddRule(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_they_say() {
        assert_eq!(route("/", ""), Route::Page(Page::Portal { text: None }));
        assert_eq!(route("/machines/naxos", ""), Route::Page(Page::Machine("naxos".into())));
        assert_eq!(route("/api/v1/apps/wiki", ""), Route::Api(Page::App("wiki".into())));
        let filter = Filter { machine: Some("naxos".into()), before: Some(7), ..Filter::default() };
        assert_eq!(route("/events", "machine=naxos&before=7&kind="), Route::Page(Page::Events(filter)));
        assert_eq!(route("/setup", "code=abc"), Route::Invited("abc".into()));
        assert_eq!(route("/live", "topics=lab+queries"), Route::Live { queries: true });
        for path in [
            "/machines/naxos/",
            "/nothing",
            "//",
            "/api/v1/",
            "/api/v1/jump",
            "/api",
            "/config/overlay/x/delete",
        ] {
            assert_eq!(route(path, ""), Route::Nothing, "{path}");
        }
    }

    #[test]
    fn only_what_can_be_changed_is_a_change() {
        assert_eq!(
            change("/dns/rule", "rule=%7C%7Cads.example%5E"),
            Some(Change::AddRule("||ads.example^".into()))
        );
        assert_eq!(change("/config/overlay/3/delete", ""), Some(Change::RemoveOverlay(3)));
        for (path, form) in [("/dns/rule", ""), ("/dns", "rule=x"), ("/config/overlay/x/delete", "")] {
            assert_eq!(change(path, form), None, "{path}");
        }
    }
}
