//! `<tag>`s of a command: the action's own properties first, then what is known about the ban.
//!
//! In: the text of a command, the properties of its action, and the facts of one ban.
//! Out: a [`Script`]: the text for the shell and the values that travel beside it.
//!
//! Invariant: a value that came from a log and could mean something to a shell is never part of the text.
//! It goes as an argument, and the text refers to it by the name of a variable.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_jail::Family;

use crate::facts::NoBan;

/// How often one tag may be replaced within one text; more is a definition that refers to itself.
const REPLACEMENTS: usize = 25;
/// The longest command text, in bytes; the stock ones stay below four thousand.
const LONGEST_TEXT: usize = 1 << 20;
/// The longest value that a command is given, in bytes, and all of them together: what is beyond is cut off. The kernel
/// starts no program with an argument beyond 128 KiB, so that whoever fails with long lines would not be banned.
const LONGEST_VALUE: usize = 64 * 1024;
const LONGEST_VALUES: usize = 1 << 20;
/// The longest value that becomes a part of the text, which is an argument as well.
const LONGEST_IN_TEXT: usize = 1024;
/// The characters that a shell could take for more than themselves.
pub const SPECIAL: &[char] = &[
    '\\', '#', '&', ';', '`', '|', '*', '?', '~', '<', '>', '^', '(', ')', '[', ']', '{', '}', '$', '\'',
    '"', '\n', '\r',
];
/// Properties of these names are never put into other properties: the ban's own lines are meant.
pub const LATE: [&str; 3] = ["matches", "ipmatches", "ipjailmatches"];

/// The properties of an action, by name; one for a family has `?family=inet4` or `?family=inet6` behind its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(BTreeMap<String, String>);

/// The names under which a machine is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostNames {
    /// With its domain.
    pub full: String,
    /// Without it.
    pub short: String,
}

/// What is known about a ban: the value of each dynamic tag.
pub trait Facts {
    /// The value of the tag `name`, without its brackets; `None` where there is no such tag.
    fn value(&self, name: &str) -> Option<String>;

    /// What is known where no ban is meant, for what is set up and taken down for `family`.
    fn without_ban(&self, family: Option<Family>) -> NoBan;
}

/// A command for `/bin/sh -c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Script {
    /// The text.
    pub text: String,
    /// The values it refers to: `$0`, `$1` and so on.
    pub arguments: Vec<String>,
}

/// Properties that refer to themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("properties contain self referencing definitions and cannot be resolved, fail tag: {tag}")]
pub struct SelfReference {
    /// The tag that came up again and again.
    pub tag: String,
}

impl Properties {
    /// Sets `name` to `value`.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// The value of exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value for `family`, or the one for all.
    #[must_use]
    pub fn of_family(&self, name: &str, family: Option<Family>) -> Option<&str> {
        family
            .and_then(|family| self.get(&format!("{name}?family={family}")))
            .or_else(|| self.get(name))
    }

    /// Whether a property is meant for one family only.
    ///
    /// Names with a `-` do not count, as they do not in the reference.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.0.keys().any(|name| {
            name.split_once("?family=").is_some_and(|(base, _)| {
                !base.is_empty() && base.chars().all(|char| char.is_alphanumeric() || char == '_')
            })
        })
    }

    /// All names with their values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `text` with the properties put in for `family`; what is no property stays.
    ///
    /// # Errors
    /// Where properties refer to themselves.
    pub fn resolve(
        &self,
        text: &str,
        family: Option<Family>,
        host: &HostNames,
    ) -> Result<String, SelfReference> {
        let mut text = text.to_owned();
        let mut replaced: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let mut changed = false;
            let mut from = 0;
            while let Some((start, end, tag)) = next_tag(&text, from) {
                let Some(value) = self.static_value(&tag, family, host) else {
                    from = start + 1;
                    continue;
                };
                let count = replaced.entry(tag.clone()).or_default();
                *count += 1;
                let longer = text.len().saturating_add(value.len());
                if *count > REPLACEMENTS || value.contains(&format!("<{tag}>")) || longer > LONGEST_TEXT {
                    return Err(SelfReference { tag });
                }
                text.replace_range(start..end, &value);
                from = start;
                changed = true;
            }
            if !changed {
                return Ok(text);
            }
        }
    }

    fn static_value(&self, tag: &str, family: Option<Family>, host: &HostNames) -> Option<String> {
        if LATE.contains(&tag) {
            return None;
        }
        if let Some(value) = self.of_family(tag, family) {
            return Some(value.to_owned());
        }
        match tag {
            "br" => Some("\n".to_owned()),
            "sp" => Some(" ".to_owned()),
            "fq-hostname" => Some(host.full.clone()),
            "sh-hostname" => Some(host.short.clone()),
            _ => None,
        }
    }
}

impl Script {
    /// `text` with the facts of a ban put in, each once and not looked at again.
    ///
    /// A value with a character that means something to a shell is passed as an argument, under the name
    /// `f2bV_` and the tag. It stays the author's part to quote it against being split at blanks.
    #[must_use]
    pub fn new(text: &str, facts: &dyn Facts) -> Self {
        Self::with(text, |tag| facts.value(tag))
    }

    /// As [`Self::new`], with values from elsewhere.
    #[must_use]
    pub fn with(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Self {
        let mut out = String::with_capacity(text.len());
        let mut variables: Vec<(String, String)> = Vec::new();
        let (mut done, mut left) = (0, LONGEST_VALUES);
        while let Some((start, end, tag)) = next_tag(text, done) {
            let Some(mut value) = value_of(&tag) else {
                out.push_str(text.get(done..=start).unwrap_or_default());
                done = start + 1;
                continue;
            };
            out.push_str(text.get(done..start).unwrap_or_default());
            cut(&mut value, LONGEST_VALUE.min(left));
            // A NUL ends a program's argument; no shell could be given it.
            value.retain(|char| char != '\0');
            if value.contains(SPECIAL) || value.len() > LONGEST_IN_TEXT {
                let name = variable(&tag);
                out.push('$');
                out.push_str(&name);
                if !variables.iter().any(|(known, _)| *known == name) {
                    left = left.saturating_sub(value.len());
                    variables.push((name, value));
                }
            } else {
                out.push_str(&value);
            }
            done = end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        if variables.is_empty() {
            return Self {
                text: out,
                arguments: Vec::new(),
            };
        }
        let mut whole = String::with_capacity(out.len() + 32);
        for (index, (name, _)) in variables.iter().enumerate() {
            // Past nine, a shell reads `$10` as `$1` and a zero.
            let _ = if index < 10 {
                write!(whole, "{name}=${index} ")
            } else {
                write!(whole, "{name}=${{{index}}} ")
            };
        }
        whole.push('\n');
        whole.push_str(&out);
        let arguments = variables.into_iter().map(|(_, value)| value).collect();
        Self {
            text: whole,
            arguments,
        }
    }
}

/// Cuts a text to so many bytes, between characters.
pub(crate) fn cut(text: &mut String, longest: usize) {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// The next tag at or after `from`: where it begins and ends, and its name.
pub(crate) fn next_tag(text: &str, from: usize) -> Option<(usize, usize, String)> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find('<')?;
        let rest = text.get(start + 1..)?;
        match rest.find([' ', '<', '>']) {
            Some(length) if length > 0 && rest.as_bytes().get(length) == Some(&b'>') => {
                return Some((start, start + length + 2, rest.get(..length)?.to_owned()));
            }
            Some(_) => at = start + 1,
            None => return None,
        }
    }
}

/// The name of the shell's variable for `tag`.
fn variable(tag: &str) -> String {
    let lower = tag
        .strip_prefix("F-")
        .map_or_else(|| tag.to_owned(), |name| format!("F_{}", name.to_lowercase()));
    let word: String = lower
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() { char } else { '_' })
        .collect();
    format!("f2bV_{word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in pairs {
            properties.set(name, (*value).to_owned());
        }
        properties
    }

    #[test]
    fn properties_are_put_in_by_family_and_inside_each_other() {
        let properties = properties(&[
            ("tool", "iptables <lock>"),
            ("tool?family=inet6", "ip6tables <lock>"),
            ("lock", "-w"),
            ("type", "one"),
            ("rule_one", "R1"),
            ("matches", "never"),
        ]);
        let host = HostNames {
            full: "host.example.org".to_owned(),
            short: "host".to_owned(),
        };
        for (text, family, expected) in [
            ("<tool> -A", None, "iptables -w -A"),
            ("<tool> -A", Some(Family::Inet4), "iptables -w -A"),
            ("<tool> -A", Some(Family::Inet6), "ip6tables -w -A"),
            ("<rule_<type>>", None, "R1"),
            ("a<br>b<sp>c", None, "a\nb c"),
            ("<fq-hostname> <sh-hostname>", None, "host.example.org host"),
            (
                "<ip> <matches> <nope> < lock>",
                None,
                "<ip> <matches> <nope> < lock>",
            ),
        ] {
            assert_eq!(
                properties.resolve(text, family, &host).unwrap(),
                expected,
                "{text} {family:?}"
            );
        }
    }

    #[test]
    fn a_property_that_refers_to_itself_is_an_error() {
        let host = HostNames::default();
        for pairs in [
            &[("a", "<a>")] as &[_],
            &[("a", "<b>"), ("b", "<a>")],
            &[("a", "x<b><b>"), ("b", "<a><a>")],
        ] {
            assert!(
                properties(pairs).resolve("<a>", None, &host).is_err(),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_value_that_a_shell_could_read_travels_beside_the_text() {
        let facts = [
            ("ip", "192.0.2.1"),
            ("F-USER", "x$y z"),
            ("matches", "a\nb"),
            ("blank", "a b!%"),
        ];
        let value = |tag: &str| {
            let known = facts.iter().find(|(known, _)| *known == tag);
            known.map(|(_, value)| (*value).to_owned())
        };
        for (text, expected, arguments) in [
            ("ban <ip>", "ban 192.0.2.1", &[] as &[&str]),
            ("say <blank>", "say a b!%", &[]),
            (
                "say \"<F-USER>\" '<F-USER>'",
                "f2bV_F_user=$0 \nsay \"$f2bV_F_user\" '$f2bV_F_user'",
                &["x$y z"],
            ),
            (
                "m <matches> u <F-USER>",
                "f2bV_matches=$0 f2bV_F_user=$1 \nm $f2bV_matches u $f2bV_F_user",
                &["a\nb", "x$y z"],
            ),
            ("<unknown> <ip>", "<unknown> 192.0.2.1", &[]),
            ("<<ip>>", "<192.0.2.1>", &[]),
        ] {
            let script = Script::with(text, value);
            assert_eq!(
                (script.text.as_str(), &script.arguments[..]),
                (
                    expected,
                    &arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>()[..]
                ),
                "{text}"
            );
        }
    }
}
