//! A tree → the bytes that a match can begin with.
//!
//! In: a [`Node`]. Out: [`Heads`], or nothing where a match can be empty.
//!
//! Invariant: a text that begins with another byte has no match at its beginning.

use crate::ast::Node;
use crate::program::Heads;

/// The bytes that a match of `root` begins with; nothing where it may have none.
pub(crate) fn heads_of(root: &Node) -> Option<Heads> {
    let (heads, is_nullable) = of(root);
    (!is_nullable).then_some(heads)
}

/// The bytes that the texts of a node begin with, and whether one of them may be empty.
fn of(node: &Node) -> (Heads, bool) {
    match node {
        // They take nothing, and what they refuse does not matter here.
        Node::Empty | Node::Assert(_) | Node::Look { .. } | Node::Repeat { max: Some(0), .. } => {
            (Heads::default(), true)
        }
        Node::Char(c) => (Heads::of_char(*c), false),
        Node::Set(set) => (Heads::of(set), false),
        Node::Concat(nodes) => {
            let mut heads = Heads::default();
            for node in nodes {
                let (more, is_nullable) = of(node);
                heads = heads.union(more);
                if !is_nullable {
                    return (heads, false);
                }
            }
            (heads, true)
        }
        Node::Alternate(nodes) => nodes.iter().map(of).fold((Heads::default(), false), either),
        Node::Capture(_, node) | Node::Atomic(node) => of(node),
        Node::Repeat { node, min, .. } => {
            let (heads, is_nullable) = of(node);
            (heads, is_nullable || *min == 0)
        }
        Node::BackReference(..) => (Heads::ALL, true),
        Node::Conditional { yes, no, .. } => either(of(yes), of(no)),
    }
}

fn either(one: (Heads, bool), other: (Heads, bool)) -> (Heads, bool) {
    (one.0.union(other.0), one.1 || other.1)
}
