//! What messages say besides the error, and when they wait or are not made: links, owners, quiet hours, maintenance.
//!
//! Promises: texts as they were written. Deliberately not here: whether they mean something; `deliver` compiles them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Locale;

/// A link beside the page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is called.
    pub label: Label,
    /// Where to, with placeholders such as `{trace_id}`. Without one of them in an error, the link is left out.
    pub url: String,
    /// Which errors have it: as for routes.
    #[serde(default, rename = "match")]
    pub matchers: BTreeMap<String, String>,
}

/// A text in one language, or in each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a text or { en = \"…\", ko = \"…\" }")]
pub enum Label {
    /// The same in each.
    One(String),
    /// One for each.
    Each {
        /// English.
        en: String,
        /// Korean.
        ko: String,
    },
}

impl Label {
    /// The text in that language.
    pub fn of(&self, locale: Locale) -> &str {
        match (self, locale) {
            (Label::One(text), _) | (Label::Each { en: text, .. }, Locale::En) => text,
            (Label::Each { ko, .. }, Locale::Ko) => ko,
        }
    }
}

/// Who looks after some errors. The first that matches is named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// What they are called.
    pub name: String,
    /// Which errors are theirs: as for routes.
    #[serde(default, rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// What calls them, for each channel in its own syntax (`"<!subteam^S123>"`); in an email channel a further recipient.
    #[serde(default)]
    pub mention: BTreeMap<String, String>,
}

/// Hours in which channels are not told: what comes waits for their end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// What they are called.
    pub name: String,
    /// Which errors wait: as for routes.
    #[serde(default, rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// Which channels are quiet.
    pub channels: Vec<String>,
    /// The days on which they begin, `mon` to `sun`. Empty: each.
    #[serde(default)]
    pub days: Vec<String>,
    /// When they begin, by the wall clock.
    pub from: String,
    /// When they end; on the next day when that is not later.
    pub to: String,
    /// Whose wall clock, an IANA name. Absent: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// What is as grave as this does not wait. `none`: everything waits.
    #[serde(default = "fatal")]
    pub except_level: String,
}

fn fatal() -> String {
    "fatal".to_owned()
}

/// A time in which nothing alerts: occurrences are counted as held back by `maintenance`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// What it is called.
    pub name: String,
    /// Which errors are held back: as for routes, and `cause`.
    #[serde(default, rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// With times of the day: the days on which it begins, `mon` to `sun`. Empty: each.
    #[serde(default)]
    pub days: Vec<String>,
    /// When it begins: a moment in RFC 3339, a local date and time, or a time of the day.
    pub from: String,
    /// When it ends, in the same form.
    pub to: String,
    /// Whose wall clock, an IANA name. Absent: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
}
