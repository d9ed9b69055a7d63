//! What varies between two occurrences of the same error, taken out of the seven attributes.
//!
//! Promises: rule sets are versioned and a released one never changes (golden files hold it); every change is made by
//! a named rule, and the traced form runs the very code that decides, so an explanation cannot drift from a decision.
//! One table a kind (`plain`, `names`, `message`, `url`); a rule is a row with a name that people see, what it looks
//! for, an example that a test runs, and the versions it holds in. To add a rule is to add a row. Linear time, any
//! UTF-8, and idempotent: what is normalised stays as it is. Deliberately not here: the hash of the result
//! (`fingerprint`), secrets (`scrub`), parsing of stack texts (`ingest`), anything that learns from traffic.

mod crates;
pub mod location;
mod message;
mod names;
mod plain;
mod random;
mod rewrite;
mod rows;
#[cfg(test)]
mod tests;
pub mod trail;
mod url;
mod version;

use std::borrow::Cow;

use crate::event::{Attributes, Event};
use trail::{Recorded, Silent, Trail};

pub use trail::Applied;
pub(crate) use url::PARAMETER;
pub use version::Version;

/// The version that is part of every new fingerprint.
pub const VERSION: u8 = Version::PRESENT.number();

/// The seven, normalised; borrowed where nothing changed.
pub fn normalize<'a>(event: &'a Event<'_>) -> Attributes<'a> {
    normalize_as(Version::PRESENT, event)
}

/// The same, with every change a rule made, in order.
pub fn normalize_traced<'a>(event: &'a Event<'_>) -> (Attributes<'a>, Vec<Applied>) {
    let mut trail = Recorded::default();
    let attributes = seven(Version::PRESENT, event, &mut trail);
    (attributes, trail.changes)
}

/// The seven as a rule set of choice has them: what an issue was known by before an upgrade.
pub fn normalize_as<'a>(version: Version, event: &'a Event<'_>) -> Attributes<'a> {
    seven(version, event, &mut Silent)
}

fn seven<'a>(version: Version, event: &'a Event<'_>, trail: &mut impl Trail) -> Attributes<'a> {
    let given = &event.attributes;
    trail.attribute("category");
    let category = plain::word(&given.category, trail);
    trail.attribute("module");
    let module = plain::module(&given.module, trail);
    trail.attribute("environment");
    let environment = plain::word(&given.environment, trail);
    trail.attribute("url");
    let url = url::path(version, &given.url, &given.detail, trail);
    trail.attribute("method");
    let method = plain::method(&given.method, trail);
    trail.attribute("location");
    let location = location::normalized(version, event, trail);
    trail.attribute("detail");
    let detail = detail(version, event, trail);
    Attributes { category, module, environment, url, method, location, detail }
}

/// What a text says, without its values.
pub fn said(text: &str) -> Cow<'_, str> {
    message::masked(Version::PRESENT, text, &mut Silent)
}

/// A log template, when the client sent one, is the message without its values already: it beats the text.
fn detail<'a>(version: Version, event: &'a Event<'_>, trail: &mut impl Trail) -> Cow<'a, str> {
    match event.template.as_deref() {
        Some(template) if !template.trim().is_empty() => {
            if template != event.attributes.detail {
                trail.applied("log-template", &event.attributes.detail, template);
            }
            message::masked(version, template, trail)
        }
        _ => message::masked(version, &event.attributes.detail, trail),
    }
}
