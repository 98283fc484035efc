//! What may have been meant: the known word that is nearest to a misspelt one.

/// The candidate nearest to a word, if it is near enough to be meant.
///
/// Upper and lower case are the same; a letter left out, added, exchanged or swapped counts one, and how many may be
/// wrong depends on the length.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    /// Longer words are no slip of the pen, and comparing them takes quadratic time.
    const LONGEST: usize = 64;
    let length = word.chars().count();
    if !(2..=LONGEST).contains(&length) {
        return None;
    }
    let allowed = match length {
        ..=3 => 1,
        4..=7 => 2,
        8.. => 3,
    };
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST && *candidate != word)
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            // The beginning of a longer word is as good as a slip of the pen, and better than two.
            if length >= 3 && known.starts_with(&lower) {
                return Some((1, candidate));
            }
            let distance = strsim::osa_distance(&lower, &known);
            (distance <= allowed && distance < length).then_some((2 * distance, candidate))
        })
        .min_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.cmp(other.1)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_far_off() {
        let known = ["bantime", "findtime", "maxretry", "port", "ip", "nginx-http-auth"];
        for (word, expected) in [
            ("maxretyr", Some("maxretry")),
            ("max_retry", Some("maxretry")),
            ("Bantime", Some("bantime")),
            ("ban_time", Some("bantime")),
            ("prot", Some("port")),
            ("max", Some("maxretry")),
            ("pi", Some("ip")),
            ("x", None),
            ("ports", Some("port")),
            ("something", None),
            ("nginx", Some("nginx-http-auth")),
            ("bantime", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
