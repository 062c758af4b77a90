//! Where questions are written down: rows of a thread, on their way to the log.

use std::rc::Rc;
use std::sync::Arc;

use runtime::Millis;
use tokio::sync::Notify;

use crate::answer::{Account, Reason, Transport};
use crate::client::Client;
use crate::log::{self, Batch, Code, Logger, RuleForm, Taken};
use crate::plan::Plan;
use crate::wire::{Security, asked};

/// What there is to say of a question.
pub(crate) struct Row<'r> {
    pub(crate) at: Millis,
    pub(crate) message: &'r [u8],
    pub(crate) client: &'r Client,
    pub(crate) over: Transport,
    pub(crate) account: &'r Account,
    pub(crate) micros: u32,
    pub(crate) upstream: Option<&'r Arc<str>>,
    pub(crate) security: Option<Security>,
}

/// What lists and policies are called in rows: the same texts for all of them.
#[derive(Debug, Default)]
pub(crate) struct Words {
    sources: Vec<Arc<str>>,
    policies: Vec<Arc<str>>,
}

impl Words {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            sources: plan.sources.iter().map(|source| source.name.as_str().into()).collect(),
            policies: plan.policies.iter().map(|policy| policy.name.as_str().into()).collect(),
        }
    }
}

/// The rows of one thread that the log does not have yet.
pub(crate) struct Rows {
    logger: Arc<Logger>,
    batch: Batch,
    some: Rc<Notify>,
}

impl Rows {
    pub(crate) fn new(logger: Arc<Logger>) -> Self {
        Self { logger, batch: Batch::default(), some: Rc::default() }
    }

    /// Told when there is something.
    pub(crate) fn some(&self) -> Rc<Notify> {
        Rc::clone(&self.some)
    }

    /// Takes a question; `is_logged` says whether it is more than counted.
    pub(crate) fn add(&mut self, row: &Row<'_>, words: &Words, is_logged: bool) {
        if self.batch.is_empty() {
            self.some.notify_one();
        }
        let outcome = row.account.outcome.into();
        let taken = match asked(row.message).filter(|_| is_logged) {
            Some((name, kind)) => {
                let (rule, list) = rule(&row.account.reason, words);
                self.batch.push(&log::Row {
                    at: row.at,
                    client: row.client.address,
                    who: row.client.who.as_ref(),
                    name: name.wire(),
                    kind,
                    outcome,
                    code: Code(row.account.code),
                    security: security(row.security),
                    transport: transport(row.over),
                    micros: row.micros,
                    rule,
                    list,
                    policy: words.policies.get(row.client.policy).filter(|name| !name.is_empty()),
                    upstream: row.upstream,
                })
            }
            None => self.batch.count(row.at, outcome, row.micros),
        };
        if taken == Taken::Full {
            self.hand_over();
        }
    }

    /// Gives the log what there is.
    pub(crate) fn hand_over(&mut self) {
        self.batch = self.logger.add(std::mem::take(&mut self.batch));
    }
}

fn rule<'r>(reason: &'r Reason, words: &'r Words) -> (log::Rule<'r>, Option<&'r Arc<str>>) {
    match reason {
        Reason::None => (log::Rule::None, None),
        Reason::Text(text) => (log::Rule::Text(text), None),
        Reason::Rule(matched) => {
            let list = words.sources.get(usize::from(matched.list.0));
            let rule = match (matched.short(), matched.kept_text()) {
                (Some((short, suffix_at)), _) => log::Rule::OfName { suffix_at, form: RuleForm::of(short) },
                (None, Some(text)) => log::Rule::Text(text),
                (None, None) => log::Rule::None,
            };
            (rule, list)
        }
    }
}

fn security(security: Option<Security>) -> log::Security {
    match security {
        None | Some(Security::Unchecked) => log::Security::Unchecked,
        Some(Security::Secure) => log::Security::Secure,
        Some(Security::Insecure) => log::Security::Insecure,
        Some(Security::Bogus) => log::Security::Bogus,
    }
}

fn transport(over: Transport) -> log::Transport {
    match over {
        Transport::Udp => log::Transport::Udp,
        Transport::Tcp => log::Transport::Tcp,
        Transport::Tls => log::Transport::Tls,
        Transport::Https => log::Transport::Https,
    }
}
