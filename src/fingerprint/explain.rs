//! Why an event has the identity it has, and why two are or are not the same error.
//!
//! Promises: everything said here comes from the code that decides. As data for machines (`Serialize`), as aligned text
//! for people (`Display`). Deliberately not here: colours, reading of files (`cli`).

use std::fmt;

use serde::Serialize;

use super::identify;
use crate::event::Event;
use crate::issue::{CauseKey, Fingerprint};
use crate::normalize::{self, Applied};

/// Why an event has the identity it has.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The version of the rules.
    pub version: u8,
    /// The identity.
    pub fingerprint: Fingerprint,
    /// The coarser one.
    pub cause: CauseKey,
    /// The client's own parts; where there are any, they decide instead of the seven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_fingerprint: Vec<String>,
    /// The seven.
    pub attributes: Vec<Explained>,
}

/// One attribute before and after.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Its name.
    pub attribute: &'static str,
    /// As the client sent it.
    pub original: String,
    /// As it is compared.
    pub normalized: String,
    /// What the rules changed or protected, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
}

/// Whether two events are the same error, and if not, why.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whether they have one fingerprint.
    pub same: bool,
    /// Whether they have one cause key.
    pub same_cause: bool,
    /// The two identities.
    pub fingerprints: [Fingerprint; 2],
    /// The attributes that separate them.
    pub separated_by: Vec<Difference>,
    /// The attributes that differ as sent, and that the rules made equal.
    pub made_equal: Vec<Difference>,
}

/// One attribute of two events.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Its name; `fingerprint` for the clients' own parts.
    pub attribute: &'static str,
    /// As the clients sent it.
    pub original: [String; 2],
    /// As it is compared.
    pub normalized: [String; 2],
}

/// Explains one event.
pub fn explain(event: &Event<'_>) -> Explanation {
    let (normalized, changes) = normalize::normalize_traced(event);
    let (fingerprint, cause) = identify(event, &normalized);
    let attributes = event.attributes.each().into_iter().zip(normalized.each());
    let explained = attributes.map(|((attribute, original), (_, normalized))| Explained {
        attribute,
        original: original.to_string(),
        normalized: normalized.to_string(),
        applied: changes.iter().filter(|change| change.attribute == attribute).cloned().collect(),
    });
    Explanation {
        version: normalize::VERSION,
        fingerprint,
        cause,
        client_fingerprint: event.fingerprint.iter().map(|part| part.to_string()).collect(),
        attributes: explained.collect(),
    }
}

/// Explains two events against each other.
pub fn compare(a: &Event<'_>, b: &Event<'_>) -> Comparison {
    let (normalized_a, normalized_b) = (normalize::normalize(a), normalize::normalize(b));
    let (fingerprint_a, cause_a) = identify(a, &normalized_a);
    let (fingerprint_b, cause_b) = identify(b, &normalized_b);
    let originals = a.attributes.each().into_iter().zip(b.attributes.each());
    let normals = normalized_a.each().into_iter().zip(normalized_b.each());
    let (mut separated_by, mut made_equal) = (Vec::new(), Vec::new());
    for (((attribute, original_a), (_, original_b)), ((_, normal_a), (_, normal_b))) in originals.zip(normals) {
        let difference = || Difference {
            attribute,
            original: [original_a.to_string(), original_b.to_string()],
            normalized: [normal_a.to_string(), normal_b.to_string()],
        };
        if normal_a != normal_b {
            separated_by.push(difference());
        } else if original_a != original_b {
            made_equal.push(difference());
        }
    }
    let by_client = !a.fingerprint.is_empty() || !b.fingerprint.is_empty();
    if by_client {
        attribute_clients_parts(a, b, &mut separated_by);
    }
    Comparison {
        same: fingerprint_a == fingerprint_b,
        same_cause: cause_a == cause_b,
        fingerprints: [fingerprint_a, fingerprint_b],
        separated_by,
        made_equal,
    }
}

/// Where a client's own parts decide, attributes they do not name separate nothing.
fn attribute_clients_parts(a: &Event<'_>, b: &Event<'_>, separated_by: &mut Vec<Difference>) {
    let names_default = |event: &Event<'_>| event.fingerprint.iter().any(|part| super::is_default(part));
    let decided = !a.fingerprint.is_empty() && !b.fingerprint.is_empty() && !names_default(a) && !names_default(b);
    if decided {
        separated_by.retain(|difference| matches!(difference.attribute, "module" | "environment"));
    }
    if a.fingerprint != b.fingerprint {
        let parts = [a, b].map(|event| event.fingerprint.join(", "));
        separated_by.push(Difference { attribute: "fingerprint", original: parts.clone(), normalized: parts });
    }
}

/// Wide enough for the longest name of an attribute.
const NAME_COLUMNS: usize = 11;

/// One value on one line, whatever is in it.
struct Line<'t>(&'t str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(empty)");
        }
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:NAME_COLUMNS$}  {}  (rules v{})", "fingerprint", self.fingerprint, self.version)?;
        writeln!(f, "{:NAME_COLUMNS$}  {}", "cause key", self.cause)?;
        if !self.client_fingerprint.is_empty() {
            let parts = self.client_fingerprint.join(", ");
            writeln!(
                f,
                "{:NAME_COLUMNS$}  {}  (decides, within module and environment)",
                "client's own",
                Line(&parts)
            )?;
        }
        for one in &self.attributes {
            writeln!(f)?;
            writeln!(f, "{:NAME_COLUMNS$}  {}", one.attribute, Line(&one.original))?;
            if one.normalized != one.original {
                writeln!(f, "{:>NAME_COLUMNS$}  {}", "=>", Line(&one.normalized))?;
            }
            let width = one.applied.iter().map(|change| change.rule.len()).max().unwrap_or(0);
            for Applied { rule, from, to, .. } in &one.applied {
                if from == to {
                    writeln!(f, "{:NAME_COLUMNS$}  - {rule:width$}  {} (kept)", "", Line(from))?;
                } else {
                    writeln!(f, "{:NAME_COLUMNS$}  - {rule:width$}  {} => {}", "", Line(from), Line(to))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.fingerprints;
        if self.same {
            writeln!(f, "the same error: {a}")?;
        } else {
            let cause = if self.same_cause { " (of one cause)" } else { "" };
            writeln!(f, "two errors{cause}: {a} and {b}")?;
        }
        for (title, differences) in [("separated by", &self.separated_by), ("made equal", &self.made_equal)] {
            if differences.is_empty() || self.same && title == "separated by" {
                continue;
            }
            writeln!(f, "\n{title}")?;
            for one in differences {
                writeln!(f, "  {:NAME_COLUMNS$}  a  {}", one.attribute, Line(&one.original[0]))?;
                writeln!(f, "  {:NAME_COLUMNS$}  b  {}", "", Line(&one.original[1]))?;
                if one.normalized[0] == one.normalized[1] {
                    writeln!(f, "  {:>NAME_COLUMNS$}     {}", "=>", Line(&one.normalized[0]))?;
                } else if one.normalized != one.original {
                    writeln!(f, "  {:>NAME_COLUMNS$}  a  {}", "=>", Line(&one.normalized[0]))?;
                    writeln!(f, "  {:>NAME_COLUMNS$}  b  {}", "=>", Line(&one.normalized[1]))?;
                }
            }
        }
        Ok(())
    }
}
