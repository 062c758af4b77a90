//! Who may open what: the policy as a matrix, and the sentences that are proved against it.
//!
//! The matrix is exact at the level of zones, services and apps. What it says of a zone holds for everything
//! in it; single openings ([`Opening`]) stand beside it. Traffic between machines of Polis itself is a class
//! of its own, always allowed, and no cell of the matrix.

mod evaluate;
mod matrix;
mod outage;
mod sentence;

pub use evaluate::{Known, Outcome, Refutation, evaluate};
pub use matrix::{Because, Cell, From, Matrix, Opening, Target};
pub(crate) use outage::MAX_OUTAGES;
pub use sentence::{Form, GRAMMAR, Sentence, Word};
