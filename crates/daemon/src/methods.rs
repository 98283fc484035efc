//! What an action of commands has besides the properties that were set: those it has from the start, and methods.
//!
//! In: the name of a property or method, and its arguments as a client has them. Out: the value of the property; what
//! is to be called, or the failure that Python would raise for such a call.

use std::time::Duration;

use stockade_action::tags::{HostNames, LATE, Properties, SPECIAL, Script};
use stockade_jail::Family;
use stockade_protocol::{Failure, Reply, Value};

/// The methods of an action, in the order in which they are shown.
pub(crate) const METHODS: [&str; 15] = [
    "ban",
    "clearAllParams",
    "consistencyCheck",
    "escapeTag",
    "executeCmd",
    "flush",
    "invalidateBanEpoch",
    "prolong",
    "reban",
    "reload",
    "replaceDynamicTags",
    "replaceTag",
    "start",
    "stop",
    "unban",
];

/// The properties that an action has from the start.
pub(crate) const PROPERTIES: [&str; 13] = [
    "ESCAPE_CRE",
    "ESCAPE_VN_CRE",
    "actionban",
    "actioncheck",
    "actionflush",
    "actionreban",
    "actionreload",
    "actionrepair",
    "actionstart",
    "actionstop",
    "actionunban",
    "banEpoch",
    "timeout",
];

/// The value of a property that was never set.
pub(crate) fn initial(property: &str) -> Option<Value> {
    match property {
        "timeout" => Some(Value::Int(60)),
        "banEpoch" => Some(Value::Int(0)),
        _ if property.starts_with("action") && PROPERTIES.contains(&property) => Some("".into()),
        _ => None,
    }
}

/// What a call of a method comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    /// It is answered at once.
    Answer(Value),
    /// All commands of the action are to be none.
    Clear,
    /// Commands are to run, and the answer is what became of them.
    Work(Work),
}

/// What an action is to do on the word of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Runs its `actionstart`.
    Start,
    /// Runs its `actionstop`.
    Stop,
    /// Lifts all bans at once.
    Flush,
    /// Runs its `actionreload`.
    Reload,
    /// Runs its `actioncheck`; whether it is content is the answer.
    Check,
    /// Bans.
    Ban(Told),
    /// Bans again.
    Reban(Told),
    /// Tells it that a ban came to last longer.
    Prolong(Told),
    /// Unbans.
    Unban(Told),
    /// Runs a command that is none of its own; whether it ended well is the answer.
    Execute {
        /// The command.
        script: Script,
        /// How long it may take.
        timeout: Duration,
    },
}

/// What a client says of a ban: a dictionary of tags and their values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told(Vec<(String, Value)>);

impl Told {
    /// What `ip` stands for.
    pub(crate) fn ip(&self) -> Option<String> {
        self.get("ip").map(Value::text)
    }

    /// The family of what is banned, where that is said.
    pub(crate) fn family(&self) -> Option<Family> {
        match self.get("family")?.as_str()? {
            "inet4" => Some(Family::Inet4),
            "inet6" => Some(Family::Inet6),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The properties of an action, as `replaceTag` takes any dictionary for them.
    fn properties(&self) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in self.0.iter().filter(|(_, value)| *value != Value::None) {
            properties.set(name, value.text());
        }
        properties
    }
}

impl Told {
    /// The value of a tag.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.get(name)
            .filter(|value| **value != Value::None)
            .map(Value::text)
    }
}

/// A parameter of a method, and whether it has to be given.
type Parameter = (&'static str, bool);

/// What a method can be given; nothing where it takes whatever it is given.
fn parameters(method: &str) -> Option<&'static [Parameter]> {
    Some(match method {
        "ban" | "unban" | "prolong" | "reban" => &[("aInfo", true)],
        "escapeTag" => &[("value", true)],
        "replaceTag" => &[
            ("query", true),
            ("aInfo", true),
            ("conditional", false),
            ("addrepl", false),
            ("cache", false),
        ],
        "replaceDynamicTags" => &[("realCmd", true), ("aInfo", true), ("escapeVal", false)],
        "executeCmd" => &[("realCmd", true), ("timeout", false), ("varsDict", false)],
        "reload" => return None,
        _ => &[],
    })
}

impl Call {
    /// The call of `method` with keyword arguments as JSON, none where nothing is said.
    ///
    /// # Errors
    /// As Python would refuse it.
    pub(crate) fn parse(method: &str, arguments: Option<&Value>, host: &HostNames) -> Result<Self, Failure> {
        let keywords = keywords(method, arguments)?;
        let given = |name: &str| keywords.iter().find(|(known, _)| known == name);
        if let Some(parameters) = parameters(method) {
            check_keywords(method, parameters, &keywords)?;
        }
        let value = |name: &str| given(name).map_or(&Value::None, |(_, value)| value);
        let told = || {
            let tags = value("aInfo");
            let Value::Dict(pairs) = tags else {
                return Err(Failure::attribute_error(format!(
                    "'{}' object has no attribute 'get'",
                    tags.type_name()
                )));
            };
            Ok(told(pairs))
        };
        Ok(match method {
            "start" => Self::Work(Work::Start),
            "stop" => Self::Work(Work::Stop),
            "flush" => Self::Work(Work::Flush),
            "reload" => Self::Work(Work::Reload),
            "consistencyCheck" => Self::Work(Work::Check),
            "ban" => Self::Work(Work::Ban(told()?)),
            "reban" => Self::Work(Work::Reban(told()?)),
            "prolong" => Self::Work(Work::Prolong(told()?)),
            "unban" => Self::Work(Work::Unban(told()?)),
            "executeCmd" => execute(value("realCmd"), given("timeout").map(|(_, timeout)| timeout))?,
            "clearAllParams" => Self::Clear,
            "escapeTag" => Self::Answer(escaped(pattern_text(value("value"))?).into()),
            "replaceTag" => Self::Answer(replaced(
                value("query"),
                value("aInfo"),
                value("conditional"),
                host,
            )?),
            "replaceDynamicTags" => {
                Self::Answer(filled(value("realCmd"), value("aInfo"), value("escapeVal"))?)
            }
            // The epoch tells the reference which of its own checks are out of date.
            _ => Self::Answer(Value::None),
        })
    }
}

impl Work {
    /// What the reference returns where all goes well.
    pub(crate) const fn answer(&self) -> Value {
        match self {
            Self::Start | Self::Stop | Self::Flush | Self::Reload | Self::Check | Self::Execute { .. } => {
                Value::Bool(true)
            }
            Self::Ban(_) | Self::Reban(_) | Self::Prolong(_) | Self::Unban(_) => Value::None,
        }
    }
}

fn told(pairs: &[(Value, Value)]) -> Told {
    let pairs = pairs.iter();
    Told(pairs.map(|(name, value)| (name.text(), value.clone())).collect())
}

/// Whether a method takes what it is given, and is given what it needs.
fn check_keywords(
    method: &str,
    parameters: &[Parameter],
    keywords: &[(String, Value)],
) -> Result<(), Failure> {
    let is_known = |name: &str| parameters.iter().any(|(known, _)| *known == name);
    let is_given = |name: &str| keywords.iter().any(|(known, _)| known == name);
    // Where there is nothing to execute, nobody looks at the rest.
    let unexpected = keywords.iter().find(|(name, _)| !is_known(name));
    if let Some((name, _)) = unexpected.filter(|_| method != "executeCmd") {
        return Err(Failure::type_error(format!(
            "CommandAction.{method}() got an unexpected keyword argument '{name}'"
        )));
    }
    let missing: Vec<String> = parameters
        .iter()
        .filter(|(name, required)| *required && !is_given(name))
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    if !missing.is_empty() {
        let plural = if missing.len() > 1 { "s" } else { "" };
        return Err(Failure::type_error(format!(
            "CommandAction.{method}() missing {} required positional argument{plural}: {}",
            missing.len(),
            missing.join(" and ")
        )));
    }
    let command = keywords.iter().find(|(name, _)| name == "realCmd");
    match unexpected {
        Some((name, _)) if command.is_some_and(|(_, command)| command.is_true()) => {
            Err(Failure::type_error(match name.as_str() {
                "shell" | "output" => format!(
                    "fail2ban.server.utils.Utils.executeCmd() got multiple values for keyword argument '{name}'"
                ),
                _ => format!("Utils.executeCmd() got an unexpected keyword argument '{name}'"),
            }))
        }
        Some(_) | None => Ok(()),
    }
}

/// How long a command may take that a client has run, if it does not say.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The call that runs a command: a text, or a list of a text and the values that it refers to.
fn execute(command: &Value, timeout: Option<&Value>) -> Result<Call, Failure> {
    if !command.is_true() {
        return Ok(Call::Answer(Value::Bool(true)));
    }
    let words: Vec<&str> = if let Some(text) = command.as_str() {
        vec![text]
    } else if let Value::Dict(pairs) = command {
        // Python goes through its keys.
        pairs.iter().filter_map(|(key, _)| key.as_str()).collect()
    } else if let Some(items) = command.items() {
        let word = |item: &'_ Value| {
            Failure::type_error(format!(
                "expected str, bytes or os.PathLike object, not {}",
                item.type_name()
            ))
        };
        let words = items.iter().map(|item| item.as_str().ok_or_else(|| word(item)));
        words.collect::<Result<_, _>>()?
    } else {
        return Err(Failure::type_error(format!(
            "'{}' object is not iterable",
            command.type_name()
        )));
    };
    let timeout = match timeout {
        None => TIMEOUT,
        Some(Value::Str(_) | Value::None) => {
            let name = timeout.map_or("NoneType", Value::type_name);
            return Err(Failure::type_error(format!(
                "unsupported operand type(s) for +: 'float' and '{name}'"
            )));
        }
        Some(seconds) => seconds
            .float()
            .ok()
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(TIMEOUT),
    };
    let mut words = words.into_iter().map(|word| word.replace('\0', ""));
    Ok(Call::Work(Work::Execute {
        script: Script {
            text: words.next().unwrap_or_default(),
            arguments: words.collect(),
        },
        timeout,
    }))
}

/// A text that expressions can be looked for in.
fn pattern_text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| {
        Failure::type_error(format!(
            "expected string or bytes-like object, got '{}'",
            value.type_name()
        ))
    })
}

/// A text with a backslash before each character that means something to a shell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ if SPECIAL.contains(&character) => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// A text with the tags put in that a dictionary has, as if they were properties; the lines of a ban are escaped.
fn replaced(query: &Value, tags: &Value, conditional: &Value, host: &HostNames) -> Reply {
    let Some(query) = query.as_str() else {
        return Err(Failure::type_error(format!(
            "argument of type '{}' is not iterable",
            query.type_name()
        )));
    };
    if !query.contains('<') {
        return Ok(query.into());
    }
    let Value::Dict(pairs) = tags else {
        return Err(Failure::attribute_error(format!(
            "'{}' object has no attribute 'keys'",
            tags.type_name()
        )));
    };
    let family = match conditional.as_str() {
        Some("family=inet4") => Some(Family::Inet4),
        Some("family=inet6") => Some(Family::Inet6),
        Some(_) | None => None,
    };
    let told = told(pairs);
    let text = told
        .properties()
        .resolve(query, family, host)
        .map_err(|error| Failure::value_error(error.to_string()))?;
    let text = LATE.iter().fold(text, |text, name| match told.value(name) {
        Some(value) => text.replace(&format!("<{name}>"), &escaped(&value)),
        None => text,
    });
    Ok(text.into())
}

/// A command with the facts of a ban put in: a text, or a list with the values that it refers to.
fn filled(command: &Value, tags: &Value, escape: &Value) -> Reply {
    if !tags.is_true() {
        return if command.as_str().is_some() || *tags == Value::None {
            Ok(command.clone())
        } else {
            Err(pattern_text(command)
                .err()
                .unwrap_or_else(Failure::missing_argument))
        };
    }
    let command = pattern_text(command)?;
    let Value::Dict(pairs) = tags else {
        return Err(Failure::type_error(format!(
            "'{}' object is not subscriptable",
            tags.type_name()
        )));
    };
    if escape.is_true() {
        return Err(Failure::type_error(format!(
            "'{}' object is not callable",
            escape.type_name()
        )));
    }
    let told = told(pairs);
    let script = Script::with(command, |tag| told.value(tag));
    if script.arguments.is_empty() {
        return Ok(script.text.into());
    }
    let values = script.arguments.into_iter().map(Value::from);
    Ok(Value::List(
        std::iter::once(script.text.into()).chain(values).collect(),
    ))
}

/// The keyword arguments of a call.
fn keywords(method: &str, arguments: Option<&Value>) -> Result<Vec<(String, Value)>, Failure> {
    let Some(arguments) = arguments else {
        return Ok(Vec::new());
    };
    let kind = match json(arguments)? {
        serde_json::Value::Object(keywords) => {
            let keywords = keywords.into_iter();
            return Ok(keywords.map(|(name, value)| (name, of_json(value))).collect());
        }
        serde_json::Value::Null => "NoneType",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(number) if number.is_f64() => "float",
        serde_json::Value::Number(_) => "int",
        serde_json::Value::String(_) => "str",
        serde_json::Value::Array(_) => "list",
    };
    Err(Failure::type_error(format!(
        "fail2ban.server.action.CommandAction.{method}() argument after ** must be a mapping, not {kind}"
    )))
}

/// What Python makes of JSON.
fn of_json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.is_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, true) => Value::BigInt(number.to_string()),
            (None, false) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::Str(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        serde_json::Value::Object(pairs) => Value::Dict(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), of_json(value)))
                .collect(),
        ),
    }
}

/// Reads JSON as Python does.
///
/// # Errors
/// Python's own, with the place of the mistake.
pub(crate) fn json(value: &Value) -> Result<serde_json::Value, Failure> {
    let Some(text) = value.as_str() else {
        return Err(Failure::type_error(format!(
            "the JSON object must be str, bytes or bytearray, not {}",
            value.type_name()
        )));
    };
    let blank = |character: char| matches!(character, ' ' | '\t' | '\n' | '\r');
    let error = |message: &str, rest: &str| {
        let before = text.len() - rest.len();
        let position = text.char_indices().take_while(|(at, _)| *at < before).count();
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let arguments: [Value; 3] = [message.into(), text.into(), Value::Int(position)];
        Failure::new("json.decoder", "JSONDecodeError", arguments)
    };
    let start = text.trim_start_matches(blank);
    let length = number_length(start);
    let (read, rest) = if length > 0 {
        let (number, rest) = start.split_at_checked(length).unwrap_or((start, ""));
        // Whole numbers have any length in Python.
        let whole = !number.contains(['.', 'e', 'E']);
        let number = serde_json::from_str(number).unwrap_or(serde_json::Value::Null);
        let number = if whole && !(number.is_i64() || number.is_u64()) {
            serde_json::Value::from(i64::MAX)
        } else {
            number
        };
        (number, rest)
    } else {
        let mut values = serde_json::Deserializer::from_str(start).into_iter::<serde_json::Value>();
        match values.next() {
            Some(Ok(read)) => (read, start.get(values.byte_offset()..).unwrap_or_default()),
            Some(Err(_)) | None => return Err(error("Expecting value", start)),
        }
    };
    let rest = rest.trim_start_matches(blank);
    if rest.is_empty() {
        Ok(read)
    } else {
        Err(error("Extra data", rest))
    }
}

/// How many bytes at the beginning of a text are a number of JSON.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.len()
            - rest
                .trim_start_matches(|character: char| character.is_ascii_digit())
                .len()
    };
    let is = |at: usize, accepted: &[u8]| {
        text.as_bytes()
            .get(at)
            .is_some_and(|byte| accepted.contains(byte))
    };
    let start = usize::from(is(0, b"-"));
    let whole = if is(start, b"0") { 1 } else { digits(start) };
    if whole == 0 {
        return 0;
    }
    let mut end = start + whole;
    if is(end, b".") && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if is(end, b"eE") {
        let sign = usize::from(is(end + 1, b"+-"));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::{Call, HostNames, Told, Work, json};
    use stockade_protocol::Value;

    #[test]
    fn a_method_is_called_as_python_calls_it() {
        let mapping = |kind| {
            format!(
                "TypeError: fail2ban.server.action.CommandAction.start() argument after ** must be a mapping, not {kind}"
            )
        };
        let no_json = |text: &str| format!("JSONDecodeError: {text}");
        let cases: [(&str, Option<Value>, Result<Call, String>); 18] = [
            ("start", None, Ok(Call::Work(Work::Start))),
            ("start", Some("{}".into()), Ok(Call::Work(Work::Start))),
            ("stop", Some(" {} ".into()), Ok(Call::Work(Work::Stop))),
            ("start", Some("[1]".into()), Err(mapping("list"))),
            ("start", Some("-2.5".into()), Err(mapping("float"))),
            ("start", Some("1e3".into()), Err(mapping("float"))),
            ("start", Some("99999999999999999999".into()), Err(mapping("int"))),
            ("start", Some("true".into()), Err(mapping("bool"))),
            ("start", Some("null".into()), Err(mapping("NoneType"))),
            (
                "start",
                Some("".into()),
                Err(no_json("Expecting value: line 1 column 1 (char 0)")),
            ),
            (
                "start",
                Some(" ".into()),
                Err(no_json("Expecting value: line 1 column 2 (char 1)")),
            ),
            (
                "start",
                Some("3 days".into()),
                Err(no_json("Extra data: line 1 column 3 (char 2)")),
            ),
            (
                "start",
                Some("0x10".into()),
                Err(no_json("Extra data: line 1 column 2 (char 1)")),
            ),
            (
                "start",
                Some(5.into()),
                Err("TypeError: the JSON object must be str, bytes or bytearray, not int".into()),
            ),
            (
                "start",
                Some("{\"bogus\": 1}".into()),
                Err("TypeError: CommandAction.start() got an unexpected keyword argument 'bogus'".into()),
            ),
            (
                "reload",
                Some("{\"bogus\": 1}".into()),
                Ok(Call::Work(Work::Reload)),
            ),
            (
                "ban",
                None,
                Err("TypeError: CommandAction.ban() missing 1 required positional argument: 'aInfo'".into()),
            ),
            (
                "ban",
                Some("{\"aInfo\": {\"ip\": \"192.0.2.9\"}}".into()),
                Ok(Call::Work(Work::Ban(Told(vec![(
                    "ip".into(),
                    "192.0.2.9".into(),
                )])))),
            ),
        ];
        for (method, arguments, expected) in cases {
            let found = Call::parse(method, arguments.as_ref(), &HostNames::default())
                .map_err(|failure| failure.to_string());
            assert_eq!(found, expected, "{method} {arguments:?}");
        }
        assert!(json(&"\"a\"".into()).is_ok(), "a text is JSON");
    }
}
