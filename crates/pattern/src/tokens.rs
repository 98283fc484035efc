//! An expression as a stream of tokens: a character, or a backslash with the character after it.
//!
//! It reads one token ahead, as Python's parser does, because that decides which of two errors an
//! expression with both is reported for.

use crate::error::PatternError;

/// The tokens of an expression.
#[derive(Clone)]
pub(crate) struct Tokens<'a> {
    source: &'a str,
    /// Where the token after `next` begins.
    index: usize,
    next: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(source: &'a str) -> Result<Self, PatternError> {
        let mut tokens = Self {
            source,
            index: 0,
            next: None,
        };
        tokens.advance()?;
        Ok(tokens)
    }

    fn advance(&mut self) -> Result<(), PatternError> {
        let rest = self.source.get(self.index..).unwrap_or("");
        let mut chars = rest.chars();
        let length = match chars.next() {
            None => {
                self.next = None;
                return Ok(());
            }
            Some('\\') => match chars.next() {
                Some(escaped) => 1 + escaped.len_utf8(),
                None => {
                    let at = self.source.len() - 1;
                    return Err(PatternError::at("bad escape (end of pattern)", self.source, at));
                }
            },
            Some(c) => c.len_utf8(),
        };
        self.next = rest.get(..length);
        self.index += length;
        Ok(())
    }

    /// The token to come.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.next
    }

    /// Takes a token.
    pub(crate) fn take(&mut self) -> Result<Option<&'a str>, PatternError> {
        let token = self.next;
        if token.is_some() {
            self.advance()?;
        }
        Ok(token)
    }

    /// Takes the token to come if it is `wanted`.
    pub(crate) fn accept(&mut self, wanted: &str) -> Result<bool, PatternError> {
        let found = self.next == Some(wanted);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes at most `most` tokens that are a character of which `good` says yes.
    pub(crate) fn take_while(
        &mut self,
        most: usize,
        good: impl Fn(u8) -> bool,
    ) -> Result<&'a str, PatternError> {
        let start = self.position();
        for _ in 0..most {
            match self.next.map(str::as_bytes) {
                Some([byte]) if good(*byte) => self.advance()?,
                Some(_) | None => break,
            }
        }
        Ok(self.source.get(start..self.position()).unwrap_or(""))
    }

    /// Takes everything up to `terminator`, and that.
    pub(crate) fn take_until(&mut self, terminator: &str, what: &str) -> Result<&'a str, PatternError> {
        let start = self.position();
        loop {
            let at = self.position();
            let Some(token) = self.take()? else {
                return Err(if at == start {
                    self.error(format!("missing {what}"), at)
                } else {
                    self.error(format!("missing {terminator}, unterminated name"), start)
                });
            };
            if token == terminator {
                if at == start {
                    return Err(self.error(format!("missing {what}"), at));
                }
                return Ok(self.source.get(start..at).unwrap_or(""));
            }
        }
    }

    /// The byte offset of the token to come.
    pub(crate) fn position(&self) -> usize {
        self.index - self.next.map_or(0, str::len)
    }

    /// The source between two byte offsets.
    pub(crate) fn text(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from..to).unwrap_or("")
    }

    /// The byte offset `count` characters before `at`.
    pub(crate) fn characters_before(&self, at: usize, count: usize) -> usize {
        let before = self.source.get(..at).unwrap_or("");
        count
            .checked_sub(1)
            .and_then(|back| before.char_indices().rev().nth(back))
            .map_or(at, |(at, _)| at)
    }

    /// Goes back to the byte offset `position`.
    pub(crate) fn seek(&mut self, position: usize) -> Result<(), PatternError> {
        self.index = position;
        self.advance()
    }

    /// An error at the byte offset `at`.
    pub(crate) fn error(&self, message: impl Into<String>, at: usize) -> PatternError {
        PatternError::at(message, self.source, at)
    }

    /// An error at the token to come.
    pub(crate) fn error_here(&self, message: impl Into<String>) -> PatternError {
        self.error(message, self.position())
    }
}
