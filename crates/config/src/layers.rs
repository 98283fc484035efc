//! Which files make a configuration, and in which order they are read.
//!
//! In: a name such as `jail` or `filter.d/sshd`. Out: the merged model of its layers and of everything they include.
//!
//! Invariant: a file is read once, whoever includes it, and including always ends.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use crate::{
    Content, Error, Files, Kind, Level, Log, Mistake, Span,
    budget::{Budget, FILE_BYTES, FILES, INCLUDE_DEPTH, NAMES},
    decode, glob,
    inspect::Findings,
    interpolate::{HOLE, Scope},
    log::{PARSER, READER},
    model::Model,
    parse::{Parsed, parse},
    stencil::Stencils,
    text::{basename, dirname, join, quote, without_extension},
};

/// A file in the order of reading.
struct Read {
    path: String,
    /// The option that includes it, where it is no layer of its own.
    by: Option<Span>,
    parsed: Rc<Parsed>,
}

/// What `before` and `after` name.
#[derive(Default)]
struct Includes {
    before: Include,
    after: Include,
}

/// What one of them names.
#[derive(Default)]
struct Include {
    files: Vec<String>,
    at: Option<Span>,
}

/// Where everything is read from, and what has been read.
pub(crate) struct Sources<'a> {
    pub(crate) files: &'a dyn Files,
    /// The base directory as it was given, without trailing slashes.
    pub(crate) base: String,
    pub(crate) log: Log,
    pub(crate) budget: Budget,
    /// What has been wrong so far, where reading goes on after a mistake.
    inspection: Option<Findings>,
    traces: Cell<bool>,
    parsed: RefCell<BTreeMap<String, Option<Rc<Parsed>>>>,
    models: RefCell<BTreeMap<String, Option<Rc<Model>>>>,
    /// What the files that have been read include.
    includes: RefCell<HashMap<String, Rc<Includes>>>,
    /// What is in the directories that files have been looked for in, where that can be read.
    listings: RefCell<HashMap<String, Option<HashSet<String>>>>,
    base_exists: OnceCell<bool>,
    pub(crate) stencils: Stencils,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(files: &'a dyn Files, base: &str) -> Self {
        let trimmed = base.trim_end_matches('/');
        Self {
            files,
            // The root itself keeps its slash.
            base: if trimmed.is_empty() {
                base.chars().take(1).collect()
            } else {
                trimmed.to_owned()
            },
            log: Log::default(),
            budget: Budget::default(),
            inspection: None,
            traces: Cell::new(false),
            parsed: RefCell::default(),
            models: RefCell::default(),
            includes: RefCell::default(),
            listings: RefCell::default(),
            base_exists: OnceCell::new(),
            stencils: Stencils::default(),
        }
    }

    /// The same, for an inspection: reading goes on after a mistake.
    pub(crate) fn inspecting(files: &'a dyn Files, base: &str) -> Self {
        Self {
            inspection: Some(Findings::default()),
            ..Self::new(files, base)
        }
    }

    /// Whether somebody wants to know by which way each value has come.
    pub(crate) fn is_tracing(&self) -> bool {
        self.is_inspecting() || self.traces.get()
    }

    /// From now on values remember by which way they have come.
    pub(crate) fn trace(&self) {
        self.traces.set(true);
    }

    pub(crate) fn is_inspecting(&self) -> bool {
        self.inspection.is_some()
    }

    /// In an inspection notes a mistake, so that reading goes on without the value; a limit ends that, too.
    pub(crate) fn go_on<T>(&self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if !self.is_inspecting() || matches!(error, Error::Limit { .. }) => Err(error),
            Err(error) => {
                self.note(|| Mistake::Error(error));
                Ok(None)
            }
        }
    }

    /// Notes a mistake that the reader of a daemon passes over, or says in its log.
    pub(crate) fn note(&self, mistake: impl FnOnce() -> Mistake) {
        if let Some(findings) = &self.inspection {
            findings.note(mistake());
        }
    }

    /// What has been noted, and whether more is to be.
    pub(crate) fn findings(&self) -> Option<&Findings> {
        self.inspection.as_ref()
    }

    /// The files of which something has been read, by path.
    pub(crate) fn files_read(&self) -> Vec<(String, Rc<Parsed>)> {
        let files = self.parsed.borrow();
        let read = files
            .iter()
            .filter_map(|(path, parsed)| Some((path.clone(), Rc::clone(parsed.as_ref()?))));
        read.collect()
    }

    /// The models that have been read, by name.
    pub(crate) fn models_read(&self) -> Vec<(String, Rc<Model>)> {
        let models = self.models.borrow();
        let read = models
            .iter()
            .filter_map(|(name, model)| Some((name.clone(), Rc::clone(model.as_ref()?))));
        read.collect()
    }

    /// Reads all layers of a name; `None`, once it is logged, where there is nothing or not all can be read.
    pub(crate) fn model(&self, name: &str) -> Result<Option<Rc<Model>>, Error> {
        if let Some(model) = self.models.borrow().get(name) {
            return Ok(model.clone());
        }
        if self.models.borrow().len() >= NAMES {
            return Err(Error::Limit {
                what: "jails, filters and actions",
                limit: 100_000,
            });
        }
        let model = self.read_model(name)?.map(Rc::new);
        self.models.borrow_mut().insert(name.to_owned(), model.clone());
        Ok(model)
    }

    /// All that has been read so far, by name.
    pub(crate) fn loaded(&self) -> Vec<Rc<Model>> {
        self.models.borrow().values().flatten().cloned().collect()
    }

    fn read_model(&self, name: &str) -> Result<Option<Model>, Error> {
        if !*self.base_exists.get_or_init(|| self.is_there(&self.base)) {
            return Err(Error::NoBase {
                base: self.base.clone(),
            });
        }
        self.log.add(
            Level::Info,
            READER,
            format!("Loading configs for {name} under {} ", self.base),
        );
        let layers = self.layers(name)?;
        if layers.is_empty() {
            let text = format!(
                "Found no accessible config files for {} under {}",
                quote(name),
                self.base
            );
            self.log.add(Level::Error, READER, text);
            return Ok(None);
        }
        self.merged(layers)
    }

    /// Reads one file alone, with what it includes and with its `.local`; `None`, once it is logged, where it cannot
    /// be read.
    pub(crate) fn model_of_file(&self, path: &str) -> Result<Option<Rc<Model>>, Error> {
        Ok(self.merged(vec![path.to_owned()])?.map(Rc::new))
    }

    /// Lays files over each other, lowest layer first, each with what it includes.
    fn merged(&self, layers: Vec<String>) -> Result<Option<Model>, Error> {
        let mut order = Vec::new();
        self.read_list(&layers, None, &mut Vec::new(), &mut order)?;
        if !order.is_empty() {
            let paths = order.iter().map(|file| file.path.as_str());
            self.log.add(Level::Info, PARSER, loading(paths));
        }
        let mut model = Model::default();
        for file in order {
            model.merge(&file.parsed);
            model.files.push((file.path.clone(), file.by.is_none()));
            if let Some(by) = file.by {
                model.includes.push((file.path, by));
            }
        }
        let mut unread = Vec::new();
        for layer in layers {
            if self.load(&layer)?.is_none() {
                unread.push(layer);
            }
        }
        // An inspection has noted each of them, and looks at the others.
        let is_enough = self.is_inspecting() && !model.files.is_empty();
        if !unread.is_empty() && !is_enough {
            self.log.add(
                Level::Error,
                READER,
                format!("Could not read config files: {}", unread.join(", ")),
            );
            return Ok(None);
        }
        Ok(Some(model))
    }

    /// The files of a name that exist, lowest layer first.
    fn layers(&self, name: &str) -> Result<Vec<String>, Error> {
        let path = if name.starts_with("./") {
            name.to_owned()
        } else {
            join(&self.base, name)
        };
        let mut layers = Vec::new();
        for extension in ["conf", "local"] {
            layers.push(format!("{path}.{extension}"));
            if self.exists(&format!("{path}.d")) {
                let mut parts = glob::expand(self.files, &format!("{path}.d/*.{extension}"))?;
                parts.sort_unstable();
                layers.append(&mut parts);
            }
        }
        layers.retain(|layer| self.exists(layer));
        Ok(layers)
    }

    /// Whether there is a file of the configuration. Most that are looked for are not there, which one look into
    /// their directory tells for all of them.
    fn exists(&self, path: &str) -> bool {
        let (directory, name) = (dirname(path), basename(path));
        if directory.is_empty() || [".", "..", ""].contains(&name) {
            return self.is_there(path);
        }
        if let Some(listing) = self.listings.borrow().get(directory) {
            let may_exist = listing.as_ref().is_none_or(|names| names.contains(name));
            return may_exist && self.is_there(path);
        }
        let names: HashSet<String> = self.files.names(directory).into_iter().collect();
        let listing = (!names.is_empty()).then_some(names);
        self.listings.borrow_mut().insert(directory.to_owned(), listing);
        self.exists(path)
    }

    fn is_there(&self, path: &str) -> bool {
        match self.files.kind(path) {
            Kind::File | Kind::Directory => true,
            Kind::Missing | Kind::DanglingLink => false,
        }
    }

    /// Reads a list of files, each with what it includes and followed by its `.local`.
    fn read_list(
        &self,
        list: &[String],
        by: Option<&Span>,
        chain: &mut Vec<String>,
        order: &mut Vec<Read>,
    ) -> Result<(), Error> {
        for path in list {
            self.read_with_includes(path, by, chain, order)?;
            let local = format!("{}.local", without_extension(path));
            if !list.contains(&local) && self.exists(&local) {
                self.read_with_includes(&local, by, chain, order)?;
            }
        }
        Ok(())
    }

    fn read_with_includes(
        &self,
        path: &str,
        by: Option<&Span>,
        chain: &mut Vec<String>,
        order: &mut Vec<Read>,
    ) -> Result<(), Error> {
        if chain.iter().any(|file| file == path) {
            return Ok(());
        }
        if chain.len() >= INCLUDE_DEPTH {
            return Err(Error::Limit {
                what: "files that include each other",
                limit: 64,
            });
        }
        let Some(parsed) = self.load(path)? else {
            return Ok(());
        };
        if order.len() >= FILES {
            return Err(Error::Limit {
                what: "included files",
                limit: 10_000,
            });
        }
        let includes = self.includes(path, &parsed)?;
        let Includes { before, after } = &*includes;
        chain.push(path.to_owned());
        self.read_list(&before.files, before.at.as_ref(), chain, order)?;
        order.push(Read {
            path: path.to_owned(),
            by: by.cloned(),
            parsed,
        });
        self.read_list(&after.files, after.at.as_ref(), chain, order)?;
        chain.pop();
        Ok(())
    }

    /// The files that a file wants read before and after itself.
    fn includes(&self, path: &str, parsed: &Parsed) -> Result<Rc<Includes>, Error> {
        if let Some(known) = self.includes.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let includes = Rc::new(self.find_includes(path, parsed)?);
        self.includes
            .borrow_mut()
            .insert(path.to_owned(), Rc::clone(&includes));
        Ok(includes)
    }

    fn find_includes(&self, path: &str, parsed: &Parsed) -> Result<Includes, Error> {
        const INCLUDES: &str = "INCLUDES";
        if !parsed.sections.contains(INCLUDES) {
            return Ok(Includes::default());
        }
        let mut alone = Model::default();
        alone.merge(parsed);
        let Some(scope) = Scope::new(&alone, INCLUDES, None, self) else {
            return Ok(Includes::default());
        };
        let list = |option: &str| -> Result<Include, Error> {
            let names = self.go_on(scope.read(option))?.flatten();
            let Some((names, text)) = names.as_ref().and_then(|names| Some((names, names.as_text()?))) else {
                return Ok(Include::default());
            };
            let mut include = Include {
                files: Vec::new(),
                at: names.at.clone(),
            };
            let mut from = 0;
            for name in text.split('\n') {
                let file = join(dirname(path), name);
                if !name.is_empty() && !name.contains(HOLE) && !self.exists(&file) {
                    self.note(|| Mistake::MissingInclude {
                        at: names.place(from),
                        path: file.clone(),
                    });
                }
                from += name.len() + 1;
                include.files.push(file);
            }
            Ok(include)
        };
        Ok(Includes {
            before: list("before")?,
            after: list("after")?,
        })
    }

    /// Reads one file; `None` where it is missing or unusable, which is the caller's to judge.
    fn load(&self, path: &str) -> Result<Option<Rc<Parsed>>, Error> {
        if let Some(parsed) = self.parsed.borrow().get(path) {
            return Ok(parsed.clone());
        }
        self.log.add(Level::Info, PARSER, loading([path]));
        let parsed = match self.files.read(path) {
            Content::Missing => None,
            Content::Unreadable(reason) => {
                self.note(|| Mistake::Unreadable {
                    path: path.to_owned(),
                    reason,
                });
                None
            }
            Content::Bytes(bytes) if bytes.len() > FILE_BYTES => {
                self.log.add(
                    Level::Error,
                    PARSER,
                    format!("Config file {} is longer than {FILE_BYTES} bytes", quote(path)),
                );
                self.note(|| Mistake::Unreadable {
                    path: path.to_owned(),
                    reason: format!("it is longer than {FILE_BYTES} bytes"),
                });
                None
            }
            Content::Bytes(bytes) if self.is_inspecting() => {
                self.budget.spend(bytes.len())?;
                Some(self.inspect(path, &bytes))
            }
            Content::Bytes(bytes) => {
                self.budget.spend(bytes.len())?;
                let (text, error) = decode::utf8(&bytes);
                // What precedes the mistake by a whole block is read, and its own mistakes come first.
                let parsed = parse(&Arc::from(path), text, error.is_none());
                if let Some(mistake) = parsed.mistakes.first() {
                    return Err(mistake.clone());
                }
                match error {
                    None => Some(Rc::new(parsed)),
                    Some(error) => {
                        let text = format!("Error decoding config file {}: {error}", quote(path));
                        self.log.add(Level::Error, PARSER, text);
                        None
                    }
                }
            }
        };
        self.parsed.borrow_mut().insert(path.to_owned(), parsed.clone());
        Ok(parsed)
    }

    /// Parses a file with all its mistakes; bytes that are no text are replaced, and one more mistake.
    fn inspect(&self, path: &str, bytes: &[u8]) -> Rc<Parsed> {
        let path: Arc<str> = Arc::from(path);
        let text = String::from_utf8_lossy(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            self.note(|| Mistake::NotUtf8 {
                at: Span::behind(&path, before),
                byte: bytes.get(error.valid_up_to()).copied().unwrap_or_default(),
            });
        }
        let parsed = parse(&path, &text, true);
        for mistake in &parsed.mistakes {
            self.note(|| Mistake::Error(mistake.clone()));
        }
        Rc::new(parsed)
    }
}

fn loading<'p>(paths: impl IntoIterator<Item = &'p str>) -> String {
    format!(
        "  Loading files: [{}]",
        paths.into_iter().map(quote).collect::<Vec<_>>().join(", ")
    )
}
