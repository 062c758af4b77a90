//! Lists of places that machines are named after: the bigger the machine, the bigger the place.

use std::sync::LazyLock;

use crate::explain::NothingThere;
use crate::model::{Lab, Naming};
use crate::value::Size;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, as a DNS label.
    pub name: &'static str,
    /// How many people live there.
    pub population: u32,
}

static GREEK: LazyLock<Vec<Place>> = LazyLock::new(|| parse(include_str!("naming/greek-places.tsv")));
static EUROPEAN: LazyLock<Vec<Place>> = LazyLock::new(|| parse(include_str!("naming/european-cities.tsv")));

fn parse(text: &'static str) -> Vec<Place> {
    let place = |line: &'static str| {
        let (name, population) = line.split_once('\t')?;
        Some(Place { name, population: population.parse().ok()? })
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(place).collect()
}

/// All places of a list, the biggest first.
pub fn places(naming: Naming) -> &'static [Place] {
    match naming {
        Naming::GreekPlaces => &GREEK,
        Naming::EuropeanCities => &EUROPEAN,
    }
}

/// What a machine of unknown size is taken for.
const USUAL_MEMORY: Size = Size(4 << 30);
/// The memory of the machine that the smallest place is for, as a power of two: 256 MiB.
const SMALLEST: f64 = 28.0;
/// By what the number of people grows when the memory doubles: 256 GiB are for about 600,000 people.
const GROWTH: f64 = 2.5;
/// The people of the smallest place.
const FEWEST: f64 = 60.0;

/// How many people should live in the place that a machine with so much memory is named after.
fn people_for(memory: Size) -> f64 {
    FEWEST * GROWTH.powf(approximate(memory.0).log2() - SMALLEST)
}

#[expect(clippy::cast_precision_loss, reason = "only compared with rough figures")]
fn approximate(number: u64) -> f64 {
    number as f64
}

/// `count` free names of a site's list for a machine with so much memory, the best first; none if the site
/// has no list. The same question always has the same answer.
pub fn suggest(lab: &Lab, site: &str, memory: Option<Size>, count: usize) -> Vec<Place> {
    let Some(naming) = lab.sites.get(site).and_then(|site| site.naming.as_ref()) else { return Vec::new() };
    let wanted = people_for(memory.unwrap_or(USUAL_MEMORY)).ln();
    let is_free = |place: &&Place| lab.party_named(place.name).is_none() && !lab.tunnels.contains(place.name);
    let distance = |place: &Place| (approximate(u64::from(place.population)).ln() - wanted).abs();
    let mut free: Vec<Place> = places(**naming).iter().filter(is_free).copied().collect();
    free.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.name.cmp(b.name)));
    free.truncate(count);
    free
}

/// [`suggest`] for a person who may leave out the site, where only one has a list, and writes the memory as in the lab file.
///
/// # Errors
/// If it is not clear which site is meant, or the memory is no size.
pub fn offer(
    lab: &Lab,
    site: Option<&str>,
    memory: Option<&str>,
    count: usize,
) -> Result<Vec<Place>, NothingThere> {
    let nothing = |what: String, help: String| Err(NothingThere { what, help: Some(help) });
    let with_list = lab.sites.iter().filter(|(_, site)| site.naming.is_some());
    let named: Vec<&str> = with_list.map(|(name, _)| name.as_str()).collect();
    let all = named.join(", ");
    let site = match (site, named.as_slice()) {
        (Some(site), named) if named.contains(&site) => site,
        (Some(site), _) => {
            let what = format!("the site `{site}` takes its names from no list");
            return nothing(what, format!("sites with a list: {all}"));
        }
        (None, [only]) => only,
        (None, []) => {
            let help = "write `naming = \"greek-places\"` or `naming = \"european-cities\"` at a site";
            return nothing("no site of the lab takes its names from a list".to_owned(), help.to_owned());
        }
        (None, _) => return nothing("which site?".to_owned(), format!("write `--site` and one of {all}")),
    };
    let memory = match memory.map(|text| (text, Size::parse(text))) {
        None => None,
        Some((_, Ok(size))) => Some(size),
        Some((text, Err(why))) => {
            let what = format!("`{text}` is not a size: {why}");
            return nothing(what, "write it like `--memory '8 GB'`".to_owned());
        }
    };
    Ok(suggest(lab, site, memory, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_together() {
        for naming in [Naming::GreekPlaces, Naming::EuropeanCities] {
            let places = places(naming);
            assert!(places.len() >= 300, "{naming:?} has {}", places.len());
            assert!(
                places.is_sorted_by(|a, b| (b.population, a.name) < (a.population, b.name)),
                "{naming:?}"
            );
            for place in places {
                assert_eq!(crate::names::why_no_label(place.name), None, "{}", place.name);
                let others = places.iter().filter(|other| other.name == place.name).count();
                assert_eq!(others, 1, "{} is there {others} times", place.name);
            }
        }
    }

    #[test]
    fn bigger_machines_get_bigger_places() {
        let text = "[lab]\nname = \"x\"\ndomain = \"x.net\"\n[sites]\nhome = { naming = \"greek-places\" }\n\
                    [zones]\nlan = { site = \"home\", cidr = \"10.0.0.0/24\" }\n\
                    [machines]\nathens = { address = \"10.0.0.2\" }\n";
        let checked =
            crate::check(crate::Folder::from_texts([("lab.toml", text)]), &crate::Options::at("2026-11-23"));
        let lab = checked.lab.unwrap();
        let best = |memory: u64| {
            suggest(&lab, "home", Some(Size(memory)), 1).first().map(|place| place.population).unwrap()
        };
        assert!(
            best(1 << 38) > best(1 << 35) && best(1 << 35) > best(1 << 33) && best(1 << 33) > best(1 << 29)
        );
        let all = suggest(&lab, "home", None, usize::MAX);
        assert_eq!(all.len(), GREEK.len() - 1, "athens is taken");
    }
}
