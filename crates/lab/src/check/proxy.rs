//! Apps that only a proxy can lead to, in a lab that has none.

use std::collections::BTreeMap;

use super::{Unread, at_places};
use crate::compose::Compose;
use crate::fault::{Code, Fault, Faults};
use crate::follow::Stacks;
use crate::model::{App, Lab, Login, Serve};
use crate::names::AppName;
use crate::read::At;
use crate::source::Span;

/// The ports that a browser asks at a name with nothing behind it.
const WEB: [i64; 2] = [443, 80];

/// A kind of thing that an app lacks without a proxy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Name,
    Way,
    Login,
}

/// What one app lacks without a proxy.
struct Lack {
    kind: Kind,
    /// Where the app says that it should have it.
    span: Span,
    label: String,
    /// How to do without.
    instead: String,
}

/// One fault for all apps: what is missing is one table. An app that says nothing but its port is reached at the
/// port of its machine, and needs no proxy.
pub(super) fn check(lab: &Lab, stacks: &Stacks, unread: &Unread, faults: &mut Faults) {
    if lab.proxy.is_some() || unread.is_in(&["proxy"]) {
        return;
    }
    let mut lacks: Vec<(&AppName, Lack)> = Vec::new();
    for (name, app) in &lab.apps {
        let Some(serve) = app.serve.as_ref().filter(|serve| serve.url.is_none()) else { continue };
        if !unread.is_part_of(app.span()) && !unread.is_part_of(serve.span()) {
            lacks.extend(lack(lab, app, serve, stacks.get(name)).map(|lack| (name, lack)));
        }
    }
    let title = match lacks.as_slice() {
        [(name, _)] => format!("{name} needs a proxy before it, and the lab has no `[proxy]`"),
        lacks => format!("{} apps need a proxy before them, and the lab has no `[proxy]`", lacks.len()),
    };
    let mut instead: BTreeMap<Kind, &str> = BTreeMap::new();
    for (_, lack) in &lacks {
        instead.entry(lack.kind).or_insert(&lack.instead);
    }
    let places = lacks.iter().map(|(_, lack)| (lack.span, lack.label.clone())).collect();
    let fault = at_places(Code::AppWithoutProxy, title, places).map(|fault| {
        fault.help(
            "write `[proxy]` with the machine that it runs on: it answers at port 443 with a certificate, asks for the \
             login, and leads to the apps",
        )
    });
    faults.extend(fault.map(|fault| instead.into_values().fold(fault, Fault::help)));
}

fn lack(lab: &Lab, app: &App, serve: &At<Serve>, compose: Option<&Compose>) -> Option<Lack> {
    // The ports of the machine that lead to it; unknown if its compose file is.
    let ports: Option<Vec<i64>> = match &app.stack {
        None => Some(serve.port.iter().map(|port| port.0).collect()),
        Some(_) => compose.and_then(|compose| compose.serving(app)).map(|(_, service)| {
            let ports = service.published.iter().map(|published| &published.port);
            ports.flat_map(|port| [port.first, port.last]).map(i64::from).collect()
        }),
    };
    let ports_or_none = ports.as_deref().unwrap_or_default();
    if let Some(host) = serve.host.as_ref().filter(|_| !ports_or_none.iter().any(|port| WEB.contains(port))) {
        let machine = if app.on.is_known() { app.on.as_str() } else { "MACHINE" };
        let port = ports_or_none.first().map_or("PORT".to_owned(), i64::to_string);
        let url = format!("http://{machine}.{}:{port}", lab.lab.domain.value());
        return Some(Lack {
            kind: Kind::Name,
            span: host.span(),
            label: format!("nothing answers to `https://{}`", lab.name_of(host.as_str())),
            instead: format!("or write the whole address in the place of `host`, such as `url = \"{url}\"`"),
        });
    }
    if app.stack.is_some() && ports.is_some_and(|ports| ports.is_empty()) {
        return Some(Lack {
            kind: Kind::Way,
            span: serve.span(),
            label: "the container takes no port of the machine: nothing leads to it".to_owned(),
            instead: "or let the container take a port of the machine, by `ports` in its compose file"
                .to_owned(),
        });
    }
    let asks = matches!(*serve.login, Login::Lab | Login::Headers) && lab.auth.is_some();
    asks.then(|| Lack {
        kind: Kind::Login,
        span: serve.login.span(),
        label: "it is the proxy that asks for the login: here nobody does".to_owned(),
        instead: "or write `login = \"own\"` if the app asks for itself, or `login = \"none\"`".to_owned(),
    })
}
