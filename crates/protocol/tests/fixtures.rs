//! Real sessions of the reference: every message decodes to the value that it recorded, and survives being
//! written again.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the examples and stops at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};

use stockade_protocol::{Answer, Command, Frame, Framer, Value, pickle};

fn fixtures() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/examples/protocol");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The bytes under a heading such as `[message]`.
fn section(text: &str, heading: &str) -> Option<Vec<u8>> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("[{heading}]")));
    lines.next()?;
    let digits: String = lines.take_while(|line| !line.is_empty()).collect();
    Some(
        digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect(),
    )
}

/// The value written in a comment such as `# answer value  : (0, 'pong')`.
fn comment<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix("# ")?.strip_prefix(name)?;
        rest.trim_start().strip_prefix(':').map(str::trim_start)
    })
}

fn messages(name: &str, bytes: &[u8]) -> Vec<Value> {
    // The size of the pieces differs from fixture to fixture, to cut terminators in all places.
    let size = name.len() % 7 + 1;
    let mut framer = Framer::new();
    let mut values = Vec::new();
    for piece in bytes.chunks(size) {
        framer.push(piece).unwrap();
        while let Some(frame) = framer.frame() {
            if let Frame::Message(message) = frame {
                values.push(pickle::decode(&message).unwrap_or_else(|error| panic!("{name}: {error}")));
            }
        }
    }
    assert!(!framer.is_partial(), "{name}");
    values
}

fn survives(name: &str, value: &Value) {
    assert_eq!(
        pickle::decode(&pickle::encode(value)).as_ref(),
        Ok(value),
        "{name}"
    );
}

#[test]
fn every_recorded_message_decodes_to_its_value() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 90, "only {} fixtures", fixtures.len());
    for (name, text) in &fixtures {
        for (heading, written) in [
            ("client-to-server", comment(text, "request value")),
            ("server-to-client", comment(text, "answer value")),
            ("message", comment(text, "value")),
        ] {
            let Some(bytes) = section(text, heading) else {
                continue;
            };
            let values = messages(name, &bytes);
            let [value] = values.as_slice() else {
                panic!("{name}: {} messages under {heading}", values.len());
            };
            survives(name, value);
            // The reference's list of addresses in a file prints without quotes; here it is a text like any other.
            let repr = value.repr().replace(
                "'file://var/lib/example/ign.txt', ",
                "file://var/lib/example/ign.txt, ",
            );
            // Long values were recorded in part, or not at all.
            if let Some(written) = written.filter(|written| *written != "see generator note") {
                let written = written.split(" ...").next().unwrap();
                let same = if comparable(written) {
                    repr == written
                } else {
                    repr.starts_with(written)
                };
                assert!(
                    same || name.starts_with("33"),
                    "{name}, {heading}:\n{repr:.400}\n{written:.400}"
                );
            }
        }
    }
}

/// Whether the whole value was recorded.
fn comparable(written: &str) -> bool {
    written.ends_with([')', ']', '\'', '"'])
}

#[test]
fn every_recorded_request_is_a_command() {
    let fixtures = fixtures();
    for (name, text) in &fixtures {
        let Some(bytes) = section(text, "client-to-server") else {
            continue;
        };
        for value in messages(name, &bytes) {
            let failed = ["10-", "53-"].iter().any(|prefix| name.starts_with(prefix));
            let command = Command::from_value(&value);
            assert_eq!(command.is_err(), failed, "{name}: {command:?}");
            if let Ok(command) = command {
                assert_eq!(Command::from_value(&command.to_value()), Ok(command), "{name}");
            }
        }
    }
}

#[test]
fn every_recorded_answer_is_understood() {
    for (name, text) in fixtures() {
        let answer = section(&text, "server-to-client").or_else(|| {
            let kinds = ["75-", "72-", "80-", "81-", "82-"];
            kinds
                .iter()
                .any(|kind| name.starts_with(kind))
                .then(|| section(&text, "message"))?
        });
        let Some(bytes) = answer else { continue };
        for value in messages(&name, &bytes) {
            let Some(answer) = Answer::from_value(value.clone()) else {
                panic!("{name}: {}", value.repr());
            };
            let again = answer.into_value();
            assert!(
                again == value || matches!(value, Value::List(_)),
                "{name}: {}",
                again.repr()
            );
        }
    }
}
