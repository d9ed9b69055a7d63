//! The SDKs that teams have, unmodified, in services that are really served and really fail: Python, Node.js, Rust; and
//! what a browser does before and when it sends.
//!
//! `./test` installs the services' dependencies. Without them these tests fail and say so: one that passes because it
//! did nothing would be believed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, KEY, Server, Sink, client, wait_for};

/// Raised between two looks at the count. SDKs hold a bounded number of events (Rust: 30, Node.js: 64, Python: 100) and
/// drop what comes on top of them; a test of the server must not outrun its clients.
const PORTION: u64 = 20;
/// Short enough to wait for its end, long enough for six errors.
const WINDOW: &str = "3s";
/// Lines of a service's log that are shown when its test fails. Its own failures fill the rest.
const LOG_LINES: usize = 60;

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
            let log = std::fs::read_to_string(self.stderr.path()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the end of the service's log:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
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
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same error a hundred times, for a hundred orders: the first tells the seven attributes, as compared, and five in
/// all alert.
async fn a_hundred_alert_five_times(server: &Server, sink: &Sink, service: &Service, attributes: Value) {
    for n in 0..100 {
        service.fail(10_000 + n, "pay").await;
        if n == 0 {
            assert_eq!(issue(server, 1).await["normalized"], attributes);
        }
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

/// A server, and where its alerts go.
async fn server_with_window(window: &str) -> (Server, Sink) {
    let sink = Sink::start().await;
    let server = Server::start(&format!("{}[policy]\nwindow = \"{window}\"\n", sink.as_channel())).await;
    (server, sink)
}

/// The route is the path's template: Flask calls the request by its function. The module is the release's.
#[tokio::test]
async fn a_hundred_errors_of_a_python_service_alert_five_times() {
    let (server, sink) = server_with_window("1h").await;
    let service = Service::python(&server.dsn(), None).await;
    let attributes = json!({
        "category": "runtime",
        "module": "order-api",
        "environment": "staging",
        "url": "/orders/{id}/pay",
        "method": "POST",
        "location": "orders.payments.ask",
        "detail": "no answer from the payment gateway for order <any>",
    });
    a_hundred_alert_five_times(&server, &sink, &service, attributes).await;
}

/// The module is a tag.
#[tokio::test]
async fn a_hundred_errors_of_a_node_service_alert_five_times() {
    let (server, sink) = server_with_window("1h").await;
    let service = Service::node(&server.dsn()).await;
    let attributes = json!({
        "category": "runtime",
        "module": "cart-web",
        "environment": "staging",
        "url": "/orders/{id}/pay",
        "method": "POST",
        "location": "payments.Gateway.ask",
        "detail": "no answer from the payment gateway for order <any>",
    });
    a_hundred_alert_five_times(&server, &sink, &service, attributes).await;
}

/// They are panics.
#[tokio::test]
async fn a_hundred_errors_of_a_rust_service_alert_five_times() {
    let (server, sink) = server_with_window("1h").await;
    let service = Service::rust(&server.dsn()).await;
    let attributes = json!({
        "category": "runtime",
        "module": "parcel-api",
        "environment": "staging",
        "url": "/orders/{id}/pay",
        "method": "POST",
        "location": "parcel_api::payments::Gateway::ask",
        "detail": "no answer from the payment gateway for order <any>",
    });
    a_hundred_alert_five_times(&server, &sink, &service, attributes).await;
}

/// An error that Rust's SDK captures has causes, and no stack.
#[tokio::test]
async fn an_error_that_a_rust_service_captures_is_placed_where_it_was_captured() {
    let (server, _sink) = server_with_window("1h").await;
    let service = Service::rust(&server.dsn()).await;
    service.fail(10_000, "refund").await;
    let issue = issue(&server, 1).await;
    assert_eq!(issue["normalized"]["location"], "parcel_api::refund");
    assert_eq!(issue["normalized"]["detail"], "no answer from the payment gateway for order <any>");
    assert_eq!(issue["normalized"]["url"], "/orders/{id}/refund");
}

/// As received, each attribute is the service's own word.
#[tokio::test]
async fn attributes_are_shown_as_the_service_meant_them() {
    let (server, sink) = server_with_window("1h").await;
    let service = Service::python(&server.dsn(), None).await;
    service.fail(10_000, "pay").await;
    let attributes = &issue(&server, 1).await["attributes"];
    assert_eq!(attributes["category"], "Runtime");
    assert_eq!(attributes["url"], format!("{}/orders/10000/pay", service.base));
    assert_eq!(attributes["detail"], "no answer from the payment gateway for order 10000");
    wait_for("the alert", || !sink.received().is_empty()).await;
    let alert = &sink.received()[0].json;
    assert_eq!(&alert["attributes"], attributes);
    assert_eq!(alert["exception"]["type"], "TimeoutError");
    assert_eq!(alert["release"], "order-api@1.4.2");
}

#[tokio::test]
async fn a_window_of_a_python_service_closes_and_opens_again() {
    let (server, sink) = server_with_window(WINDOW).await;
    let service = Service::python(&server.dsn(), None).await;
    a_window_closes_and_opens_again(&server, &sink, &service).await;
}

#[tokio::test]
async fn a_window_of_a_node_service_closes_and_opens_again() {
    let (server, sink) = server_with_window(WINDOW).await;
    let service = Service::node(&server.dsn()).await;
    a_window_closes_and_opens_again(&server, &sink, &service).await;
}

#[tokio::test]
async fn a_window_of_a_rust_service_closes_and_opens_again() {
    let (server, sink) = server_with_window(WINDOW).await;
    let service = Service::rust(&server.dsn()).await;
    a_window_closes_and_opens_again(&server, &sink, &service).await;
}

/// Brotli by itself, gzip when told to: the sink sees what is sent, the server understands it.
#[tokio::test]
async fn the_python_sdk_compresses_and_is_understood() {
    for (compression, wanted) in [(None, "br"), (Some("gzip"), "gzip")] {
        let sink = Sink::start().await;
        let dsn = sink.url().replacen("://", &format!("://{KEY}@"), 1).replace("/hook", "/1");
        let service = Service::python(&dsn, compression).await;
        service.fail(10_000, "pay").await;
        wait_for("an envelope", || !sink.received().is_empty()).await;
        assert_eq!(sink.received()[0].headers["content-encoding"], wanted);

        let (server, _sink) = server_with_window("1h").await;
        let service = Service::python(&server.dsn(), compression).await;
        service.fail(10_000, "pay").await;
        issue(&server, 1).await;
    }
}

const ORIGIN: &str = "https://shop.example";

/// A browser asks first when a page wants to send headers of its own.
#[tokio::test]
async fn a_browsers_question_is_answered() {
    let server = Server::start("").await;
    for path in ["/api/1/envelope/", "/api/1/store/", "/api/v1/events"] {
        let question = client()
            .request(reqwest::Method::OPTIONS, format!("{}{path}", server.base()))
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,sentry-trace,baggage,x-sentry-auth");
        let answer = question.send().await.unwrap();
        assert_eq!(answer.status(), 204, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert!(header("access-control-allow-methods").contains("POST"));
        let allowed = header("access-control-allow-headers");
        for name in ["content-type", "sentry-trace", "baggage", "x-sentry-auth", "authorization"] {
            assert!(allowed.split(", ").any(|one| one == name), "{path}: {name} is not in {allowed}");
        }
    }
}

/// What the browser SDK sends is a simple request, which no question goes before: text, with the key in the query.
#[tokio::test]
async fn a_browsers_event_is_taken_and_its_refusal_can_be_read() {
    let server = Server::start("").await;
    let event = json!({
        "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
        "platform": "javascript",
        "environment": "staging",
        "request": { "url": "https://shop.example/carts/77" },
        "exception": { "values": [{ "type": "TypeError", "value": "cart is undefined" }] },
    });
    let body = format!("{{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\"}}\n{{\"type\":\"event\"}}\n{event}\n");
    let send = |key: &str| {
        let url = format!("{}/api/1/envelope/?sentry_version=7&sentry_key={key}", server.base());
        let request = client().post(url).header("origin", ORIGIN).header("content-type", "text/plain;charset=UTF-8");
        request.body(body.clone()).send()
    };
    let answer = send(KEY).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["id"], "9ec79c33ec9942ab8353589fcb2e04dc");
    let issue = issue(&server, 1).await;
    assert_eq!(issue["normalized"]["url"], "/carts/{id}");
    assert_eq!(issue["normalized"]["module"], "tests");

    let refusal = send("ffffffffffffffffffffffffffffffff").await.unwrap();
    assert_eq!(refusal.status(), 401);
    assert_eq!(refusal.headers()["access-control-allow-origin"], "*");
    assert!(refusal.headers()["access-control-expose-headers"].to_str().unwrap().contains("x-sentry-error"));
    assert_eq!(refusal.headers()["x-sentry-error"], "unknown-key");
}
