//! Where the line feeds of a block are: the one look at every byte that reading a log costs.
//!
//! In: bytes. Out: the places of LF, in their order.
//!
//! A search for the next one, begun anew behind each, takes four times as long where lines are short.

/// How many bytes are looked at together: as many as a mask has bits.
const AT_ONCE: usize = 64;

/// Calls `found` with the place of each LF of `bytes`.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "what not every processor has can only be called so")]
pub fn line_feeds(bytes: &[u8], found: impl FnMut(usize)) {
    if is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2.
        unsafe { avx2::line_feeds(bytes, found) }
    } else {
        // SAFETY: every processor of this architecture has SSE2.
        scan(bytes, found, |chunk| unsafe { sse2::mask(chunk) });
    }
}

/// Calls `found` with the place of each LF of `bytes`.
#[cfg(not(target_arch = "x86_64"))]
pub fn line_feeds(bytes: &[u8], found: impl FnMut(usize)) {
    scan(bytes, found, mask);
}

/// Calls `found` with the place of each LF of `bytes`, where `mask` has a bit for each of a chunk.
#[inline(always)]
fn scan(bytes: &[u8], mut found: impl FnMut(usize), mask: impl Fn(&[u8; AT_ONCE]) -> u64) {
    let (chunks, rest) = bytes.as_chunks::<AT_ONCE>();
    let mut tell = |start: usize, mut mask: u64| {
        while mask != 0 {
            found(start + usize::try_from(mask.trailing_zeros()).unwrap_or_default());
            mask &= mask - 1;
        }
    };
    let mut start = 0;
    for chunk in chunks {
        tell(start, mask(chunk));
        start += AT_ONCE;
    }
    let mut last = [0; AT_ONCE];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    tell(start, mask(&last));
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{__m256i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set1_epi8};

    use super::{AT_ONCE, scan};

    /// As [`super::line_feeds`].
    #[target_feature(enable = "avx2")]
    pub(super) fn line_feeds(bytes: &[u8], found: impl FnMut(usize)) {
        scan(bytes, found, |chunk| mask(chunk));
    }

    /// A bit for each LF.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn mask(chunk: &[u8; AT_ONCE]) -> u64 {
        let line_feed = _mm256_set1_epi8(0x0A);
        let (halves, _) = chunk.as_chunks::<32>();
        halves.iter().rev().fold(0, |mask, half| {
            let equal = _mm256_cmpeq_epi8(load(half), line_feed);
            mask << 32 | u64::from(_mm256_movemask_epi8(equal).cast_unsigned())
        })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "a register is read from memory")]
    fn load(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: there are as many bytes as are read, and they need not be aligned.
        unsafe { std::arch::x86_64::_mm256_loadu_si256(bytes.as_ptr().cast()) }
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};

    use super::AT_ONCE;

    /// A bit for each LF.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn mask(chunk: &[u8; AT_ONCE]) -> u64 {
        let (quarters, _) = chunk.as_chunks::<16>();
        let line_feed = _mm_set1_epi8(0x0A);
        quarters.iter().rev().fold(0, |mask, quarter| {
            let whole = i128::from_le_bytes(*quarter);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the two halves of a register, both of which are taken"
            )]
            let (high, low) = ((whole >> 64) as i64, whole as i64);
            let equal = _mm_cmpeq_epi8(_mm_set_epi64x(high, low), line_feed);
            mask << 16 | u64::from(_mm_movemask_epi8(equal).cast_unsigned())
        })
    }
}

/// A bit for each LF.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn mask(chunk: &[u8; AT_ONCE]) -> u64 {
    let bits = chunk.iter().enumerate();
    bits.fold(0, |mask, (at, byte)| mask | u64::from(*byte == b'\n') << at)
}

#[cfg(test)]
mod tests {
    use super::line_feeds;

    /// How `line_feeds` looks at a chunk where the processor can do no better.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "as above")]
    fn by_sse2(bytes: &[u8], found: impl FnMut(usize)) {
        // SAFETY: every processor of this architecture has SSE2.
        super::scan(bytes, found, |chunk| unsafe { super::sse2::mask(chunk) });
    }

    #[test]
    fn each_is_found_in_its_place() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    b"\n\x0b\x8ax \0\t\n"[usize::try_from(bits >> 61).unwrap()]
                })
                .collect();
            let expected: Vec<usize> = (0..length).filter(|at| bytes[*at] == b'\n').collect();
            let mut found = Vec::new();
            line_feeds(&bytes, |at| found.push(at));
            assert_eq!(found, expected, "{bytes:?}");
            #[cfg(target_arch = "x86_64")]
            {
                found.clear();
                by_sse2(&bytes, |at| found.push(at));
                assert_eq!(found, expected, "{bytes:?}");
            }
        }
    }
}
