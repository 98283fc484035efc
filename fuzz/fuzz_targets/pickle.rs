//! Bytes from the control socket: whatever they are, they decode to plain data or to an error, and what decodes
//! can be printed, understood as a command or an answer, and written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stockade_protocol::text::{Charset, render};
use stockade_protocol::{Answer, Command, Frame, Framer, Value, pickle};

fuzz_target!(|bytes: &[u8]| {
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
});

fn look_at(message: &[u8]) {
    let Ok(value) = pickle::decode(message) else { return };
    let again = pickle::decode(&pickle::encode(&value)).expect("what was written can be read");
    // Texts are compared, for a NaN is not equal to itself.
    assert_eq!(again.repr(), value.repr());
    if let Ok(command) = Command::from_value(&value) {
        assert!(Command::from_value(&command.to_value()).is_ok(), "{command:?}");
    }
    let words = value.items().unwrap_or_default().to_vec();
    if let Some(Answer::Reply(reply)) = Answer::from_value(Value::pair(0, value)) {
        let _ = render(&words, &reply, Charset::Unicode);
    }
}
