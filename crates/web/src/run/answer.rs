//! Answers a request: asks what has to be asked, and passes it on to what decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use runtime::link::{Answering, Question, Reply};
use runtime::{Here, Seen};
use tokio::time::timeout;

use super::{Shared, live, names};
use crate::page::{self, Made};
use crate::request::{Head, cookie};
use crate::response::{self, Body, TEXT};
use crate::route::{Change, Page, Route, change, route};
use crate::view::{self, EventsAsked, Filter};

/// The most pages that are told what changes: others have to have room for a request.
const MAX_LIVE: usize = 128;
/// How long a diagnosis holds.
const DIAGNOSED: Duration = Duration::from_secs(2);
/// The longest form.
const MAX_FORM: usize = 16 << 10;
/// How long another machine may take to say something for a page.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How many events a page looks through: of one machine at first, of one machine when it searches, and of all together.
const EVENTS: usize = 400;
const EVENTS_SEARCHED: usize = 5_000;
const EVENTS_IN_ALL: usize = 30_000;
/// How many machines are asked for events at once.
const AT_ONCE: usize = 16;

impl Shared {
    /// The answer to a request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let head = Head::of(request.headers());
        if !head.is_for_us() {
            let what =
                "this is no name of this page: it is asked for by an address, or as localhost\n".to_owned();
            return response::text(StatusCode::MISDIRECTED_REQUEST, TEXT, what, &head);
        }
        if head.is_foreign {
            let what = "this is not for a page of somebody else's\n".to_owned();
            return response::text(StatusCode::FORBIDDEN, TEXT, what, &head);
        }
        match *request.method() {
            Method::GET => self.show(place(request.uri()), &head).await,
            // A look ahead takes no invitation, and listens to nothing.
            Method::HEAD => match place(request.uri()) {
                Route::Invited(_) | Route::Live { .. } => {
                    response::text(StatusCode::OK, TEXT, String::new(), &head)
                }
                route => self.show(route, &head).await,
            },
            Method::POST => self.change(request, &head).await,
            _ => {
                let what = "this can be read with GET and changed with POST\n".to_owned();
                response::text(StatusCode::METHOD_NOT_ALLOWED, TEXT, what, &head)
            }
        }
    }

    async fn show(self: &Arc<Self>, route: Route, head: &Head) -> Response<Body> {
        match route {
            Route::Asset(name) => match crate::asset::find(&name) {
                Some(asset) => response::asset(asset, head),
                None => {
                    response::text(StatusCode::NOT_FOUND, TEXT, "there is no such asset\n".to_owned(), head)
                }
            },
            Route::Live { .. } if self.live.load(Ordering::Relaxed) >= MAX_LIVE => {
                let what =
                    "too many pages are told what changes; this one is loaded again by hand\n".to_owned();
                response::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, what, head)
            }
            Route::Live { queries } => response::live(live::body(self, queries)),
            Route::Metrics => match self.here.ask(Question::Metrics).await {
                Reply::Text { text } => response::text(StatusCode::OK, response::METRICS, text, head),
                _ => response::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not yet\n".to_owned(), head),
            },
            Route::OpenApi => response::json(StatusCode::OK, crate::api::DOCUMENT.to_owned(), head),
            Route::Invited(code) => self.invited(&code, head).await,
            Route::Page(page) => {
                let made = self.make(&page, head).await;
                response::html(made.status, made.html, head)
            }
            Route::StatusFile => {
                let made = self.here.seen().await.as_ref().and_then(view::status);
                match made {
                    Some(status) => response::file("status.html", page::status_file(&status), head),
                    None => {
                        response::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not yet\n".to_owned(), head)
                    }
                }
            }
            Route::Api(page) => self.api(&page, head).await,
            Route::Index { text } => {
                let index =
                    self.here.seen().await.as_ref().and_then(|seen| view::index(seen, text.as_deref()));
                said(index, head)
            }
            Route::Nothing => {
                let made = self.made(page::nothing).await;
                response::html(StatusCode::NOT_FOUND, made.html, head)
            }
        }
    }

    /// A page of what is seen; before a lab is followed, a page that says so.
    async fn made(&self, make: impl FnOnce(&Seen) -> Made) -> Made {
        match self.here.seen().await {
            Some(seen) => make(&seen),
            None => page::not_yet(),
        }
    }

    async fn make(&self, page: &Page, head: &Head) -> Made {
        // Never closed, so that there is always a turn.
        let _turn = if page.asks() { self.asking.acquire().await.ok() } else { None };
        let Some(seen) = self.here.seen().await else { return page::not_yet() };
        let may_change = self.may_change(head);
        let made = match page {
            Page::Portal { text } => {
                view::portal(&seen, text.as_deref()).map(|view| page::portal(&seen, &view, text.as_deref()))
            }
            Page::Overview => view::overview(&seen).map(|view| page::overview(&seen, &view)),
            Page::Machines => view::machines(&seen).map(|view| page::machines(&seen, &view)),
            Page::Machine(name) => view::machine(&seen, name).map(|view| page::machine(&seen, &view)),
            Page::Apps => view::apps(&seen).map(|view| page::apps(&seen, &view)),
            Page::App(name) => view::app(&seen, name).map(|view| page::app(&seen, &view)),
            Page::Network => view::network(&seen).map(|view| page::network(&seen, &view)),
            Page::Dns { .. }
            | Page::DnsLog(_)
            | Page::DnsNumbers
            | Page::DnsWhy(_)
            | Page::DnsLists
            | Page::DnsPolicies => names::page(&self.here, &seen, page, may_change).await,
            Page::Coverage => view::coverage(&seen).map(|view| page::coverage(&seen, &view)),
            Page::Config { followed } => {
                view::config(&seen, *followed).map(|view| page::config(&seen, &view, may_change))
            }
            Page::Events(filter) => {
                let view = view::events(all_events(&self.here, &seen, filter).await, filter);
                Some(page::events(&seen, &view, filter))
            }
            Page::Status => view::status(&seen).map(|view| page::status(&seen, &view)),
            Page::Setup => Some(page::setup(&seen, &self.diagnosis().await, may_change)),
            Page::Jump { text } => {
                view::index(&seen, Some(text.as_str())).map(|view| page::jump(&seen, &view, text))
            }
            Page::RemoveOverlay(number) => {
                let entry = seen.overlay.iter().find(|entry| entry.number == *number);
                entry.map(|entry| page::remove_overlay(&seen, entry, may_change))
            }
            Page::AddRule(rule) => Some(page::add_rule(&seen, rule, may_change)),
            Page::Tell(what) => Some(page::tell(&seen, what, may_change)),
        };
        made.unwrap_or_else(|| page::nothing(&seen))
    }

    async fn api(&self, page: &Page, head: &Head) -> Response<Body> {
        let _turn = if page.asks() { self.asking.acquire().await.ok() } else { None };
        let Some(seen) = self.here.seen().await else { return said(None::<()>, head) };
        match page {
            Page::Portal { text } => said(view::portal(&seen, text.as_deref()), head),
            Page::Overview => said(view::overview(&seen), head),
            Page::Machines => said(view::machines(&seen), head),
            Page::Machine(name) => said(view::machine(&seen, name), head),
            Page::Apps => said(view::apps(&seen), head),
            Page::App(name) => said(view::app(&seen, name), head),
            Page::Network => said(view::network(&seen), head),
            Page::Dns { text } => {
                let asked = names::servers(&self.here, &seen).await;
                said(view::dns(&seen, asked, text.as_deref()), head)
            }
            Page::DnsLog(filter) => said(names::log(&self.here, &seen, filter).await, head),
            Page::DnsNumbers => said(names::numbers(&self.here, &seen).await, head),
            Page::DnsWhy(asked) => said(names::why(&self.here, asked).await, head),
            Page::Coverage => said(view::coverage(&seen), head),
            Page::Config { followed } => said(view::config(&seen, *followed), head),
            Page::Events(filter) => {
                said(Some(view::events(all_events(&self.here, &seen, filter).await, filter)), head)
            }
            Page::Status => said(view::status(&seen), head),
            Page::Setup => said(Some(self.diagnosis().await), head),
            Page::Jump { .. }
            | Page::RemoveOverlay(_)
            | Page::AddRule(_)
            | Page::Tell(_)
            | Page::DnsLists
            | Page::DnsPolicies => said(None::<()>, head),
        }
    }

    /// What stands between this machine and a working lab.
    async fn diagnosis(&self) -> view::Diagnosis {
        let mut last = self.diagnosis.lock().await;
        let now = self.clock.steady();
        if let Some((made, diagnosis)) = &*last
            && now.saturating_sub(*made) < DIAGNOSED
        {
            return diagnosis.clone();
        }
        let diagnosis = view::diagnosis(self.here.diagnose().await);
        *last = Some((self.clock.steady(), diagnosis.clone()));
        diagnosis
    }

    /// Whether who asks has opened the pages with a link.
    fn may_change(&self, head: &Head) -> bool {
        let secret = head.session.as_deref();
        secret.is_some_and(|secret| self.sessions().holds(secret, self.clock.steady()))
    }

    /// Somebody opened a one-time link.
    async fn invited(&self, code: &str, head: &Head) -> Response<Body> {
        let session = match self.here.redeem(code) {
            true => self.sessions().make(self.clock.steady()),
            false => None,
        };
        match session {
            Some(secret) => response::see_other("/setup", Some((&cookie(&head.host), &secret))),
            None => {
                let made = self.made(page::link_is_used).await;
                response::html(StatusCode::FORBIDDEN, made.html, head)
            }
        }
    }

    async fn change(&self, request: Request<Incoming>, head: &Head) -> Response<Body> {
        let refused = |what: &str| response::text(StatusCode::FORBIDDEN, TEXT, format!("{what}\n"), head);
        if !head.is_from_us() {
            return refused("this can only be changed from its own page");
        }
        if !self.may_change(head) {
            return refused(
                "who changes something opens the pages with a link first: `polis setup` on this machine prints one",
            );
        }
        let path = request.uri().path().to_owned();
        let form = Limited::new(request.into_body(), MAX_FORM).collect();
        let form = match timeout(super::HEAD, form).await {
            Ok(Ok(form)) => String::from_utf8_lossy(&form.to_bytes()).into_owned(),
            Ok(Err(_)) => {
                let what = format!("a form is at most {MAX_FORM} bytes\n");
                return response::text(StatusCode::PAYLOAD_TOO_LARGE, TEXT, what, head);
            }
            Err(_) => {
                return response::text(
                    StatusCode::REQUEST_TIMEOUT,
                    TEXT,
                    "that took too long\n".to_owned(),
                    head,
                );
            }
        };
        let who = "the pages".to_owned();
        let (question, then) = match change(&path, &form) {
            Some(Change::AddRule { rule: value, back }) => {
                let then = back.unwrap_or_else(|| "/dns#last".to_owned());
                (Question::OverlayAdd { key: "dns.rules".to_owned(), value, who }, then)
            }
            Some(Change::RemoveOverlay(number)) => {
                (Question::OverlayRemove { number, who }, "/config#overlay".to_owned())
            }
            Some(Change::Tell(what)) => {
                let (question, then) = names::told(what, who);
                (names::question(&question), then.to_owned())
            }
            None => {
                let what = "there is nothing like that to change\n".to_owned();
                return response::text(StatusCode::NOT_FOUND, TEXT, what, head);
            }
        };
        match self.here.ask(question).await {
            Reply::Done | Reply::Service { .. } => response::see_other(&then, None),
            Reply::Fault { what, help } => {
                let made = self.made(|seen| page::fault(seen, &what, &help)).await;
                response::html(StatusCode::CONFLICT, made.html, head)
            }
            _ => {
                let made = self.made(|seen| page::fault(seen, "Polis did not take it", "try again")).await;
                response::html(StatusCode::SERVICE_UNAVAILABLE, made.html, head)
            }
        }
    }
}

/// Where a request leads.
fn place(uri: &hyper::Uri) -> Route {
    route(uri.path(), uri.query().unwrap_or_default())
}

/// A view as JSON, or that there is none.
fn said(view: Option<impl serde::Serialize>, head: &Head) -> Response<Body> {
    let text = view.and_then(|view| serde_json::to_string(&view).ok());
    match text {
        Some(text) => response::json(StatusCode::OK, text, head),
        None => response::json(
            StatusCode::NOT_FOUND,
            r#"{"error":"there is nothing of that name"}"#.to_owned(),
            head,
        ),
    }
}

/// Asks machines the same; each says something, or why not. Those that do not answer are not asked.
pub(super) async fn ask_each(
    here: &Here,
    seen: &Seen,
    machines: &[&str],
    question: &Question,
) -> Vec<(String, Result<Reply, String>)> {
    let silent = |machine: &str| {
        let known = seen.others.iter().find(|known| known.peer.machine == machine)?;
        let why = known.peer.why.clone().unwrap_or_else(|| "it does not answer".to_owned());
        (known.peer.answering != Answering::Up).then_some(why)
    };
    let mut asked = Vec::new();
    for machine in machines {
        let task = silent(machine).map_or_else(
            || {
                let question =
                    Question::Ask { machine: (*machine).to_owned(), question: Box::new(question.clone()) };
                let here = here.clone();
                Ok(tokio::spawn(async move { timeout(PATIENCE, here.ask(question)).await }))
            },
            Err,
        );
        asked.push(((*machine).to_owned(), task));
    }
    let mut said = Vec::new();
    for (machine, task) in asked {
        let reply = match task {
            Err(why) => Err(why),
            Ok(task) => match task.await {
                Ok(Ok(Reply::Unknown { why })) => Err(why),
                Ok(Ok(Reply::Fault { what, .. })) => Err(what),
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(_)) | Err(_) => Err("it took too long".to_owned()),
            },
        };
        said.push((machine, reply));
    }
    said
}

/// What happened, of all machines that can be asked, or of the one that is of interest.
async fn all_events(here: &Here, seen: &Seen, filter: &Filter) -> EventsAsked {
    let agents = seen.lab.lab.iter().flat_map(|lab| lab.machines.iter());
    let agents = agents.filter(|(_, machine)| *machine.agent).map(|(name, _)| name.as_str());
    let machines: Vec<&str> =
        agents.filter(|name| filter.machine.as_ref().is_none_or(|only| only == name)).collect();
    let searches = filter.before.is_some() || filter.text.is_some() || filter.kind.is_some();
    let each = if searches { EVENTS_SEARCHED } else { EVENTS };
    let most = each.min(EVENTS_IN_ALL / machines.len().max(1)).max(20);
    let question = Question::Events { after: 0, most: u32::try_from(most).unwrap_or(u32::MAX) };
    let mut all = EventsAsked { most, machines: Vec::new() };
    // Some at a time: what they say is in memory until it is shortened.
    for machines in machines.chunks(AT_ONCE) {
        for (machine, reply) in ask_each(here, seen, machines, &question).await {
            let events = reply.and_then(|reply| match reply {
                // Whatever it was asked for: it may be another than it says.
                Reply::Events { events } => Ok(events.into_iter().rev().take(most).rev().collect()),
                _ => Err("it said something else".to_owned()),
            });
            all.machines.push((machine, events));
        }
    }
    all
}
