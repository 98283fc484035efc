//! Bytes from the control socket: whatever they are, they decode to plain data or to an error, and what decodes
//! can be printed, understood as a command or an answer, and written again: the same data, and the same bytes twice.

use stockade_protocol::pickle::{Limits, decode, decode_within, encode};
use stockade_protocol::text::{Charset, render};
use stockade_protocol::{Answer, Command, Frame, Framer, Value};

/// A short input may unfold to millions of values. That it goes no further than the limits is the same with small
/// ones, which take no time.
const LIMITS: Limits = Limits {
    items: 1 << 12,
    text: 1 << 16,
};

pub(crate) fn look(bytes: &[u8]) {
    let mut framer = Framer::new();
    for piece in bytes.chunks(7) {
        framer.push(piece).expect("shorter than the limit");
        while let Some(frame) = framer.frame() {
            if let Frame::Message(message) = frame {
                look_at(&message);
            }
        }
    }
    look_at(bytes);
}

fn look_at(message: &[u8]) {
    let value = match decode_within(message, LIMITS) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "there is a reason");
            return;
        }
    };
    let written = encode(&value);
    let again = decode(&written).expect("what was written can be read");
    // Texts are compared, for a NaN is not equal to itself.
    assert_eq!(again.repr(), value.repr());
    assert_eq!(encode(&again), written, "what is the same is written the same");
    if let Ok(command) = Command::from_value(&value) {
        assert!(Command::from_value(&command.to_value()).is_ok(), "{command:?}");
    }
    let words = value.items().unwrap_or_default().to_vec();
    if let Some(Answer::Reply(reply)) = Answer::from_value(Value::pair(0, value)) {
        let _text = render(&words, &reply, Charset::Unicode);
    }
}
