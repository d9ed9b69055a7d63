//! What to write in `[sameness]` so that two events become one error, or two.
//!
//! Promises: what is suggested was tried: laid over the configuration, it does what it is suggested for. It is the nearest
//! rule, not the widest: a place in a path, a word in a message, then a whole attribute, then these two errors alone.
//! Deliberately not here: whether it is a good idea.

use serde::{Deserialize, Serialize};

use super::own::{By, SEVEN};
use super::sameness::Sameness;
use super::spans::{self, Gap};
use crate::config;
use crate::event::Event;

/// Lines for the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// What it does, in words.
    pub what: String,
    /// The lines.
    pub toml: String,
}

/// The lines as they are read again.
#[derive(Deserialize)]
struct Lines {
    sameness: config::Sameness,
}

/// What would make one error of two.
pub(super) fn join(sameness: &Sameness, pair: [&Event<'_>; 2]) -> Option<Suggestion> {
    let compared = pair.map(|event| sameness.trace(event).0);
    let [a, b] = compared.each_ref().map(|one| one.normalized.each());
    let mut parts = Parts::default();
    let mut needed = Vec::new();
    for (nth, name) in SEVEN.into_iter().enumerate().filter(|(nth, _)| a[*nth].1 != b[*nth].1) {
        let normal = [&**a[nth].1, &**b[nth].1];
        let equal = |part: &Parts| {
            let tried = tried(sameness, &parts.and(part));
            tried.is_some_and(|tried| {
                let [a, b] = pair.map(|event| tried.normalize(event).get(name).map(ToString::to_string));
                a == b
            })
        };
        needed.push(name);
        match candidates(name, normal).into_iter().find(equal) {
            Some(part) => parts = parts.and(&part),
            None => break,
        }
    }
    let one = |sameness: &Sameness| {
        let [a, b] = pair.map(|event| sameness.identify(event));
        a == b
    };
    let own_words = pair[0].fingerprint != pair[1].fingerprint;
    if !needed.is_empty() && !own_words && tried(sameness, &parts).is_some_and(|tried| one(&tried)) {
        let what = format!("they become one error, what differs in {} no longer counts", needed.join(" and "));
        return Some(Suggestion { what, toml: parts.toml(sameness) });
    }
    let [from, into] = [compared[1].fingerprint, compared[0].fingerprint];
    let merge = format!("[[sameness.merge]]\nfingerprint = \"{from}\"\ninto = \"{into}\"\n");
    let parts = Parts { more: vec![merge], ..Parts::default() };
    tried(sameness, &parts).is_some_and(|tried| one(&tried)).then(|| {
        let why = match own_words {
            true => "the clients' own fingerprints tell them apart: change those where the errors are sent, or merge",
            false => "no rule of fewer words joins them: merge these two",
        };
        Suggestion { what: why.to_owned(), toml: parts.toml(sameness) }
    })
}

/// What would make two errors of one.
pub(super) fn separate(sameness: &Sameness, pair: [&Event<'_>; 2]) -> Vec<Suggestion> {
    let two = |parts: &Parts| {
        tried(sameness, parts).is_some_and(|tried| {
            let [a, b] = pair.map(|event| tried.identify(event));
            a != b
        })
    };
    let mut found = Vec::new();
    for name in ["detail", "url", "location"] {
        let texts = pair.map(|event| original(event, name));
        let protect = |gap: &Gap| Parts {
            more: vec![format!(
                "[[sameness.protect]]\nattribute = \"{name}\"\npattern = {}\n",
                literal(&gap.pattern())
            )],
            ..Parts::default()
        };
        let gaps = spans::gaps(texts[0], texts[1]);
        if let Some(parts) = gaps.iter().map(protect).find(two) {
            let what = format!("they become two errors: what differs in {name} counts");
            found.push(Suggestion { what, toml: parts.toml(sameness) });
        }
    }
    let fingerprint = sameness.identify(pair[0]);
    let mut by: Vec<String> = ["exception.type", "release", "server", "user", "level"].map(str::to_owned).to_vec();
    by.extend(pair.iter().flat_map(|event| &event.tags).map(|(tag, _)| format!("tags.{tag}")));
    by.extend(SEVEN.map(str::to_owned));
    let split = |by: &String| Parts {
        more: vec![format!("[[sameness.split]]\nfingerprint = \"{fingerprint}\"\nby = [{}]\n", quoted(by))],
        ..Parts::default()
    };
    if let Some((by, parts)) = by.iter().map(|by| (by, split(by))).find(|(_, parts)| two(parts)) {
        let what = format!("this error becomes as many as there are values of {by}");
        found.push(Suggestion { what, toml: parts.toml(sameness) });
    }
    found
}

/// What splits go by, for people: the first that tells them apart.
pub(super) fn told_apart_by(sameness: &Sameness, pair: [&Event<'_>; 2]) -> Option<(String, [String; 2])> {
    let by = |one: &By| {
        let values = pair.map(|event| one.value(event, &sameness.normalize(event)).to_owned());
        (values[0] != values[1]).then(|| (one.name(), values))
    };
    sameness.splits().find_map(by)
}

/// Lines to add, by kind: the lists of `[sameness]` have to be written once.
#[derive(Clone, Default)]
struct Parts {
    ignore: Vec<String>,
    routes: Vec<String>,
    more: Vec<String>,
}

impl Parts {
    fn and(&self, other: &Parts) -> Parts {
        let both = |a: &[String], b: &[String]| a.iter().chain(b).cloned().collect();
        Parts {
            ignore: both(&self.ignore, &other.ignore),
            routes: both(&self.routes, &other.routes),
            more: both(&self.more, &other.more),
        }
    }

    /// As they can be pasted. A list that there is already is written with what is in it.
    fn toml(&self, sameness: &Sameness) -> String {
        let mut toml = String::new();
        let there = sameness.configured();
        for (name, there, added) in [("ignore", &there.ignore, &self.ignore), ("routes", &there.routes, &self.routes)] {
            if added.is_empty() {
                continue;
            }
            if toml.is_empty() {
                toml.push_str("[sameness]\n");
            }
            let all: Vec<String> = there.iter().chain(added).map(|one| quoted(one)).collect();
            toml.push_str(&format!("{name} = [{}]\n", all.join(", ")));
        }
        for more in &self.more {
            if !toml.is_empty() {
                toml.push('\n');
            }
            toml.push_str(more);
        }
        toml
    }
}

/// The rules with these lines; `None` when they cannot be read.
fn tried(sameness: &Sameness, parts: &Parts) -> Option<Sameness> {
    let toml = parts.toml(sameness);
    let Lines { sameness: added } = toml::from_str(&toml).ok().or_else(|| toml.is_empty().then(Lines::none))?;
    let mut all = sameness.configured().clone();
    if !added.ignore.is_empty() {
        all.ignore = added.ignore;
    }
    if !added.routes.is_empty() {
        all.routes = added.routes;
    }
    all.mask.extend(added.mask);
    all.protect.extend(added.protect);
    all.merge.extend(added.merge);
    all.split.extend(added.split);
    sameness.with(&all).ok()
}

impl Lines {
    fn none() -> Lines {
        Lines { sameness: config::Sameness::default() }
    }
}

/// What may make this attribute equal, the nearest first.
fn candidates(name: &str, [a, b]: [&str; 2]) -> Vec<Parts> {
    let mut candidates = Vec::new();
    let masks = |gaps: &[Gap], literally: bool| {
        let mask = |gap: &Gap| {
            let (pattern, put) = if literally { gap.literally() } else { (gap.pattern(), gap.put()) };
            format!(
                "[[sameness.mask]]\nattribute = \"{name}\"\npattern = {}\nput = {}\n",
                literal(&pattern),
                quoted(&put)
            )
        };
        Parts { more: gaps.iter().map(mask).collect(), ..Parts::default() }
    };
    match name {
        "url" => {
            if let Some(route) = route(a, b) {
                candidates.push(Parts { routes: vec![route], ..Parts::default() });
            }
        }
        "detail" => {
            let gaps = spans::gaps(a, b);
            if !gaps.is_empty() {
                candidates.push(masks(&gaps, false));
                candidates.push(masks(&gaps, true));
            }
        }
        "location" => {
            if let Some(gap) = spans::generated(a, b) {
                candidates.push(masks(&[gap], false));
            }
        }
        _ => {}
    }
    // Without its message an error could be any at that place.
    if name != "detail" {
        candidates.push(Parts { ignore: vec![name.to_owned()], ..Parts::default() });
    }
    candidates
}

/// The pattern of both paths, when they have a segment in common that is no parameter.
fn route(a: &str, b: &str) -> Option<String> {
    let [a, b] = [a, b].map(|path| path.split('/').skip(1).collect::<Vec<_>>());
    let literal = |(a, b): (&&str, &&str)| a == b && !a.starts_with('{');
    if a.len() != b.len() || !a.iter().zip(&b).any(literal) {
        return None;
    }
    let segments = a.iter().zip(&b).map(|(a, b)| if a == b { *a } else { "{slug}" });
    Some(format!("/{}", segments.collect::<Vec<_>>().join("/")))
}

fn original<'e>(event: &'e Event<'_>, name: &str) -> &'e str {
    match (name, event.template.as_deref()) {
        ("detail", Some(template)) if !template.trim().is_empty() => template,
        _ => event.attributes.get(name).map_or("", |text| text),
    }
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// An expression as TOML: in single quotes while it has none.
fn literal(text: &str) -> String {
    let plain = !text.contains('\'') && !text.contains(char::is_control);
    if plain { format!("'{text}'") } else { quoted(text) }
}
