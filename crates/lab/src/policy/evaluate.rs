//! Whether the sentences of `[assert]` are true of the matrix, and what refutes those that are not.

use std::collections::BTreeSet;

use super::matrix::{Because, From, Matrix, Opening, Target, is_published};
use super::outage::{Outage, Way, outages};
use super::sentence::{Form, Sentence, Word};
use crate::model::{Lab, Party, PolicyService};
use crate::names::{AppName, MachineName, ZoneName};

/// What became of a sentence.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is true.
    Holds,
    /// It is not, and this shows it.
    Fails(Vec<Refutation>),
    /// What could be read of the lab neither proves nor refutes it.
    Unknown,
}

/// One thing that shows that a sentence is not true.
#[derive(Clone, Debug)]
pub struct Refutation {
    /// In words: "guests may open nextcloud".
    pub what: String,
    /// The lines that make it so.
    pub because: Vec<Because>,
    /// What may be opened that should not; none if it is an exception, or something that may not be opened.
    pub opens: Option<Target>,
}

/// A subject: an origin, and the one thing in it that is meant, if it is not all of it.
struct Subject {
    word: String,
    from: From,
    party: Option<Party>,
}

/// An object of a sentence.
enum Object {
    Internet,
    Users,
    Published,
    Panels,
    Service(&'static str),
    Zone(ZoneName),
    Host(Party, Option<ZoneName>),
    App(AppName),
}

/// How much of the lab the matrix was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    Whole,
    /// What could be read. What may be opened may be opened; where it ends is not always known.
    InPart,
}

/// Whether the sentence is true.
pub fn evaluate(lab: &Lab, matrix: &Matrix, sentence: &Sentence, known: Known) -> Outcome {
    let judge = Judge { lab, matrix, known };
    let refutations = match &sentence.form {
        Form::ReachesAll(subjects) => judge.each_subject(subjects, |subject| judge.closed_cells(subject)),
        Form::Reaches(subjects, objects) => judge.each_object(objects, |objects| {
            judge.each_subject(subjects, |subject| judge.not_reached(subject, objects))
        }),
        Form::Never(subjects, objects) => judge.each_object(objects, |objects| {
            judge.each_subject(subjects, |subject| judge.reached(subject, objects))
        }),
        Form::OnlyTo(subjects, objects) => judge.each_object(objects, |objects| {
            judge.each_subject(subjects, |subject| judge.beyond(subject, objects))
        }),
        Form::OnlyFrom(subjects, objects) => {
            judge.each_object(objects, |objects| judge.others_reach(subjects, objects))
        }
        Form::Outage { down, within } => Some(judge.outages(*down, *within)),
    };
    match refutations {
        None => Outcome::Unknown,
        Some(refutations) if refutations.is_empty() => Outcome::Holds,
        Some(refutations) => Outcome::Fails(refutations),
    }
}

struct Judge<'l> {
    lab: &'l Lab,
    matrix: &'l Matrix,
    known: Known,
}

impl Judge<'_> {
    fn subject(&self, word: &Word) -> Option<Subject> {
        let party = self.lab.party_named(&word.text)?;
        let (from, party) = match party {
            Party::Internet => (From::Internet, None),
            Party::Zone(zone) => (From::Zone(zone), None),
            party @ (Party::Machine(_) | Party::Device(_)) => {
                (From::Zone(self.lab.zone_of_party(&party)?.clone()), Some(party))
            }
            Party::App(_) | Party::Gear(_) => return None,
        };
        Some(Subject { word: word.text.clone(), from, party })
    }

    fn object(&self, word: &Word) -> Option<Object> {
        if let Some(party) = self.lab.party_named(&word.text) {
            return Some(match party {
                Party::Internet => Object::Internet,
                Party::Zone(zone) => Object::Zone(zone),
                Party::App(app) => Object::App(app),
                party => Object::Host(party.clone(), self.lab.zone_of_party(&party).cloned()),
            });
        }
        match PolicyService::known(&word.text)? {
            PolicyService::Users => Some(Object::Users),
            PolicyService::Published => Some(Object::Published),
            PolicyService::Panels => Some(Object::Panels),
            PolicyService::Service(name) => Some(Object::Service(name)),
            PolicyService::App(_) => None,
        }
    }

    fn each_subject(
        &self,
        subjects: &[Word],
        mut judge: impl FnMut(&Subject) -> Vec<Refutation>,
    ) -> Option<Vec<Refutation>> {
        let mut refutations = Vec::new();
        for word in subjects {
            refutations.extend(judge(&self.subject(word)?));
        }
        Some(refutations)
    }

    fn each_object(
        &self,
        objects: &[Word],
        judge: impl FnOnce(&[&Object]) -> Option<Vec<Refutation>>,
    ) -> Option<Vec<Refutation>> {
        let objects: Option<Vec<Object>> = objects.iter().map(|word| self.object(word)).collect();
        let objects = objects?;
        judge(&objects.iter().collect::<Vec<_>>())
    }

    fn closed_cells(&self, subject: &Subject) -> Vec<Refutation> {
        let closed = self
            .matrix
            .row(&subject.from)
            .filter(|(target, cell)| !cell.is_open() && !self.is_own(subject, target));
        closed.map(|(target, _)| refuted(format!("{} may not open {target}", subject.word), &[])).collect()
    }

    /// The objects that the subject can not open.
    fn not_reached(&self, subject: &Subject, objects: &[&Object]) -> Vec<Refutation> {
        let mut refutations = Vec::new();
        for object in objects {
            let mut targets: Vec<&Target> = self
                .matrix
                .row(&subject.from)
                .map(|(target, _)| target)
                .filter(|target| self.is(object, target))
                .collect();
            let host_zone;
            if let Object::Host(party, Some(zone)) = object {
                if self.openings_of(subject).any(|opening| opening.to == *party && opening.ports.is_empty()) {
                    continue;
                }
                host_zone = Target::Zone(zone.clone());
                targets = vec![&host_zone];
            }
            for target in targets {
                if !self.matrix.cell(&subject.from, target).is_open() {
                    refutations.push(refuted(format!("{} may not open {target}", subject.word), &[]));
                }
            }
        }
        refutations
    }

    /// What the subject can open that ends at one of the objects.
    fn reached(&self, subject: &Subject, objects: &[&Object]) -> Vec<Refutation> {
        let ends = |target: &Target| objects.iter().any(|object| self.touches(object, target));
        let mut refutations = self.open_cells(subject, ends);
        let openings = self.openings_of(subject);
        let hits =
            openings.filter(|opening| objects.iter().any(|object| self.opening_touches(object, opening)));
        refutations.extend(hits.map(|opening| self.opening_refutes(opening)));
        refutations
    }

    /// What the subject can open that is none of the objects.
    fn beyond(&self, subject: &Subject, objects: &[&Object]) -> Vec<Refutation> {
        let other = |target: &Target| {
            !self.is_own(subject, target)
                && !self.may_be_anywhere(target)
                && !objects.iter().any(|object| self.covers(object, target))
        };
        let mut refutations = self.open_cells(subject, other);
        let openings = self.openings_of(subject);
        let others =
            openings.filter(|opening| !objects.iter().any(|object| self.opening_touches(object, opening)));
        refutations.extend(others.map(|opening| self.opening_refutes(opening)));
        refutations
    }

    /// Who, besides the subjects, can open one of the objects.
    fn others_reach(&self, subjects: &[Word], objects: &[&Object]) -> Option<Vec<Refutation>> {
        let allowed: Option<Vec<Subject>> = subjects.iter().map(|word| self.subject(word)).collect();
        let allowed = allowed?;
        let mut refutations = Vec::new();
        for from in self.matrix.rows() {
            if allowed.iter().any(|subject| subject.from == *from && subject.party.is_none()) {
                continue;
            }
            let is_own = |object: &Object| matches!((object, from), (Object::Zone(zone), From::Zone(own)) if zone == own);
            let objects: Vec<&Object> = objects.iter().copied().filter(|object| !is_own(object)).collect();
            let other = Subject { word: from.to_string(), from: from.clone(), party: None };
            let found = self.reached(&other, &objects);
            let by_allowed = |opening: &Opening| {
                allowed.iter().any(|subject| subject.party.as_ref() == Some(&opening.from))
            };
            let excused: BTreeSet<String> = self
                .openings_of(&other)
                .filter(|opening| by_allowed(opening))
                .map(|opening| self.opening_refutes(opening).what)
                .collect();
            refutations.extend(found.into_iter().filter(|refutation| !excused.contains(&refutation.what)));
        }
        Some(refutations)
    }

    fn open_cells(&self, subject: &Subject, wanted: impl Fn(&Target) -> bool) -> Vec<Refutation> {
        self.matrix
            .row(&subject.from)
            .filter(|(target, cell)| cell.is_open() && wanted(target))
            .map(|(target, cell)| Refutation {
                opens: Some(target.clone()),
                ..refuted(format!("{} may open {target}", subject.word), cell.reasons())
            })
            .collect()
    }

    /// Exceptions that let the subject, or something in it, open something.
    fn openings_of<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = &'s Opening> {
        self.matrix.openings().iter().filter(move |opening| {
            let from = opening.from_zone.clone().map_or(From::Internet, From::Zone);
            let is_all_of_zone = matches!(opening.from, Party::Zone(_) | Party::Internet);
            match &subject.party {
                None => from == subject.from,
                Some(party) => opening.from == *party || (is_all_of_zone && from == subject.from),
            }
        })
    }

    fn opening_refutes(&self, opening: &Opening) -> Refutation {
        let why = format!("exception `{}`", opening.name);
        refuted(format!("{} is opened", opening.words(self.lab)), &[Because { span: opening.span, why }])
    }

    /// Whether the target is in the zone of the subject with no proxy before it: nothing that it has to be let
    /// into.
    fn is_own(&self, subject: &Subject, target: &Target) -> bool {
        let ends_in = self.matrix.entry_zone(target);
        matches!(&subject.from, From::Zone(own) if ends_in == Some(own))
            && !self.matrix.is_behind_proxy(target)
    }

    /// Whether the target ends in a zone that could not be read: it may be one that a sentence allows.
    fn may_be_anywhere(&self, target: &Target) -> bool {
        let never_placed = matches!(target, Target::Internet | Target::Service("dhcp" | "ntp"));
        self.known == Known::InPart && !never_placed && self.matrix.entry_zone(target).is_none()
    }

    /// Whether the target is the object, or one of those that it stands for.
    fn is(&self, object: &Object, target: &Target) -> bool {
        match (object, target) {
            (Object::Internet, Target::Internet)
            | (Object::Users, Target::App(_) | Target::Offer(_))
            | (Object::Panels, Target::Panels(_)) => true,
            (Object::Published, Target::App(app)) => is_published(self.lab, app),
            (Object::Service(name), Target::Service(target)) => name == target,
            (Object::Zone(zone), Target::Zone(target)) => zone == target,
            (Object::App(app), Target::App(target)) => app == target,
            (Object::Host(Party::Device(device), _), Target::Offer(target)) => device == target,
            _ => false,
        }
    }

    /// Whether a sentence that allows the object allows the target.
    fn covers(&self, object: &Object, target: &Target) -> bool {
        let ends_in = |zone: &ZoneName| self.matrix.entry_zone(target) == Some(zone);
        self.is(object, target) || matches!(object, Object::Zone(zone) if ends_in(zone))
    }

    /// Whether who can open the target can open the object, or some of it.
    fn touches(&self, object: &Object, target: &Target) -> bool {
        match (object, target) {
            (Object::Zone(_), target) => self.covers(object, target),
            (Object::Host(_, Some(zone)), Target::Zone(target)) => zone == target,
            (Object::App(app), Target::Zone(zone)) => self.is_bare_in(app, zone),
            (Object::Host(Party::Machine(machine), Some(zone)), Target::Panels(target)) => {
                zone == target
                    && self.lab.machines.get(machine).is_some_and(|machine| !machine.panels.is_empty())
            }
            (Object::Host(Party::Machine(machine), _), Target::Service(_) | Target::App(_)) => {
                self.runs_on(target, machine)
            }
            _ => self.is(object, target),
        }
    }

    /// Whether who can open all of the zone can open the app past its proxy: without a stack it listens at a
    /// port of its machine.
    fn is_bare_in(&self, app: &AppName, zone: &ZoneName) -> bool {
        self.lab
            .apps
            .get(app)
            .is_some_and(|app| app.stack.is_none() && self.lab.zone_of_machine(app.on.as_str()) == Some(zone))
    }

    fn runs_on(&self, target: &Target, machine: &MachineName) -> bool {
        match target {
            Target::App(app) => self.lab.apps.get(app).is_some_and(|app| *app.on == *machine),
            Target::Service(name) => {
                self.lab.placed().iter().any(|placed| {
                    placed.service.word() == *name && placed.on.iter().any(|on| **on == *machine)
                })
            }
            _ => false,
        }
    }

    fn opening_touches(&self, object: &Object, opening: &Opening) -> bool {
        match (object, &opening.to) {
            (Object::Internet, Party::Internet) | (Object::Users, Party::App(_)) => true,
            (Object::Zone(zone), _) => opening.to_zone.as_ref() == Some(zone),
            (Object::Host(party, zone), to) => {
                to == party || matches!(to, Party::Zone(to) if Some(to) == zone.as_ref())
            }
            (Object::App(app), Party::App(to)) => app == to,
            (Object::Published, Party::App(app)) => is_published(self.lab, app),
            _ => false,
        }
    }

    /// Every outage of up to `down` tunnels that leaves two sites without a way that is short enough.
    fn outages(&self, down: usize, within: Option<usize>) -> Vec<Refutation> {
        let site = |router: &str| self.lab.routers.get(router).map(|router| router.site.as_str());
        let tunnels: Vec<Way<'_>> = self
            .lab
            .tunnels
            .iter()
            .filter_map(|(name, tunnel)| {
                let (one, other) = tunnel.ends()?;
                Some(Way { tunnel: name.as_str(), ends: [site(one.as_str())?, site(other.as_str())?] })
            })
            .collect();
        let zones = self.lab.zones.iter().map(|(_, zone)| zone.site.as_str());
        let sites: BTreeSet<&str> =
            self.lab.routers.iter().map(|(_, router)| router.site.as_str()).chain(zones).collect();
        let told = |outage: Outage<'_>| {
            let when = match outage.down.as_slice() {
                [] => "as it is".to_owned(),
                down => format!("without {}", down.join(" and ")),
            };
            let (from, to) = (outage.from, outage.to);
            let what = match outage.hops {
                None => format!("{when}, {from} and {to} have no way to each other"),
                Some(hops) => format!("{when}, the way from {from} to {to} is {hops} hops long"),
            };
            refuted(what, &[])
        };
        outages(&sites, &tunnels, down, within).into_iter().map(told).collect()
    }
}

fn refuted(what: String, because: &[Because]) -> Refutation {
    Refutation { what, because: because.to_vec(), opens: None }
}
