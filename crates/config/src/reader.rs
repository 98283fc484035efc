//! The whole way, from a directory to the list of commands.
//!
//! In: a base directory and what the command line says. Out: [`EarlySettings`], then a [`Stream`].
//!
//! Invariant: every file is read at most once in the life of a reader, so a client call sees one state of it.

use stockade_protocol::Command;

use crate::{
    Available, EarlySettings, Error, Explanation, Files, Level, Located, Overrides, Record,
    available::{self, Evidence},
    dump::dump,
    explain::explain,
    jail::{self, Section},
    layers::Sources,
    log::{GENERAL, JAIL, JAILS},
    model::{Model, Traced},
    options,
    server::{self, General},
};

/// What the configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `start` and `reload`: a jail without a log file waits for one.
    Start,
    /// `-d`.
    Dump,
    /// `-t`: a jail without a log file is a mistake.
    Test,
    /// `-d -t`.
    DumpAndTest,
}

impl Mode {
    /// Whether jails that are bad make the configuration so.
    fn is_test(self) -> bool {
        match self {
            Self::Test | Self::DumpAndTest => true,
            Self::Start | Self::Dump => false,
        }
    }
}

/// How the reading has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The commands can be used; some jails may be skipped, which a command each says.
    Usable {
        /// How many jails are skipped because of mistakes.
        bad_jails: usize,
    },
    /// All jails that are enabled are bad; nothing is to be started.
    NoGoodJail,
    /// A mistake after which there are no commands at all.
    Failed(Error),
}

/// The configuration as the daemon is told it.
#[derive(Debug)]
pub struct Stream {
    /// The commands, in order.
    pub commands: Vec<Located<Command>>,
    /// What is to be logged about them.
    pub log: Vec<Record>,
    /// Whether they can be used.
    pub outcome: Outcome,
    /// The jails that are on by themselves, and for what.
    pub automatic: Vec<(String, String)>,
    mode: Mode,
}

impl Stream {
    /// Whether the daemon may be told the commands.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.outcome, Outcome::Usable { .. })
    }

    /// Whether the test of the configuration is successful.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self.outcome, Outcome::Usable { bad_jails: 0 })
    }

    /// What the reference's client prints for `-d`, `--dp` and `-t`, and its exit status.
    #[must_use]
    pub fn report(&self, is_pretty: bool) -> (String, u8) {
        let mut text = Vec::new();
        let dumps = match self.mode {
            Mode::Dump | Mode::DumpAndTest => true,
            Mode::Start | Mode::Test => false,
        };
        if dumps {
            if let Outcome::Failed(_) = self.outcome {
                text.extend(b"ERROR: The configuration stream failed because of the invalid syntax.\n");
            }
            for command in &self.commands {
                dump(&command.value, is_pretty, &mut text);
                text.push(b'\n');
            }
        }
        let good = if self.mode.is_test() {
            let verdict = if self.passes() {
                "OK: configuration test is successful\n"
            } else {
                "ERROR: test configuration failed\n"
            };
            text.extend_from_slice(verdict.as_bytes());
            self.passes()
        } else {
            self.is_usable()
        };
        let text = String::from_utf8(text).expect("literals are text");
        (text, if good { 0 } else { 255 })
    }
}

/// Reads one configuration.
pub struct Reader<'a> {
    sources: Sources<'a>,
    version: String,
    variables: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    /// A reader of the files below a base directory.
    ///
    /// `version` is what `fail2ban_version` stands for; `variables` are further values for the `[DEFAULT]` of the
    /// jails, which win over what is written there.
    #[must_use]
    pub fn new(files: &'a dyn Files, base: &str, version: &str, variables: &[(String, String)]) -> Self {
        Self {
            sources: Sources::new(files, base),
            version: version.to_owned(),
            variables: variables.to_vec(),
        }
    }

    /// What must be known before anything is done.
    ///
    /// # Errors
    ///
    /// Where `fail2ban.conf` cannot be read or used. The reference then prints `ERROR: ` and the error.
    pub fn early(&self, overrides: &Overrides) -> Result<EarlySettings, Error> {
        server::early(&self.sources, overrides)
    }

    /// What there is to log since the last time.
    pub fn take_log(&self) -> Vec<Record> {
        self.sources.log.take()
    }

    /// Reads everything, or of the jails only the named one.
    #[must_use]
    pub fn read(&self, early: &EarlySettings, mode: Mode, only_jail: Option<&str>) -> Stream {
        let mut automatic = Vec::new();
        let result = self.commands(early, mode, only_jail, &mut automatic);
        let (commands, outcome) = result.unwrap_or_else(|error| {
            self.sources.log.add(
                Level::Error,
                GENERAL,
                format!("Failed during configuration: {error}"),
            );
            (Vec::new(), Outcome::Failed(error))
        });
        Stream {
            commands,
            log: self.sources.log.take(),
            outcome,
            automatic,
            mode,
        }
    }

    /// The sections that can be jails, in their order; most of a stock configuration are not enabled.
    ///
    /// # Errors
    ///
    /// Where the files of the jails cannot be read or used.
    pub fn jail_names(&self) -> Result<Vec<String>, Error> {
        Ok(
            jail_sections(&jails(&self.sources, &self.version, &self.variables)?)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// All jails that the configuration knows, in their order, with what there is for each on this machine.
    ///
    /// # Errors
    ///
    /// Where the files of the jails cannot be read or used.
    pub fn available(&self) -> Result<Vec<Available>, Error> {
        let sources = &self.sources;
        let mut model = self.jails()?;
        let names: Vec<String> = jail_sections(&model).map(str::to_owned).collect();
        let mut jails = Vec::new();
        for name in names {
            let first = options::read(sources, &model, &name, &jail::FIRST)?;
            let found = match available::evidence(sources, &model, &name, &first) {
                Ok(Evidence::Found(thing)) => Some(thing),
                // Of a jail that cannot be read nothing is known; to say why is not asked for here.
                Ok(Evidence::Nothing) | Err(_) => None,
                Ok(Evidence::AskFilter) => {
                    match jail::read(sources, &mut model, &name, Some(&jail::Overlay::default())) {
                        Ok(Section::Jail(jail)) => available::of_filter(sources, jail.filter.as_ref())?,
                        Ok(Section::Off | Section::Bad(_)) | Err(_) => None,
                    }
                }
            };
            let switch = jail::switch_of(&first);
            jails.push(Available {
                jail: name,
                switch,
                found,
            });
        }
        Ok(jails)
    }

    /// Explains where the options of a jail come from, enabled or not.
    ///
    /// # Errors
    ///
    /// Where there is no such jail, or where it or the files of the jails cannot be read or used.
    pub fn explain(&self, jail: &str) -> Result<Explanation, Error> {
        self.sources.trace();
        let mut model = jails(&self.sources, &self.version, &self.variables)?;
        if !model.has_section(jail) {
            return Err(Error::NoSection {
                section: jail.to_owned(),
            });
        }
        explain(&self.sources, &mut model, jail)
    }

    fn commands(
        &self,
        early: &EarlySettings,
        mode: Mode,
        only_jail: Option<&str>,
        automatic: &mut Vec<(String, String)>,
    ) -> Result<(Vec<Located<Command>>, Outcome), Error> {
        let sources = &self.sources;
        let general = sources
            .model("fail2ban")?
            .ok_or(Error::Unreadable { what: "fail2ban" })?;
        let mut model = jails(sources, &self.version, &self.variables)?;
        // Every file is read before any option is looked at, so the mistakes of files come first.
        let general = General::read(sources, &general)?;
        let names: Vec<String> = match only_jail {
            Some(name) if model.has_section(name) => vec![name.to_owned()],
            Some(name) => {
                return Err(Error::NoSection {
                    section: name.to_owned(),
                });
            }
            None => jail_sections(&model).map(str::to_owned).collect(),
        };
        let mut jails = Vec::new();
        for name in names {
            match jail::read(sources, &mut model, &name, None)? {
                Section::Off => {}
                Section::Jail(jail) => {
                    if let Some(thing) = &jail.because {
                        let text = format!("Jail '{name}' is on by itself, for there is {thing}");
                        sources.log.add(Level::Info, JAIL, text);
                        automatic.push((name, thing.clone()));
                    }
                    jails.push(Ok(jail));
                }
                Section::Bad(reason) => {
                    let rest = if mode.is_test() { "" } else { " Skipping..." };
                    sources
                        .log
                        .add(Level::Error, JAILS, format!("Errors in jail '{name}'.{rest}"));
                    let at = model.section(&name).and_then(|section| section.at.clone());
                    let text = format!("Jail '{name}' skipped, because of wrong configuration: {reason}");
                    jails.push(Err(Located::new(Command::ConfigError(text), at)));
                }
            }
        }
        let bad_jails = jails.iter().filter(|jail| jail.is_err()).count();
        let outcome = if bad_jails > 0 && bad_jails == jails.len() {
            Outcome::NoGoodJail
        } else {
            Outcome::Usable { bad_jails }
        };
        let mut commands = general.commands(early);
        let mut starts = Vec::new();
        for jail in jails {
            let jail = match jail {
                Ok(jail) => jail,
                Err(error) => {
                    commands.push(error);
                    continue;
                }
            };
            let at = jail.at.clone();
            match jail.commands(sources, mode)? {
                Some(own) => {
                    commands.extend(own);
                    starts.push(Located::new(Command::Start(jail.name.clone()), at));
                }
                None => commands.push(Located::new(Command::ConfigError(jail::skipped(&jail.name)), at)),
            }
        }
        commands.append(&mut starts);
        Ok((commands, outcome))
    }

    pub(crate) const fn sources(&self) -> &Sources<'a> {
        &self.sources
    }

    /// The merged jail files with the built-in variables.
    pub(crate) fn jails(&self) -> Result<Model, Error> {
        jails(&self.sources, &self.version, &self.variables)
    }
}

/// The merged jail files with the built-in variables.
pub(crate) fn jails(
    sources: &Sources<'_>,
    version: &str,
    variables: &[(String, String)],
) -> Result<Model, Error> {
    let model = sources
        .model("jail")?
        .ok_or(Error::Unreadable { what: "jails" })?;
    let mut model = Model::clone(&model);
    let builtin = [
        ("fail2ban_version", version),
        ("fail2ban_confpath", sources.base.as_str()),
    ];
    let given = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in builtin.into_iter().chain(given) {
        model.set_default(name, Traced::new(value, None));
    }
    Ok(model)
}

/// The sections of the jail files that are jails, or could be.
fn jail_sections(model: &Model) -> impl Iterator<Item = &str> {
    model.section_names().filter(|name| *name != "INCLUDES")
}
