//! Where questions are written down: rows of a thread, on their way to the log.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use runtime::Millis;
use tokio::sync::Notify;

use crate::answer::{Account, Reason, Transport};
use crate::client::Client;
use crate::log::{self, Batch, Code, Logger, RuleForm, Taken};
use crate::plan::Plan;
use crate::wire::{Query, Security, asked};

/// What there is to say of a question.
#[derive(Clone, Copy)]
pub(crate) struct Row<'r> {
    pub(crate) message: &'r [u8],
    /// What is asked, if that was read already.
    pub(crate) query: Option<&'r Query>,
    pub(crate) client: &'r Client,
    pub(crate) over: Transport,
    pub(crate) account: &'r Account,
    pub(crate) began: Instant,
    pub(crate) upstream: Option<&'r Arc<str>>,
    pub(crate) security: Security,
}

impl<'r> Row<'r> {
    /// What there is to say of every question.
    pub(crate) fn of(
        message: &'r [u8],
        client: &'r Client,
        over: Transport,
        account: &'r Account,
        began: Instant,
    ) -> Self {
        let security = Security::Unchecked;
        Self { message, query: None, client, over, account, began, upstream: None, security }
    }
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

    /// Takes a question that was answered now, after so many microseconds; `is_logged` says whether it is more than
    /// counted.
    pub(crate) fn add(&mut self, row: &Row<'_>, (at, micros): (Millis, u32), words: &Words, is_logged: bool) {
        if self.batch.is_empty() {
            self.some.notify_one();
        }
        let outcome = row.account.outcome.into();
        let read = if is_logged && row.query.is_none() { asked(row.message) } else { None };
        let question = match row.query.filter(|_| is_logged) {
            Some(query) => Some((&query.name, query.kind)),
            None => read.as_ref().map(|(name, kind)| (name, *kind)),
        };
        let taken = match question {
            Some((name, kind)) => {
                let (rule, list) = rule(&row.account.reason, words);
                self.batch.push(&log::Row {
                    at,
                    client: row.client.address,
                    who: row.client.who.as_ref(),
                    name: name.wire(),
                    kind,
                    outcome,
                    code: Code(row.account.code),
                    security: row.security,
                    transport: row.over,
                    micros,
                    rule,
                    list,
                    policy: words.policies.get(row.client.policy).filter(|name| !name.is_empty()),
                    upstream: row.upstream,
                })
            }
            None => self.batch.count(at, outcome, micros),
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

impl Drop for Rows {
    /// What a thread that ends has not handed over yet.
    fn drop(&mut self) {
        self.hand_over();
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
