//! The names of characters, for `\N{EM DASH}`.

/// The character with this name, in any case of its letters.
pub(crate) fn character(name: &str) -> Option<char> {
    let found = unicode_names2::character(name)?;
    // The crate is generous with blanks and hyphens, Python is not. Control characters have only aliases,
    // which cannot be compared; they are few, and nobody writes them loosely.
    let formal = unicode_names2::name(found).map(|name| name.to_string());
    formal
        .is_none_or(|formal| formal.eq_ignore_ascii_case(name))
        .then_some(found)
}
