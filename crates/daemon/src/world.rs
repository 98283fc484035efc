//! Everything outside the loop, in one trait: clock, logs, firewall, database, commands, clients.
//!
//! The daemon has one that is real; a simulation has one that is not. The loop cannot tell them apart.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use stockade_action::command::CommandAction;
use stockade_action::facts::BanFacts;
use stockade_action::plan::{Batch, Definition, Element, Observed, SetId};
use stockade_action::services::Services;
use stockade_action::tags::HostNames;
use stockade_datetime::Timestamp;
use stockade_jail::{Address, BanTime, Family, Id, Ticket};
use stockade_protocol::{Answer, Failure, Happening, Reply, Right, Value};

use crate::blueprint::Blueprint;
use crate::control::{ClientId, Request};
use crate::cutting::Kill;
use crate::firewall::Removal;
use crate::growth::{Growth, Remembered};
use crate::judge::Verdict;
use crate::limits::Fill;
use crate::log::Level;
use crate::manager::State;
use crate::places::Places;
use crate::resolver;
use crate::runner::{Acted, Called, Job, News};
use crate::source::Report;
use crate::store::RestoreLimits;

/// Something that happened outside.
#[derive(Debug)]
pub enum Event {
    /// Nothing, but the time that the loop asked for has come.
    Wakeup,
    /// Lines of one log, in their order.
    Lines(Lines),
    /// Entries of the journal, in their order.
    Entries(Vec<Entry>),
    /// What services have reported, in their order.
    Reports(Vec<Report>),
    /// A client wants something.
    Request(ClientId, Request),
    /// The `ignorecommand` of a jail has ended.
    Judged(Verdict),
    /// The database knows something of an id.
    Remembered(Remembered),
    /// What a client has had an action do is done.
    Called(Called),
    /// What an action has made of a ban.
    Acted(Acted),
    /// Names were looked up.
    Resolved(Vec<resolver::Answer>),
    /// Another program has removed something from the firewall.
    Removed(Vec<Removal>),
    /// Someone set the clock.
    ClockSet,
    /// The daemon is to end.
    Terminate,
    /// The log is to be opened anew.
    FlushLogs,
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Called(called) => Self::Called(called),
            News::Acted(acted) => Self::Acted(acted),
        }
    }
}

/// Lines of one log.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The jails that watch it, and whether each had come to the end of the log before.
    pub jails: Vec<(String, bool)>,
    /// The log, for messages about its lines.
    pub log: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where the lines stand in them.
    pub lines: Vec<Range<usize>>,
    /// There is one line, which was too long and is cut.
    pub is_cut: bool,
    /// How far they were dealt with.
    pub progress: Progress,
}

/// How far lines were dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// How many lines all jails are done with.
    pub(crate) lines: usize,
    /// The jails that are done with the next ones too, as many as are looked at together.
    pub(crate) ahead: Vec<String>,
}

/// An entry of the journal, as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The jails that it is for, and whether each had come to the end of the journal before.
    pub jails: Vec<(String, bool)>,
    /// When it was written.
    pub time: Timestamp,
    /// The same for people to read.
    pub iso: String,
    /// The line.
    pub text: String,
}

/// Everything outside the loop. By default nothing happens, nothing is there and nothing is kept.
pub trait World {
    /// Sleeps until something happens or `until` has come; says when it woke, and why.
    fn wait(&mut self, until: Option<Timestamp>) -> (Timestamp, Event);

    /// Whether the turn of what is being dealt with goes on; asked in between, where it can be left at any time.
    fn has_time(&mut self) -> bool {
        true
    }

    /// Takes back what is left of what was read; it has another turn when others have had theirs.
    fn put_back(&mut self, _rest: Event) {
        debug_assert!(false, "whoever breaks turns off takes back what is left");
    }

    /// Writes to the log.
    fn log(&mut self, _level: Level, _logger: &'static str, _text: fmt::Arguments<'_>) {}

    /// Opens the log anew; says how that is called: `rolled over` or `flushed`.
    fn reopen_log(&mut self) -> String {
        "flushed".to_owned()
    }

    /// Gives up, once, what of its rights is not needed from here on: the first jail is about to be made.
    fn confine(&mut self) {}

    /// What a client may do, and its user where that is why.
    fn right(&self, _client: ClientId) -> (Right, Option<u32>) {
        (Right::Everything, None)
    }

    /// Tells whoever started the daemon what it is doing.
    fn tell_manager(&mut self, _state: State) {}

    /// Sends an answer to the client that asked.
    fn answer(&mut self, _client: ClientId, _answer: Answer) {}

    /// Has a client be told what happens from now on, in one jail or in all of them; `false` where there are too
    /// many of its kind.
    fn listen(&mut self, _client: ClientId, _jail: Option<String>) -> bool {
        true
    }

    /// Finds out whose networks the banned addresses of a status are in, which is then added to it; that is an event
    /// later. The status again where it cannot be found out.
    ///
    /// # Errors
    /// Where nobody can be asked.
    fn find_origins(&mut self, _number: u64, status: Value) -> Result<(), Value> {
        Err(status)
    }

    /// Ends what `kill` says of the connections of those who have just been banned, soon.
    fn cut(&mut self, _banned: &[Address], _kill: Kill) {}

    /// Whether anybody wants to be told what happens.
    fn has_listeners(&self) -> bool {
        false
    }

    /// Tells those who listen.
    fn tell(&mut self, _happening: &Happening) {}

    /// Changes a setting of the server: `loglevel`, `logtarget`, `dbfile` and so on.
    ///
    /// # Errors
    /// Where there is no such setting or the value cannot be used; the old one stays.
    fn set(&mut self, _now: Timestamp, _option: &str, value: &Value, _jails: usize) -> Reply {
        Ok(value.clone())
    }

    /// A setting of the server.
    ///
    /// # Errors
    /// Where there is no such setting.
    fn get(&mut self, _option: &str) -> Reply {
        Ok(Value::None)
    }

    /// Follows the logs of a jail, or the journal, as its blueprint says; what it followed before and the
    /// blueprint does not name any more is let go. `date` says when a line was written, to find where to begin.
    ///
    /// # Errors
    /// Where a source cannot be followed at all. A log that is not there yet is waited for.
    fn follow(
        &mut self,
        _now: Timestamp,
        _blueprint: &Blueprint,
        _date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Where the properties of a jail are written now, for messages about them.
    fn note_places(&mut self, _jail: &str, _places: &Places) {}

    /// Lets the sources of a jail go, and keeps how far they were read.
    fn unfollow(&mut self, _jail: &str) {}

    /// Lines that were read and not dealt with. Before logs are let go they are asked for, one block after another.
    fn unread(&mut self, _now: Timestamp) -> Option<Event> {
        None
    }

    /// What a jail follows.
    fn sources(&self, _jail: &str) -> Sources {
        Sources::Files("polling", Vec::new())
    }

    /// How all sources are doing, each a dictionary.
    fn source_statuses(&self, _now: Timestamp) -> Vec<Value> {
        Vec::new()
    }

    /// How full everything is that has a limit, but for what jails have.
    fn fills(&self) -> Vec<Fill> {
        Vec::new()
    }

    /// Forgets which sources could not be followed: the configuration is read anew.
    fn forget_refused(&mut self) {}

    /// Whether bans are only announced and nothing is changed.
    fn observes(&self) -> bool {
        false
    }

    /// Whether the daemon can and may change the firewall itself; where not, commands have to.
    fn has_firewall(&self) -> bool {
        false
    }

    /// What the names of ports stand for.
    fn services(&self) -> &Services;

    /// What the kernel holds of an action.
    ///
    /// # Errors
    /// In the kernel's words.
    fn observed(&mut self, _definition: &Definition) -> Result<Observed, String> {
        Ok(Observed::default())
    }

    /// What the kernel holds in one set of an action; `None` where it is not there, or no rule looks into it.
    ///
    /// # Errors
    /// In the kernel's words.
    fn held(&mut self, _definition: &Definition, _id: SetId) -> Result<Option<Vec<Element>>, String> {
        Ok(None)
    }

    /// Whether rules of iptables can be made without its commands.
    ///
    /// # Errors
    /// Says why not.
    fn can_serve_iptables(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// How many elements a set of an action has; `None` where that is not known, or not worth asking.
    ///
    /// # Errors
    /// In the kernel's words.
    fn count(&mut self, _definition: &Definition, _family: Family) -> Result<Option<usize>, String> {
        Ok(None)
    }

    /// Changes the firewall, in one step.
    ///
    /// # Errors
    /// In the kernel's words; nothing has changed then.
    fn enforce(&mut self, _batch: &Batch) -> Result<(), String> {
        Ok(())
    }

    /// Starts a command action.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    fn employ(
        &mut self,
        _jail: &str,
        _name: &str,
        _action: CommandAction,
        _timeout: Duration,
    ) -> Result<(), String> {
        Ok(())
    }

    /// Asks a command action for something; `false` where too much waits for it already and the job can wait, too.
    fn order(&mut self, _jail: &str, _name: &str, _job: Job) -> bool {
        true
    }

    /// Asks a command action for something as the last thing it does.
    fn dismiss(&mut self, _jail: &str, _name: &str, _job: Job) {}

    /// Notes that a jail exists, or does no more.
    fn keep_jail(&mut self, _jail: &str, _enabled: bool) {}

    /// Keeps a ban, and announces it once it is kept; `of_jail` is how long it lasts unless the ticket says.
    ///
    /// With a `growth` it lasts as long as that says of an id that was banned before; what has become of it is an
    /// event later.
    fn keep_ban(
        &mut self,
        _jail: &str,
        _ticket: &Ticket,
        _of_jail: BanTime,
        _growth: Option<Growth>,
        announcement: String,
    ) {
        self.log(Level::NOTICE, "fail2ban.actions", format_args!("{announcement}"));
    }

    /// Whether bans are kept, and so can be remembered.
    fn has_memory(&self) -> bool {
        false
    }

    /// Asks what is known of the earlier bans of an id in a jail; the answer is an event later.
    fn ask_history(&mut self, _jail: &str, _number: u64, _id: &Id) {}

    /// Forgets what is kept of an id, in one jail or in all of them; of all ids where none is given.
    fn forget_ban(&mut self, _jail: Option<&str>, _id: Option<&str>) {}

    /// The bans of a jail that are kept and not over.
    fn kept_bans(&mut self, _jail: &str, _now: Timestamp, _limits: RestoreLimits) -> Vec<Ticket> {
        Vec::new()
    }

    /// Asks for the addresses of a name; they may be known.
    fn resolve(&mut self, _now: Timestamp, name: &str) -> Option<resolver::Answer> {
        Some(resolver::Answer {
            name: name.to_owned(),
            addresses: Vec::new(),
            error: None,
        })
    }

    /// The text of a list of addresses.
    ///
    /// # Errors
    /// In the system's words.
    fn read_list(&mut self, path: &str) -> Result<String, String> {
        Err(format!("{path}: there are no files"))
    }

    /// Runs the `ignorecommand` of a jail; whether it says that its id is to be ignored is an event later.
    fn ask_command(&mut self, _jail: &str, _number: u64, _command: &str, _facts: BanFacts) {}

    /// The names of the machine.
    fn host_names(&self) -> HostNames {
        HostNames::default()
    }

    /// Whether IPv6 is in use.
    fn ipv6(&self) -> bool {
        true
    }

    /// The machine's own addresses.
    fn own_addresses(&mut self) -> Vec<Address> {
        Vec::new()
    }

    /// Ends: what is still under way is finished, within limits.
    fn close(&mut self) {}

    /// Sends what has not been sent yet, as the last thing.
    fn farewell(&mut self) {}
}

/// What a jail follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sources {
    /// These logs; the backend by its name.
    Files(&'static str, Vec<String>),
    /// The journal, with these matches.
    Journal(String),
}
