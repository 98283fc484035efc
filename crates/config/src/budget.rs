//! How much work one configuration may cost.
//!
//! Interpolation and tags let a short text stand for a very long one, ten levels deep. The reference follows
//! until memory is exhausted; here all text that is ever read or put together is counted against one limit.

use std::cell::Cell;

use crate::Error;

/// The longest file. The largest of a stock configuration has 60 KiB; lists of addresses are kept elsewhere.
pub(crate) const FILE_BYTES: usize = 16 << 20;
/// The longest value after interpolation and tags; an `ignoreip` of a million addresses fits.
pub(crate) const VALUE_BYTES: usize = 16 << 20;
/// All text together. A stock configuration with every jail enabled needs about 10 MiB.
const TOTAL_BYTES: u64 = 1 << 30;
/// How deep files include each other.
pub(crate) const INCLUDE_DEPTH: usize = 64;
/// How many files one name is read from; a file that is included twice counts twice.
pub(crate) const FILES: usize = 10_000;
/// How many jails, filters and actions are read.
pub(crate) const NAMES: usize = 100_000;

/// What is left of the limit.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(TOTAL_BYTES))
    }
}

impl Budget {
    /// Takes the cost of handling a text of this length.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Error> {
        // Looking at an empty text is work, too.
        let cost = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(16);
        match self.0.get().checked_sub(cost) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(Error::Limit {
                what: "bytes of text in the whole configuration",
                limit: TOTAL_BYTES,
            }),
        }
    }

    /// Refuses a value that is too long.
    pub(crate) fn value(&self, bytes: usize) -> Result<(), Error> {
        self.spend(bytes)?;
        if bytes > VALUE_BYTES {
            return Err(Error::Limit {
                what: "bytes in one value",
                limit: u64::try_from(VALUE_BYTES).unwrap_or(u64::MAX),
            });
        }
        Ok(())
    }
}
