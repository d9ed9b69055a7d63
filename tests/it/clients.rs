//! The SDKs that teams have, unmodified, in services that are really served and really fail: Python, Node.js, Rust; and
//! what a browser does before and when it sends.
//!
//! `./test` installs the services' dependencies. Without them these tests fail and say so: one that passes because it
//! did nothing would be believed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{DEADLINE, KEY, Server, Sink, client, wait_for};

/// Raised between two looks at the count. SDKs hold a bounded number of events (Rust: 30, Node.js: 64, Python: 100) and
/// drop what comes on top of them; a test of the server must not outrun its clients.
const PORTION: u64 = 20;

/// A service that fails at every order.
struct Service {
    process: Child,
    base: String,
    stderr: tempfile::NamedTempFile,
    client: reqwest::Client,
}

impl Service {
    /// Flask with `sentry-sdk`, which compresses as told, or else as it sees fit.
    async fn python(dsn: &str, compression: Option<&str>) -> Service {
        let mut command = Command::new(installed("python/bin/python"));
        command.arg(source("python/main.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(compression.map(|algorithm| ("COMPRESSION", algorithm)));
        Service::start(command, dsn).await
    }

    /// Express with `@sentry/node`.
    async fn node(dsn: &str) -> Service {
        let mut command = Command::new("node");
        command.arg(source("node/main.js")).env("NODE_PATH", installed("node/node_modules"));
        Service::start(command, dsn).await
    }

    /// axum with `sentry`.
    async fn rust(dsn: &str) -> Service {
        Service::start(Command::new(installed("rust/debug/parcel-api")), dsn).await
    }

    async fn start(mut command: Command, dsn: &str) -> Service {
        let stderr = tempfile::NamedTempFile::new().unwrap();
        command.env("SENTRY_DSN", dsn).envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr.reopen().unwrap());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run ./test"));
        let stdout = process.stdout.take().unwrap();
        let port = tokio::task::spawn_blocking(|| BufReader::new(stdout).lines().next()).await.unwrap();
        let mut service = Service { process, base: String::new(), stderr, client: client() };
        let port = port.expect("the service ended before it listened").unwrap();
        service.base = format!("http://127.0.0.1:{port}");
        service
    }

    /// Requests what fails.
    async fn fail(&self, order: u64, action: &str) {
        let request = self.client.post(format!("{}/orders/{order}/{action}", self.base));
        let status = request.send().await.unwrap().status();
        assert!(status.is_server_error(), "{status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("the service's log:\n{}", std::fs::read_to_string(self.stderr.path()).unwrap_or_default());
        }
    }
}

/// Something that `./test` installs.
fn installed(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("clients").join(name);
    assert!(path.exists(), "{} is missing: run ./test, which installs it", path.display());
    path
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// The one issue that there is, as soon as it has come up so often.
async fn issue(server: &Server, occurrences: u64) -> Value {
    let started = Instant::now();
    loop {
        let issues = server.api("/api/v1/issues").await;
        let items = issues["items"].as_array().unwrap();
        assert!(items.len() <= 1, "one error came out as several: {issues:#}");
        let seen = items.first().map_or(0, |issue| issue["occurrences"].as_u64().unwrap());
        assert!(seen <= occurrences, "more came out than went in: {issues:#}");
        if seen == occurrences {
            return items[0].clone();
        }
        assert!(started.elapsed() < DEADLINE, "waited too long for {occurrences} occurrences: {issues:#}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Raises the same error a hundred times, for a hundred orders.
async fn a_hundred_alert_five_times(server: &Server, sink: &Sink, service: &Service, before: u64) {
    for n in before..100 {
        service.fail(10_000 + n, "pay").await;
        if (n + 1) % PORTION == 0 {
            issue(server, n + 1).await;
        }
    }
    let issue = issue(server, 100).await;
    assert_eq!(issue["alerts"], 5);
    assert_eq!(issue["suppressed"], 95);
    wait_for("five alerts", || sink.received().len() >= 5).await;
    let ordinals: Vec<_> = sink.payloads("alert").iter().map(|alert| alert["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, [1, 2, 3, 4, 5]);
    assert_eq!(sink.received().len(), 5);
}

/// In a window of seconds: alerts up to the budget, one closing message for what was held back, and afresh after that.
async fn a_window_closes_and_opens_again(server: &Server, sink: &Sink, service: &Service) {
    let mut raised = 0;
    // Until one is held back: on a machine that needs longer than a window for six errors, that is not in the first.
    loop {
        service.fail(20_000 + raised, "pay").await;
        raised += 1;
        if issue(server, raised).await["suppressed"] != 0 {
            break;
        }
    }
    let held_back = issue(server, raised).await["suppressed"].clone();
    wait_for("the closing message", || !sink.payloads("closing").is_empty()).await;
    service.fail(20_000 + raised, "pay").await;
    let issue = issue(server, raised + 1).await;
    let alerts = issue["alerts"].as_u64().unwrap();
    wait_for("all alerts", || sink.payloads("alert").len() as u64 == alerts).await;

    let closings = sink.payloads("closing");
    assert_eq!(closings.len(), 1, "{closings:#?}");
    assert_eq!(closings[0]["suppressed"], held_back);
    assert_eq!(closings[0]["alerts"], 5);
    let afresh = sink.payloads("alert").pop().unwrap();
    assert_eq!(afresh["ordinal"], 1);
    assert_eq!(afresh["occurrences"], 1);
    assert_ne!(afresh["window"]["opened_at"], closings[0]["window"]["opened_at"]);
}

async fn server_and_sink(window: &str) -> (Server, Sink) {
    let sink = Sink::start().await;
    let server = Server::start(&format!("{}[policy]\nwindow = \"{window}\"\n", sink.as_channel())).await;
    (server, sink)
}

#[tokio::test]
async fn python_tells_the_seven_attributes_and_a_hundred_alert_five_times() {
    let (server, sink) = server_and_sink("1h").await;
    let service = Service::python(&server.dsn(), None).await;
    service.fail(10_000, "pay").await;
    let issue = issue(&server, 1).await;
    println!("{issue:#}");
    let d = server.api(&format!("/api/v1/issues/{}", issue["fingerprint"].as_str().unwrap())).await;
    println!("{d:#}");
    a_hundred_alert_five_times(&server, &sink, &service, 1).await;
}

#[tokio::test]
async fn node_tells_the_seven_attributes_and_a_hundred_alert_five_times() {
    let (server, sink) = server_and_sink("1h").await;
    let service = Service::node(&server.dsn()).await;
    service.fail(10_000, "pay").await;
    let issue = issue(&server, 1).await;
    println!("{issue:#}");
    let d = server.api(&format!("/api/v1/issues/{}", issue["fingerprint"].as_str().unwrap())).await;
    println!("{d:#}");
    a_hundred_alert_five_times(&server, &sink, &service, 1).await;
}

#[tokio::test]
async fn rust_tells_the_seven_attributes_and_a_hundred_alert_five_times() {
    let (server, sink) = server_and_sink("1h").await;
    let service = Service::rust(&server.dsn()).await;
    service.fail(10_000, "pay").await;
    let issue = issue(&server, 1).await;
    println!("{issue:#}");
    let d = server.api(&format!("/api/v1/issues/{}", issue["fingerprint"].as_str().unwrap())).await;
    println!("{d:#}");
    a_hundred_alert_five_times(&server, &sink, &service, 1).await;
}

#[tokio::test]
async fn windows_close() {
    let (server, sink) = server_and_sink("3s").await;
    let service = Service::rust(&server.dsn()).await;
    a_window_closes_and_opens_again(&server, &sink, &service).await;
}

#[tokio::test]
async fn rust_refund() {
    let (server, _sink) = server_and_sink("1h").await;
    let service = Service::rust(&server.dsn()).await;
    service.fail(10_000, "refund").await;
    let issue = issue(&server, 1).await;
    println!("{issue:#}");
    let d = server.api(&format!("/api/v1/issues/{}", issue["fingerprint"].as_str().unwrap())).await;
    println!("{d:#}");
}
