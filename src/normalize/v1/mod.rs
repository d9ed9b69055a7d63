//! Rule set 1: the seven attributes, each by the tables of its kind.
//!
//! Promises: one table a kind (`plain`, `names`, `message`, `url`); a rule is a row with a name that people see, what it
//! looks for, and an example that a test runs. To add a rule is to add a row. Deliberately not here: anything that
//! learns from traffic, or rules of the user's own.
//!
//! Invariant: once released, what this module answers never changes. A new rule is a new version.

mod crates;
pub mod location;
mod message;
mod names;
mod plain;
mod rewrite;
mod rows;
#[cfg(test)]
mod tests;
mod url;

use std::borrow::Cow;

use crate::event::{Attributes, Event};
use crate::normalize::trail::{Applied, Recorded, Silent, Trail};

/// The version that is part of every fingerprint made from these rules.
pub const VERSION: u8 = 1;

/// The seven, normalised; borrowed where nothing changed.
pub fn normalize<'a>(event: &'a Event<'_>) -> Attributes<'a> {
    seven(event, &mut Silent)
}

/// The same, with every change a rule made, in order.
pub fn normalize_traced<'a>(event: &'a Event<'_>) -> (Attributes<'a>, Vec<Applied>) {
    let mut trail = Recorded::default();
    let attributes = seven(event, &mut trail);
    (attributes, trail.changes)
}

fn seven<'a>(event: &'a Event<'_>, trail: &mut impl Trail) -> Attributes<'a> {
    let given = &event.attributes;
    trail.attribute("category");
    let category = plain::word(&given.category, trail);
    trail.attribute("module");
    let module = plain::module(&given.module, trail);
    trail.attribute("environment");
    let environment = plain::word(&given.environment, trail);
    trail.attribute("url");
    let url = url::path(&given.url, trail);
    trail.attribute("method");
    let method = plain::method(&given.method, trail);
    trail.attribute("location");
    let location = location::normalized(event, trail);
    trail.attribute("detail");
    let detail = detail(event, trail);
    Attributes { category, module, environment, url, method, location, detail }
}

/// A log template, when the client sent one, is the message without its values already: it beats the text.
fn detail<'a>(event: &'a Event<'_>, trail: &mut impl Trail) -> Cow<'a, str> {
    match event.template.as_deref() {
        Some(template) if !template.trim().is_empty() => {
            if template != event.attributes.detail {
                trail.applied("log-template", &event.attributes.detail, template);
            }
            message::masked(template, trail)
        }
        _ => message::masked(&event.attributes.detail, trail),
    }
}
