//! An action that is made of shell commands: which of them run, for which family, and in what order.
//!
//! In: what is to be done (start, ban, unban, flush, stop, reload) and a [`Shell`] that runs a script.
//! Out: whether it was done, and what went wrong.
//!
//! Invariant: nothing is unbanned in a family in which nothing was banned, and a family is started before
//! its first ban and stopped once.

use std::cell::Cell;
use std::collections::BTreeSet;

use stockade_jail::Family;

use crate::facts::{OnlyFamily, Past};
use crate::message::{self, Malformed, Medium, Message};
use crate::tags::{Facts, HostNames, Properties, Script, SelfReference, cut};

/// Runs scripts, one at a time.
pub trait Shell {
    /// Runs `script`; whether it ended with status 0. What it printed and how it ended is the shell's to log.
    fn run(&mut self, script: &Script) -> bool;
    /// Sends a message; whether it was taken. What became of it is the shell's to log.
    fn send(&mut self, message: Message) -> bool;
    /// What the last answer to a message has at a place, such as `result.0.id`.
    fn answer(&self, place: &str) -> Option<String>;
    /// Takes note of a text that is no message.
    fn refuse(&mut self, malformed: &Malformed);
    /// Takes note of something that an administrator has to know.
    fn report(&mut self, trouble: Trouble);
}

/// What an action has to say beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// What the action had set up is gone; it is set up again.
    Repairing,
    /// What the action had set up is gone, and an unban does not set it up again.
    UnbanImpossible,
    /// What the action had set up is gone, and a flush does not set it up again.
    FlushImpossible,
    /// What the action had set up is gone and cannot be set up again.
    BeyondRepair,
}

/// Why an action did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// A command failed, also when it was tried again.
    #[error("Script error")]
    Failed,
    /// The properties of the action cannot be resolved.
    #[error(transparent)]
    Properties(#[from] SelfReference),
}

/// An action that is made of shell commands.
#[derive(Debug, Clone)]
pub struct CommandAction {
    properties: Properties,
    host: HostNames,
    ipv6: bool,
    families: [State; 3],
    /// The families in which something was started or banned, in the order of that.
    known: Vec<Option<Family>>,
    /// Whether it runs its commands, or sends them.
    medium: Medium,
    /// How often it was, or should have been, set up again.
    repairs: u64,
    started: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    started: bool,
    has_items: bool,
}

const FAMILIES: [Option<Family>; 3] = [None, Some(Family::Inet4), Some(Family::Inet6)];

impl CommandAction {
    /// An action with these `properties`, on a machine of this name, which uses IPv6 or does not.
    #[must_use]
    pub fn new(properties: Properties, host: HostNames, ipv6: bool) -> Self {
        let state = State {
            started: false,
            has_items: false,
        };
        Self {
            medium: Medium::named(properties.get("type")),
            properties,
            host,
            ipv6,
            families: [state; 3],
            known: Vec::new(),
            repairs: 0,
            started: BTreeSet::new(),
        }
    }

    /// Its properties.
    #[must_use]
    pub const fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Puts other properties in place; what has been started stays so.
    pub fn set_properties(&mut self, properties: Properties) {
        self.medium = Medium::named(properties.get("type"));
        self.properties = properties;
    }

    /// Whether it runs its commands, or sends them.
    #[must_use]
    pub const fn medium(&self) -> Medium {
        self.medium
    }

    /// The names of the machine.
    #[must_use]
    pub const fn host(&self) -> &HostNames {
        &self.host
    }

    /// The value of a property, with the tags in it replaced, where there is one.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        let text = self.properties.get(name)?;
        let resolved = self.properties.resolve(text, None, &self.host).ok()?;
        Some(resolved.trim().to_owned())
    }

    /// Whether tickets that are restored at start pass this action by.
    #[must_use]
    pub fn skips_restored(&self) -> bool {
        self.flag("norestored").unwrap_or(false)
    }

    /// Whether all bans of a jail can be lifted at once.
    #[must_use]
    pub fn can_flush(&self) -> bool {
        FAMILIES
            .iter()
            .any(|&family| self.has_command("actionflush", family))
    }

    /// Whether its commands ask for what is kept of earlier bans.
    #[must_use]
    pub fn wants_past(&self) -> bool {
        let asks = |text: &str| Past::TAGS.iter().any(|tag| text.contains(&format!("<{tag}>")));
        self.texts().any(asks)
    }

    /// All that its commands may consist of, for whoever looks for tags in it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(|(_, text)| text)
    }

    /// Whether it can tell that what it has set up is gone.
    #[must_use]
    pub fn can_check(&self) -> bool {
        FAMILIES
            .iter()
            .any(|&family| self.has_command("actioncheck", family))
    }

    /// How often it was set up again, or was tried to. A ban of before may have gone with what was there then.
    #[must_use]
    pub const fn repairs(&self) -> u64 {
        self.repairs
    }

    /// Whether what it does for a ban is undone at the end of the ban; where not, it only reports.
    #[must_use]
    pub fn undoes(&self) -> bool {
        FAMILIES
            .iter()
            .any(|&family| self.has_command("actionunban", family))
    }

    /// Whether a ban that got longer is of interest.
    #[must_use]
    pub fn can_prolong(&self) -> bool {
        FAMILIES
            .iter()
            .any(|&family| self.has_command("actionprolong", family))
    }

    /// What is done when the jail starts: nothing where the first ban of a family does it.
    ///
    /// # Errors
    /// Where a command fails.
    pub fn start(&mut self, facts: &dyn Facts, shell: &mut dyn Shell) -> Result<(), ActionError> {
        if self.starts_on_demand() {
            return Ok(());
        }
        // Whoever starts it again means it.
        self.started.clear();
        let mut result = Ok(());
        for family in self.own_families() {
            result = result.and(self.start_family(family, facts, shell));
        }
        result
    }

    /// Bans.
    ///
    /// # Errors
    /// Where the command fails twice, or what it needs cannot be set up.
    pub fn ban(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        self.ban_with("actionban", family, facts, shell)
    }

    /// Bans whom an attempt before has not banned. Where nothing was ever set up, since that failed as well, it is
    /// set up first: without it no ban could succeed.
    ///
    /// # Errors
    /// As [`Self::ban`].
    pub fn ban_after_failure(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        if self.known.is_empty() {
            self.start(&facts.without_ban(None), shell)?;
        }
        self.ban(family, facts, shell)
    }

    /// Bans again after a repair: `actionreban` where there is one.
    ///
    /// # Errors
    /// As [`Self::ban`].
    pub fn reban(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        let name = if self.has_command("actionreban", family) {
            "actionreban"
        } else {
            "actionban"
        };
        self.ban_with(name, family, facts, shell)
    }

    /// Lifts a ban, where something was banned in its family.
    ///
    /// # Errors
    /// Where the command fails twice.
    pub fn unban(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        if !self.state(family).has_items {
            return Ok(());
        }
        self.carry_out("actionunban", family, facts, shell)
    }

    /// Tells the action that a ban got longer.
    ///
    /// # Errors
    /// Where the command fails twice.
    pub fn prolong(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        if !self.has_command("actionprolong", family) {
            return Ok(());
        }
        self.carry_out("actionprolong", family, facts, shell)
    }

    /// Lifts all bans at once.
    ///
    /// # Errors
    /// Where a command fails.
    pub fn flush(&mut self, facts: &dyn Facts, shell: &mut dyn Shell) -> Result<(), ActionError> {
        let mut texts = BTreeSet::new();
        let mut result = Ok(());
        for family in self.known.clone() {
            let state = self.state(family);
            if !(state.started && state.has_items) {
                continue;
            }
            let done = self.run_once("actionflush", family, facts, shell, &mut texts);
            if matches!(done, Ok(true)) {
                self.state_mut(family).has_items = false;
            }
            result = result.and(done.and_then(|ok| if ok { Ok(()) } else { Err(ActionError::Failed) }));
        }
        result
    }

    /// Looks whether what was set up is still there, and sets it up again, but for an action that `ends` and would take
    /// it down next. A family that cannot be repaired begins anew with its next ban.
    pub fn look_after(&mut self, ends: bool, facts: &dyn Facts, shell: &mut dyn Shell) {
        let repairs = !ends || self.flag("actionrepair_on_unban").unwrap_or(false);
        for family in self.known.clone() {
            if !self.state(family).started || self.is_there(family, shell).unwrap_or(false) {
                continue;
            }
            if repairs {
                if self.repair(family, facts, shell).is_err() {
                    *self.state_mut(family) = State::default();
                }
            } else {
                shell.report(Trouble::FlushImpossible);
            }
        }
    }

    /// Takes down what was set up.
    ///
    /// # Errors
    /// Where a command fails; the others are run all the same.
    pub fn stop(&mut self, facts: &dyn Facts, shell: &mut dyn Shell) -> Result<(), ActionError> {
        let mut texts = BTreeSet::new();
        let mut result = Ok(());
        for family in std::mem::take(&mut self.known) {
            if !self.state(family).started {
                continue;
            }
            let done = self.run_once("actionstop", family, facts, shell, &mut texts);
            result = result.and(done.and_then(|ok| if ok { Ok(()) } else { Err(ActionError::Failed) }));
            *self.state_mut(family) = State::default();
        }
        self.started.clear();
        result
    }

    /// Whether what was set up is still there, as far as `actioncheck` can tell.
    ///
    /// # Errors
    /// Where the properties of the action cannot be resolved.
    pub fn check(&self, shell: &mut dyn Shell) -> Result<bool, ActionError> {
        for &family in &self.known {
            if self.state(family).started && !self.is_there(family, shell)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells the action that its configuration was read again.
    ///
    /// # Errors
    /// Where a command fails; the others are run all the same.
    pub fn reload(&mut self, facts: &dyn Facts, shell: &mut dyn Shell) -> Result<(), ActionError> {
        let mut texts = BTreeSet::new();
        let mut result = Ok(());
        for family in self.known.clone() {
            if self.state(family).started {
                let done = self.run_once("actionreload", family, facts, shell, &mut texts);
                result = result.and(done.and_then(|ok| if ok { Ok(()) } else { Err(ActionError::Failed) }));
            }
        }
        result
    }

    fn ban_with(
        &mut self,
        name: &str,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        if self.starts_on_demand() && !self.state(family).started {
            self.start_family(family, facts, shell)?;
        }
        self.carry_out(name, family, facts, shell)?;
        self.note_started(family);
        self.state_mut(family).has_items = true;
        Ok(())
    }

    fn note_started(&mut self, family: Option<Family>) {
        self.state_mut(family).started = true;
        if !self.known.contains(&family) {
            self.known.push(family);
        }
    }

    /// Runs a command of a ban, and once more where it failed: after a repair if what it needs is gone.
    fn carry_out(
        &mut self,
        name: &str,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        if self.run(name, family, facts, shell)? {
            return Ok(());
        }
        // Whether to send it once more, and when, depends on what the server has said.
        if self.medium != Medium::Shell {
            return Err(ActionError::Failed);
        }
        if !self.is_there(family, shell)? {
            if name == "actionunban" && !self.flag("actionrepair_on_unban").unwrap_or(false) {
                shell.report(Trouble::UnbanImpossible);
                return Err(ActionError::Failed);
            }
            self.repair(family, facts, shell)?;
        }
        if self.run(name, family, facts, shell)? {
            Ok(())
        } else {
            Err(ActionError::Failed)
        }
    }

    fn repair(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        shell.report(Trouble::Repairing);
        self.repairs += 1;
        let repaired = if self.has_command("actionrepair", family) {
            self.run_for_family("actionrepair", family, shell)?
        } else {
            // What is left of the old environment may make this fail; the check below tells.
            let _ = self.run("actionstop", family, &facts.without_ban(family), shell)?;
            *self.state_mut(family) = State::default();
            let text = self.text_for("actionstart", family)?;
            self.started.remove(&text);
            self.start_family(family, facts, shell).is_ok()
        };
        if repaired && self.is_there(family, shell)? {
            return Ok(());
        }
        shell.report(Trouble::BeyondRepair);
        Err(ActionError::Failed)
    }

    /// Runs `actionstart` for `family`, unless the very same text ran for another one.
    fn start_family(
        &mut self,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<(), ActionError> {
        let text = self.text_for("actionstart", family)?;
        if !text.trim().is_empty() && !self.started.contains(&text) {
            let facts = facts.without_ban(family);
            if !self.execute(&text, &|tag| facts.value(tag), shell) {
                return Err(ActionError::Failed);
            }
            self.started.insert(text);
        }
        self.note_started(family);
        Ok(())
    }

    /// Runs a command, unless the very same one has done it for another family.
    fn run_once(
        &self,
        name: &str,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
        texts: &mut BTreeSet<String>,
    ) -> Result<bool, ActionError> {
        let text = self.text_for(name, family)?;
        if text.trim().is_empty() || texts.contains(&text) {
            return Ok(true);
        }
        let facts = facts.without_ban(family);
        let done = self.execute(&text, &|tag| facts.value(tag), shell);
        if done {
            texts.insert(text);
        }
        Ok(done)
    }

    /// Whether what was set up is there; where there is no command that would tell, it is.
    fn is_there(&self, family: Option<Family>, shell: &mut dyn Shell) -> Result<bool, ActionError> {
        self.run_for_family("actioncheck", family, shell)
    }

    /// Runs a command that is told of its family and nothing else.
    fn run_for_family(
        &self,
        name: &str,
        family: Option<Family>,
        shell: &mut dyn Shell,
    ) -> Result<bool, ActionError> {
        let text = self.text(name, family)?;
        Ok(text.trim().is_empty() || self.execute(&text, &|tag| OnlyFamily(family).value(tag), shell))
    }

    fn run(
        &self,
        name: &str,
        family: Option<Family>,
        facts: &dyn Facts,
        shell: &mut dyn Shell,
    ) -> Result<bool, ActionError> {
        let text = self.text(name, family)?;
        Ok(text.trim().is_empty() || self.execute(&text, &|tag| facts.value(tag), shell))
    }

    /// Runs a text with these values as a command, or sends it.
    fn execute(&self, text: &str, value_of: &dyn Fn(&str) -> Option<String>, shell: &mut dyn Shell) -> bool {
        if self.medium == Medium::Shell {
            return shell.run(&Script::with(text, value_of));
        }
        let longest = self.setting("longest").and_then(|longest| longest.parse().ok());
        for part in message::parts(self.medium, text) {
            let is_unanswered = Cell::new(false);
            let value = |tag: &str| {
                if let Some(place) = tag.strip_prefix("answer.") {
                    let answer = shell.answer(place);
                    is_unanswered.set(answer.is_none());
                    return answer.or_else(|| Some(String::new()));
                }
                let mut value = value_of(tag)?;
                cut(&mut value, longest.unwrap_or(usize::MAX));
                Some(value)
            };
            match Message::fill(self.medium, part, &value) {
                // What the answer before has not named is not there: there is nothing left to do.
                Ok(_) if is_unanswered.get() => return true,
                Ok(message) => {
                    if !shell.send(message) {
                        return false;
                    }
                }
                Err(malformed) => {
                    shell.refuse(&malformed);
                    return false;
                }
            }
        }
        true
    }

    /// The text of a command that knows its family.
    fn text_for(&self, name: &str, family: Option<Family>) -> Result<String, ActionError> {
        let named = family.map(|family| family.to_string()).unwrap_or_default();
        let text = self.text(name, family)?;
        Ok(Script::with(&text, |tag| (tag == "family").then(|| named.clone())).text)
    }

    fn text(&self, name: &str, family: Option<Family>) -> Result<String, ActionError> {
        let text = self.properties.of_family(name, family).unwrap_or_default();
        Ok(self.properties.resolve(text, family, &self.host)?)
    }

    fn has_command(&self, name: &str, family: Option<Family>) -> bool {
        self.properties
            .of_family(name, family)
            .is_some_and(|text| !text.trim().is_empty())
    }

    fn starts_on_demand(&self) -> bool {
        self.flag("actionstart_on_demand")
            .unwrap_or_else(|| self.properties.is_conditional())
    }

    fn own_families(&self) -> Vec<Option<Family>> {
        if let Some(families) = self.properties.get("families") {
            let named = families.split([' ', ',', '\n']).filter_map(|name| match name {
                "inet4" => Some(Some(Family::Inet4)),
                "inet6" => Some(Some(Family::Inet6)),
                _ => None,
            });
            return named.collect();
        }
        match (self.properties.is_conditional(), self.ipv6) {
            (false, _) => vec![None],
            (true, false) => vec![Some(Family::Inet4)],
            (true, true) => vec![Some(Family::Inet4), Some(Family::Inet6)],
        }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.properties.get(name)?.to_lowercase();
        Some(matches!(value.as_str(), "1" | "on" | "true" | "yes"))
    }

    const fn state(&self, family: Option<Family>) -> State {
        let [none, inet4, inet6] = self.families;
        match family {
            None => none,
            Some(Family::Inet4) => inet4,
            Some(Family::Inet6) => inet6,
        }
    }

    const fn state_mut(&mut self, family: Option<Family>) -> &mut State {
        let [none, inet4, inet6] = &mut self.families;
        match family {
            None => none,
            Some(Family::Inet4) => inet4,
            Some(Family::Inet6) => inet6,
        }
    }
}

#[cfg(test)]
mod tests {
    use stockade_jail::{BanTime, Timestamp};

    use super::*;
    use crate::facts::{JailFacts, NoBan};

    /// A shell that writes scripts down; those that contain a word of `broken` fail.
    #[derive(Default)]
    struct Paper {
        ran: Vec<String>,
        broken: Vec<&'static str>,
        mended_by: Option<&'static str>,
        troubles: Vec<Trouble>,
    }

    impl Shell for Paper {
        fn run(&mut self, script: &Script) -> bool {
            self.ran.push(script.text.clone());
            if self.mended_by.is_some_and(|word| script.text.contains(word)) {
                self.broken.clear();
            }
            !self.broken.iter().any(|word| script.text.contains(word))
        }

        fn send(&mut self, message: Message) -> bool {
            self.ran.push(format!("{message:?}"));
            true
        }

        fn answer(&self, place: &str) -> Option<String> {
            (place == "result.0.id").then(|| "a/b".to_owned())
        }

        fn refuse(&mut self, malformed: &Malformed) {
            self.ran.push(malformed.to_string());
        }

        fn report(&mut self, trouble: Trouble) {
            self.troubles.push(trouble);
        }
    }

    struct Of(&'static str);

    impl Facts for Of {
        fn value(&self, name: &str) -> Option<String> {
            (name == "ip").then(|| self.0.to_owned())
        }

        fn without_ban(&self, family: Option<Family>) -> NoBan {
            let jail = JailFacts {
                name: "jail".to_owned(),
                bantime: BanTime::Forever,
                banned: 0,
                banned_total: 0,
                found: 0,
                found_total: 0,
                now: Timestamp::from_seconds(0),
            };
            NoBan { jail, family }
        }
    }

    fn action(pairs: &[(&str, &str)]) -> CommandAction {
        let mut properties = Properties::default();
        for (name, value) in pairs {
            properties.set(name, (*value).to_owned());
        }
        CommandAction::new(properties, HostNames::default(), true)
    }

    const TWO_FAMILIES: &[(&str, &str)] = &[
        ("tool", "t4"),
        ("tool?family=inet6", "t6"),
        ("actionstart", "<tool> START"),
        ("actionstop", "<tool> STOP"),
        ("actioncheck", "<tool> CHECK"),
        ("actionflush", "<tool> FLUSH"),
        ("actionban", "<tool> BAN <ip>"),
        ("actionunban", "<tool> UNBAN <ip>"),
    ];

    #[test]
    fn a_family_is_started_by_its_first_ban_and_stopped_with_the_jail() {
        let (mut action, mut shell) = (action(TWO_FAMILIES), Paper::default());
        action.start(&Of(""), &mut shell).unwrap();
        action
            .unban(Some(Family::Inet4), &Of("192.0.2.90"), &mut shell)
            .unwrap();
        action
            .ban(Some(Family::Inet4), &Of("192.0.2.91"), &mut shell)
            .unwrap();
        action
            .ban(Some(Family::Inet6), &Of("2001:db8::92"), &mut shell)
            .unwrap();
        action
            .unban(Some(Family::Inet4), &Of("192.0.2.91"), &mut shell)
            .unwrap();
        action.flush(&Of(""), &mut shell).unwrap();
        action.stop(&Of(""), &mut shell).unwrap();
        assert_eq!(
            shell.ran,
            [
                "t4 START",
                "t4 BAN 192.0.2.91",
                "t6 START",
                "t6 BAN 2001:db8::92",
                "t4 UNBAN 192.0.2.91",
                "t4 FLUSH",
                "t6 FLUSH",
                "t4 STOP",
                "t6 STOP",
            ]
        );
    }

    #[test]
    fn what_is_gone_is_set_up_again_and_the_ban_repeated() {
        let mut action = action(TWO_FAMILIES);
        let mut shell = Paper {
            mended_by: Some("START"),
            ..Paper::default()
        };
        action
            .ban(Some(Family::Inet4), &Of("192.0.2.91"), &mut shell)
            .unwrap();
        shell.ran.clear();
        shell.broken = vec!["BAN", "CHECK"];
        action
            .ban(Some(Family::Inet4), &Of("192.0.2.93"), &mut shell)
            .unwrap();
        assert_eq!(
            shell.ran,
            [
                "t4 BAN 192.0.2.93",
                "t4 CHECK",
                "t4 STOP",
                "t4 START",
                "t4 CHECK",
                "t4 BAN 192.0.2.93"
            ]
        );
        shell.ran.clear();
        shell.mended_by = None;
        shell.broken = vec!["BAN", "CHECK"];
        assert_eq!(
            action.unban(Some(Family::Inet4), &Of("192.0.2.93"), &mut shell),
            Err(ActionError::Failed)
        );
        assert_eq!(shell.ran, ["t4 UNBAN 192.0.2.93", "t4 CHECK"]);
        assert_eq!(shell.troubles, [Trouble::Repairing, Trouble::UnbanImpossible]);
    }

    #[test]
    fn without_a_check_a_failed_command_is_tried_twice() {
        let mut action = action(&[("actionban", "BAN <ip>"), ("actionstart", "START")]);
        let mut shell = Paper {
            broken: vec!["BAN"],
            ..Paper::default()
        };
        action.start(&Of(""), &mut shell).unwrap();
        assert_eq!(
            action.ban(Some(Family::Inet4), &Of("192.0.2.1"), &mut shell),
            Err(ActionError::Failed)
        );
        assert_eq!(shell.ran, ["START", "BAN 192.0.2.1", "BAN 192.0.2.1"]);
    }

    #[test]
    fn an_unconditional_action_that_broke_is_started_again() {
        let mut action = action(&[
            ("actionban", "BAN"),
            ("actionstart", "START"),
            ("actioncheck", "CHECK"),
        ]);
        let mut shell = Paper::default();
        action.start(&Of(""), &mut shell).unwrap();
        shell.broken = vec!["BAN", "CHECK"];
        shell.mended_by = Some("START");
        action
            .ban(Some(Family::Inet4), &Of("192.0.2.1"), &mut shell)
            .unwrap();
        assert_eq!(shell.ran, ["START", "BAN", "CHECK", "START", "CHECK", "BAN"]);
    }

    #[test]
    fn an_action_that_sends_requests_runs_nothing_and_may_use_an_answer_in_the_next() {
        let mut action = action(&[
            ("type", "http"),
            ("longest", "4"),
            ("actionban", "POST http://h/<ip>"),
            (
                "actionunban",
                "GET http://h/?q=<ip>\n---\nDELETE http://h/<answer.result.0.id>",
            ),
            (
                "actionflush",
                "GET http://h/\n---\nDELETE http://h/<answer.nothing>",
            ),
            ("actionstop", "echo stop"),
        ]);
        let mut shell = Paper::default();
        let family = Some(Family::Inet4);
        action.ban(family, &Of("192.0.2.91"), &mut shell).unwrap();
        action.unban(family, &Of("192.0.2.91"), &mut shell).unwrap();
        action.flush(&Of(""), &mut shell).unwrap();
        assert_eq!(action.stop(&Of(""), &mut shell), Err(ActionError::Failed));
        let paths: Vec<&str> = shell
            .ran
            .iter()
            .map(|ran| {
                ran.split("path: ")
                    .nth(1)
                    .unwrap_or(ran)
                    .split(" }")
                    .next()
                    .unwrap()
            })
            .collect();
        assert_eq!(
            paths,
            [
                "\"/192.\"",
                "\"/?q=192.\"",
                "\"/a%2Fb\"",
                "\"/\"",
                "a request begins with a method and an address, such as `POST https://host.example/path`, not with `echo stop`",
            ]
        );
    }
}
