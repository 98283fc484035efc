//! A `datepattern` as written → what a template is made of: pieces, bounds, what is cut, its name.
//!
//! In: one line of a `datepattern`. Out: one [`Layout`], or what is wrong with the line.
//!
//! The keywords (`EPOCH`, `{^LN-BEG}`, `{NONE}`, …) that stand for one template are resolved here; those
//! that stand for several are the business of `defaults`.
//!
//! Invariant: the pieces hold no `%` token, no bound and no flag any more; what remains is plain regular
//! expression between tokens.

use crate::token::{Decades, Token};

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A character of the regular expression.
    Char(char),
    /// A field of the date.
    Token(Token),
}

/// What must hold left of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Free,
    /// The line's start, a word boundary, or a first character that is none of a word.
    Word,
    /// The line's start, and up to two characters of no word that are not part of the date.
    LineBegin,
    /// The line's start, behind its first character if that is `[`, or behind `audit(`.
    EpochPlace,
}

/// A template before it is made into a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// As the statistics of `fail2ban-regex` print it.
    pub(crate) name: String,
    /// As it was written; nothing for the epoch forms, for which the reference has no pattern to show.
    pub(crate) source: Option<String>,
    /// Global flags at the start, such as `iu`.
    pub(crate) flags: String,
    pub(crate) left: Left,
    /// A `^` before the cut group.
    pub(crate) caret: bool,
    pub(crate) body: Vec<Piece>,
    /// Whether the body as a whole is cut; else its first group is.
    pub(crate) wrap: bool,
    /// A `$` behind the cut group.
    pub(crate) dollar: bool,
    /// Whether a word may not go on behind the match.
    pub(crate) right: bool,
    /// Whether a match is tied to the start or the end of the line.
    pub(crate) anchored: bool,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatePatternError {
    /// A `%` that begins no token.
    #[error(
        "Failed to set datepattern '{pattern}' (may be an invalid format or unescaped percent char): {detail}"
    )]
    Format {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        detail: String,
        /// Where the token begins that there is not, counted in characters.
        at: Option<usize>,
    },
    /// Two patterns that print alike.
    #[error("There is already a template with name {name}")]
    Duplicate {
        /// The name.
        name: String,
    },
}

impl DatePatternError {
    pub(crate) fn format(pattern: &str, detail: impl Into<String>) -> Self {
        Self::Format {
            pattern: pattern.to_owned(),
            detail: detail.into(),
            at: None,
        }
    }
}

impl Layout {
    /// Reads one pattern that is neither `{DATE}` nor a keyword for several templates.
    pub(crate) fn read(pattern: &str) -> Result<Self, DatePatternError> {
        if let Some(layout) = Self::keyword(pattern) {
            return Ok(layout);
        }
        let keys = if pattern.contains('%') {
            pattern.to_owned()
        } else {
            pattern.to_ascii_uppercase()
        };
        if keys.contains("{EPOCH}") || keys.contains("{LEPOCH}") {
            return Ok(Self::around_epoch(pattern));
        }
        let (rest, bounds) = if let Some(rest) = pattern.strip_prefix("{UNB}") {
            (rest, Bounds::None)
        } else if let Some(rest) = pattern.strip_prefix("{^LN-BEG}") {
            (rest, Bounds::LineBegin)
        } else {
            (pattern, Bounds::Word)
        };
        let (pieces, mut name, ignore_case) =
            tokens(rest).map_err(|(detail, at)| DatePatternError::Format {
                pattern: pattern.to_owned(),
                detail,
                // What stands before it marks the beginning of a line.
                at: at.map(|at| at + pattern.chars().count() - rest.chars().count()),
            })?;
        if bounds == Bounds::LineBegin {
            name.insert_str(0, "{^LN-BEG}");
        }
        let mut layout = Self::bounded(name, Some(pattern.to_owned()), pieces, bounds);
        if ignore_case {
            layout.flags.retain(|flag| !matches!(flag, 'i' | 'u'));
            layout.flags.insert_str(0, "iu");
        }
        Ok(layout)
    }

    /// The keywords that are a whole pattern.
    fn keyword(pattern: &str) -> Option<Self> {
        let upper = pattern.to_ascii_uppercase();
        if upper == "{NONE}" {
            let source = Some("{UNB}^".to_owned());
            return Some(Self::bounded(
                "^".to_owned(),
                source,
                vec![Piece::Char('^')],
                Bounds::None,
            ));
        }
        let (begin, word) = match upper.strip_prefix("{^LN-BEG}").or(upper.strip_prefix('^')) {
            Some(word) => (true, word),
            None => (false, upper.as_str()),
        };
        let (token, name) = match word {
            "EPOCH" => (Token::Epoch, "Epoch"),
            "LEPOCH" => (Token::LongEpoch, "LongEpoch"),
            "TAI64N" => (Token::Tai64n, "TAI64N"),
            _ => return None,
        };
        let left = if begin {
            Left::LineBegin
        } else if token == Token::Tai64n {
            Left::Free
        } else {
            Left::EpochPlace
        };
        Some(Self {
            name: if begin {
                format!("{{^LN-BEG}}{name}")
            } else {
                name.to_owned()
            },
            source: None,
            flags: String::new(),
            left,
            caret: false,
            body: vec![Piece::Token(token)],
            wrap: true,
            dollar: false,
            right: true,
            anchored: begin,
        })
    }

    /// A pattern with `{EPOCH}` in it, in which nothing else is a token.
    fn around_epoch(pattern: &str) -> Self {
        let mut body = Vec::new();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            let keyword = [("{EPOCH}", Token::Epoch), ("{LEPOCH}", Token::LongEpoch)]
                .into_iter()
                .find(|(keyword, _)| {
                    rest.get(..keyword.len())
                        .is_some_and(|text| text.eq_ignore_ascii_case(keyword))
                });
            let length = match keyword {
                Some((keyword, token)) => {
                    body.push(Piece::Token(token));
                    keyword.len()
                }
                None => {
                    body.push(Piece::Char(c));
                    c.len_utf8()
                }
            };
            rest = rest.get(length..).unwrap_or("");
        }
        Self::bounded(pattern.to_owned(), None, body, Bounds::Word)
    }

    /// Takes the bounds off the pieces and decides what is cut.
    fn bounded(name: String, source: Option<String>, mut pieces: Vec<Piece>, bounds: Bounds) -> Self {
        let mut left = match bounds {
            Bounds::None => Left::Free,
            Bounds::Word => Left::Word,
            Bounds::LineBegin => Left::LineBegin,
        };
        let mut right = bounds != Bounds::None;
        let mut anchored = left == Left::LineBegin;

        let opening = flags_length(&pieces);
        let brackets = opening
            + pieces
                .iter()
                .skip(opening)
                .take_while(|p| **p == Piece::Char('('))
                .count();
        if starts(&pieces, brackets, "**") {
            pieces.drain(brackets..brackets + 2);
            left = Left::Free;
            anchored = false;
        }
        let group = if starts(&pieces, brackets, "?:") {
            brackets + 2
        } else {
            brackets
        };
        if starts(&pieces, group, "^") {
            left = Left::Free;
            anchored = !starts(&pieces, group + 1, "|");
        }

        let closing = pieces
            .iter()
            .rev()
            .take_while(|p| **p == Piece::Char(')'))
            .count();
        let end = pieces.len() - closing;
        if ends(&pieces, end, "**") {
            pieces.drain(end - 2..end);
            right = false;
        }
        let whole = pieces.len();
        for tail in ["$", r"\b", r"\s"] {
            right &= !ends(&pieces, whole, tail);
        }
        if ends(&pieces, whole, "$)") {
            right = false;
        }
        anchored |= ends(&pieces, whole, "$") || ends(&pieces, whole, "$)");

        let flags = take_flags(&mut pieces);
        let wrap = !has_own_group(&pieces);
        let caret = wrap && pieces.first() == Some(&Piece::Char('^'));
        if caret {
            pieces.remove(0);
        }
        let dollar = wrap && ends(&pieces, pieces.len(), "$");
        if dollar {
            pieces.pop();
        }
        Self {
            name,
            source,
            flags,
            left,
            caret,
            body: pieces,
            wrap,
            dollar,
            right,
            anchored,
        }
    }

    /// Whether case does not matter.
    #[must_use]
    pub(crate) fn ignore_case(&self) -> bool {
        self.flags.contains('i')
    }

    /// The whole as a regular expression of the general engine; its first group is what is cut.
    pub(crate) fn regex(&self, years: Decades) -> String {
        let mut regex = String::new();
        if !self.flags.is_empty() {
            regex.push_str("(?");
            regex.push_str(&self.flags);
            regex.push(')');
        }
        regex.push_str(match self.left {
            Left::Free => "",
            Left::Word => r"(?=^|\b|\W)",
            Left::LineBegin => r"^\W{0,2}",
            Left::EpochPlace => r"(?:^|(?<=^\[)|(?<=\baudit\())",
        });
        if self.caret {
            regex.push('^');
        }
        if self.wrap {
            regex.push('(');
        }
        for piece in &self.body {
            match piece {
                Piece::Char(c) => regex.push(*c),
                Piece::Token(token) => {
                    regex.push_str("(?P<");
                    regex.push_str(token.group());
                    regex.push('>');
                    regex.push_str(&token.regex(years));
                    regex.push(')');
                }
            }
        }
        if self.wrap {
            regex.push(')');
        }
        if self.dollar {
            regex.push('$');
        }
        if self.right {
            regex.push_str(r"(?=\b|\W|$)");
        }
        regex
    }
}

/// Which bounds a pattern asks for by its prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bounds {
    None,
    Word,
    LineBegin,
}

/// Whether the pieces from `at` begin with `text`.
fn starts(pieces: &[Piece], at: usize, text: &str) -> bool {
    let count = text.chars().count();
    pieces
        .get(at..at + count)
        .is_some_and(|pieces| pieces.iter().copied().eq(text.chars().map(Piece::Char)))
}

/// Whether the pieces before `end` end with `text`, not counting one that a backslash escapes.
fn ends(pieces: &[Piece], end: usize, text: &str) -> bool {
    let Some(start) = end.checked_sub(text.chars().count()) else {
        return false;
    };
    let escaped = start
        .checked_sub(1)
        .is_some_and(|before| pieces.get(before) == Some(&Piece::Char('\\')));
    starts(pieces, start, text) && !escaped
}

/// The length of the flag groups, such as `(?iu)`, that the pieces begin with.
fn flags_length(pieces: &[Piece]) -> usize {
    let mut length = 0;
    while starts(pieces, length, "(?") {
        let is_flag = |piece: &&Piece| matches!(piece, Piece::Char(c) if c.is_ascii_alphabetic());
        let letters = pieces.iter().skip(length + 2).take_while(is_flag).count();
        if letters == 0 || !starts(pieces, length + 2 + letters, ")") {
            break;
        }
        length += letters + 3;
    }
    length
}

/// Takes the flag groups off the start.
fn take_flags(pieces: &mut Vec<Piece>) -> String {
    let length = flags_length(pieces);
    pieces
        .drain(..length)
        .filter_map(|piece| match piece {
            Piece::Char(c) if c.is_ascii_alphabetic() => Some(c),
            Piece::Char(_) | Piece::Token(_) => None,
        })
        .collect()
}

/// Whether the pattern has a plain group, which then is what is cut.
///
/// The reference looks for a parenthesis without backslash before and question mark behind, so one in a
/// class counts, and one behind an escaped backslash does not.
fn has_own_group(pieces: &[Piece]) -> bool {
    pieces.iter().enumerate().any(|(at, piece)| {
        *piece == Piece::Char('(')
            && pieces.get(at + 1) != Some(&Piece::Char('?'))
            && at
                .checked_sub(1)
                .is_none_or(|before| pieces.get(before) != Some(&Piece::Char('\\')))
    })
}

/// Pieces, printed name, and whether a name in it makes case not matter.
type Tokenized = (Vec<Piece>, String, bool);

/// Replaces the `%` tokens.
fn tokens(pattern: &str) -> Result<Tokenized, (String, Option<usize>)> {
    let mut pieces = Vec::new();
    let mut name = String::new();
    let mut ignore_case = false;
    let mut is_used = false;
    let mut chars = pattern.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        if c != '%' {
            pieces.push(Piece::Char(c));
            name.push(c);
            continue;
        }
        let mut key = String::new();
        let Some((_, letter)) = chars.next() else {
            return Err(("incomplete format".to_owned(), None));
        };
        key.push(letter);
        if letter == 'E' || letter == '(' {
            // `%ExY`, and `%(Y)s`, which the reference accepts in passing.
            let mut rest = chars.clone();
            let length = if letter == 'E' { 2 } else { 3 };
            key.extend(rest.by_ref().take(length).map(|(_, c)| c));
            if letter == '(' {
                let inner = key.strip_prefix('(').and_then(|key| key.strip_suffix(")s"));
                match inner.map(str::to_owned) {
                    Some(inner) => key = inner,
                    None => return Err(("unsupported format in parentheses".to_owned(), None)),
                }
            }
            chars = rest;
        }
        if key == "%" {
            pieces.push(Piece::Char('%'));
            name.push('%');
            continue;
        }
        let Some(expansion) = expand(&key) else {
            let detail = match letter {
                // Python hands its one argument out once.
                _ if is_used => "not enough arguments for format string".to_owned(),
                'e' | 'E' | 'F' | 'g' => "must be real number, not dict".to_owned(),
                'i' => "%i format: a real number is required, not dict".to_owned(),
                'o' => "%o format: an integer is required, not dict".to_owned(),
                _ => {
                    let code = u32::from(letter);
                    format!(
                        "unsupported format character '{letter}' (0x{code:x}) at index {}",
                        at + 1
                    )
                }
            };
            return Err((detail, Some(at)));
        };
        is_used = true;
        pieces.extend_from_slice(expansion.pieces);
        ignore_case |= matches!(key.as_str(), "a" | "A" | "b" | "B" | "p" | "c");
        match expansion.word {
            "" => {
                name.push('%');
                name.push_str(&key);
            }
            word => {
                if key.len() > 1 {
                    name.push_str("Ex");
                }
                name.push_str(word);
            }
        }
    }
    Ok((pieces, name, ignore_case))
}

/// What stands for a token.
struct Expansion {
    /// Its word in printed names; empty where it prints as itself.
    word: &'static str,
    pieces: &'static [Piece],
}

/// The expansion of the token with this key: one letter, or `Ex` and a letter.
#[rustfmt::skip]
fn expand(key: &str) -> Option<Expansion> {
    use Piece::Char as C;
    use Piece::Token as T;
    let (word, pieces): (&'static str, &'static [Piece]) = match key {
        "a" => ("DAY", &[T(Token::WeekdayName)]),
        "A" => ("DAYNAME", &[T(Token::LongWeekdayName)]),
        "b" => ("MON", &[T(Token::MonthName)]),
        "B" => ("MONTH", &[T(Token::LongMonthName)]),
        "d" => ("Day", &[T(Token::Day)]),
        "Exd" => ("Day", &[T(Token::ExDay)]),
        "H" => ("24hour", &[T(Token::Hour)]),
        "ExH" => ("24hour", &[T(Token::ExHour)]),
        "k" => ("", &[C(' '), C('?'), T(Token::LooseHour)]),
        "Exk" => ("", &[C(' '), C('?'), T(Token::Hour)]),
        "I" => ("12hour", &[T(Token::HalfDayHour)]),
        "l" => ("", &[C(' '), C('?'), T(Token::LooseHalfDayHour)]),
        "Exl" => ("", &[C(' '), C('?'), T(Token::ExHalfDayHour)]),
        "j" => ("Yearday", &[T(Token::YearDay)]),
        "m" => ("Month", &[T(Token::Month)]),
        "Exm" => ("Month", &[T(Token::ExMonth)]),
        "M" => ("Minute", &[T(Token::Minute)]),
        "ExM" => ("Minute", &[T(Token::ExMinute)]),
        "p" => ("AMPM", &[T(Token::HalfDay)]),
        "S" => ("Second", &[T(Token::Second)]),
        "ExS" => ("Second", &[T(Token::ExSecond)]),
        "U" => ("Yearweek", &[T(Token::WeekFromSunday)]),
        "W" => ("Yearweek", &[T(Token::WeekFromMonday)]),
        "w" => ("Weekday", &[T(Token::Weekday)]),
        "y" => ("Year2", &[T(Token::ShortYear)]),
        "Exy" => ("Year2", &[T(Token::ShortYear)]),
        "Y" => ("Year", &[T(Token::Year)]),
        "ExY" => ("Year", &[T(Token::ExYear)]),
        "z" => ("Zone offset", &[T(Token::Zone)]),
        "Exz" => ("Zone offset", &[T(Token::ExZone)]),
        "Z" => ("Zone name", &[T(Token::ZoneName)]),
        "ExZ" => ("Zone name", &[T(Token::ExZoneName)]),
        "f" => ("Microseconds", &[T(Token::Fraction)]),
        "G" => ("", &[T(Token::IsoYear)]),
        "V" => ("", &[T(Token::IsoWeek)]),
        "u" => ("", &[T(Token::IsoWeekday)]),
        "c" => ("", &[
            T(Token::WeekdayName), C('\\'), C('s'), C('+'), T(Token::MonthName), C('\\'), C('s'), C('+'),
            T(Token::Day), C('\\'), C('s'), C('+'), T(Token::Hour), C(':'), T(Token::Minute), C(':'),
            T(Token::Second), C('\\'), C('s'), C('+'), T(Token::Year),
        ]),
        "x" => ("", &[T(Token::Month), C('/'), T(Token::Day), C('/'), T(Token::ShortYear)]),
        "X" => ("", &[T(Token::Hour), C(':'), T(Token::Minute), C(':'), T(Token::Second)]),
        _ => return None,
    };
    Some(Expansion { word, pieces })
}

#[cfg(test)]
mod tests {
    use super::{Decades, Layout};

    #[test]
    fn bounds_and_groups_are_found_as_the_reference_finds_them() {
        let (w, b) = (r"(?=^|\b|\W)", r"(?=\b|\W|$)");
        let begin = r"^\W{0,2}";
        let cases = [
            ("Y", format!("{w}(Y){b}"), false),
            ("^Y", format!("^(Y){b}"), true),
            ("(^Y)", format!("(^Y){b}"), true),
            ("((^Y))", format!("((^Y)){b}"), true),
            ("(?:^Y)", format!("((?:^Y)){b}"), true),
            ("(?:^|x)Y", format!("((?:^|x)Y){b}"), false),
            ("(^|x)Y", format!("(^|x)Y{b}"), false),
            ("(?:x|^)Y", format!("{w}((?:x|^)Y){b}"), false),
            ("(?i)^Y", format!("(?i)^(Y){b}"), true),
            ("(?i)(?s)^Y", format!("(?is)^(Y){b}"), true),
            ("Y$", format!("{w}(Y)$"), true),
            ("(Y$)", format!("{w}(Y$)"), true),
            ("(?:Y$)", format!("{w}((?:Y$))"), true),
            (r"Y\b", format!(r"{w}(Y\b)"), false),
            (r"Y\s", format!(r"{w}(Y\s)"), false),
            (r"Y\s*", format!(r"{w}(Y\s*){b}"), false),
            (r"Y\$", format!(r"{w}(Y\$){b}"), false),
            ("**Y", format!("(Y){b}"), false),
            ("Y**", format!("{w}(Y)"), false),
            ("(Y**)", format!("{w}(Y)"), false),
            ("(**Y)", format!("(Y){b}"), false),
            ("**(?i)Y", format!("(?i)(Y){b}"), false),
            ("(?i)**Y", format!("(?i)(Y){b}"), false),
            (r"Y\**", format!(r"{w}(Y\**){b}"), false),
            (r"Y\***", format!(r"{w}(Y\*)"), false),
            ("{UNB}Y", "(Y)".to_owned(), false),
            ("{UNB}^Y$", "^(Y)$".to_owned(), true),
            ("{^LN-BEG}Y", format!("{begin}(Y){b}"), true),
            ("{^LN-BEG}^Y", format!("^(Y){b}"), true),
            ("{^LN-BEG}**Y", format!("(Y){b}"), false),
            ("{^LN-BEG}Y**", format!("{begin}(Y)"), true),
            ("[(]Y", format!("{w}[(]Y{b}"), false),
            (r"\\(Y)", format!(r"{w}(\\(Y)){b}"), false),
            ("(?P<x>Y)", format!("{w}((?P<x>Y)){b}"), false),
            ("(?P<x>Y)(Z)", format!("{w}(?P<x>Y)(Z){b}"), false),
            ("{NONE}", "^()".to_owned(), true),
            ("^()", format!("^(){b}"), true),
            ("%Exp", String::new(), false),
            ("x%", String::new(), false),
        ];
        for (pattern, regex, anchored) in cases {
            let layout = Layout::read(pattern).ok();
            assert_eq!(
                layout
                    .as_ref()
                    .map(|layout| layout.regex(Decades::since(2026)))
                    .unwrap_or_default(),
                regex,
                "{pattern:?}"
            );
            assert_eq!(
                layout.is_some_and(|layout| layout.anchored),
                anchored,
                "{pattern:?}"
            );
        }
    }
}
