//! Reading the user's rules: what cannot work is said with its place and the nearest right word.
//!
//! Promises: an expression has at most [`PATTERN_CHARS_MAX`] characters and a bounded size once compiled, and never finds
//! the empty text. Deliberately not here: what the rules do (`own`).

use std::collections::{BTreeMap, HashMap};

use regex::{Regex, RegexBuilder};

use super::own::{By, Ignored, Mask, Own, Protect, Route, SEVEN, can_be_protected, path_of};
use crate::config::{self, hint};
use crate::issue::Fingerprint;
use crate::matching::Matchers;
use crate::normalize::PARAMETER;

/// Characters of an expression: longer ones are lists, which are better several rules.
const PATTERN_CHARS_MAX: usize = 1_000;
/// Bytes that a compiled expression may take: more than any that a person wrote.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Rules of one kind: every event goes through all masks.
const RULES_MAX: usize = 1_000;

/// The user's rules; `None` when there are none.
pub(super) type Compiled = Option<Box<Own>>;

/// Compiles all of them.
///
/// # Errors
/// A line for everything that is wrong.
pub(super) fn own(configured: &config::Sameness) -> Result<Compiled, String> {
    if *configured == config::Sameness::default() {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let own = Own {
        ignore: ignored(&configured.ignore, "sameness.ignore", &mut problems),
        routes: configured.routes.iter().map(|pattern| route(pattern, &mut problems)).collect(),
        rules: rules(configured, &mut problems),
        masks: masks(configured, &mut problems),
        protects: protects(configured, &mut problems),
        merges: merges(&configured.merge, &mut problems),
        splits: splits(&configured.split, &mut problems),
    };
    let lengths = [
        ("routes", configured.routes.len()),
        ("rule", configured.rule.len()),
        ("mask", configured.mask.len()),
        ("protect", configured.protect.len()),
    ];
    for (name, _) in lengths.into_iter().filter(|(_, length)| *length > RULES_MAX) {
        problems.push(format!("sameness.{name}: there are more than {RULES_MAX}"));
    }
    if problems.is_empty() { Ok(Some(Box::new(own))) } else { Err(problems.join("\n")) }
}

fn attribute(name: &str, place: &str, problems: &mut Vec<String>) -> Option<usize> {
    let found = SEVEN.iter().position(|known| *known == name);
    if found.is_none() {
        let hint = hint(name, SEVEN.into_iter());
        problems.push(format!("{place}: there is no attribute {name:?}{hint}; the seven are {}", SEVEN.join(", ")));
    }
    found
}

fn ignored(names: &[String], place: &str, problems: &mut Vec<String>) -> Ignored {
    let mut ignored = Ignored::default();
    for at in names.iter().filter_map(|name| attribute(name, place, problems)) {
        ignored.0[at] = true;
    }
    ignored
}

fn route(pattern: &str, problems: &mut Vec<String>) -> Route {
    let mut wrong = |what: &str| problems.push(format!("sameness.routes: {pattern:?} {what}"));
    if !pattern.starts_with('/') {
        wrong("is not a path: write it as \"/shop/{slug}/items\"");
    } else if path_of(pattern) != pattern.trim() {
        wrong("has more than a path: leave out what follows ? or #");
    }
    let mut segments = Vec::new();
    for segment in pattern.split('/').filter(|segment| !segment.is_empty()) {
        let parameter = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let braces = |text: &str| text.contains(['{', '}']);
        if parameter.is_some_and(|name| name.is_empty() || braces(name)) || parameter.is_none() && braces(segment) {
            wrong("has a parameter that is not a whole segment such as {slug}");
        }
        segments.push(parameter.is_none().then(|| segment.to_owned()));
    }
    // As the built-in rules write a route that a framework sent.
    let written = segments.iter().map(|segment| segment.as_deref().unwrap_or(PARAMETER));
    let normalized = format!("/{}", written.collect::<Vec<_>>().join("/"));
    Route { pattern: pattern.to_owned(), segments, normalized }
}

fn matchers(configured: &BTreeMap<String, String>, place: &str, problems: &mut Vec<String>) -> Matchers {
    if configured.contains_key("project") {
        problems.push(format!(
            "{place}: \"project\" cannot be matched here: an error is the same whoever sends it; match \"module\""
        ));
    }
    Matchers::new(configured).unwrap_or_else(|wrong| {
        problems.extend(wrong.into_iter().map(|what| format!("{place}: {what}")));
        Matchers::default()
    })
}

/// An expression, or one that is never used, when there was something wrong.
fn expression(pattern: &str, place: &str, problems: &mut Vec<String>) -> Option<Regex> {
    let mut wrong = |what: String| {
        problems.push(format!("{place}: pattern {what}"));
        None
    };
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return wrong(format!("has more than {PATTERN_CHARS_MAX} characters; make several rules of it"));
    }
    match RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build() {
        Ok(regex) if regex.is_match("") => wrong(format!("{pattern:?} finds the empty text, which is everywhere")),
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(_)) => wrong(format!("{pattern:?} is too big; repeat less")),
        Err(error) => {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            wrong(format!("{pattern:?} is no regular expression: {last}"))
        }
    }
}

fn rules(configured: &config::Sameness, problems: &mut Vec<String>) -> Vec<(Matchers, Ignored)> {
    let rule = |(nth, rule): (usize, &config::SamenessRule)| {
        let place = format!("sameness rule {}", nth + 1);
        if rule.ignore.is_empty() {
            problems.push(format!("{place}: ignores nothing; name attributes in `ignore`"));
        }
        (matchers(&rule.matchers, &place, problems), ignored(&rule.ignore, &place, problems))
    };
    configured.rule.iter().enumerate().map(rule).collect()
}

fn masks(configured: &config::Sameness, problems: &mut Vec<String>) -> Vec<Mask> {
    let mut masks = Vec::new();
    for (nth, mask) in configured.mask.iter().enumerate() {
        let place = format!("sameness mask {}", nth + 1);
        let matchers = matchers(&mask.matchers, &place, problems);
        let at = attribute(&mask.attribute, &place, problems);
        let regex = expression(&mask.pattern, &place, problems);
        if let (Some(attribute), Some(regex)) = (at, regex) {
            let name = format!("own mask {} ({})", nth + 1, mask.pattern);
            masks.push(Mask { name, matchers, attribute, regex, put: mask.put.clone() });
        }
    }
    masks
}

fn protects(configured: &config::Sameness, problems: &mut Vec<String>) -> Vec<Protect> {
    let mut protects = Vec::new();
    for (nth, protect) in configured.protect.iter().enumerate() {
        let place = format!("sameness protect {}", nth + 1);
        let matchers = matchers(&protect.matchers, &place, problems);
        let at = attribute(&protect.attribute, &place, problems);
        if at.is_some_and(|at| !can_be_protected(at)) {
            problems
                .push(format!("{place}: nothing is masked in {}; protect detail, url or location", protect.attribute));
        }
        let regex = expression(&protect.pattern, &place, problems);
        if let (Some(attribute), Some(regex)) = (at, regex) {
            let name = format!("own protect {} ({})", nth + 1, protect.pattern);
            protects.push(Protect { name, matchers, attribute, regex });
        }
    }
    protects
}

fn fingerprint(text: &str, place: &str, problems: &mut Vec<String>) -> Option<Fingerprint> {
    match text.parse() {
        Ok(fingerprint) => Some(fingerprint),
        Err(why) => {
            problems.push(format!("{place}: {why}; `bongsu issues --json` lists fingerprints in full"));
            None
        }
    }
}

/// Each with the last of its chain.
fn merges(configured: &[config::Merge], problems: &mut Vec<String>) -> HashMap<Fingerprint, Fingerprint> {
    let mut steps: HashMap<Fingerprint, (usize, Fingerprint)> = HashMap::new();
    for (nth, merge) in configured.iter().enumerate() {
        let place = format!("sameness merge {}", nth + 1);
        let one = fingerprint(&merge.fingerprint, &format!("{place}: fingerprint"), problems);
        let into = fingerprint(&merge.into, &format!("{place}: into"), problems);
        let (Some(one), Some(into)) = (one, into) else { continue };
        if let Some((earlier, _)) = steps.insert(one, (nth, into)) {
            problems.push(format!("{place}: {one} is merged by merge {} already", earlier + 1));
        }
    }
    let mut merges = HashMap::new();
    let mut in_order: Vec<_> = steps.iter().collect();
    in_order.sort_unstable_by_key(|(_, (nth, _))| *nth);
    for (one, (nth, into)) in in_order {
        let mut last = *into;
        let mut left = steps.len();
        while let Some((_, next)) = steps.get(&last).filter(|_| left > 0) {
            last = *next;
            left -= 1;
        }
        if left == 0 || last == *one {
            problems.push(format!("sameness merge {}: {one} is merged into itself, by way of {into}", nth + 1));
        }
        merges.insert(*one, last);
    }
    merges
}

fn splits(configured: &[config::Split], problems: &mut Vec<String>) -> HashMap<Fingerprint, Vec<By>> {
    let mut splits = HashMap::new();
    for (nth, split) in configured.iter().enumerate() {
        let place = format!("sameness split {}", nth + 1);
        let one = fingerprint(&split.fingerprint, &format!("{place}: fingerprint"), problems);
        if split.by.is_empty() {
            problems.push(format!("{place}: by is empty; name what tells them apart, such as \"tags.tenant\""));
        }
        let by = split.by.iter().filter_map(|name| by(name, &place, problems)).collect();
        if let Some(one) = one
            && splits.insert(one, by).is_some()
        {
            problems.push(format!("{place}: {one} is split already"));
        }
    }
    splits
}

fn by(name: &str, place: &str, problems: &mut Vec<String>) -> Option<By> {
    if let Some(at) = SEVEN.iter().position(|known| *known == name) {
        return Some(By::Attribute(at));
    }
    match name.split_once('.') {
        Some(("tags", tag)) if !tag.is_empty() => return Some(By::Tag(tag.to_owned())),
        _ => {}
    }
    match name {
        "release" => Some(By::Release),
        "server" => Some(By::Server),
        "user" => Some(By::User),
        "level" => Some(By::Level),
        "exception.type" => Some(By::ExceptionType),
        _ => {
            let known = SEVEN.into_iter().chain(["tags.NAME", "release", "server", "user", "level", "exception.type"]);
            let list = known.clone().collect::<Vec<_>>().join(", ");
            problems.push(format!("{place}: cannot split by {name:?}{}; known are {list}", hint(name, known)));
            None
        }
    }
}
