//! What an action of commands has besides the properties that were set: those it has from the start, and methods.
//!
//! In: the name of a property or method, and its arguments as a client has them. Out: the value of the property; what
//! is to be called, or the failure that Python would raise for such a call.

use stockade_protocol::{Failure, Value};

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

/// What an action is to do on the word of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// Runs its `actionstart`.
    Start,
    /// Runs its `actionstop`.
    Stop,
    /// Lifts all bans of its own.
    Flush,
    /// Runs its `actionreload`.
    Reload,
    /// Bans what is in `ip`.
    Ban(String),
    /// Tells it that a ban came to last longer.
    Prolong(String),
    /// Unbans.
    Unban(String),
}

impl Call {
    /// The call of `method` with keyword arguments as JSON, none where nothing is said.
    ///
    /// # Errors
    /// As Python would refuse it.
    pub(crate) fn parse(method: &str, arguments: Option<&Value>) -> Result<Self, Failure> {
        let keywords = keywords(method, arguments)?;
        let (parameters, required): (&[&str], usize) = match method {
            "ban" | "unban" | "prolong" | "reban" => (&["aInfo"], 1),
            "escapeTag" => (&["value"], 1),
            "replaceTag" => (&["query", "aInfo"], 2),
            _ => (&[], 0),
        };
        let given = |name: &&str| keywords.iter().any(|(known, _)| known == name);
        let unexpected = keywords
            .iter()
            .find(|(name, _)| !parameters.contains(&name.as_str()));
        if let Some((name, _)) = unexpected.filter(|_| method != "reload") {
            return Err(Failure::type_error(format!(
                "CommandAction.{method}() got an unexpected keyword argument '{name}'"
            )));
        }
        let missing: Vec<String> = parameters
            .iter()
            .take(required)
            .filter(|name| !given(name))
            .map(|name| format!("'{name}'"))
            .collect();
        if !missing.is_empty() {
            let plural = if missing.len() > 1 { "s" } else { "" };
            return Err(Failure::type_error(format!(
                "CommandAction.{method}() missing {} required positional argument{plural}: {}",
                missing.len(),
                missing.join(" and ")
            )));
        }
        let id = || {
            let facts = keywords.iter().find(|(name, _)| name == "aInfo");
            let id = facts.and_then(|(_, facts)| facts.get("ip"));
            id.and_then(serde_json::Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| Failure::key_error("ip"))
        };
        match method {
            "start" => Ok(Self::Start),
            "stop" => Ok(Self::Stop),
            "flush" => Ok(Self::Flush),
            "reload" => Ok(Self::Reload),
            "ban" | "reban" => id().map(Self::Ban),
            "prolong" => id().map(Self::Prolong),
            "unban" => id().map(Self::Unban),
            // What these do is inside of the reference, and nothing that an administrator could want.
            _ => Err(Failure::new(
                "builtins",
                "NotImplementedError",
                [format!("{method} cannot be called from outside")],
            )),
        }
    }

    /// What the reference returns where all goes well.
    pub(crate) const fn answer(&self) -> Value {
        match self {
            Self::Start | Self::Stop | Self::Flush | Self::Reload => Value::Bool(true),
            Self::Ban(_) | Self::Prolong(_) | Self::Unban(_) => Value::None,
        }
    }
}

/// The keyword arguments of a call.
fn keywords(method: &str, arguments: Option<&Value>) -> Result<Vec<(String, serde_json::Value)>, Failure> {
    let Some(arguments) = arguments else {
        return Ok(Vec::new());
    };
    let kind = match json(arguments)? {
        serde_json::Value::Object(keywords) => return Ok(keywords.into_iter().collect()),
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
    use super::{Call, json};
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
            ("start", None, Ok(Call::Start)),
            ("start", Some("{}".into()), Ok(Call::Start)),
            ("stop", Some(" {} ".into()), Ok(Call::Stop)),
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
            ("reload", Some("{\"bogus\": 1}".into()), Ok(Call::Reload)),
            (
                "ban",
                None,
                Err("TypeError: CommandAction.ban() missing 1 required positional argument: 'aInfo'".into()),
            ),
            (
                "ban",
                Some("{\"aInfo\": {\"ip\": \"192.0.2.9\"}}".into()),
                Ok(Call::Ban("192.0.2.9".into())),
            ),
        ];
        for (method, arguments, expected) in cases {
            let found = Call::parse(method, arguments.as_ref()).map_err(|failure| failure.to_string());
            assert_eq!(found, expected, "{method} {arguments:?}");
        }
        assert!(json(&"\"a\"".into()).is_ok(), "a text is JSON");
    }
}
