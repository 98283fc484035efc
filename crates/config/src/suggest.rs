//! What somebody may have meant.

/// The name that comes closest to one that is unknown, if any comes close.
///
/// Letters left out, added, exchanged or swapped count one each, upper and lower case are the same; a third of the
/// letters may be wrong. A name that the other begins with comes close, too: `nginx` means `nginx-http-auth` where
/// nothing is closer.
#[must_use]
pub fn nearest<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Longer ones are no slip of the pen, and comparing takes time that grows with the product of the lengths.
    const LONGEST: usize = 64;
    if unknown.is_empty() || unknown.len() > LONGEST {
        return None;
    }
    let unknown = unknown.to_lowercase();
    let allowed = unknown.chars().count().div_ceil(3);
    let rank = |name: &str| {
        let name = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&unknown, &name);
        if distance <= allowed {
            Some(distance)
        } else {
            let extends = name.starts_with(&unknown) || unknown.starts_with(&name);
            (extends && !name.is_empty()).then(|| allowed + name.len().abs_diff(unknown.len()))
        }
    };
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .filter_map(|name| Some((rank(name)?, name)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let known = [
            "maxretry",
            "findtime",
            "bantime",
            "sshd",
            "nginx-http-auth",
            "nginx-limit-req",
        ];
        for (unknown, meant) in [
            ("maxretries", Some("maxretry")),
            ("max_retry", Some("maxretry")),
            ("Bantime", Some("bantime")),
            ("fintdime", Some("findtime")),
            ("ssh", Some("sshd")),
            ("nginx", Some("nginx-http-auth")),
            ("nginx-limit", Some("nginx-limit-req")),
            ("postfix", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, known), meant, "{unknown}");
        }
    }
}
