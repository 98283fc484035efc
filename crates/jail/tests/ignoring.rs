//! Whom a jail ignores: the worked examples, with the answers that the daemon would give.

#![expect(clippy::indexing_slicing, reason = "a wrong example may panic")]
#![expect(clippy::unwrap_used, reason = "a wrong example may panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at some effects only")]

use serde_json::Value;
use stockade_datetime::Timestamp;
use stockade_filter::{Address, Candidate, Captured, Data, Id};
use stockade_jail::{
    Answer, Effect, EntryAdded, IgnoreCache, Input, Jail, ListFile, Question, Setting, Settings, Ticket,
    list_file_path,
};

/// Where the examples' files are said to be; nothing is read from there.
const DIRECTORY: &str = "/srv/lists";

fn examples(kind: &str) -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../conformance/examples/matching/17-ignoreip.json"
    );
    let text = std::fs::read_to_string(path).expect("the examples are in the repository");
    let file: Value = serde_json::from_str(&text).expect("the examples are JSON");
    let examples: Vec<Value> = file["examples"].as_array().unwrap().clone();
    examples
        .into_iter()
        .filter(|example| example["kind"] == kind)
        .collect()
}

fn candidate(id: &str, data: &Value) -> Candidate {
    let mut captured = Captured::new();
    for (name, value) in data.as_object().into_iter().flatten() {
        captured.insert(name, Data::Text(value.as_str().unwrap().into()));
    }
    Candidate {
        id: Id::parse(id),
        address: None,
        time_is_whole: false,
        time: Timestamp::from_seconds(0),
        matches: Vec::new(),
        captured,
    }
}

/// Runs the jail until it asks nothing more; the source, where the candidate was ignored with a record, and
/// whether it was counted.
fn judge(
    jail: &mut Jail,
    now: Timestamp,
    input: Input,
    answer: impl Fn(Question) -> Answer,
) -> (Option<String>, bool) {
    let mut inputs = vec![input];
    let (mut source, mut counted) = (None, false);
    for _ in 0..100 {
        let Some(input) = inputs.pop() else {
            return (source, counted);
        };
        let mut effects = Vec::new();
        jail.step(now, input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Ask(question) => inputs.push(Input::Answer(answer(question))),
                Effect::Ignored { source: by, .. } => source = Some(by.to_string()),
                Effect::Found { .. } => counted = true,
                _ => {}
            }
        }
    }
    panic!("the jail never stops asking");
}

#[test]
fn the_examples_of_ignoreip() {
    let examples = examples("ignoreip");
    assert!(!examples.is_empty());
    for example in examples {
        let name = &example["name"];
        let mut jail = Jail::new("test", Settings::default());
        let here = |text: &Value| text.as_str().unwrap().replace("{dir}", DIRECTORY);
        for entry in example["ignoreip"].as_array().unwrap() {
            jail.ignore_mut().add(&here(entry)).unwrap();
        }
        let answer = |question: Question| match question {
            Question::Resolve(host) => {
                let addresses = example["hosts"][&host].as_array().into_iter().flatten();
                let addresses = addresses
                    .filter_map(|text| Id::parse(text.as_str()?).address().copied())
                    .collect();
                Answer::Resolved(host, addresses)
            }
            Question::Read(path) => {
                let file = path.strip_prefix(DIRECTORY).unwrap().trim_start_matches('/');
                let content = example["files"][file].as_str().unwrap().to_owned();
                Answer::Read(path, ListFile::Content(content))
            }
            Question::Command { .. } | Question::History { .. } => {
                panic!("no command is set, and no bans grow")
            }
        };
        for row in example["rows"].as_array().unwrap() {
            let now = Timestamp::from_seconds(1);
            let input = Input::Failure(candidate(row["id"].as_str().unwrap(), &Value::Null));
            let (source, counted) = judge(&mut jail, now, input, answer);
            let expected = row["source"].as_str().map(|_| here(&row["source"]));
            assert_eq!(source, expected, "{name}: {}", row["id"]);
            assert_eq!(
                !counted,
                row["ignored"].as_bool().unwrap(),
                "{name}: {}",
                row["id"]
            );
        }
    }
}

#[test]
fn the_examples_of_file_entries() {
    for example in examples("ignorefile_name") {
        for row in example["rows"].as_array().unwrap() {
            let text = row["text"].as_str().unwrap();
            assert_eq!(list_file_path(text).as_deref(), row["path"].as_str(), "{text}");
        }
    }
}

#[test]
fn the_examples_of_ignorecommand() {
    let examples = examples("ignorecommand");
    assert!(!examples.is_empty());
    for example in examples {
        let name = example["name"].as_str().unwrap();
        let mut jail = Jail::new("test", Settings::default());
        jail.set(Setting::IgnoreCommand(
            example["ignorecommand"].as_str().map(str::to_owned),
        ));
        let cached = example["ignorecache"].is_object();
        if cached {
            jail.set(Setting::IgnoreCache(Some(IgnoreCache {
                key: example["ignorecache"]["key"].as_str().unwrap().to_owned(),
                max_count: 10,
                max_time_micros: 300_000_000,
            })));
        }
        for row in example["rows"].as_array().unwrap() {
            // What the shell would say to these few commands.
            let says = |ticket: &Ticket| match name {
                "by user and address" => {
                    ticket.captured.text("user") == Some("good") && ticket.id.to_string() == "192.0.2.1"
                }
                "exit status other than 0 is not ignored" => false,
                "captured text is passed safely" => ticket.captured.text("user") == Some("a$(id)b"),
                _ => ticket.id.to_string() == "192.0.2.1",
            };
            let answer = |question: Question| match question {
                Question::Command { number, ticket } => Answer::Command(number, says(&ticket)),
                Question::Resolve(_) | Question::Read(_) | Question::History { .. } => {
                    panic!("{name}: nothing else to ask")
                }
            };
            let candidate = candidate(row["id"].as_str().unwrap(), &row["data"]);
            let input = match candidate.captured.text("user").map(str::to_owned) {
                Some(user) if cached => Input::KeyedFailure(candidate, user),
                _ => Input::Failure(candidate),
            };
            let (source, counted) = judge(&mut jail, Timestamp::from_seconds(1), input, answer);
            assert_eq!(source.as_deref(), row["source"].as_str(), "{name}: {row}");
            assert_eq!(!counted, row["ignored"].as_bool().unwrap(), "{name}: {row}");
        }
    }
}

#[test]
fn the_host_itself_is_ignored_unless_that_is_switched_off() {
    let mut jail = Jail::new("test", Settings::default());
    let own = Id::parse("192.0.2.10");
    jail.ignore_mut()
        .set_own_addresses(own.address().copied().into_iter().collect::<Vec<Address>>());
    let now = Timestamp::from_seconds(1);
    let never = |_: Question| -> Answer { panic!("nothing to ask") };
    let failure = || Input::Failure(candidate("192.0.2.10", &Value::Null));
    assert_eq!(
        judge(&mut jail, now, failure(), never),
        (Some("ignoreself rule".to_owned()), false)
    );
    jail.ignore_mut().set_ignoreself(false);
    assert_eq!(judge(&mut jail, now, failure(), never), (None, true));
}

#[test]
fn one_question_serves_everyone_who_waits_and_holds_for_a_while() {
    let mut jail = Jail::new("test", Settings::default());
    jail.ignore_mut().add("host.example").unwrap();
    let mut effects = Vec::new();
    for id in ["192.0.2.1", "192.0.2.2"] {
        let input = Input::Failure(candidate(id, &Value::Null));
        jail.step(Timestamp::from_seconds(1), input, &mut effects);
    }
    let question = Effect::Ask(Question::Resolve("host.example".to_owned()));
    assert_eq!(effects, std::slice::from_ref(&question));
    effects.clear();
    let addresses = vec![*Id::parse("192.0.2.1").address().unwrap()];
    let answer = Answer::Resolved("host.example".to_owned(), addresses);
    jail.step(Timestamp::from_seconds(2), Input::Answer(answer), &mut effects);
    assert!(
        matches!(effects.as_slice(), [Effect::Ignored { .. }, Effect::Found { .. }]),
        "{effects:?}"
    );
    for (seconds, asks) in [(302, false), (303, true)] {
        effects.clear();
        let input = Input::Failure(candidate("192.0.2.3", &Value::Null));
        jail.step(Timestamp::from_seconds(seconds), input, &mut effects);
        assert_eq!(effects.contains(&question), asks, "after {seconds} seconds");
    }
}

#[test]
fn entries_are_kept_once_and_removed_by_what_they_stand_for() {
    let mut jail = Jail::new("test", Settings::default());
    let list = jail.ignore_mut();
    for (text, added) in [
        ("192.0.2.1", EntryAdded::New),
        ("192.0.2.128/25", EntryAdded::New),
        ("file:/etc/list", EntryAdded::New),
        ("host.example", EntryAdded::New),
        ("[192.0.2.1]", EntryAdded::Duplicate("192.0.2.1".to_owned())),
        ("", EntryAdded::Empty),
    ] {
        assert_eq!(list.add(text), Ok(added), "{text:?}");
    }
    assert!(list.add("192.0.2.1/255.0.255.0").is_err());
    let shown: Vec<String> = list.entries().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["192.0.2.128/25", "file://etc/list", "host.example", "192.0.2.1"]
    );
    assert!(list.remove("192.0.2.1"));
    assert!(!list.remove("192.0.2.1"));
    assert_eq!(list.entries().count(), 3);
    list.clear();
    assert_eq!(list.entries().count(), 0);
}
