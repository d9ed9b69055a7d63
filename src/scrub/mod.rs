//! Takes secrets and personal data out of an event before anything is stored or sent.
//!
//! A hit is replaced by a visible mark that names its rule (`password=[scrubbed:secret]`) and is counted in
//! `Event::scrubbed`; names, quotes and the text around it stay, so that people still see what the message was about.
//!
//! | rule | what it takes |
//! |---|---|
//! | `secret` | values behind telling names (`password=…`, `Cookie: …`, a tag so named), passwords in URLs, keys |
//! | `bearer` | the token behind `Bearer`, the credentials behind `Basic` |
//! | `jwt` | JSON Web Tokens, signed, unsigned and encrypted |
//! | `card` | payment card numbers: length, issuer and check digit must fit |
//! | `resident` | Korean resident and foreigner registration numbers |
//! | `phone` | Korean mobile and land line numbers |
//! | `email` | e-mail addresses, also with `%40` |
//!
//! Read are the texts that carry a client's data: URL, detail, exception values, template, stack text, user, tags,
//! the client's fingerprint parts, notes. Not read are the names of code and of machines: category, module,
//! environment, method, location, exception types, frames, trace id, release, server. No user typed those, a rule
//! that mistook one (`Token.java:12`, `api@10.2.3`) would spoil sameness, and there are dozens in an event.
//!
//! Promises: scrubbing twice is scrubbing once; a mark is never scrubbed alone, and a named value that holds one is left
//! as the earlier pass left it; a text without a hit is not copied; time is linear in the text, whatever it holds; a
//! text grows by a small factor at most, as marks are longer than some secrets. When in doubt a value behind a telling
//! name is taken whole, as a mark too many costs less than a leak.
//!
//! Deliberately not here: regular expressions, pseudonyms (a mark cannot be matched up with a guess), names of people
//! and postal addresses (nothing in their shape tells them from other words).

mod address;
mod jwt;
mod name;
mod number;
mod scan;
mod secret;
mod shape;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::memmem;

use crate::config;
use crate::event::{Event, Text};

use name::Names;
use scan::Triggers;

/// What is looked for. The names are the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Secret,
    Bearer,
    Jwt,
    Card,
    Resident,
    Phone,
    Email,
}

impl Rule {
    const ALL: [Rule; 7] =
        [Rule::Secret, Rule::Bearer, Rule::Jwt, Rule::Card, Rule::Resident, Rule::Phone, Rule::Email];

    fn name(self) -> &'static str {
        let mark = self.mark();
        &mark[MARK_OPENING.len()..mark.len() - 1]
    }

    fn mark(self) -> &'static str {
        match self {
            Rule::Secret => "[scrubbed:secret]",
            Rule::Bearer => "[scrubbed:bearer]",
            Rule::Jwt => "[scrubbed:jwt]",
            Rule::Card => "[scrubbed:card]",
            Rule::Resident => "[scrubbed:resident]",
            Rule::Phone => "[scrubbed:phone]",
            Rule::Email => "[scrubbed:email]",
        }
    }
}

const MARK_OPENING: &str = "[scrubbed:";

/// The length of the mark that begins here.
fn mark_len(text: &[u8]) -> Option<usize> {
    text.starts_with(MARK_OPENING.as_bytes())
        .then(|| Rule::ALL.iter().map(|rule| rule.mark()).find(|mark| text.starts_with(mark.as_bytes())))
        .flatten()
        .map(str::len)
}

/// Whether an earlier pass left a mark in here. It read what stands around the mark too, and left that on purpose.
fn holds_mark(text: &[u8]) -> bool {
    memmem::find_iter(text, MARK_OPENING).any(|at| mark_len(&text[at..]).is_some())
}

/// The rules in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rules(u8);

impl Rules {
    fn insert(&mut self, rule: Rule) {
        self.0 |= 1 << rule as u8;
    }

    fn has(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u8) != 0
    }
}

/// Replaces secrets and personal data by marks.
#[derive(Debug)]
pub(crate) struct Scrubber {
    rules: Rules,
    names: Names,
    triggers: Triggers,
}

impl Scrubber {
    /// Reads the configuration. The error names the word that is not a rule, the nearest that is, and all of them.
    pub(crate) fn new(settings: &config::Scrub) -> Result<Scrubber, String> {
        let mut rules = Rules::default();
        for word in &settings.rules {
            rules.insert(rule_named(word)?);
        }
        let names = Names::new(&settings.keys)?;
        Ok(Scrubber { rules, names, triggers: Triggers::new(rules) })
    }

    /// Replaces every hit in the event's texts and counts it.
    pub(crate) fn scrub(&self, event: &mut Event<'_>) {
        let mut hits = 0;
        let Event { attributes, exceptions, template, stacktrace, user, tags, fingerprint, notes, .. } = event;
        for text in [&mut attributes.url, &mut attributes.detail]
            .into_iter()
            .chain(exceptions.iter_mut().map(|exception| &mut exception.value))
            .chain(template)
            .chain(stacktrace)
            .chain(user)
            .chain(fingerprint)
            .chain(notes)
        {
            hits += self.scrub_text(text);
        }
        for (name, value) in tags {
            hits += self.scrub_tag(name, value);
        }
        event.scrubbed = event.scrubbed.saturating_add(hits);
    }

    fn scrub_text(&self, text: &mut Text<'_>) -> u32 {
        match scan::scan(self, text) {
            Some(scrubbed) => {
                *text = Cow::Owned(scrubbed.text);
                scrubbed.hits
            }
            None => 0,
        }
    }

    /// A tag's name decides first: behind `api_key` every value is a secret, whatever it looks like.
    fn scrub_tag(&self, name: &str, value: &mut Text<'_>) -> u32 {
        let telling = self.rules.has(Rule::Secret) && self.names.ending_at(name.as_bytes(), 0, name.len()).is_some();
        if !telling {
            return self.scrub_text(value);
        }
        if mark_len(value.as_bytes()) == Some(value.len()) || value::says_nothing(value.as_bytes()) {
            return 0;
        }
        *value = Cow::Borrowed(Rule::Secret.mark());
        1
    }
}

fn rule_named(word: &str) -> Result<Rule, String> {
    if let Some(rule) = Rule::ALL.into_iter().find(|rule| rule.name() == word) {
        return Ok(rule);
    }
    let nearest = Rule::ALL
        .into_iter()
        .map(|rule| (strsim::jaro_winkler(rule.name(), &word.to_lowercase()), rule.name()))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    let hint = nearest.map(|(_, name)| format!("; did you mean {name:?}?")).unwrap_or_default();
    let all = Rule::ALL.map(Rule::name).join(", ");
    Err(format!("scrub.rules: {word:?} is not a rule{hint} (there are: {all})"))
}
