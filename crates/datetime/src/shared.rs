//! The formats that several logs have in common, compiled once: mostly those of the logs whose jail names none.
//!
//! In: what is written as `datepattern`. Out: its formats, which know nothing of the lines of any log.
//!
//! Invariant: formats that nobody has any more are forgotten at the next question. Each thread has its own, as one of
//! them has all jails.

use crate::layout::DatePatternError;
use crate::template::Template;
use crate::token::Decades;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// Formats that somebody has.
struct Known {
    written: Option<String>,
    years: Decades,
    templates: Weak<[Template]>,
}

thread_local! {
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// The formats of what is written; nothing is the formats that logs have by default. They are compiled where nobody has
/// them yet.
pub(crate) fn templates(
    written: Option<&str>,
    years: Decades,
    compile: impl FnOnce() -> Result<Arc<[Template]>, DatePatternError>,
) -> Result<Arc<[Template]>, DatePatternError> {
    let found = KNOWN.with_borrow_mut(|known| {
        known.retain(|known| known.templates.strong_count() > 0);
        known
            .iter()
            .find(|known| known.written.as_deref() == written && known.years == years)
            .and_then(|known| known.templates.upgrade())
    });
    if let Some(templates) = found {
        return Ok(templates);
    }
    let templates = compile()?;
    let known = Known {
        written: written.map(str::to_owned),
        years,
        templates: Arc::downgrade(&templates),
    };
    KNOWN.with_borrow_mut(|all| all.push(known));
    Ok(templates)
}

#[cfg(test)]
mod tests {
    use super::KNOWN;
    use crate::Detector;

    /// How many different formats this thread knows.
    fn known() -> usize {
        KNOWN.with_borrow(Vec::len)
    }

    #[test]
    fn logs_with_the_same_formats_share_them_as_long_as_there_are_any() {
        let detector = |pattern, year| Detector::new(pattern, year).expect("a pattern");
        let some = [
            detector(None, 2024),
            detector(None, 2024),
            detector(Some("%Y-%m-%d"), 2024),
            detector(Some("%Y-%m-%d"), 2024),
        ];
        assert_eq!(known(), 2, "two that are written differently");
        let others = [detector(None, 2035), detector(Some("%H:%M"), 2024)];
        assert_eq!(known(), 4, "the years count as well");
        drop(some);
        let _last = detector(None, 2035);
        assert_eq!(known(), 2, "what nobody has is forgotten");
        drop(others);
    }
}
