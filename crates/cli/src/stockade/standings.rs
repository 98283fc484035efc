//! What the actions of a jail have made of its bans.
//!
//! In: what the daemon says of bans that are not simply in force. Out: a word for a table, an object for programs.

use serde_json::{Value as Json, json};
use stockade_protocol::Value;

/// What an action has made of the bans of its jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standings {
    pub(super) action: String,
    /// How many bans have failed.
    pub(super) failed: i64,
    /// Of how many it is not known yet.
    pub(super) pending: i64,
    bans: Vec<Standing>,
}

/// What an action has made of a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    id: String,
    failed: bool,
    failures: i64,
    how: String,
    status: Option<i64>,
    stderr: String,
    /// When it is tried again, in seconds since 1970.
    again: Option<i64>,
}

impl Standings {
    /// Reads what the daemon says of one action.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name).and_then(|value| value.int().ok());
        let bans = value.get("bans")?.items()?.iter().filter_map(Standing::read);
        Some(Self {
            action: value.get("action")?.text(),
            failed: number("failed")?,
            pending: number("pending")?,
            bans: bans.collect(),
        })
    }

    /// What the action has made of a ban, in a few words.
    pub(super) fn word(&self, id: &str) -> String {
        match self.bans.iter().find(|ban| ban.id == id) {
            None => "active".to_owned(),
            Some(ban) => ban.word(),
        }
    }

    /// The same for programs.
    pub(super) fn object(&self, id: &str) -> Json {
        let action = &self.action;
        match self.bans.iter().find(|ban| ban.id == id) {
            None => json!({ "action": action, "state": "active" }),
            Some(ban) if !ban.failed => json!({ "action": action, "state": "pending" }),
            Some(ban) => json!({
                "action": action,
                "state": "failed",
                "failures": ban.failures,
                "how": ban.how,
                "status": ban.status,
                "stderr": ban.stderr,
                "again": ban.again,
            }),
        }
    }

    /// How the action as a whole does, where not all is well: `2 failed, 1 pending`.
    pub(super) fn summary(&self) -> Option<String> {
        let parts = [(self.failed, "failed"), (self.pending, "pending")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Standing {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).map(Value::text).unwrap_or_default();
        let number = |name: &str| value.get(name).and_then(|value| value.int().ok());
        Some(Self {
            id: value.get("id")?.text(),
            failed: text("state") == "failed",
            failures: number("failures")?,
            how: text("how"),
            status: number("status"),
            stderr: text("stderr"),
            again: number("again"),
        })
    }

    fn word(&self) -> String {
        if !self.failed {
            return "pending".to_owned();
        }
        let stderr = if self.stderr.is_empty() {
            String::new()
        } else {
            format!(": {}", self.stderr)
        };
        let tries = match (self.again, self.failures) {
            (Some(_), 0) => "waits".to_owned(),
            (Some(_), failures) => format!("failed {failures} times, is tried again"),
            (None, failures) => format!("failed {failures} times"),
        };
        let tries = tries.replace("failed 1 times", "failed");
        format!("{tries} ({}{stderr})", self.how)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stockade_protocol::Value;

    use super::Standings;

    fn dict(pairs: &[(&str, Value)]) -> Value {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), value.clone()));
        Value::Dict(pairs.collect())
    }

    #[test]
    fn each_ban_has_a_word_and_an_object() {
        let failed = |id: &str, failures: i64, again: Value| {
            dict(&[
                ("id", id.into()),
                ("state", "failed".into()),
                ("failures", Value::Int(failures)),
                ("how", "returned 3".into()),
                ("status", Value::Int(3)),
                ("stderr", "no such chain".into()),
                ("again", again),
            ])
        };
        let bans = vec![
            dict(&[
                ("id", "192.0.2.1".into()),
                ("state", "pending".into()),
                ("failures", Value::Int(0)),
            ]),
            failed("192.0.2.2", 1, Value::Int(1_790_000_000)),
            failed("192.0.2.3", 21, Value::None),
        ];
        let told = dict(&[
            ("action", "note".into()),
            ("failed", Value::Int(2)),
            ("pending", Value::Int(1)),
            ("bans", Value::List(bans)),
        ]);
        let standings = Standings::read(&told).expect("it is well-formed");
        assert_eq!(standings.summary().as_deref(), Some("2 failed, 1 pending"));
        for (id, word, state) in [
            ("192.0.2.1", "pending", "pending"),
            (
                "192.0.2.2",
                "failed, is tried again (returned 3: no such chain)",
                "failed",
            ),
            (
                "192.0.2.3",
                "failed 21 times (returned 3: no such chain)",
                "failed",
            ),
            ("192.0.2.4", "active", "active"),
        ] {
            assert_eq!(standings.word(id), word, "{id}");
            assert_eq!(standings.object(id).get("state"), Some(&json!(state)), "{id}");
        }
        assert_eq!(standings.object("192.0.2.3").get("status"), Some(&json!(3)));
    }
}
