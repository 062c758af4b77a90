//! Random numbers that nobody can guess, drawn from the kernel in blocks.

use std::sync::{Mutex, PoisonError};

/// How many bytes are drawn at once: enough for some 60 questions.
const BLOCK: usize = 1024;

/// Random numbers of one thread.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<Block>);

#[derive(Debug)]
struct Block {
    bytes: [u8; BLOCK],
    used: usize,
}

impl Default for Dice {
    fn default() -> Self {
        Self(Mutex::new(Block { bytes: [0; BLOCK], used: BLOCK }))
    }
}

impl Dice {
    /// The next 64 bits; none if the kernel has none, which it only says before it has booted.
    pub(crate) fn next(&self) -> Option<u64> {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if block.used >= BLOCK {
            getrandom::getrandom(&mut block.bytes).ok()?;
            block.used = 0;
        }
        let used = block.used;
        let place = block.bytes.get_mut(used..used + 8)?;
        let drawn = u64::from_ne_bytes((&*place).try_into().ok()?);
        // What was given away is not kept.
        place.fill(0);
        block.used += 8;
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_come_twice() {
        let dice = Dice::default();
        let drawn: std::collections::HashSet<u64> = (0..1000).map(|_| dice.next().unwrap()).collect();
        assert_eq!(drawn.len(), 1000);
    }
}
