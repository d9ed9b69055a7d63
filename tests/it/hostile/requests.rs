//! The hostile requests, in tables.
//!
//! Promises: every event in them carries `SECRET`, and is of a module that is named as its case.

use libdeflater::{CompressionLvl, Compressor};
use serde_json::json;

use crate::harness::{KEY, TOKEN};

/// In every payload of the table; must never be in the log.
pub const SECRET: &str = "hush-hush-7f3a9c";

/// A request and what must become of it: a name, the status (0: the connection closes without an answer), a part of the
/// problem's detail (empty: no problem document), the occurrences in the archive afterwards whose module is the name.
pub type Case = (&'static str, u16, &'static str, u64, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Case> {
    [bodies(), doors(), sentry(), encodings(), framing()].concat()
}

/// A request with a sound head.
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

pub fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// A request to the native door with the right key.
pub fn events(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let bearer = bearer(KEY);
    post("/api/v1/events", &[&[("authorization", bearer.as_str())], headers].concat(), body)
}

/// A sound event of the module `name`.
pub fn good(name: &str) -> Vec<u8> {
    json!({ "module": name, "detail": format!("good, {SECRET}") }).to_string().into_bytes()
}

fn replaced(template: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The template with a sound event of the module `name` wherever it says `GOOD`.
fn filled(template: &[u8], name: &str) -> Vec<u8> {
    replaced(template, b"GOOD", &good(name))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; bytes.len() + 1024];
    let length = Compressor::new(CompressionLvl::default()).gzip_compress(bytes, &mut out).unwrap();
    out.truncate(length);
    out
}

/// Bodies at the native door. `MODULE` in them stands for the case's name, `GOOD` for a sound event.
#[rustfmt::skip]
fn bodies() -> Vec<Case> {
    let deep = "[".repeat(100_000);
    let closed = format!("{deep}{}", "]".repeat(100_000));
    let text = |text: &str| text.as_bytes().to_vec();
    let object = |fields: &str| format!("{{\"module\":\"MODULE\",\"detail\":\"{SECRET}\",{fields}}}").into_bytes();
    let causes = |times| object(&format!("\"exception\":{}{{}}{}", "{\"type\":\"E\",\"cause\":".repeat(times), "}".repeat(times)));
    let fields = |name: &str, times| (0..times).map(|n| format!("\"{name}{n}\":\"{n}\"")).collect::<Vec<_>>().join(",");
    let not_utf8 = [b"{\"module\":\"MODULE\",\"detail\":\"".as_slice(), &[0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80], b"\"}"].concat();
    let utf16 = "{\"detail\":\"x\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table: Vec<Case> = vec![
        ("empty", 400, "the body is empty", 0, text("")),
        ("blank", 400, "the body is empty", 0, text(" \r\n\t ")),
        ("truncated", 400, "EOF while parsing a string", 0, text(&format!("{{\"detail\":\"{SECRET}"))),
        ("no-json", 400, "expected value", 0, text(SECRET)),
        ("number", 400, "a JSON object is wanted", 0, text("42")),
        ("null", 400, "a JSON object is wanted", 0, text("null")),
        ("string", 400, "a JSON object is wanted", 0, text(&format!("\"{SECRET}\""))),
        ("empty-object", 400, "needs a `detail`", 0, text("{}")),
        ("empty-list", 202, "", 0, text("[]")),
        ("xml", 400, "expected value", 0, text("<event/>")),
        ("form", 400, "expected value", 0, text("detail=x&module=y")),
        ("wrong-types", 202, "", 1, object(r#""url":{"a":1},"method":["GET"],"environment":7,"level":[],"exception":"Boom","tags":3,"fingerprint":{"a":1},"user":{"id":4},"timestamp":{}"#)),
        ("detail-is-a-list", 400, "needs a `detail`", 0, text(r#"{"module":"MODULE","detail":["a",{"b":2}]}"#)),
        ("garbage-around-good", 202, "", 3, text(r#"[GOOD,1,null,"x",[],{},GOOD,{"detail":null},true,GOOD]"#)),
        ("garbage-only", 400, "event 4: an event needs", 0, text(r#"[1,null,"x",[],{}]"#)),
        ("list-cut-off", 400, "not whole JSON: EOF", 0, text("[GOOD,GOOD,{\"detail\":")),
        ("list-with-comma", 400, "trailing comma", 0, text("[GOOD,]")),
        ("two-lists", 400, "trailing characters", 0, text("[GOOD][GOOD]")),
        ("lines", 202, "", 3, text("GOOD\n\n{bad\nGOOD\r\nnull\n[GOOD]\nGOOD")),
        ("lines-cut-off", 202, "", 2, text("GOOD\nGOOD\n{\"detail\":\"x")),
        ("duplicate-keys", 202, "", 1, text(r#"{"module":"x","module":"MODULE","detail":"a","detail":"b"}"#)),
        ("invalid-utf8", 202, "", 1, not_utf8),
        ("utf16", 400, "not a JSON object", 0, utf16),
        ("lone-surrogate", 202, "", 1, object(r#""environment":"\ud83d cut \udc00""#)),
        ("nul", 202, "", 1, object(r#""environment":"a\u0000b""#)),
        ("raw-nul", 202, "", 1, object("\"environment\":\"a\0b\"")),
        ("bom", 202, "", 1, text("\u{feff}GOOD")),
        ("not-a-number", 202, "", 1, object(r#""timestamp":NaN,"x":-Infinity"#)),
        ("deep-in-read-field", 202, "", 1, object(&format!("\"url\":{closed}"))),
        ("deep-in-ignored-field", 202, "", 1, object(&format!("\"extra\":{closed}"))),
        ("deep-causes", 202, "", 1, causes(50_000)),
        ("deep-causes-between-good", 202, "", 3, [b"[GOOD,".to_vec(), causes(1_000), b",GOOD]".to_vec()].concat()),
        ("deep-body", 400, "event 0 is not a JSON object", 0, text(&closed)),
        ("deep-and-open", 400, "EOF while parsing a list", 0, text(&deep)),
        ("huge-detail", 202, "", 1, text(&format!("{{\"module\":\"MODULE\",\"detail\":\"{}\"}}", "불".repeat(600_000)))),
        ("huge-name", 202, "", 1, object(&format!("\"{}\":1", "n".repeat(1_000_000)))),
        ("many-names", 202, "", 1, object(&fields("f", 100_000))),
        ("many-tags", 202, "", 1, object(&format!("\"tags\":{{{}}}", fields("t", 10_000)))),
        ("many-frames", 202, "", 1, object(&format!("\"exception\":{{\"type\":\"E\",\"frames\":[{}{{}}]}}", "{\"function\":\"f\"},".repeat(10_000)))),
        ("many-fingerprint-parts", 202, "", 1, object(&format!("\"fingerprint\":[{}\"z\"]", "\"p\",".repeat(10_000)))),
        ("far-future", 202, "", 1, object("\"timestamp\":\"9999-12-31T23:59:59Z\"")),
        ("far-past", 202, "", 1, object("\"timestamp\":\"0001-01-01T00:00:00Z\"")),
        ("absurd-time", 202, "", 1, object("\"timestamp\":\"the day before yesterday\"")),
        ("negative-time", 202, "", 1, object("\"timestamp\":-1")),
        ("huge-time", 202, "", 1, object("\"timestamp\":1e308")),
        ("endless-number", 202, "", 1, object(&format!("\"timestamp\":{}", "9".repeat(100_000)))),
        ("odd-lines", 202, "", 1, object(r#""exception":{"type":"E","frames":[{"line":-1},{"line":1.5},{"line":1e99},{"line":"7"}]}"#)),
        ("batch-too-large", 413, "limits.batch_events", 0, text(&format!("[{}GOOD]", "{\"detail\":1},".repeat(10_000)))),
        ("lines-too-many", 413, "limits.batch_events", 0, text(&"{\"detail\":1}\n".repeat(10_001))),
        ("body-too-large", 413, "limits.body_bytes", 0, text(&format!("{{\"detail\":\"{}\"}}", "x".repeat(2 << 20)))),
    ];
    let request = |name: &str, template: &[u8]| events(&[], &filled(&replaced(template, b"MODULE", name.as_bytes()), name));
    table.into_iter().map(|(name, status, says, counted, body)| (name, status, says, counted, request(name, &body))).collect()
}

/// Keys, paths and methods.
#[rustfmt::skip]
fn doors() -> Vec<Case> {
    let native = |name: &str, authorization: &str| post("/api/v1/events", &[("authorization", authorization)], &good(name));
    let api = |method: &str, path: &str, token: &str, body: &str| {
        let length = body.len();
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    };
    let get = |path: &str| api("GET", path, TOKEN, "");
    let mute = |body: &str| api("POST", "/api/v1/issues/0123/mute", TOKEN, body);
    let note = |chars| format!("{{\"note\":\"{}\"}}", "n".repeat(chars));
    let not_ascii = b"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xFF\xFE\r\ncontent-length: 2\r\n\r\n{}";
    vec![
        ("no-key", 401, "there is no key", 0, post("/api/v1/events", &[], &good("no-key"))),
        ("wrong-key", 401, "not one of this server's", 0, native("x", &bearer(&"f".repeat(32)))),
        ("short-key", 401, "not one of this server's", 0, native("x", &bearer("0123"))),
        ("empty-key", 401, "there is no key", 0, native("x", "Bearer ")),
        ("basic-key", 401, "there is no key", 0, native("x", &format!("Basic {KEY}"))),
        ("bare-key", 401, "there is no key", 0, native("x", KEY)),
        ("huge-key", 401, "not one of this server's", 0, native("x", &bearer(&"a".repeat(40_000)))),
        ("key-of-bytes", 401, "there is no key", 0, not_ascii.to_vec()),
        ("upper-case-key", 202, "", 1, native("upper-case-key", &format!("bearer   {}", KEY.to_uppercase()))),
        ("token-as-key", 401, "not one of this server's", 0, native("x", &bearer(TOKEN))),
        ("key-as-token", 401, "not this server's API token", 0, api("GET", "/api/v1/issues", KEY, "")),
        ("key-acts", 401, "not this server's API token", 0, api("POST", "/api/v1/issues/0123/resolve", KEY, "")),
        ("no-token", 401, "there is no token", 0, b"GET /api/v1/alerts HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("unknown-path", 404, "nothing at /api/v2/events", 0, get("/api/v2/events")),
        ("path-with-dots", 404, "nothing at", 0, get("/api/v1/../../etc/passwd")),
        ("get-events", 405, "/api/v1/events takes no GET", 0, get("/api/v1/events")),
        ("delete-issues", 405, "takes no DELETE", 0, api("DELETE", "/api/v1/issues", TOKEN, "")),
        ("put-envelope", 405, "takes no PUT", 0, api("PUT", "/api/1/envelope/", KEY, "{}")),
        ("odd-method", 405, "takes no BREW", 0, api("BREW", "/healthz", TOKEN, "")),
        ("unknown-issue", 404, "there is no issue", 0, get("/api/v1/issues/fedcba9876543210fedcba9876543210")),
        ("issue-by-wildcard", 404, "there is no issue", 0, get("/api/v1/issues/%25")),
        ("issue-by-sql", 404, "there is no issue", 0, get("/api/v1/issues/'%20OR%201=1--")),
        ("issue-of-bytes", 400, "the path: ", 0, get("/api/v1/issues/%FF%FE")),
        ("envelope-of-bytes", 400, "the path: ", 0, api("POST", "/api/%FF/envelope/", KEY, "{}")),
        ("query-of-bytes", 400, "the query: ", 0, get("/api/v1/issues?limit=%FF")),
        ("large-action", 413, "16 KiB", 0, mute(&note(20_000))),
        ("huge-action", 413, "16 KiB", 0, mute(&note(3 << 20))),
        ("action-of-garbage", 400, "the body: EOF", 0, mute("{\"for\":")),
        ("action-with-unknown-field", 400, "`until_then`", 0, mute("{\"until_then\":1}")),
        ("mute-without-end", 400, "a mute needs an end", 0, mute("{}")),
        ("mute-until-the-past", 400, "that moment is over", 0, mute("{\"until\":\"2001-01-01T00:00:00Z\"}")),
        ("mute-for-ever", 400, "a hundred years", 0, mute("{\"for\":\"99999999w\"}")),
        ("mute-twice", 400, "exclude each other", 0, mute("{\"for\":\"1h\",\"until\":\"2101-01-01T00:00:00Z\"}")),
        ("resend-nothing", 400, "not the number of a delivery", 0, api("POST", "/api/v1/deliveries/99999999999999999999/resend", TOKEN, "")),
    ]
}

/// Sentry's doors.
#[rustfmt::skip]
fn sentry() -> Vec<Case> {
    let event = |name: &str| json!({ "message": SECRET, "tags": { "module": name } }).to_string();
    let item = |name: &str| format!("{{\"type\":\"event\"}}\n{}\n", event(name));
    let auth = format!("Sentry sentry_version=7, sentry_key={KEY}");
    let with = |path: &str, headers: &[(&str, &str)], body: &str| post(path, headers, body.as_bytes());
    let store = |body: &str| with("/api/1/store/", &[("x-sentry-auth", &auth)], body);
    let envelope = |body: &str| with("/api/1/envelope/", &[("x-sentry-auth", &auth)], body);
    let items = |kind: &str, name: &str, times| format!("{{}}\n{}", format!("{{\"type\":\"{kind}\"}}\n{}\n", event(name)).repeat(times));
    let lengths = |lengths: &[&str], name: &str| {
        let item = |length: &&str| format!("{{\"type\":\"event\",\"length\":{length}}}\n{}\n", event(name));
        envelope(&format!("{{}}\n{}", lengths.iter().map(item).collect::<String>()))
    };
    vec![
        ("sentry-no-key", 401, "there is no key", 0, with("/api/1/envelope/", &[], &format!("{{}}\n{}", item("x")))),
        ("sentry-wrong-key", 401, "not one of this server's", 0, with("/api/1/store/", &[("x-sentry-auth", "Sentry sentry_key=ffffffffffffffffffffffffffffffff")], "{}")),
        ("sentry-other-project", 401, "does not belong to the project", 0, with("/api/2/envelope/", &[("x-sentry-auth", &auth)], &format!("{{}}\n{}", item("x")))),
        ("sentry-project-by-name", 200, "", 1, with("/api/tests/store/", &[("x-sentry-auth", &auth)], &event("sentry-project-by-name"))),
        ("sentry-key-in-header", 200, "", 1, store(&event("sentry-key-in-header"))),
        ("sentry-key-in-authorization", 200, "", 1, with("/api/1/store/", &[("authorization", &auth)], &event("sentry-key-in-authorization"))),
        ("sentry-key-in-query", 200, "", 1, with(&format!("/api/1/store/?sentry_key={KEY}"), &[], &event("sentry-key-in-query"))),
        ("sentry-key-in-body", 200, "", 1, with("/api/1/envelope/", &[], &format!("{{\"dsn\":\"http://{KEY}@x/1\"}}\n{}", item("sentry-key-in-body")))),
        ("sentry-garbage-without-key", 401, "there is no key", 0, post("/api/1/envelope/", &[], &[0xFF; 5_000])),
        ("sentry-empty", 400, "the envelope's header", 0, envelope("")),
        ("sentry-header-only", 200, "", 0, envelope("{}")),
        ("sentry-header-of-garbage", 400, "the envelope's header", 0, envelope("hello\n{\"type\":\"event\"}\n{}\n")),
        ("sentry-unknown-items", 200, "", 0, envelope(&items("hologram", "x", 100))),
        ("sentry-truncated", 200, "", 1, envelope(&format!("{{}}\n{}{{\"type\":\"event\",\"length\":900}}\n{{\"message\":\"x", item("sentry-truncated")))),
        ("sentry-truncated-header", 200, "", 1, envelope(&format!("{{}}\n{}{{\"type\":\"ev", item("sentry-truncated-header")))),
        ("sentry-wrong-lengths", 200, "", 4, lengths(&["3", "-1", "\"x\"", "18446744073709551615"], "sentry-wrong-lengths")),
        ("sentry-thousand-events", 200, "", 100, envelope(&items("event", "sentry-thousand-events", 1_000))),
        ("sentry-good-after-bad", 200, "", 1, envelope(&format!("{{}}\n{{\"type\":\"event\"}}\n[1]\n{}", item("sentry-good-after-bad")))),
        ("sentry-bad-only", 400, "a JSON object is wanted", 0, envelope("{}\n{\"type\":\"event\"}\n[1]\n")),
        ("sentry-store-empty", 400, "not a whole JSON object", 0, store("")),
        ("sentry-store-list", 400, "a JSON object is wanted", 0, store("[]")),
        ("sentry-store-of-nothing", 200, "", 1, store("{\"tags\":{\"module\":\"sentry-store-of-nothing\"}}")),
        ("sentry-binary", 400, "expected value", 0, store("\0\u{1}\u{2}")),
    ]
}

/// Encoded bodies.
#[rustfmt::skip]
fn encodings() -> Vec<Case> {
    let events = |encoding: &str, body: &[u8]| events(&[("content-encoding", encoding)], body);
    let golden = |name: &str| std::fs::read(format!("{}/tests/data/encodings/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let half = |body: &[u8]| body[..body.len() / 2].to_vec();
    let bomb = |name: &str, encoding: &str| events(encoding, &golden(name));
    let small = gzip(&good("x"));
    let keyless = post("/api/1/envelope/", &[("content-encoding", "br")], &golden("zeros-1gb.br"));
    vec![
        ("gzip", 202, "", 1, events("gzip", &gzip(&good("gzip")))),
        ("gzip-in-gzip", 202, "", 1, events("gzip, gzip", &gzip(&gzip(&good("gzip-in-gzip"))))),
        ("gzip-in-capitals", 202, "", 1, events(" , X-GZIP ,identity", &gzip(&good("gzip-in-capitals")))),
        ("br", 202, "", 0, bomb("event.json.br", "br")),
        ("zstd", 202, "", 0, bomb("event.json.zst", "zstd")),
        ("zstd-frames", 202, "", 0, bomb("event.frames.json.zst", "zstd")),
        ("gzip-truncated", 400, "not valid gzip", 0, events("gzip", &half(&small))),
        ("br-truncated", 400, "not valid br", 0, events("br", &half(&golden("event.json.br")))),
        ("zstd-truncated", 400, "not valid zstd", 0, events("zstd", &half(&golden("event.json.zst")))),
        ("gzip-and-more", 400, "not valid gzip", 0, events("gzip", &[small.as_slice(), b"and more"].concat())),
        ("gzip-of-garbage", 400, "expected value", 0, events("gzip", &gzip(b"garbage"))),
        ("gzip-of-nothing", 400, "the body is empty", 0, events("gzip", &gzip(b""))),
        ("nothing-as-gzip", 400, "not valid gzip", 0, events("gzip", b"")),
        ("plain-as-gzip", 400, "not valid gzip", 0, events("gzip", &good("x"))),
        ("plain-as-deflate", 400, "not valid deflate", 0, events("deflate", &good("x"))),
        ("plain-as-br", 400, "not valid br", 0, events("br", &good("x"))),
        ("plain-as-zstd", 400, "not valid zstd", 0, events("zstd", &good("x"))),
        ("gzip-as-plain", 400, "not a JSON object", 0, events("identity", &small)),
        ("unknown-encoding", 415, "\"lzma\" is not supported", 0, events("lzma", &small)),
        ("endless-encoding", 415, "is not supported", 0, events(&"x".repeat(40_000), &small)),
        ("encodings-without-end", 415, "at most 3", 0, events(&"gzip,".repeat(5_000), &small)),
        ("gzip-bomb", 413, "after decompression", 0, events("gzip", &gzip(&vec![b' '; 20 << 20]))),
        ("gzip-bomb-in-gzip", 413, "after decompression", 0, bomb("zeros-1gb.gz.gz", "gzip, gzip")),
        ("br-bomb", 413, "after decompression", 0, bomb("zeros-1gb.br", "br")),
        ("zstd-bomb", 413, "after decompression", 0, bomb("zeros-1gb.zst", "zstd")),
        ("zstd-window", 400, "it needs a window of 2147483648 bytes", 0, bomb("window-2gb.zst", "zstd")),
        ("bomb-without-key", 413, "after decompression", 0, keyless),
    ]
}

/// HTTP itself.
#[rustfmt::skip]
fn framing() -> Vec<Case> {
    let head = |line: &str, headers: &str| format!("{line}\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{headers}\r\n").into_bytes();
    let raw = |headers: &str, body: &[u8]| [&head("POST /api/v1/events HTTP/1.1", headers), body].concat();
    let sized = |line: &str, headers: &str, name: &str| [head(line, &format!("{headers}content-length: {}\r\n", good(name).len())), good(name)].concat();
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunks = |name: &str, size: usize| [good(name).chunks(size).flat_map(chunk).collect(), b"0\r\n\r\n".to_vec()].concat();
    let chunked = "transfer-encoding: chunked\r\n";
    let headers = (0..10_000).map(|n| format!("x-{n}: {n}\r\n")).collect::<String>();
    vec![
        ("announced-too-large", 413, "limits.body_bytes", 0, raw("content-length: 99999999\r\n", b"")),
        ("announced-absurd", 400, "", 0, raw("content-length: 99999999999999999999999\r\n", b"")),
        ("announced-negative", 400, "", 0, raw("content-length: -5\r\n", b"{}")),
        ("announced-twice", 400, "", 0, raw("content-length: 2\r\ncontent-length: 3\r\n", b"{}}")),
        ("chunked-too-large", 413, "limits.body_bytes", 0, raw(chunked, &chunk(&vec![b'x'; 1 << 20]).repeat(3))),
        ("chunks-of-one", 202, "", 1, raw(chunked, &chunks("chunks-of-one", 1))),
        ("chunk-of-garbage", 400, "could not be read", 0, raw(chunked, b"zz\r\n{}\r\n")),
        ("chunk-absurd", 400, "could not be read", 0, raw(chunked, b"ffffffffffffffffff\r\n{}")),
        ("length-and-chunked", 202, "", 1, raw(&format!("content-length: 5\r\n{chunked}"), &chunks("length-and-chunked", 999))),
        ("unknown-transfer", 400, "", 0, raw("transfer-encoding: cook\r\n", b"{}")),
        ("broken-off", 400, "could not be read", 0, raw("content-length: 500\r\n", b"{\"detail\":\"x")),
        ("chunks-broken-off", 400, "could not be read", 0, raw(chunked, b"ff\r\n{\"detail\":\"x")),
        ("ten-thousand-headers", 431, "", 0, raw(&headers, b"")),
        ("huge-header", 431, "", 0, raw(&format!("x-a: {}\r\n", "a".repeat(1 << 20)), b"")),
        ("huge-request-line", 431, "", 0, head(&format!("GET /{} HTTP/1.1", "a".repeat(1 << 20)), "")),
        ("header-with-nul", 400, "", 0, raw("x-a: a\0b\r\ncontent-length: 2\r\n", b"{}")),
        ("header-without-name", 400, "", 0, raw(": x\r\n", b"")),
        ("no-http", 400, "", 0, b"hello\r\n\r\n".to_vec()),
        ("tls", 400, "", 0, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("http-2", 0, "", 0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("nothing", 0, "", 0, Vec::new()),
        ("half-a-head", 0, "", 0, b"POST /api/v1/ev".to_vec()),
        ("http-1.0", 202, "", 1, sized("POST /api/v1/events HTTP/1.0", "", "http-1.0")),
        ("absolute-form", 202, "", 1, sized("POST http://elsewhere.example/api/v1/events HTTP/1.1", "", "absolute-form")),
        ("expect-continue", 202, "", 1, sized("POST /api/v1/events HTTP/1.1", "expect: 100-continue\r\n", "expect-continue")),
        ("upgrade", 202, "", 1, sized("POST /api/v1/events HTTP/1.1", "upgrade: h2c\r\nconnection: upgrade\r\n", "upgrade")),
        ("connect", 404, "nothing at", 0, head("CONNECT elsewhere.example:443 HTTP/1.1", "")),
        ("asterisk", 404, "nothing at *", 0, head("OPTIONS * HTTP/1.1", "")),
    ]
}
