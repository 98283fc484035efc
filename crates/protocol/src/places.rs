//! Where the commands of a configuration are written, sent along with them.
//!
//! In: a request that carries a configuration, and for each of its commands the places: of the whole, then of its
//! parts, as `FILE:LINE:COLUMN`. Out: the same request with one more word, and the places again.
//!
//! The reference passes over a word behind those it knows, so the request means the same to its server; and a
//! request of its client, which has no such word, means the same to ours. No place is needed for anything to work.

use crate::Value;

/// The places of one command: the whole first, then its parts; empty texts where a place is not known.
pub type Places = Vec<String>;

/// At which word of which request the places stand: behind the stream of commands.
const POSITIONS: [(&str, usize); 2] = [("server-stream", 2), ("reload", 4)];

/// Adds the places to a request that carries a configuration; any other request stays as it is.
pub fn attach(request: &mut Value, places: impl IntoIterator<Item = Places>) {
    let Some(position) = position(request) else { return };
    if let Value::List(words) = request
        && words.len() == position
    {
        words.push(Value::List(places.into_iter().map(Value::list).collect()));
    }
}

/// Takes the places out of a request, one item for each command; empty where there are none.
pub fn detach(request: &mut Value) -> Vec<Places> {
    let Some(position) = position(request) else {
        return Vec::new();
    };
    let Value::List(words) = request else {
        return Vec::new();
    };
    if words.len() <= position {
        return Vec::new();
    }
    let word = words.remove(position);
    let texts = |item: &Value| item.items().unwrap_or_default().iter().map(Value::text).collect();
    word.items().unwrap_or_default().iter().map(texts).collect()
}

fn position(request: &Value) -> Option<usize> {
    let name = request.items()?.first()?.as_str()?;
    let known = POSITIONS.iter().find(|(known, _)| *known == name);
    known.map(|(_, position)| *position)
}

#[cfg(test)]
mod tests {
    use super::{attach, detach};
    use crate::{Command, Value};

    #[test]
    fn places_travel_behind_the_commands_and_change_nothing_else() {
        let places = || vec![vec!["jail.conf:2:1".to_owned(), String::new()], Vec::new()];
        let stream = vec![Command::Ping, Command::Version];
        let reload = Command::Reload {
            jail: None,
            options: vec!["--unban".to_owned()],
            stream: stream.clone(),
        };
        for (name, command, sent) in [
            ("start", Command::ServerStream(stream), places()),
            ("reload", reload, places()),
            ("another", Command::Ping, Vec::new()),
        ] {
            let plain = command.to_value();
            let mut request = plain.clone();
            attach(&mut request, places());
            assert_eq!(Command::from_value(&request), Ok(command), "{name}");
            assert_eq!(detach(&mut request), sent, "{name}");
            assert_eq!(request, plain, "{name}, without them");
            assert_eq!(
                detach(&mut request),
                Vec::<Vec<String>>::new(),
                "{name}, without them"
            );
        }
    }

    #[test]
    fn a_word_that_is_no_list_of_places_is_none() {
        for word in [Value::None, "text".into(), Value::Int(3)] {
            let mut request = Value::List(vec![
                "server-stream".into(),
                Value::List(Vec::new()),
                word.clone(),
            ]);
            assert_eq!(detach(&mut request), Vec::<Vec<String>>::new(), "{word:?}");
        }
    }
}
