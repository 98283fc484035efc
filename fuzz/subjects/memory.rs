//! Files in memory, and the reading of a configuration that consists of them.

use std::collections::BTreeMap;

use stockade_config::{Content, Files, Kind, Mode, Outcome, Overrides, Reader};

#[derive(Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &str) -> Content {
        match (self.0.get(path), self.kind(path)) {
            (Some(bytes), _) => Content::Bytes(bytes.clone()),
            (None, Kind::Directory) => Content::Unreadable("it is a directory".to_owned()),
            (None, _) => Content::Missing,
        }
    }

    fn kind(&self, path: &str) -> Kind {
        let path = path.trim_end_matches('/');
        // The keys are in order, so what is below a directory follows it.
        let below = |file: &str| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        if self.0.contains_key(path) {
            Kind::File
        } else if self
            .0
            .range(format!("{path}/")..)
            .next()
            .is_some_and(|(file, _)| below(file))
        {
            Kind::Directory
        } else {
            Kind::Missing
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let below = |file: &String| {
            let rest = file.strip_prefix(directory)?.trim_start_matches('/');
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.0.keys().filter_map(below).collect();
        names.dedup();
        names
    }
}

/// Reads the configuration in `conf` for a dump: it ends, says what is wrong or is printed in either way, and every
/// command is where it says it is.
pub(crate) fn read(files: &Memory) {
    let reader = Reader::new(files, "conf", "1.1.1", &[]);
    let Ok(early) = reader.early(&Overrides::default()) else {
        return;
    };
    let stream = reader.read(&early, Mode::Dump, None);
    let (text, status) = stream.report(true);
    assert_eq!(status == 0, stream.is_usable(), "{text}");
    for command in &stream.commands {
        let Some(span) = &command.span else { continue };
        let file = files.0.get(&*span.file).expect("a command comes from a file");
        let lines = 1 + file.iter().filter(|byte| [b'\n', b'\r'].contains(*byte)).count();
        let line = usize::try_from(span.line).expect("lines of a file in memory");
        assert!((1..=lines).contains(&line), "{span} of {lines} lines");
        assert!(span.column > 0, "{span}");
    }
    match &stream.outcome {
        Outcome::Failed(error) => assert!(!error.to_string().is_empty(), "there is a reason"),
        Outcome::Usable { .. } | Outcome::NoGoodJail => {}
    }
}
