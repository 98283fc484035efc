//! The reference of all options: as a document, and as manual pages.
//!
//! In: the table of the options in [`stockade_config`]. Out: Markdown for `docs/configuration.md`, and pages of the
//! manual's section 5.
//!
//! Invariant: what an option is called, what it takes and what it means comes from the table alone.

use std::fmt::Write as _;

use stockade_config::{Entry, Fallback, Group, INCLUDES, Vocabulary};

/// What the document says before the options.
const INTRODUCTION: &str = "\
# The options of the configuration

<!-- Written by `UPDATE_SNAPSHOTS=1 cargo test -p stockade-cli --test reference` from crates/config/src/vocabulary.rs. -->

Every option that Stockade reads: what it takes, with an example below that, and what counts where no file says
anything. What the files that come with Stockade say is in `stockade config show jail.conf`. Options with a star are
Stockade's own; fail2ban passes them over, or takes them for variables. *Live* is the command of `fail2ban-client` that changes the
option in a running daemon until the next reload; for options of jails `stockade jail set` does so, too.

`stockade explain sshd` shows what each of them is in a jail, and where that is written; `stockade check` says which
values make no sense.

";

/// How files of the configuration are written: the items of a list.
const SYNTAX: &str = "\
- The files of `/etc/fail2ban` lie upon those inside the program, file by file. Of each name, `jail`, `fail2ban`,
  `filter.d/NAME`, `action.d/NAME`, these are read, and later ones win: `NAME.conf`, `NAME.d/*.conf`, `NAME.local`,
  `NAME.d/*.local`. What you change belongs into a `.local` or into `NAME.d`.
- `[DEFAULT]` holds for every section of its file that does not say otherwise.
- A value goes on in the lines below it that are indented further. A line that begins with `#` or `;` is a comment, and
  so is what follows a blank and a `;`. A `#` behind a value is part of it.
- `%(name)s` is the value of another option of the section; `%(known/name)s` is what the layer before said; a percent
  sign is written twice.
- `<name>` in a filter or an action is one of its options or parameters.
- A **time** is a number of seconds, or numbers with units: `90`, `10m`, `1h 30m`, `1d12h`. The units are `s`, `m`
  (minutes), `h`, `d`, `w`, `mo` and `y`.
- **True** is `true`, `yes`, `on` or `1`; anything else is false.
";

/// A kind of file: its title in the document, its page of the manual, and what that says before the options.
struct Chapter {
    vocabulary: Vocabulary,
    title: &'static str,
    page: &'static str,
    file: &'static str,
    introduction: &'static str,
}

const CHAPTERS: [Chapter; 4] = [
    Chapter {
        vocabulary: Vocabulary::Daemon,
        title: "The daemon",
        page: "stockade.conf",
        file: "/etc/fail2ban/fail2ban.conf",
        introduction: "In `fail2ban.conf` and its layers, below `[Definition]` or `[DEFAULT]`.",
    },
    Chapter {
        vocabulary: Vocabulary::Jail,
        title: "Jails",
        page: "stockade-jail",
        file: "/etc/fail2ban/jail.conf",
        introduction: "In `jail.conf` and its layers, below the name of a jail, or below `[DEFAULT]` for all jails.",
    },
    Chapter {
        vocabulary: Vocabulary::Filter,
        title: "Filters",
        page: "stockade-filter",
        file: "/etc/fail2ban/filter.d",
        introduction: "In a file of `filter.d`, below `[Definition]`; defaults of parameters stand below `[Init]`. A jail \
                       may have each of them itself, and wins over its filter.",
    },
    Chapter {
        vocabulary: Vocabulary::Action,
        title: "Actions",
        page: "stockade-action",
        file: "/etc/fail2ban/action.d",
        introduction: "In a file of `action.d`, below `[Definition]`; defaults of parameters stand below `[Init]`, and \
                       below `[Init?family=inet6]` for one family of addresses.",
    },
];

/// The groups of a chapter: the heading, which is empty for the first, and what is said below it.
const fn heading(vocabulary: Vocabulary, group: Group) -> (&'static str, &'static str) {
    match (vocabulary, group) {
        (_, Group::Read) => ("", ""),
        (_, Group::Setting) => (
            "Settings of actions",
            "In `[Init]`, or in the brackets behind the name of the action.",
        ),
        (_, Group::Message) => (
            "Settings of actions that send requests or mail",
            "In the same places, where `type` is `http` or `mail`.",
        ),
        (Vocabulary::Jail, Group::Variable) => (
            "Variables of the jails that come with Stockade",
            "Nobody reads these by themselves; the options of the jails refer to them. Below the name of a jail, or below \
             `[DEFAULT]`.",
        ),
        (_, Group::Variable) => ("Variables by convention", "Many filters know these parameters."),
    }
}

const GROUPS: [Group; 4] = [Group::Read, Group::Setting, Group::Message, Group::Variable];

/// `docs/configuration.md`.
#[must_use]
pub fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    section(&mut text, "##", "How it is written", SYNTAX.trim_end());
    for chapter in &CHAPTERS {
        section(&mut text, "##", chapter.title, chapter.introduction);
        for group in GROUPS {
            let entries: Vec<&Entry> = chapter.vocabulary.entries(group).collect();
            if entries.is_empty() {
                continue;
            }
            let (title, introduction) = heading(chapter.vocabulary, group);
            if !title.is_empty() {
                section(&mut text, "###", title, introduction);
            }
            table(&mut text, &entries);
        }
    }
    section(
        &mut text,
        "##",
        "Includes",
        "In any file, below `[INCLUDES]`. A file that is not there is passed over.",
    );
    table(&mut text, &INCLUDES.iter().collect::<Vec<_>>());
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(text: &mut String, level: &str, title: &str, introduction: &str) {
    let _never_fails = write!(text, "{level} {title}\n\n{introduction}\n\n");
}

fn table(text: &mut String, entries: &[&Entry]) {
    text.push_str("| option | value, example | if not written | live | meaning |\n|---|---|---|---|---|\n");
    for entry in entries {
        let star = if entry.is_ours { " *" } else { "" };
        let cells = [
            format!("`{}`{star}", entry.name),
            format!("{}<br>`{}`", entry.kind.described(), entry.example),
            unwritten(entry),
            entry.live.map(|live| format!("`{live}`")).unwrap_or_default(),
            entry.meaning.to_owned(),
        ];
        let cells = cells.map(|cell| cell.replace('|', r"\|"));
        let _never_fails = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}

fn unwritten(entry: &Entry) -> String {
    match entry.fallback {
        Fallback::Nothing | Fallback::Read("") => "–".to_owned(),
        Fallback::Read(value) | Fallback::Daemon(value) => format!("`{value}`"),
    }
}

/// The pages of the manual: the name of the file, and what it says.
#[must_use]
pub fn manual() -> Vec<(String, String)> {
    let pages = CHAPTERS.iter().map(|chapter| {
        let name = chapter.page;
        let mut page = format!(
            ".TH {} 5 \"\" \"Stockade {}\"\n.SH NAME\n{} \\- options of {}\n.SH DESCRIPTION\n{}\n",
            name.to_uppercase().replace('-', "\\-"),
            env!("CARGO_PKG_VERSION"),
            escaped(name),
            escaped(chapter.file),
            plain(chapter.introduction),
        );
        page.push_str(".PP\nOptions with a star are Stockade's own.\n");
        for group in GROUPS {
            let entries: Vec<&Entry> = chapter.vocabulary.entries(group).collect();
            if entries.is_empty() {
                continue;
            }
            let (title, introduction) = heading(chapter.vocabulary, group);
            let title = if title.is_empty() { "Options" } else { title };
            let _never_fails = write!(page, ".SH {}\n{}\n", title.to_uppercase(), plain(introduction));
            entries.iter().for_each(|entry| described(&mut page, entry));
        }
        page.push_str(".SH HOW IT IS WRITTEN\n");
        for item in SYNTAX.trim_end().split("\n- ") {
            let item = item
                .trim_start_matches("- ")
                .replace("\n  ", "\n")
                .replace("**", "");
            let _never_fails = write!(page, ".IP \\(bu 2\n{}\n", plain(&item));
        }
        page.push_str(
            ".SH SEE ALSO\n.BR stockade\\-check (1),\n.BR stockade\\-explain (1),\n.BR stockade.conf (5),\n\
             .BR stockade\\-jail (5),\n.BR stockade\\-filter (5),\n.BR stockade\\-action (5)\n",
        );
        (format!("{name}.5"), page.replace("\n\n", "\n"))
    });
    pages.collect()
}

/// An option in a page of the manual.
fn described(page: &mut String, entry: &Entry) {
    let star = if entry.is_ours { " *" } else { "" };
    let _never_fails = write!(
        page,
        ".TP\n.B {}{star}\n{}\n.br\nValue: {}; for example\n.BR \"{}\" .\n",
        escaped(entry.name),
        plain(entry.meaning),
        plain(&entry.kind.described()),
        escaped(entry.example).replace('"', "\\(dq"),
    );
    if let Some(value) = entry.fallback.value().filter(|value| !value.is_empty()) {
        let _never_fails = write!(
            page,
            ".br\nIf it is not written:\n.BR \"{}\" .\n",
            escaped(value).replace('"', "\\(dq")
        );
    }
    if let Some(live) = entry.live {
        let _never_fails = write!(
            page,
            ".br\nIn a running daemon:\n.BR \"fail2ban\\-client {}\" .\n",
            escaped(live).replace('"', "\\(dq")
        );
    }
}

/// Text without the marks of Markdown.
fn plain(text: &str) -> String {
    escaped(&text.replace('`', ""))
}

/// Text in which nothing means anything to the formatter.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '…' => escaped.push_str("..."),
            _ => escaped.push(c),
        }
    }
    if escaped.starts_with('.') {
        escaped.insert_str(0, "\\&");
    }
    escaped
}
