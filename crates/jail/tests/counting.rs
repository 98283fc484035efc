//! When failures become a ban: tables, and what must hold for any sequence of inputs.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at some effects only")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use stockade_datetime::Timestamp;
use stockade_filter::{Candidate, Captured, Data, Id, MatchedLine};
use stockade_jail::{
    Answer, BanTime, ENDS_AT_ONCE, Earlier, Effect, Increment, Input, Jail, Match, Question, Setting,
    Settings, Terms, Why,
};

const START: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn failure(id: &str, time: Timestamp) -> Candidate {
    let mut captured = Captured::new();
    captured.insert("user", Data::Text(format!("at {time}").into()));
    Candidate {
        id: Id::parse(id),
        address: None,
        time_is_whole: false,
        time,
        matches: vec![MatchedLine::new(
            "",
            &time.seconds().to_string(),
            &format!(" fail {id}"),
        )],
        captured,
    }
}

fn settings(maxretry: i64, findtime: i64) -> Settings {
    Settings {
        maxretry,
        findtime_micros: findtime * 1_000_000,
        ..Settings::default()
    }
}

fn step(jail: &mut Jail, now: Timestamp, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    jail.step(now, input, &mut effects);
    effects
}

fn fail(jail: &mut Jail, id: &str, seconds: i64) -> Vec<Effect> {
    step(jail, at(seconds), Input::Failure(failure(id, at(seconds))))
}

fn is_ban(effect: &Effect) -> bool {
    matches!(effect, Effect::Ban(_))
}

#[test]
fn bans_on_the_same_line_as_the_reference() {
    let cases: [(&str, i64, &[i64], Option<usize>); 8] = [
        ("at once", 3, &[0, 0, 0], Some(2)),
        ("within findtime", 3, &[0, 200, 400], Some(2)),
        ("a burst and a straggler", 3, &[0, 0, 650], Some(2)),
        ("a burst and a late straggler", 3, &[0, 0, 900], None),
        (
            "a burst that is scaled to one and a half",
            3,
            &[0, 0, 800],
            Some(2),
        ),
        ("the first of all", 1, &[0], Some(0)),
        ("the first of all, whatever", -1, &[0], Some(0)),
        ("one that reads late", 3, &[100, 0, 50], Some(2)),
    ];
    for (name, maxretry, times, banned_on) in cases {
        let mut jail = Jail::new("test", settings(maxretry, 600));
        let found = times
            .iter()
            .position(|&seconds| fail(&mut jail, "192.0.2.1", seconds).iter().any(is_ban));
        assert_eq!(found, banned_on, "failures {name}: {times:?}");
    }
}

#[test]
fn a_ticket_has_the_first_failure_s_captures_and_the_newest_lines() {
    let mut jail = Jail::new("test", settings(3, 600));
    jail.set(Setting::MaxMatches(2));
    let effects: Vec<Effect> = [0, 10, 20]
        .into_iter()
        .flat_map(|seconds| fail(&mut jail, "192.0.2.1", seconds))
        .collect();
    let Some(Effect::Ban(ticket)) = effects.last() else {
        panic!("{effects:?}");
    };
    assert_eq!(
        ticket.captured.text("user"),
        Some(format!("at {}", at(0)).as_str())
    );
    assert_eq!(
        ticket.matches,
        vec![
            Match::Text("1700000010 fail 192.0.2.1".to_owned()),
            Match::Text("1700000020 fail 192.0.2.1".to_owned())
        ]
    );
    assert_eq!(
        (ticket.time, ticket.failures, ticket.bancount, ticket.bantime),
        (at(20), 3, 1, None)
    );
}

#[test]
fn a_line_keeps_its_parts_until_lines_are_cut() {
    let mut jail = Jail::new("test", settings(2, 600));
    fail(&mut jail, "192.0.2.1", 0);
    let effects = fail(&mut jail, "192.0.2.1", 1);
    let Some(Effect::Ban(ticket)) = effects.last() else {
        panic!("{effects:?}");
    };
    assert!(
        matches!(ticket.matches.as_slice(), [Match::Parts(_), Match::Text(_)]),
        "{:?}",
        ticket.matches
    );
}

#[test]
fn a_ban_ends_once_and_only_after_its_end() {
    let mut jail = Jail::new("test", settings(1, 600));
    fail(&mut jail, "192.0.2.1", 0);
    assert_eq!(jail.next_wakeup(), Some(at(600).plus_micros(1)));
    assert!(step(&mut jail, at(600), Input::Wakeup).is_empty());
    let effects = step(&mut jail, at(600).plus_micros(1), Input::Wakeup);
    assert!(
        matches!(effects.as_slice(), [Effect::Unban(_, Why::Expired)]),
        "{effects:?}"
    );
    assert!(step(&mut jail, at(700), Input::Wakeup).is_empty());
    assert_eq!(jail.next_wakeup(), None);
}

#[test]
fn many_bans_end_some_at_a_time_and_one_that_is_over_counts_no_more() {
    let mut jail = Jail::new("test", settings(1, 600));
    let address = |number: usize| format!("198.18.{}.{}", number / 250, number % 250);
    let count = ENDS_AT_ONCE + 2;
    for number in 0..count {
        fail(&mut jail, &address(number), 0);
    }
    // The last one fails again; it comes to its end out of turn, and is banned anew.
    let effects = fail(&mut jail, &address(count - 1), 700);
    let ends = |effects: &[Effect]| {
        let is_end = |effect: &&Effect| matches!(effect, Effect::Unban(_, Why::Expired));
        effects.iter().filter(is_end).count()
    };
    let [
        Effect::Found { .. },
        Effect::Unban(_, Why::Expired),
        Effect::Ban(_),
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    for left in [ENDS_AT_ONCE, 1, 0] {
        assert_eq!(jail.next_wakeup() < Some(at(700)), left > 0, "there are others");
        assert_eq!(ends(&step(&mut jail, at(700), Input::Wakeup)), left);
    }
    assert_eq!(jail.status().currently_banned, 1);
}

#[test]
fn bans_without_a_ban_time_of_their_own_follow_the_jail_s() {
    let mut jail = Jail::new("test", settings(1, 600));
    fail(&mut jail, "192.0.2.1", 0);
    for (bantime, wakeup) in [
        (BanTime::from_seconds(10), Some(10)),
        (BanTime::Forever, None),
        (BanTime::from_seconds(1000), Some(1000)),
    ] {
        jail.set(Setting::BanTime(bantime));
        let expected = wakeup.map(|seconds| at(seconds).plus_micros(1));
        assert_eq!(jail.next_wakeup(), expected, "{bantime:?}");
    }
    jail.set(Setting::BanTime(BanTime::from_seconds(5)));
    let effects = step(&mut jail, at(6), Input::Wakeup);
    assert!(matches!(effects.as_slice(), [Effect::Unban(..)]), "{effects:?}");
}

#[test]
fn an_idle_jail_lets_no_ban_end() {
    let mut jail = Jail::new("test", settings(1, 600));
    fail(&mut jail, "192.0.2.1", 0);
    jail.set(Setting::Idle(true));
    assert_eq!(jail.next_wakeup(), None);
    assert!(step(&mut jail, at(9999), Input::Wakeup).is_empty());
    jail.set(Setting::Idle(false));
    assert_eq!(step(&mut jail, at(9999), Input::Wakeup).len(), 1);
}

#[test]
fn what_an_administrator_says_of_a_ban_holds_over_a_restart() {
    let mut jail = Jail::new("test", settings(3, 600));
    let ids = [Id::parse("192.0.2.1")];
    let terms = |bantime| Terms {
        bantime: Some(bantime),
        reason: Some("scans our ports".to_owned()),
    };
    for bantime in [BanTime::from_seconds(86_400), BanTime::Forever] {
        let mut effects = Vec::new();
        assert_eq!(jail.ban_on(at(0), &ids, &terms(bantime), &mut effects), 1);
        let ticket = jail.ticket(&ids[0]).expect("it is banned");
        assert_eq!(ticket.bantime, Some(bantime));
        assert_eq!(ticket.matches, [Match::Text("scans our ports".to_owned())]);
        let mut restarted = Jail::new("test", settings(3, 600));
        step(&mut restarted, at(700), Input::Restore(vec![ticket]));
        assert_eq!(restarted.bans().next().map(|ban| ban.bantime), Some(bantime));
        jail.unban(&ids[0], &mut Vec::new());
    }
}

#[test]
fn a_ban_that_is_asked_for_anew_is_remembered_as_asked_where_that_is_longer() {
    let mut jail = Jail::new("test", settings(3, 600));
    let ids = [Id::parse("192.0.2.1")];
    let terms = |seconds| Terms {
        bantime: Some(BanTime::from_seconds(seconds)),
        reason: None,
    };
    for (begin, bantime, remembered) in [(0, 300, None), (100, 100, None), (100, 3600, Some(3700))] {
        let mut effects = Vec::new();
        jail.ban_on(at(begin), &ids, &terms(bantime), &mut effects);
        let anew = effects.into_iter().find_map(|effect| match effect {
            Effect::AskedAnew(ticket) => Some((ticket.time, ticket.bantime)),
            _ => None,
        });
        let expected = remembered.map(|seconds| (at(0), Some(BanTime::from_seconds(seconds))));
        assert_eq!(anew, expected, "{bantime} s from {begin} on");
    }
}

#[test]
fn a_ban_that_is_renewed_ends_later_and_begins_where_it_did() {
    let mut jail = Jail::new("test", settings(3, 600));
    let id = Id::parse("192.0.2.1");
    let mut effects = Vec::new();
    assert_eq!(jail.ban(at(0), std::slice::from_ref(&id), &mut effects), 1);
    assert_eq!(jail.ban(at(2), std::slice::from_ref(&id), &mut effects), 0);
    assert!(
        matches!(
            effects.as_slice(),
            [
                Effect::Ban(_),
                Effect::Prolonged { .. },
                Effect::AlreadyBanned {
                    behind_micros: 2_000_000,
                    ..
                }
            ]
        ),
        "{effects:?}"
    );
    let ban = jail.bans().next().unwrap();
    assert_eq!((ban.time, ban.bantime.seconds(), ban.end), (at(0), 602, at(602)));
    assert_eq!(jail.next_wakeup(), Some(at(602).plus_micros(1)));
    jail.set(Setting::BanTime(BanTime::Forever));
    jail.ban(at(3), std::slice::from_ref(&id), &mut effects);
    assert_eq!(jail.bans().next().unwrap().bantime, BanTime::Forever);
    assert_eq!(jail.next_wakeup(), None);
}

#[test]
fn a_ban_that_would_be_over_is_not_begun() {
    let mut jail = Jail::new("test", settings(1, 600));
    let late = step(&mut jail, at(601), Input::Failure(failure("192.0.2.1", at(0))));
    assert!(
        matches!(late.as_slice(), [Effect::Found { .. }, Effect::ExpiredBan(_)]),
        "{late:?}"
    );
    let just = step(&mut jail, at(600), Input::Failure(failure("192.0.2.1", at(0))));
    assert!(just.iter().any(is_ban), "{just:?}");
}

#[test]
fn unbanning_a_network_unbans_what_is_inside() {
    let ids = ["192.0.2.1", "192.0.2.0/24", "192.0.2.77", "198.51.100.1", "text"].map(Id::parse);
    let network = Id::parse("192.0.2.0/24");
    let mut jail = Jail::new("test", Settings::default());
    assert_eq!(jail.ban(at(0), &ids, &mut Vec::new()), 5);
    assert_eq!(jail.unban(&network, &mut Vec::new()), 1, "the network itself");
    let mut effects = Vec::new();
    assert_eq!(jail.unban(&network, &mut effects), 2, "what is inside");
    let forgotten = |effect: &&Effect| matches!(effect, Effect::Forget(_));
    assert_eq!(effects.iter().filter(forgotten).count(), 3);
    let mut effects = Vec::new();
    assert_eq!(jail.unban(&network, &mut effects), 0);
    assert_eq!(
        effects,
        [Effect::Forget(network.clone()), Effect::NotBanned(network)]
    );
    assert_eq!(jail.bans().count(), 2);
}

#[test]
fn an_attempt_counts_once_for_each_line() {
    let mut jail = Jail::new("test", settings(3, 600));
    let mut effects = Vec::new();
    let lines = vec!["one".to_owned(), "two".to_owned()];
    assert!(jail.attempt(at(0), Id::parse("192.0.2.1"), lines, &mut effects));
    assert!(jail.attempt(at(0), Id::parse("192.0.2.1"), Vec::new(), &mut effects));
    let Some(Effect::Ban(ticket)) = effects.last() else {
        panic!("{effects:?}");
    };
    assert_eq!((ticket.failures, ticket.retry), (2, 3));
    jail.ignore_mut().add("192.0.2.2").unwrap();
    assert!(!jail.attempt(at(0), Id::parse("192.0.2.2"), Vec::new(), &mut effects));
}

#[test]
fn a_restored_ban_is_no_longer_than_the_jail_s_are_now() {
    let cases = [
        ("as it was", 300, 0, 600, Some(300)),
        ("cut", 9000, 0, 600, Some(600)),
        ("for ever, cut", -1, 0, 600, Some(600)),
        ("for ever", -1, 0, -1, Some(-1)),
        ("longer than for ever", 9000, 0, -1, Some(9000)),
        ("over", 300, 400, 600, None),
        ("over once cut", 9000, 700, 600, None),
        ("just over", 300, 300, 600, None),
    ];
    for (name, own, age, of_jail, expected) in cases {
        let mut jail = Jail::new(
            "test",
            Settings {
                bantime: BanTime::from_seconds(of_jail),
                ..Settings::default()
            },
        );
        let mut ticket = stockade_jail::Ticket::new(Id::parse("192.0.2.1"), at(-age));
        ticket.bantime = Some(BanTime::from_seconds(own));
        ticket.bancount = 1;
        let effects = step(&mut jail, at(0), Input::Restore(vec![ticket]));
        let restored = effects.iter().find_map(|effect| match effect {
            Effect::Ban(ticket) => {
                assert!(ticket.restored && ticket.bancount == 2, "{name}");
                ticket.bantime.map(BanTime::seconds)
            }
            _ => None,
        });
        assert_eq!(restored, expected, "a ban that lasts {name}");
    }
}

#[test]
fn a_restored_ban_that_has_grown_is_limited_by_the_longest_alone() {
    for (name, own, age, of_jail, maxtime, expected) in [
        ("longer than the jail's", 1200, 700, 600, None, Some(1200)),
        ("longer than any, cut", 9000, 700, 600, Some(5000.0), Some(5000)),
        ("for ever", -1, 700, 600, None, Some(-1)),
        ("for ever, cut", -1, 700, 600, Some(5000.0), Some(5000)),
        (
            "for ever, cut where the jail's are",
            -1,
            0,
            -1,
            Some(5000.0),
            Some(5000),
        ),
        ("over once cut", 9000, 700, 600, Some(700.0), None),
        ("over", 600, 600, 60, None, None),
    ] {
        let mut jail = Jail::new(
            "test",
            Settings {
                bantime: BanTime::from_seconds(of_jail),
                increment: Some(Increment {
                    maxtime,
                    ..Increment::default()
                }),
                ..Settings::default()
            },
        );
        let mut ticket = stockade_jail::Ticket::new(Id::parse("192.0.2.1"), at(-age));
        ticket.bantime = Some(BanTime::from_seconds(own));
        let effects = step(&mut jail, at(0), Input::Restore(vec![ticket]));
        let restored = effects.iter().find_map(|effect| match effect {
            Effect::Ban(ticket) => ticket.bantime.map(BanTime::seconds),
            _ => None,
        });
        assert_eq!(restored, expected, "a ban that lasts {name}");
    }
}

#[test]
fn the_list_by_end_keeps_the_order_of_those_that_end_together() {
    let mut jail = Jail::new("test", Settings::default());
    let ids = ["192.0.2.9", "192.0.2.1", "192.0.2.5"].map(Id::parse);
    jail.ban(at(0), &ids, &mut Vec::new());
    jail.ban(at(1), &ids[..1], &mut Vec::new());
    let order = |bans: Vec<stockade_jail::Ban<'_>>| -> Vec<String> {
        bans.iter().map(|ban| ban.id.to_string()).collect()
    };
    assert_eq!(order(jail.bans_by_end()), ["192.0.2.1", "192.0.2.5", "192.0.2.9"]);
    assert_eq!(
        order(jail.bans().collect()),
        ["192.0.2.9", "192.0.2.1", "192.0.2.5"]
    );
}

#[derive(Debug, Clone)]
enum Act {
    Fail(u8, i64),
    Ban(u8),
    Unban(u8),
    UnbanAll,
    SetBanTime(i64),
    Wake,
}

fn act() -> impl Strategy<Value = (i64, Act)> {
    let act = prop_oneof![
        6 => (0..6_u8, -50..50_i64).prop_map(|(id, offset)| Act::Fail(id, offset)),
        2 => (0..6_u8).prop_map(Act::Ban),
        2 => (0..6_u8).prop_map(Act::Unban),
        1 => Just(Act::UnbanAll),
        1 => (-2..100_i64).prop_map(Act::SetBanTime),
        3 => Just(Act::Wake),
    ];
    (0..60_i64, act)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_ban_ends_once_and_the_effects_tell_the_ban_list(
        maxretry in 1..5_i64,
        findtime in prop_oneof![Just(60_i64), Just(0), Just(-20)],
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut jail = Jail::new("test", settings(maxretry, findtime));
        jail.set(Setting::BanTime(BanTime::from_seconds(50)));
        let (mut now, mut banned, mut total) = (0, BTreeSet::new(), 0);
        for (pause, act) in acts {
            now += pause;
            let mut effects = Vec::new();
            let id = |number: u8| Id::parse(&format!("192.0.2.{number}"));
            match act {
                Act::Fail(number, offset) => {
                    let candidate = failure(&id(number).to_string(), at(now + offset));
                    jail.step(at(now), Input::Failure(candidate), &mut effects);
                }
                Act::Ban(number) => {
                    jail.ban(at(now), &[id(number)], &mut effects);
                }
                Act::Unban(number) => {
                    jail.unban(&id(number), &mut effects);
                }
                Act::UnbanAll => {
                    jail.unban_all(Why::Repealed, &mut effects);
                }
                Act::SetBanTime(seconds) => jail.set(Setting::BanTime(BanTime::from_seconds(seconds))),
                Act::Wake => jail.step(at(now), Input::Wakeup, &mut effects),
            }
            for effect in effects {
                match effect {
                    Effect::Ban(ticket) => {
                        total += 1;
                        prop_assert!(ticket.time <= at(now), "a ban begins no later than now");
                        prop_assert!(
                            ticket.failures == 0 || !jail.is_pending(&ticket.id),
                            "what led to a ban is not counted again"
                        );
                        prop_assert!(banned.insert(ticket.id), "banned while it was");
                    }
                    Effect::Unban(ticket, _) => {
                        prop_assert!(banned.remove(&ticket.id), "unbanned while it was not banned");
                    }
                    Effect::Flush(tickets, _) => {
                        let flushed: BTreeSet<Id> = tickets.into_iter().map(|ticket| ticket.id).collect();
                        prop_assert_eq!(&flushed, &banned);
                        banned.clear();
                    }
                    Effect::AlreadyBanned { id, .. } | Effect::Prolonged { id, .. } => {
                        prop_assert!(banned.contains(&id), "said to be banned");
                    }
                    _ => {}
                }
            }
            let listed: BTreeSet<Id> = jail.bans().map(|ban| ban.id.clone()).collect();
            prop_assert_eq!(&listed, &banned);
            prop_assert!(jail.pending().all(|pending| i64::from(pending.retry) < maxretry));
            prop_assert_eq!(jail.status().total_banned, total);
            if let Act::Wake = act {
                prop_assert!(jail.next_wakeup().is_none_or(|due| due > at(now)), "woken in time");
            }
        }
    }
}

/// Answers every question about the history of an id.
fn remember(jail: &mut Jail, seconds: i64, effects: Vec<Effect>, earlier: Option<Earlier>) -> Vec<Effect> {
    let mut out = Vec::new();
    for effect in effects {
        match effect {
            Effect::Ask(Question::History { number, .. }) => {
                out.extend(step(
                    jail,
                    at(seconds),
                    Input::Answer(Answer::History(number, earlier)),
                ));
            }
            other => out.push(other),
        }
    }
    out
}

#[test]
fn a_failure_of_a_known_offender_counts_for_more() {
    let cases: [(&str, i64, Option<u32>, usize); 6] = [
        ("unknown", 3, None, 3),
        ("once banned", 3, Some(1), 2),
        ("twice banned", 3, Some(2), 1),
        ("often banned", 3, Some(30), 1),
        ("once banned, of five", 5, Some(1), 3),
        ("three times banned, of nine", 9, Some(3), 2),
    ];
    for (name, maxretry, bans, expected) in cases {
        let settings = Settings {
            increment: Some(Increment::default()),
            ..settings(maxretry, 600)
        };
        let mut jail = Jail::new("test", settings);
        let earlier = bans.map(|bans| Earlier {
            bans,
            last: at(-1000),
        });
        let lines = (1..=9).find(|&line| {
            let effects = fail(&mut jail, "192.0.2.1", line);
            remember(&mut jail, line, effects, earlier).iter().any(is_ban)
        });
        assert_eq!(lines, Some(i64::try_from(expected).unwrap_or(0)), "{name}");
    }
}

#[test]
fn what_counts_for_more_brings_its_lines_again_but_for_the_first() {
    let settings = Settings {
        increment: Some(Increment::default()),
        maxmatches: 9,
        ..settings(4, 600)
    };
    let mut jail = Jail::new("test", settings);
    let earlier = Some(Earlier {
        bans: 1,
        last: at(-1000),
    });
    let mut lines = Vec::new();
    for line in 1..=2 {
        let effects = fail(&mut jail, "192.0.2.1", line);
        let effects = remember(&mut jail, line, effects, earlier);
        lines.extend(effects.iter().find_map(|effect| match effect {
            Effect::Ban(ticket) => Some(ticket.matches.len()),
            _ => None,
        }));
    }
    assert_eq!(lines, [3], "the first line once, the second one twice");
}

#[test]
fn a_failure_from_before_the_last_ban_was_read_twice() {
    let settings = Settings {
        increment: Some(Increment::default()),
        ..settings(3, 600)
    };
    let mut jail = Jail::new("test", settings);
    let effects = fail(&mut jail, "192.0.2.1", 10);
    let earlier = Some(Earlier {
        bans: 5,
        last: at(10),
    });
    let effects = remember(&mut jail, 10, effects, earlier);
    assert!(!effects.iter().any(is_ban), "it counts once");
    assert_eq!(jail.status().total_failed, 1);
    let late = step(&mut jail, at(11), Input::Answer(Answer::History(4711, earlier)));
    assert!(late.is_empty(), "an answer that nobody waits for is nothing");
}
