//! How Python writes a value: `repr`.
//!
//! In: a value. Out: the literal, as bytes of UTF-8, at the end of what is there already.
//!
//! Invariant: Python reads the literal back as the same value.

use crate::Value;
use crate::printable::is_printable;

impl Value {
    /// Writes what [`Value::repr`] returns, which is UTF-8.
    pub fn write_repr(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(b"None"),
            Self::Bool(true) => out.extend_from_slice(b"True"),
            Self::Bool(false) => out.extend_from_slice(b"False"),
            Self::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::BigInt(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Float(value) => out.extend_from_slice(float_repr(*value).as_bytes()),
            Self::Str(text) => write_str_repr(text, out),
            Self::Bytes(bytes) => write_bytes_repr(bytes, out),
            Self::List(items) => write_items(items, "[", "]", out),
            Self::Tuple(items) if items.len() == 1 => write_items(items, "(", ",)", out),
            Self::Tuple(items) => write_items(items, "(", ")", out),
            Self::Dict(pairs) => {
                out.push(b'{');
                for (index, (key, value)) in pairs.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    key.write_repr(out);
                    out.extend_from_slice(b": ");
                    value.write_repr(out);
                }
                out.push(b'}');
            }
            Self::Set(items) if items.is_empty() => out.extend_from_slice(b"set()"),
            Self::Set(items) => write_items(items, "{", "}", out),
            Self::Exception(failure) => out.extend_from_slice(failure.repr().as_bytes()),
        }
    }
}

pub(crate) fn write_items<'v>(
    items: impl IntoIterator<Item = &'v Value>,
    open: &str,
    close: &str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(open.as_bytes());
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        item.write_repr(out);
    }
    out.extend_from_slice(close.as_bytes());
}

/// Which bytes are written as they are, but for the quote.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        #[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
        {
            plain[byte as usize] = byte != b'\\';
        }
        byte += 1;
    }
    plain
};

/// Writes the bytes of a text or a `bytes` between quotes; `escape` writes the one at a position that cannot stay.
fn write_quoted(bytes: &[u8], escape: impl Fn(usize, u8, &mut Vec<u8>), out: &mut Vec<u8>) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        b'"'
    } else {
        b'\''
    };
    out.reserve(bytes.len() + 2);
    out.push(quote);
    let is_special = |byte: &u8| *byte == quote || PLAIN.get(usize::from(*byte)) != Some(&true);
    let mut done = 0;
    while let Some(rest) = bytes.get(done..) {
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        let (before, from) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        match from.first() {
            None => break,
            Some(b'\\') => out.extend_from_slice(b"\\\\"),
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(&byte) if byte == quote => out.extend_from_slice(&[b'\\', quote]),
            Some(&byte) => escape(done + plain, byte, out),
        }
        done += plain + 1;
    }
    out.push(quote);
}

fn write_str_repr(text: &str, out: &mut Vec<u8>) {
    let escape = |position: usize, byte: u8, out: &mut Vec<u8>| {
        if byte.is_ascii() {
            write_byte(byte, out);
        } else if let Some(character) = text.get(position..).and_then(|rest| rest.chars().next()) {
            // The bytes within a character begin none.
            write_character(character, out);
        }
    };
    write_quoted(text.as_bytes(), escape, out);
}

fn write_bytes_repr(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'b');
    write_quoted(bytes, |_position, byte, out| write_byte(byte, out), out);
}

/// Writes the number of a byte that has no character.
fn write_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
}

/// Writes a character beyond ASCII.
fn write_character(character: char, out: &mut Vec<u8>) {
    let code = u32::from(character);
    let text = match code {
        _ if is_printable(character) => character.to_string(),
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// The shortest digits that read back as the same number, with an exponent below 1e-4 and from 1e16 on.
fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = shortest(value.abs());
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    let after_point = |digits: &str| {
        if digits.is_empty() {
            "0".to_owned()
        } else {
            digits.to_owned()
        }
    };
    match exponent {
        0..16 => {
            let whole = usize::try_from(exponent).unwrap_or(0) + 1;
            let digits = format!("{digits:0<whole$}");
            let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((&digits, ""));
            format!("{sign}{whole}.{}", after_point(fraction))
        }
        -4..0 => {
            let zeros = "0".repeat(usize::try_from(-1 - exponent).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let point = if rest.is_empty() { "" } else { "." };
            let direction = if exponent < 0 { '-' } else { '+' };
            format!(
                "{sign}{first}{point}{rest}e{direction}{:02}",
                exponent.unsigned_abs()
            )
        }
    }
}

/// The shortest digits of a number that read back as it, and the power of ten of the first one.
///
/// Where two are equally short and equally near, Python takes the even one, Rust the greater one.
fn shortest(value: f64) -> (String, i32) {
    /// More digits than any number has.
    const ALL: usize = 1100;
    let parts = |text: String| {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        (digits, exponent.parse().unwrap_or(0))
    };
    let (digits, exponent) = parts(format!("{value:e}"));
    let odd = digits.bytes().last().filter(|last| last % 2 == 1);
    // Short numbers are exact, and nothing lies between two of them.
    if let (16.., Some(last)) = (digits.len(), odd) {
        let (all, _) = parts(format!("{value:.ALL$e}"));
        let rest = all.get(digits.len()..).unwrap_or_default();
        let mut even = digits.clone();
        even.pop();
        even.push(char::from(last - 1));
        let is_between = rest.trim_end_matches('0') == "5" && all.starts_with(&even);
        if is_between && format!("0.{even}e{}", exponent + 1).parse() == Ok(value) {
            return (even, exponent);
        }
    }
    (digits, exponent)
}
