use maud::{DOCTYPE, Markup, html};
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nav { Portal, Overview, Machines, Apps, Network, Dns, Config, Events, Status, None }
pub(crate) struct Frame<'f> { pub(crate) title: &'f str, pub(crate) lab: &'f str, pub(crate) machine: &'f str, pub(crate) here: Nav, pub(crate) topics: &'f [&'f str], pub(crate) mixes_looks: bool, pub(crate) notice: Option<Markup>, pub(crate) zone: &'f str, pub(crate) version: &'f str }
pub(crate) fn page(frame: &Frame<'_>, main: Markup) -> Markup { html! { (DOCTYPE) html lang="en" { head { title { (frame.title) } } body { main #main data-topics=(frame.topics.join(" ")) { (main) } } } } }
pub(crate) fn page_plain(frame: &Frame<'_>, main: Markup) -> Markup { page(frame, main) }
pub(crate) fn file(title: &str, main: Markup) -> Markup { html! { (DOCTYPE) html lang="en" { head { title { (title) } } body { main { (main) } } } } }
