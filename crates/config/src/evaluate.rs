//! What filters and actions have in common: parameters, `[Definition]`, `[Init]`, and the tags between them.
//!
//! In: the files of one filter or action, the parameters in the jail, and the options of the jail. Out: sets of
//! options, expanded and with their tags replaced.

use std::{cell::RefCell, rc::Rc};

use stockade_protocol::command::STRUCTURE;
use stockade_protocol::{Value, definition::Definition};

use crate::{
    Error,
    interpolate::{Scope, Variables, qualified},
    layers::Sources,
    model::{Model, Traced, conditional},
    options,
    ordered::Ordered,
    origin::Pieces,
    parse::Written,
    tags,
    text::{head, is_space, tail},
};

pub(crate) const DEFINITION: &str = "Definition";
const INIT: &str = "Init";

/// One use of a filter or of an action in one jail.
pub(crate) struct Evaluation {
    pub(crate) model: Rc<Model>,
    /// The parameters, then what `[Init]` adds; case counts.
    pub(crate) init: Ordered<Traced>,
    /// The parameters that are written.
    pub(crate) parameters: Vec<Rc<Written>>,
    /// What a tag outside the set stands for, once it has been looked up.
    found: RefCell<Ordered<Option<Traced>>>,
}

/// The options of the jail and the init map, which win over what the files say.
pub(crate) struct Surroundings {
    /// With their types and in their spelling.
    exact: Ordered<Traced>,
    /// As text under lower-case names, as `%(name)s` sees them.
    variables: Variables,
}

impl Surroundings {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Traced> {
        self.variables.note(name);
        self.exact.get(name)
    }

    /// From now on remembers what is asked for.
    pub(crate) fn listen(&mut self) {
        self.variables.listen();
    }

    /// The names that have been asked for, found or not.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.variables.asked()
    }
}

/// The parameters of a definition that stands somewhere in the text of `source`.
///
/// Where each of them stands is looked for only if somebody wants to know.
pub(crate) fn parameters(
    sources: &Sources<'_>,
    definition: &Definition,
    item: &str,
    source: Option<&Traced>,
) -> Ordered<Traced> {
    let mut parameters = Ordered::default();
    for (name, value) in &definition.parameters {
        let parameter = match source {
            Some(source) if sources.is_tracing() => parameter(item, name, value, source),
            _ => Traced::new(value.as_str(), source.and_then(|source| source.at.clone())),
        };
        parameters.insert(name.as_str(), parameter);
    }
    parameters
}

/// One parameter, with its place in the text of `source`.
fn parameter(item: &str, name: &str, value: &str, source: &Traced) -> Traced {
    let begins = source.as_text().and_then(|text| {
        let item_at = text.find(item)?;
        let (name_at, value_at) = value_of(item, name, value)?;
        Some((item_at + name_at, item_at + value_at))
    });
    let place = |byte: Option<usize>| byte.map_or_else(|| source.at.clone(), |byte| source.place(byte));
    let (name_at, at) = (
        place(begins.map(|(name, _)| name)),
        place(begins.map(|(_, value)| value)),
    );
    let written = name_at
        .zip(at)
        .map(|(name_at, at)| Rc::new(Written::within(name, value, name_at, at)));
    let pieces = begins.map(|(_, byte)| {
        let mut pieces = Pieces::default();
        pieces.add(0, source, byte..byte + value.len());
        Rc::new(pieces)
    });
    Traced::of(value.into(), source.at.clone(), written, pieces)
}

/// Where a parameter and its value begin in a definition: the last `NAME=` that is followed by the value.
fn value_of(item: &str, name: &str, value: &str) -> Option<(usize, usize)> {
    let brackets = item.find('[')?;
    let written = format!("{name}=");
    let inside = tail(item, brackets);
    let places = inside.match_indices(written.as_str()).filter_map(|(at, _)| {
        let is_name = head(inside, at).ends_with(|c: char| matches!(c, '[' | ',') || is_space(c));
        let from = at + written.len();
        // A quote that is not closed is part of the value.
        let is_skipped = |c: char| is_space(c) || (matches!(c, '"' | '\'') && !value.starts_with(c));
        let skipped = tail(inside, from).find(|c: char| !is_skipped(c)).unwrap_or(0);
        let found = tail(inside, from + skipped).starts_with(value) || value.is_empty();
        (is_name && found).then_some((brackets + at, brackets + from + skipped))
    });
    places.last()
}

impl Evaluation {
    pub(crate) fn new(model: Rc<Model>, parameters: Ordered<Traced>) -> Self {
        Self {
            model,
            parameters: parameters
                .iter()
                .filter_map(|(_, parameter)| parameter.written.clone())
                .collect(),
            init: parameters,
            found: RefCell::default(),
        }
    }

    /// The options of the jail, overlaid by what the init map has by now.
    pub(crate) fn surroundings(&self, jail: &Ordered<Traced>) -> Surroundings {
        let exact = self.overlaid(jail.clone());
        let variables = Variables::of(&exact);
        Surroundings { exact, variables }
    }

    /// Reads those of the named options of `[Definition]` that the surroundings do not give.
    pub(crate) fn read_standard<'n>(
        &self,
        sources: &Sources<'_>,
        names: impl IntoIterator<Item = &'n str>,
        surroundings: &Surroundings,
    ) -> Result<Ordered<Traced>, Error> {
        let scope = Scope::new(&self.model, DEFINITION, Some(&surroundings.variables), sources);
        let mut options = Ordered::default();
        for name in names.into_iter().filter(|name| !surroundings.has(name)) {
            match &scope {
                // The reference complains once for each option, and knows none of these.
                None if STRUCTURE.contains(&name) => {}
                None => {
                    options::no_section(sources, DEFINITION);
                    options.insert(name, Traced::new(Value::None, None));
                }
                Some(scope) => {
                    if let Some(value) = sources.go_on(scope.read(name))?.flatten() {
                        options.insert(name, value);
                    }
                }
            }
        }
        Ok(options)
    }

    /// Adds the options of `[Init]` to the init map: each as `known/NAME`, and as NAME unless there is one.
    pub(crate) fn read_init(
        &mut self,
        sources: &Sources<'_>,
        surroundings: &Surroundings,
    ) -> Result<(), Error> {
        let model = Rc::clone(&self.model);
        let Some(scope) = Scope::new(&model, INIT, None, sources) else {
            return Ok(());
        };
        for option in model.own_options(INIT) {
            let value = scope.evaluate(option).and_then(|value| {
                value.ok_or_else(|| Error::NoOption {
                    at: model
                        .section(INIT)
                        .and_then(|init| init.options.get(option))
                        .and_then(|entry| entry.current.at.clone()),
                    section: INIT.to_owned(),
                    option: option.to_lowercase(),
                })
            });
            let Some(value) = sources.go_on(value)? else {
                continue;
            };
            self.init.insert(format!("known/{option}"), value.clone());
            // A plain parameter overrides what the file says under a condition, too.
            let value = base(option)
                .and_then(|base| surroundings.get(base))
                .cloned()
                .unwrap_or(value);
            if !self.init.contains(option) {
                self.init.insert(option, value);
            }
        }
        Ok(())
    }

    /// A set overlaid by the init map.
    pub(crate) fn overlaid(&self, mut set: Ordered<Traced>) -> Ordered<Traced> {
        for (name, value) in self.init.shared() {
            set.insert(Rc::clone(name), value.clone());
        }
        set
    }

    /// Replaces the tags of a set.
    pub(crate) fn resolve(
        &self,
        sources: &Sources<'_>,
        set: &mut Ordered<Traced>,
        ignored: &[&str],
        surroundings: &Surroundings,
    ) -> Result<(), Error> {
        // What depends on a condition can be resolved only when the condition is known.
        let conditional: Vec<String> = set.names().filter_map(base).map(str::to_owned).collect();
        let is_ignored = |name: &str| ignored.contains(&name) || conditional.iter().any(|base| base == name);
        let mut fallback = |name: &str| {
            if let Some(found) = self.found.borrow().get(name) {
                return Ok(found.clone());
            }
            let found = self.look_up(sources, name, surroundings)?;
            self.found.borrow_mut().insert(name, found.clone());
            Ok(found)
        };
        tags::resolve(set, is_ignored, &mut fallback, sources)
    }

    /// The tags that have been looked for outside the set.
    pub(crate) fn tags_outside(&self) -> Vec<String> {
        self.found.borrow().names().map(str::to_owned).collect()
    }

    /// What a tag outside the set stands for.
    fn look_up(
        &self,
        sources: &Sources<'_>,
        name: &str,
        surroundings: &Surroundings,
    ) -> Result<Option<Traced>, Error> {
        let text = |found: Option<Traced>| found.filter(|found| found.as_text().is_some());
        if let Some((section, option)) = qualified(name) {
            let scope = |section| Scope::new(&self.model, section, None, sources);
            let found = if section.eq_ignore_ascii_case("known") {
                let known = match Scope::known_definition(&self.model, sources) {
                    Some(scope) => scope.read(option)?,
                    None => None,
                };
                match (known, scope(DEFINITION)) {
                    (None, Some(definition)) => definition.read(option)?,
                    (known, _) => known,
                }
            } else if section.eq_ignore_ascii_case("default") {
                Scope::defaults(&self.model, sources).read(option)?
            } else {
                match scope(section) {
                    Some(scope) => scope.read(option)?,
                    None => None,
                }
            };
            if let Some(found) = text(found) {
                return Ok(Some(found));
            }
        }
        let Some(scope) = Scope::new(&self.model, DEFINITION, Some(&surroundings.variables), sources) else {
            return Ok(None);
        };
        Ok(text(scope.read(name)?))
    }
}

/// The option that a conditional one is a variant of.
fn base(name: &str) -> Option<&str> {
    conditional(name).map(|(base, _)| base)
}
