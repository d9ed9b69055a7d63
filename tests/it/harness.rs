//! A real server in a temporary folder, and a real receiver of its alerts.
//!
//! Promises: free ports, nothing shared between tests, nothing left behind. Waiting is for a condition; its deadline is
//! far away and only turns a hang into a failure.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;

/// The key of the project `tests`, number 1.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The API token.
pub const TOKEN: &str = "a-token-for-tests-of-32-characters-or-more";
/// How long a condition may take before its test is called failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until a condition holds.
pub async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a condition holds that takes questions to find out.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An HTTP client that asks no proxy and follows nothing.
pub fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A running `bongsu serve`.
pub struct Server {
    folder: tempfile::TempDir,
    /// The sections of its configuration that name the stores.
    stores: String,
    process: Child,
    base: String,
    log: Arc<Mutex<Vec<String>>>,
    clock: Option<i64>,
    client: reqwest::Client,
}

impl Server {
    /// Starts a server with a project, a token, an archive of its own and `toml` besides.
    pub async fn start(toml: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let archive = format!("[archive]\nurl = \"sqlite:{}\"\n", folder.path().join("bongsu.db").display());
        Server::start_in(folder, &archive, toml, None).await
    }

    /// Starts one of several servers on the same stores, whose sections are `stores`.
    pub async fn start_on(stores: &str, toml: &str) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), stores, toml, None).await
    }

    /// The same, on a clock that is ahead or behind by so many seconds.
    pub async fn start_with_clock(stores: &str, toml: &str, clock: i64) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), stores, toml, Some(clock)).await
    }

    async fn start_in(folder: tempfile::TempDir, stores: &str, toml: &str, clock: Option<i64>) -> Server {
        std::fs::write(folder.path().join("bongsu.toml"), settings(stores, TOKEN, toml)).unwrap();
        let (process, base, log) = spawn(&folder.path().join("bongsu.toml"), clock).await;
        Server { folder, stores: stores.to_owned(), process, base, log, clock, client: client() }
    }

    /// Writes another configuration, with the same stores.
    pub fn configure(&self, toml: &str) {
        self.configure_with_token(TOKEN, toml);
    }

    /// The same, with another token.
    pub fn configure_with_token(&self, token: &str, toml: &str) {
        std::fs::write(self.config_file(), settings(&self.stores, token, toml)).unwrap();
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        let done = Command::new("kill").args(["-HUP", &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Ends it with SIGKILL and starts it again on the same archive, on another port.
    pub async fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.start_again().await;
    }

    /// Starts it again after it has ended.
    pub async fn start_again(&mut self) {
        (self.process, self.base, self.log) = spawn(&self.config_file(), self.clock).await;
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        self.terminate();
        self.process.wait().unwrap()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let done = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(done.success());
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("bongsu.toml")
    }

    /// The lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The DSN of the project `tests`.
    pub fn dsn(&self) -> String {
        self.base.replacen("://", &format!("://{KEY}@"), 1) + "/1"
    }

    /// Posts native events and answers the response's status and body.
    pub async fn try_send(&self, events: &Value) -> (u16, Value) {
        let request =
            self.client.post(format!("{}/api/v1/events", self.base)).bearer_auth(KEY).body(events.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    /// Posts native events, which must be accepted.
    pub async fn send(&self, events: &Value) -> Value {
        let (status, answer) = self.try_send(events).await;
        assert_eq!(status, 202, "{answer}");
        answer
    }

    /// Reads from the API.
    pub async fn api(&self, path: &str) -> Value {
        let response = self.client.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Acts by the API.
    pub async fn act(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(TOKEN).body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    /// A command of the CLI with this server's configuration: exit code, standard output, standard error.
    pub fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.config_file();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(arguments);
        cli(&all)
    }
}

fn settings(stores: &str, token: &str, toml: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n{stores}\n[api]\ntoken = \"{token}\"\n\
         [[project]]\nname = \"tests\"\nkey = \"{KEY}\"\n{toml}\n",
    )
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log().join("\n"));
        }
    }
}

/// Runs a command of the CLI: exit code, standard output, standard error.
pub fn cli(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bongsu")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

async fn spawn(config: &std::path::Path, clock: Option<i64>) -> (Child, String, Arc<Mutex<Vec<String>>>) {
    let mut process = with_clock(config.parent().unwrap(), clock)
        .args(["serve", "--config", config.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (stderr, lines) = (process.stderr.take().unwrap(), Arc::clone(&log));
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
    let address = || {
        let log = log.lock().unwrap();
        let line = log.iter().find(|line| line.contains("\"listening\""))?;
        Some(serde_json::from_str::<Value>(line).unwrap()["address"].as_str()?.to_owned())
    };
    wait_for("the server to listen", || {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "the server ended with {ended:?}: {:?}", log.lock().unwrap());
        address().is_some()
    })
    .await;
    let base = format!("http://{}", address().unwrap());
    (process, base, log)
}

/// The binary, on a clock that is ahead or behind by so many seconds.
fn with_clock(folder: &std::path::Path, seconds: Option<i64>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bongsu"));
    if let Some(seconds) = seconds {
        let (source, library) =
            (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/clock.c"), folder.join("clock.so"));
        let define = format!("-DSECONDS={seconds}");
        let built = Command::new("cc").args(["-shared", "-fPIC", &define, source, "-o"]).arg(&library).status();
        assert!(built.unwrap().success(), "the clock cannot be built");
        command.env("LD_PRELOAD", library);
    }
    command
}

/// A request that a sink received.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`, or another.
    pub method: hyper::Method,
    /// Where it was sent to.
    pub path: String,
    /// Its head.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its body as JSON; null when it is none.
    pub json: Value,
    /// When it came.
    pub at: Instant,
}

/// How a sink answers.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// With this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Never.
    Hang,
    /// By closing the connection without an answer.
    Drop,
}

impl Reaction {
    /// A bare status.
    pub fn status(status: u16) -> Reaction {
        Reaction::Answer(status, Vec::new(), String::new())
    }
}

type React = dyn Fn(usize, &Received) -> Reaction + Send + Sync;

struct SinkState {
    received: Mutex<Vec<Received>>,
    react: Box<React>,
}

/// A receiver of webhooks.
pub struct Sink {
    url: String,
    state: Arc<SinkState>,
    task: tokio::task::JoinHandle<()>,
}

impl Sink {
    /// One that takes everything.
    pub async fn start() -> Sink {
        Sink::reacting(|_, _| Reaction::status(200)).await
    }

    /// One that reacts to the n-th request (from 0) as told. What is refused is in `received` too.
    pub async fn reacting(react: impl Fn(usize, &Received) -> Reaction + Send + Sync + 'static) -> Sink {
        let state = Arc::new(SinkState { received: Mutex::default(), react: Box::new(react) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Sink { url, state, task }
    }

    /// Ends it with all its connections, as if its process died.
    pub async fn stop(&mut self) {
        self.task.abort();
        (&mut self.task).await.ok();
    }

    /// Starts it again on the same port.
    pub async fn start_again(&mut self) {
        let address = self.url.strip_prefix("http://").unwrap().strip_suffix("/hook").unwrap().to_owned();
        let listener = TcpListener::bind(address).await.unwrap();
        self.task = tokio::spawn(serve(listener, Arc::clone(&self.state)));
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A `[[channel]]` named `ops` that posts here, each alert by itself.
    pub fn as_channel(&self) -> String {
        format!("[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"{}\"\nfold = false\n", self.url)
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// How many requests it has received so far.
    pub fn count(&self) -> usize {
        self.state.received.lock().unwrap().len()
    }

    /// The payloads of one kind received so far.
    pub fn payloads(&self, kind: &str) -> Vec<Value> {
        self.received().into_iter().map(|one| one.json).filter(|json| json["kind"] == kind).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<SinkState>) {
    // Connections end with their listener, as those of a process do.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| receive(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // An error is how a dropped connection ends.
            connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn receive(
    state: Arc<SinkState>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = parts.uri.path().to_owned();
    let one = Received { method: parts.method, path, headers: parts.headers, body, json, at: Instant::now() };
    let number = {
        let mut received = state.received.lock().unwrap();
        received.push(one.clone());
        received.len() - 1
    };
    match (state.react)(number, &one) {
        Reaction::Answer(status, headers, body) => {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(body)).unwrap())
        }
        Reaction::Hang => std::future::pending().await,
        Reaction::Drop => Err(std::io::Error::other("dropped on purpose")),
    }
}
