//! Which events something is meant for: the `match = { … }` of the configuration.
//!
//! Promises: a name that cannot be matched is refused with the nearest right one; cheap, since it runs for every event.
//! Deliberately not here: what the match is for (routes, rules of sameness).

mod glob;

use std::collections::BTreeMap;

use crate::config::hint;
use crate::event::{Attributes, Event, Level};

use glob::Glob;

/// All of these must match; none matches everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matchers(Vec<Matcher>);

#[derive(Clone, Debug)]
enum Matcher {
    /// One of the seven, by its position in [`Attributes::each`].
    Attribute(usize, Glob),
    Project(Glob),
    /// That grave, or graver.
    Level(Level),
    Tag(String, Glob),
}

impl Matchers {
    /// Compiles them. The error names each that cannot be matched.
    pub(crate) fn new(configured: &BTreeMap<String, String>) -> Result<Matchers, Vec<String>> {
        let mut problems = Vec::new();
        let mut matchers = Vec::new();
        for (name, pattern) in configured {
            match matcher(name, pattern) {
                Ok(matcher) => matchers.push(matcher),
                Err(what) => problems.push(what),
            }
        }
        if problems.is_empty() { Ok(Matchers(matchers)) } else { Err(problems) }
    }

    /// Whether they match an event of that project.
    pub(crate) fn matches(&self, event: &Event<'_>, project: &str) -> bool {
        self.0.iter().all(|matcher| match matcher {
            Matcher::Attribute(at, glob) => glob.matches(event.attributes.each()[*at].1),
            Matcher::Project(glob) => glob.matches(project),
            Matcher::Level(least) => event.level >= *least,
            Matcher::Tag(name, glob) => {
                event.tags.iter().any(|(tag, value)| same_tag(tag, name) && glob.matches(value))
            }
        })
    }
}

/// Tag names without regard to case, and to which of `.`, `_` and `-` joins their words: the same tag set by an
/// environment variable, by a property and in code arrives in three spellings.
pub(crate) fn same_tag(a: &str, b: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'_' | b'-') { b'.' } else { byte.to_ascii_lowercase() };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| plain(a) == plain(b))
}

fn matcher(name: &str, pattern: &str) -> Result<Matcher, String> {
    const LEVELS: [Level; 5] = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Fatal];
    let attributes = Attributes::default().each().map(|(attribute, _)| attribute);
    if let Some(at) = attributes.iter().position(|attribute| *attribute == name) {
        return Ok(Matcher::Attribute(at, Glob::new(pattern)));
    }
    match name.split_once('.') {
        Some(("tags", tag)) if !tag.is_empty() => return Ok(Matcher::Tag(tag.to_owned(), Glob::new(pattern))),
        _ => {}
    }
    match name {
        "project" => Ok(Matcher::Project(Glob::new(pattern))),
        "level" => Level::parse(pattern).map(Matcher::Level).ok_or_else(|| {
            format!("{pattern:?} is not a level{}", hint(pattern, LEVELS.iter().map(|level| level.as_str())))
        }),
        _ => {
            let known = attributes.into_iter().chain(["level", "project", "tags.NAME"]);
            let list = known.clone().collect::<Vec<_>>().join(", ");
            Err(format!("cannot match {name:?}{}; known are {list}", hint(name, known)))
        }
    }
}
