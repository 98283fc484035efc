//! A page of the documents, as far as it says something that can be tried.
//!
//! In: its text. Out: its blocks in their order, its headings, its links and its spans of code.
//!
//! | what stands in the page | what it means |
//! |---|---|
//! | a fence `sh` | a script, which must succeed |
//! | a fence `sh REASON` | a script that cannot be run here; the reasons are [`REASONS`] |
//! | a fence `sh endless` | commands that go on until they are ended |
//! | a fence `console` | lines that begin with `# ` are commands, those below them what they print |
//! | a fence `ini FILE` | a file of the configuration, which must be in order |
//! | a fence `ini FILE wrong` | the same, with something in it that the page goes on to tell |
//! | a fence `text`, `log` or `arrows` | nothing to be tried |
//! | a comment `<!-- sh` | what happens meanwhile, behind the reader's back: an attack, a service that starts |

/// Why a script cannot be run.
pub(crate) const REASONS: [&str; 9] = [
    // It builds the programs, which are built.
    "build",
    // It installs something on the machine.
    "installs",
    // It asks the service manager or its journal for more than the stand-in can do.
    "systemd",
    // It needs a program that changes the machine as a whole, and is not on it.
    "docker",
    "firewalld",
    "ufw",
    "shorewall",
    // It does not end by itself: it is begun, and ended after a while.
    "endless",
    // It talks to other machines.
    "network",
];

/// Something to be tried.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its fence.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What is to be tried.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A script; the second one if the reader does not see it.
    Script { text: String, is_shown: bool },
    /// A script that is only looked at.
    Unrun { reason: String, text: String },
    /// A session: commands, and what is printed below each.
    Session(Vec<Exchange>),
    /// A file of the configuration.
    File {
        path: String,
        text: String,
        is_wrong: bool,
    },
}

/// A command, and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) command: String,
    pub(crate) printed: String,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    /// The anchors of its headings.
    pub(crate) anchors: Vec<String>,
    /// Where its links lead, with their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// Its spans of code, with their lines.
    pub(crate) spans: Vec<(usize, String)>,
    /// What is wrong with the page itself.
    pub(crate) mistakes: Vec<String>,
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            let trimmed = line.trim_start();
            if let Some(info) = trimmed.strip_prefix("```") {
                let indent = line.len() - trimmed.len();
                let body = until(&mut lines, |line| line.trim_start() == "```", indent);
                page.fence(number, info, &body);
            } else if line == "<!-- sh" {
                let body = until(&mut lines, |line| line == "-->", 0);
                let kind = Kind::Script {
                    text: body,
                    is_shown: false,
                };
                page.blocks.push(Block { line: number, kind });
            } else if let Some(heading) = line.strip_prefix('#') {
                let anchor = anchor(heading.trim_start_matches('#'));
                page.anchors.push(anchor);
            } else {
                page.prose(number, line);
            }
        }
        page
    }

    fn fence(&mut self, line: usize, info: &str, body: &str) {
        let words: Vec<&str> = info.split_whitespace().collect();
        let kind = match words.as_slice() {
            ["sh"] => Kind::Script {
                text: body.to_owned(),
                is_shown: true,
            },
            ["sh", reason] if REASONS.contains(reason) => Kind::Unrun {
                reason: (*reason).to_owned(),
                text: body.to_owned(),
            },
            ["console"] => match session(body) {
                Some(exchanges) => Kind::Session(exchanges),
                None => {
                    self.mistakes
                        .push(format!("{line}: a session begins with a command, behind `# `"));
                    return;
                }
            },
            ["ini", path] | ["ini", path, "wrong"] => Kind::File {
                path: (*path).to_owned(),
                text: body.to_owned(),
                is_wrong: words.len() > 2,
            },
            ["text" | "log" | "arrows"] => return,
            _ => {
                self.mistakes
                    .push(format!("{line}: nobody knows what a fence `{info}` is"));
                return;
            }
        };
        self.blocks.push(Block { line, kind });
    }

    /// Links and spans of code; a link within code is none.
    fn prose(&mut self, number: usize, line: &str) {
        // Code indented by four blanks is not looked at.
        if line.starts_with("    ") {
            return;
        }
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 1 {
                self.spans.push((number, part.to_owned()));
                continue;
            }
            for (at, _) in part.match_indices("](") {
                let target = part.get(at + 2..).unwrap_or_default();
                if let Some((target, _)) = target.split_once(')') {
                    self.links.push((number, target.to_owned()));
                }
            }
        }
    }
}

/// The lines up to one that ends them, without their indentation.
fn until<'l>(
    lines: &mut impl Iterator<Item = (usize, &'l str)>,
    ends: impl Fn(&str) -> bool,
    indent: usize,
) -> String {
    let mut body = String::new();
    for (_, line) in lines {
        if ends(line) {
            break;
        }
        body.push_str(line.get(indent..).unwrap_or(line.trim_start()));
        body.push('\n');
    }
    body
}

/// The commands of a session; one goes on in lines that begin with `> `.
fn session(body: &str) -> Option<Vec<Exchange>> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("# ") {
            exchanges.push(Exchange {
                command: command.to_owned(),
                printed: String::new(),
            });
            continue;
        }
        let last = exchanges.last_mut()?;
        match line.strip_prefix("> ").filter(|_| last.printed.is_empty()) {
            Some(more) => {
                last.command.push('\n');
                last.command.push_str(more);
            }
            None => {
                last.printed.push_str(line);
                last.printed.push('\n');
            }
        }
    }
    Some(exchanges)
}

/// The anchor that a heading has where Markdown is shown.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    });
    kept.collect()
}
