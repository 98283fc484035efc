//! Which entries of the journal a jail wants: `journalmatch`.
//!
//! In: the words of `journalmatch`, and entries. Out: whether an entry is wanted.
//!
//! Within a group words of the same field are alternatives and those of different fields conditions; groups,
//! separated by `+` or given one after the other, are alternatives.
//!
//! Invariant: every word held here is one that the journal takes.

use super::Entry;

/// One command's worth of matches: groups, of which any may fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalMatch {
    words: Vec<String>,
    groups: Vec<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Term {
    field: String,
    value: String,
}

/// A word that is none of `FIELD=value` and `+`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid match")]
pub struct InvalidMatch {
    /// The word.
    pub word: String,
}

impl JournalMatch {
    /// Reads the words of one command.
    ///
    /// # Errors
    ///
    /// Where a word has no `=`, or no name before it that the journal can be asked for.
    pub fn parse(words: &[String]) -> Result<Self, InvalidMatch> {
        let mut groups = vec![Vec::new()];
        for word in words {
            if word == "+" {
                groups.push(Vec::new());
                continue;
            }
            let invalid = || InvalidMatch { word: word.clone() };
            let (field, value) = word.split_once('=').ok_or_else(invalid)?;
            if !is_field_name(field) {
                return Err(invalid());
            }
            if let Some(group) = groups.last_mut() {
                group.push(Term {
                    field: field.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        groups.retain(|group| !group.is_empty());
        Ok(Self {
            words: words.to_vec(),
            groups,
        })
    }

    /// The words as they were given.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// Everything one jail wants; without any match, that is everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Matches(Vec<JournalMatch>);

impl Matches {
    /// Wants what `wanted` says as well.
    pub fn add(&mut self, wanted: JournalMatch) {
        self.0.push(wanted);
    }

    /// Takes a match back that was given in the same words; whether there was one.
    pub fn remove(&mut self, words: &[String]) -> bool {
        let known = self.0.iter().position(|known| known.words == words);
        known.map(|index| self.0.remove(index)).is_some()
    }

    /// Takes all matches back.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is no match, and everything is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|wanted| wanted.groups.is_empty())
    }

    /// The matches in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &JournalMatch> {
        self.0.iter()
    }

    /// Whether an entry is wanted.
    #[must_use]
    pub fn accept(&self, entry: &Entry) -> bool {
        self.is_empty()
            || self
                .groups()
                .any(|group| group.iter().all(|term| fits(entry, group, &term.field)))
    }

    /// The words for `journalctl` that let at least what is wanted through, group by group.
    pub(super) fn arguments(&self) -> impl Iterator<Item = Vec<String>> {
        self.groups().map(|group| {
            group
                .iter()
                .map(|term| format!("{}={}", term.field, term.value))
                .collect()
        })
    }

    /// The fields that have to be known.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.groups().flatten().map(|term| term.field.as_str())
    }

    fn groups(&self) -> impl Iterator<Item = &Vec<Term>> {
        self.0.iter().flat_map(|wanted| &wanted.groups)
    }
}

/// Whether `field` of the entry has one of the values that the group gives for it.
fn fits(entry: &Entry, group: &[Term], field: &str) -> bool {
    group
        .iter()
        .filter(|term| term.field == field)
        .any(|term| entry.all(field).any(|value| value == term.value.as_bytes()))
}

/// Whether the journal can be asked for a field of that name: not for what it keeps beside the fields.
fn is_field_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_known) && !name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::{JournalMatch, Matches};
    use crate::source::Entry;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn matches_combine_as_in_the_journal() {
        let entry = |fields: &[(&str, &str)]| {
            let mut entry = Entry::default();
            for (field, value) in fields {
                entry.push(field, value.as_bytes());
            }
            entry
        };
        let sshd = entry(&[
            ("_SYSTEMD_UNIT", "sshd.service"),
            ("_COMM", "sshd"),
            ("X", "1"),
            ("X", "2"),
        ]);
        for (name, matches, expected) in [
            ("none", &[][..], true),
            ("one that fits", &["_COMM=sshd"], true),
            ("one that does not", &["_COMM=su"], false),
            ("two fields", &["_SYSTEMD_UNIT=sshd.service _COMM=sshd"], true),
            (
                "two fields, one wrong",
                &["_SYSTEMD_UNIT=sshd.service _COMM=su"],
                false,
            ),
            ("one field twice", &["_COMM=su _COMM=sshd"], true),
            ("one field twice and another", &["_COMM=su _COMM=sshd X=3"], false),
            ("any value of a field", &["X=2"], true),
            ("groups", &["_COMM=su + _COMM=sshd X=1"], true),
            ("groups, none fits", &["_COMM=su + _COMM=sshd X=3"], false),
            ("commands", &["_COMM=su", "X=1"], true),
            ("a field it has not", &["Y="], false),
            ("nothing between", &["+ _COMM=sshd +"], true),
            ("nothing at all", &["+"], true),
        ] {
            let mut all = Matches::default();
            for text in matches {
                all.add(JournalMatch::parse(&words(text)).expect(name));
            }
            assert_eq!(all.accept(&sshd), expected, "{name}");
        }
    }

    #[test]
    fn words_that_are_no_matches_are_refused() {
        for text in [
            "sshd",
            "=x",
            "comm=sshd",
            "__X=1",
            "A B",
            "A B=x",
            "A-B=x",
            "\u{c4}=x",
            "_A.B=x",
        ] {
            let words = vec!["_COMM=sshd".to_owned(), text.to_owned()];
            let error = JournalMatch::parse(&words).expect_err(text);
            assert_eq!(
                (error.word.as_str(), error.to_string().as_str()),
                (text, "Invalid match")
            );
        }
    }

    #[test]
    fn words_that_the_journal_takes_are_matches() {
        let long = format!("{}=x", "A".repeat(65));
        for text in ["A=", "1A=x", "_=1", "A=x=y", "A=x\0y", "+", long.as_str()] {
            assert!(JournalMatch::parse(&[text.to_owned()]).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_match_is_taken_back_in_its_own_words() {
        let mut all = Matches::default();
        all.add(JournalMatch::parse(&words("A=1 + B=2")).expect("a match"));
        assert!(!all.remove(&words("A=1")));
        assert_eq!(all.fields().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(all.arguments().collect::<Vec<_>>(), [["A=1"], ["B=2"]]);
        assert!(all.remove(&words("A=1 + B=2")));
        assert!(all.is_empty());
    }
}
