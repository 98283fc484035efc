//! What went wrong with a command: an exception in Python's terms, as the client prints it.
//!
//! In: a module, a class and arguments. Out: the message, Python's `repr`, and the arguments that the
//! reference's client shows after `NOK:`.

use crate::Value;

/// An exception: its module, its class and the arguments that it is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Such as `builtins` or `fail2ban.exceptions`.
    pub module: String,
    /// Such as `ValueError`.
    pub class: String,
    /// What the exception is built from; [`Failure::args`] is what Python then shows.
    pub arguments: Vec<Value>,
}

impl Failure {
    /// An exception of any class.
    #[must_use]
    pub fn new<T: Into<Value>>(
        module: impl Into<String>,
        class: impl Into<String>,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            module: module.into(),
            class: class.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// A jail that does not exist.
    #[must_use]
    pub fn unknown_jail(jail: impl Into<Value>) -> Self {
        Self::new("fail2ban.exceptions", "UnknownJailException", [jail.into()])
    }

    /// `add` of a jail that exists.
    #[must_use]
    pub fn duplicate_jail(jail: impl Into<Value>) -> Self {
        Self::new("fail2ban.exceptions", "DuplicateJailException", [jail.into()])
    }

    /// A word is missing at the end of the command.
    #[must_use]
    pub fn missing_argument() -> Self {
        Self::new("builtins", "IndexError", ["list index out of range"])
    }

    /// A plain `Exception`.
    #[must_use]
    pub fn exception(message: impl Into<String>) -> Self {
        Self::new("builtins", "Exception", [message.into()])
    }

    /// The first word is none of the commands.
    #[must_use]
    pub fn invalid_command() -> Self {
        Self::exception("Invalid command")
    }

    /// A value that cannot be used.
    #[must_use]
    pub fn value_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "ValueError", [message.into()])
    }

    /// Something that the client may not do.
    #[must_use]
    pub fn not_permitted(message: impl Into<String>) -> Self {
        Self::new("builtins", "PermissionError", [message.into()])
    }

    /// A value of the wrong type.
    #[must_use]
    pub fn type_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "TypeError", [message.into()])
    }

    /// Something looked up by name that is not there.
    #[must_use]
    pub fn key_error(message: impl Into<Value>) -> Self {
        Self::new("builtins", "KeyError", [message.into()])
    }

    /// An action that the jail does not have.
    #[must_use]
    pub fn invalid_action(action: &str) -> Self {
        Self::key_error(format!("Invalid Action name: {action}"))
    }

    /// A property that an object does not have.
    #[must_use]
    pub fn attribute_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "AttributeError", [message.into()])
    }

    /// Something that cannot be done now.
    #[must_use]
    pub fn runtime_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "RuntimeError", [message.into()])
    }

    /// A name in a time expression that means nothing, such as `abc`.
    #[must_use]
    pub fn name_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "NameError", [message.into()])
    }

    /// An expression that is none, with the line that is wrong.
    #[must_use]
    pub fn syntax_error(message: impl Into<String>, line: usize) -> Self {
        let place = vec!["<string>".into(), line.into(), Value::None, Value::None];
        let arguments: [Value; 2] = [message.into().into(), Value::Tuple(place)];
        Self::new("builtins", "SyntaxError", arguments)
    }

    /// Something unknown by that name, such as a codec.
    #[must_use]
    pub fn lookup_error(message: impl Into<String>) -> Self {
        Self::new("builtins", "LookupError", [message.into()])
    }

    /// A regular expression that cannot be used.
    #[must_use]
    pub fn regex(message: impl Into<String>) -> Self {
        Self::new("fail2ban.server.failregex", "RegexException", [message.into()])
    }

    /// What the operating system said about a path; the class is Python's own for that number.
    #[must_use]
    pub fn os_error(errno: i32, message: impl Into<String>, path: impl Into<String>) -> Self {
        let class = match errno {
            1 | 13 => "PermissionError",
            2 => "FileNotFoundError",
            17 => "FileExistsError",
            20 => "NotADirectoryError",
            21 => "IsADirectoryError",
            _ => "OSError",
        };
        let arguments: [Value; 3] = [errno.into(), message.into().into(), path.into().into()];
        Self::new("builtins", class, arguments)
    }

    /// The `args` of the exception, which the reference's client prints after `NOK:`.
    ///
    /// They differ from what it is built from where Python takes some of that apart: the path of an
    /// `OSError`, the place of a JSON error.
    #[must_use]
    pub fn args(&self) -> Vec<Value> {
        if self.is_os_error() && (2..=5).contains(&self.arguments.len()) {
            return self.arguments.iter().take(2).cloned().collect();
        }
        if self.class == "JSONDecodeError"
            && let [Value::Str(message), Value::Str(document), Value::Int(position)] =
                self.arguments.as_slice()
        {
            return vec![json_message(message, document, *position).into()];
        }
        self.arguments.clone()
    }

    /// Python's `str` of it.
    #[must_use]
    pub fn text(&self) -> String {
        if self.is_os_error()
            && let [errno, message, rest @ ..] = self.arguments.as_slice()
            && rest.len() <= 3
        {
            let path = |at: usize| rest.get(at).filter(|path| **path != Value::None);
            let mut text = format!("[Errno {}] {}", errno.text(), message.text());
            if let Some(first) = path(0) {
                text.push_str(&format!(": {}", first.repr()));
                if let Some(second) = path(2) {
                    text.push_str(&format!(" -> {}", second.repr()));
                }
            }
            return text;
        }
        if self.class == "SyntaxError"
            && let [message, Value::Tuple(place)] = self.arguments.as_slice()
        {
            return syntax_message(message, place);
        }
        let args = self.args();
        match args.as_slice() {
            [] => String::new(),
            // Classes derived from `KeyError` quote their message.
            [message] if ["KeyError", "UnknownJailException"].contains(&self.class.as_str()) => {
                message.repr()
            }
            [message] => message.text(),
            _ => Value::Tuple(args).repr(),
        }
    }

    /// Python's `repr` of it, such as `ValueError('x')`.
    #[must_use]
    pub fn repr(&self) -> String {
        let args: Vec<String> = self.args().iter().map(Value::repr).collect();
        format!("{}({})", self.class, args.join(", "))
    }

    fn is_os_error(&self) -> bool {
        self.module == "builtins"
            && [
                "OSError",
                "BlockingIOError",
                "BrokenPipeError",
                "ChildProcessError",
                "ConnectionAbortedError",
                "ConnectionError",
                "ConnectionRefusedError",
                "ConnectionResetError",
                "FileExistsError",
                "FileNotFoundError",
                "InterruptedError",
                "IsADirectoryError",
                "NotADirectoryError",
                "PermissionError",
                "ProcessLookupError",
                "TimeoutError",
            ]
            .contains(&self.class.as_str())
    }
}

/// `message: line L column C (char P)`, counted in characters from 1 but for P.
fn json_message(message: &str, document: &str, position: i64) -> String {
    let before: String = document
        .chars()
        .take(usize::try_from(position).unwrap_or(0))
        .collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(&before).chars().count() + 1;
    format!("{message}: line {line} column {column} (char {position})")
}

/// `message (file, line L)`, the file without its directory.
fn syntax_message(message: &Value, place: &[Value]) -> String {
    let message = message.text();
    let file = place
        .first()
        .and_then(Value::as_str)
        .map(|path| path.rsplit('/').next().unwrap_or(path));
    let line = place.get(1).filter(|line| matches!(line, Value::Int(_)));
    match (file, line) {
        (Some(file), Some(line)) => format!("{message} ({file}, line {})", line.text()),
        (Some(file), None) => format!("{message} ({file})"),
        (None, Some(line)) => format!("{message} (line {})", line.text()),
        (None, None) => message,
    }
}

/// `Class: message`, as the last line of a Python traceback.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.text())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::{Failure, Value};

    #[test]
    fn an_exception_prints_as_python_prints_it() {
        let two = || -> [Value; 2] { [2.into(), "no".into()] };
        let place = |file: Value| Value::Tuple(vec![file, 3.into(), 1.into(), "text".into()]);
        let json: [Value; 3] = ["Expecting value".into(), "{\n\"a\": bad".into(), 7.into()];
        let cases: [(Failure, &str, &str, &str); 13] = [
            (
                Failure::new("builtins", "ValueError", [] as [Value; 0]),
                "()",
                "",
                "ValueError()",
            ),
            (Failure::value_error("a"), "('a',)", "a", "ValueError('a')"),
            (
                Failure::new("builtins", "ValueError", ["a", "b"]),
                "('a', 'b')",
                "('a', 'b')",
                "ValueError('a', 'b')",
            ),
            (
                Failure::invalid_action("X"),
                "('Invalid Action name: X',)",
                "'Invalid Action name: X'",
                "KeyError('Invalid Action name: X')",
            ),
            (
                Failure::unknown_jail("j"),
                "('j',)",
                "'j'",
                "UnknownJailException('j')",
            ),
            (
                Failure::new("builtins", "OSError", two()),
                "(2, 'no')",
                "[Errno 2] no",
                "OSError(2, 'no')",
            ),
            (
                Failure::os_error(2, "no", "/p"),
                "(2, 'no')",
                "[Errno 2] no: '/p'",
                "FileNotFoundError(2, 'no')",
            ),
            (
                Failure::new("builtins", "OSError", ["a"]),
                "('a',)",
                "a",
                "OSError('a')",
            ),
            (
                Failure::new(
                    "builtins",
                    "OSError",
                    two().into_iter().chain(["p".into(), Value::None, "q".into()]),
                ),
                "(2, 'no')",
                "[Errno 2] no: 'p' -> 'q'",
                "OSError(2, 'no')",
            ),
            (
                Failure::new("builtins", "SyntaxError", ["m".into(), place("/a/f.py".into())]),
                "('m', ('/a/f.py', 3, 1, 'text'))",
                "m (f.py, line 3)",
                "SyntaxError('m', ('/a/f.py', 3, 1, 'text'))",
            ),
            (
                Failure::new("builtins", "SyntaxError", ["m".into(), place(Value::None)]),
                "('m', (None, 3, 1, 'text'))",
                "m (line 3)",
                "SyntaxError('m', (None, 3, 1, 'text'))",
            ),
            (
                Failure::new("builtins", "SyntaxError", ["m"]),
                "('m',)",
                "m",
                "SyntaxError('m')",
            ),
            (
                Failure::new("json.decoder", "JSONDecodeError", json),
                "('Expecting value: line 2 column 6 (char 7)',)",
                "Expecting value: line 2 column 6 (char 7)",
                "JSONDecodeError('Expecting value: line 2 column 6 (char 7)')",
            ),
        ];
        for (failure, args, text, repr) in cases {
            assert_eq!(Value::Tuple(failure.args()).repr(), args, "{failure:?}");
            assert_eq!(failure.text(), text, "{failure:?}");
            assert_eq!(failure.repr(), repr, "{failure:?}");
        }
    }
}
