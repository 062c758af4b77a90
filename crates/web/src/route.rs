//! Which address is what. Pure.

use crate::request::{decoded, field, fields};
use crate::view::{Filter, LogFilter};

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
    /// The questions that the name server of this machine was asked.
    DnsLog(LogFilter),
    DnsNumbers,
    DnsWhy(WhyAsked),
    DnsLists,
    DnsPolicies,
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
    /// Whether the name server of this machine is really to do something.
    Tell(Telling),
}

/// What would be said about which name to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WhyAsked {
    /// The name; none if nothing is asked yet.
    pub(crate) name: Option<String>,
    /// An address, or what the lab calls it.
    pub(crate) client: Option<String>,
    /// The kind of record.
    pub(crate) kind: Option<String>,
}

/// What the name server of this machine can be told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// To let its filters rest for so many seconds; 0 ends that.
    Pause(u32),
    /// To forget the answers about a name and what is under it, or all.
    Flush(Option<String>),
    /// To fetch a list now, or all.
    Fetch(Option<String>),
    /// To remove everything from its log.
    ForgetLog,
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
    /// A rule, and the page to go back to.
    AddRule {
        rule: String,
        back: Option<String>,
    },
    RemoveOverlay(i64),
    Tell(Telling),
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
            Some(
                Page::Jump { .. }
                | Page::RemoveOverlay(_)
                | Page::AddRule(_)
                | Page::Tell(_)
                | Page::DnsLists
                | Page::DnsPolicies
                | Page::Portal { .. },
            )
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
        ["dns", "log"] => Page::DnsLog(log_filter(fields)),
        ["dns", "numbers"] => Page::DnsNumbers,
        ["dns", "why"] => Page::DnsWhy(WhyAsked {
            name: field(fields, "name").map(str::to_owned),
            client: field(fields, "client").map(str::to_owned),
            kind: field(fields, "kind").map(str::to_owned),
        }),
        ["dns", "lists"] => Page::DnsLists,
        ["dns", "policies"] => Page::DnsPolicies,
        ["coverage"] => Page::Coverage,
        ["config"] => Page::Config { followed: field(fields, "lab") == Some("followed") },
        ["events"] => Page::Events(filter(fields)),
        ["status"] => Page::Status,
        ["setup"] => Page::Setup,
        ["jump"] => Page::Jump { text: text().unwrap_or_default() },
        ["config", "overlay", number, "delete"] => Page::RemoveOverlay(number.parse().ok()?),
        ["dns", "rule"] => Page::AddRule(field(fields, "rule")?.to_owned()),
        ["dns", what] => Page::Tell(telling(what, fields)?),
        _ => return None,
    })
}

fn log_filter(fields: &[(String, String)]) -> LogFilter {
    let own = |name: &str| field(fields, name).map(|text| text.trim().to_owned());
    LogFilter {
        client: own("client"),
        name: own("name"),
        outcome: own("outcome"),
        reason: own("reason"),
        before: field(fields, "before").and_then(|before| before.parse().ok()),
    }
}

/// What the name server is told, by the last part of the address.
fn telling(what: &str, fields: &[(String, String)]) -> Option<Telling> {
    let own = |name: &str| field(fields, name).map(str::to_owned);
    Some(match what {
        "pause" => Telling::Pause(field(fields, "seconds")?.parse().ok()?),
        "flush" => Telling::Flush(own("name")),
        "fetch" => Telling::Fetch(own("list")),
        "forget" => Telling::ForgetLog,
        _ => return None,
    })
}

/// A page about names, to go back to once something is changed. Whatever else a form says leads nowhere.
fn back(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let (whole, _) = text.split_once('#').unwrap_or((text, ""));
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    let is_ours = matches!(
        route(path, query),
        Route::Page(
            Page::Dns { .. }
                | Page::DnsLog(_)
                | Page::DnsNumbers
                | Page::DnsWhy(_)
                | Page::DnsLists
                | Page::DnsPolicies
        )
    );
    (is_plain && is_ours).then(|| text.to_owned())
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
        ["dns", "rule"] => Some(Change::AddRule {
            rule: field(&fields, "rule")?.to_owned(),
            back: field(&fields, "back").and_then(back),
        }),
        ["dns", what] => telling(what, &fields).map(Change::Tell),
        ["config", "overlay", number, "delete"] => Some(Change::RemoveOverlay(number.parse().ok()?)),
        _ => None,
    }
}

impl Page {
    /// Whether other machines, or much of the system, are asked for it.
    pub(crate) fn asks(&self) -> bool {
        matches!(
            self,
            Self::Dns { .. }
                | Self::DnsLog(_)
                | Self::DnsNumbers
                | Self::DnsWhy(_)
                | Self::DnsLists
                | Self::DnsPolicies
                | Self::Events(_)
                | Self::Setup
        )
    }

    /// The names of what it changes with.
    pub(crate) fn topics(&self) -> &'static [&'static str] {
        match self {
            Self::Portal { .. } | Self::Apps | Self::App(_) | Self::Status => &["lab", "machines"],
            Self::Overview | Self::Machines | Self::Machine(_) => {
                &["lab", "machines", "services", "conditions", "overlay"]
            }
            Self::Network | Self::Coverage => &["lab"],
            // What is long ago does not change, nor does why somebody asked.
            Self::DnsLog(LogFilter { before: Some(_), .. })
            | Self::DnsWhy(WhyAsked { name: Some(_), .. }) => &["lab", "overlay"],
            Self::Dns { .. } | Self::DnsLog(_) | Self::DnsLists => &["lab", "services", "queries", "overlay"],
            Self::DnsPolicies => &["lab", "services", "overlay"],
            Self::Config { .. } => &["lab", "machines", "overlay", "conditions"],
            Self::Events(_) => &["events", "machines"],
            // To count the questions of a day anew for each that comes is not worth it.
            Self::DnsNumbers
            | Self::DnsWhy(_)
            | Self::Setup
            | Self::Jump { .. }
            | Self::RemoveOverlay(_)
            | Self::AddRule(_)
            | Self::Tell(_) => &[],
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
            Some(Change::AddRule { rule: "||ads.example^".into(), back: None })
        );
        assert_eq!(change("/dns/pause", "seconds=300"), Some(Change::Tell(Telling::Pause(300))));
        assert_eq!(change("/dns/flush", ""), Some(Change::Tell(Telling::Flush(None))));
        assert_eq!(change("/dns/fetch", "list=ads"), Some(Change::Tell(Telling::Fetch(Some("ads".into())))));
        assert_eq!(change("/dns/forget", ""), Some(Change::Tell(Telling::ForgetLog)));
        assert_eq!(change("/config/overlay/3/delete", ""), Some(Change::RemoveOverlay(3)));
        let nothing = [
            ("/dns/rule", ""),
            ("/dns", "rule=x"),
            ("/dns/log", "seconds=3"),
            ("/dns/pause", "seconds=long"),
            ("/dns/pause", ""),
            ("/config/overlay/x/delete", ""),
        ];
        for (path, form) in nothing {
            assert_eq!(change(path, form), None, "{path}");
        }
    }

    #[test]
    fn what_leads_back_is_one_of_our_own_pages() {
        let led =
            |back: &str| match change("/dns/rule", &format!("rule=x&back={}", crate::request::encoded(back)))
            {
                Some(Change::AddRule { back, .. }) => back,
                other => panic!("{other:?}"),
            };
        for good in
            ["/dns", "/dns#last", "/dns/log?client=10.0.0.7&outcome=blocked", "/dns/why?name=a.example"]
        {
            assert_eq!(led(good).as_deref(), Some(good));
        }
        for bad in [
            "//evil.example",
            "https://evil.example/dns",
            "/dns/log?x=\r\nSet-Cookie:a=b",
            "/dns/pause?seconds=0",
            "/",
            "",
        ] {
            assert_eq!(led(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_log_is_asked_for_by_its_address() {
        let filter = LogFilter {
            client: Some("phone".into()),
            outcome: Some("blocked".into()),
            before: Some(9),
            ..LogFilter::default()
        };
        let log = route("/dns/log", "client=+phone&name=&outcome=blocked&before=9&reason=");
        assert_eq!(log, Route::Page(Page::DnsLog(filter)));
        assert_eq!(route("/api/v1/dns/numbers", ""), Route::Api(Page::DnsNumbers));
        assert_eq!(route("/api/v1/dns/pause", "seconds=3"), Route::Nothing);
    }
}
