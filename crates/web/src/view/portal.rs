//! The start page: what people open.

use runtime::Seen;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Eye, Health};

/// The start page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Portal {
    /// Its title.
    pub title: String,
    /// The tiles, by the headings that they stand under.
    pub groups: Vec<TileGroup>,
}

/// Tiles under a heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TileGroup {
    /// The heading.
    pub name: String,
    /// The tiles.
    pub tiles: Vec<Tile>,
}

/// A tile: something to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tile {
    /// What it is called.
    pub title: String,
    /// Where it leads.
    pub url: String,
    /// The app.
    pub app: String,
    /// What stands in its picture.
    pub letters: String,
    /// How it is.
    pub health: Health,
    /// What a person has to know, if it does not work.
    pub words: Option<String>,
    /// The groups of people who see it; none means everyone.
    pub groups: Vec<String>,
}

/// The start page with the tiles that have a text in their names; none while no lab is followed.
pub fn portal(seen: &Seen, text: Option<&str>) -> Option<Portal> {
    let eye = Eye::of(seen)?;
    let text = text.unwrap_or_default().to_lowercase();
    let mut groups: Vec<TileGroup> = Vec::new();
    for own in &eye.follows.tiles {
        let has = |name: &str| name.to_lowercase().contains(&text);
        if !has(&own.title) && !has(own.app.as_str()) && !has(&own.group) {
            continue;
        }
        let tile = tile(eye, own);
        match groups.iter_mut().find(|group| group.name == own.group) {
            Some(group) => group.tiles.push(tile),
            None => groups.push(TileGroup { name: own.group.clone(), tiles: vec![tile] }),
        }
    }
    Some(Portal { title: title(eye), groups })
}

/// The title of the start page.
pub(super) fn title(eye: Eye<'_>) -> String {
    let title = eye.lab.portal.as_ref().and_then(|portal| portal.title.as_ref());
    title.map_or_else(|| eye.lab.lab.name.to_string(), ToString::to_string)
}

fn tile(eye: Eye<'_>, own: &lab::Tile) -> Tile {
    let health = eye.lab.apps.get(&own.app).map_or(Health::Unknown, |app| super::app::health(eye, app).0);
    Tile {
        title: own.title.clone(),
        url: own.url.clone(),
        app: own.app.to_string(),
        letters: letters(&own.title),
        health,
        words: (health == Health::Down).then(|| "It does not answer right now.".to_owned()),
        groups: own.groups.iter().map(ToString::to_string).collect(),
    }
}

/// The first letters of up to two words.
fn letters(title: &str) -> String {
    title.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect::<String>().to_uppercase()
}
