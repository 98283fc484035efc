//! The plain data that travels over the control socket, in Python's terms.

/// A value as Python would hold it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits 64 bits.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `list`.
    List(Vec<Self>),
    /// A `tuple`.
    Tuple(Vec<Self>),
    /// A `dict`, in insertion order.
    Dict(Vec<(Self, Self)>),
    /// A `set` or `frozenset`.
    Set(Vec<Self>),
    /// An exception: its module, its class and its arguments.
    Exception {
        /// Such as `builtins`.
        module: String,
        /// Such as `ValueError`.
        class: String,
        /// Its `args`.
        args: Vec<Self>,
    },
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}
