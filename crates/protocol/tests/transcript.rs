//! A long session of the reference's client: for every answer of its server we print what it printed, and exit as
//! it did.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the examples and stops at the first surprise"
)]

use std::path::Path;

use stockade_protocol::text::{Charset, render};
use stockade_protocol::{Failure, Value};

/// Commands whose text differs on purpose: the flavor `stats` of `status`, which the reference cannot format.
const DIFFERENT: [&str; 2] = ["status --all stats", "status sshd stats"];

#[test]
fn every_recorded_answer_is_printed_as_the_reference_printed_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance/examples/client/transcript-commands.txt");
    let transcript = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for entry in transcript.split("\n$ fail2ban-client ").skip(1) {
        let (command, rest) = entry.split_once('\n').unwrap();
        let (printed, rest) = rest.split_once("[rc=").unwrap();
        let (status, rest) = rest.split_once(']').unwrap();
        let Some(answer) = rest.rsplit_once("[answer] ").map(|(_, answer)| answer) else {
            continue;
        };
        let (answer, _) = answer.rsplit_once("   [file ").unwrap();
        // A command that the client composes, or one that got no pair for an answer.
        if DIFFERENT.contains(&command)
            || answer.starts_with('"')
            || answer == "(0, 'pong')" && command != "ping"
        {
            continue;
        }
        let (stdout, stderr): (Vec<&str>, Vec<&str>) = printed
            .split_terminator('\n')
            .partition(|line| !line.starts_with("[stderr] "));
        let answer = Python(answer).whole();
        let Some([Value::Int(code), value]) = answer.items() else {
            panic!("{command}: {answer:?}")
        };
        let reply = if let (1, Value::Exception(failure)) = (code, value) {
            Err((**failure).clone())
        } else {
            Ok(value.clone())
        };
        let words: Vec<Value> = shell_words(command).iter().map(Value::from).collect();
        let rendered = render(&words, &reply, Charset::Unicode);
        assert_eq!(rendered.stdout, stdout.join("\n"), "{command}");
        assert_eq!(rendered.exit.to_string(), status, "{command}");
        let error = stderr
            .iter()
            .find_map(|line| line.split_once("ERROR   "))
            .map(|(_, error)| error.to_owned());
        assert_eq!(rendered.error, error, "{command}");
        count += 1;
    }
    assert!(count > 200, "only {count} answers");
}

/// The words of a recorded command line.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// A reader of the literals that Python prints, with exceptions as calls of their class.
struct Python<'a>(&'a str);

impl Python<'_> {
    fn whole(mut self) -> Value {
        let value = self.value();
        assert!(self.0.is_empty(), "rest of a literal: {:.100}", self.0);
        value
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn items(&mut self, end: &str) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.value());
            self.eat(", ");
            self.eat(",");
        }
        items
    }

    fn value(&mut self) -> Value {
        if self.eat("[") {
            return Value::List(self.items("]"));
        }
        if self.eat("(") {
            return Value::Tuple(self.items(")"));
        }
        if self.eat("{") {
            let mut pairs = Vec::new();
            while !self.eat("}") {
                let key = self.value();
                assert!(self.eat(": "));
                pairs.push((key, self.value()));
                self.eat(", ");
            }
            return Value::Dict(pairs);
        }
        if self.0.starts_with(['\'', '"']) {
            return self.string();
        }
        let end = self.0.find([',', ')', ']', '(', '}']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        if self.eat("(") {
            let module = match word {
                "UnknownJailException" | "DuplicateJailException" => "fail2ban.exceptions",
                "RegexException" => "fail2ban.server.failregex",
                _ => "builtins",
            };
            let mut arguments = self.items(")");
            if word == "FileNotFoundError" {
                // The path is no part of what Python prints.
                arguments.push("/nonexistent.py".into());
            }
            return Failure::new(module, word, arguments).into();
        }
        match word {
            "None" => Value::None,
            "True" => true.into(),
            "False" => false.into(),
            // The reference's list of addresses in a file prints without quotes.
            _ if word.starts_with("file:") => word.into(),
            _ => word
                .parse::<i64>()
                .map_or_else(|_| Value::Float(word.parse().unwrap()), Value::Int),
        }
    }

    fn string(&mut self) -> Value {
        let mut characters = self.0.char_indices();
        let (_, quote) = characters.next().unwrap();
        let mut text = String::new();
        loop {
            let (at, character) = characters.next().unwrap();
            if character == quote {
                self.0 = &self.0[at + 1..];
                return text.into();
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next().unwrap().1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other @ ('\\' | '\'' | '"') => text.push(other),
                other => panic!("escape {other}"),
            }
        }
    }
}
