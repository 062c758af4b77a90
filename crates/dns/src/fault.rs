//! What can go wrong with the name servers, besides what the helper says of ports.

use runtime::Fault;

use crate::answer::Outcome;

/// The plan has no address to listen at.
pub(crate) fn no_address() -> Fault {
    Fault {
        what: "the machine has no address to listen at".to_owned(),
        help: "give it one, or `[dns]` an `address`".to_owned(),
    }
}

/// A part of the name server has ended by itself.
pub(crate) fn ended() -> Fault {
    Fault {
        what: "a part of it panicked".to_owned(),
        help: "it starts again by itself; `polis events` says how often that has been".to_owned(),
    }
}

/// TLS can not be set up.
pub(crate) fn no_tls(error: &rustls::Error) -> Fault {
    Fault { what: format!("TLS can not be set up: {error}"), help: "this is a mistake in Polis".to_owned() }
}

/// The system gives no thread.
pub(crate) fn no_thread(error: &std::io::Error) -> Fault {
    Fault {
        what: format!("the system gives no thread: {error}"),
        help: "look how many processes and how much memory this machine has left".to_owned(),
    }
}

/// The upstreams can not be asked as the plan says.
pub(crate) fn upstreams(what: &str) -> Fault {
    Fault {
        what: format!("upstreams can not be asked as the lab file says: {what}"),
        help: "`polis check` says where; what ran before runs on".to_owned(),
    }
}

/// A question that is none.
pub(crate) fn no_question(error: &serde_json::Error) -> Fault {
    Fault {
        what: format!("the name server does not understand this question: {error}"),
        help: "who asks may be of another version of Polis".to_owned(),
    }
}

/// The log could not be removed.
pub(crate) fn log_stays(error: &std::io::Error) -> Fault {
    Fault {
        what: format!("the log can not be removed whole: {error}"),
        help: "look whether the state folder can be written to".to_owned(),
    }
}

/// A word that is no outcome.
pub(crate) fn no_outcome(word: &str) -> Fault {
    let words = Outcome::ALL.map(Outcome::word);
    Fault {
        what: format!(
            "`{}` is nothing that comes of a question",
            word.chars().take(40).collect::<String>().escape_debug()
        ),
        help: match lab::nearest(word, words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of {}", words.join(", ")),
        },
    }
}

/// A text that is no name.
pub(crate) fn no_name(text: &str) -> Fault {
    Fault {
        what: format!("`{}` is no name", text.chars().take(80).collect::<String>().escape_debug()),
        help: "write it like `example.org`".to_owned(),
    }
}

/// A text that is no kind of record.
pub(crate) fn no_kind(text: &str) -> Fault {
    Fault {
        what: format!("`{}` is no kind of record", text.chars().take(20).collect::<String>().escape_debug()),
        help: "write it like `AAAA`, `HTTPS` or `TYPE65`".to_owned(),
    }
}

/// A client that nothing is called.
pub(crate) fn no_client(text: &str) -> Fault {
    Fault {
        what: format!(
            "nothing that could ask is called `{}`",
            text.chars().take(80).collect::<String>().escape_debug()
        ),
        help: "write an address, or the name of a device or a machine of the lab".to_owned(),
    }
}

/// The lists can not be compiled.
pub(crate) fn no_lists() -> Fault {
    Fault {
        what: "the lists can not be compiled".to_owned(),
        help: "this is a mistake in Polis; it is tried again by itself".to_owned(),
    }
}

/// A list that nothing is called, or that is not fetched.
pub(crate) fn no_list(name: &str, near: Option<&str>) -> Fault {
    Fault {
        what: format!(
            "no list that is fetched is called `{}`",
            name.chars().take(80).collect::<String>().escape_debug()
        ),
        help: match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`polis dns lists` shows them".to_owned(),
        },
    }
}
