//! The public page: what a stranger may know. It has no names of machines, no addresses, and nothing that is not
//! published.

use lab::model::ServiceName;
use runtime::{Millis, Seen};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Eye, Health};

/// What a stranger may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublicStatus {
    /// The title of the start page.
    pub title: String,
    /// When this was so, in milliseconds since 1970.
    pub at: Millis,
    /// The worst of the rows that somebody knows.
    pub health: Health,
    /// In one sentence.
    pub words: String,
    /// What people use.
    pub rows: Vec<PublicRow>,
}

/// Something that people use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublicRow {
    /// What it is called.
    pub name: String,
    /// How it is.
    pub health: Health,
}

/// The public page; none while no lab is followed.
pub fn status(seen: &Seen) -> Option<PublicStatus> {
    let eye = Eye::of(seen)?;
    let mut rows = Vec::new();
    for placed in eye.lab.placed().iter().filter(|placed| placed.service == ServiceName::Dns) {
        let health = super::overview::service(eye, placed).health;
        // That a standby answers is nobody's trouble outside.
        let health = if health == Health::Degraded { Health::Up } else { health };
        rows.push(PublicRow { name: "Name lookup".to_owned(), health });
    }
    for tile in &eye.follows.tiles {
        let Some(app) = eye.lab.apps.get(&tile.app) else { continue };
        if app.serve.as_ref().is_some_and(|serve| *serve.published) {
            rows.push(PublicRow { name: tile.title.clone(), health: super::app::health(eye, app).0 });
        }
    }
    let worst = rows.iter().map(|row| row.health).filter(|health| *health != Health::Unknown).min();
    let health = worst.unwrap_or(Health::Unknown);
    let words = match health {
        Health::Up => "Everything that is looked at works.",
        Health::Unknown => "Nothing is looked at yet.",
        Health::Down => "Something does not work.",
        Health::Degraded | Health::Paused | Health::Pending => "Something is not as it should be.",
    };
    Some(PublicStatus {
        title: super::portal::title(eye),
        at: seen.now,
        health,
        words: words.to_owned(),
        rows,
    })
}
