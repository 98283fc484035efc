//! Time zones as logs write them and as `logtimezone` gives them: an abbreviation, an offset, or both.
//!
//! In: a text such as `CET`, `+0130`, `UTC-04:30`. Out: a fixed [`Offset`] from UTC, or an error.
//!
//! Invariant: an offset never depends on the date; abbreviations know no daylight saving.

use std::fmt;
use std::str::FromStr;

/// How far local time is ahead of UTC, in whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset {
    minutes: i32,
}

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unknown or unsupported time zone: '{text}'")]
pub struct ZoneError {
    /// The text as it was given.
    pub text: String,
}

impl Offset {
    /// No offset at all.
    pub const UTC: Self = Self { minutes: 0 };

    /// The offset that is `minutes` ahead of UTC.
    #[must_use]
    pub const fn from_minutes(minutes: i32) -> Self {
        Self { minutes }
    }

    /// Minutes ahead of UTC; negative to the west.
    #[must_use]
    pub const fn minutes(self) -> i32 {
        self.minutes
    }

    /// Seconds ahead of UTC.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::from(self.minutes) * 60
    }

    /// The offset that `text` gives, if it gives one; the same as parsing, without an error to build.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
        let (name, rest) = text.split_at_checked(letters)?;
        let base = match letters {
            0 => 0,
            1 | 3..=5 => abbreviation(name)?,
            _ => return None,
        };
        if rest.is_empty() {
            return Some(Self { minutes: base });
        }
        let sign = match rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits = rest.get(1..)?;
        let (hours, minutes) = match digits.len() {
            2 => (digits, "00"),
            4 => digits.split_at_checked(2)?,
            5 => {
                let (hours, minutes) = digits.split_at_checked(2)?;
                (hours, minutes.strip_prefix(':')?)
            }
            _ => return None,
        };
        // The minutes are not checked: `+0575` is 375 minutes, as the reference has it.
        let hours = two_digits(hours).filter(|hours| *hours < 20)?;
        Some(Self {
            minutes: base + sign * (hours * 60 + two_digits(minutes)?),
        })
    }
}

impl FromStr for Offset {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        Self::of(text).ok_or_else(|| ZoneError {
            text: text.to_owned(),
        })
    }
}

/// The offset as `+HHMM`.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.unsigned_abs();
        write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

fn two_digits(text: &str) -> Option<i32> {
    match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Minutes ahead of UTC of a zone's abbreviation.
///
/// A name that several zones share stands for one of them only, and some well-known names (`IST`, `BST`)
/// are not known at all; both as the reference has it.
#[rustfmt::skip]
fn abbreviation(name: &str) -> Option<i32> {
    Some(match name {
        "Y" => -720,
        "X" | "NUT" | "SST" => -660,
        "W" | "CKT" | "HAST" | "HST" | "TAHT" | "TKT" => -600,
        "MART" | "MIT" => -570,
        "V" | "AKST" | "GAMT" | "GIT" | "HADT" | "HNY" => -540,
        "U" | "AKDT" | "CIST" | "HAY" | "HNP" | "PST" | "PT" => -480,
        "T" | "HAP" | "HNR" | "MST" | "PDT" => -420,
        "S" | "CST" | "EAST" | "GALT" | "HAR" | "HNC" | "MDT" => -360,
        "R" | "CDT" | "COT" | "EASST" | "ECT" | "EST" | "ET" | "HAC" | "HNE" | "PET" => -300,
        "HLV" | "VET" => -270,
        "Q" | "AST" | "BOT" | "CLT" | "COST" | "EDT" | "FKT" | "GYT" | "HAE" | "HNA" | "PYT" => -240,
        "HNT" | "NST" | "NT" => -210,
        "P" | "ADT" | "ART" | "BRT" | "CLST" | "FKST" | "GFT" | "HAA" | "PMST" | "PYST" | "SRT" | "UYT"
        | "WGT" => -180,
        "HAT" | "NDT" => -150,
        "O" | "BRST" | "FNT" | "PMDT" | "UYST" | "WGST" => -120,
        "N" | "AZOT" | "CVT" | "EGT" => -60,
        "Z" | "EGST" | "GMT" | "UTC" | "WET" | "WT" => 0,
        "A" | "CET" | "DFT" | "WAT" | "WEDT" | "WEST" => 60,
        "B" | "CAT" | "CEDT" | "CEST" | "EET" | "SAST" | "WAST" => 120,
        "C" | "EAT" | "EEDT" | "EEST" | "IDT" | "MSK" => 180,
        "IRST" => 210,
        "D" | "AMT" | "AZT" | "GET" | "GST" | "KUYT" | "MSD" | "MUT" | "RET" | "SAMT" | "SCT" => 240,
        "AFT" | "IRDT" => 270,
        "E" | "AMST" | "AQTT" | "AZST" | "HMT" | "MAWT" | "MVT" | "PKT" | "TFT" | "TJT" | "TMT" | "UZT"
        | "YEKT" => 300,
        "SLT" => 330,
        "NPT" => 345,
        "F" | "ALMT" | "BIOT" | "BTT" | "IOT" | "KGT" | "NOVT" | "OMST" | "YEKST" => 360,
        "CCT" | "MMT" => 390,
        "G" | "CXT" | "DAVT" | "HOVT" | "ICT" | "KRAT" | "NOVST" | "OMSST" | "THA" | "WIB" => 420,
        "H" | "ACT" | "AWST" | "BDT" | "BNT" | "CAST" | "HKT" | "IRKT" | "KRAST" | "MYT" | "PHT" | "SGT"
        | "ULAT" | "WITA" | "WST" => 480,
        "I" | "AWDT" | "IRKST" | "JST" | "KST" | "PWT" | "TLT" | "WDT" | "WIT" | "YAKT" => 540,
        "ACST" => 570,
        "K" | "AEST" | "PGT" | "VLAT" | "YAKST" | "YAPT" => 600,
        "ACDT" | "LHST" => 630,
        "L" | "AEDT" | "LHDT" | "MAGT" | "NCT" | "PONT" | "SBT" | "VLAST" | "VUT" => 660,
        "NFT" => 690,
        "M" | "ANAST" | "ANAT" | "FJT" | "GILT" | "MAGST" | "MHT" | "NZST" | "PETST" | "PETT" | "TVT"
        | "WFT" => 720,
        "FJST" | "NZDT" => 780,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Offset;

    #[test]
    fn a_zone_is_an_abbreviation_and_an_offset() {
        for (text, minutes) in [
            ("", Some(0)),
            ("Z", Some(0)),
            ("UTC", Some(0)),
            ("CET", Some(60)),
            ("CET+01", Some(120)),
            ("CEST-01", Some(60)),
            ("CET+0130", Some(150)),
            ("+01:30", Some(90)),
            ("UTC-0430", Some(-270)),
            ("+0575", Some(375)),
            ("UTC+14", Some(840)),
            ("HLV", Some(-270)),
            ("+1", None),
            ("+20", None),
            ("+01:3", None),
            ("+0130 ", None),
            ("utc", None),
            ("PT", None),
            ("IST", None),
            ("Europe/Berlin", None),
            ("CET+é1", None),
            ("é", None),
        ] {
            assert_eq!(
                text.parse::<Offset>().ok().map(Offset::minutes),
                minutes,
                "{text:?}"
            );
        }
    }
}
