//! The expressions in use, each compiled once, however many jails have it and however often they are reloaded.
//!
//! In: an expression as it is written. Out: the compiled one, shared by all who asked for the same.
//!
//! Invariant: what is known here keeps nothing alive; an expression that no jail has any more is let go.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use stockade_filter::{Regex, RegexError};

/// How many expressions may be known before those that are gone are looked for.
const SWEEP: usize = 1024;

/// Expressions by how they are compiled: whether host names count, and whether for several lines.
#[derive(Debug)]
pub struct Patterns {
    known: [HashMap<String, Weak<Regex>>; 4],
    sweep_at: usize,
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            known: Default::default(),
            sweep_at: SWEEP,
        }
    }
}

impl Patterns {
    /// The compiled expression; `<HOST>` includes names where `dns`.
    ///
    /// # Errors
    /// It is no expression.
    pub fn compile(&mut self, source: &str, dns: bool, multiline: bool) -> Result<Arc<Regex>, RegexError> {
        let [plain, names, lines, both] = &mut self.known;
        let known = match (dns, multiline) {
            (false, false) => plain,
            (true, false) => names,
            (false, true) => lines,
            (true, true) => both,
        };
        if let Some(regex) = known.get(source).and_then(Weak::upgrade) {
            return Ok(regex);
        }
        let regex = Arc::new(Regex::compile(source, dns, multiline)?);
        known.insert(source.to_owned(), Arc::downgrade(&regex));
        self.sweep();
        Ok(regex)
    }

    /// Forgets expressions that are gone, once in a while.
    fn sweep(&mut self) {
        let count = |known: &[HashMap<_, _>; 4]| known.iter().map(HashMap::len).sum::<usize>();
        if count(&self.known) < self.sweep_at {
            return;
        }
        for known in &mut self.known {
            known.retain(|_, regex| regex.strong_count() > 0);
        }
        self.sweep_at = SWEEP.max(count(&self.known).saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::{Patterns, SWEEP};
    use std::sync::Arc;

    #[test]
    fn an_expression_is_compiled_once_for_all_who_have_it_and_forgotten_after_them() {
        let mut patterns = Patterns::default();
        let first = patterns.compile("^from <HOST>$", true, false).unwrap();
        for (name, source, dns, multiline, same) in [
            ("the same", "^from <HOST>$", true, false, true),
            ("without names", "^from <HOST>$", false, false, false),
            ("for several lines", "^from <HOST>$", true, true, false),
            ("another", "^From <HOST>$", true, false, false),
        ] {
            let other = patterns.compile(source, dns, multiline).unwrap();
            assert_eq!(Arc::ptr_eq(&first, &other), same, "{name}");
        }
        assert!(patterns.compile("(", true, false).is_err());
        for number in 0..2 * SWEEP {
            drop(
                patterns
                    .compile(&format!("{number} <HOST>"), true, false)
                    .unwrap(),
            );
        }
        let known: usize = patterns.known.iter().map(std::collections::HashMap::len).sum();
        assert!(known <= SWEEP, "{known} are known, and one is in use");
        let again = patterns.compile("^from <HOST>$", true, false).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "what is in use stays known");
    }
}
