//! A tree → texts one of which stands in every text that the expression matches.
//!
//! In: a [`Node`]. Out: [`Literals`], or nothing where the expression asks for none worth looking for.
//!
//! Literals are ASCII and have no LF: an encoding may spell other characters otherwise, and the line ends
//! where the text that is searched has its LF.
//!
//! Invariant: a text without any of the literals is not matched. What is optional is never asked for; an
//! alternative asks only where every branch does.

use crate::ast::Node;
use crate::limits;

/// Texts one of which stands in every text that an expression matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literals(Vec<Box<[u8]>>);

impl Literals {
    /// The texts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// What the expression of `root` asks for.
    pub(crate) fn of(root: &Node) -> Option<Self> {
        let texts = Known::of(root).into_needed()?;
        let shortest = texts.iter().map(Vec::len).min()?;
        (shortest >= limits::LITERAL_BYTES.0)
            .then(|| Self(texts.into_iter().map(Vec::into_boxed_slice).collect()))
    }
}

/// Some texts, sorted, each once.
type Texts = Vec<Vec<u8>>;

/// What is known about the texts that a node matches.
struct Known {
    /// They are among these.
    exact: Option<Texts>,
    /// They begin with one of these.
    prefix: Texts,
    /// They end with one of these.
    suffix: Texts,
    /// They, or what stands around them, have one of these.
    needed: Option<Texts>,
}

impl Known {
    fn of(node: &Node) -> Self {
        match node {
            Node::Empty | Node::Assert(_) => Self::exact(nothing()),
            Node::Char(c) => Self::one_of([u32::from(*c)]),
            Node::Set(set) => {
                let codes = set.ranges().iter().flat_map(|range| range.0..=range.1);
                Self::one_of(codes.take(limits::LITERALS_A_PLACE + 1))
            }
            Node::Concat(nodes) => Self::of_sequence(nodes),
            Node::Alternate(nodes) => nodes
                .iter()
                .map(Self::of)
                .reduce(Self::or)
                .unwrap_or_else(|| Self::exact(nothing())),
            Node::Conditional { yes, no, .. } => Self::of(yes).or(Self::of(no)),
            Node::Capture(_, node) | Node::Atomic(node) => Self::of(node),
            Node::Repeat { max: Some(0), .. } => Self::exact(nothing()),
            Node::Repeat {
                node, min: 0, max, ..
            } => match (Self::of(node).exact, max) {
                (Some(exact), Some(1)) => Self::exact(union(exact, nothing())),
                (Some(_) | None, _) => Self::anything(),
            },
            Node::Repeat {
                node, min: 1, max, ..
            } if *max == Some(1) => Self::of(node),
            Node::Repeat { node, .. } => Self {
                exact: None,
                ..Self::of(node)
            },
            // It consumes nothing, but what it looks for must be there.
            Node::Look {
                node,
                negative: false,
                ..
            } => Self {
                needed: Self::of(node).into_needed(),
                ..Self::exact(nothing())
            },
            Node::Look { .. } => Self::exact(nothing()),
            Node::BackReference(..) => Self::anything(),
        }
    }

    fn exact(texts: Texts) -> Self {
        Self {
            exact: Some(texts.clone()),
            prefix: texts.clone(),
            suffix: texts,
            needed: None,
        }
    }

    fn anything() -> Self {
        Self {
            exact: None,
            prefix: nothing(),
            suffix: nothing(),
            needed: None,
        }
    }

    fn one_of(codes: impl IntoIterator<Item = u32>) -> Self {
        let mut texts = Vec::new();
        for code in codes {
            match u8::try_from(code) {
                Ok(byte) if byte.is_ascii() && byte != b'\n' => texts.push(vec![byte]),
                Ok(_) | Err(_) => return Self::anything(),
            }
        }
        if texts.is_empty() || texts.len() > limits::LITERALS_A_PLACE {
            return Self::anything();
        }
        Self::exact(texts)
    }

    fn of_sequence(nodes: &[Node]) -> Self {
        let mut whole = Self::exact(nothing());
        let mut word = Vec::new();
        for node in nodes {
            // What stands between letters does not part them.
            if matches!(node, Node::Empty | Node::Assert(_)) {
                continue;
            }
            let letter = letter(node);
            word.extend(letter);
            if !word.is_empty() && (letter.is_none() || word.len() == limits::WORD_BYTES) {
                whole = whole.then(Self::exact(vec![std::mem::take(&mut word)]));
            }
            if letter.is_none() {
                whole = whole.then(Self::of(node));
            }
        }
        if word.is_empty() {
            return whole;
        }
        whole.then(Self::exact(vec![word]))
    }

    /// This, and right behind it that.
    fn then(self, next: Self) -> Self {
        if let (Some(one), Some(other)) = (&self.exact, &next.exact)
            && let Some(exact) = product(one, other)
        {
            // Nothing is known of either that is not known of both together.
            let needed = better(self.needed, next.needed);
            return Self {
                needed: better(needed, Some(exact.clone())),
                ..Self::exact(exact)
            };
        }
        let seam = product(&self.suffix, &next.prefix);
        let exact = match (&self.exact, &next.exact) {
            (Some(one), Some(other)) => product(one, other),
            (Some(_) | None, _) => None,
        };
        let prefix = match (&self.exact, &exact) {
            (_, Some(exact)) => exact.clone(),
            (Some(one), None) => product(one, &next.prefix).unwrap_or(self.prefix),
            (None, None) => self.prefix,
        };
        let suffix = match (&next.exact, &exact) {
            (_, Some(exact)) => exact.clone(),
            (Some(other), None) => product(&self.suffix, other).unwrap_or_else(|| next.suffix.clone()),
            (None, None) => next.suffix.clone(),
        };
        // Where the two together are too many, each by itself has to do.
        let parts = match &seam {
            Some(_) => [seam, None],
            None => [Some(self.suffix), Some(next.prefix)],
        };
        let needed = [self.needed, next.needed]
            .into_iter()
            .chain(parts)
            .fold(None, better);
        Self {
            exact,
            prefix,
            suffix,
            needed,
        }
    }

    /// This or that.
    fn or(self, other: Self) -> Self {
        let exact = match (&self.exact, &other.exact) {
            (Some(one), Some(two)) => few(union(one.clone(), two.clone())),
            (Some(_) | None, _) => None,
        };
        let prefix = few(union(self.prefix.clone(), other.prefix.clone())).unwrap_or_else(nothing);
        let suffix = few(union(self.suffix.clone(), other.suffix.clone())).unwrap_or_else(nothing);
        let needed = match (self.into_needed(), other.into_needed()) {
            (Some(one), Some(two)) => Some(union(one, two)).filter(|all| all.len() <= limits::LITERALS),
            (Some(_) | None, _) => None,
        };
        Self {
            exact,
            prefix,
            suffix,
            needed,
        }
    }

    /// The best of everything that is known.
    fn into_needed(self) -> Option<Texts> {
        [self.exact, Some(self.prefix), Some(self.suffix)]
            .into_iter()
            .fold(self.needed, better)
    }
}

/// The one byte that a node matches, where a literal can have it.
fn letter(node: &Node) -> Option<u8> {
    match node {
        Node::Char(c) if c.is_ascii() && *c != '\n' => u8::try_from(*c).ok(),
        Node::Char(_)
        | Node::Empty
        | Node::Assert(_)
        | Node::Set(_)
        | Node::Concat(_)
        | Node::Alternate(_)
        | Node::Capture(..)
        | Node::Repeat { .. }
        | Node::Atomic(_)
        | Node::Look { .. }
        | Node::BackReference(..)
        | Node::Conditional { .. } => None,
    }
}

/// The empty text alone.
fn nothing() -> Texts {
    vec![Vec::new()]
}

fn union(mut one: Texts, other: Texts) -> Texts {
    one.extend(other);
    one.sort_unstable();
    one.dedup();
    one
}

fn few(texts: Texts) -> Option<Texts> {
    (texts.len() <= limits::LITERALS_A_PLACE).then_some(texts)
}

/// Every text of `one` followed by every text of `other`; nothing where that is too much.
fn product(one: &Texts, other: &Texts) -> Option<Texts> {
    if one.len().saturating_mul(other.len()) > limits::LITERALS_A_PLACE {
        return None;
    }
    let mut texts = Vec::with_capacity(one.len() * other.len());
    for start in one {
        for end in other {
            if start.len() + end.len() > limits::LITERAL_BYTES.1 {
                return None;
            }
            texts.push([start.as_slice(), end].concat());
        }
    }
    Some(union(texts, Vec::new()))
}

/// The one of two requirements that fewer lines are likely to meet.
fn better(one: Option<Texts>, other: Option<Texts>) -> Option<Texts> {
    match (one, other) {
        (one, None) => one,
        (None, other) => other.filter(|texts| rarity(texts) > 0),
        (Some(one), Some(other)) => Some(if rarity(&other) > rarity(&one) { other } else { one }),
    }
}

/// How rarely one of these texts is likely to be met; 0 where one of them is everywhere.
fn rarity(texts: &Texts) -> usize {
    let shortest = texts.iter().map(|text| weight(text)).min().unwrap_or(0);
    // Many texts are met more often than few.
    shortest.saturating_sub(texts.len() / 4)
}

/// The end of a text, from where it begins with what is least likely to be met by chance.
pub(crate) fn rare_tail(text: &[u8]) -> &[u8] {
    let places = 0..=text.len().saturating_sub(limits::TAIL_BYTES);
    let begin = |at: usize| {
        text.get(at..(at + limits::RARE_BYTES).min(text.len()))
            .unwrap_or_default()
    };
    // The first of those that are as rare, for a long text is met less often than a short one.
    let rarest = places.rev().max_by_key(|at| weight(begin(*at)));
    text.get(rarest.unwrap_or_default()..).unwrap_or(text)
}

/// What the characters of a text weigh: letters and blanks are in every line, capitals and signs are not.
fn weight(text: &[u8]) -> usize {
    text.iter()
        .map(|byte| match byte {
            b' ' | b':' | b'.' | b'0'..=b'9' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' => 2,
            b'a'..=b'z' | b'[' | b']' | b'=' | b'-' | b'/' => 3,
            _ => 4,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use crate::{Options, Pattern};

    #[test]
    fn asks_only_for_what_must_be_there() {
        let cases: [(&str, Option<&[&str]>); 30] = [
            ("Failed password", Some(&["Failed password"])),
            (
                "^ \\w+: Failed (?:key|none) for",
                Some(&[": Failed key for", ": Failed none for"]),
            ),
            ("a?bcd", Some(&["abcd", "bcd"])),
            ("(?:abc)?", None),
            ("(?:abcd)?xyz", Some(&["abcdxyz", "xyz"])),
            ("(?:abcd)*xyz", Some(&["xyz"])),
            ("(?:abcd)+", Some(&["abcd"])),
            ("x(?:abcd)+yz", Some(&["abcdyz"])),
            ("x(?:abcd){2,3}yz", Some(&["abcdyz"])),
            ("x(?:abcd){0}yz", Some(&["xyz"])),
            ("abcd|\\w+", None),
            ("abcd|x.*wxyz", Some(&["abcd", "wxyz"])),
            ("(?P<a>abcd)|(?P<b>wxyz)", Some(&["abcd", "wxyz"])),
            ("(x)?(?(1)abcd|wxyz)", Some(&["abcd", "wxyz"])),
            ("(x)?\\w(?(1)abcd|wxyz)", Some(&["abcd", "wxyz"])),
            ("(x)?\\w(?(1)abcd)", None),
            ("(?=.*needle)\\w+", Some(&["needle"])),
            ("(?!needle)\\w+", None),
            ("(?<=needle)\\w+", Some(&["needle"])),
            ("(?<!needle)\\w+", None),
            ("ab\ncde", Some(&["cde"])),
            ("abc\u{e9}defg", Some(&["defg"])),
            ("[aA]bc", Some(&["Abc", "abc"])),
            ("[a-z]bcd", Some(&["bcd"])),
            ("(?i:abcd)", Some(&["ABCD"])),
            ("(?i:sick)", None),
            ("ab\\bcd", Some(&["abcd"])),
            ("(abcd)\\1", Some(&["abcd"])),
            ("(?>abcd)++x", Some(&["abcdx"])),
            ("ab", None),
        ];
        for (source, expected) in cases {
            let pattern = Pattern::compile(source, Options::default()).unwrap();
            let found = pattern.literals().map(|literals| {
                let texts = literals
                    .iter()
                    .map(|text| String::from_utf8(text.to_vec()).unwrap());
                texts.collect::<Vec<_>>()
            });
            if source.contains("(?i:ab") {
                assert_eq!(found.map(|texts| texts.len()), Some(16), "{source}");
                continue;
            }
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|texts| texts.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{source}");
        }
    }
}
