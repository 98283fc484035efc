//! Whether a text begins with some bytes, told in one comparison where they are few.
//!
//! In: bytes, once; texts. Out: whether a text begins with them.
//!
//! Invariant: the outcome is that of `starts_with`.

/// How many bytes are compared at once.
const AT_ONCE: usize = 16;

/// Bytes that texts may begin with: as many as a register has are compared at once, however many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Literal {
    pub(super) bytes: Box<[u8]>,
    /// The first of them, and ones where they are.
    first: u128,
    mask: u128,
}

impl Literal {
    pub(super) fn new(bytes: Box<[u8]>) -> Self {
        let (mut first, mut mask) = ([0; AT_ONCE], [0; AT_ONCE]);
        for ((first, mask), byte) in first.iter_mut().zip(&mut mask).zip(&bytes) {
            (*first, *mask) = (*byte, u8::MAX);
        }
        Self {
            bytes,
            first: u128::from_le_bytes(first),
            mask: u128::from_le_bytes(mask),
        }
    }

    /// Whether a text begins with it.
    #[inline]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(first) => {
                u128::from_le_bytes(*first) & self.mask == self.first
                    && (self.bytes.len() <= AT_ONCE || text.starts_with(&self.bytes))
            }
            None => text.starts_with(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Literal;

    #[test]
    fn it_is_as_starts_with() {
        let bytes: Vec<u8> = (b'a'..b'a' + 26).collect();
        for length in 0..bytes.len() {
            let literal = Literal::new(bytes[..length].into());
            for end in 0..bytes.len() {
                let mut text = bytes[..end].to_vec();
                assert_eq!(literal.begins(&text), end >= length, "{length} of {end}");
                for at in 0..end {
                    text[at] = b'_';
                    let expected = text.starts_with(&bytes[..length]);
                    assert_eq!(
                        literal.begins(&text),
                        expected,
                        "{length} of {end}, another at {at}"
                    );
                    text[at] = bytes[at];
                }
            }
        }
    }
}
