//! What the daemon answers, and how an answer looks on the socket.
//!
//! In: a value or a failure. Out: the pair `(0, value)` or `(1, exception)`; and the way back, together with the
//! two answers that are no pair.

use crate::framing::TERMINATOR;
use crate::pickle::{self, PickleError};
use crate::{Failure, Value};

/// What the daemon answers to a command.
pub type Reply = Result<Value, Failure>;

/// What a client may read.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The answer to a command.
    Reply(Reply),
    /// The server did not understand the request at all, or could not write its answer: `ERROR: …`.
    Refused(String),
    /// The server is about to end and takes no commands any more.
    ShuttingDown,
}

impl Answer {
    /// Understands an un-pickled answer. `None` where it is none.
    #[must_use]
    pub fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Str(message) => Some(Self::Refused(message)),
            Value::List(items) | Value::Tuple(items) => {
                let mut items = items.into_iter();
                match (items.next()?, items.next(), items.next()) {
                    (Value::Int(0), Some(value), None) => Some(Self::Reply(Ok(value))),
                    (Value::Int(1), Some(Value::Exception(failure)), None) => {
                        Some(Self::Reply(Err(*failure)))
                    }
                    (Value::Str(word), None, None) if word == "SHUTDOWN" => Some(Self::ShuttingDown),
                    _ => None,
                }
            }
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Bytes(_)
            | Value::Dict(_)
            | Value::Set(_)
            | Value::Exception(_) => None,
        }
    }

    /// The value that travels.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Reply(Ok(value)) => Value::pair(0, value),
            Self::Reply(Err(failure)) => Value::pair(1, failure),
            Self::Refused(message) => Value::Str(message),
            Self::ShuttingDown => Value::list(["SHUTDOWN"]),
        }
    }

    /// The answer to bytes that are no pickle.
    #[must_use]
    pub fn refusal(error: &PickleError) -> Self {
        Self::Refused(format!("ERROR: {error}"))
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A whole message: the pickle of a value and the terminator.
#[must_use]
pub fn message(value: &Value) -> Vec<u8> {
    let mut bytes = pickle::encode(value);
    bytes.extend_from_slice(TERMINATOR);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Answer, message};
    use crate::{Failure, Value, pickle};

    #[test]
    fn an_answer_survives_the_socket() {
        for answer in [
            Answer::Reply(Ok("pong".into())),
            Answer::Reply(Err(Failure::unknown_jail("nojail"))),
            Answer::Refused("ERROR: Ran out of input".into()),
            Answer::ShuttingDown,
        ] {
            let bytes = message(&answer.clone().into_value());
            let pickle = bytes.strip_suffix(b"<F2B_END_COMMAND>").unwrap();
            assert_eq!(Answer::from_value(pickle::decode(pickle).unwrap()), Some(answer));
        }
        for other in [
            Value::None,
            Value::List(vec![]),
            Value::pair(0, 1).repr().into(),
            Value::pair(2, 1),
        ] {
            let answer = Answer::from_value(other.clone());
            assert!(!matches!(answer, Some(Answer::Reply(_))), "{other:?}");
        }
    }
}
