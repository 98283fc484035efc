//! Lines of JSON and of envelopes: whatever they are, a filter reads them without harm, it finds the same where literals
//! are looked for first, and who is found by a field is who stands there for another reader of JSON as well.
//!
//! The first byte chooses how the lines are read.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;
use stockade_datetime::{Clock, Timestamp};
use stockade_filter::{Entry, Filter, Lines, Mode, Output, StructureOptions};

const NOW: i64 = 1_700_000_000;
const LINES: usize = 12;

/// How deep a line that is read may be nested.
const DEPTH: usize = 64;

/// The options of the lines, failregexes, datepattern.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

/// Of the first one it is known who is to be found.
const FILTERS: [Row<'_>; 6] = [
    (
        &[
            ("field.host", "a.ip"),
            ("field.user", "user"),
            ("failwhen", "status = failed"),
            ("ignorewhen", "a.spared exists"),
        ],
        &[],
        "{NONE}",
    ),
    (
        &[
            ("lineformat", "docker json"),
            ("field.time", "t"),
            ("field.host", "l[1]"),
            ("failwhen", "s >= 400 and s < 500.5 and u !~ ^/free\nn != x"),
        ],
        &[],
        "{^LN-BEG}EPOCH\n%Y-%m-%d",
    ),
    (
        &[
            ("field.message", "m.text"),
            ("field.time", "t"),
            ("failwhen", "level in error \"very bad\"\nu missing"),
        ],
        &["^fail of <F-USER>\\S*</F-USER> from <HOST>$", "^id <F-ID/>"],
        "{^LN-BEG}EPOCH\n{NONE}",
    ),
    (
        &[("lineformat", "auto")],
        &["fail from <ADDR>", "\\\\n<HOST>$"],
        "",
    ),
    (
        &[("lineformat", "cri json"), ("failwhen", "u ~ '(?!/x)/\\w+'")],
        &["\"ip\":\"<ADDR>\""],
        "",
    ),
    (
        &[("lineformat", "journal")],
        &["^\\S* \\S+\\[\\d+\\]: fail from <ADDR>$"],
        "",
    ),
];

thread_local! {
    /// Compiling takes longer than reading.
    static PAIRS: RefCell<Vec<(Filter, Filter)>> = RefCell::new(FILTERS.iter().map(pair).collect());
}

/// A filter with its gate, and without.
fn pair((options, failregex, datepattern): &Row<'_>) -> (Filter, Filter) {
    let mut set = StructureOptions::default();
    for (name, value) in *options {
        assert!(set.set(name, value), "{name} is an option");
    }
    let structure = set.compile().expect("options that are right");
    let mut filter = Filter::new(Mode::default(), 2026);
    filter.set_structure(structure.map(Arc::new));
    if !datepattern.is_empty() {
        filter.set_datepattern(datepattern).expect("a datepattern");
    }
    for source in *failregex {
        filter.add_failregex(source).expect("a failregex");
    }
    // What is made for the first line is made once.
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    filter.process(Entry::Text(""), &clock, true, &mut Output::default());
    let mut open = filter.clone();
    open.set_gated(false);
    (filter, open)
}

pub(crate) fn look(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let choice = usize::from(*choice) % FILTERS.len();
    let pair = PAIRS.with_borrow(|pairs| pairs.get(choice).cloned());
    let (mut gated, mut open) = pair.expect("it is one of them");
    let clock = Clock::new(Timestamp::from_seconds(NOW), TimeZone::UTC);
    let mut places: Vec<Range<usize>> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(LINES) {
        let start = places.last().map_or(0, |place| place.end);
        places.push(start..start + line.len());
    }
    let lines = Lines {
        bytes,
        places: &places,
        file: "log",
    };
    let mut outputs = Vec::new();
    gated.process_lines(lines, &clock, true, &mut outputs);
    let mut outputs = outputs.into_iter().peekable();
    for (number, place) in places.iter().enumerate() {
        let line = bytes.get(place.clone()).unwrap_or_default();
        let mut out = Output::default();
        open.process(Entry::Bytes(line, "log"), &clock, true, &mut out);
        let found = outputs.next_if(|(known, _)| *known == number);
        let found = found.map(|(_, found)| found).unwrap_or_default();
        assert_eq!(found, out, "line {number}");
        let candidates = out.found.into_iter().flat_map(|found| found.into_candidates(&[]));
        let ids: Vec<String> = candidates
            .map(|candidate| {
                assert!(!candidate.matches.is_empty(), "there is evidence");
                candidate.id.to_string()
            })
            .collect();
        if choice == 0
            && let Ok(text) = str::from_utf8(line)
        {
            check(text, &ids);
        }
    }
    assert_eq!(outputs.next(), None, "the gate finds nothing of its own");
    assert!(gated.agrees_with(&open), "the gate leaves no trace");
}

/// Whether those were found whom the fields of the first filter say.
fn check(line: &str, ids: &[String]) {
    let line = line.trim_end_matches(['\r', '\n']);
    let Ok(tree) = serde_json::from_str::<Value>(line) else {
        // Half a pair of surrogates and a number beyond all numbers are mistakes to that reader alone.
        let may_differ = line.contains('\\') || line.contains(['e', 'E']) || line.len() > 300;
        assert!(ids.is_empty() || may_differ, "{ids:?} in what is no JSON: {line}");
        return;
    };
    // There are several ways to write an address.
    let ids: Vec<Option<IpAddr>> = ids.iter().map(|id| id.parse().ok()).collect();
    let expected: Vec<Option<IpAddr>> = expected(&tree).map(Some).into_iter().collect();
    if expected != ids {
        let is_refused = ids.is_empty() && (depth(&tree) > DEPTH || names(&tree) < names_written(line));
        assert!(is_refused, "{ids:?} found, {expected:?} expected: {line}");
    }
}

fn expected(tree: &Value) -> Option<IpAddr> {
    let host = tree.get("a")?;
    let is_failure = tree.get("status")?.as_str()? == "failed";
    let is_spared = host.get("spared").is_some_and(|spared| !spared.is_null());
    let text = host.get("ip")?.as_str()?.trim();
    let bare = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let ip = text.parse().ok().or_else(bare).or_else(with_port)?;
    (is_failure && !is_spared).then_some(ip.to_canonical())
}

fn depth(tree: &Value) -> usize {
    match tree {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many names there are, of equal ones only one.
fn names(tree: &Value) -> usize {
    match tree {
        Value::Array(values) => values.iter().map(names).sum(),
        Value::Object(values) => values.len() + values.values().map(names).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many names are written: as many as there are colons outside of texts.
fn names_written(line: &str) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for char in line.chars() {
        match char {
            _ if std::mem::take(&mut is_escaped) => {}
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            ':' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}
