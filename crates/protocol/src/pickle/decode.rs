//! The bytes of a pickle → a value, without ever building an object.
//!
//! A pickle is a program for a stack machine whose lists and dictionaries may be shared and changed after
//! they were remembered. So it runs over an arena of nodes first, which is flat however deep the data nests,
//! and the value is made from that in the end; there sharing is undone, and what it multiplies is counted.
//!
//! Invariant: time and memory are bounded by the length of the input and the limits below.

use std::collections::{HashMap, HashSet};

use crate::{Failure, Value};

/// How deep lists may nest. A `reload` with a `multi-set` of an action needs five.
pub const MAX_DEPTH: usize = 64;

/// How many values one message may hold, nested ones included; the stock configuration with every jail
/// enabled has some ten thousand.
pub const MAX_ITEMS: usize = 1 << 22;

/// How many bytes of text one message may hold after a text that is remembered once and used often has been
/// written out each time.
pub const MAX_TEXT: usize = 128 << 20;

/// How long an `int` may be, in bytes: Python prints none of more than 4300 digits.
const MAX_INT: usize = 1785;

/// Why bytes are not a pickle that we read; the texts are Python's where Python has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The pickle ends between two opcodes.
    #[error("Ran out of input")]
    OutOfInput,
    /// The pickle ends inside an argument.
    #[error("pickle data was truncated")]
    Truncated,
    /// Such an opcode does not exist, or makes something else than plain data.
    #[error("invalid load key, '{}'.", key(*.0))]
    InvalidKey(u8),
    /// A class or function that this program does not know or does not want to call.
    #[error("'{0}' is not plain data")]
    Forbidden(String),
    /// One of the limits of this module.
    #[error("too much data: {0}")]
    TooMuch(&'static str),
    /// Anything else that is wrong with the pickle.
    #[error("{0}")]
    Malformed(String),
}

/// The opcode as Python shows it.
fn key(byte: u8) -> String {
    if (b' '..=b'~').contains(&byte) && byte != b'\'' && byte != b'\\' {
        char::from(byte).to_string()
    } else {
        format!("\\x{byte:02x}")
    }
}

/// Reads one pickle; bytes after its end are ignored, as Python does.
///
/// # Errors
///
/// [`PickleError`] where the bytes are no pickle, or one that asks for more than plain data.
pub fn decode(bytes: &[u8]) -> Result<Value, PickleError> {
    decode_within(bytes, Limits::default())
}

/// What one message may unfold to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values, nested ones included.
    pub items: usize,
    /// Bytes of text, each text counted wherever it stands.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items: MAX_ITEMS,
            text: MAX_TEXT,
        }
    }
}

/// Reads one pickle that unfolds to no more than `limits` say.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_within(bytes: &[u8], limits: Limits) -> Result<Value, PickleError> {
    let mut machine = Machine {
        limits,
        input: Input { rest: bytes },
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        links: 0,
    };
    let root = machine.run()?;
    let mut builder = Builder {
        limits,
        nodes: &machine.nodes,
        items: 0,
        text: 0,
    };
    builder.value(root, 0)
}

/// A node of the arena.
type Id = usize;

#[derive(Debug)]
enum Node {
    /// Anything without parts.
    Leaf(Value),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
    Global(Global),
    Exception {
        module: String,
        class: String,
        args: Vec<Id>,
    },
    /// The reference's list of addresses in a file: the node of its path, once known.
    AddressFile(Option<Id>),
}

/// What a pickle may call.
#[derive(Debug, Clone, PartialEq)]
enum Global {
    Str,
    Set,
    AddressFile,
    Exception { module: String, class: String },
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(PickleError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(PickleError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, PickleError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The length that precedes a text: 1, 4 or 8 bytes, little-endian.
    fn length<const N: usize>(&mut self) -> Result<usize, PickleError> {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(self.array::<N>()?) {
            *to = from;
        }
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| PickleError::Truncated)
    }

    /// What precedes the next line end, which is consumed.
    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let end = memchr::memchr(b'\n', self.rest).ok_or(PickleError::Truncated)?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }
}

struct Machine<'a> {
    limits: Limits,
    input: Input<'a>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at each open MARK.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Elements put into lists so far: with `DUP` and `APPEND` each costs two bytes of input and no node.
    links: usize,
}

impl Machine<'_> {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm an opcode, in the order of Python's list of them"
    )]
    fn run(&mut self) -> Result<Id, PickleError> {
        loop {
            let opcode = self.input.byte().map_err(|_| PickleError::OutOfInput)?;
            match opcode {
                b'(' => self.marks.push(self.stack.len()),
                b'.' => return self.pop(),
                b'0' => {
                    // POP right after a MARK takes the MARK away.
                    if self.marks.last() == Some(&self.stack.len()) {
                        self.marks.pop();
                    } else {
                        self.pop()?;
                    }
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.leaf(Value::None)?,
                0x88 => self.leaf(Value::Bool(true))?,
                0x89 => self.leaf(Value::Bool(false))?,

                b'I' => {
                    let line = self.input.line()?;
                    let value = int_line(line)?;
                    self.leaf(value)?;
                }
                b'L' => {
                    let line = self.input.line()?;
                    let value = decimal(line.strip_suffix(b"L").unwrap_or(line))?;
                    self.leaf(value)?;
                }
                b'J' => {
                    let number = i32::from_le_bytes(self.input.array()?);
                    self.leaf(number.into())?;
                }
                b'K' => {
                    let number = self.input.byte()?;
                    self.leaf(u32::from(number).into())?;
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.input.array()?);
                    self.leaf(u32::from(number).into())?;
                }
                0x8a => self.long::<1>()?,
                0x8b => {
                    if self.input.rest.get(3).is_some_and(|byte| byte & 0x80 != 0) {
                        return Err(malformed("LONG pickle has negative byte count"));
                    }
                    self.long::<4>()?;
                }
                b'F' => {
                    let line = self.input.line()?;
                    let number = std::str::from_utf8(line)
                        .ok()
                        .and_then(|text| text.trim().parse().ok())
                        .ok_or_else(|| malformed("could not convert string to float"))?;
                    self.leaf(Value::Float(number))?;
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.input.array()?);
                    self.leaf(Value::Float(number))?;
                }

                b'S' => {
                    let line = self.input.line()?;
                    let text = quoted(line)?;
                    self.text(&text)?;
                }
                b'T' => {
                    if self.input.rest.get(3).is_some_and(|byte| byte & 0x80 != 0) {
                        return Err(malformed("BINSTRING pickle has negative byte count"));
                    }
                    self.ascii::<4>()?;
                }
                b'U' => self.ascii::<1>()?,
                b'V' => {
                    let line = self.input.line()?;
                    let text = raw_unicode(line)?;
                    self.leaf(Value::Str(text))?;
                }
                0x8c => self.unicode::<1>()?,
                b'X' => self.unicode::<4>()?,
                0x8d => self.unicode::<8>()?,
                b'C' => self.bytes::<1>()?,
                b'B' => self.bytes::<4>()?,
                0x8e | 0x96 => self.bytes::<8>()?,

                b']' => self.push(Node::List(Vec::new()))?,
                b'l' => {
                    let items = self.pop_mark()?;
                    self.push_parts(items.len(), Node::List(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.append(items)?;
                }
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b't' => {
                    let items = self.pop_mark()?;
                    self.push_parts(items.len(), Node::Tuple(items))?;
                }
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b'd' => {
                    let pairs =
                        pairs(self.pop_mark()?).ok_or_else(|| malformed("odd number of items for DICT"))?;
                    self.push_parts(pairs.len(), Node::Dict(pairs))?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(vec![(key, value)])?;
                }
                b'u' => {
                    let items = pairs(self.pop_mark()?)
                        .ok_or_else(|| malformed("odd number of items for SETITEMS"))?;
                    self.set_items(items)?;
                }
                0x8f => self.push(Node::Set(Vec::new()))?,
                0x90 => {
                    let items = self.pop_mark()?;
                    self.add_items(items)?;
                }
                0x91 => {
                    let items = self.pop_mark()?;
                    self.push_parts(items.len(), Node::Set(items))?;
                }

                b'g' => {
                    let index = self.memo_index()?;
                    self.get(index)?;
                }
                b'h' => {
                    let index = self.input.byte()?;
                    self.get(u64::from(index))?;
                }
                b'j' => {
                    let index = self.input.u32()?;
                    self.get(u64::from(index))?;
                }
                b'p' => {
                    let index = self.memo_index()?;
                    self.put(index)?;
                }
                b'q' => {
                    let index = self.input.byte()?;
                    self.put(u64::from(index))?;
                }
                b'r' => {
                    let index = self.input.u32()?;
                    self.put(u64::from(index))?;
                }
                0x94 => self.put(self.memo.len() as u64)?,

                b'c' => {
                    let module = utf8(self.input.line()?)?;
                    let name = utf8(self.input.line()?)?;
                    self.push(Node::Global(global(&module, &name)?))?;
                }
                0x93 => {
                    let name = self.pop()?;
                    let module = self.pop()?;
                    let (Some(Node::Leaf(Value::Str(module))), Some(Node::Leaf(Value::Str(name)))) =
                        (self.nodes.get(module), self.nodes.get(name))
                    else {
                        return Err(malformed("STACK_GLOBAL requires str"));
                    };
                    let global = global(module, name)?;
                    self.push(Node::Global(global))?;
                }
                b'R' => self.reduce()?,
                b'b' => self.build()?,

                0x80 => {
                    let version = self.input.byte()?;
                    if version > 5 {
                        return Err(malformed(&format!("unsupported pickle protocol: {version}")));
                    }
                }
                0x95 => {
                    // A frame only says how much Python should read ahead.
                    let length = self.input.length::<8>()?;
                    if length > self.input.rest.len() {
                        return Err(PickleError::Truncated);
                    }
                }
                // The rest makes objects, or names what lies outside of the pickle.
                _ => return Err(PickleError::InvalidKey(opcode)),
            }
        }
    }

    fn push(&mut self, node: Node) -> Result<(), PickleError> {
        if self.nodes.len() >= self.limits.items || self.stack.len() >= self.limits.items {
            return Err(PickleError::TooMuch("values"));
        }
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    fn push_parts(&mut self, parts: usize, node: Node) -> Result<(), PickleError> {
        self.link(parts)?;
        self.push(node)
    }

    fn link(&mut self, parts: usize) -> Result<(), PickleError> {
        self.links = self.links.saturating_add(parts);
        if self.links > self.limits.items {
            return Err(PickleError::TooMuch("values"));
        }
        Ok(())
    }

    fn leaf(&mut self, value: Value) -> Result<(), PickleError> {
        self.push(Node::Leaf(value))
    }

    /// The height of the stack below which an opcode may not reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn underflow(&self) -> PickleError {
        malformed(if self.marks.is_empty() {
            "unpickling stack underflow"
        } else {
            "unexpected MARK found"
        })
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() {
            return Err(self.underflow());
        }
        self.stack.pop().ok_or_else(|| self.underflow())
    }

    fn top(&self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() {
            return Err(self.underflow());
        }
        self.stack.last().copied().ok_or_else(|| self.underflow())
    }

    /// Everything above the last MARK, which is taken away.
    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let height = self.marks.pop().ok_or_else(|| malformed("could not find MARK"))?;
        Ok(self.stack.split_off(height))
    }

    /// An integer as two's complement, little-endian.
    fn long<const N: usize>(&mut self) -> Result<(), PickleError> {
        let length = self.input.length::<N>()?;
        let bytes = self.input.take(length)?;
        self.leaf(two_complement(bytes)?)
    }

    fn unicode<const N: usize>(&mut self) -> Result<(), PickleError> {
        let length = self.input.length::<N>()?;
        let bytes = self.input.take(length)?;
        let text = utf8(bytes)?;
        self.leaf(Value::Str(text))
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), PickleError> {
        let length = self.input.length::<N>()?;
        let bytes = self.input.take(length)?;
        self.leaf(Value::Bytes(bytes.to_vec()))
    }

    /// A text of Python 2, which Python 3 takes for ASCII.
    fn ascii<const N: usize>(&mut self) -> Result<(), PickleError> {
        let length = self.input.length::<N>()?;
        let bytes = self.input.take(length)?;
        self.text(bytes)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), PickleError> {
        if let Some(position) = bytes.iter().position(|byte| !byte.is_ascii()) {
            let byte = bytes.get(position).copied().unwrap_or_default();
            return Err(malformed(&format!(
                "'ascii' codec can't decode byte 0x{byte:02x} in position {position}: ordinal not in range(128)"
            )));
        }
        self.leaf(Value::Str(utf8(bytes)?))
    }

    fn tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let height = self
            .stack
            .len()
            .checked_sub(length)
            .filter(|height| *height >= self.floor());
        let Some(height) = height else {
            return Err(self.underflow());
        };
        let items = self.stack.split_off(height);
        self.push_parts(length, Node::Tuple(items))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        self.link(items.len())?;
        let top = self.top()?;
        let type_name = self.type_name(top);
        match self.nodes.get_mut(top) {
            Some(Node::List(list)) => list.extend(items),
            // What the list of addresses in a file is filled with does not matter: only its path does.
            Some(Node::AddressFile(_)) => {}
            _ => {
                return Err(malformed(&format!(
                    "'{type_name}' object has no attribute 'append'"
                )));
            }
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<(Id, Id)>) -> Result<(), PickleError> {
        self.link(items.len())?;
        let top = self.top()?;
        let type_name = self.type_name(top);
        match self.nodes.get_mut(top) {
            Some(Node::Dict(pairs)) => pairs.extend(items),
            _ => {
                return Err(malformed(&format!(
                    "'{type_name}' object does not support item assignment"
                )));
            }
        }
        Ok(())
    }

    fn add_items(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        self.link(items.len())?;
        let top = self.top()?;
        let type_name = self.type_name(top);
        match self.nodes.get_mut(top) {
            Some(Node::Set(set)) => set.extend(items),
            _ => return Err(malformed(&format!("'{type_name}' object has no attribute 'add'"))),
        }
        Ok(())
    }

    fn memo_index(&mut self) -> Result<u64, PickleError> {
        let line = self.input.line()?;
        std::str::from_utf8(line)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| {
                malformed(&format!(
                    "invalid literal for int() with base 10: {}",
                    Value::from(String::from_utf8_lossy(line).into_owned()).repr()
                ))
            })
    }

    fn get(&mut self, index: u64) -> Result<(), PickleError> {
        let node = *self
            .memo
            .get(&index)
            .ok_or_else(|| malformed(&format!("Memo value not found at index {index}")))?;
        if self.stack.len() >= self.limits.items {
            return Err(PickleError::TooMuch("values"));
        }
        self.stack.push(node);
        Ok(())
    }

    fn put(&mut self, index: u64) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(index, top);
        if self.memo.len() > self.limits.items {
            return Err(PickleError::TooMuch("values"));
        }
        Ok(())
    }

    /// Calls the few things that may be called.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        let Some(Node::Global(global)) = self.nodes.get(callee) else {
            return Err(malformed(&format!(
                "'{}' object is not callable",
                self.type_name(callee)
            )));
        };
        let global = global.clone();
        let Some(Node::Tuple(arguments)) = self.nodes.get(arguments) else {
            return Err(malformed("argument list must be a tuple"));
        };
        let arguments = arguments.clone();
        let single = if let [argument] = arguments.as_slice() {
            Some(*argument)
        } else {
            None
        };
        match global {
            Global::Str => {
                let text = single.filter(|id| matches!(self.nodes.get(*id), Some(Node::Leaf(Value::Str(_)))));
                let text = text
                    .ok_or_else(|| PickleError::Forbidden("str of something else than a str".to_owned()))?;
                self.stack.push(text);
                Ok(())
            }
            Global::Set => {
                let items = match single.and_then(|id| self.nodes.get(id)) {
                    None if arguments.is_empty() => Vec::new(),
                    Some(Node::List(items) | Node::Tuple(items) | Node::Set(items)) => items.clone(),
                    None
                    | Some(
                        Node::Leaf(_)
                        | Node::Dict(_)
                        | Node::Global(_)
                        | Node::Exception { .. }
                        | Node::AddressFile(_),
                    ) => {
                        return Err(PickleError::Forbidden(
                            "set of something else than a list".to_owned(),
                        ));
                    }
                };
                self.push_parts(items.len(), Node::Set(items))
            }
            Global::AddressFile => self.push(Node::AddressFile(None)),
            Global::Exception { module, class } => self.push_parts(
                arguments.len(),
                Node::Exception {
                    module,
                    class,
                    args: arguments,
                },
            ),
        }
    }

    /// Gives an object its attributes: of interest only for the file that a list of addresses comes from.
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let object = self.top()?;
        match self.nodes.get(object) {
            Some(Node::Exception { .. }) => Ok(()),
            Some(Node::AddressFile(_)) => {
                let path = match self.nodes.get(state) {
                    Some(Node::Dict(pairs)) => pairs
                        .iter()
                        .find(|(key, _)| {
                            matches!(self.nodes.get(*key), Some(Node::Leaf(Value::Str(key))) if key == "fileName")
                        })
                        .map(|(_, path)| *path),
                    _ => None,
                };
                if let Some(Node::AddressFile(file)) = self.nodes.get_mut(object) {
                    *file = path;
                }
                Ok(())
            }
            _ => Err(PickleError::Forbidden(format!(
                "state of {}",
                self.type_name(object)
            ))),
        }
    }

    fn type_name(&self, id: Id) -> String {
        let name = match self.nodes.get(id) {
            Some(Node::Leaf(value)) => return value.type_name().to_owned(),
            Some(Node::Exception { class, .. }) => return class.clone(),
            Some(Node::List(_)) => "list",
            Some(Node::Tuple(_)) => "tuple",
            Some(Node::Dict(_)) => "dict",
            Some(Node::Set(_)) => "set",
            Some(Node::AddressFile(_)) => "FileIPAddrSet",
            Some(Node::Global(_)) | None => "type",
        };
        name.to_owned()
    }
}

/// Makes the value of a node, and counts what that takes.
struct Builder<'a> {
    limits: Limits,
    nodes: &'a [Node],
    items: usize,
    text: usize,
}

impl Builder<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        // A list may contain itself, so this bound is what ends the recursion.
        if depth > MAX_DEPTH {
            return Err(PickleError::TooMuch("depth"));
        }
        self.items += 1;
        if self.items > self.limits.items {
            return Err(PickleError::TooMuch("values"));
        }
        let nodes = self.nodes;
        let node = nodes
            .get(id)
            .ok_or_else(|| malformed("unpickling stack underflow"))?;
        match node {
            Node::Leaf(value) => {
                let length = match value {
                    Value::Str(text) | Value::BigInt(text) => text.len(),
                    Value::Bytes(bytes) => bytes.len(),
                    Value::None
                    | Value::Bool(_)
                    | Value::Int(_)
                    | Value::Float(_)
                    | Value::List(_)
                    | Value::Tuple(_)
                    | Value::Dict(_)
                    | Value::Set(_)
                    | Value::Exception(_) => 0,
                };
                self.count_text(length)?;
                Ok(value.clone())
            }
            Node::List(items) => self.values(items, depth).map(Value::List),
            Node::Tuple(items) => self.values(items, depth).map(Value::Tuple),
            Node::Set(items) => {
                let mut seen = HashSet::new();
                let mut set = Vec::new();
                for item in self.values(items, depth)? {
                    if seen.insert(self.hashable(&item)?) {
                        set.push(item);
                    }
                }
                Ok(Value::Set(set))
            }
            Node::Dict(pairs) => {
                let mut at = HashMap::new();
                let mut dict: Vec<(Value, Value)> = Vec::new();
                for (key, value) in pairs {
                    let key = self.value(*key, depth + 1)?;
                    let value = self.value(*value, depth + 1)?;
                    let index = *at.entry(self.hashable(&key)?).or_insert(dict.len());
                    if let Some((_, old)) = dict.get_mut(index) {
                        *old = value;
                    } else {
                        dict.push((key, value));
                    }
                }
                Ok(Value::Dict(dict))
            }
            Node::Exception { module, class, args } => Ok(Failure {
                module: module.clone(),
                class: class.clone(),
                arguments: self.values(args, depth)?,
            }
            .into()),
            Node::AddressFile(path) => {
                let path = path.map(|path| self.value(path, depth + 1)).transpose()?;
                let path = path.map(|path| path.text()).unwrap_or_default();
                let slash = if path.starts_with('/') { "/" } else { "" };
                self.count_text(path.len())?;
                Ok(Value::Str(format!("file:{slash}{path}")))
            }
            Node::Global(Global::Exception { module, class }) => {
                Err(PickleError::Forbidden(format!("{module}.{class}")))
            }
            Node::Global(Global::Str | Global::Set | Global::AddressFile) => {
                Err(PickleError::Forbidden("type".to_owned()))
            }
        }
    }

    fn values(&mut self, ids: &[Id], depth: usize) -> Result<Vec<Value>, PickleError> {
        ids.iter().map(|id| self.value(*id, depth + 1)).collect()
    }

    fn count_text(&mut self, length: usize) -> Result<(), PickleError> {
        self.text = self.text.saturating_add(length);
        if self.text > self.limits.text {
            return Err(PickleError::TooMuch("text"));
        }
        Ok(())
    }

    /// What tells a key of a dictionary, or an element of a set, from the others.
    fn hashable(&mut self, key: &Value) -> Result<String, PickleError> {
        let hashable = match key {
            Value::List(_) | Value::Dict(_) | Value::Set(_) => false,
            Value::Tuple(items) => {
                for item in items {
                    self.hashable(item)?;
                }
                true
            }
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::Exception(_) => true,
        };
        if !hashable {
            return Err(malformed(&format!("unhashable type: '{}'", key.type_name())));
        }
        let repr = key.repr();
        self.count_text(repr.len())?;
        Ok(repr)
    }
}

fn malformed(message: &str) -> PickleError {
    PickleError::Malformed(message.to_owned())
}

/// The few names that mean something. Any exception is fine: it stays a name with arguments.
fn global(module: &str, name: &str) -> Result<Global, PickleError> {
    // Protocols below 3 use the names of Python 2.
    let module = if ["__builtin__", "exceptions"].contains(&module) {
        "builtins"
    } else {
        module
    };
    match (module, name) {
        ("builtins", "str" | "unicode") => Ok(Global::Str),
        ("builtins", "set" | "frozenset") => Ok(Global::Set),
        ("fail2ban.server.ipdns", "FileIPAddrSet") => Ok(Global::AddressFile),
        _ if (name.ends_with("Error") || name.ends_with("Exception"))
            && is_dotted(module)
            && is_dotted(name) =>
        {
            Ok(Global::Exception {
                module: module.to_owned(),
                class: name.to_owned(),
            })
        }
        _ => Err(PickleError::Forbidden(format!("{module}.{name}"))),
    }
}

/// Whether a text is a name that can be written back on a line of a pickle.
fn is_dotted(name: &str) -> bool {
    name.len() <= 200
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

fn pairs(items: Vec<Id>) -> Option<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// UTF-8 as Python pickles it: with lone surrogates, which it makes of bytes that were not text. There is no
/// place for these in a text here, and each becomes one replacement character.
fn utf8(bytes: &[u8]) -> Result<String, PickleError> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                return Ok(out);
            }
            Err(error) => {
                let (good, bad) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
                out.push_str(&String::from_utf8_lossy(good));
                let [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] = bad else {
                    return Err(not_utf8(bytes, bytes.len() - bad.len(), error.error_len()));
                };
                out.push(char::REPLACEMENT_CHARACTER);
                rest = after;
            }
        }
    }
}

/// Where and why a text is not UTF-8, in Python's words.
fn not_utf8(bytes: &[u8], position: usize, length: Option<usize>) -> PickleError {
    let byte = bytes.get(position).copied().unwrap_or_default();
    let reason = match (length, byte) {
        (None, _) => "unexpected end of data",
        (Some(_), 0x80..=0xc1 | 0xf5..) => "invalid start byte",
        (Some(_), _) => "invalid continuation byte",
    };
    let last = length
        .map_or(bytes.len(), |length| position + length)
        .saturating_sub(1);
    malformed(&if last > position {
        format!("'utf-8' codec can't decode bytes in position {position}-{last}: {reason}")
    } else {
        format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {position}: {reason}")
    })
}

/// The argument of INT: decimal, or `00` and `01` for the truth values.
fn int_line(line: &[u8]) -> Result<Value, PickleError> {
    match line {
        b"00" => Ok(Value::Bool(false)),
        b"01" => Ok(Value::Bool(true)),
        _ => decimal(line),
    }
}

fn decimal(line: &[u8]) -> Result<Value, PickleError> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("could not convert string to int"));
    }
    if digits.len() > MAX_INT {
        return Err(PickleError::TooMuch("digits"));
    }
    Ok(big(sign == "-", digits))
}

/// The number of these digits, in the form that fits.
fn big(negative: bool, digits: &str) -> Value {
    let digits = digits.trim_start_matches('0');
    let text = match (negative, digits) {
        (_, "") => "0".to_owned(),
        (true, _) => format!("-{digits}"),
        (false, _) => digits.to_owned(),
    };
    text.parse().map_or(Value::BigInt(text), Value::Int)
}

/// An integer as two's complement, little-endian.
fn two_complement(bytes: &[u8]) -> Result<Value, PickleError> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    if bytes.len() <= 8 {
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        return Ok(Value::Int(i64::from_le_bytes(wide)));
    }
    if bytes.len() > MAX_INT {
        return Err(PickleError::TooMuch("digits"));
    }
    // Digits by repeated multiplication, nine at a time: quadratic, and short enough for that.
    let mut limbs: Vec<u32> = vec![0];
    let mut carry = u64::from(negative);
    let mut magnitude = Vec::with_capacity(bytes.len());
    for byte in bytes {
        let byte = if negative { !byte } else { *byte };
        let sum = u64::from(byte) + carry;
        carry = sum >> 8;
        magnitude.push(u8::try_from(sum & 0xff).unwrap_or_default());
    }
    for byte in magnitude.iter().rev() {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let sum = u64::from(*limb) * 256 + carry;
            *limb = u32::try_from(sum % 1_000_000_000).unwrap_or_default();
            carry = sum / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(u32::try_from(carry).unwrap_or_default());
        }
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    Ok(big(negative, &digits))
}

/// The argument of STRING: in quotes, with the escapes of a Python 2 literal.
fn quoted(line: &[u8]) -> Result<Vec<u8>, PickleError> {
    let line = line.trim_ascii_end();
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line else {
        return Err(malformed("the STRING opcode argument must be quoted"));
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            None => return Err(malformed("Trailing \\ in string")),
            Some(b'\n') => {}
            Some(quote @ (b'\\' | b'\'' | b'"')) => out.push(quote),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'v') => out.push(11),
            Some(b'a') => out.push(7),
            Some(first @ b'0'..=b'7') => {
                let mut code = u32::from(first - b'0');
                for _ in 0..2 {
                    let Some(digit) = bytes.next_if(|digit| (b'0'..=b'7').contains(digit)) else {
                        break;
                    };
                    code = code * 8 + u32::from(digit - b'0');
                }
                out.push(u8::try_from(code & 0xff).unwrap_or_default());
            }
            Some(b'x') => {
                let code = hex(&mut bytes, 2).ok_or_else(|| malformed("invalid \\x escape"))?;
                out.push(u8::try_from(code).unwrap_or_default());
            }
            Some(other) => out.extend([b'\\', other]),
        }
    }
    Ok(out)
}

/// The argument of UNICODE: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
fn raw_unicode(line: &[u8]) -> Result<String, PickleError> {
    let mut out = String::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(char::from(byte));
            continue;
        }
        // A backslash that is itself preceded by one introduces nothing.
        match bytes.next() {
            Some(b'u') => out.push(escaped(&mut bytes, 4, "truncated \\uXXXX escape")?),
            Some(b'U') => out.push(escaped(&mut bytes, 8, "truncated \\UXXXXXXXX escape")?),
            Some(other) => out.extend(['\\', char::from(other)]),
            None => out.push('\\'),
        }
    }
    Ok(out)
}

type Bytes<'a> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>;

fn escaped(bytes: &mut Bytes<'_>, digits: u32, message: &str) -> Result<char, PickleError> {
    let code =
        hex(bytes, digits).ok_or_else(|| malformed(&format!("'rawunicodeescape' codec: {message}")))?;
    match char::from_u32(code) {
        Some(character) => Ok(character),
        None if code <= 0xffff => Ok(char::REPLACEMENT_CHARACTER),
        None => Err(malformed("'rawunicodeescape' codec: \\Uxxxxxxxx out of range")),
    }
}

fn hex(bytes: &mut Bytes<'_>, digits: u32) -> Option<u32> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + char::from(bytes.next_if(u8::is_ascii_hexdigit)?).to_digit(16)?;
    }
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, PickleError, decode};

    #[test]
    fn what_is_not_plain_data_is_refused() {
        let cases: [(&str, &[u8], &str); 33] = [
            ("nothing", b"", "Ran out of input"),
            ("only a header", b"\x80\x05", "Ran out of input"),
            ("words", b"garbage", "pickle data was truncated"),
            ("half a text", b"\x8c\x05ab", "pickle data was truncated"),
            (
                "half a frame",
                b"\x80\x05\x95\x05\0\0\0\0\0\0\0N",
                "pickle data was truncated",
            ),
            ("unknown opcode", b"zzz", "invalid load key, 'z'."),
            ("zero", b"\0", "invalid load key, '\\x00'."),
            ("protocol 6", b"\x80\x06N.", "unsupported pickle protocol: 6"),
            ("end without value", b".", "unpickling stack underflow"),
            ("end in a list", b"(.", "unexpected MARK found"),
            ("list without mark", b"e.", "could not find MARK"),
            ("odd dictionary", b"}(K\x01u.", "odd number of items for SETITEMS"),
            ("odd old dictionary", b"(K\x01d.", "odd number of items for DICT"),
            ("unknown memo", b"h\x07.", "Memo value not found at index 7"),
            (
                "append to a text",
                b"\x8c\x01aK\x01a.",
                "'str' object has no attribute 'append'",
            ),
            (
                "store in a list",
                b"]K\x01K\x02s.",
                "'list' object does not support item assignment",
            ),
            ("list as key", b"}]K\x01s.", "unhashable type: 'list'"),
            ("call of a text", b"\x8c\x01a)R.", "'str' object is not callable"),
            ("quotes", b"Sabc\n.", "the STRING opcode argument must be quoted"),
            ("number", b"Ix\n.", "could not convert string to int"),
            (
                "a function",
                b"cos\nsystem\nX\x02\0\0\0ls\x85R.",
                "'os.system' is not plain data",
            ),
            (
                "eval",
                b"c__builtin__\neval\nX\x01\0\0\x001\x85R.",
                "'builtins.eval' is not plain data",
            ),
            (
                "a function by stack",
                b"\x8c\x02os\x8c\x06system\x93.",
                "'os.system' is not plain data",
            ),
            (
                "a class not called",
                b"c__builtin__\nset\n.",
                "'type' is not plain data",
            ),
            (
                "an exception not called",
                b"cbuiltins\nValueError\n.",
                "'builtins.ValueError' is not plain data",
            ),
            (
                "str of a number",
                b"cbuiltins\nstr\nK\x01\x85R.",
                "'str of something else than a str' is not plain data",
            ),
            (
                "an object",
                b"cbuiltins\nValueError\n)\x81.",
                "invalid load key, '\\x81'.",
            ),
            ("an instance", b"(ios\nsystem\n.", "invalid load key, 'i'."),
            ("an extension", b"\x82\x01.", "invalid load key, '\\x82'."),
            ("something outside", b"P1\n.", "invalid load key, 'P'."),
            ("a list in itself", b"]q\0h\0a.", "too much data: depth"),
            (
                "a long number",
                &[b"I".as_slice(), &[b'9'; 5000], b"\n."].concat(),
                "too much data: digits",
            ),
            (
                "not a text",
                b"\x8c\x02\xff\xfe.",
                "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            ),
        ];
        for (name, bytes, message) in cases {
            assert_eq!(
                decode(bytes).map_err(|error| error.to_string()),
                Err(message.to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_sharing_multiplies_is_bounded() {
        // Thirty lists, each holding the one before twice.
        let mut bytes = b"]q\0".to_vec();
        for level in 0..30_u8 {
            bytes.extend([b']', b'q', level + 1, b'(', b'h', level, b'h', level, b'e']);
        }
        bytes.push(b'.');
        assert_eq!(decode(&bytes), Err(PickleError::TooMuch("values")));
        // One text of a megabyte, a thousand times.
        let mut bytes = [
            b"X".as_slice(),
            &(1_u32 << 20).to_le_bytes(),
            &vec![b'x'; 1 << 20],
            b"q\0](",
        ]
        .concat();
        bytes.extend([b'h', 0].repeat(1000));
        bytes.extend(b"e.");
        assert_eq!(decode(&bytes), Err(PickleError::TooMuch("text")));
        for (depth, fits) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false), (1_000_000, false)] {
            let bytes = [vec![b']'; depth + 1], vec![b'a'; depth], b".".to_vec()].concat();
            assert_eq!(decode(&bytes).is_ok(), fits, "depth {depth}");
        }
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        let cases: [(&str, &[u8], &str); 38] = [
            ("int 0", b"I42\n.", "42"),
            ("true of protocol 0", b"I01\n.", "True"),
            ("long 0", b"L-5L\n.", "-5"),
            ("long without its letter", b"L7\n.", "7"),
            (
                "big long 0",
                b"L123456789012345678901L\n.",
                "123456789012345678901",
            ),
            ("byte", b"K\xff.", "255"),
            ("two bytes", b"M\xff\xff.", "65535"),
            ("four bytes", b"J\xff\xff\xff\xff.", "-1"),
            ("no bytes", b"\x8a\0.", "0"),
            ("five bytes", b"\x8a\x05\0\0\0\x80\0.", "2147483648"),
            (
                "nine bytes",
                b"\x8a\x09\0\0\x10\x63\x2d\x5e\xc7\x6b\x05.",
                "100000000000000000000",
            ),
            (
                "nine negative bytes",
                b"\x8a\x09\0\0\0\0\0\0\0\0\xff.",
                "-18446744073709551616",
            ),
            ("nine bytes of a small one", b"\x8a\x09\x05\0\0\0\0\0\0\0\0.", "5"),
            ("long of four", b"\x8b\x01\0\0\0\xff.", "-1"),
            ("float 0", b"F1.5\n.", "1.5"),
            ("binary float", b"G\xbf\xd0\0\0\0\0\0\0.", "-0.25"),
            ("quoted", b"S'a\\'\\x41\\101\\n\\q'\n.", "\"a'AA\\n\\\\q\""),
            ("old binary", b"U\x02ab.", "'ab'"),
            ("old long binary", b"T\x02\0\0\0ab.", "'ab'"),
            (
                "raw unicode",
                b"Va\\u20ac\\\\u\xe9\\U0001f512\n.",
                "'a€\\\\\\\\ué🔒'",
            ),
            ("short unicode", b"\x8c\x02\xc3\xa9.", "'é'"),
            ("unicode", b"X\x01\0\0\0a.", "'a'"),
            ("long unicode", b"\x8d\x01\0\0\0\0\0\0\0a.", "'a'"),
            ("lone surrogate", b"X\x05\0\0\0a\xed\xb3\xa9b.", "'a\u{fffd}b'"),
            ("bytes", b"C\x01a.", "b'a'"),
            ("bytearray", b"\x96\x01\0\0\0\0\0\0\0a.", "b'a'"),
            ("old list", b"(K\x01K\x02l.", "[1, 2]"),
            ("shared list", b"]q\0K\x01ah\0K\x02a\x86.", "([1, 2], [1, 2])"),
            ("old tuple", b"(t.", "()"),
            ("tuple of three", b"K\x01K\x02K\x03\x87.", "(1, 2, 3)"),
            ("old dict", b"(K\x01K\x02K\x01K\x03d.", "{1: 3}"),
            ("set", b"\x8f(K\x01K\x01K\x02\x90.", "{1, 2}"),
            ("frozenset", b"(K\x01\x91.", "{1}"),
            ("called set", b"c__builtin__\nset\n](K\x01e\x85R.", "{1}"),
            (
                "called str",
                b"\x8c\x08builtins\x8c\x03str\x93\x8c\x01a\x85R.",
                "'a'",
            ),
            ("popped", b"K\x01K\x020(K\x031(0.", "1"),
            (
                "old exception",
                b"cexceptions\nKeyError\np0\n(Va\ntR.",
                "KeyError('a')",
            ),
            ("trailing bytes", b"N.rest", "None"),
        ];
        for (name, bytes, repr) in cases {
            assert_eq!(
                decode(bytes).map(|value| value.repr()),
                Ok(repr.to_owned()),
                "{name}"
            );
        }
    }
}
