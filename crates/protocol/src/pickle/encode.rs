//! A value → the bytes of a pickle that every Python 3 reads.

use crate::framing::TERMINATOR;
use crate::{Failure, Value};

/// Writes a value as a pickle of protocol 2.
///
/// No memo is used: the only price is that equal texts are written again.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    write(value, &mut out);
    out.push(b'.');
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(true) => out.push(0x88),
        Value::Bool(false) => out.push(0x89),
        Value::Int(number) => write_int(*number, out),
        Value::BigInt(digits) => {
            out.push(b'L');
            out.extend_from_slice(digits.as_bytes());
            out.extend_from_slice(b"L\n");
        }
        Value::Float(number) => {
            out.push(b'G');
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Str(text) => write_str(text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::List(items) => {
            out.push(b']');
            if !items.is_empty() {
                out.push(b'(');
                items.iter().for_each(|item| write(item, out));
                out.push(b'e');
            }
        }
        Value::Tuple(items) => write_tuple(items, out),
        Value::Dict(pairs) => {
            out.push(b'}');
            if !pairs.is_empty() {
                out.push(b'(');
                for (key, value) in pairs {
                    write(key, out);
                    write(value, out);
                }
                out.push(b'u');
            }
        }
        Value::Set(items) => {
            // Protocol 2 has no opcode for sets: they are made by a call with a list.
            out.extend_from_slice(b"c__builtin__\nset\n](");
            items.iter().for_each(|item| write(item, out));
            out.extend_from_slice(b"e\x85R");
        }
        Value::Exception(failure) => write_failure(failure, out),
    }
}

fn write_int(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(number) {
        out.extend_from_slice(&[b'K', small]);
    } else if let Ok(small) = i32::try_from(number) {
        out.push(b'J');
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        out.extend_from_slice(&[0x8a, 8]);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_str(text: &str, out: &mut Vec<u8>) {
    // The peer cuts messages at the terminator wherever it stands. A text that holds it is written in the
    // escaped form, which has room for saying `<` otherwise.
    if memchr::memmem::find(text.as_bytes(), TERMINATOR).is_none()
        && let Ok(length) = u32::try_from(text.len())
    {
        out.push(b'X');
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'V');
    for character in text.chars() {
        match u32::from(character) {
            code @ (0..0x20 | 0x3c | 0x5c | 0x7f..=0xffff) => {
                out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
            }
            code @ 0x1_0000.. => out.extend_from_slice(format!("\\U{code:08x}").as_bytes()),
            0x20..=0x7e => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'\n');
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    if let Ok(length) = u8::try_from(bytes.len()) {
        out.extend_from_slice(&[b'C', length]);
    } else {
        out.push(0x8e);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

fn write_tuple(items: &[Value], out: &mut Vec<u8>) {
    let opcode = match items.len() {
        0 => b')',
        1 => 0x85,
        2 => 0x86,
        3 => 0x87,
        _ => b't',
    };
    if opcode == b't' {
        out.push(b'(');
    }
    items.iter().for_each(|item| write(item, out));
    out.push(opcode);
}

/// A class by its name, called with its arguments.
fn write_failure(failure: &Failure, out: &mut Vec<u8>) {
    out.push(b'c');
    out.extend_from_slice(failure.module.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(failure.class.as_bytes());
    out.push(b'\n');
    write_tuple(&failure.arguments, out);
    out.push(b'R');
}
