//! File name patterns: `*`, `?`, `[…]` and `[!…]`, in any component of a path.
//!
//! In: a pattern and the directories. Out: the paths that exist, in the order of the directories.
//! A leading dot is matched only by a pattern that begins with one, and `**` is `*`.

use crate::{
    Error, Files, Kind,
    text::{basename, dirname, head, join, tail},
};

/// The longest path of the system; a longer pattern names nothing.
const LONGEST: usize = 4096;
/// How many paths one pattern may give.
const PATHS: usize = 100_000;

/// Whether a path is a pattern at all.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The paths that a pattern gives; a plain path gives itself if anything, even a link to nowhere, is there.
pub(crate) fn expand(files: &dyn Files, pattern: &str) -> Result<Vec<String>, Error> {
    if pattern.is_empty() || pattern.len() > LONGEST {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    expand_into(files, pattern, false, &mut paths)?;
    Ok(paths)
}

fn expand_into(
    files: &dyn Files,
    pattern: &str,
    directories: bool,
    paths: &mut Vec<String>,
) -> Result<(), Error> {
    let (parent, name) = split(pattern);
    if !is_pattern(pattern) {
        let exists = if name.is_empty() {
            is_directory(files, parent)
        } else {
            files.kind(pattern) != Kind::Missing
        };
        paths.extend(exists.then(|| pattern.to_owned()));
        return Ok(());
    }
    let mut parents = Vec::new();
    if parent.is_empty() || parent == pattern || !is_pattern(parent) {
        parents.push(parent.to_owned());
    } else {
        expand_into(files, parent, true, &mut parents)?;
    }
    for parent in parents {
        if !is_pattern(name) {
            let path = join(&parent, name);
            let exists = if name.is_empty() {
                is_directory(files, &parent)
            } else {
                files.kind(&path) != Kind::Missing
            };
            paths.extend(exists.then_some(path));
            continue;
        }
        let hidden = name.starts_with('.');
        for entry in files.names(if parent.is_empty() { "." } else { &parent }) {
            if entry.starts_with('.') && !hidden || !matches(name, &entry) {
                continue;
            }
            let path = join(&parent, &entry);
            if !directories || is_directory(files, &path) {
                paths.push(path);
            }
            if paths.len() > PATHS {
                return Err(Error::Limit {
                    what: "files for one pattern",
                    limit: 100_000,
                });
            }
        }
    }
    Ok(())
}

fn is_directory(files: &dyn Files, path: &str) -> bool {
    !path.is_empty() && files.kind(path) == Kind::Directory
}

/// A path as directory and name, as `os.path.split` has it.
fn split(path: &str) -> (&str, &str) {
    (dirname(path), basename(path))
}

/// Whether a name fits a pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on when what follows the last `*` does not fit: it then takes one character more.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            retry = Some((rest, name));
            pattern = rest;
            continue;
        }
        let mut characters = name.chars();
        if let Some(c) = characters.next() {
            if let Some(rest) = one(pattern, c) {
                pattern = rest;
                name = characters.as_str();
                continue;
            }
        } else if pattern.is_empty() {
            return true;
        }
        let Some((after_star, from)) = retry else {
            return false;
        };
        let mut characters = from.chars();
        if characters.next().is_none() {
            return false;
        }
        retry = Some((after_star, characters.as_str()));
        pattern = after_star;
        name = characters.as_str();
    }
}

/// What is left of a pattern whose beginning fits one character.
fn one(pattern: &str, c: char) -> Option<&str> {
    let mut characters = pattern.chars();
    match characters.next()? {
        '?' => Some(characters.as_str()),
        '[' => match class(characters.as_str()) {
            Some((class, rest)) => in_class(class, c).then_some(rest),
            None => (c == '[').then_some(characters.as_str()),
        },
        literal => (literal == c).then_some(characters.as_str()),
    }
}

/// The inside of a class and what follows it; `None` where the bracket is not closed.
fn class(text: &str) -> Option<(&str, &str)> {
    let skipped = usize::from(text.starts_with('!'));
    // A bracket that comes first is a member.
    let skipped = skipped + usize::from(tail(text, skipped).starts_with(']'));
    let end = skipped + tail(text, skipped).find(']')?;
    Some((head(text, end), tail(text, end + 1)))
}

fn in_class(class: &str, c: char) -> bool {
    let (negated, members) = class
        .strip_prefix('!')
        .map_or((false, class), |members| (true, members));
    let mut found = false;
    let mut characters = members.chars();
    while let Some(first) = characters.next() {
        let mut ahead = characters.clone();
        if let (Some('-'), Some(last)) = (ahead.next(), ahead.next()) {
            found |= (first..=last).contains(&c);
            characters = ahead;
        } else {
            found |= first == c;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_names_as_python_does() {
        let cases: [(&str, &str, bool); 30] = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.x", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("?", "é", true),
            ("?", "", false),
            ("[ab]", "b", true),
            ("[!ab]", "b", false),
            ("[!ab]", "c", true),
            ("[a-c]x", "bx", true),
            ("[c-a]", "b", false),
            ("[!c-a]", "b", true),
            ("[]a]", "]", true),
            ("[!]a]", "]", false),
            ("[a", "[a", true),
            ("[", "[", true),
            ("[!", "[!", true),
            ("[]", "[]", true),
            ("[-a]", "-", true),
            ("[a-]", "-", true),
            ("[a-c-e]", "-", true),
            ("[a-c-e]", "d", false),
            ("[a-c--e]", "2", true),
            ("[^a]", "^", true),
            ("[[]", "[", true),
            ("[*]", "*", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern:?} {name:?}");
        }
    }
}
