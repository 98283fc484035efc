//! A place in the journal, and which of two comes first.
//!
//! In: the cursors that `journalctl` prints. Out: whether an entry is one that was had, or comes after it.
//!
//! A cursor names an entry in several ways: its number in a sequence, its time since a boot, its time of day. An
//! entry that was copied from the journal in memory to the one on disk has another number there, and an entry whose
//! file is gone has still neighbours; so a cursor is compared by the first of these that both have in common.
//!
//! Invariant: of two entries that one journal wrote one after the other, the second is after the first.

use stockade_datetime::Timestamp;

/// A place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    text: String,
    parts: Option<Parts>,
}

/// What a cursor is made of, each part as it is written: `s=…;i=…;b=…;m=…;t=…;x=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    sequence: u128,
    number: u64,
    boot: u128,
    monotonic: u64,
    realtime: u64,
    hash: u64,
}

impl Cursor {
    /// Reads what `journalctl` prints. One in a form that we do not know can be given back and is equal to itself.
    pub(super) fn read(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parts: Parts::read(text),
        }
    }

    /// As `journalctl` takes it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// When its entry was received.
    pub(super) fn received(&self) -> Option<Timestamp> {
        let micros = i64::try_from(self.parts.as_ref()?.realtime).ok()?;
        Some(Timestamp::from_micros(micros))
    }

    /// Whether both stand for one entry, be it a copy.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.parts, &other.parts) {
            (Some(one), Some(two)) => one.is_same(two),
            (Some(_) | None, Some(_) | None) => self.text == other.text,
        }
    }

    /// Whether its entry comes after the other one.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        if self.is_same(other) {
            return false;
        }
        let (Some(one), Some(two)) = (&self.parts, &other.parts) else {
            return true;
        };
        if one.sequence == two.sequence {
            one.number > two.number
        } else if one.boot == two.boot {
            one.monotonic >= two.monotonic
        } else {
            one.realtime >= two.realtime
        }
    }
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let part = |name: &str| {
            let mut parts = text.split(';').filter_map(|part| part.split_once('='));
            parts.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let number = |name: &str| u64::from_str_radix(part(name)?, 16).ok();
        let id = |name: &str| u128::from_str_radix(part(name)?, 16).ok();
        Some(Self {
            sequence: id("s")?,
            number: number("i")?,
            boot: id("b")?,
            monotonic: number("m")?,
            realtime: number("t")?,
            hash: number("x")?,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        let of_journal = |parts: &Self| (parts.sequence, parts.number);
        let of_entry = |parts: &Self| (parts.boot, parts.monotonic, parts.realtime, parts.hash);
        of_journal(self) == of_journal(other) || of_entry(self) == of_entry(other)
    }
}

#[cfg(test)]
mod tests {
    use stockade_datetime::Timestamp;

    use super::Cursor;

    #[test]
    fn of_two_entries_one_comes_after_the_other() {
        let cursor = |s: u32, i: u32, b: u32, m: u32, t: u32, x: u32| {
            Cursor::read(&format!("s={s:032x};i={i:x};b={b:032x};m={m:x};t={t:x};x={x:x}"))
        };
        let here = cursor(1, 100, 7, 5000, 90_000, 0xabc);
        for (name, other, same, after) in [
            ("itself", here.clone(), true, false),
            ("the next", cursor(1, 101, 7, 5000, 90_000, 0xdef), false, true),
            (
                "the one before",
                cursor(1, 99, 7, 4999, 89_999, 0xdef),
                false,
                false,
            ),
            (
                "the next, after the clock was set back",
                cursor(1, 101, 7, 5001, 10, 1),
                false,
                true,
            ),
            (
                "its copy on disk",
                cursor(2, 5, 7, 5000, 90_000, 0xabc),
                true,
                false,
            ),
            (
                "what comes after the copy",
                cursor(2, 6, 7, 5001, 90_001, 1),
                false,
                true,
            ),
            (
                "what comes before the copy",
                cursor(2, 4, 7, 4999, 90_001, 1),
                false,
                false,
            ),
            (
                "another at that moment",
                cursor(2, 6, 7, 5000, 90_000, 1),
                false,
                true,
            ),
            (
                "of another machine, later",
                cursor(3, 1, 8, 1, 90_001, 1),
                false,
                true,
            ),
            (
                "of another machine, earlier",
                cursor(3, 1, 8, 9999, 89_999, 1),
                false,
                false,
            ),
            ("in another form", Cursor::read("c5"), false, true),
        ] {
            assert_eq!(
                (other.is_same(&here), other.is_after(&here)),
                (same, after),
                "{name}"
            );
        }
        assert!(Cursor::read("c5").is_same(&Cursor::read("c5")));
        assert_eq!(here.received(), Some(Timestamp::from_micros(90_000)));
        assert_eq!(Cursor::read("c5").received(), None);
    }
}
