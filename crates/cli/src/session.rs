//! The commands that the client knows, one at a time.
//!
//! In: the words of a command. Out: what is printed, and whether it succeeded. Commands that the client does not
//! know go to the daemon as they are.

use std::thread;
use std::time::{Duration, Instant};

use stockade_config::{EarlySettings, Located, Mode, Reader, Stream};
use stockade_daemon::log::{Level, Log};
use stockade_protocol::places::Places;
use stockade_protocol::text::render;
use stockade_protocol::{Answer, Command, Value};

use crate::compatible;
use crate::connection::{Connection, ConnectionError};
use crate::files::ConfigurationFiles;
use crate::options::Options;
use crate::start;
use crate::terminal::{self, CLIENT, print};

/// How long a daemon may take to answer whether it is there, where nobody asked for anything else.
const SIGN_OF_LIFE: Duration = Duration::from_millis(100);

/// How often is looked whether a daemon has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// What holds for all commands of one call.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a Options,
    pub(crate) log: &'a Log,
    pub(crate) files: &'a ConfigurationFiles,
    pub(crate) reader: &'a Reader<'a>,
    pub(crate) early: &'a EarlySettings,
}

impl Session<'_> {
    /// Carries out one command.
    pub(crate) fn execute(&self, words: &[String]) -> bool {
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        match texts.as_slice() {
            ["start"] => start::apart(self),
            ["restart"] => self.restart(),
            ["restart", rest @ ..] => self.reload(&[&["--restart"], rest].concat()),
            ["reload", rest @ ..] => self.reload(rest),
            ["ping", rest @ ..] => self.ping(words, rest.first().copied()),
            _ => self.send(&Value::list(words), None),
        }
    }

    /// Reads the configuration as it is now, and logs what there is to say about it.
    pub(crate) fn read(&self, mode: Mode, only_jail: Option<&str>) -> Stream {
        // A reader reads every file once; in a long session the administrator edits them meanwhile.
        let stream = if self.options.interactive {
            compatible::reader(self.files, self.options).read(self.early, mode, only_jail)
        } else {
            self.reader.read(self.early, mode, only_jail)
        };
        terminal::report(self.log, &stream.log);
        stream
    }

    /// Sends a command and prints the answer.
    pub(crate) fn send(&self, command: &Value, timeout: Option<Duration>) -> bool {
        let answer =
            Connection::open(&self.early.socket, timeout).and_then(|mut connection| connection.ask(command));
        self.answered(command, answer)
    }

    /// Prints what came of a command, and says whether it was good.
    fn answered(&self, command: &Value, answer: Result<Answer, ConnectionError>) -> bool {
        match answer {
            Ok(answer) => self.show(command, answer),
            Err(error) => {
                self.error(&error.to_string());
                false
            }
        }
    }

    /// Prints the answer to a command, and says whether it was a good one.
    pub(crate) fn show(&self, command: &Value, answer: Answer) -> bool {
        let reply = match answer {
            Answer::Reply(reply) => reply,
            Answer::Refused(message) => {
                self.error(message.strip_prefix("ERROR: ").unwrap_or(&message));
                return false;
            }
            Answer::ShuttingDown => {
                self.error("the server is about to end and takes no commands any more");
                return false;
            }
        };
        let rendered = render(command.items().unwrap_or_default(), &reply, terminal::charset());
        if let Some(error) = &rendered.error {
            self.error(error);
        }
        print(&rendered.stdout);
        reply.is_ok()
    }

    pub(crate) fn error(&self, text: &str) {
        self.log.write(Level::ERROR, CLIENT, text);
    }

    /// Whether a daemon answers; without a word about it.
    pub(crate) fn is_alive(&self, timeout: Option<Duration>) -> Result<bool, ConnectionError> {
        let answer = Connection::open(&self.early.socket, timeout)?.ask(&Command::Ping.to_value())?;
        match answer {
            Answer::Reply(Ok(_)) => Ok(true),
            Answer::Reply(Err(_)) | Answer::Refused(_) | Answer::ShuttingDown => Ok(false),
        }
    }

    pub(crate) fn gives_sign_of_life(&self) -> bool {
        self.is_alive(Some(SIGN_OF_LIFE)).unwrap_or(false)
    }

    /// Whether somebody listens on the socket, though it may be one that is about to end and answers nothing.
    fn is_somebody_there(&self) -> bool {
        let connection = Connection::open(&self.early.socket, Some(SIGN_OF_LIFE));
        matches!(connection, Ok(_) | Err(ConnectionError::TimedOut))
    }

    fn ping(&self, words: &[String], seconds: Option<&str>) -> bool {
        let timeout = match seconds.map(|seconds| Value::from(seconds).float()).transpose() {
            Ok(seconds) => seconds.and_then(duration),
            Err(failure) => {
                self.error(&failure.text());
                return false;
            }
        };
        let command = Value::list(words);
        let answer =
            Connection::open(&self.early.socket, timeout).and_then(|mut connection| connection.ask(&command));
        match answer {
            Ok(answer) => self.show(&command, answer),
            Err(error) => {
                self.error(&error.plainly());
                false
            }
        }
    }

    fn reload(&self, words: &[&str]) -> bool {
        let is_option = |word: &&&str| ["--restart", "--unban", "--if-exists"].contains(*word);
        let options: Vec<String> = words
            .iter()
            .take_while(is_option)
            .map(|word| (*word).to_owned())
            .collect();
        let target = words.get(options.len()..).unwrap_or_default();
        let jail = match target {
            [] | ["--all"] => None,
            [jail] => Some(*jail),
            [..] => {
                let rest = Value::list(target.iter().copied()).repr();
                self.error(&format!("Unexpected argument(s) for reload: {rest}"));
                return false;
            }
        };
        if !self.is_alive(None).unwrap_or(false) {
            self.error("Could not find server");
            return false;
        }
        let stream = self.read(Mode::Start, jail);
        if !stream.is_usable() {
            return false;
        }
        if self.options.interactive {
            print("  ## reload ... ");
        }
        let (request, places) = reload_request(jail, options, stream);
        let answer = Connection::open(&self.early.socket, None)
            .and_then(|mut connection| connection.ask_with_places(request.clone(), places));
        self.answered(&request, answer)
    }

    fn restart(&self) -> bool {
        if self.options.interactive {
            print("  ## stop ... ");
        }
        // Without a daemon there is nothing to stop, and it is started all the same.
        self.send(&Command::Stop.to_value(), None);
        let deadline = Instant::now() + self.patience();
        while self.is_somebody_there() {
            if Instant::now() >= deadline {
                self.error("Could not stop server: it still answers");
                return false;
            }
            thread::sleep(PAUSE);
        }
        start::apart(self)
    }

    /// How long to wait for a daemon.
    pub(crate) fn patience(&self) -> Duration {
        Duration::try_from_secs_f64(self.options.timeout_seconds).unwrap_or_default()
    }
}

/// What a daemon is told that is to reload, and where in the configuration that is written.
pub(crate) fn reload_request(
    jail: Option<&str>,
    options: Vec<String>,
    stream: Stream,
) -> (Value, Vec<Places>) {
    let places = stream.commands.iter().map(Located::places).collect();
    let command = Command::Reload {
        jail: jail.map(str::to_owned),
        options,
        stream: commands(stream),
    };
    (command.to_value(), places)
}

/// The commands without the places they come from.
pub(crate) fn commands(stream: Stream) -> Vec<Command> {
    stream.commands.into_iter().map(|command| command.value).collect()
}

/// A timeout as it is given; a negative one is none, and none at all would be one that nobody can keep.
fn duration(seconds: f64) -> Option<Duration> {
    if seconds < 0.0 {
        return None;
    }
    Some(
        Duration::try_from_secs_f64(seconds)
            .ok()?
            .max(Duration::from_millis(1)),
    )
}
