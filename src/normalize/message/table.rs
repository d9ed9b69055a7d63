//! The rules of messages, in the order in which they are asked: what protects stands before what masks the same words.
//!
//! Promises: a row says all there is to know of a rule. Deliberately not here: code.

use super::On::{self, Byte, Word, WordBefore};
use super::site::{Shape, Site};
use super::values::{DIGITS, LETTERS, MIXED, WITH_DIGITS, WITH_LETTERS};
use super::{Edit, Kind, Rule, Version, Versions, codes, paths, quoted, times, values};

type Find = fn(&Site<'_>) -> Option<Edit>;

const fn keep(name: &'static str, on: On, find: Find, example: &'static str) -> Rule {
    Rule { name, kind: Kind::Keep, on, find, versions: Versions::ALL, example: (example, example) }
}

const fn mask(name: &'static str, on: On, find: Find, before: &'static str, after: &'static str) -> Rule {
    Rule { name, kind: Kind::Mask, on, find, versions: Versions::ALL, example: (before, after) }
}

#[rustfmt::skip]
pub(in crate::normalize) const RULES: &[Rule] = &[
    // Punctuation.
    mask("placeholder", Byte(b"<"), values::placeholder, "<num>", "<num>"),
    mask("scrubbed", Byte(b"["), values::scrubbed, "paid with [scrubbed:card]", "paid with <num>"),
    mask("json", Byte(b"{["), values::json, r#"reply {"id":7,"tags":["a"]}"#, "reply <json>"),
    keep("quoted-name", Byte(b"'\""), quoted::identifier, "Unknown column 'order_2'"),
    mask("quoted-value", Byte(b"'\""), quoted::value, "Duplicate entry 'kim-20' for", "Duplicate entry <str> for"),
    mask("temporary-file", Byte(b"/"), paths::temporary, "open /tmp/up_60f2/a.tmp failed", "open <path> failed"),
    mask("path-parameter", Byte(b"/"), paths::parameters, "GET https://pg.kr/v1/items/42?p=1 failed", "GET https://pg.kr/v1/items/{id} failed"),
    mask("identity-hash", Byte(b"@"), values::identity_hash, "[B@5e91993f is closed", "[B@<addr> is closed"),
    mask("pod-suffix", Byte(b"-"), values::pod, "on order-api-7d9f8b6c54-x2x9k", "on order-api"),
    keep("service-port", Byte(b":"), codes::service_port, "dial redis-main:6379"),
    mask("bind-variable", Byte(b"?"), values::bind_variable, "values (?, ?, ?)", "values (?)"),
    // Words: shapes that nothing else has.
    mask("email", WordBefore(Shape::ANY, b"@.+-_%"), values::email, "to kim.cs@example.co.kr", "to <email>"),
    mask("uuid", WordBefore(Shape::ANY, b"-"), values::uuid, "job 123e4567-e89b-12d3-a456-426614174000", "job <uuid>"),
    mask("token", Word(WITH_LETTERS), values::jwt, "bad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "bad token <token>"),
    mask("date", WordBefore(DIGITS, b"-/."), times::date, "at 2024-01-05T18:39:45.123+09:00", "at <time>"),
    mask("clock", WordBefore(DIGITS, b":"), times::clock, "since 18:39:45.123", "since <time>"),
    mask("named-day", WordBefore(LETTERS, b" ,"), times::named_day, "at Mon Nov 23 06:54:05 UTC 2026", "at <time>"),
    mask("ipv4", WordBefore(DIGITS, b"."), values::ipv4, "from 10.0.3.7", "from <ip>"),
    mask("ipv6", WordBefore(Shape::ANY, b":"), values::ipv6, "from fe80::1ff:fe23:4567:890a", "from <ip>"),
    mask("labelled-id", WordBefore(WITH_LETTERS, b"-_+/=., )];"), values::labelled_id, "Request ID: RGMB8/QCTB7=, done", "Request ID: <id>, done"),
    // Words: what discriminates.
    keep("capitals-and-number", WordBefore(LETTERS, b"-_"), codes::capitals_and_number, "ORA-00001: unique constraint"),
    keep("family", WordBefore(LETTERS, b"-/ "), codes::family, "unsupported UTF-16 over HTTP/1.1"),
    keep("http-status", Word(DIGITS), codes::http_status, "[503 Service Unavailable] during GET"),
    keep("code", Word(DIGITS), codes::behind_code_word, "SQLCODE=-803, errno 13"),
    keep("code-in-parentheses", WordBefore(WITH_DIGITS, b")"), codes::behind_code, "ERROR 1062 (23000)"),
    keep("hresult", Word(MIXED), codes::hresult, "failed with 0x80004005"),
    keep("sqlstate", Word(MIXED), codes::sqlstate, "deadlock detected (40P01)"),
    keep("name-with-digits", Word(MIXED), codes::name_with_digits, "S3 upload over TLSv1.2 by oauth2"),
    keep("snake-number", Word(DIGITS), codes::snake_number, "shop_owner_2 is missing"),
    keep("version", WordBefore(DIGITS, b"."), values::dotted, "needs 1.2.3"),
    // Words: values.
    mask("address", Word(MIXED), values::address, "at 0x00007f6418dc6f3d", "at <addr>"),
    mask("iso-duration", Word(MIXED), times::iso_duration, "after PT1M30S", "after <duration>"),
    mask("duration", Word(WITH_DIGITS), times::duration, "timed out after 30050ms (1m30s)", "timed out after <duration> (<duration>)"),
    mask("size", Word(WITH_DIGITS), times::size, "1048576 bytes of 10MB", "<size> of <size>"),
    mask("hex", Word(MIXED), values::hex, "span 0449b0b1795697e4", "span <hex>"),
    mask("random-text", Word(MIXED), values::random_text, "request 01H0V8YKX8Q412T1TM7Z06TV0E", "request <id>"),
    mask("numbered-name", Word(MIXED), values::numbered_name, "user20418 is locked", "user<num> is locked"),
    mask("digit-mix", Word(MIXED), values::digit_mix, "cannot read 12ax", "cannot read <id>"),
    mask("number", Word(DIGITS), values::number, "3번째 주문 1,204건, 010-1234-5678", "<num>번째 주문 <num>건, <num>"),
];
