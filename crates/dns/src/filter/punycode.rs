//! Labels of letters that are not of ASCII, as the DNS has them: `bücher` is `xn--bcher-kva` (RFC 3492).

use crate::wire::MAX_LABEL;

const BASE: u32 = 36;
const LEAST: u32 = 1;
const MOST: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const FIRST_BIAS: u32 = 72;
const FIRST_LETTER: u32 = 128;

/// A label in letters of ASCII, in lower case; none if it is too long for a label.
pub(super) fn label(label: &str) -> Option<String> {
    let letters: Vec<u32> = label.chars().flat_map(char::to_lowercase).map(u32::from).collect();
    let mut made: String =
        letters.iter().filter_map(|letter| char::from_u32(*letter).filter(char::is_ascii)).collect();
    let plain = u32::try_from(made.len()).ok()?;
    let mut handled = plain;
    if plain > 0 {
        made.push('-');
    }
    let (mut letter, mut delta, mut bias) = (FIRST_LETTER, 0_u32, FIRST_BIAS);
    let count = u32::try_from(letters.len()).ok()?;
    while handled < count {
        let next = letters.iter().copied().filter(|own| *own >= letter).min()?;
        delta = delta.checked_add((next - letter).checked_mul(handled + 1)?)?;
        letter = next;
        for own in &letters {
            if *own < letter {
                delta = delta.checked_add(1)?;
            } else if *own == letter {
                number(&mut made, delta, bias)?;
                bias = adapted(delta, handled + 1, handled == plain);
                delta = 0;
                handled += 1;
            }
        }
        delta += 1;
        letter += 1;
    }
    (made.len() + 4 <= MAX_LABEL).then(|| format!("xn--{made}"))
}

/// Writes a number in digits of varying base (RFC 3492 section 3.3).
fn number(made: &mut String, number: u32, bias: u32) -> Option<()> {
    let mut rest = number;
    let mut at = BASE;
    loop {
        let threshold = at.saturating_sub(bias).clamp(LEAST, MOST);
        if rest < threshold {
            made.push(digit(rest)?);
            return Some(());
        }
        made.push(digit(threshold + (rest - threshold) % (BASE - threshold))?);
        rest = (rest - threshold) / (BASE - threshold);
        at += BASE;
    }
}

/// `a` to `z`, then `0` to `9`.
fn digit(value: u32) -> Option<char> {
    let value = u8::try_from(value).ok()?;
    Some(char::from(if value < 26 { b'a' + value } else { b'0' + (value - 26) }))
}

/// RFC 3492 section 3.4.
fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / count;
    let mut at = 0;
    while delta > (BASE - LEAST) * MOST / 2 {
        delta /= BASE - LEAST;
        at += BASE;
    }
    at + (BASE - LEAST + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_that_registries_have() {
        for (text, expected) in [
            ("bücher", "xn--bcher-kva"),
            ("BÜCHER", "xn--bcher-kva"),
            ("münchen", "xn--mnchen-3ya"),
            ("рф", "xn--p1ai"),
            ("испытание", "xn--80akhbyknj4f"),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ] {
            assert_eq!(label(text).as_deref(), Some(expected));
        }
        assert_eq!(label(&"ü".repeat(70)), None);
    }
}
