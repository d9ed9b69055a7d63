//! Request URLs: the route stays, its parameters go.
//!
//! Promises: scheme, host, query, fragment and matrix parameters never count; a segment is a parameter when a row of the
//! table says so, and static otherwise, digits or not (`v1`, `oauth2`, `2fa`). Case is kept: routes are case-sensitive.
//! Deliberately not here: learning which words are slugs.

use std::borrow::Cow;

use super::plain;
use super::version::{Version, Versions};
use crate::normalize::trail::Trail;

/// A row: a segment of this shape is a parameter.
pub(super) struct Rule {
    /// What `explain` prints.
    pub(super) name: &'static str,
    is: fn(&str) -> bool,
    /// The rule sets it is part of.
    pub(super) versions: Versions,
    /// A segment it takes.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test runs it, people read it"))]
    pub(super) example: &'static str,
}

const fn row(name: &'static str, is: fn(&str) -> bool, example: &'static str) -> Rule {
    Rule { name, is, versions: Versions::ALL, example }
}

/// In the order in which they are asked.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    row("route-pattern", route_pattern, "{orderId}"),
    row("missing-value", missing_value, "undefined"),
    row("number", number, "10482"),
    row("uuid", uuid, "123e4567-e89b-12d3-a456-426614174000"),
    row("date", date, "2024-01-05"),
    row("e-mail", email, "kim@example.com"),
    row("hex", hex, "9f86d081"),
    row("ulid", ulid, "01H0V8YKX8Q412T1TM7Z06TV0E"),
    row("mostly-digits", mostly_digits, "ORD-20240105-77"),
    row("random-text", random_text, "V1StGXR8Z5jdHi6BmyTa"),
];

/// What stands for a parameter.
const PARAMETER: &str = "{id}";

const MISSING: &[&str] = &["NaN", "None", "null", "undefined", "[object Object]", "%5Bobject%20Object%5D"];

/// The route behind a URL, a path or a route pattern.
pub(super) fn path<'a>(version: Version, url: &'a str, trail: &mut impl Trail) -> Cow<'a, str> {
    if is_route(url) {
        return Cow::Borrowed(url);
    }
    let path = match plain::collapsed(url, trail) {
        Cow::Borrowed(url) => bare(url, trail),
        Cow::Owned(url) => return Cow::Owned(path(version, &url, trail).into_owned()),
    };
    let mut out = String::new();
    let mut same = true;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let (name, matrix) = segment.split_once(';').map_or((segment, false), |(name, _)| (name, true));
        if matrix {
            trail.applied("matrix-parameters", segment, name);
        }
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let kept = match parameter(version, name) {
            Some(rule) => {
                if name != PARAMETER {
                    trail.applied(rule, name, PARAMETER);
                }
                PARAMETER
            }
            None => name,
        };
        same &= kept == segment;
        out.push('/');
        out.push_str(kept);
    }
    if out.is_empty() && !path.is_empty() {
        out.push('/');
    }
    if out != path && same {
        trail.applied("slashes", path, &out);
    }
    if out == url { Cow::Borrowed(url) } else { Cow::Owned(out) }
}

/// Whether it is a route already, of the kind that most are: small letters, and parameters as they are put.
fn is_route(url: &str) -> bool {
    let Some(segments) = url.strip_prefix('/') else { return false };
    segments.split('/').all(|segment| segment == PARAMETER || (is_plain(segment) && !missing_value(segment)))
}

/// Whether a segment has nothing that a parameter needs to be told by. Most static segments are so.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_' | b'.'))
}

/// The rule by which a segment is a parameter.
pub(super) fn parameter(version: Version, segment: &str) -> Option<&'static str> {
    if is_plain(segment) && !missing_value(segment) {
        return None;
    }
    RULES.iter().find(|rule| rule.versions.has(version) && (rule.is)(segment)).map(|rule| rule.name)
}

/// Without scheme, host, query and fragment.
fn bare<'a>(url: &'a str, trail: &mut impl Trail) -> &'a str {
    let mut path = url;
    if let Some((scheme, rest)) = path.split_once("://")
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        path = rest.find(['/', '?', '#']).map_or("/", |at| &rest[at..]);
    } else if let Some(rest) = path.strip_prefix("//")
        && rest.split('/').next().is_some_and(|host| host.contains(['.', ':']))
    {
        path = rest.find(['/', '?', '#']).map_or("/", |at| &rest[at..]);
    }
    if path.len() < url.len() {
        trail.applied("host", url, path);
    }
    let end = query(path).unwrap_or(path.len());
    if end < path.len() {
        trail.applied("query", path, &path[..end]);
    }
    &path[..end]
}

/// Where the query or the fragment begins. `{id?}` is a route's optional parameter.
fn query(path: &str) -> Option<usize> {
    path.char_indices().find(|(at, c)| matches!(c, '?' | '#') && !path[at + 1..].starts_with('}')).map(|(at, _)| at)
}

fn route_pattern(s: &str) -> bool {
    let wrapped = |open, close| s.len() > 2 && s.starts_with(open) && s.ends_with(close);
    s.len() > 1 && s.starts_with(':') || wrapped('{', '}') || wrapped('<', '>') || wrapped('[', ']')
}

/// What a client's template put there when it had no value.
fn missing_value(s: &str) -> bool {
    MISSING.contains(&s)
}

fn number(s: &str) -> bool {
    let digits = s.strip_prefix(['-', '+']).unwrap_or(s);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b',')
}

fn uuid(s: &str) -> bool {
    let s = s.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(s);
    s.len() == 36
        && s.bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn date(s: &str) -> bool {
    let mut parts = s.split(['-', '.']);
    let sizes = [parts.next(), parts.next(), parts.next(), parts.next()].map(|part| part.map_or(0, digits_only));
    matches!(sizes, [4, 2, 2, 0] | [4, 1, 2, 0] | [4, 2, 1, 0] | [4, 1, 1, 0] | [4, 2, 0, 0]) && s.contains('-')
}

fn digits_only(s: &str) -> usize {
    if s.bytes().all(|b| b.is_ascii_digit()) { s.len() } else { usize::MAX }
}

fn email(s: &str) -> bool {
    let parts = s.split_once('@').or_else(|| s.split_once("%40"));
    parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

fn hex(s: &str) -> bool {
    s.len() >= 8 && s.bytes().all(|b| b.is_ascii_hexdigit()) && s.bytes().any(|b| b.is_ascii_digit())
}

fn ulid(s: &str) -> bool {
    s.len() == 26 && s.bytes().all(|b| b.is_ascii_alphanumeric()) && s.bytes().any(|b| b.is_ascii_digit())
}

/// More than 40 % digits, from four digits on: `v10`, `s3` and `1.1` are names.
fn mostly_digits(s: &str) -> bool {
    let digits = s.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4 && digits * 10 > s.len() * 4
}

/// Base64, nano ids, keys: long, and mixed in a way nobody names a route.
fn random_text(s: &str) -> bool {
    let random_bytes = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'+' | b'~'));
    random_bytes && drawn(s)
}

/// Whether a text was drawn rather than written: capitals, small letters and digits mixed, and the kind changes often.
pub(super) fn drawn(s: &str) -> bool {
    let kind = |b: u8| match b {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let kinds = s.bytes().fold(0_u8, |seen, b| seen | 1 << kind(b));
    let changes = s.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let long_mix = s.len() >= 16 && kinds & 0b1110 == 0b1110 && changes * 4 >= s.len();
    let short_mix = s.len() >= 10 && kinds & 0b1000 != 0 && kinds & 0b0110 != 0 && changes * 3 >= s.len();
    long_mix || short_mix
}
