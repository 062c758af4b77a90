//! Safe search: names of search engines that are answered with the engine's own filtered face.
//!
//! Every engine documents a name (or an address) that leaves adult results out and can not be told to let them in.
//! A policy that has `safe-search` answers the engine's usual names with it. Which names, and with what, is what
//! the engines say: Google's and YouTube's help for administrators, Microsoft's help for Bing, and the help pages of
//! DuckDuckGo, Ecosia, Pixabay and Yandex. Names that only lead on to one of those are left alone, because other
//! records hang on them.
//!
//! ```
//! use dns::safe_search::{Engines, Says, Target, rewrite};
//! let engines: Engines = Engines::default().with("google").unwrap();
//! let target = rewrite(engines, b"\x03www\x06google\x02de\0").unwrap();
//! assert_eq!(target, Target::Alias("forcesafesearch.google.com"));
//! assert_eq!(target.says(1), Says::Itself);
//! assert_eq!(target.says(65), Says::NoData);
//! assert_eq!(rewrite(engines, b"\x03www\x04bing\x03com\0"), None);
//! ```

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use crate::wire::{Name, kind};

/// A search engine whose results can be filtered by the answer to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Google's search, in every country.
    Google,
    /// Microsoft's Bing.
    Bing,
    /// DuckDuckGo.
    DuckDuckGo,
    /// Ecosia.
    Ecosia,
    /// The pictures of Pixabay.
    Pixabay,
    /// Yandex.
    Yandex,
    /// YouTube, restricted as far as it goes.
    YouTube,
    /// YouTube, restricted less: the larger choice of videos.
    YouTubeModerate,
}

impl Engine {
    /// Every engine, in the order in which they are listed to people.
    pub const ALL: [Self; 8] = [
        Self::Google,
        Self::Bing,
        Self::DuckDuckGo,
        Self::Ecosia,
        Self::Pixabay,
        Self::Yandex,
        Self::YouTube,
        Self::YouTubeModerate,
    ];

    /// Its word in the lab file.
    pub fn id(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Bing => "bing",
            Self::DuckDuckGo => "duckduckgo",
            Self::Ecosia => "ecosia",
            Self::Pixabay => "pixabay",
            Self::Yandex => "yandex",
            Self::YouTube => "youtube",
            Self::YouTubeModerate => "youtube-moderate",
        }
    }

    /// The engine of a word in the lab file; none if there is none of that word.
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.id() == id)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Google => 1,
            Self::Bing => 2,
            Self::DuckDuckGo => 4,
            Self::Ecosia => 8,
            Self::Pixabay => 16,
            Self::Yandex => 32,
            Self::YouTube => 64,
            Self::YouTubeModerate => 128,
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Google => Target::Alias("forcesafesearch.google.com"),
            Self::Bing => Target::Alias("strict.bing.com"),
            Self::DuckDuckGo => Target::Alias("safe.duckduckgo.com"),
            Self::Ecosia => Target::Alias("strict-safe-search.ecosia.org"),
            Self::Pixabay => Target::Alias("safesearch.pixabay.com"),
            Self::Yandex => Target::Address(YANDEX),
            Self::YouTube => Target::Alias("restrict.youtube.com"),
            Self::YouTubeModerate => Target::Alias("restrictmoderate.youtube.com"),
        }
    }
}

/// Yandex's family search, which has no address of IPv6.
const YANDEX: Ipv4Addr = Ipv4Addr::new(213, 180, 193, 56);

/// A set of engines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engines(u8);

impl Engines {
    /// All of them, YouTube as strictly as it goes: `["all"]` in the lab file.
    pub fn all() -> Self {
        let strict = Engine::ALL.into_iter().filter(|engine| *engine != Engine::YouTubeModerate);
        Self(strict.fold(0, |bits, engine| bits | engine.bit()))
    }

    /// This set and the engine of a word of the lab file, or with `all` every one; none if there is no such word.
    pub fn with(self, id: &str) -> Option<Self> {
        if id == "all" {
            return Some(Self(self.0 | Self::all().0));
        }
        Engine::find(id).map(|engine| Self(self.0 | engine.bit()))
    }

    /// Whether an engine is in it.
    pub fn has(self, engine: Engine) -> bool {
        self.0 & engine.bit() != 0
    }

    /// The engines in it, in the words of the lab file.
    pub fn words(self) -> String {
        let words: Vec<&str> =
            Engine::ALL.into_iter().filter(|engine| self.has(*engine)).map(Engine::id).collect();
        words.join(" ")
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a name is answered with instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An alias (CNAME) to this name, whose addresses are asked for as for any other name.
    Alias(&'static str),
    /// This address.
    Address(Ipv4Addr),
}

/// What is said to a question of a certain type about a name that has a [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The target.
    Itself,
    /// That there is no record of this type: what an HTTPS record says would lead past the target.
    NoData,
    /// What anybody else is told: mail and the like have nothing to do with it.
    Truth,
}

impl Target {
    /// What is said to a question of the type of this number (RFC 1035 section 3.2.2, RFC 9460).
    pub fn says(self, kind: u16) -> Says {
        match (self, kind) {
            (Self::Alias(_), kind::A | kind::AAAA) | (Self::Address(_), kind::A) => Says::Itself,
            (Self::Address(_), kind::AAAA) | (_, SVCB | HTTPS) => Says::NoData,
            _ => Says::Truth,
        }
    }
}

/// Types of records that say where a service is (RFC 9460 section 14.1).
const SVCB: u16 = 64;
const HTTPS: u16 = 65;

/// What a name is answered with for clients that these engines are made safe for; none if it is as it is.
///
/// The name is in its wire form, in lower case, with the empty label at its end. Names are looked up as a whole:
/// what is under them is not touched.
pub fn rewrite(engines: Engines, name: &[u8]) -> Option<Target> {
    if engines.is_empty() || !LENGTHS.contains(&name.len()) {
        return None;
    }
    let engine = *NAMES.get(name)?;
    if engine == Engine::YouTube {
        // The stricter of the two, should both be there.
        let both = [Engine::YouTube, Engine::YouTubeModerate];
        return both.into_iter().find(|engine| engines.has(*engine)).map(Engine::target);
    }
    engines.has(engine).then(|| engine.target())
}

/// The lengths that the names of engines have, in bytes of their wire form: `ya.ru` to `youtubei.googleapis.com`
/// and the like. A test holds it against them.
const LENGTHS: std::ops::RangeInclusive<usize> = 7..=26;

static NAMES: LazyLock<HashMap<Box<[u8]>, Engine>> = LazyLock::new(|| {
    let google = GOOGLE.split_whitespace().map(|country| (format!("www.google.{country}"), Engine::Google));
    let yandex = YANDEX_NAMES.split_whitespace();
    let yandex = yandex.flat_map(|name| [name.to_owned(), format!("www.{name}")]);
    let yandex = yandex.map(|name| (name, Engine::Yandex));
    let others = OTHERS
        .iter()
        .flat_map(|(engine, names)| names.split_whitespace().map(|name| (name.to_owned(), *engine)));
    let named = google.chain(yandex).chain(others);
    named.filter_map(|(name, engine)| Some((Name::parse(&name)?.wire().into(), engine))).collect()
});

/// Names of engines with few of them.
const OTHERS: [(Engine, &str); 5] = [
    (Engine::Bing, "www.bing.com edgeservices.bing.com"),
    // The others under it are other faces of the same results.
    (
        Engine::DuckDuckGo,
        "duckduckgo.com www.duckduckgo.com start.duckduckgo.com noai.duckduckgo.com html.duckduckgo.com \
         lite.duckduckgo.com",
    ),
    (Engine::Ecosia, "www.ecosia.org"),
    (Engine::Pixabay, "pixabay.com"),
    (
        Engine::YouTube,
        "www.youtube.com m.youtube.com youtubei.googleapis.com youtube.googleapis.com www.youtube-nocookie.com",
    ),
];

/// The domains of Yandex's search, each also behind `www.`.
const YANDEX_NAMES: &str = "ya.ru yandex.ru yandex.com yandex.by yandex.kz yandex.uz yandex.com.tr yandex.az \
    yandex.com.am yandex.com.ge yandex.co.il yandex.ee yandex.eu yandex.fr yandex.lt yandex.lv yandex.md \
    yandex.tj yandex.tm yandex.ua";

/// What stands behind `www.google.` in each country that Google has a search for
/// (<https://www.google.com/supported_domains>, with those that it had before).
const GOOGLE: &str = "com ad ae com.af com.ag com.ai al am co.ao com.ar as at com.au az ba com.bd be bf bg com.bh \
    bi bj com.bn com.bo com.br bs bt co.bw by com.bz ca cat cc cd cf cg ch ci co.ck cl cm cn com.co co.cr com.cu \
    cv com.cy cz de dj dk dm com.do dz com.ec ee com.eg es com.et fi com.fj fm fr ga ge gf gg com.gh com.gi gl gm \
    gp gr com.gt gy com.hk hn hr ht hu co.id ie co.il im co.in iq is it je com.jm jo co.jp co.ke com.kh ki kg \
    co.kr com.kw kz la com.lb li lk co.ls lt lu lv com.ly co.ma md me mg mk ml com.mm mn ms com.mt mu mv mw \
    com.mx com.my co.mz com.na ne com.nf com.ng com.ni nl no com.np nr nu co.nz com.om com.pa com.pe com.pg \
    com.ph com.pk pl pn com.pr ps pt com.py com.qa ro rs ru rw com.sa com.sb sc se com.sg sh si sk com.sl sm sn \
    so sr st com.sv td tg co.th com.tj tk tl tm tn to com.tr tt com.tw co.tz com.ua co.ug co.uk com.uy co.uz \
    com.vc co.ve vg co.vi com.vn vu ws co.za co.zm co.zw";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it fails")]
    use super::*;

    fn asked(engines: Engines, name: &str) -> Option<Target> {
        rewrite(engines, Name::parse(name).unwrap().wire())
    }

    fn only(id: &str) -> Engines {
        Engines::default().with(id).unwrap()
    }

    #[test]
    fn names_that_the_engines_document() {
        let alias = |name| Some(Target::Alias(name));
        for (name, target) in [
            ("www.google.com", alias("forcesafesearch.google.com")),
            ("www.google.co.uk", alias("forcesafesearch.google.com")),
            ("www.google.de", alias("forcesafesearch.google.com")),
            ("www.google.com.tr", alias("forcesafesearch.google.com")),
            ("www.google.cat", alias("forcesafesearch.google.com")),
            ("www.bing.com", alias("strict.bing.com")),
            ("edgeservices.bing.com", alias("strict.bing.com")),
            ("duckduckgo.com", alias("safe.duckduckgo.com")),
            ("www.duckduckgo.com", alias("safe.duckduckgo.com")),
            ("start.duckduckgo.com", alias("safe.duckduckgo.com")),
            ("noai.duckduckgo.com", alias("safe.duckduckgo.com")),
            ("www.ecosia.org", alias("strict-safe-search.ecosia.org")),
            ("pixabay.com", alias("safesearch.pixabay.com")),
            ("ya.ru", Some(Target::Address(YANDEX))),
            ("www.yandex.com.tr", Some(Target::Address(YANDEX))),
            ("www.youtube.com", alias("restrict.youtube.com")),
            ("m.youtube.com", alias("restrict.youtube.com")),
            ("youtubei.googleapis.com", alias("restrict.youtube.com")),
            ("youtube.googleapis.com", alias("restrict.youtube.com")),
            ("www.youtube-nocookie.com", alias("restrict.youtube.com")),
        ] {
            assert_eq!(asked(Engines::all(), name), target, "{name}");
            assert_eq!(asked(Engines::default(), name), None, "{name}");
        }
    }

    #[test]
    fn other_names_are_as_they_are() {
        for name in [
            "google.com",
            "mail.google.com",
            "www.google.com.evil.example",
            "www.google.example",
            "www.googlee.com",
            "forcesafesearch.google.com",
            "strict.bing.com",
            "safe.duckduckgo.com",
            "restrict.youtube.com",
            "restrictmoderate.youtube.com",
            "i.ytimg.com",
            "example.org",
            "a",
        ] {
            assert_eq!(asked(Engines::all(), name), None, "{name}");
        }
        assert_eq!(rewrite(Engines::all(), &[0]), None);
        assert_eq!(rewrite(Engines::all(), &[]), None);
    }

    #[test]
    fn engines_are_chosen_one_by_one() {
        assert_eq!(asked(only("bing"), "www.google.com"), None);
        assert_eq!(asked(only("google"), "www.google.fr"), Some(Target::Alias("forcesafesearch.google.com")));
        let moderate = Some(Target::Alias("restrictmoderate.youtube.com"));
        assert_eq!(asked(only("youtube-moderate"), "m.youtube.com"), moderate);
        let both = only("youtube-moderate").with("youtube").unwrap();
        assert_eq!(asked(both, "m.youtube.com"), Some(Target::Alias("restrict.youtube.com")));
        assert_eq!(only("all"), Engines::all());
        assert_eq!(Engines::default().with("gogle"), None);
        for engine in Engine::ALL {
            assert_eq!(Engine::find(engine.id()), Some(engine));
            assert!(only(engine.id()).has(engine));
        }
    }

    #[test]
    fn what_is_said_depends_on_the_type() {
        let alias = Target::Alias("strict.bing.com");
        let address = Target::Address(YANDEX);
        assert_eq!((alias.says(kind::A), alias.says(kind::AAAA)), (Says::Itself, Says::Itself));
        assert_eq!((address.says(kind::A), address.says(kind::AAAA)), (Says::Itself, Says::NoData));
        for target in [alias, address] {
            assert_eq!((target.says(SVCB), target.says(HTTPS)), (Says::NoData, Says::NoData));
            assert_eq!((target.says(15), target.says(16)), (Says::Truth, Says::Truth));
        }
    }

    #[test]
    fn every_name_is_in_the_table_once() {
        let google = GOOGLE.split_whitespace().count();
        let yandex = YANDEX_NAMES.split_whitespace().count() * 2;
        let others: usize = OTHERS.iter().map(|(_, names)| names.split_whitespace().count()).sum();
        assert_eq!(NAMES.len(), google + yandex + others);
        assert!(google > 180, "{google}");
        let lengths = NAMES.keys().map(|name| name.len());
        assert_eq!((lengths.clone().min(), lengths.max()), (Some(*LENGTHS.start()), Some(*LENGTHS.end())));
    }
}
