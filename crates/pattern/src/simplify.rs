//! A tree → an equal tree with less look-around.
//!
//! A look-behind for one character is dropped where whatever stands before it always ends with such a
//! character. That is the case in the address tags, and without it every expression with `<HOST>` would
//! have to be matched by backtracking.

use crate::ast::Node;
use crate::charset::CharSet;

/// Simplifies `root` in place.
pub(crate) fn simplify(root: &mut Node) {
    visit(root, None);
}

/// Simplifies a node before which there is always a character of `before`, if that is known. Returns the
/// same for what follows the node.
fn visit(node: &mut Node, before: Known) -> Known {
    match node {
        Node::Empty | Node::Assert(_) => before,
        Node::Char(_) | Node::Set(_) => one_character(node),
        Node::Concat(nodes) => {
            let after = nodes.iter_mut().fold(before, |before, node| visit(node, before));
            nodes.retain(|node| !matches!(node, Node::Empty));
            after
        }
        Node::Alternate(nodes) => {
            let ends = nodes.iter_mut().map(|node| visit(node, before));
            ends.reduce(either).flatten()
        }
        Node::Capture(_, node) | Node::Atomic(node) => visit(node, before),
        Node::Repeat { node, min, max, .. } => {
            // A round begins where the repeat does or where another round has ended.
            let one_round = ends(node);
            let round_before = if *max == Some(1) {
                before
            } else {
                either(before, one_round)
            };
            let after = visit(node, round_before);
            if *min > 0 { after } else { either(before, after) }
        }
        Node::Look {
            node: looked,
            behind,
            negative,
        } => {
            let proved = *behind == Some(1)
                && !*negative
                && match (looked.as_set(), &before) {
                    (Some(wanted), Some(known)) => known.is_subset(&wanted),
                    (Some(_) | None, _) => false,
                };
            if proved {
                *node = Node::Empty;
            } else {
                let context = if behind.is_some() { None } else { before };
                visit(looked, context);
            }
            before
        }
        Node::BackReference(..) => None,
        Node::Conditional { yes, no, .. } => {
            let yes = visit(yes, before);
            either(yes, visit(no, before))
        }
    }
}

/// The characters of which there is one before a place; `None` if nothing is known.
type Known = Option<Ends>;

/// A rough set of characters: exact for ASCII, all or nothing for the rest, and cheap.
#[derive(Clone, Copy)]
struct Ends {
    ascii: u128,
    wide: bool,
}

impl Ends {
    fn of(set: &CharSet) -> Self {
        Self {
            ascii: set.ascii(),
            wide: set.has_wide(),
        }
    }

    fn is_subset(self, set: &CharSet) -> bool {
        self.ascii & !set.ascii() == 0 && (!self.wide || set.has_all_wide())
    }
}

fn either(one: Known, other: Known) -> Known {
    let (one, other) = (one?, other?);
    Some(Ends {
        ascii: one.ascii | other.ascii,
        wide: one.wide || other.wide,
    })
}

fn one_character(node: &Node) -> Known {
    node.as_set().map(|set| Ends::of(&set))
}

/// What a node that cannot be empty ends with.
fn ends(node: &Node) -> Known {
    match node {
        Node::Char(_) | Node::Set(_) => one_character(node),
        Node::Concat(nodes) => {
            // Back to the last node that cannot be empty; those behind it may be what the text ends with.
            let mut known: Option<Known> = None;
            for node in nodes.iter().rev() {
                if matches!(node, Node::Empty | Node::Assert(_) | Node::Look { .. }) {
                    continue;
                }
                let end = ends_if_any(node);
                known = Some(match known {
                    Some(known) => either(known, end),
                    None => end,
                });
                if !node.is_nullable() {
                    return known.flatten();
                }
            }
            None
        }
        Node::Alternate(nodes) => nodes.iter().map(ends).reduce(either).flatten(),
        Node::Capture(_, node) | Node::Atomic(node) => ends(node),
        Node::Repeat { node, min, .. } if *min > 0 => ends(node),
        Node::Conditional { yes, no, .. } => either(ends(yes), ends(no)),
        Node::Repeat { .. } | Node::Empty | Node::Look { .. } | Node::Assert(_) | Node::BackReference(..) => {
            None
        }
    }
}

/// What the text of a node ends with where it is not empty.
fn ends_if_any(node: &Node) -> Known {
    match node {
        Node::Repeat { node, max, .. } if *max != Some(0) => ends_if_any(node),
        Node::Capture(_, node) | Node::Atomic(node) => ends_if_any(node),
        Node::Char(_)
        | Node::Set(_)
        | Node::Concat(_)
        | Node::Alternate(_)
        | Node::Repeat { .. }
        | Node::Conditional { .. }
        | Node::Empty
        | Node::Look { .. }
        | Node::Assert(_)
        | Node::BackReference(..) => ends(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automaton::Needs;
    use crate::parse::parse;

    #[test]
    fn drops_only_what_is_proved() {
        let cases: [(&str, bool); 16] = [
            ("a(?<=a)", true),
            ("[ab](?<=[abc])c", true),
            ("(?:[0-9a-f]{1,4}::?|:){1,7}(?:[0-9a-f]{1,4}|(?<=:):)", true),
            ("(?:a|ba)+(?:x|(?<=a)y)", true),
            ("ab?(?<=[ab])", true),
            ("(a)?(?<=a)", false),
            ("(?:a|b)(?<=a)", false),
            ("a\\b(?<=a)", true),
            ("a*(?<=a)", false),
            ("(?<=a)a", false),
            ("(?:(?<=a)a)+", false),
            ("a(?:(?<=[ab])b)+", true),
            ("a(?:(?<=a)b)+", false),
            ("a(?<!b)", false),
            ("a(?=(?<=a)b)", false),
            ("ab(?<=ab)", false),
        ];
        for (source, regular) in cases {
            let mut ast = parse(source, false, false).unwrap();
            simplify(&mut ast.root);
            assert_eq!(
                !Needs::of(&ast.root).backtracking,
                regular,
                "{source} without look-behind"
            );
        }
    }
}
