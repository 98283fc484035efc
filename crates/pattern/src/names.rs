//! The names of characters, for `\N{EM DASH}`.

/// The character with this name, in any case of its letters.
pub(crate) fn character(name: &str) -> Option<char> {
    // The crate must not be asked for what begins with a hyphen, and no name does.
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let found = unicode_names2::character(name)?;
    // The crate is generous with blanks and hyphens, Python is not. Control characters have only aliases,
    // which cannot be compared; they are few, and nobody writes them loosely.
    let formal = unicode_names2::name(found).map(|name| name.to_string());
    formal
        .is_none_or(|formal| formal.eq_ignore_ascii_case(name))
        .then_some(found)
}

#[cfg(test)]
mod tests {
    use super::character;

    #[test]
    fn names_are_those_of_python() {
        for (name, expected) in [
            ("EM DASH", Some('\u{2014}')),
            ("em dash", Some('\u{2014}')),
            ("EM  DASH", None),
            ("-", None),
            ("-EM DASH", None),
            ("", None),
            (" EM DASH", None),
            ("1", None),
        ] {
            assert_eq!(character(name), expected, "{name:?}");
        }
    }
}
