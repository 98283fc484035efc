//! What the reader wants to know about files.

/// The files that a configuration is read from.
///
/// The command line implements it over the file system, tests over a map. Paths are as the configuration
/// gives them: relative ones are relative to the working directory.
pub trait Files {
    /// The content of a file.
    fn read(&self, path: &str) -> Content;

    /// What there is at a path, links followed.
    fn kind(&self, path: &str) -> Kind;

    /// The names in a directory, in the order of the directory; none where it cannot be read.
    ///
    /// Where there are any, what is not among them is not there: they are asked for before a file is.
    ///
    /// Without `.` and `..`. A name that is not UTF-8 is left out, for no configuration could name it.
    fn names(&self, directory: &str) -> Vec<String>;

    /// A relative path as an absolute one, as far as the working directory is known.
    fn absolute(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// There is no such file, or a link to nowhere.
    Missing,
    /// There is something that cannot be read, and why: a directory, or a file without permission.
    Unreadable(String),
    /// The bytes of the file.
    Bytes(Vec<u8>),
}

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Missing,
    /// A link to nowhere.
    DanglingLink,
    /// A directory.
    Directory,
    /// Anything else.
    File,
}
