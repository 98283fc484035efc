//! Where Python's `re` looks for the beginning of a match at all.
//!
//! In: the classes of an expression whose groups have a flag `a` or `u` of their own. Out: the characters that a match
//! may begin with, where Python knows them beforehand.
//!
//! An expression that begins with a class is searched for only where a character of that class stands, and for that
//! Python reads `\w` and its like by the flags of the whole expression, whatever the group says: `(?a:\W)` is not found
//! in `ς`, which is a letter, but `x(?a:\W)` is in `xς`.

use std::sync::Arc;

use crate::ast::Node;
use crate::charset::CharSet;
use crate::unicode::{self, ClassItem, Fold};

/// The classes under flags of their own.
#[derive(Debug, Default)]
pub(super) struct Scoped(Vec<Class>);

#[derive(Debug)]
struct Class {
    set: Arc<CharSet>,
    /// What it consists of by the flags of the whole expression.
    outer: Vec<ClassItem>,
    negated: bool,
    fold: Fold,
}

impl Class {
    /// What Python looks for; nothing where it does not.
    fn starts(&self) -> Option<CharSet> {
        let has_case = unicode::has_case(&self.outer, self.fold);
        (!has_case).then(|| unicode::class(&self.outer, self.negated, Fold::None))
    }

    /// Whether Python takes both for one that stands before all alternatives.
    fn is_same(&self, other: &Self) -> bool {
        self.set == other.set && self.negated == other.negated && self.outer == other.outer
    }
}

impl Scoped {
    /// Takes note of a class, and of the items that it would have by the flags of the whole expression.
    pub(super) fn note(&mut self, set: &Arc<CharSet>, outer: Vec<ClassItem>, negated: bool, fold: Fold) {
        self.0.push(Class {
            set: Arc::clone(set),
            outer,
            negated,
            fold,
        });
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The expression that begins only where Python looks.
    pub(super) fn limit(&self, root: Node) -> Node {
        match self.starts(&root) {
            Some(set) => {
                let look = Node::Look {
                    node: Box::new(Node::Set(Arc::new(set))),
                    behind: None,
                    negative: false,
                };
                Node::Concat(vec![look, root])
            }
            None => root,
        }
    }

    /// What a match of `node` may begin with; nothing where that may be anything.
    fn starts(&self, node: &Node) -> Option<CharSet> {
        if self.is_empty() {
            return None;
        }
        match node {
            Node::Set(_) => self.class(node)?.starts(),
            Node::Concat(nodes) => self.starts(first(nodes)?),
            Node::Capture(_, node) => self.starts(node),
            Node::Alternate(branches) => self.common(branches).or_else(|| self.choice(branches)),
            Node::Empty
            | Node::Char(_)
            | Node::Repeat { .. }
            | Node::Atomic(_)
            | Node::Look { .. }
            | Node::Assert(_)
            | Node::BackReference(..)
            | Node::Conditional { .. } => None,
        }
    }

    /// The class with which all alternatives begin.
    fn common(&self, branches: &[Node]) -> Option<CharSet> {
        let mut classes = branches.iter().map(|branch| {
            let mut node = branch;
            // A sequence of one is a group with flags.
            if let Node::Concat(nodes) = branch
                && nodes.len() > 1
            {
                node = first(nodes)?;
            }
            self.class(node)
        });
        let class = classes.next()??;
        let is_common = classes.all(|other| other.is_some_and(|other| other.is_same(class)));
        is_common.then(|| class.starts()).flatten()
    }

    /// The class that alternatives of one character each are.
    fn choice(&self, branches: &[Node]) -> Option<CharSet> {
        let none = CharSet::new([]);
        branches.iter().try_fold(none, |all, branch| {
            if let Node::Char(c) = branch {
                return Some(all.union(&CharSet::single(u32::from(*c))));
            }
            let class = self.class(branch).filter(|class| !class.negated)?;
            Some(all.union(&class.starts()?))
        })
    }

    fn class(&self, node: &Node) -> Option<&Class> {
        let Node::Set(set) = node else { return None };
        self.0.iter().find(|class| Arc::ptr_eq(&class.set, set))
    }
}

/// The first of a sequence that is not nothing.
fn first(nodes: &[Node]) -> Option<&Node> {
    nodes.iter().find(|node| !matches!(node, Node::Empty))
}
