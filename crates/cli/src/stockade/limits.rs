//! `stockade status --limits`: how full everything is that has a limit.
//!
//! In: what the daemon says of it. Out: a row of a table for each, or JSON for programs.

use serde_json::{Value as Json, json};
use stockade_protocol::Command;

use super::client::{Place, Trouble, list};
use super::table::Table;
use crate::terminal::print;

/// Shows all of them, or those of one jail.
pub(super) fn limits(place: &Place, jail: Option<&str>, as_json: bool) -> Result<(), Trouble> {
    let mut limits = list(place, jail, &Command::Limits)?;
    limits.retain(|limit| jail.is_none_or(|jail| is_of(text(limit, "of"), jail)));
    if as_json {
        print(&format!("{:#}", json!(limits)));
        return Ok(());
    }
    let mut table = Table::new(["LIMIT", "OF", "NOW", "MOST", "FULL", "REACHED", "PAST IT"]);
    let (told, quiet): (Vec<&Json>, Vec<&Json>) = limits.iter().partition(|limit| has_something(limit));
    for limit in &told {
        table.add(row(limit));
    }
    if !told.is_empty() {
        table.print();
    }
    print(&format!(
        "{} limits have nothing in them and were never reached; `--json` has these too.",
        quiet.len()
    ));
    Ok(())
}

/// Whether what is called so is the jail's, or that of one of its actions.
fn is_of(of: &str, jail: &str) -> bool {
    of.strip_prefix("jail ") == Some(jail)
        || of.starts_with("action ") && of.rsplit_once(" of ").is_some_and(|(_, own)| own == jail)
}

/// Whether there is anything of it, or ever was too much.
fn has_something(limit: &Json) -> bool {
    let number = |key: &str| limit.get(key).and_then(Json::as_u64).unwrap_or(0);
    number("fill") > 0 || number("reached") > 0
}

/// What one limit is, in the columns of the table.
fn row(limit: &Json) -> [String; 7] {
    let number = |key: &str| limit.get(key).and_then(Json::as_u64);
    let (fill, most) = (number("fill"), number("limit").unwrap_or(0));
    let full = fill.map_or_else(
        || "-".to_owned(),
        |fill| format!("{} %", fill.saturating_mul(100) / most.max(1)),
    );
    [
        text(limit, "what").to_owned(),
        text(limit, "of").to_owned(),
        fill.map_or_else(|| "-".to_owned(), |fill| fill.to_string()),
        most.to_string(),
        full,
        number("reached").unwrap_or(0).to_string(),
        text(limit, "policy").to_owned(),
    ]
}

fn text<'a>(limit: &'a Json, key: &str) -> &'a str {
    limit.get(key).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_row() {
        let of = |fill: Json| json!({"what": "bans", "of": "jail sshd", "fill": fill, "limit": 1000, "reached": 2, "policy": "one ends"});
        assert_eq!(
            row(&of(json!(250))),
            ["bans", "jail sshd", "250", "1000", "25 %", "2", "one ends"]
        );
        assert_eq!(
            row(&of(Json::Null)),
            ["bans", "jail sshd", "-", "1000", "-", "2", "one ends"]
        );
    }

    #[test]
    fn only_what_has_something_in_it_is_shown() {
        for (fill, reached, expected) in [
            (json!(1), 0, true),
            (json!(0), 1, true),
            (Json::Null, 1, true),
            (json!(0), 0, false),
            (Json::Null, 0, false),
        ] {
            let limit = json!({"fill": fill, "reached": reached});
            assert_eq!(has_something(&limit), expected, "{limit}");
        }
    }

    #[test]
    fn a_limit_is_of_a_jail_or_of_its_action() {
        for (of, jail, expected) in [
            ("jail sshd", "sshd", true),
            ("jail sshd-ddos", "sshd", false),
            ("action nftables of sshd", "sshd", true),
            ("action mail of of sshd", "sshd", true),
            ("action sshd of nginx", "sshd", false),
            ("", "sshd", false),
        ] {
            assert_eq!(is_of(of, jail), expected, "{of}");
        }
    }
}
