//! What those are told who listen, with the command `tail`.
//!
//! In: something that a jail has found or decided. Out: a dictionary, which travels as a message of its own.
//!
//! The reference has no such thing. A client sends `tail`, or `tail JAIL`, is answered as ever, and is then sent one
//! dictionary after another, until it hangs up. All of them have `event`, `jail`, `id` and `time`, in seconds since
//! 1970; what else there is depends on the event. A client that does not read what it is sent is sent a last one,
//! whose `event` is `end`, with the `reason`.

use crate::Value;

/// Something that a jail has found or decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// The jail.
    pub jail: String,
    /// Whom it is about: what the jail counts by, usually an address.
    pub id: String,
    /// When, in microseconds since 1970; of a failure when it was logged.
    pub time_micros: i64,
    /// What.
    pub what: What,
}

/// What has happened to an id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// `found`: a failure was found in a log.
    Found,
    /// `attempt`: a failure was counted on the word of a client.
    Attempt,
    /// `ban`.
    Ban {
        /// How long it lasts from the last failure on, in seconds; -1 is for ever.
        bantime: i64,
        /// Whether it was taken over from before the start.
        restored: bool,
        /// Whether it was carried out; not where the daemon only observes.
        enforced: bool,
    },
    /// `prolong`: a ban lasts longer than it was told.
    Prolonged {
        /// Its end, in microseconds since 1970.
        until_micros: i64,
    },
    /// `unban`.
    Unban {
        /// Why: `expired`, `asked` by a client, `displaced` by newer ones, or the `stop` of the jail.
        cause: &'static str,
    },
}

impl Happening {
    /// The dictionary that travels.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let (event, more) = match self.what {
            What::Found => ("found", Vec::new()),
            What::Attempt => ("attempt", Vec::new()),
            What::Ban {
                bantime,
                restored,
                enforced,
            } => (
                "ban",
                vec![
                    ("bantime", Value::Int(bantime)),
                    ("restored", Value::Bool(restored)),
                    ("enforced", Value::Bool(enforced)),
                ],
            ),
            What::Prolonged { until_micros } => {
                ("prolong", vec![("until", Value::Float(seconds(until_micros)))])
            }
            What::Unban { cause } => ("unban", vec![("cause", cause.into())]),
        };
        let all = [
            ("event", Value::from(event)),
            ("jail", self.jail.as_str().into()),
            ("id", self.id.as_str().into()),
            ("time", Value::Float(seconds(self.time_micros))),
        ];
        Value::Dict(
            all.into_iter()
                .chain(more)
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }
}

/// Microseconds as Python has seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a time of day in microseconds is exact for two hundred years to come"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::{Happening, What};

    #[test]
    fn what_happens_travels_as_a_dictionary() {
        let cases = [
            (What::Found, "'found'", ""),
            (What::Attempt, "'attempt'", ""),
            (
                What::Ban {
                    bantime: 600,
                    restored: false,
                    enforced: true,
                },
                "'ban'",
                ", 'bantime': 600, 'restored': False, 'enforced': True",
            ),
            (
                What::Prolonged {
                    until_micros: 9_500_000,
                },
                "'prolong'",
                ", 'until': 9.5",
            ),
            (What::Unban { cause: "asked" }, "'unban'", ", 'cause': 'asked'"),
        ];
        for (what, event, more) in cases {
            let happening = Happening {
                jail: "sshd".to_owned(),
                id: "192.0.2.1".to_owned(),
                time_micros: 1_250_000,
                what,
            };
            assert_eq!(
                happening.to_value().repr(),
                format!("{{'event': {event}, 'jail': 'sshd', 'id': '192.0.2.1', 'time': 1.25{more}}}")
            );
        }
    }
}
