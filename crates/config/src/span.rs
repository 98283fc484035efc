//! Where something is written.

use std::{fmt, sync::Arc};

/// A place in a file; displays as `/etc/fail2ban/jail.local:12:12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file, as the reader named it.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// The character within the line, counted from 1.
    pub column: u32,
}

impl Span {
    /// The place behind a text with which a file begins.
    pub(crate) fn behind(file: &Arc<str>, text: &str) -> Self {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        let ends = text.replace("\r\n", "\n").replace('\r', "\n");
        let line = ends.rsplit('\n').next().unwrap_or_default();
        Self {
            file: Arc::clone(file),
            line: number(ends.matches('\n').count()),
            column: number(line.chars().count()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place; `None` where it comes from no file: a default, or the command line.
    pub span: Option<Span>,
    /// The places of its parts, such as the patterns of a list, where it has any that are known.
    pub parts: Vec<Option<Span>>,
}

impl<T> Located<T> {
    /// A value with its place.
    pub fn new(value: T, span: Option<Span>) -> Self {
        let parts = Vec::new();
        Self { value, span, parts }
    }

    /// The same with the places of its parts.
    #[must_use]
    pub fn with_parts(self, parts: Vec<Option<Span>>) -> Self {
        Self { parts, ..self }
    }

    /// The places as texts, of the whole first and then of the parts; an empty one where it is not known.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let text = |span: &Option<Span>| span.as_ref().map_or_else(String::new, Span::to_string);
        if self.span.is_none() && self.parts.is_empty() {
            return Vec::new();
        }
        std::iter::once(&self.span).chain(&self.parts).map(text).collect()
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: change(self.value),
            span: self.span,
            parts: self.parts,
        }
    }
}
