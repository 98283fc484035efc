//! `name[option=value, …]` and lists of such: what is read is made of what was written, in its order, and can be
//! written again so that it reads the same.

use stockade_protocol::definition::{Definition, parameters, parse, split_actions};

pub(crate) fn look(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(parameters(&text));
    if let Ok(definition) = parse(&text) {
        written_again(&definition);
    }
    let mut rest: &str = &text;
    for item in split_actions(&text) {
        assert!(!item.is_empty(), "an item is something");
        let at = rest.find(item).expect("items stand in the text, in order");
        rest = rest
            .get(at + item.len()..)
            .expect("an end of a text is a boundary");
        drop(parse(item));
    }
}

fn written_again(definition: &Definition) {
    let mut text = definition.name.clone();
    for (name, value) in &definition.parameters {
        let quote = match (value.contains('"'), value.contains('\'')) {
            (false, _) => "\"",
            (true, false) => "'",
            // It was written bare, and so it is again, unless it begins like a quoted one.
            (true, true) if value.starts_with(['"', '\'']) => return,
            (true, true) => "",
        };
        text.push_str(&format!("[{name}={quote}{value}{quote}]"));
    }
    assert_eq!(parse(&text).as_ref(), Ok(definition), "{text}");
}
