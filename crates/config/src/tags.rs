//! `<tag>`: replaced by other options of a filter or an action, while the configuration is read.
//!
//! In: a set of options, the names that are left alone, and where else to look for a name. Out: the same set with
//! every tag replaced that anything defines; the others stay, for the regex compiler or for the daemon.
//!
//! Invariant: a tag is replaced at most 26 times within one option, and no option outgrows its limit.

use memchr::{memchr, memchr_iter, memchr3};

use crate::{
    Error,
    layers::Sources,
    model::Traced,
    ordered::Ordered,
    origin::Rope,
    steps::Steps,
    text::{head, tail},
};

/// How often one tag is replaced within one option before the reference calls it a recursion.
const REPLACEMENTS: u32 = 26;
/// How long a text may become by replacing. What a stock action becomes has 2 KiB; beyond this something leads to
/// itself, twice in one text, and the reference would double it until memory is exhausted.
const GROWN: usize = 1 << 20;
/// How much of a runaway text is shown.
const SHOWN: usize = 4096;

/// Looks for a name that is not in the set.
pub(crate) type Fallback<'a> = &'a mut dyn FnMut(&str) -> Result<Option<Traced>, Error>;

/// Replaces the tags of all options that are not ignored.
pub(crate) fn resolve(
    set: &mut Ordered<Traced>,
    ignored: impl Fn(&str) -> bool,
    fallback: Fallback<'_>,
    sources: &Sources<'_>,
) -> Result<(), Error> {
    // Replacing within a tag may make another one of it, `<a-<b>>`, which is the next round's. A text that has
    // nothing to replace never will: what a tag stands for does not change.
    let mut unsettled: Vec<usize> = (0..set.len()).collect();
    while !unsettled.is_empty() {
        let mut next = Vec::new();
        for position in unsettled {
            let Some((name, option)) = set.at(position) else {
                continue;
            };
            let has_tags = |text: &&str| memchr(b'<', text.as_bytes()).is_some() && !ignored(name);
            let Some(text) = option.as_text().filter(has_tags) else {
                continue;
            };
            if !may_change(name, text, set, &ignored, fallback, sources) {
                continue;
            }
            let (name, option) = (name.to_owned(), option.clone());
            let mut resolution = Resolution {
                name: &name,
                text: Rope::of(&option, text, sources.is_inspecting()),
                at: &option.at,
                via: option.via.clone(),
                counts: Vec::new(),
                places: Vec::new(),
            };
            let replaced = resolution.run(set, &ignored, fallback, sources);
            // What is wrong is left as it is, where the mistakes are collected.
            if sources.go_on(replaced)? == Some(true) {
                if find(&resolution.text.text, 0).is_some() {
                    next.push(position);
                }
                let text = option.with_text(resolution.text, resolution.via);
                set.insert(name, text);
            }
        }
        unsettled = next;
    }
    Ok(())
}

/// Whether resolving a text would replace anything in it, or fail.
fn may_change(
    name: &str,
    text: &str,
    set: &Ordered<Traced>,
    ignored: &impl Fn(&str) -> bool,
    fallback: Fallback<'_>,
    sources: &Sources<'_>,
) -> bool {
    let mut from = 0;
    while let Some((start, end)) = find(text, from) {
        let tag = tail(head(text, end - 1), start + 1);
        if sources.budget.spend(0).is_err() || tag == name {
            return true;
        }
        let stays = ignored(tag)
            || match set.get(tag) {
                Some(option) => option.as_text().is_none(),
                None => fallback(tag).is_ok_and(|found| found.is_none_or(|found| found.as_text().is_none())),
            };
        if !stays {
            return true;
        }
        from = end;
    }
    false
}

/// One option in one pass.
struct Resolution<'a> {
    name: &'a str,
    text: Rope,
    at: &'a Option<crate::Span>,
    via: Steps,
    counts: Vec<(String, u32)>,
    /// Where the tag stands that is replaced.
    places: Vec<usize>,
}

impl Resolution<'_> {
    /// Returns whether anything was replaced.
    fn run(
        &mut self,
        set: &Ordered<Traced>,
        ignored: &impl Fn(&str) -> bool,
        fallback: Fallback<'_>,
        sources: &Sources<'_>,
    ) -> Result<bool, Error> {
        let budget = &sources.budget;
        let mut from = 0;
        while let Some((start, end)) = find(&self.text.text, from) {
            let tag = tail(head(&self.text.text, end - 1), start + 1);
            budget.spend(0)?;
            let count = self
                .counts
                .iter()
                .find(|(name, _)| *name == tag)
                .map_or(0, |(_, count)| *count);
            if tag == self.name || count >= REPLACEMENTS {
                return Err(self.recursion(tag.to_owned(), start));
            }
            let found = if ignored(tag) {
                None
            } else if let Some(option) = set.get(tag) {
                Some(option.clone())
            } else {
                sources.go_on(fallback(tag))?.flatten()
            };
            let Some((found, value)) = found.as_ref().and_then(|found| Some((found, found.as_text()?)))
            else {
                from = end;
                continue;
            };
            let tag = tag.to_owned();
            found.mark_used();
            if sources.is_tracing() {
                self.via.add(format!("<{tag}>"), found.at.as_ref(), 0, &found.via);
            }
            self.places.clear();
            self.places.extend(occurrences(&self.text.text, &tag));
            let grown = self
                .places
                .len()
                .saturating_mul(value.len())
                .saturating_add(self.text.text.len());
            budget.spend(grown)?;
            if grown > GROWN && grown > self.text.text.len() {
                // Only what leads to itself grows like this; the reference would go on until its count is up.
                return Err(self.recursion(tag, start));
            }
            self.text.replace(&self.places, tag.len() + 2, found, value);
            match self.counts.iter_mut().find(|(name, _)| *name == tag) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((tag, 1)),
            }
            from = start;
        }
        Ok(!self.counts.is_empty())
    }

    fn recursion(&self, tag: String, start: usize) -> Error {
        let text = &self.text.text;
        let shown = text
            .char_indices()
            .nth(SHOWN)
            .map_or(text.as_str(), |(at, _)| head(text, at));
        let value = if shown.len() < text.len() {
            format!("{shown}...")
        } else {
            shown.to_owned()
        };
        Error::SelfReference {
            at: self.at.clone(),
            exactly: self.text.place(start).map(Box::new),
            option: self.name.to_owned(),
            tag,
            counts: self.counts.clone(),
            value: value.into(),
        }
    }
}

/// Where a tag stands in a text.
fn occurrences(text: &str, tag: &str) -> impl Iterator<Item = usize> {
    memchr_iter(b'<', text.as_bytes()).filter(move |at| {
        let behind = tail(text, at + 1).strip_prefix(tag);
        behind.is_some_and(|behind| behind.starts_with('>'))
    })
}

/// The first tag from a position on: where it begins and where it ends.
///
/// A tag has no blank and no angle bracket inside, so the innermost of nested ones is found first.
fn find(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut start = from + memchr(b'<', tail(text, from).as_bytes())?;
    loop {
        let inside = tail(text, start + 1);
        let end = memchr3(b' ', b'<', b'>', inside.as_bytes())?;
        let closed = tail(inside, end).starts_with('>') && end > 0;
        if closed {
            return Some((start, start + end + 2));
        }
        let next = start + 1 + end;
        start = next + memchr(b'<', tail(text, next).as_bytes())?;
    }
}
