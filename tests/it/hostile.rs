//! What no client should send, and some do: every door answers it in words, counts what was good in it, and lives on.
//!
//! Tables of requests as raw bytes, since no HTTP client would send most of them. Of each they say the status, what the
//! problem document says, and how many occurrences the archive holds afterwards. Deliberately not here: what is right
//! about good events.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{KEY, Server, TOKEN, wait_until};

/// In every payload of the table; must never be in the log.
const SECRET: &str = "hush-hush-7f3a9c";

/// A request and what must become of it: a name, the status (0: the connection closes without an answer), a part of the
/// problem's detail (empty: no problem document), the occurrences in the archive afterwards whose module is the name.
type Case = (&'static str, u16, &'static str, u64, Vec<u8>);

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends bytes, closes the sending half, and reads all answers to the end.
async fn exchange(server: &Server, bytes: &[u8]) -> Vec<Answer> {
    let stream = TcpStream::connect(server.base().strip_prefix("http://").unwrap()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let send = async move {
        // A server that has already refused need not read the rest.
        to.write_all(bytes).await.ok();
        to.shutdown().await.ok();
        to
    };
    let mut got = Vec::new();
    let read = async {
        from.read_to_end(&mut got).await.ok();
    };
    tokio::join!(send, read);
    answers(&got)
}

fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let (body, rest) = bytes[end + 4..].split_at(length.unwrap_or(0));
        answers.push(Answer { status, head, body: body.to_vec() });
        bytes = rest;
    }
    answers
}

/// A request with a sound head.
fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// A request to the native door with the right key.
fn events(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let bearer = bearer(KEY);
    post("/api/v1/events", &[&[("authorization", bearer.as_str())], headers].concat(), body)
}

/// A sound event of the module `name`.
fn good(name: &str) -> Vec<u8> {
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

/// Occurrences by module, as the archive holds them.
async fn counted(server: &Server) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for issue in server.api("/api/v1/issues?limit=500").await["items"].as_array().unwrap() {
        let module = issue["attributes"]["module"].as_str().unwrap().to_owned();
        *counted.entry(module).or_default() += issue["occurrences"].as_u64().unwrap();
    }
    counted
}

/// The most memory that the process ever held, in MB.
fn memory_peak_mb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Whether the answer is what the case says.
fn judge((name, status, says, _, _): &Case, answers: &[Answer]) {
    let Some(answer) = answers.last() else {
        assert_eq!(*status, 0, "{name}: closed without an answer");
        return;
    };
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, *status, "{name}: {text}");
    // What is wrong with HTTP itself is answered by a bare status, before there is anything to say a document about.
    assert_eq!(says.is_empty(), answer.status < 300 || answer.body.is_empty(), "{name}: {text}");
    if !says.is_empty() {
        let problem = answer.json();
        assert!(answer.head.contains("content-type: application/problem+json"), "{name}: {}", answer.head);
        assert_eq!(problem["status"], *status, "{name}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{name}: {text}");
        assert!(problem["detail"].as_str().unwrap_or_default().contains(says), "{name}: {text}");
    }
    for secret in [KEY, TOKEN, SECRET] {
        assert!(!text.contains(secret), "{name} quotes a secret: {text}");
    }
}

#[tokio::test]
async fn every_hostile_request_is_answered_and_what_was_good_in_it_is_counted() {
    let server = Server::start("[log]\nlevel = \"debug\"").await;
    let cases = [bodies(), doors(), sentry(), framing()].concat();
    let mut expected = BTreeMap::new();
    for case in &cases {
        judge(case, &exchange(&server, &case.4).await);
        if case.3 > 0 {
            assert_eq!(expected.insert(case.0.to_owned(), case.3), None, "{} stands twice in the tables", case.0);
        }
    }
    assert_eq!(counted(&server).await, expected);
    let ready = server.api("/readyz").await;
    assert_eq!((&ready["ready"], &ready["queued_events"]), (&json!(true), &json!(0)));
    let peak = memory_peak_mb(&server);
    eprintln!("{} hostile requests; the server held at most {peak} MB", cases.len());
    assert!(peak < 400, "{peak} MB");
    let log = server.log().join("\n");
    for secret in [KEY, TOKEN, SECRET] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn what_was_cut_or_left_out_is_said_in_the_stored_event() {
    let server = Server::start("").await;
    let cases: [(&str, Value, &str, &str); 9] = [
        ("long-detail", json!("x".repeat(9_000)), "detail", "texts over 8192 characters are cut in the middle"),
        ("control", json!("\u{0}\u{1b}[31m"), "url", "control characters in 1 texts are replaced"),
        ("tags", (0..60).map(|n| (format!("t{n}"), json!(n))).collect(), "tags", "60 tags: the first 50 are kept"),
        (
            "frames",
            json!({ "type": "E", "frames": vec![json!({ "function": "f" }); 120] }),
            "exception",
            "120 frames: the innermost 100 are kept",
        ),
        ("future", json!("2999-01-01T00:00:00Z"), "timestamp", "is in the future or too long ago; left out"),
        ("past", json!(86_400_000), "timestamp", "is in the future or too long ago; left out"),
        ("type", json!([1, 2]), "module", "module: a list where a text belongs; left out"),
        ("unknown", json!(1), "enviroment", "not known and was left out; did you mean environment?"),
        (
            "causes",
            (0..150).fold(json!({ "type": "Root" }), |inner, _| json!({ "type": "E", "cause": inner })),
            "exception",
            "nested deeper than 100 objects",
        ),
    ];
    for (name, value, field, note) in cases {
        let mut event = json!({ "detail": name });
        event[field] = value;
        let answer = server.send(&event).await;
        let fingerprint = answer["outcomes"][0]["fingerprint"].as_str().unwrap();
        let issue = server.api(&format!("/api/v1/issues/{fingerprint}")).await;
        let notes = issue["events"][0]["event"]["notes"].to_string();
        assert!(notes.contains(note), "{name}: {notes}");
    }
}

#[tokio::test]
async fn slow_clients_are_let_go_and_take_nothing_with_them() {
    let server = Server::start("[limits]\nread_timeout = \"300ms\"").await;
    let address = server.base().strip_prefix("http://").unwrap();
    let key = bearer(KEY);
    let begun = |path: &str, token: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n");
    let mute = "/api/v1/issues/0123/mute";
    let cases: [(&str, String, &[u16]); 7] = [
        ("says nothing", String::new(), &[]),
        ("half a head", begun("/api/v1/events", &key), &[]),
        ("no body", begun("/api/v1/events", &key) + "content-length: 20\r\n\r\n", &[408]),
        ("half a body", begun("/api/v1/events", &key) + "content-length: 20\r\n\r\n{\"detail\":", &[408]),
        (
            "half a chunk",
            begun("/api/1/envelope/", &key)
                + "x-sentry-auth: sentry_key="
                + KEY
                + "\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
            &[408],
        ),
        ("an action without a body", begun(mute, &bearer(TOKEN)) + "content-length: 20\r\n\r\n", &[408]),
        ("an action without a token", begun(mute, &key) + "content-length: 20\r\n\r\n", &[401]),
    ];
    for (name, sent, expected) in cases {
        // The connection stays open on this side: only the server ends it.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.ok();
        let statuses: Vec<u16> = answers(&got).iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, expected, "{name}: {}", String::from_utf8_lossy(&got));
    }
    assert_eq!(counted(&server).await, BTreeMap::new());
    server.send(&json!({ "detail": "still here" })).await;
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_order_and_a_broken_off_connection_loses_nothing() {
    let server = Server::start("").await;
    let pipelined = [events(&[], &good("a")), events(&[], b"[1]"), post("/nowhere", &[], b""), events(&[], &good("b"))];
    let statuses: Vec<u16> = exchange(&server, &pipelined.concat()).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 400, 404, 202]);
    // Clients that send a whole request and hang up without reading: nobody is told, but it is counted.
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.base().strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(&events(&[], &good("c"))).await.unwrap();
    }
    // And clients that hang up in the middle of a body.
    for cut in 1..20 {
        let mut stream = TcpStream::connect(server.base().strip_prefix("http://").unwrap()).await.unwrap();
        let whole = events(&[], &good("d"));
        stream.write_all(&whole[..whole.len() - cut]).await.unwrap();
    }
    let expected: BTreeMap<String, u64> = [("a", 1), ("b", 1), ("c", 50)].map(|(name, n)| (name.to_owned(), n)).into();
    wait_until("all of them", async || counted(&server).await == expected).await;
}
