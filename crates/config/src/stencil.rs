//! Actions that many jails use alike: evaluated once, with holes where the jails differ.
//!
//! In: the files of an action, the parameters of one use and the options of its jail. Out: the options that the
//! daemon is sent, or nothing where this use has to be evaluated by itself.
//!
//! Invariant: what comes out is what the evaluation of this very use gives. A value is a hole only if nothing in it
//! can be taken for a reference or a tag, and only if no decision depended on it; whatever of the jail the
//! evaluation has asked for otherwise must be the same, and so must be what it has asked for in vain.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use stockade_protocol::Value;

use crate::{
    Error,
    action::{Evaluated, is_truth},
    evaluate::DEFINITION,
    layers::Sources,
    model::{Model, Traced},
    ordered::Ordered,
    text::tail,
};

/// Where the characters begin that stand for holes: a plane for private use, which no configuration needs.
const FIRST_HOLE: u32 = 0xf_0000;
/// How many holes there may be; a stock action has about thirty parameters and options around it.
const HOLES: usize = 1000;
/// The longest value for a hole, in bytes.
const VALUE: usize = 1024;
/// The longest text with holes, in bytes, and how many holes it may have: far from where texts are refused.
const TEXT: usize = 64 << 10;
const HOLES_IN_TEXT: usize = 256;
/// How many stencils are drawn of an action with the same parameters, for jails that differ in more than values.
const VARIANTS: usize = 32;

/// What has been drawn so far.
#[derive(Default)]
pub(crate) struct Stencils(RefCell<HashMap<Key, Vec<Rc<Drawn>>>>);

/// A stencil with what goes into its holes.
pub(crate) struct Filled {
    drawn: Rc<Drawn>,
    parameters: Ordered<Traced>,
    jail: Vec<Option<Traced>>,
}

/// The files of an action, which live as long as the sources do, and the names of its parameters.
type Key = (*const Model, Vec<Rc<str>>);

/// What came of one attempt.
pub(crate) struct Drawn {
    /// What the parameters must be, in their order.
    given: Vec<Given>,
    /// What the options of the jail must be that have been asked for; nothing where there must be none.
    asked: Vec<(String, Option<Given>)>,
    /// The options of the jail that have been asked for; their holes follow those of the parameters.
    options: Vec<Option<Rc<str>>>,
    /// Nothing where such a use has to be evaluated by itself.
    pairs: Option<Vec<(String, Part)>>,
}

/// What a stencil says about a value that goes into it.
enum Given {
    /// Any that can fill a hole.
    Hole,
    /// This one alone.
    Fixed(Value),
}

/// An option of the action.
enum Part {
    /// The same in all jails.
    Whole(Value),
    /// Pieces of text, each with the hole behind it, and what follows the last.
    Pieces(Vec<(String, usize)>, String),
}

impl Stencils {
    /// The stencil for one use of an action, where it has one.
    pub(crate) fn find(
        sources: &Sources<'_>,
        model: &Rc<Model>,
        parameters: &Ordered<Traced>,
        jail: &Ordered<Traced>,
    ) -> Option<Rc<Drawn>> {
        // Whoever asks for the way of a value wants it of this very use.
        if sources.is_tracing() || parameters.len() + jail.len() > HOLES {
            return None;
        }
        let key = (
            Rc::as_ptr(model),
            parameters.shared().map(|(name, _)| Rc::clone(name)).collect(),
        );
        let mut all = sources.stencils.0.borrow_mut();
        let variants = all.entry(key).or_default();
        let drawn = match variants.iter().find(|drawn| drawn.fits(parameters, jail)) {
            Some(drawn) => Rc::clone(drawn),
            None if variants.len() >= VARIANTS => return None,
            None => {
                let drawn = Rc::new(Drawn::draw(sources, model, parameters, jail));
                variants.push(Rc::clone(&drawn));
                drawn
            }
        };
        drawn.pairs.is_some().then_some(drawn)
    }
}

impl Filled {
    pub(crate) fn new(drawn: Rc<Drawn>, parameters: Ordered<Traced>, jail: &Ordered<Traced>) -> Self {
        let options = drawn.options.iter().map(|name| jail.get(name.as_ref()?).cloned());
        Self {
            jail: options.collect(),
            drawn,
            parameters,
        }
    }

    /// The options of the action as the daemon is sent them, in their order.
    pub(crate) fn pairs(&self, sources: &Sources<'_>) -> Result<Vec<(String, Value)>, Error> {
        let value = |hole: usize| {
            let found = match self.parameters.at(hole) {
                Some((_, parameter)) => Some(parameter),
                None => self.jail.get(hole - self.parameters.len())?.as_ref(),
            };
            found?.as_text()
        };
        let pairs = self.drawn.pairs.iter().flatten();
        let filled = pairs.map(|(name, part)| {
            let value = part.filled(value);
            sources.budget.spend(value.as_str().map_or(0, str::len))?;
            Ok((name.clone(), value))
        });
        filled.collect()
    }
}

impl Drawn {
    /// Evaluates an action with holes for values.
    fn draw(
        sources: &Sources<'_>,
        model: &Rc<Model>,
        parameters: &Ordered<Traced>,
        jail: &Ordered<Traced>,
    ) -> Self {
        let (open_parameters, given) = opened(parameters, 0);
        let (open_jail, known) = opened(jail, parameters.len());
        let is_clean = is_clean(model, given.iter().chain(&known));
        let evaluated = is_clean
            .then(|| Evaluated::new(sources, Rc::clone(model), open_parameters, &open_jail, true).ok())
            .flatten();
        let pairs = evaluated.as_ref().and_then(|evaluated| pairs(sources, evaluated));
        // Only now all has been asked.
        let asked = evaluated
            .iter()
            .flat_map(|evaluated| evaluated.surroundings.asked());
        let mut known: HashMap<&str, Given> = jail.names().zip(known).collect();
        let asked: Vec<_> = asked
            .map(|name| {
                let given = known.remove(name.as_str());
                (name, given)
            })
            .collect();
        let options = jail.shared().map(|(name, _)| {
            let is_asked = asked.iter().any(|(asked, _)| **asked == **name);
            is_asked.then(|| Rc::clone(name))
        });
        Self {
            given,
            options: options.collect(),
            asked,
            pairs,
        }
    }

    /// Whether these values can go into it.
    fn fits(&self, parameters: &Ordered<Traced>, jail: &Ordered<Traced>) -> bool {
        let mut parameters = self.given.iter().zip(parameters.iter());
        parameters.all(|(given, (_, value))| given.fits(value))
            && self
                .asked
                .iter()
                .all(|(name, given)| match (given, jail.get(name)) {
                    (Some(given), Some(value)) => given.fits(value),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                })
    }
}

impl Given {
    fn fits(&self, value: &Traced) -> bool {
        match self {
            Self::Hole => is_plain(&value.value),
            Self::Fixed(fixed) => *fixed == value.value,
        }
    }
}

impl Part {
    /// A text with the characters of holes in pieces; nothing where it is too long to be sure of its limits.
    fn of(value: &Value) -> Option<Self> {
        let Some(text) = value.as_str().filter(|text| text.contains(is_hole)) else {
            return Some(Self::Whole(value.clone()));
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hole(*c)) {
            let (piece, behind) = rest.split_at(at);
            pieces.push((piece.to_owned(), hole(c)?));
            rest = tail(behind, c.len_utf8());
        }
        (text.len() <= TEXT && pieces.len() <= HOLES_IN_TEXT).then(|| Self::Pieces(pieces, rest.to_owned()))
    }

    fn filled<'v>(&self, value: impl Fn(usize) -> Option<&'v str>) -> Value {
        match self {
            Self::Whole(value) => value.clone(),
            Self::Pieces(pieces, rest) => {
                let mut text = String::new();
                for (piece, hole) in pieces {
                    text.push_str(piece);
                    text.push_str(value(*hole).unwrap_or_default());
                }
                text.push_str(rest);
                text.into()
            }
        }
    }
}

/// The options of an action with holes; nothing where a decision depends on one of them.
fn pairs(sources: &Sources<'_>, evaluated: &Evaluated) -> Option<Vec<(String, Part)>> {
    let combined = evaluated.combined(sources).ok()?;
    let decides = |(name, option): (&str, &Traced)| {
        is_truth(name) && option.as_text().is_some_and(|text| text.contains(is_hole))
    };
    let tags = evaluated.evaluation.tags_outside();
    if combined.iter().any(decides) || tags.iter().any(|tag| tag.contains(is_hole)) {
        return None;
    }
    let pairs = evaluated.resolved(&combined).into_iter();
    pairs
        .map(|(name, option)| Some((name, Part::of(&option.value)?)))
        .collect()
}

/// Whether an action can be drawn: it has options, and no text looks as if it had holes.
fn is_clean<'g>(model: &Model, given: impl Iterator<Item = &'g Given>) -> bool {
    let sections = model.sections.iter().map(|(_, section)| &section.options);
    let options = sections
        .chain([&model.defaults])
        .flat_map(|options| options.iter());
    let written = options.flat_map(|(_, entry)| entry.earlier.iter().chain([&entry.current]));
    let fixed = given.filter_map(|given| match given {
        Given::Hole => None,
        Given::Fixed(value) => Some(value),
    });
    let mut values = written.map(|written| &written.value).chain(fixed);
    let has_holes = |value: &Value| value.as_str().is_some_and(|text| text.contains(is_hole));
    model.has_section(DEFINITION) && !values.any(has_holes)
}

/// The same values, with a character each in place of those that can be holes.
fn opened(values: &Ordered<Traced>, before: usize) -> (Ordered<Traced>, Vec<Given>) {
    let mut open = Ordered::default();
    let mut given = Vec::new();
    for (hole, (name, value)) in (before..).zip(values.shared()) {
        let hole = u32::try_from(hole)
            .ok()
            .and_then(|hole| char::from_u32(FIRST_HOLE + hole))
            .filter(|_| is_plain(&value.value));
        given.push(match hole {
            Some(_) => Given::Hole,
            None => Given::Fixed(value.value.clone()),
        });
        let value = hole.map_or_else(|| value.clone(), |hole| value.with(hole.to_string()));
        open.insert(Rc::clone(name), value);
    }
    (open, given)
}

/// Whether a value can be a hole: a short text that refers to nothing and is no part of a tag.
fn is_plain(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() <= VALUE && !text.contains(['<', '>', '%']) && !text.contains(is_hole))
}

fn hole(c: char) -> Option<usize> {
    usize::try_from(u32::from(c).checked_sub(FIRST_HOLE)?).ok()
}

fn is_hole(c: char) -> bool {
    hole(c).is_some_and(|hole| hole < HOLES)
}
