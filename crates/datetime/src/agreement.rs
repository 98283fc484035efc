//! Whether our own matcher and the general engine are of one opinion.

#[path = "../tests/generate/mod.rs"]
mod generate;

use crate::clocks::Clocks;
use crate::fields::{Days, Fields};
use crate::layout::Layout;
use crate::quick::Quick;
use crate::swift::{Outcome, Program, Scratch};
use crate::template::General;
use crate::token::Decades;
use crate::{Clock, Timestamp, defaults};
use generate::{Made, Rng};

const YEARS: i16 = 2026;

/// Compares all groups of the first match in a line and in parts of it.
fn compare(name: &str, program: &Program, general: &General, line: &str, rng: &mut Rng) -> bool {
    let (mut ours, mut theirs) = (Scratch::default(), Scratch::default());
    let places: Vec<usize> = (0..=line.len()).filter(|at| line.is_char_boundary(*at)).collect();
    let (a, b) = (rng.below(places.len()), rng.below(places.len()));
    let part = (places[a.min(b)], places[a.max(b)]);
    let mut found = false;
    let parts = [
        (0, line.len()),
        [part, (0, part.1), (part.0, line.len())][rng.below(3)],
    ];
    for (from, to) in parts {
        let text = &line[..to];
        // The times of day are those of the whole line.
        let clocks = (from == 0 && to == line.len()).then(|| Clocks::of(line));
        let answer = match program.find(text, from, clocks.as_ref(), &mut ours) {
            Outcome::Match { start, end } => Some((start..end, ours.captures.clone())),
            Outcome::Nothing => None,
            Outcome::TooHard => panic!("{name:?} is too hard on {line:?}"),
        };
        let expected = general
            .find(text, from, &mut theirs)
            .map(|whole| (whole, theirs.captures.clone()));
        assert_eq!(answer, expected, "{name:?} on {line:?}, {from} to {to}");
        found |= answer.is_some();
    }
    found
}

#[test]
fn the_default_formats_match_alike() {
    let mut rng = Rng::new(1);
    let templates: Vec<_> = defaults::default_layouts()
        .expect("patterns")
        .into_iter()
        .map(|(layout, _)| {
            let program = Program::compile(&layout, Decades::since(YEARS)).expect("it is simple");
            let general = General::compile(&layout, Decades::since(YEARS)).expect("it is a regex");
            (layout.name, program, general)
        })
        .collect();
    let mut found = vec![0; templates.len()];
    for _ in 0..500 {
        let line = generate::default_line(&mut rng);
        for (at, (name, program, general)) in templates.iter().enumerate() {
            found[at] += usize::from(compare(name, program, general, &line, &mut rng));
        }
    }
    assert!(
        found.iter().all(|count| *count > 0),
        "each format is found: {found:?}"
    );
}

#[test]
fn dates_read_by_hand_are_those_of_the_program() {
    let mut rng = Rng::new(3);
    let years = Decades::since(YEARS);
    let clock = Clock::new(Timestamp::from_seconds(1_795_315_529), jiff::tz::TimeZone::UTC);
    let templates: Vec<_> = defaults::default_layouts()
        .expect("patterns")
        .into_iter()
        .filter_map(|(layout, _)| {
            let quick = Quick::of(&layout, years)?;
            let program = Program::compile(&layout, years).expect("it is simple");
            Some((layout.name, quick, program))
        })
        .collect();
    assert_eq!(templates.len(), 6, "three formats, each in two places");
    let mut scratch = Scratch::default();
    let mut days = Days::default();
    let mut read = vec![0; templates.len()];
    for _ in 0..30_000 {
        let line = generate::usual_line(&mut rng);
        let end = if rng.one_in(4) {
            rng.below(line.len() + 1)
        } else {
            line.len()
        };
        let from = if rng.one_in(2) { 0 } else { rng.below(end + 1) };
        let Some(text) = line.get(..end).filter(|text| text.is_char_boundary(from)) else {
            continue;
        };
        for (at, (name, quick, program)) in templates.iter().enumerate() {
            let Some(date) = quick.read(text, from) else {
                continue;
            };
            read[at] += 1;
            let outcome = program.find(text, from, None, &mut scratch);
            let expected = Outcome::Match {
                start: from,
                end: date.end,
            };
            assert_eq!(outcome, expected, "{name} on {text:?} from {from}");
            assert_eq!(
                scratch.captures.first(),
                Some(&(date.start, date.end)),
                "{name} on {text:?} from {from}"
            );
            let mut fields = Fields::default();
            for (field, (from, to)) in program.fields().iter().zip(&scratch.captures) {
                if let (Some(field), Some(text)) = (field, text.get(*from..*to)) {
                    fields.add(*field, text);
                }
            }
            let ours = date.numbers.moment(None, &clock, &mut Days::default());
            let theirs = fields.moment(None, &clock, &mut days);
            assert_eq!(ours, theirs, "{name} on {text:?} from {from}");
        }
    }
    assert!(read.iter().all(|count| *count > 50), "each is read: {read:?}");
}

#[test]
fn patterns_match_alike() {
    let mut rng = Rng::new(2);
    let (mut simple, mut found) = (0, 0);
    for _ in 0..400 {
        let made = Made::new(&mut rng);
        let pattern = made.pattern();
        let Ok(layout) = Layout::read(&pattern) else {
            panic!("{pattern:?}")
        };
        let general = General::compile(&layout, Decades::since(YEARS));
        let Some(program) = Program::compile(&layout, Decades::since(YEARS)) else {
            continue;
        };
        let general = general.unwrap_or_else(|error| panic!("{pattern:?}: {error}"));
        simple += 1;
        for _ in 0..8 {
            let line = made.line(&mut rng);
            found += usize::from(compare(&pattern, &program, &general, &line, &mut rng));
        }
    }
    assert!(simple > 300 && found > 600, "{simple} patterns, {found} lines");
}

#[test]
fn patterns_that_are_none_are_refused_by_both() {
    for pattern in [
        "%Y(",
        "%Y)",
        "[%Y",
        "*%Y",
        "%Y{2",
        "(?P<x>%Y)(?P<x>%m)",
        "%Y%Y",
        "(?P=x)%Y",
        "[b-a]%Y",
        r"[\d-a]%Y",
        r"%Y\q",
        "(?P<1>%Y)",
        "%Y+++",
        "%Y??*",
        "(?<a>%Y)",
        "x{3,1}%Y",
    ] {
        let layout = Layout::read(pattern).expect("tokens are fine");
        let general = General::compile(&layout, Decades::since(YEARS)).is_ok();
        let program = Program::compile(&layout, Decades::since(YEARS)).is_some();
        assert!(general || !program, "{pattern:?} has a program and is no regex");
    }
}
