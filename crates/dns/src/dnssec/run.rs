//! Asking for what a judgement needs. It decides nothing: `judge` says what to ask, and what it comes to.

use super::judge::{Case, Step};
use super::{Clock, Judgement, Moment, Validator};

impl Validator {
    /// Judges a reply to a question.
    ///
    /// - `ask` asks for records by a name, in wire form and lower case, and a type, with the bits DO and CD set, and
    ///   gives the whole reply; none if there is none. It is called for one question after the other, 48 times at
    ///   most, and has to end by itself: how long all takes is for the caller to bound. Who asks the same for
    ///   many at once asks it once.
    /// - `question` is the name, in wire form and lower case, and the type that was asked for.
    /// - `reply` is the whole message that came, asked for with DO and CD; its question is believed to be the one.
    /// - `now` is in seconds since 1970.
    ///
    /// At most 96 signatures are checked, 8 of which may be wrong, and 12,000 rounds of hashing are made. Records
    /// of the authority section are not judged unless they prove something: with a positive answer they are best
    /// left out.
    pub async fn validate<A, F, R>(
        &self,
        ask: A,
        question: (&[u8], u16),
        reply: &[u8],
        now: i64,
        clock: Clock,
    ) -> Judgement
    where
        A: Fn(Box<[u8]>, u16) -> F,
        F: Future<Output = Option<R>>,
        R: AsRef<[u8]>,
    {
        let mut case = Case::of(self, question, reply, Moment { now, clock });
        loop {
            match case.step() {
                Step::Done(judgement) => return judgement,
                Step::Ask((name, kind)) => {
                    let heard = ask(name, kind).await;
                    case.heard(heard.as_ref().map(AsRef::as_ref));
                }
            }
        }
    }
}
