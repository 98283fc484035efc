//! The order between the actions of a jail: what one is asked for first is done first, unless it takes too long.
//!
//! In: which action is asked for something, in the order of asking. Out: when each may begin.
//!
//! Invariant: nobody waits longer than [`Kind::patience`] for a ban, from the moment that he was asked, much shorter for a mere
//! report, and not at all for an action that is known to be slow. So whoever is quick acts in the order of the configuration, as
//! scripts that read what another action wrote expect, and a report that hangs in the network delays no rule of a
//! firewall.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a turn is for, and with that how long others wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A ban of an action that undoes later what it does: the rules of a firewall, set up on a busy machine.
    Rule,
    /// A ban of one that does not: it reports, and what comes after it may be a rule of a firewall.
    Report,
    /// Its start, or another word about the action as a whole.
    Order,
    /// Its stop: taking down may take several attempts, and nobody is to be banned then.
    End,
}

impl Kind {
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Rule | Self::Order => Duration::from_secs(2),
            Self::Report => Duration::from_millis(500),
            Self::End => Duration::from_secs(10),
        }
    }
}

/// The turns of the actions of one jail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How often anybody was asked.
    asked: u64,
    /// When something was stopped last: whoever waited for that has waited for nothing else.
    ended: Option<Instant>,
    actions: BTreeMap<String, Waiting>,
}

/// What an action has still to do.
#[derive(Debug, Default)]
struct Waiting {
    /// Ascending, each with what it is for.
    turns: VecDeque<(u64, Kind)>,
    /// Those of them that stop something.
    ends: VecDeque<u64>,
    is_slow: bool,
}

/// The place of one job in the order; dropping it says that the job is done.
#[derive(Debug)]
pub(crate) struct Turn {
    number: u64,
    kind: Kind,
    action: String,
    asked: Instant,
    began: Option<Instant>,
    turns: Turns,
}

impl Turns {
    /// The next turn is one of `action`.
    pub(crate) fn next(&self, action: &str, kind: Kind) -> Turn {
        let mut state = self.lock();
        state.asked += 1;
        let number = state.asked;
        let waiting = state.actions.entry(action.to_owned()).or_default();
        waiting.turns.push_back((number, kind));
        if kind == Kind::End {
            waiting.ends.push_back(number);
        }
        Turn {
            number,
            kind,
            action: action.to_owned(),
            asked: Instant::now(),
            began: None,
            turns: self.clone(),
        }
    }

    /// Whether nobody else could ask for a turn.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way, and an order that is a little off is better than none.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until those before are done, or long enough.
    pub(crate) fn wait(&mut self) {
        let mut state = self.turns.lock();
        while let Some(patience) = state.patience(self) {
            let waited = self.turns.0.done.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        self.began = Some(Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        if self.kind == Kind::End {
            state.ended = Some(Instant::now());
        }
        if let Some(waiting) = state.actions.get_mut(&self.action) {
            if waiting
                .turns
                .front()
                .is_some_and(|(first, _)| *first == self.number)
            {
                waiting.turns.pop_front();
            } else {
                waiting.turns.retain(|(number, _)| *number != self.number);
            }
            waiting.ends.retain(|number| *number != self.number);
            match self.began.map(|began| began.elapsed()) {
                Some(took) if took > self.kind.patience() => waiting.is_slow = true,
                // It has caught up.
                Some(_) if waiting.turns.is_empty() => waiting.is_slow = false,
                Some(_) | None => {}
            }
        }
        drop(state);
        self.turns.0.done.notify_all();
    }
}

impl State {
    /// How much longer `turn` waits; `None` where it need not. Whoever has been waited for long enough is slow, and is
    /// waited for no more until it has caught up, but for its end.
    fn patience(&mut self, turn: &Turn) -> Option<Duration> {
        let waited = self
            .ended
            .map_or(turn.asked, |ended| ended.max(turn.asked))
            .elapsed();
        let mut next = None;
        for (name, waiting) in &mut self.actions {
            let before = waiting.turns.front().filter(|(first, _)| *first < turn.number);
            let Some((_, kind)) = before.filter(|_| *name != turn.action) else {
                continue;
            };
            let ends = waiting.ends.front().is_some_and(|&first| first < turn.number);
            if waiting.is_slow && !ends {
                continue;
            }
            let kind = if ends { Kind::End } else { *kind };
            match kind.patience().checked_sub(waited) {
                None | Some(Duration::ZERO) => waiting.is_slow = true,
                left @ Some(_) if next.is_none() || left < next => next = left,
                Some(_) => {}
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::{Kind, Turns};

    #[test]
    fn the_quick_act_in_order_and_nobody_waits_for_the_slow() {
        let turns = Turns::default();
        let (said, heard) = channel();
        let (release, held) = channel::<()>();
        let mut first = turns.next("first", Kind::Report);
        let mut second = turns.next("second", Kind::Rule);
        thread::scope(|scope| {
            let tell = said.clone();
            scope.spawn(move || {
                second.wait();
                tell.send("second").expect("somebody listens");
            });
            first.wait();
            said.send("first").expect("somebody listens");
            drop(first);
            assert_eq!([heard.recv(), heard.recv()], [Ok("first"), Ok("second")]);

            let mut slow = turns.next("first", Kind::Report);
            scope.spawn(move || {
                slow.wait();
                let _end = held.recv();
            });
            // It is waited for once, and then no more.
            turns.next("second", Kind::Rule).wait();
            let mut next = turns.next("second", Kind::Rule);
            assert!(turns.lock().actions["first"].is_slow);
            next.wait();
            release.send(()).expect("it waits");
        });
    }

    #[test]
    fn a_turn_that_is_given_back_holds_nobody_up() {
        let turns = Turns::default();
        drop(turns.next("first", Kind::Report));
        let mut second = turns.next("second", Kind::Rule);
        second.wait();
        assert!(!turns.lock().actions["first"].is_slow);
        assert!(!turns.is_unused());
        drop(second);
        assert!(turns.is_unused());
    }
}
