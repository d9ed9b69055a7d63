//! Why an event has the identity it has, and why two are or are not the same error.
//!
//! Promises: everything said here comes from the code that decides. As data for machines (`Serialize`), as aligned text
//! for people (`Display`). Deliberately not here: colours, reading of files (`cli`).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::sameness::Sameness;
use super::suggest::{self, Suggestion};
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
    /// What to write in the configuration to have it otherwise; each was tried.
    pub suggestions: Vec<Suggestion>,
}

/// One attribute of two events.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Its name; `fingerprint` for the clients' own parts.
    pub attribute: Cow<'static, str>,
    /// As the clients sent it.
    pub original: [String; 2],
    /// As it is compared.
    pub normalized: [String; 2],
    /// What the rules changed or protected in each, in order.
    pub applied: [Vec<Applied>; 2],
}

/// Explains one event.
pub(crate) fn explain(sameness: &Sameness, event: &Event<'_>) -> Explanation {
    let (compared, changes) = sameness.trace(event);
    let attributes = event.attributes.each().into_iter().zip(compared.normalized.each());
    let explained = attributes.map(|((attribute, original), (_, normalized))| Explained {
        attribute,
        original: original.to_string(),
        normalized: normalized.to_string(),
        applied: of(attribute, &changes),
    });
    Explanation {
        version: normalize::VERSION,
        fingerprint: compared.fingerprint,
        cause: super::cause(event, &compared.normalized),
        client_fingerprint: event.fingerprint.iter().map(|part| part.to_string()).collect(),
        attributes: explained.collect(),
    }
}

fn of(attribute: &str, changes: &[Applied]) -> Vec<Applied> {
    changes.iter().filter(|change| change.attribute == attribute).cloned().collect()
}

/// Explains two events against each other.
pub(crate) fn compare(sameness: &Sameness, a: &Event<'_>, b: &Event<'_>) -> Comparison {
    let [(one, changes_a), (other, changes_b)] = [a, b].map(|event| sameness.trace(event));
    let originals = a.attributes.each().into_iter().zip(b.attributes.each());
    let normals = one.normalized.each().into_iter().zip(other.normalized.each());
    let (mut separated_by, mut made_equal) = (Vec::new(), Vec::new());
    for (((attribute, original_a), (_, original_b)), ((_, normal_a), (_, normal_b))) in originals.zip(normals) {
        let difference = || Difference {
            attribute: attribute.into(),
            original: [original_a.to_string(), original_b.to_string()],
            normalized: [normal_a.to_string(), normal_b.to_string()],
            applied: [of(attribute, &changes_a), of(attribute, &changes_b)],
        };
        if normal_a != normal_b {
            separated_by.push(difference());
        } else if original_a != original_b {
            made_equal.push(difference());
        }
    }
    if !a.fingerprint.is_empty() || !b.fingerprint.is_empty() {
        attribute_clients_parts(a, b, &mut separated_by);
    }
    let same = one.fingerprint == other.fingerprint;
    if !same
        && separated_by.is_empty()
        && let Some((by, values)) = suggest::told_apart_by(sameness, [a, b])
    {
        separated_by.push(plain(format!("own split by {by}"), values));
    }
    let suggestions = match same {
        true => suggest::separate(sameness, [a, b]),
        false => suggest::join(sameness, [a, b]).into_iter().collect(),
    };
    Comparison {
        same,
        same_cause: super::cause(a, &one.normalized) == super::cause(b, &other.normalized),
        fingerprints: [one.fingerprint, other.fingerprint],
        separated_by,
        made_equal,
        suggestions,
    }
}

/// Where a client's own parts decide, attributes they do not name separate nothing.
fn attribute_clients_parts(a: &Event<'_>, b: &Event<'_>, separated_by: &mut Vec<Difference>) {
    let names_default = |event: &Event<'_>| event.fingerprint.iter().any(|part| super::is_default(part));
    let decided = !a.fingerprint.is_empty() && !b.fingerprint.is_empty() && !names_default(a) && !names_default(b);
    if decided {
        separated_by.retain(|difference| matches!(&*difference.attribute, "module" | "environment"));
    }
    if a.fingerprint != b.fingerprint {
        separated_by.push(plain("fingerprint", [a, b].map(|event| event.fingerprint.join(", "))));
    }
}

/// A difference that no rule of normalising touches.
fn plain(name: impl Into<Cow<'static, str>>, values: [String; 2]) -> Difference {
    Difference { attribute: name.into(), original: values.clone(), normalized: values, applied: Default::default() }
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

/// What rules did to one attribute.
fn list(f: &mut fmt::Formatter<'_>, indent: &str, applied: &[Applied]) -> fmt::Result {
    let width = applied.iter().map(|change| change.rule.chars().count()).max().unwrap_or(0);
    for Applied { rule, from, to, .. } in applied {
        if from == to {
            writeln!(f, "{indent}- {rule:width$}  {} (kept)", Line(from))?;
        } else {
            writeln!(f, "{indent}- {rule:width$}  {} => {}", Line(from), Line(to))?;
        }
    }
    Ok(())
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
            list(f, &format!("{:NAME_COLUMNS$}  ", ""), &one.applied)?;
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
        let apart = if self.same { "differs, and does not count" } else { "separated by" };
        for (title, differences) in [(apart, &self.separated_by), ("made equal", &self.made_equal)] {
            if differences.is_empty() {
                continue;
            }
            writeln!(f, "\n{title}")?;
            differences.iter().try_for_each(|one| one.show(f))?;
        }
        let title = if self.same { "to tell them apart" } else { "to make them one" };
        for Suggestion { what, toml } in &self.suggestions {
            writeln!(f, "\n{title}: {what}\n\n{}", toml.trim_end())?;
        }
        if self.suggestions.is_empty() {
            writeln!(f, "\n{title}: no rule was found that would do it")?;
        }
        Ok(())
    }
}

impl Difference {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = format!("  {:NAME_COLUMNS$}  ", "");
        writeln!(f, "  {:NAME_COLUMNS$}  a  {}", self.attribute, Line(&self.original[0]))?;
        writeln!(f, "{indent}b  {}", Line(&self.original[1]))?;
        if self.normalized[0] == self.normalized[1] {
            writeln!(f, "  {:>NAME_COLUMNS$}     {}", "=>", Line(&self.normalized[0]))?;
        } else if self.normalized != self.original {
            writeln!(f, "  {:>NAME_COLUMNS$}  a  {}", "=>", Line(&self.normalized[0]))?;
            writeln!(f, "  {:>NAME_COLUMNS$}  b  {}", "=>", Line(&self.normalized[1]))?;
        }
        let both = self.applied[0] == self.applied[1];
        for (name, applied) in [("a", &self.applied[0]), ("b", &self.applied[1])].into_iter().skip(usize::from(both)) {
            list(f, &format!("{indent}{}  ", if both { " " } else { name }), applied)?;
        }
        Ok(())
    }
}
