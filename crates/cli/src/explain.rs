//! `stockade explain`: the final value of each option of a jail, and where it comes from.
//!
//! In: a jail, or one option of it. Out: per option its value, the place it is written in, what that place has
//! replaced, and every reference on the way; as text, or as JSON with the same in it.

use serde_json::{Map, Value as Json, json};
use stockade_config::{Error, Explained, Explanation, Owner, Passage, Reader, Span, nearest};
use stockade_protocol::Value;

use crate::files::ConfigurationFiles;

/// How much of a value of several lines stands on one.
const SHOWN: usize = 160;

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The configuration cannot be read.
    #[error("{}", crate::stockade::configuration_trouble(.0))]
    Configuration(#[from] Box<Error>),
    /// There is no such jail.
    #[error("there is no jail `{name}`{}\n  The jails are the sections of jail.conf, jail.local and jail.d.", meant(.nearest.as_deref()))]
    NoJail { name: String, nearest: Option<String> },
    /// The jail has no such option.
    #[error("[{jail}] has no option `{name}`{}\n  `stockade explain {jail}` shows those that it has.", meant(.nearest.as_deref()))]
    NoOption {
        jail: String,
        name: String,
        nearest: Option<String>,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The text, or the JSON, that explains `JAIL` or `JAIL.OPTION`.
pub(crate) fn explain(
    reader: &Reader<'_>,
    files: &ConfigurationFiles,
    what: &str,
    is_json: bool,
) -> Result<String, Trouble> {
    let jails = reader.jail_names().map_err(Box::new)?;
    let (jail, option) = jail_and_option(&jails, what).ok_or_else(|| {
        let name = what.split_once('.').map_or(what, |(jail, _)| jail);
        Trouble::NoJail {
            name: name.to_owned(),
            nearest: nearest(name, jails.iter().map(String::as_str)).map(str::to_owned),
        }
    })?;
    let mut explanation = reader.explain(jail).map_err(Box::new)?;
    match option {
        None => explanation.options.retain(is_of_the_jail),
        Some(name) => {
            let known: Vec<String> = explanation
                .options
                .iter()
                .map(|option| option.name.clone())
                .collect();
            explanation.options.retain(|option| is_named(option, name));
            if explanation.options.is_empty() {
                return Err(Trouble::NoOption {
                    jail: jail.to_owned(),
                    name: name.to_owned(),
                    nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                });
            }
        }
    }
    keep_used_includes(&mut explanation);
    Ok(if is_json {
        format!("{:#}", as_json(&explanation))
    } else {
        as_text(&explanation, files)
    })
}

/// The jail of `JAIL` or `JAIL.OPTION`, where either may have dots in it, and the option.
fn jail_and_option<'w>(jails: &[String], what: &'w str) -> Option<(&'w str, Option<&'w str>)> {
    let is_jail = |name: &str| jails.iter().any(|jail| jail == name);
    if is_jail(what) {
        return Some((what, None));
    }
    let mut dots = what.match_indices('.');
    dots.find_map(|(dot, _)| {
        let (jail, option) = (what.get(..dot)?, what.get(dot + 1..)?);
        is_jail(jail).then_some((jail, Some(option)))
    })
}

/// What is shown of a whole jail: the variables of `[DEFAULT]` belong to all.
fn is_of_the_jail(option: &Explained) -> bool {
    option.owner != Owner::Variable { is_own: false }
}

/// Whether an option is asked for by this name, alone or behind that of its filter or action.
fn is_named(option: &Explained, name: &str) -> bool {
    let matches = |name: &str| option.name.eq_ignore_ascii_case(name);
    match &option.owner {
        Owner::Jail | Owner::Variable { .. } => matches(name),
        Owner::Filter(owner) | Owner::Action(owner) => {
            matches(name)
                || name
                    .strip_prefix(owner.as_str())
                    .and_then(|rest| rest.strip_prefix('.'))
                    .is_some_and(matches)
        }
    }
}

/// Drops the includes of files from which nothing that is shown comes.
fn keep_used_includes(explanation: &mut Explanation) {
    let mut used: Vec<String> = Vec::new();
    for option in &explanation.options {
        let places = option.written.iter().map(|passage| &passage.at);
        let steps = option.steps.iter().filter_map(|(step, _)| step.at.as_ref());
        used.extend(places.chain(steps).map(|at| at.file.to_string()));
    }
    let includes = std::mem::take(&mut explanation.includes);
    // A file that includes one that is used is used as well.
    for (file, by) in includes.iter().rev() {
        if used.contains(file) {
            used.push(by.file.to_string());
        }
    }
    for include in includes {
        if used.contains(&include.0) && !explanation.includes.contains(&include) {
            explanation.includes.push(include);
        }
    }
}

fn as_text(explanation: &Explanation, files: &ConfigurationFiles) -> String {
    let place = |at: &Span| {
        let note = if files.is_own(&at.file) { " (built in)" } else { "" };
        format!("{at}{note}")
    };
    let mut out = format!("[{}]", explanation.jail);
    if let Some(at) = &explanation.at {
        out.push_str(&format!("  {}", place(at)));
    }
    if !explanation.is_enabled {
        out.push_str("  not enabled");
    }
    out.push('\n');
    let mut owner = &Owner::Jail;
    for option in &explanation.options {
        if &option.owner != owner {
            owner = &option.owner;
            out.push_str(&match owner {
                Owner::Jail => String::new(),
                Owner::Filter(name) => format!("\nfilter {name}\n"),
                Owner::Action(name) => format!("\naction {name}\n"),
                Owner::Variable { .. } => "\nvariables\n".to_owned(),
            });
        }
        out.push_str(&format!(
            "\n{} = {}\n",
            option.name,
            indented(&text(&option.value))
        ));
        match &option.written {
            None if option.steps.is_empty() => out.push_str("    by default\n"),
            None => {}
            Some(passage) => {
                out.push_str(&format!(
                    "    {}  {}\n",
                    place(&passage.at),
                    line(&passage.section, &passage.option, &passage.text)
                ));
                for replaced in &passage.replaced {
                    let what = line(&replaced.section, &passage.option, &replaced.text);
                    out.push_str(&format!("        instead of {}  {what}\n", place(&replaced.at)));
                }
            }
        }
        for (step, passage) in &option.steps {
            let indent = " ".repeat(4 * (step.depth + 2));
            let leads_to = match (passage, &step.at) {
                (Some(passage), _) => format!(
                    "{}  {}",
                    place(&passage.at),
                    line(&passage.section, &passage.option, &passage.text)
                ),
                (None, Some(at)) => place(at),
                (None, None) => "given by Stockade itself".to_owned(),
            };
            out.push_str(&format!("{indent}{}  {leads_to}\n", step.reference));
        }
    }
    if !explanation.includes.is_empty() {
        out.push_str("\nfiles that are included\n");
        for (file, by) in &explanation.includes {
            out.push_str(&format!("    {file}  by {}\n", place(by)));
        }
    }
    out.trim_end().to_owned()
}

/// A value as its type shows it; text is text.
fn text(value: &Value) -> String {
    if let Value::Bool(truth) = value {
        truth.to_string()
    } else if *value == Value::None {
        "(no value)".to_owned()
    } else {
        value.text()
    }
}

/// The lines of a value, all but the first moved in.
fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// An option as it stands in a file, on one line and cut where it is long.
fn line(section: &str, option: &str, text: &str) -> String {
    let one = text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ⏎ ");
    let shown: String = one.chars().take(SHOWN).collect();
    let dots = if shown.len() < one.len() { " …" } else { "" };
    format!("[{section}] {option} = {shown}{dots}")
}

fn as_json(explanation: &Explanation) -> Json {
    let options: Vec<Json> = explanation.options.iter().map(option_json).collect();
    let includes: Vec<Json> = explanation
        .includes
        .iter()
        .map(|(file, by)| json!({"file": file, "by": span_json(by)}))
        .collect();
    json!({
        "jail": explanation.jail,
        "at": explanation.at.as_ref().map(span_json),
        "enabled": explanation.is_enabled,
        "options": options,
        "includes": includes,
    })
}

fn option_json(option: &Explained) -> Json {
    let (kind, name) = match &option.owner {
        Owner::Jail => ("jail", None),
        Owner::Filter(name) => ("filter", Some(name)),
        Owner::Action(name) => ("action", Some(name)),
        Owner::Variable { .. } => ("variable", None),
    };
    let mut object = Map::new();
    object.insert("owner".to_owned(), json!(kind));
    if let Some(name) = name {
        object.insert(kind.to_owned(), json!(name));
    }
    object.insert("name".to_owned(), json!(option.name));
    object.insert("value".to_owned(), crate::json::convert(&option.value));
    object.insert(
        "written".to_owned(),
        json!(option.written.as_ref().map(passage_json)),
    );
    let steps = option.steps.iter().map(|(step, passage)| {
        json!({
            "reference": step.reference,
            "depth": step.depth,
            "at": step.at.as_ref().map(span_json),
            "written": passage.as_ref().map(passage_json),
        })
    });
    object.insert("references".to_owned(), Json::Array(steps.collect()));
    Json::Object(object)
}

fn passage_json(passage: &Passage) -> Json {
    let replaced: Vec<Json> = passage
        .replaced
        .iter()
        .map(|replaced| {
            json!({"at": span_json(&replaced.at), "section": replaced.section, "text": replaced.text})
        })
        .collect();
    json!({
        "at": span_json(&passage.at),
        "section": passage.section,
        "option": passage.option,
        "text": passage.text,
        "instead_of": replaced,
    })
}

fn span_json(at: &Span) -> Json {
    json!({"file": at.file.as_ref(), "line": at.line, "column": at.column})
}
