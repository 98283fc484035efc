//! `-i`: commands line by line from standard input.
//!
//! In: lines. Out: what each command prints, and in the end whether the session was ended in order.

use std::io::BufRead;

use crate::compatible::Program;
use crate::options::PRODUCT;
use crate::session::Session;
use crate::terminal::{print, prompt};
use crate::usage::usage;
use crate::words;

/// Carries out `first`, if it is a command, and where it succeeds what is typed, until `exit` or the end of the input.
pub(crate) fn run(session: &Session<'_>, first: &[String]) -> bool {
    if !first.is_empty() && !session.execute(first) {
        return false;
    }
    print(&format!(
        "{PRODUCT} reads log file that contains password failure report\n\
         and bans the corresponding IP addresses using firewall rules.\n"
    ));
    let mut lines = std::io::stdin().lock().lines();
    loop {
        prompt("fail2ban> ");
        let Some(Ok(line)) = lines.next() else {
            print("");
            session.error("EOF when reading a line");
            return false;
        };
        let words = match words::split(&line) {
            Ok(words) => words,
            Err(error) => {
                session.error(&error.to_string());
                continue;
            }
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => {}
            ["exit" | "quit"] => return true,
            ["help"] => prompt(&usage(Program::Client)),
            [..] => {
                session.execute(&words);
            }
        }
    }
}
