//! Names for the lab file, made of what people call their lists and devices.

use std::collections::BTreeSet;

use lab::names::RESERVED;

/// The longest name that is made, in bytes: less than a label may have, for a number goes behind it.
const MAX_NAME: usize = 48;

/// Names that are taken already.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name that is a DNS label in lower case (RFC 1123 section 2.1) with a letter in it, and that nothing else has:
    /// the text as far as possible, or `otherwise` if nothing of it can stand in a name.
    pub(super) fn name(&mut self, text: &str, otherwise: &str) -> String {
        let mut name = label(text);
        if name.is_empty() {
            name = otherwise.to_owned();
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) || RESERVED.contains(&name.as_str()) {
            name = format!("{otherwise}-{name}");
        }
        let first = name.clone();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{first}-{number}");
            number += 1;
        }
        name
    }
}

fn label(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        match plain(letter) {
            Some(plain) => name.push_str(plain),
            None if letter.is_ascii_alphanumeric() => name.push(letter),
            // As in `Anna's phone`.
            None if matches!(letter, '\'' | '’') => {}
            None if name.ends_with('-') || name.is_empty() => {}
            None => name.push('-'),
        }
    }
    let end = name.char_indices().map(|(at, _)| at).nth(MAX_NAME).unwrap_or(name.len());
    name.truncate(end);
    name.trim_matches('-').to_owned()
}

/// How letters of the languages of Europe are written without their marks.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' => "a",
        'ç' | 'č' | 'ć' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ł' => "l",
        'ñ' | 'ń' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' => "o",
        'ř' => "r",
        'ś' | 'š' => "s",
        'ù' | 'ú' | 'û' | 'ů' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_become_labels() {
        let mut names = Names::default();
        for (text, name) in [
            ("AdGuard DNS filter", "adguard-dns-filter"),
            ("HaGeZi's Pro++ (mini)", "hagezis-pro-mini"),
            ("AdGuard DNS Filter", "adguard-dns-filter-2"),
            ("Büro: Drucker", "buero-drucker"),
            ("日本", "list"),
            ("  ", "list-2"),
            ("500", "list-500"),
            ("Internet", "list-internet"),
            ("-a-", "a"),
        ] {
            assert_eq!(names.name(text, "list"), name, "{text}");
        }
        assert_eq!(names.name(&"x".repeat(500), "list").len(), MAX_NAME);
    }
}
