//! Names as they are signed (RFC 4034 section 6): wire form without compression, in lower case. They are plain
//! bytes here, so that a name's ancestors are parts of it.

use std::cmp::Ordering;

/// The name of the root.
pub(super) const ROOT: &[u8] = &[0];

/// The labels of a name, the first one first, without the empty one at the end.
pub(super) fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (label, next) = after.split_at_checked(usize::from(length)).filter(|_| length > 0)?;
        rest = next;
        Some(label)
    })
}

/// How many labels a name has; the root has none.
pub(super) fn count(name: &[u8]) -> usize {
    labels(name).count()
}

/// The name without its first label; none above the root.
pub(super) fn parent(name: &[u8]) -> Option<&[u8]> {
    let (&length, after) = name.split_first()?;
    after.get(usize::from(length)..).filter(|_| length > 0)
}

/// The name, what it lies in, and so on up to the root.
pub(super) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| parent(name))
}

/// What a name lies in, or is, that has so many labels.
pub(super) fn upper(name: &[u8], labels: usize) -> Option<&[u8]> {
    ancestors(name).nth(count(name).checked_sub(labels)?)
}

/// Whether a name is `zone` or under it.
pub(super) fn is_in(name: &[u8], zone: &[u8]) -> bool {
    name.len() >= zone.len() && name.ends_with(zone) && ancestors(name).any(|above| above == zone)
}

/// Whether a name is under `zone` and not it.
pub(super) fn is_under(name: &[u8], zone: &[u8]) -> bool {
    name.len() > zone.len() && is_in(name, zone)
}

/// The wildcard under a name (RFC 4592).
pub(super) fn wildcard(name: &[u8]) -> Vec<u8> {
    [b"\x01*", name].concat()
}

/// Whether the first label is the one of a wildcard.
pub(super) fn is_wildcard(name: &[u8]) -> bool {
    name.starts_with(b"\x01*")
}

/// The longest name that both lie in, or are.
pub(super) fn common<'n>(one: &'n [u8], other: &[u8]) -> &'n [u8] {
    ancestors(one).find(|above| is_in(other, above)).unwrap_or(ROOT)
}

/// The order of names in a signed zone (RFC 4034 section 6.1): by labels, the last one first.
pub(super) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other): (Vec<&[u8]>, Vec<&[u8]>) = (labels(one).collect(), labels(other).collect());
    one.iter().rev().cmp(other.iter().rev())
}

/// As people write it, with a point at the end.
pub(super) fn text(name: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b'.' | b'\\' => format!("\\{}", char::from(*byte)),
        b'!'..=b'~' => char::from(*byte).to_string(),
        other => format!("\\{other:03}"),
    };
    let text: String = labels(name)
        .map(|label| label.iter().map(byte).chain([".".to_owned()]).collect::<String>())
        .collect();
    if text.is_empty() { ".".to_owned() } else { text }
}

/// A name from text.
#[cfg(test)]
pub(super) fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_order_of_the_standard() {
        // RFC 4034 section 6.1.
        let mut sorted: Vec<Vec<u8>> =
            ["example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example"]
                .map(name)
                .into();
        sorted.push(b"\x01\x01\x01z\x07example\0".to_vec());
        sorted.push(b"\x01*\x01z\x07example\0".to_vec());
        sorted.push(b"\x01\xc8\x01z\x07example\0".to_vec());
        for (at, pair) in sorted.windows(2).enumerate() {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{at}");
        }
    }

    #[test]
    fn what_lies_in_what() {
        let www = name("www.example.org");
        assert!(is_in(&www, &name("example.org")) && is_in(&www, &www) && is_in(&www, ROOT));
        assert!(!is_under(&www, &www) && is_under(&www, ROOT));
        // The same bytes, but no label of its own: `\x03` is one of a label here.
        assert!(!is_in(b"\x04\x03org\0", &name("org")));
        assert_eq!(upper(&www, 1), Some(&name("org")[..]));
        assert_eq!((upper(&www, 0), upper(&www, 4)), (Some(ROOT), None));
        assert_eq!(common(&www, &name("a.example.org")), name("example.org"));
        assert_eq!(common(&www, &name("com")), ROOT);
        assert_eq!((count(&www), count(ROOT), parent(ROOT)), (3, 0, None));
        assert_eq!((text(&www).as_str(), text(ROOT).as_str()), ("www.example.org.", "."));
    }
}
