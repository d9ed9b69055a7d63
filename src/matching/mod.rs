//! Which events something is meant for: the `match = { … }` of the configuration.
//!
//! Promises: a name that cannot be matched is refused with the nearest right one; cheap, since it runs for every event.
//! Deliberately not here: what the match is for (routes, rules of sameness).

mod glob;

use std::collections::BTreeMap;

use crate::config::hint;
use crate::event::{Attributes, Event, Level};
use crate::issue::CauseKey;

use glob::Glob;

/// All of these must match; none matches everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matchers {
    all: Vec<Matcher>,
    first_ordinal: Option<u32>,
}

/// What only some may match by, besides what all may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Also {
    /// The beginning of the cause key.
    Cause,
    /// That alert of a window, and later ones.
    Ordinal,
}

impl Also {
    fn name(self) -> &'static str {
        match self {
            Also::Cause => "cause",
            Also::Ordinal => "ordinal",
        }
    }
}

#[derive(Clone, Debug)]
enum Matcher {
    /// One of the seven, by its position in [`Attributes::each`].
    Attribute(usize, Glob),
    Project(Glob),
    /// That grave, or graver.
    Level(Level),
    Tag(String, Glob),
    /// The first hexadecimal digits of the cause key.
    Cause(String),
}

impl Matchers {
    /// Compiles them. The error names each that cannot be matched.
    pub(crate) fn new(configured: &BTreeMap<String, String>) -> Result<Matchers, Vec<String>> {
        Matchers::knowing(configured, &[])
    }

    /// Compiles them where more may be matched by. Those that match by the cause are asked by [`Matchers::matches_with`].
    pub(crate) fn knowing(configured: &BTreeMap<String, String>, also: &[Also]) -> Result<Matchers, Vec<String>> {
        let mut problems = Vec::new();
        let mut matchers = Matchers::default();
        for (name, pattern) in configured {
            let compiled = match also.iter().find(|also| also.name() == name) {
                Some(Also::Ordinal) => ordinal(pattern).map(|ordinal| matchers.first_ordinal = Some(ordinal)),
                Some(Also::Cause) => cause(pattern).map(|matcher| matchers.all.push(matcher)),
                None => matcher(name, pattern, also).map(|matcher| matchers.all.push(matcher)),
            };
            problems.extend(compiled.err());
        }
        // What is asked last is not asked when another does not match: a cause has to be made first.
        matchers.all.sort_by_key(|matcher| matches!(matcher, Matcher::Cause(_)));
        if problems.is_empty() { Ok(matchers) } else { Err(problems) }
    }

    /// From which alert of a window on they match, when they say so.
    pub(crate) fn first_ordinal(&self) -> Option<u32> {
        self.first_ordinal
    }

    /// Whether they match an event of that project, whatever its cause.
    pub(crate) fn matches(&self, event: &Event<'_>, project: &str) -> bool {
        self.matches_with(event, project, &|| CauseKey(0))
    }

    /// Whether they match an event of that project and cause.
    pub(crate) fn matches_with(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey) -> bool {
        self.all.iter().all(|matcher| match matcher {
            Matcher::Cause(begins) => cause().to_string().starts_with(begins),
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

fn ordinal(text: &str) -> Result<u32, String> {
    let read = text.parse().ok().filter(|ordinal| (1..=100).contains(ordinal));
    read.ok_or_else(|| format!("`ordinal`: {text:?} is not the number of an alert in its window, such as \"3\""))
}

fn cause(text: &str) -> Result<Matcher, String> {
    let hex = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = || format!("`cause`: {text:?} is not the beginning of a cause key, up to 32 hexadecimal digits");
    hex.then(|| Matcher::Cause(text.to_ascii_lowercase())).ok_or_else(wrong)
}

fn matcher(name: &str, pattern: &str, also: &[Also]) -> Result<Matcher, String> {
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
            let known = known.chain(also.iter().map(|also| also.name()));
            let list = known.clone().collect::<Vec<_>>().join(", ");
            Err(format!("cannot match {name:?}{}; known are {list}", hint(name, known)))
        }
    }
}
