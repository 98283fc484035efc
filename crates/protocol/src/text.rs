//! What the client prints for an answer.
//!
//! In: the words of the command and the reply to it. Out: the text for stdout, the line for the log where the
//! command failed, and the exit status.
//!
//! The layout is chosen by the words alone, as the reference chooses it: a jail named `logtarget` gets the layout
//! of that option. A reply of another shape than the layout expects is printed as Python's `str` has it.

use crate::{Failure, Reply, Value};

/// The exit status of the three compatible commands for every failure.
pub const EXIT_FAILURE: u8 = 255;

/// What the client does with a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// For stdout, without the last line end.
    pub stdout: String,
    /// For the log, at level ERROR, where the command failed.
    pub error: Option<String>,
    /// The exit status.
    pub exit: u8,
}

/// Which characters the table of `stats` may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Lines are drawn with `║` and its kin.
    Unicode,
    /// Lines are drawn with `|`, `-` and `x`.
    Ascii,
}

/// What the client prints for the reply to the command of these words.
#[must_use]
pub fn render(words: &[Value], reply: &Reply, charset: Charset) -> Rendered {
    match reply {
        Ok(value) => Rendered {
            stdout: success(words, value, charset),
            error: None,
            exit: 0,
        },
        Err(failure) => Rendered {
            stdout: failure_text(failure),
            error: Some(format!("NOK: {}", Value::Tuple(failure.args()).repr())),
            exit: EXIT_FAILURE,
        },
    }
}

/// The sentence for a command that failed.
#[must_use]
pub fn failure_text(failure: &Failure) -> String {
    let name = failure.arguments.first().map(Value::text).unwrap_or_default();
    match failure.class.as_str() {
        "UnknownJailException" => format!("Sorry but the jail '{name}' does not exist"),
        "DuplicateJailException" => format!("The jail '{name}' already exists"),
        "IndexError" => "Sorry but the command is invalid".to_owned(),
        _ => failure.text(),
    }
}

fn success(words: &[Value], value: &Value, charset: Charset) -> String {
    laid_out(words, value, charset).unwrap_or_else(|| value.text())
}

/// The reply in the layout of its command, or nothing where that has none or the reply does not fit it.
fn laid_out(words: &[Value], value: &Value, charset: Charset) -> Option<String> {
    let word = |index: usize| words.get(index).map(Value::text);
    match word(0)?.as_str() {
        "ping" => Some(format!("Server replied: {}", value.text())),
        "start" => Some("Jail started".to_owned()),
        "stop" if *value == Value::None => Some(
            if words.len() == 1 {
                "Shutdown successful"
            } else {
                "Jail stopped"
            }
            .to_owned(),
        ),
        "add" => Some(format!("Added jail {}", value.as_str()?)),
        "flushlogs" => Some(format!("logs: {}", value.as_str()?)),
        "echo" => Some(texts(value)?.join(" ")),
        "status" => match word(1) {
            Some(jail) if jail != "--all" => jail_status(&jail, value, charset),
            _ => status(value, charset),
        },
        "stats" | "statistics" => stats(value, charset),
        "set" | "get" | "multi-set" => option(word(0)? == "get", words, value),
        _ => None,
    }
}

/// An option of the server, or a property of a jail.
fn option(get: bool, words: &[Value], value: &Value) -> Option<String> {
    let word = |index: usize| words.get(index).map(Value::text).unwrap_or_default();
    let (first, jail) = (word(1), word(1));
    match first.as_str() {
        "loglevel" => return Some(format!("Current logging level is '{}'", level(value))),
        "logtarget" => return Some(format!("Current logging target is:\n`- {}", value.as_str()?)),
        "syslogsocket" => return Some(format!("Current syslog socket is:\n`- {}", value.as_str()?)),
        "dbfile" | "dbpurgeage" if *value == Value::None => {
            return Some("Database currently disabled".to_owned());
        }
        "dbfile" => return Some(format!("Current database file is:\n`- {}", value.as_str()?)),
        "dbpurgeage" => {
            let seconds = if value.as_str().is_some() {
                None
            } else {
                value.int().ok()
            };
            return Some(format!("Current database purge age is:\n`- {}seconds", seconds?));
        }
        _ => {}
    }
    match word(2).as_str() {
        "logpath" | "addlogpath" | "dellogpath" => tree(
            &texts(value)?,
            "Current monitored log file(s):",
            "No file is currently monitored",
        ),
        "logencoding" => Some(format!("Current log encoding is set to:\n{}", value.as_str()?)),
        "journalmatch" | "addjournalmatch" | "deljournalmatch" => journalmatch(value),
        "datepattern" => datepattern(value),
        "ignoreip" | "addignoreip" | "delignoreip" => tree(
            &texts(value)?,
            "These IP addresses/networks are ignored:",
            "No IP address/network is ignored",
        ),
        "failregex" | "addfailregex" | "delfailregex" | "ignoreregex" | "addignoreregex"
        | "delignoreregex" => {
            let numbered: Vec<String> = texts(value)?
                .iter()
                .enumerate()
                .map(|(index, regex)| format!("[{index}]: {regex}"))
                .collect();
            tree(
                &numbered,
                "The following regular expression are defined:",
                "No regular expression is defined",
            )
        }
        "banip" if get => {
            let separator = match words.get(3).map(Value::text) {
                None => " ".to_owned(),
                Some(option) if option == "--with-time" => "\n".to_owned(),
                Some(separator) => separator,
            };
            Some(texts(value)?.join(&separator))
        }
        "actions" => names(value, "actions", &format!("jail {jail}")),
        "actionproperties" => names(value, "properties", &format!("jail {jail} action {}", word(3))),
        "actionmethods" => names(value, "methods", &format!("jail {jail} action {}", word(3))),
        _ => None,
    }
}

/// The elements of a list as texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    Some(value.items()?.iter().map(Value::text).collect())
}

/// A level as its name; the server says it in words unless it was told a number.
fn level(value: &Value) -> String {
    let name = match value {
        Value::Int(50) => "CRITICAL",
        Value::Int(40) => "ERROR",
        Value::Int(30) => "WARNING",
        Value::Int(25) => "NOTICE",
        Value::Int(20) => "INFO",
        Value::Int(18) => "MSG",
        Value::Int(10) => "DEBUG",
        Value::Int(7) => "TRACEDEBUG",
        Value::Int(5) => "HEAVYDEBUG",
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Exception(_) => return value.text(),
    };
    name.to_owned()
}

/// A heading and a branch for each item, or what is said where there is none.
fn tree(items: &[String], heading: &str, none: &str) -> Option<String> {
    let Some((last, others)) = items.split_last() else {
        return Some(none.to_owned());
    };
    let mut out = format!("{heading}\n");
    for item in others {
        out.push_str(&format!("|- {item}\n"));
    }
    out.push_str(&format!("`- {last}"));
    Some(out)
}

fn names(value: &Value, what: &str, of: &str) -> Option<String> {
    let names = texts(value)?;
    Some(if names.is_empty() {
        format!("No {what} for {of}")
    } else {
        format!("The {of} has the following {what}:\n{}", names.join(", "))
    })
}

fn journalmatch(value: &Value) -> Option<String> {
    let alternatives = value.items()?;
    if alternatives.is_empty() {
        return Some("No journal match filter set".to_owned());
    }
    let alternatives: Option<Vec<String>> = alternatives
        .iter()
        .map(|words| Some(texts(words)?.join(" ")))
        .collect();
    Some(format!("Current match filter:\n{}", alternatives?.join(" + ")))
}

fn datepattern(value: &Value) -> Option<String> {
    let text = match value {
        Value::None => "Not set/required".to_owned(),
        Value::Tuple(items) => match items.as_slice() {
            [Value::None, name] => name.text(),
            [pattern, name] => format!("{} ({})", pattern.text(), name.text()),
            _ => return None,
        },
        Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Exception(_) => return None,
    };
    Some(format!("Current date pattern set to: {text}"))
}

/// A name and what belongs to it, as the server sends every part of a status.
fn pair(value: &Value) -> Option<(String, &Value)> {
    if let [name, value] = value.items()? {
        Some((name.text(), value))
    } else {
        None
    }
}

/// `status`, and `status --all`, where the jails follow as a third element.
fn status(value: &Value, charset: Charset) -> Option<String> {
    if let Value::Dict(_) = value {
        // With the flavor `stats` there is nothing but the jails.
        return stats(value, charset);
    }
    let items = value.items()?;
    let jails = match items.last() {
        Some(Value::Dict(jails)) => Some(jails),
        _ => None,
    };
    let totals: Option<Vec<(String, &Value)>> = items
        .iter()
        .filter(|item| !matches!(item, Value::Dict(_)))
        .map(pair)
        .collect();
    let totals = totals?;
    let jails = jails.filter(|jails| !jails.is_empty());

    let mut lines = vec!["Status".to_owned()];
    for (index, (name, value)) in totals.iter().enumerate() {
        let last = index + 1 == totals.len() && jails.is_none();
        lines.push(format!("{} {name}:\t{}", branch(last), leaf(value)));
    }
    if let Some(jails) = jails {
        lines.push("`- Status for the jails:".to_owned());
        for (index, (name, value)) in jails.iter().enumerate() {
            let last = index + 1 == jails.len();
            lines.push(format!("   {} Jail: {}", branch(last), name.text()));
            parts(value, &format!("   {}", under(last)), &mut lines)?;
        }
    }
    Some(lines.join("\n"))
}

/// `status JAIL`.
fn jail_status(jail: &str, value: &Value, charset: Charset) -> Option<String> {
    if let [Value::Str(_), ..] = value.items()? {
        // With the flavor `stats` it is the row of a table.
        return stats(&Value::Dict(vec![(jail.into(), value.clone())]), charset);
    }
    let mut lines = vec![format!("Status for the jail: {jail}")];
    parts(value, "", &mut lines)?;
    Some(lines.join("\n"))
}

/// The filter and the actions of a jail, with their numbers and lists.
fn parts(value: &Value, indent: &str, lines: &mut Vec<String>) -> Option<()> {
    let groups = value.items()?;
    for (index, group) in groups.iter().enumerate() {
        let (name, entries) = pair(group)?;
        let entries = entries.items()?;
        let last = index + 1 == groups.len();
        lines.push(format!("{indent}{} {name}", branch(last)));
        for (entry_index, entry) in entries.iter().enumerate() {
            let (name, value) = pair(entry)?;
            let last_entry = entry_index + 1 == entries.len();
            lines.push(format!(
                "{indent}{}{} {name}:\t{}",
                under(last),
                branch(last_entry),
                leaf(value)
            ));
        }
    }
    Some(())
}

fn branch(last: bool) -> &'static str {
    if last { "`-" } else { "|-" }
}

fn under(last: bool) -> &'static str {
    if last { "   " } else { "|  " }
}

/// A list with blanks between, anything else as it is.
fn leaf(value: &Value) -> String {
    if let Value::List(items) = value {
        let items: Vec<String> = items.iter().map(Value::text).collect();
        items.join(" ")
    } else {
        value.text()
    }
}

/// A line of the table of `stats`: the jail, its backend, and four numbers.
type Row = [String; 6];

/// The table of `stats`.
fn stats(value: &Value, charset: Charset) -> Option<String> {
    let Value::Dict(jails) = value else {
        return None;
    };
    if jails.is_empty() {
        return Some("No jails found.".to_owned());
    }
    let rows: Option<Vec<Row>> = jails.iter().map(|(name, value)| row(name, value)).collect();
    let rows = rows?;
    let mut widths = [8, 8, 3, 3, 3, 3];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let [jail, backend, failed, failed_total, banned, banned_total] = widths;
    let (filter, actions) = (failed + failed_total + 5, banned + banned_total + 5);
    // Column, inner column, line, crossing of the inner line, its middle, crossing of the last line.
    let [bar, thin, line, inner, inner_line, cross, inner_cross, end] = match charset {
        Charset::Unicode => ["║", "│", "═", "╟", "─", "╬", "╫", "╩"],
        Charset::Ascii => ["|", "|", "-", "|", "-", "x", "x", "-"],
    };
    let rule = |cross: &str| {
        [jail + 2, backend + 2, filter, actions]
            .map(|width| line.repeat(width))
            .join(cross)
    };

    let mut lines = vec![
        format!(
            " {:jail$} {bar} {:backend$} {bar} {:filter$}{bar} {:actions$}",
            "",
            "",
            "Filter",
            "Actions",
            filter = filter - 1,
            actions = actions - 2,
        ),
        format!(
            " {:jail$} {bar} {:backend$} {inner}{}{inner_cross}{}",
            "Jail",
            "Backend",
            inner_line.repeat(filter),
            inner_line.repeat(actions),
        ),
    ];
    let numbers = |row: &Row| {
        let [name, backend_name, a, b, c, d] = row;
        format!(
            " {name:jail$} {bar} {backend_name:backend$} {bar} {a:>failed$} {thin} {b:>failed_total$} {bar} \
             {c:>banned$} {thin} {d:>banned_total$}"
        )
    };
    lines.push(numbers(&["", "", "cur", "tot", "cur", "tot"].map(str::to_owned)));
    lines.push(rule(cross));
    lines.extend(rows.iter().map(numbers));
    lines.push(rule(end));
    Some(lines.join("\n"))
}

fn row(name: &Value, value: &Value) -> Option<Row> {
    let [backend, failed, banned] = value.items()? else {
        return None;
    };
    let ([failed, failed_total], [banned, banned_total]) = (failed.items()?, banned.items()?) else {
        return None;
    };
    Some([name, backend, failed, failed_total, banned, banned_total].map(Value::text))
}

#[cfg(test)]
mod tests {
    use super::{Charset, render};
    use crate::{Failure, Value};

    fn words(line: &str) -> Vec<Value> {
        line.split(' ').map(Value::from).collect()
    }

    fn counts(a: i64, b: i64) -> Value {
        Value::pair(a, b)
    }

    fn row(backend: &str, failed: Value, banned: Value) -> Value {
        Value::List(vec![backend.into(), failed, banned])
    }

    #[test]
    fn a_value_is_laid_out_by_the_words_of_its_command() {
        let ab = || Value::list(["a", "b"]);
        let none = || Value::List(vec![]);
        let paths = "Current monitored log file(s):\n|- a\n`- b";
        let ignored = "These IP addresses/networks are ignored:\n|- a\n`- b";
        let cases: [(&str, Value, &str); 50] = [
            ("ping", "pong".into(), "Server replied: pong"),
            ("ping 2", "pong".into(), "Server replied: pong"),
            ("version", "1.1.1".into(), "1.1.1"),
            ("start j", Value::None, "Jail started"),
            ("stop", Value::None, "Shutdown successful"),
            ("stop j", Value::None, "Jail stopped"),
            ("stop --all", Value::None, "Jail stopped"),
            ("stop j", "y".into(), "y"),
            ("add j", "j".into(), "Added jail j"),
            ("flushlogs", "flushed".into(), "logs: flushed"),
            ("echo a", Value::list(["a", "b c"]), "a b c"),
            ("echo", none(), ""),
            ("sleep 1", Value::None, "None"),
            ("server-status", "Server ready".into(), "Server ready"),
            (
                "banned",
                Value::List(vec![Value::Dict(vec![("j".into(), ab())])]),
                "[{'j': ['a', 'b']}]",
            ),
            ("unban --all", 5.into(), "5"),
            ("get loglevel", "INFO".into(), "Current logging level is 'INFO'"),
            ("get loglevel", 10.into(), "Current logging level is 'DEBUG'"),
            ("set logtarget x", "x".into(), "Current logging target is:\n`- x"),
            (
                "get syslogsocket",
                "auto".into(),
                "Current syslog socket is:\n`- auto",
            ),
            ("get dbfile", Value::None, "Database currently disabled"),
            ("get dbfile", "/x".into(), "Current database file is:\n`- /x"),
            ("get dbpurgeage", Value::None, "Database currently disabled"),
            (
                "get dbpurgeage",
                86_400.5.into(),
                "Current database purge age is:\n`- 86400seconds",
            ),
            ("get dbmaxmatches", Value::None, "None"),
            ("get j logpath", ab(), paths),
            ("set j addlogpath b", ab(), paths),
            ("set j dellogpath b", none(), "No file is currently monitored"),
            ("get j ignoreip", ab(), ignored),
            ("set j addignoreip b", ab(), ignored),
            ("set j delignoreip b", none(), "No IP address/network is ignored"),
            (
                "get j logencoding",
                "UTF-8".into(),
                "Current log encoding is set to:\nUTF-8",
            ),
            ("get j journalmatch", none(), "No journal match filter set"),
            (
                "set j addjournalmatch x",
                Value::List(vec![ab(), Value::list(["c"])]),
                "Current match filter:\na b + c",
            ),
            ("get j failregex", none(), "No regular expression is defined"),
            (
                "set j addignoreregex x",
                ab(),
                "The following regular expression are defined:\n|- [0]: a\n`- [1]: b",
            ),
            ("multi-set j addfailregex x", true.into(), "True"),
            (
                "get j datepattern",
                Value::None,
                "Current date pattern set to: Not set/required",
            ),
            (
                "get j datepattern",
                Value::pair(Value::None, "x"),
                "Current date pattern set to: x",
            ),
            (
                "get j datepattern",
                Value::pair("a", "x"),
                "Current date pattern set to: a (x)",
            ),
            ("get j banip", ab(), "a b"),
            ("get j banip , x", ab(), "a,b"),
            ("get j banip --with-time", ab(), "a\nb"),
            ("set j banip a b", 2.into(), "2"),
            (
                "get j actions",
                ab(),
                "The jail j has the following actions:\na, b",
            ),
            ("get j actions", none(), "No actions for jail j"),
            (
                "get j actionproperties x",
                none(),
                "No properties for jail j action x",
            ),
            (
                "get j actionmethods x",
                ab(),
                "The jail j action x has the following methods:\na, b",
            ),
            ("get j action x logpath", ab(), "['a', 'b']"),
            ("foo", 5.into(), "5"),
        ];
        for (line, value, text) in cases {
            let rendered = render(&words(line), &Ok(value), Charset::Unicode);
            assert_eq!((rendered.stdout.as_str(), rendered.exit), (text, 0), "{line}");
        }
    }

    #[test]
    fn a_status_of_any_size_is_a_tree() {
        let group = |name: &str, entries: Vec<Value>| Value::pair(name, Value::List(entries));
        let status = Value::List(vec![
            group(
                "Filter",
                vec![Value::pair("a", 1), Value::pair("b", Value::list(["c", "d"]))],
            ),
            group("Other", vec![]),
            group(
                "Z",
                vec![
                    Value::pair("q", Value::None),
                    Value::pair("r", Value::pair("t", "u")),
                ],
            ),
        ]);
        let tree =
            "|- Filter\n|  |- a:\t1\n|  `- b:\tc d\n|- Other\n`- Z\n   |- q:\tNone\n   `- r:\t('t', 'u')";
        let totals = || vec![Value::pair("Number of jail", 1), Value::pair("Jail list", "j")];
        let mut all = totals();
        all.push(Value::Dict(vec![
            ("j".into(), status.clone()),
            ("k".into(), Value::List(vec![])),
        ]));
        let nested = format!(
            "Status\n|- Number of jail:\t1\n|- Jail list:\tj\n`- Status for the jails:\n   |- Jail: j\n{}\n   `- Jail: k",
            tree.lines()
                .map(|line| format!("   |  {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        );
        let mut without_jails = totals();
        without_jails.push(Value::Dict(vec![]));
        let two = "Status\n|- Number of jail:\t1\n`- Jail list:\tj";
        let cases = [
            ("status j", status, format!("Status for the jail: j\n{tree}")),
            ("status", Value::List(totals()), two.to_owned()),
            ("status --all", Value::List(without_jails), two.to_owned()),
            ("status --all", Value::List(all), nested),
            ("status", Value::List(vec![]), "Status".to_owned()),
            ("status j", 5.into(), "5".to_owned()),
        ];
        for (line, value, text) in cases {
            assert_eq!(
                render(&words(line), &Ok(value), Charset::Unicode).stdout,
                text,
                "{line}"
            );
        }
    }

    #[test]
    fn the_table_grows_with_its_cells() {
        let jails = Value::Dict(vec![
            (
                "averyverylongjailname".into(),
                row("averylongbackend", counts(123_456, 2), counts(1, 1_234_567)),
            ),
            ("b".into(), row("x", counts(0, 0), counts(0, 0))),
        ]);
        let table = "
                       ║                  ║ Filter       ║ Actions      \n\
\x20Jail                  ║ Backend          ╟──────────────╫───────────────
                       ║                  ║    cur │ tot ║ cur │     tot
═══════════════════════╬══════════════════╬══════════════╬═══════════════
 averyverylongjailname ║ averylongbackend ║ 123456 │   2 ║   1 │ 1234567
 b                     ║ x                ║      0 │   0 ║   0 │       0
═══════════════════════╩══════════════════╩══════════════╩═══════════════";
        let rendered = render(&words("stats"), &Ok(jails.clone()), Charset::Unicode);
        assert_eq!(rendered.stdout, table.trim_start_matches('\n'));
        assert_eq!(
            render(&words("status --all stats"), &Ok(jails), Charset::Unicode),
            rendered
        );

        let jails = Value::Dict(vec![("a".into(), row("b", counts(12_345, 2), counts(1, 1)))]);
        let table = "
          |          | Filter      | Actions  \n\
\x20Jail     | Backend  |-------------x-----------
          |          |   cur | tot | cur | tot
----------x----------x-------------x-----------
 a        | b        | 12345 |   2 |   1 |   1
-----------------------------------------------";
        let rendered = render(&words("statistics"), &Ok(jails.clone()), Charset::Ascii);
        assert_eq!(rendered.stdout, table.trim_start_matches('\n'));
        let Value::Dict(mut pairs) = jails else {
            unreachable!("just made")
        };
        let one = pairs.remove(0).1;
        assert_eq!(
            render(&words("status a stats"), &Ok(one), Charset::Ascii),
            rendered
        );
        assert_eq!(
            render(&words("stats"), &Ok(Value::Dict(vec![])), Charset::Ascii).stdout,
            "No jails found."
        );
    }

    #[test]
    fn a_failure_is_a_sentence_and_a_line_for_the_log() {
        let cases: [(Failure, &str, &str); 8] = [
            (
                Failure::unknown_jail("it's"),
                "Sorry but the jail 'it's' does not exist",
                "NOK: (\"it's\",)",
            ),
            (
                Failure::unknown_jail(5),
                "Sorry but the jail '5' does not exist",
                "NOK: (5,)",
            ),
            (
                Failure::duplicate_jail("j"),
                "The jail 'j' already exists",
                "NOK: ('j',)",
            ),
            (
                Failure::missing_argument(),
                "Sorry but the command is invalid",
                "NOK: ('list index out of range',)",
            ),
            (
                Failure::invalid_command(),
                "Invalid command",
                "NOK: ('Invalid command',)",
            ),
            (
                Failure::invalid_action("X"),
                "'Invalid Action name: X'",
                "NOK: ('Invalid Action name: X',)",
            ),
            (
                Failure::os_error(2, "No such file", "/x"),
                "[Errno 2] No such file: '/x'",
                "NOK: (2, 'No such file')",
            ),
            (
                Failure::new("builtins", "ValueError", [] as [Value; 0]),
                "",
                "NOK: ()",
            ),
        ];
        for (failure, stdout, error) in cases {
            let rendered = render(&words("foo"), &Err(failure), Charset::Unicode);
            assert_eq!(rendered.stdout, stdout);
            assert_eq!(rendered.error.as_deref(), Some(error));
            assert_eq!(rendered.exit, 255);
        }
    }
}
