//! The text of an expression → its tree, by the rules of Python 3.11's `re`.
//!
//! In: an expression without tags. Out: an [`Ast`] in which flags are resolved, or the error that Python
//! would report, at the same place.
//!
//! Invariant: recursion is bounded by [`limits::NESTING`]; the tree is no deeper than a few times that.

mod start;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ast::{Assertion, Ast, Group, Node, RepeatKind};
use crate::charset::CharSet;
use crate::error::PatternError;
use crate::limits;
use crate::tokens::Tokens;
use crate::unicode::{self, ClassItem, Classes, Fold};

use start::Scoped;

/// Python's `MAXREPEAT`: no repeat count may reach it.
const MAX_REPEAT: u64 = u32::MAX as u64;

/// Parses an expression.
pub(crate) fn parse(source: &str, multiline: bool, ignore_case: bool) -> Result<Ast, PatternError> {
    if source.len() > limits::PATTERN_BYTES {
        return Err(PatternError::whole(format!(
            "expression is longer than {} bytes with its tags expanded",
            limits::PATTERN_BYTES
        )));
    }
    let mut parser = Parser {
        tokens: Tokens::new(source)?,
        flags: Flags {
            ignore_case,
            multiline,
            ..Flags::default()
        },
        groups: Vec::new(),
        names: BTreeMap::new(),
        first_repeat: None,
        look_behind_groups: None,
        referred: BTreeMap::new(),
        literals: HashMap::new(),
        variable_look_behind: false,
        scoped: Scoped::default(),
    };
    let root = parser.alternatives(None, 0)?;
    parser.finish(root)
}

/// The flags at some point of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    ignore_case: bool,
    multiline: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
    /// `u` was asked for; it is the default and only clashes with `a`.
    unicode: bool,
    /// `t`, an undocumented flag that Python 3.11 still has: no repeats.
    template: bool,
}

impl Flags {
    fn set(&mut self, flag: char) {
        match flag {
            'i' => self.ignore_case = true,
            'm' => self.multiline = true,
            's' => self.dot_all = true,
            'x' => self.verbose = true,
            'a' => self.ascii = true,
            'u' => self.unicode = true,
            't' => self.template = true,
            _ => {}
        }
    }

    fn fold(self) -> Fold {
        match (self.ignore_case, self.ascii) {
            (false, _) => Fold::None,
            (true, true) => Fold::Ascii,
            (true, false) => Fold::Unicode,
        }
    }

    fn classes(self) -> &'static Classes {
        if self.ascii {
            &unicode::ASCII
        } else {
            &unicode::UNICODE
        }
    }

    /// These flags within `(?add-remove:…)`.
    fn changed(self, add: Self, remove: Self) -> Self {
        // `a` and `u` exclude each other: naming one takes the other away.
        let typed = add.ascii || add.unicode;
        Self {
            ignore_case: (self.ignore_case || add.ignore_case) && !remove.ignore_case,
            multiline: (self.multiline || add.multiline) && !remove.multiline,
            dot_all: (self.dot_all || add.dot_all) && !remove.dot_all,
            verbose: (self.verbose || add.verbose) && !remove.verbose,
            ascii: if typed { add.ascii } else { self.ascii },
            unicode: if typed { add.unicode } else { self.unicode },
            template: self.template,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.ignore_case && other.ignore_case
            || self.multiline && other.multiline
            || self.dot_all && other.dot_all
            || self.verbose && other.verbose
    }
}

const FLAGS: &str = "iLmsxatu";

/// What the last part of a sequence is, which decides whether it can be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Item,
    Place,
    Repeat,
}

/// How wide the text of a node can be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    min: u64,
    max: u64,
}

impl Width {
    const ZERO: Self = Self { min: 0, max: 0 };
    const ONE: Self = Self { min: 1, max: 1 };

    fn either(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    fn then(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }
}

struct OpenGroup {
    name: Option<String>,
    /// `None` while the group is open.
    width: Option<Width>,
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The flags that hold for the whole expression.
    flags: Flags,
    groups: Vec<OpenGroup>,
    names: BTreeMap<String, u32>,
    first_repeat: Option<RepeatKind>,
    /// Within a look-behind: how many groups there were before it.
    look_behind_groups: Option<u32>,
    /// Group numbers that conditionals name, and where.
    referred: BTreeMap<u32, usize>,
    literals: HashMap<(u32, bool), Node>,
    variable_look_behind: bool,
    /// The classes under another flag `a` or `u` than the whole expression has.
    scoped: Scoped,
}

impl<'a> Parser<'a> {
    fn finish(mut self, root: Node) -> Result<Ast, PatternError> {
        if self.flags.ascii && self.flags.unicode {
            return Err(PatternError::whole("ASCII and UNICODE flags are incompatible"));
        }
        if self.tokens.peek().is_some() {
            return Err(self.tokens.error_here("unbalanced parenthesis"));
        }
        let count = self.group_count();
        if let Some((group, &at)) = self.referred.iter().find(|(group, _)| **group > count) {
            return Err(self.tokens.error(format!("invalid group reference {group}"), at));
        }
        if self.flags.template
            && let Some(kind) = self.first_repeat
        {
            let operator = match kind {
                RepeatKind::Greedy => "MAX_REPEAT",
                RepeatKind::Lazy => "MIN_REPEAT",
                RepeatKind::Possessive => "POSSESSIVE_REPEAT",
            };
            return Err(PatternError::whole(format!(
                "internal: unsupported template operator {operator}"
            )));
        }
        if self.variable_look_behind {
            return Err(PatternError::whole("look-behind requires fixed-width pattern"));
        }
        let groups = self
            .groups
            .drain(..)
            .map(|group| Group { name: group.name })
            .collect();
        Ok(Ast {
            root: self.scoped.limit(root),
            groups,
        })
    }

    fn group_count(&self) -> u32 {
        u32::try_from(self.groups.len()).unwrap_or(u32::MAX)
    }

    /// Alternatives, up to a closing parenthesis or the end. At the top level `scope` is `None`: there
    /// flag groups may still change the flags.
    fn alternatives(&mut self, scope: Option<Flags>, depth: usize) -> Result<Node, PatternError> {
        if depth > limits::NESTING {
            let message = format!("groups are nested deeper than {}", limits::NESTING);
            return Err(self.tokens.error_here(message));
        }
        let mut branches = Vec::new();
        loop {
            let first = scope.is_none() && branches.is_empty();
            let branch = self.sequence(scope.unwrap_or(self.flags), first, depth)?;
            branches.push(branch);
            if !self.tokens.accept("|")? {
                break;
            }
        }
        Ok(if branches.len() == 1 {
            branches.pop().unwrap_or(Node::Empty)
        } else {
            Node::Alternate(branches)
        })
    }

    /// One alternative. Global flags may stand at the beginning of the `first`.
    fn sequence(&mut self, scope: Flags, first: bool, depth: usize) -> Result<Node, PatternError> {
        let mut flags = scope;
        let mut parts: Vec<(Part, Node)> = Vec::new();
        while let Some(token) = self.tokens.peek() {
            if token == "|" || token == ")" {
                break;
            }
            let at = self.tokens.position();
            self.tokens.take()?;
            if flags.verbose {
                if matches!(token, " " | "\t" | "\n" | "\r" | "\x0B" | "\x0C") {
                    continue;
                }
                if token == "#" {
                    while self.tokens.take()?.is_some_and(|token| token != "\n") {}
                    continue;
                }
            }
            match token {
                "[" => {
                    let node = self.class(at, flags)?;
                    parts.push((Part::Item, node));
                }
                "." => {
                    let set = if flags.dot_all {
                        &unicode::ALL
                    } else {
                        &unicode::ANY
                    };
                    parts.push((Part::Item, Node::Set(Arc::clone(set))));
                }
                "^" => {
                    let place = if flags.multiline {
                        Assertion::LineStart
                    } else {
                        Assertion::TextStart
                    };
                    parts.push((Part::Place, Node::Assert(place)));
                }
                "$" => {
                    let place = if flags.multiline {
                        Assertion::LineEnd
                    } else {
                        Assertion::LastLineEnd
                    };
                    parts.push((Part::Place, Node::Assert(place)));
                }
                "(" => match self.group(at, flags, first && parts.is_empty(), depth)? {
                    GroupKind::Part(node) => parts.push((Part::Item, node)),
                    GroupKind::Comment => {}
                    GroupKind::Flags => flags = self.flags,
                },
                "*" | "+" | "?" | "{" => self.repeat(token, at, flags, &mut parts)?,
                _ if token.starts_with('\\') => parts.push(self.escape(token, at, flags)?),
                _ => {
                    let code = token.chars().next().map_or(0, u32::from);
                    let node = self.literal(code, flags);
                    parts.push((Part::Item, node));
                }
            }
        }
        let mut nodes: Vec<Node> = parts.into_iter().map(|(_, node)| node).collect();
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.pop().unwrap_or(Node::Empty),
            _ => Node::Concat(nodes),
        })
    }

    fn literal(&mut self, code: u32, flags: Flags) -> Node {
        let fold = flags.fold();
        if fold == Fold::None {
            return char::from_u32(code).map_or_else(|| set_node(CharSet::single(code)), Node::Char);
        }
        self.literals
            .entry((code, flags.ascii))
            .or_insert_with(|| set_node(unicode::literal(code, fold)))
            .clone()
    }

    fn repeat(
        &mut self,
        token: &str,
        at: usize,
        flags: Flags,
        parts: &mut Vec<(Part, Node)>,
    ) -> Result<(), PatternError> {
        let (min, max) = match token {
            "?" => (0, Some(1)),
            "*" => (0, None),
            "+" => (1, None),
            _ => match self.counts()? {
                Some(counts) => counts,
                None => {
                    parts.push((Part::Item, self.literal(u32::from('{'), flags)));
                    return Ok(());
                }
            },
        };
        let (part, item) = match parts.pop() {
            None | Some((Part::Place, _)) => return Err(self.tokens.error("nothing to repeat", at)),
            Some((Part::Repeat, _)) => return Err(self.tokens.error("multiple repeat", at)),
            Some((Part::Item, node)) => (Part::Repeat, node),
        };
        let kind = if self.tokens.accept("?")? {
            RepeatKind::Lazy
        } else if self.tokens.accept("+")? {
            RepeatKind::Possessive
        } else {
            RepeatKind::Greedy
        };
        self.first_repeat.get_or_insert(kind);
        parts.push((
            part,
            Node::Repeat {
                node: Box::new(item),
                min,
                max,
                kind,
            },
        ));
        Ok(())
    }

    /// The counts behind a `{`, or `None` (and nothing taken) if it is a literal brace.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let here = self.tokens.position();
        if self.tokens.peek() == Some("}") {
            return Ok(None);
        }
        let low = self.tokens.take_while(usize::MAX, |byte| byte.is_ascii_digit())?;
        let high = if self.tokens.accept(",")? {
            self.tokens.take_while(usize::MAX, |byte| byte.is_ascii_digit())?
        } else {
            low
        };
        if !self.tokens.accept("}")? {
            self.tokens.seek(here)?;
            return Ok(None);
        }
        let min = if low.is_empty() { 0 } else { count(low)? };
        let max = if high.is_empty() { None } else { Some(count(high)?) };
        if max.is_some_and(|max| max < min) {
            return Err(self.tokens.error("min repeat greater than max repeat", here));
        }
        Ok(Some((min, max)))
    }

    /// What follows an opening parenthesis at `start`.
    fn group(
        &mut self,
        start: usize,
        flags: Flags,
        at_beginning: bool,
        depth: usize,
    ) -> Result<GroupKind, PatternError> {
        let mut capture = None;
        let mut atomic = false;
        let mut inner = flags;
        let mut has_flags = false;
        if !self.tokens.accept("?")? {
            capture = Some(self.open_group(None, start)?);
        } else {
            let option_at = self.tokens.position();
            let Some(option) = self.tokens.take()? else {
                return Err(self.tokens.error_here("unexpected end of pattern"));
            };
            match option {
                "P" => match self.python_extension(option_at)? {
                    PythonGroup::Open(group) => capture = Some(group),
                    PythonGroup::Reference(group) => {
                        return Ok(GroupKind::Part(Node::BackReference(group, flags.fold())));
                    }
                },
                ":" => {}
                "#" => loop {
                    if self.tokens.peek().is_none() {
                        return Err(self.tokens.error("missing ), unterminated comment", start));
                    }
                    if self.tokens.take()? == Some(")") {
                        return Ok(GroupKind::Comment);
                    }
                },
                "=" | "!" | "<" => {
                    return self
                        .look(option, option_at, start, flags, depth)
                        .map(GroupKind::Part);
                }
                "(" => return self.conditional(start, flags, depth).map(GroupKind::Part),
                ">" => atomic = true,
                _ if option == "-" || FLAGS.contains(option) => match self.flag_group(option)? {
                    Some((add, remove)) => {
                        inner = flags.changed(add, remove);
                        has_flags = true;
                    }
                    None if at_beginning => return Ok(GroupKind::Flags),
                    None => {
                        let message = "global flags not at the start of the expression";
                        return Err(self.tokens.error(message, start));
                    }
                },
                _ => {
                    return Err(self
                        .tokens
                        .error(format!("unknown extension ?{option}"), option_at - 1));
                }
            }
        }
        let node = self.alternatives(Some(inner), depth + 1)?;
        if !self.tokens.accept(")")? {
            return Err(self.tokens.error("missing ), unterminated subpattern", start));
        }
        Ok(GroupKind::Part(match capture {
            Some(group) => {
                let width = self.width(&node);
                if let Some(open) = self.group_mut(group) {
                    open.width = Some(width);
                }
                Node::Capture(group, Box::new(node))
            }
            None if atomic => Node::Atomic(Box::new(node)),
            // To Python it remains a group among alternatives of one character.
            None if has_flags && !self.scoped.is_empty() => Node::Concat(vec![node]),
            None => node,
        }))
    }

    fn open_group(&mut self, name: Option<(&str, usize)>, start: usize) -> Result<u32, PatternError> {
        let number = self.group_count() + 1;
        if number > limits::GROUPS {
            return Err(self
                .tokens
                .error(format!("more than {} groups", limits::GROUPS), start));
        }
        if let Some((name, at)) = name {
            if let Some(old) = self.names.get(name) {
                let name = python_repr(name);
                let message = format!("redefinition of group name {name} as group {number}; was group {old}");
                return Err(self.tokens.error(message, at));
            }
            self.names.insert(name.to_owned(), number);
        }
        self.groups.push(OpenGroup {
            name: name.map(|(name, _)| name.to_owned()),
            width: None,
        });
        Ok(number)
    }

    /// `(?P<name>`, of which the contents are still to come, or all of `(?P=name)`.
    fn python_extension(&mut self, option_at: usize) -> Result<PythonGroup, PatternError> {
        if self.tokens.accept("<")? {
            let at = self.tokens.position();
            let name = self.tokens.take_until(">", "group name")?;
            self.check_name(name, at)?;
            return self.open_group(Some((name, at)), at).map(PythonGroup::Open);
        }
        if self.tokens.accept("=")? {
            let at = self.tokens.position();
            let name = self.tokens.take_until(")", "group name")?;
            self.check_name(name, at)?;
            let Some(&group) = self.names.get(name) else {
                return Err(self
                    .tokens
                    .error(format!("unknown group name {}", python_repr(name)), at));
            };
            if !self.is_closed(group) {
                return Err(self.tokens.error("cannot refer to an open group", at));
            }
            self.check_look_behind(group)?;
            return Ok(PythonGroup::Reference(group));
        }
        match self.tokens.take()? {
            Some(other) => Err(self
                .tokens
                .error(format!("unknown extension ?P{other}"), option_at - 1)),
            None => Err(self.tokens.error_here("unexpected end of pattern")),
        }
    }

    fn look(
        &mut self,
        option: &str,
        option_at: usize,
        start: usize,
        flags: Flags,
        depth: usize,
    ) -> Result<Node, PatternError> {
        let mut kind = option;
        let behind = option == "<";
        let outer_groups = self.look_behind_groups;
        if behind {
            kind = match self.tokens.take()? {
                Some(kind @ ("=" | "!")) => kind,
                Some(other) => {
                    return Err(self
                        .tokens
                        .error(format!("unknown extension ?<{other}"), option_at - 1));
                }
                None => return Err(self.tokens.error_here("unexpected end of pattern")),
            };
            if outer_groups.is_none() {
                self.look_behind_groups = Some(self.group_count());
            }
        }
        let node = self.alternatives(Some(flags), depth + 1)?;
        if behind {
            self.look_behind_groups = outer_groups;
        }
        if !self.tokens.accept(")")? {
            return Err(self.tokens.error("missing ), unterminated subpattern", start));
        }
        let width = self.width(&node);
        self.variable_look_behind |= behind && width.min != width.max;
        Ok(Node::Look {
            node: Box::new(node),
            behind: behind.then_some(usize::try_from(width.min).unwrap_or(usize::MAX)),
            negative: kind == "!",
        })
    }

    fn conditional(&mut self, start: usize, flags: Flags, depth: usize) -> Result<Node, PatternError> {
        let at = self.tokens.position();
        let name = self.tokens.take_until(")", "group name")?;
        let group = if is_identifier(name) {
            match self.names.get(name) {
                Some(&group) => group,
                None => {
                    return Err(self
                        .tokens
                        .error(format!("unknown group name {}", python_repr(name)), at));
                }
            }
        } else {
            let Some(group) = python_int(name) else {
                let message = format!("bad character in group name {}", python_repr(name));
                return Err(self.tokens.error(message, at));
            };
            if group == 0 {
                return Err(self.tokens.error("bad group number", at));
            }
            match u32::try_from(group) {
                Ok(group) if group <= limits::GROUPS => group,
                Ok(_) | Err(_) => {
                    return Err(self.tokens.error(format!("invalid group reference {group}"), at));
                }
            }
        };
        self.referred.entry(group).or_insert(at);
        self.check_look_behind(group)?;
        let yes = self.branch(flags, depth)?;
        let no = if self.tokens.accept("|")? {
            let no = self.branch(flags, depth)?;
            if self.tokens.peek() == Some("|") {
                return Err(self
                    .tokens
                    .error_here("conditional backref with more than two branches"));
            }
            no
        } else {
            Node::Empty
        };
        if !self.tokens.accept(")")? {
            return Err(self.tokens.error("missing ), unterminated subpattern", start));
        }
        Ok(Node::Conditional {
            group,
            yes: Box::new(yes),
            no: Box::new(no),
        })
    }

    fn branch(&mut self, flags: Flags, depth: usize) -> Result<Node, PatternError> {
        if depth >= limits::NESTING {
            let message = format!("groups are nested deeper than {}", limits::NESTING);
            return Err(self.tokens.error_here(message));
        }
        self.sequence(flags, false, depth + 1)
    }

    /// The flags of a group that begins with `first`: those of the group, or `None` if they were global.
    fn flag_group(&mut self, first: &str) -> Result<Option<(Flags, Flags)>, PatternError> {
        let mut add = Flags::default();
        let mut remove = Flags::default();
        let mut token = first;
        if token != "-" {
            loop {
                let flag = token.chars().next().unwrap_or(' ');
                if flag == 'L' {
                    let message = "bad inline flags: cannot use 'L' flag with a str pattern";
                    return Err(self.tokens.error_here(message));
                }
                add.set(flag);
                if add.ascii && add.unicode {
                    let message = "bad inline flags: flags 'a', 'u' and 'L' are incompatible";
                    return Err(self.tokens.error_here(message));
                }
                let at = self.tokens.position();
                token = match self.tokens.take()? {
                    None => return Err(self.tokens.error_here("missing -, : or )")),
                    Some(token @ (")" | "-" | ":")) => {
                        if token != ")" && add.template {
                            return Err(self
                                .tokens
                                .error("bad inline flags: cannot turn on global flag", at));
                        }
                        if token == ")" {
                            self.add_global(add);
                            return Ok(None);
                        }
                        token
                    }
                    Some(token) if FLAGS.contains(token) => token,
                    Some(token) => return Err(self.unknown_flag(token, "missing -, : or )", at)),
                };
                if token == ":" || token == "-" {
                    break;
                }
            }
        }
        if token == "-" {
            let mut missing = "missing flag";
            loop {
                let at = self.tokens.position();
                let flag = match self.tokens.take()? {
                    None => return Err(self.tokens.error_here(missing)),
                    Some(":") if missing == "missing :" => {
                        if remove.template {
                            return Err(self
                                .tokens
                                .error("bad inline flags: cannot turn off global flag", at));
                        }
                        if add.overlaps(remove) {
                            let message = "bad inline flags: flag turned on and off";
                            return Err(self.tokens.error(message, at));
                        }
                        break;
                    }
                    Some(token) if FLAGS.contains(token) => token,
                    Some(token) => return Err(self.unknown_flag(token, missing, at)),
                };
                if matches!(flag, "a" | "u" | "L") {
                    let message = "bad inline flags: cannot turn off flags 'a', 'u' and 'L'";
                    return Err(self.tokens.error_here(message));
                }
                remove.set(flag.chars().next().unwrap_or(' '));
                missing = "missing :";
            }
        }
        Ok(Some((add, remove)))
    }

    fn unknown_flag(&self, token: &str, missing: &str, at: usize) -> PatternError {
        let is_letter = token.chars().next().is_some_and(char::is_alphabetic);
        self.tokens
            .error(if is_letter { "unknown flag" } else { missing }, at)
    }

    fn add_global(&mut self, add: Flags) {
        let both = self.flags.unicode || add.unicode;
        let ascii = self.flags.ascii || add.ascii;
        self.flags = self.flags.changed(add, Flags::default());
        self.flags.unicode = both;
        self.flags.ascii = ascii;
        self.flags.template |= add.template;
    }

    /// A backslash and what it means outside a class.
    fn escape(&mut self, token: &str, at: usize, flags: Flags) -> Result<(Part, Node), PatternError> {
        let ascii = flags.ascii;
        let place = |place| Ok((Part::Place, Node::Assert(place)));
        match token {
            r"\A" => return place(Assertion::TextStart),
            r"\Z" => return place(Assertion::TextEnd),
            r"\b" => return place(Assertion::WordBoundary { ascii }),
            r"\B" => return place(Assertion::NotWordBoundary { ascii }),
            _ => {}
        }
        if let Some(set) = category(token, flags) {
            let mut set = Arc::clone(set);
            if flags.ascii != self.flags.ascii
                && let Some(outer) = category(token, self.flags)
            {
                set = Arc::new(CharSet::clone(&set));
                let outer = vec![ClassItem::Category(Arc::clone(outer))];
                self.scoped.note(&set, outer, false, flags.fold());
            }
            return Ok((Part::Item, Node::Set(set)));
        }
        let code = match token.as_bytes() {
            [_, b'0'] => octal(self.escaped(at, 2, |byte| matches!(byte, b'0'..=b'7'))?.get(1..)),
            [_, first @ b'1'..=b'9'] => {
                let second = self.tokens.take_while(1, |byte| byte.is_ascii_digit())?;
                let octal_so_far = *first <= b'7' && second.bytes().all(|byte| byte <= b'7');
                if !second.is_empty() && octal_so_far {
                    let third = self.tokens.take_while(1, |byte| matches!(byte, b'0'..=b'7'))?;
                    if !third.is_empty() {
                        let code = self.octal_escape(at)?;
                        return Ok((Part::Item, self.literal(code, flags)));
                    }
                }
                return self.reference(at, flags).map(|node| (Part::Item, node));
            }
            _ => self.common_escape(token, at)?,
        };
        Ok((Part::Item, self.literal(code, flags)))
    }

    /// A back-reference by number, whose digits have been taken.
    fn reference(&self, at: usize, flags: Flags) -> Result<Node, PatternError> {
        let digits = self.tokens.text(at + 1, self.tokens.position());
        let group = digits.parse().unwrap_or(u32::MAX);
        if group > self.group_count() {
            return Err(self
                .tokens
                .error(format!("invalid group reference {group}"), at + 1));
        }
        if !self.is_closed(group) {
            return Err(self.tokens.error("cannot refer to an open group", at));
        }
        self.check_look_behind(group)?;
        Ok(Node::BackReference(group, flags.fold()))
    }

    /// The value of three octal digits behind the backslash at `at`, all taken.
    fn octal_escape(&self, at: usize) -> Result<u32, PatternError> {
        let escape = self.tokens.text(at, self.tokens.position());
        let code = octal(escape.get(1..));
        if code > 0o377 {
            let message = format!("octal escape value {escape} outside of range 0-0o377");
            return Err(self.tokens.error(message, at));
        }
        Ok(code)
    }

    /// The escapes that mean one character, in a class and outside.
    fn common_escape(&mut self, token: &str, at: usize) -> Result<u32, PatternError> {
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        let digits = match token.chars().nth(1).unwrap_or('\\') {
            'a' => return Ok(0x07),
            'f' => return Ok(0x0C),
            'n' => return Ok(0x0A),
            'r' => return Ok(0x0D),
            't' => return Ok(0x09),
            'v' => return Ok(0x0B),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            'N' => return self.named_character(at),
            other if other.is_ascii_alphanumeric() => {
                return Err(self.tokens.error(format!("bad escape {token}"), at));
            }
            other => return Ok(u32::from(other)),
        };
        let escape = self.escaped(at, digits, is_hex)?;
        let hex = escape.get(2..).unwrap_or("");
        if hex.len() != digits {
            return Err(self.tokens.error(format!("incomplete escape {escape}"), at));
        }
        match u32::from_str_radix(hex, 16) {
            Ok(code) if code <= 0x10_FFFF => Ok(code),
            Ok(_) | Err(_) => Err(self.tokens.error(format!("bad escape {escape}"), at)),
        }
    }

    /// The escape that begins at `at`, with up to `most` more characters.
    fn escaped(&mut self, at: usize, most: usize, good: fn(u8) -> bool) -> Result<&'a str, PatternError> {
        self.tokens.take_while(most, good)?;
        Ok(self.tokens.text(at, self.tokens.position()))
    }

    fn named_character(&mut self, at: usize) -> Result<u32, PatternError> {
        if !self.tokens.accept("{")? {
            return Err(self.tokens.error_here("missing {"));
        }
        let name = self.tokens.take_until("}", "character name")?;
        crate::names::character(name).map(u32::from).ok_or_else(|| {
            self.tokens
                .error(format!("undefined character name {}", python_repr(name)), at)
        })
    }

    /// A bracketed class, of which the bracket at `start` has been taken.
    fn class(&mut self, start: usize, flags: Flags) -> Result<Node, PatternError> {
        let tokens = self.tokens.clone();
        let (items, negated) = self.class_items(start, flags)?;
        let node = class_node(&items, negated, flags.fold());
        if flags.ascii == self.flags.ascii || is_literal(&items) {
            return Ok(node);
        }
        let Node::Set(set) = &node else { return Ok(node) };
        let set = Arc::new(CharSet::clone(set));
        // It is read once more, as if the flags of the whole expression held.
        self.tokens = tokens;
        let Flags { ascii, .. } = self.flags;
        let (outer, _) = self.class_items(start, Flags { ascii, ..flags })?;
        self.scoped.note(&set, outer, negated, flags.fold());
        Ok(Node::Set(set))
    }

    /// What a bracketed class consists of, and whether it is negated.
    fn class_items(&mut self, start: usize, flags: Flags) -> Result<(Vec<ClassItem>, bool), PatternError> {
        let mut items = Vec::new();
        let negated = self.tokens.accept("^")?;
        let unterminated = |tokens: &Tokens<'_>| tokens.error("unterminated character set", start);
        loop {
            let at = self.tokens.position();
            let Some(token) = self.tokens.take()? else {
                return Err(unterminated(&self.tokens));
            };
            if token == "]" && !items.is_empty() {
                break;
            }
            let first = self.class_item(token, at, flags)?;
            if !self.tokens.accept("-")? {
                items.push(first);
                continue;
            }
            let end_at = self.tokens.position();
            let Some(end) = self.tokens.take()? else {
                return Err(unterminated(&self.tokens));
            };
            if end == "]" {
                items.push(first);
                items.push(ClassItem::Literal(u32::from('-')));
                break;
            }
            let last = self.class_item(end, end_at, flags)?;
            match (&first, &last) {
                (ClassItem::Literal(low), ClassItem::Literal(high)) if low <= high => {
                    items.push(ClassItem::Range(*low, *high));
                }
                _ => {
                    // Python counts back by the length of the two tokens, which is less than the length of
                    // an escape with digits.
                    let back = token.chars().count() + 1 + end.chars().count();
                    let here = self.tokens.position();
                    let error_at = self.tokens.characters_before(here, back);
                    return Err(self
                        .tokens
                        .error(format!("bad character range {token}-{end}"), error_at));
                }
            }
        }
        Ok((items, negated))
    }

    fn class_item(&mut self, token: &str, at: usize, flags: Flags) -> Result<ClassItem, PatternError> {
        if !token.starts_with('\\') {
            return Ok(ClassItem::Literal(token.chars().next().map_or(0, u32::from)));
        }
        if let Some(set) = category(token, flags) {
            return Ok(ClassItem::Category(Arc::clone(set)));
        }
        Ok(ClassItem::Literal(match token.as_bytes() {
            [_, b'b'] => 0x08,
            [_, b'0'..=b'7'] => {
                self.escaped(at, 2, |byte| matches!(byte, b'0'..=b'7'))?;
                self.octal_escape(at)?
            }
            _ => self.common_escape(token, at)?,
        }))
    }

    fn check_name(&self, name: &str, at: usize) -> Result<(), PatternError> {
        if is_identifier(name) {
            return Ok(());
        }
        Err(self
            .tokens
            .error(format!("bad character in group name {}", python_repr(name)), at))
    }

    fn group_mut(&mut self, group: u32) -> Option<&mut OpenGroup> {
        self.groups.get_mut(usize::try_from(group).ok()?.checked_sub(1)?)
    }

    fn group_width(&self, group: u32) -> Option<Width> {
        self.groups
            .get(usize::try_from(group).ok()?.checked_sub(1)?)?
            .width
    }

    fn is_closed(&self, group: u32) -> bool {
        self.group_width(group).is_some()
    }

    /// A look-behind must not refer to a group of its own, nor to one that is still open.
    fn check_look_behind(&self, group: u32) -> Result<(), PatternError> {
        let Some(outer) = self.look_behind_groups else {
            return Ok(());
        };
        if !self.is_closed(group) {
            return Err(self.tokens.error_here("cannot refer to an open group"));
        }
        if group > outer {
            let message = "cannot refer to group defined in the same lookbehind subpattern";
            return Err(self.tokens.error_here(message));
        }
        Ok(())
    }

    fn width(&self, node: &Node) -> Width {
        match node {
            Node::Empty | Node::Look { .. } | Node::Assert(_) => Width::ZERO,
            Node::Char(_) | Node::Set(_) => Width::ONE,
            Node::Concat(nodes) => nodes
                .iter()
                .fold(Width::ZERO, |sum, node| sum.then(self.width(node))),
            Node::Alternate(nodes) => nodes
                .iter()
                .map(|node| self.width(node))
                .reduce(Width::either)
                .unwrap_or(Width::ZERO),
            // The width of a group was worked out when it was closed.
            Node::Capture(group, node) => self.group_width(*group).unwrap_or_else(|| self.width(node)),
            Node::Atomic(node) => self.width(node),
            Node::Repeat { node, min, max, .. } => {
                let width = self.width(node);
                Width {
                    min: width.min.saturating_mul(u64::from(*min)).min(MAX_REPEAT - 1),
                    max: width
                        .max
                        .saturating_mul(max.map_or(MAX_REPEAT, u64::from))
                        .min(MAX_REPEAT),
                }
            }
            Node::BackReference(group, _) => self.group_width(*group).unwrap_or(Width::ZERO),
            Node::Conditional { yes, no, .. } => self.width(yes).either(self.width(no)),
        }
    }
}

/// What a parenthesis turned out to be.
enum GroupKind {
    Part(Node),
    Comment,
    /// Global flags, which are now in force.
    Flags,
}

enum PythonGroup {
    Open(u32),
    Reference(u32),
}

fn category(token: &str, flags: Flags) -> Option<&'static Arc<CharSet>> {
    let classes = flags.classes();
    match token {
        r"\d" => Some(&classes.digit),
        r"\D" => Some(&classes.not_digit),
        r"\s" => Some(&classes.space),
        r"\S" => Some(&classes.not_space),
        r"\w" => Some(&classes.word),
        r"\W" => Some(&classes.not_word),
        _ => None,
    }
}

/// Whether a class has one character, which Python treats as that character.
fn is_literal(items: &[ClassItem]) -> bool {
    matches!(items, [first @ ClassItem::Literal(_), rest @ ..] if rest.iter().all(|item| item == first))
}

fn class_node(items: &[ClassItem], negated: bool, fold: Fold) -> Node {
    let set = match items {
        // Case is ignored a little differently for one character.
        [ClassItem::Literal(code), ..] if is_literal(items) => {
            let set = unicode::literal(*code, fold);
            if negated { set.negated() } else { set }
        }
        [ClassItem::Category(set)] if !negated => return Node::Set(Arc::clone(set)),
        _ => unicode::class(items, negated, fold),
    };
    set_node(set)
}

fn set_node(set: CharSet) -> Node {
    match set.only() {
        Some(c) => Node::Char(c),
        None => Node::Set(Arc::new(set)),
    }
}

fn octal(digits: Option<&str>) -> u32 {
    digits
        .and_then(|digits| u32::from_str_radix(digits, 8).ok())
        .unwrap_or(0)
}

fn count(digits: &str) -> Result<u32, PatternError> {
    match digits.parse::<u64>() {
        Ok(count) if count < MAX_REPEAT => {
            u32::try_from(count).map_err(|_| PatternError::whole("the repetition number is too large"))
        }
        Ok(_) | Err(_) => Err(PatternError::whole("the repetition number is too large")),
    }
}

/// `str.isidentifier`.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let starts = |c: char| c == '_' || c.is_alphabetic();
    let continues = |c: char| starts(c) || c.is_alphanumeric() && !c.is_ascii_punctuation() || c == '·';
    if name.is_ascii() {
        return chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
            && chars.all(|c| c == '_' || c.is_ascii_alphanumeric());
    }
    chars.next().is_some_and(starts) && chars.all(continues)
}

/// `int(text)` for a number that is not negative: decimal digits of any script, with single underscores
/// between them and white space around.
fn python_int(text: &str) -> Option<u64> {
    let space = |c: char| unicode::UNICODE.space.contains(c);
    let text = text.trim_matches(space);
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.split('_').all(|part| !part.is_empty());
    let mut value = 0u64;
    for c in text.chars().filter(|c| *c != '_') {
        value = value
            .saturating_mul(10)
            .saturating_add(unicode::decimal_value(c)?);
    }
    digits.then_some(value)
}

/// `repr` of a string, as Python's messages show names.
fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            _ if c == quote => {
                out.push('\\');
                out.push(c);
            }
            _ if u32::from(c) < 0x20 || (0x7F..0xA1).contains(&u32::from(c)) || u32::from(c) == 0xAD => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push(quote);
    out
}
