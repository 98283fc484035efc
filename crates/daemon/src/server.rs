//! The daemon, once everything is open: wait, decide, act.
//!
//! In: [`Event`]s of the world. Out: calls of the world.
//!
//! Invariant: one thing happens at a time, and a command is either carried out whole or not at all.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use stockade_datetime::Timestamp;
use stockade_filter::Id;
use stockade_jail::{BanTime, Terms};
use stockade_protocol::places::{self, Places};
use stockade_protocol::{Answer, Command, Failure, Reply, Right, Value};

use crate::blueprint::{self, ActionBlueprint, Blueprint};
use crate::cell::{adjusted, call_of_draft};
use crate::control::{ClientId, Request};
use crate::jails::{Ending, Jails};
use crate::log::Level;
use crate::manager::State;
use crate::methods::Call;
use crate::origins;
use crate::patterns::Patterns;
use crate::reload::{self, Plan};
use crate::runner::Called;
use crate::status;
use crate::world::{Event, World};

/// The logger of commands that failed.
const TRANSMITTER: &str = "fail2ban.transmitter";
/// The logger of the server itself.
const SERVER: &str = "fail2ban.server";
/// Settings of where lines and reports come from beside logs.
const SOURCES: [&str; 3] = ["reportsocket", "sysloglisten", "syslogallow"];
/// The longest time a `sleep` of a client may take, in seconds.
const LONGEST_SLEEP: f64 = 3600.0;

/// A command of the configuration, and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The command.
    pub command: Command,
    /// The places of the whole and of its parts, as `FILE:LINE:COLUMN`; empty where it is written nowhere.
    pub places: Places,
}

impl Placed {
    /// Where the command as a whole is written.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.places
            .first()
            .map(String::as_str)
            .filter(|place| !place.is_empty())
    }

    /// Commands with the places that came along with them, if any did.
    fn all(commands: Vec<Command>, places: Vec<Places>) -> Vec<Self> {
        let places = places.into_iter().chain(std::iter::repeat(Vec::new()));
        commands
            .into_iter()
            .zip(places)
            .map(|(command, places)| Self { command, places })
            .collect()
    }
}

impl From<Command> for Placed {
    fn from(command: Command) -> Self {
        Self {
            command,
            places: Vec::new(),
        }
    }
}

/// The daemon.
#[derive(Debug)]
pub struct Server<W> {
    world: W,
    jails: Jails,
    /// Jails that were added and not started yet.
    drafts: Vec<Blueprint>,
    /// Clients that want to be told when all is over.
    farewells: Vec<ClientId>,
    /// Clients that sleep, and until when.
    sleepers: Vec<(Timestamp, ClientId)>,
    ending: bool,
    start_year: i16,
    /// The expressions of all jails.
    patterns: Patterns,
    /// Calls of methods that are under way: who asked, and with which words.
    calls: BTreeMap<u64, (ClientId, String)>,
    next_call: u64,
    /// Actions of drafts that were called, by the names of jails and actions, as they were then.
    called: BTreeMap<(String, String), ActionBlueprint>,
}

impl<W: World> Server<W> {
    /// A server without jails.
    pub fn new(world: W, zone: TimeZone, start_year: i16) -> Self {
        Self {
            world,
            jails: Jails::new(zone),
            drafts: Vec::new(),
            farewells: Vec::new(),
            sleepers: Vec::new(),
            ending: false,
            start_year,
            patterns: Patterns::default(),
            calls: BTreeMap::new(),
            next_call: 0,
            called: BTreeMap::new(),
        }
    }

    /// The world it acts in.
    pub const fn world(&mut self) -> &mut W {
        &mut self.world
    }

    /// The jails at work.
    pub const fn jails(&self) -> &Jails {
        &self.jails
    }

    /// Takes what happens until it is told to end, then ends orderly and gives the world back.
    pub fn run(mut self) -> W {
        let mut now = self.turn();
        while !self.ending {
            now = self.turn();
        }
        self.end(now);
        self.world
    }

    /// Waits for one thing to happen and deals with it; returns when it was.
    pub fn turn(&mut self) -> Timestamp {
        let (now, event) = self.world.wait(self.next_wakeup());
        match event {
            Event::Wakeup => {}
            event @ (Event::Lines(_) | Event::Entries(_) | Event::Reports(_)) => self.read(now, event),
            Event::Request(client, request) => self.request(now, client, request),
            Event::Resolved(answers) => {
                for answer in &answers {
                    self.jails.resolved(&mut self.world, now, answer);
                }
            }
            Event::Judged(verdict) => self.jails.judged(&mut self.world, now, &verdict),
            Event::Called(called) => self.called(called),
            Event::Acted(acted) => self.jails.acted(&mut self.world, now, acted),
            Event::Remembered(remembered) => self.jails.remembered(&mut self.world, now, remembered),
            Event::Removed(removals) => self.jails.repair(&mut self.world, now, &removals),
            Event::ClockSet => self.jails.clock_set(&mut self.world, now),
            Event::Terminate => self.ending = true,
            Event::FlushLogs => {
                self.world.reopen_log();
            }
        }
        self.jails.wake(&mut self.world, now);
        self.wake_sleepers(now);
        now
    }

    /// Deals with what was read.
    fn read(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Lines(lines) => {
                if let Some(rest) = self.jails.lines_in_turn(&mut self.world, now, lines) {
                    self.world.put_back(Event::Lines(rest));
                }
            }
            Event::Entries(entries) => {
                let rest = self.jails.entries(&mut self.world, now, entries);
                if !rest.is_empty() {
                    self.world.put_back(Event::Entries(rest));
                }
            }
            Event::Reports(reports) => self.jails.reports(&mut self.world, now, reports),
            Event::Wakeup
            | Event::Request(..)
            | Event::Judged(_)
            | Event::Called(_)
            | Event::Acted(_)
            | Event::Remembered(_)
            | Event::Resolved(_)
            | Event::Removed(_)
            | Event::ClockSet
            | Event::Terminate
            | Event::FlushLogs => {}
        }
    }

    /// Deals with all that was read, before a jail changes or goes: how far its logs were read is kept then, and
    /// what was read and not dealt with would be lost.
    fn settle(&mut self, now: Timestamp) {
        while let Some(event) = self.world.unread(now) {
            self.read(now, event);
        }
    }

    /// Carries out the commands of a configuration. A jail that cannot be started is left out and logged.
    ///
    /// # Errors
    /// The first failure; the other jails run all the same, unless it is the database that cannot be used.
    pub fn stream(
        &mut self,
        now: Timestamp,
        commands: impl IntoIterator<Item = impl Into<Placed>>,
    ) -> Result<(), Failure> {
        let mut first = Ok(());
        let mut broken: Vec<String> = Vec::new();
        for placed in commands {
            let placed = placed.into();
            let jail = placed.command.jail().map(str::to_owned);
            if jail.as_ref().is_some_and(|jail| broken.contains(jail)) {
                continue;
            }
            if let Some(option) = reload::option_without_number(&placed.command) {
                let text = reload::no_number(jail.as_deref(), option);
                self.complain(placed.place(), &text);
                continue;
            }
            if let Err(failure) = self.execute_placed(now, &placed) {
                self.report(&placed.command.to_value().repr(), &failure);
                if let Command::Set { option, value } = &placed.command
                    && option == "dbfile"
                {
                    // Without its database the daemon would forget the bans of before and those to come.
                    let (file, text) = (value.text(), failure.text());
                    let advice = "put it right, move it away, or set `dbfile = None` to go without";
                    self.complain(
                        placed.place(),
                        &format!("The database '{file}' cannot be used: {text}; {advice}"),
                    );
                    return Err(failure);
                }
                if let Some(jail) = jail {
                    if let Some(place) = placed.place() {
                        let text = failure.text();
                        self.complain(
                            Some(place),
                            &format!("{text}. Put it right and run `fail2ban-client reload`"),
                        );
                    }
                    self.drafts.retain(|draft| draft.name != jail);
                    self.world.log(
                        Level::ERROR,
                        SERVER,
                        format_args!("Errors in jail '{jail}'. Skipping..."),
                    );
                    broken.push(jail);
                }
                first = first.and(Err(failure));
            }
        }
        first
    }

    /// Says what is wrong with the configuration, and where.
    fn complain(&mut self, place: Option<&str>, text: &str) {
        let place = place.map_or_else(String::new, |place| format!("{place}: "));
        self.world
            .log(Level::ERROR, SERVER, format_args!("{place}{text}"));
    }

    /// Carries out one command of a configuration; a jail that is being made notes where its properties are written.
    fn execute_placed(&mut self, now: Timestamp, placed: &Placed) -> Reply {
        let Placed { command, places } = placed;
        if let Command::SetJail {
            jail,
            property,
            arguments,
            multi,
        } = command
            && let Some(draft) = self.drafts.iter_mut().find(|draft| draft.name == *jail)
        {
            let reply = draft.set_with(&mut self.patterns, property, arguments, *multi)?;
            draft.place(property, arguments, places);
            return Ok(reply);
        }
        self.execute(now, command.clone())
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// As the client is to be told.
    pub fn execute(&mut self, now: Timestamp, command: Command) -> Reply {
        match command {
            Command::Ping => Ok("pong".into()),
            Command::Version => Ok(crate::VERSION.into()),
            Command::Echo(words) => Ok(Value::List(words)),
            Command::ServerStatus => Ok("Server ready".into()),
            Command::ServerStream(stream) => self.stream(now, stream).map(|()| Value::None),
            Command::ConfigError(message) => {
                self.world
                    .log(Level::ERROR, TRANSMITTER, format_args!("{message}"));
                Ok(Value::None)
            }
            Command::FlushLogs => Ok(self.world.reopen_log().into()),
            Command::Status { all, flavor } => {
                let drafts = self.draft_names();
                Ok(status::server(
                    &self.jails,
                    &drafts,
                    &self.world,
                    all,
                    flavor.as_deref(),
                ))
            }
            Command::JailStatus { jail, flavor } if self.draft(&jail).is_some() => {
                Ok(status::draft(flavor.as_deref().unwrap_or("basic")))
            }
            Command::JailStatus { jail, flavor } => {
                status::jail(&self.jails, &mut self.world, &jail, flavor.as_deref())
            }
            Command::Sources => Ok(Value::List(self.world.source_statuses(now))),
            Command::Limits => {
                let all = self.jails.fills().into_iter().chain(self.world.fills());
                Ok(Value::List(all.map(|fill| fill.to_value()).collect()))
            }
            Command::Statistics => {
                let drafts = self.draft_names();
                Ok(status::statistics(&self.jails, &drafts, &self.world))
            }
            Command::Banned(ids) => Ok(status::banned(&self.jails, &self.draft_names(), &ids)),
            Command::UnbanAll => {
                let count = self.jails.unban_all(&mut self.world, now, None);
                self.world.forget_ban(None, None);
                Ok(Value::from(count))
            }
            Command::Unban(ids) => {
                let ids: Vec<Id> = ids.iter().map(|id| Id::parse(id)).collect();
                for id in &ids {
                    self.world.forget_ban(None, Some(&id.to_string()));
                }
                let (count, _) = self.jails.unban(&mut self.world, now, None, &ids)?;
                Ok(Value::from(count))
            }
            Command::StopJails => {
                self.drafts.clear();
                self.dismiss_called(|_, _| true);
                self.jails.stop_all(&mut self.world, now, Ending::Jail);
                Ok(Value::None)
            }
            Command::StopJail(jail) => {
                if self.take_draft(&jail).is_none() {
                    self.jails.stop(&mut self.world, now, &jail)?;
                }
                Ok(Value::None)
            }
            Command::Add { jail, backend } => {
                self.world.confine();
                self.add(&jail, &backend)
            }
            Command::Start(jail) => self.start(now, &jail),
            Command::Set { option, value } => {
                let jails = self.jails.len() + self.drafts.len();
                self.world.set(now, &option, &value, jails)
            }
            Command::Get(option) => self.world.get(&option),
            Command::SetJail {
                jail,
                property,
                arguments,
                multi,
            } => self.set_jail(now, &jail, &property, &arguments, multi),
            Command::GetJail { jail, property, .. } if property == "verify" => {
                self.jails.verify(&mut self.world, now, &jail)
            }
            Command::GetJail {
                jail,
                property,
                arguments,
            } => self.get_jail(&jail, &property, &arguments),
            Command::Reload {
                jail,
                options,
                stream,
            } => self.reload(now, jail.as_deref(), &options, Placed::all(stream, Vec::new())),
            // All of them answer later; a stream of commands has nobody who waits for that.
            Command::Sleep(_) | Command::Stop | Command::Tail(_) => Ok(Value::None),
        }
    }

    fn request(&mut self, now: Timestamp, client: ClientId, request: Request) {
        let mut value = match request {
            Request::Value(value) => value,
            Request::Undecodable(error) => {
                self.world.log(
                    Level::ERROR,
                    "fail2ban.asyncserver",
                    format_args!("PROTO-error: load message failed: {error}"),
                );
                self.world
                    .answer(client, Answer::Refused(format!("ERROR: {error}")));
                return;
            }
        };
        let places = places::detach(&mut value);
        let command = Command::from_value(&value).and_then(|command| self.permitted(client, command));
        if command.as_ref().is_ok_and(lets_logs_go) {
            self.settle(now);
        }
        let reply = match command {
            Ok(Command::Stop) => {
                self.farewells.push(client);
                self.ending = true;
                return;
            }
            Ok(Command::Sleep(seconds)) => match seconds.float() {
                Ok(seconds) => {
                    self.sleepers
                        .push((now.plus_micros(sleep_micros(seconds)), client));
                    return;
                }
                Err(failure) => Err(failure),
            },
            Ok(Command::Tail(jail)) => self.listen(client, jail),
            Ok(Command::SetJail {
                jail,
                property,
                arguments,
                multi: false,
            }) if property == "action" => {
                self.next_call += 1;
                let number = self.next_call;
                match self.set_action(now, &jail, &arguments, number) {
                    Ok(Some(answer)) => Ok(answer),
                    Ok(None) => {
                        self.calls.insert(number, (client, value.repr()));
                        return;
                    }
                    Err(failure) => Err(failure),
                }
            }
            Ok(
                command @ (Command::JailStatus { flavor: Some(_), .. }
                | Command::Status {
                    all: true,
                    flavor: Some(_),
                }),
            ) if wants_origins(&command) => match self.execute(now, command) {
                Ok(status) => {
                    self.next_call += 1;
                    match self.world.find_origins(self.next_call, status) {
                        Ok(()) => {
                            self.calls.insert(self.next_call, (client, value.repr()));
                            return;
                        }
                        Err(mut status) => {
                            origins::give_up(&mut status);
                            Ok(status)
                        }
                    }
                }
                Err(failure) => Err(failure),
            },
            Ok(Command::ServerStream(stream)) => self
                .stream(now, Placed::all(stream, places))
                .map(|()| Value::None),
            Ok(Command::Reload {
                jail,
                options,
                stream,
            }) => {
                let stream = Placed::all(stream, places);
                self.reload(now, jail.as_deref(), &options, stream)
            }
            Ok(command) => self.execute(now, command),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &reply {
            self.report(&value.repr(), failure);
        }
        self.world.answer(client, Answer::Reply(reply));
    }

    /// A command of a client that may give it.
    fn permitted(&self, client: ClientId, command: Command) -> Result<Command, Failure> {
        let (has, user) = self.world.right(client);
        let needs = command.right();
        if has >= needs {
            return Ok(command);
        }
        let user = user.map_or_else(|| "this client".to_owned(), |user| format!("user {user}"));
        let remedy = match needs {
            Right::Operate => "`operategroup` in fail2ban.conf names the group that has it",
            Right::Status => "`statusgroup` in fail2ban.conf names the group that has it",
            Right::Everything | Right::Nothing => "ask as root",
        };
        Err(Failure::not_permitted(format!(
            "That needs {needs}, and {user} has {has}: {remedy}"
        )))
    }

    /// Has a client be told what happens from now on.
    fn listen(&mut self, client: ClientId, jail: Option<String>) -> Reply {
        if let Some(jail) = &jail {
            self.any_blueprint(jail)?;
        }
        if self.world.listen(client, jail) {
            Ok("OK".into())
        } else {
            Err(Failure::runtime_error("There are too many who listen already"))
        }
    }

    fn report(&mut self, command: &str, failure: &Failure) {
        self.world.log(
            Level::ERROR,
            TRANSMITTER,
            format_args!(
                "Command {command} has failed. Received {}",
                Value::from(failure.clone()).repr()
            ),
        );
    }

    fn add(&mut self, jail: &str, backend: &str) -> Reply {
        if jail == "--all" {
            return Err(Failure::exception("Reserved name '--all'"));
        }
        if self.jails.blueprint(jail).is_some() || self.draft(jail).is_some() {
            return Err(Failure::duplicate_jail(jail));
        }
        Blueprint::check_backend(backend)?;
        self.drafts.push(Blueprint::new(jail, backend, self.start_year));
        Ok(jail.into())
    }

    fn start(&mut self, now: Timestamp, name: &str) -> Reply {
        match self.take_draft(name) {
            Some(draft) => self.jails.start(&mut self.world, now, draft)?,
            None => {
                let mut blueprint = self
                    .jails
                    .blueprint(name)
                    .cloned()
                    .ok_or_else(|| Failure::unknown_jail(name))?;
                blueprint.counting.idle = false;
                self.jails.reshape(&mut self.world, now, blueprint)?;
            }
        }
        Ok(Value::None)
    }

    fn set_jail(
        &mut self,
        now: Timestamp,
        jail: &str,
        property: &str,
        arguments: &[Value],
        multi: bool,
    ) -> Reply {
        match property {
            "banip" | "ban" | "unbanip" | "attempt" => return self.set_bans(now, jail, property, arguments),
            _ => {}
        }
        let mut blueprint = self.any_blueprint(jail)?.clone();
        if property == "action" && !multi {
            // Nobody waits here for what becomes of it.
            let answer = self.set_action(now, jail, arguments, 0)?;
            return Ok(answer.unwrap_or(Value::Bool(true)));
        }
        let answer = blueprint.set_with(&mut self.patterns, property, arguments, multi)?;
        if self.draft(jail).is_some() {
            self.put(now, blueprint)?;
            return Ok(answer);
        }
        let settings = std::mem::take(&mut blueprint.told).records(&blueprint);
        self.put(now, blueprint)?;
        for (logger, text) in settings {
            self.world.log(Level::INFO, logger, format_args!("{text}"));
        }
        Ok(answer)
    }

    /// Has a jail be what its blueprint says now, on the word of a client.
    fn put(&mut self, now: Timestamp, blueprint: Blueprint) -> Result<(), Failure> {
        let name = blueprint.name.clone();
        let Some(draft) = self.drafts.iter_mut().find(|draft| draft.name == name) else {
            return self.jails.reshape(&mut self.world, now, blueprint);
        };
        let actions = blueprint.actions.clone();
        *draft = blueprint;
        self.dismiss_called(|jail, action| jail == name && !actions.iter().any(|kept| kept.name == action));
        Ok(())
    }

    /// Sets a property of an action or calls a method of it; the answer, where there is one at once.
    fn set_action(
        &mut self,
        now: Timestamp,
        jail: &str,
        arguments: &[Value],
        number: u64,
    ) -> Result<Option<Value>, Failure> {
        let host = self.world.host_names();
        let blueprint = self.any_blueprint(jail)?;
        let work = match blueprint.call(arguments, &host)? {
            Some(Call::Work(work)) => work,
            Some(Call::Answer(answer)) => return Ok(Some(answer)),
            Some(Call::Clear) => {
                let mut blueprint = blueprint.clone();
                blueprint.clear_action(&blueprint::action_name(arguments)?);
                self.put(now, blueprint)?;
                return Ok(Some(Value::None));
            }
            None => {
                let mut blueprint = blueprint.clone();
                let answer = blueprint.set_with(&mut self.patterns, "action", arguments, false)?;
                self.put(now, blueprint)?;
                return Ok(Some(answer));
            }
        };
        let name = blueprint::action_name(arguments)?;
        if self.draft(jail).is_none() {
            return self.jails.call(&mut self.world, now, jail, &name, work, number);
        }
        let action = self.any_blueprint(jail)?.action(&name)?.clone();
        let key = (jail.to_owned(), name);
        let known = self.called.get(&key);
        let answer = call_of_draft(&mut self.world, now, (jail, &action), known, work, number)?;
        self.called.insert(key, action);
        Ok(answer)
    }

    /// What became of a call.
    fn called(&mut self, called: Called) {
        if let Some((client, words)) = self.calls.remove(&called.number) {
            if let Err(failure) = &called.reply {
                self.report(&words, failure);
            }
            self.world.answer(client, Answer::Reply(called.reply));
        }
    }

    /// Lets those actions of drafts go that were called.
    fn dismiss_called(&mut self, goes: impl Fn(&str, &str) -> bool) {
        let world = &mut self.world;
        self.called.retain(|(jail, name), blueprint| {
            let goes = goes(jail, name);
            if goes {
                // It has nothing to take down: the jail has never begun.
                world.dismiss(jail, name, adjusted(blueprint));
            }
            !goes
        });
    }

    fn set_bans(&mut self, now: Timestamp, jail: &str, property: &str, arguments: &[Value]) -> Reply {
        // Bans of a jail that is not at work yet have nobody to enforce them.
        self.jails.jail(jail)?;
        let mut words = blueprint::texts(arguments);
        match property {
            "banip" | "ban" => {
                let (terms, words) = match (property, words.as_slice()) {
                    ("ban", [_, ids @ ..]) => (terms(arguments.first().unwrap_or(&Value::None))?, ids),
                    (_, ids) => (Terms::default(), ids),
                };
                let ids: Vec<Id> = words.iter().map(|id| Id::parse(id)).collect();
                let banned = self.jails.ban(&mut self.world, now, jail, &ids, &terms)?;
                Ok(Value::from(banned))
            }
            "unbanip" => {
                let reports = words.first().is_some_and(|word| word == "--report-absent");
                if reports {
                    words.remove(0);
                }
                let ids: Vec<Id> = words.iter().map(|id| Id::parse(id)).collect();
                let (count, absent) = self.jails.unban(&mut self.world, now, Some(jail), &ids)?;
                if reports && !absent.is_empty() {
                    // As they were given.
                    let given = words.iter().zip(&ids).filter(|(_, id)| absent.contains(id));
                    let absent = Value::list(given.map(|(word, _)| word)).repr();
                    return Err(Failure::value_error(format!("not banned: {absent}")));
                }
                Ok(Value::from(count))
            }
            _ => {
                let id = words.first().map(|id| Id::parse(id)).ok_or_else(|| {
                    Failure::type_error("Filter.addAttempt() missing 1 required positional argument: 'ip'")
                })?;
                words.remove(0);
                Ok(Value::Int(i64::from(self.jails.attempt(
                    &mut self.world,
                    now,
                    jail,
                    id,
                    words,
                )?)))
            }
        }
    }

    fn get_jail(&self, jail: &str, property: &str, arguments: &[Value]) -> Reply {
        match property {
            "banip" | "banned" if self.draft(jail).is_some() => Ok(match arguments {
                [_] if property == "banned" => Value::Int(0),
                [_, ..] if property == "banned" => Value::list(arguments.iter().map(|_| 0)),
                _ => Value::List(Vec::new()),
            }),
            "banip" | "banned" => status::bans(self.jails.jail(jail)?, property, arguments),
            "standings" if self.draft(jail).is_some() => Ok(Value::List(Vec::new())),
            "standings" => self.jails.standings(jail),
            "logpath" if self.jails.blueprint(jail).is_some() => Ok(status::logs(&self.world, jail)),
            _ => self.any_blueprint(jail)?.get(property, arguments),
        }
    }

    /// Does what the configuration says now.
    fn reload(
        &mut self,
        now: Timestamp,
        jail: Option<&str>,
        options: &[String],
        stream: Vec<Placed>,
    ) -> Reply {
        self.world.tell_manager(State::Reloading);
        let reply = self.reload_stream(now, jail, options, stream);
        self.world.tell_manager(State::Ready);
        reply
    }

    /// Makes the jails what a configuration says. Everything is checked before anything is touched.
    fn reload_stream(
        &mut self,
        now: Timestamp,
        jail: Option<&str>,
        options: &[String],
        stream: Vec<Placed>,
    ) -> Reply {
        let has = |option: &str| options.iter().any(|given| given == option);
        if let Some(jail) = jail {
            self.world
                .log(Level::INFO, SERVER, format_args!("Reload jail {jail}"));
            if self.jails.blueprint(jail).is_none() && !has("--if-exists") {
                return Err(Failure::unknown_jail(jail));
            }
        } else {
            self.world
                .log(Level::INFO, SERVER, format_args!("Reload all jails"));
        }
        self.world.confine();
        let plan = match Plan::read(stream, self.start_year, &mut self.patterns) {
            Ok(plan) => plan,
            Err(mistakes) => {
                for mistake in &mistakes {
                    let text = format!("{}. Nothing was changed", mistake.failure.text());
                    self.complain(mistake.place.as_deref(), &text);
                }
                let first = mistakes.into_iter().next();
                return first.map_or(Ok("OK".into()), |mistake| Err(mistake.failure));
            }
        };
        if jail.is_none() {
            self.world.forget_refused();
        }
        let settings: Vec<String> = plan.settings.iter().map(|(option, _)| option.clone()).collect();
        for (option, value) in plan.settings {
            let jails = self.jails.len();
            self.world.set(now, &option, &value, jails)?;
        }
        if has("--unban") {
            self.jails.unban_all(&mut self.world, now, jail);
        }
        for message in plan.errors {
            self.world
                .log(Level::ERROR, TRANSMITTER, format_args!("{message}"));
        }
        let gone: Vec<String> = match jail {
            Some(_) => Vec::new(),
            None => self
                .jails
                .names()
                .filter(|name| !plan.jails.iter().any(|new| new.name == *name))
                .map(str::to_owned)
                .collect(),
        };
        for name in gone {
            self.jails.stop(&mut self.world, now, &name)?;
        }
        if jail.is_none() {
            // What nobody writes any more is off again; of those settings nothing is said where they are.
            for option in SOURCES {
                let is_written = settings.iter().any(|set| set == option);
                if !is_written && self.world.get(option).is_ok_and(|value| value != Value::None) {
                    self.world
                        .set(now, option, &Value::from("none"), self.jails.len())?;
                }
            }
        }
        let mut result = Ok(());
        for blueprint in plan.jails {
            result = result.and(self.reload_jail(now, blueprint, has("--restart")));
        }
        self.world
            .log(Level::INFO, SERVER, format_args!("Reload finished."));
        result.map(|()| "OK".into())
    }

    fn reload_jail(&mut self, now: Timestamp, blueprint: Blueprint, restart: bool) -> Result<(), Failure> {
        let name = blueprint.name.clone();
        let Some(running) = self.jails.blueprint(&name) else {
            return self.jails.start(&mut self.world, now, blueprint);
        };
        if restart || running.backend != blueprint.backend {
            self.jails.stop(&mut self.world, now, &name)?;
            return self.jails.start(&mut self.world, now, blueprint);
        }
        self.world
            .log(Level::INFO, SERVER, format_args!("Reload jail '{name}'"));
        self.jails.reload(&mut self.world, now, blueprint)?;
        self.world
            .log(Level::INFO, SERVER, format_args!("Jail '{name}' reloaded"));
        Ok(())
    }

    /// The names of jails that were added and not started yet.
    fn draft_names(&self) -> Vec<&str> {
        self.drafts.iter().map(|draft| draft.name.as_str()).collect()
    }

    fn draft(&self, name: &str) -> Option<&Blueprint> {
        self.drafts.iter().find(|draft| draft.name == name)
    }

    fn take_draft(&mut self, name: &str) -> Option<Blueprint> {
        let index = self.drafts.iter().position(|draft| draft.name == name)?;
        self.dismiss_called(|jail, _| jail == name);
        Some(self.drafts.remove(index))
    }

    fn any_blueprint(&self, name: &str) -> Result<&Blueprint, Failure> {
        self.draft(name)
            .or_else(|| self.jails.blueprint(name))
            .ok_or_else(|| Failure::unknown_jail(name))
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        let sleeper = self.sleepers.iter().map(|(until, _)| *until).min();
        [self.jails.next_wakeup(), sleeper].into_iter().flatten().min()
    }

    fn wake_sleepers(&mut self, now: Timestamp) {
        let (due, sleeping) = std::mem::take(&mut self.sleepers)
            .into_iter()
            .partition(|(until, _)| *until <= now);
        self.sleepers = sleeping;
        for (_, client) in due {
            self.world.answer(client, Answer::Reply(Ok(Value::None)));
        }
    }

    fn end(&mut self, now: Timestamp) {
        self.world.tell_manager(State::Stopping);
        self.settle(now);
        self.world
            .log(Level::INFO, SERVER, format_args!("Shutdown in progress..."));
        self.world
            .log(Level::INFO, SERVER, format_args!("Stopping all jails"));
        self.jails.stop_all(&mut self.world, now, Ending::Daemon);
        self.world.close();
        self.world
            .log(Level::INFO, SERVER, format_args!("Exiting Fail2ban"));
        for client in std::mem::take(&mut self.farewells) {
            self.world.answer(client, Answer::Reply(Ok(Value::None)));
        }
        self.world.farewell();
    }
}

/// Whether a command may end how a jail follows its logs, or when their lines count.
const fn lets_logs_go(command: &Command) -> bool {
    match command {
        Command::ServerStream(_)
        | Command::StopJails
        | Command::StopJail(_)
        | Command::Start(_)
        | Command::SetJail { .. }
        | Command::Reload { .. } => true,
        Command::Ping
        | Command::Version
        | Command::Echo(_)
        | Command::Sleep(_)
        | Command::ServerStatus
        | Command::ConfigError(_)
        | Command::FlushLogs
        | Command::Status { .. }
        | Command::JailStatus { .. }
        | Command::Sources
        | Command::Limits
        | Command::Statistics
        | Command::Banned(_)
        | Command::Unban(_)
        | Command::UnbanAll
        | Command::Add { .. }
        | Command::Set { .. }
        | Command::Get(_)
        | Command::GetJail { .. }
        | Command::Tail(_)
        // The end settles by itself.
        | Command::Stop => false,
    }
}

/// Whether a client wants to know whose networks the banned addresses are in.
fn wants_origins(command: &Command) -> bool {
    let (Command::JailStatus { flavor, .. } | Command::Status { flavor, .. }) = command else {
        return false;
    };
    flavor.as_deref() == Some("cymru")
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to an hour")]
fn sleep_micros(seconds: f64) -> i64 {
    (seconds.clamp(0.0, LONGEST_SLEEP) * 1e6) as i64
}

/// What a client says of a ban: a dictionary with `bantime`, in seconds, and `reason`.
fn terms(value: &Value) -> Result<Terms, Failure> {
    let Value::Dict(_) = value else {
        return Err(Failure::type_error(format!(
            "the terms of a ban are a dict, not {}",
            value.repr()
        )));
    };
    let bantime = value.get("bantime").map(Value::int).transpose()?;
    Ok(Terms {
        bantime: bantime.map(BanTime::from_seconds),
        reason: value.get("reason").map(Value::text),
    })
}
