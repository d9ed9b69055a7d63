//! Which rule set: every row of every table says in which it holds.
//!
//! Promises: what a released version answers never changes, so a row that was wrong is not mended: it ends with the
//! version before, and its successor begins with the next. Deliberately not here: the rows.

/// A rule set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The first.
    V1,
    /// The present one.
    V2,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Version; 2] = [Version::V1, Version::V2];
    /// The one that new fingerprints are made from.
    pub const PRESENT: Version = Version::V2;

    /// How it is stored and hashed.
    pub const fn number(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    /// The version stored with that number; `None` for one that this release does not know.
    pub fn of_number(number: u8) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.number() == number)
    }
}

/// In which rule sets a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    since: Version,
    until: Version,
}

impl Versions {
    pub(super) const ALL: Versions = Versions { since: Version::V1, until: Version::PRESENT };

    pub(super) const fn since(self, version: Version) -> Versions {
        Versions { since: version, until: self.until }
    }

    pub(super) const fn until(self, version: Version) -> Versions {
        Versions { since: self.since, until: version }
    }

    pub(super) const fn has(self, version: Version) -> bool {
        self.since as u8 <= version as u8 && version as u8 <= self.until as u8
    }
}
