//! What a jail is to do, as told so far: every property of the jail in one place, checked.
//!
//! In: a property by its name with its arguments, as the configuration or a client has them. Out: the
//! blueprint changed accordingly, or the failure that is told to whoever asked.
//!
//! Invariant: a blueprint holds only what has been checked; a jail can be built from it at any moment.

use std::sync::Arc;

use stockade_action::tags::HostNames;
use stockade_datetime::duration::DurationError;
use stockade_datetime::{Number, duration};
use stockade_filter::{Filter, Mode, Regex, RegexError, Structure, StructureOptions, UseDns};
use stockade_jail::formula::{self, Formula, FormulaError};
use stockade_jail::{self as jail, BanTime, Entry, FactorError, IgnoreCache, IgnoreList, Increment};
use stockade_protocol::backend::BACKENDS;
use stockade_protocol::{Failure, Reply, Value, definition};

use crate::methods::{self, Call};
use crate::patterns::Patterns;
use crate::places::{Place, Places};
use crate::source::{JournalMatch, JournalOptionError, JournalOptions, SYSLOG, Selector, piped_command};
use crate::told::Told;

/// What a jail is to do, as told so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The jail's name.
    pub name: String,
    /// The backend as it was given: `auto`, `systemd[journalpath=…]`.
    pub backend: String,
    /// The year in which the daemon was started; it decides which years dates may have.
    pub start_year: i16,
    /// Whether host names are looked up.
    pub usedns: UseDns,
    /// What a line must match before anything else, as written.
    pub prefregex: Option<Arc<Regex>>,
    /// What makes a failure of a line.
    pub failregex: Vec<Arc<Regex>>,
    /// What a failure must not match.
    pub ignoreregex: Vec<Arc<Regex>>,
    /// How structured lines are read, as written.
    pub structure: StructureOptions,
    /// The same, ready for use; nothing where lines are plain.
    pub compiled_structure: Option<Arc<Structure>>,
    /// How many lines an expression sees at once.
    pub maxlines: usize,
    /// How dates look; `None` for the usual forms.
    pub datepattern: Option<String>,
    /// The zone of dates without one.
    pub logtimezone: Option<String>,
    /// The encoding of the logs.
    pub logencoding: String,
    /// Which entries of the journal are read: alternatives of words.
    pub journalmatch: Vec<Vec<String>>,
    /// The logs.
    pub logpath: Vec<LogPath>,
    /// Whether services may report failures themselves.
    pub reports: bool,
    /// Who may, beside root, by name or number.
    pub reports_from: Vec<String>,
    /// Whether a success that is reported takes failures back.
    pub reports_forgive: bool,
    /// How failures are counted.
    pub counting: jail::Settings,
    /// `maxmatches` as it was given, for whoever asks: a negative one keeps no lines.
    pub maxmatches: i64,
    /// `findtime` as it was evaluated, for whoever asks.
    pub findtime: Number,
    /// Whether the machine's own addresses are spared.
    pub ignoreself: bool,
    /// Who is spared: addresses, networks, names and files, as written.
    pub ignoreip: Vec<String>,
    /// The command that decides who is spared, as written; empty for none.
    pub ignorecommand: Option<Value>,
    /// `bantime.*`, by what follows the dot.
    pub increment: Vec<(String, Value)>,
    /// The actions in their order.
    pub actions: Vec<ActionBlueprint>,
    /// Where all this is written.
    pub places: Places,
    /// What the log is still to be told of.
    pub(crate) told: Told,
}

/// What stands in the brackets of `syslog[…]`.
fn selector(backend: &str) -> Result<Selector, Failure> {
    let definition = definition::parse(backend).map_err(value_error)?;
    let parameters = definition.parameters.iter();
    Selector::parse(parameters.map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|error| Failure::value_error(format!("`backend = {backend}` cannot be used: {error}")))
}

/// A log of a jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPath {
    /// The path, or a pattern of paths.
    pub path: String,
    /// Whether it is read from its end on.
    pub tail: bool,
}

/// An action of a jail.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionBlueprint {
    /// Its name.
    pub name: String,
    /// Its properties, in the order in which they were first set.
    pub properties: Vec<(String, Value)>,
    /// The file of an action that is written in Python.
    pub python: Option<String>,
    /// The parameters of such an action that are texts.
    pub parameters: Vec<(String, String)>,
}

impl Blueprint {
    /// A jail that does nothing yet, with the values that hold where nothing is said.
    #[must_use]
    pub fn new(name: &str, backend: &str, start_year: i16) -> Self {
        Self {
            name: name.to_owned(),
            backend: backend.to_owned(),
            start_year,
            usedns: UseDns::Warn,
            prefregex: None,
            failregex: Vec::new(),
            ignoreregex: Vec::new(),
            structure: StructureOptions::default(),
            compiled_structure: None,
            maxlines: 1,
            datepattern: None,
            logtimezone: None,
            logencoding: "auto".to_owned(),
            journalmatch: Vec::new(),
            logpath: Vec::new(),
            reports: false,
            reports_from: Vec::new(),
            reports_forgive: false,
            maxmatches: i64::try_from(jail::Settings::default().maxmatches).unwrap_or(i64::MAX),
            counting: jail::Settings::default(),
            findtime: Number::Int(600),
            ignoreself: true,
            ignoreip: Vec::new(),
            ignorecommand: None,
            increment: Vec::new(),
            actions: Vec::new(),
            places: Places::default(),
            told: Told::default(),
        }
    }

    /// The filter of the jail.
    ///
    /// # Errors
    /// None: everything in a blueprint was checked when it was set.
    pub fn filter(&self) -> Result<Filter, Failure> {
        let mut filter = self.dates()?;
        filter.set_usedns(self.usedns);
        filter
            .set_maxlines(i64::try_from(self.maxlines).unwrap_or(i64::MAX))
            .map_err(value_error)?;
        filter.set_findtime(self.counting.findtime_micros);
        if !self.logencoding.eq_ignore_ascii_case("auto") {
            filter.set_encoding(&self.logencoding).map_err(value_error)?;
        }
        if let Some(zone) = &self.logtimezone {
            filter.set_logtimezone(zone).map_err(value_error)?;
        }
        filter.set_expressions(
            self.prefregex.clone(),
            self.failregex.clone(),
            self.ignoreregex.clone(),
        );
        filter.set_structure(self.compiled_structure.clone());
        Ok(filter)
    }

    /// A filter that knows of dates alone.
    fn dates(&self) -> Result<Filter, Failure> {
        let mut filter = Filter::new(Mode::default(), self.start_year);
        if let Some(pattern) = &self.datepattern {
            filter.set_datepattern(pattern).map_err(|error| {
                let text = error.to_string();
                let by_python = [
                    ": not enough arguments ",
                    ": unsupported format character ",
                    ": incomplete format",
                ];
                match by_python.iter().any(|cause| text.contains(cause)) {
                    true => Failure::type_error(text),
                    false => Failure::value_error(text),
                }
            })?;
        }
        Ok(filter)
    }

    /// Puts those who are spared into `list`, in place of whoever was in it.
    ///
    /// # Errors
    /// None: everything in a blueprint was checked when it was set.
    pub fn fill_ignore_list(&self, list: &mut IgnoreList) -> Result<(), Failure> {
        list.clear();
        list.set_ignoreself(self.ignoreself);
        for entry in &self.ignoreip {
            list.add(entry).map_err(value_error)?;
        }
        Ok(())
    }

    /// Whether a filter of this blueprint does what one of `other` does.
    #[must_use]
    pub fn filters_like(&self, other: &Self) -> bool {
        self.usedns == other.usedns
            && self.maxlines == other.maxlines
            && self.counting.findtime_micros == other.counting.findtime_micros
            && self.logencoding == other.logencoding
            && self.datepattern == other.datepattern
            && self.logtimezone == other.logtimezone
            && self.prefregex == other.prefregex
            && self.failregex == other.failregex
            && self.ignoreregex == other.ignoreregex
            && self.structure == other.structure
    }

    /// Whether this blueprint follows what `other` does.
    #[must_use]
    pub fn follows_like(&self, other: &Self) -> bool {
        self.backend == other.backend
            && self.logpath == other.logpath
            && self.journalmatch == other.journalmatch
            && self.reports == other.reports
            && self.reports_from == other.reports_from
    }

    /// Checks the text of a backend: one of the known names, or `auto`, perhaps with parameters that it has.
    ///
    /// # Errors
    /// Where there is no such backend, or it has no such parameter.
    pub fn check_backend(backend: &str) -> Result<(), Failure> {
        let parsed = definition::parse(backend).map_err(value_error)?;
        let name = parsed.name.to_lowercase();
        let parameters = || {
            let parameters = parsed.parameters.iter();
            parameters.map(|(name, value)| (name.as_str(), value.as_str()))
        };
        match name.as_str() {
            "systemd" => match JournalOptions::read(parameters()) {
                Ok(_) => Ok(()),
                Err(error @ JournalOptionError::Unknown(_)) => {
                    Err(Failure::type_error(format!("Filter.__init__() got an {error}")))
                }
                Err(error) => Err(value_error(error)),
            },
            SYSLOG => selector(backend).map(drop),
            // `gamin` was a backend of earlier versions; it watched files, as ours does.
            "auto" | "gamin" | "polling" | "pyinotify" => match parameters().next() {
                None => Ok(()),
                Some((parameter, _)) => Err(Failure::type_error(format!(
                    "FilterPoll.__init__() got an unexpected keyword argument '{parameter}'"
                ))),
            },
            _ => {
                // In the words of the reference, which has no `syslog`.
                let known = BACKENDS
                    .into_iter()
                    .filter(|known| !["auto", SYSLOG].contains(known));
                Err(Failure::value_error(format!(
                    "Unknown backend {name}. Must be among {} or 'auto'",
                    Value::list(known).repr()
                )))
            }
        }
    }

    fn compile(&self, patterns: &mut Patterns, source: &str, multiline: bool) -> Result<Arc<Regex>, Failure> {
        let regex = patterns.compile(source, self.usedns != UseDns::No, multiline);
        regex.map_err(|error| regex_error(&error))
    }

    /// Whether the jail reads the journal.
    #[must_use]
    pub fn reads_journal(&self) -> bool {
        self.backend
            .get(..7)
            .is_some_and(|name| name.eq_ignore_ascii_case("systemd"))
    }

    /// Which messages of syslog the jail reads, where it does.
    #[must_use]
    pub fn syslog(&self) -> Option<Selector> {
        let name = definition::parse(&self.backend).ok()?.name;
        name.eq_ignore_ascii_case(SYSLOG)
            .then(|| selector(&self.backend).unwrap_or_default())
    }

    /// Changes `property`; returns what [`Self::get`] then says of it. `multi` is for lists where one value is usual.
    ///
    /// # Errors
    /// Where there is no such property, or a value cannot be used. Nothing has changed then.
    pub fn set(&mut self, property: &str, arguments: &[Value], multi: bool) -> Reply {
        self.set_with(&mut Patterns::default(), property, arguments, multi)
    }

    /// The same; expressions that are known already come from `patterns`.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_with(
        &mut self,
        patterns: &mut Patterns,
        property: &str,
        arguments: &[Value],
        multi: bool,
    ) -> Reply {
        let answer = self.change(patterns, property, arguments, multi)?;
        self.told.add(property, arguments);
        Ok(answer)
    }

    fn change(&mut self, patterns: &mut Patterns, property: &str, arguments: &[Value], multi: bool) -> Reply {
        match property {
            "addaction" => self.add_action(arguments),
            "delaction" => self.delete_action(&action_name(arguments)?),
            "action" => self.set_action(arguments, multi),
            "usedns" => {
                // Anything else is the safe one.
                let word = argument(arguments, 0)?;
                let word = if let Value::Bool(is_yes) = word {
                    if *is_yes { "yes" } else { "no" }
                } else {
                    word.text_with("lower")?
                };
                self.usedns = UseDns::parse(word).unwrap_or(UseDns::No);
                self.get(property, &[])
            }
            "prefregex" => {
                let source = argument(arguments, 0)?;
                self.prefregex = if source.is_true() {
                    Some(self.compile(patterns, source.searchable()?, false)?)
                } else {
                    None
                };
                self.get(property, &[])
            }
            "addfailregex" => self.add_failregex(patterns, arguments, multi),
            "addignoreregex" => self.add_ignoreregex(patterns, arguments, multi),
            "delfailregex" => {
                delete_at(&mut self.failregex, arguments)?;
                delete_at(&mut self.places.failregex, arguments)?;
                self.get("failregex", &[])
            }
            "delignoreregex" => {
                delete_at(&mut self.ignoreregex, arguments)?;
                delete_at(&mut self.places.ignoreregex, arguments)?;
                self.get("ignoreregex", &[])
            }
            _ if self.structure.get(property).is_some() => {
                let value = argument(arguments, 0)?.searchable()?;
                let mut structure = self.structure.clone();
                structure.set(property, value);
                let compiled = structure.compile().map_err(value_error)?;
                self.compiled_structure = compiled.map(Arc::new);
                self.structure = structure;
                self.get(property, &[])
            }
            "maxlines" => {
                let lines = argument(arguments, 0)?.int()?;
                self.maxlines = usize::try_from(lines)
                    .ok()
                    .filter(|&lines| lines > 0)
                    .ok_or_else(|| Failure::value_error("maxlines must be integer greater than zero"))?;
                self.get(property, &[])
            }
            "datepattern" => {
                let pattern = argument(arguments, 0)?.searchable()?.to_owned();
                let old = self.datepattern.replace(pattern);
                self.get(property, &[]).inspect_err(|_| self.datepattern = old)
            }
            "logtimezone" => {
                let zone = argument(arguments, 0)?;
                self.logtimezone = if *zone == Value::None {
                    None
                } else {
                    let zone = zone.searchable()?;
                    let set = Filter::new(Mode::default(), self.start_year).set_logtimezone(zone);
                    set.map_err(|_| {
                        let zone = Value::from(zone).repr();
                        Failure::value_error(format!("Unknown or unsupported time zone: {zone}"))
                    })?;
                    Some(zone.to_owned())
                };
                self.get(property, &[])
            }
            "logencoding" => {
                let encoding = argument(arguments, 0)?.text_with("lower")?.to_owned();
                if !encoding.eq_ignore_ascii_case("auto") {
                    stockade_filter::Encoding::named(&encoding)
                        .map_err(|_| Failure::lookup_error(format!("unknown encoding: {encoding}")))?;
                }
                self.logencoding = encoding;
                self.get(property, &[])
            }
            // Files have no fields that could match.
            "addjournalmatch" | "deljournalmatch" if !self.reads_journal() => self.get("journalmatch", &[]),
            "addjournalmatch" => {
                let words = texts(arguments);
                // Nothing may be kept here that the journal does not take, or the jail could not be started again.
                JournalMatch::parse(&words).map_err(|error| Failure::value_error(error.to_string()))?;
                self.journalmatch
                    .extend(words.split(|word| word == "+").map(<[String]>::to_vec));
                self.get("journalmatch", &[])
            }
            "deljournalmatch" => {
                let words = texts(arguments);
                let index = self.journalmatch.iter().position(|known| *known == words);
                let index = index.ok_or_else(|| {
                    let shown = Value::list(words.iter().map(String::as_str)).repr();
                    Failure::value_error(format!("Match {shown} not found"))
                })?;
                self.journalmatch.remove(index);
                self.get("journalmatch", &[])
            }
            "reports" => {
                self.reports = boolean(argument(arguments, 0)?);
                self.get(property, &[])
            }
            "reports.from" => {
                let senders = text(arguments, 0)?;
                let words = senders.split([',', ' ', '\t', '\n']);
                self.reports_from = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
                self.get(property, &[])
            }
            "reports.forgive" => {
                self.reports_forgive = boolean(argument(arguments, 0)?);
                self.get(property, &[])
            }
            "addlogpath" => self.add_log(arguments),
            "dellogpath" => {
                let path = text(arguments, 0)?;
                self.logpath.retain(|log| log.path != path);
                self.get("logpath", &[])
            }
            "maxretry" => {
                self.counting.maxretry = argument(arguments, 0)?.int()?;
                self.get(property, &[])
            }
            "maxmatches" => {
                self.maxmatches = argument(arguments, 0)?.int()?;
                self.counting.maxmatches = usize::try_from(self.maxmatches).unwrap_or(0);
                self.get(property, &[])
            }
            "findtime" => {
                self.findtime = seconds(arguments, 0)?;
                self.counting.findtime_micros = micros(self.findtime);
                self.get(property, &[])
            }
            "bantime" => {
                self.counting.bantime = BanTime::from_seconds(micros(seconds(arguments, 0)?) / 1_000_000);
                self.get(property, &[])
            }
            "ignoreself" => {
                self.ignoreself = boolean(argument(arguments, 0)?);
                self.get(property, &[])
            }
            "addignoreip" => {
                for entry in arguments {
                    let entry = entry.searchable()?;
                    let inside = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                    let entry = inside.unwrap_or(entry).to_owned();
                    if entry.is_empty() {
                        continue;
                    }
                    Entry::parse(&entry).map_err(value_error)?;
                    let known = |known: &String| canonical(known) == canonical(&entry);
                    if !self.ignoreip.iter().any(known) {
                        self.ignoreip.push(entry);
                    }
                }
                self.get("ignoreip", &[])
            }
            "delignoreip" => {
                if *argument(arguments, 0)? == Value::None {
                    return self.get("ignoreip", &[]);
                }
                let entry = argument(arguments, 0)?.searchable()?.to_owned();
                let index = self.ignoreip.iter().position(|known| canonical(known) == entry);
                let index = index.ok_or_else(|| Failure::value_error("list.remove(x): x not in list"))?;
                self.ignoreip.remove(index);
                self.get("ignoreip", &[])
            }
            "ignorecommand" => {
                let command = argument(arguments, 0)?;
                let is_one = |text: &String| command.is_true() && !text.trim().is_empty();
                self.counting.ignorecommand = Some(command.text()).filter(is_one);
                self.ignorecommand = Some(command.clone());
                self.get(property, &[])
            }
            "ignorecache" => {
                self.counting.ignorecache = ignorecache(&text(arguments, 0)?)?;
                self.get(property, &[])
            }
            "idle" => {
                self.counting.idle = match text(arguments, 0)?.to_lowercase().as_str() {
                    "on" => true,
                    "off" => false,
                    _ => return Err(Failure::exception("Invalid idle option, must be 'on' or 'off'")),
                };
                Ok(Value::Bool(self.counting.idle))
            }
            _ => match property.strip_prefix("bantime.") {
                Some(option) => self.set_increment(option, argument(arguments, 0)?),
                None => Err(Failure::exception(format!(
                    "Invalid command '{property}' (no set action or not yet implemented)"
                ))),
            },
        }
    }

    /// Notes where what has just been set is written: `places` are those of the command and of its arguments.
    pub fn place(&mut self, property: &str, arguments: &[Value], places: &[String]) {
        let place = |index: usize| {
            let of_part = places.get(index + 1).filter(|place| !place.is_empty());
            let of_whole = places.first().filter(|place| !place.is_empty());
            of_part.or(of_whole).map(|place| Place::from(place.as_str()))
        };
        let which = || arguments.first().map(Value::text).unwrap_or_default();
        let added = |known: &[Arc<Regex>], places: &mut Vec<Option<Place>>| {
            let list = arguments.first().and_then(Value::items);
            let count = list.map_or(1, <[Value]>::len).min(known.len());
            places.resize(known.len() - count, None);
            places.extend((0..count).map(place));
        };
        match property {
            "addfailregex" => added(&self.failregex, &mut self.places.failregex),
            "addignoreregex" => added(&self.ignoreregex, &mut self.places.ignoreregex),
            "addignoreip" => {
                for (index, entry) in texts(arguments).iter().enumerate() {
                    self.places.set("ignoreip", entry, place(index));
                }
            }
            "addlogpath" => self.places.set("logpath", &which(), place(0)),
            "addaction" => self.places.set("action", &which(), place(0)),
            "prefregex" => self.places.set("prefregex", "", place(0)),
            "ignorecommand" => self.places.set("ignorecommand", "", place(0)),
            _ => {}
        }
    }

    /// Where the expression is written that reads so with its tags expanded.
    #[must_use]
    pub fn place_of_expression(&self, expanded: &str) -> Option<&Place> {
        if self
            .prefregex
            .as_ref()
            .is_some_and(|regex| regex.expanded() == expanded)
        {
            return self.places.get("prefregex", "");
        }
        let lists = [
            (&self.failregex, &self.places.failregex),
            (&self.ignoreregex, &self.places.ignoreregex),
        ];
        lists.into_iter().find_map(|(list, places)| {
            let index = list.iter().position(|regex| regex.expanded() == expanded)?;
            places.get(index)?.as_ref()
        })
    }

    /// What `property` is.
    ///
    /// # Errors
    /// Where there is no such property.
    pub fn get(&self, property: &str, arguments: &[Value]) -> Reply {
        let shown = |list: &[Arc<Regex>]| Value::list(list.iter().map(|regex| regex.expanded()));
        Ok(match property {
            "usedns" => self.usedns.as_str().into(),
            "prefregex" => self
                .prefregex
                .as_ref()
                .map_or("", |regex| regex.expanded())
                .into(),
            "failregex" => shown(&self.failregex),
            "ignoreregex" => shown(&self.ignoreregex),
            "maxlines" => Value::from(self.maxlines),
            "datepattern" if self.datepattern.is_none() && self.reads_journal() => Value::None,
            "datepattern" => {
                let report = self.dates()?.datepattern();
                Value::pair(report.pattern.map_or(Value::None, Value::from), report.name)
            }
            "logtimezone" => self.logtimezone.as_deref().map_or(Value::None, Value::from),
            "logencoding" => match self.logencoding.to_lowercase().as_str() {
                "auto" => "UTF-8".into(),
                _ => self.logencoding.as_str().into(),
            },
            "journalmatch" => {
                let words = |words: &Vec<String>| Value::list(words.iter().map(String::as_str));
                Value::List(self.journalmatch.iter().map(words).collect())
            }
            "logpath" => Value::list(self.logpath.iter().map(|log| log.path.as_str())),
            "reports" => Value::Bool(self.reports),
            "reports.from" => self.reports_from.join(", ").into(),
            "reports.forgive" => Value::Bool(self.reports_forgive),
            "maxretry" => Value::Int(self.counting.maxretry),
            "maxmatches" => Value::Int(self.maxmatches),
            "findtime" => number(self.findtime),
            "bantime" => Value::Int(self.counting.bantime.seconds()),
            "ignoreself" => Value::Bool(self.ignoreself),
            "ignoreip" => {
                // The reference keeps the single addresses apart, behind everything else.
                let is_single = |entry: &&String| {
                    Entry::parse(entry).is_ok_and(
                        |entry| matches!(entry, Some(Entry::Address(address)) if address.is_single()),
                    )
                };
                let (single, other): (Vec<&String>, Vec<&String>) = self.ignoreip.iter().partition(is_single);
                Value::list(other.into_iter().chain(single).map(|entry| canonical(entry)))
            }
            "ignorecommand" => self.ignorecommand.clone().unwrap_or(Value::Bool(false)),
            "ignorecache" => match &self.counting.ignorecache {
                None => Value::None,
                Some(cache) => Value::List(vec![
                    cache.key.as_str().into(),
                    Value::from(cache.max_count),
                    Value::Int(cache.max_time_micros / 1_000_000),
                ]),
            },
            "actions" => Value::list(self.actions.iter().map(|action| action.name.as_str())),
            "action" => return self.action_property(arguments),
            "actionproperties" => {
                let action = self.action(&action_name(arguments)?)?;
                let set = action.properties.iter().map(|(name, _)| name.as_str());
                let mut names: Vec<&str> = set
                    .filter(|name| !name.starts_with('_') && !methods::METHODS.contains(name))
                    .chain(methods::PROPERTIES)
                    .collect();
                names.sort_unstable();
                names.dedup();
                Value::list(names)
            }
            "actionmethods" => {
                self.action(&action_name(arguments)?)?;
                Value::list(methods::METHODS)
            }
            _ if let Some(value) = self.structure.get(property) => value.into(),
            _ => match property.strip_prefix("bantime.") {
                Some(option) => self.increment(option).cloned().unwrap_or(Value::None),
                None => {
                    return Err(Failure::exception(
                        "Invalid command (no get action or not yet implemented)",
                    ));
                }
            },
        })
    }

    /// Adds an action without properties.
    ///
    /// # Errors
    /// Where the jail has one of that name.
    fn add_action(&mut self, arguments: &[Value]) -> Reply {
        let name = action_name(arguments)?;
        if self.actions.iter().any(|action| action.name == name) {
            return Err(Failure::value_error(format!("Action {name} already exists")));
        }
        let (python, parameters) = match arguments.get(1) {
            None => (None, Vec::new()),
            Some(file) => {
                let parameters = methods::json(arguments.get(2).unwrap_or(&Value::None))?;
                let file = file.text();
                let there = std::fs::metadata(&file);
                there.map_err(|error| {
                    let (errno, message) = (error.raw_os_error().unwrap_or(2), crate::store::os_text(&error));
                    Failure::os_error(errno, message, file.clone())
                })?;
                let pairs = parameters.as_object().into_iter().flatten();
                let texts =
                    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
                (Some(file), texts.collect())
            }
        };
        self.actions.push(ActionBlueprint {
            name: name.clone(),
            properties: Vec::new(),
            python,
            parameters,
        });
        argument(arguments, 0).cloned()
    }

    /// Takes an action away.
    ///
    /// # Errors
    /// Where the jail has none of that name.
    fn delete_action(&mut self, name: &str) -> Reply {
        self.action(name)?;
        self.actions.retain(|action| action.name != name);
        Ok(Value::None)
    }

    /// Sets properties of an action: `NAME PROPERTY VALUE`, or `NAME [[PROPERTY, VALUE], …]`.
    ///
    /// # Errors
    /// Where the jail has no such action, or a value cannot be used.
    fn set_action(&mut self, arguments: &[Value], multi: bool) -> Reply {
        let name = action_name(arguments)?;
        self.action(&name)?;
        let mut pairs = Vec::new();
        if multi {
            let list = argument(arguments, 1)?;
            // Python goes through a text as well, and finds no second part in a character of it.
            let list = if let Value::Str(text) = list {
                if !text.is_empty() {
                    let message = ["string index out of range"];
                    return Err(Failure::new("builtins", "IndexError", message));
                }
                &[]
            } else {
                list.items().ok_or_else(|| not_iterable(list))?
            };
            for pair in list {
                // The characters of a text are its parts.
                if pair.as_str().is_some_and(|text| text.chars().nth(1).is_none()) {
                    let message = ["string index out of range"];
                    return Err(Failure::new("builtins", "IndexError", message));
                }
                let pair = pair.items().unwrap_or_default();
                pairs.push((
                    attribute(argument(pair, 0)?)?.to_owned(),
                    argument(pair, 1)?.clone(),
                ));
            }
        } else {
            let property = attribute(argument(arguments, 1)?)?;
            pairs.push((property.to_owned(), argument(arguments, 2)?.clone()));
        }
        let mut answer = Value::Bool(true);
        for (property, mut value) in pairs {
            // The ban's own time is meant by that tag, never a fixed one.
            if property == "bantime" {
                if multi {
                    continue;
                }
                return Err(no_attribute(&property));
            }
            if property == "timeout" {
                value = number(seconds(&[value], 0)?);
            }
            // Nobody sets what counts by itself.
            if property == "banEpoch" {
                answer = Value::Int(0);
                continue;
            }
            if !multi {
                answer = value.clone();
            }
            if let Some(action) = self.actions.iter_mut().find(|action| action.name == name) {
                action.set(property, value);
            }
        }
        Ok(answer)
    }

    /// What `set JAIL action NAME METHOD [JSON]` calls; nothing where it is no method.
    ///
    /// # Errors
    /// Where there is no such action, or the call is none.
    pub(crate) fn call(&self, arguments: &[Value], host: &HostNames) -> Result<Option<Call>, Failure> {
        let [_, method, rest @ ..] = arguments else {
            return Ok(None);
        };
        let method = method.as_str().filter(|method| methods::METHODS.contains(method));
        let Some(method) = method else {
            return Ok(None);
        };
        self.action(&action_name(arguments)?)?;
        Call::parse(method, rest.first(), host).map(Some)
    }

    /// What was said of `bantime.OPTION`.
    #[must_use]
    pub fn increment(&self, option: &str) -> Option<&Value> {
        self.increment
            .iter()
            .find(|(known, _)| known == option)
            .map(|(_, value)| value)
    }

    fn add_failregex(&mut self, patterns: &mut Patterns, arguments: &[Value], multi: bool) -> Reply {
        let mut added = Vec::new();
        for source in sources(arguments, multi)? {
            let regex = self.compile(patterns, &source, self.maxlines > 1)?;
            // Before 0.10 patterns were written with `(?P<host>…)`, and those are around still.
            let has_id = |regex: &Arc<Regex>| regex.has_id() || regex.counts_host();
            if !has_id(&regex) && !self.prefregex.as_ref().is_some_and(has_id) {
                return Err(regex_error(&RegexError::NoId {
                    expanded: regex.expanded().to_owned(),
                }));
            }
            added.push(regex);
        }
        self.failregex.extend(added);
        if multi {
            return Ok(Value::Bool(true));
        }
        self.get("failregex", &[])
    }

    fn add_ignoreregex(&mut self, patterns: &mut Patterns, arguments: &[Value], multi: bool) -> Reply {
        let mut added = Vec::new();
        for source in sources(arguments, multi)? {
            added.push(self.compile(patterns, &source, false)?);
        }
        self.ignoreregex.extend(added);
        if multi {
            return Ok(Value::Bool(true));
        }
        self.get("ignoreregex", &[])
    }

    fn add_log(&mut self, arguments: &[Value]) -> Reply {
        let path = text(arguments, 0)?;
        let tail = match arguments.get(1).map(Value::text).as_deref() {
            None | Some("head") => false,
            Some("tail") => true,
            Some(_) => return Err(Failure::value_error("File option must be 'head' or 'tail'")),
        };
        if arguments.len() > 2 {
            return Err(Failure::value_error("Only one file can be added at a time"));
        }
        check_path(argument(arguments, 0)?)?;
        if piped_command(&path) == Some("") {
            return Err(Failure::value_error(
                "there is no command behind `|`; write `| COMMAND`, whose output is the log",
            ));
        }
        // The journal has no files that a jail could name, and neither has syslog.
        if !self.reads_journal()
            && self.syslog().is_none()
            && !self.logpath.iter().any(|log| log.path == path)
        {
            self.logpath.push(LogPath { path, tail });
        }
        self.get("logpath", &[])
    }

    fn set_increment(&mut self, option: &str, value: &Value) -> Reply {
        let stored = match option {
            "increment" => Value::Bool(boolean(value)),
            "maxtime" | "rndtime" if *value != Value::None && !value.text().is_empty() => {
                number(seconds(std::slice::from_ref(value), 0)?)
            }
            _ => value.clone(),
        };
        let is_text = value.as_str().is_some() || *value == Value::None;
        match option {
            "factor" if !is_text => {
                let text = "eval() arg 1 must be a string, bytes or code object";
                return Err(Failure::type_error(text));
            }
            "formula" if !is_text => {
                let text = "compile() arg 1 must be a string, bytes or AST object";
                return Err(Failure::type_error(text));
            }
            "multipliers" if !is_text => drop(value.text_with("split")?),
            _ => {}
        }
        let before = self.increment.clone();
        self.increment.retain(|(known, _)| known != option);
        if option == "increment" || !value.text().is_empty() && *value != Value::None {
            self.increment.push((option.to_owned(), stored));
        }
        match self.growth() {
            Ok(growth) => self.counting.increment = growth,
            Err(failure) => {
                self.increment = before;
                return Err(failure);
            }
        }
        Ok(self.increment(option).cloned().unwrap_or(Value::None))
    }

    /// How bans grow, by all that was said of it; `None` where they do not.
    ///
    /// # Errors
    /// Where a value cannot be used, whether bans grow or not.
    fn growth(&self) -> Result<Option<Increment>, Failure> {
        let text = |option| self.increment(option).map(Value::text);
        let seconds = |option| self.increment(option).and_then(|value| value.float().ok());
        let factor = text("factor").map_or(Ok(formula::Number::Int(1)), |text| {
            Increment::factor(&text).map_err(|error| match error {
                FactorError::Formula(error) => formula_failure(&error),
                FactorError::NoValue(error) => Failure::value_error(error.to_string()),
            })
        })?;
        let formula = text("formula").map(|text| Formula::parse(&text)).transpose();
        let multipliers = text("multipliers").unwrap_or_default();
        let words = multipliers.split(' ').filter(|_| !multipliers.is_empty());
        let increment = Increment {
            factor,
            formula: formula.map_err(|error| formula_failure(&error))?,
            multipliers: words
                .map(|word| Value::from(word).int())
                .collect::<Result<_, _>>()?,
            maxtime: seconds("maxtime"),
            rndtime: seconds("rndtime"),
            overalljails: self.increment("overalljails").is_some_and(boolean),
        };
        Ok(self
            .increment("increment")
            .is_some_and(boolean)
            .then_some(increment))
    }

    pub(crate) fn action(&self, name: &str) -> Result<&ActionBlueprint, Failure> {
        self.find_action(name)
            .ok_or_else(|| Failure::invalid_action(name))
    }

    pub(crate) fn find_action(&self, name: &str) -> Option<&ActionBlueprint> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// Makes all commands of an action none.
    pub(crate) fn clear_action(&mut self, name: &str) {
        if let Some(action) = self.actions.iter_mut().find(|action| action.name == name) {
            for property in methods::PROPERTIES {
                if let Some(initial) = methods::initial(property) {
                    action.set(property.to_owned(), initial);
                }
            }
        }
    }

    fn action_property(&self, arguments: &[Value]) -> Reply {
        let action = self.action(&action_name(arguments)?)?;
        let property = attribute(argument(arguments, 1)?)?;
        let value = action.get(property).cloned();
        let name = (property == "_name").then(|| action.name.as_str().into());
        value
            .or(name)
            .or_else(|| methods::initial(property))
            .ok_or_else(|| no_attribute(property))
    }
}

/// A formula that is none, as the reference would refuse it, but with the place of the mistake.
fn formula_failure(error: &FormulaError) -> Failure {
    if error.is_name {
        Failure::name_error(error.to_string())
    } else {
        Failure::new("builtins", "SyntaxError", [error.to_string()])
    }
}

impl ActionBlueprint {
    /// The value of a property.
    #[must_use]
    pub fn get(&self, property: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|(known, _)| known == property)
            .map(|(_, value)| value)
    }

    fn set(&mut self, property: String, value: Value) {
        match self.properties.iter_mut().find(|(known, _)| *known == property) {
            Some((_, old)) => *old = value,
            None => self.properties.push((property, value)),
        }
    }
}

/// An entry of `ignoreip` as it is shown, by which it is also known.
fn canonical(entry: &str) -> String {
    match Entry::parse(entry) {
        Ok(Some(entry)) => entry.to_string(),
        Ok(None) | Err(_) => entry.to_owned(),
    }
}

/// The name of an action, which is the first argument.
pub(crate) fn action_name(arguments: &[Value]) -> Result<String, Failure> {
    let name = argument(arguments, 0)?.hashable()?;
    // Python takes a tuple apart that it puts into a text.
    if let Value::Tuple(items) = name
        && let [only] = items.as_slice()
    {
        return Ok(only.text());
    }
    Ok(name.text())
}

/// Whether something can be the path of a log. One that is not there is waited for.
fn check_path(path: &Value) -> Result<(), Failure> {
    path.hashable()?;
    let Some(text) = path.as_str() else {
        return match path {
            // A number could be that of an open file.
            Value::Int(_) | Value::Bool(_) => Ok(()),
            Value::None
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Dict(_)
            | Value::Set(_)
            | Value::Exception(_) => Err(Failure::type_error(format!(
                "expected str, bytes or os.PathLike object, not {}",
                path.type_name()
            ))),
        };
    };
    if text.is_empty() {
        return Err(Failure::os_error(2, "No such file or directory", text));
    }
    if std::fs::metadata(text).is_ok_and(|there| there.is_dir()) {
        return Err(Failure::os_error(21, "Is a directory", text));
    }
    Ok(())
}

/// The name of an attribute, which is a text.
fn attribute(name: &Value) -> Result<&str, Failure> {
    name.as_str().ok_or_else(|| {
        Failure::type_error(format!(
            "attribute name must be string, not '{}'",
            name.type_name()
        ))
    })
}

fn no_attribute(property: &str) -> Failure {
    Failure::attribute_error(format!("'CommandAction' object has no attribute '{property}'"))
}

/// The words that mean yes; every other text means no. What is no text is what Python takes it for.
pub(crate) fn boolean(value: &Value) -> bool {
    if value.as_str().is_none() {
        return value.is_true();
    }
    matches!(value.text().to_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

pub(crate) fn argument(arguments: &[Value], index: usize) -> Result<&Value, Failure> {
    arguments.get(index).ok_or_else(Failure::missing_argument)
}

pub(crate) fn text(arguments: &[Value], index: usize) -> Result<String, Failure> {
    argument(arguments, index).map(Value::text)
}

pub(crate) fn texts(arguments: &[Value]) -> Vec<String> {
    arguments.iter().map(Value::text).collect()
}

/// The expressions to be added: one, or with `multi-set` a list, and what Python goes through as if it were one.
fn sources(arguments: &[Value], multi: bool) -> Result<Vec<String>, Failure> {
    let first = argument(arguments, 0)?;
    if !multi {
        return Ok(vec![first.searchable()?.to_owned()]);
    }
    match first {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items
            .iter()
            .map(|item| item.searchable().map(str::to_owned))
            .collect(),
        Value::Str(text) => Ok(text.chars().map(String::from).collect()),
        other @ (Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Dict(_)
        | Value::Exception(_)) => Err(not_iterable(other)),
    }
}

fn not_iterable(value: &Value) -> Failure {
    Failure::type_error(format!("'{}' object is not iterable", value.type_name()))
}

/// A time expression.
pub(crate) fn seconds(arguments: &[Value], index: usize) -> Result<Number, Failure> {
    let value = argument(arguments, index)?;
    if let Value::Int(seconds) = value {
        return Ok(Number::Int(*seconds));
    }
    if let Value::Float(seconds) = value {
        return Ok(Number::Float(*seconds));
    }
    if let Value::Bool(value) = value {
        return Ok(Number::Int(i64::from(*value)));
    }
    duration::seconds(value.searchable()?).map_err(|error| match error {
        DurationError::Syntax { message, line } => Failure::syntax_error(message, line),
        DurationError::Name { .. } => Failure::name_error(error.to_string()),
        DurationError::Arithmetic(message) if message.contains("by zero") => {
            Failure::new("builtins", "ZeroDivisionError", [message])
        }
        DurationError::Arithmetic(message) => Failure::type_error(message),
        DurationError::TooLong { .. } => value_error(error),
    })
}

/// Whole microseconds; what does not fit is as long as can be.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, which is what is meant"
)]
pub(crate) fn micros(number: Number) -> i64 {
    match number {
        Number::Int(seconds) => seconds.saturating_mul(1_000_000),
        Number::Float(seconds) => (seconds * 1e6) as i64,
    }
}

pub(crate) fn number(number: Number) -> Value {
    match number {
        Number::Int(seconds) => Value::Int(seconds),
        Number::Float(seconds) => Value::Float(seconds),
    }
}

fn value_error(error: impl std::fmt::Display) -> Failure {
    Failure::value_error(error.to_string())
}

fn regex_error(error: &RegexError) -> Failure {
    Failure::regex(error.to_string())
}

fn delete_at<T>(list: &mut Vec<T>, arguments: &[Value]) -> Result<(), Failure> {
    let index = match argument(arguments, 0)?.int() {
        // No list is that long.
        Err(failure) if failure.class == "OverflowError" => return Ok(()),
        index => index?,
    };
    if let Some(index) = usize::try_from(index).ok().filter(|&index| index < list.len()) {
        list.remove(index);
    }
    Ok(())
}

/// `key="…", max-count=N, max-time=TIME`; empty for none.
fn ignorecache(text: &str) -> Result<Option<IgnoreCache>, Failure> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let options = definition::parameters(text).map_err(value_error)?;
    let get = |name: &str| options.get(name);
    let key = get("key").ok_or_else(|| Failure::key_error("key"))?;
    let max_count = match get("max-count") {
        None => 100,
        Some(count) => usize::try_from(Value::from(count).int()?).unwrap_or(0),
    };
    let max_time_micros = match get("max-time") {
        None => 300_000_000,
        Some(time) => micros(seconds(&[time.into()], 0)?),
    };
    Ok(Some(IgnoreCache {
        key: key.to_owned(),
        max_count,
        max_time_micros,
    }))
}

#[cfg(test)]
mod tests {
    use stockade_protocol::Value;

    use super::Blueprint;

    #[test]
    fn what_the_journal_does_not_take_is_no_match() {
        let mut jail = Blueprint::new("jail", "systemd", 2026);
        let cases = [
            ("add", "X=1", "[['X=1']]"),
            ("add", "X=1 + + Y=", "[['X=1'], ['X=1'], [], ['Y=']]"),
            ("add", "word", "ValueError: Invalid match"),
            ("add", "=x", "ValueError: Invalid match"),
            ("add", "x=1", "ValueError: Invalid match"),
            ("add", "A=1 + word", "ValueError: Invalid match"),
            ("add", "", "ValueError: Invalid match"),
            ("del", "X=1", "[['X=1'], [], ['Y=']]"),
            ("del", "X=2", "ValueError: Match ['X=2'] not found"),
            ("del", "Y=", "[['X=1'], []]"),
        ];
        for (what, words, expected) in cases {
            let arguments: Vec<Value> = words.split(' ').map(Value::from).collect();
            let reply = jail.set(&format!("{what}journalmatch"), &arguments, false);
            let told = reply.map_or_else(|failure| failure.to_string(), |value| value.repr());
            assert_eq!(told, expected, "{what} {words}");
        }
    }
}
