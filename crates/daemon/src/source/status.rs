//! How a source is doing: `stockade status --sources`.
//!
//! In: what each source knows of itself when it is asked, and what was counted of its lines. Out: a
//! [`SourceStatus`] for each, and the value that stands for it on the socket.
//!
//! Invariant: nothing is measured but when lines come or somebody asks, so that a source which is silent costs
//! nothing.

use stockade_datetime::Timestamp;
use stockade_protocol::Value;

use super::ReaderId;

/// How a source is doing at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceStatus {
    /// What it is.
    pub kind: SourceKind,
    /// Its name: a path, a pattern, which journal.
    pub name: String,
    /// Whether lines come from it.
    pub state: SourceState,
    /// Who reads it.
    pub readers: Vec<ReaderId>,
    /// What it stands for, where that is not its name: the files that a pattern matches.
    pub matches: Vec<String>,
    /// How far the last of its readers has come.
    pub position: Option<SourcePosition>,
    /// How far that is behind.
    pub lag: Option<Lag>,
    /// What has come from it.
    pub counts: Counts,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A file that is followed.
    File,
    /// A pattern that files are looked for by.
    Pattern,
    /// A pipe with a name.
    Pipe,
    /// The output of a command.
    Command,
    /// The socket for reports.
    Reports,
    /// A socket for messages of syslog.
    Syslog,
    /// A journal.
    Journal,
}

/// Whether lines come from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// They do, as soon as some are written.
    Following,
    /// They will, once something is there that is not there yet; what that is.
    Waiting(String),
    /// They do not, for something is wrong; what that is, and what helps.
    Failing(String),
}

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePosition {
    /// So many bytes after its beginning.
    Bytes(u64),
    /// Behind the entry of the journal with this cursor.
    Cursor(String),
}

/// How far a source is ahead of its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// So many bytes were not read yet.
    Bytes(u64),
    /// The last entry that was read was written so many microseconds ago.
    Micros(i64),
}

/// What has come from a source since it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Its lines.
    pub lines: u64,
    /// How many of them a second there were, over the last minute.
    pub lines_per_second: f64,
    /// What was dropped: lines that were longer than [`super::LINE_LIMIT`], or came faster than they could be taken.
    pub dropped: u64,
}

impl SourceStatus {
    /// A source that was only just begun with.
    #[must_use]
    pub fn new(kind: SourceKind, name: impl Into<String>, state: SourceState) -> Self {
        Self {
            kind,
            name: name.into(),
            state,
            readers: Vec::new(),
            matches: Vec::new(),
            position: None,
            lag: None,
            counts: Counts::default(),
        }
    }

    /// How it is told to a client; `jails` are the names of its readers.
    #[must_use]
    pub fn to_value(&self, jails: &[&str]) -> Value {
        let kind = match self.kind {
            SourceKind::File => "file",
            SourceKind::Pattern => "pattern",
            SourceKind::Pipe => "pipe",
            SourceKind::Command => "command",
            SourceKind::Reports => "reports",
            SourceKind::Syslog => "syslog",
            SourceKind::Journal => "journal",
        };
        let (state, reason) = match &self.state {
            SourceState::Following => ("following", Value::None),
            SourceState::Waiting(reason) => ("waiting", reason.into()),
            SourceState::Failing(reason) => ("failing", reason.into()),
        };
        let position = match &self.position {
            None => Value::None,
            Some(SourcePosition::Bytes(bytes)) => Value::from(*bytes),
            Some(SourcePosition::Cursor(cursor)) => cursor.into(),
        };
        let (bytes, seconds) = match self.lag {
            None => (Value::None, Value::None),
            Some(Lag::Bytes(bytes)) => (Value::from(bytes), Value::None),
            Some(Lag::Micros(micros)) => (Value::None, Value::from(seconds(micros))),
        };
        let Counts {
            lines,
            lines_per_second,
            dropped,
        } = self.counts;
        let pairs = [
            ("kind", kind.into()),
            ("name", self.name.as_str().into()),
            ("state", state.into()),
            ("reason", reason),
            ("jails", Value::list(jails.iter().copied())),
            ("matches", Value::list(self.matches.iter().map(String::as_str))),
            ("position", position),
            ("lag_bytes", bytes),
            ("lag_seconds", seconds),
            ("lines", Value::from(lines)),
            ("lines_per_second", Value::from(lines_per_second)),
            ("dropped", Value::from(dropped)),
        ];
        Value::Dict(pairs.map(|(name, value)| (name.into(), value)).into())
    }
}

/// Microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a microsecond in three centuries")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// How long a [`Meter`] remembers, in as many pieces; what is older than the last of them does not count.
const PIECE_MICROS: i64 = 5_000_000;
const PIECES: usize = 12;

/// Counts the lines of one source.
///
/// The last minute is kept in pieces of five seconds. They move on when lines come and are added up when somebody
/// asks, so nothing has to run in between.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    lines: u64,
    dropped: u64,
    /// When the first lines were counted.
    first: Option<Timestamp>,
    /// The number of the piece that was counted in last, and how many lines came in each: that of number `n` stands
    /// at `n` modulo their count.
    piece: i64,
    pieces: [u64; PIECES],
}

impl Meter {
    /// Counts so many lines.
    pub fn count(&mut self, now: Timestamp, lines: u64) {
        self.lines = self.lines.saturating_add(lines);
        // Where the clock was set back, it begins anew.
        if self.first.is_none() || piece(now) < self.piece {
            *self = Self {
                lines: self.lines,
                dropped: self.dropped,
                first: Some(now),
                piece: piece(now),
                pieces: [0; PIECES],
            };
        }
        self.move_on(piece(now));
        if let Some(count) = self.pieces.get_mut(place(self.piece)) {
            *count = count.saturating_add(lines);
        }
    }

    /// How many lines were dropped.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Counts so many lines as dropped.
    pub const fn count_dropped(&mut self, lines: u64) {
        self.dropped = self.dropped.saturating_add(lines);
    }

    /// What has been counted until `now`.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> Counts {
        let mut moved = self.clone();
        moved.move_on(piece(now));
        let recent = moved.pieces.iter().copied().fold(0_u64, u64::saturating_add);
        let oldest = (piece(now) - i64::try_from(PIECES).unwrap_or(0) + 1).saturating_mul(PIECE_MICROS);
        let begin = self.first.map_or(oldest, |first| first.micros().max(oldest));
        // A source that has only just begun does not have thousands of lines a second for its first ten.
        let span = now.micros().saturating_sub(begin).max(1_000_000);
        Counts {
            lines: self.lines,
            lines_per_second: rate(recent, span),
            dropped: self.dropped,
        }
    }

    /// Makes room up to the piece with this number.
    fn move_on(&mut self, to: i64) {
        let ahead = to
            .saturating_sub(self.piece)
            .clamp(0, i64::try_from(PIECES).unwrap_or(0));
        for step in 1..=ahead {
            if let Some(count) = self.pieces.get_mut(place(self.piece + step)) {
                *count = 0;
            }
        }
        self.piece = self.piece.max(to);
    }
}

/// The piece that a time is in.
const fn piece(at: Timestamp) -> i64 {
    at.micros().div_euclid(PIECE_MICROS)
}

/// Where the count of a piece stands.
fn place(piece: i64) -> usize {
    let count = i64::try_from(PIECES).unwrap_or(1);
    usize::try_from(piece.rem_euclid(count)).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded when it is shown")]
fn rate(lines: u64, micros: i64) -> f64 {
    lines as f64 / seconds(micros)
}

#[cfg(test)]
mod tests {
    use stockade_datetime::Timestamp;
    use stockade_protocol::Value;

    use super::{Counts, Lag, Meter, SourceKind, SourcePosition, SourceState, SourceStatus};

    #[test]
    fn lines_are_counted_over_the_last_minute() {
        /// When lines came, in seconds, and how many.
        type Counted<'a> = &'a [(i64, u64)];
        // What was counted; when it is asked; the rate.
        let cases: [(&str, Counted<'_>, i64, f64); 8] = [
            ("nothing", &[], 100, 0.0),
            ("just now", &[(1000, 50)], 1000, 50.0),
            ("since ten seconds", &[(1000, 50), (1009, 50)], 1010, 10.0),
            ("since a minute", &[(1000, 300), (1030, 300)], 1059, 600.0 / 59.0),
            ("the first have gone by", &[(1000, 300), (1059, 55)], 1060, 1.0),
            ("all have gone by", &[(1000, 300)], 1100, 0.0),
            (
                "a long time has gone by",
                &[(1000, 300), (1_000_000, 55)],
                1_000_000,
                1.0,
            ),
            ("the clock was set back", &[(1000, 300), (400, 20)], 401, 20.0),
        ];
        for (name, counted, asked, rate) in cases {
            let mut meter = Meter::default();
            for (at, lines) in counted {
                meter.count(Timestamp::from_seconds(*at), *lines);
            }
            let counts = meter.counts(Timestamp::from_seconds(asked));
            let lines: u64 = counted.iter().map(|(_, lines)| lines).sum();
            assert_eq!(counts.lines, lines, "{name}");
            let difference = (counts.lines_per_second - rate).abs();
            assert!(
                difference < 0.001,
                "{name}: {} and not {rate}",
                counts.lines_per_second
            );
        }
    }

    #[test]
    fn a_source_is_a_dictionary_on_the_socket() {
        let mut status = SourceStatus::new(
            SourceKind::File,
            "/var/log/auth.log",
            SourceState::Failing("no".to_owned()),
        );
        status.position = Some(SourcePosition::Bytes(7));
        status.lag = Some(Lag::Bytes(3));
        status.counts = Counts {
            lines: 5,
            lines_per_second: 0.5,
            dropped: 1,
        };
        let expected = "{'kind': 'file', 'name': '/var/log/auth.log', 'state': 'failing', 'reason': 'no', \
            'jails': ['sshd'], 'matches': [], 'position': 7, 'lag_bytes': 3, 'lag_seconds': None, 'lines': 5, \
            'lines_per_second': 0.5, 'dropped': 1}";
        assert_eq!(status.to_value(&["sshd"]).repr(), expected);
        status.lag = Some(Lag::Micros(1_500_000));
        status.state = SourceState::Following;
        let value = status.to_value(&[]);
        let of = |name: &str| value.get(name).map(Value::repr).unwrap_or_default();
        assert_eq!(
            (of("lag_bytes"), of("lag_seconds"), of("reason")),
            ("None".to_owned(), "1.5".to_owned(), "None".to_owned())
        );
    }
}
