//! The date formats that are known without any `datepattern`, and the keywords that stand for several.
//!
//! In: nothing, or a `datepattern`. Out: layouts with their weights, in the order they are tried.

use crate::layout::{DatePatternError, Layout};

/// How long a `datepattern` may be; the longest of the stock filters has some two hundred characters.
const LONGEST: usize = 20_000;

/// How many templates one `datepattern` may give; `{DATE}` gives seventeen a line.
const MOST: usize = 1_000;

/// The weight of the line-start variants of the default templates; every other weighs one.
const LINE_BEGIN_WEIGHT: f64 = 100.0;

/// The default formats, in the order of preference.
const BASES: [&str; 17] = [
    ISO,
    SYSLOG,
    r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?",
    r"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S",
    APACHE,
    r"%m/%d/%ExY:%H:%M:%S",
    r"%m-%d-%ExY %k:%M:%S(?:\.%f)?",
    EPOCH,
    r"{^LN-BEG}%H:%M:%S",
    r"^<%m/%d/%Exy@%H:%M:%S>",
    r"%Exy%Exm%Exd  ?%H:%M:%S",
    r"%b %d, %ExY %I:%M:%S %p",
    r"^%b-%d-%Exy %k:%M:%S",
    r"%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\s*%z)?",
    r"(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
    r"(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
    TAI64N,
];

/// The three formats of which most logs are; they are also read by hand.
pub(crate) const ISO: &str = r"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?";
pub(crate) const SYSLOG: &str = r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?";
pub(crate) const APACHE: &str = r"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?";

/// The words of the two formats that are no patterns. They are spelled as they print, since `{DATE}`
/// inserts them into other patterns literally.
const EPOCH: &str = "Epoch";
const TAI64N: &str = "TAI64N";

const LINE_BEGIN: &str = "{^LN-BEG}";

/// A layout and its weight.
pub(crate) type Weighted = (Layout, f64);

/// The layouts of a `datepattern`, one pattern a line. An empty list stands for the default formats.
pub(crate) fn layouts(datepattern: &str) -> Result<Vec<Weighted>, DatePatternError> {
    if datepattern.len() > LONGEST {
        let start: String = datepattern.chars().take(50).collect();
        return Err(DatePatternError::format(&format!("{start}..."), "too long"));
    }
    let mut list: Vec<Weighted> = Vec::new();
    for pattern in datepattern.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let upper = pattern.to_ascii_uppercase();
        let is_key = !pattern.contains('%');
        if is_key && upper == "{DEFAULT}" {
            // Beside other patterns it adds nothing; alone the list stays empty, which is the default.
            continue;
        }
        if is_key && upper == LINE_BEGIN {
            for weighted in default_layouts()?
                .into_iter()
                .filter(|(layout, _)| layout.anchored)
            {
                add_new(&mut list, weighted);
            }
        } else if pattern.contains("{DATE}") || (is_key && upper.contains("{DATE}")) {
            for base in BASES {
                let base = base.strip_prefix(LINE_BEGIN).unwrap_or(base);
                let layout = Layout::read(&replace_date(pattern, base))?;
                add_new(&mut list, (layout, 1.0));
            }
        } else {
            let layout = Layout::read(pattern)?;
            if list.iter().any(|(known, _)| known.name == layout.name) {
                return Err(DatePatternError::Duplicate { name: layout.name });
            }
            list.push((layout, 1.0));
        }
        if list.len() > MOST {
            return Err(DatePatternError::format(pattern, "too many patterns"));
        }
    }
    Ok(list)
}

/// The default formats: first those tied to the start of the line, then all of them.
pub(crate) fn default_layouts() -> Result<Vec<Weighted>, DatePatternError> {
    let mut list = Vec::new();
    for base in BASES {
        if !base.starts_with('^') && !base.starts_with(LINE_BEGIN) {
            let layout = Layout::read(&format!("{LINE_BEGIN}{base}"))?;
            list.push((layout, LINE_BEGIN_WEIGHT));
        }
    }
    for base in BASES {
        list.push((Layout::read(base)?, 1.0));
    }
    Ok(list)
}

/// A keyword for several templates leaves out what is there already; but a keyword for one of them gets the weight
/// that it has among the several.
fn add_new(list: &mut Vec<Weighted>, (layout, weight): Weighted) {
    match list.iter_mut().find(|(known, _)| known.name == layout.name) {
        None => list.push((layout, weight)),
        Some((known, old)) if known.source.is_none() => *old = weight,
        Some(_) => {}
    }
}

/// Puts a format in the place of each `{DATE}`, whose case does not matter.
fn replace_date(pattern: &str, base: &str) -> String {
    const KEY: &str = "{DATE}";
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let is_key = rest
            .get(..KEY.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(KEY));
        let length = if is_key {
            out.push_str(base);
            KEY.len()
        } else {
            out.push(c);
            c.len_utf8()
        };
        rest = rest.get(length..).unwrap_or("");
    }
    out
}
