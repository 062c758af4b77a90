//! What can go wrong with the name servers.

use std::io::ErrorKind;

use runtime::{Fault, Unhelped};

use crate::plan::Plan;

/// The plan has no address to listen at.
pub(crate) fn no_address() -> Fault {
    Fault {
        what: "the machine has no address to listen at".to_owned(),
        help: "give it one, or `[dns]` an `address`".to_owned(),
    }
}

/// A socket can not be had. On a machine that stands by, that the address is in use is as it should be.
pub(crate) fn at(plan: &Plan, unhelped: Unhelped) -> Fault {
    let is_in_use =
        matches!(&unhelped, Unhelped::Failed { source, .. } if source.kind() == ErrorKind::AddrInUse);
    if is_in_use && plan.stands_by {
        return Fault {
            what: "another machine answers at this address".to_owned(),
            help: "nothing to do: this one takes over when that one ends".to_owned(),
        };
    }
    unhelped.into()
}

/// A part of the name server has ended by itself.
pub(crate) fn ended() -> Fault {
    Fault {
        what: "a part of it panicked".to_owned(),
        help: "it starts again by itself; `polis events` says how often that has been".to_owned(),
    }
}
