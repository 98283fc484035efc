//! What Python prints in any order, put into one.

use super::case::Form;

/// An answer with what Python has in any order in one: the users of a session, and, as far as the order is not
/// compared, what was captured.
pub(super) fn in_order(answer: &str, form: Form) -> String {
    let start = match form {
        Form::Row => Some(0),
        Form::Facts => answer.find("|{"),
    };
    let (facts, data) = answer.split_at(start.unwrap_or(0));
    let mut text = facts.to_owned();
    let mut rest = data;
    while !rest.is_empty() {
        rest = sorted(rest, form, &mut text);
    }
    text
}

/// Copies one thing that Python has printed, such as a text or a dictionary; what follows is returned.
fn sorted<'a>(text: &'a str, form: Form, out: &mut String) -> &'a str {
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (mut end, mut is_escaped) = (text.len(), false);
            for (at, char) in text.char_indices().skip(1) {
                if char == quote && !is_escaped {
                    end = at + 1;
                    break;
                }
                is_escaped = char == '\\' && !is_escaped;
            }
            let (literal, rest) = text.split_at(end);
            out.push_str(literal);
            rest
        }
        Some('{') => {
            let (mut items, mut item, mut rest) =
                (Vec::new(), String::new(), text.get(1..).unwrap_or_default());
            while !rest.is_empty() && !rest.starts_with('}') {
                match rest.strip_prefix(", ") {
                    Some(next) => {
                        items.push(std::mem::take(&mut item));
                        rest = next;
                    }
                    None if rest.starts_with(['[', '(']) => {
                        let mut depth = 0;
                        loop {
                            match rest.chars().next() {
                                Some('[' | '(') => depth += 1,
                                Some(']' | ')') => depth -= 1,
                                Some(_) => {}
                                None => break,
                            }
                            rest = sorted(rest, form, &mut item);
                            if depth == 0 {
                                break;
                            }
                        }
                    }
                    None => rest = sorted(rest, form, &mut item),
                }
            }
            items.push(item);
            if form == Form::Facts || !items.iter().any(|item| item.contains("': ")) {
                items.sort_unstable();
            }
            out.push_str(&format!("{{{}}}", items.join(", ")));
            rest.strip_prefix('}').unwrap_or(rest)
        }
        Some(char) => {
            out.push(char);
            text.get(char.len_utf8()..).unwrap_or_default()
        }
        None => "",
    }
}
