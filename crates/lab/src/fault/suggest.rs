//! The nearest of the names that exist, for "did you mean".

/// The candidate that a person most likely meant, if any is near enough: at most a third of the letters
/// differ, a swap of two neighbours counts as one, case does not count.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["naxos", "paros", "milos", "amorgos"];
        assert_eq!(nearest("naxso", names), Some("naxos"));
        assert_eq!(nearest("Amorgo", names), Some("amorgos"));
        assert_eq!(nearest("larissa", names), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
