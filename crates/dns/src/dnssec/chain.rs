//! From a trust anchor down to the zone that a name lies in: a question for DS records at each name between, and
//! for the keys of each zone (RFC 4035 section 5). It asks nobody itself: it says what it has to know, and is told.

use std::sync::Arc;

use super::cache::Cut;
use super::deny::{Below, Proofs};
use super::records::Ds;
use super::verify::{self, Budget, Keys};
use super::wire::{Message, Section, Set, kind};
use super::{Clock, Moment, Reason, Validator, Why, name};

/// How long something that is wrong is remembered, in seconds: so that it is not judged with every question, and
/// is soon noticed to be right again (RFC 4035 section 4.7).
const BROKEN_LIFE: u32 = 5;
/// How long a delegation whose keys we can not use is remembered at most, and what was learnt without the time.
const MAX_UNTIMED_LIFE: u32 = 600;
/// How far the clock may be behind that of the signer of an anchor, in seconds.
const SKEW: i64 = 3600;

/// What can be said of the zone of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The name lies in this zone, or is nothing and would.
    Secure(Arc<Keys>),
    Insecure(Why),
    Bogus(Why),
    /// Somebody did not answer, or it would take too much.
    Unknown(Why),
}

/// A question that has to be asked.
pub(super) type Question = (Box<[u8]>, u16);

/// What the walk needs, or has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Ask(Question),
    Found(Standing),
}

/// Where the walk is.
#[derive(Clone, Debug)]
enum At {
    /// Above the keys of the anchor.
    Anchor(Box<[u8]>, Vec<Ds>),
    /// In a zone; what is looked at next has so many labels.
    Zone(Arc<Keys>, usize),
    /// In a zone, above the one that these DS records are about, which were signed for so long.
    Keys(Arc<Keys>, Box<[u8]>, Vec<Ds>, u32),
    Found(Standing),
}

/// A walk down to the zone of a name.
#[derive(Debug)]
pub(super) struct Walk {
    target: Box<[u8]>,
    at: At,
}

impl Walk {
    /// From the anchor above the name.
    pub(super) fn to(validator: &Validator, target: &[u8]) -> Self {
        let at = match validator.anchor(target) {
            Some((zone, keys)) => At::Anchor(zone.into(), keys),
            None => At::Found(Standing::Insecure(Why::new(Reason::NotValidated, target, kind::DS))),
        };
        Self { target: target.into(), at }
    }

    /// Goes on as far as is known.
    pub(super) fn step(&mut self, validator: &Validator, moment: &mut Moment) -> Step {
        loop {
            match &self.at {
                At::Found(standing) => return Step::Found(standing.clone()),
                At::Keys(_, zone, ..) => return Step::Ask((zone.clone(), kind::DNSKEY)),
                At::Anchor(zone, _) => match recall(validator, zone, moment, IsAnchor::Yes) {
                    Some(cut) => self.take(&zone.clone(), cut),
                    None => return Step::Ask((zone.clone(), kind::DNSKEY)),
                },
                At::Zone(keys, labels) => {
                    let Some(next) = name::upper(&self.target, *labels).map(Box::from) else {
                        self.at = At::Found(Standing::Secure(Arc::clone(keys)));
                        continue;
                    };
                    match recall(validator, &next, moment, IsAnchor::No) {
                        Some(cut) => self.take(&next, cut),
                        None => return Step::Ask((next, kind::DS)),
                    }
                }
            }
        }
    }

    /// Goes on from what a name is.
    fn take(&mut self, name: &[u8], cut: Cut) {
        let labels = name::count(name) + 1;
        let zone = match &self.at {
            At::Zone(keys, _) => Some(Arc::clone(keys)),
            _ => None,
        };
        self.at = match (cut, zone) {
            (Cut::Zone(keys), _) | (Cut::SameZone, Some(keys)) => At::Zone(keys, labels),
            (Cut::Nothing, Some(keys)) => At::Found(Standing::Secure(keys)),
            (Cut::Insecure(reason), _) => At::Found(Standing::Insecure(Why::new(reason, name, kind::DS))),
            (Cut::Broken(why), _) => At::Found(Standing::Bogus(why)),
            // Only zones are remembered for anchors.
            (Cut::SameZone | Cut::Nothing, None) => {
                At::Found(Standing::Unknown(Why::new(Reason::KeyMissing, name, kind::DNSKEY)))
            }
        };
    }

    /// Takes the reply to what was asked last; none if nobody answered.
    pub(super) fn heard(
        &mut self,
        reply: Option<&[u8]>,
        validator: &Validator,
        moment: &mut Moment,
        budget: &mut Budget,
    ) {
        let Step::Ask((name, kind)) = self.step(validator, moment) else { return };
        // A code other than that the name is there or not is no answer (RFC 1035 section 4.1.1).
        let message = match reply.map(Message::read) {
            Some(Some(message)) if matches!(message.code, 0 | 3) => message,
            Some(None) => return self.fail(Reason::Unreadable, &name, kind),
            _ => return self.fail(Reason::NoAnswer, &name, kind),
        };
        let learnt = match &self.at {
            At::Anchor(_, above) => anchor_keys(&message, &name, above, moment, budget),
            At::Keys(_, _, above, seconds) => zone_keys(&message, &name, above, *moment, budget)
                .map(|(cut, own, inception)| (cut, own.min(*seconds), inception)),
            At::Zone(keys, _) => match delegation(&message, &name, keys, *moment, budget) {
                Ok(Delegation::Signed(above, seconds)) => {
                    self.at = At::Keys(Arc::clone(keys), name, above, seconds);
                    return;
                }
                Ok(Delegation::Other(cut, seconds)) => Ok((cut, seconds, 0)),
                Err(reason) => Err(reason),
            },
            At::Found(_) => return,
        };
        let (cut, seconds, inception) = match learnt {
            Ok(learnt) => learnt,
            Err(Reason::TooMuch) => return self.fail(Reason::TooMuch, &name, kind),
            Err(Reason::SignatureMissing | Reason::DenialMissing) if !message.is_signed => {
                (Cut::Broken(Why::new(Reason::Stripped, &name, kind)), BROKEN_LIFE, 0)
            }
            Err(reason) => (Cut::Broken(Why::new(reason, &name, kind)), BROKEN_LIFE, 0),
        };
        let seconds = if moment.clock == Clock::Unknown { seconds.min(MAX_UNTIMED_LIFE) } else { seconds };
        validator.cache().put(&name, cut.clone(), seconds, *moment, inception);
        if let At::Keys(keys, ..) = &self.at {
            self.at = At::Zone(Arc::clone(keys), 0);
        }
        self.take(&name, cut);
    }

    fn fail(&mut self, reason: Reason, name: &[u8], kind: u16) {
        self.at = At::Found(Standing::Unknown(Why::new(reason, name, kind)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsAnchor {
    Yes,
    No,
}

/// What is remembered of a name. If the keys of an anchor were signed in what would be the future, the clock is
/// known to be behind, and stays so for this validation.
fn recall(validator: &Validator, name: &[u8], moment: &mut Moment, is_anchor: IsAnchor) -> Option<Cut> {
    let mut cache = validator.cache();
    if is_anchor == IsAnchor::Yes
        && cache.inception(name).is_some_and(|inception| inception.saturating_sub(SKEW) > moment.now)
    {
        moment.clock = Clock::Unknown;
    }
    cache.get(name, *moment)
}

type Learnt = Result<(Cut, u32, i64), Reason>;

/// The keys of an anchor's zone. Nobody but its owner can sign them, and nobody signs for a time that has not
/// come: if the signature is right but for that, it is our clock that is wrong.
fn anchor_keys(
    message: &Message,
    zone: &[u8],
    above: &[Ds],
    moment: &mut Moment,
    budget: &mut Budget,
) -> Learnt {
    let first = zone_keys(message, zone, above, *moment, budget);
    if !matches!(first, Err(Reason::NotYetValid)) {
        return first;
    }
    let without = Moment { clock: Clock::Unknown, ..*moment };
    let learnt = zone_keys(message, zone, above, without, budget).map_err(|_| Reason::NotYetValid)?;
    moment.clock = Clock::Unknown;
    Ok(learnt)
}

fn zone_keys(message: &Message, zone: &[u8], above: &[Ds], moment: Moment, budget: &mut Budget) -> Learnt {
    let set = message.find(Section::Answer, zone, kind::DNSKEY).ok_or(Reason::KeyMissing)?;
    let (keys, verified) = verify::keys(set, above, moment, budget)?;
    Ok((Cut::Zone(Arc::new(keys)), verified.seconds.max(1), verified.inception))
}

enum Delegation {
    /// To a zone with keys that these records name, for so many seconds.
    Signed(Vec<Ds>, u32),
    Other(Cut, u32),
}

/// What a name under the zone is, from the reply to a question for its DS records.
fn delegation(
    message: &Message,
    name: &[u8],
    keys: &Keys,
    moment: Moment,
    budget: &mut Budget,
) -> Result<Delegation, Reason> {
    if let Some(set) = message.find(Section::Answer, name, kind::DS) {
        let verified = verify::set(set, keys, moment, budget)?;
        if verified.expanded.is_some() {
            return Err(Reason::WrongSignature);
        }
        return Ok(match verify::usable(set) {
            Ok(usable) => Delegation::Signed(usable, verified.seconds),
            Err(reason) => Delegation::Other(Cut::Insecure(reason), verified.seconds),
        });
    }
    // Where an alias is, there is no zone (RFC 1034 section 3.6.2), nor under one of a whole tree (RFC 6672).
    let is_alias = |set: &&Set| match set.kind {
        kind::CNAME => *set.name == *name,
        kind::DNAME => name::is_under(name, &set.name),
        _ => false,
    };
    if let Some(set) = message.section(Section::Answer).filter(is_alias).max_by_key(|set| set.kind) {
        let verified = verify::set(set, keys, moment, budget)?;
        return Ok(Delegation::Other(Cut::SameZone, verified.seconds));
    }
    let mut proofs = Proofs::of(message, keys, moment, budget);
    let below = proofs.below(name, budget)?;
    let seconds = proofs.seconds;
    Ok(match below {
        Below::Unsigned => Delegation::Other(Cut::Insecure(Reason::Unsigned), seconds),
        Below::OptOut => Delegation::Other(Cut::Insecure(Reason::OptOut), seconds),
        Below::Iterations => Delegation::Other(Cut::Insecure(Reason::Iterations), seconds),
        Below::SameZone => Delegation::Other(Cut::SameZone, seconds),
        Below::Nothing => Delegation::Other(Cut::Nothing, seconds),
    })
}
