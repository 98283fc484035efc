//! The pieces of a layout → the nodes of a program, where they are simple enough.
//!
//! In: pieces that have not been checked at all. Out: nodes, or nothing for whatever this does not
//! understand exactly as the general engine does, broken patterns among it.

use super::class::{Class, Item};
use super::{Node, first_bytes};
use crate::layout::{Layout, Piece};
use crate::token::{Field, Token};

/// How many nodes a program may have.
const LONGEST: usize = 2_000;

/// How deep groups may nest.
const DEEPEST: usize = 50;

/// What a program is made of.
pub(super) struct Compiled {
    pub(super) nodes: Vec<Node>,
    /// The field that each group gives.
    pub(super) fields: Vec<Option<Field>>,
    /// A byte that every match has.
    pub(super) needs: Option<u8>,
    /// How far the time of day that every match has is from its start, if all have one.
    pub(super) reach: Option<usize>,
}

/// Compiles a layout.
pub(super) fn compile(layout: &Layout) -> Option<Compiled> {
    if layout.flags.chars().any(|flag| !matches!(flag, 'i' | 'u')) || layout.body.len() > LONGEST {
        return None;
    }
    let mut parser = Parser {
        pieces: &layout.body,
        at: 0,
        depth: 0,
        ignore_case: layout.ignore_case(),
        groups: Vec::new(),
    };
    let mut trees = Vec::new();
    if layout.caret {
        trees.push(Tree::Leaf(Node::LineStart));
    }
    if layout.wrap {
        trees.push(parser.captured(None, None)?);
    } else {
        trees.push(parser.alternatives()?);
    }
    if parser.at < parser.pieces.len() {
        return None;
    }
    if layout.dollar {
        trees.push(Tree::Leaf(Node::LineEnd));
    }
    if layout.right {
        trees.push(Tree::Leaf(Node::Right));
    }
    let groups = parser.groups;
    if groups.is_empty() {
        return None;
    }
    let tree = Tree::Sequence(trees);
    let needs = tree.needs().into_iter().max_by_key(|byte| rarity(*byte));
    let reach = reach(&tree);
    let mut nodes = Vec::new();
    tree.emit(&mut nodes);
    nodes.push(Node::Found);
    for at in 0..nodes.len() {
        let following = nodes.get(at + 1).and_then(Node::certain_byte);
        if let Some(Node::Token { next, .. }) = nodes.get_mut(at) {
            *next = following;
            continue;
        }
        let Some(Node::Split { first, .. }) = nodes.get(at) else {
            continue;
        };
        let bytes = first_bytes(&nodes, *first, layout.ignore_case());
        if let Some(Node::Split { peek, .. }) = nodes.get_mut(at) {
            *peek = bytes;
        }
    }
    let fields = groups.into_iter().map(|group| group.field).collect();
    Some(Compiled {
        nodes,
        fields,
        needs,
        reach,
    })
}

/// How many characters there can be between the start of a match and the first colon of a time of day,
/// where every match has one.
fn reach(tree: &Tree) -> Option<usize> {
    let mut leaves = Vec::new();
    tree.leaves(&mut leaves);
    let is = |at: usize, wanted: fn(&Tree) -> bool| leaves.get(at).is_some_and(|leaf| wanted(leaf));
    let hour = (0..leaves.len()).find(|at| {
        is(*at, Tree::is_hour)
            && is(at + 1, Tree::is_colon)
            && is(at + 2, Tree::is_minute)
            && is(at + 3, Tree::is_colon)
            && is(at + 4, Tree::is_second)
    })?;
    let mut captured = Vec::new();
    leaves
        .iter()
        .take(hour + 1)
        .try_fold(0_usize, |sum, leaf| sum.checked_add(leaf.longest(&mut captured)?))
}

/// A larger number for a byte that fewer lines have.
fn rarity(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b' ' | b'0'..=b'9' => 0,
        b'A'..=b'Z' | b'.' | b'-' => 1,
        b':' | b'/' | b'[' | b']' | b',' => 2,
        _ => 3,
    }
}

/// A parsed pattern.
enum Tree {
    Leaf(Node),
    Sequence(Vec<Self>),
    /// The first that fits.
    Either(Vec<Self>),
    Captured(usize, Box<Self>),
    /// Perhaps; rather so where `greedy`.
    Optional {
        inner: Box<Self>,
        greedy: bool,
    },
}

impl Tree {
    /// Bytes that every match has.
    fn needs(&self) -> Vec<u8> {
        match self {
            Self::Leaf(Node::Byte(byte)) => vec![*byte],
            Self::Leaf(Node::Token {
                token: Token::Tai64n, ..
            }) => vec![b'@'],
            Self::Leaf(_) | Self::Either(_) | Self::Optional { .. } => Vec::new(),
            Self::Sequence(list) => list.iter().flat_map(Self::needs).collect(),
            Self::Captured(_, inner) => inner.needs(),
        }
    }

    /// The parts that every match goes through, in order.
    fn leaves<'t>(&'t self, leaves: &mut Vec<&'t Self>) {
        match self {
            Self::Sequence(list) => list.iter().for_each(|tree| tree.leaves(leaves)),
            // A group that is referred to later keeps its length by being one part.
            Self::Captured(_, inner) if matches!(**inner, Self::Sequence(ref list) if list.len() > 1) => {
                inner.leaves(leaves);
            }
            Self::Captured(..) | Self::Leaf(_) | Self::Either(_) | Self::Optional { .. } => leaves.push(self),
        }
    }

    fn is_hour(&self) -> bool {
        self.is_token(|token| {
            matches!(
                token,
                Token::Hour
                    | Token::ExHour
                    | Token::LooseHour
                    | Token::HalfDayHour
                    | Token::LooseHalfDayHour
                    | Token::ExHalfDayHour
            )
        })
    }

    fn is_minute(&self) -> bool {
        self.is_token(|token| matches!(token, Token::Minute | Token::ExMinute))
    }

    fn is_second(&self) -> bool {
        self.is_token(|token| matches!(token, Token::Second | Token::ExSecond))
    }

    fn is_token(&self, wanted: fn(Token) -> bool) -> bool {
        matches!(self, Self::Leaf(Node::Token { token, .. }) if wanted(*token))
    }

    fn is_colon(&self) -> bool {
        matches!(self, Self::Leaf(Node::Byte(b':')))
    }

    /// The most characters that it can match, if that is limited. `captured` are the lengths of groups.
    fn longest(&self, captured: &mut Vec<(usize, usize)>) -> Option<usize> {
        match self {
            Self::Leaf(node) => match node {
                Node::Byte(_) | Node::Char(_) | Node::Class(_) => Some(1),
                Node::Repeat { max, .. } => (*max < usize::MAX).then_some(*max),
                Node::Token { token, .. } => Some(token.longest()),
                Node::Same(slot) => captured
                    .iter()
                    .find(|(known, _)| known == slot)
                    .map(|(_, length)| *length),
                Node::LineStart | Node::LineEnd | Node::WordBoundary(_) | Node::Right => Some(0),
                Node::Open(_) | Node::Close(_) | Node::Split { .. } | Node::Jump(_) | Node::Found => None,
            },
            Self::Sequence(list) => list
                .iter()
                .try_fold(0_usize, |sum, tree| sum.checked_add(tree.longest(captured)?)),
            Self::Either(list) => list
                .iter()
                .try_fold(0, |most, tree| Some(tree.longest(captured)?.max(most))),
            Self::Captured(slot, inner) => {
                let length = inner.longest(captured)?;
                captured.push((*slot, length));
                Some(length)
            }
            Self::Optional { inner, .. } => inner.longest(captured),
        }
    }

    /// Appends the nodes.
    fn emit(self, nodes: &mut Vec<Node>) {
        match self {
            Self::Leaf(node) => nodes.push(node),
            Self::Sequence(list) => {
                for tree in list {
                    tree.emit(nodes);
                }
            }
            Self::Captured(slot, inner) => {
                nodes.push(Node::Open(slot));
                inner.emit(nodes);
                nodes.push(Node::Close(slot));
            }
            Self::Optional { inner, greedy } => {
                let split = nodes.len();
                nodes.push(Node::Jump(0));
                inner.emit(nodes);
                let (inside, behind) = (split + 1, nodes.len());
                let (first, second) = if greedy {
                    (inside, behind)
                } else {
                    (behind, inside)
                };
                replace(
                    nodes,
                    split,
                    Node::Split {
                        first,
                        second,
                        peek: None,
                    },
                );
            }
            Self::Either(list) => {
                let last = list.len().saturating_sub(1);
                let mut jumps = Vec::new();
                for (at, tree) in list.into_iter().enumerate() {
                    let split = nodes.len();
                    if at < last {
                        nodes.push(Node::Jump(0));
                    }
                    tree.emit(nodes);
                    if at < last {
                        jumps.push(nodes.len());
                        nodes.push(Node::Jump(0));
                        let second = nodes.len();
                        replace(
                            nodes,
                            split,
                            Node::Split {
                                first: split + 1,
                                second,
                                peek: None,
                            },
                        );
                    }
                }
                let end = nodes.len();
                for jump in jumps {
                    replace(nodes, jump, Node::Jump(end));
                }
            }
        }
    }
}

fn replace(nodes: &mut [Node], at: usize, node: Node) {
    if let Some(place) = nodes.get_mut(at) {
        *place = node;
    }
}

/// A capturing group.
struct Group {
    name: Option<String>,
    field: Option<Field>,
    closed: bool,
}

/// What an atom is, until its quantifier is known.
enum Atom {
    /// One character of a set; may be repeated.
    One(Class),
    /// One ASCII character that has no case; may be repeated.
    Byte(u8),
    /// One character whose other case matches too; may be repeated.
    Char(char),
    /// A group, which may be optional.
    Group(Tree),
    /// Nothing to repeat.
    Assertion(Node),
}

struct Parser<'a> {
    pieces: &'a [Piece],
    at: usize,
    depth: usize,
    ignore_case: bool,
    groups: Vec<Group>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<Piece> {
        self.pieces.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Piece> {
        let piece = self.peek()?;
        self.at += 1;
        Some(piece)
    }

    fn next_char(&mut self) -> Option<char> {
        match self.next()? {
            Piece::Char(c) => Some(c),
            Piece::Token(_) => None,
        }
    }

    /// Whether this character is next; it is taken then.
    fn take(&mut self, c: char) -> bool {
        let is = self.peek() == Some(Piece::Char(c));
        self.at += usize::from(is);
        is
    }

    fn alternatives(&mut self) -> Option<Tree> {
        let mut list = vec![self.sequence()?];
        while self.take('|') {
            list.push(self.sequence()?);
        }
        if list.len() == 1 {
            list.pop()
        } else {
            Some(Tree::Either(list))
        }
    }

    fn sequence(&mut self) -> Option<Tree> {
        let mut list = Vec::new();
        while let Some(piece) = self.peek() {
            if matches!(piece, Piece::Char('|' | ')')) {
                break;
            }
            let atom = self.atom()?;
            list.push(self.quantified(atom)?);
        }
        Some(Tree::Sequence(list))
    }

    /// A group that captures what `alternatives` reads.
    fn captured(&mut self, name: Option<String>, field: Option<Field>) -> Option<Tree> {
        let slot = self.groups.len();
        self.groups.push(Group {
            name,
            field,
            closed: false,
        });
        let inner = self.alternatives()?;
        self.groups.get_mut(slot)?.closed = true;
        Some(Tree::Captured(slot, Box::new(inner)))
    }

    /// A name that no group has yet.
    fn new_name(&self, name: &str) -> Option<()> {
        let known = self
            .groups
            .iter()
            .any(|group| group.name.as_deref() == Some(name));
        (!known).then_some(())
    }

    fn atom(&mut self) -> Option<Atom> {
        let c = match self.next()? {
            Piece::Token(token) => {
                let name = token.group();
                self.new_name(name)?;
                let slot = self.groups.len();
                self.groups.push(Group {
                    name: Some(name.to_owned()),
                    field: token.field(),
                    closed: true,
                });
                return Some(Atom::Group(Tree::Leaf(Node::Token {
                    token,
                    slot,
                    next: None,
                })));
            }
            Piece::Char(c) => c,
        };
        match c {
            '(' => self.group(),
            '[' => self.class(),
            '.' => Class::new(vec![Item::Range('\n', '\n')], true, false).map(Atom::One),
            '^' => Some(Atom::Assertion(Node::LineStart)),
            '$' => Some(Atom::Assertion(Node::LineEnd)),
            '\\' => self.escape(),
            '*' | '+' | '?' => None,
            '{' if self.quantifier_follows() => None,
            _ => self.literal(c),
        }
    }

    fn literal(&self, c: char) -> Option<Atom> {
        if !c.is_ascii() {
            return (!self.ignore_case || c.to_lowercase().eq(c.to_uppercase())).then_some(Atom::Char(c));
        }
        if self.ignore_case && c.is_ascii_alphabetic() {
            return Some(Atom::Char(c));
        }
        u8::try_from(c).ok().map(Atom::Byte)
    }

    fn group(&mut self) -> Option<Atom> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let tree = if !self.take('?') {
            self.captured(None, None)?
        } else if self.take(':') {
            self.alternatives()?
        } else if self.take('P') {
            if self.take('=') {
                self.depth -= 1;
                return self.back_reference();
            }
            if !self.take('<') {
                return None;
            }
            let name = self.name('>')?;
            self.new_name(&name)?;
            let field = Field::named(&name);
            self.captured(Some(name), field)?
        } else {
            return None;
        };
        self.depth -= 1;
        self.take(')').then_some(Atom::Group(tree))
    }

    /// What follows `(?P=`.
    fn back_reference(&mut self) -> Option<Atom> {
        let name = self.name(')')?;
        let slot = self
            .groups
            .iter()
            .position(|group| group.closed && group.name.as_deref() == Some(name.as_str()))?;
        Some(Atom::Group(Tree::Leaf(Node::Same(slot))))
    }

    /// A name up to `end`, which is taken as well.
    fn name(&mut self, end: char) -> Option<String> {
        let mut name = String::new();
        loop {
            let c = self.next_char()?;
            if c == end {
                let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                return valid.then_some(name);
            }
            if !(c.is_ascii_alphanumeric() || c == '_') {
                return None;
            }
            name.push(c);
        }
    }

    fn escape(&mut self) -> Option<Atom> {
        let c = self.next_char()?;
        Some(match c {
            'b' => Atom::Assertion(Node::WordBoundary(true)),
            'B' => Atom::Assertion(Node::WordBoundary(false)),
            _ => {
                if let Some(item) = category(c) {
                    return Class::new(vec![item], false, false).map(Atom::One);
                }
                return self.literal(escaped(c)?);
            }
        })
    }

    fn class(&mut self) -> Option<Atom> {
        let negated = self.take('^');
        let mut items = Vec::new();
        loop {
            let c = self.next_char()?;
            if c == ']' && !items.is_empty() {
                return Class::new(items, negated, self.ignore_case).map(Atom::One);
            }
            let first = match self.member(c)? {
                Member::Item(item) => {
                    if self.range_follows() {
                        return None;
                    }
                    items.push(item);
                    continue;
                }
                Member::Char(c) => c,
            };
            if !self.range_follows() {
                items.push(Item::Range(first, first));
                continue;
            }
            self.at += 1;
            let c = self.next_char()?;
            match self.member(c)? {
                Member::Char(last) if first <= last => items.push(Item::Range(first, last)),
                Member::Char(_) | Member::Item(_) => return None,
            }
        }
    }

    /// Whether a hyphen makes the last member the start of a range.
    fn range_follows(&self) -> bool {
        self.peek() == Some(Piece::Char('-')) && self.pieces.get(self.at + 1) != Some(&Piece::Char(']'))
    }

    /// A member of a class that begins with `c`.
    fn member(&mut self, c: char) -> Option<Member> {
        if c != '\\' {
            return Some(Member::Char(c));
        }
        let c = self.next_char()?;
        match category(c) {
            Some(item) => Some(Member::Item(item)),
            None => escaped(c).map(Member::Char),
        }
    }

    /// Whether what follows an opening brace makes it a quantifier.
    fn quantifier_follows(&self) -> bool {
        matches!(self.peek(), Some(Piece::Char('0'..='9' | ',')))
    }

    fn quantified(&mut self, atom: Atom) -> Option<Tree> {
        let Some((min, max)) = self.quantifier()? else {
            return Some(match atom {
                Atom::One(class) => Tree::Leaf(Node::Class(Box::new(class))),
                Atom::Byte(byte) => Tree::Leaf(Node::Byte(byte)),
                Atom::Char(c) => Tree::Leaf(Node::Char(c)),
                Atom::Group(tree) => tree,
                Atom::Assertion(node) => Tree::Leaf(node),
            });
        };
        let greedy = !self.take('?');
        // A possessive or repeated quantifier.
        if matches!(self.peek(), Some(Piece::Char('*' | '+' | '?'))) {
            return None;
        }
        if self.peek() == Some(Piece::Char('{')) {
            return None;
        }
        let class = match atom {
            Atom::One(class) => class,
            Atom::Byte(byte) => {
                let c = char::from(byte);
                Class::new(vec![Item::Range(c, c)], false, false)?
            }
            Atom::Char(c) => Class::new(vec![Item::Range(c, c)], false, self.ignore_case)?,
            Atom::Group(inner) if (min, max) == (0, 1) => {
                return Some(Tree::Optional {
                    inner: Box::new(inner),
                    greedy,
                });
            }
            Atom::Group(_) | Atom::Assertion(_) => return None,
        };
        Some(Tree::Leaf(Node::Repeat {
            class: Box::new(class),
            min,
            max,
            greedy,
        }))
    }

    /// The quantifier that is next, if one is; the outer `None` is for one that is not understood.
    #[expect(
        clippy::option_option,
        reason = "absent and not understood are different answers"
    )]
    fn quantifier(&mut self) -> Option<Option<(usize, usize)>> {
        if self.take('*') {
            return Some(Some((0, usize::MAX)));
        }
        if self.take('+') {
            return Some(Some((1, usize::MAX)));
        }
        if self.take('?') {
            return Some(Some((0, 1)));
        }
        if self.peek() != Some(Piece::Char('{')) {
            return Some(None);
        }
        let start = self.at;
        self.at += 1;
        let min = self.count();
        let comma = self.take(',');
        let max = if comma { self.count() } else { min };
        if !self.take('}') || (min.is_none() && !comma) {
            // A brace that is no quantifier stands for itself, unless it nearly is one.
            self.at = start;
            let literal = !matches!(self.pieces.get(start + 1), Some(Piece::Char('0'..='9' | ',')));
            return literal.then_some(None);
        }
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(usize::MAX));
        (min <= max && min <= 1000).then_some(Some((min, max)))
    }

    /// A number, if one is next.
    fn count(&mut self) -> Option<usize> {
        let mut value = None;
        while let Some(Piece::Char(c @ '0'..='9')) = self.peek() {
            let digit = usize::try_from(c.to_digit(10)?).ok()?;
            value = Some(value.unwrap_or(0_usize).checked_mul(10)?.checked_add(digit)?);
            self.at += 1;
        }
        value
    }
}

/// A member of a class.
enum Member {
    Char(char),
    Item(Item),
}

/// The set that a backslash and this letter stand for.
fn category(c: char) -> Option<Item> {
    Some(match c {
        'd' => Item::Digit(true),
        'D' => Item::Digit(false),
        'w' => Item::Word(true),
        'W' => Item::Word(false),
        's' => Item::Space(true),
        'S' => Item::Space(false),
        _ => return None,
    })
}

/// The character that a backslash and this character stand for.
fn escaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'f' => Some('\x0c'),
        'v' => Some('\x0b'),
        'a' => Some('\x07'),
        _ if c.is_ascii_alphanumeric() => None,
        _ => Some(c),
    }
}
