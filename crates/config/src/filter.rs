//! Filters: evaluated twice, before and after the options of the jail are read.
//!
//! In: the value of `filter`. Out of the first pass: what the jail sees as `known/…`. Out of the second: the options
//! that are sent.

use std::rc::Rc;

use stockade_protocol::command::STRUCTURE;
use stockade_protocol::definition::Definition;
use stockade_protocol::{Command, Value};

use crate::{
    Error, Level, Located,
    evaluate::{DEFINITION, Evaluation, Surroundings, parameters},
    interpolate::Scope,
    layers::Sources,
    log::READER,
    model::{Model, Traced},
    ordered::Ordered,
    parse::Written,
    text::{integer, quote},
    vocabulary::FILTERS,
    words,
};

/// The names of the options that the daemon understands, in their order.
fn names() -> [&'static str; FILTERS.len()] {
    FILTERS.map(|option| option.name)
}

pub(crate) struct Filter {
    /// Its name in the definition.
    pub(crate) name: String,
    evaluation: Evaluation,
    /// The second pass: what `[Definition]` gives, and the surroundings it was read in.
    second: Option<(Ordered<Traced>, Surroundings)>,
}

impl Filter {
    /// Prepares a filter whose files have been read.
    ///
    /// `text` is the definition as it stands in the text of `source`.
    pub(crate) fn new(
        sources: &Sources<'_>,
        model: Rc<Model>,
        definition: &Definition,
        text: &str,
        backend: &str,
        source: Option<&Traced>,
    ) -> Self {
        const LOGTYPE: &str = "logtype";
        let mut parameters = parameters(sources, definition, text, source);
        let given = definition.get(LOGTYPE).is_some_and(|value| !value.is_empty());
        let defined = model
            .section(DEFINITION)
            .is_some_and(|section| section.options.contains(LOGTYPE));
        if !given && !defined {
            let logtype = if backend.starts_with("systemd") {
                "journal"
            } else {
                "file"
            };
            parameters.insert(LOGTYPE, Traced::new(logtype, None));
        }
        Self {
            name: definition.name.clone(),
            evaluation: Evaluation::new(model, parameters),
            second: None,
        }
    }

    /// The first pass, with `enabled`, `backend` and `filter` of the jail: all options the jail sees as `known/…`.
    pub(crate) fn first_pass(
        &mut self,
        sources: &Sources<'_>,
        jail: &Ordered<Traced>,
    ) -> Result<Ordered<Traced>, Error> {
        let surroundings = self.evaluation.surroundings(jail);
        let mut set = self.evaluation.read_standard(sources, names(), &surroundings)?;
        self.evaluation.read_init(sources, &surroundings)?;
        let model = Rc::clone(&self.evaluation.model);
        if let Some(scope) = Scope::new(&model, DEFINITION, None, sources) {
            for name in model.own_options(DEFINITION) {
                if set.contains(name) {
                    continue;
                }
                if let Some(value) = sources.go_on(scope.evaluate(name))?.flatten() {
                    set.insert(name, value);
                }
            }
        }
        let mut set = self.evaluation.overlaid(set);
        self.evaluation.resolve(sources, &mut set, &[], &surroundings)?;
        convert(sources, &mut set);
        Ok(set)
    }

    /// The second pass, with all options of the jail.
    pub(crate) fn second_pass(&mut self, sources: &Sources<'_>, jail: &Ordered<Traced>) -> Result<(), Error> {
        let surroundings = self.evaluation.surroundings(jail);
        let set = self.evaluation.read_standard(sources, names(), &surroundings)?;
        self.second = Some((set, surroundings));
        Ok(())
    }

    /// The parameters as they are written.
    pub(crate) fn parameters(&self) -> Vec<Rc<Written>> {
        self.evaluation.parameters.clone()
    }

    /// What the second pass gives: the options of the filter, and everything that is known by its parameters.
    pub(crate) fn resolved(&self, sources: &Sources<'_>) -> Result<Ordered<Traced>, Error> {
        let Some((set, surroundings)) = &self.second else {
            return Ok(Ordered::default());
        };
        let mut set = self.evaluation.overlaid(set.clone());
        self.evaluation.resolve(sources, &mut set, &[], surroundings)?;
        convert(sources, &mut set);
        Ok(set)
    }

    /// The commands of a filter that belongs to no jail; one pass does.
    pub(crate) fn alone(
        &mut self,
        sources: &Sources<'_>,
        jail: &str,
        commands: &mut Vec<Located<Command>>,
    ) -> Result<(), Error> {
        let surroundings = self.evaluation.surroundings(&Ordered::default());
        let set = self.evaluation.read_standard(sources, names(), &surroundings)?;
        self.evaluation.read_init(sources, &surroundings)?;
        self.second = Some((set, surroundings));
        self.commands(sources, jail, commands)
    }

    /// What the filter is evaluated with before its parameters, as `fail2ban-regex` shows it; `datepattern` where
    /// the jail has one.
    pub(crate) fn shown_options(&self, datepattern: Option<&Traced>) -> Vec<(String, Value)> {
        let written = |name: &str| {
            let section = self.evaluation.model.section(DEFINITION)?;
            Some(section.options.get(name)?.current.value.clone())
        };
        let logtype = self
            .evaluation
            .init
            .get("logtype")
            .map(|logtype| logtype.value.clone());
        let of_filter = || Some(self.second.as_ref()?.0.get("datepattern")?.value.clone());
        let datepattern = datepattern
            .map(|pattern| pattern.value.clone())
            .or_else(of_filter);
        let options = [
            ("logtype", logtype.or_else(|| written("logtype"))),
            (
                "datepattern",
                datepattern.filter(|pattern| *pattern != Value::None),
            ),
        ];
        options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// The parameters and what `[Init]` adds to them.
    pub(crate) fn typed_parameters(&self) -> impl Iterator<Item = (String, Value)> {
        self.evaluation
            .init
            .iter()
            .map(|(name, option)| (name.to_owned(), typed(name, &option.value)))
    }

    /// The commands of the second pass.
    pub(crate) fn commands(
        &self,
        sources: &Sources<'_>,
        jail: &str,
        commands: &mut Vec<Located<Command>>,
    ) -> Result<(), Error> {
        let set = self.resolved(sources)?;
        add_commands(
            jail,
            set.iter().filter(|(_, option)| option.value != Value::None),
            commands,
        )
    }
}

/// A parameter with its type, which only `maxlines` has.
pub(crate) fn typed(name: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if name == "maxlines" => integer(text).unwrap_or(Value::None),
        Some(_) | None => value.clone(),
    }
}

/// Gives `maxlines` its type.
fn convert(sources: &Sources<'_>, set: &mut Ordered<Traced>) {
    const MAXLINES: &str = "maxlines";
    if let Some(maxlines) = set.get_mut(MAXLINES)
        && let Some(text) = maxlines.as_text()
    {
        let number = integer(text);
        if number.is_none() {
            let (text, option) = (quote(text), quote(MAXLINES));
            let text = format!("Wrong int value {text} for {option}. Using default one: None");
            sources.log.add(Level::Warning, READER, text);
        }
        *maxlines = maxlines.with(number.unwrap_or(Value::None));
    }
}

/// Adds the commands of filter options: three of them go to the front, for the others depend on them.
pub(crate) fn add_commands<'o>(
    jail: &str,
    options: impl IntoIterator<Item = (&'o str, &'o Traced)>,
    commands: &mut Vec<Located<Command>>,
) -> Result<(), Error> {
    let mut in_front = 0;
    for (name, option) in options {
        let set = |property: &str, arguments: Vec<Value>, multi: bool| {
            let (jail, property) = (jail.to_owned(), property.to_owned());
            Located::new(
                Command::SetJail {
                    jail,
                    property,
                    arguments,
                    multi,
                },
                option.at.clone(),
            )
        };
        let lines = || {
            option
                .as_text()
                .unwrap_or_default()
                .split('\n')
                .filter(|line| !line.is_empty())
        };
        match name {
            "usedns" | "prefregex" | "maxlines" => {
                let position = if name == "usedns" { 0 } else { in_front };
                commands.insert(position, set(name, vec![option.value.clone()], false));
                in_front += 1;
            }
            "failregex" | "ignoreregex" => {
                let mut patterns: Vec<Value> = lines().map(Value::from).collect();
                let property = format!("add{name}");
                let several = patterns.len() > 1;
                if several {
                    patterns = vec![Value::List(patterns)];
                }
                if !patterns.is_empty() {
                    let command = set(&property, patterns, several);
                    commands.push(command.with_parts(option.places_of(lines())));
                }
            }
            "datepattern" => commands.push(set(name, vec![option.value.clone()], false)),
            _ if STRUCTURE.contains(&name) => commands.push(set(name, vec![option.value.clone()], false)),
            "journalmatch" => {
                for line in lines() {
                    let words = words::split(line, option.at.as_ref())?;
                    commands.push(set(
                        "addjournalmatch",
                        words.into_iter().map(Value::from).collect(),
                        false,
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
