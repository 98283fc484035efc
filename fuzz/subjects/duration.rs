//! Time expressions: a number or a reason, and what is printed of a whole number reads as that number.

use stockade_datetime::Number;
use stockade_datetime::duration::{seconds, to_text};

pub(crate) fn look(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match seconds(&text) {
        Ok(Number::Int(number)) => drop(to_text(number)),
        Ok(Number::Float(_)) => {}
        Err(error) => assert!(!error.to_string().is_empty(), "there is a reason"),
    }
}
