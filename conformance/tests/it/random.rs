//! Random numbers by a seed, and digests of what was made of them.
//!
//! Invariant: both are the same for ever, for answers are recorded by them.

use std::ops::Range;

/// Which seeds are asked for: `N`, or `N..M`.
pub(crate) fn seeds(text: &str) -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().expect("STOCKADE_SEEDS is N or N..M");
    match text.split_once("..") {
        Some((start, end)) => number(start)..number(end),
        None => number(text)..number(text) + 1,
    }
}

/// FNV-1a.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("small");
        usize::try_from(self.next() % limit).expect("below the limit")
    }

    /// Whether something happens that does so `often` times in a thousand.
    pub(crate) fn happens(&mut self, often: usize) -> bool {
        self.below(1000) < often
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len());
        *from.get(at).expect("there is something to pick from")
    }
}
