//! How full everything is that has a limit, and what became of what did not fit.
//!
//! In: counts. Out: a [`Fill`] each, which `stockade status --limits` shows; `docs/threat-model.md` has all limits.

use stockade_protocol::Value;

/// Something that has a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// What is limited, as the table of the documentation calls it.
    pub what: &'static str,
    /// Whose it is: `jail sshd`, `action nftables of sshd`, `source syslog`; empty for what there is once.
    pub of: String,
    /// How much there is now; nothing for what is not kept, such as the length of a line.
    pub fill: Option<u64>,
    /// How much there can be.
    pub limit: u64,
    /// How often it was reached.
    pub reached: u64,
    /// What happens past it.
    pub policy: &'static str,
}

impl Fill {
    /// One of a jail.
    #[must_use]
    pub(crate) fn of_jail(
        jail: &str,
        what: &'static str,
        (fill, limit): (Option<usize>, usize),
        reached: u64,
        policy: &'static str,
    ) -> Self {
        Self {
            of: format!("jail {jail}"),
            ..Self::single(what, (fill, limit), reached, policy)
        }
    }

    /// One of where lines come from, by its name.
    #[must_use]
    pub(crate) fn of_source(
        source: &str,
        what: &'static str,
        fill: (Option<usize>, usize),
        reached: u64,
        policy: &'static str,
    ) -> Self {
        Self {
            of: format!("source {source}"),
            ..Self::single(what, fill, reached, policy)
        }
    }

    /// One of what there is once.
    #[must_use]
    pub(crate) fn single(
        what: &'static str,
        (fill, limit): (Option<usize>, usize),
        reached: u64,
        policy: &'static str,
    ) -> Self {
        Self {
            what,
            of: String::new(),
            fill: fill.map(count),
            limit: count(limit),
            reached,
            policy,
        }
    }

    /// The same for a client: a dictionary.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Value::Dict(vec![
            ("what".into(), self.what.into()),
            ("of".into(), self.of.as_str().into()),
            ("fill".into(), self.fill.map_or(Value::None, number)),
            ("limit".into(), number(self.limit)),
            ("reached".into(), number(self.reached)),
            ("policy".into(), self.policy.into()),
        ])
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
