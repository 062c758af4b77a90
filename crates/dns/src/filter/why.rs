//! Why a line is not followed, in words.

use serde::{Deserialize, Serialize};

/// Why a line is not followed, as lists count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It has a modifier that only browsers can follow.
    Browser,
    /// It has a modifier that nobody knows, or one with a value that it can not have.
    Modifier,
    /// It is about a part of an address that DNS never sees.
    Page,
    /// It would be about nearly everything.
    Wide,
    /// It is a regular expression that can not be followed.
    Regex,
    /// A hosts file says the names of the machine itself, such as `localhost`.
    OwnName,
    /// It has letters that are not of ASCII where they can not be.
    Foreign,
    /// It is longer than 1 KiB.
    TooLong,
    /// It is nothing that is known.
    Other,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Browser => "for browsers only",
            Self::Modifier => "with modifiers that are not known",
            Self::Page => "about more than a name",
            Self::Wide => "about nearly everything",
            Self::Regex => "regular expressions that can not be followed",
            Self::OwnName => "names of the machine itself",
            Self::Foreign => "not in ASCII",
            Self::TooLong => "longer than 1 KiB",
            Self::Other => "of no known kind",
        })
    }
}

/// Why a line is not followed, in words that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It has a modifier that only browsers can follow.
    #[error("the modifier `${0}` is for browsers: a name server sees names, not pages")]
    Browser(Box<str>),
    /// It has a modifier that AdGuard's public service alone has.
    #[error("the modifier `${0}` is of AdGuard's own public service, and not known here")]
    Service(Box<str>),
    /// It has a modifier that nobody knows.
    #[error("the modifier `${0}` is not known")]
    Unknown(Box<str>),
    /// It has a modifier with a value that it can not have.
    #[error("the modifier `${0}` can not be followed: {1}")]
    Value(Box<str>, Box<str>),
    /// It has the same modifier twice.
    #[error("the modifier `${0}` is there twice")]
    Twice(Box<str>),
    /// It ends with a `$`.
    #[error("there is nothing behind the `$`")]
    NoModifier,
    /// It is about a part of an address that DNS never sees.
    #[error("the pattern has something that no name has, such as `/` or `?`: it would never hold")]
    Never,
    /// It would be about nearly everything.
    #[error(
        "the pattern `{0}` is too wide: it needs three letters at least, or a modifier that says for whom"
    )]
    TooWide(Box<str>),
    /// It is a regular expression that can not be followed.
    #[error("the regular expression can not be followed: {0}")]
    Regex(Box<str>),
    /// All regular expressions together are too large.
    #[error("all regular expressions together need more than 16 MiB")]
    RegexRoom,
    /// A hosts file says the names of the machine itself.
    #[error("it is a name of the machine itself")]
    OwnName,
    /// A line of a hosts file has something that is no name.
    #[error("behind the address is something that is no name")]
    NoName,
    /// It has several words and does not begin with an address.
    #[error("it has several words, and does not begin with an address")]
    Words,
    /// It has letters that are not of ASCII.
    #[error("it has letters that are not of ASCII, and that can not be written in it")]
    Foreign,
    /// It is too long.
    #[error("it is longer than 1 KiB")]
    TooLong,
    /// It is about the looks of pages.
    #[error("it is about the looks of pages, which a name server knows nothing of")]
    Cosmetic,
}

impl Why {
    pub(super) fn value(modifier: &str, what: &str) -> Self {
        Self::Value(modifier.into(), what.into())
    }

    /// Of a modifier that is not followed.
    pub(super) fn modifier(name: &str) -> Self {
        match name.strip_prefix('~').unwrap_or(name) {
            "respgeo" => Self::Service(name.into()),
            plain if BROWSERS.contains(&plain) => Self::Browser(name.into()),
            _ => Self::Unknown(name.into()),
        }
    }

    /// As lists count it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Browser(_) => Kind::Browser,
            Self::Service(_) | Self::Unknown(_) | Self::Value(..) | Self::Twice(_) | Self::NoModifier => {
                Kind::Modifier
            }
            Self::Never => Kind::Page,
            Self::TooWide(_) => Kind::Wide,
            Self::Regex(_) | Self::RegexRoom => Kind::Regex,
            Self::OwnName => Kind::OwnName,
            Self::Foreign => Kind::Foreign,
            Self::TooLong => Kind::TooLong,
            Self::NoName | Self::Words | Self::Cosmetic => Kind::Other,
        }
    }
}

/// Modifiers that AdGuard and others document for rules of browsers.
const BROWSERS: [&str; 82] = [
    "1p",
    "3p",
    "_",
    "all",
    "app",
    "beacon",
    "content",
    "cookie",
    "cname",
    "csp",
    "css",
    "doc",
    "document",
    "domain",
    "ehide",
    "elemhide",
    "empty",
    "extension",
    "first-party",
    "font",
    "frame",
    "from",
    "generichide",
    "genericblock",
    "ghide",
    "header",
    "hls",
    "image",
    "inline-font",
    "inline-script",
    "ipaddress",
    "jsinject",
    "jsonprune",
    "match-case",
    "media",
    "method",
    "mp4",
    "network",
    "noop",
    "object",
    "object-subrequest",
    "other",
    "path",
    "permissions",
    "ping",
    "popunder",
    "popup",
    "queryprune",
    "redirect",
    "redirect-rule",
    "referrerpolicy",
    "removeheader",
    "removeparam",
    "replace",
    "responseheader",
    "rewrite",
    "script",
    "shide",
    "specifichide",
    "stealth",
    "strict-first-party",
    "strict-third-party",
    "strict1p",
    "strict3p",
    "stylesheet",
    "sub-frame",
    "subdocument",
    "third-party",
    "to",
    "top",
    "trusted",
    "uritransform",
    "url",
    "urlblock",
    "urlskip",
    "urltransform",
    "webrtc",
    "websocket",
    "webtransport",
    "xhr",
    "xmlhttprequest",
    "xmlprune",
];
