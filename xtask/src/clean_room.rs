//! Our stock configuration is our own: it shares no long line with the reference's.
//!
//! Short lines coincide by necessity (`[Definition]`, `backend = auto`, an option's name and a path);
//! past [`LONG`] characters a line that stands in both was copied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::setup::reference;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// Longer lines than this are nobody's common property.
const LONG: usize = 45;

/// The chore: the check, after making sure that there is something to compare with.
pub(crate) fn chore(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    reference::unpack(workspace)?;
    check(workspace)
}

/// Every long line of `config/` that stands somewhere in the reference's configuration.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>, Trouble> {
    let theirs = lines(&workspace.reference().join("etc/fail2ban"))?;
    let config = workspace.root.join("config");
    let ours = if config.exists() {
        lines(&config)?
    } else {
        BTreeMap::new()
    };
    Ok(ours
        .iter()
        .filter_map(|(line, at)| Some((line, at, theirs.get(line)?)))
        .map(|(_, at, _)| format!("{at} stands word for word in the reference's configuration"))
        .collect())
}

/// The long lines of all files below `directory`, each with one place where it stands.
fn lines(directory: &Path) -> Result<BTreeMap<String, String>, Trouble> {
    let mut found = BTreeMap::new();
    for path in files(directory)? {
        let bytes = std::fs::read(&path).map_err(|source| Trouble::File {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            // Whatever the margin and the comment sign, it is the same sentence.
            let line = line.trim_start_matches(['#', ';', ' ', '\t']).trim_end();
            if line.chars().count() > LONG {
                found.insert(line.to_owned(), format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    Ok(found)
}

/// All files below `directory`; symbolic links are not followed.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let trouble = |source| Trouble::File {
        doing: "read",
        path: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(trouble)? {
        let entry = entry.map_err(trouble)?;
        let kind = entry.file_type().map_err(trouble)?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
