//! What a file is that is given as a log: lines, or something that only a program can read.
//!
//! In: the first bytes of a file. Out: whether lines are to be expected of it.
//!
//! Only marks that no text begins with say no, in whatever encoding: odd bytes in a log are an attacker's, or an
//! encoding's, and its lines are read all the same.
//!
//! Invariant: what was decided of a beginning stays so, however long the file grows.

/// What a file has in it, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// There are too few bytes yet to tell; what lines there are can be read.
    Unknown,
    /// Lines.
    Lines,
    /// Something else, by its name.
    Other(&'static str),
}

/// How many bytes are decided by.
const ENOUGH: usize = 16;

const MARKS: [(&[u8], &str); 10] = [
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x1f\x9d", "compress"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"\x7fELF", "a program"),
    (b"LPKSHHRH", "a journal"),
    (b"SQLite format 3\0", "a database of SQLite"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

impl Content {
    /// What begins with `head`.
    pub(super) fn of(head: &[u8]) -> Self {
        if let Some((_, name)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
            return Self::Other(name);
        }
        match head {
            // A line may well begin with the letters alone.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17\x72\x45\x38\x50\x90") =>
            {
                Self::Other("bzip2")
            }
            // `wtmp`, `btmp` and `utmp` are records that begin with their kind.
            [1..=8, 0, 0, 0, _, _, 0 | 0xff, 0 | 0xff, ..] => Self::Other("records of logins"),
            _ if head.len() >= ENOUGH => Self::Lines,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn only_what_no_text_begins_with_is_refused() {
        let login = b"\x07\0\0\0\x34\x12\0\0pts/0\0\0\0";
        for (name, head, expected) in [
            ("gzip", &b"\x1f\x8b\x08\0"[..], Content::Other("gzip")),
            ("bzip2", b"BZh91AY&SY\x01\x02", Content::Other("bzip2")),
            (
                "an empty bzip2",
                b"BZh9\x17\x72\x45\x38\x50\x90",
                Content::Other("bzip2"),
            ),
            ("xz", b"\xfd7zXZ\0\0\x04", Content::Other("xz")),
            ("zstd", b"\x28\xb5\x2f\xfd\x04", Content::Other("zstd")),
            ("logins", login, Content::Other("records of logins")),
            (
                "a database",
                b"SQLite format 3\0",
                Content::Other("a database of SQLite"),
            ),
            ("nothing", b"", Content::Unknown),
            ("little", b"a\nb\n", Content::Unknown),
            ("half a mark", b"BZh9", Content::Unknown),
            ("letters of a mark", b"BZh91 is what he said", Content::Lines),
            ("letters of another", b"PK fails from 192.0.2.1", Content::Lines),
            ("text", b"Nov 22 17:00:01 host", Content::Lines),
            (
                "UTF-16, the lower byte first",
                b"\xff\xfeN\0o\0v\0 \x002\x002\0 \0",
                Content::Lines,
            ),
            (
                "the higher byte first",
                b"\0N\0o\0v\0 \x002\x002\0 \x001",
                Content::Lines,
            ),
            ("UTF-32", b"N\0\0\0o\0\0\0v\0\0\0 \0\0\0", Content::Lines),
            (
                "a hole before the text",
                b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0Nov",
                Content::Lines,
            ),
            ("a colour", b"\x1b[31mNov 22 17:00:01\x1b[0m", Content::Lines),
            (
                "an attacker's bytes",
                b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03\x90\xff\xfe\xfd\xfc",
                Content::Lines,
            ),
            (
                "not text in UTF-8",
                b"\xe9\xe8\xff\xfa caf\xe9 de la gare",
                Content::Lines,
            ),
        ] {
            assert_eq!(Content::of(head), expected, "{name}");
        }
    }
}
