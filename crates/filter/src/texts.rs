//! A few texts, each once.
//!
//! Invariant: they are in their order, and none stands twice.

use smol_str::SmolStr;

/// A few texts in their order, each once. A single one, as there mostly is, takes no room elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(Few);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Few {
    #[default]
    None,
    One(SmolStr),
    Several(Box<[SmolStr]>),
}

impl Texts {
    /// Adds a text, unless it is there.
    pub(crate) fn insert(&mut self, text: SmolStr) {
        if self.0 == Few::None {
            self.0 = Few::One(text);
        } else if let Err(at) = self.as_slice().binary_search(&text) {
            let mut texts = self.as_slice().to_vec();
            texts.insert(at, text);
            self.0 = Few::Several(texts.into());
        }
    }

    /// Whether a text is among them.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        let texts = self.as_slice();
        texts.binary_search_by(|known| known.as_str().cmp(text)).is_ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The texts in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_slice().iter().map(SmolStr::as_str)
    }

    fn as_slice(&self) -> &[SmolStr] {
        match &self.0 {
            Few::None => &[],
            Few::One(text) => std::slice::from_ref(text),
            Few::Several(texts) => texts,
        }
    }
}

impl<T: Into<SmolStr>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all: Vec<SmolStr> = texts.into_iter().map(Into::into).collect();
        all.sort_unstable();
        all.dedup();
        Self(match all.len() {
            0 => Few::None,
            1 => all.pop().map_or(Few::None, Few::One),
            _ => Few::Several(all.into()),
        })
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
