//! Segments of a path that only their neighbours, or the message, tell to be parameters; and those that are parameters in
//! part.
//!
//! Promises: a slug is recognised below a collection only, and never when it begins like a command. Deliberately not here:
//! shapes that speak for themselves (the table).

use std::borrow::Cow;

use super::{PARAMETER, parameter};
use crate::normalize::Version;
use crate::normalize::random::{is_drawn, is_unlikely};

/// What a command begins with: `/orders/cancel-all-pending` is no order.
const COMMANDS: &[&str] = &[
    "accept",
    "activate",
    "add",
    "all",
    "apply",
    "approve",
    "assign",
    "batch",
    "bulk",
    "by",
    "calculate",
    "cancel",
    "change",
    "check",
    "clear",
    "close",
    "confirm",
    "copy",
    "count",
    "create",
    "deactivate",
    "delete",
    "disable",
    "download",
    "edit",
    "enable",
    "export",
    "fetch",
    "find",
    "for",
    "forgot",
    "generate",
    "get",
    "import",
    "is",
    "issue",
    "list",
    "load",
    "lock",
    "make",
    "mark",
    "merge",
    "move",
    "my",
    "notify",
    "open",
    "pay",
    "preview",
    "process",
    "publish",
    "read",
    "recalculate",
    "refresh",
    "refund",
    "register",
    "reject",
    "remove",
    "reset",
    "restore",
    "resend",
    "retry",
    "save",
    "search",
    "send",
    "set",
    "start",
    "stop",
    "submit",
    "sync",
    "transfer",
    "unlock",
    "update",
    "upload",
    "validate",
    "verify",
    "with",
];

/// Plurals below which commands and topics live rather than things.
const NO_COLLECTIONS: &[&str] = &[
    "admins",
    "analytics",
    "batches",
    "docs",
    "exports",
    "imports",
    "internals",
    "jobs",
    "metrics",
    "operations",
    "options",
    "permissions",
    "reports",
    "services",
    "settings",
    "statistics",
    "stats",
    "status",
    "tasks",
    "tools",
];

/// Collections that are named in the singular.
const COLLECTIONS: &[&str] = &[
    "album", "article", "artist", "blog", "book", "brand", "category", "course", "event", "goods", "guide", "item",
    "movie", "note", "p", "page", "place", "post", "product", "question", "recipe", "review", "shop", "store", "story",
    "tag", "thread", "topic", "video", "wiki",
];

/// What stands above a segment: enough to know a collection and a date.
#[derive(Default)]
pub(super) struct Above<'p> {
    last: &'p str,
    /// How many segments of digits end there.
    digits: usize,
    year: bool,
}

impl<'p> Above<'p> {
    pub(super) fn push(&mut self, segment: &'p str) {
        let digits = segment.bytes().all(|b| b.is_ascii_digit());
        self.year =
            digits && (self.year || segment.len() == 4 && (segment.starts_with("19") || segment.starts_with("20")));
        self.digits = if digits { self.digits + 1 } else { 0 };
        self.last = segment;
    }

    fn is_date(&self) -> bool {
        self.year && (2..=3).contains(&self.digits)
    }

    fn is_collection(&self) -> bool {
        let plural = self.last.len() > 3 && self.last.ends_with('s') && !self.last.ends_with("ss");
        COLLECTIONS.contains(&self.last) || plural && !NO_COLLECTIONS.contains(&self.last)
    }
}

/// Whether a segment has the hyphens of a slug.
pub(super) fn may_be_slug(segment: &str) -> bool {
    segment.bytes().filter(|b| *b == b'-').count() >= 1
}

/// `/products/green-tea-from-boseong`, `/blog/2024/05/01/green-tea`: a title, written for people and search engines.
pub(super) fn is_slug(segment: &str, above: &Above<'_>) -> bool {
    if !may_be_slug(segment) || !(above.is_collection() || above.is_date()) {
        return false;
    }
    let (mut words, mut numbers) = (0, 0);
    for word in segment.split('-') {
        let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        let letters = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        if !digits && !letters {
            return false;
        }
        words += usize::from(letters);
        numbers += usize::from(digits);
    }
    let first = segment.split('-').next().unwrap_or("");
    let long = words >= 3 || words == 2 && (numbers > 0 || above.is_date());
    long && !COMMANDS.contains(&first)
}

/// The places of a message's first quotes.
pub(super) struct Quotes<'d> {
    detail: &'d [u8],
    at: [usize; Quotes::MAX],
    count: usize,
}

impl<'d> Quotes<'d> {
    const MAX: usize = 16;

    pub(super) fn of(detail: &'d str) -> Quotes<'d> {
        let mut quotes = Quotes { detail: detail.as_bytes(), at: [0; Quotes::MAX], count: 0 };
        for at in memchr::memchr2_iter(b'\'', b'"', detail.as_bytes()).take(Quotes::MAX) {
            quotes.at[quotes.count] = at;
            quotes.count += 1;
        }
        quotes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the message quotes a segment back: somebody entered it.
    pub(super) fn hold(&self, segment: &str) -> bool {
        self.at[..self.count].iter().any(|at| {
            let rest = &self.detail[at + 1..];
            rest.first() == segment.as_bytes().first()
                && rest.starts_with(segment.as_bytes())
                && rest.get(segment.len()) == Some(&self.detail[*at])
        })
    }
}

/// `42:cancel`, `Orders(42)`, `9f86d081….pdf`, `app.9f86d081.js`: a parameter, and what is none.
pub(super) fn partly(version: Version, segment: &str) -> Option<(&'static str, Cow<'static, str>)> {
    memchr::memchr3(b':', b'(', b'.', segment.as_bytes())?;
    if segment.contains('@') {
        return None;
    }
    if let Some((id, verb)) = segment.split_once(':')
        && parameter(version, id).is_some()
        && !verb.is_empty()
        && verb.bytes().all(|b| b.is_ascii_alphabetic())
    {
        return Some(("custom-method", format!("{PARAMETER}:{verb}").into()));
    }
    if let Some((name, _)) = segment.split_once('(').filter(|_| segment.ends_with(')'))
        && name.starts_with(|c: char| c.is_ascii_uppercase())
    {
        return Some(("key-in-parentheses", format!("{name}({PARAMETER})").into()));
    }
    let (stem, extension) = segment.rsplit_once('.')?;
    let file = (1..=5).contains(&extension.len())
        && extension.starts_with(|c: char| c.is_ascii_alphabetic())
        && extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !file {
        return None;
    }
    let at = stem.rfind(['.', '-']).filter(|at| *at > 0);
    if let Some(at) = at
        && parameter(version, &stem[..at]).is_none()
        && is_hash(&stem[at + 1..])
    {
        return Some(("content-hash", format!("{}{PARAMETER}.{extension}", &stem[..=at]).into()));
    }
    parameter(version, stem).map(|rule| (rule, format!("{PARAMETER}.{extension}").into()))
}

fn is_hash(text: &str) -> bool {
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b.is_ascii_digit());
    text.len() >= 7 && hex || is_drawn(text)
}

/// `%EB%85%B9%EC%B0%A8`, `green%20tea`, `녹차`: no route is named so.
pub(super) fn encoded(s: &str) -> bool {
    !s.is_ascii() || s.bytes().zip(s.bytes().skip(1)).any(|(a, b)| a == b'%' && b.is_ascii_hexdigit())
}

/// `~kim`, `@kim`.
pub(super) fn person(s: &str) -> bool {
    s.len() > 1 && s.starts_with(['~', '@'])
}

/// Base64, nano ids, keys, tokens: long, and drawn.
pub(super) fn random_text(s: &str) -> bool {
    let random = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'+' | b'~'));
    let token = s.starts_with("eyJ") && s.contains('.') && s.len() > 20;
    let mixed = s.bytes().any(|b| b.is_ascii_uppercase()) && s.bytes().any(|b| b.is_ascii_lowercase());
    let inner_digit =
        mixed && s.len() >= 6 && s.trim_end_matches(|c: char| c.is_ascii_digit()).bytes().any(|b| b.is_ascii_digit());
    let prefixed = s.split_once('_').is_some_and(|(prefix, rest)| {
        let drawn = rest.len() >= 8
            && rest.bytes().any(|b| b.is_ascii_uppercase())
            && rest.bytes().any(|b| b.is_ascii_lowercase());
        prefix.len() <= 8 && prefix.bytes().all(|b| b.is_ascii_lowercase()) && !rest.contains('_') && drawn
    });
    let short = inner_digit || mixed && s.len() >= 7 && is_unlikely(s, 2);
    let joined = s.contains(['-', '_', '.']);
    let uuid = s.len() > 37 && s.is_char_boundary(s.len() - 36) && super::uuid(&s[s.len() - 36..]);
    uuid || random && (prefixed || short && !joined || is_drawn(s) || mixed && s.len() >= 10 && is_unlikely(s, 3))
        || token
}
