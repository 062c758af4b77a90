//! What can go wrong with the name servers, besides what the helper says of ports.

use runtime::Fault;

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
