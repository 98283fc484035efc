//! Actions: what a jail does when it bans.
//!
//! In: one definition of the value of `action`. Out: the commands that set it up.

use std::rc::Rc;

use stockade_protocol::definition::Definition;
use stockade_protocol::{Command, Value};

use crate::{
    Error, Located, Span,
    evaluate::{Evaluation, Surroundings, parameters},
    layers::Sources,
    model::{Model, Traced},
    ordered::Ordered,
    parse::Written,
    stencil::{Filled, Stencils},
    text::{join, truth, without_extension},
    vocabulary::ACTIONS,
};

/// Tags that mean something only when a ticket is there, even if the configuration has such options.
const AT_RUN_TIME: [&str; 5] = ["matches", "ipmatches", "ipjailmatches", "timeout", "bantime"];

pub(crate) enum Action {
    /// Given by files.
    Files {
        name: String,
        at: Option<Span>,
        evaluated: Box<Evaluated>,
    },
    /// Given by files, which this use shares with those of other jails.
    Shared {
        name: String,
        at: Option<Span>,
        filled: Filled,
    },
    /// A Python module; the reader passes its name and its parameters on.
    Python {
        name: String,
        at: Option<Span>,
        path: String,
        parameters: String,
    },
}

/// An action in one jail before its tags are replaced.
pub(crate) struct Evaluated {
    pub(crate) evaluation: Evaluation,
    standard: Ordered<Traced>,
    pub(crate) surroundings: Surroundings,
}

impl Evaluated {
    /// Evaluates an action; `listens` where it matters which options of the jail it asks for.
    pub(crate) fn new(
        sources: &Sources<'_>,
        model: Rc<Model>,
        parameters: Ordered<Traced>,
        jail: &Ordered<Traced>,
        listens: bool,
    ) -> Result<Self, Error> {
        let mut evaluation = Evaluation::new(model, parameters);
        let mut surroundings = evaluation.surroundings(jail);
        if listens {
            surroundings.listen();
        }
        let standard = evaluation.read_standard(sources, ACTIONS.map(|option| option.name), &surroundings)?;
        evaluation.read_init(sources, &surroundings)?;
        Ok(Self {
            evaluation,
            standard,
            surroundings,
        })
    }

    /// The options and parameters with their tags replaced.
    pub(crate) fn combined(&self, sources: &Sources<'_>) -> Result<Ordered<Traced>, Error> {
        let mut combined = self.evaluation.overlaid(self.standard.clone());
        self.evaluation
            .resolve(sources, &mut combined, &AT_RUN_TIME, &self.surroundings)?;
        Ok(combined)
    }

    /// The options of an action in their order: the resolved ones, then the parameters as they are.
    pub(crate) fn resolved(&self, combined: &Ordered<Traced>) -> Vec<(String, Traced)> {
        let resolved = combined
            .iter()
            .filter(|(name, _)| is_standard(name))
            .map(|(name, option)| {
                let option = match option.as_text().filter(|_| is_truth(name)) {
                    Some(text) => option.with(truth(text)),
                    None => option.clone(),
                };
                (name.to_owned(), option)
            });
        let raw = self
            .evaluation
            .init
            .iter()
            .filter(|(name, _)| !is_standard(name) && !name.starts_with("known/"))
            .map(|(name, option)| (name.to_owned(), option.clone()));
        resolved.chain(raw).collect()
    }
}

impl Action {
    /// An action in Python.
    pub(crate) fn python(base: &str, definition: &Definition, at: Option<Span>) -> Self {
        const ACTNAME: &str = "actname";
        let name = definition
            .get(ACTNAME)
            .unwrap_or_else(|| without_extension(&definition.name));
        let parameters = definition.parameters.iter().filter(|(name, _)| name != ACTNAME);
        let parameters: Vec<String> = parameters
            .map(|(name, value)| format!("{}: {}", json(name), json(value)))
            .collect();
        Self::Python {
            name: name.to_owned(),
            at,
            path: join(&join(base, "action.d"), &definition.name),
            parameters: format!("{{{}}}", parameters.join(", ")),
        }
    }

    /// An action whose files have been read, in a jail with all its options.
    ///
    /// `item` is the definition as it stands in the text of `source`.
    pub(crate) fn files(
        sources: &Sources<'_>,
        model: Rc<Model>,
        definition: &Definition,
        item: &str,
        source: Option<&Traced>,
        jail: &str,
        jail_options: &Ordered<Traced>,
    ) -> Result<Self, Error> {
        let at = source.and_then(|source| source.place_of(item));
        let mut parameters = parameters(sources, definition, item, source);
        let name = named(&mut parameters, &definition.name, jail, at.as_ref());
        if let Some(drawn) = Stencils::find(sources, &model, &parameters, jail_options) {
            let filled = Filled::new(drawn, parameters, jail_options);
            return Ok(Self::Shared { name, at, filled });
        }
        let evaluated = Evaluated::new(sources, model, parameters, jail_options, false)?;
        Ok(Self::Files {
            name,
            at,
            evaluated: Box::new(evaluated),
        })
    }

    /// The parameters as they are written.
    pub(crate) fn parameters(&self) -> Vec<Rc<Written>> {
        match self {
            Self::Files { evaluated, .. } => evaluated.evaluation.parameters.clone(),
            Self::Shared { .. } | Self::Python { .. } => Vec::new(),
        }
    }

    /// The name under which the jail knows it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Files { name, .. } | Self::Shared { name, .. } | Self::Python { name, .. } => name,
        }
    }

    /// What the daemon is told of an action from files.
    pub(crate) fn properties(&self, sources: &Sources<'_>) -> Result<Vec<(String, Traced)>, Error> {
        match self {
            Self::Files { evaluated, .. } => Ok(evaluated.resolved(&evaluated.combined(sources)?)),
            Self::Shared { filled, .. } => {
                let pairs = filled.pairs(sources)?.into_iter();
                Ok(pairs
                    .map(|(name, value)| (name, Traced::new(value, None)))
                    .collect())
            }
            Self::Python { .. } => Ok(Vec::new()),
        }
    }

    /// The commands that set the action up.
    pub(crate) fn commands(
        &self,
        sources: &Sources<'_>,
        jail: &str,
        commands: &mut Vec<Located<Command>>,
    ) -> Result<(), Error> {
        let mut set = |property: &str, arguments: Vec<Value>, multi: bool, at: &Option<Span>| {
            let (jail, property) = (jail.to_owned(), property.to_owned());
            commands.push(Located::new(
                Command::SetJail {
                    jail,
                    property,
                    arguments,
                    multi,
                },
                at.clone(),
            ));
        };
        match self {
            Self::Python {
                name,
                at,
                path,
                parameters,
            } => {
                let arguments = [name, path, parameters]
                    .map(|text| Value::from(text.as_str()))
                    .to_vec();
                set("addaction", arguments, false, at);
            }
            Self::Files { name, at, .. } | Self::Shared { name, at, .. } => {
                let pair = |name: String, value| Value::List(vec![name.into(), value]);
                let pairs = match self {
                    Self::Shared { filled, .. } => {
                        let pairs = filled.pairs(sources)?.into_iter();
                        pairs.map(|(name, value)| pair(name, value)).collect()
                    }
                    Self::Files { .. } | Self::Python { .. } => {
                        let properties = self.properties(sources)?.into_iter();
                        properties
                            .map(|(name, option)| pair(name, option.value.clone()))
                            .collect()
                    }
                };
                set("addaction", vec![name.as_str().into()], false, at);
                set("action", vec![name.as_str().into(), Value::List(pairs)], true, at);
            }
        }
        Ok(())
    }
}

/// Whether the daemon is sent this option resolved.
pub(crate) fn is_standard(name: &str) -> bool {
    ACTIONS.iter().any(|option| option.name == name)
}

/// Whether an option is true or false.
pub(crate) fn is_truth(name: &str) -> bool {
    ACTIONS
        .iter()
        .any(|option| option.name == name && option.kind.is_truth())
}

/// Completes the parameters by `name` and `actname` and returns the latter.
fn named(parameters: &mut Ordered<Traced>, definition: &str, jail: &str, at: Option<&Span>) -> String {
    let text = |parameters: &Ordered<Traced>, name: &str| {
        parameters
            .get(name)
            .and_then(|value| value.as_text().map(str::to_owned))
    };
    let name = text(parameters, "name").unwrap_or_else(|| {
        parameters.insert("name", Traced::new(jail, at.cloned()));
        jail.to_owned()
    });
    text(parameters, "actname").unwrap_or_else(|| {
        let actname = if name == jail {
            definition.to_owned()
        } else {
            match name.strip_prefix(jail) {
                Some(rest) => format!("{definition}{rest}"),
                None => format!("{definition}-{name}"),
            }
        };
        parameters.insert("actname", Traced::new(actname.as_str(), at.cloned()));
        actname
    })
}

/// Text as JSON in ASCII.
fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}
