//! The rules of messages, in the order in which they are asked: what protects stands before what masks the same words.
//!
//! Promises: a row says all there is to know of a rule. Deliberately not here: code.

use super::On::{self, Byte, LongWord, Word, WordBefore};
use super::Version::{V1, V2};
use super::site::{Shape, Site};
use super::values::{DIGITS, LETTERS, MIXED, WITH_DIGITS, WITH_LETTERS};
use super::{Edit, Kind, Rule, Versions, bodies, codes, echoes, korean, labels, paths, quoted, times, values};

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
    mask("signed-number", Byte(b"#"), labels::signed_number, "actor x#-62177", "actor x#<num>").since(V2),
    mask("process", Byte(b"<"), labels::process, "call to #PID<0.521.0>", "call to #PID<addr>").since(V2),
    mask("thread-number", Byte(b"("), labels::panicked, "thread 'main' (4711) panicked", "thread 'main' panicked").since(V2),
    mask("xml", Byte(b"<"), bodies::xml, "said <a><b>7</b></a>", "said <xml>").since(V2),
    mask("inspected", Byte(b"#"), bodies::inspected, "for #<Order:0x7f12 @id=7>", "for #<Order>").since(V2),
    mask("echo", Byte(b"[{("), echoes::bracketed, "rejected value [kim]", "rejected value <str>").since(V2),
    mask("tuple", Byte(b"("), echoes::tuple, "Key (login)=(kim)", "Key (login)=(<str>)").since(V2),
    mask("scrubbed", Byte(b"["), values::scrubbed, "paid with [scrubbed:card]", "paid with <num>"),
    mask("json", Byte(b"{["), values::json, r#"reply {"id":7,"tags":["a"]}"#, "reply <json>"),
    mask("printed", Byte(b"{[("), bodies::printed, "bad Order[id=x, name=kim]", "bad Order[<str>]").since(V2),
    keep("required-field", Byte(b"'\""), echoes::required, "필수 값 '주문번호'가 누락").since(V2),
    mask("echo", Byte(b"'\""), echoes::quoted, "syntax error near 'kim'", "syntax error near <str>").since(V2),
    mask("echo", Byte(b"="), echoes::assigned, "no user for login=kim", "no user for login=<str>").since(V2),
    mask("sql-value", Byte(b"="), echoes::sql_value, "where `login` = kim and `no` = 7", "where `login` = <str> and `no` = <str>").since(V2),
    mask("echo", Byte(b":"), echoes::after_colon, "Invalid UUID string: kim", "Invalid UUID string: <str>").since(V2),
    mask("windows-path", Byte(b":"), paths::windows, "open C:\\in\\20240501\\7.csv", "open C:\\in\\{id}\\{id}.csv").since(V2),
    mask("base64", Byte(b"/+"), labels::base64, "id /m8gQxZ01kWq9dX/aaPw3tZ=", "id <any>").since(V2),
    mask("random-text", Byte(b"-_"), labels::base64_url, "job -V1StGXR8_Z5jdHi6BmyT", "job <any>").since(V2),
    mask("korean-time", Byte(&[0xea, 0xeb, 0xec, 0xed]), korean::time_of_day, "오후 3시 5분 예약", "<time> 예약").since(V2),
    mask("korean-name", Byte(&[0xea, 0xeb, 0xec, 0xed]), korean::name, "김민지님의 주문", "<str>님의 주문").since(V2),
    mask("korean-particle", Byte(&[0xea, 0xeb, 0xec, 0xed]), korean::particle, "(가)를 삭제", "(가)을 삭제").since(V2),
    keep("quoted-name", Byte(b"'\""), quoted::identifier, "Unknown column 'order_2'").until(V1),
    keep("quoted-name", Byte(b"'\""), quoted::short_identifier, "Unknown column 'order_2'").since(V2),
    mask("composed-key", Byte(b"'\""), quoted::composed, "lock 'settle:2480061' is held", "lock 'settle:<str>' is held").since(V2),
    mask("quoted-value", Byte(b"'\""), quoted::value, "Duplicate entry 'kim-20' for", "Duplicate entry <str> for"),
    mask("temporary-file", Byte(b"/"), paths::temporary, "open /tmp/up_60f2/a.tmp failed", "open <path> failed"),
    mask("path-parameter", Byte(b"/"), paths::parameters, "GET https://pg.kr/v1/items/42?p=1 failed", "GET https://pg.kr/v1/items/{id} failed"),
    keep("service-port", Byte(b":"), codes::port, "cannot reach pay:8080").since(V2),
    mask("identity-hash", Byte(b"@"), values::identity_hash, "[B@5e91993f is closed", "[B@<addr> is closed"),
    mask("identity-hash", Byte(b"@"), labels::hash_behind_state, "JobImpl{Active}@5e91993f", "JobImpl{Active}@<addr>").since(V2),
    mask("pod-suffix", Byte(b"-"), values::pod, "on order-api-7d9f8b6c54-x2x9k", "on order-api"),
    keep("service-port", Byte(b":"), codes::service_port, "dial redis-main:6379").until(V1),
    mask("bind-variable", Byte(b"?"), values::bind_variable, "values (?, ?, ?)", "values (?)"),
    keep("service-port", Word(DIGITS), codes::port_in_tuple, "('localhost', 6379)").since(V2),
    // Words: shapes that nothing else has.
    mask("email", WordBefore(Shape::ANY, b"@.+-_%"), values::email, "to kim.cs@example.co.kr", "to <email>"),
    mask("uuid", WordBefore(Shape::ANY, b"-"), values::uuid, "job 123e4567-e89b-12d3-a456-426614174000", "job <uuid>"),
    mask("mac", WordBefore(Shape::ANY, b":-"), labels::mac, "from 0a:1b:2c:3d:4e:5f", "from <any>").since(V2),
    mask("iso-duration", Word(MIXED), labels::iso_duration, "after PT1M30S", "after <duration>").since(V2),
    mask("runtime-number", WordBefore(MIXED, b">"), labels::runtime_number, "\"<local4>\" is null", "\"<local<any>>\" is null").since(V2),
    mask("token", Word(WITH_LETTERS), values::jwt, "bad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "bad token <token>"),
    mask("date", WordBefore(DIGITS, b"-/."), times::date, "at 2024-01-05T18:39:45.123+09:00", "at <time>"),
    mask("clock", WordBefore(DIGITS, b":"), times::clock, "since 18:39:45.123", "since <time>"),
    mask("named-day", WordBefore(LETTERS, b" ,"), times::named_day, "at Mon Nov 23 06:54:05 UTC 2026", "at <time>"),
    mask("ipv4", WordBefore(DIGITS, b"."), values::ipv4, "from 10.0.3.7", "from <ip>"),
    mask("ipv6", WordBefore(Shape::ANY, b":"), values::ipv6, "from fe80::1ff:fe23:4567:890a", "from <ip>"),
    mask("labelled-id", WordBefore(WITH_LETTERS, b"-_+/=., )];"), values::labelled_id, "Request ID: RGMB8/QCTB7=, done", "Request ID: <id>, done").until(V1),
    // Words: what discriminates.
    mask("labelled-id", WordBefore(Shape::ANY, b"-_+/=., )];\"\n\0"), labels::labelled_id, "Request ID: RGMB8/QCTB7=, done", "Request ID: <any>, done").since(V2),
    mask("echo", WordBefore(LETTERS, b" "), echoes::word, "No enum constant a.Color.PINK", "No enum constant a.Color.<str>").since(V2),
    mask("person", Word(MIXED), echoes::person, "user kim2041 is locked", "user <any> is locked").since(V2),
    mask("hidden-digits", WordBefore(DIGITS, b"-*"), labels::hidden_digits, "call 010-****-1234", "call <any>").since(V2),
    mask("scientific", WordBefore(DIGITS, b"."), labels::scientific, "score 1.5e-10", "score <any>").since(V2),
    mask("scientific", Word(MIXED), labels::scientific, "score 2e308", "score <any>").since(V2),
    mask("korean-date", WordBefore(DIGITS, &[0xea, 0xeb, 0xec, 0xed, b',', b'.']), korean::date, "2025년 3월 4일(화) 오후 3시에", "<time>에").since(V2),
    mask("korean-span", WordBefore(DIGITS, &[0xea, 0xeb, 0xec, 0xed, b',', b'.']), korean::span, "5분 30초 뒤", "<duration> 뒤").since(V2),
    mask("korean-magnitude", WordBefore(DIGITS, &[0xea, 0xeb, 0xec, 0xed, b',', b'.']), korean::magnitude, "3만 5천원 부족", "<any>원 부족").since(V2),
    mask("base64", WordBefore(Shape::ANY, b"+/="), labels::base64_word, "token bbBwo1wZMm/S/MdRVCTbZcp= x", "token <any> x").since(V2),
    mask("hex", LongWord(Shape::ANY), labels::hex, "span 0449b0b1795697e4", "span <any>").since(V2),
    mask("random-text", WordBefore(Shape::ANY, b"-_"), labels::base64_url, "job V1StGXR8_Z5jdHi6B-myT", "job <any>").since(V2),
    keep("capitals-and-number", WordBefore(LETTERS, b"-_"), codes::capitals_and_number, "ORA-00001: unique constraint"),
    keep("family", WordBefore(LETTERS, b"-/ "), codes::family, "unsupported UTF-16 over HTTP/1.1"),
    keep("http-status", Word(DIGITS), codes::http_status, "[503 Service Unavailable] during GET"),
    keep("code", Word(DIGITS), codes::behind_code_word, "SQLCODE=-803, errno 13").until(V1),
    keep("code", Word(DIGITS), codes::code, "SQLCODE=-803, errno 13").since(V2),
    keep("service-port", Word(DIGITS), codes::named_port, "host=pay, port=8080").since(V2),
    keep("told-version", WordBefore(DIGITS, b"."), codes::told_version, "wrong version 61.0").since(V2),
    keep("code-in-parentheses", WordBefore(WITH_DIGITS, b")"), codes::behind_code, "ERROR 1062 (23000)"),
    keep("hresult", Word(MIXED), codes::hresult, "failed with 0x80004005"),
    keep("sqlstate", Word(MIXED), codes::sqlstate, "deadlock detected (40P01)"),
    mask("random-text", LongWord(WITH_LETTERS), labels::scrambled, "key abXk2QpLmnRtYuiw", "key <any>").since(V2),
    mask("size", Word(WITH_DIGITS), times::size, "body of 2KB", "body of <size>").since(V2),
    keep("name-with-digits", Word(MIXED), codes::name_with_digits, "S3 upload over TLSv1.2 by oauth2"),
    keep("snake-number", Word(DIGITS), codes::snake_number, "shop_owner_2 is missing"),
    keep("version", WordBefore(DIGITS, b"."), values::dotted, "needs 1.2.3"),
    // Words: values.
    mask("address", Word(MIXED), values::address, "at 0x00007f6418dc6f3d", "at <addr>"),
    mask("iso-duration", Word(MIXED), times::iso_duration, "after PT1M30S", "after <duration>").until(V1),
    mask("duration", Word(WITH_DIGITS), times::duration, "timed out after 30050ms (1m30s)", "timed out after <duration> (<duration>)"),
    mask("size", Word(WITH_DIGITS), times::size, "1048576 bytes of 10MB", "<size> of <size>").until(V1),
    mask("hex", Word(MIXED), values::hex, "span 0449b0b1795697e4", "span <hex>").until(V1),
    mask("random-text", Word(MIXED), values::random_text, "request 01H0V8YKX8Q412T1TM7Z06TV0E", "request <id>").until(V1),
    mask("random-text", LongWord(MIXED), labels::random_word, "request 01H0V8YKX8Q412T1TM7Z06TV0E", "request <any>").since(V2),
    mask("numbered-name", Word(MIXED), values::numbered_name, "user20418 is locked", "user<num> is locked"),
    mask("digit-mix", Word(MIXED), values::digit_mix, "cannot read 12ax", "cannot read <id>"),
    mask("number", Word(DIGITS), values::number, "3번째 주문 1,204건, 010-1234-5678", "<num>번째 주문 <num>건, <num>"),
];
