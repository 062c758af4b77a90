//! Any bytes as a segment of the query log, checksums left aside: everything that is read has a number below the one
//! before it, what is found of it is a part of that, and counting it counts as many rows.
#![no_main]

use dns::log::{ClientIs, MAX_FOUND, NameIs, Search, count_bytes, read_bytes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let everything = Search { limit: MAX_FOUND, ..Search::default() };
    let all = read_bytes(bytes, everything.clone());
    assert!(all.rows.is_sorted_by(|one, other| one.number > other.number));
    let searches = [
        Search { name: Some(NameIs::Part("e".to_owned())), ..everything.clone() },
        Search { name: Some(NameIs::Under("example".to_owned())), ..everything.clone() },
        Search { rule: Some("||".to_owned()), reason: Some("a".to_owned()), ..everything.clone() },
        Search { client: Some(ClientIs::Part("1".to_owned())), from: Some(0), before: Some(20), ..everything },
    ];
    for search in searches {
        let found = read_bytes(bytes, search);
        assert!(all.next.is_some() && all.rows.len() == MAX_FOUND || found.rows.iter().all(|row| all.rows.contains(row)));
    }
    let tops = count_bytes(bytes);
    assert!(tops.questions + tops.unreadable >= all.rows.len() as u64);
    assert!(tops.names.iter().all(|top| top.count <= tops.questions));
});
