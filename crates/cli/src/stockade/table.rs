//! Rows under headings, each column as wide as its longest entry.
//!
//! In: headings and rows. Out: lines; the headings are bold where a terminal is there.

use crate::terminal;

/// A table of as many columns.
pub(super) struct Table<const COLUMNS: usize> {
    headings: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) const fn new(headings: [&'static str; COLUMNS]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    fn render(&self) -> String {
        const BOLD: &str = "\u{1b}[1m";
        const PLAIN: &str = "\u{1b}[0m";
        let headings = self.headings.map(str::to_owned);
        let mut widths = [0; COLUMNS];
        for row in self.rows.iter().chain([&headings]) {
            for (width, entry) in widths.iter_mut().zip(row) {
                *width = entry.chars().count().max(*width);
            }
        }
        let line = |row: &[String; COLUMNS]| {
            let entries = row.iter().zip(widths);
            let padded = entries.map(|(entry, width)| format!("{entry:width$}"));
            let line: Vec<String> = padded.collect();
            line.join("  ").trim_end().to_owned()
        };
        let mut text = format!("{BOLD}{}{PLAIN}\n", line(&headings));
        for row in &self.rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    pub(super) fn print(&self) {
        terminal::print_coloured(&self.render());
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["JAIL", "BANNED"]);
        table.add(["sshd".to_owned(), "2".to_owned()]);
        table.add(["nginx-http-auth".to_owned(), "10".to_owned()]);
        assert_eq!(
            table.render(),
            "\u{1b}[1mJAIL             BANNED\u{1b}[0m\nsshd             2\nnginx-http-auth  10\n"
        );
    }
}
