//! Where the first read of a log begins: at the first line that may still matter.
//!
//! In: a file, from where to look, and how to tell when a line was written. Out: the beginning of a line.
//!
//! Invariant: where the times of the lines ascend, no line written at or after the given time is skipped.

use std::io;

use stockade_datetime::Timestamp;

use super::disk::Readable;
use super::{LINE_LIMIT, LineBreak, len};

/// How many lines without a date one probe looks past. The reference does as many.
const PROBES: usize = 5;

/// What is small enough to look at line by line.
const SMALL: u64 = 4096;

/// How far the end of a line is looked for. A file may be one line, and of any length.
const LONGEST: usize = 2 * LINE_LIMIT;

/// How much is read at a time.
const CHUNK: usize = 8192;

/// The first line from `from` on that was written at or after `since`; the end where there is none.
///
/// `from` is the beginning of a line, `end` the size of the file, `date` says when a line was written. Where
/// nothing has a date, that is `from`; and where dates are missing in places, it may be earlier than need be.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn first_line_since(
    file: &impl Readable,
    from: u64,
    end: u64,
    line_break: LineBreak,
    since: Timestamp,
    date: &mut dyn FnMut(&[u8]) -> Option<Timestamp>,
) -> io::Result<u64> {
    // What is before `low` is older; what is from `high` on need not be looked at, for it begins with the
    // line `known`, which is young enough (or the end), or, where that is none, with lines without a date.
    let mut low = from;
    let mut high = end.max(from);
    let mut known = Some(high);
    while high - low > SMALL {
        let middle = line_break.align(low + (high - low) / 2);
        let mut lines = Lines::new(file, middle, end, line_break);
        lines.skip_to_beginning(low)?;
        let mut first = None;
        let mut dated = None;
        for _ in 0..PROBES {
            let Some((start, after)) = lines.advance()? else {
                break;
            };
            if start >= high {
                break;
            }
            first.get_or_insert(start);
            if let Some(time) = date(lines.line()) {
                dated = Some((start, after, time));
                break;
            }
        }
        match (first, dated) {
            // Where lines begin in there is not known, so none of it is passed over.
            (None, _) if lines.is_lost => (high, known) = (middle, None),
            (None, _) => high = middle,
            (Some(_), Some((_, after, time))) if time < since => low = after,
            (Some(first), Some((start, ..))) => (high, known) = (first, Some(start)),
            (Some(first), None) => (high, known) = (first, None),
        }
    }
    let mut lines = Lines::new(file, low, end, line_break);
    while let Some((start, after)) = lines.advance()? {
        if start >= high {
            break;
        }
        match date(lines.line()) {
            Some(time) if time >= since => return Ok(start),
            Some(_) => low = after,
            None => {}
        }
    }
    Ok(match known {
        Some(known) if low >= high => known,
        Some(_) | None => low,
    })
}

/// The complete lines of a part of a file, one after the other.
struct Lines<'f, F> {
    file: &'f F,
    line_break: LineBreak,
    end: u64,
    /// What has been read and not yet been passed: from `start` on, which is at `offset` in the file.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    /// The length of the present line.
    line: usize,
    /// A line was longer than [`LONGEST`], and nothing is known of where the next one begins.
    is_lost: bool,
}

impl<'f, F: Readable> Lines<'f, F> {
    fn new(file: &'f F, offset: u64, end: u64, line_break: LineBreak) -> Self {
        Self {
            file,
            line_break,
            end,
            buffer: Vec::new(),
            start: 0,
            offset,
            line: 0,
            is_lost: false,
        }
    }

    /// Goes on to the next beginning of a line, which is here where a line ends just before.
    fn skip_to_beginning(&mut self, not_before: u64) -> io::Result<()> {
        if self.offset <= not_before {
            return Ok(());
        }
        self.offset = self
            .offset
            .saturating_sub(self.line_break.width())
            .max(not_before);
        self.advance()?;
        Ok(())
    }

    /// Goes on to the next line: where it begins and where the one after it does; nothing where there is none or the
    /// end of one was not found.
    fn advance(&mut self) -> io::Result<Option<(u64, u64)>> {
        if self.is_lost {
            return Ok(None);
        }
        self.start += self.line;
        self.offset += u64::try_from(self.line).unwrap_or(0);
        self.line = 0;
        let mut searched = 0;
        loop {
            let rest = self.buffer.get(self.start + searched..).unwrap_or_default();
            let at = self.offset + u64::try_from(searched).unwrap_or(0);
            if let Some(found) = self.line_break.first(rest, at) {
                self.line = searched + found;
                return Ok(Some((
                    self.offset,
                    self.offset + u64::try_from(self.line).unwrap_or(0),
                )));
            }
            // A break may have been cut in two.
            let width = usize::try_from(self.line_break.width()).unwrap_or(1);
            searched = (searched + rest.len()).saturating_sub(width - 1);
            self.is_lost = searched > LONGEST;
            if self.is_lost || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The line that [`Lines::advance`] has come to, at most as long as lines may be.
    fn line(&self) -> &[u8] {
        let end = self.start + self.line.min(LINE_LIMIT);
        self.buffer.get(self.start..end).unwrap_or_default()
    }

    /// Reads more; whether there was anything.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let at = self.offset + len(&self.buffer);
        let wanted = usize::try_from(self.end.saturating_sub(at)).map_or(CHUNK, |left| left.min(CHUNK));
        let known = self.buffer.len();
        self.buffer.resize(known + wanted, 0);
        let count = self
            .file
            .read_at(self.buffer.get_mut(known..).unwrap_or_default(), at)?;
        self.buffer.truncate(known + count);
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::File;
    use std::io::{self, Seek, SeekFrom, Write};

    use stockade_datetime::Timestamp;

    use super::super::disk::{Readable, Status};
    use super::{LineBreak, first_line_since};

    /// Lines begin with their second, or with a letter where they have no date.
    fn date(line: &[u8]) -> Option<Timestamp> {
        let text = std::str::from_utf8(line).ok()?;
        text.split_whitespace()
            .next()?
            .parse()
            .ok()
            .map(Timestamp::from_seconds)
    }

    fn search(content: &str, from: u64, since: i64) -> u64 {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content.as_bytes()).expect("its content");
        let end = u64::try_from(content.len()).expect("its length");
        first_line_since(
            &file,
            from,
            end,
            LineBreak::Byte,
            Timestamp::from_seconds(since),
            &mut date,
        )
        .expect("a position")
    }

    #[test]
    fn small_files() {
        let ten: String = (100..110).map(|second| format!("{second} a line\n")).collect();
        let equal = "100 x\n100 x\n105 x\n105 x\n110 x\n";
        for (name, content, from, since, expected) in [
            ("empty", "", 0, 100, 0),
            ("the first one that is young enough", ten.as_str(), 0, 104, 44),
            ("all older", &ten, 0, 200, 110),
            ("all younger", &ten, 0, 50, 0),
            ("from later on", &ten, 88, 104, 88),
            ("no dates", "nodate\nnodate\n", 0, 100, 0),
            ("equal times", equal, 0, 105, 12),
            ("one older line", "100 x\n", 0, 105, 6),
            ("an unfinished line", "100 x\n101 x\n102 x", 0, 105, 12),
            ("undated lines after older ones", "100 x\nmore\nmore\n", 0, 105, 6),
            (
                "undated lines before younger ones",
                "100 x\nmore\n110 x\n",
                0,
                105,
                11,
            ),
        ] {
            assert_eq!(search(content, from, since), expected, "{name}");
        }
    }

    #[test]
    fn the_search_begins_where_that_of_the_reference_does() {
        let examples = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../conformance/examples/matching/19-start-and-seek.json"
        );
        let text = std::fs::read_to_string(examples).expect("the examples");
        let examples: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let seeks: Vec<&serde_json::Value> = examples["examples"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|example| example["kind"] == "seek")
            .collect();
        assert!(seeks.len() >= 8);
        for example in seeks {
            let content = example["content"].as_str().expect("content");
            let from = example["from_pos"].as_u64().expect("a position");
            let since = example["start_time"].as_i64().expect("a time");
            let expected = example["expect_pos"].as_u64().expect("a position");
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(content.as_bytes()).expect("its content");
            let end = u64::try_from(content.len()).expect("its length");
            let since = Timestamp::from_seconds(since);
            let found = first_line_since(&file, from, end, LineBreak::Byte, since, &mut |line| {
                let text = std::str::from_utf8(line.get(..19)?).ok()?;
                let at = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
                let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                Some(Timestamp::from_seconds(at.timestamp().as_second()))
            })
            .expect("a position");
            let name = &example["name"];
            if name == "long part without dates" {
                // The reference stops anywhere before the undated part; what counts is what is not skipped.
                assert!(expected <= found && found <= 160, "{name}: {found}");
            } else {
                assert_eq!(found, expected, "{name}");
            }
        }
    }

    #[test]
    fn large_files_are_found_out_like_small_ones() {
        // Every third, tenth, five hundredth line has a date; some lines are long.
        for (every, long) in [(1, 0), (3, 0), (10, 0), (500, 0), (1, 7000), (10, 30_000)] {
            let mut content = String::new();
            let mut starts = Vec::new();
            for line in 0..3000 {
                if line % every == 0 {
                    starts.push((line, content.len()));
                    content.push_str(&format!("{line} a dated line"));
                } else {
                    content.push_str("an undated line");
                }
                if long > 0 && line % 97 == 0 {
                    content.push_str(&"x".repeat(long));
                }
                content.push('\n');
            }
            for since in [0, 1, 499, 500, 1234, 2500, 2999, 5000] {
                let found = search(&content, 0, since);
                let first = starts
                    .iter()
                    .find(|(line, _)| *line >= since)
                    .map_or(content.len(), |(_, start)| *start);
                let at = usize::try_from(found).expect("a position");
                assert!(
                    at <= first,
                    "{every} {long} {since}: {at} skips a line at {first}"
                );
                assert!(
                    at == 0 || content.as_bytes()[at - 1] == b'\n',
                    "{every} {long} {since}"
                );
                if every == 1 {
                    assert_eq!(at, first, "{long} {since}");
                }
            }
        }
    }

    /// A file, and how much of it was read.
    struct Counted(File, Cell<u64>);

    impl Readable for Counted {
        fn status(&self) -> io::Result<Status> {
            self.0.status()
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let count = Readable::read_at(&self.0, buffer, offset)?;
            self.1.set(self.1.get() + u64::try_from(count).expect("a count"));
            Ok(count)
        }
    }

    #[test]
    fn a_file_may_be_one_line_and_larger_than_the_memory() {
        let huge = 64 << 30;
        for (name, before, after, expected) in [
            ("nothing else", "", "", 0),
            ("behind a line that is older", "100 x\n", "", 6),
            ("before one that is younger", "100 x\n", "\n200 x\n", 6),
            ("behind one that is younger", "200 x\n", "\n300 x\n", 0),
        ] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(before.as_bytes()).expect("a line");
            file.seek(SeekFrom::Start(huge)).expect("a gap");
            file.write_all(after.as_bytes()).expect("a line");
            file.set_len(huge + 10).expect("a gap");
            let file = Counted(file, Cell::new(0));
            let since = Timestamp::from_seconds(150);
            let found = first_line_since(&file, 0, huge + 10, LineBreak::Byte, since, &mut date);
            assert_eq!(found.expect("a position"), expected, "{name}");
            assert!(
                file.1.get() < 200 << 20,
                "{name}: {} bytes were read",
                file.1.get()
            );
        }
    }

    #[test]
    fn a_probe_reads_little() {
        let content: String = (0..200_000)
            .map(|second| format!("{second:09} a line\n"))
            .collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content.as_bytes()).expect("its content");
        let mut asked = 0;
        let end = u64::try_from(content.len()).expect("its length");
        let found = first_line_since(
            &file,
            0,
            end,
            LineBreak::Byte,
            Timestamp::from_seconds(150_000),
            &mut |line| {
                asked += 1;
                date(line)
            },
        );
        assert_eq!(found.expect("a position"), 150_000 * 17);
        assert!(asked < 300, "{asked}");
    }
}
