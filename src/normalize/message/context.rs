//! The words around a value that say what it is.
//!
//! Promises: tables of words; a look back is bounded. Deliberately not here: masking.

use super::site::Site;

/// A number right behind one of these, or behind a word that ends with one of the long ones, is a code.
pub(super) const CODE_WORDS: &[&str] = &[
    "base",
    "code",
    "codes",
    "err",
    "errno",
    "error",
    "errorcode",
    "exit",
    "hresult",
    "http",
    "msg",
    "ora",
    "rc",
    "signal",
    "sqlcode",
    "sqlstate",
    "state",
    "status",
    "statuscode",
    "vendorcode",
    "version",
    "오류",
    "에러",
    "코드",
    "상태",
    "상태코드",
    "오류코드",
    "에러코드",
    "응답코드",
    "결과코드",
];

/// A word that ends like this names a code, too: `vendorCode`, `resultCode`, `httpStatus`.
pub(super) const CODE_ENDINGS: &[&str] = &["code", "errno", "error", "status", "sqlstate", "코드"];

/// Behind one of these, a number that can be an HTTP status is one.
pub(super) const STATUS_WORDS: &[&str] =
    &["returned", "responded", "response", "with", "received", "got", "answered", "replied", "응답"];

/// The first word of each reason phrase, by status.
pub(super) const REASONS: &[(u32, &str)] = &[
    (400, "bad"),
    (401, "unauthorized"),
    (402, "payment"),
    (403, "forbidden"),
    (404, "not"),
    (405, "method"),
    (406, "not"),
    (407, "proxy"),
    (408, "request"),
    (409, "conflict"),
    (410, "gone"),
    (411, "length"),
    (412, "precondition"),
    (413, "payload"),
    (413, "content"),
    (413, "request"),
    (414, "uri"),
    (415, "unsupported"),
    (416, "range"),
    (417, "expectation"),
    (421, "misdirected"),
    (422, "unprocessable"),
    (423, "locked"),
    (424, "failed"),
    (425, "too"),
    (426, "upgrade"),
    (428, "precondition"),
    (429, "too"),
    (431, "request"),
    (451, "unavailable"),
    (500, "internal"),
    (500, "server"),
    (501, "not"),
    (502, "bad"),
    (503, "service"),
    (504, "gateway"),
    (505, "http"),
    (507, "insufficient"),
    (508, "loop"),
    (511, "network"),
];

/// A quoted name next to one of these is part of a schema or of the code: it discriminates.
pub(super) const IDENTIFIER_WORDS: &[&str] = &[
    "attribute",
    "bean",
    "breaker",
    "bucket",
    "circuitbreaker",
    "class",
    "codec",
    "column",
    "constraint",
    "database",
    "entity",
    "exchange",
    "field",
    "function",
    "header",
    "index",
    "key",
    "member",
    "method",
    "module",
    "named",
    "object",
    "package",
    "parameter",
    "param",
    "path",
    "procedure",
    "property",
    "queue",
    "relation",
    "route",
    "schema",
    "sequence",
    "service",
    "table",
    "topic",
    "trigger",
    "type",
    "variable",
    "view",
    "컬럼",
    "테이블",
    "필드",
    "토픽",
    "큐",
];

/// A quoted text behind one of these is what somebody entered, with digits or without.
pub(super) const VALUE_WORDS: &[&str] =
    &["entry", "id", "input", "literal", "string", "text", "token", "user", "username", "value", "값", "입력값"];

/// How far back a word may begin.
const REACH: usize = 40;

/// What stands before a place, as far as a phrase is long.
pub(super) fn before<'t>(site: &Site<'t>, at: usize, reach: usize) -> &'t str {
    let from = site.text.ceil_char_boundary(at.saturating_sub(reach));
    &site.text[from..at]
}

/// The word before a place, and what stands between. Only separators may: a value belongs to the word it stands behind.
pub(super) fn word_before<'t>(site: &Site<'t>, at: usize) -> (&'t str, &'t str) {
    let bytes = site.bytes();
    let low = at.saturating_sub(REACH);
    let separator = |b: u8| matches!(b, b' ' | b':' | b'=' | b'(' | b'[' | b'#' | b'-' | b'\'' | b'"' | b'.' | b'_');
    let mut end = at;
    while end > low && at - end < 4 && separator(bytes[end - 1]) {
        end -= 1;
    }
    let mut start = end;
    while start > low && (bytes[start - 1].is_ascii_alphabetic() || bytes[start - 1] >= 0x80) {
        start -= 1;
    }
    while !site.text.is_char_boundary(start) {
        start += 1;
    }
    (&site.text[start..end], &site.text[end..at])
}

/// The word behind a place, across one space.
pub(super) fn word_after<'t>(site: &Site<'t>, at: usize) -> &'t str {
    let start = if site.byte(at) == b' ' { at + 1 } else { return "" };
    let rest = &site.bytes()[start..];
    let len = rest.iter().take(REACH).take_while(|b| b.is_ascii_alphabetic() || **b >= 0x80).count();
    site.text.get(start..start + len).unwrap_or("")
}

/// Whether a table has the word, in any case.
pub(super) fn in_table(word: &str, table: &[&str]) -> bool {
    !word.is_empty() && table.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether the word ends like one of a table, in any case.
pub(super) fn ends_like(word: &str, table: &[&str]) -> bool {
    table.iter().any(|ending| {
        let at = word.len().checked_sub(ending.len()).filter(|at| word.is_char_boundary(*at));
        at.is_some_and(|at| word[at..].eq_ignore_ascii_case(ending))
    })
}
