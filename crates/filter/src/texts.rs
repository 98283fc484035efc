//! A few texts, each once.
//!
//! Invariant: they are in their order, and none stands twice.

use smol_str::SmolStr;

/// A few texts in their order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(Vec<SmolStr>);

impl Texts {
    /// Adds a text, unless it is there.
    pub(crate) fn insert(&mut self, text: SmolStr) {
        if let Err(at) = self.0.binary_search(&text) {
            self.0.insert(at, text);
        }
    }

    /// Whether a text is among them.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(text)).is_ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(SmolStr::as_str)
    }
}

impl<T: Into<SmolStr>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all: Vec<SmolStr> = texts.into_iter().map(Into::into).collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn a_text_stands_once_and_in_its_place() {
        let mut texts: Texts = ["b", "a", "b"].into_iter().collect();
        texts.insert("aa".into());
        texts.insert("a".into());
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "aa", "b"]);
        assert!(texts.contains("aa") && !texts.contains("c"));
    }
}
