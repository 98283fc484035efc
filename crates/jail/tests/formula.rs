//! Random formulas, given to this crate and to Python: the values must be equal.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use stockade_jail::formula::{Formula, Number, Variables};

/// Evaluates each line with the variables that a formula has, and prints the value's text or the exception's class.
const PYTHON: &str = r"
import sys, math
class Ban: pass
for line in sys.stdin:
    time, count, factor, source = line.rstrip('\n').split('\t')
    ban = Ban(); ban.Time = int(time); ban.Count = int(count)
    try:
        value = eval(source, {'ban': ban, 'banFactor': eval(factor), 'math': math})
        print(repr(float(value)) if isinstance(value, (int, float)) else 'list')
    except SyntaxError: print('SyntaxError')
    except Exception as error: print('error')
";

/// Numbers by xorshift, so that a seed stays what it is.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.below(of.len() as u64)).unwrap();
        of.get(place).unwrap()
    }

    fn expression(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self
                .one_of(&[
                    "ban.Time",
                    "ban.Count",
                    "banFactor",
                    "0",
                    "1",
                    "2",
                    "3",
                    "20",
                    "0.5",
                    "1.5",
                    "2e1",
                    "1_0",
                    "0x1f",
                    "math.pi",
                    "True",
                    ".5",
                    "7.",
                ])
                .to_owned();
        }
        let mut part = || self.expression(depth - 1);
        let (a, b, c) = (part(), part(), part());
        match self.below(16) {
            0..4 => {
                let operator = self.one_of(&["+", "-", "*", "/", "//", "%"]);
                format!("{a} {operator} {b}")
            }
            4 => format!("({a} if {b} else {c})"),
            5 => format!("({a}) {} ({b})", self.one_of(&["<", "<=", ">", ">=", "==", "!="])),
            6 => format!("({a}) < ({b}) <= ({c})"),
            7 => format!("({a} {} {b})", self.one_of(&["and", "or"])),
            8 => format!("not ({a})"),
            9 => format!("{}({a}, {b}, {c})", self.one_of(&["min", "max"])),
            10 => format!(
                "{}({a})",
                self.one_of(&[
                    "int",
                    "float",
                    "round",
                    "abs",
                    "math.floor",
                    "math.ceil",
                    "math.fabs",
                    "math.trunc"
                ])
            ),
            11 => format!(
                "{}(({a}) / 1000)",
                self.one_of(&["math.exp", "math.sqrt", "math.log1p", "math.atan"])
            ),
            12 => format!("-({a})"),
            13 => format!("({a}) {} (ban.Count)", self.one_of(&["<<", ">>", "&", "|", "^"])),
            14 => format!(
                "[{a}, {b}, {c}][{}]",
                self.one_of(&["0", "1", "-1", "ban.Count", "2"])
            ),
            15 if self.below(2) == 0 => format!("abs({a}) ** 0.5"),
            _ => format!("({a}) ** {}", self.one_of(&["2", "3", "ban.Count", "-1"])),
        }
    }
}

#[test]
fn formulas_have_the_values_of_python() {
    let Ok(mut python) = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        println!("skipped: there is no python3");
        return;
    };
    let mut chance = Chance(0x5EED_0001);
    let cases: Vec<(i64, i64, &str, String)> = (0..20_000)
        .map(|_| {
            let depth = chance.below(4);
            let time = [0, 1, 60, 600, 86_400]
                .get(usize::try_from(chance.below(5)).unwrap())
                .copied()
                .unwrap();
            let count = i64::try_from(chance.below(6)).unwrap();
            (
                time,
                count,
                chance.one_of(&["1", "1.5", "2.0/10"]),
                chance.expression(depth),
            )
        })
        .collect();
    let input: String = cases
        .iter()
        .map(|(time, count, factor, source)| format!("{time}\t{count}\t{factor}\t{source}\n"))
        .collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for ((time, count, factor, source), expected) in cases.iter().zip(answers.lines()) {
        let variables = Variables {
            time: Number::Int((*time).into()),
            count: *count,
            factor: stockade_jail::Increment::factor(factor).expect("a factor"),
        };
        let formula = match Formula::parse(source) {
            Ok(formula) => formula,
            Err(error) => {
                assert_eq!(expected, "SyntaxError", "{source}: {error}");
                compared += 1;
                continue;
            }
        };
        assert_ne!(expected, "SyntaxError", "{source} is read");
        let found = formula.value(&variables, &mut || 0.0);
        let same = match (&found, expected.parse::<f64>()) {
            (Ok(found), Ok(expected)) => {
                let found = found.float();
                let near = (found - expected).abs() <= 1e-9 * expected.abs();
                // Ours stop at 128 bits.
                found == expected || near || found.is_nan() && expected.is_nan() || expected.abs() > 1e30
            }
            (Err(_), Err(_)) => expected == "error" || expected == "list",
            // What Python computes and nobody can wait for.
            (Ok(found), Err(_)) => expected == "error" && found.float().abs() > 1e30,
            (Err(_), Ok(_)) => false,
        };
        assert!(
            same,
            "{source} with {time}, {count}, {factor}: {found:?} instead of {expected}"
        );
        compared += 1;
    }
    assert_eq!(compared, cases.len(), "Python answered all");
}

#[test]
fn anything_else_is_refused_with_its_place() {
    for (source, what, at) in [
        ("", "something is missing at the end", 1),
        ("ban.Time *", "something is missing at the end", 11),
        ("ban.Time ban.Count", "`ban.Count` is out of place", 10),
        ("(1 + 2", "something is missing at the end", 7),
        ("1 +* 2", "`*` is out of place", 4),
        ("ban.time * 2", "name 'ban.time' is not defined", 1),
        ("2 * __import__('os')", "`'` has no meaning in a formula", 16),
        ("open(1)", "name 'open' is not defined", 1),
        (
            "ban.Time.__class__",
            "name 'ban.Time.__class__' is not defined",
            1,
        ),
        ("lambda: 1", "`:` has no meaning in a formula", 7),
        ("math.exp()", "math.exp() takes 1 arguments, not 0", 1),
        ("010", "leading zeros in a number are not permitted", 1),
        ("1e", "invalid number", 1),
        ("1__0", "invalid number", 1),
        ("ä + 1; 2", "`;` has no meaning in a formula", 6),
    ] {
        let error = Formula::parse(source).expect_err(source);
        assert_eq!((error.what.as_str(), error.at), (what, at), "{source}");
    }
    for hostile in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        "1+".repeat(100_000),
        "[".repeat(5000),
        "not ".repeat(3000),
    ] {
        assert!(Formula::parse(&hostile).is_err(), "refused, and the stack holds");
    }
}
