//! Asking the world outside: the upstreams, whether what they say is right, and keeping it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::Clock;

use super::shared::{Serving, Shared};
use crate::answer::Ask;
use crate::cache::Key;
use crate::dnssec::{self, Judgement};
use crate::plan::Plan;
use crate::upstream::run::{Asker, Config, Upstreams};
use crate::upstream::{self, Nobody, UpstreamsView, Want, Why};
use crate::wire::expand::{Record, expand};
use crate::wire::{Answered, Explanation, Heard as Read, Lives, Name, Security, kind};

/// How upstreams are asked, by all threads.
#[derive(Debug)]
pub(crate) struct Outside {
    upstreams: Upstreams,
    roots: Arc<rustls::RootCertStore>,
    clock: Clock,
}

/// The same for one thread, which has its own sockets.
#[derive(Debug)]
pub(crate) struct OfThread {
    asker: Asker,
}

/// What was heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) answered: Answered,
    /// Who said it.
    pub(crate) by: Arc<str>,
    /// What is wrong with it, if it is forged.
    pub(crate) why: Option<Arc<str>>,
}

/// That nobody has an answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) why: Explanation,
    pub(crate) words: Arc<str>,
}

impl Failure {
    fn new(why: Explanation, words: impl Into<Arc<str>>) -> Self {
        Self { why, words: words.into() }
    }

    /// That nobody answered in the time that a client waits.
    pub(crate) fn late() -> Self {
        Self::new(Explanation::UNREACHABLE, "no upstream answered in time")
    }
}

impl From<Nobody> for Failure {
    fn from(nobody: Nobody) -> Self {
        let why = match nobody.why {
            Why::Network | Why::Tls | Why::Code(_) => Explanation::NETWORK,
            Why::Silent | Why::Useless | Why::Busy | Why::Unnamed => Explanation::UNREACHABLE,
        };
        Self { why, words: nobody.words }
    }
}

impl Outside {
    /// Asks nobody yet.
    pub(crate) fn new(clock: Clock) -> Result<Self, rustls::Error> {
        let roots = Arc::new(upstream::run::system_roots());
        let upstreams =
            Upstreams::new(Config { groups: Vec::new(), roots: Arc::clone(&roots), clock: clock.clone() })?;
        Ok(Self { upstreams, roots, clock })
    }

    /// Asks as a plan says from now on.
    pub(crate) fn follow(&self, plan: &Plan) -> Result<(), String> {
        let groups: Result<Vec<upstream::Group>, String> =
            plan.groups.iter().map(|group| group.asks.clone()).collect();
        let config = Config { groups: groups?, roots: Arc::clone(&self.roots), clock: self.clock.clone() };
        self.upstreams.change(config).map_err(|error| error.to_string())
    }

    pub(crate) fn of_this_thread(&self) -> OfThread {
        OfThread { asker: self.upstreams.on_this_thread() }
    }

    /// The upstreams, for who has a thread of its own.
    pub(crate) fn upstreams(&self) -> Upstreams {
        self.upstreams.clone()
    }

    /// How servers that lists come from are trusted.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        crate::lists::run::trust::client_with(Arc::clone(&self.roots), &self.clock)
    }

    pub(crate) fn view(&self) -> UpstreamsView {
        self.upstreams.view()
    }
}

impl OfThread {
    /// Asks, judges what is said, and keeps it.
    pub(crate) async fn ask(
        &self,
        shared: &Shared,
        serving: &Serving,
        ask: &Ask,
        key: &Key,
    ) -> Result<Heard, Failure> {
        let (plan, query, name) = (&serving.plan, &ask.query, ask.name().wire());
        // What servers inside say of the domains that the lab file names them for is nowhere signed.
        let is_inner =
            plan.groups.get(ask.group).is_some_and(|group| group.is_inner_for(ask.name(), query.kind));
        let checks = plan.validates && !query.checking_disabled && !is_inner;
        let want = Want {
            dnssec_ok: checks || query.wants_signatures(),
            checking_disabled: checks || query.checking_disabled,
        };
        let said = self.asker.ask(ask.group, name, query.kind, query.class, want).await?;
        let judged = match checks {
            true => self.judge(shared, serving, ask, &said.message).await?,
            false => Judged { security: Security::Unchecked, longest: u32::MAX, bogus: None },
        };
        if let Some((why, words)) = judged.bogus {
            let answered = Answered::bogus(BOGUS_LIFE, why);
            shared.cache.put(key, &answered, shared.now());
            return Ok(Heard { answered, by: Arc::clone(&said.by), why: Some(words) });
        }
        let stripped = match checks && !query.wants_signatures() {
            true => dnssec::strip(&said.message, query.kind),
            false => Ok(Cow::Borrowed(said.message.as_slice())),
        };
        let longest = plan.cache.longest.min(judged.longest);
        let lives = Lives { shortest: plan.cache.shortest.min(longest), longest, age: said.age };
        let read = stripped.map_or(Read::Nothing, |message| Answered::read(&message, query.kind, lives));
        let Read::Answer(answered) = read else {
            let words = format!("what {} says can not be read", said.by);
            return Err(Failure::new(Explanation::UNREACHABLE, words));
        };
        let answered = answered.with_security(judged.security);
        shared.cache.put(key, &answered, shared.now());
        Ok(Heard { answered, by: Arc::clone(&said.by), why: None })
    }

    /// Whether an answer is what the owner of the name has signed.
    async fn judge(
        &self,
        shared: &Shared,
        serving: &Serving,
        ask: &Ask,
        message: &[u8],
    ) -> Result<Judged, Failure> {
        let unjudged = || Failure::new(Explanation::UNREACHABLE, "nobody can say whether it is right");
        let validator = serving.validators.get(ask.group).ok_or_else(unjudged)?;
        let clock = if shared.clock.is_set() { dnssec::Clock::Trusted } else { dnssec::Clock::Unknown };
        let question = (ask.name().wire(), ask.query.kind);
        let want = Want { dnssec_ok: true, checking_disabled: true };
        let asks = |name: Box<[u8]>, of: u16| async move {
            let said = self.asker.ask(ask.group, &name, of, 1, want).await.ok()?;
            Some(Message(said))
        };
        let now = shared.clock.now() / 1000;
        let judging = validator.validate(asks, question, message, now, clock);
        let patience =
            serving.plan.groups.get(ask.group).map_or(JUDGE_WAIT, |group| group.timeout.max(JUDGE_WAIT));
        let Ok(judgement) = tokio::time::timeout(patience, judging).await else {
            return Err(Failure::new(Explanation::UNREACHABLE, "the keys of its zones did not come in time"));
        };
        let fine = |security, longest| Judged { security, longest, bogus: None };
        Ok(match judgement {
            Judgement::Secure { seconds } => fine(Security::Secure, seconds),
            Judgement::Insecure(_) => fine(Security::Insecure, u32::MAX),
            Judgement::Untimed => fine(Security::Unchecked, UNTIMED_LIFE),
            Judgement::Unsignable => fine(Security::Unchecked, u32::MAX),
            Judgement::Bogus(why) => Judged {
                security: Security::Bogus,
                longest: 0,
                bogus: Some((Explanation(why.code().unwrap_or(6)), why.words().into())),
            },
            Judgement::Indeterminate(why) => {
                return Err(Failure::new(Explanation(why.code().unwrap_or(22)), why.words()));
            }
        })
    }
}

/// How long it is remembered that an answer is forged, and how long one is kept whose dates could not be looked at, in
/// seconds (RFC 9520 section 3.2).
const BOGUS_LIFE: u32 = 30;
const UNTIMED_LIFE: u32 = 60;
/// How long judging an answer may take.
const JUDGE_WAIT: Duration = Duration::from_secs(8);

/// What an answer comes to.
struct Judged {
    security: Security,
    /// How long it may be kept, in seconds.
    longest: u32,
    /// What is wrong with it, as a number and in words.
    bogus: Option<(Explanation, Arc<str>)>,
}

/// The message of an answer.
struct Message(Arc<upstream::run::Said>);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0.message
    }
}

/// The addresses of a name, as everybody's upstreams say them, or why they are not known.
pub(crate) async fn addresses(upstreams: &Upstreams, name: &str) -> Result<Vec<IpAddr>, String> {
    let name = Name::parse(name).ok_or_else(|| format!("`{name}` is no name"))?;
    let asker = upstreams.on_this_thread();
    let (mut found, mut why) = (Vec::new(), String::new());
    for of in [kind::AAAA, kind::A] {
        match asker.ask(0, name.wire(), of, 1, Want::default()).await {
            Ok(said) => {
                let records = expand(&said.message).unwrap_or_default();
                found.extend(records.iter().filter(|record| record.section == 0).filter_map(Record::address));
            }
            Err(nobody) => why = nobody.words.to_string(),
        }
    }
    match found.is_empty() {
        true if why.is_empty() => Err(format!("{} has no address", name.text())),
        true => Err(why),
        false => Ok(found),
    }
}
