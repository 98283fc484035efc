//! The worked examples of decoding, and a few encodings by hand.

#![expect(clippy::unwrap_used, reason = "a wrong example may panic")]

use proptest::prelude::*;
use serde_json::Value;
use stockade_filter::Encoding;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_examples_of_decoding() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/matching/18-decode.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for example in file["examples"].as_array().unwrap() {
        let name = &example["name"];
        let encoding = Encoding::named(example["encoding"].as_str().unwrap()).unwrap();
        let bytes = bytes(example["bytes_hex"].as_str().unwrap());
        let (mut position, mut lines) = (0, Vec::new());
        while let Some(length) = encoding.line_length(&bytes[position..]) {
            let line = &bytes[position..position + length];
            lines.push(Value::String(encoding.decode(line).0.into_owned()));
            position += length;
        }
        assert_eq!(Value::Array(lines), example["lines"], "{name}");
        assert_eq!(
            Some(position),
            example["position"]
                .as_u64()
                .map(|at| usize::try_from(at).unwrap()),
            "{name}"
        );
    }
}

#[test]
fn an_encoding_has_many_names() {
    for (name, bytes, text) in [
        ("latin-1", b"caf\xe9\x80".as_slice(), "caf\u{e9}\u{80}"),
        ("ISO_8859-15", b"\xa4", "\u{20ac}"),
        ("windows-1252", b"\x80\x81", "\u{20ac}\u{fffd}"),
        ("KOI8-R", b"\xf0\xd2\xc9", "\u{41f}\u{440}\u{438}"),
        ("cp1251", b"\xcf\xf0", "\u{41f}\u{440}"),
        ("u8", b"\xff", "\u{fffd}"),
        ("utf-8 sig", b"\xef\xbb\xbfx", "x"),
        ("UTF-16", b"\xff\xfea\0", "a"),
        ("utf16", b"\xfe\xff\0a", "a"),
        ("utf-16le", b"\0\xd8a\0", "\u{fffd}a"),
        ("utf-32-be", b"\0\0\0a", "a"),
    ] {
        let encoding = Encoding::named(name).unwrap();
        let (decoded, clean) = encoding.decode(bytes);
        assert_eq!(decoded, text, "{name}");
        assert_eq!(clean, !text.contains('\u{fffd}'), "{name}");
    }
    for name in ["", "utf..8", "latin.1", "bogus", "cp-1252"] {
        let error = Encoding::named(name).unwrap_err();
        assert_eq!(error.to_string(), format!("unknown encoding: {name}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn lines_are_taken_whole_and_every_line_is_text(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(0)], 0..80),
        name in prop::sample::select(vec!["utf-8", "ascii", "utf-16le", "utf-16be", "utf-32", "cp1252"]),
    ) {
        let encoding = Encoding::named(name).unwrap();
        let mut rest = bytes.as_slice();
        while let Some(length) = encoding.line_length(rest) {
            prop_assert!(length > 0 && length <= rest.len());
            let (text, _) = encoding.decode(&rest[..length]);
            prop_assert!(!text.ends_with('\n'));
            rest = &rest[length..];
        }
    }
}
