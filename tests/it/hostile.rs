//! What no client should send, and some do: every door answers it in words, counts what was good in it, and lives on.
//!
//! Tables of requests as raw bytes, since no HTTP client would send most of them. Of each they say the status, what the
//! problem document says, and how many occurrences the archive holds afterwards. Deliberately not here: what is right
//! about good events.

mod requests;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{KEY, Server, TOKEN, wait_until};
use requests::{Case, SECRET, bearer, events, good, post};

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
    let cases = requests::all();
    // The golden bodies hold three events each.
    let mut expected = BTreeMap::from([("order-api".to_owned(), 9)]);
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
