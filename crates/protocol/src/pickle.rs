//! Python's pickle format, as far as plain data goes.
//!
//! In: the bytes of one message. Out: one [`Value`], or why not; and the way back.
//!
//! Invariant: nothing is ever built but plain data. A pickle is a program that may name any class or
//! function; here a name means something only if it is `str`, `set`, `frozenset`, an exception, or the
//! reference's list of addresses in a file, and each of these becomes a plain value.
//!
//! All data opcodes of protocols 0 to 5 are read. What is written is protocol 2 without memo, which every
//! Python 3 reads.

mod decode;
mod encode;

pub use decode::{Limits, MAX_DEPTH, MAX_ITEMS, MAX_TEXT, PickleError, decode, decode_within};
pub use encode::encode;

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::{Failure, Value};
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            prop_oneof![
                Just(0_i64),
                Just(255),
                Just(256),
                Just(65_536),
                Just(-1),
                Just(1 << 31)
            ]
            .prop_map(Value::Int),
            "-?[1-9][0-9]{20,60}".prop_map(Value::BigInt),
            (-1e9..1e9).prop_map(Value::Float),
            any::<String>().prop_map(Value::Str),
            "[a-z<]{0,3}<F2B_END_COMMAND>[é\n\\\\🔒>]{0,3}".prop_map(Value::Str),
            proptest::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            let items = proptest::collection::vec(inner.clone(), 0..6);
            prop_oneof![
                items.clone().prop_map(Value::List),
                items.clone().prop_map(Value::Tuple),
                proptest::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Dict(map.into_iter().map(|(k, v)| (k.into(), v)).collect())),
                proptest::collection::btree_set(any::<String>(), 0..4)
                    .prop_map(|set| Value::Set(set.into_iter().map(Into::into).collect())),
                items.prop_map(|args| Failure::new("builtins", "ValueError", args).into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in value()) {
            let bytes = encode(&value);
            prop_assert_eq!(decode(&bytes), Ok(value));
            prop_assert!(memchr::memmem::find(&bytes, crate::framing::TERMINATOR).is_none());
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
