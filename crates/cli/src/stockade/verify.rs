//! `stockade verify`: whether the firewall holds whom the daemon has banned.
//!
//! In: what the daemon says of each jail. Out: a table of differences, and whether there are any.

use clap::Args;
use serde_json::json;
use stockade_protocol::Value;

use super::client::{Client, Place, Trouble};
use super::table::Table;
use crate::terminal::print;

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,
    /// Look at this jail only
    #[arg(short, long)]
    jail: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// In what the firewall differs from the bans of a jail.
struct Difference {
    jail: String,
    action: String,
    what: String,
    whom: String,
}

/// Whether the firewall is as it should be.
pub(super) fn verify(verify: &Verify) -> Result<bool, Trouble> {
    let mut client = Client::connect(&verify.place)?;
    let lists = client.of_each_jail(verify.jail.as_deref(), "verify", &[])?;
    let differences: Vec<Difference> = lists
        .iter()
        .flat_map(|(jail, lines)| lines.iter().filter_map(|line| read(jail, line)))
        .collect();
    let agrees = differences.is_empty();
    if verify.json {
        let differences: Vec<_> = differences
            .iter()
            .map(|it| json!({"jail": it.jail, "action": it.action, "what": it.what, "address": it.whom}))
            .collect();
        print(&format!("{:#}", json!(differences)));
    } else if agrees {
        print("The firewall holds exactly whom the jails have banned.");
    } else {
        let mut table = Table::new(["JAIL", "ACTION", "ADDRESS", "WHAT"]);
        for it in differences {
            table.add([it.jail, it.action, it.whom, it.what]);
        }
        table.print();
    }
    Ok(agrees)
}

/// Reads `[ACTION, WHAT, WHOM]`.
fn read(jail: &str, line: &Value) -> Option<Difference> {
    let words: Vec<&str> = line.items()?.iter().filter_map(Value::as_str).collect();
    let [action, what, whom] = words.as_slice() else {
        return None;
    };
    Some(Difference {
        jail: jail.to_owned(),
        action: (*action).to_owned(),
        what: (*what).to_owned(),
        whom: (*whom).to_owned(),
    })
}
