//! What sets of rules say of a name, all together.

use std::net::IpAddr;

use super::engine::{Rule, Subject};
use super::hash::Labels;
use super::names::{Effect, Said, Scope, Short, Weight};
use super::parse::Role;
use super::pattern::Text;
use super::rewrite::{Answer, Rewrite, together};
use super::{Matched, Origin, Question, Rules, Verdict};
use crate::wire::kind;

/// A rule that is about the name.
#[derive(Clone, Copy)]
enum Hit<'r> {
    Short { said: Said, short: Short, start: u8, hash: u64, rank: Rank },
    Rule { rule: &'r Rule, rank: Rank },
}

/// What goes before what: lists of what is never blocked, `@@` with `$important`, `$important`, `@@`, the rest;
/// then rules over lines of hosts files; then more modifiers over fewer; then the longer name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: u8,
    is_rule: bool,
    modifiers: u8,
    labels: usize,
}

/// The class of what an allow-list says.
const OPEN: u8 = 5;

fn class(effect: Effect, weight: Weight) -> u8 {
    match (effect, weight) {
        (Effect::Allow, Weight::Important) => 4,
        (Effect::Block, Weight::Important) => 3,
        (Effect::Allow, Weight::Plain) => 2,
        (Effect::Block, Weight::Plain) => 1,
    }
}

/// Whether what is asked about is a name or an address in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Name,
    /// A record of an answer: only blocking and allowing count.
    Record,
    Address,
}

/// Calls `each` with every rule of all sets that is about the name.
fn visit<'r>(sets: &[&'r Rules], question: &Question, asked: Asked, mut each: impl FnMut(Hit<'r>)) {
    let name = question.name;
    let labels = Labels::of(name);
    let mut text = None;
    for (depth, start, hash) in labels.suffixes(name) {
        for rules in sets.iter().filter(|rules| rules.names.has_depth(depth)) {
            let mut has_more = false;
            for said in rules.names.said(hash).filter(|said| question.lists.contains(said.list())) {
                let Some(short) = said.short() else {
                    has_more = true;
                    continue;
                };
                if covers(short.scope, depth == labels.count()) {
                    let rank = rank_short(rules, said, short, depth);
                    each(Hit::Short { said, short, start, hash, rank });
                }
            }
            if has_more {
                let text = text.get_or_insert_with(|| Text::of(name));
                let named = rules.engine.named(hash);
                for rule in named.filter(|rule| holds(rule, question, text, asked)) {
                    let Subject::Named(scope, _) = rule.subject else { continue };
                    if covers(scope, depth == labels.count()) {
                        each(Hit::Rule { rule, rank: rank(rules, rule, depth) });
                    }
                }
            }
        }
    }
    for rules in sets.iter().filter(|rules| rules.engine.has_patterns()) {
        let text = &*text.get_or_insert_with(|| Text::of(name));
        rules.engine.like(text, |rule| {
            if holds(rule, question, text, asked) {
                each(Hit::Rule { rule, rank: rank(rules, rule, 0) });
            }
        });
    }
}

fn covers(scope: Scope, is_whole: bool) -> bool {
    match scope {
        Scope::Name | Scope::Hosts | Scope::Alone => is_whole,
        Scope::Below => true,
        Scope::Under => !is_whole,
    }
}

fn holds(rule: &Rule, question: &Question, text: &Text, asked: Asked) -> bool {
    let conditions = rule.modifiers.conditions.as_deref();
    question.lists.contains(rule.list)
        && conditions.is_none_or(|conditions| {
            conditions.hold(question.client, question.kind, text, asked == Asked::Address)
        })
}

fn rank_short(rules: &Rules, said: Said, short: Short, labels: usize) -> Rank {
    let is_open = rules.allow_lists.contains(said.list());
    Rank {
        class: if is_open { OPEN } else { class(short.effect, short.weight) },
        is_rule: !matches!(short.scope, Scope::Name | Scope::Hosts),
        modifiers: u8::from(short.weight == Weight::Important),
        labels,
    }
}

fn rank(rules: &Rules, rule: &Rule, labels: usize) -> Rank {
    let is_open = rules.allow_lists.contains(rule.list);
    Rank {
        class: if is_open { OPEN } else { class(rule.modifiers.effect, rule.modifiers.weight) },
        is_rule: rule.address.is_none(),
        modifiers: rule.modifiers.count(),
        labels,
    }
}

/// Whether `$badfilter` takes a rule away.
fn is_removed(hit: Hit<'_>, removers: &[(&Rule, Rank)]) -> bool {
    removers.iter().any(|(remover, remover_rank)| match hit {
        // What is said of lists that never block is not taken away by others, nor the other way round.
        Hit::Rule { rank, .. } | Hit::Short { rank, .. }
            if (rank.class == OPEN) != (remover_rank.class == OPEN) =>
        {
            false
        }
        Hit::Rule { rule, .. } => rule.is_removed_by(remover),
        Hit::Short { short, hash, .. } => {
            let modifiers = &remover.modifiers;
            remover.subject == Subject::Named(short.scope, hash)
                && (modifiers.effect, modifiers.weight) == (short.effect, short.weight)
                && modifiers.conditions.is_none()
                && modifiers.rewrite.is_none()
        }
    })
}

/// What is collected while the rules about a name are seen.
#[derive(Default)]
struct Seen<'r> {
    best: Option<(Rank, Hit<'r>)>,
    rewrites: Vec<&'r Rule>,
    /// Exceptions of `$dnsrewrite`.
    kept: Vec<&'r Rule>,
    /// Lines of hosts files with addresses.
    hosts: Vec<&'r Rule>,
}

impl<'r> Seen<'r> {
    fn take(&mut self, hit: Hit<'r>) {
        let rank = match hit {
            Hit::Short { rank, .. } => rank,
            Hit::Rule { rule, rank } => {
                if rule.modifiers.role == Role::Remover {
                    return;
                }
                if rule.modifiers.rewrite.is_some() {
                    // A list of what is never blocked has nothing to say of other answers.
                    match rule.modifiers.effect {
                        _ if rank.class == OPEN => {}
                        Effect::Block => self.rewrites.push(rule),
                        Effect::Allow => self.kept.push(rule),
                    }
                    return;
                }
                if rule.address.is_some() && rank.class != OPEN {
                    self.hosts.push(rule);
                }
                rank
            }
        };
        if self.best.is_none_or(|(best, _)| rank > best) {
            self.best = Some((rank, hit));
        }
    }

    /// The rules that rewrite and that no exception takes away.
    fn rewrites(&mut self) -> &[&'r Rule] {
        let kept = std::mem::take(&mut self.kept);
        self.rewrites.retain(|rule| {
            let is_kept_by = |exception: &&Rule| {
                let is_strong = exception.modifiers.weight >= rule.modifiers.weight;
                let is_meant = match &exception.modifiers.rewrite {
                    Some(None) => true,
                    meant => *meant == rule.modifiers.rewrite,
                };
                is_strong && is_meant
            };
            !kept.iter().any(is_kept_by)
        });
        &self.rewrites
    }
}

fn matched(hit: Hit<'_>) -> Matched {
    match hit {
        Hit::Short { said, short, start, .. } => {
            Matched { list: said.list(), origin: Origin::Name(short, start) }
        }
        Hit::Rule { rule, .. } => of_rule(rule),
    }
}

fn of_rule(rule: &Rule) -> Matched {
    Matched { list: rule.list, origin: Origin::Text(rule.text.clone()) }
}

/// What all sets say of a name.
pub(super) fn decide(sets: &[&Rules], question: &Question, asked: Asked) -> Verdict {
    let mut seen = Seen::default();
    if sets.iter().any(|rules| rules.has_removers) {
        let mut removers = Vec::new();
        visit(sets, question, asked, |hit| {
            if let Hit::Rule { rule, rank } = hit
                && rule.modifiers.role == Role::Remover
            {
                removers.push((rule, rank));
            }
        });
        visit(sets, question, asked, |hit| {
            if !is_removed(hit, &removers) {
                seen.take(hit);
            }
        });
    } else {
        visit(sets, question, asked, |hit| seen.take(hit));
    }
    if let Some((Rank { class: OPEN, .. }, hit)) = seen.best {
        return Verdict::Allowed(matched(hit));
    }
    if asked == Asked::Name && !seen.rewrites.is_empty() {
        let rewrites = seen.rewrites();
        if let Some(verdict) = rewritten(question, rewrites) {
            return verdict;
        }
    }
    let Some((rank, hit)) = seen.best else { return Verdict::Unlisted };
    match rank.class {
        2 | 4 => Verdict::Allowed(matched(hit)),
        _ if rank.is_rule || seen.hosts.is_empty() => Verdict::Blocked(matched(hit)),
        _ => hosts(question, asked, &seen.hosts, hit),
    }
}

fn rewritten(question: &Question, rewrites: &[&Rule]) -> Option<Verdict> {
    let answers = rewrites.iter().filter_map(|rule| match &rule.modifiers.rewrite {
        Some(Some(answer)) => Some((*rule, answer)),
        _ => None,
    });
    let found: Vec<(&Rule, &Answer)> = answers.collect();
    let (rewrite, at) = together(question.kind, found.iter().map(|(_, answer)| *answer));
    let (rule, _) = found.get(at)?;
    Some(match rewrite {
        // A name that is rewritten to itself is to be left alone.
        Rewrite::Alias(name) if *name == *question.name => Verdict::Allowed(of_rule(rule)),
        rewrite => Verdict::Rewritten(rewrite, of_rule(rule)),
    })
}

/// What lines of hosts files say where no other rule says anything: their addresses of the type that is asked.
fn hosts(question: &Question, asked: Asked, rules: &[&Rule], best: Hit<'_>) -> Verdict {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in rules.iter().filter_map(|rule| rule.address) {
        let is_asked = match address {
            IpAddr::V4(_) => question.kind == kind::A,
            IpAddr::V6(_) => question.kind == kind::AAAA,
        };
        if is_asked && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() || asked != Asked::Name {
        return Verdict::Blocked(matched(best));
    }
    let first = rules.iter().find(|rule| rule.address.is_some_and(|address| addresses.contains(&address)));
    Verdict::BlockedWith(addresses, first.map_or_else(|| matched(best), |rule| of_rule(rule)))
}
