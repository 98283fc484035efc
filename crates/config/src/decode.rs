//! Bytes of a file → text, with Python's words for what is not UTF-8.
//!
//! The reference decodes a file in blocks while it parses, so a mistake in the lines of the blocks before is
//! reported instead of the broken byte, and positions count from the block.

use std::str;

use crate::text::head;

/// How much is decoded at a time.
const BLOCK: usize = 8192;

/// The text of a file; with a mistake, the lines up to the block with it, and what Python says about it.
pub(crate) fn utf8(bytes: &[u8]) -> (&str, Option<String>) {
    let Err(error) = str::from_utf8(bytes) else {
        return (str::from_utf8(bytes).unwrap_or_default(), None);
    };
    let valid = error.valid_up_to();
    let text = bytes
        .get(..valid)
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .unwrap_or_default();
    let wrong = bytes.get(valid..).unwrap_or_default();
    let (length, at_end) = match error.error_len() {
        Some(length) => (length, false),
        None => (wrong.len(), true),
    };
    let reason = match (at_end, wrong.first()) {
        (true, _) => "unexpected end of data",
        (false, Some(0x80..=0xc1 | 0xf5..=0xff)) => "invalid start byte",
        (false, _) => "invalid continuation byte",
    };
    // The mistake shows at the byte that does not fit, or when no more bytes come.
    let block = match reason {
        "unexpected end of data" => bytes.len(),
        "invalid start byte" => valid / BLOCK * BLOCK,
        _ => (valid + length) / BLOCK * BLOCK,
    };
    // A sequence that begins before the block has been carried over into it.
    let position = valid.saturating_sub(block);
    let what = match wrong.first() {
        Some(byte) if length == 1 => format!("byte 0x{byte:02x} in position {position}"),
        _ => format!("bytes in position {position}-{}", position + length - 1),
    };
    let before = head(text, block.min(valid));
    let lines = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    (
        head(before, lines),
        Some(format!("'utf-8' codec can't decode {what}: {reason}")),
    )
}

#[cfg(test)]
mod tests {
    use super::utf8;

    #[test]
    fn says_what_python_says() {
        let far = |tail: &[u8]| [b"# x\n".repeat(4000), tail.to_vec()].concat();
        let cases: [(&str, Vec<u8>, &str); 9] = [
            (
                "start",
                b"a\xff\n".to_vec(),
                "byte 0xff in position 1: invalid start byte",
            ),
            (
                "continuation",
                b"a\xe9\n".to_vec(),
                "byte 0xe9 in position 1: invalid continuation byte",
            ),
            (
                "two good bytes",
                b"a\xe2\x82x".to_vec(),
                "bytes in position 1-2: invalid continuation byte",
            ),
            (
                "surrogate",
                b"\xed\xa0\x80x".to_vec(),
                "byte 0xed in position 0: invalid continuation byte",
            ),
            (
                "end, one",
                b"abc\xe9".to_vec(),
                "byte 0xe9 in position 0: unexpected end of data",
            ),
            (
                "end, two",
                b"abc\xe2\x82".to_vec(),
                "bytes in position 0-1: unexpected end of data",
            ),
            (
                "second block",
                far(b"\xe9 "),
                "byte 0xe9 in position 7808: invalid continuation byte",
            ),
            (
                "across blocks",
                [&[b' '; 8191][..], b"\xe9 "].concat(),
                "byte 0xe9 in position 0: invalid continuation byte",
            ),
            (
                "across blocks, three",
                [&[b' '; 8190][..], b"\xf0\x9f\x98 "].concat(),
                "bytes in position 0-2: invalid continuation byte",
            ),
        ];
        for (name, bytes, expected) in cases {
            let expected = format!("'utf-8' codec can't decode {expected}");
            assert_eq!(utf8(&bytes).1, Some(expected), "{name}");
        }
        assert_eq!(utf8("é".as_bytes()), ("é", None));
    }
}
