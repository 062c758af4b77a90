//! One reply: which of its sets answer the question, in which zones they lie, whether those have signed them, and
//! whether what is not there is proved not to be.
//!
//! A machine that says what it has to know next and is told, so nothing here waits.

use super::chain::{Question, Standing, Step as Walked, Walk};
use super::deny::{Proof, Proofs};
use super::verify::{self, Budget, Keys};
use super::wire::{self, Message, Section, Set, kind};
use super::{Clock, Judgement, Moment, Reason, Validator, Why, name};

/// The longest chain of aliases in a reply.
const MAX_CHAIN: usize = 16;
/// The most questions that are asked for one reply. A name of 34 labels, as those of IPv6 addresses are, takes at
/// most that many, and one for each zone.
const MAX_ASKED: u8 = 48;

/// What is needed next, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Ask(Question),
    Done(Judgement),
}

/// A reply being judged.
#[derive(Debug)]
pub(super) struct Case<'v> {
    validator: &'v Validator,
    asked: (Box<[u8]>, u16),
    message: Message,
    claims: Claims,
    moment: Moment,
    budget: Budget,
    questions: u8,
    walk: Option<(Box<[u8]>, Walk)>,
    /// The zones of names.
    known: Vec<(Box<[u8]>, Standing)>,
    /// What is certain without looking at a signature.
    settled: Option<Judgement>,
}

/// What a reply says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    /// That these sets are there, by their place in the message.
    present: Vec<usize>,
    /// That this name has no records of the type that was asked for, or is not there.
    absent: Option<Box<[u8]>>,
    /// Whether the answer has other records.
    has_stray: bool,
}

impl Claims {
    /// What a reply says to a question; none if the chain of aliases is too long.
    fn of(message: &Message, asked: &[u8], kind: u16) -> Option<Self> {
        let mut claims = Self { present: Vec::new(), absent: None, has_stray: message.has_stray };
        let answers = || message.sets.iter().enumerate().filter(|(_, set)| set.section == Section::Answer);
        let find = |name: &[u8], kind: u16| {
            answers().find(|(_, set)| set.kind == kind && *set.name == *name).map(|(at, _)| at)
        };
        if kind == kind::ANY {
            claims.present = answers().filter(|(_, set)| *set.name == *asked).map(|(at, _)| at).collect();
            claims.absent = claims.present.is_empty().then(|| asked.into());
            claims.has_stray |= claims.present.len() < answers().count();
            return Some(claims);
        }
        let mut current: Box<[u8]> = asked.into();
        let mut made = 0;
        for _ in 0..MAX_CHAIN {
            if let Some(at) = find(&current, kind) {
                claims.present.push(at);
                // A name that is not there, and yet has records: both can not be, and one will not be proved.
                claims.absent = (message.code == 3).then_some(current);
                claims.has_stray |= claims.present.len() + made < answers().count();
                return Some(claims);
            }
            let alias = find(&current, kind::CNAME);
            let target = |at: usize| message.sets.get(at)?.data.first().cloned();
            let tree =
                answers().find(|(_, set)| set.kind == kind::DNAME && name::is_under(&current, &set.name));
            let replaced = tree.and_then(|(at, set)| Some((at, replace(&current, &set.name, &target(at)?)?)));
            let next = match (alias, replaced) {
                // The alias was made from that of the whole tree (RFC 6672 section 5.3.1), and is not signed.
                (Some(alias), Some((at, next))) if target(alias).as_deref() == Some(&*next) => {
                    made += 1;
                    (at, next)
                }
                (None, Some(replaced)) => replaced,
                (Some(alias), _) => (alias, target(alias)?),
                (None, None) => {
                    claims.absent = Some(current);
                    claims.has_stray |= claims.present.len() + made < answers().count();
                    return Some(claims);
                }
            };
            if !claims.present.contains(&next.0) {
                claims.present.push(next.0);
            }
            current = next.1;
        }
        None
    }
}

/// A name with its end replaced, as an alias of a whole tree does (RFC 6672 section 2.2).
fn replace(name: &[u8], old: &[u8], new: &[u8]) -> Option<Box<[u8]>> {
    let front = name.get(..name.len().checked_sub(old.len())?)?;
    let replaced = [front, new].concat();
    wire::is_name(&replaced).then(|| replaced.into())
}

/// The zone nearest to a name that has signed one of the sets about it. DS records are the zone's above.
fn signer<'m>(sets: impl Iterator<Item = &'m Set>, owner: &[u8], kind: u16) -> Option<&'m [u8]> {
    let may = |signer: &[u8]| match kind {
        kind::DS => name::is_under(owner, signer),
        _ => name::is_in(owner, signer),
    };
    let signers = sets.flat_map(|set| &set.signatures).map(|signature| &*signature.signer);
    signers.filter(|signer| may(signer)).max_by_key(|signer| signer.len())
}

impl<'v> Case<'v> {
    /// A reply to a question, at a moment.
    pub(super) fn of(validator: &'v Validator, asked: (&[u8], u16), reply: &[u8], moment: Moment) -> Self {
        let why = |reason| Why::new(reason, asked.0, asked.1);
        let mut claims = Claims::default();
        let (message, settled) = match Message::read(reply) {
            None => (Message::default(), Some(Judgement::Indeterminate(why(Reason::Unreadable)))),
            Some(message) if !matches!(message.code, 0 | 3) || !wire::is_name(asked.0) => {
                (message, Some(Judgement::Indeterminate(why(Reason::NoAnswer))))
            }
            Some(message) if matches!(asked.1, kind::RRSIG | kind::SIG) => {
                (message, Some(Judgement::Unsignable))
            }
            Some(message) => match Claims::of(&message, asked.0, asked.1) {
                Some(found) => {
                    claims = found;
                    (message, None)
                }
                None => (message, Some(Judgement::Bogus(why(Reason::TooMuch)))),
            },
        };
        Self {
            validator,
            asked: (asked.0.into(), asked.1),
            message,
            claims,
            moment,
            budget: Budget::default(),
            questions: 0,
            walk: None,
            known: Vec::new(),
            settled,
        }
    }

    /// What is needed next.
    pub(super) fn step(&mut self) -> Step {
        if let Some(settled) = &self.settled {
            return Step::Done(settled.clone());
        }
        loop {
            if let Some((target, walk)) = &mut self.walk {
                match walk.step(self.validator, &mut self.moment) {
                    Walked::Ask((name, kind)) if self.questions >= MAX_ASKED => {
                        return Step::Done(Judgement::Indeterminate(Why::new(Reason::TooMuch, &name, kind)));
                    }
                    Walked::Ask(question) => return Step::Ask(question),
                    Walked::Found(standing) => {
                        self.known.push((std::mem::take(target), standing));
                        self.walk = None;
                    }
                }
            }
            match self.missing() {
                Some(target) => {
                    let walk = Walk::to(self.validator, &target);
                    self.walk = Some((target, walk));
                }
                None => return Step::Done(self.judge()),
            }
        }
    }

    /// Takes the reply to what was asked last; none if nobody answered.
    pub(super) fn heard(&mut self, reply: Option<&[u8]>) {
        self.questions = self.questions.saturating_add(1);
        if let Some((_, walk)) = &mut self.walk {
            walk.heard(reply, self.validator, &mut self.moment, &mut self.budget);
        }
    }

    /// A name whose zone has to be known first.
    fn missing(&self) -> Option<Box<[u8]>> {
        let present = self.present().map(|set| self.zone_of_set(set));
        let absent = self.claims.absent.iter().map(|absent| self.zone_of_absent(absent));
        present.chain(absent).find_map(Result::err)
    }

    fn present(&self) -> impl Iterator<Item = &Set> {
        self.claims.present.iter().filter_map(|at| self.message.sets.get(*at))
    }

    fn zone_of_set(&self, set: &Set) -> Result<Standing, Box<[u8]>> {
        self.zone(&set.name, set.kind, signer(std::iter::once(set), &set.name, set.kind))
    }

    fn zone_of_absent(&self, absent: &[u8]) -> Result<Standing, Box<[u8]>> {
        let sets = self.message.section(Section::Authority);
        let sets = sets.filter(|set| matches!(set.kind, kind::SOA | kind::NSEC | kind::NSEC3));
        self.zone(absent, self.asked.1, signer(sets, absent, self.asked.1))
    }

    /// The zone that records of a name lie in, if it is known; else a name whose zone has to be found. Who has
    /// signed says where to look first, which saves a question at each label below, but not what is true.
    fn zone(&self, owner: &[u8], kind: u16, signer: Option<&[u8]>) -> Result<Standing, Box<[u8]>> {
        if self.validator.anchor(owner).is_none() {
            return Ok(Standing::Insecure(Why::new(Reason::NotValidated, owner, kind)));
        }
        if let Some(signer) = signer.filter(|signer| self.validator.anchor(signer).is_some()) {
            match self.known(signer)? {
                Standing::Secure(keys) if *keys.zone != *signer => {}
                standing => return Ok(standing),
            }
        }
        match (kind, name::parent(owner)) {
            (kind::DS, Some(parent)) => self.known(parent),
            _ => self.known(owner),
        }
    }

    fn known(&self, name: &[u8]) -> Result<Standing, Box<[u8]>> {
        let known = self.known.iter().find(|(known, _)| **known == *name);
        known.map(|(_, standing)| standing.clone()).ok_or_else(|| name.into())
    }

    /// The end, when all zones are known.
    fn judge(&mut self) -> Judgement {
        let mut so_far = SoFar { seconds: u32::MAX, insecure: None };
        let judged = self.judge_present(&mut so_far).and_then(|()| self.judge_absent(&mut so_far));
        match (judged, so_far.insecure) {
            (Err(judgement), _) => judgement,
            (Ok(()), Some(why)) => Judgement::Insecure(why),
            (Ok(()), None) if self.claims.has_stray => {
                Judgement::Insecure(Why::new(Reason::Stray, &self.asked.0, self.asked.1))
            }
            (Ok(()), None) if self.moment.clock == Clock::Unknown => Judgement::Untimed,
            (Ok(()), None) => Judgement::Secure { seconds: so_far.seconds },
        }
    }

    fn judge_present(&mut self, so_far: &mut SoFar) -> Result<(), Judgement> {
        let standings: Vec<_> = self.present().map(|set| self.zone_of_set(set)).collect();
        let Self { claims, message, moment, budget, .. } = self;
        for (standing, at) in standings.into_iter().zip(&claims.present) {
            let (Ok(standing), Some(set)) = (standing, message.sets.get(*at)) else { continue };
            let Some(keys) = so_far.secure(standing)? else { continue };
            let wrong = |reason| fault(reason, message, &set.name, set.kind);
            let verified = verify::set(set, &keys, *moment, budget).map_err(wrong)?;
            so_far.seconds = so_far.seconds.min(verified.seconds);
            if let Some(labels) = verified.expanded {
                let mut proofs = Proofs::of(message, &keys, *moment, budget);
                let proof = proofs.no_closer(&set.name, labels, budget).map_err(wrong)?;
                so_far.seconds = so_far.seconds.min(proofs.seconds);
                so_far.proved(proof, &set.name, set.kind);
            }
        }
        Ok(())
    }

    fn judge_absent(&mut self, so_far: &mut SoFar) -> Result<(), Judgement> {
        let Some(absent) = self.claims.absent.clone() else { return Ok(()) };
        let Ok(standing) = self.zone_of_absent(&absent) else { return Ok(()) };
        let Self { message, moment, budget, asked: (_, kind), .. } = self;
        let Some(keys) = so_far.secure(standing)? else { return Ok(()) };
        let wrong = |reason| fault(reason, message, &absent, *kind);
        if let Some(soa) = message.find(Section::Authority, &keys.zone, kind::SOA) {
            let verified = verify::set(soa, &keys, *moment, budget);
            let verified = verified.map_err(|reason| fault(reason, message, &soa.name, soa.kind))?;
            so_far.seconds = so_far.seconds.min(verified.seconds);
        }
        let mut proofs = Proofs::of(message, &keys, *moment, budget);
        let proof = match message.code {
            3 => proofs.no_name(&absent, budget),
            _ => proofs.no_data(&absent, *kind, budget),
        };
        so_far.proved(proof.map_err(wrong)?, &absent, *kind);
        so_far.seconds = so_far.seconds.min(proofs.seconds);
        Ok(())
    }
}

/// What the parts of a reply that were looked at come to.
struct SoFar {
    seconds: u32,
    insecure: Option<Why>,
}

impl SoFar {
    /// The keys that have to have signed, if there are any.
    fn secure(&mut self, standing: Standing) -> Result<Option<std::sync::Arc<Keys>>, Judgement> {
        match standing {
            Standing::Secure(keys) => Ok(Some(keys)),
            Standing::Insecure(why) => {
                self.insecure.get_or_insert(why);
                Ok(None)
            }
            Standing::Bogus(why) => Err(Judgement::Bogus(why)),
            Standing::Unknown(why) => Err(Judgement::Indeterminate(why)),
        }
    }

    fn proved(&mut self, proof: Proof, name: &[u8], kind: u16) {
        let reason = match proof {
            Proof::Whole => return,
            Proof::OptOut => Reason::OptOut,
            Proof::Iterations => Reason::Iterations,
        };
        self.insecure.get_or_insert_with(|| Why::new(reason, name, kind));
    }
}

/// What comes of a set or a proof that is not right.
fn fault(reason: Reason, message: &Message, name: &[u8], kind: u16) -> Judgement {
    match reason {
        Reason::TooMuch => Judgement::Indeterminate(Why::new(reason, name, kind)),
        Reason::SignatureMissing | Reason::DenialMissing if !message.is_signed => {
            Judgement::Bogus(Why::new(Reason::Stripped, name, kind))
        }
        _ => Judgement::Bogus(Why::new(reason, name, kind)),
    }
}
