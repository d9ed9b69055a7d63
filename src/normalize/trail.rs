//! Which rule changed what: the difference between normalising and explaining.
//!
//! Promises: the rules report every change to a `Trail` and never ask which one it is; `Silent` costs nothing.
//! Deliberately not here: how an explanation is shown (`fingerprint::explain`).

use std::borrow::Cow;

use serde::Serialize;

/// One change made by one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Which of the seven.
    pub attribute: &'static str,
    /// The rule's name.
    pub rule: Cow<'static, str>,
    /// What stood there.
    pub from: String,
    /// What stands there now. The same as `from` when the rule protected it from being masked.
    pub to: String,
}

/// Where rules report what they did.
pub(crate) trait Trail {
    /// The attribute the following reports are about.
    fn attribute(&mut self, name: &'static str);
    /// A rule put `to` where `from` stood.
    fn applied(&mut self, rule: &'static str, from: &str, to: &str);
}

/// Nobody asks: every event that is only counted.
pub(crate) struct Silent;

impl Trail for Silent {
    fn attribute(&mut self, _: &'static str) {}
    fn applied(&mut self, _: &'static str, _: &str, _: &str) {}
}

/// Kept in order, for people.
#[derive(Default)]
pub(crate) struct Recorded {
    attribute: &'static str,
    pub(crate) changes: Vec<Applied>,
}

impl Trail for Recorded {
    fn attribute(&mut self, name: &'static str) {
        self.attribute = name;
    }

    fn applied(&mut self, rule: &'static str, from: &str, to: &str) {
        let change = Applied { attribute: self.attribute, rule: rule.into(), from: from.into(), to: to.into() };
        self.changes.push(change);
    }
}
