//! Objects that were printed into a message: records, maps, what `inspect` says, XML.
//!
//! Promises: a body that says what kind of error it is (a code, a status, a host) is read like any other text.
//! Deliberately not here: JSON (`values::json`).

use super::Edit;
use super::echoes::balanced;
use super::site::Site;
use crate::normalize::rewrite::Put;

/// Keys that discriminate.
const TELLING: &[&str] = &[
    "action",
    "address",
    "api",
    "attribute",
    "bucket",
    "category",
    "cause",
    "class",
    "code",
    "column",
    "command",
    "constraint",
    "err",
    "errno",
    "error",
    "errorcode",
    "event",
    "exception",
    "field",
    "function",
    "host",
    "kind",
    "message",
    "method",
    "msg",
    "op",
    "operation",
    "path",
    "phase",
    "port",
    "queue",
    "reason",
    "result",
    "service",
    "severity",
    "stage",
    "state",
    "status",
    "statuscode",
    "step",
    "table",
    "topic",
    "type",
    "uri",
    "url",
];

/// Elements that say what kind of answer a document is.
const SAYING: &[&str] =
    &["<title>", "<Code>", "<code>", "<faultcode>", "<faultstring>", "<Message>", "<message>", "<error>", "<h1>"];

/// The key that begins there, and what joins its value to it.
fn key<'t>(site: &Site<'t>, at: usize) -> Option<(&'t str, u8)> {
    let quote = usize::from(matches!(site.byte(at), b'\'' | b':'));
    let end = site.run_near(at + quote, |b| b.is_ascii_alphanumeric() || b == b'_');
    let name = &site.text[at + quote..end];
    let quoted = quote == 1 && site.byte(at) == b'\'';
    if quoted && site.byte(end) != b'\'' {
        return None;
    }
    let joint = site.byte(end + usize::from(quoted));
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && matches!(joint, b'=' | b':');
    valid.then_some((name, joint))
}

/// `Order[id=7, name=kim]`, `OrderReq(id=7, memo=null)`, `{id=7, name=kim}`, `{'id': 7}`, `%{id: 7, name: "kim"}`.
pub(super) fn printed(site: &Site<'_>) -> Option<Edit> {
    let open = site.byte(site.at);
    let first = site.at + 1 + usize::from(site.byte(site.at + 1) == b' ');
    let (name, joint) = key(site, first)?;
    let braces = open == b'{';
    let named = {
        let start = site.bytes()[..site.at].iter().rev().take(80).take_while(|b| b.is_ascii_alphanumeric()).count();
        site.byte(site.at - start).is_ascii_uppercase() && start > 0
    };
    if !braces && (joint != b'=' || !named) || braces && joint == b':' && name.contains('/') {
        return None;
    }
    let end = balanced(site).or(braces.then_some(site.text.len()).filter(|end| end - site.at < 4096))?;
    let mut keys = 0;
    let mut at = first;
    loop {
        if let Some((name, _)) = key(site, at) {
            keys += 1;
            if TELLING.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return None;
            }
        }
        match memchr::memchr(b',', &site.bytes()[at..end]) {
            Some(comma) => at += comma + 1 + usize::from(site.byte(at + comma + 1) == b' '),
            None => break,
        }
    }
    if keys < 2 && !braces {
        return None;
    }
    let (from, text) = match open {
        b'{' => (site.at, "<json>"),
        b'(' => (site.at, "(<str>)"),
        _ => (site.at, "[<str>]"),
    };
    Edit::put(from..end, text)
}

/// `#<Order:0x000… @id=7, @memo="kim">`, `#<Order id: 7>`: its class.
pub(super) fn inspected(site: &Site<'_>) -> Option<Edit> {
    if site.byte(site.at + 1) != b'<' || !site.byte(site.at + 2).is_ascii_uppercase() {
        return None;
    }
    let class = site.run_near(site.at + 2, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    let class = site.at + 2 + site.text[site.at + 2..class].split(":0x").next()?.trim_end_matches(':').len();
    if !matches!(site.byte(class), b' ' | b':') {
        return None;
    }
    let mut depth = 0_u32;
    for (offset, b) in site.bytes()[site.at..].iter().take(2048).enumerate() {
        depth += u32::from(*b == b'<');
        if *b == b'>' && site.byte(site.at + offset - 1) != b'=' {
            depth -= 1;
            if depth == 0 {
                return Edit::put(class..site.at + offset, "");
            }
        }
    }
    None
}

/// `<order><id>7</id></order>`: a document. What a page calls itself stays: it is often all there is to know.
pub(super) fn xml(site: &Site<'_>) -> Option<Edit> {
    let tag =
        site.run_near(site.at + 1, |b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'!' | b'?'));
    let opened = site.byte(site.at + 1).is_ascii_alphabetic() || matches!(site.byte(site.at + 1), b'?' | b'!');
    if !opened || tag == site.at + 1 || !matches!(site.byte(tag), b'>' | b' ') {
        return None;
    }
    let end = site.tag_end().filter(|end| *end > tag)?;
    let body = &site.text[site.at..end];
    let said = SAYING.iter().find_map(|tag| {
        let from = body.find(tag)? + tag.len();
        let to = from + body[from..].find('<')?;
        (from < to && to - from <= 120).then_some((from, to))
    });
    match said {
        Some((from, to)) => Some(Edit { cut: site.at..end, put: Put::Part("<xml> ", site.at + from..site.at + to) }),
        None => Edit::put(site.at..end, "<xml>"),
    }
}
