//! `[sameness]`: what the user adds to the rules of sameness.
//!
//! Promises: nothing is there by default. Deliberately not here: what it does, and whether it can (`fingerprint`).

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the user adds to the rules of sameness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sameness {
    /// Attributes that do not count.
    pub ignore: Vec<String>,
    /// Route patterns: `/shop/{slug}/items`.
    pub routes: Vec<String>,
    /// What does not count for a part of the traffic; the first that matches adds to `ignore`.
    pub rule: Vec<SamenessRule>,
    /// What is replaced.
    pub mask: Vec<Mask>,
    /// What is never replaced.
    pub protect: Vec<Protect>,
    /// Errors that are another one.
    pub merge: Vec<Merge>,
    /// Errors that are several.
    pub split: Vec<Split>,
}

/// What does not count for a part of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamenessRule {
    /// Which events, as for routes. Empty: all.
    #[serde(rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// Attributes that do not count.
    pub ignore: Vec<String>,
}

/// A text that varies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Which events, as for routes. Empty: all.
    #[serde(rename = "match", default)]
    pub matchers: BTreeMap<String, String>,
    /// One of the seven.
    pub attribute: String,
    /// A regular expression.
    pub pattern: String,
    /// What is compared instead; `$1` is the pattern's first group, `$$` a dollar.
    pub put: String,
}

/// A text that discriminates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protect {
    /// Which events, as for routes. Empty: all.
    #[serde(rename = "match", default)]
    pub matchers: BTreeMap<String, String>,
    /// `detail`, `url` or `location`.
    pub attribute: String,
    /// A regular expression.
    pub pattern: String,
}

/// An error that is another one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// It.
    pub fingerprint: String,
    /// The other.
    pub into: String,
}

/// An error that is several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// It.
    pub fingerprint: String,
    /// What tells them apart: one of the seven, `tags.NAME`, `release`, `server`, `user`, `level`, `exception.type`.
    pub by: Vec<String>,
}
