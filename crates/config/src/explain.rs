//! Where the options of one jail come from.
//!
//! In: a jail that has been read. Out: each of its options with its final value, the place it is written in, what that
//! place has replaced, and every reference that was followed on the way.

use std::{collections::HashMap, rc::Rc};

use stockade_protocol::Value;

use crate::{
    Error, Span, Step, Switch,
    action::Action,
    available::{self, Evidence},
    interpolate::Scope,
    jail::{self, Jail},
    layers::Sources,
    model::{Entry, Model, Traced},
    parse::DEFAULT,
    vocabulary::{Group, Vocabulary},
};

/// A jail, option by option.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The jail.
    pub jail: String,
    /// Where its section is first opened.
    pub at: Option<Span>,
    /// Whether it is enabled; all the rest is as if it were.
    pub is_enabled: bool,
    /// Its options, then those of its filter, of its actions, and the variables.
    pub options: Vec<Explained>,
    /// The files that are read because others include them, and the option that does it.
    pub includes: Vec<(String, Span)>,
}

/// One option.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// Its final value.
    pub value: Value,
    /// Where it is written; `None` where Stockade itself gives it.
    pub written: Option<Passage>,
    /// The references in it, each with what it leads to.
    pub steps: Vec<(Step, Option<Passage>)>,
}

/// Who reads an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The jail itself.
    Jail,
    /// Its filter, under this name.
    Filter(String),
    /// One of its actions, under this name.
    Action(String),
    /// Nobody but other options, which refer to it; and whether the jail itself has it, not `[DEFAULT]`.
    Variable {
        /// It stands in the section of the jail.
        is_own: bool,
    },
}

/// An option as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The place of its value.
    pub at: Span,
    /// The section.
    pub section: String,
    /// The option.
    pub option: String,
    /// The value as it is written.
    pub text: String,
    /// What would count if this did not stand there, nearest first.
    pub replaced: Vec<Replaced>,
}

/// A value that does not count.
#[derive(Debug, Clone, PartialEq)]
pub struct Replaced {
    /// Its place.
    pub at: Span,
    /// The section.
    pub section: String,
    /// The value as it is written.
    pub text: String,
}

/// Explains a jail of a model.
pub(crate) fn explain(sources: &Sources<'_>, model: &mut Model, name: &str) -> Result<Explanation, Error> {
    let jail = match jail::read(sources, model, name, Some(&jail::Overlay::default()))? {
        jail::Section::Jail(jail) => jail,
        jail::Section::Off => {
            return Err(Error::NoSection {
                section: name.to_owned(),
            });
        }
        jail::Section::Bad(reason) => {
            return Err(Error::Jail {
                at: model.section(name).and_then(|section| section.at.clone()),
                jail: name.to_owned(),
                reason,
            });
        }
    };
    let is_enabled = match jail::switch_of(&jail.options) {
        Switch::On => true,
        Switch::Off => false,
        Switch::Auto => match available::evidence(sources, model, name, &jail.options)? {
            Evidence::Found(_) => true,
            Evidence::Nothing => false,
            Evidence::AskFilter => available::of_filter(sources, jail.filter.as_ref())?.is_some(),
        },
    };
    let mut found = Vec::new();
    of_jail(&jail, &mut found);
    of_filter(sources, &jail, &mut found)?;
    of_actions(sources, &jail, &mut found)?;
    variables(sources, model, &jail, &mut found)?;
    // What the reader itself has put into the jail since then stands in no file.
    let loaded = sources.loaded();
    let passages = Passages::new(&loaded);
    let options = found
        .into_iter()
        .map(|(owner, name, traced)| {
            let written = traced.at.as_ref().and_then(|at| passages.get(at));
            let steps = traced.via.iter().cloned().map(|step| {
                let passage = step.at.as_ref().and_then(|at| passages.get(at));
                (step, passage)
            });
            Explained {
                owner,
                name,
                value: traced.value.clone(),
                written,
                steps: steps.collect(),
            }
        })
        .collect();
    Ok(Explanation {
        jail: jail.name.clone(),
        at: jail.at.clone(),
        is_enabled,
        options,
        includes: loaded.iter().flat_map(|model| model.includes.clone()).collect(),
    })
}

type Found = Vec<(Owner, String, Traced)>;

fn of_jail(jail: &Jail, found: &mut Found) {
    for (name, option) in jail.options.iter() {
        found.push((Owner::Jail, name.to_owned(), option.clone()));
    }
}

fn of_filter(sources: &Sources<'_>, jail: &Jail, found: &mut Found) -> Result<(), Error> {
    let Some(filter) = &jail.filter else { return Ok(()) };
    let resolved = filter.resolved(sources)?;
    for name in Vocabulary::Filter.options() {
        if let Some(option) = resolved.get(name).filter(|option| option.value != Value::None) {
            found.push((
                Owner::Filter(filter.name.clone()),
                name.to_owned(),
                option.clone(),
            ));
        }
    }
    Ok(())
}

fn of_actions(sources: &Sources<'_>, jail: &Jail, found: &mut Found) -> Result<(), Error> {
    for action in &jail.actions {
        match action {
            Action::Files { name, .. } | Action::Shared { name, .. } => {
                for (option, traced) in action.properties(sources)? {
                    found.push((Owner::Action(name.clone()), option, traced));
                }
            }
            Action::Python {
                name, at, parameters, ..
            } => {
                let traced = Traced::new(parameters.as_str(), at.clone());
                found.push((Owner::Action(name.clone()), "parameters".to_owned(), traced));
            }
        }
    }
    Ok(())
}

/// What the section and `[DEFAULT]` say besides the options of the jail; what cannot be expanded is left out.
fn variables(sources: &Sources<'_>, model: &Model, jail: &Jail, found: &mut Found) -> Result<(), Error> {
    let Some(scope) = Scope::new(model, &jail.name, None, sources) else {
        return Ok(());
    };
    let own = model.own_options(&jail.name).map(|name| (name, true));
    let defaults = model.defaults.names().map(|name| (name, false));
    for (name, is_own) in own.chain(defaults) {
        let is_variable = !name.starts_with("known/")
            && !jail::is_option(name)
            && !Vocabulary::Filter.has(Group::Read, name)
            && (is_own || !model.own_options(&jail.name).any(|own| own == name));
        if !is_variable {
            continue;
        }
        match scope.read(name) {
            Ok(Some(option)) => found.push((Owner::Variable { is_own }, name.to_owned(), option)),
            Err(error @ Error::Limit { .. }) => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(())
}

/// Every option of every file that has been read, by its place.
struct Passages(HashMap<Span, Passage>);

impl Passages {
    fn new(loaded: &[Rc<Model>]) -> Self {
        let mut passages = Self(HashMap::new());
        for model in loaded {
            passages.add_model(model);
        }
        passages
    }

    fn add_model(&mut self, model: &Model) {
        for (name, entry) in model.defaults.iter() {
            self.add(DEFAULT, name, entry, None);
        }
        for section in model.section_names() {
            let options = model
                .section(section)
                .into_iter()
                .flat_map(|section| section.options.iter());
            for (name, entry) in options {
                self.add(section, name, entry, model.defaults.get(name));
            }
        }
    }

    /// Adds an option in all its layers, the latest of which counts.
    fn add(&mut self, section: &str, option: &str, entry: &Entry, default: Option<&Entry>) {
        let layers = || std::iter::once(&entry.current).chain(entry.earlier.iter().rev());
        let below = || {
            layers()
                .map(|layer| (section, layer))
                .chain(default.map(|default| (DEFAULT, &default.current)))
        };
        for (position, layer) in layers().enumerate() {
            let Some(at) = &layer.at else { continue };
            let replaced = below().skip(position + 1).filter_map(|(section, layer)| {
                Some(Replaced {
                    at: layer.at.clone()?,
                    section: section.to_owned(),
                    text: layer.as_text()?.to_owned(),
                })
            });
            let passage = Passage {
                at: at.clone(),
                section: section.to_owned(),
                option: option.to_owned(),
                text: layer.as_text().unwrap_or_default().to_owned(),
                replaced: replaced.collect(),
            };
            self.0.entry(at.clone()).or_insert(passage);
        }
    }

    fn get(&self, at: &Span) -> Option<Passage> {
        self.0.get(at).cloned()
    }
}
